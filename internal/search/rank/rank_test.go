package rank_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/rank"
)

// The adapters' conformance suite is what tests the ranking; here are the rules
// that two adapters must read in the same way.

func TestRequired(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "«»": 0, "moon": 1, "the moon": 1, "the": 1, "the of": 2, "a b c": 2, "one two three": 3, "one two three four": 3, "one two three four five six seven eight": 6,
	} {
		assert.Equal(t, want, rank.NewQuery(text).Required, text)
	}
}

func TestLookups(t *testing.T) {
	best := func(ls []rank.Lookup, field string, edits int) float32 {
		var w float32
		for _, l := range ls {
			if l.Field == field && l.Edits == edits {
				w = max(w, l.Weight(edits))
			}
		}
		return w
	}
	q := rank.NewQuery("the metropolis moon")
	require.Len(t, q.Terms, 3)
	the, metropolis, moon := q.Terms[0], q.Terms[1], q.Terms[2]
	sources := rank.TitleSources()
	ls := metropolis.Lookups(sources)
	assert.InDelta(t, 100, best(ls, rank.OfName, 0), 0.001)
	assert.InDelta(t, 20, best(ls, rank.OfName, 2), 0.001, "half with two mistakes")
	assert.InDelta(t, 8.5, best(ls, rank.OfDescription+rank.AsStem, 0), 0.001)
	assert.Zero(t, best(ls, rank.OfName+rank.AsPrefix, 0), "only the last word may be being typed")
	assert.InDelta(t, 70, best(moon.Lookups(sources), rank.OfName+rank.AsPrefix, 0), 0.001)
	for _, l := range the.Lookups(sources) {
		assert.True(t, l.Spelled(), "%+v", l)
		assert.LessOrEqual(t, l.Weight(0), float32(3))
		assert.NotEqual(t, rank.OfDescription+rank.AsStem, l.Field)
	}
}

func TestDistance(t *testing.T) {
	for word, want := range map[string]int{
		"metropolis": 0, "metropoliss": 1, "netropolis": 1, "emtropolis": 1, "metrapoles": 2, "mtropols": 2,
		"netrapolis": 0, "etropoli": 0, "entirely": 0, "": 0,
	} {
		assert.Equal(t, want, rank.Lookup{Term: "metropolis", Edits: 2}.Distance(word), word)
	}
	assert.Zero(t, rank.Lookup{Term: "metropolis", Edits: 1}.Distance("metrapoles"))
}

func TestNames(t *testing.T) {
	name := search.Text{}
	for i := range 2 * rank.MaxNames {
		name[string(rune('a'+i))+"x"] = string(rune('a' + i))
	}
	got := rank.TitleNames(&search.Title{Name: name, OriginalName: "original"})
	assert.Len(t, got, rank.MaxNames)
	assert.Equal(t, "original", got[rank.MaxNames-1])
	assert.Len(t, rank.PersonNames(&search.Person{Name: "original", Names: name}), rank.MaxNames)
}

func TestCursor(t *testing.T) {
	p := rank.Place{Order: "name", Number: -1.5, Key: []byte{0, 255}, ID: uuid.New()}
	got, err := rank.ParseCursor(p.Cursor(), "name")
	require.NoError(t, err)
	assert.Equal(t, &p, got)
	assert.Zero(t, p.Compare(got))
	_, err = rank.ParseCursor(p.Cursor(), "added")
	require.ErrorIs(t, err, search.ErrBadCursor)
	none, err := rank.ParseCursor("", "name")
	require.NoError(t, err)
	assert.Nil(t, none)
}

func TestKeyFor(t *testing.T) {
	keys := []rank.NameKey{{Locale: "en", Key: "e"}, {Locale: "ru", Key: "r"}, {Locale: "", Key: "o"}}
	for locale, want := range map[string]string{"ru": "r", "ru-RU": "r", "en": "e", "de": "e", "": "o"} {
		assert.Equal(t, want, rank.KeyFor(keys, locale), locale)
	}
	assert.Equal(t, "f", rank.KeyFor([]rank.NameKey{{Locale: "fr", Key: "f"}}, "ru"))
	assert.Empty(t, rank.KeyFor(nil, "ru"))
}

func TestSpeller(t *testing.T) {
	s := rank.NewSpeller("metropoles")
	s.Offer(rank.NewWord("metropoliss", 9))
	s.Offer(rank.NewWord("metropolis", 1))
	s.Offer(rank.NewWord("metropolex", 1))
	s.Offer(rank.NewWord("entirely", 100))
	assert.Equal(t, "metropolis", s.Best, "fewer mistakes, then the one offered first")
	s.Offer(rank.NewWord("metropolas", 2))
	assert.Equal(t, "metropolas", s.Best, "of as many mistakes the more frequent")
	assert.Zero(t, rank.NewSpeller("1984").Limit)
}

package elastic_test

import (
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/demo"
	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/bleve"
	"github.com/netflixathome/cinema/internal/search/searchtest"
)

// differences are the queries whose first five titles may differ between the
// adapters, with the reason.
var differences = map[string]string{}

// TestAnswersLikeBleve asks both adapters the same of the demo catalogue.
func TestAnswersLikeBleve(t *testing.T) {
	x := open(t, prefix(t))
	defer func() { assert.NoError(t, x.Close()) }()
	home, err := bleve.Open(t.TempDir(), bleve.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer func() { assert.NoError(t, home.Close()) }()
	b := searchtest.Demo(t)
	require.NoError(t, x.Apply(t.Context(), b))
	require.NoError(t, home.Apply(t.Context(), b))

	asked := queries(t)
	require.GreaterOrEqual(t, len(asked), 200)
	same, differ := 0, map[string]bool{}
	for _, text := range asked {
		q := search.Query{Text: text, First: 5, Facets: true}
		want, err := home.Search(t.Context(), q)
		require.NoError(t, err)
		got, err := x.Search(t.Context(), q)
		require.NoError(t, err)
		if slices.Equal(ids(want), ids(got)) {
			same++
		} else if differ[text] = true; differences[text] == "" {
			t.Errorf("%q: at home %q, here %q", text, titles(want), titles(got))
			continue
		}
		// The rest of the answer is the same by the same rules.
		assert.Equal(t, want.Total, got.Total, text)
		assert.Equal(t, want.Suggestion, got.Suggestion, text)
		assert.Equal(t, want.Facets, got.Facets, text)
		assert.Equal(t, want.HasNext, got.HasNext, text)
		for i := range min(len(want.Hits), len(got.Hits)) {
			if want.Hits[i].Title.ID == got.Hits[i].Title.ID {
				assert.Equal(t, want.Hits[i].Highlight, got.Hits[i].Highlight, text)
			}
		}
		people, err := home.SearchPeople(t.Context(), text, 5, "", nil)
		require.NoError(t, err)
		found, err := x.SearchPeople(t.Context(), text, 5, "", nil)
		require.NoError(t, err)
		assert.Equal(t, people.Total, found.Total, text)
		assert.Equal(t, people.People, found.People, text)
	}
	for text := range differences {
		assert.True(t, differ[text], "%q differs no more: take it off the list", text)
	}
	t.Logf("%d of %d queries have the same first five titles", same, len(asked))

	// Whole lists, in every order, in locales with a column and without.
	for _, sort := range []search.Sort{search.SortRelevance, search.SortAdded, search.SortYearAsc, search.SortYearDesc, search.SortName} {
		for _, text := range []string{"", "the", "мать"} {
			for _, locale := range []string{"", "ru", "en", "en-GB", "de"} {
				q := search.Query{Text: text, Sort: sort, Locale: locale, First: 100}
				want, err := home.Search(t.Context(), q)
				require.NoError(t, err)
				got, err := x.Search(t.Context(), q)
				require.NoError(t, err)
				assert.Equal(t, ids(want), ids(got), "%+v", q)
			}
		}
	}
}

func ids(r *search.Results) []uuid.UUID {
	out := []uuid.UUID{}
	for _, h := range r.Hits {
		out = append(out, h.Title.ID)
	}
	return out
}

func titles(r *search.Results) []string {
	out := []string{}
	for _, h := range r.Hits {
		out = append(out, h.Title.Name["en"])
	}
	return out
}

// queries are what people may type to find the demo's titles; the same ones
// at each run.
func queries(t *testing.T) []string {
	t.Helper()
	c, err := demo.Load()
	require.NoError(t, err)
	dice := rand.New(rand.NewPCG(19, 25))
	var out []string
	add := func(s string) {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	cut := func(s string, n int) string { r := []rune(s); return string(r[:min(n, len(r))]) }
	for i := range c.Titles {
		d := &c.Titles[i]
		switch i % 4 {
		case 0:
			add(d.Name)
			add(mistake(dice, d.NameRu))
			add(cut(d.OriginalName, 4+i%5))
		case 1:
			add(d.NameRu)
			add(mistake(dice, d.Name))
			add(cut(d.Name, 3+i%4))
		case 2:
			add(d.OriginalName)
			add(mistake(dice, mistake(dice, d.Name)))
			add(cut(d.NameRu, 3+i%6))
		case 3:
			add(cut(d.PlotEn, 30))
			add(cut(d.PlotRu, 30))
			add(mistake(dice, d.OriginalName))
		}
		if len(d.Directors) > 0 && i%2 == 0 {
			add(d.Directors[0])
			add(c.PeopleRu[d.Directors[0]])
		}
		if len(d.Cast) > 1 && i%3 == 0 {
			add(mistake(dice, d.Cast[1]))
			add(cut(d.Cast[0], 6))
		}
	}
	for _, slug := range slices.Sorted(maps.Keys(c.GenresEn)) {
		add(c.GenresEn[slug])
		add(c.GenresRu[slug])
	}
	for _, c := range searchtest.Cases {
		add(c[0])
	}
	for _, s := range []string{"the", "и", "a", "м", "k", "of the", "комедия китон", "немое кино", "1926", "192", "zzzz", "ьуекщзщдшы", "mitroppoles", "нясфироту"} {
		add(s)
	}
	return out
}

// mistake types one letter of the text wrong.
func mistake(dice *rand.Rand, s string) string {
	r := []rune(s)
	if len(r) < 4 {
		return s
	}
	at := 1 + dice.IntN(len(r)-2)
	switch dice.IntN(4) {
	case 0: // missing
		return string(slices.Delete(r, at, at+1))
	case 1: // twice
		return string(slices.Insert(r, at, r[at]))
	case 2: // swapped
		r[at], r[at+1] = r[at+1], r[at]
	default: // another
		r[at] = r[1+dice.IntN(len(r)-2)]
	}
	return string(r)
}

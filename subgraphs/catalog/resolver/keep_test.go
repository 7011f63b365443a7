package resolver_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/subgraphs/catalog"
)

// page is home without addresses of media, as the web app asks for it.
var page = strings.Replace(home, "playback { url }", "playback { durationMs }", 1)

// The same page, asked again, costs neither the index nor the executor.
func TestAnswersAreKept(t *testing.T) {
	c := open(t)
	first := c.ask("viewer", page, nil)
	require.Empty(t, first.Errors)
	c.reader.take()
	made := c.kept[false].Load()
	again := c.ask("neighbour", page, nil)
	assert.JSONEq(t, string(first.Data), string(again.Data))
	assert.Empty(t, c.reader.take())
	assert.Equal(t, made, c.kept[false].Load())
	assert.EqualValues(t, 1, c.kept[true].Load())
}

// What a profile may not see is not shown to it because another saw it just
// before; nor the other way round.
func TestKeptAnswersKnowChildren(t *testing.T) {
	c := open(t)
	const q = `{titles(first: 100) { totalCount edges { node { id ageRating } } }}`
	type list struct {
		Titles struct {
			TotalCount int
			Edges      []struct {
				Node struct {
					ID        string
					AgeRating *int
				}
			}
		}
	}
	var all, some list
	for range 2 {
		c.getAs("viewer", &all, q, nil)
		c.getAs("child", &some, q, nil)
		assert.Equal(t, len(c.batch.PutTitles), all.Titles.TotalCount)
		assert.Less(t, some.Titles.TotalCount, all.Titles.TotalCount)
		for _, e := range some.Titles.Edges {
			require.NotNil(t, e.Node.AgeRating)
			assert.LessOrEqual(t, *e.Node.AgeRating, 12)
		}
	}
	assert.EqualValues(t, 2, c.kept[true].Load(), "each its own")

	for _, limit := range []int{0, 6, 16, 18} {
		c.getAs(fmt.Sprint("child ", limit), &some, q, nil)
		for _, e := range some.Titles.Edges {
			assert.LessOrEqual(t, *e.Node.AgeRating, limit)
		}
	}

	hidden := c.batch.PutTitles[slices.IndexFunc(c.batch.PutTitles, func(d *search.Title) bool { return d.AgeRating == nil && d.Kind == search.KindFilm })]
	reps := map[string]any{"representations": []any{map[string]any{"__typename": "Film", "id": idOf(hidden)}}}
	const entities = `query($representations: [_Any!]!) { _entities(representations: $representations) { ... on Film { name } } }`
	var got struct {
		Entities []any `json:"_entities"`
	}
	for range 2 {
		c.getAs("viewer", &got, entities, reps)
		assert.NotNil(t, got.Entities[0])
		c.getAs("child", &got, entities, reps)
		assert.Nil(t, got.Entities[0])
	}
}

func TestKeptAnswersKnowLanguages(t *testing.T) {
	c := open(t)
	d := c.doc("A Trip to the Moon")
	const q = `query($id: ID!, $locale: Locale) { title(id: $id) { name(locale: $locale) } }`
	names := map[string]bool{}
	for range 2 {
		for _, l := range []string{"en", "ru"} {
			var got struct{ Title struct{ Name string } }
			c.get(&got, q, map[string]any{"id": idOf(d), "locale": l})
			assert.Equal(t, d.Name[l], got.Title.Name)
			names[got.Title.Name] = true
		}
	}
	assert.Len(t, names, 2)
}

// An address of media is signed for a session and is never shown to another.
func TestMediaAddressesAreNotShared(t *testing.T) {
	c := open(t)
	d := c.doc("A Trip to the Moon")
	for what, q := range map[string]string{
		"the film":   `query($id: ID!) { playable(id: $id) { playback { url } } }`,
		"thumbnails": `query($id: ID!) { playable(id: $id) { playback { url: thumbnailsUrl } } }`,
	} {
		seen := map[string]bool{}
		for _, who := range []string{"viewer", "neighbour"} {
			var got struct {
				Playable struct{ Playback struct{ URL string } }
			}
			c.getAs(who, &got, q, map[string]any{"id": idOf(d)})
			require.NotEmpty(t, got.Playable.Playback.URL)
			seen[got.Playable.Playback.URL] = true
		}
		assert.Len(t, seen, 2, what)
	}
	subtitles := map[string]bool{}
	var until []time.Time
	for _, who := range []string{"viewer", "neighbour"} {
		c.set(c.now.Load().Add(time.Minute))
		var got struct {
			Entities []struct {
				Playback struct {
					ExpiresAt time.Time
					Subtitles []struct{ URL string }
				}
			} `json:"_entities"`
		}
		reps := map[string]any{"representations": []any{map[string]any{"__typename": "Film", "id": idOf(d)}}}
		c.getAs(who, &got, `query($representations: [_Any!]!) { _entities(representations: $representations) { ... on Film { playback { subtitles { url } } } } }`, reps)
		subtitles[got.Entities[0].Playback.Subtitles[0].URL] = true
		c.getAs(who, &got, `query($representations: [_Any!]!) { _entities(representations: $representations) { ... on Film { playback { expiresAt } } } }`, reps)
		until = append(until, got.Entities[0].Playback.ExpiresAt)
	}
	assert.Len(t, subtitles, 2)
	assert.Equal(t, time.Minute, until[1].Sub(until[0]), "when it ends is told as of now")
	assert.Zero(t, c.kept[true].Load())

	// Its length is the same for all.
	const length = `query($id: ID!) { playable(id: $id) { playback { durationMs complete renditions { height } } } }`
	require.Empty(t, c.ask("viewer", length, map[string]any{"id": idOf(d)}).Errors)
	require.Empty(t, c.ask("neighbour", length, map[string]any{"id": idOf(d)}).Errors)
	assert.EqualValues(t, 1, c.kept[true].Load())
}

// A title that leaves the index leaves the answers with it: lists, pages and
// entities.
func TestKeptAnswersFollowTheIndex(t *testing.T) {
	for name, index := range map[string]struct {
		change func(*catalog.Deps)
		after  time.Duration
	}{
		"that tells":         {func(*catalog.Deps) {}, 0},
		"that does not":      {func(d *catalog.Deps) { d.Generation = nil }, 250 * time.Millisecond},
		"that is asked more": {func(d *catalog.Deps) { d.Generation, d.FreshFor = nil, 100*time.Millisecond }, 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			c := openWith(t, index.change)
			d := c.doc("A Trip to the Moon")
			ask := func() string {
				t.Helper()
				var got map[string]any
				c.get(&got, `query($id: ID!) {
					title(id: $id) { id } titles(first: 100) { edges { node { id } } } found: titles(query: "trip to the moon") { totalCount } }`,
					map[string]any{"id": idOf(d)})
				var entity map[string]any
				c.get(&entity, `query($representations: [_Any!]!) { _entities(representations: $representations) { ... on Film { id } } }`,
					map[string]any{"representations": []any{map[string]any{"__typename": "Film", "id": idOf(d)}}})
				text, err := json.Marshal([]any{got, entity})
				require.NoError(t, err)
				return string(text)
			}
			require.Contains(t, ask(), idOf(d))
			require.Contains(t, ask(), idOf(d))
			require.NotZero(t, c.kept[true].Load())
			require.NoError(t, c.index.Apply(t.Context(), search.Batch{DeleteTitles: []uuid.UUID{d.ID}}))
			c.set(c.now.Load().Add(index.after))
			assert.NotContains(t, ask(), idOf(d))
		})
	}
}

// What was served because the index failed is forgotten when it is back.
func TestLastGoodAnswerIsNotKept(t *testing.T) {
	c := open(t)
	const q = `{titles(first: 100) { totalCount }}`
	require.JSONEq(t, `{"titles":{"totalCount":`+jsonOf(t, len(c.batch.PutTitles))+`}}`, string(c.ask("viewer", q, nil).Data))
	require.NoError(t, c.index.Apply(t.Context(), search.Batch{DeleteTitles: []uuid.UUID{c.batch.PutTitles[0].ID}}))
	c.reader.fail.Store(true)
	require.JSONEq(t, `{"titles":{"totalCount":`+jsonOf(t, len(c.batch.PutTitles))+`}}`, string(c.ask("viewer", q, nil).Data))
	c.reader.fail.Store(false)
	require.JSONEq(t, `{"titles":{"totalCount":`+jsonOf(t, len(c.batch.PutTitles)-1)+`}}`, string(c.ask("viewer", q, nil).Data))
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

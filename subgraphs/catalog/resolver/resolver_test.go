package resolver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/mediaurl"
	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/bleve"
	"github.com/netflixathome/cinema/internal/search/searchtest"
	"github.com/netflixathome/cinema/subgraphs/catalog"
	"github.com/netflixathome/cinema/subgraphs/catalog/resolver"
)

// verifier knows three tokens.
type verifier struct{}

func (verifier) Verify(_ context.Context, token string) (*authn.Claims, error) {
	c := &authn.Claims{UserID: uuid.New(), ProfileID: uuid.New(), SessionID: session}
	limits := map[string]int{"child": 12, "child 0": 0, "child 6": 6, "child 16": 16, "child 18": 18}
	switch limit, child := limits[token]; {
	case child:
		c.Child, c.AgeLimit = true, &limit
	case token == "viewer":
	case token == "neighbour":
		c.SessionID = uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8058")
	default:
		return nil, authn.ErrUnauthenticated
	}
	return c, nil
}

var session = uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8057")

// reader counts calls to the index and fails on demand.
type reader struct {
	search.Reader
	mu    sync.Mutex
	calls map[string]int
	fail  atomic.Bool
}

func (r *reader) count(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls[name]++
	if r.fail.Load() {
		return errors.New("the index is on fire")
	}
	return nil
}

func (r *reader) take() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.calls
	r.calls = map[string]int{}
	return c
}

func (r *reader) Search(ctx context.Context, q search.Query) (*search.Results, error) {
	if err := r.count("Search"); err != nil {
		return nil, err
	}
	return r.Reader.Search(ctx, q)
}

func (r *reader) TitlesByID(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*search.Title, error) {
	if err := r.count("TitlesByID"); err != nil {
		return nil, err
	}
	return r.Reader.TitlesByID(ctx, ids)
}

func (r *reader) SeriesByEpisode(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*search.Title, error) {
	if err := r.count("SeriesByEpisode"); err != nil {
		return nil, err
	}
	return r.Reader.SeriesByEpisode(ctx, ids)
}

func (r *reader) PeopleByID(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*search.Person, error) {
	if err := r.count("PeopleByID"); err != nil {
		return nil, err
	}
	return r.Reader.PeopleByID(ctx, ids)
}

func (r *reader) Genres(ctx context.Context) ([]search.GenreCount, error) {
	if err := r.count("Genres"); err != nil {
		return nil, err
	}
	return r.Reader.Genres(ctx)
}

type cinema struct {
	t       *testing.T
	index   *bleve.Index
	reader  *reader
	batch   search.Batch
	handler http.Handler
	now     atomic.Pointer[time.Time]
	kept    map[bool]*atomic.Int64 // answers that were there, and that were made
}

func open(t *testing.T) *cinema {
	t.Helper()
	return openWith(t, func(*catalog.Deps) {})
}

func openWith(t *testing.T, change func(*catalog.Deps)) *cinema {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	index, err := bleve.Open(t.TempDir(), bleve.Options{Logger: log})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, index.Close()) })
	c := &cinema{t: t, index: index, batch: searchtest.Demo(t), reader: &reader{Reader: index, calls: map[string]int{}}, kept: map[bool]*atomic.Int64{true: {}, false: {}}}
	require.NoError(t, index.Apply(t.Context(), c.batch))
	c.set(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	now := func() time.Time { return *c.now.Load() }
	signer, err := mediaurl.NewSigner(bytes.Repeat([]byte{7}, 32), now)
	require.NoError(t, err)
	deps := catalog.Deps{Index: c.reader, Media: signer, Logger: log, Generation: index.Generation, LoadWait: 50 * time.Millisecond, Now: now}
	change(&deps)
	service, err := catalog.New(deps)
	require.NoError(t, err)
	c.handler, err = resolver.Handler(resolver.Options{
		Catalogue: service, Verifier: verifier{}, Logger: log, KeepBytes: 1 << 20,
		Kept: func(there bool) { c.kept[there].Add(1) },
	})
	require.NoError(t, err)
	return c
}

func (c *cinema) set(t time.Time) { c.now.Store(&t) }

type reply struct {
	Data   json.RawMessage
	Errors []struct {
		Message    string
		Path       []any
		Extensions struct{ Code, Field string }
	}
}

func (c *cinema) ask(token, query string, vars map[string]any) reply {
	c.t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	require.NoError(c.t, err)
	r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	var out reply
	require.NoError(c.t, json.Unmarshal(w.Body.Bytes(), &out), w.Body.String())
	return out
}

// get asks as a viewer, wants no error and decodes the data.
func (c *cinema) get(into any, query string, vars map[string]any) {
	c.t.Helper()
	c.getAs("viewer", into, query, vars)
}

func (c *cinema) getAs(token string, into any, query string, vars map[string]any) {
	c.t.Helper()
	r := c.ask(token, query, vars)
	require.Empty(c.t, r.Errors)
	require.NoError(c.t, json.Unmarshal(r.Data, into))
}

func (c *cinema) doc(name string) *search.Title {
	c.t.Helper()
	i := slices.IndexFunc(c.batch.PutTitles, func(d *search.Title) bool { return d.Name["en"] == name })
	require.GreaterOrEqual(c.t, i, 0, name)
	return c.batch.PutTitles[i]
}

func idOf(d *search.Title) string {
	if d.Kind == search.KindSeries {
		return gid.Of(gid.Series, d.ID).String()
	}
	return gid.Of(gid.Film, d.ID).String()
}

func TestNewRefusesMissing(t *testing.T) {
	_, err := catalog.New(catalog.Deps{})
	require.Error(t, err)
	_, err = resolver.Handler(resolver.Options{})
	require.Error(t, err)
}

func TestClosedToStrangers(t *testing.T) {
	c := open(t)
	for _, q := range []string{`{featured{id}}`, `{genres{id}}`, `{titles{totalCount}}`, `{people{totalCount}}`, `{_entities(representations:[{__typename:"Film",id:"` + idOf(c.doc("Metropolis")) + `"}]){... on Film{id}}}`} {
		r := c.ask("", q, nil)
		require.NotEmpty(t, r.Errors, q)
		assert.Equal(t, "UNAUTHENTICATED", r.Errors[0].Extensions.Code, q)
	}
}

func TestTitle(t *testing.T) {
	c := open(t)
	d := *c.doc("A Trip to the Moon")
	d.Tagline = search.Text{"de": "Zum Mond!"}
	d.Credits = slices.Clone(d.Credits)
	d.Credits[len(d.Credits)-1].Character = search.Text{"en": "The Captain"}
	require.NoError(t, c.index.Apply(t.Context(), search.Batch{PutTitles: []*search.Title{&d}}))
	var got struct {
		Title struct {
			ID, Ru, En, Fr, De, Be, OriginalName, OriginalLanguage, Tagline, Description, AddedAt string
			Version, Year, AgeRating, DurationMs                                                  int
			Countries                                                                             []string
			Genres                                                                                []struct {
				ID, Slug, Name string
				TitleCount     int
			}
			Credits []struct {
				Person          struct{ ID, Name string }
				Kind, Character string
			}
			Directors []struct{ Person struct{ Name string } }
			First     []struct{ Kind string }
			Poster    struct{ Small, Fit, Big, Huge, Placeholder, Colour string }
			Still     *struct{ URL string }
		}
	}
	c.get(&got, `query($id: ID!) { title(id: $id) {
		id version ru: name(locale: "ru-RU") en: name(locale: "en") fr: name(locale: "fr") de: tagline(locale: "ru") be: name originalName originalLanguage
		tagline description(locale: "ru") year ageRating countries addedAt genres { id slug name(locale: "ru") titleCount }
		credits { person { id name(locale: "ru") } kind character(locale: "ru") } directors: credits(kinds: [DIRECTOR]) { person { name } } first: credits(first: 1) { kind }
		poster { small: url(width: 1) fit: url big: url(width: 401) huge: url(width: 5000) placeholder colour } still { url }
		... on Film { durationMs } } }`, map[string]any{"id": idOf(&d)})
	x := got.Title
	assert.Equal(t, idOf(&d), x.ID)
	assert.Equal(t, "Путешествие на Луну", x.Ru)
	assert.Equal(t, "A Trip to the Moon", x.En)
	assert.Equal(t, "A Trip to the Moon", x.Fr, "English stands in")
	assert.Equal(t, "A Trip to the Moon", x.Be)
	assert.Equal(t, "Zum Mond!", x.Tagline, "any is better than none")
	assert.Equal(t, "Zum Mond!", x.De)
	assert.Contains(t, x.Description, "астрономов")
	assert.Equal(t, "Le Voyage dans la Lune", x.OriginalName)
	assert.Equal(t, "fr", x.OriginalLanguage)
	assert.Equal(t, 1902, x.Year)
	assert.Equal(t, 10_000, x.DurationMs, "measured, not catalogued")
	assert.Equal(t, []string{"FR"}, x.Countries)
	require.Len(t, x.Genres, 3)
	assert.Equal(t, "sci-fi", x.Genres[0].Slug)
	assert.Positive(t, x.Genres[0].TitleCount)
	assert.Equal(t, "DIRECTOR", x.Credits[0].Kind)
	assert.Equal(t, "The Captain", x.Credits[len(x.Credits)-1].Character)
	assert.Len(t, x.Directors, 1)
	assert.Len(t, x.First, 1)
	for url, width := range map[string]string{x.Poster.Small: "200", x.Poster.Fit: "400", x.Poster.Big: "800", x.Poster.Huge: "800"} {
		assert.True(t, strings.HasPrefix(url, "/media/") && strings.HasSuffix(url, "/posters/a-trip-to-the-moon-1902/"+width+".jpg"), url)
	}
	assert.Equal(t, "#203040", x.Poster.Colour)
}

func TestUnknownAndWrongKinds(t *testing.T) {
	c := open(t)
	film, series := c.doc("Metropolis"), c.doc("Les Vampires")
	for _, id := range []gid.ID{gid.New(gid.Film), gid.Of(gid.Series, film.ID), gid.Of(gid.Film, series.ID), gid.Of(gid.Person, film.ID), gid.New(gid.Episode), gid.New(gid.User)} {
		var got struct{ Title, Playable, Person, Genre any }
		c.get(&got, `query($id: ID!) { title(id: $id) { id } playable(id: $id) { id } person(id: $id) { id } genre(id: $id) { id } }`, map[string]any{"id": id.String()})
		assert.Nil(t, got.Title, id)
		assert.Nil(t, got.Playable, id)
		assert.Nil(t, got.Person, id)
		assert.Nil(t, got.Genre, id)
	}
	r := c.ask("viewer", `{title(id: "nonsense"){id}}`, nil)
	require.NotEmpty(t, r.Errors)
}

func TestLimits(t *testing.T) {
	c := open(t)
	id := idOf(c.doc("Metropolis"))
	for query, field := range map[string]string{
		`{titles(first: 0) {totalCount}}`:                                                    "first",
		`{titles(first: 101) {totalCount}}`:                                                  "first",
		`{titles(first: -1) {totalCount}}`:                                                   "first",
		`{titles(after: "x") {totalCount}}`:                                                  "after",
		`{people(first: 1000) {totalCount}}`:                                                 "first",
		`{people(after: "x") {totalCount}}`:                                                  "after",
		`{titles(filter: {genreIds: ["` + id + `"]}) {totalCount}}`:                          "filter.genreIds",
		`{titles(filter: {personIds: ["` + id + `"]}) {totalCount}}`:                         "filter.personIds",
		`{titles(query: "` + strings.Repeat("я", 201) + `") {totalCount}}`:                   "query",
		`{title(id: "` + id + `") {similar(first: 0) {reason}}}`:                             "first",
		`{title(id: "` + id + `") {credits(first: 500) {kind}}}`:                             "first",
		`{titles(filter: {countries: [` + strings.Repeat(`"US",`, 101) + `]}) {totalCount}}`: "filter.countries",
	} {
		r := c.ask("viewer", query, nil)
		if assert.NotEmpty(t, r.Errors, query) {
			assert.Equal(t, "INVALID", r.Errors[0].Extensions.Code, query)
			assert.Equal(t, field, r.Errors[0].Extensions.Field, query)
		}
	}
}

func TestSearchAndPages(t *testing.T) {
	c := open(t)
	type page struct {
		Titles struct {
			TotalCount int
			Suggestion *string
			PageInfo   struct {
				HasNextPage, HasPreviousPage bool
				StartCursor, EndCursor       *string
			}
			Edges []struct {
				Cursor, Highlight string
				Node              struct {
					Typename string `json:"__typename"`
					ID, Name string
				}
			}
			Facets struct {
				Genres []struct {
					Genre struct{ Slug string }
					Count int
				}
				Kinds []struct {
					Kind  string
					Count int
				}
				Decades   []struct{ From, Count int }
				Languages []struct {
					Language string
					Count    int
				}
			}
		}
	}
	const query = `query($q: String, $f: TitleFilter, $s: TitleSort, $n: Int, $a: String, $l: Locale) { titles(query: $q, filter: $f, sort: $s, first: $n, after: $a) {
		totalCount suggestion pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
		edges { cursor highlight(locale: $l) node { __typename id ...names } }
		facets { genres { genre { slug } count } kinds { kind count } decades { from count } languages { language count } } } }
		fragment names on Title { name(locale: $l) }`
	var p page
	c.get(&p, query, map[string]any{"q": "метраполис", "l": "ru"})
	require.NotEmpty(t, p.Titles.Edges)
	assert.Equal(t, "Метрополис", p.Titles.Edges[0].Node.Name)
	assert.Equal(t, "«Метрополис»", p.Titles.Edges[0].Highlight)
	assert.Nil(t, p.Titles.Suggestion)

	p = page{}
	c.get(&p, query, map[string]any{"q": "vtnhjgjkbc"})
	require.NotNil(t, p.Titles.Suggestion)
	assert.Equal(t, "метрополис", *p.Titles.Suggestion)

	p = page{}
	c.get(&p, query, map[string]any{"f": map[string]any{"kinds": []string{"SERIES"}}})
	assert.Equal(t, 2, p.Titles.TotalCount)
	assert.Equal(t, "Series", p.Titles.Edges[0].Node.Typename)
	assert.Empty(t, p.Titles.Edges[0].Highlight)
	require.Len(t, p.Titles.Facets.Kinds, 2, "kinds do not narrow themselves")
	assert.True(t, slices.IsSortedFunc(p.Titles.Facets.Decades, func(a, b struct{ From, Count int }) int { return b.From - a.From }))
	assert.True(t, slices.IsSortedFunc(p.Titles.Facets.Languages, func(a, b struct {
		Language string
		Count    int
	}) int {
		return b.Count - a.Count
	}))

	seen := map[string]bool{}
	vars := map[string]any{"n": 10, "s": "NAME", "l": "ru"}
	last := ""
	for n := 0; ; n++ {
		p = page{}
		c.get(&p, query, vars)
		assert.Equal(t, n > 0, p.Titles.PageInfo.HasPreviousPage)
		for _, e := range p.Titles.Edges {
			assert.False(t, seen[e.Node.ID])
			seen[e.Node.ID] = true
			last = e.Node.Name
		}
		if !p.Titles.PageInfo.HasNextPage {
			break
		}
		vars["a"] = *p.Titles.PageInfo.EndCursor
	}
	assert.Len(t, seen, len(c.batch.PutTitles))
	assert.Equal(t, "Ящик Пандоры", last, "sorted by the name that is shown")
}

func TestFacetsInAFragment(t *testing.T) {
	c := open(t)
	var got struct {
		Titles struct {
			Edges  []struct{ Node struct{ Name string } }
			Facets struct{ Kinds []struct{ Count int } }
		}
	}
	c.get(&got, `query($l: Locale) { titles(sort: NAME, first: 1) { ...list } }
		fragment list on TitleConnection { ... on TitleConnection { facets { kinds { count } } } edges { ...edge } }
		fragment edge on TitleEdge { node { ... on Title { name(locale: $l) } } }`, map[string]any{"l": "ru"})
	assert.Len(t, got.Titles.Facets.Kinds, 2)
	assert.Equal(t, "20 000 льё под водой", got.Titles.Edges[0].Node.Name)
}

const home = `{
	featured { ...card description(locale: "ru") still { url(width: 1280) } ... on Film { playback { url } } }
	genres { id slug name(locale: "ru") titleCount }
	new: titles(first: 24, sort: ADDED) { edges { node { ...card } } }
	silent: titles(first: 24, filter: { yearTo: 1925 }) { totalCount edges { node { ...card } } }
	series: titles(first: 24, filter: { kinds: [SERIES] }) { edges { node { ...card ... on Series { seasons { number episodes { id name series { id } } } } } } }
}
fragment card on Title { id name(locale: "ru") year ageRating genres { id slug name titleCount } credits(first: 3) { person { id name } kind } poster { url placeholder colour } }`

func TestHomeCostsAHandfulOfCalls(t *testing.T) {
	c := open(t)
	var got map[string]any
	c.get(&got, home, nil)
	assert.Equal(t, map[string]int{"Search": 4, "Genres": 1}, c.reader.take(), "one for each list, one for all genres")
	c.get(&got, home, nil)
	assert.Empty(t, c.reader.take(), "while the index is as it was")
	require.NoError(t, c.index.Apply(t.Context(), search.Batch{PutTitles: c.batch.PutTitles[:1]}))
	c.get(&got, home, nil)
	assert.Equal(t, map[string]int{"Search": 4, "Genres": 1}, c.reader.take(), "a change is seen at once")
	c.get(&got, `{titles(query: "keaton", first: 50) { edges { node { ...card } } facets { genres { genre { name } } } }}`+home[strings.Index(home, "\nfragment"):], nil)
	assert.Equal(t, map[string]int{"Search": 1}, c.reader.take())
}

func TestLastGoodCatalogue(t *testing.T) {
	c := open(t)
	want := c.ask("viewer", home, nil)
	require.Empty(t, want.Errors)
	require.NoError(t, c.index.Apply(t.Context(), search.Batch{PutTitles: c.batch.PutTitles[:1]}))
	c.reader.fail.Store(true)
	got := c.ask("viewer", home, nil)
	require.Empty(t, got.Errors)
	assert.JSONEq(t, string(want.Data), string(got.Data))
	got = c.ask("viewer", `{titles(query: "keaton") {totalCount}}`, nil)
	require.NotEmpty(t, got.Errors)
	assert.Equal(t, "UNAVAILABLE", got.Errors[0].Extensions.Code)
	assert.NotContains(t, got.Errors[0].Message, "fire")
	c.reader.fail.Store(false)
	require.Empty(t, c.ask("viewer", `{titles(query: "keaton") {totalCount}}`, nil).Errors)
}

func TestFeatured(t *testing.T) {
	c := open(t)
	seen := map[string]bool{}
	last := ""
	for day := range 30 {
		c.set(time.Date(2026, 3, 1+day, 0, 0, 0, 0, time.UTC))
		var a, b struct {
			Featured struct {
				ID       string
				Still    *struct{ URL string }
				Playback *struct{ URL string }
			}
		}
		const q = `{featured{id still{url} ...on Film{playback{url}}}}`
		c.get(&a, q, nil)
		c.set(time.Date(2026, 3, 1+day, 23, 59, 59, 0, time.UTC))
		c.get(&b, q, nil)
		assert.Equal(t, a.Featured.ID, b.Featured.ID)
		assert.NotEqual(t, last, a.Featured.ID)
		assert.NotNil(t, a.Featured.Still)
		assert.NotNil(t, a.Featured.Playback)
		last = a.Featured.ID
		seen[last] = true
	}
	assert.Greater(t, len(seen), 10)

	var all []uuid.UUID
	for _, d := range c.batch.PutTitles {
		all = append(all, d.ID)
	}
	require.NoError(t, c.index.Apply(t.Context(), search.Batch{DeleteTitles: all}))
	var none struct{ Featured any }
	c.get(&none, `{featured{id}}`, nil)
	assert.Nil(t, none.Featured)
	bare := *c.batch.PutTitles[1]
	bare.Poster, bare.Still, bare.Media = nil, nil, nil
	require.NoError(t, c.index.Apply(t.Context(), search.Batch{PutTitles: []*search.Title{&bare}}))
	c.get(&none, `{featured{id}}`, nil)
	assert.NotNil(t, none.Featured, "null only while the catalogue is empty")
}

func TestPlayback(t *testing.T) {
	c := open(t)
	d := *c.doc("A Trip to the Moon")
	m := *d.Media
	m.DurationMs = (7 * time.Hour).Milliseconds()
	m.Subtitles = append(slices.Clone(m.Subtitles), search.Subtitle{Language: "en", Label: "English", Key: "subtitles/elsewhere/en.vtt"})
	d.Media = &m
	require.NoError(t, c.index.Apply(t.Context(), search.Batch{PutTitles: []*search.Title{&d}}))
	type playback struct {
		URL, ExpiresAt string
		ThumbnailsURL  *string
		DurationMs     int
		Complete       bool
		Renditions     []struct {
			Name            string
			Height, Bitrate int
		}
		Subtitles []struct {
			Locale     *string
			Label, URL string
		}
	}
	const fields = `playback { url expiresAt durationMs thumbnailsUrl complete renditions { name height bitrate } subtitles { locale label url } }`
	var got struct{ Playable struct{ Playback *playback } }
	c.get(&got, `query($id: ID!) { playable(id: $id) { `+fields+` } }`, map[string]any{"id": idOf(&d)})
	p := got.Playable.Playback
	require.NotNil(t, p)
	assert.True(t, strings.HasSuffix(p.URL, "/media/a-trip-to-the-moon-1902/master.m3u8"), p.URL)
	assert.Equal(t, "2026-03-01T21:00:00.000Z", p.ExpiresAt, "a long film and a break")
	require.NotNil(t, p.ThumbnailsURL)
	assert.Equal(t, strings.TrimSuffix(p.URL, "master.m3u8"), strings.TrimSuffix(*p.ThumbnailsURL, "thumbnails.vtt"), "one signature covers the film")
	assert.Equal(t, 720, p.Renditions[0].Height, "the best first")
	require.Len(t, p.Subtitles, 3)
	assert.Nil(t, p.Subtitles[1].Locale)
	assert.True(t, strings.HasSuffix(p.Subtitles[2].URL, "/subtitles/elsewhere/en.vtt"))

	series := c.doc("Les Vampires")
	for i, ready := range []bool{true, false} {
		var got struct {
			Playable struct {
				Name, Description    string
				Number, SeasonNumber int
				Series               struct{ ID string }
				Playback             *playback
			}
		}
		c.get(&got, `query($id: ID!) { playable(id: $id) { name(locale: "ru") ... on Episode { number seasonNumber description series { id } `+fields+` } } }`,
			map[string]any{"id": gid.Of(gid.Episode, series.Seasons[0].Episodes[i].ID).String()})
		assert.Equal(t, ready, got.Playable.Playback != nil)
		assert.Equal(t, idOf(series), got.Playable.Series.ID)
		assert.Equal(t, i+1, got.Playable.Number)
		if ready {
			assert.Equal(t, "2026-03-01T18:00:00.000Z", got.Playable.Playback.ExpiresAt)
			assert.Equal(t, "Отрубленная голова", got.Playable.Name)
		}
	}
}

func TestSimilar(t *testing.T) {
	c := open(t)
	d := c.doc("The General")
	type list struct {
		Title struct {
			Similar []struct {
				Title  struct{ ID, Name string }
				Reason string
				Person *struct{ ID, Name string }
				Genre  *struct{ Slug string }
			}
		}
	}
	const q = `query($id: ID!) { title(id: $id) { similar(first: 100) { title { id name } reason person { id name } genre { slug } } } }`
	var got list
	c.get(&got, q, map[string]any{"id": idOf(d)})
	s := got.Title.Similar
	require.Greater(t, len(s), 5)
	rank := map[string]int{"SAME_DIRECTOR": 0, "SAME_ACTOR": 1, "SAME_GENRE": 2}
	for i, x := range s {
		assert.NotEqual(t, idOf(d), x.Title.ID)
		assert.Equal(t, x.Reason == "SAME_GENRE", x.Genre != nil)
		assert.Equal(t, x.Reason != "SAME_GENRE", x.Person != nil)
		if i > 0 {
			assert.LessOrEqual(t, rank[s[i-1].Reason], rank[x.Reason], "%s behind %s", x.Title.Name, s[i-1].Title.Name)
		}
	}
	assert.Equal(t, "SAME_DIRECTOR", s[0].Reason)
	assert.Equal(t, "Buster Keaton", s[0].Person.Name)
	c.reader.take()
	c.get(&got, q, map[string]any{"id": idOf(d)})
	assert.Zero(t, c.reader.take()["Search"], "kept for the version")

	// What has gone since is left out.
	require.NoError(t, c.index.Apply(t.Context(), search.Batch{DeleteTitles: []uuid.UUID{mustID(t, s[0].Title.ID)}}))
	var after list
	c.get(&after, q, map[string]any{"id": idOf(d)})
	assert.Len(t, after.Title.Similar, len(s)-1)
}

func mustID(t *testing.T, s string) uuid.UUID {
	t.Helper()
	id, err := gid.Parse(s)
	require.NoError(t, err)
	return id.UUID
}

func TestPeople(t *testing.T) {
	c := open(t)
	var got struct {
		People struct {
			TotalCount int
			Edges      []struct {
				Node struct {
					ID, Name string
					Titles   struct {
						TotalCount int
						Edges      []struct{ Node struct{ Year int } }
					}
				}
			}
		}
	}
	c.get(&got, `{people(query: "китон") { totalCount edges { node { id name(locale: "ru") titles(first: 50) { totalCount edges { node { year } } } } } }}`, nil)
	require.NotEmpty(t, got.People.Edges)
	p := got.People.Edges[0].Node
	assert.Equal(t, "Бастер Китон", p.Name)
	assert.GreaterOrEqual(t, p.Titles.TotalCount, 4)
	assert.True(t, slices.IsSortedFunc(p.Titles.Edges, func(a, b struct{ Node struct{ Year int } }) int { return b.Node.Year - a.Node.Year }))
	var one struct{ Person struct{ Name string } }
	c.get(&one, `query($id: ID!) { person(id: $id) { name } }`, map[string]any{"id": p.ID})
	assert.Equal(t, "Buster Keaton", one.Person.Name)
}

func TestEntities(t *testing.T) {
	c := open(t)
	reps := []map[string]any{}
	for _, d := range c.batch.PutTitles {
		typ := "Film"
		if d.Kind == search.KindSeries {
			typ = "Series"
		}
		reps = append(reps, map[string]any{"__typename": typ, "id": idOf(d)})
	}
	for range 3 {
		reps = append(reps, map[string]any{"__typename": "Film", "id": gid.New(gid.Film).String()})
	}
	reps = append(reps, map[string]any{"__typename": "Film", "id": idOf(c.doc("Les Vampires"))})
	e := c.doc("Fantômas").Seasons[0].Episodes[0]
	reps = append(reps,
		map[string]any{"__typename": "Episode", "id": gid.Of(gid.Episode, e.ID).String()},
		map[string]any{"__typename": "Genre", "id": gid.Of(gid.Genre, c.batch.PutGenres[0].ID).String()},
		map[string]any{"__typename": "Person", "id": gid.Of(gid.Person, c.batch.PutPeople[0].ID).String()},
		map[string]any{"__typename": "Person", "id": gid.New(gid.Person).String()},
	)
	var got struct {
		Entities []*struct{ Typename, ID, Name string } `json:"_entities"`
	}
	c.get(&got, `query($r: [_Any!]!) { _entities(representations: $r) { Typename: __typename
		... on Film { id name genres { name } } ... on Series { id name } ... on Episode { id name series { id name } } ... on Genre { id name titleCount } ... on Person { id name } } }`, map[string]any{"r": reps})
	require.Len(t, got.Entities, len(reps))
	n := len(c.batch.PutTitles)
	for i, d := range c.batch.PutTitles {
		require.NotNil(t, got.Entities[i], d.Name["en"])
		assert.Equal(t, d.Name["en"], got.Entities[i].Name)
	}
	for i := n; i < n+4; i++ {
		assert.Nil(t, got.Entities[i], "%d", i)
	}
	assert.Equal(t, e.Name["en"], got.Entities[n+4].Name)
	assert.Equal(t, c.batch.PutGenres[0].Names["en"], got.Entities[n+5].Name)
	assert.Equal(t, c.batch.PutPeople[0].Name, got.Entities[n+6].Name)
	assert.Nil(t, got.Entities[n+7])
	calls := c.reader.take()
	assert.LessOrEqual(t, calls["TitlesByID"], 2, "films and series are asked for together, whatever their number")
	assert.Equal(t, 1, calls["SeriesByEpisode"])
	assert.Equal(t, 1, calls["PeopleByID"])
	assert.Equal(t, 1, calls["Genres"])
}

// One catalogue for all limits: what is kept for one must not be shown to another.
func TestAgeLimits(t *testing.T) {
	c := open(t)
	for _, limit := range []int{18, 0, 16, 6, 12} {
		t.Run(strconv.Itoa(limit), func(t *testing.T) { testAgeLimit(t, c, limit) })
	}
}

func testAgeLimit(t *testing.T, c *cinema, limit int) {
	child := "child"
	if limit != 12 {
		child = fmt.Sprint("child ", limit)
	}
	allowed := map[string]bool{}
	for _, d := range c.batch.PutTitles {
		if d.AgeRating != nil && *d.AgeRating <= limit {
			allowed[idOf(d)] = true
		}
	}
	require.NotEmpty(t, allowed)
	require.Less(t, len(allowed), len(c.batch.PutTitles))
	hidden := func() *search.Title {
		for _, d := range c.batch.PutTitles {
			if d.AgeRating == nil && d.Kind == search.KindFilm {
				return d
			}
		}
		return nil
	}()
	require.NotNil(t, hidden)
	type list struct {
		Titles struct {
			TotalCount int
			Edges      []struct{ Node struct{ ID string } }
			Facets     struct {
				Genres []struct {
					Count int
					Genre struct{ TitleCount int }
				}
			}
		}
	}
	check := func(l list, what string) {
		for _, e := range l.Titles.Edges {
			assert.True(t, allowed[e.Node.ID], "%s: %s", what, e.Node.ID)
		}
	}
	for _, args := range []string{`first: 100`, `first: 100, query: "the"`, `first: 100, query: "keaton"`, `first: 100, filter: {ageRatingMax: 18}`, `first: 100, filter: {playable: true}`} {
		var l list
		c.getAs(child, &l, `{titles(`+args+`) { totalCount edges { node { id } } facets { genres { count genre { titleCount } } } }}`, nil)
		check(l, args)
		assert.Len(t, l.Titles.Edges, l.Titles.TotalCount)
		for _, g := range l.Titles.Facets.Genres {
			assert.LessOrEqual(t, g.Count, g.Genre.TitleCount)
		}
		if args == `first: 100` {
			assert.Equal(t, len(allowed), l.Titles.TotalCount)
		}
	}
	for i, d := range c.batch.PutTitles {
		if limit != 12 && i%9 != 0 {
			continue // each title once is enough
		}
		var got struct {
			Title, Playable any
			Entities        []any `json:"_entities"`
		}
		typ := "Film"
		if d.Kind == search.KindSeries {
			typ = "Series"
		}
		c.getAs(child, &got, fmt.Sprintf(`{title(id: "%[1]s") {id} playable(id: "%[1]s") {id} _entities(representations: [{__typename: "%[2]s", id: "%[1]s"}]) {__typename}}`, idOf(d), typ), nil)
		assert.Equal(t, allowed[idOf(d)], got.Title != nil)
		assert.Equal(t, allowed[idOf(d)] && typ == "Film", got.Playable != nil)
		assert.Equal(t, allowed[idOf(d)], got.Entities[0] != nil)
		if d.Kind == search.KindSeries {
			id := gid.Of(gid.Episode, d.Seasons[0].Episodes[0].ID).String()
			c.getAs(child, &got, fmt.Sprintf(`{playable(id: "%[1]s") {id} _entities(representations: [{__typename: "Episode", id: "%[1]s"}]) {__typename}}`, id), nil)
			assert.Equal(t, allowed[idOf(d)], got.Playable != nil)
			assert.Equal(t, allowed[idOf(d)], got.Entities[0] != nil)
		}
	}
	for id := range allowed {
		if i := searchtest.ID("", id)[0]; limit != 12 && i%9 != 0 {
			continue
		}
		// The viewer's list is made first, so that a shared one would be noticed.
		const q = `query($id: ID!) { title(id: $id) { similar(first: 100) { title { id } } } }`
		var got struct {
			Title struct {
				Similar []struct{ Title struct{ ID string } }
			}
		}
		c.get(&got, q, map[string]any{"id": id})
		c.getAs(child, &got, q, map[string]any{"id": id})
		for _, s := range got.Title.Similar {
			assert.True(t, allowed[s.Title.ID])
		}
	}
	var person struct {
		Person struct {
			Titles struct {
				Edges []struct{ Node struct{ ID string } }
			}
		}
	}
	// People as well: neither their page nor the search shows one whose every title is hidden.
	shown := map[string]bool{}
	for _, d := range c.batch.PutTitles {
		for _, credit := range d.Credits {
			id := gid.Of(gid.Person, credit.PersonID).String()
			shown[id] = shown[id] || d.AgeRating != nil && *d.AgeRating <= limit
		}
	}
	type people struct {
		TotalCount int
		Edges      []struct{ Node struct{ ID, Name string } }
	}
	var all struct{ People people }
	c.getAs(child, &all, `{people(first: 100) { totalCount edges { node { id name } } }}`, nil)
	n := 0
	for _, is := range shown {
		if is {
			n++
		}
	}
	assert.Positive(t, n)
	assert.Less(t, n, len(shown))
	assert.Equal(t, n, all.People.TotalCount)
	for _, e := range all.People.Edges {
		assert.True(t, shown[e.Node.ID], e.Node.Name)
	}
	for i, p := range c.batch.PutPeople {
		if i%7 != 0 {
			continue
		}
		id := gid.Of(gid.Person, p.ID).String()
		var got struct {
			Person   *struct{ ID string }
			Entities []*struct{ ID string } `json:"_entities"`
			People   people
		}
		c.getAs(child, &got, `query($id: ID!, $name: String!, $reps: [_Any!]!) {
			person(id: $id) { id } _entities(representations: $reps) { ... on Person { id } } people(query: $name, first: 100) { totalCount edges { node { id name } } } }`,
			map[string]any{"id": id, "name": p.Name, "reps": []map[string]any{{"__typename": "Person", "id": id}}})
		assert.Equal(t, shown[id], got.Person != nil, p.Name)
		assert.Equal(t, shown[id], got.Entities[0] != nil, p.Name)
		found := false
		for _, e := range got.People.Edges {
			assert.True(t, shown[e.Node.ID], e.Node.Name)
			found = found || e.Node.ID == id
		}
		assert.Equal(t, shown[id], found, p.Name)
		assert.LessOrEqual(t, got.People.TotalCount, n)
	}
	for _, name := range []string{"Buster Keaton", "F. W. Murnau", "Charlie Chaplin"} {
		if !shown[gid.Of(gid.Person, searchtest.ID("person", name)).String()] {
			continue
		}
		c.getAs(child, &person, `query($id: ID!) { person(id: $id) { titles { edges { node { id } } } } }`, map[string]any{"id": gid.Of(gid.Person, searchtest.ID("person", name)).String()})
		for _, e := range person.Person.Titles.Edges {
			assert.True(t, allowed[e.Node.ID])
		}
	}
	for day := range 20 {
		c.set(time.Date(2026, 4, 1+day, 0, 0, 0, 0, time.UTC))
		var f struct{ Featured struct{ ID string } }
		c.get(&f, `{featured{id}}`, nil)
		c.getAs(child, &f, `{featured{id}}`, nil)
		assert.True(t, allowed[f.Featured.ID])
	}
	var genres struct{ Genres []struct{ TitleCount int } }
	c.getAs(child, &genres, `{genres{titleCount}}`, nil)
	for _, g := range genres.Genres {
		assert.Positive(t, g.TitleCount)
		assert.LessOrEqual(t, g.TitleCount, len(allowed))
	}
}

func BenchmarkHome(b *testing.B) {
	for name, bytes := range map[string]int{"made": 0, "kept": 1 << 20} {
		b.Run(name, func(b *testing.B) { benchmarkHome(b, bytes) })
	}
}

func benchmarkHome(b *testing.B, keepBytes int) {
	log := slog.New(slog.DiscardHandler)
	index, err := bleve.Open(b.TempDir(), bleve.Options{Logger: log})
	require.NoError(b, err)
	defer func() { _ = index.Close() }()
	require.NoError(b, index.Apply(b.Context(), searchtest.Demo(b)))
	signer, err := mediaurl.NewSigner(bytes.Repeat([]byte{7}, 32), time.Now)
	require.NoError(b, err)
	service, err := catalog.New(catalog.Deps{Index: index, Media: signer, Logger: log, Generation: index.Generation})
	require.NoError(b, err)
	h, err := resolver.Handler(resolver.Options{Catalogue: service, Verifier: verifier{}, Logger: log, KeepBytes: keepBytes})
	require.NoError(b, err)
	body, err := json.Marshal(map[string]any{"query": page})
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer viewer")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
}

// Package searchtest is what every adapter of the search port must pass: the
// demo catalogue is put in and found again, in both languages, with mistakes,
// filters and facets, page by page while it changes, and across restarts.
package searchtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/demo"
	"github.com/netflixathome/cinema/internal/search"
)

// Index is an adapter.
type Index interface {
	search.Reader
	search.Writer
}

// Setup opens an index. Calls with the same test open the same data again, so
// that what one instance wrote a later one finds; an instance is closed by
// close before the next is opened.
type Setup func(t *testing.T) (index Index, close func())

// ID makes the identifier of a thing of the demo catalogue.
func ID(kind, name string) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(kind+"/"+name))
}

// Demo is the demo catalogue as documents. Every third film can be played, and
// all but every fifth title are rated.
func Demo(tb testing.TB) search.Batch {
	tb.Helper()
	c, err := demo.Load()
	require.NoError(tb, err)
	var b search.Batch
	for slug, en := range c.GenresEn {
		b.PutGenres = append(b.PutGenres, &search.Genre{ID: ID("genre", slug), Version: 1, Slug: slug, Names: search.Text{"en": en, "ru": c.GenresRu[slug]}})
	}
	slices.SortFunc(b.PutGenres, func(a, b *search.Genre) int { return strings.Compare(a.Slug, b.Slug) })
	known := map[string]*search.Person{}
	for i := range c.Titles {
		d := &c.Titles[i]
		t := &search.Title{
			ID: ID("title", d.Slug), Kind: search.KindFilm, Version: 1,
			OriginalName: d.OriginalName, OriginalLanguage: d.OriginalLanguage,
			Name:        search.Text{"en": d.Name, "ru": d.NameRu},
			Description: search.Text{"en": d.PlotEn, "ru": d.PlotRu},
			Year:        d.Year, EndYear: d.EndYear, Countries: d.Countries,
			DurationMs: int64(d.RuntimeMinutes) * 60_000,
			AddedAt:    time.Date(2026, 1, 1, 0, i, 0, 0, time.UTC),
		}
		if i%5 != 4 {
			age := []int{0, 6, 12, 16, 18}[i%4+i%2]
			t.AgeRating = &age
		}
		for _, g := range d.Genres {
			t.GenreIDs = append(t.GenreIDs, ID("genre", g))
			t.GenreNames = append(t.GenreNames, search.Text{"en": c.GenresEn[g], "ru": c.GenresRu[g]})
		}
		credit := func(kind string, names []string) {
			for _, n := range names {
				p := &search.Person{ID: ID("person", n), Version: 1, Name: n, Names: search.Text{}}
				if ru := c.PeopleRu[n]; ru != "" {
					p.Names["ru"] = ru
				}
				t.Credits = append(t.Credits, search.Credit{PersonID: p.ID, Name: n, Names: p.Names, Kind: kind})
				if known[n] == nil {
					known[n] = p
					b.PutPeople = append(b.PutPeople, p)
				}
				if p = known[n]; t.AgeRating != nil && (p.AgeRating == nil || *t.AgeRating < *p.AgeRating) {
					p.AgeRating = t.AgeRating
				}
			}
		}
		credit("director", d.Directors)
		credit("writer", d.Writers)
		credit("actor", d.Cast)
		media := func(key string) *search.Media {
			return &search.Media{
				AssetID: ID("asset", key), DurationMs: 10_000, Prefix: "media/" + key, MasterKey: "media/" + key + "/master.m3u8",
				ThumbnailsKey: "media/" + key + "/thumbnails.vtt", Complete: true,
				Renditions: []search.Rendition{{Name: "480p", Height: 480, Bitrate: 800_000}, {Name: "720p", Height: 720, Bitrate: 2_000_000}},
				Subtitles:  []search.Subtitle{{Language: "ru", Label: "Русский", Key: "media/" + key + "/ru.vtt"}, {Label: "?", Key: "media/" + key + "/x.vtt"}},
			}
		}
		t.Poster = &search.Image{Prefix: "posters/" + d.Slug, Widths: []int{200, 400, 800}, Colour: "#203040", Placeholder: "data:image/png;base64,AA=="}
		if d.Type == "series" {
			t.Kind = search.KindSeries
			for _, s := range d.Seasons {
				season := search.Season{ID: ID("season", fmt.Sprint(d.Slug, s.Number)), Number: s.Number}
				for _, e := range s.Episodes {
					key := fmt.Sprintf("%s-%d-%d", d.Slug, s.Number, e.Number)
					ep := search.Episode{ID: ID("episode", key), Number: e.Number, OriginalName: e.OriginalName,
						Name: search.Text{"en": e.Name, "ru": e.NameRu}, DurationMs: int64(e.RuntimeMinutes) * 60_000}
					if e.Number == 1 {
						ep.Media = media(key)
					}
					season.Episodes = append(season.Episodes, ep)
				}
				t.Seasons = append(t.Seasons, season)
			}
		} else if i%3 == 0 {
			t.Media = media(d.Slug)
			t.Still = &search.Image{Prefix: "stills/" + d.Slug, Widths: []int{640, 1280}, Colour: "#102030"}
		}
		b.PutTitles = append(b.PutTitles, t)
	}
	return b
}

// Many makes n titles of made-up names for tests of size.
func Many(n int) []*search.Title {
	syllables := []string{"ка", "ло", "ми", "ра", "тэ", "ви", "сон", "дель", "гра", "жи", "пол", "ур", "ne", "ta", "ri", "mon", "ver", "qua", "sil", "dor"}
	word := func(seed int) string {
		var b strings.Builder
		for range 2 + seed%3 {
			seed = (seed*1103515245 + 12345) & 0x7fffffff
			b.WriteString(syllables[(seed>>8)%len(syllables)])
		}
		return b.String()
	}
	out := make([]*search.Title, n)
	for i := range out {
		name := word(i*7+1) + " " + word(i*13+5)
		age := i % 19
		out[i] = &search.Title{
			ID: ID("many", fmt.Sprint(i)), Kind: search.KindFilm, Version: 1, OriginalName: name, OriginalLanguage: "en",
			Name: search.Text{"en": name, "ru": word(i*3+2) + " " + word(i*17+3)}, Year: 1900 + i%120, AgeRating: &age, Countries: []string{"US"},
			Description: search.Text{"en": strings.Repeat(word(i)+" "+word(i+1)+" ", 20), "ru": strings.Repeat(word(i+2)+" "+word(i+3)+" ", 20)},
			GenreIDs:    []uuid.UUID{ID("genre", fmt.Sprint(i%20)), ID("genre", fmt.Sprint(i%7))},
			AddedAt:     time.Date(2025, 1, 1, 0, 0, i, 0, time.UTC),
		}
		for j := range 6 {
			n := (i*31 + j*97) % (1 + n/3)
			person := word(n*11+3) + " " + word(n*5+1)
			out[i].Credits = append(out[i].Credits, search.Credit{PersonID: ID("many-person", fmt.Sprint(n)), Name: person, Kind: "actor"})
		}
	}
	return out
}

// Run runs the suite. open is called once or more for each test.
func Run(t *testing.T, open Setup) {
	t.Run("an empty index answers", func(t *testing.T) { empty(t, open) })
	t.Run("finds", func(t *testing.T) { finds(t, open) })
	t.Run("a title of many names", func(t *testing.T) { manyNames(t, open) })
	t.Run("suggests", func(t *testing.T) { suggests(t, open) })
	t.Run("highlights", func(t *testing.T) { highlights(t, open) })
	t.Run("filters", func(t *testing.T) { filters(t, open) })
	t.Run("an age limit", func(t *testing.T) { ageLimit(t, open) })
	t.Run("facets do not narrow themselves", func(t *testing.T) { facets(t, open) })
	t.Run("sorts and pages", func(t *testing.T) { pages(t, open) })
	t.Run("pages stay stable while titles change", func(t *testing.T) { stable(t, open) })
	t.Run("refuses foreign cursors", func(t *testing.T) { cursors(t, open) })
	t.Run("documents by id", func(t *testing.T) { documents(t, open) })
	t.Run("people", func(t *testing.T) { people(t, open) })
	t.Run("people within an age limit", func(t *testing.T) { peopleWithin(t, open) })
	t.Run("changes and deletes are seen at once", func(t *testing.T) { changes(t, open) })
	t.Run("what was applied survives a restart", func(t *testing.T) { restarts(t, open) })
	t.Run("rebuild", func(t *testing.T) { rebuilds(t, open) })
	t.Run("readers and writers at once", func(t *testing.T) { atOnce(t, open) })
	t.Run("a cancelled context ends a call", func(t *testing.T) { cancelled(t, open) })
	t.Run("odd queries", func(t *testing.T) { odd(t, open) })
}

func filled(t *testing.T, open Setup) (Index, search.Batch) {
	t.Helper()
	x, done := open(t)
	t.Cleanup(done)
	b := Demo(t)
	require.NoError(t, x.Apply(t.Context(), b))
	return x, b
}

func find(t *testing.T, x Index, q search.Query) *search.Results {
	t.Helper()
	if q.First == 0 {
		q.First = 100
	}
	r, err := x.Search(t.Context(), q)
	require.NoError(t, err)
	require.LessOrEqual(t, len(r.Hits), q.First)
	return r
}

func names(r *search.Results) []string {
	out := []string{}
	for _, h := range r.Hits {
		out = append(out, h.Title.Name["en"])
	}
	return out
}

func empty(t *testing.T, open Setup) {
	x, done := open(t)
	defer done()
	for _, text := range []string{"", "метрополис", "a"} {
		r := find(t, x, search.Query{Text: text, Facets: true})
		assert.Zero(t, r.Total)
		assert.Empty(t, r.Hits)
		assert.Empty(t, r.Suggestion)
	}
	p, err := x.Position(t.Context())
	require.NoError(t, err)
	assert.Empty(t, p)
	require.NoError(t, x.Apply(t.Context(), search.Batch{}))
	require.NoError(t, x.Apply(t.Context(), search.Batch{DeleteTitles: []uuid.UUID{uuid.New()}}))
	g, err := x.Genres(t.Context())
	require.NoError(t, err)
	assert.Empty(t, g)
}

// Cases are queries and the title that must come first.
var Cases = [][2]string{
	// As written, in both languages and the original.
	{"Metropolis", "Metropolis"}, {"Метрополис", "Metropolis"}, {"The Kid", "The Kid"}, {"kid", "The Kid"}, {"малыш", "The Kid"},
	{"A Trip to the Moon", "A Trip to the Moon"}, {"путешествие на луну", "A Trip to the Moon"}, {"le voyage dans la lune", "A Trip to the Moon"},
	{"октябрь", "October: Ten Days That Shook the World"}, {"Häxan", "Häxan"}, {"haxan", "Häxan"}, {"Fantômas", "Fantômas"},
	{"der letzte mann", "The Last Laugh"}, {"korkarlen", "The Phantom Carriage"}, {"20,000 leagues", "20,000 Leagues Under the Sea"},
	{"20000 лье под водой", "20,000 Leagues Under the Sea"}, {"20 000 льё", "20,000 Leagues Under the Sea"}, {"dead living night", "Night of the Living Dead"},
	{"D.O.A.", "D.O.A."}, {"doa", "D.O.A."}, {"ben-hur", "Ben-Hur: A Tale of the Christ"}, {"benhur", "Ben-Hur: A Tale of the Christ"}, {"ben hur", "Ben-Hur: A Tale of the Christ"},
	// Case, accents, ё.
	{"МЕТРОПОЛИС", "Metropolis"}, {"броненосец потемкин", "Battleship Potemkin"}, {"броненосец потёмкин", "Battleship Potemkin"},
	{"андалузский пес", "Un Chien Andalou"}, {"мертв по прибытии", "D.O.A."},
	// Other endings.
	{"путешествия на луну", "A Trip to the Moon"}, {"вампиров", "Les Vampires"}, {"крыло", "Wings"}, {"robberies train", "The Great Train Robbery"},
	{"призраком оперы", "The Phantom of the Opera"}, {"золотую лихорадку", "The Gold Rush"}, {"стачки", "Strike"},
	// Mistakes: another letter, one missing, one too many, two swapped.
	{"metroplis", "Metropolis"}, {"metroplois", "Metropolis"}, {"metropoliss", "Metropolis"}, {"метраполис", "Metropolis"}, {"митрополис", "Metropolis"}, //nolint:misspell // mistakes are what it is about
	{"nosfreatu", "Nosferatu: A Symphony of Horror"}, {"насферату", "Nosferatu: A Symphony of Horror"}, {"caligary", "The Cabinet of Dr. Caligari"},
	{"колигари", "The Cabinet of Dr. Caligari"}, {"gold rsuh", "The Gold Rush"}, {"chrade", "Charade"}, {"шорада", "Charade"},
	{"battelship potemkin", "Battleship Potemkin"}, {"бронинасец потемкин", "Battleship Potemkin"}, {"phantm opera", "The Phantom of the Opera"}, //nolint:misspell // mistakes are what it is about
	{"hausnted hill", "House on Haunted Hill"}, {"steambaot willie", "Steamboat Willie"}, {"karnaval dush", "Carnival of Souls"}, {"аелита", "Aelita: Queen of Mars"},
	{"фантамас", "Fantômas"}, {"галубой ангел", "The Blue Angel"}, {"pandoras box", "Pandora's Box"}, {"зоро знак", "The Mark of Zorro"},
	// While it is typed.
	{"metr", "Metropolis"}, {"мет", "Metropolis"}, {"nosf", "Nosferatu: A Symphony of Horror"}, {"носф", "Nosferatu: A Symphony of Horror"},
	{"the gen", "The General"}, {"night of the liv", "Night of the Living Dead"}, {"ночь жив", "Night of the Living Dead"}, {"steamboat b", "Steamboat Bill, Jr."}, {"пароходик в", "Steamboat Willie"},
	{"haxa", "Häxan"}, {"metrapol", "Metropolis"},
	// By sound, in the other alphabet.
	{"puteshestvie na lunu", "A Trip to the Moon"}, {"aelita", "Aelita: Queen of Mars"}, {"zemlya", "Earth"}, {"stachka", "Strike"}, {"oktyabr", "October: Ten Days That Shook the World"},
	// People, genres, what it is about.
	{"melies", "A Trip to the Moon"}, {"мельес", "A Trip to the Moon"}, {"romero", "Night of the Living Dead"}, {"vertov", "Man with a Movie Camera"}, {"дзига вертов", "Man with a Movie Camera"},
	{"хичкок", "The Lodger: A Story of the London Fog"}, {"hichcock", "The Lodger: A Story of the London Fog"}, {"buster keaton general", "The General"}, {"audrey hepbern", "Charade"},
	{"astronomers giant cannon", "A Trip to the Moon"}, {"астрономы гигантская пушка", "A Trip to the Moon"}, {"severed head", "Les Vampires"},
}

func finds(t *testing.T, open Setup) {
	x, _ := filled(t, open)
	require.GreaterOrEqual(t, len(Cases), 60)
	for _, c := range Cases {
		r := find(t, x, search.Query{Text: c[0], First: 5})
		if got := names(r); assert.NotEmpty(t, got, "%q finds nothing (suggestion %q)", c[0], r.Suggestion) {
			assert.Equal(t, c[1], got[0], "%q: %q", c[0], got)
		}
	}
	for _, c := range []struct {
		text  string
		total int
	}{{"zzzzzzz", 0}, {"metropolis кот", 0}, {"хз", 0}} {
		assert.Equal(t, c.total, find(t, x, search.Query{Text: c.text}).Total, c.text)
	}
	keaton := find(t, x, search.Query{Text: "keaton"})
	assert.GreaterOrEqual(t, keaton.Total, 4)
	for _, h := range keaton.Hits[:4] {
		assert.True(t, slices.ContainsFunc(h.Title.Credits, func(c search.Credit) bool { return strings.Contains(c.Name, "Keaton") }), h.Title.Name["en"])
	}
}

// More names than lift a title still find it, and the original name always lifts.
func manyNames(t *testing.T, open Setup) {
	x, b := filled(t, open)
	d := *b.PutTitles[0]
	d.ID, d.OriginalName, d.Name = ID("title", "many names"), "Quibblewhack", search.Text{"en": "Zebedee"}
	other := d
	other.ID, other.OriginalName, other.Name = ID("title", "other"), "Quibblewhack Returns", search.Text{"en": "Zebedee"}
	for i := range 12 {
		d.Name[fmt.Sprintf("x%d", i)] = fmt.Sprintf("Wordnumber%c", 'a'+i)
	}
	require.NoError(t, x.Apply(t.Context(), search.Batch{PutTitles: []*search.Title{&other, &d}}))
	for i := range 12 {
		r := find(t, x, search.Query{Text: fmt.Sprintf("wordnumber%c", 'a'+i), First: 1})
		if assert.Len(t, r.Hits, 1) {
			assert.Equal(t, d.ID, r.Hits[0].Title.ID)
		}
	}
	r := find(t, x, search.Query{Text: "quibblewhack"})
	if assert.Len(t, r.Hits, 2) {
		assert.Equal(t, d.ID, r.Hits[0].Title.ID)
	}
}

func suggests(t *testing.T, open Setup) {
	x, _ := filled(t, open)
	for _, c := range [][2]string{
		{"ьуекщзщдшы", "metropolis"}, {"vtnhjgjkbc", "метрополис"}, {"gentitcndbt yf keye", "путешествие на луну"}, {"рфчфт", "haxan"},
		{"mitroppoles", "metropolis"}, {"нясфироту", "носферату"}, {"алетиа", "аэлита"},
		{"metropolis", ""}, {"метрополис", ""}, {"metr", ""}, {"", ""}, {"zzzzzzz", ""}, {"1984", ""},
	} {
		r := find(t, x, search.Query{Text: c[0]})
		assert.Equal(t, c[1], r.Suggestion, c[0])
		if r.Suggestion != "" {
			assert.Greater(t, find(t, x, search.Query{Text: r.Suggestion}).Total, r.Total, c[0])
		}
	}
}

func highlights(t *testing.T, open Setup) {
	x, _ := filled(t, open)
	for _, c := range []struct{ text, locale, want string }{
		{"metropolis", "en", "«Metropolis»"},
		{"metropl", "en", "«Metropolis»"},
		{"metro", "en", "«Metro»polis"},
		{"луна путешествие", "ru", "«Путешествие» на «Луну»"},
		{"потемкин", "ru", "Броненосец ««Потёмкин»»"},
		{"haxan", "en", "«Häxan»"},
		{"nosf", "en", "«Nosf»eratu: A Symphony of Horror"},
	} {
		r := find(t, x, search.Query{Text: c.text})
		require.NotEmpty(t, r.Hits, c.text)
		assert.Equal(t, c.want, r.Hits[0].Highlight[c.locale], c.text)
	}
	for _, h := range find(t, x, search.Query{}).Hits {
		assert.Empty(t, h.Highlight)
	}
}

func filters(t *testing.T, open Setup) {
	x, b := filled(t, open)
	twelve, yes, no := 12, true, false
	expect := func(keep func(*search.Title) bool) map[uuid.UUID]bool {
		out := map[uuid.UUID]bool{}
		for _, d := range b.PutTitles {
			if keep(d) {
				out[d.ID] = true
			}
		}
		return out
	}
	playable := func(d *search.Title) bool { return d.Media != nil || d.Kind == search.KindSeries }
	for name, c := range map[string]struct {
		filter search.Filter
		keep   func(*search.Title) bool
	}{
		"all":  {search.Filter{}, func(*search.Title) bool { return true }},
		"kind": {search.Filter{Kinds: []string{search.KindSeries}}, func(d *search.Title) bool { return d.Kind == search.KindSeries }},
		"genres": {search.Filter{GenreIDs: []uuid.UUID{ID("genre", "horror"), ID("genre", "western")}}, func(d *search.Title) bool {
			return slices.Contains(d.GenreIDs, ID("genre", "horror")) || slices.Contains(d.GenreIDs, ID("genre", "western"))
		}},
		"person":     {search.Filter{PersonIDs: []uuid.UUID{ID("person", "Buster Keaton")}}, func(d *search.Title) bool { return credits(d, "Buster Keaton") }},
		"two people": {search.Filter{PersonIDs: []uuid.UUID{ID("person", "Buster Keaton"), ID("person", "Joe Roberts")}}, func(d *search.Title) bool { return credits(d, "Buster Keaton") && credits(d, "Joe Roberts") }},
		"years":      {search.Filter{YearFrom: 1920, YearTo: 1925}, func(d *search.Title) bool { return d.Year >= 1920 && d.Year <= 1925 }},
		"age":        {search.Filter{AgeRatingMax: &twelve}, func(d *search.Title) bool { return d.AgeRating == nil || *d.AgeRating <= 12 }},
		"child":      {search.Filter{AgeRatingMax: &twelve, RatedOnly: true}, func(d *search.Title) bool { return d.AgeRating != nil && *d.AgeRating <= 12 }},
		"countries": {search.Filter{Countries: []string{"FR", "SU"}}, func(d *search.Title) bool {
			return slices.Contains(d.Countries, "FR") || slices.Contains(d.Countries, "SU")
		}},
		"languages": {search.Filter{Languages: []string{"ru"}}, func(d *search.Title) bool { return d.OriginalLanguage == "ru" }},
		"playable":  {search.Filter{Playable: &yes}, playable},
		"not yet":   {search.Filter{Playable: &no}, func(d *search.Title) bool { return !playable(d) }},
		"except":    {search.Filter{ExceptIDs: []uuid.UUID{b.PutTitles[0].ID}}, func(d *search.Title) bool { return d.ID != b.PutTitles[0].ID }},
		"together": {search.Filter{GenreIDs: []uuid.UUID{ID("genre", "comedy")}, YearTo: 1925, Languages: []string{"en"}}, func(d *search.Title) bool {
			return slices.Contains(d.GenreIDs, ID("genre", "comedy")) && d.Year <= 1925 && d.OriginalLanguage == "en"
		}},
	} {
		want := expect(c.keep)
		require.NotEmpty(t, want, name)
		r := find(t, x, search.Query{Filter: c.filter})
		assert.Equal(t, len(want), r.Total, name)
		for _, h := range r.Hits {
			assert.True(t, want[h.Title.ID], "%s: %s", name, h.Title.Name["en"])
		}
	}
	r := find(t, x, search.Query{Text: "keaton", Filter: search.Filter{YearFrom: 1926, YearTo: 1926}})
	assert.Equal(t, []string{"The General"}, names(r))
}

// ageLimit is what stands between a child's profile and all other titles:
// neither a list, a search, a page, a count nor a suggestion may tell of one.
func ageLimit(t *testing.T, open Setup) {
	x, b := filled(t, open)
	for _, limit := range []int{0, 6, 12, 16, 18} {
		allowed := map[uuid.UUID]bool{}
		genres, kinds := map[uuid.UUID]int{}, map[string]int{}
		for _, d := range b.PutTitles {
			if d.AgeRating == nil || *d.AgeRating > limit {
				continue
			}
			allowed[d.ID] = true
			kinds[d.Kind]++
			for _, g := range d.GenreIDs {
				genres[g]++
			}
		}
		require.NotEmpty(t, allowed)
		require.Less(t, len(allowed), len(b.PutTitles))
		filter := search.Filter{AgeRatingMax: &limit, RatedOnly: true}
		seen := map[uuid.UUID]bool{}
		for after := ""; ; {
			r := find(t, x, search.Query{Filter: filter, First: 10, After: after, Sort: search.SortName, Facets: true})
			assert.Equal(t, len(allowed), r.Total, "limit %d", limit)
			assert.Equal(t, genres, r.Facets.Genres, "limit %d", limit)
			assert.Equal(t, kinds, r.Facets.Kinds, "limit %d", limit)
			for _, h := range r.Hits {
				assert.True(t, allowed[h.Title.ID], "limit %d shows %s", limit, h.Title.Name["en"])
				assert.False(t, seen[h.Title.ID])
				seen[h.Title.ID] = true
				after = h.Cursor
			}
			if !r.HasNext {
				break
			}
		}
		assert.Len(t, seen, len(allowed))
		for i, d := range b.PutTitles {
			if i%9 != 0 { // as many as tell something
				continue
			}
			for _, text := range []string{d.Name["en"], d.Name["ru"]} {
				r := find(t, x, search.Query{Text: text, Filter: filter})
				for _, h := range r.Hits {
					assert.True(t, allowed[h.Title.ID], "limit %d, %q shows %s", limit, text, h.Title.Name["en"])
				}
				if r.Suggestion != "" {
					assert.Positive(t, find(t, x, search.Query{Text: r.Suggestion, Filter: filter}).Total,
						"limit %d, %q suggests %q, which only others find", limit, text, r.Suggestion)
				}
			}
		}
		// A cursor from another profile's list opens nothing more.
		all := find(t, x, search.Query{First: 5, Sort: search.SortName})
		r := find(t, x, search.Query{Filter: filter, Sort: search.SortName, After: all.Hits[4].Cursor})
		for _, h := range r.Hits {
			assert.True(t, allowed[h.Title.ID])
		}
	}
}

func credits(d *search.Title, name string) bool {
	return slices.ContainsFunc(d.Credits, func(c search.Credit) bool { return c.Name == name })
}

func facets(t *testing.T, open Setup) {
	x, b := filled(t, open)
	horror := ID("genre", "horror")
	count := func(keep func(*search.Title) bool) (n int) {
		for _, d := range b.PutTitles {
			if keep(d) {
				n++
			}
		}
		return n
	}
	german := func(d *search.Title) bool { return d.OriginalLanguage == "de" }
	r := find(t, x, search.Query{Facets: true, First: 1, Filter: search.Filter{GenreIDs: []uuid.UUID{horror}, Languages: []string{"de"}}})
	assert.Equal(t, r.Total, r.Facets.Genres[horror])
	drama := ID("genre", "drama")
	assert.Equal(t, count(func(d *search.Title) bool { return german(d) && slices.Contains(d.GenreIDs, drama) }), r.Facets.Genres[drama], "the genre filter does not narrow genres")
	assert.Equal(t, count(func(d *search.Title) bool { return d.OriginalLanguage == "en" && slices.Contains(d.GenreIDs, horror) }), r.Facets.Languages["en"], "the language filter does not narrow languages")
	assert.Equal(t, r.Total, r.Facets.Kinds[search.KindFilm])
	assert.Equal(t, count(func(d *search.Title) bool {
		return german(d) && slices.Contains(d.GenreIDs, horror) && d.Year/10 == 192
	}), r.Facets.Decades[1920])

	r = find(t, x, search.Query{Facets: true, First: 1, Filter: search.Filter{YearFrom: 1930}})
	assert.Equal(t, count(func(d *search.Title) bool { return d.Year/10 == 192 }), r.Facets.Decades[1920], "the years do not narrow decades")
	r = find(t, x, search.Query{Text: "keaton", Facets: true, First: 1})
	assert.Positive(t, r.Facets.Genres[ID("genre", "comedy")])
	assert.Empty(t, find(t, x, search.Query{}).Facets.Kinds, "counted only when asked")

	g, err := x.Genres(t.Context())
	require.NoError(t, err)
	assert.Len(t, g, len(b.PutGenres))
	for _, c := range g {
		assert.Equal(t, count(func(d *search.Title) bool { return slices.Contains(d.GenreIDs, c.Genre.ID) }), c.Count, c.Genre.Slug)
	}
}

// walk reads a list page by page.
func walk(t *testing.T, x Index, q search.Query) (ids []uuid.UUID) {
	t.Helper()
	for range 1000 {
		r := find(t, x, q)
		for _, h := range r.Hits {
			ids = append(ids, h.Title.ID)
		}
		if !r.HasNext {
			return ids
		}
		require.Len(t, r.Hits, q.First)
		q.After = r.Hits[len(r.Hits)-1].Cursor
	}
	t.Fatal("no end of the list")
	return nil
}

func pages(t *testing.T, open Setup) {
	x, b := filled(t, open)
	for _, sort := range []search.Sort{search.SortRelevance, search.SortAdded, search.SortYearAsc, search.SortYearDesc, search.SortName} {
		for _, text := range []string{"", "the"} {
			all := find(t, x, search.Query{Text: text, Sort: sort, Locale: "ru"})
			var want []uuid.UUID
			for _, h := range all.Hits {
				want = append(want, h.Title.ID)
			}
			for _, first := range []int{1, 7, 61, 62, 100} {
				assert.Equal(t, want, walk(t, x, search.Query{Text: text, Sort: sort, Locale: "ru", First: first}), "%s %q %d", sort, text, first)
			}
		}
	}
	assert.Len(t, walk(t, x, search.Query{First: 9}), len(b.PutTitles))

	r := find(t, x, search.Query{Sort: search.SortYearAsc})
	assert.True(t, slices.IsSortedFunc(r.Hits, func(a, b search.Hit) int { return a.Title.Year - b.Title.Year }))
	r = find(t, x, search.Query{Sort: search.SortYearDesc})
	assert.True(t, slices.IsSortedFunc(r.Hits, func(a, b search.Hit) int { return b.Title.Year - a.Title.Year }))
	r = find(t, x, search.Query{})
	assert.True(t, slices.IsSortedFunc(r.Hits, func(a, b search.Hit) int { return b.Title.AddedAt.Compare(a.Title.AddedAt) }), "without a query the newest come first")
	r = find(t, x, search.Query{Sort: search.SortName, Locale: "en", First: 3})
	assert.Equal(t, []string{"20,000 Leagues Under the Sea", "A Trip to the Moon", "Aelita: Queen of Mars"}, names(r))
	r = find(t, x, search.Query{Sort: search.SortName, Locale: "ru", First: 4})
	assert.Equal(t, []string{"20,000 Leagues Under the Sea", "Greed", "Un Chien Andalou", "Aelita: Queen of Mars"}, names(r))
}

func stable(t *testing.T, open Setup) {
	x, b := filled(t, open)
	for _, q := range []search.Query{{First: 10, Sort: search.SortAdded}, {First: 10, Sort: search.SortName, Locale: "en"}, {First: 3, Text: "the", Sort: search.SortRelevance}} {
		before := walk(t, x, q)
		first := find(t, x, q)
		// The hit that the cursor names goes, another comes in somewhere.
		gone := first.Hits[q.First-1]
		fresh := *b.PutTitles[0]
		fresh.ID = ID("title", "fresh")
		fresh.Name, fresh.OriginalName = search.Text{"en": "A The"}, "A The"
		fresh.AddedAt = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
		require.NoError(t, x.Apply(t.Context(), search.Batch{DeleteTitles: []uuid.UUID{gone.Title.ID}, PutTitles: []*search.Title{&fresh}}))
		next := q
		next.After = gone.Cursor
		rest := walk(t, x, next)
		rest = slices.DeleteFunc(rest, func(id uuid.UUID) bool { return id == fresh.ID })
		assert.Equal(t, before[q.First:], rest, "%+v", q)
		require.NoError(t, x.Apply(t.Context(), search.Batch{DeleteTitles: []uuid.UUID{fresh.ID}, PutTitles: []*search.Title{gone.Title}}))
	}
}

func cursors(t *testing.T, open Setup) {
	x, _ := filled(t, open)
	name := find(t, x, search.Query{Sort: search.SortName, First: 1}).Hits[0].Cursor
	for _, c := range []string{"x", "????", "AAAAAAAAAAAAAAAA", name, strings.Repeat("A", 10_000), name[:len(name)-2]} {
		_, err := x.Search(t.Context(), search.Query{Sort: search.SortAdded, First: 1, After: c})
		assert.ErrorIs(t, err, search.ErrBadCursor, c)
		_, err = x.SearchPeople(t.Context(), "", 1, c, nil)
		assert.ErrorIs(t, err, search.ErrBadCursor, c)
	}
}

func documents(t *testing.T, open Setup) {
	x, b := filled(t, open)
	var ids []uuid.UUID
	for _, d := range b.PutTitles {
		ids = append(ids, d.ID, d.ID)
	}
	got, err := x.TitlesByID(t.Context(), append(ids, uuid.New(), b.PutPeople[0].ID))
	require.NoError(t, err)
	require.Len(t, got, len(b.PutTitles))
	for _, d := range b.PutTitles {
		assert.Equal(t, d, got[d.ID])
	}
	people, err := x.PeopleByID(t.Context(), []uuid.UUID{b.PutPeople[3].ID, uuid.New()})
	require.NoError(t, err)
	assert.Equal(t, map[uuid.UUID]*search.Person{b.PutPeople[3].ID: b.PutPeople[3]}, people)
	genres, err := x.GenresByID(t.Context(), []uuid.UUID{b.PutGenres[3].ID, uuid.New()})
	require.NoError(t, err)
	assert.Equal(t, map[uuid.UUID]*search.Genre{b.PutGenres[3].ID: b.PutGenres[3]}, genres)

	series := b.PutTitles[len(b.PutTitles)-1]
	require.Equal(t, search.KindSeries, series.Kind)
	episode := series.Seasons[0].Episodes[1].ID
	by, err := x.SeriesByEpisode(t.Context(), []uuid.UUID{episode, uuid.New(), series.ID})
	require.NoError(t, err)
	assert.Equal(t, map[uuid.UUID]*search.Title{episode: series}, by)

	changed := *series
	changed.Seasons = nil
	require.NoError(t, x.Apply(t.Context(), search.Batch{PutTitles: []*search.Title{&changed}}))
	by, err = x.SeriesByEpisode(t.Context(), []uuid.UUID{episode})
	require.NoError(t, err)
	assert.Empty(t, by)
}

func people(t *testing.T, open Setup) {
	x, b := filled(t, open)
	for text, want := range map[string]string{
		"Buster Keaton": "Buster Keaton", "keatn": "Buster Keaton", "китон бастер": "Buster Keaton", "Альфред Хичкок": "Alfred Hitchcock", "hitchkok": "Alfred Hitchcock",
		"melies": "Georges Méliès", "eisen": "Sergei Eisenstein", "эйзенштейн": "Sergei Eisenstein", "одри хепберн": "Audrey Hepburn", "murnua": "F. W. Murnau",
	} {
		r, err := x.SearchPeople(t.Context(), text, 5, "", nil)
		require.NoError(t, err)
		if assert.NotEmpty(t, r.People, text) {
			assert.Equal(t, want, r.People[0].Name, text)
		}
		require.Len(t, r.Cursors, len(r.People))
	}
	seen := map[uuid.UUID]bool{}
	after, last := "", ""
	for {
		r, err := x.SearchPeople(t.Context(), "", 17, after, nil)
		require.NoError(t, err)
		require.Equal(t, len(b.PutPeople), r.Total)
		for _, p := range r.People {
			require.False(t, seen[p.ID])
			seen[p.ID] = true
			last = p.Name
		}
		if !r.HasNext {
			break
		}
		after = r.Cursors[len(r.Cursors)-1]
	}
	assert.Len(t, seen, len(b.PutPeople))
	assert.NotEmpty(t, last)
}

// peopleWithin: one whose every title is above the limit, or unrated, is not
// found, not listed and not counted.
func peopleWithin(t *testing.T, open Setup) {
	x, b := filled(t, open)
	for _, limit := range []int{0, 6, 12, 18} {
		want := map[uuid.UUID]bool{}
		for _, p := range b.PutPeople {
			if p.AgeRating != nil && *p.AgeRating <= limit {
				want[p.ID] = true
			}
		}
		require.NotEmpty(t, want)
		require.Less(t, len(want), len(b.PutPeople))
		seen := map[uuid.UUID]bool{}
		for after := ""; ; {
			r, err := x.SearchPeople(t.Context(), "", 17, after, &limit)
			require.NoError(t, err)
			require.Equal(t, len(want), r.Total)
			for _, p := range r.People {
				require.False(t, seen[p.ID])
				seen[p.ID] = true
			}
			if !r.HasNext {
				break
			}
			require.Len(t, r.People, 17, "what is left out makes no page shorter")
			after = r.Cursors[len(r.Cursors)-1]
		}
		assert.Equal(t, want, seen)
		for _, p := range b.PutPeople[:8] {
			r, err := x.SearchPeople(t.Context(), p.Name, 100, "", &limit)
			require.NoError(t, err)
			found := false
			for _, q := range r.People {
				require.True(t, want[q.ID], q.Name)
				found = found || q.ID == p.ID
			}
			assert.Equal(t, want[p.ID], found, p.Name)
			require.LessOrEqual(t, r.Total, len(want))
		}
	}

	// It follows the document.
	p := *b.PutPeople[0]
	age, limit := 18, 6
	for _, c := range []struct {
		rating *int
		there  bool
	}{{&limit, true}, {&age, false}, {nil, false}} {
		p.AgeRating = c.rating
		require.NoError(t, x.Apply(t.Context(), search.Batch{PutPeople: []*search.Person{&p}}))
		r, err := x.SearchPeople(t.Context(), p.Name, 100, "", &limit)
		require.NoError(t, err)
		assert.Equal(t, c.there, slices.ContainsFunc(r.People, func(q *search.Person) bool { return q.ID == p.ID }))
	}
}

func changes(t *testing.T, open Setup) {
	x, b := filled(t, open)
	d := *b.PutTitles[0]
	d.Version, d.Name = 2, search.Text{"en": "Quibblewhack", "ru": "Заковыка"}
	d.GenreIDs = d.GenreIDs[:1]
	require.NoError(t, x.Apply(t.Context(), search.Batch{PutTitles: []*search.Title{&d}}))
	assert.Equal(t, []string{"Quibblewhack"}, names(find(t, x, search.Query{Text: "quibblewhack"})))
	assert.Equal(t, []string{"Quibblewhack"}, names(find(t, x, search.Query{Text: "заковыку"})))
	assert.NotContains(t, names(find(t, x, search.Query{Text: "путешествие"})), "A Trip to the Moon")
	assert.Equal(t, len(b.PutTitles), find(t, x, search.Query{}).Total, "a change makes no second document")
	got, err := x.TitlesByID(t.Context(), []uuid.UUID{d.ID})
	require.NoError(t, err)
	assert.Equal(t, int64(2), got[d.ID].Version)

	p, g := *b.PutPeople[0], *b.PutGenres[0]
	p.Name, g.Slug = "Zebedee Quux", "quux"
	require.NoError(t, x.Apply(t.Context(), search.Batch{PutPeople: []*search.Person{&p}, PutGenres: []*search.Genre{&g}, DeleteTitles: []uuid.UUID{d.ID}}))
	found, err := x.SearchPeople(t.Context(), "quux", 5, "", nil)
	require.NoError(t, err)
	require.Len(t, found.People, 1)
	assert.Equal(t, p.ID, found.People[0].ID)
	assert.Zero(t, find(t, x, search.Query{Text: "quibblewhack"}).Total)
	got, err = x.TitlesByID(t.Context(), []uuid.UUID{d.ID})
	require.NoError(t, err)
	assert.Empty(t, got)

	require.NoError(t, x.Apply(t.Context(), search.Batch{DeletePeople: []uuid.UUID{p.ID}, DeleteGenres: []uuid.UUID{g.ID}}))
	people, err := x.PeopleByID(t.Context(), []uuid.UUID{p.ID})
	require.NoError(t, err)
	assert.Empty(t, people)
	genres, err := x.Genres(t.Context())
	require.NoError(t, err)
	assert.Len(t, genres, len(b.PutGenres)-1)
	for i := range 60 {
		d.Name = search.Text{"en": fmt.Sprintf("Number%d", i)}
		require.NoError(t, x.Apply(t.Context(), search.Batch{PutTitles: []*search.Title{&d}}))
		require.Equal(t, 1, find(t, x, search.Query{Text: fmt.Sprintf("number%d", i), Filter: search.Filter{YearFrom: d.Year}}).Total)
	}
}

func restarts(t *testing.T, open Setup) {
	x, done := open(t)
	b := Demo(t)
	require.NoError(t, x.Apply(t.Context(), b))
	require.NoError(t, x.SetPosition(t.Context(), "0/16B3748"))
	before := walk(t, x, search.Query{First: 20})
	done()

	x, done = open(t)
	defer done()
	p, err := x.Position(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "0/16B3748", p)
	assert.Equal(t, before, walk(t, x, search.Query{First: 20}))
	assert.Equal(t, "Metropolis", names(find(t, x, search.Query{Text: "metroplis"}))[0])
	g, err := x.Genres(t.Context())
	require.NoError(t, err)
	assert.Len(t, g, len(b.PutGenres))
	by, err := x.SeriesByEpisode(t.Context(), []uuid.UUID{ID("episode", "les-vampires-1915-1-2")})
	require.NoError(t, err)
	assert.Len(t, by, 1)
}

func rebuilds(t *testing.T, open Setup) {
	x, done := open(t)
	b := Demo(t)
	require.NoError(t, x.Apply(t.Context(), b))
	require.NoError(t, x.SetPosition(t.Context(), "1"))

	r, err := x.Rebuild(t.Context())
	require.NoError(t, err)
	require.NoError(t, r.Apply(t.Context(), search.Batch{PutTitles: b.PutTitles[:10]}))
	assert.Equal(t, len(b.PutTitles), find(t, x, search.Query{}).Total, "readers see the old index until the swap")
	require.NoError(t, r.Discard(t.Context()))
	require.NoError(t, r.Discard(t.Context()))
	require.Error(t, r.Apply(t.Context(), b))

	r, err = x.Rebuild(t.Context())
	require.NoError(t, err)
	require.NoError(t, r.Apply(t.Context(), search.Batch{PutTitles: b.PutTitles[:10]}))
	// Somebody reads all the time and must never see less than ten.
	ctx, stop := context.WithCancel(t.Context())
	var reading sync.WaitGroup
	for range 2 {
		reading.Go(func() {
			for ctx.Err() == nil {
				res, err := x.Search(t.Context(), search.Query{First: 3})
				if !assert.NoError(t, err) || !assert.Contains(t, []int{10, len(b.PutTitles)}, res.Total) {
					return
				}
			}
		})
	}
	require.NoError(t, r.Swap(t.Context(), "2"))
	assert.Equal(t, 10, find(t, x, search.Query{}).Total)
	stop()
	reading.Wait()
	p, err := x.Position(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "2", p)
	require.Error(t, r.Swap(t.Context(), "3"))
	require.NoError(t, x.Apply(t.Context(), search.Batch{PutTitles: b.PutTitles[10:11]}))
	done()

	x, done = open(t)
	defer done()
	assert.Equal(t, 11, find(t, x, search.Query{}).Total)
	p, err = x.Position(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "2", p)
}

func atOnce(t *testing.T, open Setup) {
	x, b := filled(t, open)
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := range 15 {
				if w == 0 {
					d := *b.PutTitles[i]
					d.Version = int64(i + 2)
					assert.NoError(t, x.Apply(t.Context(), search.Batch{PutTitles: []*search.Title{&d}}))
					continue
				}
				for _, q := range []search.Query{{First: 24, Facets: true}, {Text: "metroplis", First: 24, Facets: true}, {Text: "к", First: 5}} {
					r, err := x.Search(t.Context(), q)
					if assert.NoError(t, err) && q.Text == "" {
						assert.Equal(t, len(b.PutTitles), r.Total)
					}
				}
				_, err := x.TitlesByID(t.Context(), []uuid.UUID{b.PutTitles[i].ID})
				assert.NoError(t, err)
				_, err = x.Genres(t.Context())
				assert.NoError(t, err)
			}
		})
	}
	all.Wait()
}

func cancelled(t *testing.T, open Setup) {
	x, b := filled(t, open)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := x.Search(ctx, search.Query{Text: "metropolis", First: 1})
	assert.ErrorIs(t, err, context.Canceled)
	assert.ErrorIs(t, x.Apply(ctx, b), context.Canceled)
	assert.ErrorIs(t, x.SetPosition(ctx, "x"), context.Canceled)
}

func odd(t *testing.T, open Setup) {
	x, _ := filled(t, open)
	for _, text := range []string{
		" ", "«»", "\x00", "\xff\xfe", "*", "?", "\"", "(", "name:metropolis", "+-&|!(){}[]^\"~*?:\\/", "🎬", strings.Repeat("а", 5000), strings.Repeat("мама мыла раму ", 500),
		"the", "и", "a b c d e f g h i j k l m n o p q r s t u v", "İstanbul", "ﬁlm", "١٢٣",
	} {
		r, err := x.Search(t.Context(), search.Query{Text: text, First: 10, Facets: true})
		if assert.NoError(t, err, "%q", text) {
			assert.LessOrEqual(t, len(r.Hits), 10)
		}
		_, err = x.SearchPeople(t.Context(), text, 10, "", nil)
		assert.NoError(t, err, "%q", text)
	}
	assert.Positive(t, find(t, x, search.Query{Text: "the"}).Total)
	assert.Positive(t, find(t, x, search.Query{Text: "м"}).Total)
	assert.Positive(t, find(t, x, search.Query{Text: "m"}).Total)
}

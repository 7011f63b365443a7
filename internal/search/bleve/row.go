package bleve

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/rank"
)

// row is what titles are filtered, counted and ordered by: some 500 bytes a
// title, so that 100,000 titles take 50 MB and a home's thousand next to none.
type row struct {
	id        uuid.UUID
	at        int // place in store.rows
	kind      string
	language  string
	countries []string
	genres    []uuid.UUID
	people    []uuid.UUID
	episodes  []uuid.UUID
	year      int
	age       int // -1: unrated
	playable  bool
	added     int64 // microseconds
	names     []string
	keys      []rank.NameKey
}

// person is a person's document with what people are ordered by.
type person struct {
	doc   *search.Person
	key   string
	names []string
}

// within reports whether a profile with the limit may see the person.
func (p *person) within(limit *int) bool {
	return limit == nil || p.doc.AgeRating != nil && *p.doc.AgeRating <= *limit
}

// rower makes rows. It is used by one goroutine at a time.
type rower struct{ *rank.Collator }

func newRower() *rower { return &rower{rank.NewCollator()} }

func (w *rower) title(t *search.Title) *row {
	r := &row{
		id: t.ID, kind: t.Kind, language: t.OriginalLanguage,
		countries: slices.Clone(t.Countries), genres: slices.Clone(t.GenreIDs),
		year: t.Year, age: -1, playable: t.Media != nil, added: t.AddedAt.UnixMicro(),
	}
	if t.AddedAt.IsZero() {
		r.added = time.Unix(0, 0).UnixMicro()
	}
	if t.AgeRating != nil {
		r.age = *t.AgeRating
	}
	for _, c := range t.Credits {
		if !slices.Contains(r.people, c.PersonID) {
			r.people = append(r.people, c.PersonID)
		}
	}
	for _, s := range t.Seasons {
		for _, e := range s.Episodes {
			r.episodes = append(r.episodes, e.ID)
			r.playable = r.playable || e.Media != nil
		}
	}
	r.names, r.keys = rank.TitleNames(t), w.NameKeys(t)
	return r
}

func (w *rower) person(p *search.Person) *person {
	return &person{doc: p, key: w.Key(p.Name), names: rank.PersonNames(p)}
}

// The narrowings that a facet counts; each is left out when counting itself.
const (
	byGenre = 1 << iota
	byKind
	byDecade
	byLanguage
	byRest
)

// filter is a search.Filter made ready to be asked of many rows.
type filter struct {
	search.Filter
	except map[uuid.UUID]bool
}

func newFilter(f search.Filter) *filter {
	out := &filter{Filter: f}
	if len(f.ExceptIDs) > 0 {
		out.except = make(map[uuid.UUID]bool, len(f.ExceptIDs))
		for _, id := range f.ExceptIDs {
			out.except[id] = true
		}
	}
	return out
}

// misses tells which narrowings keep the row out; 0 when it stays.
func (f *filter) misses(r *row) (missed int) {
	if len(f.GenreIDs) > 0 && !slices.ContainsFunc(f.GenreIDs, func(id uuid.UUID) bool { return slices.Contains(r.genres, id) }) {
		missed |= byGenre
	}
	if len(f.Kinds) > 0 && !slices.Contains(f.Kinds, r.kind) {
		missed |= byKind
	}
	if f.YearFrom != 0 && r.year < f.YearFrom || f.YearTo != 0 && (r.year == 0 || r.year > f.YearTo) {
		missed |= byDecade
	}
	if len(f.Languages) > 0 && !slices.Contains(f.Languages, r.language) {
		missed |= byLanguage
	}
	switch {
	case f.RatedOnly && r.age < 0,
		f.AgeRatingMax != nil && r.age > *f.AgeRatingMax,
		f.Playable != nil && *f.Playable != r.playable,
		f.except[r.id],
		len(f.Countries) > 0 && !slices.ContainsFunc(f.Countries, func(c string) bool { return slices.Contains(r.countries, c) }):
		missed |= byRest
	}
	for _, p := range f.PersonIDs {
		if !slices.Contains(r.people, p) {
			missed |= byRest
			break
		}
	}
	return missed
}

// counter counts facets in one pass.
type counter struct{ search.Facets }

func newCounter() *counter {
	return &counter{search.Facets{
		Genres: map[uuid.UUID]int{}, Kinds: map[string]int{}, Decades: map[int]int{}, Languages: map[string]int{},
	}}
}

func (c *counter) add(r *row, missed int) {
	if missed&^byGenre == 0 {
		for _, g := range r.genres {
			c.Genres[g]++
		}
	}
	if missed&^byKind == 0 {
		c.Kinds[r.kind]++
	}
	if missed&^byDecade == 0 && r.year > 0 {
		c.Decades[r.year-r.year%10]++
	}
	if missed&^byLanguage == 0 && r.language != "" {
		c.Languages[r.language]++
	}
}

package catalog

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/search"
)

// How titles alike are found.
//
// Candidates are the titles of the same directors, of the leading actors, and
// of the same genres, a page each. A shared director weighs more than any
// number of shared actors, a shared actor more than any number of shared
// genres; of equals the nearer in years comes first. The strongest thing in
// common is the reason that is shown.

const (
	weightDirector = 1000
	weightActor    = 100
	weightGenre    = 10
	similarPeople  = 3  // directors and actors that are asked for, each
	similarPage    = 50 // candidates per question
	alikesKept     = 1000
)

// alike is an entry of the list; titles are loaded when it is served, so that
// what is gone or hidden since is left out.
type alike struct {
	id            uuid.UUID
	reason        SimilarReason
	person, genre uuid.UUID
	score         int
}

type alikeKey struct {
	id      uuid.UUID
	version int64
	limit   int // the profile's; -1 is none
}

// alikes keeps lists by title and version. A list does not change with the
// titles in it; a thousand titles later it is made anew.
type alikes struct {
	mu    sync.Mutex
	byKey map[alikeKey][]alike
}

func newAlikes() *alikes { return &alikes{byKey: map[alikeKey][]alike{}} }

func (a *alikes) get(k alikeKey) ([]alike, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l, ok := a.byKey[k]
	return l, ok
}

func (a *alikes) put(k alikeKey, l []alike) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.byKey) >= alikesKept {
		clear(a.byKey)
	}
	a.byKey[k] = l
}

// Similar are the titles most like t.
func (r *Request) Similar(ctx context.Context, t Title, first *int) ([]*SimilarTitle, error) {
	n, err := size(first, 12, "first")
	if err != nil {
		return nil, err
	}
	doc := t.Doc()
	key := alikeKey{doc.ID, doc.Version, -1}
	if r.limit != nil {
		key.limit = *r.limit
	}
	found, ok := r.service.alike.get(key)
	if !ok {
		if found, err = r.findAlike(ctx, doc); err != nil {
			return nil, err
		}
		r.service.alike.put(key, found)
	}
	ids := make([]uuid.UUID, len(found))
	var genreIDs []uuid.UUID
	for i, a := range found {
		ids[i] = a.id
		if a.reason == SameGenre {
			genreIDs = append(genreIDs, a.genre)
		}
	}
	docs, err := r.titles(ctx, ids)
	if err != nil {
		return nil, err
	}
	genres, err := r.genresByID(ctx, genreIDs)
	if err != nil {
		return nil, err
	}
	out := []*SimilarTitle{}
	for i, a := range found {
		var genre *Genre
		if a.reason == SameGenre {
			genre, genres = genres[0], genres[1:]
		}
		if docs[i] == nil || len(out) == n {
			continue
		}
		s := &SimilarTitle{Title: r.titleOf(docs[i]), Reason: a.reason, Genre: genre}
		if a.reason != SameGenre {
			for j := range doc.Credits {
				if doc.Credits[j].PersonID == a.person {
					s.Person = Credit{&doc.Credits[j]}.Person()
				}
			}
		}
		out = append(out, s)
	}
	return out, nil
}

func (r *Request) findAlike(ctx context.Context, doc *search.Title) ([]alike, error) {
	directors, actors := partsOf(doc, "director"), partsOf(doc, "actor")
	base, err := r.filter(nil)
	if err != nil {
		return nil, err
	}
	base.ExceptIDs = []uuid.UUID{doc.ID}
	var filters []search.Filter
	for _, people := range [][]uuid.UUID{directors, actors} {
		for _, p := range people[:min(len(people), similarPeople)] {
			f := base
			f.PersonIDs = []uuid.UUID{p}
			filters = append(filters, f)
		}
	}
	if len(doc.GenreIDs) > 0 {
		f := base
		f.GenreIDs = doc.GenreIDs
		if doc.Year > 0 {
			// Of a large genre, those of its time.
			near := f
			near.YearFrom, near.YearTo = doc.Year-10, doc.Year+10
			filters = append(filters, near)
		}
		filters = append(filters, f)
	}
	candidates := map[uuid.UUID]*search.Title{}
	for _, f := range filters {
		res, err := r.service.index.Search(ctx, search.Query{First: similarPage, Filter: f, Sort: search.SortAdded})
		if err != nil {
			return nil, unavailable(err)
		}
		for _, h := range res.Hits {
			candidates[h.Title.ID] = h.Title
		}
	}
	var out []alike
	for _, c := range candidates {
		if a, ok := compare(doc, c, directors, actors); ok {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b alike) int {
		return cmp.Or(b.score-a.score, strings.Compare(string(a.id[:]), string(b.id[:])))
	})
	return out[:min(len(out), maxFirst)], nil
}

func partsOf(doc *search.Title, kind string) (ids []uuid.UUID) {
	for _, c := range doc.Credits {
		if c.Kind == kind && !slices.Contains(ids, c.PersonID) {
			ids = append(ids, c.PersonID)
		}
	}
	return ids
}

// compare tells what other has in common with doc.
func compare(doc, other *search.Title, directors, actors []uuid.UUID) (alike, bool) {
	a := alike{id: other.ID}
	note := func(reason SimilarReason, person, genre uuid.UUID) {
		if a.reason == "" {
			a.reason, a.person, a.genre = reason, person, genre
		}
	}
	theirs := partsOf(other, "director")
	for _, p := range directors {
		if slices.Contains(theirs, p) {
			a.score += weightDirector
			note(SameDirector, p, uuid.Nil)
		}
	}
	theirs = partsOf(other, "actor")
	shared := 0
	for _, p := range actors {
		if slices.Contains(theirs, p) {
			shared++
			note(SameActor, p, uuid.Nil)
		}
	}
	a.score += min(shared, 9) * weightActor
	shared = 0
	for _, g := range doc.GenreIDs {
		if slices.Contains(other.GenreIDs, g) {
			shared++
			note(SameGenre, uuid.Nil, g)
		}
	}
	a.score += min(shared, 8) * weightGenre
	if doc.Year > 0 && other.Year > 0 {
		years := doc.Year - other.Year
		a.score += max(0, 9-max(years, -years)/3)
	}
	return a, a.reason != ""
}

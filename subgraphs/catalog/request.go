package catalog

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/graph-gophers/dataloader/v7"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/search"
)

// loadWait is how long a loader collects identifiers: the fields of a list
// are resolved side by side and ask within microseconds.
const loadWait = 500 * time.Microsecond

// Request is one request to the catalogue: who asks, and the loaders that join
// what its fields need.
type Request struct {
	service *Catalogue
	// limit is the largest rating that the profile sees; nil is no limit.
	limit *int
	// seat is what addresses are signed for; see authn.Claims.
	seat string
	// unshared is set once something went into the answer that holds for this
	// session or this moment alone.
	unshared atomic.Bool
	docs     *dataloader.Loader[uuid.UUID, *search.Title]
	people   *dataloader.Loader[uuid.UUID, *search.Person]
	episodes *dataloader.Loader[uuid.UUID, *search.Title]
}

type requestKey struct{}

// Prepare puts a Request for the claims of ctx into it.
func (s *Catalogue) Prepare(ctx context.Context) context.Context {
	r := &Request{
		service:  s,
		docs:     loader(s, "titles", s.index.TitlesByID),
		people:   loader(s, "people", s.index.PeopleByID),
		episodes: loader(s, "episodes", s.index.SeriesByEpisode),
	}
	if c := authn.From(ctx); c != nil {
		r.limit, r.seat = c.AgeLimit, c.Seat().String()
	}
	return context.WithValue(ctx, requestKey{}, r)
}

// From is the Request that Prepare made. It panics where there is none: that
// is a fault of the wiring.
func From(ctx context.Context) *Request { return ctx.Value(requestKey{}).(*Request) }

// Unshared reports whether what was made under ctx is for its caller alone.
// What is not is the same for all who see the same titles (see Viewer), while
// the Version stands.
func Unshared(ctx context.Context) bool { return From(ctx).unshared.Load() }

// Viewer names all of a caller that an answer depends on, but for what makes
// it Unshared.
func Viewer(c *authn.Claims) string {
	if c.AgeLimit != nil {
		return "age " + strconv.Itoa(*c.AgeLimit)
	}
	return ""
}

// loader batches by identifier; what the index does not know is nil.
func loader[V any](s *Catalogue, name string, load func(context.Context, []uuid.UUID) (map[uuid.UUID]*V, error)) *dataloader.Loader[uuid.UUID, *V] {
	batch := func(ctx context.Context, ids []uuid.UUID) []*dataloader.Result[*V] {
		s.loaded(ctx, name, len(ids))
		out := make([]*dataloader.Result[*V], len(ids))
		found, err := load(ctx, ids)
		for i, id := range ids {
			out[i] = &dataloader.Result[*V]{Data: found[id], Error: unavailable(err)}
		}
		return out
	}
	return dataloader.NewBatchedLoader(batch, dataloader.WithWait[uuid.UUID, *V](s.loadWait), dataloader.WithBatchCapacity[uuid.UUID, *V](1000))
}

// many loads all, each in its place; what is unknown is nil.
func many[V any](ctx context.Context, l *dataloader.Loader[uuid.UUID, *V], ids []uuid.UUID) ([]*V, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	found, errs := l.LoadMany(ctx, ids)()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// see hides what this profile may not see.
func (r *Request) see(t *search.Title) *search.Title {
	if t != nil && r.limit != nil && (t.AgeRating == nil || *t.AgeRating > *r.limit) {
		return nil
	}
	return t
}

// titles loads titles that this profile may see; others are nil.
func (r *Request) titles(ctx context.Context, ids []uuid.UUID) ([]*search.Title, error) {
	found, err := many(ctx, r.docs, ids)
	if err != nil {
		return nil, err
	}
	out := make([]*search.Title, len(found))
	for i, t := range found {
		out[i] = r.see(t)
	}
	return out, nil
}

// TitleByID is nil for what is unknown, hidden, or no title.
func (r *Request) TitleByID(ctx context.Context, id gid.ID) (Title, error) {
	switch id.Kind {
	case gid.Film:
		f, err := r.Films(ctx, []gid.ID{id})
		if err != nil || f[0] == nil {
			return nil, err
		}
		return f[0], nil
	case gid.Series:
		s, err := r.Series(ctx, []gid.ID{id})
		if err != nil || s[0] == nil {
			return nil, err
		}
		return s[0], nil
	}
	return nil, nil // the schema says null
}

// PlayableByID is nil for what is unknown, hidden, or not playable by kind.
func (r *Request) PlayableByID(ctx context.Context, id gid.ID) (Playable, error) {
	switch id.Kind {
	case gid.Film:
		f, err := r.Films(ctx, []gid.ID{id})
		if err != nil || f[0] == nil {
			return nil, err
		}
		return f[0], nil
	case gid.Episode:
		e, err := r.Episodes(ctx, []gid.ID{id})
		if err != nil || e[0] == nil {
			return nil, err
		}
		return e[0], nil
	}
	return nil, nil // the schema says null
}

// byID loads what the identifiers of the kind name and puts it in its place.
func byID[V, T any](ctx context.Context, ids []gid.ID, kind gid.Kind, l *dataloader.Loader[uuid.UUID, *V], wrap func(uuid.UUID, *V) *T) ([]*T, error) {
	var keys []uuid.UUID
	for _, id := range ids {
		if id.Is(kind) {
			keys = append(keys, id.UUID)
		}
	}
	found, err := many(ctx, l, keys)
	if err != nil {
		return nil, err
	}
	out := make([]*T, len(ids))
	next := 0
	for i, id := range ids {
		if id.Is(kind) {
			if found[next] != nil {
				out[i] = wrap(id.UUID, found[next])
			}
			next++
		}
	}
	return out, nil
}

// Films are the films of the identifiers, each in its place or nil.
func (r *Request) Films(ctx context.Context, ids []gid.ID) ([]*Film, error) {
	return byID(ctx, ids, gid.Film, r.docs, func(_ uuid.UUID, t *search.Title) *Film {
		if r.see(t) == nil || t.Kind != search.KindFilm {
			return nil
		}
		return &Film{record{t, r}}
	})
}

// Series are the series of the identifiers, each in its place or nil.
func (r *Request) Series(ctx context.Context, ids []gid.ID) ([]*Series, error) {
	return byID(ctx, ids, gid.Series, r.docs, func(_ uuid.UUID, t *search.Title) *Series {
		if r.see(t) == nil || t.Kind != search.KindSeries {
			return nil
		}
		return &Series{record{t, r}}
	})
}

// Episodes are the episodes of the identifiers, each in its place or nil.
func (r *Request) Episodes(ctx context.Context, ids []gid.ID) ([]*Episode, error) {
	return byID(ctx, ids, gid.Episode, r.episodes, func(id uuid.UUID, t *search.Title) *Episode {
		if r.see(t) == nil {
			return nil
		}
		return r.episodeOf(t, id)
	})
}

// PeopleByID are the people of the identifiers, each in its place or nil; one is
// hidden from this profile where all their titles are.
func (r *Request) PeopleByID(ctx context.Context, ids []gid.ID) ([]*Person, error) {
	return byID(ctx, ids, gid.Person, r.people, func(_ uuid.UUID, p *search.Person) *Person {
		if r.limit != nil && (p.AgeRating == nil || *p.AgeRating > *r.limit) {
			return nil
		}
		return &Person{p}
	})
}

// GenresByID are the genres of the identifiers, each in its place or nil.
func (r *Request) GenresByID(ctx context.Context, ids []gid.ID) ([]*Genre, error) {
	keys := make([]uuid.UUID, len(ids))
	for i, id := range ids {
		if id.Is(gid.Genre) {
			keys[i] = id.UUID
		}
	}
	return r.genresByID(ctx, keys)
}

// genresByID are genres in the order of ids; unknown ones are nil.
func (r *Request) genresByID(ctx context.Context, ids []uuid.UUID) ([]*Genre, error) {
	list, err := r.genreList(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]*Genre, len(ids))
	for i, id := range ids {
		if g := list.byID[id]; g != nil {
			out[i] = &Genre{g}
		}
	}
	return out, nil
}

// GenresOf are the genres of a title, in its order.
func (r *Request) GenresOf(ctx context.Context, t Title) ([]*Genre, error) {
	found, err := r.genresByID(ctx, t.Doc().GenreIDs)
	if err != nil {
		return nil, err
	}
	out := []*Genre{}
	for _, g := range found {
		if g != nil {
			out = append(out, g)
		}
	}
	return out, nil
}

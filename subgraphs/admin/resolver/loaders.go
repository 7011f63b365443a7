package resolver

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/graph-gophers/dataloader/v7"

	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/subgraphs/admin"
)

// loadWait is how long a loader waits for more of the same kind: gqlgen
// resolves the elements of a list at once.
const loadWait = time.Millisecond

// loaders batch what a request asks for many owners. They keep nothing: two
// mutations in one request must each see their own outcome.
type loaders struct {
	genres       *dataloader.Loader[uuid.UUID, []*admin.GenreRecord]
	credits      *dataloader.Loader[uuid.UUID, []*admin.CreditRecord]
	seasons      *dataloader.Loader[uuid.UUID, []*admin.SeasonRecord]
	assets       *dataloader.Loader[uuid.UUID, []*admin.Asset]
	changes      *dataloader.Loader[uuid.UUID, []*admin.RecordChange]
	media        *dataloader.Loader[uuid.UUID, *admin.MediaState]
	personTitles *dataloader.Loader[uuid.UUID, int]
	genreTitles  *dataloader.Loader[uuid.UUID, int]
}

type loadersKey struct{}

func newLoaders(r *Resolver) *loaders {
	s := r.records
	counts := func(kind gid.Kind) func(context.Context, []uuid.UUID) (map[uuid.UUID]int, error) {
		return func(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]int, error) {
			return s.TitleCounts(ctx, kind, ids)
		}
	}
	return &loaders{
		genres: loader(r, "genres", s.GenresOf), credits: loader(r, "credits", s.CreditsOf), seasons: loader(r, "seasons", s.SeasonsOf),
		assets: loader(r, "assets", s.AssetsOf), changes: loader(r, "changes", s.ChangesOf), media: loader(r, "media", s.MediaOf),
		personTitles: loader(r, "person_titles", counts(gid.Person)), genreTitles: loader(r, "genre_titles", counts(gid.Genre)),
	}
}

// loader makes a loader of a batched read; an owner that the read does not
// know gets the zero value.
func loader[T any](r *Resolver, name string, read func(context.Context, []uuid.UUID) (map[uuid.UUID]T, error)) *dataloader.Loader[uuid.UUID, T] {
	batch := func(ctx context.Context, keys []uuid.UUID) []*dataloader.Result[T] {
		out := make([]*dataloader.Result[T], len(keys))
		unique := make([]uuid.UUID, 0, len(keys))
		seen := make(map[uuid.UUID]bool, len(keys))
		for _, k := range keys {
			if !seen[k] {
				seen[k] = true
				unique = append(unique, k)
			}
		}
		r.loaded(ctx, name, len(unique))
		found, err := read(ctx, unique)
		for i, k := range keys {
			out[i] = &dataloader.Result[T]{Data: found[k], Error: err}
		}
		return out
	}
	return dataloader.NewBatchedLoader(batch, dataloader.WithWait[uuid.UUID, T](r.LoadWait), dataloader.WithBatchCapacity[uuid.UUID, T](1000),
		dataloader.WithCache(&dataloader.NoCache[uuid.UUID, T]{}))
}

// load asks the loader that pick takes from the request's.
func load[T any](ctx context.Context, pick func(*loaders) *dataloader.Loader[uuid.UUID, T], id uuid.UUID) (T, error) {
	l, ok := ctx.Value(loadersKey{}).(*loaders)
	if !ok {
		var zero T
		return zero, fmt.Errorf("no loaders in the context: the server lacks Resolver.Prepare")
	}
	return pick(l).Load(ctx, id)()
}

// list is load for lists, which are never null.
func list[T any](ctx context.Context, pick func(*loaders) *dataloader.Loader[uuid.UUID, []T], id uuid.UUID) ([]T, error) {
	out, err := load(ctx, pick, id)
	if out == nil {
		out = []T{}
	}
	return out, err
}

package resolver

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/graph-gophers/dataloader/v7"

	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/subgraphs/admin"
	"github.com/netflixathome/cinema/subgraphs/admin/records"
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

func newLoaders(s *records.Service, wait time.Duration) *loaders {
	counts := func(kind gid.Kind) func(context.Context, []uuid.UUID) (map[uuid.UUID]int, error) {
		return func(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]int, error) {
			return s.TitleCounts(ctx, kind, ids)
		}
	}
	return &loaders{
		genres: loader(wait, s.GenresOf), credits: loader(wait, s.CreditsOf), seasons: loader(wait, s.SeasonsOf), assets: loader(wait, s.AssetsOf),
		changes: loader(wait, s.ChangesOf), media: loader(wait, s.MediaOf), personTitles: loader(wait, counts(gid.Person)), genreTitles: loader(wait, counts(gid.Genre)),
	}
}

// loader makes a loader of a batched read; an owner that the read does not
// know gets the zero value.
func loader[T any](wait time.Duration, read func(context.Context, []uuid.UUID) (map[uuid.UUID]T, error)) *dataloader.Loader[uuid.UUID, T] {
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
		found, err := read(ctx, unique)
		for i, k := range keys {
			out[i] = &dataloader.Result[T]{Data: found[k], Error: err}
		}
		return out
	}
	return dataloader.NewBatchedLoader(batch, dataloader.WithWait[uuid.UUID, T](wait), dataloader.WithBatchCapacity[uuid.UUID, T](1000),
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

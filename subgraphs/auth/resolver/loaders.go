package resolver

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/graph-gophers/dataloader/v7"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/subgraphs/auth"
)

const (
	// gather is how long a loader waits for more keys. Fields of one list are
	// resolved at the same moment, so a short while is enough.
	gather   = time.Millisecond
	maxBatch = 500
)

// loaders live as long as one request: what they remember is never stale for
// longer and never seen by another.
type loaders struct {
	users      *dataloader.Loader[uuid.UUID, *auth.User]    // nil for one that is not there
	profiles   *dataloader.Loader[uuid.UUID, *auth.Profile] // likewise
	profilesOf *dataloader.Loader[uuid.UUID, []*auth.Profile]
	sessionsOf *dataloader.Loader[uuid.UUID, []*auth.Session]
	// holders counts those of all roles, once.
	holders func() (map[auth.RoleName]int, error)
}

type loadersKey struct{}

func withLoaders(ctx context.Context, a *auth.Accounts, wait time.Duration) context.Context {
	return context.WithValue(ctx, loadersKey{}, &loaders{
		holders: sync.OnceValues(func() (map[auth.RoleName]int, error) { return a.RoleHolders(ctx) }),
		users: loader(wait, func(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*auth.User, error) {
			found, err := a.Users(ctx, ids)
			by := make(map[uuid.UUID]*auth.User, len(found))
			for i := range found {
				u := &found[i]
				by[u.ID.UUID] = u.SeenBy(authn.From(ctx))
			}
			return by, err
		}),
		profiles: loader(wait, func(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*auth.Profile, error) {
			found, err := a.Profiles(ctx, ids)
			by := make(map[uuid.UUID]*auth.Profile, len(found))
			for i := range found {
				by[found[i].ID.UUID] = &found[i]
			}
			return by, err
		}),
		profilesOf: loader(wait, func(ctx context.Context, users []uuid.UUID) (map[uuid.UUID][]*auth.Profile, error) {
			found, err := a.ProfilesOf(ctx, users)
			by := map[uuid.UUID][]*auth.Profile{}
			for i := range found {
				by[found[i].UserID] = append(by[found[i].UserID], &found[i])
			}
			return by, err
		}),
		sessionsOf: loader(wait, func(ctx context.Context, users []uuid.UUID) (map[uuid.UUID][]*auth.Session, error) {
			return a.SessionsOf(ctx, users, authn.From(ctx))
		}),
	})
}

func loadersOf(ctx context.Context) *loaders { return ctx.Value(loadersKey{}).(*loaders) }

func loader[V any](wait time.Duration, load func(context.Context, []uuid.UUID) (map[uuid.UUID]V, error)) *dataloader.Loader[uuid.UUID, V] {
	return dataloader.NewBatchedLoader(func(ctx context.Context, keys []uuid.UUID) []*dataloader.Result[V] {
		by, err := load(ctx, keys)
		results := make([]*dataloader.Result[V], len(keys))
		for i, key := range keys {
			results[i] = &dataloader.Result[V]{Data: by[key], Error: err}
		}
		return results
	}, dataloader.WithWait[uuid.UUID, V](wait), dataloader.WithBatchCapacity[uuid.UUID, V](maxBatch))
}

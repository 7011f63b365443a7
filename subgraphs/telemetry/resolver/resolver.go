// Package resolver answers the telemetry subgraph's fields. It holds no logic:
// telemetry.Subgraph does the work, and what a title or playable is to the
// signed-in profile goes through dataloaders, one query a kind and request.
package resolver

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/graph-gophers/dataloader/v7"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/subgraphs/telemetry"
)

// Resolver is the root of the resolvers.
type Resolver struct {
	service *telemetry.Subgraph
	// LoadWait is how long a loader collects keys before it asks the store;
	// New sets a millisecond.
	LoadWait time.Duration
	// Loaded is told of each batch of a dataloader; may be nil.
	Loaded func(ctx context.Context, loader string, keys int)
}

// New makes the root; service is required.
func New(service *telemetry.Subgraph) (*Resolver, error) {
	if service == nil {
		return nil, errors.New("telemetry resolver: a service is required")
	}
	return &Resolver{service: service, LoadWait: batchWait}, nil
}

type loaders struct {
	states *dataloader.Loader[uuid.UUID, *telemetry.WatchState]
	marks  *dataloader.Loader[uuid.UUID, telemetry.Mark]
}

type loadersKey struct{}

// batchWait is how long a loader waits for further keys.
const batchWait = time.Millisecond

// Prepare gives each request its loaders; pass it to gqlserver. They answer
// for the profile that the request is signed in with, and keep nothing: a
// subscription lives long.
func (r *Resolver) Prepare(ctx context.Context, req *http.Request, _ http.ResponseWriter) context.Context {
	l := &loaders{
		states: newLoader(r, "watch_states", r.service.Store.WatchStates),
		marks:  newLoader(r, "marks", r.service.Store.Marks),
	}
	return context.WithValue(telemetry.WithBearer(ctx, authn.Bearer(req)), loadersKey{}, l)
}

func newLoader[V any](r *Resolver, name string, load func(ctx context.Context, profile uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]V, error)) *dataloader.Loader[uuid.UUID, V] {
	batch := func(ctx context.Context, ids []uuid.UUID) []*dataloader.Result[V] {
		if r.Loaded != nil {
			r.Loaded(ctx, name, len(ids))
		}
		out := make([]*dataloader.Result[V], len(ids))
		var found map[uuid.UUID]V
		claims, err := authn.Require(ctx)
		if err == nil {
			found, err = load(ctx, claims.ProfileID, ids)
		}
		for i, id := range ids {
			out[i] = &dataloader.Result[V]{Data: found[id], Error: err}
		}
		return out
	}
	return dataloader.NewBatchedLoader(batch, dataloader.WithWait[uuid.UUID, V](r.LoadWait), dataloader.WithBatchCapacity[uuid.UUID, V](500),
		dataloader.WithCache[uuid.UUID, V](&dataloader.NoCache[uuid.UUID, V]{}))
}

func of(ctx context.Context) (*loaders, error) {
	l, ok := ctx.Value(loadersKey{}).(*loaders)
	if !ok {
		return nil, errors.New("telemetry resolver: the request was not prepared")
	}
	return l, nil
}

func watchState(ctx context.Context, id uuid.UUID) (*telemetry.WatchState, error) {
	l, err := of(ctx)
	if err != nil {
		return nil, err
	}
	return l.states.Load(ctx, id)()
}

func mark(ctx context.Context, id uuid.UUID) (telemetry.Mark, error) {
	l, err := of(ctx)
	if err != nil {
		return telemetry.Mark{}, err
	}
	return l.marks.Load(ctx, id)()
}

// Package resolver speaks GraphQL for the catalog subgraph.
package resolver

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/99designs/gqlgen/graphql"

	graph "github.com/netflixathome/cinema/graph/catalog"
	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/gqlserver"
	"github.com/netflixathome/cinema/subgraphs/catalog"
)

// Options of Handler.
type Options struct {
	// Catalogue answers; required.
	Catalogue *catalog.Catalogue
	// Verifier checks access tokens; required.
	Verifier authn.Verifier
	// Logger is required.
	Logger *slog.Logger
	// KeepBytes bounds the answers that are kept; none are if it is zero.
	KeepBytes int
	// Kept is told whether an answer was there; may be nil.
	Kept func(there bool)
}

// Handler serves the subgraph's /graphql.
func Handler(o Options) (http.Handler, error) {
	if o.Catalogue == nil || o.Verifier == nil || o.Logger == nil {
		return nil, errors.New("catalog/resolver: Catalogue, Verifier and Logger are required")
	}
	var keep *gqlserver.Keep
	if o.KeepBytes > 0 {
		keep = &gqlserver.Keep{
			Bytes: o.KeepBytes, Viewer: catalog.Viewer, Unshared: catalog.Unshared, Count: o.Kept,
			Version: func() gqlserver.Version { return o.Catalogue.Version() },
		}
	}
	return gqlserver.New(gqlserver.Options{
		Schema:   graph.NewExecutableSchema(graph.Config{Resolvers: &Resolver{}}),
		Verifier: o.Verifier, Logger: o.Logger, Keep: keep, Stale: o.Catalogue.Away,
		Prepare: func(ctx context.Context, _ *http.Request, _ http.ResponseWriter) context.Context {
			return o.Catalogue.Prepare(ctx)
		},
	})
}

// Resolver is the root of the resolvers. It holds nothing: each request carries
// its catalog.Request, which Handler puts there.
type Resolver struct{}

// connection is what fragments on a list of titles may be on.
var connection = []string{"TitleConnection"}

// asks reports whether the field at hand is asked for its subfield: facets cost
// a count and are made only where somebody reads them.
func asks(ctx context.Context, field string) bool {
	for _, f := range graphql.CollectFieldsCtx(ctx, connection) {
		if f.Name == field {
			return true
		}
	}
	return false
}

// namesIn is the locale in which the names of a list are asked for: what is
// sorted by name must be sorted by the name that is shown.
func namesIn(ctx context.Context) string {
	oc := graphql.GetOperationContext(ctx)
	for _, path := range graphql.CollectFieldsCtx(ctx, connection) {
		if path.Name != "edges" {
			continue
		}
		for _, node := range graphql.CollectFields(oc, path.Selections, []string{"TitleEdge"}) {
			if node.Name != "node" {
				continue
			}
			for _, name := range graphql.CollectFields(oc, node.Selections, []string{"Film", "Series", "Title", "Playable"}) {
				if name.Name != "name" {
					continue
				}
				if l, ok := name.ArgumentMap(oc.Variables)["locale"].(string); ok {
					return l
				}
			}
		}
	}
	return ""
}

func ids[T any](reps []T, id func(T) gid.ID) []gid.ID {
	out := make([]gid.ID, len(reps))
	for i, r := range reps {
		out[i] = id(r)
	}
	return out
}

// one takes the single answer out of a list of one.
func one[T any](list []*T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

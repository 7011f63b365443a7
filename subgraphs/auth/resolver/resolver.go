// Package resolver speaks GraphQL for the auth subgraph.
//
// The refresh token travels in a cookie. Resolvers read it from the request
// and set it on the response through the exchange that Handler puts into each
// request's context; the router forwards the Cookie, X-Cinema-Client and
// User-Agent headers of the viewer's request, puts the viewer's address into
// X-Forwarded-For, and carries Set-Cookie and Retry-After back.
package resolver

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"

	graph "github.com/netflixathome/cinema/graph/auth"
	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/gqlserver"
	"github.com/netflixathome/cinema/subgraphs/auth"
)

const (
	// ClientHeader must be on what acts by cookie alone. A page of another
	// origin cannot set it without asking first, so it cannot act in the
	// viewer's name.
	ClientHeader = "X-Cinema-Client"
	// AddressHeader is the viewer's address. The router sets it in place of
	// what the viewer sent, and this service is reached by the router only. If
	// proxies of our own stand between, the last hop is the one that is true.
	AddressHeader = authn.AddressHeader
)

// Options of Handler.
type Options struct {
	// Accounts are the rules; required.
	Accounts *auth.Accounts
	// Verifier checks access tokens; required.
	Verifier authn.Verifier
	// Logger is required.
	Logger *slog.Logger
	// Secure says that viewers come by https: the cookie is then Secure and
	// has the __Host- prefix.
	Secure bool
	// LoadWait is how long a loader waits for more keys; 1 ms if zero. A test
	// that counts reads gives it longer, for a busy machine.
	LoadWait time.Duration
}

// Handler serves /graphql, /jwks.json, which is also /.well-known/jwks.json,
// and /revocations.json and /gone-profiles.json, which other services ask for
// what the bus has lost, and /api-key, where the router exchanges an API key.
func Handler(o Options) (http.Handler, error) {
	if o.Accounts == nil || o.Verifier == nil || o.Logger == nil {
		return nil, errors.New("auth/resolver: Accounts, Verifier and Logger are required")
	}
	schema := graph.NewExecutableSchema(graph.Config{Resolvers: &Resolver{accounts: o.Accounts}})
	handler, err := gqlserver.New(gqlserver.Options{
		Schema: schema, Verifier: o.Verifier, Logger: o.Logger, Allow: auth.Allow,
		Prepare: func(ctx context.Context, r *http.Request, w http.ResponseWriter) context.Context {
			ctx = context.WithValue(ctx, exchangeKey{}, &exchange{r: r, w: w, secure: o.Secure})
			return withLoaders(ctx, o.Accounts, cmp.Or(o.LoadWait, gather))
		},
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/graphql", handler)
	mux.Handle("GET /jwks.json", o.Accounts.Signer())
	mux.Handle("GET /.well-known/jwks.json", o.Accounts.Signer())
	mux.Handle("GET /revocations.json", revocations(o.Accounts, o.Logger))
	mux.Handle("GET /gone-profiles.json", gone(o.Accounts, o.Logger))
	mux.Handle("POST /api-key", apiKey(o.Accounts, o.Logger))
	return mux, nil
}

// Resolver is the root of the resolvers.
type Resolver struct{ accounts *auth.Accounts }

// client says who asks.
func client(ctx context.Context) auth.Client {
	e := exchangeOf(ctx)
	if e == nil {
		return auth.Client{}
	}
	c := clientOf(e.r)
	c.Mark = e.mark()
	return c
}

// actor is who administers. The schema's rule has let it in.
func actor(ctx context.Context) (auth.Actor, error) {
	c, err := authn.Require(ctx)
	return auth.Actor{Claims: c, From: client(ctx)}, err
}

// freshActor is actor for what cannot be undone, or gives someone more: the
// sign-in must be of the last minutes.
func (r *Resolver) freshActor(ctx context.Context) (auth.Actor, error) {
	by, err := actor(ctx)
	if err != nil {
		return by, err
	}
	return by, r.accounts.RequireFresh(by.Claims)
}

// person is an account as the audit log names it; its name is gone with it.
func person(ctx context.Context, id gid.ID) (*graph.AuditPerson, error) {
	p := &graph.AuditPerson{ID: id}
	u, err := loadersOf(ctx).users.Load(ctx, id.UUID)()
	if u != nil {
		p.Login, p.Name = &u.Login, &u.Name
	}
	return p, err
}

// payload hands out a session: the refresh token by cookie only.
func payload(ctx context.Context, s *auth.SignedInSession, err error) (*graph.SessionPayload, error) {
	if err != nil {
		return nil, retryAfter(ctx, err)
	}
	if e := exchangeOf(ctx); e != nil {
		e.setRefresh(s.RefreshToken, s.RefreshUntil)
		if s.Mark != "" {
			e.setMark(s.Mark)
		}
	}
	return &graph.SessionPayload{AccessToken: s.AccessToken, ExpiresAt: s.ExpiresAt, User: s.User, Profile: s.Profile}, nil
}

var errDemo = fault.New(fault.Forbidden, "Only who may change accounts can make a synthetic viewer.").At("input.demo")

// userOf loads an account that must be there, since it is signed in.
func userOf(ctx context.Context, id uuid.UUID) (*auth.User, error) {
	u, err := loadersOf(ctx).users.Load(ctx, id)()
	if err == nil && u == nil {
		return nil, authn.ErrUnauthenticated
	}
	return u, err
}

// mayReadUser says whether the caller sees an account.
func mayReadUser(c *authn.Claims, user uuid.UUID) bool {
	return c != nil && (c.UserID == user || c.Has(auth.UserRead))
}

// visible returns what the caller may see of a profile.
func visible(c *authn.Claims, p *auth.Profile) (*auth.Profile, error) {
	switch {
	case mayReadUser(c, p.UserID):
		return p, nil
	case c.Has(auth.StatsRead):
		// Who is watching is shown by name and colour, no more.
		named := *p
		named.NameOnly = true
		return &named, nil
	}
	return nil, errOthers
}

var errOthers = fault.New(fault.Forbidden, "Your account may not see another's.")

func uuids(ids []gid.ID, kind gid.Kind) []uuid.UUID {
	out := make([]uuid.UUID, 0, len(ids))
	for _, id := range ids {
		if id.Is(kind) {
			out = append(out, id.UUID)
		}
	}
	return out
}

// value is the input's value, nil when it is absent or null.
func value[T any](o graphql.Omittable[*T]) *T { return o.Value() }

// deref is the value, or its type's zero.
func deref[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}

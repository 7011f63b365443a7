package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/limit"
	"github.com/netflixathome/cinema/router"
	"github.com/netflixathome/cinema/schema"
	"github.com/netflixathome/cinema/web"
)

// front makes the public handler: the router where it runs here, else the
// services of this process on their own.
func (a *app) front() (http.Handler, error) {
	if !a.cfg.Has("router") {
		return a.backstage(), nil
	}
	var persisted map[string]string
	if err := json.Unmarshal(schema.PersistedOperations, &persisted); err != nil {
		return nil, fmt.Errorf("schema/persisted-operations.json: %w", err)
	}
	a.metrics.expect(persisted)
	urls := map[string]string{}
	for name, u := range a.cfg.Subgraphs {
		if a.subgraphs[name] == nil {
			urls[name] = u + "/graphql"
		}
	}
	site := web.Dist()
	media, err := a.orProxy(a.media, "catalog")
	if err != nil {
		return nil, err
	}
	uploads, err := a.orProxy(a.uploads, "admin")
	if err != nil {
		return nil, err
	}
	o := router.Options{
		Supergraph: schema.Supergraph, Persisted: persisted, Transport: a.transport, SubgraphURLs: urls,
		Authenticate: func(ctx context.Context, bearer string) (router.Principal, error) {
			c, err := a.verifier.Verify(ctx, bearer)
			if err != nil {
				return router.Principal{}, err
			}
			return router.Principal{
				Subject: c.UserID.String(), SessionID: c.Seat().String(), Scopes: c.Scopes, ExpiresAt: c.ExpiresAt, Roles: c.Roles, Rights: c.Rights,
				Unsure: c.Unsure,
			}, nil
		},
		Exchange: a.apiKeys.Exchange,
		Revoked:  a.sessionRevoked,
		// What was open has been told to go when the router shuts down.
		Limits:  router.Limits{DrainTimeout: 2 * time.Second},
		Limiter: requestLimiter{a.limiter}, Metrics: a.metrics, Tracing: a.door(), Logger: a.log.With("part", "router"),
		Site: site, Media: media, Uploads: uploads, TrustedProxies: a.cfg.HTTP.TrustedProxies,
	}
	if a.cfg.HTTP.PublicURL != "" {
		o.Origins = []string{a.cfg.PublicURL()}
	}
	if a.cfg.Objects.PublicURL != "" {
		o.MediaOrigins = []string{strings.TrimSuffix(a.cfg.Objects.PublicURL, "/")}
	}
	rt, err := router.New(o)
	if err != nil {
		return nil, fmt.Errorf("router: %w", err)
	}
	a.router = rt
	a.partings = append(a.partings, rt.EndStreams)
	a.revoked.Tell(func(r authn.Revocation) {
		switch {
		case r.Rights == 0:
			rt.EndSession(r.SessionID.String())
		case r.Lost:
			rt.EndStale(func(p router.Principal) bool { return covers(r, p) })
		}
	})
	return returning(rt.Handler()), nil
}

// covers reports whether a revocation of rights refuses the token that p came with.
func covers(r authn.Revocation, p router.Principal) bool {
	user, err := uuid.Parse(p.Subject)
	return err == nil && r.Covers(&authn.Claims{UserID: user, Roles: p.Roles, Rights: p.Rights})
}

func (a *app) sessionRevoked(session string) bool {
	id, err := uuid.Parse(session)
	return err != nil || a.revoked.Revoked(id)
}

// orProxy is the handler of this process, or a proxy to the service that has it.
func (a *app) orProxy(h http.Handler, service string) (http.Handler, error) {
	if h != nil {
		return h, nil
	}
	u, err := url.Parse(a.cfg.Subgraphs[service])
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("no address of the %s service", service)
	}
	return router.Proxy(u)
}

// backstage serves what runs here without a router: each service below its
// name, so that an address such as http://host:8080/catalog reaches it; the
// one service of a process at the root too.
func (a *app) backstage() http.Handler {
	mux := http.NewServeMux()
	mount := func(service, path string, h http.Handler) {
		mux.Handle("/"+service+path, http.StripPrefix("/"+service, h))
		if len(a.subgraphs) == 1 {
			mux.Handle(path, h)
		}
	}
	for name, h := range a.subgraphs {
		mount(name, "/", h)
	}
	if a.media != nil {
		mount("catalog", "/media/", a.media)
	}
	if a.uploads != nil {
		mount("admin", "/uploads/", a.uploads)
	}
	return mux
}

// requestLimiter bounds what one address or account may ask of the router. It
// is wide: it stops a runaway program, not a busy household.
type requestLimiter struct{ limit.Limiter }

var requestRate = limit.Rate{Limit: 20_000, Per: time.Minute, Burst: 10_000}

func (l requestLimiter) Allow(ctx context.Context, key string, cost int) (bool, time.Duration) {
	res, err := l.Limiter.Allow(ctx, "request:"+key, requestRate, min(cost, requestRate.Burst))
	if err != nil {
		return true, 0 // a limiter that is away must not shut the house
	}
	return res.Allowed, res.RetryAfter
}

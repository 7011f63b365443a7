package router_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/router"
	"github.com/netflixathome/cinema/schema"
)

// The other shape: subgraphs behind addresses, here several on one host.
func TestSubgraphsOverTheNetwork(t *testing.T) {
	h := newHouse(t, nil) // its peers are served below
	mux := http.NewServeMux()
	for name, p := range map[string]*peer{"admin": h.admin, "auth": h.auth, "catalog": h.catalog, "telemetry": h.telemetry} {
		mux.Handle("/"+name+"/graphql", p)
	}
	services := httptest.NewServer(mux)
	defer services.Close()
	far := newHouse(t, func(o *router.Options) {
		o.Transport = http.DefaultTransport
		o.SubgraphURLs = map[string]string{}
		for _, name := range []string{"admin", "auth", "catalog", "telemetry"} {
			o.SubgraphURLs[name] = services.URL + "/" + name + "/graphql"
		}
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	})
	h.telemetry.stream = func(ctx context.Context, _ string, _ map[string]any, send func(any) error) error {
		_ = send(obj{"sessionId": "x", "resumePositionMs": 0})
		<-ctx.Done()
		return ctx.Err()
	}
	r := far.request(t, "viewer", map[string]any{"query": homePage})
	r.Header.Set("Cookie", "refresh=1")
	r.Header.Set("X-Forwarded-For", "6.6.6.6, 203.0.113.9, 10.0.0.3")
	a := far.send(t, r)
	require.Empty(t, a.Errors, a.body)
	require.Contains(t, a.body, "Nosferatu")
	got := h.catalog.requests[0].Header
	require.Equal(t, "203.0.113.9", got.Get("X-Forwarded-For"), "the last hop that is not ours")
	require.Empty(t, got.Get("Cookie"))

	r = far.request(t, "viewer", map[string]any{"query": `{ me { login } }`})
	r.Header.Set("Cookie", "refresh=1")
	require.Empty(t, far.send(t, r).Errors)
	require.Equal(t, "refresh=1", h.auth.requests[0].Header.Get("Cookie"))

	s := far.events(t, "viewer", strings.ReplaceAll(watchQuery, `\"`, `"`))
	require.Equal(t, "next", s.next(t).name)
	s.stop()
	receive(t, "the end of the upstream subscription", h.telemetry.closed)

	services.CloseClientConnections()
	services.Close()
	a = far.ask(t, "viewer", `{ featured { id } }`, nil)
	require.Equal(t, "UNAVAILABLE", a.code())
	requireNothingInternal(t, a)
}

func TestAddressesAreChecked(t *testing.T) {
	for name, urls := range map[string]map[string]string{
		"have one address": {"admin": "http://a/graphql", "auth": "http://a/graphql"},
		"is no http":       {"auth": "auth:8080"},
	} {
		_, err := router.New(router.Options{
			Supergraph: schema.Supergraph, Transport: http.DefaultTransport, SubgraphURLs: urls, Logger: slog.New(slog.DiscardHandler),
			Authenticate: func(context.Context, string) (router.Principal, error) { return router.Principal{}, nil },
		})
		require.ErrorContains(t, err, name)
	}
}

package router_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/router"
)

// exchange is the auth service as the router asks it: what a key stands for now.
type exchange struct {
	mu    sync.Mutex
	token string
	err   error
}

func (e *exchange) set(token string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.token, e.err = token, err
}

func (e *exchange) Exchange(_ context.Context, bearer, _ string) (string, error) {
	if bearer != "cinema_key" {
		return bearer, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.token, e.err
}

// Beyond the router there is the access token, never the key.
func TestAnAPIKeyIsExchangedAtTheDoor(t *testing.T) {
	e := &exchange{token: "viewer"}
	uploaded := make(chan string, 1)
	h := newHouse(t, func(o *router.Options) {
		o.Exchange = e.Exchange
		o.Uploads = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { uploaded <- r.Header.Get("Authorization") })
	})
	shown := make(chan string, 1)
	h.telemetry.before = func(_ http.ResponseWriter, r *http.Request) bool {
		shown <- r.Header.Get("Authorization")
		return false
	}
	h.telemetry.stream = func(_ context.Context, _ string, _ map[string]any, send func(any) error) error {
		return send(obj{"sessionId": "vs_1", "resumePositionMs": 0})
	}
	ws := h.dial(t)
	ws.init("cinema_key")
	ws.send(subscribeTo("w", watchQuery))
	require.Equal(t, "next", ws.read().Type)
	require.Equal(t, "Bearer viewer", <-shown)
	stream := h.events(t, "cinema_key", strings.ReplaceAll(watchQuery, `\"`, `"`))
	require.Equal(t, "next", stream.next(t).name)
	require.Equal(t, "Bearer viewer", <-shown)

	upload := func(bearer string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, h.server.URL+"/uploads/1", http.NoBody)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+bearer)
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer res.Body.Close()
		_, _ = io.Copy(io.Discard, res.Body)
		return res.StatusCode
	}
	require.Equal(t, 200, upload("cinema_key"))
	require.Equal(t, "Bearer viewer", <-uploaded)
	require.Equal(t, 200, upload("viewer"))
	require.Equal(t, "Bearer viewer", <-uploaded)

	for _, c := range []struct {
		err    error
		status int
	}{
		{authn.ErrUnauthenticated, 401}, {authn.ErrTooManyKeys, 429}, {fault.New(fault.Unavailable, "away"), 503},
	} {
		e.set("", c.err)
		require.Equal(t, c.status, upload("cinema_key"))
		res, err := http.DefaultTransport.RoundTrip(h.request(t, "cinema_key", map[string]any{"query": "{ __typename }"}))
		require.NoError(t, err)
		require.Equal(t, c.status, res.StatusCode)
		_ = res.Body.Close()
	}
	require.Empty(t, uploaded)
	require.NotContains(t, h.logs.String(), "cinema_key")
}

// What is open by a key outlasts its access token for as long as the key is good,
// and no operation runs on a token of before.
func TestWhatIsOpenByAnAPIKeyIsRenewed(t *testing.T) {
	e := &exchange{}
	asked := make(chan string, 100)
	h := newHouse(t, func(o *router.Options) {
		o.Exchange = func(ctx context.Context, bearer, address string) (string, error) {
			token, err := e.Exchange(ctx, bearer, address)
			asked <- token
			return token, err
		}
	})
	forever := func(ctx context.Context, _ string, _ map[string]any, send func(any) error) error {
		_ = send(obj{"sessionId": "vs_1", "resumePositionMs": 0})
		<-ctx.Done()
		return ctx.Err()
	}
	h.telemetry.stream = forever
	short := func(token string) {
		h.grant(token, router.Principal{Subject: "u1", SessionID: "k1", ExpiresAt: time.Now().Add(200 * time.Millisecond)})
		e.set(token, nil)
	}
	lasting := func(token string) {
		h.grant(token, router.Principal{Subject: "u1", SessionID: "k1", ExpiresAt: time.Now().Add(time.Hour)})
		e.set(token, nil)
	}
	await := func(token string) {
		for {
			if receive(t, "a look at the key", asked) == token {
				return
			}
		}
	}

	short("a")
	ws := h.dial(t)
	ws.init("cinema_key")
	lasting("b")
	await("b") // when a has ended
	ws.send(subscribeTo("w", watchQuery))
	require.Equal(t, "next", ws.read().Type)
	lasting("c")
	ws.send(subscribeTo("q", "{ featured { name } }"))
	require.Equal(t, "q", ws.read().ID)
	await("c")

	short("d")
	stream := h.events(t, "cinema_key", strings.ReplaceAll(watchQuery, `\"`, `"`))
	require.Equal(t, "next", stream.next(t).name)
	lasting("e")
	await("e")

	// Revoked: both end.
	h.router.EndSession("k1")
	require.Equal(t, websocket.StatusCode(4403), ws.closed())
	require.Contains(t, stream.next(t).data, "UNAUTHENTICATED")

	// And one whose revocation was not heard ends with its token.
	short("f")
	ws, stream = h.dial(t), h.events(t, "cinema_key", strings.ReplaceAll(watchQuery, `\"`, `"`))
	ws.init("cinema_key")
	require.Equal(t, "next", stream.next(t).name)
	e.set("", authn.ErrUnauthenticated)
	require.Equal(t, websocket.StatusCode(4401), ws.closed())
	require.Contains(t, stream.next(t).data, "UNAUTHENTICATED")
}

package router_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/router"
)

// wsClient is a client of graphql-transport-ws.
type wsClient struct {
	t    *testing.T
	conn *websocket.Conn
}

type wsMessage struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

func (h *house) dial(t *testing.T, subprotocols ...string) *wsClient {
	t.Helper()
	if subprotocols == nil {
		subprotocols = []string{"graphql-transport-ws"}
	}
	conn, resp, err := websocket.Dial(t.Context(), strings.Replace(h.server.URL, "http", "ws", 1)+"/graphql", &websocket.DialOptions{Subprotocols: subprotocols})
	require.NoError(t, err)
	if resp.Body != nil {
		_ = resp.Body.Close()
	}
	conn.SetReadLimit(10 << 20)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &wsClient{t, conn}
}

func (c *wsClient) send(m string) {
	c.t.Helper()
	require.NoError(c.t, c.conn.Write(c.t.Context(), websocket.MessageText, []byte(m)))
}

func (c *wsClient) read() wsMessage {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 5*time.Second)
	defer cancel()
	_, b, err := c.conn.Read(ctx)
	require.NoError(c.t, err)
	var m wsMessage
	require.NoError(c.t, json.Unmarshal(b, &m))
	return m
}

// closed reads on until the connection is closed and returns the code.
func (c *wsClient) closed() websocket.StatusCode {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 8*time.Second)
	defer cancel()
	for {
		_, _, err := c.conn.Read(ctx)
		if err != nil {
			var ce websocket.CloseError
			require.True(c.t, errors.As(err, &ce), "%v", err)
			return ce.Code
		}
	}
}

func (c *wsClient) init(token string) {
	c.t.Helper()
	if token == "" {
		c.send(`{"type":"connection_init"}`)
	} else {
		c.send(`{"type":"connection_init","payload":{"authorization":"Bearer ` + token + `"}}`)
	}
	require.Equal(c.t, "connection_ack", c.read().Type)
}

const watchQuery = `subscription { watch(input: {sessionUuid: \"01990000-0000-7000-8000-000000000001\", playableId: \"film_1\", titleId: \"film_1\", durationMs: 1000, device: {kind: \"desktop\", system: \"x\", browser: \"y\"}}) { sessionId resumePositionMs ended } }`

func subscribeTo(id, query string) string {
	return `{"id":"` + id + `","type":"subscribe","payload":{"query":"` + query + `"}}`
}

func TestWebSocketOperations(t *testing.T) {
	m := &metrics{}
	h := newHouse(t, func(o *router.Options) { o.Metrics = m })
	more := make(chan int)
	h.telemetry.stream = func(ctx context.Context, _ string, _ map[string]any, send func(any) error) error {
		_ = send(obj{"sessionId": "vs_1", "resumePositionMs": 0})
		for {
			select {
			case n, ok := <-more:
				if !ok {
					return nil
				}
				_ = send(obj{"sessionId": "vs_1", "resumePositionMs": n})
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	c := h.dial(t)
	c.init("viewer")
	c.send(`{"type":"ping"}`)
	require.Equal(t, "pong", c.read().Type)

	c.send(subscribeTo("w", watchQuery))
	first := c.read()
	require.Equal(t, "next", first.Type)
	require.JSONEq(t, `{"data":{"watch":{"sessionId":"vs_1","resumePositionMs":0,"ended":null}}}`, string(first.Payload))

	// A query beside it, on the same connection.
	c.send(subscribeTo("q", "{ featured { name } }"))
	got := c.read()
	require.Equal(t, "q", got.ID)
	require.Contains(t, string(got.Payload), "Nosferatu")
	require.Equal(t, wsMessage{ID: "q", Type: "complete"}, c.read())

	for i := range 3 {
		more <- i
		require.Contains(t, string(c.read().Payload), `"resumePositionMs":`+itoa(i))
	}
	close(more)
	require.Equal(t, wsMessage{ID: "w", Type: "complete"}, c.read())
	wait(t, "the count of subscriptions", func() bool { m.mu.Lock(); defer m.mu.Unlock(); return m.subscriptions == 0 })

	// The id is free again; the client's complete ends the upstream.
	more = make(chan int)
	<-h.telemetry.opened
	<-h.telemetry.closed
	c.send(subscribeTo("w", watchQuery))
	require.Equal(t, "next", c.read().Type)
	c.send(`{"id":"w","type":"complete"}`)
	receive(t, "the end of the upstream subscription", h.telemetry.closed)
	c.send(`{"type":"ping"}`)
	require.Equal(t, "pong", c.read().Type, "nothing more is sent for a completed id")

	// Errors that end an operation before it began.
	c.send(subscribeTo("bad", "{ nope }"))
	bad := c.read()
	require.Equal(t, "error", bad.Type)
	require.Contains(t, string(bad.Payload), "GRAPHQL_VALIDATION_FAILED")
	c.send(subscribeTo("no", "subscription { watchingNowChanged { id } }"))
	no := c.read()
	require.Equal(t, "error", no.Type)
	require.Contains(t, string(no.Payload), "FORBIDDEN")

	// A tab that dies ends its session.
	more = make(chan int)
	c.send(subscribeTo("w", watchQuery))
	require.Equal(t, "next", c.read().Type)
	_ = c.conn.CloseNow()
	receive(t, "the end of the upstream subscription", h.telemetry.closed)
	wait(t, "the end of the connection", func() bool { return router.OpenStreams(h.router) == 0 })
}

func TestWebSocketCloseCodes(t *testing.T) {
	h := newHouse(t, func(o *router.Options) {
		o.Limits.MessageBytes = 4096
		o.Limits.SubscriptionsPerConnection = 2
	})
	h.telemetry.stream = func(ctx context.Context, _ string, _ map[string]any, send func(any) error) error {
		_ = send(obj{"sessionId": "x", "resumePositionMs": 0})
		<-ctx.Done()
		return ctx.Err()
	}
	for name, c := range map[string]struct {
		do   func(c *wsClient)
		code websocket.StatusCode
	}{
		"a bad token":            {func(c *wsClient) { c.send(`{"type":"connection_init","payload":{"authorization":"Bearer no"}}`) }, 4401},
		"subscribe before ack":   {func(c *wsClient) { c.send(subscribeTo("a", "{ __typename }")) }, 4401},
		"a second init":          {func(c *wsClient) { c.init(""); c.send(`{"type":"connection_init"}`) }, 4429},
		"no JSON":                {func(c *wsClient) { c.send(`{`) }, 4400},
		"an unknown type":        {func(c *wsClient) { c.send(`{"type":"start"}`) }, 4400},
		"subscribe without id":   {func(c *wsClient) { c.init(""); c.send(`{"type":"subscribe","payload":{"query":"{ __typename }"}}`) }, 4400},
		"subscribe without body": {func(c *wsClient) { c.init(""); c.send(`{"id":"1","type":"subscribe"}`) }, 4400},
		"too big": {func(c *wsClient) {
			c.init("")
			c.send(`{"type":"ping","payload":{"x":"` + strings.Repeat("x", 5000) + `"}}`)
		}, 1009},
		"a duplicate id": {func(c *wsClient) {
			c.init("viewer")
			c.send(subscribeTo("a", watchQuery))
			c.read()
			c.send(subscribeTo("a", watchQuery))
		}, 4409},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := h.dial(t)
			c.do(conn)
			require.Equal(t, c.code, conn.closed())
		})
	}
	t.Run("no connection_init", func(t *testing.T) {
		t.Parallel()
		hasty := newHouse(t, func(o *router.Options) { o.Limits.InitTimeout = 20 * time.Millisecond })
		require.Equal(t, websocket.StatusCode(4408), hasty.dial(t).closed())
	})
	t.Run("another subprotocol", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, websocket.StatusCode(4406), h.dial(t, "graphql-ws").closed())
	})
	t.Run("another site", func(t *testing.T) {
		t.Parallel()
		_, resp, err := websocket.Dial(t.Context(), strings.Replace(h.server.URL, "http", "ws", 1)+"/graphql", &websocket.DialOptions{
			Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: http.Header{"Origin": {"https://evil.example"}},
		})
		require.Error(t, err)
		require.Equal(t, http.StatusForbidden, resp.StatusCode)
	})
	t.Run("too many operations", func(t *testing.T) {
		t.Parallel()
		c := h.dial(t)
		c.init("viewer")
		for _, id := range []string{"a", "b"} {
			c.send(subscribeTo(id, watchQuery))
			require.Equal(t, "next", c.read().Type)
		}
		c.send(subscribeTo("c", watchQuery))
		m := c.read()
		require.Equal(t, "error", m.Type)
		require.Contains(t, string(m.Payload), "LIMIT_EXCEEDED")
	})
}

func TestWebSocketTokenEnds(t *testing.T) {
	h := newHouse(t, nil)
	soon := func() time.Time { return time.Now().Add(700 * time.Millisecond) }
	h.grant("short", router.Principal{Subject: "u1", SessionID: "s1", ExpiresAt: soon()})
	c := h.dial(t)
	c.init("short")
	require.Equal(t, websocket.StatusCode(4403), c.closed(), "the token ended")

	h.grant("short2", router.Principal{Subject: "u1", SessionID: "s1", ExpiresAt: soon()})
	h.grant("renewed", router.Principal{Subject: "u1", SessionID: "s1", ExpiresAt: time.Now().Add(time.Hour)})
	c = h.dial(t)
	c.init("short2")
	c.send(`{"type":"ping","payload":{"authorization":"Bearer renewed"}}`)
	require.Equal(t, "pong", c.read().Type)
	end := time.Now().Add(time.Second)
	for time.Now().Before(end) { // past the old token's end
		c.send(subscribeTo("q", "{ featured { name } }"))
		require.Equal(t, "next", c.read().Type)
		require.Equal(t, "complete", c.read().Type)
	}
	c.send(`{"type":"ping","payload":{"authorization":"Bearer other"}}`)
	require.Equal(t, websocket.StatusCode(4403), c.closed(), "another user's token")
}

func TestEndSession(t *testing.T) {
	h := newHouse(t, nil)
	h.telemetry.stream = func(ctx context.Context, _ string, _ map[string]any, send func(any) error) error {
		_ = send(obj{"sessionId": "x", "resumePositionMs": 0})
		<-ctx.Done()
		return ctx.Err()
	}
	mine, other := h.dial(t), h.dial(t)
	mine.init("viewer")
	other.init("other")
	mine.send(subscribeTo("w", watchQuery))
	require.Equal(t, "next", mine.read().Type)
	stream := h.events(t, "viewer", strings.ReplaceAll(watchQuery, `\"`, `"`))
	require.Equal(t, "next", stream.next(t).name)
	h.router.EndSession("s1")
	require.Equal(t, websocket.StatusCode(4403), mine.closed())
	e := stream.next(t)
	require.Contains(t, e.data, "UNAUTHENTICATED")
	require.Equal(t, "complete", stream.next(t).name)
	receive(t, "the end of one upstream subscription", h.telemetry.closed)
	receive(t, "the end of the other", h.telemetry.closed)
	other.send(`{"type":"ping"}`)
	require.Equal(t, "pong", other.read().Type)
}

// Between the look at a token and the moment from which its stream can be ended, its
// session may end: nobody is left watching.
func TestASessionEndsWhileItsStreamIsOpened(t *testing.T) {
	for _, way := range []string{"WebSocket", "SSE"} {
		t.Run(way, func(t *testing.T) {
			var looks atomic.Int32
			h := newHouse(t, func(o *router.Options) {
				authenticate := o.Authenticate
				o.Authenticate = func(ctx context.Context, bearer string) (router.Principal, error) {
					if looks.Add(1) > 1 {
						return router.Principal{}, errors.New("the session has ended")
					}
					return authenticate(ctx, bearer)
				}
			})
			if way == "SSE" {
				r := h.request(t, "viewer", obj{"query": strings.ReplaceAll(watchQuery, `\"`, `"`)})
				r.Header.Set("Accept", "text/event-stream")
				require.Equal(t, "UNAUTHENTICATED", h.send(t, r).code())
				return
			}
			c := h.dial(t)
			c.send(`{"type":"connection_init","payload":{"authorization":"Bearer viewer"}}`)
			require.Equal(t, websocket.StatusCode(4403), c.closed())
		})
	}
}

func TestShutdownEndsStreams(t *testing.T) {
	h := newHouse(t, nil)
	h.telemetry.stream = func(ctx context.Context, _ string, _ map[string]any, send func(any) error) error {
		_ = send(obj{"sessionId": "x", "resumePositionMs": 0})
		<-ctx.Done()
		return ctx.Err()
	}
	c := h.dial(t)
	c.init("viewer")
	c.send(subscribeTo("w", watchQuery))
	require.Equal(t, "next", c.read().Type)
	s := h.events(t, "viewer", strings.ReplaceAll(watchQuery, `\"`, `"`))
	require.Equal(t, "next", s.next(t).name)
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		done <- h.router.Shutdown(ctx)
	}()
	// No complete: a client that is told so does not come back.
	_, _, err := c.conn.Read(t.Context())
	require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(err))
	_, more := <-s.out
	require.False(t, more)
	require.NoError(t, receive(t, "the end of Shutdown", done))
	require.Zero(t, router.OpenStreams(h.router))
}

func TestSSE(t *testing.T) {
	h := newHouse(t, func(o *router.Options) { o.Limits.KeepAlive = 10 * time.Millisecond })
	h.telemetry.stream = func(_ context.Context, field string, _ map[string]any, send func(any) error) error {
		if field == "watchingNowChanged" {
			return send([]obj{{"id": "vs_1", "positionMs": 5, "title": obj{"__typename": "Film", "__implements": "Title", "id": "film_2"}}})
		}
		return send(peerFault("CONFLICT", "watched elsewhere"))
	}
	t.Run("a subscription that asks two subgraphs", func(t *testing.T) {
		s := h.events(t, "editor", `subscription { watchingNowChanged { id positionMs title { name listed } } }`)
		e := s.next(t)
		require.Equal(t, "next", e.name)
		require.Contains(t, e.data, `{"errors":[{"message":"Something broke on our side. It has been noted.","path":["watchingNowChanged",0,"title","listed"],"extensions":{"code":"INTERNAL"}}],"data":`, "its own part is missing a field that may not be null")
		require.Equal(t, "complete", s.next(t).name)
		s = h.events(t, "editor", `subscription { watchingNowChanged { id positionMs title { name } } }`)
		require.JSONEq(t, `{"data":{"watchingNowChanged":[{"id":"vs_1","positionMs":5,"title":{"name":"Metropolis"}}]}}`, s.next(t).data)
	})
	t.Run("an error in an event", func(t *testing.T) {
		s := h.events(t, "viewer", strings.ReplaceAll(watchQuery, `\"`, `"`))
		require.JSONEq(t, `{"errors":[{"message":"watched elsewhere","path":["watch"],"extensions":{"code":"CONFLICT"}}],"data":null}`, s.next(t).data)
	})
	t.Run("a query", func(t *testing.T) {
		s := h.events(t, "viewer", `{ featured { name } }`)
		require.Contains(t, s.next(t).data, "Nosferatu")
		require.Equal(t, "complete", s.next(t).name)
	})
	t.Run("refused before it begins", func(t *testing.T) {
		r := h.request(t, "viewer", map[string]any{"query": "{ nope }"})
		r.Header.Set("Accept", "text/event-stream")
		a := h.send(t, r)
		require.Equal(t, 400, a.status)
		require.Equal(t, "GRAPHQL_VALIDATION_FAILED", a.code())
	})
	t.Run("the subgraph refuses", func(t *testing.T) {
		h.telemetry.before = func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"errors":[{"message":"Too many sessions.","path":["watch"],"extensions":{"code":"RATE_LIMITED","internal":"x"}}],"data":null}`))
			return true
		}
		defer func() { h.telemetry.before = nil }()
		s := h.events(t, "viewer", strings.ReplaceAll(watchQuery, `\"`, `"`))
		require.JSONEq(t, `{"errors":[{"message":"Too many sessions.","path":["watch"],"extensions":{"code":"RATE_LIMITED"}}]}`, s.next(t).data)
		require.Equal(t, "complete", s.next(t).name)
	})
	t.Run("the subgraph breaks off", func(t *testing.T) {
		h.telemetry.before = func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = w.Write([]byte("event: next\ndata: {\"data\":{\"watch\":{\"sessionId\":\"x\",\"resumePositionMs\":1,\"ended\":null}}}\n\n"))
			return true
		}
		defer func() { h.telemetry.before = nil }()
		s := h.events(t, "viewer", strings.ReplaceAll(watchQuery, `\"`, `"`))
		require.Contains(t, s.next(t).data, `"resumePositionMs":1`)
		require.Contains(t, s.next(t).data, "UNAVAILABLE")
		require.Equal(t, "complete", s.next(t).name)
	})
	t.Run("the token ends", func(t *testing.T) {
		h.telemetry.stream = func(ctx context.Context, _ string, _ map[string]any, send func(any) error) error {
			_ = send(obj{"sessionId": "x", "resumePositionMs": 0})
			<-ctx.Done()
			return ctx.Err()
		}
		h.grant("short", router.Principal{Subject: "u1", ExpiresAt: time.Now().Add(100 * time.Millisecond)})
		s := h.events(t, "short", strings.ReplaceAll(watchQuery, `\"`, `"`))
		require.Equal(t, "next", s.next(t).name)
		require.Contains(t, s.next(t).data, "UNAUTHENTICATED")
		require.Equal(t, "complete", s.next(t).name)
	})
}

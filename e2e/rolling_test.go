package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/e2e/cinema"
)

// Routers are restarted one after the other behind nginx, as for an update. No
// request fails, and who is subscribed is told to come again. (scripts/chaos
// does so with every service, on the servers of a cluster.)
func TestRoutersAreRestartedUnnoticed(t *testing.T) {
	cluster := cinema.StartDoubledRouters(t)
	viewer := cluster.Front.Client()
	viewer.SignUp(t, "newcomer", password)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var asked atomic.Int64
	var failed sync.Map
	var people sync.WaitGroup
	for range 4 {
		people.Go(func() {
			for ctx.Err() == nil {
				if err := ask(viewer, `{ titles(first: 5) { edges { node { id } } } continueWatching { playable { id } } }`); err != nil {
					failed.Store(err.Error(), true)
				}
				if err := ask(viewer, `mutation { forgetProgress(input: {playableId: "film_01h455vb4pex5vsknk084sn02q"}) { playable { id } } }`); err != nil {
					failed.Store(err.Error(), true)
				}
				asked.Add(2)
			}
		})
	}
	began := func() {
		t.Helper()
		since := asked.Load()
		cinema.Eventually(t, time.Minute, func() error {
			if asked.Load() < since+40 {
				return errors.New("nobody asks")
			}
			return nil
		})
	}
	began()
	for n, router := range cluster.Instances["router"] {
		at := subscribed(t, router.URL, viewer)
		stopped := time.Now()
		router.Stop(t)
		t.Logf("router %d ended after %.1f s", n+1, time.Since(stopped).Seconds())
		_, _, err := at.Read(ctx)
		require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(err), "no complete, which a client would take for the end")
		began() // the other alone
		cluster.Again(t, "router", n)
		began()
	}
	stop()
	people.Wait()
	failed.Range(func(text, _ any) bool { t.Errorf("a request failed: %v", text); return true })
	t.Logf("%d requests", asked.Load())
}

// ask sends an operation that has to succeed, from any goroutine.
func ask(c *cinema.Client, query string) error {
	req, err := http.NewRequest(http.MethodPost, c.URL+"/graphql", strings.NewReader(fmt.Sprintf(`{"query":%q}`, query)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+c.Token)
	res, err := c.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || strings.Contains(string(body), `"errors"`)) {
		err = fmt.Errorf("%d %.300s", res.StatusCode, body)
	}
	return err
}

// subscribed opens a subscription at one router and waits for its first message.
func subscribed(t *testing.T, router string, c *cinema.Client) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(router, "http")+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.CloseNow() })
	write := func(v any) { require.NoError(t, wsjson.Write(t.Context(), conn, v)) }
	var m struct{ Type string }
	write(map[string]any{"type": "connection_init", "payload": map[string]any{"authorization": "Bearer " + c.Token}})
	require.NoError(t, wsjson.Read(t.Context(), conn, &m))
	write(map[string]any{"type": "subscribe", "id": "1", "payload": map[string]any{"query": watchSubscription, "variables": map[string]any{"i": map[string]any{
		"sessionUuid": newID(), "playableId": "film_01h455vb4pex5vsknk084sn02q", "titleId": "film_01h455vb4pex5vsknk084sn02q", "durationMs": 1000, "device": device}}}})
	require.NoError(t, wsjson.Read(t.Context(), conn, &m))
	require.Equal(t, "next", m.Type)
	return conn
}

package router_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/router"
)

func itoa(i int) string { return strconv.Itoa(i) }

func many(n int, f func(int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(f(i))
	}
	return b.String()
}

func sha(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func pathText(path []any) string {
	parts := make([]string, len(path))
	for i, p := range path {
		parts[i] = fmt.Sprint(p)
	}
	return strings.Join(parts, ".")
}

// metrics records what the router tells.
type metrics struct {
	mu            sync.Mutex
	ops           []router.Operation
	subscriptions int
	connections   int
	failed        int
}

func (m *metrics) OperationDone(_ context.Context, op router.Operation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ops = append(m.ops, op)
}

func (m *metrics) SubgraphDone(_ context.Context, _ string, _ time.Duration, failed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if failed {
		m.failed++
	}
}

func (m *metrics) SubscriptionsChanged(d int) { m.mu.Lock(); m.subscriptions += d; m.mu.Unlock() }
func (m *metrics) ConnectionsChanged(d int)   { m.mu.Lock(); m.connections += d; m.mu.Unlock() }

// last is the newest finished operation; the answer may arrive before it is told.
func (m *metrics) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.ops)
}

func (m *metrics) last() router.Operation {
	deadline := time.Now().Add(5 * time.Second)
	for {
		m.mu.Lock()
		n := len(m.ops)
		if n > 0 {
			defer m.mu.Unlock()
			return m.ops[n-1]
		}
		m.mu.Unlock()
		if time.Now().After(deadline) {
			return router.Operation{}
		}
	}
}

type event struct{ name, data string }

// events is an open stream of Server-Sent Events.
type events struct {
	resp *http.Response
	stop context.CancelFunc
	out  chan event
}

// events subscribes over SSE.
func (h *house) events(t testing.TB, token, query string) *events {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	r := h.request(t, token, map[string]any{"query": query}).WithContext(ctx)
	r.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	require.Contains(t, resp.Header.Get("Content-Type"), "text/event-stream")
	e := &events{resp: resp, stop: cancel, out: make(chan event, 100)}
	go func() {
		defer close(e.out)
		defer resp.Body.Close()
		var now event
		s := bufio.NewScanner(resp.Body)
		for s.Scan() {
			switch line := s.Text(); {
			case line == "":
				if now.name != "" {
					e.out <- now
				}
				now = event{}
			case strings.HasPrefix(line, "event:"):
				now.name = strings.TrimSpace(line[6:])
			case strings.HasPrefix(line, "data:"):
				now.data = strings.TrimSpace(line[5:])
			}
		}
	}()
	return e
}

func (e *events) next(t testing.TB) event {
	t.Helper()
	return receive(t, "an event", e.out)
}

const introspectionQuery = `query IntrospectionQuery { __schema { queryType { name } mutationType { name } subscriptionType { name } types { ...FullType } directives { name description locations args { ...InputValue } } } }
fragment FullType on __Type { kind name description fields(includeDeprecated: true) { name description args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason } inputFields { ...InputValue } interfaces { ...TypeRef } enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue }
fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }`

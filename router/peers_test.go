package router_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	gqlast "github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"github.com/netflixathome/cinema/router"
	"github.com/netflixathome/cinema/router/inprocess"
	"github.com/netflixathome/cinema/schema"
)

// obj is an object that a peer answers with. A func(args) any is a resolver; an
// error is an error of the field.
type obj map[string]any

type resolver func(args map[string]any) any

// peerError is an error as a subgraph's presenter writes it.
type peerError struct {
	message    string
	extensions map[string]any
}

func (e *peerError) Error() string { return e.message }

func peerFault(code, message string) *peerError {
	return &peerError{message, map[string]any{"code": code}}
}

// peer is a small GraphQL server that walks the document it is sent: whatever
// the planner asks, it answers from its data. Subscriptions go over SSE.
type peer struct {
	mu       sync.Mutex
	root     obj
	entities func(typeName, id string) any
	// stream feeds a subscription; it returns when the client is gone.
	stream   func(ctx context.Context, field string, args map[string]any, send func(any) error) error
	requests []*http.Request
	queries  []string
	// before may answer instead; it returns true if it did.
	before func(w http.ResponseWriter, r *http.Request) bool
	// opened and closed count subscriptions.
	opened, closed chan struct{}
}

func newPeer() *peer {
	return &peer{root: obj{}, opened: make(chan struct{}, 100), closed: make(chan struct{}, 100)}
}

func (p *peer) calls() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queries)
}

func (p *peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var in struct {
		Query     string         `json:"query"`
		Variables map[string]any `json:"variables"`
	}
	_ = json.Unmarshal(body, &in)
	p.mu.Lock()
	p.requests = append(p.requests, r)
	p.queries = append(p.queries, in.Query)
	before := p.before
	p.mu.Unlock()
	if before != nil && before(w, r) {
		return
	}
	doc, perr := parser.ParseQuery(&gqlast.Source{Input: in.Query})
	if perr != nil {
		http.Error(w, perr.Error(), http.StatusBadRequest)
		return
	}
	op := doc.Operations[0]
	x := &execution{peer: p, vars: in.Variables}
	if op.Operation == gqlast.Subscription {
		f := op.SelectionSet[0].(*gqlast.Field)
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		p.opened <- struct{}{}
		defer func() { p.closed <- struct{}{} }()
		err := p.stream(r.Context(), f.Name, x.args(f), func(v any) error {
			x.errors = nil
			out := obj{}
			x.set(out, op.SelectionSet, obj{f.Name: v}, nil)
			b, _ := json.Marshal(x.answer(out))
			_, err := fmt.Fprintf(w, "event: next\ndata: %s\n\n", b)
			w.(http.Flusher).Flush()
			return err
		})
		if err == nil {
			_, _ = io.WriteString(w, "event: complete\n\n")
			w.(http.Flusher).Flush()
		}
		return
	}
	out := obj{}
	x.set(out, op.SelectionSet, p.root, nil)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(x.answer(out))
}

type execution struct {
	peer   *peer
	vars   map[string]any
	errors []map[string]any
}

func (x *execution) answer(data obj) map[string]any {
	a := map[string]any{"data": data}
	if len(x.errors) > 0 {
		a["errors"] = x.errors
	}
	return a
}

func (x *execution) args(f *gqlast.Field) map[string]any {
	args := map[string]any{}
	for _, a := range f.Arguments {
		v, _ := a.Value.Value(x.vars)
		args[a.Name] = v
	}
	return args
}

func (x *execution) set(out obj, set gqlast.SelectionSet, src obj, path []any) {
	for _, s := range set {
		switch s := s.(type) {
		case *gqlast.InlineFragment:
			if s.TypeCondition == "" || s.TypeCondition == src["__typename"] || strings.Contains(fmt.Sprint(src["__implements"]), s.TypeCondition) {
				x.set(out, s.SelectionSet, src, path)
			}
		case *gqlast.Field:
			name := s.Alias
			if name == "" {
				name = s.Name
			}
			at := append(append([]any(nil), path...), name)
			if s.Name == "_entities" {
				out[name] = x.entities(s, at)
				continue
			}
			out[name] = x.value(src[s.Name], s, at)
		}
	}
}

func (x *execution) entities(f *gqlast.Field, path []any) any {
	reps, _ := x.args(f)["representations"].([]any)
	out := make([]any, len(reps))
	for i, r := range reps {
		rep := r.(map[string]any)
		v := x.peer.entities(rep["__typename"].(string), fmt.Sprint(rep["id"]))
		out[i] = x.value(v, f, append(append([]any(nil), path...), i))
	}
	return out
}

func (x *execution) value(v any, f *gqlast.Field, path []any) any {
	switch v := v.(type) {
	case resolver:
		return x.value(v(x.args(f)), f, path)
	case error:
		e := map[string]any{"message": v.Error(), "path": path}
		var pe *peerError
		if errors.As(v, &pe) {
			e["extensions"] = pe.extensions
		}
		x.errors = append(x.errors, e)
		return nil
	case obj:
		out := obj{}
		x.set(out, f.SelectionSet, v, path)
		return out
	case []obj:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = x.value(item, f, append(append([]any(nil), path...), i))
		}
		return list
	default:
		return v
	}
}

// house is a router in front of four peers, with a server around it.
type house struct {
	t                               *testing.T
	admin, auth, catalog, telemetry *peer
	router                          *router.Router
	server                          *httptest.Server
	logs                            *lockedBuffer
	tokens                          sync.Map // token to principal
	transport                       *inprocess.Transport
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (h *house) grant(token string, p router.Principal) {
	if p.Scopes == nil {
		p.Scopes = map[string]bool{}
	}
	h.tokens.Store(token, p)
}

func newHouse(t testing.TB, change func(*router.Options)) *house {
	t.Helper()
	h := &house{admin: newPeer(), auth: newPeer(), catalog: newPeer(), telemetry: newPeer(), logs: &lockedBuffer{}}
	h.t, _ = t.(*testing.T)
	log := slog.New(slog.NewTextHandler(h.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	h.transport, err = inprocess.New(map[string]http.Handler{
		"admin": h.admin, "auth": h.auth, "catalog": h.catalog, "telemetry": h.telemetry,
	}, log, nil)
	require.NoError(t, err)
	h.grant("viewer", router.Principal{Subject: "u1", SessionID: "s1"})
	h.grant("other", router.Principal{Subject: "u2", SessionID: "s2"})
	h.grant("editor", router.Principal{Subject: "u3", SessionID: "s3", Scopes: map[string]bool{"title:read": true, "title:write": true, "stats:read": true}})
	o := router.Options{
		Supergraph: schema.Supergraph,
		Transport:  h.transport,
		Authenticate: func(_ context.Context, bearer string) (router.Principal, error) {
			if p, ok := h.tokens.Load(bearer); ok {
				return p.(router.Principal), nil
			}
			return router.Principal{}, errors.New("unknown token")
		},
		Logger: log,
	}
	if change != nil {
		change(&o)
	}
	h.router, err = router.New(o)
	require.NoError(t, err)
	h.server = httptest.NewServer(h.router.Handler())
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = h.router.Shutdown(ctx)
		h.server.Close()
	})
	h.furnish()
	return h
}

func film(id, name string) obj {
	return obj{"__typename": "Film", "__implements": "Title Playable", "id": id, "name": name, "originalName": name, "year": 1922}
}

// furnish fills the peers with a small cinema.
func (h *house) furnish() {
	films := []obj{film("film_1", "Nosferatu"), film("film_2", "Metropolis"), film("film_3", "Häxan")}
	edges := make([]obj, len(films))
	for i, f := range films {
		edges[i] = obj{"cursor": fmt.Sprint(i), "node": f, "highlight": ""}
	}
	byID := func(id string) any {
		for _, f := range films {
			if f["id"] == id {
				return f
			}
		}
		return nil
	}
	h.catalog.root["titles"] = obj{"edges": edges, "totalCount": 3, "pageInfo": obj{"hasNextPage": false, "hasPreviousPage": false}}
	h.catalog.root["title"] = resolver(func(a map[string]any) any { return byID(fmt.Sprint(a["id"])) })
	h.catalog.root["genres"] = []obj{{"__typename": "Genre", "id": "genre_1", "slug": "horror", "name": "Horror", "titleCount": 2}}
	h.catalog.root["featured"] = films[0]
	h.catalog.entities = func(_, id string) any { return byID(id) }
	h.telemetry.root["popular"] = []obj{
		{"__typename": "Film", "__implements": "Title", "id": "film_2", "listed": false},
		{"__typename": "Film", "__implements": "Title", "id": "film_1", "listed": true},
	}
	h.telemetry.root["continueWatching"] = []obj{{
		"playable": obj{"__typename": "Film", "id": "film_3"}, "title": obj{"__typename": "Film", "__implements": "Title", "id": "film_3", "listed": false},
		"watchState": obj{"positionMs": 60000, "durationMs": 600000, "finished": false, "lastSeenAt": "2026-11-01T10:00:00Z"},
	}}
	h.telemetry.root["recordEvents"] = resolver(func(a map[string]any) any {
		in := a["input"].(map[string]any)
		return obj{"accepted": len(in["events"].([]any)), "rejected": []obj{}}
	})
	h.telemetry.entities = func(typeName, id string) any {
		return obj{"__typename": typeName, "id": id, "listed": id == "film_1", "myRating": nil,
			"watchState": obj{"positionMs": 1000, "durationMs": 2000, "finished": false, "lastSeenAt": "2026-11-01T10:00:00Z"}}
	}
	user := obj{"__typename": "User", "id": "user_1", "login": "anna", "name": "Anna", "roles": []any{"VIEWER"}}
	h.auth.root["me"] = user
	h.auth.root["signIn"] = obj{"accessToken": "viewer", "expiresAt": "2026-11-01T10:00:00Z", "user": user,
		"profile": obj{"__typename": "Profile", "id": "profile_1", "name": "Anna", "colour": "#ff0000", "child": false}}
	h.auth.entities = func(_, _ string) any { return user }
	h.admin.root["updateTitle"] = obj{"record": obj{"__typename": "TitleRecord", "id": "film_1", "version": 2}}
	h.admin.root["deleteTitles"] = obj{"records": []obj{}}
	h.admin.entities = func(typeName, id string) any {
		return obj{"__typename": typeName, "id": id, "record": obj{"id": id, "version": 1}}
	}
}

type answer struct {
	status int
	header http.Header
	body   string
	Data   map[string]any
	Errors []struct {
		Message    string
		Path       []any
		Locations  []struct{ Line, Column int }
		Extensions map[string]any
	}
}

func (a *answer) code() string {
	if len(a.Errors) == 0 {
		return ""
	}
	s, _ := a.Errors[0].Extensions["code"].(string)
	return s
}

func (h *house) send(t testing.TB, r *http.Request) *answer {
	t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	a := &answer{status: resp.StatusCode, header: resp.Header, body: string(b)}
	if strings.Contains(resp.Header.Get("Content-Type"), "json") && r.Method != http.MethodHead {
		require.NoError(t, json.Unmarshal(b, a), "%s", b)
	}
	return a
}

func (h *house) request(t testing.TB, token string, body any) *http.Request {
	t.Helper()
	var text string
	if s, ok := body.(string); ok {
		text = s
	} else {
		b, err := json.Marshal(body)
		require.NoError(t, err)
		text = string(b)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.server.URL+"/graphql", strings.NewReader(text))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

// ask sends a query as the holder of a token.
func (h *house) ask(t testing.TB, token, query string, variables map[string]any) *answer {
	t.Helper()
	return h.send(t, h.request(t, token, map[string]any{"query": query, "variables": variables}))
}

// wait polls a condition with a deadline.
func wait(t testing.TB, what string, cond func() bool) {
	t.Helper()
	require.Eventually(t, cond, 5*time.Second, 2*time.Millisecond, what)
}

func receive[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(5 * time.Second):
		t.Fatalf("waited in vain for %s", what)
		panic("not reached")
	}
}

package router_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/router"
	"github.com/netflixathome/cinema/schema"
)

// The eight lessons of the prototype, one test each.

// Lesson 1: a client that leaves must not fail others who asked the same.
func TestLeaverDoesNotFailOthers(t *testing.T) {
	h := newHouse(t, nil)
	entered := make(chan struct{}, 2)
	release := make(chan struct{})
	h.catalog.root["genres"] = resolver(func(map[string]any) any {
		entered <- struct{}{}
		<-release
		return []obj{{"id": "genre_1", "slug": "horror"}}
	})
	const query = `{ genres { id } }`
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		resp, err := http.DefaultClient.Do(h.request(t, "viewer", map[string]any{"query": query}).WithContext(ctx))
		if err == nil {
			_ = resp.Body.Close()
		}
		left <- err
	}()
	receive(t, "the first at the subgraph", entered)
	stayed := make(chan *answer, 1)
	go func() { stayed <- h.ask(t, "viewer", query, nil) }()
	receive(t, "the second at the subgraph: each request asks for itself", entered)
	leave()
	require.Error(t, receive(t, "the leaver", left))
	close(release)
	a := receive(t, "the answer of the one who stayed", stayed)
	require.Empty(t, a.Errors, a.body)
	require.Equal(t, 2, h.catalog.calls())
}

// Lesson 2: files never travel through GraphQL.
func TestMultipartIsRefused(t *testing.T) {
	h := newHouse(t, nil)
	for _, kind := range []string{"multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "text/plain"} {
		r := h.request(t, "viewer", `{"query":"{ genres { id } }"}`)
		r.Header.Set("Content-Type", kind)
		a := h.send(t, r)
		require.Equal(t, http.StatusUnsupportedMediaType, a.status, kind)
	}
	require.Zero(t, h.catalog.calls())
	for _, f := range []string{"Upload"} {
		require.NotContains(t, schema.API, "scalar "+f, "uploads do not go through the schema")
	}
}

// Lesson 3: each fetch has headers of its own, only the auth subgraph sees
// cookies, and what it sets reaches the client.
func TestHeadersBothWays(t *testing.T) {
	h := newHouse(t, nil)
	h.auth.before = func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Add("Set-Cookie", "refresh=new; HttpOnly; Path=/graphql")
		w.Header().Add("Set-Cookie", "second=2")
		w.Header().Set("Retry-After", "7")
		w.Header().Set("X-Internal", "secret")
		return false
	}
	h.catalog.before = func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Add("Set-Cookie", "catalog=1")
		return false
	}
	r := h.request(t, "viewer", map[string]any{"query": `{ me { login } featured { id ... on Film { watchState { positionMs } } } }`})
	r.Header.Set("Cookie", "refresh=old")
	r.Header.Set("Accept-Language", "ru")
	r.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	r.Header.Set("X-Request-Id", "req-1")
	r.Header.Set("X-Forwarded-For", "6.6.6.6")
	r.Header.Set("X-Evil", "1")
	a := h.send(t, r)
	require.Empty(t, a.Errors, a.body)
	require.Equal(t, []string{"refresh=new; HttpOnly; Path=/graphql", "second=2"}, a.header.Values("Set-Cookie"))
	require.Equal(t, "7", a.header.Get("Retry-After"))
	require.Empty(t, a.header.Get("X-Internal"))
	for name, p := range map[string]*peer{"auth": h.auth, "catalog": h.catalog, "telemetry": h.telemetry} {
		require.Len(t, p.requests, 1, name)
		got := p.requests[0].Header
		require.Equal(t, "Bearer viewer", got.Get("Authorization"), name)
		require.Equal(t, "ru", got.Get("Accept-Language"), name)
		require.Equal(t, "req-1", got.Get("X-Request-Id"), name)
		require.Empty(t, got.Get("Traceparent"), "%s: a subgraph believes what it says of sampling", name)
		require.Equal(t, "127.0.0.1", got.Get("X-Forwarded-For"), "an untrusted client's word for its address is not believed")
		require.Empty(t, got.Get("X-Evil"), name)
		require.Len(t, got.Values("Content-Type"), 1, "%s: a header map that is shared collects the engine's additions", name)
		require.Len(t, got.Values("Accept"), 1, name)
	}
	require.Equal(t, "refresh=old", h.auth.requests[0].Header.Get("Cookie"))
	require.Empty(t, h.catalog.requests[0].Header.Get("Cookie"))
	require.Empty(t, h.telemetry.requests[0].Header.Get("Cookie"))
}

// Lesson 4: errors have the specification's shape: list indices in paths,
// locations in validation errors, a path for a subgraph that is down; nothing
// internal leaks.
func TestErrorShape(t *testing.T) {
	t.Run("an entity's error has its list index", func(t *testing.T) {
		h := newHouse(t, nil)
		was := h.telemetry.entities
		h.telemetry.entities = func(typeName, id string) any {
			e := was(typeName, id).(obj)
			if id == "film_2" {
				e["watchState"] = &peerError{"gone", map[string]any{"code": "NOT_FOUND", "reason": "NO_STATE", "field": "id", "stacktrace": "x.go:1"}}
			}
			return e
		}
		a := h.ask(t, "viewer", `{ list: titles { edges { node { ... on Film { state: watchState { positionMs } } } } } one: title(id: "film_2") { ... on Film { watchState { positionMs } } } }`, nil)
		require.Equal(t, 200, a.status)
		require.Len(t, a.Errors, 2, a.body)
		paths := map[string]bool{}
		for _, e := range a.Errors {
			require.Equal(t, "gone", e.Message)
			require.Equal(t, map[string]any{"code": "NOT_FOUND", "reason": "NO_STATE", "field": "id"}, e.Extensions)
			paths[pathText(e.Path)] = true
		}
		require.Equal(t, map[string]bool{"list.edges.1.node.state": true, "one.watchState": true}, paths, a.body)
	})
	t.Run("also when the null swallows the list", func(t *testing.T) {
		h := newHouse(t, nil)
		h.telemetry.entities = func(typeName, id string) any {
			e := obj{"__typename": typeName, "id": id, "listed": true}
			if id == "film_3" {
				e["listed"] = peerFault("UNAVAILABLE", "no list")
			}
			return e
		}
		a := h.ask(t, "viewer", `{ titles { edges { node { listed } } } }`, nil)
		require.Nil(t, a.Data)
		require.Len(t, a.Errors, 1, "the null that follows is no error of its own: %s", a.body)
		require.Equal(t, "titles.edges.2.node.listed", pathText(a.Errors[0].Path))
		require.Equal(t, "UNAVAILABLE", a.code())
	})
	t.Run("a root field's error keeps its path and alias", func(t *testing.T) {
		h := newHouse(t, nil)
		h.catalog.root["featured"] = peerFault("CONFLICT", "no")
		a := h.ask(t, "viewer", `{ hero: featured { id } genres { id } }`, nil)
		require.Len(t, a.Errors, 1)
		require.Equal(t, "hero", pathText(a.Errors[0].Path))
		require.Equal(t, "CONFLICT", a.code())
		require.NotNil(t, a.Data["genres"])
	})
	for name, before := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"502 in HTML": func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write([]byte("<html>nginx at 10.0.0.7</html>"))
			return true
		},
		"empty": func(http.ResponseWriter, *http.Request) bool { return true },
		"cut off": func(w http.ResponseWriter, _ *http.Request) bool {
			_, _ = w.Write([]byte(`{"data":{"feat`))
			return true
		},
		"a panic":         func(http.ResponseWriter, *http.Request) bool { panic("secret at 10.0.0.7") },
		"JSON, no answer": func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write([]byte(`{"ok":true}`)); return true },
	} {
		t.Run("a subgraph that is down: "+name, func(t *testing.T) {
			h := newHouse(t, nil)
			h.catalog.before = before
			a := h.ask(t, "viewer", `{ hero: featured { id } me { login } }`, nil)
			require.Equal(t, 200, a.status)
			require.Len(t, a.Errors, 1, a.body)
			require.Equal(t, "hero", pathText(a.Errors[0].Path))
			require.Equal(t, "UNAVAILABLE", a.code())
			require.Equal(t, map[string]any{"login": "Anna"}["login"], "Anna")
			require.NotNil(t, a.Data["me"], "the rest of the answer is kept")
			requireNothingInternal(t, a)
		})
	}
	t.Run("entities of a subgraph that is down", func(t *testing.T) {
		h := newHouse(t, nil)
		h.telemetry.before = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(503); return true }
		a := h.ask(t, "viewer", `{ titles { edges { node { name ... on Film { watchState { positionMs } } } } } }`, nil)
		require.Len(t, a.Errors, 3, a.body)
		require.Equal(t, "titles.edges.0.node.watchState", pathText(a.Errors[0].Path))
		require.Contains(t, a.body, "Nosferatu")
		requireNothingInternal(t, a)
	})
	t.Run("an error without a path gets one", func(t *testing.T) {
		h := newHouse(t, nil)
		h.catalog.before = func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"errors":[{"message":"Sign in to go on.","extensions":{"code":"UNAUTHENTICATED"}}]}`))
			return true
		}
		a := h.ask(t, "viewer", `{ featured { id } }`, nil)
		require.Len(t, a.Errors, 1, a.body)
		require.Equal(t, "featured", pathText(a.Errors[0].Path))
		require.Equal(t, "UNAUTHENTICATED", a.code())
	})
	t.Run("an unknown code becomes INTERNAL", func(t *testing.T) {
		h := newHouse(t, nil)
		h.catalog.root["featured"] = &peerError{"odd", map[string]any{"code": "PG_57P01", "url": "http://catalog.subgraph"}}
		a := h.ask(t, "viewer", `{ featured { id } }`, nil)
		require.Equal(t, map[string]any{"code": "INTERNAL"}, a.Errors[0].Extensions)
	})
	t.Run("validation errors have locations and no path", func(t *testing.T) {
		h := newHouse(t, nil)
		a := h.ask(t, "viewer", "{\n  featured { id nope }\n}", nil)
		require.Equal(t, 400, a.status)
		require.Equal(t, "GRAPHQL_VALIDATION_FAILED", a.code())
		require.Equal(t, 2, a.Errors[0].Locations[0].Line)
		require.Equal(t, 17, a.Errors[0].Locations[0].Column)
		require.Empty(t, a.Errors[0].Path)
		require.NotContains(t, a.body, `"data"`)
	})
}

func requireNothingInternal(t *testing.T, a *answer) {
	t.Helper()
	for _, word := range []string{"subgraph", "catalog", "telemetry", "10.0.0.7", "http://", "nginx", ".go", "panic", "router"} {
		require.NotContains(t, strings.ToLower(a.body), word)
	}
}

// Lesson 5: limits hold on the raw document, before anything is made of it.
func TestLimitsOnTheRawDocument(t *testing.T) {
	h := newHouse(t, nil)
	deep := strings.Repeat("similar { title { ", 12) + "id" + strings.Repeat(" } }", 12)
	bomb := "{ ...f0 }"
	for i := range 30 {
		bomb += " fragment f" + itoa(i) + " on Query { ...f" + itoa(i+1) + " x" + itoa(i) + ": __typename ...f" + itoa(i+1) + " }"
	}
	bomb += " fragment f30 on Query { __typename }"
	for name, query := range map[string]string{
		"depth":          `{ featured { ` + deep + ` } }`,
		"aliases":        `{ ` + many(70, func(i int) string { return "a" + itoa(i) + ": __typename " }) + ` }`,
		"root fields":    `{ ` + many(30, func(i int) string { return "a" + itoa(i) + ": __typename " }) + ` }`,
		"fields":         `{ featured { ` + many(1100, func(int) string { return "id " }) + ` } }`,
		"tokens":         `{ featured { ` + many(5000, func(int) string { return "id " }) + ` } }`,
		"bytes":          `{ featured { id } } #` + strings.Repeat("x", 70_000),
		"directives":     `{ featured { ` + many(70, func(int) string { return "id @include(if: true) " }) + ` } }`,
		"fragment bombs": bomb,
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			a := h.ask(t, "viewer", query, nil)
			require.Equal(t, 400, a.status, a.body)
			require.Equal(t, "LIMIT_EXCEEDED", a.code(), a.body)
			require.Less(t, time.Since(start), 2*time.Second, "quickly, also on a busy machine")
		})
	}
	require.Zero(t, h.catalog.calls())
	a := h.ask(t, "viewer", introspectionQuery, nil)
	require.Empty(t, a.Errors, "what every tool asks has room: %s", a.body[:min(len(a.body), 500)])
}

// Lesson 6: a plan is made once, by one of those who ask for it, and before the
// first of them when the operation is persisted.
func TestPlansAreKept(t *testing.T) {
	m := &metrics{}
	persisted := `query Persisted($id: ID!) { title(id: $id) { id name } }`
	h := newHouse(t, func(o *router.Options) {
		o.Metrics = m
		o.Persisted = map[string]string{sha(persisted): persisted}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _ = h.router.Run(ctx) }()
	wait(t, "warm plans", func() bool { return strings.Contains(h.logs.String(), "plans are warm") })
	a := h.send(t, h.request(t, "viewer", map[string]any{"documentId": "sha256:" + sha(persisted), "variables": map[string]any{"id": "film_1"}}))
	require.Empty(t, a.Errors, a.body)
	require.True(t, m.last().PlanCached, "the first asker found the plan made")
	require.True(t, m.last().Persisted)

	before := router.KeptPlans(h.router)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			a := h.ask(t, "viewer", `query Many { genres { id slug } }`, nil)
			assert.Empty(t, a.Errors, a.body+h.logs.String())
		})
	}
	wg.Wait()
	require.Equal(t, before+1, router.KeptPlans(h.router), "twenty askers, one plan")
	for i := range 3 {
		a = h.ask(t, "viewer", many(i, func(int) string { return "\n" })+`query Literal { title(id: "film_`+itoa(i+1)+`") { id } }`, nil)
		require.Equal(t, "film_"+itoa(i+1), a.Data["title"].(map[string]any)["id"])
	}
	require.Equal(t, before+2, router.KeptPlans(h.router), "another literal, the same plan")
	a = h.ask(t, "", many(3, func(int) string { return "\n" })+`mutation Literal { deleteTitles(input: {ids: ["film_1"]}) { records { id } } }`, nil)
	require.Equal(t, 4, a.Errors[0].Locations[0].Line, "the place is that of its own document")
	a = h.ask(t, "", `mutation Literal { deleteTitles(input: {ids: ["film_2"]}) { records { id } } }`, nil)
	require.Equal(t, 1, a.Errors[0].Locations[0].Line, a.body)
}

// Lesson 7: the engine's own bound of 32 is not ours.
func TestMoreThan32AtOnce(t *testing.T) {
	h := newHouse(t, nil)
	const n = 80
	entered := make(chan struct{}, n)
	release := make(chan struct{})
	h.catalog.root["genres"] = resolver(func(map[string]any) any {
		entered <- struct{}{}
		<-release
		return []obj{}
	})
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() { h.ask(t, "viewer", `{ genres { id } }`, nil) })
	}
	for range n {
		receive(t, "all at the subgraph together", entered)
	}
	close(release)
	wg.Wait()
}

// Lesson 8: subscriptions are never shared: not between users, not between two
// tabs of one.
func TestSubscriptionsAreNotShared(t *testing.T) {
	h := newHouse(t, nil)
	h.telemetry.stream = func(ctx context.Context, _ string, _ map[string]any, send func(any) error) error {
		_ = send(obj{"sessionId": "x", "resumePositionMs": 5})
		<-ctx.Done()
		return ctx.Err()
	}
	const watch = `subscription { watch(input: {sessionUuid: "01990000-0000-7000-8000-000000000001", playableId: "film_1", titleId: "film_1", durationMs: 1000, device: {kind: "desktop", system: "x", browser: "y"}}) { sessionId resumePositionMs } }`
	var streams []*events
	for _, token := range []string{"viewer", "other", "viewer"} {
		s := h.events(t, token, watch)
		e := s.next(t)
		require.Equal(t, "next", e.name)
		require.Contains(t, e.data, `"resumePositionMs":5`)
		streams = append(streams, s)
	}
	require.Equal(t, 3, h.telemetry.calls(), "each client has an upstream subscription of its own")
	require.Equal(t, "Bearer viewer", h.telemetry.requests[0].Header.Get("Authorization"))
	require.Equal(t, "Bearer other", h.telemetry.requests[1].Header.Get("Authorization"))
	streams[0].stop()
	receive(t, "the end of its own upstream subscription", h.telemetry.opened)
	receive(t, "the end of its own upstream subscription", h.telemetry.closed)
	select {
	case <-h.telemetry.closed:
		t.Fatal("another's subscription ended with it")
	case <-time.After(50 * time.Millisecond):
	}
}

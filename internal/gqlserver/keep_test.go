package gqlserver_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/gqlserver"
)

const readOnly = directives + `
union _Entity = Film | Episode
type Query {
  open: String @public
  member(locale: String): String @authenticated
  staff: String @requiresScopes(scopes: [["c"]])
  _entities(representations: [_Any!]!): [_Entity]!
}
type Film @key(fields: "id") @authenticated { id: ID! name: String label(locale: String): String }
type Episode @key(fields: "id") @requiresScopes(scopes: [["c"]]) { id: ID! name: String }
`

// keeper is a subgraph that keeps its answers, and counts those it makes.
type keeper struct {
	http.Handler
	version  atomic.Uint64
	unshared atomic.Bool
	made     atomic.Int64
	there    atomic.Int64
	// before is called as an answer is made; may be nil.
	before func(ctx context.Context) error
	mu     sync.Mutex
	asked  []string // the entities, call by call
}

func keeping(t *testing.T, bytes int) *keeper {
	t.Helper()
	k := &keeper{}
	make := func(value string) func(context.Context) (any, error) {
		return func(ctx context.Context) (any, error) {
			n := k.made.Add(1)
			if k.before != nil {
				if err := k.before(ctx); err != nil {
					return nil, err
				}
			}
			return fmt.Sprint(value, " ", n), nil
		}
	}
	h, err := gqlserver.New(gqlserver.Options{
		Schema: &served{schema: parse(t, readOnly), resolve: map[string]func(context.Context) (any, error){
			"Query.open": make("open"), "Query.member": make("member"), "Query.staff": make("staff"),
			"Query._entities": k.entities,
		}},
		Verifier: verifier{}, Logger: slog.New(slog.DiscardHandler),
		Keep: &gqlserver.Keep{
			Bytes:    bytes,
			Version:  func() gqlserver.Version { return gqlserver.Version{7, k.version.Load()} },
			Viewer:   func(c *authn.Claims) string { return fmt.Sprint(c.Has("child")) },
			Unshared: func(context.Context) bool { return k.unshared.Load() },
			Count: func(there bool) {
				if there {
					k.there.Add(1)
				}
			},
		},
	})
	require.NoError(t, err)
	k.Handler = h
	return k
}

func (k *keeper) entities(ctx context.Context) (any, error) {
	k.made.Add(1)
	if k.before != nil {
		if err := k.before(ctx); err != nil {
			return nil, err
		}
	}
	reps, _ := graphql.GetFieldContext(ctx).Args["representations"].([]map[string]any)
	var out []any
	var ids []string
	for _, r := range reps {
		id := fmt.Sprint(r["id"])
		ids = append(ids, id)
		if strings.HasPrefix(id, "gone") {
			out = append(out, nil)
		} else {
			out = append(out, map[string]any{"id": id, "name": "the name of " + id, "label": ""})
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = append(k.asked, strings.Join(ids, " "))
	return out, nil
}

func (k *keeper) member(t *testing.T, token, query string, variables map[string]any) any {
	t.Helper()
	_, a, text := ask(t, k, token, query, variables)
	require.Empty(t, a.Errors, text)
	return a.Data["member"]
}

func TestKeep(t *testing.T) {
	k := keeping(t, 1<<20)
	const q = `query ($l: String) { member(locale: $l) }`
	en, ru := map[string]any{"l": "en"}, map[string]any{"l": "ru"}
	first := k.member(t, "x", q, en)
	require.Equal(t, "member 1", first)
	require.Equal(t, first, k.member(t, "x", q, en), "asked again")
	require.EqualValues(t, 1, k.there.Load())

	for name, other := range map[string]func() any{
		"another language":       func() any { return k.member(t, "x", q, ru) },
		"no language":            func() any { return k.member(t, "x", q, nil) },
		"another document":       func() any { return k.member(t, "x", q+" ", en) },
		"more rights":            func() any { return k.member(t, "x,c", q, en) },
		"other rights":           func() any { return k.member(t, "c", q, en) },
		"a child":                func() any { return k.member(t, "x,child", q, en) },
		"rights written as one":  func() any { return k.member(t, "xc", q, en) },
		"a variable beside":      func() any { return k.member(t, "x", q, map[string]any{"l": "en", "m": 1}) },
		"a changed index":        func() any { k.version.Add(1); return k.member(t, "x", q, en) },
		"and changed once again": func() any { k.version.Add(1); return k.member(t, "x", q, en) },
	} {
		before := k.made.Load()
		require.Equal(t, fmt.Sprint("member ", before+1), other(), name)
	}
	require.NotEqual(t, first, k.member(t, "x", q, en), "the index has changed since")
}

// What is kept stands behind the rules, not in front of them.
func TestKeepAfterTheRules(t *testing.T) {
	k := keeping(t, 1<<20)
	_, a, _ := ask(t, k, "c", `{ staff }`, nil)
	require.Equal(t, "staff 1", a.Data["staff"])
	for token, want := range map[string]string{"": "UNAUTHENTICATED", "x": "FORBIDDEN", "bad": "UNAUTHENTICATED", "down": "UNAVAILABLE"} {
		_, a, text := ask(t, k, token, `{ staff }`, nil)
		require.Equal(t, want, a.codes(), token)
		require.NotContains(t, text, "staff 1")
	}
	reps := map[string]any{"representations": []any{map[string]any{"__typename": "Episode", "id": "e1"}}}
	const q = `query ($representations: [_Any!]!) { _entities(representations: $representations) { __typename } }`
	_, a, _ = ask(t, k, "c", q, reps)
	require.Empty(t, a.Errors)
	for token, want := range map[string]string{"": "UNAUTHENTICATED", "x": "FORBIDDEN"} {
		_, a, text := ask(t, k, token, q, reps)
		require.Equal(t, want, a.codes(), token)
		require.NotContains(t, text, "e1")
	}
	// Nobody's answers are made each time.
	_, one, _ := ask(t, k, "", `{ open }`, nil)
	_, two, _ := ask(t, k, "", `{ open }`, nil)
	require.NotEqual(t, one.Data["open"], two.Data["open"])
}

func TestKeepNotWhatIsUnshared(t *testing.T) {
	k := keeping(t, 1<<20)
	k.unshared.Store(true)
	require.Equal(t, "member 1", k.member(t, "x", `{ member }`, nil))
	k.unshared.Store(false)
	require.Equal(t, "member 2", k.member(t, "x", `{ member }`, nil), "not even while it is no more: the version stands")
	require.Equal(t, "member 3", k.member(t, "x", `{ member }`, nil))

	reps := map[string]any{"representations": []any{map[string]any{"__typename": "Film", "id": "a"}}}
	const q = `query ($representations: [_Any!]!) { _entities(representations: $representations) { __typename } }`
	k.unshared.Store(true)
	for range 2 {
		_, a, _ := ask(t, k, "x", q, reps)
		require.Len(t, a.Data["_entities"], 1)
	}
	require.Equal(t, []string{"a", "a"}, k.asked)
	require.Zero(t, k.there.Load())
}

func TestKeepNoErrors(t *testing.T) {
	k := keeping(t, 1<<20)
	k.before = func(context.Context) error { return errors.New("on fire") }
	_, a, _ := ask(t, k, "x", `{ member }`, nil)
	require.Equal(t, "INTERNAL", a.codes())
	k.before = func(context.Context) error { panic("boom") }
	_, a, _ = ask(t, k, "x", `{ member }`, nil)
	require.Equal(t, "INTERNAL", a.codes())
	status, a, _ := ask(t, k, "x", `{ unknown }`, nil)
	require.Equal(t, http.StatusUnprocessableEntity, status)
	require.NotEmpty(t, a.Errors)
	k.before = nil
	require.Equal(t, "member 3", k.member(t, "x", `{ member }`, nil))
}

func TestKeepEntities(t *testing.T) {
	k := keeping(t, 1<<20)
	const q = `query ($representations: [_Any!]!, $l: String) { _entities(representations: $representations) { ... on Film { id name label(locale: $l) } } }`
	list := func(token, locale string, ids ...string) string {
		t.Helper()
		var reps []any
		for _, id := range ids {
			reps = append(reps, map[string]any{"__typename": "Film", "id": id})
		}
		_, a, text := ask(t, k, token, q, map[string]any{"representations": reps, "l": locale})
		require.Empty(t, a.Errors, text)
		var got []string
		for _, e := range a.Data["_entities"].([]any) {
			if e == nil {
				got = append(got, "null")
				continue
			}
			f := e.(map[string]any)
			require.Equal(t, fmt.Sprint("the name of ", f["id"]), f["name"])
			got = append(got, fmt.Sprint(f["id"]))
		}
		return strings.Join(got, " ")
	}
	require.Equal(t, "a b c", list("x", "en", "a", "b", "c"))
	require.Equal(t, "d b gone a d", strings.ReplaceAll(list("x", "en", "d", "b", "gone1", "a", "d"), "null", "gone"))
	require.Equal(t, "null c", list("x", "en", "gone1", "c"), "what is not there is known too")
	require.Equal(t, []string{"a b c", "d gone1 d"}, k.asked, "only what was missing")
	require.Equal(t, "a", list("x", "ru", "a"))
	require.Equal(t, "a", list("x,child", "en", "a"))
	require.Len(t, k.asked, 4, "another language and another viewer are other questions")
	k.version.Add(1)
	require.Equal(t, "a b", list("x", "en", "a", "b"))
	require.Equal(t, "a b", k.asked[4])
}

// Documents that are not as the router writes them are answered, and not kept
// by entity.
func TestKeepOtherEntityDocuments(t *testing.T) {
	k := keeping(t, 1<<20)
	film := func(id string) map[string]any { return map[string]any{"__typename": "Film", "id": id} }
	for name, c := range map[string]struct {
		query string
		reps  []any
	}{
		"two lists":         {`query ($representations: [_Any!]!) { _entities(representations: $representations) { __typename } two: _entities(representations: $representations) { __typename } }`, []any{film("a"), film("b")}},
		"an alias":          {`query ($representations: [_Any!]!) { x: _entities(representations: $representations) { __typename } }`, []any{film("a"), film("b")}},
		"a fixed list":      {`query ($representations: [_Any!]!) { _entities(representations: [{__typename: "Film", id: "p"}, {__typename: "Film", id: "q"}]) { __typename } }`, []any{film("a"), film("b")}},
		"more than the key": {`query ($representations: [_Any!]!) { _entities(representations: $representations) { __typename } }`, []any{map[string]any{"__typename": "Film", "id": "a", "more": 1}, film("b")}},
		"no identifier":     {`query ($representations: [_Any!]!) { _entities(representations: $representations) { __typename } }`, []any{map[string]any{"__typename": "Film"}, film("b")}},
		"none":              {`query ($representations: [_Any!]!) { _entities(representations: $representations) { __typename } }`, []any{}},
	} {
		want := ""
		for range 3 {
			_, _, text := ask(t, k, "x", c.query, map[string]any{"representations": c.reps})
			if want == "" {
				want = text
			}
			require.Equal(t, want, text, name)
		}
		require.EqualValues(t, 0, k.there.Load(), name)
	}
}

// Those who ask together wait for one answer, which does not end with the one
// of them that was first.
func TestKeepMakesOnce(t *testing.T) {
	k := keeping(t, 1<<20)
	begun, goOn := make(chan struct{}), make(chan struct{})
	k.before = func(ctx context.Context) error {
		close(begun)
		<-goOn
		return ctx.Err()
	}
	body := `{"query":"{ member }"}`
	first, leave := context.WithCancel(t.Context())
	left := make(chan struct{})
	go func() {
		defer close(left)
		r := httptest.NewRequestWithContext(first, "POST", "/graphql", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer x")
		k.ServeHTTP(httptest.NewRecorder(), r)
	}()
	<-begun
	leave()
	<-left
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, a, _ := send(t, k, "x", body)
			if a.Data["member"] != "member 1" {
				t.Errorf("%v", a)
			}
		})
	}
	close(goOn)
	wg.Wait()
	require.EqualValues(t, 1, k.made.Load())
}

// Whoever asks after the index has changed is not given what was begun before.
func TestKeepDoesNotWaitForOlder(t *testing.T) {
	k := keeping(t, 1<<20)
	begun, goOn := make(chan struct{}), make(chan struct{})
	k.before = func(context.Context) error {
		if k.version.Load() == 0 {
			close(begun)
			<-goOn
		}
		return nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _, _ = send(t, k, "x", `{"query":"{ member }"}`)
	}()
	<-begun
	k.version.Add(1)
	require.Equal(t, "member 2", k.member(t, "x", `{ member }`, nil))
	close(goOn)
	<-done
	// The older answer came last; it is not taken for the newer one.
	require.NotEqual(t, "member 1", k.member(t, "x", `{ member }`, nil))
}

func TestKeepIsBounded(t *testing.T) {
	k := keeping(t, 10_000)
	const n = 500
	for i := range n {
		k.member(t, "x", `query ($l: String) { member(locale: $l) }`, map[string]any{"l": fmt.Sprint(i)})
	}
	made := k.made.Load()
	for i := range n {
		k.member(t, "x", `query ($l: String) { member(locale: $l) }`, map[string]any{"l": fmt.Sprint(i)})
	}
	require.Greater(t, k.made.Load(), made+n/2, "most were forgotten")
}

func TestKeepRefuses(t *testing.T) {
	good := gqlserver.Keep{
		Bytes: 1, Version: func() gqlserver.Version { return gqlserver.Version{} },
		Viewer: func(*authn.Claims) string { return "" }, Unshared: func(context.Context) bool { return false },
	}
	for name, c := range map[string]struct {
		sdl    string
		change func(*gqlserver.Keep)
	}{
		"a mutation":     {sdl, func(*gqlserver.Keep) {}},
		"no bound":       {readOnly, func(k *gqlserver.Keep) { k.Bytes = 0 }},
		"no version":     {readOnly, func(k *gqlserver.Keep) { k.Version = nil }},
		"no viewer":      {readOnly, func(k *gqlserver.Keep) { k.Viewer = nil }},
		"no taint check": {readOnly, func(k *gqlserver.Keep) { k.Unshared = nil }},
	} {
		keep := good
		c.change(&keep)
		_, err := gqlserver.New(gqlserver.Options{Schema: &served{schema: parse(t, c.sdl)}, Verifier: verifier{}, Logger: slog.New(slog.DiscardHandler), Keep: &keep})
		require.Error(t, err, name)
	}
}

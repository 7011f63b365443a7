package router_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/router"
)

const (
	graphqlJSON = "application/graphql-response+json"
	plainJSON   = "application/json"
)

func TestHTTPPost(t *testing.T) {
	h := newHouse(t, nil)
	ok := `{"query":"{ genres { id } }"}`
	for name, c := range map[string]struct {
		body, kind, accept string
		status             int
		media, code        string
	}{
		"no Accept":                       {ok, plainJSON, "", 200, graphqlJSON, ""},
		"any":                             {ok, plainJSON, "*/*", 200, graphqlJSON, ""},
		"of old":                          {ok, plainJSON, plainJSON, 200, plainJSON, ""},
		"both":                            {ok, plainJSON, graphqlJSON + ", " + plainJSON + ";q=0.9", 200, graphqlJSON, ""},
		"both, other order":               {ok, plainJSON, plainJSON + ", " + graphqlJSON, 200, plainJSON, ""},
		"quality":                         {ok, plainJSON, plainJSON + ";q=0.1, " + graphqlJSON, 200, graphqlJSON, ""},
		"charset":                         {ok, "application/json; charset=UTF-8", plainJSON + "; charset=utf-8", 200, plainJSON, ""},
		"unacceptable":                    {ok, plainJSON, "image/png", 406, plainJSON, "INVALID"},
		"no content type":                 {ok, "", "", 415, graphqlJSON, "INVALID"},
		"text":                            {ok, "text/plain", "", 415, graphqlJSON, "INVALID"},
		"form":                            {"query=%7Bgenres%7Bid%7D%7D", "application/x-www-form-urlencoded", "", 415, graphqlJSON, "INVALID"},
		"application/graphql":             {"{ genres { id } }", "application/graphql", "", 415, graphqlJSON, "INVALID"},
		"latin":                           {ok, "application/json; charset=latin1", "", 415, graphqlJSON, "INVALID"},
		"malformed JSON":                  {`{"query":`, plainJSON, plainJSON, 400, plainJSON, "INVALID"},
		"empty":                           {``, plainJSON, plainJSON, 400, plainJSON, "INVALID"},
		"a string":                        {`"{ genres { id } }"`, plainJSON, plainJSON, 400, plainJSON, "INVALID"},
		"a batch":                         {"[" + ok + "," + ok + "]", plainJSON, plainJSON, 400, plainJSON, "INVALID"},
		"no query":                        {`{"variables":{}}`, plainJSON, plainJSON, 400, plainJSON, "INVALID"},
		"query is a number":               {`{"query":1}`, plainJSON, plainJSON, 400, plainJSON, "INVALID"},
		"operationName is an object":      {`{"query":"{ genres { id } }","operationName":{}}`, plainJSON, plainJSON, 400, plainJSON, "INVALID"},
		"variables is a list":             {`{"query":"{ genres { id } }","variables":[]}`, plainJSON, plainJSON, 400, plainJSON, "INVALID"},
		"variables is a string":           {`{"query":"{ genres { id } }","variables":"{}"}`, plainJSON, plainJSON, 400, plainJSON, "INVALID"},
		"extensions is a string":          {`{"query":"{ genres { id } }","extensions":"x"}`, plainJSON, plainJSON, 400, plainJSON, "INVALID"},
		"null everywhere":                 {`{"query":"{ genres { id } }","operationName":null,"variables":null,"extensions":null}`, plainJSON, "", 200, graphqlJSON, ""},
		"unknown member":                  {`{"query":"{ genres { id } }","foo":1}`, plainJSON, "", 200, graphqlJSON, ""},
		"syntax, new":                     {`{"query":"{"}`, plainJSON, graphqlJSON, 400, graphqlJSON, "GRAPHQL_PARSE_FAILED"},
		"syntax, old":                     {`{"query":"{"}`, plainJSON, plainJSON, 200, plainJSON, "GRAPHQL_PARSE_FAILED"},
		"unknown field, new":              {`{"query":"{ nope }"}`, plainJSON, graphqlJSON, 400, graphqlJSON, "GRAPHQL_VALIDATION_FAILED"},
		"unknown field, old":              {`{"query":"{ nope }"}`, plainJSON, plainJSON, 200, plainJSON, "GRAPHQL_VALIDATION_FAILED"},
		"no such operation":               {`{"query":"query A { genres { id } }","operationName":"B"}`, plainJSON, graphqlJSON, 400, graphqlJSON, "INVALID"},
		"which operation":                 {`{"query":"query A { genres { id } } query B { genres { id } }"}`, plainJSON, graphqlJSON, 400, graphqlJSON, "INVALID"},
		"this operation":                  {`{"query":"query A { genres { id } } query B { genres { slug } }","operationName":"B"}`, plainJSON, graphqlJSON, 200, graphqlJSON, ""},
		"variable of the wrong type, new": {`{"query":"query($id: ID!) { title(id: $id) { id } }","variables":{"id":{}}}`, plainJSON, graphqlJSON, 400, graphqlJSON, "INVALID"},
		"variable of the wrong type, old": {`{"query":"query($id: ID!) { title(id: $id) { id } }","variables":{"id":{}}}`, plainJSON, plainJSON, 200, plainJSON, "INVALID"},
		"variable missing":                {`{"query":"query($id: ID!) { title(id: $id) { id } }"}`, plainJSON, graphqlJSON, 400, graphqlJSON, "INVALID"},
		"fragment cycle":                  {`{"query":"{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }"}`, plainJSON, graphqlJSON, 400, graphqlJSON, "GRAPHQL_VALIDATION_FAILED"},
		"too large":                       {`{"query":"` + strings.Repeat(" ", 1<<20) + `"}`, plainJSON, graphqlJSON, 413, graphqlJSON, "LIMIT_EXCEEDED"},
		"subscription without a stream":   {`{"query":"subscription { watchingNowChanged { id } }"}`, plainJSON, graphqlJSON, 406, graphqlJSON, "INVALID"},
		"a mutation":                      {`{"query":"mutation { forgetProgress(input: {playableId: \"film_1\"}) { playable { id } } }"}`, plainJSON, graphqlJSON, 200, graphqlJSON, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "a mutation" {
				h.telemetry.root["forgetProgress"] = obj{"playable": obj{"__typename": "Film", "__implements": "Playable", "id": "film_1"}}
			}
			r := h.request(t, "viewer", c.body)
			r.Header.Del("Content-Type")
			if c.kind != "" {
				r.Header.Set("Content-Type", c.kind)
			}
			if c.accept != "" {
				r.Header.Set("Accept", c.accept)
			}
			a := h.send(t, r)
			require.Equal(t, c.status, a.status, a.body)
			require.Equal(t, c.media+"; charset=utf-8", a.header.Get("Content-Type"))
			require.Equal(t, c.code, a.code(), a.body)
			if c.code != "" {
				require.NotContains(t, a.body, `"data"`, "a request error has no data entry")
				require.NotEmpty(t, a.Errors[0].Message)
			}
			require.Equal(t, "no-store", a.header.Get("Cache-Control"))
		})
	}
}

func TestHTTPGet(t *testing.T) {
	m := `mutation { deleteTitles(input: {ids: ["film_1"]}) { records { id } } }`
	persisted := `query P($id: ID!) { title(id: $id) { name } }`
	h := newHouse(t, func(o *router.Options) { o.Persisted = map[string]string{sha(persisted): persisted} })
	get := func(t *testing.T, q url.Values, client bool) *answer {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.server.URL+"/graphql?"+q.Encode(), nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer editor")
		if client {
			r.Header.Set("X-Cinema-Client", "test")
		}
		return h.send(t, r)
	}
	a := get(t, url.Values{"query": {"query A($id: ID!) { title(id: $id) { name } } query B { genres { id } }"}, "operationName": {"A"}, "variables": {`{"id":"film_1"}`}}, true)
	require.Equal(t, 200, a.status, a.body)
	require.Equal(t, "Nosferatu", a.Data["title"].(map[string]any)["name"])

	a = get(t, url.Values{"documentId": {"sha256:" + sha(persisted)}, "variables": {`{"id":"film_2"}`}}, true)
	require.Equal(t, "Metropolis", a.Data["title"].(map[string]any)["name"])
	a = get(t, url.Values{"extensions": {`{"persistedQuery":{"version":1,"sha256Hash":"` + sha(persisted) + `"}}`}, "variables": {`{"id":"film_2"}`}}, true)
	require.Equal(t, "Metropolis", a.Data["title"].(map[string]any)["name"])

	a = get(t, url.Values{"query": {"{ genres { id } }"}}, false)
	require.Equal(t, 403, a.status, "a page of another site can send this")
	require.Equal(t, "FORBIDDEN", a.code())

	a = get(t, url.Values{"query": {m}}, true)
	require.Equal(t, 405, a.status)
	require.Equal(t, "POST", a.header.Get("Allow"))
	require.Zero(t, h.admin.calls())

	require.Equal(t, 400, get(t, url.Values{}, true).status)
	require.Equal(t, 400, get(t, url.Values{"query": {"{ genres { id } }"}, "variables": {"{"}}, true).status)
	require.Equal(t, 400, get(t, url.Values{"query": {"{ genres { id } }", "{ nope }"}}, true).status)

	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodHead, http.MethodOptions, http.MethodPatch} {
		r, err := http.NewRequestWithContext(t.Context(), method, h.server.URL+"/graphql", nil)
		require.NoError(t, err)
		a := h.send(t, r)
		require.Equal(t, 405, a.status, method)
		require.Equal(t, "GET, POST", a.header.Get("Allow"))
		require.Empty(t, a.header.Get("Access-Control-Allow-Origin"))
	}
}

func TestPersistedOperations(t *testing.T) {
	text := `query P { genres { id } }`
	only := newHouse(t, func(o *router.Options) {
		o.Persisted = map[string]string{sha(text): text}
		o.PersistedOnly = true
	})
	a := only.send(t, only.request(t, "viewer", map[string]any{"documentId": "sha256:" + sha(text)}))
	require.Empty(t, a.Errors, a.body)
	a = only.send(t, only.request(t, "viewer", map[string]any{"query": text}))
	require.Equal(t, 403, a.status)
	a = only.send(t, only.request(t, "viewer", map[string]any{"documentId": "sha256:" + strings.Repeat("0", 64)}))
	require.Equal(t, 400, a.status)
	require.Equal(t, "PERSISTED_OPERATION_NOT_FOUND", a.code())
	a = only.send(t, only.request(t, "viewer", map[string]any{"documentId": "md5:1"}))
	require.Equal(t, "INVALID", a.code())
	// Apollo's way to send both is not a way around.
	a = only.send(t, only.request(t, "viewer", map[string]any{"query": "{ featured { id } }", "extensions": map[string]any{"persistedQuery": map[string]any{"sha256Hash": strings.Repeat("0", 64)}}}))
	require.NotEmpty(t, a.Errors)
	require.Zero(t, only.catalog.calls()-1)

	_, err := router.New(router.Options{})
	require.ErrorContains(t, err, "Supergraph")
	require.ErrorContains(t, err, "Logger", "all faults at once")
}

func TestAuthorization(t *testing.T) {
	h := newHouse(t, nil)
	t.Run("nobody may not browse, and no subgraph is asked", func(t *testing.T) {
		a := h.ask(t, "", `{ genres { id } featured { id } }`, nil)
		require.Equal(t, 200, a.status)
		require.Equal(t, "UNAUTHENTICATED", a.code())
		require.Zero(t, h.catalog.calls())
	})
	t.Run("a nullable field becomes null, the others are answered", func(t *testing.T) {
		a := h.ask(t, "viewer", `{ genres { id } titleRecord(id: "film_1") { id } }`, nil)
		require.Len(t, a.Errors, 1, a.body)
		require.Equal(t, "FORBIDDEN", a.code())
		require.Equal(t, "titleRecord", pathText(a.Errors[0].Path))
		require.NotNil(t, a.Data["genres"])
		require.Zero(t, h.admin.calls())
	})
	t.Run("a field deep down", func(t *testing.T) {
		a := h.ask(t, "viewer", `{ titles { edges { node { name ... on Film { record { version } } } } } }`, nil)
		require.Len(t, a.Errors, 3, a.body)
		require.Equal(t, "titles.edges.0.node.record", pathText(a.Errors[0].Path))
		require.Equal(t, "FORBIDDEN", a.code())
		require.Contains(t, a.body, "Nosferatu")
		require.Zero(t, h.admin.calls())
		a = h.ask(t, "editor", `{ titles { edges { node { name ... on Film { record { version } } } } } }`, nil)
		require.Empty(t, a.Errors, a.body)
	})
	t.Run("a mutation is refused as a whole", func(t *testing.T) {
		before := h.telemetry.calls() + h.admin.calls()
		a := h.ask(t, "viewer", `mutation { forgetProgress(input: {playableId: "film_1"}) { playable { id } } deleteTitles(input: {ids: ["film_1"]}) { records { id } } }`, nil)
		require.Nil(t, a.Data)
		require.Equal(t, "FORBIDDEN", a.code())
		require.Equal(t, "deleteTitles", pathText(a.Errors[0].Path))
		require.Equal(t, before, h.admin.calls()+h.telemetry.calls())
	})
	t.Run("signing in shows the account that was let in", func(t *testing.T) {
		a := h.ask(t, "", `mutation { signIn(input: {login: "anna", password: "secret-123"}) { accessToken user { id login } profile { id name } } }`, nil)
		require.Empty(t, a.Errors, a.body)
		require.Equal(t, "Anna", a.Data["signIn"].(map[string]any)["profile"].(map[string]any)["name"])
	})
	t.Run("a wrong token", func(t *testing.T) {
		r := h.request(t, "nonsense", map[string]any{"query": `{ genres { id } }`})
		r.Header.Set("Accept", plainJSON)
		a := h.send(t, r)
		require.Equal(t, 401, a.status)
		require.Equal(t, "UNAUTHENTICATED", a.code())
		require.Contains(t, a.header.Get("WWW-Authenticate"), "Bearer")
	})
	t.Run("another scheme is not ours and not passed on", func(t *testing.T) {
		r := h.request(t, "", map[string]any{"query": `mutation { signIn(input: {login: "anna", password: "secret-123"}) { accessToken } }`})
		r.Header.Set("Authorization", "Basic eDp5")
		a := h.send(t, r)
		require.Empty(t, a.Errors, a.body)
		require.Empty(t, h.auth.requests[len(h.auth.requests)-1].Header.Get("Authorization"))
	})
	t.Run("a revoked session", func(t *testing.T) {
		h := newHouse(t, func(o *router.Options) { o.Revoked = func(id string) bool { return id == "s1" } })
		require.Equal(t, 401, h.ask(t, "viewer", `{ genres { id } }`, nil).status)
		require.Equal(t, 200, h.ask(t, "other", `{ genres { id } }`, nil).status)
	})
	t.Run("keys that cannot be reached", func(t *testing.T) {
		h := newHouse(t, func(o *router.Options) {
			o.Authenticate = func(context.Context, string) (router.Principal, error) {
				return router.Principal{}, fault.New(fault.Unavailable, "no keys").Because(errors.New("http://auth:8080 refused"))
			}
		})
		a := h.ask(t, "viewer", `{ genres { id } }`, nil)
		require.Equal(t, 503, a.status)
		require.Equal(t, "UNAVAILABLE", a.code())
		require.NotContains(t, a.body, "auth:8080")
	})
}

type limiter struct{ keys []string }

func (l *limiter) Allow(_ context.Context, key string, _ int) (bool, time.Duration) {
	l.keys = append(l.keys, key)
	return len(l.keys) < 3, 1500 * time.Millisecond
}

func TestRateLimit(t *testing.T) {
	l := &limiter{}
	h := newHouse(t, func(o *router.Options) { o.Limiter = l })
	h.ask(t, "viewer", `{ genres { id } }`, nil)
	h.ask(t, "", `{ __typename }`, nil)
	r := h.request(t, "viewer", map[string]any{"query": `{ genres { id } }`})
	r.Header.Set("Accept", plainJSON)
	a := h.send(t, r)
	require.Equal(t, 429, a.status)
	require.Equal(t, "RATE_LIMITED", a.code())
	require.Equal(t, "2", a.header.Get("Retry-After"))
	require.Equal(t, []string{"user:u1", "addr:127.0.0.1", "user:u1"}, l.keys)
}

func TestVariables(t *testing.T) {
	h := newHouse(t, nil)
	var got map[string]any
	h.catalog.root["titles"] = resolver(func(a map[string]any) any {
		got = a
		return obj{"totalCount": 0, "edges": []obj{}}
	})
	ask := func(t *testing.T, query string, vars map[string]any) *answer {
		t.Helper()
		got = nil
		return h.ask(t, "viewer", query, vars)
	}
	t.Run("defaults, literals and lists of one", func(t *testing.T) {
		a := ask(t, `query($genre: ID!, $first: Int = 7) { titles(first: $first, sort: NAME, filter: {genreIds: [$genre, "g2"], kinds: FILM, yearFrom: 1900}) { totalCount } }`, map[string]any{"genre": "g1"})
		require.Empty(t, a.Errors, a.body)
		require.EqualValues(t, 7, got["first"])
		require.Equal(t, "NAME", got["sort"])
		f := got["filter"].(map[string]any)
		require.Equal(t, []any{"g1", "g2"}, f["genreIds"])
		require.Equal(t, []any{"FILM"}, f["kinds"])
		require.EqualValues(t, 1900, f["yearFrom"])
	})
	t.Run("a plan made for one value serves another", func(t *testing.T) {
		const q = `query($q: String, $first: Int = 7) { titles(query: $q, first: $first) { totalCount } }`
		require.Empty(t, ask(t, q, map[string]any{"q": "a"}).Errors)
		require.Equal(t, "a", got["query"])
		require.Empty(t, ask(t, q, map[string]any{"q": `b"\u0000`, "first": 3}).Errors)
		require.Equal(t, `b"\u0000`, got["query"])
		require.EqualValues(t, 3, got["first"])
		require.Empty(t, ask(t, q, map[string]any{"q": nil}).Errors)
		require.Nil(t, got["query"])
	})
	t.Run("skip and include", func(t *testing.T) {
		const q = `query($a: Boolean!, $b: Boolean = true) { genres @include(if: $a) { id } titles @skip(if: $b) { totalCount } __typename }`
		a := ask(t, q, map[string]any{"a": true})
		require.Contains(t, a.Data, "genres")
		require.NotContains(t, a.Data, "titles")
		a = ask(t, q, map[string]any{"a": false, "b": false})
		require.NotContains(t, a.Data, "genres")
		require.Contains(t, a.Data, "titles")
		a = ask(t, q, map[string]any{"a": false})
		require.Equal(t, map[string]any{"__typename": "Query"}, a.Data)
	})
	for name, c := range map[string]struct {
		query string
		vars  map[string]any
		says  string
	}{
		"a string for an Int":  {`query($n: Int) { titles(first: $n) { totalCount } }`, map[string]any{"n": "5"}, `Int cannot represent "5"`},
		"a fraction":           {`query($n: Int) { titles(first: $n) { totalCount } }`, map[string]any{"n": 1.5}, "Int cannot represent 1.5"},
		"more than 32 bits":    {`query($n: Int) { titles(first: $n) { totalCount } }`, map[string]any{"n": 1 << 40}, "Int cannot represent"},
		"an unknown enum":      {`query($s: TitleSort) { titles(sort: $s) { totalCount } }`, map[string]any{"s": "SIZE"}, "no value of the enum"},
		"an enum's wrong case": {`query($s: TitleSort) { titles(sort: $s) { totalCount } }`, map[string]any{"s": "name"}, "no value of the enum"},
		"an unknown member":    {`query($f: TitleFilter) { titles(filter: $f) { totalCount } }`, map[string]any{"f": map[string]any{"x": 1}}, `"x" is not defined`},
		"null in a list":       {`query($f: TitleFilter) { titles(filter: $f) { totalCount } }`, map[string]any{"f": map[string]any{"genreIds": []any{nil}}}, `"f.genreIds[0]"`},
		"null where none may":  {`query($id: ID!) { title(id: $id) { id } }`, map[string]any{"id": nil}, "not to be null"},
	} {
		t.Run(name, func(t *testing.T) {
			a := ask(t, c.query, c.vars)
			require.Equal(t, 400, a.status)
			require.Equal(t, "INVALID", a.code())
			require.Contains(t, a.Errors[0].Message, c.says)
			require.NotEmpty(t, a.Errors[0].Locations)
		})
	}
}

func TestIntrospection(t *testing.T) {
	h := newHouse(t, nil)
	a := h.ask(t, "", `{ __schema { queryType { name } } __type(name: "Film") { name fields { name } } }`, nil)
	require.Empty(t, a.Errors, a.body)
	require.Equal(t, "Film", a.Data["__type"].(map[string]any)["name"])
	require.NotContains(t, a.body, "_entities")
	closed := newHouse(t, func(o *router.Options) { o.NoIntrospection = true })
	a = closed.ask(t, "", `{ __schema { queryType { name } } }`, nil)
	require.Equal(t, 400, a.status)
	require.Equal(t, "FORBIDDEN", a.code())
	require.Empty(t, closed.ask(t, "", `{ __typename }`, nil).Errors)
}

// An instance that is killed breaks off what it has in work. What only reads is
// asked again, once; what changes something may have been done.
func TestOnlyQueriesAreAskedAgain(t *testing.T) {
	h := newHouse(t, nil)
	var broken atomic.Int32
	breaks := func(times int32) func(http.ResponseWriter, *http.Request) bool {
		broken.Store(0)
		return func(w http.ResponseWriter, _ *http.Request) bool {
			if broken.Add(1) > times {
				return false
			}
			w.WriteHeader(http.StatusBadGateway) // as nginx says it
			return true
		}
	}
	h.catalog.before = breaks(1)
	require.Empty(t, h.ask(t, "viewer", `{ genres { id } }`, nil).Errors)
	require.EqualValues(t, 2, broken.Load())
	h.catalog.before = breaks(100)
	require.Equal(t, "UNAVAILABLE", h.ask(t, "viewer", `{ genres { id } }`, nil).code())
	require.EqualValues(t, 2, broken.Load())
	h.telemetry.before = breaks(1)
	require.Equal(t, "UNAVAILABLE", h.ask(t, "viewer", `mutation { forgetProgress(input: {playableId: "film_1"}) { playable { id } } }`, nil).code())
	require.EqualValues(t, 1, broken.Load())
}

func TestTimeoutAndShutdown(t *testing.T) {
	h := newHouse(t, func(o *router.Options) { o.Limits.RequestTimeout = 50 * time.Millisecond })
	h.catalog.before = func(_ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return true
	}
	a := h.ask(t, "viewer", `{ genres { id } }`, nil)
	require.Equal(t, "UNAVAILABLE", a.code(), a.body)
	requireNothingInternal(t, a)

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	require.NoError(t, h.router.Shutdown(ctx))
	a = h.ask(t, "viewer", `{ genres { id } }`, nil)
	require.Equal(t, 503, a.status)
	require.Equal(t, "UNAVAILABLE", a.code())
}

func TestConcurrencyIsBounded(t *testing.T) {
	h := newHouse(t, func(o *router.Options) {
		o.Limits.Concurrency = 2
		o.Limits.QueueTimeout = 20 * time.Millisecond
	})
	entered, release := make(chan struct{}, 3), make(chan struct{})
	h.catalog.before = func(http.ResponseWriter, *http.Request) bool {
		entered <- struct{}{}
		<-release
		return false
	}
	done := make(chan *answer, 2)
	for range 2 {
		go func() { done <- h.ask(t, "viewer", `{ genres { id } }`, nil) }()
		receive(t, "one in work", entered)
	}
	a := h.ask(t, "viewer", `{ genres { id } }`, nil)
	require.Equal(t, 503, a.status)
	require.Equal(t, "1", a.header.Get("Retry-After"))
	close(release)
	require.Empty(t, receive(t, "the first", done).Errors)
	require.Empty(t, receive(t, "the second", done).Errors)
}

// What a subgraph answers from what it last knew the client is told of, in the
// body, where every client of GraphQL can read it.
func TestStaleAnswersSaySo(t *testing.T) {
	h := newHouse(t, nil)
	stale := map[*peer]string{}
	for _, p := range []*peer{h.catalog, h.telemetry} {
		p.before = func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("X-Cinema-Stale-Since", stale[p])
			return false
		}
	}
	const query = `{ featured { id ... on Film { watchState { positionMs } } } }`
	said := func(a *answer) any {
		var body struct {
			Data       json.RawMessage
			Extensions map[string]any
		}
		require.NoError(t, json.Unmarshal([]byte(a.body), &body), a.body)
		require.NotEmpty(t, body.Data, a.body)
		return body.Extensions["stale"]
	}
	require.Nil(t, said(h.ask(t, "viewer", query, nil)))
	stale[h.catalog] = "2026-03-01T15:04:05+01:00"
	require.Equal(t, map[string]any{"since": "2026-03-01T14:04:05Z"}, said(h.ask(t, "viewer", query, nil)))
	stale[h.telemetry] = "2026-03-01T13:00:00Z"
	require.Equal(t, map[string]any{"since": "2026-03-01T13:00:00Z"}, said(h.ask(t, "viewer", query, nil)), "the oldest part counts")
	stale[h.catalog], stale[h.telemetry] = `","x":"`, "yesterday"
	require.Nil(t, said(h.ask(t, "viewer", query, nil)), "only a time is handed on")
	stale[h.catalog] = "2026-03-01T14:04:05Z"
	h.catalog.root["genres"] = peerFault("UNAVAILABLE", "Not now.")
	a := h.ask(t, "viewer", `{ genres { id } }`, nil)
	require.Equal(t, "UNAVAILABLE", a.code())
	require.Equal(t, map[string]any{"since": "2026-03-01T14:04:05Z"}, said(a), "beside errors too")
}

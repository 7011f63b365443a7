package gqlserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gqlserver"
)

const directives = `
directive @public on FIELD_DEFINITION | OBJECT
directive @authenticated on FIELD_DEFINITION | OBJECT
directive @requiresScopes(scopes: [[String!]!]!) on FIELD_DEFINITION | OBJECT
directive @key(fields: String!, resolvable: Boolean = true) repeatable on OBJECT
scalar _Any
`

const sdl = directives + `
union _Entity = Open | Member | Staff
type Query {
  open: String @public
  member: String @authenticated
  staff: String @requiresScopes(scopes: [["a", "b"], ["c"]])
  both: String @authenticated @requiresScopes(scopes: [["c"]])
  thing: Thing @public
  fails(kind: String): String @public
  _entities(representations: [_Any!]!): [_Entity]!
}
type Mutation { change: String @authenticated }
type Subscription { watch: String @authenticated }
interface Thing { name: String secret: String }
type Box implements Thing { name: String secret: String @requiresScopes(scopes: [["c"]]) }
type Open @key(fields: "id") @public { id: ID! }
type Member @key(fields: "id") @authenticated { id: ID! }
type Staff @key(fields: "id") @requiresScopes(scopes: [["c"]]) { id: ID! }
type Stub @key(fields: "id", resolvable: false) { id: ID! }
`

// served is an executable schema whose fields are functions, by "Type.field".
type served struct {
	schema  *ast.Schema
	resolve map[string]func(ctx context.Context) (any, error)
}

func (s *served) Schema() *ast.Schema { return s.schema }

func (s *served) Complexity(context.Context, string, string, int, map[string]any) (int, bool) {
	return 0, false
}

// object is a value with fields of its own.
type object string

func (s *served) fields(ctx context.Context, typ string, sel ast.SelectionSet) graphql.Marshaler {
	oc := graphql.GetOperationContext(ctx)
	collected := graphql.CollectFields(oc, sel, append([]string{typ}, "Thing"))
	out := graphql.NewFieldSet(collected)
	for i, f := range collected {
		out.Values[i] = graphql.ResolveField(ctx, oc, f, s.begin(typ), s.run(typ, f), nil,
			func(ctx context.Context, sel ast.SelectionSet, v any) graphql.Marshaler {
				if o, ok := v.(object); ok {
					return s.fields(ctx, string(o), sel)
				}
				return graphql.MarshalAny(v)
			}, true, false)
	}
	return out
}

func (s *served) begin(typ string) func(context.Context, graphql.CollectedField) (*graphql.FieldContext, error) {
	return func(ctx context.Context, f graphql.CollectedField) (*graphql.FieldContext, error) {
		args := f.ArgumentMap(graphql.GetOperationContext(ctx).Variables)
		if reps, ok := args["representations"].([]any); ok {
			var typed []map[string]any
			for _, r := range reps {
				typed = append(typed, r.(map[string]any))
			}
			args["representations"] = typed
		}
		return &graphql.FieldContext{Object: typ, Field: f, Args: args}, nil
	}
}

func (s *served) run(typ string, f graphql.CollectedField) func(context.Context) (any, error) {
	return func(ctx context.Context) (any, error) {
		if r := s.resolve[typ+"."+f.Name]; r != nil {
			return r(ctx)
		}
		return f.Name, nil
	}
}

func (s *served) Exec(ctx context.Context) graphql.ResponseHandler {
	op := graphql.GetOperationContext(ctx).Operation
	if op.Operation == ast.Subscription {
		oc := graphql.GetOperationContext(ctx)
		f := graphql.CollectFields(oc, op.SelectionSet, []string{"Subscription"})[0]
		next := graphql.ResolveFieldStream(ctx, oc, f, s.begin("Subscription"), s.run("Subscription", f), nil,
			func(_ context.Context, _ ast.SelectionSet, v string) graphql.Marshaler {
				return graphql.MarshalString(v)
			}, true, false)
		if next == nil {
			return func(context.Context) *graphql.Response { return nil }
		}
		return func(ctx context.Context) *graphql.Response {
			m := next(ctx)
			if m == nil {
				return nil
			}
			var b bytes.Buffer
			m.MarshalGQL(&b)
			return &graphql.Response{Data: b.Bytes()}
		}
	}
	typ := "Query"
	if op.Operation == ast.Mutation {
		typ = "Mutation"
	}
	done := false
	return func(ctx context.Context) *graphql.Response {
		if done {
			return nil
		}
		done = true
		var b bytes.Buffer
		s.fields(ctx, typ, op.SelectionSet).MarshalGQL(&b)
		return &graphql.Response{Data: b.Bytes()}
	}
}

// verifier knows tokens by what they hold: "a,b" holds scopes a and b.
type verifier struct{}

func (verifier) Verify(_ context.Context, token string) (*authn.Claims, error) {
	switch token {
	case "bad":
		return nil, authn.ErrUnauthenticated
	case "down":
		return nil, fault.New(fault.Unavailable, "no keys").Because(errors.New("internal text"))
	}
	c := &authn.Claims{UserID: uuid.New(), Scopes: map[string]bool{}}
	for _, scope := range strings.Split(token, ",") {
		c.Scopes[scope] = true
	}
	return c, nil
}

func parse(t *testing.T, text string) *ast.Schema {
	t.Helper()
	s, err := gqlparser.LoadSchema(&ast.Source{Input: text})
	require.NoError(t, err)
	return s
}

func server(t *testing.T, log io.Writer, resolve map[string]func(context.Context) (any, error)) http.Handler {
	t.Helper()
	h, err := gqlserver.New(gqlserver.Options{
		Schema: &served{schema: parse(t, sdl), resolve: resolve}, Verifier: verifier{},
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	require.NoError(t, err)
	return h
}

type answer struct {
	Data   map[string]any
	Errors []struct {
		Message    string
		Path       []any
		Extensions map[string]any
	}
}

func (a answer) codes() string {
	var codes []string
	for _, e := range a.Errors {
		codes = append(codes, fmt.Sprint(e.Extensions["code"]))
	}
	return strings.Join(codes, " ")
}

func ask(t *testing.T, h http.Handler, token, query string, variables map[string]any) (int, answer, string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	require.NoError(t, err)
	return send(t, h, token, string(body))
}

func send(t *testing.T, h http.Handler, token, body string) (int, answer, string) {
	t.Helper()
	r := httptest.NewRequest("POST", "/graphql", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	var a answer
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &a), rec.Body.String())
	return rec.Code, a, rec.Body.String()
}

func TestNewRefusesASchemaWithAGap(t *testing.T) {
	for name, c := range map[string]struct{ sdl, want string }{
		"query":                  {`type Query { a: String @public b: String }`, "Query.b"},
		"mutation":               {`type Query { a: String @public } type Mutation { m: String }`, "Mutation.m"},
		"subscription":           {`type Query { a: String @public } type Subscription { s: String }`, "Subscription.s"},
		"renamed root":           {`schema { query: Root } type Root { a: String }`, "Root.a"},
		"entity":                 {`type Query { a: String @public } type E @key(fields: "id") { id: ID! }`, "on E"},
		"entity with two keys":   {`type Query { a: String @public } type E @key(fields: "x", resolvable: false) @key(fields: "id") { id: ID! x: ID! }`, "on E"},
		"all are named":          {`type Query { b: String a: String }`, "Query.a, Query.b"},
		"no scopes":              {`type Query { a: String @requiresScopes(scopes: []) }`, "none empty"},
		"an empty alternative":   {`type Query { a: String @requiresScopes(scopes: [["x"], []]) }`, "none empty"},
		"scopes in one list":     {`type Query { a: String @requiresScopes(scopes: ["x"]) }`, "list of lists"},
		"scopes in no list":      {`type Query { a: String @requiresScopes(scopes: "x") }`, "list of lists"},
		"public and not":         {`type Query { a: String @public @authenticated }`, "contradicts"},
		"bad rule on a field":    {`type Query { a: String @public } type T { f: String @requiresScopes(scopes: []) }`, "T.f"},
		"bad rule on an entity":  {`type Query { a: String @public } type E @key(fields: "id") @public @authenticated { id: ID! }`, "E: "},
		"rule on the type alone": {`type Query @public { a: String }`, "Query.a"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := gqlserver.New(gqlserver.Options{
				Schema: &served{schema: parse(t, directives+c.sdl)}, Verifier: verifier{}, Logger: slog.New(slog.DiscardHandler),
			})
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := gqlserver.New(gqlserver.Options{})
	require.Error(t, err)
}

func TestRules(t *testing.T) {
	h := server(t, io.Discard, nil)
	for _, c := range []struct{ token, query, want string }{
		{"", "{ open }", ""},
		{"x", "{ open }", ""},
		{"", "{ member }", "UNAUTHENTICATED"},
		{"x", "{ member }", ""},
		{"", "{ staff }", "UNAUTHENTICATED"},
		{"x", "{ staff }", "FORBIDDEN"},
		{"a", "{ staff }", "FORBIDDEN"},
		{"b", "{ staff }", "FORBIDDEN"},
		{"a,b", "{ staff }", ""},
		{"c", "{ staff }", ""},
		{"", "{ both }", "UNAUTHENTICATED"},
		{"x", "{ both }", "FORBIDDEN"},
		{"c", "{ both }", ""},
		{"x", "{ open one: staff two: staff member }", "FORBIDDEN FORBIDDEN"},
		{"x", "{ ... on Query { ... { s: staff } } } ", "FORBIDDEN"},
		{"", "mutation { change }", "UNAUTHENTICATED"},
		{"x", "mutation { change }", ""},
		{"", "{ __typename }", ""},
	} {
		status, a, _ := ask(t, h, c.token, c.query, nil)
		require.Equal(t, 200, status)
		require.Equal(t, c.want, a.codes(), "%q as %q", c.query, c.token)
	}
	_, a, _ := ask(t, h, "x", "{ open staff }", nil)
	require.Equal(t, map[string]any{"open": "open", "staff": nil}, a.Data, "the rest is answered")
	require.Equal(t, []any{"staff"}, a.Errors[0].Path)
}

// A rule on an object's field holds also when the document asks through an
// interface that knows no rule.
func TestRuleThroughInterface(t *testing.T) {
	h := server(t, io.Discard, map[string]func(context.Context) (any, error){
		"Query.thing": func(context.Context) (any, error) { return object("Box"), nil },
	})
	for _, q := range []string{"{ thing { name secret } }", "{ thing { name ... on Box { secret } } }"} {
		_, a, _ := ask(t, h, "x", q, nil)
		require.Equal(t, "FORBIDDEN", a.codes(), q)
		require.Equal(t, map[string]any{"name": "name", "secret": nil}, a.Data["thing"])
		_, a, _ = ask(t, h, "c", q, nil)
		require.Empty(t, a.Errors, q)
	}
}

func TestEntities(t *testing.T) {
	h := server(t, io.Discard, map[string]func(context.Context) (any, error){
		"Query._entities": func(context.Context) (any, error) { return "resolved", nil },
	})
	const q = `query($r: [_Any!]!) { _entities(representations: $r) { __typename } }`
	for _, c := range []struct{ token, types, want string }{
		{"", "Open", ""}, {"", "Member", "UNAUTHENTICATED"}, {"x", "Member", ""},
		{"x", "Staff", "FORBIDDEN"}, {"c", "Staff", ""},
		{"", "Open Member", "UNAUTHENTICATED"}, {"x", "Open Member Staff", "FORBIDDEN"}, {"c", "Open Member Staff Staff", ""},
		{"c", "Stub", "INVALID"}, {"c", "Box", "INVALID"}, {"c", "Nothing", "INVALID"},
	} {
		var reps []any
		for _, typ := range strings.Fields(c.types) {
			reps = append(reps, map[string]any{"__typename": typ, "id": "1"})
		}
		_, a, _ := ask(t, h, c.token, q, map[string]any{"r": reps})
		require.Equal(t, c.want, a.codes(), "%q as %q", c.types, c.token)
	}
	_, a, _ := ask(t, h, "c", q, map[string]any{"r": []any{map[string]any{"id": "1"}}})
	require.Equal(t, "INVALID", a.codes(), "no __typename")
}

func TestTokensAtTheDoor(t *testing.T) {
	h := server(t, io.Discard, nil)
	status, a, _ := ask(t, h, "bad", "{ open }", nil)
	require.Equal(t, 401, status)
	require.Equal(t, "UNAUTHENTICATED", a.codes())
	status, a, body := ask(t, h, "down", "{ open }", nil)
	require.Equal(t, 503, status)
	require.Equal(t, "UNAVAILABLE", a.codes())
	require.NotContains(t, body, "internal text")
}

func TestFaultsAreToldAndErrorsAreNot(t *testing.T) {
	const internal = "pq: password authentication failed for db-7"
	cases := map[string]error{
		"plain":       errors.New(internal),
		"wrapped":     fmt.Errorf("catalog: %w", errors.New(internal)),
		"fault":       fault.New(fault.Conflict, "This login is taken.").At("input.login").WithReason("LOGIN_TAKEN").Because(errors.New(internal)),
		"deep fault":  fmt.Errorf(internal+": %w", fault.New(fault.NotFound, "There is no such film.")),
		"unavailable": fault.New(fault.Unavailable, "Try again shortly.").Because(errors.New(internal)),
		"canceled":    fmt.Errorf(internal+": %w", context.Canceled),
		"refused":     fmt.Errorf(internal+": %w", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}),
		"broken off":  fmt.Errorf(internal+": %w", io.ErrUnexpectedEOF),
		"going down":  fmt.Errorf(internal+": %w", &pgconn.PgError{Code: "57P01"}),
		"starting up": fmt.Errorf(internal+": %w", &pgconn.PgError{Code: "57P03"}),
		"full":        fmt.Errorf(internal+": %w", &pgconn.PgError{Code: "53300"}),
		"a check":     fmt.Errorf(internal+": %w", &pgconn.PgError{Code: "23514"}),
	}
	const broke, away = "Something broke on our side. It has been noted.", "A store of the cinema does not answer just now. Try again shortly."
	var log bytes.Buffer
	h := server(t, &log, map[string]func(context.Context) (any, error){
		"Query.fails": func(ctx context.Context) (any, error) {
			kind, _ := graphql.GetFieldContext(ctx).Args["kind"].(string)
			if kind == "panic" {
				panic(internal)
			}
			return nil, cases[kind]
		},
	})
	for kind, want := range map[string]struct {
		code, message string
		logged        bool
	}{
		"plain":       {"INTERNAL", broke, true},
		"wrapped":     {"INTERNAL", broke, true},
		"panic":       {"INTERNAL", broke, true},
		"fault":       {"CONFLICT", "This login is taken.", false},
		"deep fault":  {"NOT_FOUND", "There is no such film.", false},
		"unavailable": {"UNAVAILABLE", "Try again shortly.", true},
		"canceled":    {"UNAVAILABLE", "The request took too long and was given up.", false},
		"refused":     {"UNAVAILABLE", away, true},
		"broken off":  {"UNAVAILABLE", away, true},
		"going down":  {"UNAVAILABLE", away, true},
		"starting up": {"UNAVAILABLE", away, true},
		"full":        {"UNAVAILABLE", away, true},
		"a check":     {"INTERNAL", broke, true},
	} {
		t.Run(kind, func(t *testing.T) {
			log.Reset()
			status, a, body := ask(t, h, "", `query($k: String) { open fails(kind: $k) }`, map[string]any{"k": kind})
			require.Equal(t, 200, status)
			require.Equal(t, want.code, a.codes())
			require.Equal(t, want.message, a.Errors[0].Message)
			require.Equal(t, []any{"fails"}, a.Errors[0].Path)
			require.Equal(t, map[string]any{"open": "open", "fails": nil}, a.Data)
			require.NotContains(t, body, "db-7")
			require.NotContains(t, body, "goroutine")
			require.Equal(t, want.logged, strings.Contains(log.String(), "db-7"), log.String())
			if kind == "fault" {
				require.Equal(t, "LOGIN_TAKEN", a.Errors[0].Extensions["reason"])
				require.Equal(t, "input.login", a.Errors[0].Extensions["field"])
			}
		})
	}
}

func TestMalformedRequests(t *testing.T) {
	var log bytes.Buffer
	h := server(t, &log, nil)
	for name, c := range map[string]struct {
		body   string
		status int
	}{
		"no JSON":             {`{ open }`, 400},
		"a secret in no JSON": {`{"query": "{ open }", "variables": {"password": "hunter2"`, 400},
		"syntax":              {`{"query": "{ open"}`, 422},
		"empty":               {`{"query": ""}`, 422},
		"unknown field":       {`{"query": "{ nothing }"}`, 422},
		"unknown operation":   {`{"query": "query A { open } query B { open }", "operationName": "C"}`, 422},
		"missing variable":    {`{"query": "query($k: String!) { fails(kind: $k) }"}`, 422},
		"too many tokens":     {`{"query": "{` + strings.Repeat(" open", 60_000) + `}"}`, 422},
		"5 MB":                {`{"query": "{ open }", "x": "` + strings.Repeat("x", 5<<20) + `"}`, 413},
	} {
		t.Run(name, func(t *testing.T) {
			status, a, body := send(t, h, "", c.body)
			require.Equal(t, c.status, status, body)
			require.Equal(t, "INVALID", a.codes())
			require.NotContains(t, body, "hunter2")
			require.Less(t, len(body), 1000)
		})
	}
	require.Empty(t, log.String(), "a caller's mistake is not our error")
	for _, r := range []*http.Request{
		httptest.NewRequest("GET", "/graphql?query={open}", nil),
		httptest.NewRequest("POST", "/graphql", strings.NewReader("query={open}")),
	} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		require.GreaterOrEqual(t, rec.Code, 400)
	}
}

func TestSubscriptions(t *testing.T) {
	h := server(t, io.Discard, map[string]func(context.Context) (any, error){
		"Subscription.watch": func(context.Context) (any, error) {
			c := make(chan string, 2)
			c <- "one"
			c <- "two"
			close(c)
			return (<-chan string)(c), nil
		},
	})
	stream := func(token string) string {
		r := httptest.NewRequest("POST", "/graphql", strings.NewReader(`{"query": "subscription { watch }"}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "text/event-stream")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		return rec.Body.String()
	}
	got := stream("x")
	require.Contains(t, got, `{"watch":"one"}`)
	require.Contains(t, got, `{"watch":"two"}`)
	require.Contains(t, got, "event: complete")
	got = stream("")
	require.Contains(t, got, `"code":"UNAUTHENTICATED"`)
	require.NotContains(t, got, "one")
	require.Contains(t, stream("bad"), `"code":"UNAUTHENTICATED"`)
}

func TestPrepare(t *testing.T) {
	type key struct{}
	h, err := gqlserver.New(gqlserver.Options{
		Schema: &served{schema: parse(t, sdl), resolve: map[string]func(context.Context) (any, error){
			"Query.open": func(ctx context.Context) (any, error) { return ctx.Value(key{}), nil },
		}},
		Verifier: verifier{}, Logger: slog.New(slog.DiscardHandler),
		Prepare: func(ctx context.Context, r *http.Request, w http.ResponseWriter) context.Context {
			w.Header().Set("X-Seen", "yes")
			return context.WithValue(ctx, key{}, r.URL.Path)
		},
	})
	require.NoError(t, err)
	_, a, _ := ask(t, h, "", "{ open }", nil)
	require.Equal(t, "/graphql", a.Data["open"])
}

func TestAnswersThatMayBeOldSaySo(t *testing.T) {
	var since time.Time
	h, err := gqlserver.New(gqlserver.Options{
		Schema: &served{schema: parse(t, sdl), resolve: map[string]func(context.Context) (any, error){
			"Query.open": func(context.Context) (any, error) { // it is while answering that one finds out
				since = time.Date(2026, 3, 1, 15, 4, 5, 0, time.FixedZone("", 3600))
				return "yes", nil
			},
		}}, Verifier: verifier{}, Logger: slog.New(slog.DiscardHandler),
		Stale: func() time.Time { return since },
	})
	require.NoError(t, err)
	ask := func(query string) string {
		r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(`{"query":"`+query+`"}`))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Header().Get(gqlserver.StaleHeader)
	}
	require.Empty(t, ask("{ thing { name } }"))
	require.Equal(t, "2026-03-01T14:04:05Z", ask("{ open }"))
}

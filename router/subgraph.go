package router

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	gqlast "github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/netflixathome/cinema/internal/tracing"
)

// exchange is what the router remembers of one operation's talk with the
// subgraphs. It travels in the context, because the engine keeps from us both
// their response headers and the places of their errors.
type exchange struct {
	mu         sync.Mutex
	cookies    []string
	retryAfter string
	stale      time.Time // since when something in the answer may be old; zero: nothing is
	calls      []*call
	// failed is set once any call had errors: only then are calls looked at.
	failed bool
}

// call is one fetch and its answer.
type call struct {
	subgraph string
	request  []byte
	answer   []byte
}

type exchangeKey struct{}

func withExchange(ctx context.Context) (context.Context, *exchange) {
	ex := &exchange{}
	return context.WithValue(ctx, exchangeKey{}, ex), ex
}

func exchangeFrom(ctx context.Context) *exchange {
	ex, _ := ctx.Value(exchangeKey{}).(*exchange)
	return ex
}

func (ex *exchange) add(c *call) int {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	ex.calls = append(ex.calls, c)
	return len(ex.calls) - 1
}

// reset starts a new event of a subscription, whose data is the first answer.
func (ex *exchange) reset(data []byte) {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	ex.calls = append(ex.calls[:0:0], &call{answer: data})
	ex.failed = false
}

// headers builds what a subgraph is sent. It implements
// resolve.SubgraphHeadersBuilder; the engine changes the map it is given, so
// each fetch gets its own.
type headers struct {
	common  http.Header
	cookie  string
	cookies map[string]bool // subgraphs that are given the cookie
	// nonce keeps a subscription's trigger from being shared: two clients, or
	// two tabs, never hang on one upstream subscription. A watch session ends
	// with its own subscription, not with another's.
	nonce uint64
}

func newHeaders(in http.Header, c *caller, cookieSubgraphs map[string]bool, cookies bool) *headers {
	h := &headers{common: http.Header{}, cookies: cookieSubgraphs, nonce: rand.Uint64() | 1}
	// A client's trace context is not among them: the router's own span goes on.
	for _, name := range []string{"Accept-Language", "X-Cinema-Client", "X-Request-Id"} {
		if v := in.Get(name); v != "" && len(v) <= 1024 {
			h.common.Set(name, v)
		}
	}
	if v := in.Get("User-Agent"); v != "" {
		h.common.Set("User-Agent", shortenTo(v, 512))
	}
	if c.bearer != "" {
		h.common.Set("Authorization", "Bearer "+c.bearer)
	}
	if c.address != "" {
		h.common.Set("X-Forwarded-For", c.address)
	}
	if cookies {
		h.cookie = in.Get("Cookie")
	}
	return h
}

func shortenTo(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// HeadersForSubgraph implements resolve.SubgraphHeadersBuilder.
func (h *headers) HeadersForSubgraph(name string) (http.Header, uint64) {
	out := h.common.Clone()
	if h.cookie != "" && h.cookies[name] {
		out.Set("Cookie", h.cookie)
	}
	return out, h.nonce
}

// HashAll implements resolve.SubgraphHeadersBuilder.
func (h *headers) HashAll() uint64 { return h.nonce }

// subgraphTransport is between the engine and the subgraphs: it bounds and
// reads each answer, keeps the headers that the engine drops, and makes of
// every failure errors with a path.
type subgraphTransport struct {
	base    http.RoundTripper
	names   map[string]string // by host and path: one process may serve several
	cookies map[string]bool
	most    int64
	metrics Metrics
	log     *slog.Logger
}

// RoundTrip implements http.RoundTripper. It fails only when the request's
// context ended: everything else becomes an answer with errors in it.
func (t *subgraphTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	name := t.names[req.URL.Host+req.URL.Path]
	// Compression between neighbours costs more than it saves; over a network
	// Go's own transport negotiates it and undoes it.
	req.Header.Del("Accept-Encoding")
	c := &call{subgraph: name}
	if req.GetBody != nil {
		if rc, err := req.GetBody(); err == nil {
			c.request, _ = io.ReadAll(rc)
			_ = rc.Close()
		}
	}
	start := time.Now()
	resp, answer, err := t.fetch(req, name)
	if err != nil && req.Context().Err() == nil && isQuery(c.request) {
		// An instance that dies takes what it has in work along. A question can
		// be asked again, of another one; what changes something cannot.
		t.log.WarnContext(req.Context(), "a subgraph is asked again", "subgraph", name, "error", err)
		if req.Body, err = req.GetBody(); err == nil {
			resp, answer, err = t.fetch(req, name)
		}
	}
	failed := err != nil
	if err != nil {
		if ctxErr := req.Context().Err(); ctxErr != nil {
			t.metrics.SubgraphDone(req.Context(), name, time.Since(start), true)
			return nil, ctxErr
		}
		t.log.ErrorContext(req.Context(), "a subgraph gave no usable answer", "subgraph", name, "error", err)
		answer = []byte(`{"data":null}`)
		resp = &http.Response{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}}
	}
	t.metrics.SubgraphDone(req.Context(), name, time.Since(start), failed)
	c.answer = answer
	if ex := exchangeFrom(req.Context()); ex != nil {
		index := ex.add(c)
		if t.cookies[name] {
			ex.keep(resp.Header)
		}
		ex.noteStale(resp.Header.Get(staleHeader))
		if failed || bytes.Contains(answer, []byte(`"errors"`)) {
			ex.mu.Lock()
			ex.failed = true
			ex.mu.Unlock()
			answer = markErrors(c, index, failed)
		}
	}
	// The engine reads a status besides 200 as the absence of an answer.
	resp.Status, resp.StatusCode = "200 OK", http.StatusOK
	resp.Header = http.Header{"Content-Type": {"application/json"}}
	resp.Body = io.NopCloser(bytes.NewReader(answer))
	resp.ContentLength = int64(len(answer))
	resp.Uncompressed = true
	resp.Request = req
	return resp, nil
}

// isQuery reports whether a request of the engine, which writes the document
// first, only reads.
func isQuery(request []byte) bool {
	document, ok := bytes.CutPrefix(request, []byte(`{"query":"`))
	return ok && (bytes.HasPrefix(document, []byte("query")) || bytes.HasPrefix(document, []byte("{")))
}

// fetch asks once, in a span of its own.
func (t *subgraphTransport) fetch(req *http.Request, subgraph string) (*http.Response, []byte, error) {
	req, span := fetchSpan(req, subgraph)
	resp, answer, err := t.read(req)
	endFetch(span, resp, err)
	return resp, answer, err
}

// fetchSpan begins the span of a request to a subgraph and sends its context
// along.
func fetchSpan(req *http.Request, subgraph string) (*http.Request, trace.Span) {
	if !tracing.On(req.Context()) {
		return req, noop.Span{}
	}
	ctx, span := tracing.Start(req.Context(), "POST "+subgraph, trace.SpanKindClient)
	span.SetAttributes(tracing.Peer.String(subgraph), tracing.Method.String(http.MethodPost))
	tracing.Inject(ctx, req.Header)
	return req.WithContext(ctx), span
}

func endFetch(span trace.Span, resp *http.Response, err error) {
	if span.IsRecording() && resp != nil {
		span.SetAttributes(tracing.Status.Int(resp.StatusCode))
	}
	tracing.End(span, err)
}

// keep carries over what the client must get of the subgraph's headers.
func (ex *exchange) keep(h http.Header) {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	ex.cookies = append(ex.cookies, h.Values("Set-Cookie")...)
	if v := h.Get("Retry-After"); v != "" {
		ex.retryAfter = v
	}
}

// staleHeader is how a subgraph says since when its answer may be old.
const staleHeader = "X-Cinema-Stale-Since"

// noteStale keeps the earliest of what the subgraphs say.
func (ex *exchange) noteStale(since string) {
	if since == "" {
		return
	}
	at, err := time.Parse(time.RFC3339, since)
	if err != nil {
		return
	}
	ex.mu.Lock()
	defer ex.mu.Unlock()
	if ex.stale.IsZero() || at.Before(ex.stale) {
		ex.stale = at
	}
}

// withStale tells the client, in a body that is an object without extensions.
func withStale(body []byte, since time.Time) []byte {
	if since.IsZero() {
		return body
	}
	return fmt.Appendf(body[:len(body)-1], `,"extensions":{"stale":{"since":%q}}}`, since.UTC().Format(time.RFC3339))
}

func (t *subgraphTransport) read(req *http.Request) (*http.Response, []byte, error) {
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, nil, fmt.Errorf("call: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	hint := resp.ContentLength
	if hint < 0 || hint > t.most {
		hint = 4 << 10
	}
	buf := bytes.NewBuffer(make([]byte, 0, hint+bytes.MinRead))
	if _, err := buf.ReadFrom(io.LimitReader(resp.Body, t.most+1)); err != nil {
		return nil, nil, fmt.Errorf("read: %w", err)
	}
	answer := bytes.TrimSpace(buf.Bytes())
	switch {
	case int64(len(answer)) > t.most:
		return nil, nil, fmt.Errorf("answered more than %d bytes", t.most)
	case !looksLikeAnswer(answer):
		return nil, nil, fmt.Errorf("answered %d with no GraphQL response: %q", resp.StatusCode, shortenTo(string(answer), 200))
	}
	return resp, answer, nil
}

// looksLikeAnswer reports whether a body is a GraphQL response: an object that
// holds data or errors. The engine parses it anyway, so that this stays cheap.
func looksLikeAnswer(b []byte) bool {
	if len(b) < 2 || b[0] != '{' || b[len(b)-1] != '}' {
		return false
	}
	var probe struct {
		Data   json.RawMessage `json:"data"`
		Errors json.RawMessage `json:"errors"`
	}
	if bytes.HasPrefix(b, []byte(`{"data":{`)) && !bytes.Contains(b, []byte(`"errors"`)) {
		return true
	}
	if err := json.Unmarshal(b, &probe); err != nil {
		return false
	}
	return probe.Data != nil || probe.Errors != nil
}

// subgraphError is an error as a subgraph writes it, with the router's notes.
type subgraphError struct {
	Message    string         `json:"message"`
	Path       []any          `json:"path,omitempty"`
	Extensions map[string]any `json:"extensions,omitempty"`
}

// The notes travel through the engine in the error's extensions.
const (
	noteCall = "routerCall" // index of the call
	notePath = "routerPath" // the path as the subgraph wrote it
)

// mostErrors bounds the errors of one answer: a broken batch of a thousand
// entities says nothing more in a thousand errors.
const mostErrors = 50

// markErrors rewrites the errors of an answer: each gets a path, notes for
// locate, and loses what clients must not see.
func markErrors(c *call, index int, failed bool) []byte {
	var answer struct {
		Data       json.RawMessage `json:"data"`
		Errors     []subgraphError `json:"errors"`
		Extensions json.RawMessage `json:"extensions,omitempty"`
	}
	if err := json.Unmarshal(c.answer, &answer); err != nil {
		failed = true
		answer.Errors = nil
	}
	if answer.Data == nil {
		answer.Data = json.RawMessage("null")
	}
	if failed {
		answer.Data = json.RawMessage("null")
		answer.Errors = []subgraphError{{Message: msgUnavailable, Extensions: map[string]any{"code": codeUnavailable}}}
	}
	if len(answer.Errors) == 0 {
		return c.answer // the word was somewhere in the data
	}
	var out []subgraphError
	for _, e := range answer.Errors {
		paths := [][]any{e.Path}
		if len(e.Path) == 0 {
			paths = pathsOf(c.request)
		}
		for _, p := range paths {
			if len(out) >= mostErrors {
				break
			}
			out = append(out, subgraphError{Message: e.Message, Path: p, Extensions: cleanExtensions(e.Extensions, index, p)})
		}
	}
	answer.Errors = out
	answer.Extensions = nil
	b, err := json.Marshal(answer)
	if err != nil {
		return []byte(`{"data":null}`)
	}
	return b
}

// cleanExtensions keeps the code, field and reason, and nothing else.
func cleanExtensions(in map[string]any, index int, path []any) map[string]any {
	out := map[string]any{noteCall: index, notePath: path, "code": codeInternal}
	if code, ok := in["code"].(string); ok {
		switch {
		case subgraphCodes[code]:
			out["code"] = code
		case code == codeValidationFailed || code == codeParseFailed:
			// The router sent what the subgraph does not understand.
			out["code"] = codeInternal
		}
	}
	for _, name := range []string{"field", "reason"} {
		if s, ok := in[name].(string); ok && s != "" {
			out[name] = shortenTo(s, 200)
		}
	}
	return out
}

// pathsOf says which fields a request asked for at its root, as paths in the
// subgraph's answer: that is where an error without a path belongs.
func pathsOf(request []byte) [][]any {
	var body struct {
		Query     string `json:"query"`
		Variables struct {
			Representations []map[string]any `json:"representations"`
		} `json:"variables"`
	}
	if json.Unmarshal(request, &body) != nil {
		return [][]any{nil}
	}
	doc, err := parser.ParseQuery(&gqlast.Source{Input: body.Query})
	if err != nil || len(doc.Operations) == 0 {
		return [][]any{nil}
	}
	var out [][]any
	for _, s := range doc.Operations[0].SelectionSet {
		f, ok := s.(*gqlast.Field)
		if !ok {
			continue
		}
		if f.Name != "_entities" {
			out = append(out, []any{responseName(f)})
			continue
		}
		for i, rep := range body.Variables.Representations {
			typeName, _ := rep["__typename"].(string)
			for _, name := range entityFields(f.SelectionSet, typeName) {
				out = append(out, []any{"_entities", i, name})
			}
		}
	}
	if len(out) == 0 {
		return [][]any{nil}
	}
	return out
}

func entityFields(set gqlast.SelectionSet, typeName string) []string {
	var names []string
	for _, s := range set {
		switch s := s.(type) {
		case *gqlast.InlineFragment:
			if s.TypeCondition == typeName || s.TypeCondition == "" {
				names = append(names, entityFields(s.SelectionSet, typeName)...)
			}
		case *gqlast.Field:
			if s.Name != "__typename" && s.Name != "id" {
				names = append(names, responseName(s))
			}
		}
	}
	return names
}

func responseName(f *gqlast.Field) string {
	if f.Alias != "" {
		return f.Alias
	}
	return f.Name
}

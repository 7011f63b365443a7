package router

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	gqlast "github.com/vektah/gqlparser/v2/ast"
	"github.com/wundergraph/astjson"
	"github.com/wundergraph/graphql-go-tools/v2/pkg/engine/plan"
	"github.com/wundergraph/graphql-go-tools/v2/pkg/engine/resolve"
	"go.opentelemetry.io/otel/trace"

	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/tracing"
)

// request is a GraphQL request, whatever brought it.
type request struct {
	Query         string
	OperationName string
	Variables     json.RawMessage
	DocumentID    string
	PersistedHash string

	transport string
	// mutations says whether the transport may carry one (GET may not).
	mutations bool
	header    http.Header
	caller    *caller
	// cookies says whether cookies can be taken and set.
	cookies bool
	// traceparent came in extensions: a browser cannot give a message of a
	// WebSocket a header.
	traceparent string
}

// result is what a query or mutation came to.
type result struct {
	body       []byte
	errors     []gqlError
	cookies    []string
	retryAfter string
}

// ready is a request that may be executed.
type ready struct {
	*prepared
	values     map[string]any
	authorizer *authorizer
	// refused is set where authorisation ended a mutation or subscription.
	refused []gqlError
	hit     bool
}

// prepare takes a request to where it can be executed: persisted document,
// limits, validation, variables, plan, authorisation. Callers who are not signed
// in take turns.
func (rt *Router) prepare(ctx context.Context, r *request) (*ready, *requestError) {
	if r.caller.principal == nil {
		if rejected := take(ctx, rt.strangers, rt.limits.QueueTimeout); rejected != nil {
			return nil, rejected
		}
		defer func() { <-rt.strangers }()
	}
	return rt.prepareNow(ctx, r)
}

func (rt *Router) prepareNow(ctx context.Context, r *request) (*ready, *requestError) {
	text, persisted, rejected := rt.document(r)
	if rejected != nil {
		return nil, rejected
	}
	op, rejected := rt.ops.find(ctx, text, r.OperationName, persisted)
	if rejected != nil {
		return nil, rejected
	}
	if op.kind == gqlast.Mutation && !r.mutations {
		e := refuse(http.StatusMethodNotAllowed, codeInvalid, "A mutation must be sent by POST.")
		e.allow = "POST"
		return nil, e
	}
	if rejected := rt.limit(ctx, r.caller, op.cost); rejected != nil {
		return nil, rejected
	}
	values, rejected := rt.ops.values(op, r.Variables)
	if rejected != nil {
		return nil, rejected
	}
	p, hit, rejected := rt.ops.plan(ctx, op, values)
	if rejected != nil {
		return nil, rejected
	}
	a, refused := rt.authorize(p, r.caller.principal)
	return &ready{prepared: p, values: values, authorizer: a, refused: refused, hit: hit}, nil
}

// document finds the text to execute.
func (rt *Router) document(r *request) (text string, persisted bool, rejected *requestError) {
	hash := r.PersistedHash
	if r.DocumentID != "" {
		id, ok := strings.CutPrefix(r.DocumentID, "sha256:")
		if !ok {
			return "", false, refuse(http.StatusBadRequest, codeInvalid, `documentId must be "sha256:" and the hash in hexadecimal.`)
		}
		hash = id
	}
	if hash != "" {
		if text, ok := rt.options.Persisted[strings.ToLower(hash)]; ok {
			return text, true, nil
		}
		if r.Query == "" || rt.options.PersistedOnly {
			return "", false, reject(codePersistedUnknown, "There is no persisted operation with this hash. Reload the page: the app may be older than the server.")
		}
		// A hash beside its document is Apollo's registration: the document is
		// executed, and nothing is registered.
	}
	if r.Query == "" {
		return "", false, refuse(http.StatusBadRequest, codeInvalid, "The request holds neither query nor documentId.")
	}
	if rt.options.PersistedOnly {
		return "", false, refuse(http.StatusForbidden, codeForbidden, "Only persisted operations are executed here.")
	}
	return r.Query, false, nil
}

func (rt *Router) limit(ctx context.Context, c *caller, cost int) *requestError {
	if rt.options.Limiter == nil {
		return nil
	}
	ok, retry := rt.options.Limiter.Allow(ctx, c.key(), cost)
	if ok {
		return nil
	}
	e := refuse(http.StatusTooManyRequests, codeRateLimited, "Too many requests. Try again in a moment.")
	e.retryAfter = max(retry, time.Second)
	return e
}

// resolveContext makes the engine's context for a request.
func (rt *Router) resolveContext(ctx context.Context, r *request, p *ready) (*resolve.Context, *exchange, error) {
	ctx, ex := withExchange(ctx)
	rc := resolve.NewContext(ctx)
	vars, err := json.Marshal(p.values)
	if err != nil {
		return nil, nil, err
	}
	if rc.Variables, err = astjson.ParseBytes(vars); err != nil {
		return nil, nil, err
	}
	rc.Request = resolve.Request{ID: memoryOf(p), Header: http.Header{}}
	rc.SubgraphHeadersBuilder = newHeaders(r.header, r.caller, rt.cookies, r.cookies)
	// Both deduplications let a follower fail with its leader, and a client that
	// leaves is no reason to fail another.
	rc.ExecutionOptions.DisableSubgraphRequestDeduplication = true
	rc.ExecutionOptions.DisableInboundRequestDeduplication = true
	rc.SetPreFetchFieldAuthorizer(p.authorizer)
	return rc, ex, nil
}

// memoryOf groups operations by the memory that they take. The engine learns it
// from the last ones with this number, sets a megabyte aside for a number that it
// has not seen, and forgets none: so there must be few. Mutations, which are
// often the first of their kind, share one.
func memoryOf(p *ready) uint64 {
	if p.kind == gqlast.Mutation {
		return 0
	}
	return 1 + p.id%255
}

// keptLength is the longest answer whose length is a hint for the next.
const keptLength = 1 << 20

// execute runs a query or mutation.
func (rt *Router) execute(ctx context.Context, r *request, p *ready) (result, *requestError) {
	if len(p.refused) > 0 {
		return result{body: withData(p.refused, nil), errors: p.refused}, nil
	}
	sync, ok := p.plan.(*plan.SynchronousResponsePlan)
	if !ok {
		return result{}, refuse(http.StatusNotAcceptable, codeInvalid, "A subscription needs a WebSocket or Accept: text/event-stream.")
	}
	ctx, cancel := context.WithTimeout(ctx, rt.limits.RequestTimeout)
	defer cancel()
	if rejected := rt.enter(ctx); rejected != nil {
		return result{}, rejected
	}
	defer rt.leave()
	rc, ex, err := rt.resolveContext(ctx, r, p)
	if err != nil {
		return result{}, asRequestError(err)
	}
	// The answers of one operation are about as long as each other.
	buf := bytes.NewBuffer(make([]byte, 0, p.length.Load()))
	if _, err := rt.resolver.ArenaResolveGraphQLResponse(rc, sync.Response, buf); err != nil {
		if ctx.Err() != nil {
			return result{}, refuse(http.StatusServiceUnavailable, codeUnavailable, msgTimeout)
		}
		return result{}, asRequestError(err)
	}
	if n := int64(buf.Len()); n <= keptLength {
		p.length.Store(n + n/16)
	}
	body, errs := ex.rewrite(buf.Bytes())
	if len(errs) > 0 && ctx.Err() != nil {
		for i := range errs {
			if errs[i].Extensions.Code == codeUnavailable {
				errs[i].Message = msgTimeout
			}
		}
	}
	ex.mu.Lock()
	defer ex.mu.Unlock()
	return result{body: withStale(body, ex.stale), errors: errs, cookies: ex.cookies, retryAfter: ex.retryAfter}, nil
}

// enter waits for a place among the operations in work.
func (rt *Router) enter(ctx context.Context) *requestError {
	if rejected := take(ctx, rt.slots, rt.limits.QueueTimeout); rejected != nil {
		return rejected
	}
	if !rt.begin() {
		<-rt.slots
		return refuse(http.StatusServiceUnavailable, codeUnavailable, msgShutdown)
	}
	return nil
}

// take waits for a place, which the caller gives back by receiving from places.
func take(ctx context.Context, places chan struct{}, wait time.Duration) *requestError {
	select {
	case places <- struct{}{}:
		return nil
	default:
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case places <- struct{}{}:
		return nil
	case <-t.C:
		e := refuse(http.StatusServiceUnavailable, codeUnavailable, msgBusy)
		e.retryAfter = time.Second
		return e
	case <-ctx.Done():
		return refuse(http.StatusServiceUnavailable, codeUnavailable, msgTimeout)
	}
}

func (rt *Router) leave() {
	<-rt.slots
	rt.working.Done()
}

// sink takes the messages of one subscription. Its methods return an error once
// nobody listens any more.
type sink interface {
	next(response []byte) error
	// fail ends the subscription with errors before it has ended by itself.
	fail(errs []gqlError)
	complete()
}

// subscribe runs a subscription until it ends by itself or ctx does.
func (rt *Router) subscribe(ctx context.Context, r *request, p *ready, s sink) []gqlError {
	if len(p.refused) > 0 {
		s.fail(p.refused)
		return p.refused
	}
	sub, ok := p.plan.(*plan.SubscriptionResponsePlan)
	if !ok {
		errs := []gqlError{newError(codeInternal, msgBroken)}
		s.fail(errs)
		return errs
	}
	rc, ex, err := rt.resolveContext(ctx, r, p)
	if err != nil {
		errs := asRequestError(err).errors
		s.fail(errs)
		return errs
	}
	rt.metrics.SubscriptionsChanged(1)
	defer rt.metrics.SubscriptionsChanged(-1)
	w := &subscriptionWriter{sink: s, exchange: ex, first: func(errs []gqlError) { rt.tell(ctx, r, p, errs) }}
	if err := rt.resolver.ResolveGraphQLSubscription(rc, sub.Response, w); err != nil && ctx.Err() == nil {
		errs := []gqlError{newError(codeUnavailable, msgUnavailable)}
		w.end(func() { s.fail(errs) })
		return errs
	}
	// The engine may end without a word; the client must hear of it.
	w.end(s.complete)
	return w.errors
}

// subscriptionWriter is between the engine and a sink. The engine calls it one
// message at a time.
type subscriptionWriter struct {
	sink     sink
	exchange *exchange
	first    func([]gqlError) // is told of the first message; nil afterwards
	buf      bytes.Buffer
	ended    bool
	errors   []gqlError
}

func (w *subscriptionWriter) Write(p []byte) (int, error) { return w.buf.Write(p) }

func (w *subscriptionWriter) Flush() error {
	body, errs := w.exchange.rewrite(w.buf.Bytes())
	w.errors = errs
	if w.first != nil {
		w.first(errs)
		w.first = nil
	}
	out := bytes.Clone(body)
	w.buf.Reset()
	if w.ended {
		return nil
	}
	return w.sink.next(out)
}

func (w *subscriptionWriter) Complete()        { w.end(w.sink.complete) }
func (w *subscriptionWriter) Heartbeat() error { return nil }

// Error ends the subscription with the errors in data.
func (w *subscriptionWriter) Error(data []byte) {
	var in struct {
		Errors []gqlError `json:"errors"`
	}
	if json.Unmarshal(data, &in) != nil || len(in.Errors) == 0 {
		in.Errors = []gqlError{newError(codeUnavailable, msgUnavailable)}
	}
	w.errors = in.Errors
	w.end(func() { w.sink.fail(in.Errors) })
}

func (w *subscriptionWriter) end(how func()) {
	if !w.ended {
		w.ended = true
		how()
	}
}

// unnamed is the span of an operation until its document is known, and of one
// that has no good document.
const unnamed = "GraphQL Operation"

// tell completes the span of an operation and ends it. A subscription is told
// of when its first message came: it may stay open for the length of a film,
// and a span is shown when it has ended.
func (rt *Router) tell(ctx context.Context, r *request, p *ready, errs []gqlError) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(tracing.Transport.String(r.transport))
	if p != nil {
		name := string(p.kind)
		if p.name != "" {
			span.SetAttributes(tracing.OperationName.String(shortenTo(p.name, 64)))
			if p.persisted { // else the client chose it
				name += " " + p.name
			}
		}
		span.SetName(name)
		span.SetAttributes(tracing.OperationType.String(string(p.kind)), tracing.PlanCached.Bool(p.hit))
	}
	if user := subjectOf(r.caller); user != "" {
		span.SetAttributes(tracing.UserID.String(user))
	}
	codes := codesOf(errs)
	if len(codes) > 0 {
		span.SetAttributes(tracing.ErrorCodes.StringSlice(codes))
	}
	for _, code := range codes {
		if tracing.Failing(code) && !errors.Is(ctx.Err(), context.Canceled) { // who leaves makes it fail
			tracing.Fail(span, code)
		}
	}
	span.End()
}

// slow is from when on an operation is worth a line of the log by itself.
const slow = time.Second

// done tells log and metrics of a finished operation.
func (rt *Router) done(ctx context.Context, r *request, p *ready, start time.Time, errs []gqlError) {
	op := Operation{Transport: r.transport, Duration: time.Since(start), Codes: codesOf(errs)}
	if p != nil {
		op.Name, op.Kind, op.Persisted, op.PlanCached = shortenTo(p.name, 64), string(p.kind), p.persisted, p.hit
	}
	rt.tell(ctx, r, p, errs)
	rt.metrics.OperationDone(ctx, op)
	// The figures are in the metrics; a line for each operation that went well
	// would be most of the log and tell nothing.
	level := slog.LevelDebug
	if len(op.Codes) > 0 || op.Duration > slow && op.Transport == "http" {
		level = slog.LevelInfo
	}
	if !rt.log.Enabled(ctx, level) {
		return
	}
	args := []any{
		"operation", op.Name, "kind", op.Kind, "transport", op.Transport,
		"ms", float64(op.Duration.Microseconds()) / 1000, "user", subjectOf(r.caller),
	}
	if len(op.Codes) > 0 {
		args = append(args, "codes", strings.Join(op.Codes, ","))
	}
	if id := r.header.Get("X-Request-Id"); id != "" {
		args = append(args, "requestId", shortenTo(id, 64))
	}
	rt.log.Log(ctx, level, "operation", args...)
}

func subjectOf(c *caller) string {
	if c == nil || c.principal == nil {
		return ""
	}
	return c.principal.Subject
}

func seconds(d time.Duration) string {
	return strconv.Itoa(int((d + time.Second - 1) / time.Second))
}

// maxHeld answers are kept back at once, of some 30 kB each.
const maxHeld = 2048

// hold keeps back for a while what tells a stranger that too many sign in at
// once. A person loses nothing; a flood, whose clients try again as soon as they
// are answered, comes less often, and not in step.
func (rt *Router) hold(ctx context.Context, r *request, res result) {
	if r.caller.principal != nil || len(res.errors) == 0 || res.errors[0].Extensions.Reason != fault.Busy {
		return
	}
	defer rt.held.Add(-1)
	if rt.held.Add(1) > maxHeld {
		return
	}
	t := time.NewTimer(rt.limits.Hold/2 + rand.N(rt.limits.Hold))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-rt.leaving:
	}
}

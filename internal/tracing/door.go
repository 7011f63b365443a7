package tracing

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"math/rand/v2"
	"net/http"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// KeyHeader is where an operator's request carries the key that has its trace
// kept. It goes no further than the door.
const KeyHeader = "X-Cinema-Trace-Key"

// Door begins the traces of requests from outside. A nil Door begins none.
type Door struct {
	tracer trace.Tracer
	ratio  float64
	key    [sha256.Size]byte
	locked bool
}

// NewDoor makes a Door that has the ratio of requests kept, and those with the
// key; an empty key opens for nobody.
func NewDoor(provider trace.TracerProvider, ratio float64, key string) *Door {
	return &Door{tracer: provider.Tracer(scope), ratio: ratio, key: sha256.Sum256([]byte(key)), locked: key == ""}
}

// Enter begins the span of a request. The traceparent that it brought numbers
// the trace and its parent, so that whoever sent it finds it again, and that
// is all: a stranger's sampled flag counts as little as a trace id that a
// ratio of ids would pick. Whether the trace is kept is drawn by lot, unless
// the key is right.
func (d *Door) Enter(ctx context.Context, name, traceparent, key string) (context.Context, trace.Span) {
	if d == nil {
		return ctx, noop.Span{}
	}
	keep := key != "" && d.opens(key) || rand.Float64() < d.ratio //nolint:gosec // not a secret
	ctx = context.WithValue(ctx, decisionKey{}, keep)
	if parent := Parse(traceparent); parent.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, parent.WithTraceState(trace.TraceState{}))
	}
	return d.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer))
}

// EnterHTTP is Enter with what a request's header says. A request with the
// right key is told the trace that it became.
func (d *Door) EnterHTTP(w http.ResponseWriter, r *http.Request, name string) (*http.Request, trace.Span) {
	if d == nil {
		return r, noop.Span{}
	}
	key := r.Header.Get(KeyHeader)
	ctx, span := d.Enter(r.Context(), name, r.Header.Get(Header), key)
	if key != "" && d.opens(key) {
		w.Header().Set("Traceresponse", Format(span.SpanContext()))
	}
	return r.WithContext(ctx), span
}

// Keyed is a handler of requests that are too many to be told of, such as
// those for parts of films: it begins a span for those alone that carry the
// key. The handler behind it gets the connection's own ResponseWriter, and
// nothing of the trace context that came from outside.
func (d *Door) Keyed(route string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d != nil && r.Header.Get(KeyHeader) != "" && d.opens(r.Header.Get(KeyHeader)) {
			told, span := d.EnterHTTP(w, r, methodOf(r)+" "+route)
			defer span.End()
			r = told
		}
		for _, name := range []string{KeyHeader, Header, "Tracestate"} {
			r.Header.Del(name)
		}
		next.ServeHTTP(w, r)
	})
}

// Handler goes on in a service with what Keyed began.
func Handler(provider trace.TracerProvider, route string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if On(r.Context()) || Parse(r.Header.Get(Header)).IsSampled() {
			ctx, span := Accept(r.Context(), provider, r.Header, methodOf(r)+" "+route)
			defer span.End()
			r = r.WithContext(ctx)
		}
		next.ServeHTTP(w, r)
	})
}

// methodOf is the method, of a closed set.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "HTTP"
}

// opens compares in constant time, lengths included.
func (d *Door) opens(key string) bool {
	given := sha256.Sum256([]byte(key))
	return !d.locked && subtle.ConstantTimeCompare(given[:], d.key[:]) == 1
}

type decisionKey struct{}

// Decision is what a Door decided for the request of ctx: whether its trace is
// kept. It counts for the first span only; the others follow their parent.
func Decision(ctx context.Context) (keep, made bool) {
	keep, made = ctx.Value(decisionKey{}).(bool)
	return keep, made
}

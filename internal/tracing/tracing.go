// Package tracing is how a part of the program tells what it did for a
// request: as a span of OpenTelemetry, below the span that the context brings.
//
// A part needs no tracer and no setting: Start takes both from the span in the
// context, and does nothing where there is none, which is so whenever tracing
// is off. Only those who let requests in are given something at the start: a
// Door for what comes from outside, a trace.TracerProvider for what comes from
// a neighbour. Package otlp, which only the wiring imports, is where spans go.
//
// What leaves the program is a closed list of attributes (Attributes): spans
// hold the user's id and nothing else of a person, no argument of a query, no
// message of an error.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/netflixathome/cinema/internal/fault"
)

// scope names the instrumentation: all of it is the program's own.
const scope = "github.com/netflixathome/cinema"

// Header is where a trace's context travels (W3C Trace Context); in a record
// of the event log too.
const Header = "Traceparent"

// Start begins a span below the recorded one in ctx; without one it does
// nothing and costs a look into the context. End it with End. Attributes are
// to be set only if the span is recorded:
//
//	ctx, span := tracing.Start(ctx, "INSERT", trace.SpanKindClient)
//	defer func() { tracing.End(span, err) }()
//	if span.IsRecording() {
//		span.SetAttributes(tracing.System.String("clickhouse"))
//	}
func Start(ctx context.Context, name string, kind trace.SpanKind) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, noop.Span{}
	}
	if f, ok := parent.(*fan); ok {
		return f.start(ctx, name, kind)
	}
	return parent.TracerProvider().Tracer(scope).Start(ctx, name, trace.WithSpanKind(kind))
}

// On reports whether ctx is of a request that is recorded.
func On(ctx context.Context) bool { return trace.SpanFromContext(ctx).IsRecording() }

// End ends a span with what became of its work. An error that is the caller's
// own doing (a fault of another kind than Internal or Unavailable, or having
// left) is no failure of ours.
func End(span trace.Span, err error) {
	if err != nil && span.IsRecording() {
		if kind := kindOf(err); kind != "" {
			Fail(span, kind)
		}
	}
	span.End()
}

// Fail marks a span as failed; kind is a short word from a closed set.
func Fail(span trace.Span, kind string) {
	span.SetStatus(codes.Error, "")
	span.SetAttributes(ErrorType.String(kind))
}

// Failing reports whether a fault's code says that it was our failure.
func Failing(code string) bool {
	return code == fault.Internal.Code() || code == fault.Unavailable.Code()
}

func kindOf(err error) string {
	var f *fault.Error
	switch {
	case errors.Is(err, context.Canceled):
		return ""
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.As(err, &f):
		if Failing(f.Kind.Code()) {
			return f.Kind.Code()
		}
		return ""
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return strings.TrimPrefix(fmt.Sprintf("%T", err), "*")
		}
		err = inner
	}
}

// Format writes a span's context as a traceparent; empty if there is none.
func Format(sc trace.SpanContext) string {
	if !sc.IsValid() {
		return ""
	}
	flags := "-00"
	if sc.IsSampled() {
		flags = "-01"
	}
	return "00-" + sc.TraceID().String() + "-" + sc.SpanID().String() + flags
}

// Parse reads a traceparent; what is none gives a context that is not valid.
func Parse(traceparent string) trace.SpanContext {
	if traceparent == "" {
		return trace.SpanContext{}
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": traceparent})
	return trace.SpanContextFromContext(ctx)
}

// Inject tells a neighbour the span that its work is for.
func Inject(ctx context.Context, h http.Header) {
	if text := Format(trace.SpanContextFromContext(ctx)); text != "" {
		h.Set(Header, text)
	}
}

// Accept begins the span of a request from a neighbour, whose word counts: the
// trace goes on, and is kept or not as decided where it began. In one process
// the neighbour's span comes with ctx.
func Accept(ctx context.Context, provider trace.TracerProvider, h http.Header, name string) (context.Context, trace.Span) {
	if !On(ctx) {
		if parent := Parse(h.Get(Header)); parent.IsValid() {
			ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
		}
	}
	return provider.Tracer(scope).Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer))
}

// The attributes that are set, by the semantic conventions of OpenTelemetry
// 1.39; those that begin with cinema are our own.
const (
	ErrorType      = attribute.Key("error.type")
	UserID         = attribute.Key("user.id")
	ServerAddress  = attribute.Key("server.address")
	Method         = attribute.Key("http.request.method")
	Status         = attribute.Key("http.response.status_code")
	Peer           = attribute.Key("service.peer.name")
	OperationName  = attribute.Key("graphql.operation.name")
	OperationType  = attribute.Key("graphql.operation.type")
	Transport      = attribute.Key("cinema.transport")   // http, ws, sse
	PlanCached     = attribute.Key("cinema.plan.cached") // no plan had to be made
	ErrorCodes     = attribute.Key("cinema.error.codes") // extensions.code of an answer's errors
	System         = attribute.Key("db.system.name")
	Operation      = attribute.Key("db.operation.name")
	Collection     = attribute.Key("db.collection.name")
	Namespace      = attribute.Key("db.namespace")
	BatchSize      = attribute.Key("db.operation.batch.size")
	Messaging      = attribute.Key("messaging.system")
	MessagingName  = attribute.Key("messaging.operation.name")
	MessagingType  = attribute.Key("messaging.operation.type")
	MessagingCount = attribute.Key("messaging.batch.message_count")
	Destination    = attribute.Key("messaging.destination.name")
	ConsumerGroup  = attribute.Key("messaging.consumer.group.name")
)

// Attributes are all that may leave the program: what a library sets beside
// them is dropped, whatever it is.
var Attributes = func() map[attribute.Key]bool {
	all := map[attribute.Key]bool{}
	for _, k := range []attribute.Key{
		ErrorType, UserID, ServerAddress, Method, Status, Peer, OperationName, OperationType, Transport, PlanCached, ErrorCodes,
		System, Operation, Collection, Namespace, BatchSize, Messaging, MessagingName, MessagingType, MessagingCount, Destination, ConsumerGroup,
		// Of otelpgx. The text of a statement has $1 in place of its arguments.
		"db.query.text", "server.port", "pgx.sql_state", "pgx.batch.size", "pgx.rows_affected",
	} {
		all[k] = true
	}
	return all
}()

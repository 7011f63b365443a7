package tracing

import (
	"context"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"
)

// Client makes a span of each request to a store that is reached over HTTP and
// belongs to somebody's trace. It ends with the answer's header: a body may be
// a film. The store is told nothing of the trace.
type Client struct {
	Base http.RoundTripper
	// Name of the store, such as s3.
	Name string
}

// RoundTrip implements http.RoundTripper.
func (c Client) RoundTrip(req *http.Request) (*http.Response, error) {
	if !On(req.Context()) {
		return c.Base.RoundTrip(req)
	}
	_, span := Start(req.Context(), req.Method+" "+c.Name, trace.SpanKindClient)
	span.SetAttributes(Peer.String(c.Name), Method.String(req.Method), ServerAddress.String(req.URL.Hostname()))
	res, err := c.Base.RoundTrip(req)
	if err == nil {
		span.SetAttributes(Status.Int(res.StatusCode))
		if res.StatusCode >= 500 {
			Fail(span, strconv.Itoa(res.StatusCode))
		}
	}
	End(span, err)
	return res, err
}

// Children is the provider for libraries that begin spans themselves: they
// then do so as Start does, only below a recorded span and with its provider.
func Children() trace.TracerProvider { return children{} }

type children struct{ embedded.TracerProvider }

func (children) Tracer(name string, o ...trace.TracerOption) trace.Tracer {
	return childTracer{name: name, options: o}
}

type childTracer struct {
	embedded.Tracer
	name    string
	options []trace.TracerOption
}

func (t childTracer) Start(ctx context.Context, name string, o ...trace.SpanStartOption) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, noop.Span{}
	}
	return parent.TracerProvider().Tracer(t.name, t.options...).Start(ctx, name, o...)
}

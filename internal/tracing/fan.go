package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// MostTraces bounds the traces in which one batch is told.
const MostTraces = 32

// Batch begins the span of work on what many requests left: one below each of
// the parents, of which every trace counts once and no more than MostTraces
// do. What the work begins below it is told in each of these traces too, so
// that whoever looks at one sees all that became of it; libraries that begin
// spans themselves tell them in the first trace alone. A span with links to
// all of them would say the same with less, but no store shows a trace the
// links that lead to it.
func Batch(ctx context.Context, provider trace.TracerProvider, name string, parents []trace.SpanContext) (context.Context, trace.Span) {
	if provider == nil || len(parents) == 0 {
		return ctx, noop.Span{}
	}
	tracer := provider.Tracer(scope)
	seen := map[trace.TraceID]bool{}
	f := &fan{}
	for _, p := range parents {
		if seen[p.TraceID()] || !p.IsValid() {
			continue
		}
		if len(seen) == MostTraces {
			break
		}
		seen[p.TraceID()] = true
		_, span := tracer.Start(trace.ContextWithRemoteSpanContext(ctx, p), name, trace.WithSpanKind(trace.SpanKindConsumer))
		f.spans = append(f.spans, span)
	}
	return f.in(ctx)
}

// fan is one piece of work in several traces.
type fan struct {
	noop.Span
	spans []trace.Span
}

// in puts a fan into a context: of one trace it is the span itself.
func (f *fan) in(ctx context.Context) (context.Context, trace.Span) {
	var span trace.Span = f
	switch len(f.spans) {
	case 0:
		return ctx, noop.Span{}
	case 1:
		span = f.spans[0]
	}
	return trace.ContextWithSpan(ctx, span), span
}

func (f *fan) start(ctx context.Context, name string, kind trace.SpanKind) (context.Context, trace.Span) {
	below := &fan{spans: make([]trace.Span, len(f.spans))}
	for i, s := range f.spans {
		_, below.spans[i] = s.TracerProvider().Tracer(scope).Start(trace.ContextWithSpan(ctx, s), name, trace.WithSpanKind(kind))
	}
	return below.in(ctx)
}

// What follows does to all spans what is done to one.

func (f *fan) IsRecording() bool                    { return f.spans[0].IsRecording() }
func (f *fan) SpanContext() trace.SpanContext       { return f.spans[0].SpanContext() }
func (f *fan) TracerProvider() trace.TracerProvider { return f.spans[0].TracerProvider() }

func (f *fan) End(o ...trace.SpanEndOption) {
	for _, s := range f.spans {
		s.End(o...)
	}
}

func (f *fan) SetStatus(code codes.Code, description string) {
	for _, s := range f.spans {
		s.SetStatus(code, description)
	}
}

func (f *fan) SetName(name string) {
	for _, s := range f.spans {
		s.SetName(name)
	}
}

func (f *fan) SetAttributes(kv ...attribute.KeyValue) {
	for _, s := range f.spans {
		s.SetAttributes(kv...)
	}
}

func (f *fan) AddEvent(name string, o ...trace.EventOption) {
	for _, s := range f.spans {
		s.AddEvent(name, o...)
	}
}

func (f *fan) RecordError(err error, o ...trace.EventOption) {
	for _, s := range f.spans {
		s.RecordError(err, o...)
	}
}

func (f *fan) AddLink(l trace.Link) {
	for _, s := range f.spans {
		s.AddLink(l)
	}
}

package otlp

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/netflixathome/cinema/internal/tracing"
)

// outgoing is a span as it leaves the program: marked as sampled, and with no
// attribute that is not on the list. Messages of errors stay here, for a store
// may quote in them what it was given.
type outgoing struct{ sdk.ReadOnlySpan }

// SpanContext implements sdk.ReadOnlySpan.
func (o outgoing) SpanContext() trace.SpanContext {
	sc := o.ReadOnlySpan.SpanContext()
	return sc.WithTraceFlags(sc.TraceFlags().WithSampled(true))
}

// Attributes implements sdk.ReadOnlySpan.
func (o outgoing) Attributes() []attribute.KeyValue { return listed(o.ReadOnlySpan.Attributes()) }

// Status implements sdk.ReadOnlySpan.
func (o outgoing) Status() sdk.Status { return sdk.Status{Code: o.ReadOnlySpan.Status().Code} }

// Events implements sdk.ReadOnlySpan. Ours have none; a library's say of an
// error what its span's status says too.
func (o outgoing) Events() []sdk.Event { return nil }

// Links implements sdk.ReadOnlySpan.
func (o outgoing) Links() []sdk.Link {
	links := o.ReadOnlySpan.Links()
	for i := range links { // a copy
		links[i].Attributes = listed(links[i].Attributes)
	}
	return links
}

func listed(all []attribute.KeyValue) []attribute.KeyValue {
	out := make([]attribute.KeyValue, 0, len(all))
	for _, kv := range all {
		if tracing.Attributes[kv.Key] {
			out = append(out, kv)
		}
	}
	return out
}

const (
	restLeast = time.Second
	restMost  = time.Minute
)

// patient is an exporter that rests after a failure, longer each time, and
// gives up what comes meanwhile. It says so once. Only the goroutine of the
// batch processor calls ExportSpans.
type patient struct {
	next sdk.SpanExporter
	log  *slog.Logger
	now  func() time.Time

	pending    atomic.Int64 // given to the batch processor and not yet here
	sent, lost atomic.Uint64

	rest  time.Duration // zero: the last attempt went well
	until time.Time
}

// room takes a place in the batch processor's queue, which itself would not
// tell what it drops; false when there is none.
func (p *patient) room() bool {
	if p.pending.Add(1) > queue {
		p.pending.Add(-1)
		p.lost.Add(1)
		return false
	}
	return true
}

// ExportSpans implements sdk.SpanExporter. It does not fail: whoever would be
// told knows no better than to print it.
func (p *patient) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	n := len(spans)
	defer p.pending.Add(-int64(n)) // those under way count: the bound is on memory
	if p.now().Before(p.until) {
		p.lost.Add(uint64(n))
		return nil
	}
	err := p.next.ExportSpans(ctx, spans)
	if err == nil {
		p.sent.Add(uint64(n))
		if p.rest > 0 {
			p.log.InfoContext(ctx, "traces are taken again", "lost", p.lost.Load())
			p.rest, p.until = 0, time.Time{}
		}
		return nil
	}
	p.lost.Add(uint64(n))
	if p.rest == 0 {
		p.log.WarnContext(ctx, "traces cannot be sent; tried again at growing intervals, what comes meanwhile is lost", "error", err)
	}
	p.rest = min(max(2*p.rest, restLeast), restMost)
	p.until = p.now().Add(p.rest)
	return nil
}

// Shutdown implements sdk.SpanExporter.
func (p *patient) Shutdown(ctx context.Context) error { return p.next.Shutdown(ctx) }

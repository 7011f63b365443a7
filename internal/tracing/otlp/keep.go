package otlp

import (
	"context"
	"sync"

	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// The bounds of what waits for the end of its trace. What is beyond them is
// not there when the trace turns out to have failed; its first span always is.
const (
	mostTraces       = 4096
	mostSpans        = 8192
	mostSpansOfTrace = 64
)

// keeper is the span processor that decides what is sent.
type keeper struct {
	next  sdk.SpanProcessor
	count *patient

	mu     sync.Mutex
	traces map[trace.TraceID]*held
	spans  int // over all traces
}

// held is what this process has done of a trace that was not picked.
type held struct {
	open   int // requests of it in work here
	failed bool
	spans  []sdk.ReadOnlySpan
}

func newKeeper(next sdk.SpanProcessor, count *patient) *keeper {
	return &keeper{next: next, count: count, traces: map[trace.TraceID]*held{}}
}

// first reports whether a span is the first of its trace in this process: the
// request's own. By it the trace's part here is judged.
func first(s sdk.ReadOnlySpan) bool { return !s.Parent().IsValid() || s.Parent().IsRemote() }

// OnStart implements sdk.SpanProcessor.
func (k *keeper) OnStart(_ context.Context, s sdk.ReadWriteSpan) {
	if s.SpanContext().IsSampled() || !first(s) {
		return
	}
	id := s.SpanContext().TraceID()
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.traces[id]
	if h == nil {
		if len(k.traces) >= mostTraces {
			return
		}
		h = &held{}
		k.traces[id] = h
	}
	h.open++
}

// OnEnd implements sdk.SpanProcessor.
func (k *keeper) OnEnd(s sdk.ReadOnlySpan) {
	if s.SpanContext().IsSampled() {
		k.send(s)
		return
	}
	for _, s := range k.settle(s) {
		k.send(s)
	}
}

// settle takes a span of a trace that was not picked and returns what is to be
// sent now.
func (k *keeper) settle(s sdk.ReadOnlySpan) []sdk.ReadOnlySpan {
	id, failed := s.SpanContext().TraceID(), s.Status().Code == codes.Error
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.traces[id]
	if !first(s) {
		// What ends after the request is over is told to nobody.
		if h != nil && len(h.spans) < mostSpansOfTrace && k.spans < mostSpans {
			h.spans = append(h.spans, s)
			k.spans++
		}
		return nil
	}
	var out []sdk.ReadOnlySpan
	if h != nil {
		h.open--
		// Once a request of the trace has failed, the others are part of the story.
		h.failed = h.failed || failed
		failed = h.failed
		if failed {
			out = h.spans
		}
		if failed || h.open == 0 {
			k.spans -= len(h.spans)
			h.spans = nil
		}
		if h.open == 0 {
			delete(k.traces, id)
		}
	}
	if failed {
		out = append(out, s)
	}
	return out
}

func (k *keeper) send(s sdk.ReadOnlySpan) {
	if !k.count.room() {
		return
	}
	k.next.OnEnd(outgoing{s})
}

// Shutdown implements sdk.SpanProcessor.
func (k *keeper) Shutdown(ctx context.Context) error { return k.next.Shutdown(ctx) }

// ForceFlush implements sdk.SpanProcessor.
func (k *keeper) ForceFlush(ctx context.Context) error { return k.next.ForceFlush(ctx) }

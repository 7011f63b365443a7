package otlp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/netflixathome/cinema/internal/tracing"
)

// receiver is an exporter that keeps what it is given, or fails, or hangs.
type receiver struct {
	mu    sync.Mutex
	spans []sdk.ReadOnlySpan
	err   error
	asked int
	hang  chan struct{}
}

func (r *receiver) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if r.hang != nil {
		select {
		case <-r.hang:
		case <-ctx.Done():
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	if r.err != nil {
		return r.err
	}
	r.spans = append(r.spans, spans...)
	return nil
}

func (*receiver) Shutdown(context.Context) error { return nil }

// names are the spans that came, once all that is on its way has come.
func (r *receiver) names(t *testing.T, p *Provider) (names []string) {
	t.Helper()
	require.NoError(t, p.keeper.ForceFlush(t.Context()))
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.spans {
		require.True(t, s.SpanContext().IsSampled(), "what is sent says that it is")
		names = append(names, s.Name())
	}
	r.spans = nil
	return names
}

func provider(t *testing.T, r *receiver) (*Provider, *bytes.Buffer) {
	t.Helper()
	var logged bytes.Buffer
	p := open(r, "test", slog.New(slog.NewTextHandler(&logged, nil)))
	t.Cleanup(func() { require.NoError(t, p.Close(context.Background())) })
	return p, &logged
}

const stranger = "00-00000000000000010000000000000001-0000000000000001-01" // a ratio of ids would take it

func TestWhoDecidesWhatIsKept(t *testing.T) {
	const key = "the operator's own key"
	for name, c := range map[string]struct {
		ratio            float64
		set, traceparent string
		given            string
		kept             bool
	}{
		"nobody":                     {},
		"a stranger's flag":          {traceparent: stranger},
		"a flag and no ratio":        {traceparent: stranger, set: key},
		"the key":                    {set: key, given: key, kept: true},
		"the key with a traceparent": {set: key, given: key, traceparent: stranger, kept: true},
		"a wrong key":                {set: key, given: key + "s"},
		"no key is set":              {given: ""},
		"no key is set, one is sent": {given: key},
		"the lot":                    {ratio: 1, kept: true},
		"not a traceparent":          {ratio: 1, traceparent: "00-no", kept: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := &receiver{}
			p, _ := provider(t, r)
			door := tracing.NewDoor(p.Service("router"), c.ratio, c.set)
			ctx, span := door.Enter(t.Context(), "request", c.traceparent, c.given)
			require.Equal(t, c.kept, span.SpanContext().IsSampled())
			if c.traceparent == stranger {
				require.Equal(t, tracing.Parse(stranger).TraceID(), span.SpanContext().TraceID(), "who sent it finds it again")
			}
			// A neighbour follows.
			header := http.Header{}
			tracing.Inject(ctx, header)
			_, there := tracing.Accept(t.Context(), p.Service("catalog"), header, "there")
			require.Equal(t, span.SpanContext().TraceID(), there.SpanContext().TraceID())
			require.Equal(t, c.kept, there.SpanContext().IsSampled())
			there.End()
			span.End()
			want := []string(nil)
			if c.kept {
				want = []string{"there", "request"}
			}
			require.Equal(t, want, r.names(t, p))
		})
	}
}

func TestTheLotIsDrawnHere(t *testing.T) {
	p, _ := provider(t, &receiver{})
	door := tracing.NewDoor(p.Service("router"), 0.25, "")
	kept := 0
	for range 4000 {
		_, span := door.Enter(t.Context(), "request", stranger, "")
		if span.SpanContext().IsSampled() {
			kept++
		}
		span.End()
	}
	require.InDelta(t, 1000, kept, 200, "one id, and yet a quarter: seven deviations either way")
}

func TestWhatFailedIsKept(t *testing.T) {
	r := &receiver{}
	p, _ := provider(t, r)
	door := tracing.NewDoor(p.Service("router"), 0, "")
	request := func(fail bool) {
		ctx, span := door.Enter(t.Context(), "request", "", "")
		ctx, fetch := tracing.Start(ctx, "fetch", trace.SpanKindClient)
		_, sql := tracing.Start(ctx, "sql", trace.SpanKindClient)
		tracing.End(sql, errors.New("what is handled is no failure of the request"))
		fetch.End()
		if fail {
			tracing.Fail(span, "INTERNAL")
		}
		span.End()
	}
	request(false)
	require.Empty(t, r.names(t, p))
	request(true)
	require.Equal(t, []string{"sql", "fetch", "request"}, r.names(t, p))
	require.Empty(t, p.keeper.traces)
	require.Zero(t, p.keeper.spans)
	require.EqualValues(t, 3, p.Sent())
	require.Zero(t, p.Lost())
}

// Two requests of one trace in one process, as when a router asks a service twice.
func TestAFailureBringsItsSiblings(t *testing.T) {
	r := &receiver{}
	p, _ := provider(t, r)
	header := http.Header{tracing.Header: {"00-00000000000000010000000000000002-0000000000000001-00"}}
	begin := func(name string) (trace.Span, trace.Span) {
		ctx, span := tracing.Accept(t.Context(), p.Service("catalog"), header, name)
		_, below := tracing.Start(ctx, name+" below", trace.SpanKindClient)
		return span, below
	}
	well, wellBelow := begin("well")
	bad, badBelow := begin("bad")
	over, overBelow := begin("over")
	overBelow.End()
	over.End() // it ends before anything fails: its own span is gone
	wellBelow.End()
	badBelow.End()
	bad.SetStatus(codes.Error, "")
	bad.End()
	well.End()
	require.ElementsMatch(t, []string{"over below", "well below", "bad below", "bad", "well"}, r.names(t, p))
	require.Empty(t, p.keeper.traces)
	require.Zero(t, p.keeper.spans)
}

func TestWhatWaitsIsBounded(t *testing.T) {
	r := &receiver{}
	p, _ := provider(t, r)
	door := tracing.NewDoor(p.Service("router"), 0, "")
	var open []trace.Span
	for range mostTraces + 100 {
		ctx, span := door.Enter(t.Context(), "request", "", "")
		open = append(open, span)
		for range 3 {
			_, below := tracing.Start(ctx, "below", trace.SpanKindClient)
			below.End()
		}
	}
	require.Len(t, p.keeper.traces, mostTraces)
	require.Equal(t, mostSpans, p.keeper.spans)
	for _, s := range open[:len(open)-1] {
		s.End()
	}
	tracing.Fail(open[len(open)-1], "INTERNAL") // one beyond the bound
	open[len(open)-1].End()
	require.Equal(t, []string{"request"}, r.names(t, p))
	require.Zero(t, p.keeper.spans)
	require.Empty(t, p.keeper.traces)

	ctx, span := door.Enter(t.Context(), "request", "", "")
	for range 10 * mostSpansOfTrace {
		_, below := tracing.Start(ctx, "below", trace.SpanKindClient)
		below.End()
	}
	tracing.Fail(span, "INTERNAL")
	span.End()
	require.Len(t, r.names(t, p), mostSpansOfTrace+1)

	// A subscription's work goes on after its span has ended.
	_, late := tracing.Start(ctx, "late", trace.SpanKindClient)
	require.False(t, late.IsRecording())
	require.Empty(t, p.keeper.traces)
}

// Whatever a library tells, only what is on the list leaves.
func TestNothingPersonalLeaves(t *testing.T) {
	r := &receiver{}
	p, _ := provider(t, r)
	ctx, span := tracing.NewDoor(p.Service("router"), 1, "").Enter(t.Context(), "request", "", "")
	_, sql := tracing.Children().Tracer("library").Start(ctx, "SELECT", trace.WithAttributes(
		attribute.String("db.query.text", "SELECT $1"), attribute.String("db.query.parameter.0", "hunter2"),
		attribute.String("url.full", "https://s3/?X-Amz-Signature=hunter2"), attribute.String("enduser.email", "ada@hunter2.example")))
	sql.RecordError(errors.New("no account hunter2"))
	sql.SetStatus(codes.Error, "no account hunter2")
	sql.AddLink(trace.Link{SpanContext: span.SpanContext(), Attributes: []attribute.KeyValue{attribute.String("who", "hunter2")}})
	sql.End()
	span.End()
	require.NoError(t, p.keeper.ForceFlush(t.Context()))
	require.Len(t, r.spans, 2)
	s := r.spans[0]
	require.Equal(t, []attribute.KeyValue{attribute.String("db.query.text", "SELECT $1")}, s.Attributes())
	require.Equal(t, sdk.Status{Code: codes.Error}, s.Status())
	require.Empty(t, s.Events())
	require.Len(t, s.Links(), 1)
	require.Empty(t, s.Links()[0].Attributes)
}

func TestAReceiverThatIsAway(t *testing.T) {
	r := &receiver{err: errors.New("connection refused")}
	now := time.Now()
	var logged bytes.Buffer
	p := &patient{next: r, log: slog.New(slog.NewTextHandler(&logged, nil)), now: func() time.Time { return now }}
	spans := make([]sdk.ReadOnlySpan, 10)
	for range 1000 { // as many batches come in 100 s
		require.NoError(t, p.ExportSpans(t.Context(), spans))
		now = now.Add(100 * time.Millisecond)
	}
	require.Equal(t, 7, r.asked, "at 0, 1, 3, 7, 15, 31 and 63 s")
	require.EqualValues(t, 10_000, p.lost.Load())
	require.Equal(t, 1, strings.Count(logged.String(), "\n"), logged.String())

	r.err = nil
	now = now.Add(restMost)
	require.NoError(t, p.ExportSpans(t.Context(), spans))
	require.EqualValues(t, 10, p.sent.Load())
	require.Contains(t, logged.String(), "taken again")
	r.err = errors.New("away again")
	require.NoError(t, p.ExportSpans(t.Context(), spans))
	require.Equal(t, restLeast, p.rest)
	require.Equal(t, 3, strings.Count(logged.String(), "\n"), logged.String())
}

func TestAReceiverThatHangsHoldsUpNobody(t *testing.T) {
	r := &receiver{hang: make(chan struct{})}
	p, _ := provider(t, r)
	door := tracing.NewDoor(p.Service("router"), 1, "")
	const requests = 3 * queue
	for range requests {
		_, span := door.Enter(t.Context(), "request", "", "")
		span.End()
	}
	require.EqualValues(t, requests-queue, p.Lost(), "what did not fit is counted, to the span")
	close(r.hang)
	require.Len(t, r.names(t, p), queue, "what fitted arrives")
	require.EqualValues(t, queue, p.Sent())
}

// Over HTTP, to an address as it is configured; and nothing goes on after Close.
func TestOverHTTP(t *testing.T) {
	type call struct{ path, kind, body string }
	calls := make(chan call, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		calls <- call{r.URL.Path, r.Header.Get("Content-Type"), string(b)}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer s.Close()
	p, err := Open(t.Context(), s.URL+"/", "test", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ctx, span := tracing.NewDoor(p.Service("router"), 1, "").Enter(t.Context(), "request", "", "")
	_, there := tracing.Accept(ctx, p.Service("catalog"), nil, "there")
	there.End()
	span.End()
	require.NoError(t, p.Close(t.Context()))
	got := <-calls
	require.Equal(t, "/v1/traces", got.path)
	require.Equal(t, "application/x-protobuf", got.kind)
	require.Contains(t, got.body, "cinema-router")
	require.Contains(t, got.body, "cinema-catalog")
	require.EqualValues(t, 2, p.Sent())
	buf := make([]byte, 1<<20)
	require.NotContains(t, string(buf[:runtime.Stack(buf, true)]), "batchSpanProcessor", "no goroutine is left")
}

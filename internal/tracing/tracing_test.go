package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/tracing"
)

func recording() (*sdk.TracerProvider, *tracetest.InMemoryExporter) {
	kept := tracetest.NewInMemoryExporter()
	return sdk.NewTracerProvider(sdk.WithSyncer(kept)), kept
}

func TestOffCostsNothing(t *testing.T) {
	ctx := t.Context()
	var door *tracing.Door
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/graphql", nil)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, span := tracing.Start(ctx, "x", trace.SpanKindClient)
		tracing.End(span, nil)
		_, span = door.Enter(ctx, "x", "00-00000000000000010000000000000001-0000000000000001-01", "key")
		span.End()
		_, span = door.EnterHTTP(nil, r, "x")
		span.End()
	}))
}

func TestStartIsBelowWhatTheContextBrings(t *testing.T) {
	provider, kept := recording()
	ctx, root := provider.Tracer("test").Start(t.Context(), "root")
	for _, start := range []func() trace.Span{
		func() trace.Span { _, s := tracing.Start(ctx, "below", trace.SpanKindClient); return s },
		func() trace.Span { _, s := tracing.Children().Tracer("library").Start(ctx, "below"); return s },
	} {
		s := start()
		s.End()
		require.Equal(t, root.SpanContext().SpanID(), kept.GetSpans()[0].Parent.SpanID())
		kept.Reset()
	}
	root.End()
	_, s := tracing.Start(ctx, "late", trace.SpanKindClient)
	require.False(t, s.IsRecording(), "what begins after the end is told to nobody")
	_, s = tracing.Children().Tracer("library").Start(context.Background(), "alone")
	require.False(t, s.IsRecording(), "a library begins no trace")
}

func TestWhatIsOurFailure(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		kind string
	}{
		"none":        {nil, ""},
		"refused":     {fault.New(fault.NotFound, "x"), ""},
		"left":        {fmt.Errorf("query: %w", context.Canceled), ""},
		"unavailable": {fmt.Errorf("query: %w", fault.New(fault.Unavailable, "x")), "UNAVAILABLE"},
		"late":        {fmt.Errorf("query: %w", context.DeadlineExceeded), "timeout"},
		"other":       {fmt.Errorf("query: %w", errors.New("hunter2")), "errors.errorString"},
	} {
		t.Run(name, func(t *testing.T) {
			provider, kept := recording()
			_, s := provider.Tracer("test").Start(t.Context(), "x")
			tracing.End(s, c.err)
			got := kept.GetSpans()[0]
			if c.kind == "" {
				require.Equal(t, codes.Unset, got.Status.Code)
				return
			}
			require.Equal(t, codes.Error, got.Status.Code)
			require.Empty(t, got.Status.Description)
			require.Contains(t, got.Attributes, tracing.ErrorType.String(c.kind))
		})
	}
}

func TestTraceparent(t *testing.T) {
	const text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	require.Equal(t, text, tracing.Format(tracing.Parse(text)))
	require.False(t, tracing.Parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00").IsSampled())
	for _, bad := range []string{"", "00", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", text + "-x", "ff" + text[2:]} {
		require.False(t, tracing.Parse(bad).IsValid(), bad)
	}
	require.Empty(t, tracing.Format(trace.SpanContext{}))
}

func TestABatchIsToldInEachOfItsTraces(t *testing.T) {
	parent := func(n, sub byte) trace.SpanContext {
		return trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{n}, SpanID: trace.SpanID{sub}, TraceFlags: trace.FlagsSampled, Remote: true})
	}
	tell := func(parents []trace.SpanContext) map[trace.TraceID][]tracetest.SpanStub {
		provider, kept := recording()
		ctx, span := tracing.Batch(t.Context(), provider, "process", parents)
		_, insert := tracing.Start(ctx, "INSERT", trace.SpanKindClient)
		if insert.IsRecording() {
			insert.SetAttributes(tracing.System.String("clickhouse"))
		}
		tracing.End(insert, errors.New("full"))
		tracing.End(span, nil)
		all := map[trace.TraceID][]tracetest.SpanStub{}
		for _, s := range kept.GetSpans() {
			all[s.SpanContext.TraceID()] = append(all[s.SpanContext.TraceID()], s)
		}
		return all
	}
	require.Empty(t, tell(nil))
	require.Empty(t, tell([]trace.SpanContext{{}}))
	require.Len(t, tell([]trace.SpanContext{parent(1, 1)}), 1)
	got := tell([]trace.SpanContext{parent(1, 1), parent(2, 2), parent(1, 3)})
	require.Len(t, got, 2)
	for id, spans := range got {
		require.Len(t, spans, 2, "a trace with two records is told once")
		insert, process := spans[0], spans[1]
		require.Equal(t, "INSERT", insert.Name)
		require.Equal(t, process.SpanContext.SpanID(), insert.Parent.SpanID())
		require.Equal(t, trace.SpanID{id[0]}, process.Parent.SpanID())
		require.Equal(t, trace.SpanKindConsumer, process.SpanKind)
		require.Equal(t, codes.Error, insert.Status.Code)
		require.Contains(t, insert.Attributes, tracing.System.String("clickhouse"))
	}
	var many []trace.SpanContext
	for n := range 3 * tracing.MostTraces {
		many = append(many, parent(byte(n+1), 1))
	}
	require.Len(t, tell(many), tracing.MostTraces)
}

func TestClientTellsWhatAStoreAnswered(t *testing.T) {
	var sent http.Header
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent = r.Header
		if r.URL.Path == "/broken" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer store.Close()
	provider, kept := recording()
	client := &http.Client{Transport: tracing.Client{Base: http.DefaultTransport, Name: "s3"}}
	ask := func(ctx context.Context, path string) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, store.URL+path, nil)
		require.NoError(t, err)
		res, err := client.Do(r)
		require.NoError(t, err)
		res.Body.Close()
	}
	ask(t.Context(), "/")
	require.Empty(t, kept.GetSpans(), "a store asked for nobody's sake begins no trace")
	ctx, root := provider.Tracer("test").Start(t.Context(), "root")
	ask(ctx, "/secret-key?X-Amz-Signature=hunter2")
	ask(ctx, "/broken")
	root.End()
	spans := kept.GetSpans()
	require.Len(t, spans, 3)
	require.Equal(t, "GET s3", spans[0].Name)
	require.Contains(t, spans[0].Attributes, tracing.Status.Int(200))
	require.NotContains(t, fmt.Sprint(spans[0].Attributes), "hunter2")
	require.Equal(t, codes.Error, spans[1].Status.Code)
	require.Empty(t, sent.Get("Traceparent"), "a store is told nothing")
}

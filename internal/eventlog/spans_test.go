package eventlog_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/netflixathome/cinema/engines/enginestest"
	"github.com/netflixathome/cinema/internal/eventlog"
	"github.com/netflixathome/cinema/internal/tracing"
)

// A trace goes through the log: what a reader does with a record is told below
// the span that wrote it.
func TestATraceGoesThroughTheLog(t *testing.T) {
	kept := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(kept))
	l, err := eventlog.Open(t.Context(), eventlog.Config{Brokers: enginestest.Kafka(t, "a"), Topics: []string{"a"}, Tracer: provider}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close(context.Background())) }()
	write := func(ctx context.Context, value string) {
		require.NoError(t, l.Append(ctx, []eventlog.Message{{Topic: "a", Key: []byte("k"), Value: []byte(value)}}))
	}
	request := func(name string) (context.Context, trace.Span) {
		return provider.Tracer("test").Start(t.Context(), name)
	}
	one, oneSpan := request("one")
	other, otherSpan := request("other")
	picked := sdk.NewTracerProvider(sdk.WithSyncer(kept), sdk.WithSampler(sdk.NeverSample()))
	unpicked, _ := picked.Tracer("test").Start(t.Context(), "unpicked")
	write(t.Context(), "nobody's")
	write(unpicked, "unpicked")
	write(one, "1")
	write(other, "2")
	write(one, "3")
	oneSpan.End()
	otherSpan.End()

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	attempts, traced := 0, 0
	require.NoError(t, l.Consume(ctx, eventlog.Reader{Group: "g", Topics: []string{"a"}, MaxRecords: 5, MaxWait: 10 * time.Second, Handle: func(ctx context.Context, batch []eventlog.Record) error {
		require.Len(t, batch, 5)
		for _, r := range batch {
			if r.Trace.IsValid() {
				traced++
			}
		}
		_, span := tracing.Start(ctx, "INSERT", trace.SpanKindClient)
		span.End()
		if attempts++; attempts == 1 {
			return errors.New("the store is away")
		}
		cancel()
		return nil
	}}))
	require.Equal(t, 2*3, traced)

	byName := map[string][]tracetest.SpanStub{}
	ids := map[trace.SpanID]tracetest.SpanStub{}
	for _, s := range kept.GetSpans() {
		byName[s.Name] = append(byName[s.Name], s)
		ids[s.SpanContext.SpanID()] = s
	}
	require.Len(t, byName["send a"], 3)
	require.Len(t, byName["process a"], 4, "two attempts, each in both traces")
	require.Len(t, byName["INSERT"], 4)
	for _, s := range byName["INSERT"] {
		process := ids[s.Parent.SpanID()]
		send := ids[process.Parent.SpanID()]
		require.Equal(t, "process a", process.Name)
		require.Equal(t, "send a", send.Name)
		require.Contains(t, []string{"one", "other"}, ids[send.Parent.SpanID()].Name)
		require.Contains(t, process.Attributes, tracing.ConsumerGroup.String("g"))
		require.Contains(t, process.Attributes, tracing.MessagingCount.Int(5))
		require.Equal(t, trace.SpanKindProducer, send.SpanKind)
	}
	failed := 0
	for _, s := range byName["process a"] {
		if s.Status.Code == codes.Error {
			failed++
		}
	}
	require.Equal(t, 2, failed)
}

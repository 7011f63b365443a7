package eventlog

import (
	"context"

	"github.com/IBM/sarama"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/netflixathome/cinema/internal/tracing"
)

// traceHeader is the record header with the traceparent of who wrote it.
const traceHeader = "traceparent"

// startSend begins the span of an Append.
func startSend(ctx context.Context, list []Message) (context.Context, trace.Span) {
	if len(list) == 0 || !tracing.On(ctx) {
		return ctx, noop.Span{}
	}
	name := "send"
	topic := oneTopic(len(list), func(i int) string { return list[i].Topic })
	if topic != "" {
		name += " " + topic
	}
	ctx, span := tracing.Start(ctx, name, trace.SpanKindProducer)
	describe(span, "send", topic, len(list))
	return ctx, span
}

// traceHeaders are the headers of the records that ctx's request writes: none
// unless its trace is kept, for then nobody will ask what became of them.
func traceHeaders(ctx context.Context) []sarama.RecordHeader {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsSampled() {
		return nil
	}
	return []sarama.RecordHeader{{Key: []byte(traceHeader), Value: []byte(tracing.Format(sc))}}
}

func traceOf(headers []*sarama.RecordHeader) trace.SpanContext {
	for _, h := range headers {
		if string(h.Key) == traceHeader {
			return tracing.Parse(string(h.Value))
		}
	}
	return trace.SpanContext{}
}

// attempt handles a batch once, as a span in the traces that its records are of.
func (m *member) attempt(ctx context.Context, records []Record) (err error) {
	if m.tracer == nil {
		return m.r.Handle(ctx, records)
	}
	var writers []trace.SpanContext
	for i := range records {
		if records[i].Trace.IsSampled() {
			writers = append(writers, records[i].Trace)
		}
	}
	name := "process"
	topic := oneTopic(len(records), func(i int) string { return records[i].Topic })
	if topic != "" {
		name += " " + topic
	}
	ctx, span := tracing.Batch(ctx, m.tracer, name, writers)
	defer func() { tracing.End(span, err) }()
	if span.IsRecording() {
		describe(span, "process", topic, len(records))
		span.SetAttributes(tracing.ConsumerGroup.String(m.r.Group))
	}
	return m.r.Handle(ctx, records)
}

func describe(span trace.Span, operation, topic string, count int) {
	span.SetAttributes(tracing.Messaging.String("kafka"), tracing.MessagingName.String(operation),
		tracing.MessagingType.String(operation), tracing.MessagingCount.Int(count))
	if topic != "" {
		span.SetAttributes(tracing.Destination.String(topic))
	}
}

// oneTopic is the topic of all n, empty where they have several.
func oneTopic(n int, topic func(i int) string) string {
	for i := 1; i < n; i++ {
		if topic(i) != topic(0) {
			return ""
		}
	}
	return topic(0)
}

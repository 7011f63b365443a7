// Package otlp sends spans to whatever takes OTLP over HTTP: Jaeger, or a
// collector of OpenTelemetry.
//
// Every span is recorded where tracing is on; what is kept is decided by the
// trace. One that was picked (by lot or by the operator's key, see
// tracing.Door) is sent span by span. Of any other the spans of this process
// wait until the process has done its part, and are sent only if that failed.
// So errors are always there, and what went well costs memory for as long as
// it takes. See docs/adr/0093.
//
// A receiver that is away costs spans and nothing else: a bounded queue, one
// request at a time with a growing rest after a failure, one line in the log.
package otlp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/netflixathome/cinema/internal/tracing"
)

const (
	// queue bounds the spans that wait to be sent: some megabytes.
	queue = 4096
	// batch and batchWait end a request to the receiver.
	batch     = 512
	batchWait = 2 * time.Second
	// sendTimeout bounds a request.
	sendTimeout = 5 * time.Second
	// longest bounds the text of an attribute; a statement of SQL has more.
	longest = 2048
)

// Provider makes the spans of this process's services and sends them.
type Provider struct {
	keeper  *keeper
	patient *patient
	version string
	process string
}

// Open starts sending to the receiver at an address such as
// http://jaeger:4318. It does not ask whether somebody is there. Close it.
func Open(ctx context.Context, address, version string, log *slog.Logger) (*Provider, error) {
	if log == nil {
		return nil, errors.New("otlp: a logger is required")
	}
	exporter, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(strings.TrimSuffix(address, "/")+"/v1/traces"),
		otlptracehttp.WithTimeout(sendTimeout),
		// A failure is rested over by patient, for all batches.
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: false}))
	if err != nil {
		return nil, fmt.Errorf("otlp: %w", err)
	}
	return open(exporter, version, log.With("address", address)), nil
}

func open(exporter sdk.SpanExporter, version string, log *slog.Logger) *Provider {
	p := &Provider{version: version, process: uuid.NewString()}
	p.patient = &patient{next: exporter, log: log, now: time.Now}
	p.keeper = newKeeper(sdk.NewBatchSpanProcessor(p.patient,
		sdk.WithMaxQueueSize(queue), sdk.WithMaxExportBatchSize(batch), sdk.WithBatchTimeout(batchWait), sdk.WithExportTimeout(2*sendTimeout)), p.patient)
	return p
}

// Service is the provider for the spans of a service, by which they are told
// apart whether or not it is a process of its own.
func (p *Provider) Service(name string) trace.TracerProvider {
	limits := sdk.SpanLimits{
		AttributeValueLengthLimit: longest, AttributeCountLimit: 64, EventCountLimit: 8, LinkCountLimit: 8,
		AttributePerEventCountLimit: 8, AttributePerLinkCountLimit: 8,
	}
	return sdk.NewTracerProvider(
		sdk.WithSampler(sampler{}), sdk.WithSpanProcessor(p.keeper), sdk.WithRawSpanLimits(limits),
		sdk.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "cinema-"+name), attribute.String("service.namespace", "cinema"),
			attribute.String("service.version", p.version), attribute.String("service.instance.id", p.process))))
}

// Sent is how many spans the receiver took.
func (p *Provider) Sent() uint64 { return p.patient.sent.Load() }

// Lost is how many were to be sent and were not: the queue was full, or the
// receiver away.
func (p *Provider) Lost() uint64 { return p.patient.lost.Load() }

// Close sends what waits until ctx ends.
func (p *Provider) Close(ctx context.Context) error { return p.keeper.Shutdown(ctx) }

// sampler has every span recorded and marks those of traces that were picked.
type sampler struct{}

// ShouldSample implements sdk.Sampler.
func (sampler) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	parent := trace.SpanContextFromContext(p.ParentContext)
	keep := parent.IsSampled()
	if !parent.IsValid() || parent.IsRemote() {
		if decided, ok := tracing.Decision(p.ParentContext); ok {
			keep = decided
		}
	}
	if keep {
		return sdk.SamplingResult{Decision: sdk.RecordAndSample}
	}
	return sdk.SamplingResult{Decision: sdk.RecordOnly}
}

// Description implements sdk.Sampler.
func (sampler) Description() string { return "picked at the door; errors by the keeper" }

package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/netflixathome/cinema/internal/gqlserver"
	"github.com/netflixathome/cinema/internal/pg"
	"github.com/netflixathome/cinema/internal/tracing"
	"github.com/netflixathome/cinema/internal/tracing/otlp"
)

// lastSpans is how long the end of the program waits for its last spans.
const lastSpans = 3 * time.Second

// openTracing starts sending spans, where they have somewhere to go.
func (a *app) openTracing(ctx context.Context) error {
	if a.cfg.Tracing.URL == "" {
		return nil
	}
	p, err := otlp.Open(ctx, a.cfg.Tracing.URL, a.version, a.log.With("part", "tracing"))
	if err != nil {
		return err
	}
	a.tracing = p
	a.closers = append(a.closers, func() {
		ctx, cancel := context.WithTimeout(context.Background(), lastSpans)
		defer cancel()
		if err := p.Close(ctx); err != nil {
			a.log.Warn("the last spans were not sent", "error", err)
		}
	})
	for outcome, count := range map[string]func() uint64{"sent": p.Sent, "lost": p.Lost} {
		a.metrics.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "cinema_trace_spans_total", Help: "Spans of kept traces, by what became of them.",
			ConstLabels: prometheus.Labels{"outcome": outcome},
		}, func() float64 { return float64(count()) }))
	}
	return nil
}

// tracer is the provider for the spans of a service; nil where nothing is
// traced.
func (a *app) tracer(service string) trace.TracerProvider {
	if a.tracing == nil {
		return nil
	}
	return a.tracing.Service(service)
}

// tracedSQL is what opens a database whose statements are told of, where
// anything is.
func (a *app) tracedSQL() []pg.Option {
	if a.tracing == nil {
		return nil
	}
	return []pg.Option{pg.Traced()}
}

// door is where the traces of requests from outside begin; nil where nothing
// is traced.
func (a *app) door() *tracing.Door {
	if a.tracing == nil {
		return nil
	}
	return tracing.NewDoor(a.tracer("router"), a.cfg.Tracing.Ratio, a.cfg.Tracing.Key)
}

// traceSubgraphs has the subgraphs of this process tell what they do.
func (a *app) traceSubgraphs() {
	if a.tracing == nil {
		return
	}
	for name, h := range a.subgraphs {
		a.subgraphs[name] = gqlserver.Traced(a.tracer(name), h)
	}
	if a.media != nil {
		a.media = tracing.Handler(a.tracer("catalog"), "/media/", a.media)
	}
	if a.uploads != nil {
		a.uploads = tracing.Handler(a.tracer("admin"), "/uploads/", a.uploads)
	}
}

package app

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/netflixathome/cinema/router"
)

// metrics are what the program counts, for Prometheus.
type metrics struct {
	registry      *prometheus.Registry
	operations    *prometheus.HistogramVec
	faults        *prometheus.CounterVec
	fetches       *prometheus.HistogramVec
	answers       *prometheus.CounterVec
	subscriptions prometheus.Gauge
	connections   prometheus.Gauge
}

func newMetrics() *metrics {
	seconds := []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		operations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "cinema_operation_seconds", Help: "GraphQL operations by name (those of the web app; others are \"other\"), kind and transport.", Buckets: seconds,
		}, []string{"operation", "kind", "transport"}),
		faults: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cinema_operation_errors_total", Help: "Errors of GraphQL operations by extensions.code.",
		}, []string{"code"}),
		fetches: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "cinema_subgraph_fetch_seconds", Help: "Fetches of the router from a subgraph.", Buckets: seconds,
		}, []string{"subgraph", "failed"}),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cinema_catalog_answers_total", Help: "Answers of the catalogue, and entities in them, by whether they were kept from before.",
		}, []string{"kept"}),
		subscriptions: prometheus.NewGauge(prometheus.GaugeOpts{Name: "cinema_subscriptions", Help: "Open subscriptions."}),
		connections:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "cinema_websocket_connections", Help: "Open WebSocket connections."}),
	}
	m.registry.MustRegister(m.operations, m.faults, m.fetches, m.answers, m.subscriptions, m.connections,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// OperationDone implements router.Metrics. A client chooses the name of its
// operation, so only those that the web app was built with become labels.
func (m *metrics) OperationDone(_ context.Context, op router.Operation) {
	name := "other"
	if op.Persisted {
		name = op.Name
	}
	m.operations.WithLabelValues(name, op.Kind, op.Transport).Observe(op.Duration.Seconds())
	for _, code := range op.Codes {
		m.faults.WithLabelValues(code).Inc()
	}
}

// SubgraphDone implements router.Metrics.
func (m *metrics) SubgraphDone(_ context.Context, subgraph string, d time.Duration, failed bool) {
	label := "false"
	if failed {
		label = "true"
	}
	m.fetches.WithLabelValues(subgraph, label).Observe(d.Seconds())
}

// answerKept counts answers of the catalogue that were there, and that were made.
func (m *metrics) answerKept(there bool) { m.answers.WithLabelValues(strconv.FormatBool(there)).Inc() }

// SubscriptionsChanged implements router.Metrics.
func (m *metrics) SubscriptionsChanged(delta int) { m.subscriptions.Add(float64(delta)) }

// ConnectionsChanged implements router.Metrics.
func (m *metrics) ConnectionsChanged(delta int) { m.connections.Add(float64(delta)) }

// gauge adds a figure that is asked for when Prometheus asks.
func (a *app) gauge(name, help string, value func() float64) {
	a.metrics.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// part is the state of one part of the program, as /readyz tells it.
type part struct {
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

// ops is the operator's handler: /healthz says that the process lives,
// /readyz that it can serve and how each part fares, /metrics what it counts,
// /debug/pprof/ where its time and memory go. A profile costs nothing until it
// is asked for, and the operator's door is not the public one.
func (a *app) ops() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
		defer cancel()
		ready, parts := a.examine(ctx)
		w.Header().Set("Content-Type", "application/json")
		if !ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"ready": ready, "version": a.version, "parts": parts})
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// examine asks every part at once.
func (a *app) examine(ctx context.Context) (ready bool, parts []part) {
	parts = make([]part, len(a.health))
	var wg sync.WaitGroup
	for i, h := range a.health {
		wg.Go(func() {
			parts[i] = part{Name: h.name, OK: true}
			if err := h.check(ctx); err != nil {
				parts[i] = part{Name: h.name, Error: err.Error()}
			}
		})
	}
	wg.Wait()
	ready = a.opened.Load() && !a.going.Load()
	for i, p := range parts {
		ready = ready && (p.OK || a.health[i].optional)
	}
	for _, h := range a.engines.Health(ctx) {
		p := part{Name: "engine " + h.Name, OK: h.Err == nil}
		if h.Err != nil {
			p.Error = h.Err.Error()
		}
		parts = append(parts, p)
		ready = ready && (p.OK || h.Off || h.Name == "clickhouse")
	}
	return ready, parts
}

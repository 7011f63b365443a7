package app

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// part is the state of one part of the program, as /readyz tells it.
type part struct {
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`

	engine   string // its name, where the part is an embedded engine
	restarts int
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
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.metrics.registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// examine asks every part at once; until they are all made, it names the one
// that is waited for.
func (a *app) examine(ctx context.Context) (ready bool, parts []part) {
	if !a.wired.Load() {
		if w := a.waiting.Load(); w != nil {
			parts = append(parts, part{Name: w.part, Error: "the start waits for " + w.variable + " at " + w.address + ": " + w.err.Error()})
		}
		return false, parts
	}
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
		p := part{Name: "engine " + h.Name, OK: h.Err == nil, engine: h.Name, restarts: h.Restarts}
		if h.Err != nil {
			p.Error = h.Err.Error()
		}
		parts = append(parts, p)
		ready = ready && (p.OK || h.Off || h.Name == "clickhouse")
	}
	return ready, parts
}

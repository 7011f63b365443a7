package router_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/tracing"
	"github.com/netflixathome/cinema/internal/tracing/otlp"
	"github.com/netflixathome/cinema/router"
)

// BenchmarkRouterHome is the home page's operation, its plan warm: one root
// fetch at each of two subgraphs and entities between them. The peers walk the
// document on each call, so that about half of the time is theirs.
func BenchmarkRouterHome(b *testing.B) { benchmarkHome(b, nil) }

// BenchmarkRouterHomeTraced is the same with every span recorded and a
// twentieth of the traces sent to a receiver, which takes its share too.
func BenchmarkRouterHomeTraced(b *testing.B) {
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer receiver.Close()
	p, err := otlp.Open(b.Context(), receiver.URL, "bench", slog.New(slog.DiscardHandler))
	require.NoError(b, err)
	defer func() { require.NoError(b, p.Close(context.Background())) }()
	benchmarkHome(b, func(o *router.Options) { o.Tracing = tracing.NewDoor(p.Service("router"), 0.05, "") })
	b.ReportMetric(float64(p.Sent())/float64(b.N), "sent/op")
}

func benchmarkHome(b *testing.B, change func(*router.Options)) {
	h := newHouse(b, change)
	body, err := json.Marshal(map[string]any{"query": homePage, "variables": map[string]any{"locale": "en"}})
	require.NoError(b, err)
	handler := h.router.Handler()
	call := func() int {
		r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer viewer")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Code
	}
	require.Equal(b, 200, call())
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if call() != 200 {
				b.Error("not answered")
			}
		}
	})
}

// BenchmarkRouterHome50Clients is the same from 50 clients over loopback, with
// the percentiles that one of them sees.
func BenchmarkRouterHome50Clients(b *testing.B) {
	h := newHouse(b, nil)
	body, err := json.Marshal(map[string]any{"query": homePage, "variables": map[string]any{"locale": "en"}})
	require.NoError(b, err)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 50}}
	call := func() error {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, h.server.URL+"/graphql", bytes.NewReader(body))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer viewer")
		resp, err := client.Do(r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	require.NoError(b, call())
	var mu sync.Mutex
	var took []time.Duration
	b.SetParallelism(max(1, 50/runtime.GOMAXPROCS(0)))
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		var mine []time.Duration
		for pb.Next() {
			start := time.Now()
			if err := call(); err != nil {
				b.Error(err)
			}
			mine = append(mine, time.Since(start))
		}
		mu.Lock()
		took = append(took, mine...)
		mu.Unlock()
	})
	slices.Sort(took)
	at := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))].Microseconds()) / 1000 }
	b.ReportMetric(at(0.5), "p50-ms")
	b.ReportMetric(at(0.99), "p99-ms")
}

// BenchmarkRouterAlone is the router with peers that answer from memory.
func BenchmarkRouterAlone(b *testing.B) {
	h := newHouse(b, nil)
	h.catalog.before = func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = io.WriteString(w, `{"data":{"genres":[{"id":"genre_1","slug":"horror","name":"Horror"},{"id":"genre_2","slug":"comedy","name":"Comedy"}]}}`)
		return true
	}
	body, err := json.Marshal(map[string]any{"query": `query Genres($locale: Locale) { genres { id slug name(locale: $locale) } }`, "variables": map[string]any{"locale": "en"}})
	require.NoError(b, err)
	handler := h.router.Handler()
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer viewer")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != 200 {
			b.Fatal(w.Body.String())
		}
	}
}

// BenchmarkPlan is what a document costs that nobody sent before.
func BenchmarkPlan(b *testing.B) {
	h := newHouse(b, nil)
	i := 0
	for b.Loop() {
		i++
		a := h.ask(b, "", "# "+itoa(i)+"\n"+homePage, nil)
		if a.code() != "UNAUTHENTICATED" {
			b.Fatal(a.body)
		}
	}
}

package app

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/netflixathome/cinema/collectors"
	"github.com/netflixathome/cinema/etl/media"
	"github.com/netflixathome/cinema/internal/events"
	"github.com/netflixathome/cinema/internal/mail"
	"github.com/netflixathome/cinema/router"
	"github.com/netflixathome/cinema/subgraphs/telemetry"
)

// exposed is what Prometheus reads.
func exposed(t *testing.T, m *metrics) string {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	w := httptest.NewRecorder()
	promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true}).ServeHTTP(w, r)
	require.Equal(t, 200, w.Code)
	return w.Body.String()
}

func series(t *testing.T, m *metrics) (n int) {
	t.Helper()
	families, err := m.registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		n += len(f.GetMetric())
	}
	return n
}

// What a client chooses makes no time series.
func TestClientsAddNoTimeSeries(t *testing.T) {
	m := newMetrics("test")
	done := func(name string, code string) {
		m.OperationDone(t.Context(), router.Operation{Name: name, Kind: "query", Transport: "http", Codes: []string{code}})
	}
	done("Mine", "INVALID")
	before := series(t, m)
	for i := range 1000 {
		done(fmt.Sprintf("Mine%d", i), "INVALID")
	}
	require.Equal(t, before, series(t, m))
	for i := range 1000 {
		done("Mine", fmt.Sprintf("CODE_%d", i))
	}
	require.LessOrEqual(t, series(t, m), before+100)
	require.Contains(t, exposed(t, m), `cinema_operation_errors_total{code="other",operation="other"} 901`)
}

// A figure leads to the trace that it comes from, where that trace is kept.
func TestExemplars(t *testing.T) {
	m := newMetrics("test")
	span := func(flags trace.TraceFlags) context.Context {
		return trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{0xab, 1}, SpanID: trace.SpanID{1}, TraceFlags: flags,
		}))
	}
	op := router.Operation{Name: "Home", Persisted: true, Kind: "query", Transport: "http", Duration: 3 * time.Millisecond}
	m.OperationDone(span(0), op)
	require.NotContains(t, exposed(t, m), "trace_id")
	m.OperationDone(span(trace.FlagsSampled), op)
	require.Contains(t, exposed(t, m), `# {trace_id="ab010000000000000000000000000000"} 0.003`)
}

func TestWhatIsToldIsExposed(t *testing.T) {
	m := newMetrics("v1")
	m.expect(map[string]string{"x": "fragment F on T { id } query Home($l: Locale) { a }"})
	m.OperationDone(t.Context(), router.Operation{Name: "Home", Persisted: true, Kind: "query", Transport: "http", PlanCached: true, Codes: []string{"INTERNAL"}})
	m.OperationDone(t.Context(), router.Operation{Transport: "http", Codes: []string{"GRAPHQL_PARSE_FAILED"}}) // no plan was wanted
	m.SubgraphDone(t.Context(), "auth", time.Millisecond, true)
	m.loaded("catalog")(t.Context(), "titles", 40)
	m.batchDone(collectors.Batch{Collector: "activity", Records: 70, Oldest: time.Now(), Dead: map[string]int{"TOO_OLD": 2}})
	m.batchDone(collectors.Batch{Collector: "activity", Records: 70, Err: context.DeadlineExceeded})
	began, ended := time.Unix(100, 0), time.Unix(160, 0)
	m.jobChanged(media.Job{State: media.Encoding, StartedAt: &began})
	m.jobChanged(media.Job{State: media.Ready, StartedAt: &began, FinishedAt: &ended})
	m.recorded(t.Context(), []telemetry.Fact{
		{Name: events.PlayStarted, Device: "tv", FirstFrame: 400 * time.Millisecond},
		{Name: events.Heartbeat, Device: "tv", Played: 10 * time.Second},
		{Name: events.Stalled, Device: "tv", Stalled: 1500 * time.Millisecond},
	}, []*telemetry.RejectedEvent{{Code: "TOO_OLD"}})

	m.letterDone("invitation", mail.Repeated, time.Second)
	m.letterDone("invitation", mail.Sent, 5*time.Second)

	text := exposed(t, m)
	for _, line := range []string{
		`cinema_letters_total{kind="invitation",result="sent"} 1`,
		`cinema_letters_total{kind="invitation",result="repeated"} 1`,
		`cinema_letters_total{kind="password_link",result="lost"} 0`,
		`cinema_letter_seconds_sum{kind="invitation"} 5`,
		`cinema_build_info{goversion="`, `version="v1"} 1`,
		`cinema_operation_errors_total{code="INTERNAL",operation="Home"} 1`,
		`cinema_operation_errors_total{code="UNAVAILABLE",operation="Home"} 0`,
		`cinema_plan_cache_requests_total{result="hit"} 1`,
		`cinema_plan_cache_requests_total{result="miss"} 0`,
		`cinema_subgraph_fetch_seconds_count{failed="true",subgraph="auth"} 1`,
		`cinema_dataloader_batch_keys_sum{loader="titles",subgraph="catalog"} 40`,
		`cinema_collector_batch_records_sum{collector="activity"} 70`,
		`cinema_collector_batch_seconds_count{collector="activity",failed="true"} 1`,
		`cinema_collector_batch_seconds_count{collector="activity",failed="false"} 1`,
		`cinema_dead_letters_total{reason="TOO_OLD"} 2`,
		`cinema_media_job_seconds_sum{state="ready"} 60`,
		`cinema_events_total{name="play_started"} 1`,
		`cinema_events_total{name="searched"} 0`,
		`cinema_events_rejected_total{reason="TOO_OLD"} 1`,
		`cinema_player_first_frame_seconds_sum{device="tv"} 0.4`,
		`cinema_player_watched_seconds_total 10`,
		`cinema_player_stalled_seconds_total 1.5`,
	} {
		require.Contains(t, text, line)
	}
}

package app

import (
	"context"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	promcollectors "github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/trace"

	"github.com/netflixathome/cinema/collectors"
	etlcatalog "github.com/netflixathome/cinema/etl/catalog"
	"github.com/netflixathome/cinema/etl/media"
	"github.com/netflixathome/cinema/internal/cache"
	"github.com/netflixathome/cinema/internal/events"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/mail"
	"github.com/netflixathome/cinema/router"
	"github.com/netflixathome/cinema/subgraphs/auth"
	"github.com/netflixathome/cinema/subgraphs/telemetry"
)

// metrics are what the program counts, for Prometheus. Every label is from a
// closed set, or kept to one by words: no client can add a time series.
type metrics struct {
	registry *prometheus.Registry

	operations    *prometheus.HistogramVec
	faults        *prometheus.CounterVec
	plans         *prometheus.CounterVec
	fetches       *prometheus.HistogramVec
	subscriptions prometheus.Gauge
	connections   prometheus.Gauge
	batches       *prometheus.HistogramVec
	cache         *prometheus.CounterVec
	answers       *prometheus.CounterVec

	collected    *prometheus.HistogramVec
	collectedAge *prometheus.HistogramVec
	collecting   *prometheus.HistogramVec
	dead         *prometheus.CounterVec
	dropped      prometheus.Counter
	films        *prometheus.HistogramVec

	events     *prometheus.CounterVec
	rejected   *prometheus.CounterVec
	firstFrame *prometheus.HistogramVec
	stalled    prometheus.Counter
	watched    prometheus.Counter

	letters    *prometheus.CounterVec
	lettersAge *prometheus.HistogramVec

	codes, reasons, refusals words
}

// Buckets: of an answer, of work on films, of counts.
var (
	seconds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	frames  = []float64{.1, .25, .5, .75, 1, 1.5, 2, 3, 5, 10, 30}
	ages    = []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800}
	filming = []float64{1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14400}
	counts  = []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000}
	bulks   = []float64{1, 10, 100, 500, 1000, 5000, 10_000, 20_000}
)

func newMetrics(version string) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
		m.registry.MustRegister(h)
		return h
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
		m.registry.MustRegister(g)
		return g
	}
	m.operations = histogram("cinema_operation_seconds", "GraphQL operations by name (those of the web app; others are \"other\"), kind and transport.", seconds, "operation", "kind", "transport")
	m.faults = counter("cinema_operation_errors_total", "GraphQL operations with an error, by name and extensions.code.", "operation", "code")
	m.plans = counter("cinema_plan_cache_requests_total", "Operations by whether their plan was there (hit) or had to be made (miss).", "result")
	m.fetches = histogram("cinema_subgraph_fetch_seconds", "Fetches of the router from a subgraph.", seconds, "subgraph", "failed")
	m.subscriptions = gauge("cinema_subscriptions", "Open subscriptions.")
	m.connections = gauge("cinema_websocket_connections", "Open WebSocket connections.")
	m.batches = histogram("cinema_dataloader_batch_keys", "Keys that a dataloader asked for at once.", counts, "subgraph", "loader")
	m.cache = counter("cinema_cache_requests_total", "Reads of the cache: hit, miss or error.", "result")
	m.answers = counter("cinema_catalog_answers_total", "Answers of the catalogue, and entities in them, by whether they were kept from before (hit) or made (miss).", "result")

	m.collected = histogram("cinema_collector_batch_records", "Records of the event log that a collector handled at once.", bulks, "collector")
	m.collectedAge = histogram("cinema_collector_batch_age_seconds", "Age of a batch's oldest record when it was stored.", ages, "collector")
	m.collecting = histogram("cinema_collector_batch_seconds", "Time to handle a batch, by whether it failed and is tried again.", seconds, "collector", "failed")
	m.dead = counter("cinema_dead_letters_total", "Events that could not be stored and were put aside, by reason.", "reason")
	m.dropped = prometheus.NewCounter(prometheus.CounterOpts{Name: "cinema_account_events_dropped_total", Help: "Sign-ups and sign-ins that were not recorded because the event log did not keep up."})
	m.registry.MustRegister(m.dropped)
	m.films = histogram("cinema_media_job_seconds", "Time from the first attempt of a media job to its end, by how it ended.", filming, "state")

	m.events = counter("cinema_events_total", "Activity events that clients sent and that the event log has; one sent twice counts twice.", "name")
	m.rejected = counter("cinema_events_rejected_total", "Activity events of clients that were refused, by reason.", "reason")
	m.firstFrame = histogram("cinema_player_first_frame_seconds", "From play to the first frame, as players report it.", frames, "device")
	m.stalled = prometheus.NewCounter(prometheus.CounterOpts{Name: "cinema_player_stalled_seconds_total", Help: "Time that players waited for data in the middle of a film."})
	m.watched = prometheus.NewCounter(prometheus.CounterOpts{Name: "cinema_player_watched_seconds_total", Help: "Time that players played, to the length of a heartbeat."})
	m.registry.MustRegister(m.stalled, m.watched)

	m.letters = counter("cinema_letters_total", "E-mails by kind and result: sent, repeated (a try that failed), refused by the mail server, or lost.", "kind", "result")
	m.lettersAge = histogram("cinema_letter_seconds", "Time from when an e-mail was posted to when the mail server had it.", ages, "kind")

	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "cinema_build_info", Help: "1, with the program's version."}, []string{"version", "goversion"})
	build.WithLabelValues(version, runtime.Version()).Set(1)
	m.registry.MustRegister(build, promcollectors.NewGoCollector(), promcollectors.NewProcessCollector(promcollectors.ProcessCollectorOpts{}))

	// What is counted rarely must be there before it first happens, or the
	// first time is no increase.
	for _, result := range []string{"hit", "miss"} {
		m.plans.WithLabelValues(result)
		m.cache.WithLabelValues(result)
		m.answers.WithLabelValues(result)
	}
	m.cache.WithLabelValues("error")
	m.rejected.WithLabelValues("OUT_OF_RANGE")
	for _, name := range events.Names() {
		m.events.WithLabelValues(string(name))
	}
	for _, state := range []media.State{media.Ready, media.Failed} {
		m.films.WithLabelValues(string(state))
	}
	for _, kind := range auth.LetterKinds() {
		m.lettersAge.WithLabelValues(kind)
		for _, r := range mail.Results() {
			m.letters.WithLabelValues(kind, string(r))
		}
	}
	return m
}

// ask adds a figure that is asked for when Prometheus asks.
func (m *metrics) ask(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// observe notes a figure with the trace that it comes from as its exemplar,
// where there is one that somebody keeps.
func observe(ctx context.Context, o prometheus.Observer, value float64) {
	if s := trace.SpanContextFromContext(ctx); s.HasTraceID() && s.IsSampled() {
		if e, ok := o.(prometheus.ExemplarObserver); ok {
			e.ObserveWithExemplar(value, prometheus.Labels{"trace_id": s.TraceID().String()})
			return
		}
	}
	o.Observe(value)
}

// words keeps the values of a label to the first hundred.
type words struct {
	mu   sync.Mutex
	seen map[string]struct{}
}

func (w *words) of(s string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.seen[s]; ok {
		return s
	}
	if len(w.seen) >= 100 {
		return other
	}
	if w.seen == nil {
		w.seen = map[string]struct{}{}
	}
	w.seen[s] = struct{}{}
	return s
}

const other = "other"

var operationName = regexp.MustCompile(`\b(?:query|mutation|subscription) (\w+)`)

// expect makes the router's counters of what is our fault: by operation of the
// web app, and by subgraph.
func (m *metrics) expect(persisted map[string]string) {
	for _, document := range persisted {
		if found := operationName.FindStringSubmatch(document); found != nil {
			for _, kind := range []fault.Kind{fault.Internal, fault.Unavailable} {
				m.faults.WithLabelValues(found[1], kind.Code())
			}
		}
	}
	for _, subgraph := range []string{"auth", "catalog", "admin", "telemetry"} {
		m.fetches.WithLabelValues(subgraph, "true")
	}
}

// expectCollectors makes the counters of what a collector should never do.
func (m *metrics) expectCollectors() {
	for _, name := range []string{"activity", "watch"} {
		m.collecting.WithLabelValues(name, "true")
	}
	m.dead.WithLabelValues("REFUSED")
}

// OperationDone implements router.Metrics. A client chooses the name of its
// operation, so only those that the web app was built with become labels.
func (m *metrics) OperationDone(ctx context.Context, op router.Operation) {
	name := other
	if op.Persisted {
		name = op.Name
	}
	observe(ctx, m.operations.WithLabelValues(name, op.Kind, op.Transport), op.Duration.Seconds())
	for _, code := range op.Codes {
		m.faults.WithLabelValues(name, m.codes.of(code)).Inc()
	}
	switch {
	case op.Kind == "": // it never came to a plan
	case op.PlanCached:
		m.plans.WithLabelValues("hit").Inc()
	default:
		m.plans.WithLabelValues("miss").Inc()
	}
}

// SubgraphDone implements router.Metrics.
func (m *metrics) SubgraphDone(ctx context.Context, subgraph string, d time.Duration, failed bool) {
	observe(ctx, m.fetches.WithLabelValues(subgraph, strconv.FormatBool(failed)), d.Seconds())
}

// answerKept counts answers of the catalogue that were there, and that were made.
func (m *metrics) answerKept(there bool) {
	if there {
		m.answers.WithLabelValues("hit").Inc()
	} else {
		m.answers.WithLabelValues("miss").Inc()
	}
}

// letterDone notes what came of an e-mail, or of a try to send it.
func (m *metrics) letterDone(kind string, r mail.Result, age time.Duration) {
	m.letters.WithLabelValues(kind, string(r)).Inc()
	if r == mail.Sent {
		m.lettersAge.WithLabelValues(kind).Observe(age.Seconds())
	}
}

// SubscriptionsChanged implements router.Metrics.
func (m *metrics) SubscriptionsChanged(delta int) { m.subscriptions.Add(float64(delta)) }

// ConnectionsChanged implements router.Metrics.
func (m *metrics) ConnectionsChanged(delta int) { m.connections.Add(float64(delta)) }

// loaded makes what a subgraph's dataloaders tell of their batches.
func (m *metrics) loaded(subgraph string) func(ctx context.Context, loader string, keys int) {
	return func(ctx context.Context, loader string, keys int) {
		observe(ctx, m.batches.WithLabelValues(subgraph, loader), float64(keys))
	}
}

// batchDone notes a batch of a collector.
func (m *metrics) batchDone(b collectors.Batch) {
	m.collecting.WithLabelValues(b.Collector, strconv.FormatBool(b.Err != nil)).Observe(b.Took.Seconds())
	if b.Err != nil {
		return // it comes again
	}
	m.collected.WithLabelValues(b.Collector).Observe(float64(b.Records))
	if !b.Oldest.IsZero() {
		m.collectedAge.WithLabelValues(b.Collector).Observe(max(0, time.Since(b.Oldest).Seconds()))
	}
	for reason, n := range b.Dead {
		m.dead.WithLabelValues(m.reasons.of(reason)).Add(float64(n))
	}
}

// jobChanged notes a media job that has come to its end.
func (m *metrics) jobChanged(j media.Job) {
	if j.State.Active() || j.StartedAt == nil {
		return
	}
	end := j.UpdatedAt
	if j.FinishedAt != nil {
		end = *j.FinishedAt
	}
	m.films.WithLabelValues(string(j.State)).Observe(max(0, end.Sub(*j.StartedAt).Seconds()))
}

// recorded notes what players and pages reported.
func (m *metrics) recorded(ctx context.Context, facts []telemetry.Fact, rejected []*telemetry.RejectedEvent) {
	for _, f := range facts {
		m.events.WithLabelValues(string(f.Name)).Inc()
		switch f.Name {
		case events.PlayStarted:
			if f.FirstFrame > 0 {
				observe(ctx, m.firstFrame.WithLabelValues(f.Device), f.FirstFrame.Seconds())
			}
		case events.Stalled:
			m.stalled.Add(f.Stalled.Seconds())
		case events.Heartbeat:
			m.watched.Add(f.Played.Seconds())
		}
	}
	for _, r := range rejected {
		m.rejected.WithLabelValues(m.refusals.of(r.Code)).Inc()
	}
}

// counted is a cache's store that counts what is found in it.
type counted struct {
	cache.Store
	requests *prometheus.CounterVec
}

func (c counted) Get(ctx context.Context, key string) (value []byte, ok bool, err error) {
	value, ok, err = c.Store.Get(ctx, key)
	result := "miss"
	switch {
	case err != nil:
		result = "error"
	case ok:
		result = "hit"
	}
	c.requests.WithLabelValues(result).Inc()
	return value, ok, err
}

// askFor is how long a scrape may take to find out the figures below.
const askFor = 3 * time.Second

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	partUp         = describe("cinema_part_up", "Whether a part that the program needs answers, as /readyz tells it.", "part")
	ready          = describe("cinema_ready", "Whether the program can serve, as /readyz tells it.")
	engineRestarts = describe("cinema_engine_restarts_total", "Times that an embedded engine was started again.", "engine")
	poolConns      = describe("cinema_postgres_pool_connections", "Connections to Postgres by what they are doing.", "database", "state")
	poolMax        = describe("cinema_postgres_pool_max_connections", "Connections to Postgres that there may be.", "database")
	poolAcquires   = describe("cinema_postgres_pool_acquires_total", "Connections that were asked for, by whether one was idle, had to be waited for, or the wait was given up.", "database", "result")
	poolWait       = describe("cinema_postgres_pool_acquire_seconds_total", "Time that was waited for connections.", "database")
	consumerLag    = describe("cinema_consumer_lag_records", "Records in the partitions that this instance reads which it has not handled yet.", "group", "topic")
	planCache      = describe("cinema_plan_cache_plans", "Plans that are kept.")
	mediaJobs      = describe("cinema_media_jobs", "Media jobs by state.", "state")
	jobsWaiting    = describe("cinema_media_oldest_waiting_seconds", "How long the media job that waits longest could have been worked on.")
	etlLag         = describe("cinema_etl_lag_seconds", "Age of the oldest change that was received and is not searchable yet.")
	etlState       = describe("cinema_etl_state", "1 for what the catalogue's ETL is doing, 0 for the rest.", "state")
	etlDocuments   = describe("cinema_etl_documents_total", "Documents written to or deleted from the index.", "kind")
	etlRebuilds    = describe("cinema_etl_rebuilds_total", "Indexes that were built anew.")
	etlSkipped     = describe("cinema_etl_skipped_records", "Records that could not be indexed, of the last hundred.")
	indexFresh     = describe("cinema_index_fresh_timestamp_seconds", "When all that the catalogue's log had brought was last searchable; 0 where another instance follows it.")
)

// live are the figures that are asked for when Prometheus asks.
type live struct {
	a     *app
	pools map[string]*pgxpool.Pool
	etl   *etlcatalog.ETL
}

// Describe implements prometheus.Collector.
func (l *live) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{partUp, ready, engineRestarts, poolConns, poolMax, poolAcquires, poolWait, consumerLag, planCache,
		mediaJobs, jobsWaiting, etlLag, etlState, etlDocuments, etlRebuilds, etlSkipped, indexFresh} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (l *live) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), askFor)
	defer cancel()
	s := sender{out}
	var wg sync.WaitGroup
	wg.Go(func() { l.parts(ctx, s) })
	defer wg.Wait()
	if !l.a.wired.Load() {
		return // nothing else is there yet
	}
	wg.Go(func() { l.queue(ctx, s) })
	for name, p := range l.pools {
		pool(s, name, p.Stat())
	}
	if l.a.events != nil {
		for _, lag := range l.a.events.Lag() {
			s.gauge(consumerLag, float64(lag.Records), lag.Group, lag.Topic)
		}
	}
	if l.a.router != nil {
		s.gauge(planCache, float64(l.a.router.Plans()))
	}
	if l.etl != nil {
		catalogue(s, l.etl.Status(), l.etl.Lag())
	}
}

type sender struct{ out chan<- prometheus.Metric }

func (s sender) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (s sender) counter(d *prometheus.Desc, v float64, labels ...string) {
	s.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

func (s sender) truth(d *prometheus.Desc, v bool, labels ...string) {
	if v {
		s.gauge(d, 1, labels...)
	} else {
		s.gauge(d, 0, labels...)
	}
}

func (l *live) parts(ctx context.Context, s sender) {
	ok, parts := l.a.examine(ctx)
	s.truth(ready, ok)
	for _, p := range parts {
		s.truth(partUp, p.OK, p.Name)
		if p.engine != "" {
			s.counter(engineRestarts, float64(p.restarts), p.engine)
		}
	}
}

func (l *live) queue(ctx context.Context, s sender) {
	if l.a.queue == nil || !l.a.cfg.Has("etl") {
		return // one service tells of the queue, not two
	}
	c, err := l.a.queue.Counts(ctx)
	if err != nil {
		return // cinema_part_up says that Postgres is away
	}
	for _, state := range []media.State{media.Queued, media.Probing, media.Encoding, media.Ready, media.Failed, media.Cancelled} {
		s.gauge(mediaJobs, float64(c.ByState[state]), string(state))
	}
	s.gauge(jobsWaiting, c.Waiting.Seconds())
}

func pool(s sender, database string, p *pgxpool.Stat) {
	s.gauge(poolConns, float64(p.AcquiredConns()), database, "used")
	s.gauge(poolConns, float64(p.IdleConns()), database, "idle")
	s.gauge(poolConns, float64(p.ConstructingConns()), database, "opening")
	s.gauge(poolMax, float64(p.MaxConns()), database)
	waited := p.EmptyAcquireCount()
	s.counter(poolAcquires, float64(p.AcquireCount()-waited), database, "idle")
	s.counter(poolAcquires, float64(waited), database, "waited")
	s.counter(poolAcquires, float64(p.CanceledAcquireCount()), database, "given_up")
	s.counter(poolWait, p.AcquireDuration().Seconds(), database)
}

func catalogue(s sender, st etlcatalog.Status, lag time.Duration) {
	s.gauge(etlLag, lag.Seconds())
	for _, state := range []etlcatalog.State{etlcatalog.Starting, etlcatalog.Rebuilding, etlcatalog.Following, etlcatalog.StandingBy, etlcatalog.Failing} {
		s.truth(etlState, st.State == state, strings.ReplaceAll(string(state), " ", "_"))
	}
	for kind, n := range map[string]int64{"title": st.Titles, "person": st.People, "genre": st.Genres} {
		s.counter(etlDocuments, float64(n), kind)
	}
	s.counter(etlRebuilds, float64(st.Rebuilds))
	s.gauge(etlSkipped, float64(len(st.Skipped)))
	fresh := 0.0
	if !st.Fresh.IsZero() {
		fresh = float64(st.Fresh.UnixMilli()) / 1000
	}
	s.gauge(indexFresh, fresh)
}

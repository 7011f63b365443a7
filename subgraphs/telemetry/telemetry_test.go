package telemetry_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/collectors"
	"github.com/netflixathome/cinema/engines/enginestest"
	graph "github.com/netflixathome/cinema/graph/telemetry"
	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/bus/memory"
	"github.com/netflixathome/cinema/internal/cache"
	cachememory "github.com/netflixathome/cinema/internal/cache/memory"
	"github.com/netflixathome/cinema/internal/ch"
	"github.com/netflixathome/cinema/internal/eventlog"
	"github.com/netflixathome/cinema/internal/events"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/gqlserver"
	"github.com/netflixathome/cinema/subgraphs/telemetry"
	"github.com/netflixathome/cinema/subgraphs/telemetry/clickhouse"
	"github.com/netflixathome/cinema/subgraphs/telemetry/postgres"
	"github.com/netflixathome/cinema/subgraphs/telemetry/resolver"
)

// viewer is a token of the tests: its text is "user profile session scopes".
type viewer struct{ user, profile, session uuid.UUID }

func newViewer() viewer {
	return viewer{uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())}
}

func (v viewer) token() string {
	return v.user.String() + "," + v.profile.String() + "," + v.session.String()
}

type tokens struct{}

func (tokens) Verify(_ context.Context, token string) (*authn.Claims, error) {
	parts := strings.Split(token, ",")
	if len(parts) != 3 {
		return nil, fault.New(fault.Unauthenticated, "no")
	}
	return &authn.Claims{UserID: uuid.MustParse(parts[0]), ProfileID: uuid.MustParse(parts[1]), SessionID: uuid.MustParse(parts[2]), Scopes: map[string]bool{"stats:read": true}}, nil
}

// queries counts the statements that a test lets through.
type queries struct{ n atomic.Int64 }

func (q *queries) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	q.n.Add(1)
	return ctx
}
func (*queries) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

type house struct {
	tb      testing.TB
	server  *httptest.Server
	service *telemetry.Subgraph
	store   *postgres.Store
	log     *eventlog.Log
	bus     *memory.Bus
	cache   *cache.Cache
	watch   *collectors.Watch
	db      *ch.DB
	queries *queries
	now     atomic.Int64 // offset of the clock
}

func (h *house) clock() time.Time { return time.Now().Add(time.Duration(h.now.Load())) }

type setup struct {
	analytics  bool
	loadWait   time.Duration // zero is the resolver's own
	collectors bool
}

func open(tb testing.TB, s setup) *house {
	tb.Helper()
	quiet := slog.New(slog.DiscardHandler)
	h := &house{tb: tb, bus: memory.New(), queries: &queries{}}
	kept, err := cachememory.New(1 << 20)
	require.NoError(tb, err)
	h.cache, err = cache.New(kept, quiet)
	require.NoError(tb, err)
	dsn := enginestest.PostgresWith(tb, "telemetry", postgres.Migrate)
	cfg, err := pgxpool.ParseConfig(dsn)
	require.NoError(tb, err)
	cfg.ConnConfig.Tracer = h.queries
	pool, err := pgxpool.NewWithConfig(tb.Context(), cfg)
	require.NoError(tb, err)
	tb.Cleanup(pool.Close)
	h.store, err = postgres.New(pool)
	require.NoError(tb, err)
	topics := append(events.Topics(), events.TopicDead)
	h.log, err = eventlog.Open(tb.Context(), eventlog.Config{Brokers: enginestest.Kafka(tb, topics...), Topics: topics}, quiet)
	require.NoError(tb, err)
	ctx, cancel := context.WithCancel(context.Background())
	run := func(f func(context.Context) error) {
		done := make(chan error, 1)
		go func() { done <- f(ctx) }()
		tb.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				tb.Error(err)
			}
		})
	}
	tb.Cleanup(func() {
		end, stop := context.WithTimeout(context.Background(), 5*time.Second)
		defer stop()
		_ = h.log.Close(end)
	})
	o := telemetry.Options{Store: h.store, Log: h.log, Bus: h.bus, Cache: h.cache, Logger: quiet, Now: h.clock, Grace: 50 * time.Millisecond}
	if s.analytics {
		h.db, err = ch.Open(tb.Context(), enginestest.Analytics(tb))
		require.NoError(tb, err)
		tb.Cleanup(func() { _ = h.db.Close() })
		stats, err := clickhouse.New(h.db)
		require.NoError(tb, err)
		o.Stats = stats
		activity, err := collectors.NewActivity(h.db, h.log, quiet)
		require.NoError(tb, err)
		run(activity.Run)
	}
	h.service, err = telemetry.New(o)
	require.NoError(tb, err)
	run(h.service.Run)
	h.watch, err = collectors.NewWatch(h.store, h.log, h.bus, quiet, h.clock)
	require.NoError(tb, err)
	if s.collectors {
		run(h.watch.Run)
	}
	r, err := resolver.New(h.service)
	require.NoError(tb, err)
	if s.loadWait > 0 {
		r.LoadWait = s.loadWait
	}
	handler, err := gqlserver.New(gqlserver.Options{
		Schema: graph.NewExecutableSchema(graph.Config{Resolvers: r}), Verifier: tokens{}, Logger: quiet, Prepare: r.Prepare,
	})
	require.NoError(tb, err)
	h.server = httptest.NewServer(handler)
	tb.Cleanup(h.server.Close)
	return h
}

type answer struct {
	Data   map[string]json.RawMessage
	Errors []struct {
		Message    string
		Extensions map[string]any
	}
}

func (h *house) request(ctx context.Context, v viewer, query string, variables map[string]any) *http.Request {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	require.NoError(h.tb, err)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.server.URL, bytes.NewReader(body))
	require.NoError(h.tb, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+v.token())
	return req
}

func (h *house) ask(v viewer, query string, variables map[string]any) answer {
	h.tb.Helper()
	resp, err := http.DefaultClient.Do(h.request(h.tb.Context(), v, query, variables))
	require.NoError(h.tb, err)
	defer resp.Body.Close()
	var a answer
	require.NoError(h.tb, json.NewDecoder(resp.Body).Decode(&a))
	return a
}

// subscribe sends the data of each message; cancel ends the subscription as a
// closed tab does.
func (h *house) subscribe(v viewer, query string, variables map[string]any) (<-chan map[string]json.RawMessage, context.CancelFunc) {
	h.tb.Helper()
	ctx, cancel := context.WithCancel(h.tb.Context())
	req := h.request(ctx, v, query, variables)
	req.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(h.tb, err)
	out := make(chan map[string]json.RawMessage, 16)
	go func() {
		defer close(out)
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var a answer
				if json.Unmarshal([]byte(text), &a) == nil && a.Data != nil {
					out <- a.Data
				}
			}
		}
	}()
	h.tb.Cleanup(cancel)
	return out, cancel
}

func next(tb testing.TB, c <-chan map[string]json.RawMessage) map[string]json.RawMessage {
	tb.Helper()
	select {
	case m, ok := <-c:
		require.True(tb, ok, "the subscription ended")
		return m
	case <-time.After(20 * time.Second):
		require.Fail(tb, "no message")
		return nil
	}
}

func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	require.Eventually(tb, ok, 30*time.Second, 20*time.Millisecond, what)
}

var device = map[string]any{"kind": "desktop", "system": "Linux", "browser": "Chromium 156"}

const record = `mutation($input: RecordEventsInput!) { recordEvents(input: $input) { accepted rejected { index code message } } }`

func event(name string, at time.Time, more map[string]any) map[string]any {
	e := map[string]any{"id": uuid.Must(uuid.NewV7()).String(), "name": name, "at": at.UTC().Format(time.RFC3339Nano)}
	for k, v := range more {
		e[k] = v
	}
	return e
}

type recorded struct {
	Accepted int
	Rejected []struct {
		Index         int
		Code, Message string
	}
}

func (h *house) record(v viewer, list ...map[string]any) recorded {
	h.tb.Helper()
	a := h.ask(v, record, map[string]any{"input": map[string]any{"device": device, "locale": "ru", "events": list}})
	require.Empty(h.tb, a.Errors)
	var r recorded
	require.NoError(h.tb, json.Unmarshal(a.Data["recordEvents"], &r))
	return r
}

const watchQuery = `subscription($input: WatchInput!) { watch(input: $input) { sessionId serverTime resumePositionMs ended } }`

type update struct {
	SessionID        string
	ResumePositionMs int
	Ended            *string
}

func (h *house) watching(v viewer, session uuid.UUID, film gid.ID) (update, <-chan map[string]json.RawMessage, context.CancelFunc) {
	h.tb.Helper()
	c, cancel := h.subscribe(v, watchQuery, map[string]any{"input": map[string]any{
		"sessionUuid": session.String(), "playableId": film.String(), "titleId": film.String(), "durationMs": 600_000, "device": device,
	}})
	var u update
	require.NoError(h.tb, json.Unmarshal(next(h.tb, c)["watch"], &u))
	return u, c, cancel
}

func playback(session string, film gid.ID, position int) map[string]any {
	return map[string]any{"sessionId": session, "playableId": film.String(), "titleId": film.String(), "positionMs": position, "playing": true, "rate": 1}
}

func (h *house) position(v viewer, film gid.ID) (position int, found bool) {
	h.tb.Helper()
	states, err := h.store.WatchStates(h.tb.Context(), v.profile, []uuid.UUID{film.UUID})
	require.NoError(h.tb, err)
	if s := states[film.UUID]; s != nil {
		return s.PositionMs, true
	}
	return 0, false
}

func (h *house) ended(session uuid.UUID) (string, bool) {
	h.tb.Helper()
	list, err := h.store.Sessions(h.tb.Context(), []uuid.UUID{session})
	require.NoError(h.tb, err)
	if len(list) == 0 || list[0].EndedAt == nil {
		return "", false
	}
	return list[0].EndReason, true
}

func TestAViewerStopsAndResumes(t *testing.T) {
	h := open(t, setup{collectors: true, analytics: true})
	v, other := newViewer(), newViewer()
	film, session := gid.New(gid.Film), uuid.Must(uuid.NewV7())
	now, cancelNow := h.subscribe(other, `subscription { watchingNowChanged { id positionMs playing profile { id } playable { id } } }`, nil)
	defer cancelNow()
	require.JSONEq(t, `[]`, string(next(t, now)["watchingNowChanged"]))

	u, _, leave := h.watching(v, session, film)
	require.Zero(t, u.ResumePositionMs)
	require.Equal(t, gid.Of(gid.ViewingSession, session).String(), u.SessionID)
	at := time.Now().Add(-30 * time.Second)
	beat := event("HEARTBEAT", at.Add(20*time.Second), playback(u.SessionID, film, 170_000))
	list := []map[string]any{
		event("PLAY_STARTED", at, playback(u.SessionID, film, 150_000)),
		event("HEARTBEAT", at.Add(10*time.Second), playback(u.SessionID, film, 160_000)),
		beat,
	}
	require.Equal(t, 3, h.record(v, list...).Accepted)
	require.Equal(t, 3, h.record(v, list...).Accepted, "sent again, they are recorded as before")
	eventually(t, "position", func() bool { p, _ := h.position(v, film); return p == 170_000 })
	eventually(t, "someone else sees it", func() bool {
		return strings.Contains(string(next(t, now)["watchingNowChanged"]), "170000")
	})

	leave()
	eventually(t, "the closed tab ends the session", func() bool { why, ok := h.ended(session); return ok && why == "closed" })
	eventually(t, "nobody watches", func() bool { return string(next(t, now)["watchingNowChanged"]) == "[]" })

	var c struct {
		ContinueWatching []struct {
			Playable   struct{ ID string }
			WatchState struct{ PositionMs int }
		}
	}
	a := h.ask(v, `{ continueWatching { playable { id } title { id listed } watchState { positionMs } } popular { id } }`, nil)
	require.Empty(t, a.Errors)
	require.NoError(t, json.Unmarshal(a.Data["continueWatching"], &c.ContinueWatching))
	require.Len(t, c.ContinueWatching, 1)
	require.Equal(t, 170_000, c.ContinueWatching[0].WatchState.PositionMs)
	again, _, leave := h.watching(v, uuid.Must(uuid.NewV7()), film)
	require.Equal(t, 170_000, again.ResumePositionMs)
	leave()

	// The statistics: each once, whatever was sent twice.
	today := time.Now().UTC().Format(time.DateOnly)
	yesterday := time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly)
	eventually(t, "statistics", func() bool {
		a := h.ask(other, `query($from: Date!, $to: Date!) { activityByDay(from: $from, to: $to, demo: false) { views watchedMs activeProfiles } topTitles(from: $from, to: $to) { title { id } views viewers watchedMs } playbackQuality(from: $from, to: $to) { plays rebufferRatio } searchTerms(from: $from, to: $to) { query } }`,
			map[string]any{"from": yesterday, "to": today})
		if len(a.Errors) > 0 {
			return false
		}
		var days []struct{ Views, WatchedMs, ActiveProfiles int }
		require.NoError(t, json.Unmarshal(a.Data["activityByDay"], &days))
		require.Len(t, days, 2)
		return days[0].Views+days[1].Views == 1 && days[0].WatchedMs+days[1].WatchedMs == 20_000 && strings.Contains(string(a.Data["topTitles"]), film.String())
	})
	eventually(t, "popular", func() bool {
		h.now.Add(int64(2 * time.Minute)) // the cache's minute is over
		return strings.Contains(string(h.ask(v, `{ popular { id } }`, nil).Data["popular"]), film.String())
	})
}

func TestSilenceEndsASession(t *testing.T) {
	h := open(t, setup{collectors: true})
	v, film, session := newViewer(), gid.New(gid.Film), uuid.Must(uuid.NewV7())
	u, updates, _ := h.watching(v, session, film)
	h.record(v, event("HEARTBEAT", time.Now(), playback(u.SessionID, film, 40_000)))
	eventually(t, "position", func() bool { p, _ := h.position(v, film); return p == 40_000 })
	n, err := h.watch.Sweep(t.Context())
	require.NoError(t, err)
	require.Zero(t, n, "not silent yet")
	h.now.Store(int64(50 * time.Second))
	for range 2 { // two sweepers record one fact
		n, err = h.watch.Sweep(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, n)
		if why, ok := h.ended(session); ok {
			require.Equal(t, "silence", why)
			break
		}
	}
	eventually(t, "ended", func() bool { why, ok := h.ended(session); return ok && why == "silence" })
	var got update
	require.NoError(t, json.Unmarshal(next(t, updates)["watch"], &got))
	require.Equal(t, "SILENCE", *got.Ended)
	p, _ := h.position(v, film)
	require.Equal(t, 40_000, p)
	// A reconnect with the same uuid goes on with the session.
	_, _, leave := h.watching(v, session, film)
	_, ok := h.ended(session)
	require.False(t, ok)
	leave()
}

func TestReconnectKeepsTheSessionAndSignOutEndsIt(t *testing.T) {
	h := open(t, setup{collectors: true})
	v, film, session := newViewer(), gid.New(gid.Film), uuid.Must(uuid.NewV7())
	_, _, leave := h.watching(v, session, film)
	_, updates, _ := h.watching(v, session, film) // before the first is noticed to be gone
	leave()
	require.NoError(t, authn.Publish(t.Context(), h.bus, time.Now().Add(time.Minute), v.session))
	var got update
	require.NoError(t, json.Unmarshal(next(t, updates)["watch"], &got))
	require.Equal(t, "SIGNED_OUT", *got.Ended)
	eventually(t, "ended", func() bool { why, ok := h.ended(session); return ok && why == "signed_out" })
	// Someone else's session is not to be had.
	a := h.ask(newViewer(), `mutation { forgetProgress(input: {playableId: "`+gid.New(gid.Person).String()+`"}) { playable { id } } }`, nil)
	require.Equal(t, "INVALID", a.Errors[0].Extensions["code"])
	r := h.record(newViewer(), event("HEARTBEAT", time.Now(), playback(gid.Of(gid.ViewingSession, session).String(), film, 1)))
	require.Equal(t, "FOREIGN_SESSION", r.Rejected[0].Code)
}

func TestBadEventsAreListedAndTheOthersRecorded(t *testing.T) {
	h := open(t, setup{})
	v, film := newViewer(), gid.New(gid.Film)
	good := event("PAGE_VIEWED", time.Now(), map[string]any{"page": "/", "query": "is not kept"})
	v4 := event("PAGE_VIEWED", time.Now(), nil)
	v4["id"] = uuid.NewString()
	long := event("SEARCHED", time.Now(), map[string]any{"query": strings.Repeat("ж", 201)})
	listed := event("LISTED", time.Now(), map[string]any{"titleId": film.String(), "on": true})
	noSession := event("HEARTBEAT", time.Now(), map[string]any{"playableId": film.String(), "titleId": film.String()})
	old := event("SIGNED_IN", time.Now().AddDate(0, -3, 0), nil)
	r := h.record(v, good, v4, long, listed, noSession, old)
	require.Equal(t, 1, r.Accepted)
	var codes []string
	for i, x := range r.Rejected {
		require.Equal(t, i+1, x.Index)
		codes = append(codes, x.Code)
	}
	require.Equal(t, []string{"ID_NOT_V7", "TOO_LONG", "SERVER_RECORDS_IT", "NO_SESSION", "ID_TIME"}, codes)
	many := make([]map[string]any, 501)
	for i := range many {
		many[i] = event("SIGNED_IN", time.Now(), nil)
	}
	a := h.ask(v, record, map[string]any{"input": map[string]any{"device": device, "events": many}})
	require.Equal(t, "INVALID", a.Errors[0].Extensions["code"])
	a = h.ask(v, record, map[string]any{"input": map[string]any{"device": map[string]any{"kind": "fridge", "system": "", "browser": ""}, "events": many[:1]}})
	require.Equal(t, "INVALID", a.Errors[0].Extensions["code"])
	a = h.ask(v, `mutation { recordEvents(input: {device: {kind: "tv", system: "x", browser: "y"}, events: [{id: "`+uuid.Must(uuid.NewV7()).String()+`", name: SIGNED_IN, at: "`+time.Now().UTC().Format(time.RFC3339)+`"}]}) { accepted } }`, nil)
	require.Empty(t, a.Errors, "literals pass too")
	require.JSONEq(t, `{"accepted":1}`, string(a.Data["recordEvents"]))
}

func TestAClockThatIsWrongIsCorrected(t *testing.T) {
	h := open(t, setup{collectors: true})
	v, film := newViewer(), gid.New(gid.Film)
	behind := 3 * time.Hour
	clock := func() time.Time { return time.Now().Add(-behind) }
	at := func(t time.Time) string { // a UUIDv7 of the client's clock
		id := uuid.Must(uuid.NewV7())
		for i := range 6 {
			id[i] = byte(t.UnixMilli() >> (40 - 8*i))
		}
		return id.String()
	}
	session := uuid.MustParse(at(clock()))
	u, _, _ := h.watching(v, session, film)
	e := event("HEARTBEAT", clock(), playback(u.SessionID, film, 33_000))
	e["id"] = at(clock())
	require.Equal(t, 1, h.record(v, e).Accepted)
	eventually(t, "position", func() bool { p, _ := h.position(v, film); return p == 33_000 })
	states, err := h.store.WatchStates(t.Context(), v.profile, []uuid.UUID{film.UUID})
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), states[film.UUID].LastSeenAt, 20*time.Second)
}

func TestWithoutAnalytics(t *testing.T) {
	h := open(t, setup{})
	v, film := newViewer(), gid.New(gid.Film)
	a := h.ask(v, `{ popular { id } }`, nil)
	require.Empty(t, a.Errors)
	require.JSONEq(t, `[]`, string(a.Data["popular"]))
	a = h.ask(v, `{ activityByDay(from: "2026-01-01", to: "2026-01-02") { views } }`, nil)
	require.Equal(t, "UNAVAILABLE", a.Errors[0].Extensions["code"])
	a = h.ask(v, `{ activityByDay(from: "2024-01-01", to: "2026-01-02") { views } }`, nil)
	require.Equal(t, "INVALID", a.Errors[0].Extensions["code"])
	a = h.ask(v, `mutation($t: ID!) { setListed(input: {titleId: $t, listed: true}) { title { id listed } } setRating(input: {titleId: $t, rating: 8}) { title { myRating } } }`, map[string]any{"t": film.String()})
	require.Empty(t, a.Errors)
	require.Contains(t, string(a.Data["setListed"]), `"listed":true`)
	require.Contains(t, string(a.Data["setRating"]), `8`)
	a = h.ask(v, `{ myList { id myRating } }`, nil)
	require.Contains(t, string(a.Data["myList"]), film.String())
}

func TestEntitiesAreAskedForAtOnce(t *testing.T) {
	h := open(t, setup{loadWait: 300 * time.Millisecond}) // a busy machine must not close a window early
	v := newViewer()
	var reps []map[string]any
	for range 50 {
		reps = append(reps, map[string]any{"__typename": "Film", "id": gid.New(gid.Film).String()}, map[string]any{"__typename": "Series", "id": gid.New(gid.Series).String()}, map[string]any{"__typename": "Episode", "id": gid.New(gid.Episode).String()})
	}
	before := h.queries.n.Load()
	a := h.ask(v, `query($reps: [_Any!]!) { _entities(representations: $reps) { ... on Film { id listed myRating watchState { positionMs } } ... on Series { listed myRating } ... on Episode { watchState { finished } } } }`, map[string]any{"reps": reps})
	require.Empty(t, a.Errors)
	require.LessOrEqual(t, h.queries.n.Load()-before, int64(4), "one query a kind, not one an entity")
}

func BenchmarkRecordEvents(b *testing.B) {
	h := open(b, setup{collectors: true, analytics: true})
	v, film := newViewer(), gid.New(gid.Film)
	session := gid.New(gid.ViewingSession).String()
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			list := make([]map[string]any, 100)
			for i := range list {
				list[i] = event("HEARTBEAT", time.Now(), playback(session, film, i*10_000))
			}
			if r := h.record(v, list...); r.Accepted != 100 {
				b.Errorf("accepted %d: %v", r.Accepted, r.Rejected)
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N*100)/b.Elapsed().Seconds(), "events/s")
	took := time.Now()
	for deadline := time.Now().Add(60 * time.Second); ; {
		var n uint64
		if err := h.db.Row(b.Context(), []any{&n}, "SELECT count() FROM activity_event FINAL"); err == nil && n >= uint64(b.N*100) {
			break
		}
		if time.Now().After(deadline) {
			b.Fatal("events were lost")
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.ReportMetric(float64(time.Since(took).Milliseconds()), "ms-to-queryable-after")
}

func TestAServerThatGoesDownAsksToReconnect(t *testing.T) {
	h := open(t, setup{})
	s, err := telemetry.New(telemetry.Options{Store: h.store, Log: h.log, Bus: h.bus, Cache: h.cache, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	v, film := newViewer(), gid.New(gid.Film)
	signedIn := authn.With(t.Context(), &authn.Claims{UserID: v.user, ProfileID: v.profile, SessionID: v.session})
	d := telemetry.DeviceInput{Kind: "tv"}
	in := telemetry.WatchInput{SessionUUID: uuid.Must(uuid.NewV7()), PlayableID: film, TitleID: film, DurationMs: 1000, Device: &d}
	updates, err := s.Watch(signedIn, in)
	require.NoError(t, err)
	require.Nil(t, (<-updates).Ended)
	s.Part()
	require.Equal(t, telemetry.EndRestart, *(<-updates).Ended)
	_, open := <-updates
	require.False(t, open)
	// Who comes here none the less is answered, and sent on.
	updates, err = s.Watch(signedIn, in)
	require.NoError(t, err)
	require.Nil(t, (<-updates).Ended)
	require.Equal(t, telemetry.EndRestart, *(<-updates).Ended)
	cancel()
	require.NoError(t, <-done)
	_, ended := h.ended(in.SessionUUID)
	require.False(t, ended, "the player comes back with the same session")
	_, err = s.Watch(signedIn, in)
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
}

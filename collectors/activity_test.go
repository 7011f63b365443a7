package collectors_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/collectors"
	"github.com/netflixathome/cinema/engines/enginestest"
	"github.com/netflixathome/cinema/internal/ch"
	"github.com/netflixathome/cinema/internal/eventlog"
	"github.com/netflixathome/cinema/internal/events"
	"github.com/netflixathome/cinema/internal/gid"
)

var quiet = slog.New(slog.DiscardHandler)

func analytics(tb testing.TB) *ch.DB {
	tb.Helper()
	db, err := ch.Open(tb.Context(), enginestest.Analytics(tb))
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = db.Close() })
	require.NoError(tb, db.Migrate(tb.Context()))
	return db
}

// deadLog keeps what is appended; it reads nothing.
type deadLog struct {
	mu   sync.Mutex
	list []eventlog.Message
}

func (d *deadLog) Append(_ context.Context, list []eventlog.Message) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, list...)
	return nil
}

func (*deadLog) Consume(context.Context, eventlog.Reader) error { return nil }

// idAt makes a UUIDv7 of the moment.
func idAt(t time.Time, r *rand.Rand) uuid.UUID {
	var id uuid.UUID
	ms := t.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	for i := 6; i < 16; i++ {
		id[i] = byte(r.Uint32())
	}
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

type world struct {
	r        *rand.Rand
	profiles []uuid.UUID
	titles   []gid.ID
}

func newWorld(seed uint64) *world {
	w := &world{r: rand.New(rand.NewPCG(seed, 1))}
	for range 7 {
		w.profiles = append(w.profiles, idAt(time.Now(), w.r))
		w.titles = append(w.titles, gid.Of(gid.Film, idAt(time.Now(), w.r)))
	}
	return w
}

func (w *world) base(name events.Name, at time.Time, profile int) events.Event {
	at = at.UTC().Truncate(time.Millisecond)
	return events.Event{
		ID: idAt(at, w.r), Version: events.Version, Name: name, At: at, ClientAt: at, ReceivedAt: at.Add(time.Second),
		UserID: w.profiles[profile], ProfileID: w.profiles[profile],
		Device: events.Device{Kind: "desktop", System: "Linux", Browser: "Chromium 156"}, Locale: "en", Demo: profile < 2,
	}
}

// session makes a sitting with heartbeats, pauses, reported and unreported
// jumps and gaps.
func (w *world) session(start time.Time) []events.Event {
	profile, title := w.r.IntN(len(w.profiles)), w.titles[w.r.IntN(len(w.titles))]
	session := idAt(start, w.r)
	at, pos := start, w.r.IntN(100_000)
	var out []events.Event
	add := func(name events.Name, f func(e *events.Event)) {
		e := w.base(name, at, profile)
		e.SessionID, e.Playable, e.Title, e.DurationMs = session, title, title, 3_600_000
		if name.HasPosition() {
			e.PositionMs = pos
		}
		if f != nil {
			f(&e)
		}
		out = append(out, e)
	}
	add(events.PlayStarted, func(e *events.Event) { e.FirstFrameMs = 100 + w.r.IntN(900) })
	for range 5 + w.r.IntN(40) {
		step := 1 + w.r.IntN(10_000)
		at = at.Add(time.Duration(step) * time.Millisecond)
		switch w.r.IntN(12) {
		case 0:
			add(events.Paused, nil)
		case 1:
			from := pos + step/2
			pos = w.r.IntN(3_000_000)
			add(events.Seeked, func(e *events.Event) { e.FromMs = from })
		case 2:
			add(events.Stalled, func(e *events.Event) { e.StalledMs = step / 3 })
		case 3:
			at = at.Add(time.Minute)
			pos += step
			add(events.Heartbeat, func(e *events.Event) { e.Playing = true })
		case 4:
			pos += 200_000
			add(events.Heartbeat, func(e *events.Event) { e.Playing, e.Rate = true, 1 })
		case 5:
			pos += 2 * step
			add(events.Heartbeat, func(e *events.Event) { e.Playing, e.Rate = true, 2 })
		default:
			pos += step
			add(events.Heartbeat, func(e *events.Event) { e.Playing, e.Rate = true, 1 })
		}
	}
	if w.r.IntN(5) == 0 {
		add(events.PlayFailed, func(e *events.Event) { e.Code = "MEDIA" })
	}
	add(events.PlayEnded, func(e *events.Event) { e.Reason = "viewer" })
	return out
}

func records(list []events.Event, from int64) []eventlog.Record {
	out := make([]eventlog.Record, len(list))
	for i := range list {
		out[i] = eventlog.Record{Topic: list[i].Name.Topic(), Offset: from + int64(i), Value: list[i].AppendJSON(nil)}
	}
	return out
}

type dayRow struct {
	Day       time.Time `ch:"day"`
	WithDemo  uint8     `ch:"with_demo"`
	Events    uint64    `ch:"events"`
	Active    uint64    `ch:"active_profiles"`
	Views     uint64    `ch:"views"`
	Playables uint64    `ch:"playables_viewed"`
	Watched   uint64    `ch:"watched_ms"`
	SignUps   uint64    `ch:"sign_ups"`
}

// expect works the daily rollup out in Go from the distinct events.
func expect(list []events.Event) map[string]dayRow {
	distinct := map[uuid.UUID]events.Event{}
	for _, e := range list {
		if old, ok := distinct[e.ID]; !ok || e.ReceivedAt.Before(old.ReceivedAt) {
			distinct[e.ID] = e
		}
	}
	out := map[string]dayRow{}
	for scope := range uint8(2) {
		type sets struct{ profiles, views, playables, users map[uuid.UUID]bool }
		seen := map[string]*sets{}
		sessions := map[uuid.UUID][]events.Event{}
		key := func(t time.Time) string { return t.Format(time.DateOnly) + string('0'+rune(scope)) }
		for _, e := range distinct {
			if e.Demo && scope == 0 {
				continue
			}
			k := key(e.At)
			s := seen[k]
			if s == nil {
				s = &sets{map[uuid.UUID]bool{}, map[uuid.UUID]bool{}, map[uuid.UUID]bool{}, map[uuid.UUID]bool{}}
				seen[k] = s
			}
			row := out[k]
			row.Events++
			s.profiles[e.ProfileID] = true
			if e.Name == events.PlayStarted {
				s.views[e.SessionID], s.playables[e.Playable.UUID] = true, true
			}
			if e.Name == events.SignedUp {
				s.users[e.UserID] = true
			}
			if e.SessionID != uuid.Nil {
				sessions[e.SessionID] = append(sessions[e.SessionID], e)
			}
			row.Active, row.Views, row.Playables, row.SignUps = uint64(len(s.profiles)), uint64(len(s.views)), uint64(len(s.playables)), uint64(len(s.users))
			out[k] = row
		}
		for _, s := range sessions {
			for day, ms := range events.WatchedByDay(s) {
				row := out[key(day)]
				row.Watched += uint64(ms)
				out[key(day)] = row
			}
		}
	}
	return out
}

func rollup(tb testing.TB, db *ch.DB) map[string]dayRow {
	tb.Helper()
	var rows []dayRow
	require.NoError(tb, db.Select(tb.Context(), &rows, "SELECT day, with_demo, events, active_profiles, views, playables_viewed, watched_ms, sign_ups FROM activity_day FINAL WHERE events > 0"))
	out := map[string]dayRow{}
	for _, r := range rows {
		k := r.Day.Format(time.DateOnly) + string('0'+rune(r.WithDemo))
		r.Day, r.WithDemo = time.Time{}, 0
		out[k] = r
	}
	return out
}

func TestEachEventCountsOnceWhateverTheReplays(t *testing.T) {
	db := analytics(t)
	dead := &deadLog{}
	a, err := collectors.NewActivity(db, dead, quiet)
	require.NoError(t, err)
	roller, err := collectors.NewRoller(db, quiet)
	require.NoError(t, err)

	w := newWorld(7)
	midnight := time.Now().UTC().Truncate(24 * time.Hour)
	var list []events.Event
	for i := range 60 {
		// Some sittings go over midnight.
		list = append(list, w.session(midnight.Add(-time.Duration(i%3)*24*time.Hour-time.Duration(w.r.IntN(400))*time.Second))...)
	}
	for i := range 5 {
		e := w.base(events.SignedUp, midnight.Add(-time.Hour), i)
		list = append(list, e)
	}
	search := w.base(events.Searched, midnight.Add(-time.Hour), 3)
	search.Query, search.Results = " Nosferatu ", 3
	list = append(list, search)
	// Re-sent by clients: the same ids, received later, here with a corrected
	// time that falls on another day. The first received counts.
	again := list[10]
	again.ReceivedAt = again.ReceivedAt.Add(2 * time.Hour)
	again.At = again.At.Add(3 * time.Minute)
	list = append(list, again)
	// And one that comes thrice in one batch, most likely.
	list = append(list, list[20], list[20], list[20])

	// Replays at random borders, in random order of the batches.
	all := records(list, 0)
	for range 4 {
		for from := 0; from < len(all); {
			to := min(len(all), from+1+w.r.IntN(300))
			require.NoError(t, a.Handle(t.Context(), all[from:to]))
			from = to
		}
	}
	_, err = roller.Roll(t.Context())
	require.NoError(t, err)
	require.Equal(t, expect(list), rollup(t, db))
	require.Empty(t, dead.list)

	// A second round changes nothing, nor does recomputing what is not dirty.
	n, err := roller.Roll(t.Context())
	require.NoError(t, err)
	require.Zero(t, n, "days are clean after a round")
	for i := range 4 {
		require.NoError(t, roller.Recompute(t.Context(), midnight.AddDate(0, 0, -i)))
	}
	require.Equal(t, expect(list), rollup(t, db))

	var titles []struct {
		Views, Watched uint64
	}
	require.NoError(t, db.Select(t.Context(), &titles, "SELECT sum(views) AS Views, sum(watched_ms) AS Watched FROM title_day FINAL WHERE with_demo = 1"))
	var views, watched uint64
	for k, d := range expect(list) {
		if k[len(k)-1] == '1' {
			views, watched = views+d.Views, watched+d.Watched
		}
	}
	require.Equal(t, views, titles[0].Views)
	require.Equal(t, watched, titles[0].Watched)

	// Without the synthetic viewers the two scopes agree.
	require.NoError(t, roller.RemoveDemo(t.Context()))
	var real []events.Event
	for _, e := range list {
		if !e.Demo {
			real = append(real, e)
		}
	}
	require.Equal(t, expect(real), rollup(t, db))

	// Who is erased was somebody else: the figures stay, the identifiers go.
	gone := real[0]
	i := slices.IndexFunc(real, func(e events.Event) bool { return e.ProfileID != gone.ProfileID })
	require.Positive(t, i)
	require.NoError(t, roller.Anonymise(t.Context(), // the other's profile went before its account
		map[uuid.UUID]uuid.UUID{gone.ProfileID: uuid.New()}, map[uuid.UUID]uuid.UUID{gone.UserID: uuid.New(), real[i].UserID: uuid.New()}))
	var left uint64
	require.NoError(t, db.Row(t.Context(), []any{&left}, "SELECT count() FROM activity_event WHERE profile_id = $1 OR user_id IN ($2, $3)", gone.ProfileID, gone.UserID, real[i].UserID))
	require.Zero(t, left)
	days, err := roller.Roll(t.Context())
	require.NoError(t, err)
	require.Positive(t, days, "the rollups knew the identifier")
	require.Equal(t, expect(real), rollup(t, db))
}

func TestPoisonGoesToTheDeadLetters(t *testing.T) {
	db := analytics(t)
	// A rule that the program does not know: what ClickHouse refuses.
	require.NoError(t, db.Everywhere(t.Context(), "ALTER TABLE "+db.Local("activity_event")+" ADD CONSTRAINT c CHECK page != '/poison'"))
	dead := &deadLog{}
	a, err := collectors.NewActivity(db, dead, quiet)
	require.NoError(t, err)
	var told []collectors.Batch
	a.Done = func(b collectors.Batch) { told = append(told, b) }
	w := newWorld(3)
	var list []events.Event
	for i := range 50 {
		e := w.base(events.PageViewed, time.Now(), 3)
		e.Page = "/"
		if i == 17 || i == 40 {
			e.Page = "/poison"
		}
		list = append(list, e)
	}
	batch := records(list, 0)
	batch = append(batch,
		eventlog.Record{Topic: events.TopicUser, Offset: 50, Value: []byte("{")},
		eventlog.Record{Topic: events.TopicUser, Offset: 51, Value: []byte(`{"version":99,"name":"signed_in"}`)})
	require.NoError(t, a.Handle(t.Context(), batch))
	var n uint64
	require.NoError(t, db.Row(t.Context(), []any{&n}, "SELECT count() FROM activity_event FINAL"))
	require.EqualValues(t, 48, n)
	got := map[int64]string{}
	for _, m := range dead.list {
		require.Equal(t, events.TopicDead, m.Topic)
		var d events.DeadLetter
		require.NoError(t, json.Unmarshal(m.Value, &d))
		got[d.Offset] = d.Reason
		require.NotEmpty(t, d.Message)
	}
	require.Equal(t, map[int64]string{17: "REFUSED", 40: "REFUSED", 50: "MALFORMED", 51: "UNKNOWN_VERSION"}, got)
	require.Len(t, told, 1)
	require.Equal(t, 52, told[0].Records)
	require.Equal(t, map[string]int{"REFUSED": 2, "MALFORMED": 1, "UNKNOWN_VERSION": 1}, told[0].Dead)
}

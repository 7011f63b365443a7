package collectors_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/collectors"
	"github.com/netflixathome/cinema/engines/enginestest"
	"github.com/netflixathome/cinema/internal/ch"
	"github.com/netflixathome/cinema/internal/demo/history"
	"github.com/netflixathome/cinema/internal/eventlog"
	"github.com/netflixathome/cinema/internal/events"
	"github.com/netflixathome/cinema/internal/gid"
)

func eventLog(tb testing.TB) *eventlog.Log {
	tb.Helper()
	topics := append(events.Topics(), events.TopicDead)
	l, err := eventlog.Open(tb.Context(), eventlog.Config{Brokers: enginestest.Kafka(tb, topics...), Topics: topics}, quiet)
	require.NoError(tb, err)
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = l.Close(ctx)
	})
	return l
}

// dying is a log whose reader dies after the write and before the commit.
type dying struct {
	*eventlog.Log
	lives atomic.Int64
	die   context.CancelFunc
}

func (d *dying) Consume(ctx context.Context, r eventlog.Reader) error {
	handle := r.Handle
	r.MaxRecords = 700 // many batches, with other borders each time
	r.Handle = func(ctx context.Context, batch []eventlog.Record) error {
		if err := handle(ctx, batch); err != nil {
			return err
		}
		if d.lives.Add(-1) == 0 {
			d.die()
			return errors.New("killed between the insert and the commit")
		}
		return nil
	}
	return d.Log.Consume(ctx, r)
}

func count(tb testing.TB, db *ch.DB) (raw, once uint64) {
	tb.Helper()
	require.NoError(tb, db.Row(tb.Context(), []any{&once}, "SELECT count() FROM activity_event FINAL"))
	require.NoError(tb, db.Row(tb.Context(), []any{&raw}, "SELECT count() FROM activity_event"))
	return raw, once
}

func TestKilledBetweenInsertAndCommitNothingIsLostOrDoubled(t *testing.T) {
	db, log := analytics(t), eventLog(t)
	// The copies must stay apart, else the server might tidy them away before
	// anyone looks.
	require.NoError(t, db.Everywhere(t.Context(), "SYSTEM STOP MERGES "+db.Local("activity_event")))
	w := newWorld(12)
	var list []events.Event
	for len(list) < 6_000 {
		list = append(list, w.session(time.Now().Add(-time.Duration(w.r.IntN(3600*30))*time.Second-20*time.Minute))...)
	}
	for from := 0; from < len(list); from += 500 {
		var messages []eventlog.Message
		for i := from; i < min(from+500, len(list)); i++ {
			key := list[i].Key()
			messages = append(messages, eventlog.Message{Topic: list[i].Name.Topic(), Key: key[:], Value: list[i].AppendJSON(nil)})
		}
		require.NoError(t, log.Append(t.Context(), messages))
		if from%1500 == 0 { // a client that heard no answer sends again
			require.NoError(t, log.Append(t.Context(), messages))
		}
	}
	for life := range 4 {
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		d := &dying{Log: log, die: cancel}
		d.lives.Store(int64(2 + life%2))
		if life == 3 {
			d.lives.Store(1 << 40)
		}
		a, err := collectors.NewActivity(db, d, quiet)
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx) }()
		if life == 3 {
			require.Eventually(t, func() bool {
				_, once := count(t, db)
				return int(once) == len(list)
			}, 40*time.Second, 50*time.Millisecond)
			want := expect(list)
			require.Eventually(t, func() bool {
				got := rollup(t, db)
				a, _ := json.Marshal(got)
				b, _ := json.Marshal(want)
				return string(a) == string(b)
			}, 40*time.Second, 100*time.Millisecond, "the rollups settle on what raw says")
			cancel()
		}
		require.NoError(t, <-done)
		cancel()
	}
	raw, once := count(t, db)
	require.Equal(t, len(list), int(once))
	require.Greater(t, raw, once, "copies were written")
	t.Log("rows written", raw, "events", once)
}

func TestTablesOfANewerProgramAreRefused(t *testing.T) {
	db, log := analytics(t), eventLog(t)
	require.NoError(t, db.Everywhere(t.Context(), "INSERT INTO "+db.Local("goose_analytics")+" (version_id, is_applied) VALUES (99999, 1)"))
	a, err := collectors.NewActivity(db, log, quiet)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.ErrorContains(t, a.Run(ctx), "run the newer program")
}

func BenchmarkHistoryToDashboard(b *testing.B) {
	db, log := analytics(b), eventLog(b)
	cfg := history.Config{Until: time.Now(), Seed: 5}
	for i := range 60 {
		id := gid.New(gid.Film)
		cfg.Titles = append(cfg.Titles, history.Title{ID: id, Name: "Film", Playables: []history.Playable{{ID: id, Duration: time.Duration(20+i) * time.Minute}}})
	}
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		a, err := collectors.NewActivity(db, log, quiet)
		require.NoError(b, err)
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx) }()
		n, err := history.Send(ctx, cfg, log.Append, nil)
		require.NoError(b, err)
		require.Eventually(b, func() bool {
			_, once := count(b, db)
			return int(once) == n
		}, 60*time.Second, 20*time.Millisecond)
		require.Eventually(b, func() bool {
			var rolled uint64
			require.NoError(b, db.Row(ctx, []any{&rolled}, "SELECT sum(events) FROM activity_day FINAL WHERE with_demo = 1"))
			return int(rolled) == n
		}, 60*time.Second, 100*time.Millisecond)
		b.ReportMetric(float64(n), "events")
		cancel()
		require.NoError(b, <-done)
	}
}

func BenchmarkEventToQueryable(b *testing.B) {
	db, log := analytics(b), eventLog(b)
	ctx, cancel := context.WithCancel(b.Context())
	a, err := collectors.NewActivity(db, log, quiet)
	require.NoError(b, err)
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	w := newWorld(1)
	worst := time.Duration(0)
	for b.Loop() {
		e := w.base(events.SignedIn, time.Now(), 3)
		key := e.Key()
		started := time.Now()
		require.NoError(b, log.Append(ctx, []eventlog.Message{{Topic: e.Name.Topic(), Key: key[:], Value: e.AppendJSON(nil)}}))
		for {
			var n uint64
			require.NoError(b, db.Row(ctx, []any{&n}, "SELECT count() FROM activity_event WHERE id = @id", ch.Named("id", e.ID)))
			if n == 1 {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		worst = max(worst, time.Since(started))
	}
	b.ReportMetric(float64(worst.Milliseconds()), "worst-ms")
	cancel()
	require.NoError(b, <-done)
}

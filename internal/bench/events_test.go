package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/collectors"
	"github.com/netflixathome/cinema/engines/enginestest"
	"github.com/netflixathome/cinema/internal/ch"
	"github.com/netflixathome/cinema/internal/eventlog"
	"github.com/netflixathome/cinema/internal/events"
	"github.com/netflixathome/cinema/internal/gid"
)

// store is a database of the test's own in ClickHouse, by the program's client
// and by a bare one.
type store struct {
	*ch.DB
	bare driver.Conn
}

func openStore(t *testing.T) store {
	t.Helper()
	a := enginestest.ClickHouse(t)
	db, err := ch.Open(t.Context(), ch.Config{Addrs: []string{a.Native}, Database: a.Database, User: a.User, Password: a.Password})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	require.NoError(t, db.Migrate(t.Context()))
	bare, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{a.Native}, Auth: clickhouse.Auth{Database: a.Database, Username: a.User, Password: a.Password},
		Compression: &clickhouse.Compression{Method: clickhouse.CompressionLZ4},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = bare.Close() })
	return store{db, bare}
}

// stored counts the rows, which is quick, unlike telling copies apart.
func (s store) stored(t *testing.T) int {
	t.Helper()
	var n uint64
	require.NoError(t, s.Row(t.Context(), []any{&n}, "SELECT count() FROM activity_event"))
	return int(n)
}

func openLog(t *testing.T) *eventlog.Log {
	t.Helper()
	topics := append(events.Topics(), events.TopicDead)
	l, err := eventlog.Open(t.Context(), eventlog.Config{Brokers: enginestest.Kafka(t, topics...), Topics: topics}, quiet)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = l.Close(ctx)
	})
	return l
}

// collect runs the collector until the returned function is called.
func collect(t *testing.T, s store, log *eventlog.Log) (stop func()) {
	t.Helper()
	a, err := collectors.NewActivity(s.DB, log, quiet)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	return func() {
		cancel()
		assert.NoError(t, <-done)
	}
}

// heartbeats are n events of many viewers, as most events are.
func heartbeats(n int) []eventlog.Message {
	dice := rand.New(rand.NewPCG(1, 2))
	var viewers, sessions []uuid.UUID
	var films []gid.ID
	for range 1000 {
		viewers, sessions = append(viewers, uuid.Must(uuid.NewV7())), append(sessions, uuid.Must(uuid.NewV7()))
		films = append(films, gid.New(gid.Film))
	}
	out := make([]eventlog.Message, n)
	for i := range out {
		v, at := dice.IntN(len(viewers)), time.Now().UTC().Truncate(time.Millisecond)
		e := events.Event{
			ID: uuid.Must(uuid.NewV7()), Version: events.Version, Name: events.Heartbeat, At: at, ClientAt: at, ReceivedAt: at,
			SessionID: sessions[v], UserID: viewers[v], ProfileID: viewers[v], Playable: films[v], Title: films[v],
			Device: events.Device{Kind: "desktop", System: "Linux", Browser: "Chromium 156"}, Locale: "en",
			PositionMs: dice.IntN(3_600_000), DurationMs: 3_600_000, Playing: true, Rate: 1, Rendition: "720p", BufferedMs: 20_000, EveryMs: 10_000,
		}
		key := e.Key()
		out[i] = eventlog.Message{Topic: e.Name.Topic(), Key: key[:], Value: e.AppendJSON(nil)}
	}
	return out
}

func send(t *testing.T, log *eventlog.Log, list []eventlog.Message) {
	t.Helper()
	for len(list) > 0 {
		n := min(5000, len(list))
		require.NoError(t, log.Append(t.Context(), list[:n]))
		list = list[n:]
	}
}

// cpu is the processor time that this process and ClickHouse's queries have used.
func (s store) cpu(t *testing.T) time.Duration {
	t.Helper()
	var self syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &self))
	var micros uint64
	require.NoError(t, s.bare.QueryRow(t.Context(), "SELECT sum(value) FROM system.events WHERE event = 'OSCPUVirtualTimeMicroseconds'").Scan(&micros))
	return time.Duration(self.Utime.Nano()+self.Stime.Nano()) + time.Duration(micros)*time.Microsecond
}

// calm waits until ClickHouse has merged what was stored before, which it does
// in its own time and on the same cores.
func (s store) calm(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		var merges uint64
		require.NoError(t, s.bare.QueryRow(t.Context(), "SELECT count() FROM system.merges").Scan(&merges))
		return merges == 0
	}, time.Minute, 100*time.Millisecond)
}

// TestCollector has the collector carry what lies in Kafka into ClickHouse,
// and then inserts the rows that it made into a copy of the table, with a bare
// client and columns made ready. Where the brokers share the cores with both,
// the share by processor time tells more than that by the clock.
func TestCollector(t *testing.T) {
	n := number("BENCH_EVENTS", 400_000)
	var ours, bare, share, cost, bareCost, costShare []float64
	for range repeats {
		s, log := openStore(t), openLog(t)
		send(t, log, heartbeats(n))
		s.calm(t)
		stop := collect(t, s, log)
		// From its first batch on: joining the group is no throughput.
		first := 0
		require.Eventually(t, func() bool { first = s.stored(t); return first > 0 }, 5*time.Minute, 10*time.Millisecond)
		require.Less(t, first, n, "BENCH_EVENTS is less than a batch")
		began, used := time.Now(), s.cpu(t)
		require.Eventually(t, func() bool { return s.stored(t) == n }, 10*time.Minute, 50*time.Millisecond)
		rate := float64(n-first) / time.Since(began).Seconds()
		each := float64((s.cpu(t) - used).Nanoseconds()) / 1000 / float64(n-first)
		stop()
		s.calm(t)
		took, usedAgain := insertAgain(t, s, n)
		again, eachAgain := float64(n)/took.Seconds(), float64(usedAgain.Nanoseconds())/1000/float64(n)
		ours, bare, share = append(ours, rate), append(bare, again), append(share, 100*rate/again)
		cost, bareCost, costShare = append(cost, each), append(bareCost, eachAgain), append(costShare, 100*eachAgain/each)
	}
	report("collector, Kafka to ClickHouse", "", ours, "events/s")
	report("the same rows by a bare batch insert", "", bare, "rows/s")
	report("collector's share of it", "(≥ 50 %)", share, "%")
	report("processor time of collector and ClickHouse", "", cost, "µs/event")
	report("processor time of a bare insert and ClickHouse", "", bareCost, "µs/row")
	report("share of it by processor time", "", costShare, "%")
}

// insertAgain copies the table's rows, in blocks as large as the collector's,
// and returns how long the inserts took, and what processor time they used.
func insertAgain(t *testing.T, s store, n int) (took, used time.Duration) {
	t.Helper()
	const block = 20_000
	ctx := t.Context()
	require.NoError(t, s.bare.Exec(ctx, "CREATE TABLE again AS activity_event"))
	for from := 0; from < n; from += block {
		rows, err := s.bare.Query(ctx, fmt.Sprintf("SELECT * FROM activity_event FINAL ORDER BY id LIMIT %d OFFSET %d", block, from))
		require.NoError(t, err)
		columns := make([]reflect.Value, len(rows.ColumnTypes()))
		dest := make([]any, len(columns))
		for i, c := range rows.ColumnTypes() {
			columns[i] = reflect.MakeSlice(reflect.SliceOf(c.ScanType()), 0, block)
			dest[i] = reflect.New(c.ScanType()).Interface()
		}
		for rows.Next() {
			require.NoError(t, rows.Scan(dest...))
			for i := range columns {
				columns[i] = reflect.Append(columns[i], reflect.ValueOf(dest[i]).Elem())
			}
		}
		require.NoError(t, rows.Err())
		require.NoError(t, rows.Close())

		before, began := s.cpu(t), time.Now()
		batch, err := s.bare.PrepareBatch(ctx, "INSERT INTO again")
		require.NoError(t, err)
		for i := range columns {
			require.NoError(t, batch.Column(i).Append(columns[i].Interface()))
		}
		require.NoError(t, batch.Send())
		took += time.Since(began)
		used += s.cpu(t) - before
	}
	var stored uint64
	require.NoError(t, s.bare.QueryRow(ctx, "SELECT count() FROM again FINAL").Scan(&stored))
	require.EqualValues(t, n, stored)
	return took, used
}

// TestEvents sends events at a rate and looks for two of each second, from when
// Kafka has it until ClickHouse tells of it. To look for more would take the
// cores from what is measured.
func TestEvents(t *testing.T) {
	rate, seconds := number("BENCH_RATE", 20_000), 20
	var p50, p95, rates []float64
	for range repeats {
		s, log := openStore(t), openLog(t)
		stop := collect(t, s, log)
		send(t, log, heartbeats(1)) // the collector has joined when it is there
		require.Eventually(t, func() bool { return s.stored(t) == 1 }, 2*time.Minute, 20*time.Millisecond)

		list := heartbeats(rate * seconds) // made before, not to take the cores from who is measured
		const ticks = 100
		each := rate / ticks
		var mu sync.Mutex
		var took []time.Duration
		var looking, sending sync.WaitGroup
		tick := time.NewTicker(time.Second / ticks)
		began := time.Now()
		for i := 0; i < len(list); i += each {
			<-tick.C
			some := list[i:min(i+each, len(list))]
			sample := i/each%(ticks/2) == 0
			sending.Go(func() {
				if !assert.NoError(t, log.Append(t.Context(), some)) || !sample {
					return
				}
				at := time.Now()
				e, err := events.Decode(some[len(some)-1].Value)
				if !assert.NoError(t, err) {
					return
				}
				looking.Go(func() {
					var n uint64
					for deadline := at.Add(2 * time.Minute); n == 0 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
						if !assert.NoError(t, s.Row(t.Context(), []any{&n},
							"SELECT count() FROM activity_event WHERE id_day = toDate($1) AND id = $2", events.TimeOf(e.ID).UTC().Format(time.DateOnly), e.ID)) {
							return
						}
					}
					if assert.NotZero(t, n, "an event was not stored") {
						mu.Lock()
						took = append(took, time.Since(at))
						mu.Unlock()
					}
				})
			})
		}
		tick.Stop()
		sending.Wait()
		rates = append(rates, float64(len(list))/time.Since(began).Seconds())
		looking.Wait()
		stop()
		require.NotEmpty(t, took)
		p50, p95 = append(p50, quantile(took, 0.5)/1000), append(p95, quantile(took, 0.95)/1000)
	}
	report(fmt.Sprintf("events sent, %d/s asked for", rate), "", rates, "events/s")
	report("event to queryable, p50", "", p50, "s")
	report("event to queryable, p95", "(≤ 2 s)", p95, "s")
}

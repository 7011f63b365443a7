package clickhouse_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/netflixathome/cinema/engines/clickhouse"
	"github.com/netflixathome/cinema/engines/enginestest"
	"github.com/netflixathome/cinema/internal/fault"
)

func options(t testing.TB, dir string) clickhouse.Options {
	t.Helper()
	launcher, err := enginestest.Launcher()
	if err != nil {
		t.Fatal(err)
	}
	return clickhouse.Options{
		Dir:        dir,
		Launcher:   launcher,
		EnginesDir: enginestest.EnginesDir(),
		Log:        slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	}
}

// start runs a server until the test ends.
func start(t testing.TB, opt clickhouse.Options) (s *clickhouse.Server, stop func()) {
	t.Helper()
	s, err := clickhouse.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-s.Ready():
	case err := <-ended:
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return s, stop
}

func open(t testing.TB, a clickhouse.Address) ch.Conn {
	t.Helper()
	conn, err := ch.Open(&ch.Options{
		Addr:        []string{a.Native},
		Auth:        ch.Auth{Username: a.User, Password: a.Password, Database: a.Database},
		DialTimeout: 2 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// Killed again and again under load, the server loses no row that it had
// acknowledged. A batch whose acknowledgement was cut off may be there or not.
func TestKillUnderLoadLosesNothing(t *testing.T) {
	s, _ := start(t, options(t, t.TempDir()))
	conn := open(t, s.Address())
	ctx := t.Context()
	if err := conn.Exec(ctx, "CREATE TABLE events (batch UInt64, n UInt64) ORDER BY (batch, n)"); err != nil {
		t.Fatal(err)
	}

	const rows = 1000
	var next atomic.Uint64
	var mu sync.Mutex
	acknowledged := map[uint64]bool{}
	writing, enough := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for writing.Err() == nil {
				id := next.Add(1)
				batch, err := conn.PrepareBatch(ctx, "INSERT INTO events")
				if err != nil {
					time.Sleep(5 * time.Millisecond) // it is down; do not spin
					continue
				}
				for n := range uint64(rows) {
					if err := batch.Append(id, n); err != nil {
						break
					}
				}
				if batch.Send() == nil {
					mu.Lock()
					acknowledged[id] = true
					mu.Unlock()
				}
			}
		})
	}
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(acknowledged) }
	for kill := 1; kill <= 5; kill++ {
		enoughSoFar := count() + 20
		eventually(t, "20 more batches", func() bool { return count() >= enoughSoFar })
		if err := syscall.Kill(s.State().PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a restart", func() bool { return s.State().Restarts >= kill && s.Check(ctx) == nil })
	}
	enough()
	wg.Wait()

	found := map[uint64]uint64{}
	rowsFound, err := conn.Query(ctx, "SELECT batch, count() FROM events GROUP BY batch")
	if err != nil {
		t.Fatal(err)
	}
	for rowsFound.Next() {
		var id, n uint64
		if err := rowsFound.Scan(&id, &n); err != nil {
			t.Fatal(err)
		}
		found[id] = n
	}
	if err := rowsFound.Err(); err != nil {
		t.Fatal(err)
	}
	for id := range acknowledged {
		if found[id] != rows {
			t.Errorf("batch %d was acknowledged and has %d of %d rows", id, found[id], rows)
		}
	}
	t.Logf("%d batches acknowledged, %d found, 5 kills", len(acknowledged), len(found))
}

func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}

// The launcher's session is a user without a password; nobody else gets
// anything out of that.
func TestOnlyThePasswordOpens(t *testing.T) {
	s, _ := start(t, options(t, t.TempDir()))
	a := s.Address()
	get := func(user, password, query string) (int, string) {
		u := a.HTTP + "/?" + url.Values{"user": {user}, "password": {password}, "query": {query}}.Encode()
		resp, err := http.Get(u)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	if code, body := get(a.User, a.Password, "SELECT 1"); code != 200 || strings.TrimSpace(body) != "1" {
		t.Errorf("the password does not open: %d %s", code, body)
	}
	for _, tt := range [][3]string{
		{a.User, "wrong", "SELECT 1"},
		{a.User, "", "SELECT 1"},
		{"default", "", "SELECT number FROM system.numbers LIMIT 1"},
		{"default", "", "SELECT length(repeat('x', 100000000)) SETTINGS max_memory_usage = 0"},
		{"default", "", "SYSTEM STOP LISTEN TCP"},
		{"default", "", "SELECT count() FROM system.numbers"},
		{"default", "", "SELECT name FROM system.tables"},
	} {
		if code, body := get(tt[0], tt[1], tt[2]); code == 200 {
			t.Errorf("%s with the password %q may %s: %s", tt[0], tt[1], tt[2], body)
		}
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "clickhouse <&>") // must be escaped in XML
	s, stop := start(t, options(t, dir))
	before := s.Address()
	for _, name := range []string{"config.xml", "users.xml", "password"} {
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm() != 0o600 {
			t.Errorf("%s is %v", name, fi.Mode())
		}
	}
	stop()
	s, _ = start(t, options(t, dir))
	if s.Address().Password != before.Password {
		t.Error("the password has changed")
	}
}

// What the program counts on beside plain tables.
func TestAbilities(t *testing.T) {
	s, _ := start(t, options(t, t.TempDir()))
	conn := open(t, s.Address())
	ctx := t.Context()
	for _, sql := range []string{
		"CREATE TABLE raw (id UUID, at DateTime64(3, 'UTC'), n UInt32) ENGINE = ReplacingMergeTree ORDER BY id TTL toDateTime(at) + INTERVAL 400 DAY",
		"CREATE TABLE days (day Date, n SimpleAggregateFunction(sum, UInt64)) ENGINE = AggregatingMergeTree ORDER BY day",
		"CREATE MATERIALIZED VIEW raw_days TO days AS SELECT toDate(at) AS day, toUInt64(n) AS n FROM raw",
		"CREATE MATERIALIZED VIEW daily REFRESH EVERY 1 DAY (day Date, n UInt64) ENGINE = MergeTree ORDER BY day AS SELECT toDate(at) AS day, sum(n) AS n FROM raw GROUP BY day",
		"INSERT INTO raw SELECT generateUUIDv7(), now64(3), number FROM numbers(1000)",
		"ALTER TABLE raw DELETE WHERE n < 10 SETTINGS mutations_sync = 1",
		"OPTIMIZE TABLE raw FINAL",
		"SYSTEM REFRESH VIEW daily",
		"BACKUP DATABASE cinema TO File('one')",
		"DROP DATABASE cinema SYNC",
		"RESTORE DATABASE cinema FROM File('one')",
	} {
		if err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	var n uint64
	if err := conn.QueryRow(ctx, "SELECT count() FROM raw").Scan(&n); err != nil || n != 990 {
		t.Errorf("%d rows, %v", n, err)
	}

	// A query is cancelled by its id.
	slow := make(chan error, 1)
	go func() {
		slow <- conn.Exec(ch.Context(ctx, ch.WithQueryID("slow-one")), "SELECT sleepEachRow(1) FROM numbers(60) SETTINGS max_block_size = 1 FORMAT Null")
	}()
	eventually(t, "the query runs", func() bool {
		var n uint64
		return conn.QueryRow(ctx, "SELECT count() FROM system.processes WHERE query_id = 'slow-one'").Scan(&n) == nil && n == 1
	})
	if err := conn.Exec(ctx, "KILL QUERY WHERE query_id = 'slow-one'"); err != nil {
		t.Fatal(err)
	}
	if err := <-slow; err == nil {
		t.Error("the query ran to its end")
	}
}

func TestRefusals(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tests := map[string]struct {
		change func(*clickhouse.Options)
		reason string
		says   string
	}{
		"no launcher": {func(o *clickhouse.Options) { o.Launcher = "/no/launcher" }, clickhouse.ReasonMissing, "/no/launcher"},
		"no library":  {func(o *clickhouse.Options) { o.EnginesDir = "/no/engines" }, clickhouse.ReasonMissing, "npm ci"},
		"no folder":   {func(o *clickhouse.Options) { o.EnginesDir = "" }, clickhouse.ReasonMissing, "npm ci"},
		"port taken":  {func(o *clickhouse.Options) { o.TCPPort = l.Addr().(*net.TCPAddr).Port }, clickhouse.ReasonPort, fmt.Sprint(l.Addr().(*net.TCPAddr).Port)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			opt := options(t, filepath.Join(t.TempDir(), "clickhouse"))
			opt.Log = slog.New(slog.DiscardHandler)
			tt.change(&opt)
			s, err := clickhouse.New(opt)
			if err != nil {
				t.Fatal(err)
			}
			err = s.Run(t.Context())
			var f *fault.Error
			if !errors.As(err, &f) || f.Reason != tt.reason || !strings.Contains(f.Message, tt.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

package engines_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/IBM/sarama"
	"github.com/jackc/pgx/v5"

	"github.com/netflixathome/cinema/engines"
	"github.com/netflixathome/cinema/engines/enginestest"
	"github.com/netflixathome/cinema/internal/fault"
)

// helperDir, in the environment, makes this binary a program that runs a set
// in that folder until it is killed.
const helperDir = "ENGINES_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperDir); dir != "" {
		helper(dir, os.Getenv("ENGINES_TEST_LAUNCHER"))
		return
	}
	os.Exit(m.Run())
}

// report is what the helper tells about its set, as a line of JSON.
type report struct {
	Error    string
	Postgres string
	PIDs     []int
}

func helper(dir, launcher string) {
	set, err := engines.Start(context.Background(), options(dir, launcher))
	var r report
	if err != nil {
		r.Error = err.Error()
	} else {
		r.Postgres = set.Postgres("catalog")
		for _, h := range set.Health(context.Background()) {
			if h.Name != engines.Kafka {
				r.PIDs = append(r.PIDs, h.PID)
			}
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(r)
	select {} // until the parent kills it
}

func options(dir, launcher string) engines.Options {
	return engines.Options{
		DataDir:    dir,
		EnginesDir: enginestest.EnginesDir(),
		Postgres:   &engines.PostgresOptions{Databases: []string{"auth", "catalog", "telemetry"}},
		ClickHouse: &engines.ClickHouseOptions{Launcher: launcher},
		Kafka:      &engines.KafkaOptions{},
		Disposable: true,
		Log:        slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
}

func launcher(t testing.TB) string {
	t.Helper()
	path, err := enginestest.Launcher()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func start(t testing.TB, dir string) *engines.Set {
	t.Helper()
	set, err := engines.Start(t.Context(), options(dir, launcher(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, set) })
	return set
}

func stop(t testing.TB, set *engines.Set) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := set.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func pids(set *engines.Set) []int {
	var list []int
	for _, h := range set.Health(context.Background()) {
		if h.Name != engines.Kafka {
			list = append(list, h.PID)
		}
	}
	return list
}

// gone reports whether a process has ended; one that nobody has reaped yet
// counts.
func gone(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return true
	}
	_, after, _ := strings.Cut(string(b), ") ")
	return strings.HasPrefix(after, "Z")
}

func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func query(t testing.TB, dsn, sql string) int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var n int
	if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSet(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	set := start(t, dir)
	for _, h := range set.Health(t.Context()) {
		if h.Err != nil || h.Off || h.PID == 0 {
			t.Errorf("%+v", h)
		}
	}
	for _, db := range []string{"auth", "catalog", "telemetry"} {
		if n := query(t, set.Postgres(db), "SELECT 7"); n != 7 {
			t.Errorf("%s answers %d", db, n)
		}
	}
	a, err := set.ClickHouse()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ch.Open(&ch.Options{Addr: []string{a.Native}, Auth: ch.Auth{Username: a.User, Password: a.Password, Database: a.Database}})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	conn.Close()
	client, err := sarama.NewClient(set.Kafka(), nil)
	if err != nil {
		t.Fatal(err)
	}
	client.Close()

	// A second instance gets a sentence with the number of the first.
	_, err = engines.Start(t.Context(), options(dir, launcher(t)))
	var f *fault.Error
	if !errors.As(err, &f) || f.Reason != engines.ReasonLocked || !strings.Contains(f.Message, strconv.Itoa(os.Getpid())) {
		t.Errorf("a second instance got: %v", err)
	}

	left := pids(set)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := set.Run(ctx); err != nil {
		t.Error(err)
	}
	for _, pid := range left {
		if !gone(pid) {
			t.Errorf("process %d is left", pid)
		}
	}
	set = start(t, dir) // the folder is free again
	stop(t, set)
}

// A process that dies comes back at the same address.
func TestKilledEngineIsRestarted(t *testing.T) {
	set := start(t, t.TempDir())
	before := pids(set)
	dsn := set.Postgres("catalog")
	address, err := set.ClickHouse()
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range before {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "both engines restarted and healthy", func() bool {
		for _, h := range set.Health(t.Context()) {
			if h.Err != nil || (h.Name != engines.Kafka && h.Restarts == 0) {
				return false
			}
		}
		return true
	})
	if set.Postgres("catalog") != dsn {
		t.Error("the address of Postgres has changed")
	}
	if now, err := set.ClickHouse(); err != nil || now != address {
		t.Errorf("the address of ClickHouse has changed: %v", err)
	}
	if n := query(t, dsn, "SELECT 7"); n != 7 {
		t.Errorf("answer %d", n)
	}
}

// The program is killed without a chance to clean up: its children go with
// it, nothing that was committed is lost, and the next start works.
func TestNothingOutlivesAKilledParent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for round := range 2 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), helperDir+"="+dir, "ENGINES_TEST_LAUNCHER="+launcher(t))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		var r report
		line, err := bufio.NewReader(out).ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(line, &r); err != nil || r.Error != "" {
			t.Fatalf("round %d: %s %v", round, r.Error, err)
		}
		if len(r.PIDs) != 2 {
			t.Fatalf("children: %v", r.PIDs)
		}
		query(t, r.Postgres, fmt.Sprintf("WITH x AS (SELECT 1) SELECT count(*) FROM x, (SELECT %d) y", round))
		conn, err := pgx.Connect(t.Context(), r.Postgres)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "CREATE TABLE IF NOT EXISTS kept (n int); INSERT INTO kept VALUES (1)"); err != nil {
			t.Fatal(err)
		}

		if err := cmd.Process.Kill(); err != nil { // SIGKILL
			t.Fatal(err)
		}
		_ = cmd.Wait()
		conn.Close(t.Context())
		for _, pid := range r.PIDs {
			eventually(t, fmt.Sprintf("process %d has ended", pid), func() bool { return gone(pid) })
		}
	}
	set := start(t, dir)
	if n := query(t, set.Postgres("catalog"), "SELECT count(*) FROM kept"); n != 2 {
		t.Errorf("%d of 2 rows are left", n)
	}
}

func TestFolderRefused(t *testing.T) {
	tests := map[string]struct{ version, reason string }{
		"newer":  {"99\n", engines.ReasonNewer},
		"broken": {"", engines.ReasonBroken},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "version"), []byte(tt.version), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := engines.Start(t.Context(), options(dir, "/nonexistent"))
			var f *fault.Error
			if !errors.As(err, &f) || f.Reason != tt.reason {
				t.Fatalf("got %v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, "postgres")); err == nil {
				t.Error("a refused folder was written to")
			}
			// The refusal does not hold the folder.
			if err := os.Remove(filepath.Join(dir, "version")); err != nil {
				t.Fatal(err)
			}
			l, err := engines.Lock(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Unlock(); err != nil {
				t.Error(err)
			}
		})
	}
}

// One engine that cannot be started takes the others down with it.
func TestFailedStartLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	opt := options(dir, filepath.Join(dir, "no-such-launcher"))
	_, err := engines.Start(t.Context(), opt)
	var f *fault.Error
	if !errors.As(err, &f) || !strings.Contains(f.Message, "no-such-launcher") {
		t.Fatalf("got %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "postgres", "data", "postmaster.pid")); err == nil {
		t.Errorf("Postgres is left: %s", b)
	}
	l, err := engines.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Unlock()
}

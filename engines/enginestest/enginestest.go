// Package enginestest gives tests the real engines.
//
// One engine of a kind runs per test binary, started by the first test that
// asks for it, and each call gets a database of its own in it, so that tests
// may run in parallel and need no clean-up of their own. There is no TestMain
// to write: the engines end with the test binary, and what a binary leaves in
// the folder for temporary files is removed by the next one.
//
// An engine that is not there fails the test with the line to type; a test
// that skips itself proves nothing.
//
// Under `make test-real` the same calls give the real servers of a cluster
// instead (see internal/realtest), so that one suite runs on both.
package enginestest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/IBM/sarama"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/netflixathome/cinema/engines/clickhouse"
	"github.com/netflixathome/cinema/engines/postgres"
	analytics "github.com/netflixathome/cinema/internal/ch"
	"github.com/netflixathome/cinema/internal/realtest"
)

// startTimeout bounds the first call; a busy machine needs a few seconds.
const startTimeout = 2 * time.Minute

// EnginesDir is the folder whose node_modules holds the engines' binaries:
// $CINEMA_ENGINES_DIR, else engines/ of the checkout that the test runs in.
// It is empty when there is none.
func EnginesDir() string {
	if dir := os.Getenv("CINEMA_ENGINES_DIR"); dir != "" {
		return dir
	}
	root := checkout()
	if root == "" {
		return ""
	}
	dir := filepath.Join(root, "engines")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		return ""
	}
	return dir
}

// checkout is the root of the repository that the working directory is in.
func checkout() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

const dirPrefix = "cinema-enginestest-"

// folder makes this binary's folder below the one for temporary files, and
// removes those of binaries that have ended. A folder belongs to whoever
// holds the lock in it, and the kernel drops the lock with the process.
var folder = sync.OnceValues(func() (string, error) {
	old, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	for _, dir := range old {
		if f, err := lock(dir); err == nil {
			_ = os.RemoveAll(dir)
			_ = f.Close()
		}
	}
	// The lock is taken before the folder gets the name under which others
	// look for it.
	hidden, err := os.MkdirTemp("", "new-"+dirPrefix)
	if err != nil {
		return "", err
	}
	f, err := lock(hidden)
	if err != nil {
		return "", err
	}
	held = f
	dir := filepath.Join(filepath.Dir(hidden), strings.TrimPrefix(filepath.Base(hidden), "new-"))
	return dir, os.Rename(hidden, dir)
})

// held keeps the lock's file from being collected, which would close it.
var held *os.File //nolint:unused // being written to is all it is for

func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// await waits until an engine is ready or has failed.
func await(run func(context.Context) error, ready <-chan struct{}) error {
	failed := make(chan error, 1)
	go func() { failed <- run(context.Background()) }() // ends with the binary
	t := time.NewTimer(startTimeout)
	defer t.Stop()
	select {
	case <-ready:
		return nil
	case err := <-failed:
		if err == nil {
			err = errors.New("ended before it was ready")
		}
		return err
	case <-t.C:
		return fmt.Errorf("not ready after %v", startTimeout)
	}
}

// logger shows what is wrong with an engine and nothing else.
func logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

var serial atomic.Int64

var sharedPostgres = sync.OnceValues(func() (*postgres.Server, error) {
	dir, err := folder()
	if err != nil {
		return nil, err
	}
	s, err := postgres.New(postgres.Options{
		Dir:        filepath.Join(dir, "postgres"),
		EnginesDir: EnginesDir(),
		Disposable: true,
		Log:        logger(),
	})
	if err != nil {
		return nil, err
	}
	return s, await(s.Run, s.Ready())
})

// Postgres returns the DSN, for pgx, of a fresh and empty database. It is
// dropped when the test ends. Its user is a superuser and may replicate.
func Postgres(t testing.TB) string {
	t.Helper()
	return createDatabase(t, "template1")
}

// PostgresWith is Postgres with the tables that migrate makes. That is done once
// per test binary and name, in a database that the others are copies of.
func PostgresWith(t testing.TB, name string, migrate func(context.Context, *pgxpool.Pool) error) string {
	t.Helper()
	made, _ := templates.LoadOrStore(name, &template{})
	m, dsn := made.(*template), postgresServer(t)
	m.once.Do(func() { m.database, m.err = makeTemplate(dsn, migrate) })
	if m.err != nil {
		t.Fatalf("Postgres for tests, with the tables of %s: %v", name, m.err)
	}
	return createDatabase(t, m.database)
}

// templates are the databases that PostgresWith copies. They stay until the
// server ends.
var templates sync.Map // of *template by name

type template struct {
	once     sync.Once
	database string
	err      error
}

func makeTemplate(dsn func(database string) string, migrate func(context.Context, *pgxpool.Pool) error) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	name := database()
	if err := execute(dsn, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	pool, err := pgxpool.New(ctx, dsn(name))
	if err != nil {
		return "", err
	}
	defer pool.Close() // a database that someone is connected to is not copied
	return name, migrate(ctx, pool)
}

// createDatabase makes a database for the test, as a copy of another.
func createDatabase(t testing.TB, of string) string {
	t.Helper()
	dsn := postgresServer(t)
	name := database()
	if err := execute(dsn, "CREATE DATABASE "+name+" TEMPLATE "+of); err != nil {
		t.Fatalf("Postgres for tests: %v", err)
	}
	t.Cleanup(func() {
		// Slots that the test left would keep the database from going. What
		// remains goes with the server, so a failure here is no failure.
		err := execute(dsn,
			"SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active AND database = '"+name+"'",
			"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '"+name+"'",
			"DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
		if err != nil {
			t.Logf("Postgres for tests: %v", err)
		}
	})
	return dsn(name)
}

// postgresServer is the server, as the DSN of a database of it.
func postgresServer(t testing.TB) (dsn func(database string) string) {
	t.Helper()
	if address, ok := realtest.Lookup(t, realtest.Postgres); ok {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatalf("%s: %v", realtest.Postgres, err)
		}
		return func(database string) string { return u.ResolveReference(&url.URL{Path: "/" + database}).String() }
	}
	s, err := sharedPostgres()
	if err != nil {
		t.Fatalf("Postgres for tests: %v", err)
	}
	return s.DSN
}

// database is a name that no other test has, of this binary or of another one
// on the same server.
func database() string { return fmt.Sprintf("test_%d_%d", os.Getpid(), serial.Add(1)) }

func execute(dsn func(database string) string, statements ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// ClickHouseAddress is how a test reaches its database: what clickhouse-go's
// Options.Addr and Options.Auth want.
type ClickHouseAddress = clickhouse.Address

var sharedClickHouse = sync.OnceValues(func() (*clickhouse.Server, error) {
	dir, err := folder()
	if err != nil {
		return nil, err
	}
	launcher, err := Launcher()
	if err != nil {
		return nil, err
	}
	s, err := clickhouse.New(clickhouse.Options{
		Dir:        filepath.Join(dir, "clickhouse"),
		Launcher:   launcher,
		EnginesDir: EnginesDir(),
		Disposable: true,
		Log:        logger(),
	})
	if err != nil {
		return nil, err
	}
	return s, await(s.Run, s.Ready())
})

// ClickHouse returns the address of a fresh and empty database. It is dropped
// when the test ends.
func ClickHouse(t testing.TB) ClickHouseAddress {
	t.Helper()
	server := clickhouseServer(t)
	a := server
	a.Database = database()
	if err := executeClickHouse(server, "CREATE DATABASE "+a.Database); err != nil {
		t.Fatalf("ClickHouse for tests: %v", err)
	}
	t.Cleanup(func() {
		if err := executeClickHouse(server, "DROP DATABASE IF EXISTS "+a.Database+" SYNC"); err != nil {
			t.Logf("ClickHouse for tests: %v", err)
		}
	})
	return a
}

// Analytics is how to open a fresh and empty database for statistics: on the
// embedded server, or on all shards of the real cluster. It is dropped when the
// test ends.
func Analytics(t testing.TB) analytics.Config {
	t.Helper()
	first := ClickHouse(t)
	c := analytics.Config{Addrs: []string{first.Native}, Database: first.Database, User: first.User, Password: first.Password}
	shards, ok := realtest.Lookup(t, realtest.ClickHouse)
	if !ok {
		return c
	}
	c.Cluster, c.Addrs = clickhouseCluster, strings.Split(shards, ",")
	for _, addr := range c.Addrs[1:] {
		t.Cleanup(func() {
			other := ClickHouseAddress{Native: addr, User: first.User, Database: "system"}
			if err := executeClickHouse(other, "DROP DATABASE IF EXISTS "+c.Database+" SYNC"); err != nil {
				t.Logf("ClickHouse for tests: %v", err)
			}
		})
	}
	return c
}

// clickhouseCluster is the name that e2e/real gives its shards.
const clickhouseCluster = "cinema"

// clickhouseServer is the server; of the real ones, the first shard.
func clickhouseServer(t testing.TB) ClickHouseAddress {
	t.Helper()
	if shards, ok := realtest.Lookup(t, realtest.ClickHouse); ok {
		first, _, _ := strings.Cut(shards, ",")
		return ClickHouseAddress{Native: first, User: "tests", Database: "system"}
	}
	s, err := sharedClickHouse()
	if err != nil {
		t.Fatalf("ClickHouse for tests: %v", err)
	}
	return s.Address()
}

func executeClickHouse(a ClickHouseAddress, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := ch.Open(&ch.Options{
		Addr: []string{a.Native},
		Auth: ch.Auth{Username: a.User, Password: a.Password, Database: a.Database},
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Exec(ctx, statement)
}

// Launcher is the path of the ClickHouse launcher: $CINEMA_CLICKHOUSE_LAUNCHER,
// else one that is built from this checkout.
func Launcher() (string, error) {
	if path := os.Getenv("CINEMA_CLICKHOUSE_LAUNCHER"); path != "" {
		return path, nil
	}
	return builtLauncher()
}

var builtLauncher = sync.OnceValues(func() (string, error) {
	root := checkout()
	if root == "" {
		return "", errors.New("the test does not run inside a checkout, where the launcher's source is")
	}
	dir, err := folder()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	// The go tool's cache makes every build after the first one a copy.
	path := filepath.Join(dir, clickhouse.LauncherName)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "./engines/clickhouse/launcher")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the launcher: %w: %s", err, out)
	}
	return path, nil
})

// Kafka returns the brokers of a Kafka in which the topics do not exist: one in
// this process for the test alone, which lasts until the test ends. A real
// cluster is shared: there the topics are deleted, before and after, so tests
// that name the same ones must not run in parallel.
func Kafka(t testing.TB, topics ...string) []string {
	t.Helper()
	if address, ok := realtest.Lookup(t, realtest.Kafka); ok {
		brokers := strings.Split(address, ",")
		without := func() {
			t.Helper()
			if err := deleteTopics(brokers, topics); err != nil {
				t.Fatalf("Kafka for tests: %v", err)
			}
		}
		without()
		t.Cleanup(without)
		return brokers
	}
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatalf("Kafka for tests: %v", err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()
}

// deleteTopics deletes those that are there, and with them what groups have
// read of them, and returns when no broker knows them any more.
func deleteTopics(brokers, topics []string) error {
	cfg := sarama.NewConfig()
	cfg.Version = sarama.V3_6_0_0
	admin, err := sarama.NewClusterAdmin(brokers, cfg)
	if err != nil {
		return err
	}
	defer admin.Close()
	for _, topic := range topics {
		if err := admin.DeleteTopic(topic); err != nil && !errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
			return fmt.Errorf("delete topic %s: %w", topic, err)
		}
	}
	for _, address := range brokers {
		if err := forgotten(address, cfg, topics); err != nil {
			return fmt.Errorf("broker %s: %w", address, err)
		}
	}
	return nil
}

// forgotten waits until a broker knows none of the topics. Each learns of what
// was deleted by itself, and tells its clients of it until then.
func forgotten(address string, cfg *sarama.Config, topics []string) error {
	broker := sarama.NewBroker(address)
	if err := broker.Open(cfg); err != nil {
		return err
	}
	defer broker.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		answer, err := broker.GetMetadata(sarama.NewMetadataRequest(cfg.Version, topics))
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(answer.Topics, func(t *sarama.TopicMetadata) bool { return !errors.Is(t.Err, sarama.ErrUnknownTopicOrPartition) }) {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New("it still knows topics that were deleted half a minute ago")
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Name returns a name that no other test of the binary has, for a topic, a
// consumer group, a replication slot.
func Name(prefix string) string { return fmt.Sprintf("%s_%d", prefix, serial.Add(1)) }

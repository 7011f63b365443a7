package ch_test

import (
	"context"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/engines/enginestest"
	"github.com/netflixathome/cinema/internal/ch"
)

func open(t *testing.T, cfg ch.Config) *ch.DB {
	t.Helper()
	db, err := ch.Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// alone is one server that needs no tables of the program's.
func alone(t *testing.T) ch.Config {
	t.Helper()
	cfg := enginestest.Analytics(t)
	cfg.Addrs, cfg.Cluster = cfg.Addrs[:1], ""
	return cfg
}

func TestMigrateMakesTheDatabaseAndCanBeRepeated(t *testing.T) {
	cfg := enginestest.Analytics(t)
	cfg.Database = enginestest.Name("fresh")
	db := open(t, cfg)
	require.ErrorContains(t, db.Ping(t.Context()), "not there yet")
	var n uint64
	require.ErrorContains(t, db.Row(t.Context(), []any{&n}, "SELECT count() FROM activity_event"), "81")
	require.NoError(t, db.Migrate(t.Context()))
	require.NoError(t, db.Migrate(t.Context()))
	require.NoError(t, db.Ping(t.Context()))
	require.NoError(t, db.Row(t.Context(), []any{&n}, "SELECT count() FROM activity_event"))
	require.NoError(t, db.Everywhere(t.Context(), "INSERT INTO "+db.Local("goose_analytics")+" (version_id, is_applied) VALUES (99999, 1)"))
	err := db.Migrate(t.Context())
	require.ErrorContains(t, err, "run the newer program")
	for _, addr := range cfg.Addrs {
		require.ErrorContains(t, err, addr)
	}
	require.NoError(t, db.Everywhere(t.Context(), "DROP DATABASE "+cfg.Database))
}

func TestProgramsThatStartAtOnce(t *testing.T) {
	cfg := enginestest.Analytics(t)
	errs := make(chan error, 4)
	for range cap(errs) {
		db := open(t, cfg)
		go func() { errs <- db.Migrate(t.Context()) }()
	}
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
}

func TestWhatIsGivenUpHereIsKilledThere(t *testing.T) {
	cfg := enginestest.Analytics(t)
	db := open(t, cfg)
	processes := "system.processes"
	if cfg.Cluster != "" {
		processes = "clusterAllReplicas('" + cfg.Cluster + "', system.processes)"
		require.NoError(t, db.Migrate(t.Context())) // any of them can be asked
	}
	mark := uuid.NewString()
	running := func() uint64 {
		var n uint64
		require.NoError(t, db.Row(t.Context(), []any{&n}, "SELECT count() FROM "+processes+" WHERE position(query, @mark) > 0 AND position(query, 'sleepEachRow') > 0 AND position(query, 'system.processes') = 0", ch.Named("mark", mark)))
		return n
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		var n uint64
		done <- db.Row(ctx, []any{&n}, "SELECT count() FROM (SELECT sleepEachRow(0.1), '"+mark+"' FROM numbers(100000) SETTINGS max_block_size = 1)")
	}()
	require.Eventually(t, func() bool { return running() == 1 }, 10*time.Second, 20*time.Millisecond)
	cancel()
	require.Error(t, <-done)
	require.Eventually(t, func() bool { return running() == 0 }, 10*time.Second, 20*time.Millisecond)
}

func TestRefused(t *testing.T) {
	db := open(t, alone(t))
	require.NoError(t, db.Exec(t.Context(), "CREATE TABLE t (n UInt8, CONSTRAINT c CHECK n < 10) ENGINE = MergeTree ORDER BY n"))
	insert := func(query string, v any) error {
		return db.Insert(t.Context(), query, func(b driver.Batch) error { return b.Append(v) })
	}
	require.NoError(t, insert("INSERT INTO t (n)", uint8(1)))
	require.True(t, ch.IsRefused(insert("INSERT INTO t (n)", uint8(11))), "by a constraint")
	require.True(t, ch.IsRefused(insert("INSERT INTO t (n)", time.Now())), "by its type")
	err := insert("INSERT INTO nowhere (n)", uint8(1))
	require.Error(t, err)
	require.False(t, ch.IsRefused(err), "a missing table is worth a retry")
}

func TestConfigNamesEveryFault(t *testing.T) {
	_, err := ch.Open(t.Context(), ch.Config{Database: "default; DROP"})
	require.ErrorContains(t, err, "address")
	require.ErrorContains(t, err, "plain name")
	require.ErrorContains(t, err, "user")
	_, err = ch.Open(t.Context(), ch.Config{Addrs: []string{"a:9000", "b", "a:9000"}, Database: "cinema", User: "cinema"})
	require.ErrorContains(t, err, `"b"`)
	require.ErrorContains(t, err, "twice")
	require.ErrorContains(t, err, "cluster's name")
}

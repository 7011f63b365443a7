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

func TestMigrateMakesTheDatabaseAndCanBeRepeated(t *testing.T) {
	a := enginestest.ClickHouse(t)
	name := enginestest.Name("fresh")
	db, err := ch.Open(t.Context(), ch.Config{Addr: a.Native, Database: name, User: a.User, Password: a.Password})
	require.NoError(t, err)
	defer db.Close()
	require.Error(t, db.Ping(t.Context()), "there is no such database yet")
	require.NoError(t, db.Migrate(t.Context()))
	require.NoError(t, db.Migrate(t.Context()))
	require.NoError(t, db.Ping(t.Context()))
	var n uint64
	require.NoError(t, db.Row(t.Context(), []any{&n}, "SELECT count() FROM activity_event"))
	require.NoError(t, db.Exec(t.Context(), "INSERT INTO goose_analytics (version_id, is_applied) VALUES (99999, 1)"))
	require.ErrorContains(t, db.Migrate(t.Context()), "run the newer program")
	require.NoError(t, db.Exec(t.Context(), "DROP DATABASE "+name))
}

func TestWhatIsGivenUpHereIsKilledThere(t *testing.T) {
	a := enginestest.ClickHouse(t)
	db, err := ch.Open(t.Context(), ch.Config{Addr: a.Native, Database: a.Database, User: a.User, Password: a.Password})
	require.NoError(t, err)
	defer db.Close()
	mark := uuid.NewString()
	running := func() uint64 {
		var n uint64
		require.NoError(t, db.Row(t.Context(), []any{&n}, "SELECT count() FROM system.processes WHERE position(query, @mark) > 0 AND position(query, 'sleepEachRow') > 0 AND position(query, 'system.processes') = 0", ch.Named("mark", mark)))
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
	a := enginestest.ClickHouse(t)
	db, err := ch.Open(t.Context(), ch.Config{Addr: a.Native, Database: a.Database, User: a.User, Password: a.Password})
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.Exec(t.Context(), "CREATE TABLE t (n UInt8, CONSTRAINT c CHECK n < 10) ENGINE = MergeTree ORDER BY n"))
	insert := func(query string, v any) error {
		return db.Insert(t.Context(), query, func(b driver.Batch) error { return b.Append(v) })
	}
	require.NoError(t, insert("INSERT INTO t (n)", uint8(1)))
	require.True(t, ch.IsRefused(insert("INSERT INTO t (n)", uint8(11))), "by a constraint")
	require.True(t, ch.IsRefused(insert("INSERT INTO t (n)", time.Now())), "by its type")
	err = insert("INSERT INTO nowhere (n)", uint8(1))
	require.Error(t, err)
	require.False(t, ch.IsRefused(err), "a missing table is worth a retry")
}

func TestConfigNamesEveryFault(t *testing.T) {
	_, err := ch.Open(t.Context(), ch.Config{Database: "default; DROP"})
	require.ErrorContains(t, err, "address")
	require.ErrorContains(t, err, "plain name")
	require.ErrorContains(t, err, "user")
}

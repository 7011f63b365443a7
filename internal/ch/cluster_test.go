package ch_test

import (
	"errors"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/engines/enginestest"
	"github.com/netflixathome/cinema/internal/ch"
	"github.com/netflixathome/cinema/internal/realtest"
)

// shards is a fresh database on the real cluster.
func shards(t *testing.T) ch.Config {
	t.Helper()
	realtest.Address(t, realtest.ClickHouse)
	return enginestest.Analytics(t)
}

// one is the same database as a single server has it.
func one(t *testing.T, cfg ch.Config, n int) *ch.DB {
	t.Helper()
	cfg.Addrs, cfg.Cluster = cfg.Addrs[n:n+1], ""
	return open(t, cfg)
}

func number(t *testing.T, db *ch.DB, query string, args ...any) uint64 {
	t.Helper()
	var n uint64
	require.NoError(t, db.Row(t.Context(), []any{&n}, query, args...))
	return n
}

func TestCopiesMeetOnTheirShard(t *testing.T) {
	cfg := shards(t)
	db := open(t, cfg)
	require.NoError(t, db.Migrate(t.Context()))
	ids := make([]uuid.UUID, 1000)
	for i := range ids {
		ids[i] = uuid.Must(uuid.NewV7())
	}
	// From whichever server, in whatever pieces.
	for _, size := range []int{1000, 250, 1000} {
		for from := 0; from < len(ids); from += size {
			require.NoError(t, db.Insert(t.Context(), "INSERT INTO activity_event (id, id_day, day, name, keep)", func(b driver.Batch) error {
				for _, id := range ids[from : from+size] {
					if err := b.Append(id, time.Now(), time.Now(), "page_viewed", uint64(1)); err != nil {
						return err
					}
				}
				return nil
			}))
		}
	}
	require.EqualValues(t, len(ids), number(t, db, "SELECT count() FROM activity_event FINAL"))
	require.EqualValues(t, len(ids), number(t, db, "SELECT uniqExact(id) FROM activity_event"))
	var sum uint64
	for i := range cfg.Addrs {
		n := number(t, one(t, cfg, i), "SELECT count() FROM activity_event_local FINAL")
		require.Greater(t, n, uint64(400), "each has about half")
		sum += n
	}
	require.EqualValues(t, len(ids), sum)
}

func TestHalfMigratedClusterRecovers(t *testing.T) {
	cfg := shards(t)
	db := open(t, cfg)
	require.NoError(t, db.Migrate(t.Context()))
	// The second did not come far; what the first has is of another time.
	second := one(t, cfg, 1)
	for _, table := range []string{"activity_event", "activity_event_local", "title_day_local", "goose_analytics_local"} {
		require.NoError(t, second.Exec(t.Context(), "DROP TABLE "+table+" SYNC"))
	}
	first := one(t, cfg, 0)
	require.NoError(t, first.Exec(t.Context(), "CREATE OR REPLACE TABLE search_day (day Date) ENGINE = Distributed('cinema', currentDatabase(), 'search_day_local', rand())"))
	require.NoError(t, db.Migrate(t.Context()))
	for _, table := range []string{"activity_event", "dirty_day", "activity_day", "title_day", "quality_day", "search_day"} {
		for range cfg.Addrs { // by either
			require.Zero(t, number(t, db, "SELECT count() FROM "+table+" WHERE day > '2000-01-01'"))
		}
	}
	require.Zero(t, number(t, first, "SELECT count() FROM search_day WHERE query = 'made anew'"))
}

func TestMigrateNamesTheServerAtFault(t *testing.T) {
	cfg := shards(t)
	require.NoError(t, open(t, cfg).Migrate(t.Context()))
	failing := func(change func(*ch.Config)) error {
		c := cfg
		c.Addrs = append([]string(nil), cfg.Addrs...)
		change(&c)
		return open(t, c).Migrate(t.Context())
	}
	err := failing(func(c *ch.Config) { c.Addrs[1] = "127.0.0.1:1" })
	require.ErrorContains(t, err, "127.0.0.1:1: it does not answer")
	partial := new(ch.PartialError)
	require.False(t, errors.As(err, &partial), "a whole shard is missing")
	require.NotContains(t, err.Error(), cfg.Addrs[0])

	require.ErrorContains(t, failing(func(c *ch.Config) { c.Addrs = c.Addrs[:1] }), "2 servers in the cluster cinema")
	require.ErrorContains(t, failing(func(c *ch.Config) { c.Cluster = "orchestra" }), "knows no cluster orchestra")
	require.ErrorContains(t, failing(func(c *ch.Config) { c.Addrs, c.Cluster = c.Addrs[:1], "" }), "belongs to a cluster")

	second := one(t, cfg, 1)
	require.NoError(t, second.Exec(t.Context(), "INSERT INTO goose_analytics_local (version_id, is_applied) VALUES (99999, 1)"))
	err = failing(func(*ch.Config) {})
	require.ErrorContains(t, err, cfg.Addrs[1]+": the database is at version 99999")
	require.NotContains(t, err.Error(), cfg.Addrs[0])
}

// What a server stored while it was alone is not replaced by what stores nothing.
func TestServerThatWasAloneKeepsItsRows(t *testing.T) {
	cfg := shards(t)
	first := one(t, cfg, 0)
	require.NoError(t, first.Migrate(t.Context()))
	require.NoError(t, first.Exec(t.Context(), "INSERT INTO activity_event (id, id_day, name) SELECT generateUUIDv7(), today(), 'page_viewed' FROM numbers(100)"))
	db := open(t, cfg)
	require.ErrorContains(t, db.Migrate(t.Context()), "RENAME TABLE activity_event TO activity_event_alone")
	require.EqualValues(t, 100, number(t, first, "SELECT count() FROM activity_event"))
	// As it says.
	tables := []string{"activity_event", "dirty_day", "activity_day", "title_day", "quality_day", "search_day"}
	for _, table := range tables {
		require.NoError(t, first.Exec(t.Context(), "RENAME TABLE "+table+" TO "+table+"_alone"))
	}
	require.NoError(t, db.Migrate(t.Context()))
	require.NoError(t, first.Exec(t.Context(), "INSERT INTO activity_event SELECT * FROM activity_event_alone SETTINGS distributed_foreground_insert = 1"))
	require.EqualValues(t, 100, number(t, db, "SELECT count() FROM activity_event FINAL"))
}

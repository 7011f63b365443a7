package ch

import (
	"errors"
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each table that a migration makes is local, of an engine that fits the
// shape, and has a Distributed table over it.
func TestMigrationsFitEveryShape(t *testing.T) {
	names, err := fs.Glob(files, "migrations/*.sql")
	require.NoError(t, err)
	made := regexp.MustCompile(`CREATE TABLE IF NOT EXISTS (\S+) \(`)
	engine := regexp.MustCompile(`ENGINE = (\w+)\(([^)]*)\)`)
	for _, c := range []struct {
		cfg      Config
		replicas uint64
		suffix   string
		prefix   string
		contains string
	}{
		{Config{}, 0, "", "", ""},
		{Config{Cluster: "cinema"}, 1, "_local", "", ""},
		{Config{Cluster: "cinema"}, 2, "_local", "Replicated", "'/clickhouse/tables/cinema/{shard}/{database}/{table}', '{replica}', "},
	} {
		tables := map[string]bool{}
		for _, name := range names {
			text, err := c.cfg.render(name, c.replicas)
			require.NoError(t, err)
			require.NotContains(t, text, "{{")
			for _, m := range made.FindAllStringSubmatch(text, -1) {
				table, ok := strings.CutSuffix(m[1], c.suffix)
				require.True(t, ok, m[1])
				tables[table] = true
			}
			for _, m := range engine.FindAllStringSubmatch(text, -1) {
				require.True(t, strings.HasPrefix(m[1], c.prefix), m[1])
				require.Contains(t, m[2], c.contains)
			}
			for _, statement := range statements(text) {
				require.Regexp(t, `^(CREATE TABLE IF NOT EXISTS|ALTER TABLE \S+ (ADD|MODIFY|DROP) (COLUMN|INDEX) IF (NOT )?EXISTS)`, statement, "it must be possible to repeat it")
			}
		}
		for _, s := range sharded {
			require.True(t, tables[s.table], s.table)
			delete(tables, s.table)
		}
		require.Empty(t, tables, "these have no Distributed table")
	}
}

func TestVerdict(t *testing.T) {
	away := errors.New("away")
	ok := func(shard string) *visit { return &visit{shard: shard, shards: 2} }
	gone := func() *visit { return &visit{server: server{addr: "gone:9000"}, err: away, away: true} }
	partial := new(PartialError)
	require.NoError(t, verdict([]*visit{ok("1"), ok("2")}))
	err := verdict([]*visit{ok("1"), gone(), ok("2"), ok("2")})
	require.ErrorAs(t, err, &partial, "the other replica of the shard is there")
	require.ErrorIs(t, err, away)
	require.ErrorContains(t, err, "gone:9000")
	for _, list := range [][]*visit{
		{gone()}, // alone
		{ok("1"), gone(), ok("1"), gone()},
		{ok("1"), ok("2"), {err: errors.New("its disk is full")}}, // it answers, and must not be left behind
	} {
		err := verdict(list)
		require.Error(t, err)
		require.False(t, errors.As(err, &partial))
	}
}

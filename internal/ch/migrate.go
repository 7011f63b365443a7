package ch

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
	"text/template"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/pressly/goose/v3"

	"github.com/netflixathome/cinema/internal/await"
)

// The migrations are one set for both shapes: a table's name and engine are
// written as {{table "name"}} and {{engine "MergeTree" "arguments"}}. Each
// statement ends its line with a semicolon and can be repeated, for two
// programs may start at once, a server may have done it and not have noted it,
// and on replicas the second finds it done by the first. It only adds, so that
// the program of the version before goes on meanwhile.
//
//go:embed migrations/*.sql
var files embed.FS

// sharded are the tables, each with what a cluster splits its rows by. A table
// keeps the last of several versions of a row within a shard only: they must
// meet there. To split them otherwise is to lose that for what is stored.
var sharded = []struct{ table, by string }{
	{"activity_event", "cityHash64(id)"},
	{"dirty_day", "toRelativeDayNum(day)"},
	{"activity_day", "toRelativeDayNum(day)"},
	{"title_day", "toRelativeDayNum(day)"},
	{"quality_day", "toRelativeDayNum(day)"},
	{"search_day", "toRelativeDayNum(day)"},
}

// local is the name of a table that keeps rows.
func (c Config) local(table string) string {
	if c.Cluster == "" {
		return table
	}
	return table + "_local"
}

// versions is the table where a server notes what was applied to it. One that
// was alone before has both.
func (c Config) versions() string { return c.local("goose_analytics") }

// engine is a table's engine; where a shard is several servers, a replicated one.
func (c Config) engine(replicas uint64, name, arguments string) string {
	if replicas < 2 {
		return name + "(" + arguments + ")"
	}
	return fmt.Sprintf("Replicated%s('/clickhouse/tables/%s/{shard}/{database}/{table}', '{replica}', %s)", name, c.Cluster, arguments)
}

// render is the text of a migration for this shape.
func (c Config) render(file string, replicas uint64) (string, error) {
	t, err := template.New(path.Base(file)).Funcs(template.FuncMap{
		"table":  c.local,
		"engine": func(name, arguments string) string { return c.engine(replicas, name, arguments) },
	}).ParseFS(files, file)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	err = t.Execute(&text, nil)
	return text.String(), err
}

// statements splits a migration, which is comments between statements.
func statements(text string) (list []string) {
	var code strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "--") {
			code.WriteString(line)
		}
	}
	for one := range strings.SplitSeq(code.String(), ";\n") {
		if one = strings.TrimSpace(one); one != "" {
			list = append(list, one)
		}
	}
	return list
}

// migrations are all of them, ready to be applied.
func (c Config) migrations(replicas uint64) ([]*goose.Migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var list []*goose.Migration
	for _, name := range names {
		version, err := goose.NumericComponent(path.Base(name))
		if err != nil {
			return nil, err
		}
		text, err := c.render(name, replicas)
		if err != nil {
			return nil, err
		}
		list = append(list, goose.NewGoMigration(version, &goose.GoFunc{RunDB: func(ctx context.Context, db *sql.DB) error {
			for _, statement := range statements(text) {
				if _, err := db.ExecContext(ctx, statement); err != nil {
					return err
				}
			}
			return nil
		}}, nil))
	}
	return list, nil
}

// PartialError is a cluster that can be worked with though a server is away:
// every shard has one that is up to date. Migrate again for those that it names.
type PartialError struct{ Err error }

func (e *PartialError) Error() string { return e.Err.Error() }
func (e *PartialError) Unwrap() error { return e.Err }

// Migrate makes the database where it is missing and applies the migrations
// that it lacks, forward only. A database newer than the program is refused.
//
// There is no ON CLUSTER in it: each server is asked what it lacks and is given
// that, so a cluster of which a part was done goes on from there, and no
// server's state is inferred from another's. First every server gets its
// tables, then every one its Distributed tables, which hold nothing and are
// made anew when they differ. The error names each server and what is wrong
// with it; see PartialError.
func (db *DB) Migrate(ctx context.Context) error {
	visits := make([]*visit, len(db.servers))
	var wg sync.WaitGroup
	for i, s := range db.servers {
		v := &visit{server: s, cfg: db.cfg}
		visits[i] = v
		defer v.close()
		wg.Go(func() { v.look(ctx) })
	}
	wg.Wait()
	there := present(visits)
	if err := agree(there); err != nil {
		return errors.Join(err, failures(visits))
	}
	for _, step := range []func(*visit) error{
		(*visit).refuse, // before anything is touched
		func(v *visit) error { return v.migrate(ctx) },
		func(v *visit) error { return v.distribute(ctx) },
	} {
		for _, v := range there {
			if v.err == nil {
				v.err = step(v)
			}
		}
		if failures(there) != nil {
			return failures(visits)
		}
	}
	return verdict(visits)
}

// verdict tells a cluster that can be worked with from one that cannot.
func verdict(visits []*visit) error {
	err := failures(visits)
	if err == nil {
		return nil
	}
	var of int
	shards := map[string]bool{}
	for _, v := range visits {
		switch {
		case v.err == nil:
			shards[v.shard], of = true, int(v.shards)
		case !v.away:
			return err
		}
	}
	if of == 0 || len(shards) < of {
		return err
	}
	return &PartialError{err}
}

// visit is Migrate's stay at one server.
type visit struct {
	server
	cfg Config
	err error
	// away: it did not answer.
	away bool

	shard                     string // which it is
	shards, replicas, servers uint64 // of the cluster, as it knows it
	pool                      *sql.DB
	provider                  *goose.Provider
	current, target           int64 // versions
}

func (v *visit) close() {
	if v.pool != nil {
		_ = v.pool.Close()
	}
}

func present(visits []*visit) (list []*visit) {
	for _, v := range visits {
		if v.err == nil {
			list = append(list, v)
		}
	}
	return list
}

func failures(visits []*visit) error {
	var errs []error
	for _, v := range visits {
		if v.err != nil {
			errs = append(errs, fmt.Errorf("clickhouse migrate: %s: %w", v.addr, v.err))
		}
	}
	return errors.Join(errs...)
}

// look finds out how the server stands.
func (v *visit) look(ctx context.Context) {
	err := v.conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+v.cfg.Database)
	var refused *clickhouse.Exception
	if v.away = err != nil && !errors.As(err, &refused); v.away {
		v.err = fmt.Errorf("it does not answer, so it may lag behind: %w", err)
		return
	}
	if err == nil && v.cfg.Cluster != "" {
		err = v.place(ctx)
	}
	if err == nil {
		err = v.open(ctx)
	}
	v.err = err
}

// place finds out where in the cluster the server is.
func (v *visit) place(ctx context.Context) error {
	var shards, replicas uint32
	if err := v.conn.QueryRow(ctx, "SELECT max(shard_num), max(replica_num), count() FROM system.clusters WHERE cluster = $1", v.cfg.Cluster).
		Scan(&shards, &replicas, &v.servers); err != nil {
		return err
	}
	if v.servers == 0 {
		return fmt.Errorf("it knows no cluster %s: name it in its remote_servers", v.cfg.Cluster)
	}
	v.shards, v.replicas = uint64(shards), uint64(replicas)
	var replica string
	if err := v.conn.QueryRow(ctx, "SELECT anyIf(substitution, macro = 'shard'), anyIf(substitution, macro = 'replica') FROM system.macros").Scan(&v.shard, &replica); err != nil {
		return err
	}
	if v.shard == "" || replica == "" && replicas > 1 {
		return errors.New("it does not say which shard and replica it is: set both in its macros")
	}
	return nil
}

// open finds out what was applied to it.
func (v *visit) open(ctx context.Context) error {
	list, err := v.cfg.migrations(v.replicas)
	if err != nil {
		return err
	}
	v.pool = clickhouse.OpenDB(v.cfg.options(v.cfg.Database, v.addr))
	v.provider, err = goose.NewProvider(goose.DialectClickHouse, v.pool, nil,
		goose.WithGoMigrations(list...), goose.WithTableName(v.cfg.versions()), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	v.current, v.target, err = v.provider.GetVersions(ctx)
	return err
}

// agree finds what must not differ between the servers.
func agree(there []*visit) error {
	for _, v := range there {
		if v.cfg.Cluster == "" {
			continue
		}
		if int(v.servers) != len(v.cfg.Addrs) {
			return fmt.Errorf("clickhouse migrate: %s has %d servers in the cluster %s, but the addresses of %d are set: set one for each", v.addr, v.servers, v.cfg.Cluster, len(v.cfg.Addrs))
		}
		if first := there[0]; v.shards != first.shards || v.replicas != first.replicas {
			return fmt.Errorf("clickhouse migrate: %s has %d shards of %d replicas in the cluster %s, but %s has %d of %d: their remote_servers must be the same",
				v.addr, v.shards, v.replicas, v.cfg.Cluster, first.addr, first.shards, first.replicas)
		}
	}
	return nil
}

// refuse finds why the server must not be touched.
func (v *visit) refuse() error {
	if v.current > v.target {
		return await.Never(&NewerError{Current: v.current, Known: v.target})
	}
	return nil
}

func (v *visit) migrate(ctx context.Context) error {
	if err := v.kinds(ctx); err != nil {
		return err
	}
	if _, err := v.provider.Up(ctx); err != nil {
		return fmt.Errorf("it stays at version %d of %d: %w", v.current, v.target, err)
	}
	return nil
}

// kinds refuses tables that belong to another shape than this program's.
func (v *visit) kinds(ctx context.Context) error {
	for _, t := range sharded {
		var front, rows string
		if err := v.pool.QueryRowContext(ctx, "SELECT anyIf(engine, name = $1), anyIf(engine, name = $2) FROM system.tables WHERE database = $3",
			t.table, v.cfg.local(t.table), v.cfg.Database).Scan(&front, &rows); err != nil {
			return err
		}
		switch replicated := strings.HasPrefix(rows, "Replicated"); {
		case v.cfg.Cluster == "" && front == "Distributed":
			return fmt.Errorf("%s belongs to a cluster: set the cluster's name", t.table)
		case v.cfg.Cluster != "" && front != "" && front != "Distributed":
			return fmt.Errorf("%[1]s is of the time when the server was alone (%[2]s): RENAME TABLE %[1]s TO %[1]s_alone, start again, and INSERT INTO %[1]s SELECT * FROM %[1]s_alone", t.table, front)
		case rows != "" && v.replicas > 1 && !replicated:
			return fmt.Errorf("%s is not replicated (%s), but its shard has %d replicas: make it so with ATTACH TABLE … AS REPLICATED", v.cfg.local(t.table), rows, v.replicas)
		}
	}
	return nil
}

// distribute makes the Distributed tables that are not as they should be.
func (v *visit) distribute(ctx context.Context) error {
	if v.cfg.Cluster == "" {
		return nil
	}
	for _, t := range sharded {
		local := v.cfg.local(t.table)
		engine := fmt.Sprintf("Distributed('%s', '%s', '%s', %s)", v.cfg.Cluster, v.cfg.Database, local, t.by)
		var is string
		var same bool
		if err := v.pool.QueryRowContext(ctx, `SELECT
			(SELECT any(engine_full) FROM system.tables WHERE database = $1 AND name = $2),
			(SELECT groupArray((name, type, default_kind, default_expression)) FROM (SELECT * FROM system.columns WHERE database = $1 AND table = $2 ORDER BY position)) =
			(SELECT groupArray((name, type, default_kind, default_expression)) FROM (SELECT * FROM system.columns WHERE database = $1 AND table = $3 ORDER BY position))`,
			v.cfg.Database, t.table, local).Scan(&is, &same); err != nil {
			return fmt.Errorf("%s: %w", t.table, err)
		}
		if is == engine && same {
			continue
		}
		if _, err := v.pool.ExecContext(ctx, "CREATE OR REPLACE TABLE "+t.table+" AS "+local+" ENGINE = "+engine); err != nil {
			return fmt.Errorf("%s: %w", t.table, err)
		}
	}
	return nil
}

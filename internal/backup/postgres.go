package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/pg"
)

// databaseDump is a database as rows: the tables themselves are made by the
// program's own migrations, up to the versions that are recorded here.
type databaseDump struct {
	Name      string           `json:"name"`
	Server    string           `json:"server"`   // its version, for people
	Versions  map[string]int64 `json:"versions"` // of the schemas, by goose's table
	Tables    []tableDump      `json:"tables"`
	Sequences []sequenceDump   `json:"sequences,omitempty"`
}

type tableDump struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
	Rows    int64    `json:"rows"`
	Parts   []string `json:"parts"` // of COPY's text format
}

type sequenceDump struct {
	Name string `json:"name"`
	Last int64  `json:"last"`
}

// snapshot is a database as it was at one moment.
type snapshot struct {
	name    string
	schemas []Schema
	conn    *pgxpool.Conn
	tx      pgx.Tx
}

// openSnapshots opens those of all databases, one right after the other. What
// it returns must be closed, also when it fails.
func openSnapshots(ctx context.Context, list []Database) ([]*snapshot, error) {
	var out []*snapshot
	for _, d := range list {
		conn, err := d.Pool.Acquire(ctx)
		if err != nil {
			return out, fmt.Errorf("the database %s: %w", d.Name, err)
		}
		s := &snapshot{name: d.Name, schemas: d.Schemas, conn: conn}
		out = append(out, s)
		if s.tx, err = conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}); err != nil {
			return out, fmt.Errorf("the database %s: %w", d.Name, err)
		}
		// The first statement fixes the snapshot.
		if err := plain(ctx, s.tx); err != nil {
			return out, fmt.Errorf("the database %s: %w", d.Name, err)
		}
	}
	return out, nil
}

// plain makes COPY's text independent of how the server is set up, and keeps
// the server from losing patience with a long transaction.
func plain(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `SELECT set_config('datestyle', 'ISO, YMD', true), set_config('intervalstyle', 'postgres', true),
		set_config('extra_float_digits', '1', true), set_config('timezone', 'UTC', true),
		set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true)`)
	return err
}

func closeSnapshots(ctx context.Context, list []*snapshot) {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for _, s := range list {
		if s.tx != nil {
			_ = s.tx.Rollback(bounded) // nothing was written
			s.tx = nil
		}
		if s.conn != nil {
			s.conn.Release()
			s.conn = nil
		}
	}
}

func (s *snapshot) save(ctx context.Context, t *Target) (databaseDump, error) {
	d := databaseDump{Name: s.name, Versions: map[string]int64{}}
	if err := s.tx.QueryRow(ctx, `SHOW server_version`).Scan(&d.Server); err != nil {
		return d, err
	}
	for _, schema := range s.schemas {
		v, err := applied(ctx, s.tx, schema.Table)
		if err != nil {
			return d, err
		}
		d.Versions[schema.Table] = v
	}
	tables, err := describeTables(ctx, s.tx, s.schemas)
	if err != nil {
		return d, err
	}
	for _, table := range tables {
		p := newParts(ctx, t)
		// In the order of the key, so that the same rows are the same bytes.
		statement := fmt.Sprintf("COPY (SELECT %s FROM %s%s) TO STDOUT", names(table.columns), ident(table.name), table.order())
		tag, err := s.conn.Conn().PgConn().CopyTo(ctx, p, statement)
		if err != nil {
			return d, fmt.Errorf("table %s: %w", table.name, err)
		}
		dump := tableDump{Name: table.name, Columns: table.columns, Rows: tag.RowsAffected()}
		if dump.Parts, err = p.Close(); err != nil {
			return d, fmt.Errorf("table %s: %w", table.name, err)
		}
		d.Tables = append(d.Tables, dump)
	}
	d.Sequences, err = sequences(ctx, s.tx)
	return d, err
}

// applied is the version of a schema; 0 where it was never made.
func applied(ctx context.Context, tx pgx.Tx, goose string) (int64, error) {
	var there bool
	if err := tx.QueryRow(ctx, `SELECT to_regclass('public.' || quote_ident($1)) IS NOT NULL`, goose).Scan(&there); err != nil || !there {
		return 0, err
	}
	var v int64
	err := tx.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM `+ident(goose)+` WHERE is_applied`).Scan(&v)
	return v, err
}

type table struct {
	name    string
	columns []string // those that are stored as they are given
	key     []string
	refers  []string // the tables that its rows refer to
}

func (t table) order() string {
	if len(t.key) == 0 {
		return ""
	}
	return " ORDER BY " + names(t.key)
}

// describeTables lists the tables of the database, those that others refer to
// before those; goose's own are left out, for migrating fills them.
func describeTables(ctx context.Context, tx pgx.Tx, schemas []Schema) ([]table, error) {
	var skip []string
	for _, s := range schemas {
		skip = append(skip, s.Table)
	}
	rows, err := tx.Query(ctx, `
		SELECT c.relname,
			ARRAY(SELECT a.attname::text FROM pg_attribute a
				WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum),
			ARRAY(SELECT a.attname::text FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(n, place), pg_attribute a
				WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid AND a.attnum = k.n ORDER BY k.place),
			ARRAY(SELECT f.confrelid::regclass::text FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f' AND f.confrelid <> c.oid)
		FROM pg_class c
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND NOT (c.relname = ANY ($1))
		ORDER BY c.relname`, skip)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (table, error) {
		var t table
		err := row.Scan(&t.name, &t.columns, &t.key, &t.refers)
		return t, err
	})
	if err != nil {
		return nil, err
	}
	return inOrder(list)
}

// inOrder puts what is referred to before what refers to it.
func inOrder(list []table) ([]table, error) {
	var out []table
	placed := map[string]bool{}
	for len(out) < len(list) {
		before := len(out)
		for _, t := range list {
			ready := !placed[t.name]
			for _, r := range t.refers {
				ready = ready && placed[r]
			}
			if ready {
				placed[t.name] = true
				out = append(out, t)
			}
		}
		if len(out) == before {
			return nil, errors.New("tables refer to each other in a circle: there is no order to restore them in")
		}
	}
	return out, nil
}

func sequences(ctx context.Context, tx pgx.Tx) ([]sequenceDump, error) {
	rows, err := tx.Query(ctx, `SELECT sequencename::text, last_value FROM pg_sequences
		WHERE schemaname = 'public' AND last_value IS NOT NULL AND sequencename NOT LIKE 'goose%' ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (sequenceDump, error) {
		var s sequenceDump
		err := row.Scan(&s.Name, &s.Last)
		return s, err
	})
}

func ident(name string) string { return pgx.Identifier{name}.Sanitize() }

func names(list []string) string {
	quoted := make([]string, len(list))
	for i, n := range list {
		quoted[i] = ident(n)
	}
	return strings.Join(quoted, ", ")
}

// holds says in words what rows a database has already; empty if none.
func (d Database) holds(ctx context.Context) (string, error) {
	var found []string
	err := pg.Tx(ctx, d.Pool, func(tx pgx.Tx) error {
		list, err := describeTables(ctx, tx, d.Schemas)
		if err != nil {
			return err
		}
		for _, t := range list {
			var n int64
			if err := tx.QueryRow(ctx, `SELECT count(*) FROM (SELECT FROM `+ident(t.name)+` LIMIT 1000) AS few`).Scan(&n); err != nil {
				return err
			}
			if n > 0 {
				found = append(found, fmt.Sprintf("%s (%s rows)", t.name, atLeast(n, 1000)))
			}
		}
		return nil
	})
	if err != nil || len(found) == 0 {
		return "", err
	}
	return "the database " + d.Name + " has " + strings.Join(found, ", "), nil
}

func atLeast(n, bound int64) string {
	if n >= bound {
		return fmt.Sprintf("%d or more", bound)
	}
	return fmt.Sprint(n)
}

// refuseNewer reports a dump that needs migrations which the program lacks.
func (d Database) refuseNewer(dump databaseDump) error {
	for _, s := range d.Schemas {
		known, err := s.Known()
		if err != nil {
			return err
		}
		if v := dump.Versions[s.Table]; v > known {
			return newer(fmt.Sprintf("the backup's database %s is at version %d of %s, this program knows %d", d.Name, v, s.Table, known))
		}
	}
	return nil
}

// restoreDatabases fills all databases, each in a transaction, and commits them
// together when all are complete.
func restoreDatabases(ctx context.Context, list []Database, dumps []databaseDump, t *Target, say Progress) error {
	var open []pgx.Tx
	defer func() {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		for _, tx := range open {
			_ = tx.Rollback(bounded) // of what was committed it does nothing
		}
	}()
	for _, d := range list {
		dump, ok := find(dumps, d.Name)
		if !ok {
			return fault.New(fault.Invalid, "the backup holds no database %s", d.Name)
		}
		for _, s := range d.Schemas {
			if err := pg.MigrateTo(ctx, d.Pool, s.FS, s.Table, dump.Versions[s.Table]); err != nil {
				return fmt.Errorf("the database %s: %w", d.Name, err)
			}
		}
		conn, err := d.Pool.Acquire(ctx)
		if err != nil {
			return fmt.Errorf("the database %s: %w", d.Name, err)
		}
		defer conn.Release()
		tx, err := conn.Begin(ctx)
		if err != nil {
			return fmt.Errorf("the database %s: %w", d.Name, err)
		}
		open = append(open, tx)
		rows, err := fillDatabase(ctx, conn.Conn().PgConn(), tx, d, dump, t)
		if err != nil {
			return fmt.Errorf("the database %s: %w", d.Name, err)
		}
		say("database %s: %d rows", d.Name, rows)
	}
	for i, tx := range open {
		if err := tx.Commit(ctx); err != nil {
			return fmt.Errorf("the database %s: %w", list[i].Name, err)
		}
	}
	return nil
}

func find(dumps []databaseDump, name string) (databaseDump, bool) {
	for _, d := range dumps {
		if d.Name == name {
			return d, true
		}
	}
	return databaseDump{}, false
}

func fillDatabase(ctx context.Context, conn *pgconn.PgConn, tx pgx.Tx, d Database, dump databaseDump, t *Target) (rows int64, err error) {
	if err := plain(ctx, tx); err != nil {
		return 0, err
	}
	tables, err := describeTables(ctx, tx, d.Schemas)
	if err != nil {
		return 0, err
	}
	saved := map[string]tableDump{}
	for _, table := range dump.Tables {
		saved[table.Name] = table
	}
	var all []string
	for _, table := range tables {
		all = append(all, table.name)
	}
	if len(all) > 0 {
		// Migrations may have put rows of their own, which the dump has too.
		if _, err := tx.Exec(ctx, "TRUNCATE "+names(all)); err != nil {
			return 0, err
		}
	}
	for _, table := range tables {
		s, ok := saved[table.name]
		if !ok {
			continue // made by a migration that the backup did not have yet
		}
		delete(saved, table.name)
		n, err := fillTable(ctx, conn, s, t)
		if err != nil {
			return 0, fmt.Errorf("table %s: %w", s.Name, err)
		}
		rows += n
	}
	for name, s := range saved {
		if s.Rows > 0 {
			return 0, fmt.Errorf("the backup has the table %s, which this program's migrations do not make", name)
		}
	}
	for _, s := range dump.Sequences {
		if _, err := tx.Exec(ctx, `SELECT setval(to_regclass('public.' || quote_ident($1)), $2)`, s.Name, s.Last); err != nil {
			return 0, fmt.Errorf("sequence %s: %w", s.Name, err)
		}
	}
	return rows, nil
}

func fillTable(ctx context.Context, conn *pgconn.PgConn, s tableDump, t *Target) (int64, error) {
	r := newJoined(ctx, t, s.Parts)
	defer r.Close()
	tag, err := conn.CopyFrom(ctx, io.Reader(r), fmt.Sprintf("COPY %s (%s) FROM STDIN", ident(s.Name), names(s.Columns)))
	if err != nil {
		return 0, err
	}
	if n := tag.RowsAffected(); n != s.Rows {
		return 0, fmt.Errorf("%d rows came, the backup has %d: it is damaged", n, s.Rows)
	}
	return s.Rows, nil
}

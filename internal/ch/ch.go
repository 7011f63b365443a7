// Package ch opens ClickHouse and brings its tables up to date.
//
// Statistics are never worth waiting for: Open does not wait for the server,
// every query has a time limit, and a query that its caller gave up on is
// killed in the server too.
package ch

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/pressly/goose/v3"
)

// Config of a DB.
type Config struct {
	// Addr is host:port of the native protocol.
	Addr     string
	Database string
	User     string
	Password string
	// MaxConns bounds the pool; 0 means 8.
	MaxConns int
}

var name = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)

// Validate reports every fault of the configuration at once.
func (c Config) Validate() error {
	var errs []error
	if c.Addr == "" {
		errs = append(errs, errors.New("clickhouse: an address (host:port of the native protocol) is required"))
	}
	if !name.MatchString(c.Database) || c.Database == "default" {
		errs = append(errs, errors.New("clickhouse: the database must be a plain name other than default"))
	}
	if c.User == "" {
		errs = append(errs, errors.New("clickhouse: a user is required"))
	}
	return errors.Join(errs...)
}

// QueryTimeout bounds a query, InsertTimeout an insert.
const (
	QueryTimeout  = 20 * time.Second
	InsertTimeout = 30 * time.Second
)

// DB is a pool of connections to one database.
type DB struct {
	conn driver.Conn
	cfg  Config
	// exists is set once the database has been seen. Until then nothing may
	// connect to it: a handshake that names a database which is not there
	// aborts the embedded server (chDB 26.7.3; the real one answers error 81).
	exists atomic.Bool
}

// see makes sure that the database is there before the pool names it.
func (db *DB) see(ctx context.Context) error {
	if db.exists.Load() {
		return nil
	}
	system := clickhouse.OpenDB(db.cfg.options("system"))
	defer system.Close()
	// Not under the id of the statement that is to follow: the server may take
	// that one for a second run of this.
	ctx = clickhouse.Context(ctx, clickhouse.WithQueryID(uuid.NewString()))
	var n uint64
	if err := system.QueryRowContext(ctx, "SELECT count() FROM system.databases WHERE name = $1", db.cfg.Database).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("clickhouse: the database %s is not there yet", db.cfg.Database)
	}
	db.exists.Store(true)
	return nil
}

func (c Config) options(database string) *clickhouse.Options {
	return &clickhouse.Options{
		Addr: []string{c.Addr},
		Auth: clickhouse.Auth{Database: database, Username: c.User, Password: c.Password},
		Settings: clickhouse.Settings{
			// An insert is answered when it is written.
			"async_insert": 0,
			// A day of rows is deduplicated within its partition: the key holds
			// the partition's expression.
			"do_not_merge_across_partitions_select_final": 1,
			"max_execution_time":                          int(QueryTimeout.Seconds()),
		},
		Compression:          &clickhouse.Compression{Method: clickhouse.CompressionLZ4},
		DialTimeout:          5 * time.Second,
		ReadTimeout:          InsertTimeout,
		MaxOpenConns:         c.MaxConns,
		MaxIdleConns:         c.MaxConns,
		ConnMaxLifetime:      time.Hour,
		BlockBufferSize:      4,
		MaxCompressionBuffer: 1 << 20,
	}
}

// Open makes the pool. It does not wait for the server: ask Ping.
func Open(_ context.Context, cfg Config) (*DB, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.MaxConns == 0 {
		cfg.MaxConns = 8
	}
	conn, err := clickhouse.Open(cfg.options(cfg.Database))
	if err != nil {
		return nil, fmt.Errorf("clickhouse %s: %w", cfg.Addr, err)
	}
	return &DB{conn: conn, cfg: cfg}, nil
}

// Close ends the connections.
func (db *DB) Close() error { return db.conn.Close() }

// Ping asks the server for an answer.
func (db *DB) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := db.see(ctx); err != nil {
		return fmt.Errorf("clickhouse %s: %w", db.cfg.Addr, err)
	}
	if err := db.conn.Ping(ctx); err != nil {
		return fmt.Errorf("clickhouse %s: %w", db.cfg.Addr, err)
	}
	return nil
}

// guard bounds a statement and gives it an id. The returned end must be called
// with the statement's error: it kills in the server what was given up here.
func (db *DB) guard(ctx context.Context, limit time.Duration) (context.Context, func(error)) {
	id := uuid.NewString()
	bounded, cancel := context.WithTimeout(ctx, limit)
	bounded = clickhouse.Context(bounded, clickhouse.WithQueryID(id))
	return bounded, func(err error) {
		gaveUp := err != nil && bounded.Err() != nil
		cancel()
		if gaveUp {
			kill, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			// Best effort: max_execution_time ends it otherwise.
			_ = db.conn.Exec(kill, "KILL QUERY WHERE query_id = $1 ASYNC", id)
		}
	}
}

// Exec runs a statement without rows.
func (db *DB) Exec(ctx context.Context, query string, args ...any) (err error) {
	ctx, end := db.guard(ctx, InsertTimeout)
	defer func() { end(err) }()
	if err := db.see(ctx); err != nil {
		return err
	}
	return db.conn.Exec(ctx, query, args...)
}

// Select reads all rows of a query into dest, a pointer to a slice of structs
// with `ch` tags.
func (db *DB) Select(ctx context.Context, dest any, query string, args ...any) (err error) {
	ctx, end := db.guard(ctx, QueryTimeout)
	defer func() { end(err) }()
	if err := db.see(ctx); err != nil {
		return err
	}
	return db.conn.Select(ctx, dest, query, args...)
}

// Row reads the one row of a query.
func (db *DB) Row(ctx context.Context, dest []any, query string, args ...any) (err error) {
	ctx, end := db.guard(ctx, QueryTimeout)
	defer func() { end(err) }()
	if err := db.see(ctx); err != nil {
		return err
	}
	return db.conn.QueryRow(ctx, query, args...).Scan(dest...)
}

// Insert sends one block: fill appends to the batch's columns or rows. Nothing
// is stored when it fails before the server's answer; when the answer is lost
// it may be stored.
func (db *DB) Insert(ctx context.Context, query string, fill func(driver.Batch) error) (err error) {
	ctx, end := db.guard(ctx, InsertTimeout)
	defer func() { end(err) }()
	if err := db.see(ctx); err != nil {
		return err
	}
	batch, err := db.conn.PrepareBatch(ctx, query)
	if err != nil {
		return err
	}
	defer batch.Close()
	if err := fill(batch); err != nil {
		return &RefusedError{Err: err}
	}
	return batch.Send()
}

// Named is an argument that a query names as @name.
func Named(name string, value any) driver.NamedValue {
	return driver.NamedValue{Name: name, Value: value}
}

// RefusedError is an insert that failed on the data itself, before it was sent.
type RefusedError struct{ Err error }

func (e *RefusedError) Error() string { return "row refused: " + e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

// IsRefused reports whether an insert failed on account of its data, so that
// sending it again cannot help. Whatever else went wrong is worth a retry.
func IsRefused(err error) bool {
	var r *RefusedError
	if errors.As(err, &r) {
		return true
	}
	var ex *clickhouse.Exception
	if !errors.As(err, &ex) {
		return false
	}
	switch ex.Code {
	case 6, // CANNOT_PARSE_TEXT
		53,  // TYPE_MISMATCH
		69,  // ARGUMENT_OUT_OF_BOUND
		70,  // CANNOT_CONVERT_TYPE
		117, // INCORRECT_DATA
		131, // TOO_LARGE_STRING_SIZE
		321, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
		349, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
		407, // DECIMAL_OVERFLOW
		469: // VIOLATED_CONSTRAINT
		return true
	}
	return false
}

//go:embed migrations/*.sql
var files embed.FS

// Migrate makes the database where it is missing and applies the migrations
// that it lacks, forward only. A database newer than the program is refused.
// Each migration can be repeated, so that two programs that start at once do
// each other no harm.
func (db *DB) Migrate(ctx context.Context) error {
	first := clickhouse.OpenDB(db.cfg.options("system"))
	defer first.Close()
	if _, err := first.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS "+db.cfg.Database); err != nil {
		return fmt.Errorf("clickhouse: create database %s: %w", db.cfg.Database, err)
	}
	db.exists.Store(true)
	dir, err := fs.Sub(files, "migrations")
	if err != nil {
		return err
	}
	pool := clickhouse.OpenDB(db.cfg.options(db.cfg.Database))
	defer pool.Close()
	p, err := goose.NewProvider(goose.DialectClickHouse, pool, dir,
		goose.WithTableName("goose_analytics"), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("clickhouse migrate: %w", err)
	}
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("clickhouse migrate: %w", err)
	}
	if current > target {
		return fmt.Errorf("clickhouse migrate: the database is at version %d, this program knows up to %d: run the newer program", current, target)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("clickhouse migrate: %w", err)
	}
	return nil
}

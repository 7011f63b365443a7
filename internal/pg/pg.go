// Package pg opens Postgres databases and brings their tables up to date.
package pg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/netflixathome/cinema/internal/tracing"
)

// Open connects a pool of at most maxConns connections and waits up to 30 s
// for the server's first answer. Errors never hold the password.
func Open(ctx context.Context, dsn string, maxConns int32, options ...Option) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("postgres: the address cannot be read; want postgres://user:password@host:port/database")
	}
	cfg.MaxConns = maxConns
	cfg.MaxConnIdleTime = 5 * time.Minute
	cfg.ConnConfig.RuntimeParams["timezone"] = "UTC"
	for _, o := range options {
		o(cfg)
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	deadline := time.Now().Add(30 * time.Second)
	wait := 50 * time.Millisecond
	for {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		err = pool.Ping(attempt)
		cancel()
		if err == nil {
			return pool, nil
		}
		if ctx.Err() != nil || time.Now().After(deadline) || isRefusal(err) {
			pool.Close()
			return nil, fmt.Errorf("postgres %s:%d/%s: %w", cfg.ConnConfig.Host, cfg.ConnConfig.Port, cfg.ConnConfig.Database, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(wait*2, 2*time.Second)
	}
}

// Option of Open.
type Option func(*pgxpool.Config)

// Traced makes a span of each statement within a trace: its text, which has $1
// in place of the arguments, and what it is done to.
func Traced() Option {
	tracer := otelpgx.NewTracer(otelpgx.WithTracerProvider(tracing.Children()), otelpgx.WithDisableAcquireTracer())
	return func(cfg *pgxpool.Config) { cfg.ConnConfig.Tracer = tracer }
}

// isRefusal reports whether waiting cannot help: wrong credentials or database.
func isRefusal(err error) bool {
	var pe *pgconn.PgError
	return errors.As(err, &pe) && (pe.Code[:2] == "28" || pe.Code == "3D000")
}

// Migrate applies the goose migrations of dir that are missing, forward only,
// under an advisory lock, and records them in table. A database that is newer
// than the program is refused.
func Migrate(ctx context.Context, pool *pgxpool.Pool, dir fs.FS, table string) error {
	return MigrateTo(ctx, pool, dir, table, math.MaxInt64)
}

// MigrateTo is Migrate that stops at a version; a database that is beyond it
// stays as it is.
func MigrateTo(ctx context.Context, pool *pgxpool.Pool, dir fs.FS, table string, version int64) error {
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, dir,
		goose.WithTableName(table), goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("migrate %s: %w", table, err)
	}
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("migrate %s: %w", table, err)
	}
	if current > target {
		return fmt.Errorf("migrate %s: the database is at version %d, this program knows up to %d: run the newer program", table, current, target)
	}
	if _, err := p.UpTo(ctx, min(version, target)); err != nil {
		return fmt.Errorf("migrate %s: %w", table, err)
	}
	return nil
}

// Tx runs f in a transaction: committed if f returns nil, else rolled back.
func Tx(ctx context.Context, pool *pgxpool.Pool, f func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, pool, f)
}

// IsUnique reports whether err is a violated unique constraint, and which.
func IsUnique(err error) (constraint string, ok bool) {
	var pe *pgconn.PgError
	if errors.As(err, &pe) && pe.Code == "23505" {
		return pe.ConstraintName, true
	}
	return "", false
}

// Package pg opens Postgres databases and brings their tables up to date.
package pg

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/netflixathome/cinema/internal/await"
	"github.com/netflixathome/cinema/internal/tracing"
)

// OldestMajor is the oldest version of the server that the tests run on.
const OldestMajor = 15

// Open connects a pool of at most maxConns connections, once the server answers.
// It tries that once; an error that waiting does not mend is marked so (package
// await). Errors never hold the password.
func Open(ctx context.Context, dsn string, maxConns int32, options ...Option) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, await.Never(errors.New("postgres: the address cannot be read; want postgres://user:password@host:port/database"))
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
	attempt, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	if err := pool.Ping(attempt); err != nil {
		pool.Close()
		return nil, fmt.Errorf("postgres: %w", refused(err))
	}
	return pool, nil
}

// answerWait bounds a try of Open, and what Look asks.
const answerWait = 5 * time.Second

// refused marks what waiting does not mend, and says what to do about it.
func refused(err error) error {
	var pe *pgconn.PgError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &pe) && pe.Code[:2] == "28":
		return await.Never(fmt.Errorf("the user or the password is refused, or pg_hba.conf lets neither in from here: %w", err))
	case errors.As(err, &pe) && pe.Code == "3D000":
		return await.Never(fmt.Errorf("there is no such database: make it with CREATE DATABASE: %w", err))
	case errors.As(err, &pe) && pe.Code == "42501":
		return await.Never(fmt.Errorf("the user lacks a right that is needed: GRANT it: %w", err))
	case errors.As(err, &authority), errors.As(err, &host), errors.As(err, &invalid):
		return await.Never(fmt.Errorf("the server's certificate is not trusted: set sslrootcert, or name the host as the certificate does: %w", err))
	}
	return err
}

// Masked is the address without its password and its parameters, to be shown.
func Masked(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return "(unreadable)"
	}
	u.RawQuery, u.Fragment = "", ""
	if _, ok := u.User.Password(); ok {
		return u.Scheme + "://" + url.User(u.User.Username()).String() + ":***@" + u.Host + u.Path
	}
	return u.String()
}

// Server is what one says of itself.
type Server struct {
	// WALLevel says how much is in its log; "logical" is what replication needs.
	WALLevel string
	// Skew is by how much its clock is ahead of this machine's, beyond what the
	// way there and back may be mistaken by.
	Skew time.Duration
}

// Replicates says why no changes can be followed from the server; nil if they can.
func (s Server) Replicates() error {
	if s.WALLevel == "logical" {
		return nil
	}
	return await.Never(fmt.Errorf("postgres: its wal_level is %s: set wal_level=logical, which the search index is kept up to date by, and restart it", s.WALLevel))
}

// Look asks the server what it is. One that is older than the program's oldest
// is refused; a standby, which takes no writes, may become the primary.
func Look(ctx context.Context, pool *pgxpool.Pool) (s Server, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	conn, err := pool.Acquire(ctx) // before the clock is read: to connect takes its time
	if err != nil {
		return s, fmt.Errorf("postgres: %w", err)
	}
	defer conn.Release()
	var version int
	var standby bool
	var there time.Time
	before := time.Now()
	err = conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, pg_is_in_recovery(), current_setting('wal_level'), clock_timestamp()`).
		Scan(&version, &standby, &s.WALLevel, &there)
	if err != nil {
		return s, fmt.Errorf("postgres: %w", err)
	}
	s.Skew = skew(before, there, time.Now())
	if version/10000 < OldestMajor {
		return s, await.Never(fmt.Errorf("postgres: it is version %d: want %d or newer", version/10000, OldestMajor))
	}
	if standby {
		return s, errors.New("postgres: it is a standby, which takes no writes: promote it, or name its primary")
	}
	return s, nil
}

// skew is how far there is out of the time in which it was read.
func skew(before, there, after time.Time) time.Duration {
	switch {
	case there.Before(before):
		return there.Sub(before)
	case there.After(after):
		return there.Sub(after)
	}
	return 0
}

// Option of Open.
type Option func(*pgxpool.Config)

// Traced makes a span of each statement within a trace: its text, which has $1
// in place of the arguments, and what it is done to.
func Traced() Option {
	tracer := otelpgx.NewTracer(otelpgx.WithTracerProvider(tracing.Children()), otelpgx.WithDisableAcquireTracer())
	return func(cfg *pgxpool.Config) { cfg.ConnConfig.Tracer = tracer }
}

// Migrate applies the goose migrations of dir that are missing, forward only,
// under an advisory lock, and records them in table. A database that is newer
// than the program is refused. An error that waiting does not mend is marked so
// (package await): to migrate again later is safe.
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
		return fmt.Errorf("migrate %s: %w", table, failed(err))
	}
	if current > target {
		return await.Never(fmt.Errorf("migrate %s: the database is at version %d, this program knows up to %d: run the newer program", table, current, target))
	}
	if _, err := p.UpTo(ctx, min(version, target)); err != nil {
		return fmt.Errorf("migrate %s: %w", table, failed(err))
	}
	return nil
}

// failed marks what a server that works says of a migration: only one that goes
// down, has no room, or is no primary now may take it later.
func failed(err error) error {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		return err
	}
	switch pe.Code[:2] {
	case "08", "25", "40", "53", "55", "57", "58":
		return err
	}
	if refused := refused(err); await.IsNever(refused) {
		return refused
	}
	return await.Never(err)
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

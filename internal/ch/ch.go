// Package ch opens ClickHouse and brings its tables up to date: one server, or a
// cluster of shards, whose servers it knows one by one.
//
// Statistics are never worth waiting for: Open does not wait for a server,
// every query has a time limit, and a query that its caller gave up on is
// killed in the server too.
//
// # A cluster
//
// Queries and inserts go to any server that answers, through Distributed
// tables that have the names of the tables at home; the rows are in tables
// with _local behind the name. An insert is answered when each shard that it
// concerns has written its part, and fails when one could not: then another
// part may be written, so whoever inserts must be able to repeat it. A query
// that needs a shard which is away fails and names it. See ADR 90.
package ch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/await"
	"github.com/netflixathome/cinema/internal/tracing"
)

// Config of a DB.
type Config struct {
	// Addrs are the servers, host:port of the native protocol each; of a
	// cluster all of them.
	Addrs []string
	// Cluster is the name under which the servers know each other, in their
	// remote_servers. Empty: there is one server.
	Cluster  string
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
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf("clickhouse: "+format, args...)) }
	if len(c.Addrs) == 0 {
		fault("an address (host:port of the native protocol) is required")
	}
	for i, addr := range c.Addrs {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			fault("address %q: want host:port", addr)
		}
		if slices.Contains(c.Addrs[:i], addr) {
			fault("the address %s is there twice", addr)
		}
	}
	if len(c.Addrs) > 1 && c.Cluster == "" {
		fault("of several servers the cluster's name is required")
	}
	if c.Cluster != "" && !name.MatchString(c.Cluster) {
		fault("the cluster must be a plain name")
	}
	if !name.MatchString(c.Database) || c.Database == "default" {
		fault("the database must be a plain name other than default")
	}
	if c.User == "" {
		fault("a user is required")
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
	conn    driver.Conn // to any server
	servers []server
	cfg     Config
}

// server is one of them by itself.
type server struct {
	addr string
	conn driver.Conn // outside the database, which may not be there yet
}

func (c Config) options(database string, addrs ...string) *clickhouse.Options {
	settings := clickhouse.Settings{
		// An insert is answered when it is written.
		"async_insert": 0,
		// A day of rows is deduplicated within its partition: the key holds
		// the partition's expression.
		"do_not_merge_across_partitions_select_final": 1,
		"max_execution_time":                          int(QueryTimeout.Seconds()),
	}
	if c.Cluster != "" {
		settings["distributed_foreground_insert"] = 1
		// What one shard read belongs where its hash says, not where it was read.
		settings["parallel_distributed_insert_select"] = 0
		settings["skip_unavailable_shards"] = 0
		// Reads meet writes: both go to a shard's first replica that is up, and
		// one that lags does not answer for it. See Settle.
		settings["load_balancing"] = "in_order"
		settings["prefer_localhost_replica"] = 0
		settings["max_replica_delay_for_distributed_queries"] = int(maxReplicaDelay.Seconds())
		settings["fallback_to_stale_replicas_for_distributed_queries"] = 0
	}
	return &clickhouse.Options{
		Addr:                 addrs,
		ConnOpenStrategy:     clickhouse.ConnOpenRoundRobin,
		Auth:                 clickhouse.Auth{Database: database, Username: c.User, Password: c.Password},
		Settings:             settings,
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

// maxReplicaDelay is how far behind its shard a replica may be that answers.
const maxReplicaDelay = 5 * time.Second

// Open makes the pool. It does not wait for a server: ask Ping.
func Open(_ context.Context, cfg Config) (*DB, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.MaxConns == 0 {
		cfg.MaxConns = 8
	}
	db := &DB{cfg: cfg}
	var err error
	if db.conn, err = clickhouse.Open(cfg.options(cfg.Database, cfg.Addrs...)); err != nil {
		return nil, fmt.Errorf("clickhouse: %w", err)
	}
	for _, addr := range cfg.Addrs {
		o := cfg.options("system", addr)
		o.MaxOpenConns, o.MaxIdleConns = 2, 1
		conn, err := clickhouse.Open(o)
		if err != nil {
			return nil, fmt.Errorf("clickhouse %s: %w", addr, err)
		}
		db.servers = append(db.servers, server{addr, conn})
	}
	return db, nil
}

// Close ends the connections.
func (db *DB) Close() error {
	errs := []error{db.conn.Close()}
	for _, s := range db.servers {
		errs = append(errs, s.conn.Close())
	}
	return errors.Join(errs...)
}

// each does something on every server at once. The error names those where it
// failed.
func (db *DB) each(do func(s server) error) error {
	errs := make([]error, len(db.servers))
	var wg sync.WaitGroup
	for i, s := range db.servers {
		wg.Go(func() {
			if err := do(s); err != nil {
				errs[i] = fmt.Errorf("clickhouse %s: %w", s.addr, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Ping asks every server for an answer and whether it has the database.
func (db *DB) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return db.each(func(s server) error {
		var n uint64
		if err := s.conn.QueryRow(ctx, "SELECT count() FROM system.databases WHERE name = $1", db.cfg.Database).Scan(&n); err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("the database %s is not there yet", db.cfg.Database)
		}
		return nil
	})
}

// Refused asks every server once, and says why one of them will never do: its
// user or password is wrong, or its tables are of a newer program. One that is
// away, or not set up yet, is none of that. The error is marked (package await).
func (db *DB) Refused(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	list, err := db.cfg.migrations(1) // in the order of their names
	if err != nil {
		return err
	}
	known := list[len(list)-1].Version
	return await.Never(db.each(func(s server) error {
		var there uint64
		err := s.conn.QueryRow(ctx, "SELECT count() FROM system.tables WHERE database = $1 AND name = $2", db.cfg.Database, db.cfg.versions()).Scan(&there)
		var current int64
		if err == nil && there > 0 {
			err = s.conn.QueryRow(ctx, "SELECT max(version_id) FROM "+db.cfg.Database+"."+db.cfg.versions()).Scan(&current)
		}
		var ex *clickhouse.Exception
		switch {
		case errors.As(err, &ex) && slices.Contains(refusals, ex.Code):
			return fmt.Errorf("it refuses the user or the password: set CINEMA_CLICKHOUSE_USER and CINEMA_CLICKHOUSE_PASSWORD: %w", err)
		case current > known:
			return &NewerError{Current: current, Known: known}
		}
		return nil
	}))
}

// refusals are the codes of UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD and
// AUTHENTICATION_FAILED.
var refusals = []int32{192, 193, 194, 516}

// Settle is how long after an insert what was inserted is surely read: no time
// where each shard is one server, else twice what a replica may be behind.
func (db *DB) Settle(ctx context.Context) (time.Duration, error) {
	if db.cfg.Cluster == "" {
		return 0, nil
	}
	var replicas uint32
	if err := db.Row(ctx, []any{&replicas}, "SELECT max(replica_num) FROM system.clusters WHERE cluster = $1", db.cfg.Cluster); err != nil {
		return 0, err
	}
	if replicas < 2 {
		return 0, nil
	}
	return 2 * maxReplicaDelay, nil
}

// Local is the table whose rows a server keeps itself, with its database.
func (db *DB) Local(table string) string {
	return db.cfg.Database + "." + db.cfg.local(table)
}

// Everywhere runs on every server what Distributed tables do not pass on, such
// as ALTER; its tables are named by Local. The error names the servers where it
// failed; on the others it is done.
func (db *DB) Everywhere(ctx context.Context, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, InsertTimeout)
	defer cancel()
	return db.each(func(s server) error { return s.conn.Exec(ctx, statement) })
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
			// Best effort: max_execution_time ends it otherwise. It is not known
			// here which server runs it.
			_ = db.each(func(s server) error { return s.conn.Exec(kill, "KILL QUERY WHERE query_id = $1 ASYNC", id) })
		}
	}
}

// Exec runs a statement without rows.
func (db *DB) Exec(ctx context.Context, query string, args ...any) (err error) {
	ctx, span := db.span(ctx, query)
	defer func() { tracing.End(span, err) }()
	ctx, end := db.guard(ctx, InsertTimeout)
	defer func() { end(err) }()
	return db.conn.Exec(ctx, query, args...)
}

// Select reads all rows of a query into dest, a pointer to a slice of structs
// with `ch` tags.
func (db *DB) Select(ctx context.Context, dest any, query string, args ...any) (err error) {
	ctx, span := db.span(ctx, query)
	defer func() { tracing.End(span, err) }()
	ctx, end := db.guard(ctx, QueryTimeout)
	defer func() { end(err) }()
	return db.conn.Select(ctx, dest, query, args...)
}

// Row reads the one row of a query.
func (db *DB) Row(ctx context.Context, dest []any, query string, args ...any) (err error) {
	ctx, span := db.span(ctx, query)
	defer func() { tracing.End(span, err) }()
	ctx, end := db.guard(ctx, QueryTimeout)
	defer func() { end(err) }()
	return db.conn.QueryRow(ctx, query, args...).Scan(dest...)
}

// Insert sends one block: fill appends to the batch's columns or rows. Nothing
// is stored when it fails before the server's answer; when the answer is lost
// it may be stored.
func (db *DB) Insert(ctx context.Context, query string, fill func(driver.Batch) error) (err error) {
	ctx, span := db.span(ctx, query)
	defer func() { tracing.End(span, err) }()
	ctx, end := db.guard(ctx, InsertTimeout)
	defer func() { end(err) }()
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

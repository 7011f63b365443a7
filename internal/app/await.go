package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/netflixathome/cinema/internal/await"
	"github.com/netflixathome/cinema/internal/pg"
	"github.com/netflixathome/cinema/internal/redis"
)

// patience is how long is waited for an engine of this process, which is up
// before anything asks for it, and by a backup for the stores of a program that
// runs on them already.
const patience = 30 * time.Second

// skewMost is by how much the clocks of an instance and of its store may differ.
// What is compared across machines has room for it: tokens, watch state, events.
const skewMost = 5 * time.Second

// source is where a store is, as its operator set it.
type source struct {
	part     string // as /readyz names it
	variable string // empty: it is embedded
	address  string // to be shown
	want     string // what is expected there
}

// sources are those of the stores whose coming is waited for.
func (c *Config) sources() map[string]source {
	list := map[string]source{}
	add := func(name string, s source) {
		if s.address == "" {
			s.variable = ""
		}
		list[name] = s
	}
	for name, dsn := range map[string]string{"auth": c.Postgres.Auth, "catalog": c.Postgres.Catalog, "telemetry": c.Postgres.Telemetry} {
		s := source{part: "postgres " + name, variable: "CINEMA_POSTGRES_" + strings.ToUpper(name) + "_URL", want: fmt.Sprintf("a primary server of Postgres %d or newer", pg.OldestMajor)}
		if dsn != "" {
			s.address = pg.Masked(dsn)
		}
		add("postgres "+name, s)
	}
	r := source{part: "redis", variable: redis.Variable, want: fmt.Sprintf("a server or cluster of Redis %d or newer", redis.MinMajor)}
	if c.Redis.URL != "" {
		r.address = redis.Masked(c.Redis.URL)
	}
	add("redis", r)
	add("kafka", source{part: "kafka", variable: "CINEMA_KAFKA_BROKERS", address: strings.Join(c.Kafka.Brokers, ","), want: "the brokers of a Kafka cluster with a controller"})
	add("s3", source{part: "s3", variable: "CINEMA_S3_URL", address: c.Objects.URL, want: "an S3 store that lets the bucket " + c.Objects.Bucket + " be used"})
	return list
}

// waited is the store that the start waits for.
type waited struct {
	source
	err error
}

// reach has try open a store, for as long as it takes the store to come: until
// then the program lives and is not ready. An engine of our own that does not
// answer soon is broken.
func (a *app) reach(ctx context.Context, name string, try func(context.Context) error) error {
	s := a.cfg.sources()[name]
	if s.variable == "" {
		return a.within(ctx, name, try)
	}
	defer a.waiting.Store(nil)
	log, began, late := a.log.With("part", s.part), time.Now(), false
	err := await.Until(ctx, try, func(f await.Failure) {
		late = true
		a.waiting.Store(&waited{s, f.Err})
		if f.Say {
			log.WarnContext(ctx, "the start waits for a store that does not serve yet",
				"variable", s.variable, "address", s.address, "want", s.want, "waited", f.Waited.Round(time.Second), "error", f.Err)
		}
	})
	if err == nil && late {
		log.InfoContext(ctx, "the store is there", "variable", s.variable, "address", s.address, "waited", time.Since(began).Round(time.Second))
	}
	return s.explain(err)
}

// within is reach for those who cannot wait long.
func (a *app) within(ctx context.Context, name string, try func(context.Context) error) error {
	s := a.cfg.sources()[name]
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.explain(await.Until(ctx, try, func(await.Failure) {}))
}

// explain names the variable and the address, where the error does not.
func (s source) explain(err error) error {
	if err == nil || s.variable == "" || strings.Contains(err.Error(), s.variable) || strings.Contains(err.Error(), s.address) {
		return err
	}
	return fmt.Errorf("%s: %s: %w", s.variable, s.address, err)
}

// openDatabase opens a database and brings its tables up to date. replicated says
// that its changes are followed from here.
func (a *app) openDatabase(ctx context.Context, name string, conns int32, replicated bool, migrate func(context.Context, *pgxpool.Pool) error) (*pgxpool.Pool, error) {
	var pool *pgxpool.Pool
	err := a.reach(ctx, "postgres "+name, func(ctx context.Context) error {
		opened, err := pg.Open(ctx, a.dsn(name), conns, a.tracedSQL()...)
		if err != nil {
			return err
		}
		is, err := pg.Look(ctx, opened)
		if err == nil && replicated {
			err = is.Replicates()
		}
		if err == nil {
			err = migrate(ctx, opened)
		}
		if err != nil {
			opened.Close()
			return err
		}
		if is.Skew.Abs() > skewMost {
			a.log.WarnContext(ctx, "the clocks of this machine and of a store differ: set both by NTP, or sign-ins end early and statistics are off",
				"part", "postgres "+name, "ahead", is.Skew.Round(time.Millisecond))
		}
		pool = opened
		return nil
	})
	if err != nil {
		return nil, err
	}
	a.closers = append(a.closers, pool.Close)
	a.health = append(a.health, check{name: "postgres " + name, check: pool.Ping})
	a.live.pools[name] = pool
	return pool, nil
}

// ExitCode is what the command ends with: 2 for what stays wrong however often
// it is started again, until somebody changes a setting or a store.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, ErrUsage), await.IsNever(err):
		return 2
	default:
		return 1
	}
}

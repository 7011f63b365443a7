// Package engines starts the embedded engines of a home: Postgres, ClickHouse
// and an event log that speaks the Kafka protocol, all in one data folder.
//
// Each engine is wanted only where no address of a real one is configured.
// Start brings the wanted ones up in parallel; the Set it returns says how to
// reach them, tells how they are, and stops them in order. Two children are
// supervised processes that end with this one, whatever ends it; the event
// log runs in this process.
//
// # The data folder
//
//	lock         held while the program runs; names its process
//	version      of the folder's layout; a newer one is refused untouched
//	restoring    while a backup is being restored into it (internal/app)
//	postgres/    see engines/postgres
//	clickhouse/  see engines/clickhouse
//	kafka/       see engines/kafka
//
// Other parts of the program keep folders of their own beside these; the lock
// covers them too, once Start or Lock has succeeded.
//
// # Failures
//
// What a person can put right comes as *fault.Error with one of the Reason
// constants here and in the engines' packages, in a sentence that says what
// to do. A machine that cannot run ClickHouse is no failure: Start logs it,
// and Set.ClickHouse returns the reason.
package engines

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/netflixathome/cinema/engines/child"
	"github.com/netflixathome/cinema/engines/clickhouse"
	"github.com/netflixathome/cinema/engines/kafka"
	"github.com/netflixathome/cinema/engines/postgres"
	"github.com/netflixathome/cinema/internal/fault"
)

// Names of the engines, in State and in the log.
const (
	Postgres   = "postgres"
	ClickHouse = "clickhouse"
	Kafka      = "kafka"
)

// ReasonNotWanted of a *fault.Error: an engine was asked for that Start was
// not told to start.
const ReasonNotWanted = "ENGINE_NOT_WANTED"

// stopTimeout bounds Run's stopping of all engines. Each has a bound of its
// own that is shorter.
const stopTimeout = 60 * time.Second

// Options says which engines are wanted; those left nil are not started.
type Options struct {
	// DataDir is the data folder; it is made when it is missing.
	DataDir string
	// EnginesDir is the folder whose node_modules holds the binaries,
	// engines/ in a checkout; FindDir finds it.
	EnginesDir string

	Postgres   *PostgresOptions
	ClickHouse *ClickHouseOptions
	Kafka      *KafkaOptions

	// Disposable gives up durability against power cuts, though not against
	// kills, for quicker starts. Only for tests.
	Disposable bool

	Log *slog.Logger
}

// PostgresOptions configures the embedded Postgres.
type PostgresOptions struct {
	// BinDir overrides where initdb and postgres are found.
	BinDir string
	// Databases are created when they are missing.
	Databases []string
}

// ClickHouseOptions configures the embedded ClickHouse. Empty and zero
// fields take the defaults of clickhouse.Options.
type ClickHouseOptions struct {
	Launcher, Library string
	TCPPort, HTTPPort int
	MaxMemory         int64
}

// KafkaOptions configures the embedded event log. Zero fields take the
// defaults of kafka.Options.
type KafkaOptions struct {
	Port           int
	RetentionBytes int64
	Sync           bool
}

// engine is what the set needs of each.
type engine interface {
	Run(ctx context.Context) error
	Ready() <-chan struct{}
	State() child.State
	Check(ctx context.Context) error
}

// running is one engine that was started.
type running struct {
	name  string
	eng   engine
	stop  context.CancelFunc
	ended chan struct{} // closed when Run has returned
	err   error         // what it returned
}

// Set is the engines that were started. Its methods may be called from any
// goroutine.
type Set struct {
	log  *slog.Logger
	lock *Folder

	list []*running       // in the order of starting; stopped in reverse
	off  map[string]error // engines that this machine cannot run

	postgres   *postgres.Server
	clickhouse *clickhouse.Server
	kafka      *kafka.Server

	failed   chan struct{} // closed when an engine ended by itself
	failOnce sync.Once

	stopOnce sync.Once
	stopped  chan struct{}
	stopErr  error
}

// Start locks the data folder and starts the wanted engines in parallel. It
// returns when all of them answer; when one cannot be started, or ctx ends
// first, it stops the others and returns an error. ctx does not bound the
// engines' life: Stop, or Run's context, does.
func Start(ctx context.Context, opt Options) (*Set, error) {
	if opt.Log == nil {
		return nil, errors.New("engines: no logger")
	}
	s := &Set{log: opt.Log}
	var list []*running
	if o := opt.Postgres; o != nil {
		srv, err := postgres.New(postgres.Options{
			Dir: filepath.Join(opt.DataDir, Postgres), BinDir: o.BinDir, EnginesDir: opt.EnginesDir,
			Databases: o.Databases, Disposable: opt.Disposable, Log: opt.Log,
		})
		if err != nil {
			return nil, err
		}
		s.postgres = srv
		list = append(list, &running{name: Postgres, eng: srv})
	}
	if o := opt.ClickHouse; o != nil {
		srv, err := clickhouse.New(clickhouse.Options{
			Dir: filepath.Join(opt.DataDir, ClickHouse), Launcher: o.Launcher, Library: o.Library, EnginesDir: opt.EnginesDir,
			TCPPort: o.TCPPort, HTTPPort: o.HTTPPort, MaxMemory: o.MaxMemory,
			Disposable: opt.Disposable, Log: opt.Log,
		})
		if err != nil {
			return nil, err
		}
		s.clickhouse = srv
		list = append(list, &running{name: ClickHouse, eng: srv})
	}
	if o := opt.Kafka; o != nil {
		srv, err := kafka.New(kafka.Options{
			Dir: filepath.Join(opt.DataDir, Kafka), Port: o.Port, RetentionBytes: o.RetentionBytes, Sync: o.Sync, Log: opt.Log,
		})
		if err != nil {
			return nil, err
		}
		s.kafka = srv
		list = append(list, &running{name: Kafka, eng: srv})
	}
	lock, err := Lock(opt.DataDir)
	if err != nil {
		return nil, err
	}
	s.lock = lock
	if err := s.start(ctx, list); err != nil {
		return nil, err
	}
	return s, nil
}

// start runs the engines and waits for them.
func (s *Set) start(ctx context.Context, list []*running) error {
	s.off = map[string]error{}
	s.failed, s.stopped = make(chan struct{}), make(chan struct{})
	began := time.Now()
	for _, r := range list {
		// Not ctx: that one bounds the start only.
		runCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
		r.stop, r.ended = stop, make(chan struct{})
		go func() {
			defer close(r.ended)
			r.err = r.eng.Run(runCtx)
		}()
	}
	var errs []error
	for _, r := range list {
		select {
		case <-r.eng.Ready():
			s.log.Debug("engine is ready", "engine", r.name, "took", time.Since(began).Round(time.Millisecond))
		case <-r.ended:
			if unsupported(r.err) {
				s.off[r.name] = r.err
				s.log.Warn(r.err.Error(), "engine", r.name)
				r.stop()
				continue
			}
			errs = append(errs, r.err)
		case <-ctx.Done():
			errs = append(errs, fmt.Errorf("%s was not ready in time: %w", r.name, ctx.Err()))
		}
		s.list = append(s.list, r)
	}
	if err := errors.Join(errs...); err != nil {
		// The others may have failed as well, but stopping is not their fault.
		_ = s.Stop(context.WithoutCancel(ctx))
		return err
	}
	for _, r := range s.list {
		go func() { // ends with the engine
			<-r.ended
			s.failOnce.Do(func() { close(s.failed) })
		}()
	}
	return nil
}

func unsupported(err error) bool {
	var f *fault.Error
	return errors.As(err, &f) && f.Reason == clickhouse.ReasonUnsupported
}

// Postgres is the DSN of a database for pgx. It panics when Postgres was not
// asked for: that is a mistake in the wiring.
func (s *Set) Postgres(database string) string {
	if s.postgres == nil {
		panic("engines: Postgres was not started")
	}
	return s.postgres.DSN(database)
}

// ClickHouse is how to reach ClickHouse. The error is a *fault.Error with
// clickhouse.ReasonUnsupported where this machine cannot run it, and with
// ReasonNotWanted where it was not asked for.
func (s *Set) ClickHouse() (clickhouse.Address, error) {
	if s.clickhouse == nil {
		return clickhouse.Address{}, fault.New(fault.Unavailable, "no ClickHouse was started").WithReason(ReasonNotWanted)
	}
	if err := s.off[ClickHouse]; err != nil {
		return clickhouse.Address{}, err
	}
	return s.clickhouse.Address(), nil
}

// Kafka is the brokers of the event log. It panics when the log was not asked
// for: that is a mistake in the wiring.
func (s *Set) Kafka() []string {
	if s.kafka == nil {
		panic("engines: Kafka was not started")
	}
	return s.kafka.Brokers()
}

// Run waits until ctx ends and then stops the engines. It returns an error
// when an engine ended for good by itself, after stopping the others, or when
// stopping took too long. A process that dies is restarted, which is not an
// end for good.
func (s *Set) Run(ctx context.Context) error {
	var err error
	select {
	case <-ctx.Done():
	case <-s.stopped:
		return s.stopErr
	case <-s.failed:
		for _, r := range s.list {
			select {
			case <-r.ended:
				err = errors.Join(err, fmt.Errorf("%s ended by itself: %w", r.name, r.err))
			default:
			}
		}
	}
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	return errors.Join(err, s.Stop(stopCtx))
}

// Stop stops the engines, the last one started first, and gives the data
// folder free. It may be called more than once; each call waits for the end.
// When ctx ends before that it returns an error, and the stopping goes on.
func (s *Set) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() {
		go func() { // bounded by the engines' own limits
			defer close(s.stopped)
			var errs []error
			for i := len(s.list) - 1; i >= 0; i-- {
				r := s.list[i]
				began := time.Now()
				r.stop()
				<-r.ended
				errs = append(errs, r.err)
				s.log.Debug("engine has stopped", "engine", r.name, "took", time.Since(began).Round(time.Millisecond))
			}
			if s.lock != nil {
				errs = append(errs, s.lock.Unlock())
			}
			s.stopErr = errors.Join(errs...)
		}()
	})
	select {
	case <-s.stopped:
		return s.stopErr
	case <-ctx.Done():
		return fmt.Errorf("the engines did not stop in time: %w", ctx.Err())
	}
}

// Health is how an engine is at a moment.
type Health struct {
	Name string
	child.State
	// Err is nil when the engine answers. For an engine that this machine
	// cannot run it says why, and Off is set.
	Err error
	Off bool
}

// Health asks every engine for a sign of life, all at once, bounded by ctx.
func (s *Set) Health(ctx context.Context) []Health {
	list := make([]Health, len(s.list))
	var wg sync.WaitGroup
	for i, r := range s.list {
		wg.Go(func() {
			list[i] = Health{Name: r.name, State: r.eng.State(), Err: r.eng.Check(ctx)}
		})
	}
	wg.Wait()
	for name, err := range s.off {
		list = append(list, Health{Name: name, State: child.State{Phase: child.Stopped}, Err: err, Off: true})
	}
	return list
}

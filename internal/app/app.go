// Package app wires the program together. It is the only package that knows
// which shape the program runs in, which engines are embedded, and which
// adapter stands behind a port.
//
// Read Run from top to bottom: doors, engines, databases, services, then the
// work in the background until the context ends, then the way back in reverse.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/netflixathome/cinema/engines"
	"github.com/netflixathome/cinema/etl/media"
	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/blob"
	"github.com/netflixathome/cinema/internal/bus"
	"github.com/netflixathome/cinema/internal/cache"
	"github.com/netflixathome/cinema/internal/ch"
	"github.com/netflixathome/cinema/internal/demo"
	"github.com/netflixathome/cinema/internal/eventlog"
	"github.com/netflixathome/cinema/internal/limit"
	"github.com/netflixathome/cinema/internal/mediaurl"
	"github.com/netflixathome/cinema/internal/tracing/otlp"
	"github.com/netflixathome/cinema/router"
	"github.com/netflixathome/cinema/router/inprocess"
	"github.com/netflixathome/cinema/subgraphs/admin/records"
	"github.com/netflixathome/cinema/subgraphs/auth"
	telemetrypostgres "github.com/netflixathome/cinema/subgraphs/telemetry/postgres"
)

// How long the way back may take, part by part: together, without engines,
// within 15 s. Notice and idle are for the proxies in front of a cluster's
// services. nginx leaves an instance alone for up to 2 s after it failed
// (fail_timeout, by a clock of whole seconds): one that has just come back must
// be asked again before the next, which is told to go at that moment, is shut. It
// keeps a connection that nobody uses for 3 s.
const (
	drainNotice   = 2500 * time.Millisecond
	drainIdle     = 3500 * time.Millisecond
	drainHTTP     = 4 * time.Second
	drainServices = 4 * time.Second
	closeEvents   = 2 * time.Second
	stopEngines   = 30 * time.Second
)

// gcPercent is by how much the heap grows between collections. Some 30 MB live,
// and a page of the catalogue allocates a megabyte: at Go's 100 an eighth of
// the time under load went into collecting. At 200 a page costs 15 % less time
// and the program some 30 MB more; at 400 it costs no less and takes 190 MB.
const gcPercent = 200

// app is the program while it is put together and runs.
type app struct {
	cfg     *Config
	log     *slog.Logger
	out     io.Writer
	version string

	engines *engines.Set
	bus     bus.Bus
	limiter limit.Limiter
	cache   *cache.Cache
	blobs   blob.Store
	signer  *mediaurl.Signer

	verifier authn.Verifier
	revoked  *authn.Revocations
	apiKeys  *authn.APIKeys

	auth        *auth.Accounts
	demo        *demo.Seeder
	catalogPool *pgxpool.Pool // the database behind the catalogue
	index       index         // nil where nothing here reads or writes it
	records     *records.Service
	library     *media.Library
	queue       *media.Queue
	tools       *media.Tools
	ffmpeg      string

	events     *eventlog.Log
	activity   *activity
	watching   *telemetrypostgres.Store
	clickhouse *ch.DB // nil where this machine cannot run it

	subgraphs map[string]http.Handler // of this process, by name
	media     http.Handler            // /media/, where the catalog runs here
	uploads   http.Handler            // /uploads/, where admin runs here

	// background is work that lasts until the program ends: name and Run.
	background []task
	health     []check
	closers    []func()
	// partings tell what stays open for long to go, once nobody new comes in.
	partings []func()

	transport *inprocess.Transport // reaches the subgraphs from the router
	router    *router.Router       // nil where it runs elsewhere
	metrics   *metrics
	tracing   *otlp.Provider // nil where nothing is traced
	live      live           // figures that are asked for
	backups   backups
	waiting   atomic.Pointer[waited]
	wired     atomic.Bool // every part is made
	opened    atomic.Bool // the entrance serves
	going     atomic.Bool // the program is on its way back
}

type task struct {
	name string
	run  func(ctx context.Context) error
}

type check struct {
	name  string
	check func(ctx context.Context) error
	// optional parts may fail without the program being unready.
	optional bool
}

func (a *app) run(name string, f func(ctx context.Context) error) {
	a.background = append(a.background, task{name, f})
}

// Run runs the program until ctx ends.
func Run(ctx context.Context, cfg *Config, version string, out io.Writer) error {
	return run(ctx, cfg, version, out, func() {})
}

func run(ctx context.Context, cfg *Config, version string, out io.Writer, ready func()) (err error) {
	a := &app{
		cfg: cfg, log: newLogger(cfg.Log, os.Stderr), out: out, version: version,
		subgraphs: map[string]http.Handler{}, metrics: newMetrics(version),
	}
	a.live = live{a: a, pools: map[string]*pgxpool.Pool{}}
	began := time.Now()
	for _, w := range cfg.Warnings {
		a.log.Warn(w)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}

	// Doors first: a port that is taken is said before anything is written.
	public, err := listen(ctx, "CINEMA_LISTEN", cfg.HTTP.Listen)
	if err != nil {
		return err
	}
	defer func() { _ = public.Close() }()
	var ops net.Listener
	if cfg.HTTP.OpsListen != "" {
		if ops, err = listen(ctx, "CINEMA_OPS_LISTEN", cfg.HTTP.OpsListen); err != nil {
			return err
		}
		defer ops.Close()
	}
	if cfg.DataDir, err = filepath.Abs(cfg.DataDir); err != nil {
		return fmt.Errorf("the data folder: %w", err)
	}
	if err := refuseUnfinished(cfg.DataDir); err != nil {
		return err
	}
	a.metrics.registry.MustRegister(&a.live)

	// The doors end with the program's context, or with its start if that fails.
	parent := ctx
	ctx, fail := context.WithCancel(parent)
	doors, doorsCtx := errgroup.WithContext(ctx)
	// The operator's door and the router's engine outlast the public door: the
	// one says that we are leaving, the other answers who is still inside. It
	// is open before anything is waited for, and says what is.
	lastCtx, lastEnd := context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		fail()
		lastEnd()
		_ = doors.Wait()
	}()
	if ops != nil {
		doors.Go(func() error { return serve(lastCtx, ops, a.ops(), leaving{drain: time.Second}) })
	}
	entrance := &door{}
	admit := func() {
		doors.Go(func() error {
			defer lastEnd()
			return serve(doorsCtx, public, entrance, a.leave())
		})
	}
	if a.alone() {
		admit() // browsers are told that it starts
	} else {
		// Until it can serve, a proxy must find the door shut and go elsewhere: a
		// mutation that was answered "not yet" is sent to nobody else.
		_ = public.Close()
	}

	first := isEmpty(cfg.DataDir)
	if err := a.startEngines(ctx); err != nil {
		return unlessTold(parent, err)
	}
	engineCtx, engineEnd := context.WithCancel(context.WithoutCancel(ctx))
	engineDone := make(chan error, 1)
	go func() { engineDone <- a.engines.Run(engineCtx) }()
	defer func() {
		engineEnd()
		err = errors.Join(err, <-engineDone)
	}()
	defer func() {
		for _, c := range slices.Backward(a.closers) {
			c()
		}
	}()

	if err := a.wire(ctx); err != nil {
		return unlessTold(parent, err)
	}
	handler, err := a.front()
	if err != nil {
		return err
	}
	a.wired.Store(true)
	if !a.alone() {
		if public, err = listen(ctx, "CINEMA_LISTEN", cfg.HTTP.Listen); err != nil {
			return err
		}
	}

	// Services run under their own context, so that at the end requests are
	// answered before what answers them is stopped.
	servicesCtx, servicesEnd := context.WithCancel(context.WithoutCancel(ctx))
	defer servicesEnd()
	services, servicesCtx := errgroup.WithContext(servicesCtx)
	for _, t := range a.background {
		services.Go(func() error {
			if err := t.run(servicesCtx); err != nil && servicesCtx.Err() == nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			return nil
		})
	}
	services.Go(func() error { return serveControl(servicesCtx, a, a.log) })

	entrance.open(handler)
	if !a.alone() {
		admit()
	}
	context.AfterFunc(doorsCtx, func() { a.going.Store(true) })
	if a.router != nil {
		doors.Go(func() error { return a.router.Run(lastCtx) })
	}
	doors.Go(func() error { // an engine or a service that ends takes the program along
		select {
		case <-doorsCtx.Done():
			return nil
		case err := <-engineDone:
			engineDone <- err
			return fmt.Errorf("an engine ended: %w", err)
		case <-servicesCtx.Done():
			return context.Cause(servicesCtx)
		}
	})
	doors.Go(func() error {
		if err := a.opening(doorsCtx, first, began); err != nil {
			return err
		}
		ready()
		return nil
	})
	err = doors.Wait()
	servicesEnd()
	ended := make(chan error, 1)
	go func() { ended <- services.Wait() }()
	select {
	case serviceErr := <-ended:
		if err == nil || errors.Is(err, context.Canceled) {
			err = serviceErr
		}
	case <-time.After(drainServices):
		a.log.Warn("some work did not end in time and is given up")
	}
	return unlessTold(parent, err)
}

// unlessTold is err, unless it says no more than that the program was told to end.
func unlessTold(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// leave is how the public door closes. At home browsers come straight in, and
// nobody else could serve them.
func (a *app) leave() leaving {
	last := leaving{drain: drainHTTP, closed: func() {
		if !a.wired.Load() {
			return // nothing is open yet
		}
		for _, part := range a.partings {
			part()
		}
	}}
	if !a.alone() {
		last.notice, last.idle = drainNotice, drainIdle
	}
	return last
}

// alone reports whether this process is the whole cinema. A service of several
// has a proxy in front, and perhaps others like it beside it.
func (a *app) alone() bool { return len(a.cfg.Targets) == len(Targets) }

// isEmpty reports whether a data folder holds nothing yet.
func isEmpty(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err != nil || len(entries) == 0
}

// startEngines starts those that are needed here and have no address.
func (a *app) startEngines(ctx context.Context) error {
	c := a.cfg
	o := engines.Options{DataDir: c.DataDir, EnginesDir: engines.FindDir(c.EnginesDir), Log: a.log}
	var databases []string
	for name, dsn := range map[string]string{"auth": c.Postgres.Auth, "catalog": c.Postgres.Catalog, "telemetry": c.Postgres.Telemetry} {
		if dsn == "" && a.needsDatabase(name) {
			databases = append(databases, name)
		}
	}
	if len(databases) > 0 {
		slices.Sort(databases)
		o.Postgres = &engines.PostgresOptions{Databases: databases}
	}
	events := c.Has("telemetry") || c.Has("collectors") || c.Has("auth") || c.Has("admin")
	if len(c.Kafka.Brokers) == 0 && events {
		o.Kafka = &engines.KafkaOptions{}
	}
	if len(c.ClickHouse.Addrs) == 0 && (c.Has("telemetry") || c.Has("collectors")) {
		o.ClickHouse = &engines.ClickHouseOptions{}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	set, err := engines.Start(ctx, o)
	if err != nil {
		return err
	}
	a.engines = set
	return nil
}

// needsDatabase reports whether a target of this process uses the database.
func (a *app) needsDatabase(name string) bool {
	switch name {
	case "auth":
		return a.cfg.Has("auth")
	case "catalog":
		return a.cfg.Has("admin") || a.cfg.Has("etl") || a.fillsIndex()
	default:
		return a.cfg.Has("telemetry") || a.cfg.Has("collectors")
	}
}

// dsn is the address of a database, embedded or not.
func (a *app) dsn(name string) string {
	configured := map[string]string{"auth": a.cfg.Postgres.Auth, "catalog": a.cfg.Postgres.Catalog, "telemetry": a.cfg.Postgres.Telemetry}[name]
	if configured != "" {
		return configured
	}
	return a.engines.Postgres(name)
}

// brokers are the addresses of the event log, embedded or not.
func (a *app) brokers() []string {
	if len(a.cfg.Kafka.Brokers) > 0 {
		return a.cfg.Kafka.Brokers
	}
	return a.engines.Kafka()
}

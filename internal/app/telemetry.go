package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/collectors"
	telemetrygraph "github.com/netflixathome/cinema/graph/telemetry"
	"github.com/netflixathome/cinema/internal/ch"
	"github.com/netflixathome/cinema/internal/eventlog"
	"github.com/netflixathome/cinema/internal/events"
	"github.com/netflixathome/cinema/internal/gqlserver"
	"github.com/netflixathome/cinema/subgraphs/auth"
	"github.com/netflixathome/cinema/subgraphs/telemetry"
	telemetryclickhouse "github.com/netflixathome/cinema/subgraphs/telemetry/clickhouse"
	telemetrypostgres "github.com/netflixathome/cinema/subgraphs/telemetry/postgres"
	telemetryresolver "github.com/netflixathome/cinema/subgraphs/telemetry/resolver"
)

// Retention of the embedded event log: start-up reads all of it.
const (
	embeddedRetentionBytes = 32 << 20 // a partition
	retention              = 7 * 24 * time.Hour
)

// wireEvents opens the event log for whoever writes or reads it here.
func (a *app) wireEvents(ctx context.Context) error {
	if !a.cfg.Has("auth") && !a.cfg.Has("telemetry") && !a.cfg.Has("collectors") && !a.cfg.Has("admin") {
		return nil
	}
	log := a.log.With("part", "events")
	err := a.reach(ctx, "kafka", func(ctx context.Context) (err error) {
		a.events, err = eventlog.Open(ctx, a.logConfig(), log)
		return err
	})
	if err != nil {
		return err
	}
	a.closers = append(a.closers, func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeEvents)
		defer cancel()
		if err := a.events.Close(ctx); err != nil {
			log.Error("the event log was not closed in order", "error", err)
		}
	})
	a.health = append(a.health, check{name: "kafka", check: a.events.Ping, optional: true})
	a.activity = &activity{append: a.events.Append, log: log, now: time.Now, queue: make(chan events.Event, 1000), dropped: a.metrics.dropped.Inc}
	a.run("activity of accounts", a.activity.Run)
	return nil
}

func (a *app) logConfig() eventlog.Config {
	c := eventlog.Config{
		Brokers: a.brokers(), ClientID: "cinema", Topics: append(events.Topics(), events.TopicDead), RetentionMs: retention.Milliseconds(),
		Tracer: a.tracer("collectors"),
	}
	if len(a.cfg.Kafka.Brokers) == 0 {
		c.RetentionBytes = embeddedRetentionBytes
	}
	return c
}

// wireTelemetry makes the telemetry service and the collectors.
func (a *app) wireTelemetry(ctx context.Context) error {
	service, collecting := a.cfg.Has("telemetry"), a.cfg.Has("collectors")
	if !service && !collecting {
		return nil
	}
	log := a.log.With("part", "telemetry")
	pool, err := a.openDatabase(ctx, "telemetry", 12, false, telemetrypostgres.Migrate)
	if err != nil {
		return err
	}
	if a.watching, err = telemetrypostgres.New(pool); err != nil {
		return err
	}
	if err := a.openClickHouse(ctx); err != nil {
		return err
	}
	if collecting {
		watch, err := collectors.NewWatch(a.watching, a.events, a.bus, a.log.With("part", "collectors/watch"), time.Now)
		if err != nil {
			return err
		}
		a.metrics.expectCollectors()
		watch.Done = a.metrics.batchDone
		a.run("collectors/watch", watch.Run)
		if a.clickhouse != nil {
			collector, err := collectors.NewActivity(a.clickhouse, a.events, a.log.With("part", "collectors/activity"))
			if err != nil {
				return err
			}
			collector.Done = a.metrics.batchDone
			a.run("collectors/activity", collector.Run)
		}
	}
	if !service {
		return nil
	}
	o := telemetry.Options{Store: a.watching, Log: a.events, Bus: a.bus, Cache: a.cache, Logger: log, Now: time.Now, Recorded: a.metrics.recorded,
		Visible: a.visible, Gone: a.goneProfiles, GoneTopic: auth.TopicGone}
	if a.clickhouse != nil {
		if o.Stats, err = telemetryclickhouse.New(a.clickhouse); err != nil {
			return err
		}
		roller, err := collectors.NewRoller(a.clickhouse, log)
		if err != nil {
			return err
		}
		o.Anonymise = roller.Anonymise
	}
	sub, err := telemetry.New(o)
	if err != nil {
		return err
	}
	a.run("telemetry", sub.Run)
	a.run("erasing of deleted profiles", sub.Erase)
	if a.subgraphs["catalog"] == nil && a.cfg.Subgraphs["catalog"] == "" {
		log.Warn("profiles with an age limit cannot watch: the telemetry service asks the catalogue what they may see, set CINEMA_CATALOG_URL")
	}
	a.partings = append(a.partings, sub.Part)
	r, err := telemetryresolver.New(sub)
	if err != nil {
		return err
	}
	r.Loaded = a.metrics.loaded("telemetry")
	a.subgraphs["telemetry"], err = gqlserver.New(gqlserver.Options{
		Schema:   telemetrygraph.NewExecutableSchema(telemetrygraph.Config{Resolvers: r}),
		Verifier: a.verifier, Logger: log, Prepare: r.Prepare,
	})
	return err
}

// openClickHouse opens the analytics store. A machine that cannot run the
// embedded one goes without statistics; its events wait in the log.
func (a *app) openClickHouse(ctx context.Context) error {
	c, ok := a.clickhouseConfig()
	if !ok {
		return nil
	}
	db, err := ch.Open(ctx, c)
	if err != nil {
		return err
	}
	a.clickhouse = db
	a.closers = append(a.closers, func() { _ = db.Close() })
	// One that is away costs statistics and is not waited for; one that will
	// never do is said now.
	if err := db.Refused(ctx); err != nil && len(a.cfg.ClickHouse.Addrs) > 0 {
		return fmt.Errorf("CINEMA_CLICKHOUSE_ADDR: %w", err)
	}
	a.health = append(a.health, check{name: "clickhouse", check: db.Ping, optional: true})
	return nil
}

// clickhouseConfig is how to reach it, embedded or not; false where this machine
// cannot run it.
func (a *app) clickhouseConfig() (ch.Config, bool) {
	set := a.cfg.ClickHouse
	if len(set.Addrs) > 0 {
		return ch.Config{Addrs: set.Addrs, Cluster: set.Cluster, Database: set.Database, User: set.User, Password: set.Password}, true
	}
	addr, err := a.engines.ClickHouse()
	if err != nil {
		a.log.Warn("there are no statistics; events wait in the log", "error", err)
		return ch.Config{}, false
	}
	return ch.Config{Addrs: []string{addr.Native}, Database: addr.Database, User: addr.User, Password: addr.Password}, true
}

// activity carries what the auth service tells of accounts into the event
// log. A sign-in never waits for it: what the bounded queue cannot hold while
// the log is away is dropped, counted and said.
type activity struct {
	append func(context.Context, []eventlog.Message) error
	log    *slog.Logger
	now    func() time.Time
	queue  chan events.Event
	// dropped counts what was.
	dropped func()
}

var accountEvents = map[string]events.Name{auth.SignedUp: events.SignedUp, auth.SignedIn: events.SignedIn}

// Record implements auth.Recorder.
func (a *activity) Record(_ context.Context, e auth.Event) {
	name, ok := accountEvents[e.Name]
	if !ok {
		return
	}
	id, err := uuid.NewV7()
	if err != nil {
		return
	}
	at := e.At.UTC()
	event := events.Event{
		ID: id, Version: 1, Name: name, At: at, ClientAt: at, ReceivedAt: a.now().UTC(),
		UserID: e.UserID, ProfileID: e.ProfileID, Locale: e.Locale, Device: events.Device{Kind: deviceKind(e.UserAgent)}, Demo: e.Demo,
	}
	select {
	case a.queue <- event:
	default:
		a.dropped()
		a.log.Warn("an account's activity is not recorded: the event log does not keep up", "event", e.Name)
	}
}

// deviceKind tells as much of a device as its browser says. The web app knows
// better and says so with its own events; here nobody else can be asked.
func deviceKind(userAgent string) string {
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(userAgent, w) })
	}
	switch {
	case has("SmartTV", "SMART-TV", "Smart TV", "AppleTV", "Android TV", "BRAVIA"):
		return "tv"
	case has("iPad", "Tablet"), has("Android") && !has("Mobile"):
		return "tablet"
	case has("Mobile", "iPhone"):
		return "phone"
	default:
		return "desktop"
	}
}

// Run writes what was recorded until ctx ends, then what is left.
func (a *activity) Run(ctx context.Context) error {
	write := func(ctx context.Context, e events.Event) {
		e.Normalise()
		message := eventlog.Message{Topic: e.Name.Topic(), Value: e.AppendJSON(nil)}
		key := e.Key()
		message.Key = key[:]
		for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
			err := a.append(ctx, []eventlog.Message{message})
			if err == nil {
				return
			}
			if ctx.Err() != nil {
				a.dropped()
				a.log.Warn("an account's activity is not recorded", "event", string(e.Name), "error", err)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(wait):
			}
		}
	}
	for {
		select {
		case e := <-a.queue:
			write(ctx, e)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			for {
				select {
				case e := <-a.queue:
					write(last, e)
				default:
					return nil
				}
			}
		}
	}
}

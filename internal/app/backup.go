package app

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/netflixathome/cinema/collectors"
	"github.com/netflixathome/cinema/engines"
	mediamigrations "github.com/netflixathome/cinema/etl/media/migrations"
	"github.com/netflixathome/cinema/internal/backup"
	"github.com/netflixathome/cinema/internal/blob/files"
	"github.com/netflixathome/cinema/internal/blob/s3"
	"github.com/netflixathome/cinema/internal/ch"
	"github.com/netflixathome/cinema/internal/eventlog"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/pg"
	adminmigrations "github.com/netflixathome/cinema/subgraphs/admin/postgres/migrations"
	authpostgres "github.com/netflixathome/cinema/subgraphs/auth/postgres"
	telemetrypostgres "github.com/netflixathome/cinema/subgraphs/telemetry/postgres"
)

// ---- where backups lie

// bucketOf takes s3://bucket/folder apart; ok is false for a folder.
func bucketOf(target string) (bucket, prefix string, ok bool, err error) {
	if !strings.Contains(target, "://") {
		return "", "", false, nil
	}
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", "", true, errors.New("want a folder, or s3://bucket/folder; the store's address and keys are set by CINEMA_BACKUP_S3_URL, CINEMA_BACKUP_S3_ACCESS_KEY and CINEMA_BACKUP_S3_SECRET_KEY")
	}
	return u.Host, strings.Trim(u.Path, "/"), true, nil
}

// backupStore is the S3 configuration of a target.
func (c *Config) backupStore(bucket, prefix string) s3.Config {
	o := c.Objects
	if b := c.Backup.S3; b.URL != "" {
		o.URL, o.Region = b.URL, b.Region
	}
	if c.Backup.S3.Region != "" {
		o.Region = c.Backup.S3.Region
	}
	if b := c.Backup.S3; b.AccessKey != "" {
		o.AccessKey, o.SecretKey = b.AccessKey, b.SecretKey
	}
	out := o.s3()
	out.PublicURL, out.Bucket, out.Prefix = "", bucket, prefix
	return out
}

func (c *Config) checkBackupTarget(target string) error {
	bucket, prefix, remote, err := bucketOf(target)
	if err != nil || !remote {
		return err
	}
	s := c.backupStore(bucket, prefix)
	if s.Endpoint == "" {
		return errors.New("s3:// needs the address of the store: set CINEMA_BACKUP_S3_URL")
	}
	if s.Endpoint == c.Objects.URL && bucket == c.Objects.Bucket {
		return fmt.Errorf("the bucket %s is that of the objects: choose another one for backups", bucket)
	}
	if err := s.Validate(); err != nil {
		return fmt.Errorf("%s: %w", target, err)
	}
	return nil
}

// openTarget opens a target; a folder is made only if create says so.
func openTarget(ctx context.Context, cfg *Config, target string, create bool, log *slog.Logger) (*backup.Target, io.Closer, error) {
	if err := cfg.checkBackupTarget(target); err != nil {
		return nil, nil, err
	}
	bucket, prefix, remote, err := bucketOf(target)
	if err != nil {
		return nil, nil, err
	}
	var store blobs
	if remote {
		store, err = s3.New(ctx, cfg.backupStore(bucket, prefix), log)
	} else {
		store, err = openFolder(cfg, target, create)
	}
	if err != nil {
		return nil, nil, err
	}
	t, err := backup.Open(ctx, store, target, cfg.Backup.Key, create)
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return t, store, nil
}

func openFolder(cfg *Config, dir string, create bool) (*files.Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	data, err := filepath.Abs(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	if rel, err := filepath.Rel(data, dir); err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return nil, fault.New(fault.Invalid, "%s lies in the data folder, and would be lost with it: choose another place", dir)
	}
	if _, err := os.Stat(filepath.Join(dir, "objects")); errors.Is(err, fs.ErrNotExist) && !create {
		return nil, fault.New(fault.NotFound, "there is no backup in %s", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the folder for backups: %w", err)
	}
	store, err := files.New(dir)
	if err != nil {
		return nil, err
	}
	// It holds secrets and what people watch, whatever the folder above allows.
	if err := os.Chmod(filepath.Join(dir, "objects"), 0o700); err != nil { // a folder needs its x
		return nil, errors.Join(err, store.Close())
	}
	return store, nil
}

// ---- what is saved

// embeds reports whether a store has no address, and is thus of the data folder.
func (c *Config) embeds() bool {
	return c.Postgres.Auth == "" || c.Postgres.Catalog == "" || c.Postgres.Telemetry == "" ||
		len(c.ClickHouse.Addrs) == 0 || len(c.Kafka.Brokers) == 0 || c.Objects.URL == ""
}

// reachesAll fails with the names of the stores that have no address and are not
// embedded here.
func (a *app) reachesAll() error {
	c := a.cfg
	var names []string
	lacks := func(name string, configured, here bool) {
		if !configured && !here {
			names = append(names, name)
		}
	}
	lacks("CINEMA_POSTGRES_AUTH_URL", c.Postgres.Auth != "", a.needsDatabase("auth"))
	lacks("CINEMA_POSTGRES_CATALOG_URL", c.Postgres.Catalog != "", a.needsDatabase("catalog"))
	lacks("CINEMA_POSTGRES_TELEMETRY_URL", c.Postgres.Telemetry != "", a.needsDatabase("telemetry"))
	lacks("CINEMA_CLICKHOUSE_ADDR", len(c.ClickHouse.Addrs) > 0, c.Has("telemetry") || c.Has("collectors"))
	lacks("CINEMA_KAFKA_BROKERS", len(c.Kafka.Brokers) > 0, c.Has("telemetry") || c.Has("collectors") || c.Has("auth") || c.Has("admin"))
	lacks("CINEMA_S3_URL", c.Objects.URL != "", c.Has("admin") && c.Has("catalog"))
	if len(names) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, "this process cannot reach all that belongs to the cinema: set %s", strings.Join(names, ", "))
}

// stores opens every store of the instance over connections of its own, which
// the returned function closes. They are open for as long as a backup takes.
func (a *app) stores(ctx context.Context) (s backup.Stores, end func(), err error) {
	var closers []func()
	end = func() {
		for i := len(closers) - 1; i >= 0; i-- {
			closers[i]()
		}
	}
	defer func() {
		if err != nil {
			end()
			end = nil
		}
	}()
	if err := a.reachesAll(); err != nil {
		return s, end, err
	}
	log := a.log.With("part", "backup")
	schemas, err := schemasOf()
	if err != nil {
		return s, end, err
	}
	for _, name := range databaseNames {
		var pool *pgxpool.Pool
		if err := a.within(ctx, "postgres "+name, func(ctx context.Context) (err error) {
			pool, err = pg.Open(ctx, a.dsn(name), 2)
			return err
		}); err != nil {
			return s, end, err
		}
		closers = append(closers, pool.Close)
		s.Databases = append(s.Databases, backup.Database{Name: name, Pool: pool, Schemas: schemas[name]})
	}
	objects, err := a.openBlobs(ctx, a.within)
	if err != nil {
		return s, end, err
	}
	closers = append(closers, func() { _ = objects.Close() })
	s.Objects = objects
	s.Readers = collectors.Readers()
	if err := a.within(ctx, "kafka", func(ctx context.Context) (err error) {
		s.Log, err = eventlog.Open(ctx, a.logConfig(), log)
		return err
	}); err != nil {
		return s, end, err
	}
	closers = append(closers, func() {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = s.Log.Close(bounded) // all that was appended is acknowledged
	})
	if s.Analytics, err = a.openAnalytics(ctx); err != nil {
		return s, end, err
	}
	if s.Analytics != nil {
		closers = append(closers, func() { _ = s.Analytics.Close() })
	}
	s.Secrets, err = a.secrets()
	return s, end, err
}

var databaseNames = []string{"auth", "catalog", "telemetry"}

func schemasOf() (map[string][]backup.Schema, error) {
	auth, err := authpostgres.Migrations()
	if err != nil {
		return nil, err
	}
	telemetry, err := telemetrypostgres.Migrations()
	if err != nil {
		return nil, err
	}
	return map[string][]backup.Schema{
		"auth": {{Table: authpostgres.Table, FS: auth}},
		"catalog": {
			{Table: mediamigrations.VersionTable, FS: mediamigrations.FS},
			{Table: adminmigrations.Table, FS: adminmigrations.FS},
		},
		"telemetry": {{Table: telemetrypostgres.Table, FS: telemetry}},
	}, nil
}

// openAnalytics is nil where this machine cannot run ClickHouse.
func (a *app) openAnalytics(ctx context.Context) (*ch.DB, error) {
	c, ok := a.clickhouseConfig()
	if !ok {
		return nil, nil // the home without statistics
	}
	return ch.Open(ctx, c)
}

// secrets are those that sessions and addresses live by, as they are now.
func (a *app) secrets() ([]backup.Secret, error) {
	var list []backup.Secret
	for _, s := range []struct{ name, variable, configured string }{
		{"auth", "CINEMA_AUTH_SECRET", a.cfg.Auth.Secret},
		{"media-signing-key", "CINEMA_MEDIA_SIGNING_KEY", a.cfg.Media.SigningKey},
	} {
		out := backup.Secret{Name: s.name, Variable: s.variable, Configured: s.configured != ""}
		out.Keep = func(value []byte) error { return keepSecret(a.cfg.DataDir, s.name, value) }
		_, err := os.Stat(secretPath(a.cfg.DataDir, s.name))
		if out.Configured || err == nil { // else it is not made here
			if out.Value, err = secret(a.cfg.DataDir, s.name, s.configured); err != nil {
				return nil, err
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("secret %s: %w", s.name, err)
		}
		list = append(list, out)
	}
	return list, nil
}

// ---- making backups in a running program

// backups makes them, one at a time, and remembers how the last ones went.
type backups struct {
	busy sync.Mutex

	mu   sync.Mutex
	good *backup.Manifest // of the last good one in CINEMA_BACKUP_TO
	err  error            // of the last one, if it failed
}

// makeBackup makes one backup with what the running program has open.
func (a *app) makeBackup(ctx context.Context, cfg *Config, target string, say backup.Progress) (*backup.Manifest, error) {
	if !a.backups.busy.TryLock() {
		return nil, fault.New(fault.Conflict, "this program is making a backup already: wait for its end")
	}
	defer a.backups.busy.Unlock()
	m, err := a.writeBackup(ctx, cfg, target, say)
	if target == a.cfg.Backup.To {
		a.backups.mu.Lock()
		defer a.backups.mu.Unlock()
		if a.backups.err = err; err == nil {
			a.backups.good = m
		}
	}
	return m, err
}

func (a *app) writeBackup(ctx context.Context, cfg *Config, target string, say backup.Progress) (*backup.Manifest, error) {
	t, closer, err := openTarget(ctx, cfg, target, true, a.log.With("part", "backup"))
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	s, end, err := a.stores(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	return backup.Make(ctx, s, t, a.version, say)
}

func summary(m *backup.Manifest, target string) string {
	rows := int64(0)
	for _, n := range m.Counts.Rows {
		rows += n
	}
	return fmt.Sprintf("backup %s in %s: %d rows, %d events, %d objects, %.1f MB, of which %.1f MB were new; %.1f s",
		m.ID, target, rows, m.Counts.Events+m.Counts.Tail, m.Counts.Objects, float64(m.Counts.Bytes)/1e6, float64(m.Counts.CopiedBytes)/1e6, m.Seconds)
}

// wireBackups makes backups by themselves where CINEMA_BACKUP_TO says so.
func (a *app) wireBackups() error {
	if a.cfg.Backup.To == "" {
		return nil
	}
	if err := a.reachesAll(); err != nil {
		return fmt.Errorf("CINEMA_BACKUP_TO: %w", err)
	}
	figure := func(of func(m *backup.Manifest) float64) func() float64 {
		return func() float64 {
			a.backups.mu.Lock()
			defer a.backups.mu.Unlock()
			if a.backups.good == nil {
				return 0
			}
			return of(a.backups.good)
		}
	}
	a.metrics.ask("cinema_backup_last_success_timestamp_seconds", "The moment of the last good scheduled backup; 0: none yet.",
		figure(func(m *backup.Manifest) float64 { return float64(m.Moment.UnixMilli()) / 1000 }))
	a.metrics.ask("cinema_backup_last_duration_seconds", "How long it took.", figure(func(m *backup.Manifest) float64 { return m.Seconds }))
	a.metrics.ask("cinema_backup_last_bytes", "How large it is, with what it shares with others.", figure(func(m *backup.Manifest) float64 { return float64(m.Counts.Bytes) }))
	a.metrics.ask("cinema_backup_last_copied_bytes", "How much of it was new.", figure(func(m *backup.Manifest) float64 { return float64(m.Counts.CopiedBytes) }))
	a.health = append(a.health, check{name: "backup", optional: true, check: func(context.Context) error { return a.backups.fault(a.cfg.Backup.Every, time.Now()) }})
	a.run("backups", a.scheduleBackups)
	return nil
}

// fault is what an operator must know: the last backup failed, or the last good
// one is long ago.
func (b *backups) fault(every time.Duration, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return fmt.Errorf("the last backup failed: %w", b.err)
	}
	if b.good != nil && now.Sub(b.good.Moment) > 2*every {
		return fmt.Errorf("the last good backup is of %s", b.good.Moment.Format(time.RFC3339))
	}
	return nil
}

// The pause after a failed backup grows from the first to the second, or to the
// time between two if that is shorter.
const backupPause, backupPauseMost = time.Minute, time.Hour

// scheduleBackups makes one whenever the newest in the target is old enough,
// whoever made it: a restart changes nothing, nor do several instances.
func (a *app) scheduleBackups(ctx context.Context) error {
	log := a.log.With("part", "backup")
	every, pause := a.cfg.Backup.Every, backupPause
	for ctx.Err() == nil {
		wait, err := a.scheduled(ctx, log)
		if err != nil && ctx.Err() == nil {
			a.backups.mu.Lock()
			a.backups.err = err
			a.backups.mu.Unlock()
			wait = min(pause, every)
			log.ErrorContext(ctx, "no backup was made; it will be tried again", "error", err, "pause", wait)
			pause = min(2*pause, backupPauseMost)
		} else {
			pause = backupPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(max(wait, time.Second)):
		}
	}
	return nil
}

// scheduled makes a backup if one is due, and says when the next one is.
func (a *app) scheduled(ctx context.Context, log *slog.Logger) (time.Duration, error) {
	last, err := a.newestBackup(ctx, log)
	if err != nil {
		return 0, err
	}
	if last != nil {
		if wait := time.Until(last.Moment.Add(a.cfg.Backup.Every)); wait > 0 {
			return wait, nil
		}
	}
	quiet := func(format string, args ...any) { log.DebugContext(ctx, fmt.Sprintf(format, args...)) }
	m, err := a.makeBackup(ctx, a.cfg, a.cfg.Backup.To, quiet)
	if err != nil {
		return 0, err
	}
	log.InfoContext(ctx, summary(m, a.cfg.Backup.To))
	return a.cfg.Backup.Every, a.pruneBackups(ctx, log)
}

// newestBackup is nil where there is none yet.
func (a *app) newestBackup(ctx context.Context, log *slog.Logger) (*backup.Manifest, error) {
	t, closer, err := openTarget(ctx, a.cfg, a.cfg.Backup.To, true, log)
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	m, err := t.Manifest(ctx, "")
	if fault.KindOf(err) == fault.NotFound {
		return nil, nil // none yet is no fault
	}
	if err != nil {
		return nil, err
	}
	a.backups.mu.Lock()
	defer a.backups.mu.Unlock()
	a.backups.good, a.backups.err = m, nil
	return m, nil
}

func (a *app) pruneBackups(ctx context.Context, log *slog.Logger) error {
	if !a.backups.busy.TryLock() {
		return nil // someone makes one by hand: after the next one
	}
	defer a.backups.busy.Unlock()
	t, closer, err := openTarget(ctx, a.cfg, a.cfg.Backup.To, true, log)
	if err != nil {
		return err
	}
	defer closer.Close()
	n, err := t.Prune(ctx, a.cfg.Backup.Keep)
	if err != nil {
		return fmt.Errorf("old backups were not removed: %w", err)
	}
	if n > 0 {
		log.InfoContext(ctx, "old backups were removed", "backups", n, "kept", a.cfg.Backup.Keep)
	}
	return nil
}

// ---- the command

// order is a backup that the running program is asked for: where to, and with
// what keys, for those are the command's.
type order struct {
	Target string
	Key    string
	S3     ObjectsConfig
}

const trailer = "Cinema-Result"

// handleBackup makes a backup and writes progress as it comes. How it ended is
// in the trailer: an answer that breaks off has none.
func (a *app) handleBackup(w http.ResponseWriter, r *http.Request) {
	var in order
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&in); err != nil || in.Target == "" {
		http.Error(w, "want a target", http.StatusBadRequest)
		return
	}
	cfg := *a.cfg
	cfg.Backup.Key, cfg.Backup.S3 = in.Key, in.S3
	w.Header().Set("Trailer", trailer)
	out := &flushed{w: w}
	m, err := a.makeBackup(r.Context(), &cfg, in.Target, out.say)
	if err != nil {
		w.Header().Set(trailer, "failed: "+url.QueryEscape(err.Error()))
		return
	}
	out.say("%s", summary(m, in.Target))
	w.Header().Set(trailer, "done")
}

// flushed writes lines that are seen at once, from any goroutine.
type flushed struct {
	mu sync.Mutex
	w  io.Writer
}

func (f *flushed) say(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, _ = fmt.Fprintf(f.w, format+"\n", args...) // whoever is gone reads nothing
	if w, ok := f.w.(http.Flusher); ok {
		w.Flush()
	}
}

const backupUsage = "cinema backup [-verify | -list] TARGET"

// backupCommand is `cinema backup`.
func backupCommand(ctx context.Context, cfg *Config, version string, args []string, out io.Writer) error {
	set := flag.NewFlagSet("backup", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	verify := set.Bool("verify", false, "")
	list := set.Bool("list", false, "")
	if set.Parse(args) != nil || set.NArg() > 1 || *verify && *list {
		return fmt.Errorf("%w: %s", ErrUsage, backupUsage)
	}
	target := set.Arg(0)
	if target == "" {
		target = cfg.Backup.To
	}
	if target == "" {
		return fmt.Errorf("%w: %s, or set CINEMA_BACKUP_TO", ErrUsage, backupUsage)
	}
	if _, _, remote, _ := bucketOf(target); !remote {
		var err error
		if target, err = filepath.Abs(target); err != nil {
			return err
		}
	}
	if err := cfg.checkBackupTarget(target); err != nil {
		return err
	}
	say := (&flushed{w: out}).say
	if *verify || *list {
		return inspectBackups(ctx, cfg, target, *list, say)
	}
	taken, err := askForBackup(ctx, cfg, order{Target: target, Key: cfg.Backup.Key, S3: cfg.Backup.S3}, out)
	if taken || err != nil {
		return err
	}
	a := bare(cfg, version)
	if cfg.embeds() {
		if _, err := os.Stat(cfg.DataDir); err != nil {
			return fmt.Errorf("there is no data folder %s: set -data or CINEMA_DATA_DIR", cfg.DataDir)
		}
		if err := refuseUnfinished(cfg.DataDir); err != nil {
			return err
		}
	}
	return a.withEngines(ctx, func() error {
		m, err := a.makeBackup(ctx, cfg, target, say)
		if err == nil {
			say("%s", summary(m, target))
		}
		return err
	})
}

// bare is the program without services.
func bare(cfg *Config, version string) *app {
	quiet := *cfg
	quiet.Log.Level = "warn"
	return &app{cfg: &quiet, log: newLogger(quiet.Log, os.Stderr), out: io.Discard, version: version}
}

// withEngines runs f while the engines run that have no address.
func (a *app) withEngines(ctx context.Context, f func() error) (err error) {
	if a.cfg.DataDir, err = filepath.Abs(a.cfg.DataDir); err != nil {
		return fmt.Errorf("the data folder: %w", err)
	}
	if a.cfg.embeds() {
		if err := a.startEngines(ctx); err != nil {
			return err
		}
		defer func() {
			bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopEngines)
			defer cancel()
			err = errors.Join(err, a.engines.Stop(bounded))
		}()
	}
	return f()
}

// askForBackup has the running program make the backup, and passes on what it
// says. taken is false where none runs.
func askForBackup(ctx context.Context, cfg *Config, o order, out io.Writer) (taken bool, err error) {
	res, err := knock(ctx, cfg, 0, "/backup", o)
	if err != nil || res == nil {
		return false, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
		return true, errors.New(strings.TrimSpace(string(text)))
	}
	if _, err := io.Copy(out, res.Body); err != nil {
		return true, fmt.Errorf("the running program ended before the backup did; run it again, it goes on: %w", err)
	}
	result := res.Trailer.Get(trailer)
	if why, failed := strings.CutPrefix(result, "failed: "); failed {
		if text, err := url.QueryUnescape(why); err == nil {
			why = text
		}
		return true, errors.New(why)
	}
	if result != "done" {
		return true, errors.New("the running program ended before the backup did; run it again, it goes on")
	}
	return true, nil
}

// inspectBackups lists what a target has, or reads the newest one whole.
func inspectBackups(ctx context.Context, cfg *Config, target string, list bool, say backup.Progress) error {
	quiet := *cfg
	quiet.Backup.Key = "" // manifests and checksums need none
	t, closer, err := openTarget(ctx, &quiet, target, false, newLogger(cfg.Log, os.Stderr))
	if err != nil {
		return err
	}
	defer closer.Close()
	if list {
		ids, err := t.IDs(ctx)
		if err != nil {
			return err
		}
		for _, id := range ids {
			m, err := t.Manifest(ctx, id)
			if err != nil {
				return err
			}
			say("%s", summary(m, target))
		}
		return nil
	}
	m, err := t.Manifest(ctx, "")
	if err != nil {
		return err
	}
	if err := t.Verify(ctx, m); err != nil {
		return err
	}
	say("the backup %s is whole: %d blobs, %.1f MB, every checksum is right", m.ID, m.Counts.Blobs, float64(m.Counts.Bytes)/1e6)
	return nil
}

// ---- restore

// unfinished is the file of a data folder into which a restore has begun.
func unfinished(dataDir string) string { return filepath.Join(dataDir, "restoring") }

// refuseUnfinished refuses a data folder that a restore left half-made.
func refuseUnfinished(dataDir string) error {
	if _, err := os.Stat(unfinished(dataDir)); err == nil {
		return fault.New(fault.Unavailable, "a restore into the data folder %s did not end: run cinema restore again, it begins anew", dataDir)
	}
	return nil
}

const restoreUsage = "cinema restore [-at BACKUP] SOURCE"

// restoreCommand is `cinema restore`.
func restoreCommand(ctx context.Context, cfg *Config, version string, args []string, out io.Writer) error {
	set := flag.NewFlagSet("restore", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	id := set.String("at", "", "")
	if set.Parse(args) != nil || set.NArg() != 1 {
		return fmt.Errorf("%w: %s", ErrUsage, restoreUsage)
	}
	source := set.Arg(0)
	say := (&flushed{w: out}).say
	a := bare(cfg, version)
	began := time.Now()
	// What is wrong with the folder is said before the backup is read.
	if cfg.embeds() {
		if err := checkFolder(cfg.DataDir); err != nil {
			return err
		}
	}
	t, closer, err := openTarget(ctx, cfg, source, false, a.log)
	if err != nil {
		return err
	}
	defer closer.Close()
	plan, err := backup.Prepare(ctx, t, *id, say)
	if err != nil {
		return err
	}
	if err := a.check(plan); err != nil {
		return err
	}
	if err := a.restore(ctx, plan, say); err != nil {
		return err
	}
	say("restored in %.1f s: the cinema as it was on %s", time.Since(began).Seconds(), plan.Manifest.Moment.Local().Format("2 January 2006, 15:04:05 MST"))
	say("Start it as before; the search index and the statistics of each day are made anew within the first minutes.")
	return nil
}

// check refuses what can be refused before anything is touched.
func (a *app) check(plan *backup.Plan) error {
	if err := a.reachesAll(); err != nil {
		return err
	}
	schemas, err := schemasOf()
	if err != nil {
		return err
	}
	var list []backup.Database
	for _, name := range databaseNames {
		list = append(list, backup.Database{Name: name, Schemas: schemas[name]})
	}
	secrets, err := a.secrets()
	if err != nil {
		return err
	}
	return plan.Check(list, secrets)
}

func (a *app) restore(ctx context.Context, plan *backup.Plan, say backup.Progress) error {
	embeds := a.cfg.embeds()
	if embeds {
		if err := beginFolder(a.cfg.DataDir); err != nil {
			return err
		}
	}
	err := a.withEngines(ctx, func() error {
		s, end, err := a.stores(ctx)
		if err != nil {
			return err
		}
		defer end()
		return plan.Restore(ctx, s, say)
	})
	if err != nil || !embeds {
		return err
	}
	return os.Remove(unfinished(a.cfg.DataDir))
}

// checkFolder accepts a data folder that is not there, is empty, or is what an
// unfinished restore left.
func checkFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the data folder: %w", err)
	}
	if _, err := os.Stat(unfinished(dir)); err == nil {
		return nil
	}
	var found []string
	for _, e := range entries {
		// These two are all that is left by a start that was refused.
		if e.Name() != "lock" && e.Name() != "version" {
			found = append(found, e.Name())
		}
	}
	if len(found) > 0 {
		return fault.New(fault.Conflict, "a backup is restored into an empty data folder only, and %s holds %s: move it away, or choose another folder with -data; nothing was changed",
			dir, strings.Join(found, ", ")).WithReason(backup.ReasonNotEmpty)
	}
	return nil
}

// beginFolder marks the data folder as being restored into, and removes what a
// former attempt left there.
func beginFolder(dir string) error {
	lock, err := engines.Lock(dir)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Unlock() }() // it is taken again by the engines
	if err := checkFolder(dir); err != nil {
		return err
	}
	if err := writeFile(unfinished(dir), []byte("A backup is being restored into this folder.\n"), 0o600); err != nil {
		return fmt.Errorf("the data folder: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("the data folder: %w", err)
	}
	for _, e := range entries {
		if name := e.Name(); name != "lock" && name != "version" && name != "restoring" {
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				return fmt.Errorf("the data folder: %w", err)
			}
		}
	}
	return nil
}

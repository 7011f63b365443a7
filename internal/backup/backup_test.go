package backup_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"filippo.io/age"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/collectors"
	"github.com/netflixathome/cinema/engines/enginestest"
	"github.com/netflixathome/cinema/internal/backup"
	"github.com/netflixathome/cinema/internal/blob"
	"github.com/netflixathome/cinema/internal/blob/files"
	"github.com/netflixathome/cinema/internal/ch"
	"github.com/netflixathome/cinema/internal/eventlog"
	"github.com/netflixathome/cinema/internal/events"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/pg"
)

var quiet = slog.New(slog.DiscardHandler)

func hush(string, ...any) {}

// tables have what makes a dump difficult: rows that refer to rows of a table
// that sorts later and to their own, a computed column, a counter, rows that the
// migration itself makes, and values that COPY must quote.
const tables = `-- +goose Up
CREATE TABLE z_parent (id uuid PRIMARY KEY, note text, data jsonb, raw bytea, list text[], at timestamptz);
CREATE TABLE a_child (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    parent uuid NOT NULL REFERENCES z_parent ON DELETE CASCADE,
    before bigint REFERENCES a_child,
    twice bigint GENERATED ALWAYS AS (n * 2) STORED
);
CREATE TABLE kind (name text PRIMARY KEY);
INSERT INTO kind VALUES ('film'), ('series');
`

func schema() backup.Schema {
	return backup.Schema{Table: "goose_test", FS: fstest.MapFS{"00001_tables.sql": {Data: []byte(tables)}}}
}

func postgres(t *testing.T, migrate bool) *pgxpool.Pool {
	t.Helper()
	pool, err := pg.Open(t.Context(), enginestest.Postgres(t), 4)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	if migrate {
		require.NoError(t, pg.Migrate(t.Context(), pool, schema().FS, schema().Table))
	}
	return pool
}

func analytics(t *testing.T) *ch.DB {
	t.Helper()
	a := enginestest.ClickHouse(t)
	db, err := ch.Open(t.Context(), ch.Config{Addrs: []string{a.Native}, Database: a.Database, User: a.User, Password: a.Password})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	require.NoError(t, db.Migrate(t.Context()))
	return db
}

func topics() []string { return append(events.Topics(), events.TopicDead) }

func openLog(t *testing.T, brokers []string) *eventlog.Log {
	t.Helper()
	l, err := eventlog.Open(t.Context(), eventlog.Config{Brokers: brokers, Topics: topics()}, quiet)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = l.Close(ctx)
	})
	return l
}

func folder(t *testing.T, dir string) *files.Store {
	t.Helper()
	s, err := files.New(dir)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func event(at time.Time) events.Event {
	film := gid.New(gid.Film)
	return events.Event{
		ID: uuid.Must(uuid.NewV7()), Version: 1, Name: events.PlayStarted, At: at, ClientAt: at, ReceivedAt: at,
		SessionID: uuid.Must(uuid.NewV7()), UserID: uuid.Must(uuid.NewV7()), ProfileID: uuid.Must(uuid.NewV7()),
		Playable: film, Title: film, Device: events.Device{Kind: "tv", System: `a "quoted" \one`, Browser: "ы"}, DurationMs: 600_000, FirstFrameMs: 300, Rate: 1.25,
	}
}

func messages(list []events.Event) []eventlog.Message {
	var out []eventlog.Message
	for i := range list {
		key := list[i].Key()
		out = append(out, eventlog.Message{Topic: list[i].Name.Topic(), Key: key[:], Value: list[i].AppendJSON(nil)})
	}
	return out
}

func some(n int) []events.Event {
	list := make([]events.Event, n)
	for i := range list {
		list[i] = event(time.Now().UTC().Truncate(time.Millisecond))
	}
	return list
}

// collect runs the collector until ClickHouse has n events, and the commit too.
func collect(t *testing.T, db *ch.DB, log *eventlog.Log, n uint64) {
	t.Helper()
	a, err := collectors.NewActivity(db, log, quiet)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	require.Eventually(t, func() bool {
		spans, err := log.Unread(t.Context(), map[string][]string{events.TopicPlayback: {collectors.Readers()[events.TopicPlayback][0]}})
		return err == nil && len(spans) == 0 && count(t, db) == n
	}, 30*time.Second, 50*time.Millisecond)
	stop()
	require.NoError(t, <-done)
}

func count(t *testing.T, db *ch.DB) uint64 {
	t.Helper()
	var n uint64
	require.NoError(t, db.Row(t.Context(), []any{&n}, "SELECT count() FROM activity_event FINAL"))
	return n
}

// fingerprint is of everything that the events' table holds.
func fingerprint(t *testing.T, db *ch.DB) uint64 {
	t.Helper()
	var n uint64
	require.NoError(t, db.Row(t.Context(), []any{&n}, "SELECT groupBitXor(cityHash64(*)) FROM activity_event FINAL"))
	return n
}

func rows(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	var text string
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT
		(SELECT string_agg(z::text, E'\n' ORDER BY id) FROM z_parent z) || E'\n' ||
		(SELECT string_agg(a::text, E'\n' ORDER BY n) FROM a_child a) || E'\n' ||
		(SELECT string_agg(name, ' ' ORDER BY name) FROM kind)`).Scan(&text))
	return text
}

func fill(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	for i := range 50 {
		id := uuid.Must(uuid.NewV7())
		_, err := pool.Exec(t.Context(), `INSERT INTO z_parent VALUES ($1, $2, $3, $4, $5, now())`,
			id, "tab\there, \\N and\nline "+fmt.Sprint(i), map[string]any{"ключ": []int{i}}, []byte{0, 1, byte(i)}, []string{"a,b", `"`, "{}"})
		require.NoError(t, err)
		_, err = pool.Exec(t.Context(), `INSERT INTO a_child (parent, before) SELECT $1, max(n) FROM a_child`, id)
		require.NoError(t, err)
	}
	_, err := pool.Exec(t.Context(), `DELETE FROM kind WHERE name = 'series'; INSERT INTO z_parent (id) VALUES (gen_random_uuid())`)
	require.NoError(t, err)
}

func put(t *testing.T, s blob.Store, key string, b []byte) {
	t.Helper()
	_, err := s.Put(t.Context(), key, bytes.NewReader(b), blob.PutOptions{})
	require.NoError(t, err)
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func blobs(t *testing.T, dir string) map[string]time.Time {
	t.Helper()
	found := map[string]time.Time{}
	require.NoError(t, filepath.WalkDir(filepath.Join(dir, "objects", "blobs"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		found[path] = info.ModTime()
		return err
	}))
	return found
}

func TestRoundTrip(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	for name, key := range map[string][2]string{ // to write with, and to read with
		"open":                  {"", ""},
		"under a passphrase":    {"correct horse battery", "correct horse battery"},
		"for a public age key":  {identity.Recipient().String(), identity.String()},
		"under a whole age key": {identity.String(), identity.String()},
	} {
		t.Run(name, func(t *testing.T) { roundTrip(t, key[0], key[1]) })
	}
}

// Sealed, a content is other bytes each time: what is recorded must be what lies
// there, however many files hold the same.
func TestTheSameContentManyTimes(t *testing.T) {
	from := backup.Stores{
		Objects: folder(t, t.TempDir()), Log: openLog(t, enginestest.Kafka(t, topics()...)), Readers: collectors.Readers(), Analytics: analytics(t),
	}
	for n := range 20 {
		put(t, from.Objects, fmt.Sprintf("posters/%d.jpg", n), []byte("a poster"))
	}
	target, err := backup.OpenCheaply(t.Context(), folder(t, t.TempDir()), "there", "correct horse battery", true)
	require.NoError(t, err)
	made, err := backup.Make(t.Context(), from, target, "test", hush)
	require.NoError(t, err)
	require.NoError(t, target.Verify(t.Context(), made))
	require.EqualValues(t, 20, made.Counts.Objects)
}

func roundTrip(t *testing.T, writeKey, readKey string) {
	dir, brokers := t.TempDir(), enginestest.Kafka(t, topics()...)
	store := folder(t, dir)
	film, poster := random(20<<20), random(1000) // one is read in a stream, one at once
	from := backup.Stores{
		Databases: []backup.Database{{Name: "test", Pool: postgres(t, true), Schemas: []backup.Schema{schema()}}},
		Objects:   folder(t, t.TempDir()), Log: openLog(t, brokers), Readers: collectors.Readers(), Analytics: analytics(t),
		Secrets: []backup.Secret{
			{Name: "auth", Variable: "CINEMA_AUTH_SECRET", Value: random(32)},
			{Name: "media", Variable: "CINEMA_MEDIA_SIGNING_KEY", Value: random(32), Configured: true},
		},
	}
	fill(t, from.Databases[0].Pool)
	put(t, from.Objects, "films/a/source.mp4", film)
	put(t, from.Objects, "posters/a.jpg", poster)
	put(t, from.Objects, "posters/same.jpg", poster)
	away, waiting := some(300), some(40)
	require.NoError(t, from.Log.Append(t.Context(), messages(away)))
	collect(t, from.Analytics, from.Log, 300)
	require.NoError(t, from.Log.Append(t.Context(), messages(waiting)))

	target, err := backup.OpenCheaply(t.Context(), store, "there", writeKey, true)
	require.NoError(t, err)
	first, err := backup.Make(t.Context(), from, target, "test", hush)
	require.NoError(t, err)
	require.EqualValues(t, 102, first.Counts.Rows["test"])
	require.EqualValues(t, 300, first.Counts.Events)
	// The watch collector did not run: its part of the log is the tail.
	require.EqualValues(t, 340, first.Counts.Tail)
	require.EqualValues(t, 3, first.Counts.Objects)
	require.NoError(t, target.Verify(t.Context(), first))
	if writeKey != "" {
		for path := range blobs(t, dir) {
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			require.True(t, bytes.HasPrefix(b, []byte("age-encryption.org/v1\n")), path)
		}
	}
	wanted, wantedEvents := rows(t, from.Databases[0].Pool), fingerprint(t, from.Analytics)

	// The next one copies what is new, and nothing else.
	before := blobs(t, dir)
	put(t, from.Objects, "posters/new.jpg", random(2000))
	target, err = backup.OpenCheaply(t.Context(), store, "there", writeKey, true)
	require.NoError(t, err)
	second, err := backup.Make(t.Context(), from, target, "test", hush)
	require.NoError(t, err)
	require.EqualValues(t, 2, second.Counts.CopiedBlobs, "the new poster, and what the backup consists of")
	after := blobs(t, dir)
	require.Len(t, after, len(before)+2)
	for path, at := range before {
		require.Equal(t, at, after[path], "written again")
	}

	// Into an empty instance.
	into := backup.Stores{
		Databases: []backup.Database{{Name: "test", Pool: postgres(t, false), Schemas: []backup.Schema{schema()}}},
		Objects:   folder(t, t.TempDir()), Log: openLog(t, enginestest.Kafka(t, topics()...)), Readers: collectors.Readers(), Analytics: analytics(t),
	}
	var kept []byte
	into.Secrets = []backup.Secret{
		{Name: "auth", Variable: "CINEMA_AUTH_SECRET", Keep: func(b []byte) error { kept = b; return nil }},
		{Name: "media", Variable: "CINEMA_MEDIA_SIGNING_KEY"},
	}
	if writeKey != readKey {
		_, err := backup.Prepare(t.Context(), target, "", hush)
		require.ErrorContains(t, err, "AGE-SECRET-KEY-1")
	}
	target, err = backup.OpenCheaply(t.Context(), store, "there", readKey, false)
	require.NoError(t, err)
	plan, err := backup.Prepare(t.Context(), target, "", hush)
	require.NoError(t, err)
	require.Equal(t, second.ID, plan.Manifest.ID, "the newest")
	require.ErrorContains(t, plan.Restore(t.Context(), into, hush), "set CINEMA_MEDIA_SIGNING_KEY to the same")
	into.Secrets[1].Value, into.Secrets[1].Configured = random(32), true
	require.ErrorContains(t, plan.Restore(t.Context(), into, hush), "CINEMA_MEDIA_SIGNING_KEY holds another secret")
	into.Secrets[1].Value = from.Secrets[1].Value
	require.NoError(t, plan.Restore(t.Context(), into, hush))

	require.Equal(t, wanted, rows(t, into.Databases[0].Pool))
	var next int64
	require.NoError(t, into.Databases[0].Pool.QueryRow(t.Context(), `INSERT INTO a_child (parent) SELECT parent FROM a_child LIMIT 1 RETURNING n`).Scan(&next))
	require.EqualValues(t, 51, next, "the counter goes on")
	require.Equal(t, wantedEvents, fingerprint(t, into.Analytics))
	require.Equal(t, from.Secrets[0].Value, kept)
	for key, want := range map[string][]byte{"films/a/source.mp4": film, "posters/a.jpg": poster, "posters/same.jpg": poster} {
		o, err := into.Objects.Open(t.Context(), key)
		require.NoError(t, err)
		got := new(bytes.Buffer)
		_, err = got.ReadFrom(o)
		require.NoError(t, err)
		require.NoError(t, o.Close())
		require.True(t, bytes.Equal(want, got.Bytes()), key)
	}
	// Read again from the beginning, each event counts once.
	collect(t, into.Analytics, into.Log, 340)

	// What is not empty any more is refused, by name.
	err = plan.Restore(t.Context(), into, hush)
	require.Equal(t, fault.Conflict, fault.KindOf(err))
	for _, want := range []string{"z_parent (51 rows)", "films/a/source.mp4", "340 events", "records"} {
		require.ErrorContains(t, err, want)
	}
}

// plain is an instance with rows and objects, for what needs no events.
func plain(t *testing.T) backup.Stores {
	t.Helper()
	s := backup.Stores{
		Databases: []backup.Database{{Name: "test", Pool: postgres(t, true), Schemas: []backup.Schema{schema()}}},
		Objects:   folder(t, t.TempDir()), Log: openLog(t, enginestest.Kafka(t, topics()...)), Readers: collectors.Readers(),
	}
	fill(t, s.Databases[0].Pool)
	for i := range 20 {
		put(t, s.Objects, fmt.Sprintf("posters/%d.jpg", i), random(1000))
	}
	return s
}

func open(t *testing.T, store blob.Store, key string) *backup.Target {
	t.Helper()
	target, err := backup.OpenCheaply(t.Context(), store, "there", key, true)
	require.NoError(t, err)
	return target
}

func TestADamagedBackupIsRefused(t *testing.T) {
	dir := t.TempDir()
	store, from := folder(t, dir), plain(t)
	m, err := backup.Make(t.Context(), from, open(t, store, ""), "test", hush)
	require.NoError(t, err)
	for path := range blobs(t, dir) {
		whole, err := os.ReadFile(path)
		require.NoError(t, err)
		spoilt := bytes.Clone(whole)
		spoilt[len(spoilt)/2] ^= 1
		for _, damage := range []func() error{
			func() error { return os.WriteFile(path, spoilt, 0o600) },
			func() error { return os.WriteFile(path, whole[:len(whole)-1], 0o600) },
			func() error { return os.Remove(path) },
		} {
			require.NoError(t, damage())
			_, err = backup.Prepare(t.Context(), open(t, store, ""), "", hush)
			require.ErrorContains(t, err, "damaged", path)
			require.ErrorContains(t, err, filepath.Base(path))
		}
		require.NoError(t, os.WriteFile(path, whole, 0o600))
	}
	require.NoError(t, open(t, store, "").Verify(t.Context(), m))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "objects", "backups", m.ID+".json"), []byte(`{"format": 1, "id": `), 0o600))
	_, err = backup.Prepare(t.Context(), open(t, store, ""), "", hush)
	require.ErrorContains(t, err, "damaged")
}

// dying is a target whose process is killed after some writes.
type dying struct {
	blob.Store
	lives atomic.Int64
	die   context.CancelFunc
}

func (d *dying) Put(ctx context.Context, key string, r io.Reader, o blob.PutOptions) (blob.Info, error) {
	if strings.HasPrefix(key, "blobs/") {
		if d.lives.Add(-1) < 0 {
			d.die()
			return blob.Info{}, context.Canceled
		}
	}
	return d.Store.Put(ctx, key, r, o)
}

func TestAnInterruptedBackupIsNoneAndTheNextGoesOn(t *testing.T) {
	dir := t.TempDir()
	store, from := folder(t, dir), plain(t)
	ctx, cancel := context.WithCancel(t.Context())
	killed := &dying{Store: store, die: cancel}
	killed.lives.Store(15)
	target := open(t, killed, "")
	_, err := backup.Make(ctx, from, target, "test", hush)
	require.ErrorIs(t, err, context.Canceled)
	left := blobs(t, dir)
	require.NotEmpty(t, left)
	_, err = open(t, store, "").Manifest(t.Context(), "")
	require.Equal(t, fault.NotFound, fault.KindOf(err), "half a backup is none: %v", err)

	m, err := backup.Make(t.Context(), from, open(t, store, ""), "test", hush)
	require.NoError(t, err)
	now := blobs(t, dir)
	for path, at := range left {
		require.Equal(t, at, now[path], "written again")
	}
	require.EqualValues(t, len(now)-len(left), m.Counts.CopiedBlobs)
	require.NoError(t, open(t, store, "").Verify(t.Context(), m))
}

func TestPruneKeepsTheNewestAndWhatTheyNeed(t *testing.T) {
	dir := t.TempDir()
	store, from := folder(t, dir), plain(t)
	var made []*backup.Manifest
	for i := range 4 {
		put(t, from.Objects, "posters/changing.jpg", random(1000+i))
		m, err := backup.Make(t.Context(), from, open(t, store, ""), "test", hush)
		require.NoError(t, err)
		made = append(made, m)
	}
	n, err := open(t, store, "").Prune(t.Context(), 2)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	ids, err := open(t, store, "").IDs(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{made[2].ID, made[3].ID}, ids)
	needed := map[string]bool{}
	for _, m := range made[2:] {
		require.NoError(t, open(t, store, "").Verify(t.Context(), m))
		for name := range m.Blobs {
			needed[name] = true
		}
	}
	require.Len(t, blobs(t, dir), len(needed), "nothing is left over")
}

func TestKeysAreAsked(t *testing.T) {
	encrypted, bare := folder(t, t.TempDir()), folder(t, t.TempDir())
	_, err := backup.Open(t.Context(), encrypted, "there", "short", true)
	require.ErrorContains(t, err, "12 characters")
	_, err = backup.Open(t.Context(), encrypted, "there", "age1nonsense", true)
	require.ErrorContains(t, err, "age recipient")
	slow := folder(t, t.TempDir())
	_, err = backup.Open(t.Context(), slow, "there", "correct horse battery", true)
	require.NoError(t, err)
	o, err := slow.Open(t.Context(), "key.age")
	require.NoError(t, err)
	defer o.Close()
	sealed, err := io.ReadAll(o)
	require.NoError(t, err)
	require.Regexp(t, `^age-encryption\.org/v1\n-> scrypt \S+ 18\n`, string(sealed))

	open(t, encrypted, "correct horse battery")
	open(t, bare, "")
	for _, wrong := range []string{"", "another passphrase", "AGE-SECRET-KEY-1QQ"} {
		_, err = backup.Open(t.Context(), encrypted, "there", wrong, true)
		require.ErrorContains(t, err, "CINEMA_BACKUP_KEY", wrong)
	}
	_, err = backup.Open(t.Context(), bare, "there", "correct horse battery", true)
	require.ErrorContains(t, err, "not encrypted")
	_, err = backup.Open(t.Context(), folder(t, t.TempDir()), "there", "", false)
	require.Equal(t, fault.NotFound, fault.KindOf(err))
}

func TestANewerBackupIsRefused(t *testing.T) {
	store, from := folder(t, t.TempDir()), plain(t)
	newer := fstest.MapFS{"00001_tables.sql": {Data: []byte(tables)}, "00002_more.sql": {Data: []byte("-- +goose Up\nALTER TABLE kind ADD more text;\n")}}
	require.NoError(t, pg.Migrate(t.Context(), from.Databases[0].Pool, newer, "goose_test"))
	_, err := backup.Make(t.Context(), from, open(t, store, ""), "test", hush)
	require.NoError(t, err)
	plan, err := backup.Prepare(t.Context(), open(t, store, ""), "", hush)
	require.NoError(t, err)
	into := plain(t)
	err = plan.Restore(t.Context(), into, hush)
	require.ErrorContains(t, err, "run the newer program")

	// And an older one is put where it belongs, then brought up to date.
	into.Databases[0].Pool, into.Objects = postgres(t, false), folder(t, t.TempDir())
	into.Databases[0].Schemas[0].FS = newer
	require.NoError(t, plan.Restore(t.Context(), into, hush))
}

func TestTwoAtOnceAreRefused(t *testing.T) {
	store, from := folder(t, t.TempDir()), plain(t)
	put(t, store, "busy.json", []byte(`{"host": "elsewhere", "pid": 7}`))
	_, err := backup.Make(t.Context(), from, open(t, store, ""), "test", hush)
	require.Equal(t, fault.Conflict, fault.KindOf(err))
	require.ErrorContains(t, err, "elsewhere")
	host, err := os.Hostname()
	require.NoError(t, err)
	put(t, store, "busy.json", []byte(fmt.Sprintf(`{"host": %q, "pid": %d}`, host, os.Getpid())))
	_, err = backup.Make(t.Context(), from, open(t, store, ""), "test", hush)
	require.NoError(t, err, "whoever is gone does not stand in the way")
}

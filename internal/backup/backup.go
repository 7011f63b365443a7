// Package backup saves an instance of the cinema to a target and restores it.
//
// It knows both shapes alike: it reads and writes Postgres, ClickHouse, the
// event log and the object store over the connections that it is handed, so a
// backup taken at home can be restored on a cluster, and the other way round.
//
// # What a target holds
//
//	target.json         the format, and whether it is encrypted
//	key.age             the target's key, where a passphrase protects it
//	blobs/ab/abcd…      content, named by its checksum, each written once
//	backups/<id>.json   a Manifest: one whole backup
//	busy.json           held while a backup is being written
//
// Everything that is saved is cut into blobs, and a blob that is there already
// is not written again: an unchanged film, an unchanged day of events and an
// unchanged table cost nothing in the next backup. The manifest is written last,
// when all that it names was read back and found right. So a backup that was
// interrupted is none, and the next one finds the blobs that it left.
//
// # The moment
//
// A backup is of one moment. First the clock is read, then the positions up to
// which the collectors have put the log away, then the log's ends, then each
// Postgres database gives a snapshot. Everything acknowledged before the moment
// is thus in the snapshots, in ClickHouse, or in the stretch of the log between
// the two positions, which is saved too (the tail). A restore appends the tail
// to the log, the collectors read it as they read anything, and what was
// already put away counts once, because events are told apart by their ids.
//
// Objects are listed after the snapshots: what the rows name is there, since
// whatever is given up is only removed hours later.
//
// # What is not saved
//
// The search index and the daily rollups are made again from what is. Uploads
// that were not finished, and the cache, are left out.
package backup

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/pressly/goose/v3"

	"github.com/netflixathome/cinema/internal/blob"
	"github.com/netflixathome/cinema/internal/ch"
	"github.com/netflixathome/cinema/internal/eventlog"
)

// Format is the layout of a target that this program writes and understands.
const Format = 1

// partSize is how much of a table goes into one blob before it is compressed:
// large enough for few requests, small enough to be held in memory.
const partSize = 16 << 20

// Stores are the parts of an instance: what is saved, or restored to.
type Stores struct {
	Databases []Database
	Objects   blob.Store
	Log       *eventlog.Log
	// Readers are the consumer groups by the topics whose records they put
	// away. A topic without any is saved as far as the log still holds it.
	Readers map[string][]string
	// Analytics is nil where the machine has none: its events wait in the log.
	Analytics *ch.DB
	Secrets   []Secret
}

// Database is one database of Postgres.
type Database struct {
	Name    string
	Pool    *pgxpool.Pool
	Schemas []Schema
}

// Schema is a set of goose migrations.
type Schema struct {
	Table string // where goose counts them
	FS    fs.FS  // their files, at its root
}

// Known is the newest version that the program has.
func (s Schema) Known() (int64, error) {
	names, err := fs.Glob(s.FS, "*.sql")
	if err != nil {
		return 0, err
	}
	var newest int64
	for _, name := range names {
		n, err := goose.NumericComponent(path.Base(name))
		if err != nil {
			return 0, err
		}
		newest = max(newest, n)
	}
	return newest, nil
}

// Secret is what sessions and links live by.
type Secret struct {
	Name     string
	Variable string // of the setting
	// Value is what is in use; nil where there is none yet.
	Value []byte
	// Configured says that the setting holds it: then it is the operator's to
	// keep, and only its fingerprint is saved.
	Configured bool
	// Keep makes it the instance's own; for a restore.
	Keep func([]byte) error
}

// fingerprint tells two secrets apart and gives none away.
func (s Secret) fingerprint() string {
	m := hmac.New(sha256.New, s.Value)
	m.Write([]byte("cinema backup fingerprint"))
	return hex.EncodeToString(m.Sum(nil)[:8])
}

// Manifest is one whole backup. It can be read without the key.
type Manifest struct {
	Format  int       `json:"format"`
	ID      string    `json:"id"`
	Program string    `json:"program"` // its version
	Moment  time.Time `json:"moment"`  // all that was acknowledged before is in it
	Seconds float64   `json:"seconds"` // it took
	Counts  Counts    `json:"counts"`
	// Content names the blobs of the Content, in order.
	Content []string `json:"content"`
	// Blobs are all that the backup needs, by name.
	Blobs map[string]Blob `json:"blobs"`
}

// Blob is a blob as it lies in the target.
type Blob struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Counts are for people and for tests.
type Counts struct {
	Rows        map[string]int64 `json:"rows"` // by database
	Events      int64            `json:"events"`
	Tail        int64            `json:"tail"` // records of the log that were not put away yet
	Objects     int64            `json:"objects"`
	ObjectBytes int64            `json:"objectBytes"`
	Blobs       int64            `json:"blobs"`
	Bytes       int64            `json:"bytes"`       // of all blobs
	CopiedBlobs int64            `json:"copiedBlobs"` // that earlier backups did not have
	CopiedBytes int64            `json:"copiedBytes"`
}

// Content is what the blobs are.
type Content struct {
	Databases []databaseDump `json:"databases"`
	Events    *eventsDump    `json:"events,omitempty"`
	Tail      tailDump       `json:"tail"`
	Objects   []objectDump   `json:"objects"`
	Secrets   []secretDump   `json:"secrets"`
}

type secretDump struct {
	Name        string `json:"name"`
	Fingerprint string `json:"fingerprint"`
	Value       []byte `json:"value,omitempty"` // not of configured ones
}

// Progress is told what is being done, in whole sentences' parts.
type Progress func(format string, args ...any)

// Make writes a backup. The program's version goes into its manifest.
func Make(ctx context.Context, s Stores, t *Target, program string, say Progress) (*Manifest, error) {
	release, err := t.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	began := time.Now()
	if err := t.begin(ctx); err != nil {
		return nil, err
	}
	m := &Manifest{
		Format: Format, ID: began.UTC().Format(idLayout), Program: program, Moment: began.UTC(),
		Counts: Counts{Rows: map[string]int64{}},
	}
	content, err := save(ctx, s, t, m, say)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(content)
	if err != nil {
		return nil, err
	}
	parts := newParts(ctx, t)
	if _, err := parts.Write(text); err != nil {
		return nil, err
	}
	if m.Content, err = parts.Close(); err != nil {
		return nil, err
	}
	say("checking what was written")
	if m.Blobs, err = t.finish(ctx); err != nil {
		return nil, err
	}
	m.Counts.Blobs = int64(len(m.Blobs))
	for _, b := range m.Blobs {
		m.Counts.Bytes += b.Size
	}
	m.Counts.CopiedBlobs, m.Counts.CopiedBytes = t.copied()
	m.Seconds = time.Since(began).Seconds()
	if err := t.putJSON(ctx, manifestKey(m.ID), m); err != nil {
		return nil, err
	}
	return m, nil
}

// save reads everything and returns what it is.
func save(ctx context.Context, s Stores, t *Target, m *Manifest, say Progress) (*Content, error) {
	c := &Content{}
	spans, err := s.Log.Unread(ctx, s.Readers)
	if err != nil {
		return nil, err
	}
	snapshots, err := openSnapshots(ctx, s.Databases)
	defer closeSnapshots(ctx, snapshots)
	if err != nil {
		return nil, err
	}
	// The log first: it is the only one that forgets by itself.
	if c.Tail, err = saveTail(ctx, s.Log, spans, t); err != nil {
		return nil, err
	}
	m.Counts.Tail = c.Tail.Records
	say("the log's tail: %d events that were not put away yet", c.Tail.Records)
	for _, snap := range snapshots {
		d, err := snap.save(ctx, t)
		if err != nil {
			return nil, fmt.Errorf("the database %s: %w", snap.name, err)
		}
		rows := int64(0)
		for _, table := range d.Tables {
			rows += table.Rows
		}
		m.Counts.Rows[d.Name] = rows
		c.Databases = append(c.Databases, d)
		say("database %s: %d rows", d.Name, rows)
	}
	closeSnapshots(ctx, snapshots) // not kept open over the films
	before := t.previous(ctx)
	if s.Analytics != nil {
		if c.Events, err = saveEvents(ctx, s.Analytics, t, before); err != nil {
			return nil, fmt.Errorf("the statistics: %w", err)
		}
		m.Counts.Events = c.Events.rows()
		say("statistics: %d events", m.Counts.Events)
	}
	for _, secret := range s.Secrets {
		if secret.Value == nil {
			continue
		}
		d := secretDump{Name: secret.Name, Fingerprint: secret.fingerprint()}
		if !secret.Configured {
			d.Value = secret.Value
		}
		c.Secrets = append(c.Secrets, d)
	}
	if c.Objects, err = saveObjects(ctx, s.Objects, t, before, say); err != nil {
		return nil, fmt.Errorf("the objects: %w", err)
	}
	for _, o := range c.Objects {
		m.Counts.Objects++
		m.Counts.ObjectBytes += o.Size
	}
	return c, nil
}

// parts cuts a stream into compressed blobs.
type parts struct {
	ctx   context.Context // a writer has no other way to be told
	t     *Target
	buf   bytes.Buffer
	zip   *gzip.Writer
	raw   int
	names []string
}

func newParts(ctx context.Context, t *Target) *parts {
	p := &parts{ctx: ctx, t: t}
	p.zip, _ = gzip.NewWriterLevel(&p.buf, gzip.BestSpeed) // the level is right
	return p
}

func (p *parts) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		take := min(len(b), partSize-p.raw)
		if _, err := p.zip.Write(b[:take]); err != nil {
			return 0, err
		}
		p.raw += take
		b = b[take:]
		if p.raw == partSize {
			if err := p.cut(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (p *parts) cut() error {
	if p.raw == 0 {
		return nil
	}
	if err := p.zip.Close(); err != nil {
		return err
	}
	name, err := p.t.addBytes(p.ctx, p.buf.Bytes())
	if err != nil {
		return err
	}
	p.names = append(p.names, name)
	p.buf.Reset()
	p.zip.Reset(&p.buf)
	p.raw = 0
	return nil
}

// Close returns the names of the parts, in order.
func (p *parts) Close() ([]string, error) {
	err := p.cut()
	return p.names, err
}

// joined reads parts one after the other.
type joined struct {
	ctx   context.Context // a reader has no other way to be told
	t     *Target
	names []string
	now   io.ReadCloser
	zip   *gzip.Reader
}

func newJoined(ctx context.Context, t *Target, names []string) *joined {
	return &joined{ctx: ctx, t: t, names: names}
}

func (j *joined) Read(b []byte) (int, error) {
	for {
		if j.now == nil {
			if len(j.names) == 0 {
				return 0, io.EOF
			}
			r, err := j.t.open(j.ctx, j.names[0])
			if err != nil {
				return 0, err
			}
			j.names, j.now = j.names[1:], r
			if j.zip, err = gzip.NewReader(r); err != nil {
				return 0, damaged(err)
			}
		}
		n, err := j.zip.Read(b)
		if errors.Is(err, io.EOF) {
			_ = j.now.Close()
			j.now, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (j *joined) Close() error {
	if j.now == nil {
		return nil
	}
	return j.now.Close()
}

func damaged(err error) error { return fmt.Errorf("the backup is damaged: %w", err) }

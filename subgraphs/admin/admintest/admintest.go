// Package admintest gives the tests of the admin subgraph a catalogue in a
// real Postgres, and in-memory stand-ins for the rooms beside it.
package admintest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/netflixathome/cinema/engines/enginestest"
	media "github.com/netflixathome/cinema/etl/media/migrations"
	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/pg"
	"github.com/netflixathome/cinema/subgraphs/admin"
	"github.com/netflixathome/cinema/subgraphs/admin/postgres/migrations"
	"github.com/netflixathome/cinema/subgraphs/admin/records"
)

// House is a catalogue with its clock.
type House struct {
	Pool    *pgxpool.Pool
	Records *records.Service
	Jobs    *Jobs
	Log     *slog.Logger
	Clock   *Clock
	queries atomic.Int64
}

// New makes an empty house, gone with the test.
func New(t testing.TB) *House {
	t.Helper()
	ctx := t.Context()
	h := &House{Jobs: &Jobs{}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Clock: &Clock{}}
	var err error
	h.Pool, err = pg.Open(context.WithoutCancel(ctx), enginestest.PostgresWith(t, "catalog", migrate), 8, func(cfg *pgxpool.Config) {
		cfg.ConnConfig.Tracer = counter{&h.queries}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Pool.Close)
	if h.Records, err = records.New(records.Deps{Pool: h.Pool, Jobs: h.Jobs, Log: h.Log, Now: h.Clock.Now}); err != nil {
		t.Fatal(err)
	}
	return h
}

func migrate(ctx context.Context, pool *pgxpool.Pool) error {
	return errors.Join(pg.Migrate(ctx, pool, media.FS, media.VersionTable), pg.Migrate(ctx, pool, migrations.FS, migrations.Table))
}

// Queries counts the queries that f makes.
func (h *House) Queries(f func()) int64 {
	before := h.queries.Load()
	f()
	return h.queries.Load() - before
}

type counter struct{ n *atomic.Int64 }

func (c counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.n.Add(1)
	return ctx
}

func (counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// Clock is the real time moved by hand.
type Clock struct{ ahead atomic.Int64 }

// Now is the moved time.
func (c *Clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// Move moves the time on.
func (c *Clock) Move(d time.Duration) { c.ahead.Add(int64(d)) }

// Jobs keeps what it was told.
type Jobs struct {
	mu        sync.Mutex
	Enqueued  []admin.JobSpec
	Forgotten []uuid.UUID
	Calls     []string
	// Fail makes Enqueue fail.
	Fail error
}

// Enqueue implements admin.Jobs.
func (j *Jobs) Enqueue(ctx context.Context, tx pgx.Tx, spec admin.JobSpec) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.Fail != nil {
		return j.Fail
	}
	if _, err := tx.Exec(ctx, `INSERT INTO media_job (id, asset_id, playable_id, playable_kind, source_key) VALUES ($1, $2, $3, $4, $5)`,
		uuid.Must(uuid.NewV7()), spec.AssetID, spec.Playable.UUID, string(spec.Playable.Kind), spec.SourceKey); err != nil {
		return err
	}
	j.Enqueued = append(j.Enqueued, spec)
	return nil
}

// Specs are the jobs that were enqueued.
func (j *Jobs) Specs() []admin.JobSpec {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.Enqueued)
}

// SetFail makes Enqueue fail, or work again.
func (j *Jobs) SetFail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.Fail = err
}

// Cancel implements admin.Jobs.
func (j *Jobs) Cancel(_ context.Context, id uuid.UUID) error { return j.call("cancel " + id.String()) }

// Retry implements admin.Jobs.
func (j *Jobs) Retry(_ context.Context, id uuid.UUID) error { return j.call("retry " + id.String()) }

func (j *Jobs) call(s string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.Calls = append(j.Calls, s)
	return nil
}

// Forget implements admin.Jobs.
func (j *Jobs) Forget(_ context.Context, playable uuid.UUID) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.Forgotten = append(j.Forgotten, playable)
	return nil
}

// Tokens verifies the tokens "admin", "other" and "viewer".
type Tokens struct{}

// The users of the tokens.
var (
	Admin  = &authn.Claims{UserID: uuid.MustParse("01900000-0000-7000-8000-000000000001"), Scopes: map[string]bool{"title:read": true, "title:write": true, "upload:write": true}}
	Other  = &authn.Claims{UserID: uuid.MustParse("01900000-0000-7000-8000-000000000002"), Scopes: map[string]bool{"title:read": true, "title:write": true, "upload:write": true}}
	Viewer = &authn.Claims{UserID: uuid.MustParse("01900000-0000-7000-8000-000000000003"), Scopes: map[string]bool{}}
)

// Verify implements authn.Verifier.
func (Tokens) Verify(_ context.Context, token string) (*authn.Claims, error) {
	switch token {
	case "admin":
		return Admin, nil
	case "other":
		return Other, nil
	case "viewer":
		return Viewer, nil
	}
	return nil, authn.ErrUnauthenticated
}

// Objects is an object store in memory.
type Objects struct {
	mu    sync.Mutex
	Files map[string][]byte
}

// Keys are the keys in it, sorted.
func (o *Objects) Keys() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := []string{}
	for k := range o.Files {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

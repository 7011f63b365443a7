package media

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/netflixathome/cinema/internal/blob"
	"github.com/netflixathome/cinema/internal/fault"
)

// State is where a job stands.
type State string

// The states. Queued, Probing and Encoding are active; the others are final
// until a Retry.
const (
	Queued    State = "queued"
	Probing   State = "probing"
	Encoding  State = "encoding"
	Ready     State = "ready"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Active reports whether work is being done or waited for.
func (s State) Active() bool { return s == Queued || s == Probing || s == Encoding }

// Job is the work of making one film watchable.
type Job struct {
	ID           uuid.UUID
	AssetID      uuid.UUID // names the files: renditions/<AssetID>/
	PlayableID   uuid.UUID
	PlayableKind string // "film" or "episode"
	SourceKey    string
	State        State
	Step         string  // "audio", "copy", "720p" …; empty before the first
	Percent      float32 // of the whole job, 0 to 100
	StepPercent  float32
	Speed        float32       // times real time; 0 when not known
	ETA          time.Duration // of the whole job; negative when not known
	ErrorCode    string        // a Reason constant; empty when nothing failed
	Error        string        // for people
	Attempts     int
	Worker       string
	Priority     int
	Demo         bool
	HeartbeatAt  *time.Time
	CreatedAt    time.Time
	StartedAt    *time.Time
	FinishedAt   *time.Time
	UpdatedAt    time.Time

	probe     *Probe
	stepsDone []string
}

// JobSpec is what a job is made of.
type JobSpec struct {
	AssetID      uuid.UUID
	PlayableID   uuid.UUID
	PlayableKind string // "film" or "episode"
	SourceKey    string // of the uploaded film in the object store; it stays there
	Priority     int    // higher goes first; 0 for uploads, below for the demo
	Demo         bool
}

const channel = "media_job" // of LISTEN and NOTIFY

const jobColumns = `id, asset_id, playable_id, playable_kind, source_key, state, step, percent, step_percent, speed, eta_ms,
	error_code, error, attempts, worker, priority, demo, heartbeat_at, created_at, started_at, finished_at, updated_at, probe, steps_done`

func scanJob(row pgx.CollectableRow) (Job, error) {
	var j Job
	var eta *int64
	var probe []byte
	err := row.Scan(&j.ID, &j.AssetID, &j.PlayableID, &j.PlayableKind, &j.SourceKey, &j.State, &j.Step, &j.Percent, &j.StepPercent,
		&j.Speed, &eta, &j.ErrorCode, &j.Error, &j.Attempts, &j.Worker, &j.Priority, &j.Demo, &j.HeartbeatAt, &j.CreatedAt,
		&j.StartedAt, &j.FinishedAt, &j.UpdatedAt, &probe, &j.stepsDone)
	if err != nil {
		return Job{}, err
	}
	j.ETA = -1
	if eta != nil {
		j.ETA = time.Duration(*eta) * time.Millisecond
	}
	if probe != nil {
		j.probe = new(Probe)
		if err := json.Unmarshal(probe, j.probe); err != nil {
			return Job{}, fmt.Errorf("job %s: %w", j.ID, err)
		}
	}
	return j, nil
}

// Queue is the list of jobs in Postgres. It is safe for concurrent use.
type Queue struct{ pool *pgxpool.Pool }

// NewQueue works on the catalog database.
func NewQueue(pool *pgxpool.Pool) (*Queue, error) {
	if pool == nil {
		return nil, errors.New("media: the queue needs a pool")
	}
	return &Queue{pool}, nil
}

// Enqueue adds a job in the caller's transaction, so that the job and the row
// of the uploaded asset exist together or not at all, and wakes a worker when
// the transaction commits. A second job for an asset that is being worked on
// is a Conflict.
func (q *Queue) Enqueue(ctx context.Context, tx pgx.Tx, s JobSpec) (Job, error) {
	if s.AssetID == uuid.Nil || s.PlayableID == uuid.Nil || s.PlayableKind != "film" && s.PlayableKind != "episode" {
		return Job{}, errors.New("media: a job needs an asset and a film or an episode")
	}
	if err := blob.CheckKey(s.SourceKey); err != nil {
		return Job{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Job{}, fmt.Errorf("enqueue: %w", err)
	}
	rows, err := tx.Query(ctx, `INSERT INTO media_job (id, asset_id, playable_id, playable_kind, source_key, priority, demo)
		VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING `+jobColumns, id, s.AssetID, s.PlayableID, s.PlayableKind, s.SourceKey, s.Priority, s.Demo)
	if err != nil {
		return Job{}, fmt.Errorf("enqueue: %w", err)
	}
	j, err := pgx.CollectExactlyOneRow(rows, scanJob)
	if err != nil {
		return Job{}, active(err)
	}
	if _, err := tx.Exec(ctx, `SELECT pg_notify($1, $2)`, channel, id.String()); err != nil {
		return Job{}, fmt.Errorf("enqueue: %w", err)
	}
	return j, nil
}

func active(err error) error {
	var pe *pgconn.PgError
	if errors.As(err, &pe) && pe.ConstraintName == "media_job_active" {
		return fault.New(fault.Conflict, "This upload is being worked on already.").WithReason("JOB_ACTIVE").Because(err)
	}
	return fmt.Errorf("media job: %w", err)
}

// Cancel ends an active job; its worker notices within two seconds and kills
// ffmpeg. What is watchable already stays; otherwise the files go. A job that
// has ended already is returned as it is.
func (q *Queue) Cancel(ctx context.Context, id uuid.UUID) (Job, error) {
	return q.change(ctx, id, `UPDATE media_job SET state = 'cancelled', finished_at = now(), updated_at = now(), eta_ms = NULL, speed = 0, cleaned = false
		WHERE id = $1 AND state IN ('queued', 'probing', 'encoding') RETURNING `+jobColumns)
}

// Retry queues a failed or cancelled job again; steps that are done stay done.
// A job in another state is returned as it is.
func (q *Queue) Retry(ctx context.Context, id uuid.UUID) (Job, error) {
	return q.change(ctx, id, `UPDATE media_job SET state = 'queued', attempts = 0, error = '', error_code = '', run_after = now(),
		finished_at = NULL, updated_at = now(), worker = '', cleaned = false
		WHERE id = $1 AND state IN ('failed', 'cancelled') RETURNING `+jobColumns)
}

func (q *Queue) change(ctx context.Context, id uuid.UUID, sql string) (Job, error) {
	rows, err := q.pool.Query(ctx, sql, id)
	if err != nil {
		return Job{}, fmt.Errorf("media job: %w", err)
	}
	j, err := pgx.CollectExactlyOneRow(rows, scanJob)
	if errors.Is(err, pgx.ErrNoRows) {
		return q.Get(ctx, id)
	}
	if err != nil {
		return Job{}, active(err)
	}
	if _, err := q.pool.Exec(ctx, `SELECT pg_notify($1, $2)`, channel, id.String()); err != nil {
		return Job{}, fmt.Errorf("media job: %w", err)
	}
	return j, nil
}

// Get returns one job, or NotFound.
func (q *Queue) Get(ctx context.Context, id uuid.UUID) (Job, error) {
	m, err := q.GetMany(ctx, []uuid.UUID{id})
	if err != nil {
		return Job{}, err
	}
	j, ok := m[id]
	if !ok {
		return Job{}, fault.New(fault.NotFound, "There is no such job.")
	}
	return j, nil
}

// GetMany returns the jobs that exist, by id.
func (q *Queue) GetMany(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]Job, error) {
	rows, err := q.pool.Query(ctx, `SELECT `+jobColumns+` FROM media_job WHERE id = ANY($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("media jobs: %w", err)
	}
	js, err := pgx.CollectRows(rows, scanJob)
	if err != nil {
		return nil, fmt.Errorf("media jobs: %w", err)
	}
	m := make(map[uuid.UUID]Job, len(js))
	for _, j := range js {
		m[j.ID] = j
	}
	return m, nil
}

// Filter narrows a List; the zero Filter takes all.
type Filter struct {
	States     []State
	PlayableID uuid.UUID // zero: any
	AssetID    uuid.UUID // zero: any
	Demo       *bool     // nil: any
}

// Page is a part of a list, the newest job first.
type Page struct {
	First int       // 1 to 200; 0 means 50
	After uuid.UUID // the last job of the page before; zero from the start
}

// List returns a page of jobs and whether there are more.
func (q *Queue) List(ctx context.Context, f Filter, p Page) (jobs []Job, more bool, err error) {
	if p.First <= 0 {
		p.First = 50
	}
	p.First = min(p.First, 200)
	var states []string
	for _, s := range f.States {
		states = append(states, string(s))
	}
	// UUIDv7 grows with time, so the id is order and cursor at once.
	rows, err := q.pool.Query(ctx, `SELECT `+jobColumns+` FROM media_job
		WHERE ($1::text[] IS NULL OR state = ANY($1)) AND ($2::uuid = $5 OR playable_id = $2) AND ($3::uuid = $5 OR asset_id = $3)
		  AND ($4::boolean IS NULL OR demo = $4) AND ($6::uuid = $5 OR id < $6)
		ORDER BY id DESC LIMIT $7`, states, f.PlayableID, f.AssetID, f.Demo, uuid.Nil, p.After, p.First+1)
	if err != nil {
		return nil, false, fmt.Errorf("list media jobs: %w", err)
	}
	jobs, err = pgx.CollectRows(rows, scanJob)
	if err != nil {
		return nil, false, fmt.Errorf("list media jobs: %w", err)
	}
	if len(jobs) > p.First {
		return jobs[:p.First], true, nil
	}
	return jobs, false, nil
}

// Counts is how the queue stands.
type Counts struct {
	ByState map[State]int
	// Waiting is how long the job that waits longest could have been worked
	// on; 0 when none waits.
	Waiting time.Duration
}

// Counts asks how the queue stands.
func (q *Queue) Counts(ctx context.Context) (Counts, error) {
	c := Counts{ByState: map[State]int{}}
	rows, err := q.pool.Query(ctx, `SELECT state, count(*), coalesce(extract(epoch FROM max(now() - greatest(created_at, run_after))
		FILTER (WHERE state = 'queued' AND run_after <= now())), 0)::float8 FROM media_job GROUP BY state`)
	if err != nil {
		return c, fmt.Errorf("media queue: %w", err)
	}
	var state State
	var n int
	var waiting float64
	if _, err := pgx.ForEachRow(rows, []any{&state, &n, &waiting}, func() error {
		c.ByState[state] = n
		c.Waiting = max(c.Waiting, time.Duration(waiting*float64(time.Second)))
		return nil
	}); err != nil {
		return c, fmt.Errorf("media queue: %w", err)
	}
	return c, nil
}

// errLost: the job is no longer this worker's: cancelled, or taken over.
var errLost = errors.New("the job is no longer ours")

// claim takes the next job, or one whose worker has gone silent. ok is false
// when there is none.
func (q *Queue) claim(ctx context.Context, worker string, stale time.Duration) (j Job, ok bool, err error) {
	rows, err := q.pool.Query(ctx, `UPDATE media_job SET state = 'probing', worker = $1, heartbeat_at = now(), attempts = attempts + 1,
			started_at = coalesce(started_at, now()), updated_at = now(), step_percent = 0, speed = 0, eta_ms = NULL
		WHERE id = (SELECT id FROM media_job
			WHERE state = 'queued' AND run_after <= now()
			   OR state IN ('probing', 'encoding') AND heartbeat_at < now() - make_interval(secs => $2)
			ORDER BY priority DESC, created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
		RETURNING `+jobColumns, worker, stale.Seconds())
	if err != nil {
		return Job{}, false, fmt.Errorf("claim: %w", err)
	}
	j, err = pgx.CollectExactlyOneRow(rows, scanJob)
	if errors.Is(err, pgx.ErrNoRows) {
		return Job{}, false, nil
	}
	if err != nil {
		return Job{}, false, fmt.Errorf("claim: %w", err)
	}
	return j, true, nil
}

// mine is the condition under which a worker may still write to a job.
const mine = ` WHERE id = $1 AND worker = $2 AND attempts = $3 AND state IN ('probing', 'encoding')`

// save writes how far a job is and is its heartbeat; errLost when it is no
// longer ours.
func (q *Queue) save(ctx context.Context, j Job) error {
	var eta *int64
	if j.ETA >= 0 {
		ms := j.ETA.Milliseconds()
		eta = &ms
	}
	tag, err := q.pool.Exec(ctx, `UPDATE media_job SET state = $4, step = $5, percent = $6, step_percent = $7, speed = $8, eta_ms = $9,
		heartbeat_at = now(), updated_at = now()`+mine, j.ID, j.Worker, j.Attempts, j.State, j.Step, j.Percent, j.StepPercent, j.Speed, eta)
	return owned(tag, err)
}

func owned(tag pgconn.CommandTag, err error) error {
	if err != nil {
		return fmt.Errorf("media job: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return errLost
	}
	return nil
}

func (q *Queue) saveProbe(ctx context.Context, j Job, p Probe) error {
	b, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("media job: %w", err)
	}
	return owned(q.pool.Exec(ctx, `UPDATE media_job SET probe = $4, state = 'encoding', heartbeat_at = now(), updated_at = now()`+mine, j.ID, j.Worker, j.Attempts, b))
}

// release gives a job back to the queue: at once when the worker stops (that
// costs no attempt), later after a failure that may pass.
func (q *Queue) release(ctx context.Context, j Job, after time.Duration, refund int, code, text string) error {
	return owned(q.pool.Exec(ctx, `UPDATE media_job SET state = 'queued', worker = '', attempts = attempts - $4, run_after = now() + make_interval(secs => $5),
		error_code = $6, error = $7, speed = 0, eta_ms = NULL, updated_at = now()`+mine, j.ID, j.Worker, j.Attempts, refund, after.Seconds(), code, text))
}

func (q *Queue) fail(ctx context.Context, j Job, code, text string) error {
	return owned(q.pool.Exec(ctx, `UPDATE media_job SET state = 'failed', error_code = $4, error = $5, speed = 0, eta_ms = NULL,
		finished_at = now(), updated_at = now()`+mine, j.ID, j.Worker, j.Attempts, code, text))
}

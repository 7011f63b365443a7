package records

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/subgraphs/admin"
)

// This file reads the tables of the media ETL (media_job, media_asset,
// rendition), which lie in the same database, by the contract that it
// declares on them. Nothing here writes to them.

const jobColumns = `j.id, j.playable_id, j.playable_kind, coalesce(t.original_name, e.original_name, ''), j.state, j.step,
	j.percent, j.step_percent, j.speed, j.eta_ms, nullif(j.error, ''), j.created_at, j.finished_at`

const jobTables = `media_job j LEFT JOIN title t ON t.id = j.playable_id LEFT JOIN episode e ON e.id = j.playable_id`

func scanMediaJob(row pgx.CollectableRow) (*admin.MediaJob, error) {
	var j admin.MediaJob
	var id, playable uuid.UUID
	var kind, state string
	var eta *int64
	err := row.Scan(&id, &playable, &kind, &j.PlayableName, &state, &j.Step, &j.Percent, &j.StepPercent, &j.Speed, &eta, &j.Error, &j.CreatedAt, &j.FinishedAt)
	j.ID = gid.Of(gid.MediaJob, id)
	j.PlayableID = gid.Of(gid.Kind(kind), playable)
	j.State = admin.MediaJobState(strings.ToUpper(state))
	if eta != nil {
		ms := int(min(*eta, 1<<31-1))
		j.EtaMs = &ms
	}
	if j.State != admin.JobFailed {
		j.Error = nil // of an attempt that is being repeated
	}
	return &j, err
}

// ListJobs is a page of jobs, the newest first.
func (s *Service) ListJobs(ctx context.Context, states []admin.MediaJobState, first *int, after *string) (*Page[*admin.MediaJob], error) {
	n, err := admin.CheckPage(first, 50)
	if err != nil {
		return nil, err
	}
	at, err := readCursor(after, "job")
	if err != nil {
		return nil, err
	}
	before := uuid.Max
	if at != nil {
		before = at.ID
	}
	var only []string
	if states != nil {
		only = lower(states)
	}
	rows, err := s.pool.Query(ctx, `SELECT `+jobColumns+` FROM `+jobTables+`
		WHERE j.id < $1 AND ($2::text[] IS NULL OR j.state = ANY($2)) ORDER BY j.id DESC LIMIT $3`, before, only, n+1)
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanMediaJob)
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	page := &Page[*admin.MediaJob]{}
	for _, j := range list {
		page.Cursors = append(page.Cursors, cursor{Sort: "job", ID: j.ID.UUID}.String())
	}
	return cut(page, list, n), nil
}

// Job finds one job; an unknown one is NotFound.
func (s *Service) Job(ctx context.Context, id gid.ID) (*admin.MediaJob, error) {
	if !id.Is(gid.MediaJob) {
		return nil, notFound("job").At("input.id")
	}
	rows, err := s.pool.Query(ctx, `SELECT `+jobColumns+` FROM `+jobTables+` WHERE j.id = $1`, id.UUID)
	if err != nil {
		return nil, fmt.Errorf("read job: %w", err)
	}
	j, err := pgx.CollectExactlyOneRow(rows, scanMediaJob)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, notFound("job").At("input.id")
	}
	return j, err
}

// CancelJob stops a job; one that has ended already stays as it is.
func (s *Service) CancelJob(ctx context.Context, id gid.ID) (*admin.MediaJob, error) {
	if _, err := s.Job(ctx, id); err != nil {
		return nil, err
	}
	if err := s.jobs.Cancel(ctx, id.UUID); err != nil {
		return nil, fmt.Errorf("cancel job: %w", err)
	}
	return s.Job(ctx, id)
}

// RetryJob queues a failed or cancelled job again.
func (s *Service) RetryJob(ctx context.Context, id gid.ID) (*admin.MediaJob, error) {
	j, err := s.Job(ctx, id)
	if err != nil {
		return nil, err
	}
	if j.State != admin.JobFailed && j.State != admin.JobCancelled {
		return nil, fault.New(fault.Conflict, "Only a failed or cancelled job can be queued again.").WithReason("JOB_ACTIVE").At("input.id")
	}
	if err := s.jobs.Retry(ctx, id.UUID); err != nil {
		return nil, fmt.Errorf("retry job: %w", err)
	}
	return s.Job(ctx, id)
}

// MediaOf is the state of the media of each film or episode that has any:
// its newest asset that is ready, else its newest, and the newest job.
func (s *Service) MediaOf(ctx context.Context, playables []uuid.UUID) (map[uuid.UUID]*admin.MediaState, error) {
	out := make(map[uuid.UUID]*admin.MediaState, len(playables))
	rows, err := s.pool.Query(ctx, `SELECT DISTINCT ON (m.playable_id) m.playable_id, m.ready, m.complete,
			ARRAY(SELECT r.name FROM rendition r WHERE r.asset_id = m.origin_id ORDER BY r.height * r.width DESC, r.bitrate DESC)
		FROM media_asset m WHERE m.playable_id = ANY($1) AND m.retired_at IS NULL
		ORDER BY m.playable_id, m.ready DESC, m.created_at DESC`, playables)
	if err != nil {
		return nil, fmt.Errorf("read media: %w", err)
	}
	var id uuid.UUID
	var m admin.MediaState
	_, err = pgx.ForEachRow(rows, []any{&id, &m.Playable, &m.Complete, &m.Renditions}, func() error {
		c := m
		out[id] = &c
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read media: %w", err)
	}
	jobs, err := grouped(ctx, s.pool, "jobs", `SELECT DISTINCT ON (j.playable_id) j.playable_id, `+jobColumns+` FROM `+jobTables+`
		WHERE j.playable_id = ANY($1) ORDER BY j.playable_id, j.id DESC`, playables,
		func(row pgx.CollectableRow) (owner uuid.UUID, j *admin.MediaJob, err error) {
			j, err = scanMediaJob(withFirst{row, &owner})
			return owner, j, err
		})
	if err != nil {
		return nil, err
	}
	for id, list := range jobs {
		if out[id] == nil {
			out[id] = &admin.MediaState{Renditions: []string{}}
		}
		out[id].Job = list[0]
	}
	return out, nil
}

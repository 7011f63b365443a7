package admin

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/netflixathome/cinema/internal/gid"
)

// TopicMediaJob is the topic of the bus on which the media ETL tells of a
// job's change. A message is a hint: the job is read again.
const TopicMediaJob = "media.job"

// JobSpec is the work that a complete source asks for.
type JobSpec struct {
	AssetID   uuid.UUID
	Playable  gid.ID // film or episode
	SourceKey string // in the object store
}

// Jobs is the queue of the media ETL. Its tables are read here by the same
// contract as by the catalogue's ETL; they are written through this port only.
type Jobs interface {
	// Enqueue adds the work in tx, so that it exists if and only if the asset
	// is ready. It replaces the playable's media once it is done.
	Enqueue(ctx context.Context, tx pgx.Tx, spec JobSpec) error
	// Cancel stops a job, Retry queues an ended one again; an unknown one is
	// NotFound.
	Cancel(ctx context.Context, id uuid.UUID) error
	Retry(ctx context.Context, id uuid.UUID) error
	// Forget removes all media of a playable that is gone: its jobs, rows and
	// stored renditions. It may be called again after it was interrupted.
	Forget(ctx context.Context, playable uuid.UUID) error
}

// URLSigner signs addresses of stored pictures.
type URLSigner interface {
	// SignStable returns an address of the object that everyone may keep for
	// some days; empty if key is no key.
	SignStable(key string) string
}

// Demo is the demo cinema.
type Demo interface {
	Status(ctx context.Context) (DemoStatus, error)
	// Remove starts the removal and returns; a removal that runs is not
	// started again.
	Remove(ctx context.Context) error
}

package records

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/subgraphs/admin"
)

const assetColumns = `a.id, a.kind, t.kind, a.title_id, a.episode_id, a.filename, a.size, a.state, a.refusal, a.sha256, a.uploaded_by, a.created_at`

func scanAsset(row pgx.CollectableRow) (*admin.Asset, error) {
	var a admin.Asset
	var id uuid.UUID
	var kind, titleKind, state string
	var episode *uuid.UUID
	err := row.Scan(&id, &kind, &titleKind, &a.TitleID, &episode, &a.Filename, &a.Size, &state, &a.Refusal, &a.Sha256, &a.UploadedBy, &a.CreatedAt)
	a.ID = gid.Of(gid.Asset, id)
	a.Kind = admin.AssetKind(strings.ToUpper(kind))
	a.State = admin.AssetState(strings.ToUpper(state))
	a.OwnerID = gid.Of(gid.Kind(titleKind), a.TitleID)
	if episode != nil {
		a.OwnerID = gid.Of(gid.Episode, *episode)
	}
	return &a, err
}

// SourceKey is where the bytes of a source lie in the object store.
func SourceKey(asset uuid.UUID) string { return "sources/" + asset.String() }

// MaxOpenUploads bounds uploads that are not finished, of one user and of all.
const (
	MaxOpenUploads     = 200
	MaxOpenUploadsUser = 50
)

// CreateAsset notes an upload that begins; open makes room for its bytes
// before the note becomes visible, so that a visible upload has its room.
func (s *Service) CreateAsset(ctx context.Context, in admin.OpenUploadInput, user uuid.UUID, open func(*admin.Asset) error) (*admin.Asset, error) {
	var out *admin.Asset
	err := s.tx(ctx, func(tx pgx.Tx) error {
		// One at a time, so that the bounds hold.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('asset_open'))`); err != nil {
			return err
		}
		var all, mine int
		if err := tx.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE uploaded_by = $1) FROM asset WHERE state = 'uploading'`, user).Scan(&all, &mine); err != nil {
			return err
		}
		if all >= MaxOpenUploads || mine >= MaxOpenUploadsUser {
			return fault.New(fault.RateLimited, "Too many uploads are open. Finish or cancel some first.").WithReason("TOO_MANY_UPLOADS")
		}
		title := in.OwnerID.UUID
		var episode *uuid.UUID
		if in.OwnerID.Is(gid.Episode) {
			err := tx.QueryRow(ctx, `SELECT title_id FROM episode WHERE id = $1`, in.OwnerID.UUID).Scan(&title)
			if errors.Is(err, pgx.ErrNoRows) {
				return notFound("episode").At("input.ownerId")
			} else if err != nil {
				return err
			}
			episode = &in.OwnerID.UUID
		}
		var kind, status string
		err := tx.QueryRow(ctx, `SELECT kind, status FROM title WHERE id = $1 FOR KEY SHARE`, title).Scan(&kind, &status)
		switch {
		case errors.Is(err, pgx.ErrNoRows), err == nil && episode == nil && kind != string(in.OwnerID.Kind):
			return notFound("title").At("input.ownerId")
		case err != nil:
			return err
		case status == "deleted":
			return errDeleted.At("input.ownerId")
		}
		id := uuid.Must(uuid.NewV7())
		now := s.now().UTC()
		if _, err := tx.Exec(ctx, `INSERT INTO asset (id, kind, title_id, episode_id, filename, size, state, uploaded_by, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, 'uploading', $7, $8, $8)`,
			id, strings.ToLower(string(in.Kind)), title, episode, in.Filename, in.Size, user, now); err != nil {
			return err
		}
		if out, err = assetByID(ctx, tx, id); err != nil {
			return err
		}
		return open(out)
	})
	if err != nil {
		return nil, fmt.Errorf("open upload: %w", err)
	}
	return out, nil
}

func assetByID(ctx context.Context, q querier, id uuid.UUID) (*admin.Asset, error) {
	rows, err := q.Query(ctx, `SELECT `+assetColumns+` FROM asset a JOIN title t ON t.id = a.title_id WHERE a.id = $1`, id)
	if err != nil {
		return nil, fmt.Errorf("read asset: %w", err)
	}
	a, err := pgx.CollectExactlyOneRow(rows, scanAsset)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, notFound("upload").At("input.assetId")
	}
	return a, err
}

// Asset finds an upload; an unknown one is NotFound.
func (s *Service) Asset(ctx context.Context, id gid.ID) (*admin.Asset, error) {
	if !id.Is(gid.Asset) {
		return nil, notFound("upload").At("input.assetId")
	}
	return assetByID(ctx, s.pool, id.UUID)
}

// OpenAssets are all uploads whose bytes are not complete or not looked at
// yet, the oldest first.
func (s *Service) OpenAssets(ctx context.Context) ([]*admin.Asset, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+assetColumns+` FROM asset a JOIN title t ON t.id = a.title_id
		WHERE a.state IN ('uploading', 'checking') ORDER BY a.created_at`)
	if err != nil {
		return nil, fmt.Errorf("read open uploads: %w", err)
	}
	return pgx.CollectRows(rows, scanAsset)
}

// MoveAsset takes an upload from one state to another and reports whether it
// was in the first.
func (s *Service) MoveAsset(ctx context.Context, id uuid.UUID, from, to admin.AssetState) (bool, error) {
	tag, err := s.pool.Exec(ctx, `UPDATE asset SET state = $3, updated_at = $4 WHERE id = $1 AND state = $2`,
		id, strings.ToLower(string(from)), strings.ToLower(string(to)), s.now().UTC())
	if err != nil {
		return false, fmt.Errorf("move upload: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// RefuseAsset notes why an upload was refused.
func (s *Service) RefuseAsset(ctx context.Context, id uuid.UUID, why string) error {
	_, err := s.pool.Exec(ctx, `UPDATE asset SET state = 'refused', refusal = $2, updated_at = $3 WHERE id = $1 AND state IN ('uploading', 'checking')`,
		id, why, s.now().UTC())
	if err != nil {
		return fmt.Errorf("refuse upload: %w", err)
	}
	return nil
}

// complete ends an upload well: it takes the place of earlier ones of its kind
// and use changes the title in the same transaction. An upload that is no
// longer being checked, because its title was purged meanwhile, is NotFound.
func (s *Service) complete(ctx context.Context, a *admin.Asset, sha256 string, field string, use func(pgx.Tx) error) error {
	err := s.tx(ctx, func(tx pgx.Tx) error {
		// The title first, as every mutation does.
		if _, err := tx.Exec(ctx, `SELECT 1 FROM title WHERE id = $1 FOR UPDATE`, a.TitleID); err != nil {
			return err
		}
		now := s.now().UTC()
		tag, err := tx.Exec(ctx, `UPDATE asset SET state = 'ready', sha256 = $2, updated_at = $3 WHERE id = $1 AND state = 'checking'`, a.ID.UUID, sha256, now)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return notFound("upload")
		}
		old, err := ids(ctx, tx, `DELETE FROM asset WHERE title_id = $1 AND kind = $2 AND episode_id IS NOT DISTINCT FROM $3 AND id <> $4 AND state = 'ready' RETURNING id`,
			a.TitleID, strings.ToLower(string(a.Kind)), episodeOf(a), a.ID.UUID)
		if err != nil {
			return err
		}
		if a.Kind == admin.Source {
			keys := make([]string, len(old))
			for i, id := range old {
				keys[i] = SourceKey(id)
			}
			if err := s.discard(ctx, tx, keys); err != nil {
				return err
			}
		}
		if err := use(tx); err != nil {
			return err
		}
		return s.touched(ctx, tx, []uuid.UUID{a.TitleID}, field)
	})
	if err != nil {
		return fmt.Errorf("complete upload: %w", err)
	}
	return nil
}

func episodeOf(a *admin.Asset) *uuid.UUID {
	if a.OwnerID.Is(gid.Episode) {
		return &a.OwnerID.UUID
	}
	return nil
}

// CompletePicture makes an upload the poster or still of its title.
func (s *Service) CompletePicture(ctx context.Context, a *admin.Asset, sha256 string, image admin.Image) error {
	column := "poster"
	if a.Kind == admin.Still {
		column = "still"
	}
	return s.complete(ctx, a, sha256, column, func(tx pgx.Tx) error {
		var old *admin.Image
		if err := tx.QueryRow(ctx, `SELECT `+column+` FROM title WHERE id = $1`, a.TitleID).Scan(&old); err != nil {
			return err
		}
		if old != nil && old.Prefix != image.Prefix {
			if err := s.discard(ctx, tx, []string{old.Prefix + "/"}); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `UPDATE title SET `+column+` = $2 WHERE id = $1`, a.TitleID, image)
		return err
	})
}

// CompleteSource hands an upload that lies under SourceKey to the media ETL.
func (s *Service) CompleteSource(ctx context.Context, a *admin.Asset, sha256 string) error {
	return s.complete(ctx, a, sha256, "source", func(tx pgx.Tx) error {
		return s.jobs.Enqueue(ctx, tx, admin.JobSpec{AssetID: a.ID.UUID, Playable: a.OwnerID, SourceKey: SourceKey(a.ID.UUID)})
	})
}

// ExpiredBefore are uploads that were opened before t and are not finished.
func (s *Service) ExpiredBefore(ctx context.Context, t time.Time) ([]gid.ID, error) {
	list, err := ids(ctx, s.pool, `SELECT id FROM asset WHERE state = 'uploading' AND created_at < $1`, t)
	if err != nil {
		return nil, fmt.Errorf("read expired uploads: %w", err)
	}
	out := make([]gid.ID, len(list))
	for i, id := range list {
		out[i] = gid.Of(gid.Asset, id)
	}
	return out, nil
}

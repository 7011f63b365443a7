package records

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// KeepDeleted is how long deleted titles can be brought back.
const KeepDeleted = 30 * 24 * time.Hour

// garbageDelay keeps the objects of replaced and removed records until no
// page or playlist that was handed out still leads to them.
const garbageDelay = 24 * time.Hour

// discard plans the removal of stored objects.
func (s *Service) discard(ctx context.Context, tx pgx.Tx, keys []string) error {
	return discard(ctx, tx, "object", keys, s.now().UTC().Add(garbageDelay))
}

// discardMedia plans the removal of the media of playables that are gone.
func (s *Service) discardMedia(ctx context.Context, tx pgx.Tx, playables []uuid.UUID) error {
	keys := make([]string, len(playables))
	for i, p := range playables {
		keys[i] = p.String()
	}
	return discard(ctx, tx, "media", keys, s.now().UTC())
}

func discard(ctx context.Context, tx pgx.Tx, kind string, keys []string, due time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO garbage (kind, key, due_at) SELECT DISTINCT $1, k, $3::timestamptz FROM unnest($2::text[]) k ON CONFLICT DO NOTHING`,
		kind, keys, due)
	if err != nil {
		return fmt.Errorf("plan removal: %w", err)
	}
	return nil
}

// purgeBatch bounds a transaction of purge.
const purgeBatch = 50

// PurgeDeleted removes for good what was deleted longer than olderThan ago,
// with its media and uploads, and says how many titles went.
func (s *Service) PurgeDeleted(ctx context.Context, olderThan time.Duration) (int, error) {
	return s.purge(ctx, `status = 'deleted' AND deleted_at <= $1`, s.now().UTC().Add(-olderThan))
}

// purge removes titles in transactions of purgeBatch.
func (s *Service) purge(ctx context.Context, condition string, args ...any) (int, error) {
	total := 0
	for {
		n := 0
		err := s.tx(ctx, func(tx pgx.Tx) error {
			ids, err := ids(ctx, tx, `SELECT id FROM title WHERE `+condition+` ORDER BY id LIMIT `+strconv.Itoa(purgeBatch)+` FOR UPDATE`, args...)
			if err != nil || len(ids) == 0 {
				return err
			}
			n = len(ids)
			return s.purgeTitles(ctx, tx, ids)
		})
		if err != nil {
			return total, fmt.Errorf("purge titles: %w", err)
		}
		total += n
		if n < purgeBatch {
			return total, nil
		}
	}
}

func (s *Service) purgeTitles(ctx context.Context, tx pgx.Tx, titles []uuid.UUID) error {
	playables, err := ids(ctx, tx, `SELECT id FROM title WHERE id = ANY($1) AND kind = 'film' UNION ALL SELECT id FROM episode WHERE title_id = ANY($1)`, titles)
	if err != nil {
		return err
	}
	if err := s.discardMedia(ctx, tx, playables); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `SELECT poster->>'prefix' || '/' FROM title WHERE id = ANY($1) AND poster IS NOT NULL
		UNION SELECT still->>'prefix' || '/' FROM title WHERE id = ANY($1) AND still IS NOT NULL
		UNION SELECT 'sources/' || id FROM asset WHERE title_id = ANY($1) AND kind = 'source' AND state = 'ready'`, titles)
	if err != nil {
		return err
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	if err := s.discard(ctx, tx, keys); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `DELETE FROM title WHERE id = ANY($1)`, titles)
	return err
}

func ids(ctx context.Context, q querier, sql string, args ...any) ([]uuid.UUID, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

// Objects removes what is stored outside the database.
type Objects interface {
	// Delete removes an object, or a folder if key ends with a slash; what is
	// missing is no error.
	Delete(ctx context.Context, key string) error
}

// collectBatch bounds what one call of Collect removes.
const collectBatch = 200

// Collect removes objects and media whose time has come and says how many.
// What could not be removed stays for the next call.
func (s *Service) Collect(ctx context.Context, objects Objects) (int, error) {
	rows, err := s.pool.Query(ctx, `SELECT kind, key FROM garbage WHERE due_at <= $1 ORDER BY due_at LIMIT $2`, s.now().UTC(), collectBatch)
	if err != nil {
		return 0, fmt.Errorf("collect garbage: %w", err)
	}
	type garbage struct{ Kind, Key string }
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[garbage])
	if err != nil {
		return 0, fmt.Errorf("collect garbage: %w", err)
	}
	n := 0
	var failed []error
	for _, g := range list {
		if err := s.collect(ctx, objects, g.Kind, g.Key); err != nil {
			failed = append(failed, fmt.Errorf("%s %s: %w", g.Kind, g.Key, err))
			continue
		}
		n++
	}
	if len(failed) > 0 {
		return n, fmt.Errorf("collect garbage: %w", errors.Join(failed...))
	}
	return n, nil
}

func (s *Service) collect(ctx context.Context, objects Objects, kind, key string) error {
	if kind == "media" {
		id, err := uuid.Parse(key)
		if err != nil {
			return err
		}
		if err := s.jobs.Forget(ctx, id); err != nil {
			return err
		}
	} else if err := objects.Delete(ctx, key); err != nil {
		return err
	}
	_, err := s.pool.Exec(ctx, `DELETE FROM garbage WHERE kind = $1 AND key = $2`, kind, key)
	return err
}

// Run does the housekeeping until ctx ends: it purges titles whose days are
// over and collects garbage, every hour and once at the start.
func (s *Service) Run(ctx context.Context, objects Objects) error {
	t := time.NewTicker(time.Hour)
	defer t.Stop()
	for {
		if n, err := s.PurgeDeleted(ctx, KeepDeleted); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "deleted titles could not be purged; they will be in an hour", "error", err)
		} else if n > 0 {
			s.log.InfoContext(ctx, "deleted titles are purged", "titles", n)
		}
		for {
			n, err := s.Collect(ctx, objects)
			if err != nil && ctx.Err() == nil {
				s.log.ErrorContext(ctx, "some stored objects could not be removed; they will be in an hour", "error", err)
			}
			if err != nil || n < collectBatch {
				break
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

package media

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Forget removes all that was made for a film or episode that is gone: its
// rows, its files where nobody shares them, and the history of the work. It
// may be called again after it was interrupted.
func (l *Library) Forget(ctx context.Context, playableID uuid.UUID) error {
	rows, err := l.pool.Query(ctx, `SELECT asset_id FROM media_asset WHERE playable_id = $1
		UNION SELECT asset_id FROM media_job WHERE playable_id = $1`, playableID)
	if err != nil {
		return fmt.Errorf("forget the film's files: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return fmt.Errorf("forget the film's files: %w", err)
	}
	for _, id := range ids {
		if err := l.Remove(ctx, id); err != nil {
			return err
		}
	}
	// Of a job that a worker may still hold, the worker removes what is left.
	if _, err := l.pool.Exec(ctx, `DELETE FROM media_job WHERE playable_id = $1 AND (state IN ('ready', 'failed')
		OR state = 'cancelled' AND (cleaned OR worker = ''))`, playableID); err != nil {
		return fmt.Errorf("forget the film's jobs: %w", err)
	}
	return nil
}

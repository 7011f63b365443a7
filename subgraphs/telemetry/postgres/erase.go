package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/netflixathome/cinema/internal/pg"
	"github.com/netflixathome/cinema/subgraphs/telemetry"
)

var _ telemetry.EraseStore = (*Store)(nil)

// ErasedUpTo implements telemetry.EraseStore.
func (s *Store) ErasedUpTo(ctx context.Context, before time.Time) (n int64, err error) {
	err = s.pool.QueryRow(ctx, `SELECT coalesce(max(number), 0) FROM erased WHERE at < $1`, before).Scan(&n)
	return n, err
}

// NoteErasures implements telemetry.EraseStore.
func (s *Store) NoteErasures(ctx context.Context, list []telemetry.Erasure) error {
	batch := &pgx.Batch{}
	for _, e := range list {
		batch.Queue(`INSERT INTO erased (number, account_id, profile_id, at, due_at) VALUES ($1, nullif($2, '00000000-0000-0000-0000-000000000000'::uuid), $3, $4, $4)
			ON CONFLICT DO NOTHING`, e.Number, e.AccountID, e.ProfileID, e.At)
	}
	return pg.Tx(ctx, s.pool, func(tx pgx.Tx) error { return tx.SendBatch(ctx, batch).Close() })
}

// DueErasures implements telemetry.EraseStore.
func (s *Store) DueErasures(ctx context.Context, now time.Time, limit int) ([]telemetry.Erasure, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT number, coalesce(account_id, '00000000-0000-0000-0000-000000000000'), profile_id, at, passes
		FROM erased WHERE due_at <= $1 ORDER BY due_at, number LIMIT $2`, now, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[telemetry.Erasure])
}

// Erase implements telemetry.EraseStore.
func (s *Store) Erase(ctx context.Context, profiles []uuid.UUID) error {
	return pg.Tx(ctx, s.pool, func(tx pgx.Tx) error {
		for _, table := range []string{"watch_state", "listed", "rating", "viewing_session"} {
			if _, err := tx.Exec(ctx, "DELETE FROM "+table+" WHERE profile_id = ANY ($1)", profiles); err != nil {
				return fmt.Errorf("erase %s: %w", table, err)
			}
		}
		return nil
	})
}

// EndPass implements telemetry.EraseStore.
func (s *Store) EndPass(ctx context.Context, list []telemetry.Erasure) error {
	batch := &pgx.Batch{}
	for _, e := range list {
		batch.Queue(`UPDATE erased SET passes = $2, due_at = $3 WHERE number = $1`, e.Number, e.Passes, e.DueAt)
	}
	return pg.Tx(ctx, s.pool, func(tx pgx.Tx) error { return tx.SendBatch(ctx, batch).Close() })
}

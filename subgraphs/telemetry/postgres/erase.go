package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/netflixathome/cinema/internal/events"
	"github.com/netflixathome/cinema/internal/pg"
	"github.com/netflixathome/cinema/subgraphs/telemetry"
)

// Erase deletes all that is kept of profiles that are gone. It may be repeated.
func (s *Store) Erase(ctx context.Context, gone []telemetry.GoneProfile) error {
	ids, at, accounts := make([]uuid.UUID, len(gone)), make([]time.Time, len(gone)), make([]*uuid.UUID, len(gone))
	for i, g := range gone {
		ids[i], at[i] = g.ID, g.At
		if g.AccountID != uuid.Nil {
			accounts[i] = &gone[i].AccountID
		}
	}
	err := pg.Tx(ctx, s.pool, func(tx pgx.Tx) error {
		// The version before this one notes no account: it is made up for.
		if _, err := tx.Exec(ctx, `
			INSERT INTO profile_erased (profile_id, gone_at, account_id, due_at)
			SELECT id, at, account, CASE WHEN account IS NOT NULL THEN at END FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[]) AS gone (id, at, account)
			ON CONFLICT (profile_id) DO UPDATE SET account_id = excluded.account_id, due_at = excluded.due_at
			WHERE profile_erased.account_id IS NULL AND excluded.account_id IS NOT NULL`, ids, at, accounts); err != nil {
			return err
		}
		for _, table := range []string{"watch_state", "viewing_session", "listed", "rating"} {
			if _, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE profile_id = ANY ($1)`, ids); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("erase %d profiles: %w", len(gone), err)
	}
	return nil
}

// LastErased is when the last of the erased profiles was deleted; zero for none.
func (s *Store) LastErased(ctx context.Context) (at time.Time, err error) {
	var last *time.Time
	if err := s.pool.QueryRow(ctx, `SELECT max(gone_at) FROM profile_erased`).Scan(&last); err != nil {
		return at, fmt.Errorf("erased profiles: %w", err)
	}
	if last != nil {
		at = last.UTC()
	}
	return at, nil
}

// ClaimGone implements telemetry.Store.
func (s *Store) ClaimGone(ctx context.Context, now, until time.Time, limit int) ([]telemetry.GoneProfile, error) {
	rows, err := s.pool.Query(ctx, `
		UPDATE profile_erased e SET due_at = $2 FROM (
			SELECT profile_id FROM profile_erased WHERE due_at <= $1 ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED) AS due
		WHERE e.profile_id = due.profile_id RETURNING e.profile_id, e.gone_at, e.account_id, e.passes`, now, until, limit)
	if err != nil {
		return nil, fmt.Errorf("events of deleted accounts: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[telemetry.GoneProfile])
}

// EndPass implements telemetry.Store.
func (s *Store) EndPass(ctx context.Context, profiles []uuid.UUID, next []*time.Time) error {
	_, err := s.pool.Exec(ctx, `
		UPDATE profile_erased e SET passes = e.passes + 1, due_at = done.next
		FROM unnest($1::uuid[], $2::timestamptz[]) AS done (id, next) WHERE e.profile_id = done.id`, profiles, next)
	if err != nil {
		return fmt.Errorf("events of deleted accounts: %w", err)
	}
	return nil
}

// living are the events of profiles that have not been erased.
func living(ctx context.Context, tx pgx.Tx, list []events.Event) ([]events.Event, error) {
	seen := map[uuid.UUID]bool{}
	var profiles []uuid.UUID
	for i := range list {
		if id := list[i].ProfileID; !seen[id] {
			seen[id] = true
			profiles = append(profiles, id)
		}
	}
	rows, err := tx.Query(ctx, `SELECT profile_id FROM profile_erased WHERE profile_id = ANY ($1)`, profiles)
	if err != nil {
		return nil, err
	}
	erased, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil || len(erased) == 0 {
		return list, err
	}
	return slices.DeleteFunc(slices.Clone(list), func(e events.Event) bool { return slices.Contains(erased, e.ProfileID) }), nil
}

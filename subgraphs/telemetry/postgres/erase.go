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
	ids, at := make([]uuid.UUID, len(gone)), make([]time.Time, len(gone))
	for i, g := range gone {
		ids[i], at[i] = g.ID, g.At
	}
	err := pg.Tx(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO profile_erased (profile_id, gone_at) SELECT * FROM unnest($1::uuid[], $2::timestamptz[]) ON CONFLICT DO NOTHING`, ids, at); err != nil {
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

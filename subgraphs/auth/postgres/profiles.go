package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/netflixathome/cinema/internal/pg"
	"github.com/netflixathome/cinema/subgraphs/auth"
)

// unseat gives the live sessions and the API keys of a profile new seats and
// returns the old ones.
func unseat(ctx context.Context, tx pgx.Tx, profile uuid.UUID, at time.Time) ([]uuid.UUID, error) {
	rows, err := tx.Query(ctx, `
		WITH here AS (
			SELECT id, coalesce(seat, id) AS seat FROM session WHERE profile_id = $1 AND ended_at IS NULL ORDER BY id FOR UPDATE),
		moved AS (UPDATE session s SET seat = gen_random_uuid() FROM here WHERE s.id = here.id),
		keys AS (SELECT id, coalesce(seat, id) AS seat FROM api_key WHERE profile_id = $1 ORDER BY id FOR UPDATE),
		changed AS (UPDATE api_key k SET seat = gen_random_uuid() FROM keys WHERE k.id = keys.id)
		INSERT INTO seat_left (seat, at) SELECT seat, $2::timestamptz FROM here UNION ALL SELECT seat, $2::timestamptz FROM keys RETURNING seat`, profile, at)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

// TryPIN implements auth.Store.
func (s *Store) TryPIN(ctx context.Context, user, profile uuid.UUID, count func(of, all *auth.PINTries) error) (hash string, err error) {
	err = pg.Tx(ctx, s.pool, func(tx pgx.Tx) error {
		// The account first, as ChangeProfiles does.
		var of, all auth.PINTries
		var ofLast, allLast *time.Time
		err := tx.QueryRow(ctx, `SELECT pin_tries, pin_tried_at FROM account WHERE id = $1 FOR UPDATE`, user).Scan(&all.Count, &allLast)
		if err == nil {
			err = tx.QueryRow(ctx, `SELECT coalesce(pin_hash, ''), pin_tries, pin_tried_at FROM profile WHERE id = $1 AND account_id = $2 FOR UPDATE`,
				profile, user).Scan(&hash, &of.Count, &ofLast)
		}
		if errors.Is(err, pgx.ErrNoRows) {
			return auth.ErrNotFound
		}
		if err != nil {
			return err
		}
		if ofLast != nil {
			of.Last = *ofLast
		}
		if allLast != nil {
			all.Last = *allLast
		}
		if err := count(&of, &all); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE account SET pin_tries = $2, pin_tried_at = $3 WHERE id = $1`, user, all.Count, all.Last); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE profile SET pin_tries = $2, pin_tried_at = $3 WHERE id = $1`, profile, of.Count, of.Last)
		return err
	})
	return hash, err
}

// PINProved implements auth.Store. Of the account's tries only those at this
// profile are forgotten: who knows one PIN guesses no faster at another.
func (s *Store) PINProved(ctx context.Context, user, profile uuid.UUID) error {
	return pg.Tx(ctx, s.pool, func(tx pgx.Tx) error { return forgetTries(ctx, tx, user, profile) })
}

func forgetTries(ctx context.Context, tx pgx.Tx, user, profile uuid.UUID) error {
	_, err := tx.Exec(ctx, `
		UPDATE account a SET pin_tries = greatest(0, a.pin_tries - p.pin_tries) FROM profile p WHERE a.id = $1 AND p.id = $2 AND p.account_id = a.id`, user, profile)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE profile SET pin_tries = 0, pin_tried_at = NULL WHERE id = $1 AND account_id = $2`, profile, user)
	return err
}

// SetPIN implements auth.Store.
func (s *Store) SetPIN(ctx context.Context, user, profile uuid.UUID, hash string) error {
	return pg.Tx(ctx, s.pool, func(tx pgx.Tx) error {
		if err := forgetTries(ctx, tx, user, profile); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `UPDATE profile SET pin_hash = nullif($3, '') WHERE id = $1 AND account_id = $2`, profile, user, hash)
		if err == nil && tag.RowsAffected() == 0 {
			return auth.ErrNotFound
		}
		return err
	})
}

// GoneProfiles implements auth.Store.
func (s *Store) GoneProfiles(ctx context.Context, after auth.Place, limit int) ([]auth.GoneProfile, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT id, at, coalesce(account_id, '00000000-0000-0000-0000-000000000000') FROM profile_gone WHERE (at, id) > ($1, $2) ORDER BY at, id LIMIT $3`, after.At, after.ID, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[auth.GoneProfile])
}

// PruneGone implements auth.Store. Seats are forgotten with it: they are of use
// for minutes only.
func (s *Store) PruneGone(ctx context.Context, before time.Time, limit int) (int, error) {
	if _, err := s.pool.Exec(ctx, `DELETE FROM seat_left WHERE at < now() - interval '1 day'`); err != nil {
		return 0, err
	}
	tag, err := s.pool.Exec(ctx, `DELETE FROM profile_gone WHERE id = ANY (ARRAY(SELECT id FROM profile_gone WHERE at < $1 LIMIT $2))`, before, limit)
	return int(tag.RowsAffected()), err
}

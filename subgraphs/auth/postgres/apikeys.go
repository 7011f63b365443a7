package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/subgraphs/auth"
)

const apiKeyColumns = `k.id, k.account_id, k.profile_id, coalesce(k.seat, k.id) AS seat, k.name, k.hint, k.scopes, k.created_at, k.expires_at, k.used_at`

// apiKeyDest returns where the columns of apiKeyColumns go, and how to finish.
func apiKeyDest(k *auth.APIKey) ([]any, func()) {
	k.ID.Kind = gid.APIKey
	return []any{&k.ID.UUID, &k.UserID, &k.ProfileID, &k.Seat, &k.Name, &k.Hint, &k.Scopes, &k.CreatedAt, &k.ExpiresAt, &k.UsedAt}, func() {
		k.CreatedAt, k.ExpiresAt = k.CreatedAt.UTC(), k.ExpiresAt.UTC()
		if k.UsedAt != nil {
			*k.UsedAt = k.UsedAt.UTC()
		}
	}
}

// APIKeysOf implements auth.APIKeyStore.
func (s *Store) APIKeysOf(ctx context.Context, account uuid.UUID) ([]auth.APIKey, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+apiKeyColumns+` FROM api_key k WHERE k.account_id = $1 ORDER BY k.created_at DESC, k.id DESC`, account)
	if err != nil {
		return nil, err
	}
	return collectAPIKeys(rows)
}

func collectAPIKeys(rows pgx.Rows) ([]auth.APIKey, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (auth.APIKey, error) {
		var k auth.APIKey
		dest, finish := apiKeyDest(&k)
		err := row.Scan(dest...)
		finish()
		return k, err
	})
}

// APIKey implements auth.APIKeyStore.
func (s *Store) APIKey(ctx context.Context, hash [sha256.Size]byte) (auth.APIKey, auth.User, error) {
	var k auth.APIKey
	var u auth.User
	keyDest, finishKey := apiKeyDest(&k)
	dest, finish := userDest(&u)
	err := s.pool.QueryRow(ctx, `SELECT `+userColumns+`, `+apiKeyColumns+` FROM api_key k JOIN account a ON a.id = k.account_id WHERE k.hash = $1`, hash[:]).
		Scan(append(dest, keyDest...)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return auth.APIKey{}, auth.User{}, auth.ErrNotFound
	}
	if err != nil {
		return auth.APIKey{}, auth.User{}, err
	}
	finish()
	finishKey()
	return k, u, nil
}

// APIKeyUsed implements auth.APIKeyStore.
func (s *Store) APIKeyUsed(ctx context.Context, id uuid.UUID, at time.Time, every time.Duration) error {
	_, err := s.pool.Exec(ctx, `UPDATE api_key SET used_at = $2 WHERE id = $1 AND (used_at IS NULL OR used_at <= $3)`, id, at, at.Add(-every))
	return err
}

// PruneAPIKeys implements auth.APIKeyStore.
func (s *Store) PruneAPIKeys(ctx context.Context, before time.Time, limit int) (int, error) {
	tag, err := s.pool.Exec(ctx, `DELETE FROM api_key WHERE id = ANY (ARRAY(SELECT id FROM api_key WHERE expires_at < $1 LIMIT $2))`, before, limit)
	return int(tag.RowsAffected()), err
}

// AddAPIKey implements auth.APIKeyAdministration. No other is added meanwhile, by
// Administer's lock.
func (a administration) AddAPIKey(ctx context.Context, k auth.APIKey, hash [sha256.Size]byte, most int) (bool, error) {
	n := 0
	if err := a.tx.QueryRow(ctx, `SELECT count(*) FROM api_key WHERE account_id = $1`, k.UserID).Scan(&n); err != nil || n >= most {
		return false, err
	}
	tag, err := a.tx.Exec(ctx, `
		INSERT INTO api_key (id, account_id, profile_id, hash, name, hint, scopes, created_at, expires_at)
		SELECT $1, account_id, id, $4, $5, $6, $7, $8, $9 FROM profile WHERE id = $3 AND account_id = $2`,
		k.ID.UUID, k.UserID, k.ProfileID, hash[:], k.Name, k.Hint, k.Scopes, k.CreatedAt, k.ExpiresAt)
	if err == nil && tag.RowsAffected() == 0 {
		err = auth.ErrNotFound
	}
	return err == nil, err
}

// APIKeyOwner implements auth.APIKeyAdministration.
func (a administration) APIKeyOwner(ctx context.Context, id uuid.UUID) (owner uuid.UUID, err error) {
	err = a.tx.QueryRow(ctx, `SELECT account_id FROM api_key WHERE id = $1 FOR UPDATE`, id).Scan(&owner)
	if errors.Is(err, pgx.ErrNoRows) {
		err = auth.ErrNotFound
	}
	return owner, err
}

// DropAPIKey implements auth.APIKeyAdministration.
func (a administration) DropAPIKey(ctx context.Context, id uuid.UUID, at time.Time) (seat uuid.UUID, err error) {
	err = a.tx.QueryRow(ctx, `
		WITH gone AS (DELETE FROM api_key WHERE id = $1 RETURNING coalesce(seat, id) AS seat)
		INSERT INTO seat_left (seat, at) SELECT seat, $2 FROM gone RETURNING seat`, id, at).Scan(&seat)
	if errors.Is(err, pgx.ErrNoRows) {
		err = auth.ErrNotFound
	}
	return seat, err
}

// DropAPIKeysOf implements auth.APIKeyAdministration.
func (a administration) DropAPIKeysOf(ctx context.Context, account uuid.UUID, at time.Time) ([]auth.APIKey, error) {
	rows, err := a.tx.Query(ctx, `
		WITH gone AS (DELETE FROM api_key k WHERE k.account_id = $1 RETURNING `+apiKeyColumns+`),
		told AS (INSERT INTO seat_left (seat, at) SELECT seat, $2 FROM gone)
		SELECT * FROM gone ORDER BY id`, account, at)
	if err != nil {
		return nil, err
	}
	return collectAPIKeys(rows)
}

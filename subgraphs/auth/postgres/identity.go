package postgres

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/netflixathome/cinema/internal/pg"
	"github.com/netflixathome/cinema/subgraphs/auth"
)

const identityColumns = `i.id, i.issuer, i.subject, i.label, i.created_at, i.used_at`

func identityDest(i *auth.StoredIdentity) ([]any, func()) {
	return []any{&i.ID, &i.Issuer, &i.Subject, &i.Label, &i.CreatedAt, &i.UsedAt}, func() {
		i.CreatedAt = i.CreatedAt.UTC()
		if i.UsedAt != nil {
			*i.UsedAt = i.UsedAt.UTC()
		}
	}
}

func scanIdentity(row pgx.CollectableRow) (i auth.StoredIdentity, err error) {
	dest, finish := identityDest(&i)
	if err = row.Scan(dest...); err == nil {
		finish()
	}
	return i, err
}

func queueIdentity(batch *pgx.Batch, account uuid.UUID, i auth.StoredIdentity) {
	batch.Queue(`INSERT INTO identity (id, account_id, issuer, subject, label, created_at, used_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		i.ID, account, i.Issuer, i.Subject, i.Label, i.CreatedAt, i.UsedAt)
}

func identityFault(err error) error {
	if name, ok := pg.IsUnique(err); ok && name == "identity_known" {
		return auth.ErrIdentityKnown
	}
	return err
}

// IdentityAccount implements auth.IdentityStore.
func (s *Store) IdentityAccount(ctx context.Context, issuer, subject string) (account uuid.UUID, i auth.StoredIdentity, err error) {
	dest, finish := identityDest(&i)
	err = s.pool.QueryRow(ctx, `SELECT `+identityColumns+`, i.account_id FROM identity i WHERE issuer = $1 AND subject = $2`, issuer, subject).
		Scan(append(dest, &account)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return uuid.Nil, i, auth.ErrNotFound
	}
	if err == nil {
		finish()
	}
	return account, i, err
}

// CreateWithIdentity implements auth.IdentityStore.
func (s *Store) CreateWithIdentity(ctx context.Context, u auth.User, first auth.Profile, i auth.StoredIdentity) error {
	return pg.Tx(ctx, s.pool, func(tx pgx.Tx) error {
		if err := insertAccount(ctx, tx, u, "", first); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		queueIdentity(batch, u.ID.UUID, i)
		return identityFault(tx.SendBatch(ctx, batch).Close())
	})
}

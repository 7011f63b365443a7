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

// Account implements auth.FactorStore.
func (s *Store) Account(ctx context.Context, id uuid.UUID) (auth.User, string, error) {
	return s.accountBy(ctx, `a.id`, id)
}

// Factors implements auth.FactorStore.
func (s *Store) Factors(ctx context.Context, account uuid.UUID) (*auth.StoredFactors, error) {
	return factors(ctx, s.pool, account)
}

// factors reads what an account has, in one round trip.
func factors(ctx context.Context, q interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}, account uuid.UUID) (*auth.StoredFactors, error) {
	f := &auth.StoredFactors{}
	batch := &pgx.Batch{}
	batch.Queue(`SELECT password_hash IS NOT NULL, 'ADMIN' = ANY (roles) AND NOT blocked FROM account WHERE id = $1`, account).
		QueryRow(func(row pgx.Row) error { return orNothing(row.Scan(&f.HasPassword, &f.IsAdmin)) })
	batch.Queue(`SELECT sealed, last_step, created_at FROM totp WHERE account_id = $1`, account).
		QueryRow(func(row pgx.Row) error {
			t := &auth.StoredTOTP{}
			err := row.Scan(&t.Sealed, &t.LastStep, &t.CreatedAt)
			if err == nil {
				t.CreatedAt = t.CreatedAt.UTC()
				f.TOTP = t
			}
			return orNothing(err)
		})
	batch.Queue(`
		SELECT id, credential_id, public_key, aaguid, flags, sign_count, transports, rp_id, name, created_at, used_at
		FROM passkey WHERE account_id = $1 ORDER BY created_at, id`, account).
		Query(func(rows pgx.Rows) (err error) {
			f.Passkeys, err = pgx.CollectRows(rows, scanPasskey)
			return err
		})
	batch.Queue(`SELECT hash FROM recovery_code WHERE account_id = $1`, account).
		Query(func(rows pgx.Rows) (err error) {
			f.Recovery, err = pgx.CollectRows(rows, pgx.RowTo[[]byte])
			return err
		})
	batch.Queue(`SELECT `+identityColumns+` FROM identity i WHERE account_id = $1 ORDER BY created_at, id`, account).
		Query(func(rows pgx.Rows) (err error) {
			f.Identities, err = pgx.CollectRows(rows, scanIdentity)
			return err
		})
	return f, q.SendBatch(ctx, batch).Close()
}

func orNothing(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	return err
}

func scanPasskey(row pgx.CollectableRow) (p auth.StoredPasskey, err error) {
	var flags int16
	var count int64
	err = row.Scan(&p.ID, &p.CredentialID, &p.PublicKey, &p.AAGUID, &flags, &count, &p.Transports, &p.RPID, &p.Name, &p.CreatedAt, &p.UsedAt)
	p.Flags, p.SignCount, p.CreatedAt = byte(flags), uint32(count), p.CreatedAt.UTC()
	if p.UsedAt != nil {
		at := p.UsedAt.UTC()
		p.UsedAt = &at
	}
	return p, err
}

// ChangeFactors implements auth.FactorStore.
func (s *Store) ChangeFactors(ctx context.Context, account uuid.UUID, change func(*auth.StoredFactors) (auth.FactorChange, error)) error {
	return pg.Tx(ctx, s.pool, func(tx pgx.Tx) error {
		// The account's row stands for the set of its factors.
		if err := tx.QueryRow(ctx, `SELECT id FROM account WHERE id = $1 FOR UPDATE`, account).Scan(new(uuid.UUID)); errors.Is(err, pgx.ErrNoRows) {
			return auth.ErrNotFound
		} else if err != nil {
			return err
		}
		f, err := factors(ctx, tx, account)
		if err != nil {
			return err
		}
		c, err := change(f)
		if err != nil {
			return err
		}
		if err := spend(ctx, tx, c.Spend); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		if t := c.SetTOTP; t != nil {
			batch.Queue(`INSERT INTO totp (account_id, sealed, last_step, created_at) VALUES ($1, $2, $3, $4)`, account, t.Sealed, t.LastStep, t.CreatedAt)
		}
		if c.DropTOTP {
			batch.Queue(`DELETE FROM totp WHERE account_id = $1`, account)
		}
		if p := c.AddPasskey; p != nil {
			batch.Queue(`
				INSERT INTO passkey (id, account_id, credential_id, public_key, aaguid, flags, sign_count, transports, rp_id, name, created_at)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
				p.ID, account, p.CredentialID, p.PublicKey, p.AAGUID, int16(p.Flags), int64(p.SignCount), p.Transports, p.RPID, p.Name, p.CreatedAt)
		}
		if p := c.RenamePasskey; p != nil {
			batch.Queue(`UPDATE passkey SET name = $3 WHERE id = $1 AND account_id = $2`, p.ID, account, p.Name)
		}
		if c.DropPasskey != uuid.Nil {
			batch.Queue(`DELETE FROM passkey WHERE id = $1 AND account_id = $2`, c.DropPasskey, account)
		}
		if c.AddIdentity != nil {
			queueIdentity(batch, account, *c.AddIdentity)
		}
		if c.DropIdentity != uuid.Nil {
			batch.Queue(`DELETE FROM identity WHERE id = $1 AND account_id = $2`, c.DropIdentity, account)
		}
		if c.Recovery != nil {
			batch.Queue(`DELETE FROM recovery_code WHERE account_id = $1`, account)
			for _, hash := range c.Recovery {
				batch.Queue(`INSERT INTO recovery_code (account_id, hash) VALUES ($1, $2)`, account, hash)
			}
		}
		err = tx.SendBatch(ctx, batch).Close()
		if name, ok := pg.IsUnique(err); ok && name == "passkey_known" {
			return auth.ErrPasskeyKnown
		}
		return identityFault(err)
	})
}

// spend writes tickets down as used, each of which must not have been.
func spend(ctx context.Context, tx pgx.Tx, tickets []auth.Spent) error {
	for _, t := range tickets {
		tag, err := tx.Exec(ctx, `INSERT INTO spent_ticket (id, until) VALUES ($1, $2) ON CONFLICT DO NOTHING`, t.ID, t.Until)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return auth.ErrSpent
		}
	}
	return nil
}

// UseFactor implements auth.FactorStore.
func (s *Store) UseFactor(ctx context.Context, use auth.FactorUse) error {
	return pg.Tx(ctx, s.pool, func(tx pgx.Tx) error {
		if err := spend(ctx, tx, use.Spend); err != nil {
			return err
		}
		once := func(sql string, args ...any) error {
			tag, err := tx.Exec(ctx, sql, args...)
			if err == nil && tag.RowsAffected() == 0 {
				return auth.ErrSpent
			}
			return err
		}
		switch p := use.Passkey; {
		case use.Step != nil:
			return once(`UPDATE totp SET last_step = $2 WHERE account_id = $1 AND last_step < $2`, use.Account, *use.Step)
		case use.Recovery != nil:
			return once(`DELETE FROM recovery_code WHERE account_id = $1 AND hash = $2`, use.Account, use.Recovery)
		case p != nil:
			// A counter that counts must go on from what it is by now.
			return once(`
				UPDATE passkey SET sign_count = $3, flags = $4, used_at = $5
				WHERE id = $1 AND account_id = $2 AND (sign_count < $3 OR sign_count = 0 AND $3 = 0)`,
				p.ID, use.Account, int64(p.SignCount), int16(p.Flags), use.At)
		case use.Identity != uuid.Nil:
			return once(`UPDATE identity SET used_at = $3 WHERE id = $1 AND account_id = $2`, use.Identity, use.Account, use.At)
		}
		return nil
	})
}

// PruneTickets implements auth.FactorStore.
func (s *Store) PruneTickets(ctx context.Context, by time.Time, limit int) (int, error) {
	tag, err := s.pool.Exec(ctx, `DELETE FROM spent_ticket WHERE id = ANY (ARRAY(SELECT id FROM spent_ticket WHERE until <= $1 LIMIT $2))`, by, limit)
	return int(tag.RowsAffected()), err
}

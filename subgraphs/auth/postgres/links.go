package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/pg"
	"github.com/netflixathome/cinema/subgraphs/auth"
)

// address is an account's, as the index account_address_taken has it.
const address = `coalesce(a.email, CASE WHEN position('@' IN a.login) > 0 THEN a.login END)`

// loginTaken turns what the database says of a login or an address that another
// account has into auth.ErrLoginTaken.
func loginTaken(err error) error {
	if name, ok := pg.IsUnique(err); ok && (name == "account_login_taken" || name == "account_address_taken") {
		return auth.ErrLoginTaken
	}
	return err
}

// Reachable implements auth.LinkStore.
func (s *Store) Reachable(ctx context.Context, login string) (auth.User, error) {
	return one(collectUsers(s.pool.Query(ctx, `SELECT `+userColumns+` FROM account a WHERE `+known(login)+` = $1`, login)))
}

// known is what an account is found by: its login, or its address where that is
// what was given.
func known(login string) string {
	if strings.Contains(login, "@") {
		return address
	}
	return `a.login`
}

// one is the only one of a list; ErrNotFound if it is empty.
func one[T any](list []T, err error) (T, error) {
	if err == nil && len(list) == 0 {
		err = auth.ErrNotFound
	}
	if err != nil {
		return *new(T), err
	}
	return list[0], nil
}

const linkColumns = `hash, purpose, account_id, coalesce(email, ''), made_at, expires_at`

func collectLinks(rows pgx.Rows, err error) ([]auth.Link, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (auth.Link, error) {
		var l auth.Link
		err := row.Scan(&l.Hash, &l.Purpose, &l.UserID, &l.Email, &l.MadeAt, &l.ExpiresAt)
		l.MadeAt, l.ExpiresAt = l.MadeAt.UTC(), l.ExpiresAt.UTC()
		return l, err
	})
}

// Link implements auth.LinkStore.
func (s *Store) Link(ctx context.Context, hash []byte, now time.Time) (auth.Link, error) {
	return one(collectLinks(s.pool.Query(ctx, `SELECT `+linkColumns+` FROM link WHERE hash = $1 AND expires_at > $2`, hash, now)))
}

// PutLink implements auth.LinkStore.
func (s *Store) PutLink(ctx context.Context, l auth.Link) error {
	return pg.Tx(ctx, s.pool, func(tx pgx.Tx) error { return administration{tx}.PutLink(ctx, l) })
}

// PruneLinks implements auth.LinkStore.
func (s *Store) PruneLinks(ctx context.Context, by time.Time, limit int) (int, error) {
	tag, err := s.pool.Exec(ctx, `DELETE FROM link WHERE hash = ANY (ARRAY(SELECT hash FROM link WHERE expires_at < $1 LIMIT $2))`, by, limit)
	return int(tag.RowsAffected()), err
}

// PruneInvitations implements auth.LinkStore.
func (s *Store) PruneInvitations(ctx context.Context, by time.Time, limit int) (int, error) {
	tag, err := s.pool.Exec(ctx, `DELETE FROM invitation WHERE id = ANY (ARRAY(SELECT id FROM invitation WHERE expires_at < $1 LIMIT $2))`, by, limit)
	return int(tag.RowsAffected()), err
}

const invitationColumns = `id, hash, roles, email, note, made_by, made_at, expires_at`

func collectInvitations(rows pgx.Rows, err error) ([]auth.Invitation, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (auth.Invitation, error) {
		in := auth.Invitation{ID: gid.ID{Kind: gid.Invitation}}
		err := row.Scan(&in.ID.UUID, &in.Hash, &in.Roles, &in.Email, &in.Note, &in.MadeBy, &in.CreatedAt, &in.ExpiresAt)
		in.CreatedAt, in.ExpiresAt = in.CreatedAt.UTC(), in.ExpiresAt.UTC()
		return in, err
	})
}

// Invitations implements auth.LinkStore.
func (s *Store) Invitations(ctx context.Context, now time.Time) ([]auth.Invitation, error) {
	return collectInvitations(s.pool.Query(ctx, `SELECT `+invitationColumns+` FROM invitation WHERE expires_at > $1 ORDER BY made_at DESC, id DESC`, now))
}

// Invitation implements auth.LinkStore.
func (s *Store) Invitation(ctx context.Context, hash []byte, now time.Time) (auth.Invitation, error) {
	return one(collectInvitations(s.pool.Query(ctx, `SELECT `+invitationColumns+` FROM invitation WHERE hash = $1 AND expires_at > $2`, hash, now)))
}

// TakeLink implements auth.LinkAdministration.
func (a administration) TakeLink(ctx context.Context, hash []byte, now time.Time) (auth.Link, error) {
	return one(collectLinks(a.tx.Query(ctx, `DELETE FROM link WHERE hash = $1 AND expires_at > $2 RETURNING `+linkColumns, hash, now)))
}

// PutLink implements auth.LinkAdministration.
func (a administration) PutLink(ctx context.Context, l auth.Link) error {
	if l.Purpose != auth.LinkUndo {
		if err := a.DropLinks(ctx, l.UserID, time.Time{}, l.Purpose); err != nil {
			return err
		}
	}
	_, err := a.tx.Exec(ctx, `
		INSERT INTO link (hash, purpose, account_id, email, made_at, expires_at) VALUES ($1, $2, $3, nullif($4, ''), $5, $6)
		-- One that was put at the same moment.
		ON CONFLICT (account_id, purpose) WHERE purpose <> 'UNDO'
		DO UPDATE SET hash = excluded.hash, email = excluded.email, made_at = excluded.made_at, expires_at = excluded.expires_at`,
		l.Hash, l.Purpose, l.UserID, l.Email, l.MadeAt, l.ExpiresAt)
	return err
}

// DropLinks implements auth.LinkAdministration.
func (a administration) DropLinks(ctx context.Context, user uuid.UUID, since time.Time, purposes ...auth.LinkPurpose) error {
	names := make([]string, len(purposes))
	for i, p := range purposes {
		names[i] = string(p)
	}
	_, err := a.tx.Exec(ctx, `DELETE FROM link WHERE account_id = $1 AND made_at >= $2 AND purpose = ANY ($3)`, user, since, names)
	return err
}

// SetAddress implements auth.LinkAdministration.
func (a administration) SetAddress(ctx context.Context, user uuid.UUID, login string, email *string) error {
	_, err := a.tx.Exec(ctx, `UPDATE account SET login = $2, email = $3 WHERE id = $1`, user, login, email)
	return loginTaken(err)
}

// CreateAccount implements auth.LinkAdministration.
func (a administration) CreateAccount(ctx context.Context, u auth.User, hash string, first auth.Profile) error {
	return insertAccount(ctx, a.tx, u, hash, first)
}

// PutInvitation implements auth.LinkAdministration.
func (a administration) PutInvitation(ctx context.Context, in auth.Invitation) error {
	_, err := a.tx.Exec(ctx, `INSERT INTO invitation (`+invitationColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		in.ID.UUID, in.Hash, roleNames(in.Roles), in.Email, in.Note, in.MadeBy, in.CreatedAt, in.ExpiresAt)
	return err
}

// TakeInvitation implements auth.LinkAdministration.
func (a administration) TakeInvitation(ctx context.Context, hash []byte, now time.Time) (auth.Invitation, error) {
	return one(collectInvitations(a.tx.Query(ctx, `DELETE FROM invitation WHERE hash = $1 AND expires_at > $2 RETURNING `+invitationColumns, hash, now)))
}

// WithdrawInvitation implements auth.LinkAdministration.
func (a administration) WithdrawInvitation(ctx context.Context, id uuid.UUID) (auth.Invitation, error) {
	return one(collectInvitations(a.tx.Query(ctx, `DELETE FROM invitation WHERE id = $1 RETURNING `+invitationColumns, id)))
}

// OpenInvitations implements auth.LinkAdministration.
func (a administration) OpenInvitations(ctx context.Context, now time.Time) (n int, err error) {
	err = a.tx.QueryRow(ctx, `SELECT count(*) FROM invitation WHERE expires_at > $1`, now).Scan(&n)
	return n, err
}

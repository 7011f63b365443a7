package postgres

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/pg"
	"github.com/netflixathome/cinema/subgraphs/auth"
)

// administration is an auth.Administration.
type administration struct{ tx pgx.Tx }

// Administer implements auth.Store.
func (s *Store) Administer(ctx context.Context, do func(context.Context, auth.Administration) error) error {
	return pg.Tx(ctx, s.pool, func(tx pgx.Tx) error {
		// Two admins who demote each other at the same moment would each
		// still see the other.
		if err := lock(ctx, tx, lockAdmins); err != nil {
			return err
		}
		return do(ctx, administration{tx})
	})
}

func (a administration) User(ctx context.Context, id uuid.UUID) (auth.User, error) {
	list, err := collectUsers(a.tx.Query(ctx, `SELECT `+userColumns+` FROM account a WHERE id = $1 FOR UPDATE OF a`, id))
	if err != nil {
		return auth.User{}, err
	}
	if len(list) == 0 {
		return auth.User{}, auth.ErrNotFound
	}
	return list[0], nil
}

func (a administration) OtherAdmin(ctx context.Context, than uuid.UUID) (there bool, err error) {
	err = a.tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM account WHERE id <> $1 AND 'ADMIN' = ANY (roles) AND NOT blocked)`, than).Scan(&there)
	return there, err
}

func (a administration) SetUser(ctx context.Context, u auth.User) error {
	_, err := a.tx.Exec(ctx, `UPDATE account SET roles = $2, blocked = $3 WHERE id = $1`, u.ID.UUID, roleNames(u.Roles), u.Blocked)
	return err
}

func (a administration) DeleteUser(ctx context.Context, id uuid.UUID) error {
	// The rows of its sessions go; that their seats were left must stay known.
	_, err := a.tx.Exec(ctx, `
		INSERT INTO seat_left (seat, at) SELECT coalesce(seat, id), ended_at FROM session
		WHERE account_id = $1 AND ended_at > now() - interval '1 day' ON CONFLICT DO NOTHING`, id)
	if err != nil {
		return err
	}
	_, err = a.tx.Exec(ctx, `DELETE FROM account WHERE id = $1`, id)
	return err
}

func (a administration) EndSessions(ctx context.Context, user, keep, one uuid.UUID, reason string, at time.Time) ([]uuid.UUID, error) {
	if one == uuid.Nil {
		return endSessions(ctx, a.tx, user, keep, reason, at)
	}
	rows, err := a.tx.Query(ctx, `
		UPDATE session SET ended_at = $4, end_reason = $3 WHERE account_id = $1 AND id = $2 AND ended_at IS NULL RETURNING coalesce(seat, id)`, user, one, reason, at)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

func (a administration) DeleteDemo(ctx context.Context, prefix string, at time.Time) (n int, seats []uuid.UUID, err error) {
	// As DeleteUser does of one; in one go, since there may be thousands. Keys have no session.
	rows, err := a.tx.Query(ctx, `
		WITH demo AS (SELECT id FROM account WHERE demo AND starts_with(login, $1)),
		held AS (
			SELECT coalesce(seat, id) AS seat FROM session WHERE account_id IN (TABLE demo) AND (ended_at IS NULL OR ended_at > $2::timestamptz - interval '1 day')
			UNION SELECT coalesce(seat, id) FROM api_key WHERE account_id IN (TABLE demo)),
		told AS (INSERT INTO seat_left (seat, at) SELECT seat, $2 FROM held ON CONFLICT DO NOTHING)
		TABLE held`, prefix, at)
	if err != nil {
		return 0, nil, err
	}
	if seats, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID]); err != nil {
		return 0, nil, err
	}
	tag, err := a.tx.Exec(ctx, `DELETE FROM account WHERE demo AND starts_with(login, $1)`, prefix)
	return int(tag.RowsAffected()), seats, err
}

func (a administration) SetPassword(ctx context.Context, user uuid.UUID, hash string) error {
	_, err := a.tx.Exec(ctx, `UPDATE account SET password_hash = $2 WHERE id = $1`, user, hash)
	return err
}

func (a administration) ReplacePassword(ctx context.Context, user uuid.UUID, old, hash string) error {
	tag, err := a.tx.Exec(ctx, `UPDATE account SET password_hash = $3 WHERE id = $1 AND coalesce(password_hash, '') = $2`, user, old, hash)
	if err == nil && tag.RowsAffected() == 0 {
		err = auth.ErrNotFound
	}
	return err
}

func (a administration) DropFactors(ctx context.Context, user uuid.UUID) error {
	for _, table := range []string{"totp", "passkey", "recovery_code"} {
		if _, err := a.tx.Exec(ctx, `DELETE FROM `+table+` WHERE account_id = $1`, user); err != nil {
			return err
		}
	}
	return nil
}

const roleRows = `SELECT name, title, description, permissions, built_in, created_at, updated_at FROM role
	ORDER BY NOT built_in, array_position(ARRAY['VIEWER', 'EDITOR', 'ANALYST', 'ADMIN'], name), created_at, name`

func collectRoles(rows pgx.Rows, err error) ([]auth.Role, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (auth.Role, error) {
		var r auth.Role
		err := row.Scan(&r.Name, &r.Title, &r.Description, &r.Allowed, &r.BuiltIn, &r.CreatedAt, &r.UpdatedAt)
		r.CreatedAt, r.UpdatedAt = r.CreatedAt.UTC(), r.UpdatedAt.UTC()
		return r, err
	})
}

func (a administration) Roles(ctx context.Context) ([]auth.Role, error) {
	return collectRoles(a.tx.Query(ctx, roleRows))
}

func (a administration) PutRole(ctx context.Context, r auth.Role) error {
	if r.Allowed == nil {
		r.Allowed = []string{}
	}
	_, err := a.tx.Exec(ctx, `
		INSERT INTO role (name, title, description, permissions, built_in, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (name) DO UPDATE SET title = excluded.title, description = excluded.description,
			permissions = excluded.permissions, updated_at = excluded.updated_at`,
		r.Name, r.Title, r.Description, r.Allowed, r.BuiltIn, r.CreatedAt, r.UpdatedAt)
	return err
}

func (a administration) DeleteRole(ctx context.Context, name auth.RoleName) error {
	_, err := a.tx.Exec(ctx, `DELETE FROM role WHERE name = $1`, name)
	return err
}

func (a administration) Holders(ctx context.Context, name auth.RoleName) (n int, err error) {
	err = a.tx.QueryRow(ctx, `SELECT count(*) FROM account WHERE roles @> ARRAY[$1::text]`, name).Scan(&n)
	return n, err
}

func (a administration) MoveHolders(ctx context.Context, from, to auth.RoleName) (int, error) {
	tag, err := a.tx.Exec(ctx, `
		UPDATE account SET roles = ARRAY(SELECT DISTINCT n FROM unnest(array_append(array_remove(roles, $1::text), $2::text)) AS n ORDER BY n)
		WHERE roles @> ARRAY[$1::text]`, from, to)
	return int(tag.RowsAffected()), err
}

func (a administration) RightsChanged(ctx context.Context, c auth.RightsChange) (n int64, err error) {
	// One at a time, by Administer's lock.
	err = a.tx.QueryRow(ctx, `
		INSERT INTO rights_change (number, account_id, role, lost, at)
		SELECT coalesce(max(number), 0) + 1, nullif($1, '00000000-0000-0000-0000-000000000000'::uuid), nullif($2, ''), $3, $4 FROM rights_change
		RETURNING number`, c.UserID, c.Role, c.Lost, c.At).Scan(&n)
	return n, err
}

func (a administration) Note(ctx context.Context, e auth.AuditEntry) error {
	_, err := a.tx.Exec(ctx, `
		INSERT INTO audit (id, at, actor_id, action, target, before, after, address, user_agent)
		VALUES ($1, $2, nullif($3, '00000000-0000-0000-0000-000000000000'::uuid), $4, $5, $6::text::jsonb, $7::text::jsonb, $8, $9)`,
		e.ID.UUID, e.At, e.ActorID, e.Action, e.Target, e.Before, e.After, e.Client.Address, e.Client.UserAgent)
	return err
}

// Roles implements auth.Store.
func (s *Store) Roles(ctx context.Context) ([]auth.Role, error) {
	return collectRoles(s.pool.Query(ctx, roleRows))
}

// RoleHolders implements auth.Store.
func (s *Store) RoleHolders(ctx context.Context) (map[auth.RoleName]int, error) {
	rows, err := s.pool.Query(ctx, `SELECT n, count(*) FROM account, unnest(roles) AS n GROUP BY n`)
	if err != nil {
		return nil, err
	}
	by := map[auth.RoleName]int{}
	var name auth.RoleName
	var n int
	_, err = pgx.ForEachRow(rows, []any{&name, &n}, func() error { by[name] = n; return nil })
	return by, err
}

// RightsSince implements auth.Store.
func (s *Store) RightsSince(ctx context.Context, since time.Time) ([]auth.RightsChange, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT number, coalesce(account_id, '00000000-0000-0000-0000-000000000000'), coalesce(role, ''), lost, at FROM rights_change WHERE at >= $1`, since)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[auth.RightsChange])
}

// PruneRights implements auth.Store.
func (s *Store) PruneRights(ctx context.Context, before time.Time, limit int) (int, error) {
	tag, err := s.pool.Exec(ctx, `
		DELETE FROM rights_change WHERE number = ANY (ARRAY(
			SELECT number FROM rights_change WHERE at < $1 AND number < (SELECT max(number) FROM rights_change) LIMIT $2))`, before, limit)
	return int(tag.RowsAffected()), err
}

// Audit implements auth.Store.
func (s *Store) Audit(ctx context.Context, f auth.AuditMatch, after *auth.Place, limit int) ([]auth.AuditEntry, error) {
	match := []string{"true"}
	var args []any
	arg := func(v any) string { args = append(args, v); return "$" + strconv.Itoa(len(args)) }
	if f.Actor != nil && *f.Actor == uuid.Nil {
		match = append(match, `actor_id IS NULL`)
	} else if f.Actor != nil {
		match = append(match, `actor_id = `+arg(*f.Actor))
	}
	if strings.HasSuffix(f.Action, ".") {
		match = append(match, `action LIKE `+arg(likeEscaper.Replace(f.Action)+"%"))
	} else if f.Action != "" {
		match = append(match, `action = `+arg(f.Action))
	}
	if f.Target != "" {
		match = append(match, `target = `+arg(f.Target))
	}
	if f.From != nil {
		match = append(match, `at >= `+arg(*f.From))
	}
	if f.To != nil {
		match = append(match, `at < `+arg(*f.To))
	}
	if after != nil {
		match = append(match, `(at, id) < (`+arg(after.At)+`, `+arg(after.ID)+`)`)
	}
	rows, err := s.pool.Query(ctx, `
		SELECT id, at, actor_id, action, target, before::text, after::text, address, user_agent FROM audit
		WHERE `+strings.Join(match, " AND ")+` ORDER BY at DESC, id DESC LIMIT `+arg(limit), args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (auth.AuditEntry, error) {
		e := auth.AuditEntry{ID: gid.ID{Kind: gid.Audit}}
		var actor *uuid.UUID
		err := row.Scan(&e.ID.UUID, &e.At, &actor, &e.Action, &e.Target, &e.Before, &e.After, &e.Client.Address, &e.Client.UserAgent)
		if actor != nil {
			e.ActorID = *actor
		}
		e.At = e.At.UTC()
		return e, err
	})
}

// Package postgres keeps accounts, profiles, sessions and signing keys in
// Postgres.
package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/pg"
	"github.com/netflixathome/cinema/subgraphs/auth"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Table records which migrations were applied.
const Table = "goose_auth"

// Migrate brings the tables up to date.
func Migrate(ctx context.Context, pool *pgxpool.Pool) error {
	dir, err := Migrations()
	if err != nil {
		return err
	}
	return pg.Migrate(ctx, pool, dir, Table)
}

// Migrations are the tables, in goose's format.
func Migrations() (fs.FS, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	return dir, nil
}

// Store is an auth.Store.
type Store struct{ pool *pgxpool.Pool }

var _ auth.Store = (*Store)(nil)

// New makes a store over a pool whose tables are up to date.
func New(pool *pgxpool.Pool) (*Store, error) {
	if pool == nil {
		return nil, errors.New("auth/postgres: a pool is required")
	}
	return &Store{pool: pool}, nil
}

// Advisory locks, of this database only, for what no row stands for: whether
// there is an admin, and the set of signing keys.
const (
	lockAdmins = 0x61646d696e // "admin"
	lockKeys   = 0x6b657973   // "keys"
)

func lock(ctx context.Context, tx pgx.Tx, key int64) error {
	_, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, key)
	return err
}

// userColumns come with what the roles may do and the state of all rights at
// which that was read, of one snapshot.
const userColumns = `a.id, a.login, a.name, a.roles, a.blocked, a.demo, a.created_at, a.last_seen_at, a.email,
	ARRAY(SELECT DISTINCT p FROM role r, unnest(r.permissions) AS p WHERE r.name = ANY (a.roles)),
	(SELECT coalesce(max(number), 0) FROM rights_change)`

// userDest returns where the columns of userColumns go, and how to finish.
func userDest(u *auth.User) ([]any, func()) {
	var roles []string
	u.ID.Kind = gid.User
	return []any{&u.ID.UUID, &u.Login, &u.Name, &roles, &u.Blocked, &u.Demo, &u.CreatedAt, &u.LastSeenAt, &u.OwnEmail, &u.Allowed, &u.Rights}, func() {
		u.Roles = make([]auth.RoleName, len(roles))
		for i, r := range roles {
			u.Roles[i] = auth.RoleName(r)
		}
		u.CreatedAt = u.CreatedAt.UTC()
		if u.LastSeenAt != nil {
			*u.LastSeenAt = u.LastSeenAt.UTC()
		}
	}
}

func collectUsers(rows pgx.Rows, err error) ([]auth.User, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (auth.User, error) {
		var u auth.User
		dest, finish := userDest(&u)
		if err := row.Scan(dest...); err != nil {
			return u, err
		}
		finish()
		return u, nil
	})
}

// A child's profile of before there were limits has none.
const profileColumns = `id, account_id, name, colour, avatar, locale, child, CASE WHEN child THEN coalesce(age_limit, 12) END, pin_hash IS NOT NULL, created_at`

func collectProfiles(rows pgx.Rows, err error) ([]auth.Profile, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (auth.Profile, error) {
		p := auth.Profile{ID: gid.ID{Kind: gid.Profile}}
		err := row.Scan(&p.ID.UUID, &p.UserID, &p.Name, &p.Colour, &p.Avatar, &p.Language, &p.IsChild, &p.Limit, &p.PINSet, &p.CreatedAt)
		p.CreatedAt = p.CreatedAt.UTC()
		return p, err
	})
}

func roleNames(roles []auth.RoleName) []string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	return names
}

func insertAccount(ctx context.Context, tx pgx.Tx, u auth.User, hash string, first auth.Profile) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO account (id, login, name, roles, password_hash, blocked, demo, created_at)
		VALUES ($1, $2, $3, $4, nullif($5, ''), $6, $7, $8)`,
		u.ID.UUID, u.Login, u.Name, roleNames(u.Roles), hash, u.Blocked, u.Demo, u.CreatedAt)
	if err != nil {
		return loginTaken(err)
	}
	return insertProfile(ctx, tx, first)
}

func insertProfile(ctx context.Context, tx pgx.Tx, p auth.Profile) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO profile (id, account_id, name, colour, avatar, locale, child, age_limit, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		p.ID.UUID, p.UserID, p.Name, p.Colour, p.Avatar, p.Language, p.IsChild, p.Limit, p.CreatedAt)
	return err
}

// CreateAccount implements auth.Store.
func (s *Store) CreateAccount(ctx context.Context, u auth.User, hash string, first auth.Profile) error {
	return pg.Tx(ctx, s.pool, func(tx pgx.Tx) error { return insertAccount(ctx, tx, u, hash, first) })
}

// CreateFirstAdmin implements auth.Store.
func (s *Store) CreateFirstAdmin(ctx context.Context, u auth.User, hash string, first auth.Profile) (created bool, err error) {
	err = pg.Tx(ctx, s.pool, func(tx pgx.Tx) error {
		if err := lock(ctx, tx, lockAdmins); err != nil {
			return err
		}
		there := false
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM account WHERE 'ADMIN' = ANY (roles))`).Scan(&there); err != nil || there {
			return err
		}
		created = true
		return insertAccount(ctx, tx, u, hash, first)
	})
	return created && err == nil, err
}

// Password implements auth.Store.
func (s *Store) Password(ctx context.Context, login string) (auth.User, string, error) {
	return s.accountBy(ctx, known(login), login)
}

// accountBy finds the account whose column, an SQL expression over account a, has
// a value, with the hash of its password.
func (s *Store) accountBy(ctx context.Context, column string, value any) (auth.User, string, error) {
	var u auth.User
	var hash string
	dest, finish := userDest(&u)
	err := s.pool.QueryRow(ctx, `SELECT `+userColumns+`, coalesce(a.password_hash, '') FROM account a WHERE `+column+` = $1`, value).
		Scan(append(dest, &hash)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return auth.User{}, "", auth.ErrNotFound
	}
	if err != nil {
		return auth.User{}, "", err
	}
	finish()
	return u, hash, nil
}

// SetPassword implements auth.Store.
func (s *Store) SetPassword(ctx context.Context, user uuid.UUID, old, hash string) error {
	tag, err := s.pool.Exec(ctx, `UPDATE account SET password_hash = $3 WHERE id = $1 AND ($2 = '' OR password_hash = $2)`, user, old, hash)
	if err == nil && tag.RowsAffected() == 0 {
		return auth.ErrNotFound
	}
	return err
}

// Users implements auth.Store.
func (s *Store) Users(ctx context.Context, ids []uuid.UUID) ([]auth.User, error) {
	return collectUsers(s.pool.Query(ctx, `SELECT `+userColumns+` FROM account a WHERE id = ANY ($1)`, ids))
}

var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// ListUsers implements auth.Store.
func (s *Store) ListUsers(ctx context.Context, f auth.UserFilter, after *auth.Place, limit int) ([]auth.User, int, error) {
	// Only the conditions that are asked for: one plan that serves all cases
	// reads the whole table in each.
	var match []string
	var args []any
	arg := func(v any) string { args = append(args, v); return "$" + strconv.Itoa(len(args)) }
	where := func() string {
		if len(match) == 0 {
			return ""
		}
		return " WHERE " + strings.Join(match, " AND ")
	}
	if f.Query != "" {
		match = append(match, `a.login || ' ' || lower(a.name) LIKE `+arg("%"+likeEscaper.Replace(f.Query)+"%"))
	}
	if f.Role != nil {
		match = append(match, `a.roles @> ARRAY[`+arg(*f.Role)+`::text]`)
	}
	if f.Blocked != nil && *f.Blocked {
		match = append(match, `a.blocked`)
	} else if f.Blocked != nil {
		match = append(match, `NOT a.blocked`)
	}
	order := `a.created_at`
	if f.Sort == auth.UsersLastSeen {
		order = `coalesce(a.last_seen_at, a.created_at)`
	}
	var total int
	if err := s.pool.QueryRow(ctx, `SELECT count(*) FROM account a`+where(), args...).Scan(&total); err != nil {
		return nil, 0, err
	}
	if after != nil {
		match = append(match, `(`+order+`, a.id) < (`+arg(after.At)+`, `+arg(after.ID)+`)`)
	}
	users, err := collectUsers(s.pool.Query(ctx,
		`SELECT `+userColumns+` FROM account a`+where()+` ORDER BY `+order+` DESC, a.id DESC LIMIT `+arg(limit), args...))
	return users, total, err
}

// Profiles implements auth.Store.
func (s *Store) Profiles(ctx context.Context, ids []uuid.UUID) ([]auth.Profile, error) {
	return collectProfiles(s.pool.Query(ctx, `SELECT `+profileColumns+` FROM profile WHERE id = ANY ($1)`, ids))
}

// ProfilesOf implements auth.Store.
func (s *Store) ProfilesOf(ctx context.Context, users []uuid.UUID) ([]auth.Profile, error) {
	return collectProfiles(s.pool.Query(ctx,
		`SELECT `+profileColumns+` FROM profile WHERE account_id = ANY ($1) ORDER BY account_id, created_at, id`, users))
}

// ChangeProfiles implements auth.Store.
func (s *Store) ChangeProfiles(ctx context.Context, user uuid.UUID, at time.Time, change func([]auth.Profile) (auth.ProfileChange, error)) (left []uuid.UUID, err error) {
	err = pg.Tx(ctx, s.pool, func(tx pgx.Tx) error {
		// The account's row stands for the set of its profiles.
		if err := tx.QueryRow(ctx, `SELECT id FROM account WHERE id = $1 FOR UPDATE`, user).Scan(new(uuid.UUID)); errors.Is(err, pgx.ErrNoRows) {
			return auth.ErrNotFound
		} else if err != nil {
			return err
		}
		all, err := collectProfiles(tx.Query(ctx,
			`SELECT `+profileColumns+` FROM profile WHERE account_id = $1 ORDER BY created_at, id`, user))
		if err != nil {
			return err
		}
		todo, err := change(all)
		if err != nil {
			return err
		}
		if todo.Add != nil {
			if err := insertProfile(ctx, tx, *todo.Add); err != nil {
				return err
			}
		}
		if p := todo.Update; p != nil {
			if _, err := tx.Exec(ctx, `UPDATE profile SET name = $3, colour = $4, locale = $5, child = $6, avatar = $7, age_limit = $8 WHERE id = $1 AND account_id = $2`,
				p.ID.UUID, user, p.Name, p.Colour, p.Language, p.IsChild, p.Avatar, p.Limit); err != nil {
				return err
			}
		}
		if todo.Unseat != uuid.Nil {
			if left, err = unseat(ctx, tx, todo.Unseat, at); err != nil {
				return err
			}
		}
		if todo.Delete != uuid.Nil {
			if _, err := tx.Exec(ctx, `DELETE FROM profile WHERE id = $1 AND account_id = $2`, todo.Delete, user); err != nil {
				return err
			}
		}
		return nil
	})
	return left, err
}

// CreateSession implements auth.Store.
func (s *Store) CreateSession(ctx context.Context, n auth.SessionRow, hash string, in auth.SignIn) error {
	// The share lock waits for a block or a new password under way and makes a
	// later one wait, which then finds this session and ends it.
	tag, err := s.pool.Exec(ctx, `
		WITH open AS (SELECT id FROM account WHERE id = $2 AND NOT blocked AND coalesce(password_hash, '') = $13 FOR SHARE),
		noted AS (
			INSERT INTO sign_in (id, account_id, session_id, at, method, outcome, user_agent, address, provider)
			SELECT $14, open.id, $1, $15, $16, $17, $7, $8, nullif($19, '') FROM open
			-- The attempt that it completes.
			ON CONFLICT (id) DO UPDATE SET session_id = excluded.session_id, at = excluded.at, method = excluded.method, outcome = excluded.outcome)
		INSERT INTO session (id, account_id, profile_id, created_at, used_at, expires_at, user_agent, address, seed, generation, token_hash, rotated_at,
			authenticated_at)
		SELECT $1, open.id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $18 FROM open`,
		n.ID, n.UserID, n.ProfileID, n.CreatedAt, n.UsedAt, n.ExpiresAt, n.UserAgent, n.Address, n.Seed, n.Generation, n.TokenHash, n.RotatedAt,
		hash, in.ID, in.At, in.Method, in.Outcome, n.AuthenticatedAt, in.Provider)
	if err == nil && tag.RowsAffected() == 0 {
		return auth.ErrNotFound
	}
	return err
}

// LiveSessions implements auth.Store.
func (s *Store) LiveSessions(ctx context.Context, users []uuid.UUID, now time.Time) ([]auth.SessionRow, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT id, account_id, created_at, used_at, expires_at, user_agent, address FROM session
		WHERE account_id = ANY ($1) AND ended_at IS NULL AND expires_at > $2 ORDER BY used_at DESC, id DESC`, users, now)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (auth.SessionRow, error) {
		var e auth.SessionRow
		err := row.Scan(&e.ID, &e.UserID, &e.CreatedAt, &e.UsedAt, &e.ExpiresAt, &e.UserAgent, &e.Address)
		e.CreatedAt, e.UsedAt, e.ExpiresAt = e.CreatedAt.UTC(), e.UsedAt.UTC(), e.ExpiresAt.UTC()
		return e, err
	})
}

// ChangeSession implements auth.Store.
func (s *Store) ChangeSession(ctx context.Context, id uuid.UUID, change func(*auth.SessionRow, *auth.User) error) error {
	return pg.Tx(ctx, s.pool, func(tx pgx.Tx) error {
		var u auth.User
		e := auth.SessionRow{ID: id}
		var profile *uuid.UUID
		dest, finish := userDest(&u)
		err := tx.QueryRow(ctx, `
			SELECT `+userColumns+`, s.profile_id, coalesce(s.seat, s.id), s.created_at, s.used_at, s.expires_at, s.ended_at, coalesce(s.end_reason, ''),
				s.user_agent, s.address, s.seed, s.generation, s.token_hash, s.rotated_at, coalesce(s.authenticated_at, s.created_at)
			FROM session s JOIN account a ON a.id = s.account_id WHERE s.id = $1 FOR UPDATE OF s`, id).
			Scan(append(dest, &profile, &e.Seat, &e.CreatedAt, &e.UsedAt, &e.ExpiresAt, &e.EndedAt, &e.EndReason,
				&e.UserAgent, &e.Address, &e.Seed, &e.Generation, &e.TokenHash, &e.RotatedAt, &e.AuthenticatedAt)...)
		if errors.Is(err, pgx.ErrNoRows) {
			return auth.ErrNotFound
		}
		if err != nil {
			return err
		}
		finish()
		e.UserID = u.ID.UUID
		if profile != nil {
			e.ProfileID = *profile
		}
		seat := e.Seat
		if err := change(&e, &u); err != nil {
			return err
		}
		if e.Seat != seat {
			if _, err := tx.Exec(ctx, `INSERT INTO seat_left (seat, at) VALUES ($1, $2)`, seat, e.UsedAt); err != nil {
				return err
			}
		}
		profile = nil
		if e.ProfileID != uuid.Nil {
			profile = &e.ProfileID
		}
		_, err = tx.Exec(ctx, `
			UPDATE session SET profile_id = $2, used_at = $3, expires_at = $4, ended_at = $5, end_reason = nullif($6, ''),
				user_agent = $7, address = $8, generation = $9, token_hash = $10, rotated_at = $11, seat = nullif($12, id), authenticated_at = $13 WHERE id = $1`,
			id, profile, e.UsedAt, e.ExpiresAt, e.EndedAt, e.EndReason, e.UserAgent, e.Address, e.Generation, e.TokenHash, e.RotatedAt, e.Seat, e.AuthenticatedAt)
		return err
	})
}

// EndSessions implements auth.Store.
func (s *Store) EndSessions(ctx context.Context, user, keep uuid.UUID, reason string, at time.Time) ([]uuid.UUID, error) {
	return endSessions(ctx, s.pool, user, keep, reason, at)
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func endSessions(ctx context.Context, q querier, user, keep uuid.UUID, reason string, at time.Time) ([]uuid.UUID, error) {
	rows, err := q.Query(ctx, `
		UPDATE session SET ended_at = $4, end_reason = $3 WHERE account_id = $1 AND id <> $2 AND ended_at IS NULL RETURNING coalesce(seat, id)`, user, keep, reason, at)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

// EndedSince implements auth.Store.
func (s *Store) EndedSince(ctx context.Context, since time.Time) ([]auth.EndedSession, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT coalesce(seat, id), ended_at FROM session WHERE ended_at >= $1
		UNION ALL SELECT seat, at FROM seat_left WHERE at >= $1`, since)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[auth.EndedSession])
}

// PruneSessions implements auth.Store.
func (s *Store) PruneSessions(ctx context.Context, before time.Time, limit int) (int, error) {
	tag, err := s.pool.Exec(ctx, `
		DELETE FROM session WHERE id = ANY (ARRAY(
			(SELECT id FROM session WHERE ended_at < $1 LIMIT $2)
			UNION
			(SELECT id FROM session WHERE expires_at < $1 LIMIT $2)
			LIMIT $2))`, before, limit)
	return int(tag.RowsAffected()), err
}

// RecordSignIns implements auth.Store.
func (s *Store) RecordSignIns(ctx context.Context, all []auth.SignIn) error {
	batch := &pgx.Batch{}
	for _, in := range all {
		batch.Queue(`
			INSERT INTO sign_in (id, account_id, at, method, outcome, user_agent, address, provider)
			SELECT $1, id, $3, $4, $5, $6, $7, nullif($8, '') FROM account WHERE id = $2 FOR KEY SHARE
			-- One that a sign-in has completed meanwhile.
			ON CONFLICT (id) DO NOTHING`,
			in.ID, in.UserID, in.At, in.Method, in.Outcome, in.Client.UserAgent, in.Client.Address, in.Provider)
	}
	return pg.Tx(ctx, s.pool, func(tx pgx.Tx) error { return tx.SendBatch(ctx, batch).Close() })
}

// SignIns implements auth.Store.
func (s *Store) SignIns(ctx context.Context, user uuid.UUID, after *auth.Place, limit int) ([]auth.SignIn, error) {
	if after == nil {
		after = &auth.Place{At: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}
	}
	rows, err := s.pool.Query(ctx, `
		SELECT id, account_id, at, method, outcome, user_agent, address, coalesce(provider, '') FROM sign_in
		WHERE account_id = $1 AND (at, id) < ($2, $3) ORDER BY at DESC, id DESC LIMIT $4`, user, after.At, after.ID, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (auth.SignIn, error) {
		var in auth.SignIn
		err := row.Scan(&in.ID, &in.UserID, &in.At, &in.Method, &in.Outcome, &in.Client.UserAgent, &in.Client.Address, &in.Provider)
		in.At = in.At.UTC()
		return in, err
	})
}

// PruneSignIns implements auth.Store.
func (s *Store) PruneSignIns(ctx context.Context, before time.Time, limit int) (int, error) {
	tag, err := s.pool.Exec(ctx, `
		DELETE FROM sign_in WHERE id = ANY (ARRAY(SELECT id FROM sign_in WHERE at < $1 LIMIT $2))`, before, limit)
	return int(tag.RowsAffected()), err
}

const keyColumns = `SELECT id, sealed, active_from FROM signing_key ORDER BY active_from, id`

// SigningKeys implements auth.Store.
func (s *Store) SigningKeys(ctx context.Context) ([]auth.SealedKey, error) {
	rows, err := s.pool.Query(ctx, keyColumns)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[auth.SealedKey])
}

// ReplaceSigningKeys implements auth.Store.
func (s *Store) ReplaceSigningKeys(ctx context.Context, change func([]auth.SealedKey) (*auth.SealedKey, []string, error)) error {
	return pg.Tx(ctx, s.pool, func(tx pgx.Tx) error {
		if err := lock(ctx, tx, lockKeys); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, keyColumns)
		if err != nil {
			return err
		}
		all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[auth.SealedKey])
		if err != nil {
			return err
		}
		add, remove, err := change(all)
		if err != nil {
			return err
		}
		if add != nil {
			if _, err := tx.Exec(ctx, `INSERT INTO signing_key (id, sealed, active_from) VALUES ($1, $2, $3)`, add.ID, add.Sealed, add.ActiveFrom); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `DELETE FROM signing_key WHERE id = ANY ($1)`, remove)
		return err
	})
}

package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/engines/enginestest"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/pg"
	"github.com/netflixathome/cinema/subgraphs/auth"
	"github.com/netflixathome/cinema/subgraphs/auth/postgres"
)

// The program before roles were rows goes on beside the new tables: what it
// writes is read, and what it reads is there.
func TestThePreviousVersionGoesOn(t *testing.T) {
	ctx := t.Context()
	pool, err := pg.Open(ctx, enginestest.Postgres(t), 4)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	dir, err := postgres.Migrations()
	require.NoError(t, err)
	require.NoError(t, pg.MigrateTo(ctx, pool, dir, postgres.Table, 2))
	const make = `INSERT INTO account (id, login, name, roles, blocked, demo, created_at) VALUES ($1, $2, $2, $3, false, false, now())`
	old, used := uuid.New(), time.Now().UTC().Add(-time.Hour).Truncate(time.Microsecond)
	_, err = pool.Exec(ctx, make, old, "old", []string{"EDITOR", "VIEWER"})
	require.NoError(t, err)
	_, err = pool.Exec(ctx, `INSERT INTO session (id, account_id, created_at, used_at, expires_at, user_agent, address, seed, generation, token_hash, rotated_at)
		VALUES (gen_random_uuid(), $1, $2, $2, now() + interval '1 day', '', '', '', 1, '', $2)`, old, used)
	require.NoError(t, err)

	require.NoError(t, postgres.Migrate(ctx, pool))
	s, err := postgres.New(pool)
	require.NoError(t, err)
	younger := uuid.New()
	_, err = pool.Exec(ctx, make, younger, "younger", []string{"ANALYST"})
	require.NoError(t, err)
	_, err = pool.Exec(ctx, `UPDATE account SET roles = '{ANALYST,EDITOR}' WHERE id = $1`, younger)
	require.NoError(t, err)

	found, err := s.Users(ctx, []uuid.UUID{old, younger})
	require.NoError(t, err)
	by := map[uuid.UUID]auth.User{found[0].ID.UUID: found[0], found[1].ID.UUID: found[1]}
	u := by[old]
	require.Equal(t, []string{"title:read", "title:write", "upload:write"}, u.Permissions())
	require.Equal(t, used, *u.LastSeenAt, "who was seen before is known")
	u = by[younger]
	require.Equal(t, []string{"stats:read", "title:read", "title:write", "upload:write"}, u.Permissions())
}

func TestRolesThatAreHeldAreThere(t *testing.T) {
	pool, s := open(t)
	ctx := t.Context()
	u := auth.User{ID: gid.New(gid.User), Login: "ann", Name: "Ann", Roles: []auth.RoleName{"NOWHERE"}, CreatedAt: time.Now()}
	p := auth.Profile{ID: gid.New(gid.Profile), UserID: u.ID.UUID, Name: "Ann", Colour: "#000000", CreatedAt: time.Now()}
	refused := func(err error, constraint string) {
		t.Helper()
		var pe *pgconn.PgError
		require.ErrorAs(t, err, &pe)
		require.Equal(t, constraint, pe.ConstraintName)
	}
	refused(s.CreateAccount(ctx, u, "", p), "account_roles_exist")
	u.Roles = []auth.RoleName{"HELPER"}
	require.NoError(t, s.Administer(ctx, func(ctx context.Context, a auth.Administration) error {
		return a.PutRole(ctx, auth.Role{Name: "HELPER", Title: "Helper"})
	}))
	require.NoError(t, s.CreateAccount(ctx, u, "", p))
	for _, name := range []string{"HELPER", "VIEWER"} {
		_, err := pool.Exec(ctx, `DELETE FROM role WHERE name = $1`, name)
		refused(err, "role_is_free")
	}

	// One gives the role while another deletes it, past the service's lock:
	// whoever ends first wins, and nobody is left with a role that is not there.
	for range 20 {
		_, err := pool.Exec(ctx, `INSERT INTO role (name, title, description, permissions) VALUES ('BRIEF', '', '', '{}')`)
		require.NoError(t, err)
		var both sync.WaitGroup
		both.Go(func() {
			_, _ = pool.Exec(context.WithoutCancel(ctx), `UPDATE account SET roles = '{BRIEF}' WHERE id = $1`, u.ID.UUID)
		})
		both.Go(func() { _, _ = pool.Exec(context.WithoutCancel(ctx), `DELETE FROM role WHERE name = 'BRIEF'`) })
		both.Wait()
		var lost int
		require.NoError(t, pool.QueryRow(ctx, `SELECT count(*) FROM account, unnest(roles) AS n WHERE n NOT IN (SELECT name FROM role)`).Scan(&lost))
		require.Zero(t, lost)
		_, err = pool.Exec(ctx, `UPDATE account SET roles = '{VIEWER}'`)
		require.NoError(t, err)
		_, err = pool.Exec(ctx, `DELETE FROM role WHERE NOT built_in`)
		require.NoError(t, err)
	}
}

func TestTheAuditLogOnlyGrows(t *testing.T) {
	pool, s := open(t)
	ctx := t.Context()
	e := auth.AuditEntry{ID: gid.New(gid.Audit), At: time.Now(), Action: "role.create", Target: "X"}
	require.NoError(t, s.Administer(ctx, func(ctx context.Context, a auth.Administration) error { return a.Note(ctx, e) }))
	for _, sql := range []string{`UPDATE audit SET target = 'Y'`, `DELETE FROM audit`} {
		_, err := pool.Exec(ctx, sql)
		require.ErrorContains(t, err, "only ever added to", sql)
	}
	list, err := s.Audit(ctx, auth.AuditMatch{}, nil, 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "X", list[0].Target)
}

func TestPruneRights(t *testing.T) {
	_, s := open(t)
	ctx := t.Context()
	now := time.Now().UTC().Truncate(time.Microsecond)
	for i := range 3 {
		require.NoError(t, s.Administer(ctx, func(ctx context.Context, a auth.Administration) error {
			n, err := a.RightsChanged(ctx, auth.RightsChange{Role: auth.RoleEditor, At: now.Add(-time.Hour)})
			require.EqualValues(t, i+1, n)
			return err
		}))
	}
	n, err := s.PruneRights(ctx, now, 10)
	require.NoError(t, err)
	require.Equal(t, 2, n, "the last one is the state of all rights")
	left, err := s.RightsSince(ctx, now.Add(-2*time.Hour))
	require.NoError(t, err)
	require.Equal(t, []auth.RightsChange{{Number: 3, Role: auth.RoleEditor, At: now.Add(-time.Hour)}}, []auth.RightsChange{{Number: left[0].Number, Role: left[0].Role, At: left[0].At.UTC()}})
}

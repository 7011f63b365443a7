package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/engines/enginestest"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/pg"
	"github.com/netflixathome/cinema/subgraphs/auth"
	"github.com/netflixathome/cinema/subgraphs/auth/postgres"
)

// One connection, so that its statistics can be flushed and read.
func open(t *testing.T) (*pgxpool.Pool, *postgres.Store) {
	pool, err := pg.Open(t.Context(), enginestest.PostgresWith(t, "auth", func(ctx context.Context, pool *pgxpool.Pool) error {
		return errors.Join(postgres.Migrate(ctx, pool), postgres.Migrate(ctx, pool)) // it can be repeated
	}), 1)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	s, err := postgres.New(pool)
	require.NoError(t, err)
	return pool, s
}

func signIn(user uuid.UUID, at time.Time) auth.SignIn {
	return auth.SignIn{ID: uuid.New(), UserID: user, At: at, Method: auth.SignInByPassword, Outcome: auth.SignInSucceeded}
}

// With 50,000 sessions of 10,000 accounts, what a request does reads no whole
// table, and pruning takes its share only.
func TestNoWholeTableIsRead(t *testing.T) {
	pool, s := open(t)
	ctx := t.Context()
	now := time.Now().UTC().Truncate(time.Microsecond)
	for _, sql := range []string{
		`INSERT INTO account (id, login, name, roles, created_at)
		 SELECT gen_random_uuid(), 'user' || i, 'Name ' || i, '{VIEWER}', now() - i * interval '1 minute' FROM generate_series(1, 10000) i`,
		`INSERT INTO profile (id, account_id, name, colour, child, created_at) SELECT gen_random_uuid(), id, name, '#000000', false, created_at FROM account`,
		`INSERT INTO session (id, account_id, profile_id, created_at, used_at, expires_at, user_agent, address, seed, generation, token_hash, rotated_at)
		 SELECT gen_random_uuid(), a.id, p.id, now(), now(), now() + interval '30 days', 'b', '::1', '', 1, '', now()
		 FROM account a JOIN profile p ON p.account_id = a.id, generate_series(1, 5)`,
		`UPDATE session SET ended_at = now() - interval '40 days', end_reason = 'sign_out' WHERE id IN (SELECT id FROM session LIMIT 1500)`,
		`UPDATE session SET expires_at = now() - interval '40 days' WHERE id IN (SELECT id FROM session WHERE ended_at IS NULL LIMIT 500)`,
		`INSERT INTO sign_in (id, account_id, at, method, outcome, user_agent, address)
		 SELECT gen_random_uuid(), a.id, now() - i * interval '1 day', 'PASSWORD', 'SUCCEEDED', 'b', '::1' FROM account a, generate_series(1, 5) i`,
		`ANALYZE sign_in`, `ANALYZE account`, `ANALYZE profile`, `ANALYZE session`,
	} {
		_, err := pool.Exec(ctx, sql)
		require.NoError(t, err)
	}
	var user, session, profile uuid.UUID
	require.NoError(t, pool.QueryRow(ctx, `SELECT account_id, id, profile_id FROM session WHERE ended_at IS NULL AND expires_at > now() LIMIT 1`).Scan(&user, &session, &profile))

	for name, do := range map[string]func() error{
		"Password":   func() error { _, _, err := s.Password(ctx, "user77"); return err },
		"Users":      func() error { _, err := s.Users(ctx, []uuid.UUID{user}); return err },
		"Profiles":   func() error { _, err := s.Profiles(ctx, []uuid.UUID{profile}); return err },
		"ProfilesOf": func() error { _, err := s.ProfilesOf(ctx, []uuid.UUID{user}); return err },
		"find users": func() error { _, _, err := s.ListUsers(ctx, auth.UserFilter{Query: "user999"}, nil, 50); return err },
		"admins": func() error {
			admin := auth.RoleAdmin
			_, _, err := s.ListUsers(ctx, auth.UserFilter{Role: &admin}, nil, 50)
			return err
		},
		"the blocked": func() error {
			yes := true
			_, _, err := s.ListUsers(ctx, auth.UserFilter{Blocked: &yes}, nil, 50)
			return err
		},
		"EndedSince":  func() error { _, err := s.EndedSince(ctx, now.Add(-5*time.Minute)); return err },
		"EndSessions": func() error { _, err := s.EndSessions(ctx, user, uuid.Nil, auth.EndBlocked, now); return err },
		"Prune":       func() error { _, err := s.PruneSessions(ctx, now.Add(-30*24*time.Hour), 1000); return err },
		"delete demo": func() error {
			return s.Administer(ctx, func(ctx context.Context, a auth.Administration) error {
				_, _, err := a.DeleteDemo(ctx, "demo", now)
				return err
			})
		},
		"LiveSessions": func() error { _, err := s.LiveSessions(ctx, []uuid.UUID{user}, now); return err },
		"SignIns": func() error {
			_, err := s.SignIns(ctx, user, &auth.Place{At: now, ID: uuid.New()}, 20)
			return err
		},
		"PruneSignIns":  func() error { _, err := s.PruneSignIns(ctx, now.Add(-30*24*time.Hour), 1000); return err },
		"RecordSignIns": func() error { return s.RecordSignIns(ctx, []auth.SignIn{signIn(user, now)}) },
		"session used": func() error {
			return s.ChangeSession(ctx, session, func(*auth.SessionRow, *auth.User) error { return nil })
		},
		"session made": func() error {
			return s.CreateSession(ctx, auth.SessionRow{
				ID: uuid.New(), UserID: user, ProfileID: profile, CreatedAt: now, UsedAt: now, ExpiresAt: now.Add(time.Hour), RotatedAt: now,
				Seed: []byte{}, TokenHash: []byte{},
			}, "", signIn(user, now))
		},
		"profile deleted": func() error {
			_, err := s.ChangeProfiles(ctx, user, now, func(all []auth.Profile) (auth.ProfileChange, error) {
				return auth.ProfileChange{Delete: uuid.New(), Unseat: profile}, nil
			})
			return err
		},
		"Account": func() error { _, _, err := s.Account(ctx, user); return err },
		"Factors": func() error { _, err := s.Factors(ctx, user); return err },
		"factors changed": func() error {
			return s.ChangeFactors(ctx, user, func(*auth.StoredFactors) (auth.FactorChange, error) {
				return auth.FactorChange{DropPasskey: uuid.New(), Recovery: [][]byte{{1}}}, nil
			})
		},
		"Reachable": func() error {
			_, err := s.Reachable(ctx, "nobody@example.org")
			require.ErrorIs(t, err, auth.ErrNotFound)
			_, err = s.Reachable(ctx, "user77")
			return err
		},
		"Link": func() error {
			_, err := s.Link(ctx, []byte("none"), now)
			require.ErrorIs(t, err, auth.ErrNotFound)
			return s.PutLink(ctx, auth.Link{Hash: []byte("1"), Purpose: auth.LinkPassword, UserID: user, MadeAt: now, ExpiresAt: now})
		},
		"PruneLinks":   func() error { _, err := s.PruneLinks(ctx, now, 1000); return err },
		"PruneTickets": func() error { _, err := s.PruneTickets(ctx, now, 1000); return err },
		"PIN tried": func() error {
			_, err := s.TryPIN(ctx, user, profile, func(_, _ *auth.PINTries) error { return nil })
			return err
		},
		"PIN proved":    func() error { return s.PINProved(ctx, user, profile) },
		"gone profiles": func() error { _, err := s.GoneProfiles(ctx, auth.Place{At: now}, 10); return err },
		"PruneGone":     func() error { _, err := s.PruneGone(ctx, now.Add(-30*24*time.Hour), 1000); return err },
		"user changed": func() error {
			return s.Administer(ctx, func(ctx context.Context, a auth.Administration) error {
				u, err := a.User(ctx, user)
				if err == nil {
					_, err = a.OtherAdmin(ctx, user)
				}
				if err == nil {
					u.Roles = []auth.RoleName{auth.RoleEditor}
					err = a.SetUser(ctx, u)
				}
				return err
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := scanned(t, pool)
			require.NoError(t, do())
			require.Less(t, scanned(t, pool)-before, int64(1000), "rows read one after another")
		})
	}
	_, total, err := s.ListUsers(ctx, auth.UserFilter{}, nil, 50)
	require.NoError(t, err)
	require.Equal(t, 10000, total)
}

// scanned is how many rows of the tables were read by whole scans.
func scanned(t *testing.T, pool *pgxpool.Pool) (n int64) {
	t.Helper()
	ctx := t.Context()
	_, err := pool.Exec(ctx, `SELECT pg_stat_force_next_flush()`)
	require.NoError(t, err)
	require.NoError(t, pool.QueryRow(ctx, `SELECT coalesce(sum(seq_tup_read), 0)::bigint FROM pg_stat_user_tables WHERE relname IN ('account', 'profile', 'session', 'sign_in')`).Scan(&n))
	return n
}

func TestPrune(t *testing.T) {
	pool, s := open(t)
	ctx := t.Context()
	now := time.Now().UTC().Truncate(time.Microsecond)
	u := auth.User{ID: gid.New(gid.User), Login: "ann", Name: "Ann", Roles: []auth.RoleName{auth.RoleViewer}, CreatedAt: now}
	p := auth.Profile{ID: gid.New(gid.Profile), UserID: u.ID.UUID, Name: "Ann", Colour: "#000000", CreatedAt: now}
	require.NoError(t, s.CreateAccount(ctx, u, "hash", p))
	require.ErrorIs(t, s.CreateAccount(ctx, auth.User{ID: gid.New(gid.User), Login: "ann", Name: "x", Roles: u.Roles, CreatedAt: now}, "", auth.Profile{}), auth.ErrLoginTaken)
	for i := range 10 {
		id := uuid.New()
		require.NoError(t, s.CreateSession(ctx, auth.SessionRow{
			ID: id, UserID: u.ID.UUID, ProfileID: p.ID.UUID, CreatedAt: now, UsedAt: now, RotatedAt: now,
			ExpiresAt: now.Add(time.Duration(i-5) * time.Hour), Seed: []byte{1}, TokenHash: []byte{2}, UserAgent: fmt.Sprint(i),
		}, "hash", signIn(u.ID.UUID, now.Add(time.Duration(i-5)*time.Hour))))
		if i == 9 {
			require.NoError(t, s.ChangeSession(ctx, id, func(e *auth.SessionRow, owner *auth.User) error {
				require.Equal(t, u.ID, owner.ID)
				at := now.Add(-time.Hour)
				e.EndedAt, e.EndReason = &at, auth.EndSignOut
				return nil
			}))
		}
	}
	ended, err := s.EndedSince(ctx, now.Add(-2*time.Hour))
	require.NoError(t, err)
	require.Len(t, ended, 1)
	for _, want := range []int{4, 2, 0} { // five have expired, one has ended
		n, err := s.PruneSessions(ctx, now, 4)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	for _, want := range []int{4, 1, 0} {
		n, err := s.PruneSignIns(ctx, now, 4)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	kept, err := s.SignIns(ctx, u.ID.UUID, nil, 100)
	require.NoError(t, err)
	require.Len(t, kept, 5)
	require.NoError(t, s.RecordSignIns(ctx, []auth.SignIn{signIn(uuid.New(), now), signIn(u.ID.UUID, now)}), "that of no account is left out")
	kept, err = s.SignIns(ctx, u.ID.UUID, nil, 100)
	require.NoError(t, err)
	require.Len(t, kept, 6)
	var left int
	require.NoError(t, pool.QueryRow(ctx, `SELECT count(*) FROM session`).Scan(&left))
	require.Equal(t, 4, left)

	require.NoError(t, s.Administer(ctx, func(ctx context.Context, a auth.Administration) error {
		u, err := a.User(ctx, u.ID.UUID)
		require.NoError(t, err)
		u.Blocked = true
		return a.SetUser(ctx, u)
	}))
	require.ErrorIs(t, s.CreateSession(context.Background(), auth.SessionRow{
		ID: uuid.New(), UserID: u.ID.UUID, ProfileID: p.ID.UUID, Seed: []byte{}, TokenHash: []byte{},
	}, "hash", signIn(u.ID.UUID, now)), auth.ErrNotFound, "a blocked account opens no session")
}

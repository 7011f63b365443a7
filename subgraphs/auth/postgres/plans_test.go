package postgres_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/engines/enginestest"
	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/subgraphs/auth"
	"github.com/netflixathome/cinema/subgraphs/auth/postgres"
)

// said records the statements that a pool is given.
type said struct {
	mu  sync.Mutex
	all []pgx.TraceQueryStartData
}

func (s *said) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, data)
	return ctx
}
func (s *said) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (s *said) take() []pgx.TraceQueryStartData {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.all
	s.all = nil
	return all
}

// With 100,000 sessions and as many API keys, Postgres plans to find those that are
// listed, used or pruned by an index.
func TestAHundredThousandSessionsAreFoundByAnIndex(t *testing.T) {
	ctx := t.Context()
	config, err := pgxpool.ParseConfig(enginestest.Postgres(t))
	require.NoError(t, err)
	statements := &said{}
	config.ConnConfig.Tracer = statements
	pool, err := pgxpool.NewWithConfig(ctx, config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	require.NoError(t, postgres.Migrate(ctx, pool))
	s, err := postgres.New(pool)
	require.NoError(t, err)
	for _, sql := range []string{
		`INSERT INTO account (id, login, name, roles, created_at)
		 SELECT gen_random_uuid(), 'user' || i, 'Name ' || i, '{VIEWER}', now() FROM generate_series(1, 10000) i`,
		`INSERT INTO profile (id, account_id, name, colour, child, created_at) SELECT gen_random_uuid(), id, name, '#000000', false, created_at FROM account`,
		`INSERT INTO session (id, account_id, profile_id, created_at, used_at, expires_at, user_agent, address, seed, generation, token_hash, rotated_at, ended_at)
		 SELECT gen_random_uuid(), a.id, p.id, now(), now(), now() + i * interval '3 days' - interval '4 days', 'b', '::1', '', 1, '', now(),
			CASE WHEN i = 2 THEN now() - random() * interval '80 days' END
		 FROM account a JOIN profile p ON p.account_id = a.id, generate_series(1, 10) i`,
		`INSERT INTO api_key (id, account_id, profile_id, hash, name, hint, scopes, created_at, expires_at)
		 SELECT gen_random_uuid(), a.id, p.id, sha256((a.login || '/' || i)::bytea), 'key', 'cinema_0000', '{}', now() - interval '60 days', now() + i * interval '12 days' - CASE WHEN i = 1 AND random() < 0.02 THEN interval '13 days' ELSE interval '0' END
		 FROM account a JOIN profile p ON p.account_id = a.id, generate_series(1, 10) i`,
		`ANALYZE`,
	} {
		_, err := pool.Exec(ctx, sql)
		require.NoError(t, err)
	}
	var user, key uuid.UUID
	require.NoError(t, pool.QueryRow(ctx, `SELECT account_id, id FROM api_key LIMIT 1`).Scan(&user, &key))
	now := time.Now()
	for name, do := range map[string]func() error{
		"sessions of an account": func() error { _, err := s.LiveSessions(ctx, []uuid.UUID{user}, now); return err },
		"sessions pruned":        func() error { _, err := s.PruneSessions(ctx, now.Add(-79*24*time.Hour), 10); return err },
		"sessions that ended":    func() error { _, err := s.EndedSince(ctx, now.Add(-5*time.Minute)); return err },
		"sessions ended": func() error {
			_, err := s.EndSessions(ctx, user, uuid.Nil, auth.EndByHand, now)
			return err
		},
		"keys of an account": func() error { _, err := s.APIKeysOf(ctx, user); return err },
		"a key":              func() error { _, _, err := s.APIKey(ctx, authn.HashAPIKey("none")); return skip(err) },
		"a key used":         func() error { return s.APIKeyUsed(ctx, key, now, time.Minute) },
		"keys pruned":        func() error { _, err := s.PruneAPIKeys(ctx, now.Add(-23*time.Hour), 10); return err },
	} {
		statements.take()
		require.NoError(t, do(), name)
		for _, one := range statements.take() {
			if !strings.Contains(one.SQL, "session") && !strings.Contains(one.SQL, "api_key") {
				continue
			}
			rows, err := pool.Query(ctx, `EXPLAIN `+one.SQL, one.Args...)
			require.NoError(t, err, one.SQL)
			plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
			require.NoError(t, err)
			text := strings.Join(plan, "\n")
			require.Contains(t, text, "Index", "%s: %s", name, text)
			for _, table := range []string{"session", "api_key"} {
				require.NotContains(t, text, "Seq Scan on "+table, "%s: %s", name, text)
			}
		}
		statements.take()
	}
}

// skip is err, but that nothing was found.
func skip(err error) error {
	if errors.Is(err, auth.ErrNotFound) {
		return nil
	}
	return err
}

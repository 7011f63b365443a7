package postgres_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/engines/enginestest"
	"github.com/netflixathome/cinema/internal/events"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/pg"
	"github.com/netflixathome/cinema/subgraphs/telemetry"
	"github.com/netflixathome/cinema/subgraphs/telemetry/postgres"
)

func open(t *testing.T) *postgres.Store {
	t.Helper()
	pool, err := pg.Open(t.Context(), enginestest.PostgresWith(t, "telemetry", func(ctx context.Context, pool *pgxpool.Pool) error {
		return errors.Join(postgres.Migrate(ctx, pool), postgres.Migrate(ctx, pool)) // twice is once
	}), 4)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	s, err := postgres.New(pool)
	require.NoError(t, err)
	return s
}

type sitting struct {
	session, user, profile uuid.UUID
	film                   gid.ID
	start                  time.Time
}

func sit() sitting {
	return sitting{uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7()), gid.New(gid.Film), time.Now().UTC().Truncate(time.Millisecond).Add(-10 * time.Minute)}
}

func (s sitting) at(name events.Name, after time.Duration, position int) events.Event {
	at := s.start.Add(after)
	return events.Event{
		ID: uuid.Must(uuid.NewV7()), Version: 1, Name: name, At: at, ClientAt: at, ReceivedAt: at,
		SessionID: s.session, UserID: s.user, ProfileID: s.profile, Playable: s.film, Title: s.film,
		Device: events.Device{Kind: "tv"}, PositionMs: position, DurationMs: 600_000, Playing: name == events.Heartbeat,
	}
}

func (s sitting) state(t *testing.T, st *postgres.Store) *telemetry.WatchState {
	t.Helper()
	m, err := st.WatchStates(t.Context(), s.profile, []uuid.UUID{s.film.UUID, uuid.New()})
	require.NoError(t, err)
	return m[s.film.UUID]
}

func TestReplayInAnyOrderEndsInTheSameState(t *testing.T) {
	st, s := open(t), sit()
	ended := s.at(events.PlayEnded, 50*time.Second, 350_000)
	ended.Reason = "viewer"
	list := []events.Event{s.at(events.PlayStarted, 0, 300_000), s.at(events.Heartbeat, 10*time.Second, 310_000), s.at(events.Stalled, 15*time.Second, 0), s.at(events.Heartbeat, 40*time.Second, 340_000), ended}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		for from := 0; from < len(list); {
			to := min(len(list), from+1+r.IntN(3))
			_, err := st.Apply(t.Context(), list[from:to])
			require.NoError(t, err)
			from = to
		}
		require.Equal(t, 350_000, s.state(t, st).PositionMs)
		sessions, err := st.Sessions(t.Context(), []uuid.UUID{s.session})
		require.NoError(t, err)
		require.Len(t, sessions, 1)
		require.NotNil(t, sessions[0].EndedAt)
		require.Equal(t, "viewer", sessions[0].EndReason)
		require.Equal(t, 350_000, sessions[0].PositionMs)
		require.Equal(t, s.start, sessions[0].StartedAt.UTC())
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	}
	changed, err := st.Apply(t.Context(), list[:0])
	require.NoError(t, err)
	require.False(t, changed)
}

// While the collector lags the server knows an old position of a session that
// closes; the end that it records must not take the viewer back there.
func TestAnEndThatTheServerRecordsMovesNoPosition(t *testing.T) {
	for name, together := range map[string]bool{"in one batch": true, "one by one": false} {
		t.Run(name, func(t *testing.T) {
			st, s := open(t), sit()
			apply := func(list ...events.Event) {
				t.Helper()
				_, err := st.Apply(t.Context(), list)
				require.NoError(t, err)
			}
			apply(s.at(events.Heartbeat, 10*time.Second, 100_000))
			known, err := st.Sessions(t.Context(), []uuid.UUID{s.session})
			require.NoError(t, err)
			ended := telemetry.EndEvent(known[0], s.start.Add(40*time.Second), s.start.Add(40*time.Second), "closed")
			late := s.at(events.Heartbeat, 30*time.Second, 300_000) // said before, and still in the log
			if together {
				apply(late, ended)
			} else {
				apply(late)
				apply(ended)
			}
			require.Equal(t, 300_000, s.state(t, st).PositionMs)
			found, err := st.Sessions(t.Context(), []uuid.UUID{s.session})
			require.NoError(t, err)
			require.NotNil(t, found[0].EndedAt)
			require.Equal(t, 300_000, found[0].PositionMs)
		})
	}
}

func TestFinishingForgettingAndSeeingAgain(t *testing.T) {
	st, s := open(t), sit()
	apply := func(e events.Event) {
		_, err := st.Apply(t.Context(), []events.Event{e})
		require.NoError(t, err)
	}
	unfinished := func() int {
		list, err := st.Unfinished(t.Context(), s.profile, 10)
		require.NoError(t, err)
		return len(list)
	}
	apply(s.at(events.Heartbeat, 0, 5_000))
	require.Zero(t, unfinished(), "five seconds of ten minutes are no beginning")
	half := s.at(events.Heartbeat, 10*time.Second, 300_000)
	apply(half)
	require.Equal(t, 1, unfinished())
	apply(s.at(events.Heartbeat, 20*time.Second, 571_000))
	require.Zero(t, unfinished())
	require.True(t, s.state(t, st).Finished)
	require.Zero(t, s.state(t, st).PositionMs)
	apply(s.at(events.Heartbeat, 30*time.Second, 60_000))
	require.Equal(t, 1, unfinished(), "seen again")
	require.NoError(t, st.Forget(t.Context(), s.profile, s.film, s.start.Add(40*time.Second)))
	require.Nil(t, s.state(t, st))
	apply(half)
	require.Nil(t, s.state(t, st), "an old event does not bring it back")
	apply(s.at(events.Heartbeat, 50*time.Second, 70_000))
	require.Equal(t, 70_000, s.state(t, st).PositionMs)
}

func TestASessionIsItsProfilesOwn(t *testing.T) {
	st, s := open(t), sit()
	mine := telemetry.Session{ID: s.session, UserID: s.user, ProfileID: s.profile, Playable: s.film, Title: s.film, StartedAt: s.start, DurationMs: 1}
	_, err := st.OpenSession(t.Context(), mine, uuid.New())
	require.NoError(t, err)
	thief := mine
	thief.ProfileID = uuid.New()
	_, err = st.OpenSession(t.Context(), thief, uuid.New())
	require.ErrorIs(t, err, telemetry.ErrForeignSession)
	stolen := s.at(events.Heartbeat, time.Minute, 99_000)
	stolen.ProfileID = thief.ProfileID
	_, err = st.Apply(t.Context(), []events.Event{stolen})
	require.NoError(t, err)
	list, err := st.Sessions(t.Context(), []uuid.UUID{s.session})
	require.NoError(t, err)
	require.Zero(t, list[0].PositionMs)
	require.Equal(t, s.profile, list[0].ProfileID)
}

func TestSilentAndDemo(t *testing.T) {
	st, live, demo := open(t), sit(), sit()
	synthetic := demo.at(events.Heartbeat, 0, 60_000)
	synthetic.Demo = true
	_, err := st.Apply(t.Context(), []events.Event{live.at(events.Heartbeat, 0, 60_000), synthetic})
	require.NoError(t, err)
	silent, err := st.Silent(t.Context(), live.start.Add(time.Second), 10)
	require.NoError(t, err)
	require.Len(t, silent, 1, "nobody waits for synthetic viewers")
	require.Equal(t, live.session, silent[0].ID)
	require.NoError(t, st.RemoveDemo(t.Context()))
	require.Nil(t, demo.state(t, st))
	require.NotNil(t, live.state(t, st))
}

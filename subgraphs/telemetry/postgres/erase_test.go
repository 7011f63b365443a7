package postgres_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/events"
	"github.com/netflixathome/cinema/subgraphs/telemetry"
)

// Nothing is left of a profile that is gone, and what is read late does not
// bring it back.
func TestErase(t *testing.T) {
	st, gone, stays := open(t), sit(), sit()
	ctx := t.Context()
	late := gone.at(events.Heartbeat, time.Minute, 90_000)
	for _, s := range []sitting{gone, stays} {
		_, err := st.Apply(ctx, []events.Event{s.at(events.Heartbeat, 0, 60_000)})
		require.NoError(t, err)
		require.NoError(t, st.SetListed(ctx, s.profile, s.film, true))
		eight := 8
		require.NoError(t, st.SetRating(ctx, s.profile, s.film, &eight))
	}
	at, err := st.LastErased(ctx)
	require.NoError(t, err)
	require.True(t, at.IsZero())
	when := time.Now().UTC().Truncate(time.Microsecond)
	kept := func(s sitting) (n int) {
		if s.state(t, st) != nil {
			n++
		}
		marks, err := st.Marks(ctx, s.profile, []uuid.UUID{s.film.UUID})
		require.NoError(t, err)
		if marks[s.film.UUID].Listed {
			n++
		}
		if marks[s.film.UUID].Rating != nil {
			n++
		}
		sessions, err := st.Sessions(ctx, []uuid.UUID{s.session})
		require.NoError(t, err)
		return n + len(sessions)
	}
	require.Equal(t, 4, kept(gone))
	for range 2 { // it may be told again
		require.NoError(t, st.Erase(ctx, []telemetry.GoneProfile{{ID: gone.profile, At: when}}))
		require.Zero(t, kept(gone))
		changed, err := st.Apply(ctx, []events.Event{late})
		require.NoError(t, err)
		require.False(t, changed)
		require.Zero(t, kept(gone))
	}
	changed, err := st.Apply(ctx, []events.Event{late, stays.at(events.Heartbeat, time.Minute, 90_000)})
	require.NoError(t, err)
	require.True(t, changed, "others in the same batch are not lost")
	require.Zero(t, kept(gone))
	require.Equal(t, 4, kept(stays))
	require.Equal(t, 90_000, stays.state(t, st).PositionMs)
	at, err = st.LastErased(ctx)
	require.NoError(t, err)
	require.Equal(t, when, at)
}

// Events of a deleted account are handed out when they are due, to one at a
// time, and also where the version before noted the profile without it.
func TestClaimGone(t *testing.T) {
	st := open(t)
	ctx := t.Context()
	now := time.Now().UTC().Truncate(time.Microsecond)
	alone, with := telemetry.GoneProfile{ID: uuid.New(), At: now}, telemetry.GoneProfile{ID: uuid.New(), At: now, AccountID: uuid.New()}
	claim := func(at time.Time) []telemetry.GoneProfile {
		list, err := st.ClaimGone(ctx, at, at.Add(time.Minute), 10)
		require.NoError(t, err)
		for i := range list {
			list[i].At = list[i].At.UTC()
		}
		return list
	}
	require.NoError(t, st.Erase(ctx, []telemetry.GoneProfile{alone, {ID: with.ID, At: now}}))
	require.Empty(t, claim(now), "where the account stays")
	for range 2 { // told again
		require.NoError(t, st.Erase(ctx, []telemetry.GoneProfile{alone, with}))
	}
	require.Equal(t, []telemetry.GoneProfile{with}, claim(now))
	require.NoError(t, st.Erase(ctx, []telemetry.GoneProfile{alone, with}))
	require.Empty(t, claim(now), "it is claimed")
	later := now.Add(2 * time.Minute)
	require.Equal(t, []telemetry.GoneProfile{with}, claim(later), "whoever claimed it has not done it")
	again := later.Add(time.Hour)
	require.NoError(t, st.EndPass(ctx, []uuid.UUID{with.ID}, []*time.Time{&again}))
	require.Empty(t, claim(later.Add(time.Minute)))
	with.Passes = 1
	require.Equal(t, []telemetry.GoneProfile{with}, claim(again))
	require.NoError(t, st.EndPass(ctx, []uuid.UUID{with.ID}, []*time.Time{nil}))
	require.Empty(t, claim(again.Add(48*time.Hour)), "it is done")
}

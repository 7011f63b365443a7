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

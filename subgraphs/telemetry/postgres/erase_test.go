package postgres_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/events"
	"github.com/netflixathome/cinema/subgraphs/telemetry"
)

// anonymous takes what would become of the events.
type anonymous struct {
	profiles, accounts map[uuid.UUID]uuid.UUID
	calls              int
	err                error
}

func (a *anonymous) Anonymise(_ context.Context, profiles, accounts map[uuid.UUID]uuid.UUID) error {
	a.profiles, a.accounts = profiles, accounts
	a.calls++
	return a.err
}

func TestWhoIsDeletedIsErased(t *testing.T) {
	st, gone, stays := open(t), sit(), sit()
	ctx, now := t.Context(), time.Now()
	for _, s := range []sitting{gone, stays} {
		_, err := st.Apply(ctx, []events.Event{s.at(events.PlayStarted, 0, 1000)})
		require.NoError(t, err)
		require.NoError(t, st.SetListed(ctx, s.profile, s.film, true))
		seven := 7
		require.NoError(t, st.SetRating(ctx, s.profile, s.film, &seven))
	}
	left := func(s sitting) int {
		t.Helper()
		n := 0
		if s.state(t, st) != nil {
			n++
		}
		marks, err := st.Marks(ctx, s.profile, []uuid.UUID{s.film.UUID})
		require.NoError(t, err)
		if m := marks[s.film.UUID]; m.Listed {
			n++
		}
		if m := marks[s.film.UUID]; m.Rating != nil {
			n++
		}
		sessions, err := st.Sessions(ctx, []uuid.UUID{s.session})
		require.NoError(t, err)
		return n + len(sessions)
	}
	require.Equal(t, 4, left(gone))

	list := []telemetry.Erasure{{Number: 7, AccountID: gone.user, ProfileID: gone.profile, At: now}}
	load := func(_ context.Context, after int64) (out []telemetry.Erasure, err error) {
		for _, e := range list {
			if e.Number > after {
				out = append(out, e)
			}
		}
		return out, nil
	}
	log := &anonymous{err: errors.New("away")}
	eraser, err := telemetry.NewEraser(load, st, log, slog.New(slog.DiscardHandler), func() time.Time { return now })
	require.NoError(t, err)
	require.Error(t, eraser.Once(ctx))
	require.Zero(t, left(gone), "the statistics hold up nothing but themselves")
	require.Equal(t, 4, left(stays))
	log.err = nil
	require.NoError(t, eraser.Once(ctx))
	require.Contains(t, log.profiles, gone.profile)
	require.Contains(t, log.accounts, gone.user)
	require.NotEqual(t, gone.profile, log.profiles[gone.profile])
	require.Equal(t, 2, log.calls)

	// What was on its way is not written down again, whatever way it comes.
	_, err = st.Apply(ctx, []events.Event{gone.at(events.Heartbeat, time.Minute, 60_000)})
	require.NoError(t, err)
	require.NoError(t, st.SetListed(ctx, gone.profile, gone.film, true))
	require.Zero(t, left(gone))

	// Nothing new: nothing is done until the next pass is due, and then twice more.
	require.NoError(t, eraser.Once(ctx))
	require.Equal(t, 2, log.calls)
	for i := range 3 {
		now = now.Add(25 * time.Hour)
		require.NoError(t, eraser.Once(ctx))
		require.Equal(t, min(3+i, 4), log.calls)
	}
	// A number that appears late is not missed.
	list = append(list, telemetry.Erasure{Number: 9, ProfileID: uuid.New(), At: now})
	require.NoError(t, eraser.Once(ctx))
	list = append(list, telemetry.Erasure{Number: 8, ProfileID: stays.profile, At: now})
	require.NoError(t, eraser.Once(ctx))
	require.Zero(t, left(stays))
}

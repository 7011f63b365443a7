package await_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/await"
)

var errAway = errors.New("connection refused")

func TestWhatComesLaterIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, tries, said := time.Now(), 0, []time.Duration{}
		err := await.Until(t.Context(), func(context.Context) error {
			tries++
			if time.Since(began) < 24*time.Hour {
				return errAway
			}
			return nil
		}, func(f await.Failure) {
			require.Equal(t, errAway, f.Err)
			require.Equal(t, time.Since(began), f.Waited)
			if f.Say {
				said = append(said, f.Waited)
			}
		})
		require.NoError(t, err)
		waited := time.Since(began)
		require.Less(t, waited, 24*time.Hour+8*time.Second, "it is used soon after it has come")
		require.Less(t, tries, 24*60*60/2, "nobody is hammered")
		require.Zero(t, said[0], "the first failure is said at once")
		require.Less(t, said[1], 25*time.Second)
		require.Less(t, len(said), 160, "a day of waiting is some lines in the log")
		require.Greater(t, len(said), 140, "and it never falls silent")
	})
}

func TestProgramsDoNotComeBackTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		moments := map[time.Duration]bool{}
		for range 20 {
			began, tries := time.Now(), 0
			require.NoError(t, await.Until(t.Context(), func(context.Context) error {
				if tries++; tries == 5 {
					return nil
				}
				return errAway
			}, func(await.Failure) {}))
			moments[time.Since(began)] = true
		}
		require.Greater(t, len(moments), 15)
	})
}

func TestWhatNeverComesIsNotWaitedFor(t *testing.T) {
	refused := fmt.Errorf("open: %w", await.Never(errors.New("wrong password")))
	tries := 0
	err := await.Until(t.Context(), func(context.Context) error { tries++; return refused }, func(await.Failure) { t.Error("told to wait") })
	require.Equal(t, refused, err)
	require.Equal(t, 1, tries)
	require.True(t, await.IsNever(fmt.Errorf("a: %w", errors.Join(errAway, err))))
	require.False(t, await.IsNever(errAway))
	require.NoError(t, await.Never(nil))
}

// The end of the program ends the waiting, not the next try.
func TestWaitingEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var told time.Time
		tries := 0
		err := await.Until(ctx, func(context.Context) error { tries++; return errAway }, func(f await.Failure) {
			if f.Waited > time.Minute {
				told = time.Now()
				cancel()
			}
		})
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, errAway, "what was waited over is said")
		require.Equal(t, told, time.Now())
		require.False(t, await.IsNever(err))
	})
}

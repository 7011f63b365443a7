// Package limittest is what every limit.Limiter must pass.
package limittest

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/limit"
)

// Run tests the limiter that open makes, with no key used yet. The suite lives
// on real time, since a shared limiter keeps its own clock.
func Run(t *testing.T, open func(t *testing.T) limit.Limiter) {
	ctx := context.Background()
	hourly := limit.Rate{Limit: 10, Per: time.Hour, Burst: 3}

	t.Run("the burst, then a wait", func(t *testing.T) {
		l := open(t)
		for i := range 3 {
			r, err := l.Allow(ctx, "a", hourly, 1)
			require.NoError(t, err)
			require.Equal(t, limit.Result{Allowed: true, Remaining: 2 - i}, r)
		}
		r, err := l.Allow(ctx, "a", hourly, 1)
		require.NoError(t, err)
		require.False(t, r.Allowed)
		require.Zero(t, r.Remaining)
		require.InDelta(t, (6 * time.Minute).Seconds(), r.RetryAfter.Seconds(), 10)
	})
	t.Run("keys do not share", func(t *testing.T) {
		l := open(t)
		for _, key := range []string{"a", "b", "", "ключ \x00"} {
			r, err := l.Allow(ctx, key, hourly, 3)
			require.NoError(t, err)
			require.True(t, r.Allowed, "%q", key)
		}
	})
	t.Run("all of the cost or nothing", func(t *testing.T) {
		l := open(t)
		r, err := l.Allow(ctx, "a", hourly, 2)
		require.NoError(t, err)
		require.True(t, r.Allowed)
		r, err = l.Allow(ctx, "a", hourly, 2)
		require.NoError(t, err)
		require.False(t, r.Allowed)
		require.Equal(t, 1, r.Remaining)
		r, err = l.Allow(ctx, "a", hourly, 1)
		require.NoError(t, err)
		require.True(t, r.Allowed, "a refusal costs nothing")
	})
	t.Run("what is spent is earned back", func(t *testing.T) {
		l := open(t)
		fast := limit.Rate{Limit: 20, Per: time.Second, Burst: 1}
		r, err := l.Allow(ctx, "a", fast, 1)
		require.NoError(t, err)
		require.True(t, r.Allowed)
		require.Eventually(t, func() bool {
			r, err := l.Allow(ctx, "a", fast, 1)
			return err == nil && r.Allowed
		}, 5*time.Second, 5*time.Millisecond)
	})
	t.Run("what can never be allowed is an error", func(t *testing.T) {
		l := open(t)
		for _, cost := range []int{-1, 0, 4} {
			_, err := l.Allow(ctx, "a", hourly, cost)
			require.ErrorIs(t, err, limit.ErrCost)
		}
		for _, rate := range []limit.Rate{{}, {Limit: 1, Burst: 1}, {Per: time.Second, Burst: 1}, {Limit: 1, Per: time.Second}} {
			_, err := l.Allow(ctx, "a", rate, 1)
			require.Error(t, err)
		}
	})
	t.Run("many at once get no more than the burst", func(t *testing.T) {
		l := open(t)
		rate := limit.Rate{Limit: 1, Per: time.Hour, Burst: 50}
		var allowed atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 25 {
					r, err := l.Allow(ctx, "a", rate, 1)
					if err != nil {
						t.Error(err)
					}
					if r.Allowed {
						allowed.Add(1)
					}
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 50, allowed.Load())
	})
	t.Run("a context that ended is an error", func(t *testing.T) {
		l := open(t)
		gone, cancel := context.WithCancel(ctx)
		cancel()
		_, err := l.Allow(gone, "a", hourly, 1)
		require.Error(t, err)
	})
}

package memory

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/limit"
	"github.com/netflixathome/cinema/internal/limit/limittest"
)

func TestLimiter(t *testing.T) {
	limittest.Run(t, func(t *testing.T) limit.Limiter {
		l, err := New(1000, time.Now)
		require.NoError(t, err)
		return l
	})
}

// In any hour no more than the burst and an hour's earnings pass, wherever the
// hour begins.
func TestNoWindowBorder(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	l, err := New(10, func() time.Time { return now })
	require.NoError(t, err)
	rate := limit.Rate{Limit: 60, Per: time.Hour, Burst: 5}
	passed := 0
	for range 3600 {
		r, err := l.Allow(context.Background(), "a", rate, 1)
		require.NoError(t, err)
		if r.Allowed {
			passed++
		} else {
			require.LessOrEqual(t, r.RetryAfter, time.Minute)
		}
		now = now.Add(time.Second)
	}
	require.InDelta(t, 65, passed, 1)
}

func TestRetryAfterIsExact(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	l, err := New(10, func() time.Time { return now })
	require.NoError(t, err)
	rate := limit.Rate{Limit: 1, Per: time.Minute, Burst: 2}
	ctx := context.Background()
	_, err = l.Allow(ctx, "a", rate, 2)
	require.NoError(t, err)
	r, err := l.Allow(ctx, "a", rate, 1)
	require.NoError(t, err)
	now = now.Add(r.RetryAfter - 1)
	r, _ = l.Allow(ctx, "a", rate, 1)
	require.False(t, r.Allowed)
	now = now.Add(1)
	r, _ = l.Allow(ctx, "a", rate, 1)
	require.True(t, r.Allowed)
}

func TestBoundedKeys(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	l, err := New(1000, func() time.Time { return now })
	require.NoError(t, err)
	ctx := context.Background()
	rate := limit.Rate{Limit: 1, Per: time.Second, Burst: 100}
	for i := range 5000 {
		_, err := l.Allow(ctx, fmt.Sprint(i), rate, 1+i%100)
		require.NoError(t, err)
	}
	require.Len(t, l.full, 1000)

	now = now.Add(time.Hour)
	for range 2000 {
		_, err := l.Allow(ctx, "one", rate, 1)
		require.NoError(t, err)
	}
	require.Len(t, l.full, 1, "keys that have earned all back are swept")
}

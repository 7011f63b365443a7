package redis_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/limit"
	"github.com/netflixathome/cinema/internal/limit/limittest"
	"github.com/netflixathome/cinema/internal/limit/redis"
	"github.com/netflixathome/cinema/internal/redis/redistest"
)

func TestLimiter(t *testing.T) {
	client := redistest.Shared(t)
	limittest.Run(t, func(t *testing.T) limit.Limiter {
		l, err := redis.New(client, redistest.Prefix(t, client))
		require.NoError(t, err)
		return l
	})
}

func TestLimiterOnCluster(t *testing.T) {
	client := redistest.Open(t, redistest.StartCluster(t).URL())
	limittest.Run(t, func(t *testing.T) limit.Limiter {
		l, err := redis.New(client, redistest.Prefix(t, client))
		require.NoError(t, err)
		return l
	})
}

func TestInstancesShare(t *testing.T) {
	ctx, client, other := t.Context(), redistest.Shared(t), redistest.Shared(t)
	prefix := redistest.Prefix(t, client)
	one, err := redis.New(client, prefix)
	require.NoError(t, err)
	two, err := redis.New(other, prefix)
	require.NoError(t, err)
	rate := limit.Rate{Limit: 1, Per: time.Hour, Burst: 2}
	for _, l := range []*redis.Limiter{one, two} {
		r, err := l.Allow(ctx, "a", rate, 1)
		require.NoError(t, err)
		require.True(t, r.Allowed)
	}
	for _, l := range []*redis.Limiter{one, two} {
		r, err := l.Allow(ctx, "a", rate, 1)
		require.NoError(t, err)
		require.False(t, r.Allowed)
	}
}

// An interval that is no whole number of seconds must not make the count fall
// short of what was not spent. In an hour and more nothing is earned meanwhile.
func TestRemainingIsWhole(t *testing.T) {
	ctx, client := t.Context(), redistest.Shared(t)
	l, err := redis.New(client, redistest.Prefix(t, client))
	require.NoError(t, err)
	for _, rate := range []limit.Rate{
		{Limit: 7, Per: 24 * time.Hour, Burst: 100},
		{Limit: 13, Per: 100 * time.Hour, Burst: 100},
		{Limit: 1, Per: 1_234_567_890_123_457, Burst: 100},
	} {
		key := rate.Per.String()
		for i := range rate.Burst {
			r, err := l.Allow(ctx, key, rate, 1)
			require.NoError(t, err)
			require.Equal(t, limit.Result{Allowed: true, Remaining: rate.Burst - 1 - i}, r, "%v", rate)
		}
		r, err := l.Allow(ctx, key, rate, rate.Burst)
		require.NoError(t, err)
		require.False(t, r.Allowed)
		require.Zero(t, r.Remaining)
		require.InDelta(t, rate.Per.Seconds()/float64(rate.Limit)*float64(rate.Burst), r.RetryAfter.Seconds(), 10)
	}
}

// Whoever waits as long as he was told is let through.
func TestRetryAfterSuffices(t *testing.T) {
	ctx, client := t.Context(), redistest.Shared(t)
	l, err := redis.New(client, redistest.Prefix(t, client))
	require.NoError(t, err)
	rate := limit.Rate{Limit: 33, Per: time.Second, Burst: 1}
	refused := 0
	for passed := 0; passed < 10; {
		r, err := l.Allow(ctx, "a", rate, 1)
		require.NoError(t, err)
		if !r.Allowed {
			require.Positive(t, r.RetryAfter)
			require.LessOrEqual(t, r.RetryAfter, time.Second/33+time.Microsecond)
			refused++
			<-time.After(r.RetryAfter)
			r, err = l.Allow(ctx, "a", rate, 1)
			require.NoError(t, err)
			require.True(t, r.Allowed)
		}
		passed++
	}
	require.Positive(t, refused)
}

// A key begins as all of the program's do, and is gone when all is earned back.
func TestKeys(t *testing.T) {
	ctx, client := t.Context(), redistest.Shared(t)
	prefix := redistest.Prefix(t, client)
	l, err := redis.New(client, prefix)
	require.NoError(t, err)
	for _, key := range []string{"a", "rate:"} {
		_, err = l.Allow(ctx, key, limit.Rate{Limit: 1, Per: time.Hour, Burst: 2}, 1)
		require.NoError(t, err)
		left, err := client.TTL(ctx, prefix+"limit:"+key).Result()
		require.NoError(t, err)
		require.InDelta(t, time.Hour.Seconds(), left.Seconds(), 10)
	}
	require.Len(t, redistest.Keys(ctx, t, client, prefix), 2)
	require.Empty(t, redistest.Keys(ctx, t, client, "rate:"+prefix))
}

// A server that has lost the script with everything else is given it again;
// while it is away there is an error, soon.
func TestServerLostAndBack(t *testing.T) {
	ctx, server := t.Context(), redistest.Start(t)
	l, err := redis.New(redistest.Open(t, server.URL()), "p:")
	require.NoError(t, err)
	rate := limit.Rate{Limit: 1, Per: time.Hour, Burst: 1}
	for name, lose := range map[string]func(){"killed": server.Kill, "hangs": server.Hang} {
		r, err := l.Allow(ctx, "a", rate, 1)
		require.NoError(t, err)
		require.True(t, r.Allowed)
		lose()
		began := time.Now()
		_, err = l.Allow(ctx, "a", rate, 1)
		require.Error(t, err, name)
		require.Less(t, time.Since(began), 5*time.Second, name)
		server.Restart()
		require.Eventually(t, func() bool {
			_, err := l.Allow(ctx, "b", rate, 1)
			return err == nil
		}, 10*time.Second, 10*time.Millisecond, name)
	}
}

func TestNewRefuses(t *testing.T) {
	_, err := redis.New(nil, "p:")
	require.Error(t, err)
	_, err = redis.New(redistest.Shared(t), "")
	require.Error(t, err)
}

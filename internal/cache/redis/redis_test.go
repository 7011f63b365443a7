package redis_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/cache"
	"github.com/netflixathome/cinema/internal/cache/cachetest"
	"github.com/netflixathome/cinema/internal/cache/redis"
	"github.com/netflixathome/cinema/internal/redis/redistest"
)

func TestStore(t *testing.T) {
	client := redistest.Shared(t)
	cachetest.Run(t, func(t *testing.T) cache.Store {
		s, err := redis.New(client, redistest.Prefix(t, client))
		require.NoError(t, err)
		return s
	})
}

func TestStoreOnCluster(t *testing.T) {
	client := redistest.Open(t, redistest.StartCluster(t).URL())
	cachetest.Run(t, func(t *testing.T) cache.Store {
		s, err := redis.New(client, redistest.Prefix(t, client))
		require.NoError(t, err)
		return s
	})
}

func TestEveryKeyHasPrefixAndTime(t *testing.T) {
	ctx, client := t.Context(), redistest.Shared(t)
	prefix := redistest.Prefix(t, client)
	s, err := redis.New(client, prefix)
	require.NoError(t, err)
	require.NoError(t, s.Set(ctx, "a", []byte("1"), time.Minute))
	require.Equal(t, []string{prefix + "cache:a"}, redistest.Keys(ctx, t, client, prefix))
	left, err := client.PTTL(ctx, prefix+"cache:a").Result()
	require.NoError(t, err)
	require.InDelta(t, time.Minute.Seconds(), left.Seconds(), 10)

	require.NoError(t, s.Set(ctx, "a", []byte("1"), time.Nanosecond), "less than the server's unit is no fault")
	require.Eventually(t, func() bool {
		_, ok, err := s.Get(ctx, "a")
		return err == nil && !ok
	}, 5*time.Second, time.Millisecond)
}

func TestManyDeletedAtOnce(t *testing.T) {
	ctx, client := t.Context(), redistest.Shared(t)
	prefix := redistest.Prefix(t, client)
	s, err := redis.New(client, prefix)
	require.NoError(t, err)
	var keys []string
	for i := range 1000 {
		keys = append(keys, fmt.Sprint(i))
		require.NoError(t, s.Set(ctx, keys[i], nil, time.Minute))
	}
	require.NoError(t, s.Delete(ctx, keys...))
	require.Empty(t, redistest.Keys(ctx, t, client, prefix))
}

// The store comes back with the server, empty; until then it fails, soon.
func TestServerLostAndBack(t *testing.T) {
	ctx, server := t.Context(), redistest.Start(t)
	s, err := redis.New(redistest.Open(t, server.URL()), "p:")
	require.NoError(t, err)
	require.NoError(t, s.Set(ctx, "a", []byte("1"), time.Minute))
	for name, lose := range map[string]func(){"killed": server.Kill, "hangs": server.Hang} {
		lose()
		began := time.Now()
		_, _, err = s.Get(ctx, "a")
		require.Error(t, err, name)
		require.Error(t, s.Set(ctx, "a", []byte("1"), time.Minute), name)
		require.Error(t, s.Delete(ctx, "a"), name)
		require.Less(t, time.Since(began), 10*time.Second, name)
		server.Restart()
		require.Eventually(t, func() bool {
			_, ok, err := s.Get(ctx, "a")
			return err == nil && !ok
		}, 10*time.Second, 10*time.Millisecond, name)
	}
}

func TestNewRefuses(t *testing.T) {
	_, err := redis.New(nil, "p:")
	require.Error(t, err)
	_, err = redis.New(redistest.Shared(t), "")
	require.Error(t, err)
}

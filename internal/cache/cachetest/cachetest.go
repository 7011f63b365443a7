// Package cachetest is what every cache.Store must pass.
package cachetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/cache"
)

// Run tests the store that open makes, empty, for each case.
func Run(t *testing.T, open func(t *testing.T) cache.Store) {
	ctx := context.Background()
	must := func(t *testing.T, s cache.Store, key, want string) {
		t.Helper()
		got, ok, err := s.Get(ctx, key)
		require.NoError(t, err)
		require.True(t, ok, key)
		require.Equal(t, want, string(got))
	}
	absent := func(t *testing.T, s cache.Store, key string) {
		t.Helper()
		_, ok, err := s.Get(ctx, key)
		require.NoError(t, err)
		require.False(t, ok, key)
	}

	t.Run("set, get, replace, delete", func(t *testing.T) {
		s := open(t)
		absent(t, s, "a")
		require.NoError(t, s.Set(ctx, "a", []byte("1"), time.Minute))
		must(t, s, "a", "1")
		require.NoError(t, s.Set(ctx, "a", []byte("2"), time.Minute))
		must(t, s, "a", "2")
		require.NoError(t, s.Set(ctx, "b", []byte("3"), time.Minute))
		require.NoError(t, s.Delete(ctx, "a", "never there"))
		absent(t, s, "a")
		must(t, s, "b", "3")
		require.NoError(t, s.Delete(ctx))
	})
	t.Run("an empty value is a value", func(t *testing.T) {
		s := open(t)
		require.NoError(t, s.Set(ctx, "a", nil, time.Minute))
		must(t, s, "a", "")
	})
	t.Run("keys and values are any bytes", func(t *testing.T) {
		s := open(t)
		key, value := "ключ \x00\n:*{}", "\x00\xff\r\n"
		require.NoError(t, s.Set(ctx, key, []byte(value), time.Minute))
		must(t, s, key, value)
	})
	t.Run("an entry ends with its time", func(t *testing.T) {
		s := open(t)
		require.NoError(t, s.Set(ctx, "short", []byte("1"), 50*time.Millisecond))
		require.NoError(t, s.Set(ctx, "long", []byte("2"), time.Minute))
		require.Eventually(t, func() bool {
			_, ok, err := s.Get(ctx, "short")
			return err == nil && !ok
		}, 5*time.Second, 10*time.Millisecond)
		must(t, s, "long", "2")
	})
	t.Run("replacing gives the new time", func(t *testing.T) {
		s := open(t)
		require.NoError(t, s.Set(ctx, "a", []byte("1"), time.Minute))
		require.NoError(t, s.Set(ctx, "a", []byte("2"), 50*time.Millisecond))
		require.Eventually(t, func() bool {
			_, ok, err := s.Get(ctx, "a")
			return err == nil && !ok
		}, 5*time.Second, 10*time.Millisecond)
	})
	t.Run("no time is refused", func(t *testing.T) {
		s := open(t)
		require.ErrorIs(t, s.Set(ctx, "a", []byte("1"), 0), cache.ErrTTL)
		require.ErrorIs(t, s.Set(ctx, "a", []byte("1"), -time.Second), cache.ErrTTL)
		absent(t, s, "a")
	})
	t.Run("bytes are copied on the way in and out", func(t *testing.T) {
		s := open(t)
		in := []byte("abc")
		require.NoError(t, s.Set(ctx, "a", in, time.Minute))
		in[0] = 'X'
		out, _, err := s.Get(ctx, "a")
		require.NoError(t, err)
		out[1] = 'Y'
		must(t, s, "a", "abc")
	})
	t.Run("a context that ended is an error", func(t *testing.T) {
		s := open(t)
		gone, cancel := context.WithCancel(ctx)
		cancel()
		require.Error(t, s.Set(gone, "a", []byte("1"), time.Minute))
		_, _, err := s.Get(gone, "a")
		require.Error(t, err)
		require.Error(t, s.Delete(gone, "a"))
	})
	t.Run("many at once", func(t *testing.T) {
		s := open(t)
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := range 100 {
					key := fmt.Sprint("k", i%10)
					if err := s.Set(ctx, key, []byte(key), time.Minute); err != nil {
						t.Error(err)
					}
					if got, ok, err := s.Get(ctx, key); err != nil || (ok && string(got) != key) {
						t.Errorf("got %q %v %v", got, ok, err)
					}
					if w == 0 {
						if err := s.Delete(ctx, key); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		wg.Wait()
	})
}

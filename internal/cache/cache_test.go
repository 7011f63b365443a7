package cache_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/cache"
	"github.com/netflixathome/cinema/internal/cache/memory"
)

func open(t *testing.T) *cache.Cache {
	s, err := memory.New(1 << 20)
	require.NoError(t, err)
	c, err := cache.New(s, slog.New(slog.NewTextHandler(io.Discard, nil)))
	require.NoError(t, err)
	return c
}

func TestOneLoadForMany(t *testing.T) {
	c := open(t)
	var loads atomic.Int32
	begun, release := make(chan struct{}), make(chan struct{})
	load := func(context.Context) ([]byte, error) {
		loads.Add(1)
		close(begun)
		<-release
		return []byte("v"), nil
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			v, err := c.GetOrLoad(context.Background(), "k", time.Minute, load)
			if err != nil || string(v) != "v" {
				t.Errorf("%q %v", v, err)
			}
			v[0] = 'X' // another caller's bytes must not change
		})
	}
	<-begun
	close(release)
	wg.Wait()
	require.EqualValues(t, 1, loads.Load())
	v, ok, err := c.Get(context.Background(), "k")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "v", string(v))
}

func TestLeaderMayLeave(t *testing.T) {
	c := open(t)
	leader, leave := context.WithCancel(context.Background())
	begun, release := make(chan struct{}), make(chan struct{})
	left := make(chan error)
	go func() {
		_, err := c.GetOrLoad(leader, "k", time.Minute, func(ctx context.Context) ([]byte, error) {
			close(begun)
			<-release
			return []byte("v"), ctx.Err()
		})
		left <- err
	}()
	<-begun
	leave()
	require.ErrorIs(t, <-left, context.Canceled)
	close(release)
	v, err := c.GetOrLoad(context.Background(), "k", time.Minute, func(context.Context) ([]byte, error) {
		return nil, errors.New("loaded twice")
	})
	require.NoError(t, err)
	require.Equal(t, "v", string(v))
}

func TestFailuresAreNotKept(t *testing.T) {
	c := open(t)
	ctx := context.Background()
	boom := errors.New("boom")
	_, err := c.GetOrLoad(ctx, "k", time.Minute, func(context.Context) ([]byte, error) { return nil, boom })
	require.ErrorIs(t, err, boom)
	_, err = c.GetOrLoad(ctx, "k", time.Minute, func(context.Context) ([]byte, error) { panic("boom") })
	require.ErrorContains(t, err, "panicked")
	v, err := c.GetOrLoad(ctx, "k", time.Minute, func(context.Context) ([]byte, error) { return []byte("v"), nil })
	require.NoError(t, err)
	require.Equal(t, "v", string(v))
	_, err = c.GetOrLoad(ctx, "k", 0, nil)
	require.ErrorIs(t, err, cache.ErrTTL)
}

type broken struct{}

func (broken) Get(context.Context, string) ([]byte, bool, error) {
	return nil, false, errors.New("down")
}
func (broken) Set(context.Context, string, []byte, time.Duration) error { return errors.New("down") }
func (broken) Delete(context.Context, ...string) error                  { return errors.New("down") }

func TestBrokenStoreCostsNoAnswer(t *testing.T) {
	c, err := cache.New(broken{}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	require.NoError(t, err)
	v, err := c.GetOrLoad(context.Background(), "k", time.Minute, func(context.Context) ([]byte, error) { return []byte("v"), nil })
	require.NoError(t, err)
	require.Equal(t, "v", string(v))
}

package memory

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/cache"
	"github.com/netflixathome/cinema/internal/cache/cachetest"
)

func TestStore(t *testing.T) {
	cachetest.Run(t, func(t *testing.T) cache.Store {
		s, err := New(1 << 20)
		require.NoError(t, err)
		return s
	})
}

func TestBoundedByBytes(t *testing.T) {
	ctx := context.Background()
	s, err := New(100_000)
	require.NoError(t, err)
	for i := range 1000 {
		require.NoError(t, s.Set(ctx, fmt.Sprint(i), make([]byte, 1000), time.Hour))
	}
	s.entries.CleanUp()
	require.LessOrEqual(t, s.entries.WeightedSize(), uint64(100_000))

	require.NoError(t, s.Set(ctx, "0", []byte("old"), time.Hour))
	require.NoError(t, s.Set(ctx, "0", make([]byte, 200_000), time.Hour), "too large is no fault")
	_, ok, err := s.Get(ctx, "0")
	require.NoError(t, err)
	require.False(t, ok, "nor is the old value left behind")
}

func TestNewRefuses(t *testing.T) {
	_, err := New(0)
	require.Error(t, err)
}

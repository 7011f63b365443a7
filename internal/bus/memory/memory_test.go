package memory

import (
	"context"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/bus"
	"github.com/netflixathome/cinema/internal/bus/bustest"
)

func TestBus(t *testing.T) {
	bustest.Run(t, func(*testing.T) bus.Bus { return New() })
}

func TestExactlyTheOldestAreLost(t *testing.T) {
	b := New()
	c, err := b.Subscribe(t.Context(), "t")
	require.NoError(t, err)
	for i := range bus.Backlog + 10 {
		require.NoError(t, b.Publish(t.Context(), "t", []byte(strconv.Itoa(i))))
	}
	require.Equal(t, "10", string(<-c))
}

func TestNothingIsLeftBehind(t *testing.T) {
	b := New()
	ctx, cancel := context.WithCancel(t.Context())
	c, err := b.Subscribe(ctx, "t")
	require.NoError(t, err)
	cancel()
	for range c {
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Empty(t, b.listeners)
}

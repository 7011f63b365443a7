// Package bustest is what every bus.Bus must pass.
package bustest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/bus"
)

const patience = 10 * time.Second

// Run tests the bus that open makes; topics of one case are its own.
func Run(t *testing.T, open func(t *testing.T) bus.Bus) {
	take := func(t *testing.T, c <-chan []byte) string {
		t.Helper()
		select {
		case m, ok := <-c:
			require.True(t, ok, "the channel was closed")
			return string(m)
		case <-time.After(patience):
			require.FailNow(t, "no message came")
			return ""
		}
	}

	t.Run("all listeners of the topic, in order", func(t *testing.T) {
		b, ctx := open(t), t.Context()
		topic := "order"
		one, err := b.Subscribe(ctx, topic)
		require.NoError(t, err)
		two, err := b.Subscribe(ctx, topic)
		require.NoError(t, err)
		other, err := b.Subscribe(ctx, topic+".other")
		require.NoError(t, err)
		for i := range 10 {
			require.NoError(t, b.Publish(ctx, topic, []byte(strconv.Itoa(i))))
		}
		require.NoError(t, b.Publish(ctx, topic+".other", []byte("o")))
		for i := range 10 {
			require.Equal(t, strconv.Itoa(i), take(t, one))
			require.Equal(t, strconv.Itoa(i), take(t, two))
		}
		require.Equal(t, "o", take(t, other))
		_, passing := b.Passing("order.nobody")
		require.False(t, passing)
		breaks, passing := b.Passing(topic)
		require.Zero(t, breaks)
		require.True(t, passing)
	})
	t.Run("nobody listens", func(t *testing.T) {
		require.NoError(t, open(t).Publish(t.Context(), "nobody", []byte("x")))
	})
	t.Run("bytes are any and each listener's own", func(t *testing.T) {
		b, ctx := open(t), t.Context()
		one, err := b.Subscribe(ctx, "bytes")
		require.NoError(t, err)
		two, err := b.Subscribe(ctx, "bytes")
		require.NoError(t, err)
		sent := []byte("\x00\xff\r\n")
		require.NoError(t, b.Publish(ctx, "bytes", sent))
		sent[0] = 'X'
		var got []byte
		select {
		case got = <-one:
		case <-time.After(patience):
			require.FailNow(t, "no message came")
		}
		require.Equal(t, "\x00\xff\r\n", string(got))
		got[0] = 'Y'
		require.Equal(t, "\x00\xff\r\n", take(t, two))
	})
	t.Run("the channel closes with the context", func(t *testing.T) {
		b := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		c, err := b.Subscribe(ctx, "close")
		require.NoError(t, err)
		cancel()
		deadline := time.After(patience)
		for {
			select {
			case _, ok := <-c:
				if !ok {
					require.NoError(t, b.Publish(t.Context(), "close", []byte("x")))
					return
				}
			case <-deadline:
				require.FailNow(t, "still open")
			}
		}
	})
	t.Run("a slow listener holds nobody up and loses the oldest", func(t *testing.T) {
		b, ctx := open(t), t.Context()
		slow, err := b.Subscribe(ctx, "slow")
		require.NoError(t, err)
		n := 4 * bus.Backlog
		for i := range n {
			require.NoError(t, b.Publish(ctx, "slow", []byte(strconv.Itoa(i))))
		}
		last, count := "", 0
		for last != strconv.Itoa(n-1) {
			last = take(t, slow)
			count++
		}
		breaks, passing := b.Passing("slow")
		require.True(t, passing)
		require.Equal(t, count < n, breaks > 0, "that some were lost is said")
	})
	t.Run("the largest message passes, a larger one is refused", func(t *testing.T) {
		b, ctx := open(t), t.Context()
		c, err := b.Subscribe(ctx, "large")
		require.NoError(t, err)
		require.ErrorIs(t, b.Publish(ctx, "large", make([]byte, bus.MaxPayload+1)), bus.ErrTooLarge)
		require.NoError(t, b.Publish(ctx, "large", make([]byte, bus.MaxPayload)))
		require.Len(t, take(t, c), bus.MaxPayload)
	})
	t.Run("coming and going while messages pass", func(t *testing.T) {
		b, ctx := open(t), t.Context()
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for i := range 50 {
					if err := b.Publish(ctx, "churn", fmt.Append(nil, w, i)); err != nil {
						t.Error(err)
					}
				}
			})
			wg.Go(func() {
				for range 20 {
					own, cancel := context.WithCancel(ctx)
					c, err := b.Subscribe(own, "churn")
					cancel()
					if err != nil {
						t.Error(err)
						continue
					}
					for range c {
					}
				}
			})
		}
		wg.Wait()
	})
	t.Run("a context that ended is an error", func(t *testing.T) {
		b := open(t)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		require.Error(t, b.Publish(gone, "gone", []byte("x")))
		_, err := b.Subscribe(gone, "gone")
		require.Error(t, err)
	})
}

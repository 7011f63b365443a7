package eventlog

import (
	"context"
	"log/slog"
	"testing"

	"github.com/IBM/sarama"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/semaphore"
)

// stuck takes nothing, as a producer does whose brokers are away.
type stuck struct {
	sarama.AsyncProducer
	in chan *sarama.ProducerMessage
}

func (s stuck) Input() chan<- *sarama.ProducerMessage { return s.in }

func TestAppendEndsWithItsContext(t *testing.T) {
	in := make(chan *sarama.ProducerMessage)
	l := &Log{log: slog.New(slog.DiscardHandler), producer: stuck{in: in}, room: semaphore.NewWeighted(3), done: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		failed <- l.Append(ctx, []Message{{Topic: "a", Value: []byte("1")}, {Topic: "a", Value: []byte("2")}, {Topic: "a", Value: []byte("3")}})
	}()
	taken := <-in
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	require.True(t, l.room.TryAcquire(2), "what was not handed over takes no room")
	require.False(t, l.room.TryAcquire(1), "the one that was is still under way")
	l.settle(taken, nil)
	require.True(t, l.room.TryAcquire(1))
	require.True(t, l.mu.TryLock(), "Close can go on")
}

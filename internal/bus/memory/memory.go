// Package memory passes messages within this process.
package memory

import (
	"context"
	"sync"

	"github.com/netflixathome/cinema/internal/bus"
)

// Bus is a bus.Bus in this process.
type Bus struct {
	mu        sync.Mutex
	listeners map[string]map[*bus.Listener]struct{}
	breaks    map[string]uint64
}

var _ bus.Bus = (*Bus)(nil)

// New makes a bus nobody listens to yet.
func New() *Bus {
	return &Bus{listeners: map[string]map[*bus.Listener]struct{}{}, breaks: map[string]uint64{}}
}

// Publish implements bus.Bus.
func (b *Bus) Publish(ctx context.Context, topic string, payload []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(payload) > bus.MaxPayload {
		return bus.ErrTooLarge
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for l := range b.listeners[topic] {
		if l.Put(append([]byte{}, payload...)) {
			b.breaks[topic]++
		}
	}
	return nil
}

// Passing implements bus.Bus.
func (b *Bus) Passing(topic string) (breaks uint64, passing bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.breaks[topic], len(b.listeners[topic]) > 0
}

// Subscribe implements bus.Bus.
func (b *Bus) Subscribe(ctx context.Context, topic string) (<-chan []byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l := bus.NewListener()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.listeners[topic] == nil {
		b.listeners[topic] = map[*bus.Listener]struct{}{}
	}
	b.listeners[topic][l] = struct{}{}
	context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.listeners[topic], l)
		if len(b.listeners[topic]) == 0 {
			delete(b.listeners, topic)
		}
		close(l.C)
	})
	return l.C, nil
}

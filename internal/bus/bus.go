// Package bus tells all instances of the program what has just happened:
// revoked sessions, job progress, who is watching. It is a hint, not a log: a
// message may be lost, so whoever listens must be able to ask again.
package bus

import (
	"context"
	"errors"
)

const (
	// MaxPayload is the largest message, in bytes.
	MaxPayload = 64 << 10
	// Backlog is how many messages a listener may fall behind.
	Backlog = 256
)

// ErrTooLarge is returned by Publish for a message above MaxPayload.
var ErrTooLarge = errors.New("bus: the message is larger than 64 KiB")

// Bus passes messages by topic to all who listen at that moment.
type Bus interface {
	// Publish hands payload (at most MaxPayload bytes) to the listeners of topic. It
	// never waits for a slow listener.
	Publish(ctx context.Context, topic string, payload []byte) error
	// Subscribe listens to topic until ctx ends, then closes the channel. A
	// listener that falls more than Backlog messages behind loses the oldest.
	Subscribe(ctx context.Context, topic string) (<-chan []byte, error)
	// Passing reports whether messages reach those who listen to topic now, as
	// far as is known, and how often some may have been lost to one of them.
	// Whoever sees the same number twice while listening, and passing both times,
	// has missed none between.
	Passing(topic string) (breaks uint64, passing bool)
}

// Listener is what an adapter queues for one who listens. It does not guard
// itself: whoever calls Put or closes C holds the adapter's lock.
type Listener struct{ C chan []byte }

// NewListener makes one that falls at most Backlog messages behind.
func NewListener() *Listener { return &Listener{C: make(chan []byte, Backlog)} }

// Put adds a message, in the oldest one's place if there is no room, and reports
// whether that one was lost. Nobody else sends, so after one has been taken out
// there is room.
func (l *Listener) Put(payload []byte) (lost bool) {
	for {
		select {
		case l.C <- payload:
			return lost
		default:
		}
		select {
		case <-l.C:
			lost = true
		default:
		}
	}
}

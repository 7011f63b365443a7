package redis

import "time"

// SetHealth shortens the silence after which the server is asked for an answer.
func (b *Bus) SetHealth(d time.Duration) { b.health = d }

// Idle reports whether nothing is held for anybody.
func (b *Bus) Idle() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.topics) == 0 && b.wake == nil && b.current == nil
}

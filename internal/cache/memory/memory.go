// Package memory keeps a cache in this process, bounded by bytes.
package memory

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/netflixathome/cinema/internal/cache"
)

// overhead is about what one entry costs beside its key and value.
const overhead = 128

// Store is a cache.Store in this process.
type Store struct {
	entries  *otter.Cache[string, entry]
	maxBytes int
}

type entry struct {
	value []byte
	ttl   time.Duration
}

var _ cache.Store = (*Store)(nil)

// New makes a store that holds about maxBytes of keys and values; beyond that
// it forgets what is least used.
func New(maxBytes int) (*Store, error) {
	return newStore(maxBytes, nil)
}

func newStore(maxBytes int, clock otter.Clock) (*Store, error) {
	if maxBytes <= 0 {
		return nil, errors.New("cache/memory: maxBytes must be positive")
	}
	entries, err := otter.New(&otter.Options[string, entry]{
		MaximumWeight: uint64(maxBytes),
		Weigher: func(key string, e entry) uint32 {
			return uint32(min(len(key)+len(e.value)+overhead, math.MaxUint32))
		},
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[string, entry]) time.Duration { return e.Value.ttl }),
		Clock:            clock,
	})
	if err != nil {
		return nil, fmt.Errorf("cache/memory: %w", err)
	}
	return &Store{entries: entries, maxBytes: maxBytes}, nil
}

// Get implements cache.Store.
func (s *Store) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	e, ok := s.entries.GetIfPresent(key)
	if !ok {
		return nil, false, nil
	}
	return append([]byte{}, e.value...), true, nil
}

// Set implements cache.Store. A value larger than the whole store is not kept.
func (s *Store) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if ttl <= 0 {
		return cache.ErrTTL
	}
	if len(key)+len(value)+overhead > s.maxBytes {
		s.entries.Invalidate(key)
		return nil
	}
	s.entries.Set(key, entry{value: append([]byte{}, value...), ttl: ttl})
	return nil
}

// Delete implements cache.Store.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, key := range keys {
		s.entries.Invalidate(key)
	}
	return nil
}

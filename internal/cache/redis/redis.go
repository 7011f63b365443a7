// Package redis keeps a cache on a Redis server that all instances share.
//
// The server bounds it: set maxmemory with a policy that evicts (allkeys-lru
// or volatile-lru, since every key has its time). A server that is full and
// evicts nothing refuses Set, which costs time, never an answer.
package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/netflixathome/cinema/internal/cache"
)

// Store is a cache.Store on Redis.
type Store struct {
	client goredis.UniversalClient
	prefix string
}

var _ cache.Store = (*Store)(nil)

// New makes a store whose keys begin with prefix. How long a command may take
// is the client's matter: internal/redis opens one with bounds.
func New(client goredis.UniversalClient, prefix string) (*Store, error) {
	if client == nil || prefix == "" {
		return nil, errors.New("cache/redis: Client and prefix are required")
	}
	return &Store{client: client, prefix: prefix + "cache:"}, nil
}

// Get implements cache.Store.
func (s *Store) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	value, err := s.client.Get(ctx, s.prefix+key).Result()
	switch {
	case errors.Is(err, goredis.Nil):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("cache/redis: get: %w", err)
	}
	// A copy: the library's own way to bytes lays them over the string.
	return []byte(value), true, nil
}

// Set implements cache.Store. Times are kept in whole milliseconds, at least
// one.
func (s *Store) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if ttl <= 0 {
		return cache.ErrTTL
	}
	if err := s.client.Set(ctx, s.prefix+key, value, max(ttl.Truncate(time.Millisecond), time.Millisecond)).Err(); err != nil {
		return fmt.Errorf("cache/redis: set: %w", err)
	}
	return nil
}

// Delete implements cache.Store.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(keys) == 0 {
		return nil
	}
	// One command per key: on a cluster they lie on different nodes.
	_, err := s.client.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for _, key := range keys {
			p.Unlink(ctx, s.prefix+key)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cache/redis: delete: %w", err)
	}
	return nil
}

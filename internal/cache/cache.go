// Package cache keeps, for a while, what was costly to find out.
//
// A Store is where the entries live: in this process (cache/memory) or shared
// by all instances. A Cache puts single flight in front of a Store, so that a
// hundred requests for one missing key do its work once. Nothing may depend on
// an entry being there: a Store forgets when it is full, and a Store that
// fails costs time, never an answer.
package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"golang.org/x/sync/singleflight"
)

// Store keeps bytes by key. cachetest says what an adapter must do.
type Store interface {
	// Get returns a copy that the caller may change; ok is false when the key
	// is absent or its time is over.
	Get(ctx context.Context, key string) (value []byte, ok bool, err error)
	// Set keeps a copy of value for ttl, which must be positive, and replaces
	// what was there together with its time.
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// Delete forgets the keys; those that are absent are no fault.
	Delete(ctx context.Context, keys ...string) error
}

// LoadTimeout bounds one load of GetOrLoad.
const LoadTimeout = 15 * time.Second

// ErrTTL is returned by Set when the time to live is not positive.
var ErrTTL = errors.New("cache: the time to live must be positive")

// Cache is a Store with single-flight loading.
type Cache struct {
	Store
	log    *slog.Logger
	flight singleflight.Group
}

// New makes a Cache over store.
func New(store Store, log *slog.Logger) (*Cache, error) {
	if store == nil || log == nil {
		return nil, errors.New("cache: Store and Logger are required")
	}
	return &Cache{Store: store, log: log}, nil
}

// GetOrLoad returns the entry, or calls load and keeps its result for ttl.
//
// Callers that ask for one key at the same time share one load. It runs under
// a context of its own, with the first caller's values and LoadTimeout, so a
// caller that goes away takes nobody's answer with it. A load that fails is
// not kept. A Store that fails is logged and passed over.
func (c *Cache) GetOrLoad(ctx context.Context, key string, ttl time.Duration, load func(ctx context.Context) ([]byte, error)) ([]byte, error) {
	if ttl <= 0 {
		return nil, ErrTTL
	}
	value, ok, err := c.Get(ctx, key)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		c.log.WarnContext(ctx, "cache: get failed", "error", err)
	}
	if ok {
		return value, nil
	}
	done := c.flight.DoChan(key, func() (result any, err error) {
		// singleflight ends the whole process when its function panics.
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("cache: load panicked: %v\n%s", p, debug.Stack())
			}
		}()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), LoadTimeout)
		defer cancel()
		value, err := load(ctx)
		if err != nil {
			return nil, err
		}
		if err := c.Set(ctx, key, value, ttl); err != nil {
			c.log.WarnContext(ctx, "cache: set failed", "error", err)
		}
		return value, nil
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-done:
		if r.Err != nil {
			return nil, r.Err
		}
		// Each caller gets bytes of its own: those of the flight are shared.
		return append([]byte{}, r.Val.([]byte)...), nil
	}
}

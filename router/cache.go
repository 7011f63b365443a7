package router

import (
	"container/list"
	"context"
	"errors"
	"sync"
)

// errCacheBusy says that too many values are being made already.
var errCacheBusy = errors.New("too many new documents at once")

// cache is a bounded LRU that makes each missing value once.
//
// A value is made in a goroutine of its own: a caller that leaves must not
// fail those who wait for the same value. Failures are not kept.
type cache[V any] struct {
	size      int
	maxMaking int

	mu     sync.Mutex
	items  map[string]*list.Element
	order  *list.List // front is the last used
	making map[string]*making[V]
}

type entry[V any] struct {
	key   string
	value V
}

type making[V any] struct {
	done  chan struct{}
	value V
	err   error
}

func newCache[V any](size, maxMaking int) *cache[V] {
	return &cache[V]{
		size: size, maxMaking: maxMaking,
		items: map[string]*list.Element{}, order: list.New(), making: map[string]*making[V]{},
	}
}

// get returns the value of key, made by create if there is none; hit says that
// nothing had to be made.
func (c *cache[V]) get(ctx context.Context, key string, create func() (V, error)) (value V, hit bool, err error) {
	c.mu.Lock()
	if e, ok := c.items[key]; ok {
		c.order.MoveToFront(e)
		v := e.Value.(*entry[V]).value //nolint:forcetypeassert // only entries are put in
		c.mu.Unlock()
		return v, true, nil
	}
	m, ok := c.making[key]
	if !ok {
		if len(c.making) >= c.maxMaking {
			c.mu.Unlock()
			return value, false, errCacheBusy
		}
		m = &making[V]{done: make(chan struct{})}
		c.making[key] = m
		go c.make(key, m, create)
	}
	c.mu.Unlock()
	select {
	case <-m.done:
		return m.value, false, m.err
	case <-ctx.Done():
		return value, false, ctx.Err()
	}
}

func (c *cache[V]) make(key string, m *making[V], create func() (V, error)) {
	m.value, m.err = create()
	c.mu.Lock()
	delete(c.making, key)
	if m.err == nil {
		c.items[key] = c.order.PushFront(&entry[V]{key, m.value})
		for c.order.Len() > c.size {
			last := c.order.Back()
			c.order.Remove(last)
			delete(c.items, last.Value.(*entry[V]).key) //nolint:forcetypeassert // only entries are put in
		}
	}
	c.mu.Unlock()
	close(m.done)
}

func (c *cache[V]) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len()
}

package catalog

import (
	"container/list"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/netflixathome/cinema/internal/search"
)

const (
	// shelfSize bounds the answers that are kept; each is a page at most.
	shelfSize = 256
	// shelfTimeout bounds a call that several requests wait for: it is not
	// ended by the one of them that happened to be first.
	shelfTimeout = 5 * time.Second
)

// shelf keeps the answers that every home page needs. An answer is fresh while
// the index is as it was; a stale one is served only when the index fails.
type shelf struct {
	generation func() uint64
	now        func() time.Time
	log        *slog.Logger

	flight singleflight.Group
	mu     sync.Mutex
	byKey  map[string]*list.Element
	order  *list.List // of *answer, the last used first
}

type answer struct {
	key        string
	value      any
	generation uint64
	at         time.Time
}

func (s *shelf) get(key string) *answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byKey[key]
	if e == nil {
		return nil
	}
	s.order.MoveToFront(e)
	return e.Value.(*answer)
}

func (s *shelf) put(a *answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.byKey[a.key]; e != nil {
		e.Value = a
		s.order.MoveToFront(e)
		return
	}
	s.byKey[a.key] = s.order.PushFront(a)
	if s.order.Len() > shelfSize {
		last := s.order.Back()
		s.order.Remove(last)
		delete(s.byKey, last.Value.(*answer).key)
	}
}

// shelved returns the answer of key, made by load unless a fresh one is kept.
func shelved[T any](ctx context.Context, s *shelf, key string, load func(context.Context) (T, error)) (T, error) {
	// Read before the index is, so that an answer is never taken for newer than it is.
	generation := s.generation()
	kept := s.get(key)
	if kept != nil && kept.generation == generation {
		return kept.value.(T), nil
	}
	done := s.flight.DoChan(key, func() (any, error) {
		a := &answer{key: key, generation: s.generation(), at: s.now()}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shelfTimeout)
		defer cancel()
		v, err := load(ctx)
		if err != nil {
			return nil, err
		}
		a.value = v
		s.put(a)
		return v, nil
	})
	var zero T
	select {
	case <-ctx.Done():
		return zero, ctx.Err()
	case r := <-done:
		if r.Err == nil {
			return r.Val.(T), nil
		}
		if kept != nil && !errors.Is(r.Err, search.ErrBadCursor) {
			s.log.WarnContext(ctx, "the index fails; the last good answer is served", "age", s.now().Sub(kept.at), "error", r.Err)
			From(ctx).unshared.Store(true)
			return kept.value.(T), nil
		}
		return zero, r.Err
	}
}

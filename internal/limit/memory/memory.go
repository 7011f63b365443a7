// Package memory limits rates within this process.
package memory

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/netflixathome/cinema/internal/limit"
)

// sweepEvery is after how many calls one sweep of sweepLen keys is done, which
// goes round all keys faster than calls can add them.
const (
	sweepEvery = 32
	sweepLen   = 256
	// evictAmong is how many keys are looked at to find one to drop.
	evictAmong = 16
)

// Limiter is a limit.Limiter in this process. A key is kept only while it has
// something to earn back, and there are never more than a bounded number of
// keys: when it is full of live ones, one of those with the least to earn back
// is forgotten, which errs on the side of letting someone through.
type Limiter struct {
	maxKeys int
	now     func() time.Time

	mu sync.Mutex
	// full is, by key, the moment when all is earned back: GCRA's
	// theoretical arrival time.
	full  map[string]time.Time
	calls int
}

var _ limit.Limiter = (*Limiter)(nil)

// New makes a limiter of at most maxKeys keys.
func New(maxKeys int, now func() time.Time) (*Limiter, error) {
	if maxKeys <= 0 || now == nil {
		return nil, errors.New("limit/memory: maxKeys must be positive and now given")
	}
	return &Limiter{maxKeys: maxKeys, now: now, full: map[string]time.Time{}}, nil
}

// Allow implements limit.Limiter.
func (l *Limiter) Allow(ctx context.Context, key string, rate limit.Rate, cost int) (limit.Result, error) {
	if err := ctx.Err(); err != nil {
		return limit.Result{}, err
	}
	if err := rate.Check(cost); err != nil {
		return limit.Result{}, err
	}
	interval := rate.Interval()
	capacity := interval * time.Duration(rate.Burst)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.sweep(now)
	before, known := l.full[key]
	if before.Before(now) {
		before = now
	}
	after := before.Add(interval * time.Duration(cost))
	if wait := after.Add(-capacity).Sub(now); wait > 0 {
		return limit.Result{RetryAfter: wait, Remaining: int((capacity - before.Sub(now)) / interval)}, nil
	}
	if !known && len(l.full) >= l.maxKeys {
		l.evict()
	}
	l.full[key] = after
	return limit.Result{Allowed: true, Remaining: int((capacity - after.Sub(now)) / interval)}, nil
}

// sweep forgets some keys that have earned everything back. Go walks a map
// from a random place, so every key has its turn.
func (l *Limiter) sweep(now time.Time) {
	if l.calls++; l.calls%sweepEvery != 0 {
		return
	}
	seen := 0
	for key, full := range l.full {
		if !full.After(now) {
			delete(l.full, key)
		}
		if seen++; seen == sweepLen {
			return
		}
	}
}

func (l *Limiter) evict() {
	victim, least, seen := "", time.Time{}, 0
	for key, full := range l.full {
		if seen == 0 || full.Before(least) {
			victim, least = key, full
		}
		if seen++; seen == evictAmong {
			break
		}
	}
	delete(l.full, victim)
}

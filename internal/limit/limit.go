// Package limit says how often something may be done.
//
// A limiter follows GCRA, the generic cell rate algorithm: a key may spend
// Burst at once and earns Limit per Per, evenly, so there is no window at
// whose border twice the rate slips through.
package limit

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Rate is how much a key may spend.
type Rate struct {
	// Limit per Per is earned.
	Limit int
	Per   time.Duration
	// Burst is the most that can be saved up.
	Burst int
}

// Check returns what is wrong with spending cost at this rate.
func (r Rate) Check(cost int) error {
	if r.Limit <= 0 || r.Per <= 0 || r.Burst <= 0 || r.Interval() <= 0 {
		return fmt.Errorf("limit: rate %d per %s, burst %d: all must be positive", r.Limit, r.Per, r.Burst)
	}
	if cost <= 0 || cost > r.Burst {
		return fmt.Errorf("%w: %d of %d", ErrCost, cost, r.Burst)
	}
	return nil
}

// Interval is the time in which one unit is earned.
func (r Rate) Interval() time.Duration { return r.Per / time.Duration(r.Limit) }

// ErrCost is returned for a cost that can never be allowed: below 1 or above
// the burst.
var ErrCost = errors.New("limit: the cost must be between 1 and the burst")

// Result is the answer of Allow.
type Result struct {
	Allowed bool
	// RetryAfter is how long to wait until the same would be allowed; zero
	// when it was.
	RetryAfter time.Duration
	// Remaining is what can still be spent at once.
	Remaining int
}

// Limiter counts by key. limittest says what an adapter must do.
type Limiter interface {
	// Allow spends cost from key, or nothing when it is not allowed. A key
	// belongs to one rate: put its purpose into the key. An error means that
	// the answer is not known; the caller decides whether that is a yes.
	Allow(ctx context.Context, key string, rate Rate, cost int) (Result, error)
}

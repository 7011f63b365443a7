// Package redis limits rates across all instances, on a Redis server whose
// clock is the only one, so that instances need not agree on the time.
//
// The algorithm is redis_rate's GCRA script. Three things are its caller's
// here: it says that nothing remains when it refuses a cost above what
// remains, it counts in floating point and so may fall one short, and it
// begins its keys with a word of its own.
package redis

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/go-redis/redis_rate/v10"
	goredis "github.com/redis/go-redis/v9"

	"github.com/netflixathome/cinema/internal/limit"
)

// tick is the resolution of the server's clock. The script's times are sums of
// doubles near 2^28 s, each off by up to 2^-25 s, well below a tick.
const tick = time.Microsecond

// Limiter is a limit.Limiter on Redis. A key lives on the server only while it
// has something to earn back. A command that is sent again because its answer
// got lost may spend twice, and a failover may forget what was spent in its
// last moments; both are small against a rate.
type Limiter struct {
	limiter *redis_rate.Limiter
	prefix  string
}

var _ limit.Limiter = (*Limiter)(nil)

// New makes a limiter whose keys begin with prefix. How long a command may
// take is the client's matter: internal/redis opens one with bounds.
func New(client goredis.UniversalClient, prefix string) (*Limiter, error) {
	if client == nil || prefix == "" {
		return nil, errors.New("limit/redis: Client and prefix are required")
	}
	return &Limiter{limiter: redis_rate.NewLimiter(ownKeys{client}), prefix: prefix + "limit:"}, nil
}

// Allow implements limit.Limiter.
func (l *Limiter) Allow(ctx context.Context, key string, rate limit.Rate, cost int) (limit.Result, error) {
	if err := ctx.Err(); err != nil {
		return limit.Result{}, err
	}
	if err := rate.Check(cost); err != nil {
		return limit.Result{}, err
	}
	r, err := l.limiter.AllowN(ctx, l.prefix+key, redis_rate.Limit{Rate: rate.Limit, Period: rate.Per, Burst: rate.Burst}, cost)
	if err != nil {
		return limit.Result{}, fmt.Errorf("limit/redis: %w", err)
	}
	result := limit.Result{Allowed: r.Allowed == cost, Remaining: remaining(rate, r.ResetAfter)}
	if !result.Allowed {
		// Rounded up to the next tick: after the wait it must be allowed.
		result.RetryAfter = (r.RetryAfter + tick).Truncate(tick)
	}
	return result, nil
}

// remaining is what can be spent at once by a key that has earned all back
// after reset, whether or not the script allowed what was asked.
func remaining(rate limit.Rate, reset time.Duration) int {
	interval := rate.Per.Seconds() / float64(rate.Limit)
	// What is less than a tick short of a unit is that unit.
	slack := min(tick.Seconds(), interval/2)
	n := math.Floor(float64(rate.Burst) - (reset.Seconds()-slack)/interval)
	return int(min(max(n, 0), float64(rate.Burst)))
}

// ownKeys takes redis_rate's word off the keys, so that they begin as all of
// the program's keys do, which an access rule relies on.
type ownKeys struct{ goredis.UniversalClient }

func (c ownKeys) Eval(ctx context.Context, script string, keys []string, args ...any) *goredis.Cmd {
	return c.UniversalClient.Eval(ctx, script, own(keys), args...)
}

func (c ownKeys) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *goredis.Cmd {
	return c.UniversalClient.EvalSha(ctx, sha, own(keys), args...)
}

func own(keys []string) []string {
	stripped := make([]string, len(keys))
	for i, key := range keys {
		stripped[i] = strings.TrimPrefix(key, "rate:")
	}
	return stripped
}

package redis

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

const (
	// trips is how many commands in a row must go without an answer before the
	// next ones are not sent. One may be a connection that broke.
	trips = 3
	// probeWait is how long the command may take that asks whether the server
	// is back. One caller in each pause waits that long for nothing.
	probeWait = 500 * time.Millisecond
	// The pause between two such commands doubles from the one to the other.
	minPause = 250 * time.Millisecond
	maxPause = 2 * time.Second
)

// ErrSilent is what a command gets at once while the server gives no answers.
var ErrSilent = errors.New("redis: not asked, for the server has given no answer lately")

// breaker keeps a server that hangs from costing every request CommandWait.
// After trips commands without an answer the next ones fail at once; after a
// pause one is let through, and its answer ends it. An error that the server
// states is an answer.
//
// There is one for a whole cluster: it opens when nobody answers, not when one
// node of several does not, which the cluster itself sees to.
type breaker struct {
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex
	silent  int           // commands in a row without an answer
	pause   time.Duration // the present one; 0 while commands pass
	until   time.Time     // its end
	probing bool          // a command was let through and is on its way
}

var _ goredis.Hook = (*breaker)(nil)

// DialHook implements goredis.Hook: connections are made for commands, which
// are what is counted.
func (b *breaker) DialHook(next goredis.DialHook) goredis.DialHook { return next }

// ProcessHook implements goredis.Hook.
func (b *breaker) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		return b.around(ctx, func(ctx context.Context) error { return next(ctx, cmd) })
	}
}

// ProcessPipelineHook implements goredis.Hook.
func (b *breaker) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		err := b.around(ctx, func(ctx context.Context) error { return next(ctx, cmds) })
		if errors.Is(err, ErrSilent) { // nobody else tells the commands
			for _, c := range cmds {
				c.SetErr(err)
			}
		}
		return err
	}
}

// within marks the context of a command that was let through: the greetings of
// a connection that is made for it pass the hooks as well, and belong to it.
type within struct{}

// around runs a command, unless the server is known not to answer.
func (b *breaker) around(ctx context.Context, command func(context.Context) error) error {
	if ctx.Value(within{}) != nil {
		return command(ctx)
	}
	probe, err := b.enter()
	if err != nil {
		return err
	}
	ctx = context.WithValue(ctx, within{}, true)
	if probe {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, probeWait)
		defer cancel()
	}
	told := nothing
	defer func() { b.leave(ctx, probe, told) }() // however the command ends
	began := b.now()
	err = command(ctx)
	told = tells(err, b.now().Sub(began))
	return err
}

// word is what the end of a command says of the server.
type word int

const (
	nothing word = iota
	answered
	silence
)

func tells(err error, took time.Duration) word {
	var said goredis.Error
	switch {
	case err == nil, errors.As(err, &said):
		return answered
	case errors.Is(err, context.Canceled), errors.Is(err, goredis.ErrClosed):
		return nothing // the caller, or this program, has ended it
	case errors.Is(err, context.DeadlineExceeded) && took < probeWait:
		return nothing // the caller's patience was too short to tell
	}
	return silence
}

// enter lets a command through or not; probe marks the one that asks whether
// the server is back, which leave must hear of.
func (b *breaker) enter() (probe bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pause == 0 {
		return false, nil
	}
	if b.probing || b.now().Before(b.until) {
		return false, ErrSilent
	}
	b.probing = true
	return true, nil
}

func (b *breaker) leave(ctx context.Context, probe bool, told word) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if probe {
		b.probing = false
	}
	switch {
	case told == answered:
		if b.pause > 0 {
			b.log.InfoContext(ctx, "redis: the server answers again")
		}
		b.silent, b.pause = 0, 0
	case told == silence && probe:
		b.wait(min(2*b.pause, maxPause))
	case told == silence && b.pause == 0:
		if b.silent++; b.silent == trips {
			b.log.WarnContext(ctx, "redis: the server gives no answers; it is asked now and then, and done without")
			b.wait(minPause)
		}
	}
}

// wait begins a pause, up to half longer than asked, so that not all instances
// ask at the same moment.
func (b *breaker) wait(pause time.Duration) {
	b.pause = pause
	b.until = b.now().Add(pause + rand.N(pause/2))
}

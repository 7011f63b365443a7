// Package await waits for servers that may come later than the program.
//
// Whoever opens a server tries it once, and marks with Never what waiting does
// not mend: wrong credentials, a version that is not spoken. All else may pass,
// and Until tries again. How long is the caller's to say, by the context.
package await

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	// The pause between two tries doubles from the first to the second. What
	// has come is used some seconds later at the most, and a hundred programs
	// that wait are no load for a server that is just starting.
	pauseFirst, pauseMost = 100 * time.Millisecond, 5 * time.Second
	// After the first failure the next worth a line in the log is this much
	// later; the time doubles from line to line.
	sayFirst, sayMost = 15 * time.Second, 10 * time.Minute
)

type never struct{ error }

func (n never) Unwrap() error { return n.error }

// Never marks an error that waiting does not mend.
func Never(err error) error {
	if err == nil || IsNever(err) {
		return err
	}
	return never{err}
}

// IsNever reports whether an error, or one that it wraps, was marked.
func IsNever(err error) bool {
	var n never
	return errors.As(err, &n)
}

// Failure is a try that failed, and that will be repeated.
type Failure struct {
	Err error
	// Waited is the time since the first try began.
	Waited time.Duration
	// Say is true of the first failure and then at growing intervals: a line in
	// the log for each try would hide the rest of it.
	Say bool
}

// Until tries until it has worked and returns nil, or until it never will and
// returns that error, or until ctx ends and returns why nothing came of it.
// Of each other failure it tells.
func Until(ctx context.Context, try func(context.Context) error, failed func(Failure)) error {
	began := time.Now()
	pause, silent := pauseFirst, sayFirst
	say := began
	for {
		err := try(ctx)
		if err == nil || IsNever(err) {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		}
		now := time.Now()
		f := Failure{Err: err, Waited: now.Sub(began), Say: !now.Before(say)}
		if f.Say {
			say, silent = now.Add(silent), min(2*silent, sayMost)
		}
		failed(f)
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		case <-timer.C:
		}
		pause = min(2*pause, pauseMost)
	}
}

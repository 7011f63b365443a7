package redis

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// machine is a breaker on a clock of the test's.
type machine struct {
	*breaker
	clock time.Time
}

func newMachine() *machine {
	m := &machine{clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	m.breaker = &breaker{log: slog.New(slog.DiscardHandler), now: func() time.Time { return m.clock }}
	return m
}

// ask runs a command that takes a while and ends with err; sent says whether
// it was let through.
func (m *machine) ask(ctx context.Context, took time.Duration, err error) (sent bool, got error) {
	got = m.around(ctx, func(context.Context) error {
		sent = true
		m.clock = m.clock.Add(took)
		return err
	})
	return sent, got
}

func (m *machine) open(t *testing.T) {
	t.Helper()
	for range trips {
		sent, err := m.ask(t.Context(), CommandWait, context.DeadlineExceeded)
		require.True(t, sent)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
}

func (m *machine) passes(t *testing.T, want bool) {
	t.Helper()
	sent, err := m.ask(t.Context(), 0, nil)
	require.Equal(t, want, sent)
	if want {
		require.NoError(t, err)
	} else {
		require.ErrorIs(t, err, ErrSilent)
	}
}

func TestBreakerOpensAfterSilence(t *testing.T) {
	m := newMachine()
	m.open(t)
	m.passes(t, false)
	m.clock = m.clock.Add(minPause - 1)
	m.passes(t, false)
	m.clock = m.clock.Add(minPause) // at most half longer
	m.passes(t, true)
	m.passes(t, true)
}

func TestBreakerCountsInARow(t *testing.T) {
	for name, answer := range map[string]error{"an answer": nil, "a missing key": goredis.Nil, "a refusal": said("OOM command not allowed")} {
		t.Run(name, func(t *testing.T) {
			m := newMachine()
			for range 3 {
				for range trips - 1 {
					_, err := m.ask(t.Context(), CommandWait, io.EOF)
					require.ErrorIs(t, err, io.EOF)
				}
				_, err := m.ask(t.Context(), 0, answer)
				require.Equal(t, answer, err)
			}
			m.passes(t, true)
		})
	}
}

// said is an error that the server states.
type said string

func (e said) Error() string { return string(e) }
func (said) RedisError()     {}

// What says nothing of the server neither opens nor closes.
func TestBreakerPassesOverTheCallersEnd(t *testing.T) {
	ends := map[string]struct {
		took time.Duration
		err  error
	}{
		"cancelled": {CommandWait, context.Canceled}, "closed": {0, goredis.ErrClosed}, "a short deadline": {probeWait / 2, context.DeadlineExceeded},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			m := newMachine()
			for range 3 * trips {
				sent, err := m.ask(t.Context(), end.took, end.err)
				require.True(t, sent)
				require.ErrorIs(t, err, end.err)
			}
			m.open(t)
			m.clock = m.clock.Add(2 * minPause)
			sent, _ := m.ask(t.Context(), end.took, end.err)
			require.True(t, sent)
			m.passes(t, true) // the next one asks in its place
		})
	}
}

func TestBreakerPausesGrowAndEnd(t *testing.T) {
	m := newMachine()
	m.open(t)
	pause := minPause
	for range 10 {
		m.clock = m.clock.Add(pause - 1)
		m.passes(t, false)
		m.clock = m.clock.Add(pause)
		sent, err := m.ask(t.Context(), probeWait, context.DeadlineExceeded)
		require.True(t, sent)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		m.passes(t, false)
		pause = min(2*pause, maxPause)
	}
	m.clock = m.clock.Add(2 * maxPause)
	m.passes(t, true)
	m.open(t)
	m.clock = m.clock.Add(2 * minPause)
	m.passes(t, true) // the pauses begin small again
}

// While one command asks, the others are not sent; it has an end of its own.
func TestBreakerAsksWithOneAtATime(t *testing.T) {
	m := newMachine()
	m.open(t)
	m.clock = m.clock.Add(2 * minPause)
	greeted := false
	err := m.around(t.Context(), func(ctx context.Context) error {
		_, bounded := ctx.Deadline()
		require.True(t, bounded)
		m.passes(t, false)
		return m.around(ctx, func(context.Context) error { // of its new connection
			greeted = true
			return nil
		})
	})
	require.NoError(t, err)
	require.True(t, greeted)
	m.passes(t, true)
}

// A command that panics holds nobody up.
func TestBreakerSurvivesAPanic(t *testing.T) {
	m := newMachine()
	m.open(t)
	m.clock = m.clock.Add(2 * minPause)
	require.Panics(t, func() { _ = m.around(t.Context(), func(context.Context) error { panic("x") }) })
	m.passes(t, true)
}

func TestBreakerTellsEachCommandOfAPipeline(t *testing.T) {
	m := newMachine()
	m.open(t)
	cmds := []goredis.Cmder{goredis.NewStatusCmd(t.Context(), "ping"), goredis.NewStatusCmd(t.Context(), "ping")}
	err := m.ProcessPipelineHook(func(context.Context, []goredis.Cmder) error { return errors.New("sent") })(t.Context(), cmds)
	require.ErrorIs(t, err, ErrSilent)
	for _, c := range cmds {
		require.ErrorIs(t, c.Err(), ErrSilent)
	}
}

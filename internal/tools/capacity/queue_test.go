package main

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// The simulation agrees with what the textbooks derive, to the few percent that
// a million customers leave of chance.
func TestQueueAgreesWithTextbooks(t *testing.T) {
	const n, near = 300_000, 0.08
	for name, c := range map[string]struct {
		q    queue
		wait float64
	}{
		// M/M/1: ρ/(1-ρ) × service.
		"M/M/1 at a half":         {queue{1, exponential(2), exponential(1)}, 1},
		"M/M/1 at eight tenths":   {queue{1, exponential(1.25), exponential(1)}, 4},
		"M/M/2 at six tenths":     {queue{2, exponential(1 / 1.2), exponential(1)}, erlangWait(2, 1.2, 1)},
		"M/M/8 at three quarters": {queue{8, exponential(1.0 / 6), exponential(1)}, erlangWait(8, 6, 1)},
		"M/M/32 at eight tenths":  {queue{32, exponential(1 / 25.6), exponential(1)}, erlangWait(32, 25.6, 1)},
		// M/D/1: half of M/M/1 (Pollaczek and Khinchine).
		"M/D/1 at a half":       {queue{1, exponential(2), constant(1)}, 0.5},
		"M/D/1 at eight tenths": {queue{1, exponential(1.25), constant(1)}, 2},
	} {
		got := c.q.simulate(n, 7)
		require.InEpsilon(t, c.wait, got.meanWait, near, name)
	}
	// D/D/1 below its capacity never waits.
	require.Zero(t, queue{1, constant(1), constant(0.9)}.simulate(1000, 1).meanWait)
}

// What stays in M/M/1 is exponential with mean 1/(μ-λ), so that its quantiles
// are known too.
func TestQueueQuantiles(t *testing.T) {
	got := queue{1, exponential(2), exponential(1)}.simulate(300_000, 3)
	require.InEpsilon(t, 2*math.Ln2, got.p50, 0.03)
	require.InEpsilon(t, 2*math.Log(100), got.p99, 0.05)
	require.InEpsilon(t, 0.5, got.occupancy, 0.02)
}

func TestErlangC(t *testing.T) {
	// Tabled values: c, offered load, share that waits.
	for _, c := range []struct {
		servers int
		load    float64
		wait    float64
	}{
		{1, 0.5, 0.5}, {2, 1, 1.0 / 3}, {3, 2, 4.0 / 9}, {5, 4, 0.5541}, {10, 8, 0.4092}, {4, 4, 1},
	} {
		require.InDelta(t, c.wait, erlangC(c.servers, c.load), 0.0005)
	}
	require.True(t, math.IsInf(erlangWait(2, 2, 1), 1))
	require.False(t, math.IsNaN(erlangC(2000, 1900)))
}

func TestSimulationIsRepeatable(t *testing.T) {
	q := queue{3, exponential(1), exponential(2)}
	require.Equal(t, q.simulate(10_000, 5), q.simulate(10_000, 5))
	require.NotEqual(t, q.simulate(10_000, 5), q.simulate(10_000, 6))
}

// erlangC is the share of customers that wait at all in M/M/c, for an offered
// load of a busy servers (Erlang 1917; Kleinrock, Queueing Systems I, 3.40).
func erlangC(c int, a float64) float64 {
	if a >= float64(c) {
		return 1
	}
	// Erlang B by its recurrence, which does not overflow.
	b := 1.0
	for k := 1; k <= c; k++ {
		b = a * b / (float64(k) + a*b)
	}
	rho := a / float64(c)
	return b / (1 - rho*(1-b))
}

// erlangWait is the mean wait in M/M/c for a mean service time.
func erlangWait(c int, a, service float64) float64 {
	if a >= float64(c) {
		return math.Inf(1)
	}
	return erlangC(c, a) * service / (float64(c) - a)
}

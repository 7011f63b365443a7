package main

import (
	"container/heap"
	"math/rand/v2"
	"slices"
)

// draw is a distribution of times in seconds.
type draw func(*rand.Rand) float64

func exponential(mean float64) draw {
	return func(r *rand.Rand) float64 { return mean * r.ExpFloat64() }
}
func constant(t float64) draw { return func(*rand.Rand) float64 { return t } }

// queue is one line before a number of servers (cores, connections, disks): who
// comes is served in turn by whichever is free.
type queue struct {
	servers           int
	arrivals, service draw
}

// waits is what a simulation found, in seconds.
type waits struct {
	meanWait  float64 // in the line
	p50, p99  float64 // of wait and service together
	occupancy float64 // share of the servers that is busy
}

// simulate sends n customers through the queue, after a tenth as many to fill
// it. The same seed gives the same figures.
func (q queue) simulate(n int, seed uint64) waits {
	r := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // a simulation, no secret
	free := make(times, q.servers)         // when each server is free
	warm := n / 10
	stays := make([]float64, 0, n)
	var now, waited, busy, began float64
	for i := range n + warm {
		now += q.arrivals(r)
		if i == warm {
			began = now
		}
		start := max(now, free[0])
		length := q.service(r)
		free[0] = start + length
		heap.Fix(&free, 0)
		if i >= warm {
			waited += start - now
			busy += length
			stays = append(stays, start+length-now)
		}
	}
	slices.Sort(stays)
	return waits{
		meanWait: waited / float64(n), p50: stays[n/2], p99: stays[n*99/100],
		occupancy: busy / (now - began) / float64(q.servers),
	}
}

type times []float64

func (t times) Len() int           { return len(t) }
func (t times) Less(i, j int) bool { return t[i] < t[j] }
func (t times) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *times) Push(x any)        { *t = append(*t, x.(float64)) }
func (t *times) Pop() any          { old := *t; x := old[len(old)-1]; *t = old[:len(old)-1]; return x }

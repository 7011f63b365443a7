package main

import (
	"fmt"
	"io"
	"math"
)

// machine is what a plan counts: a common size of server.
type machine struct {
	cores             int
	memoryGB, diskTB  float64
	networkGbit       float64
	filled            float64 // share of cores and network that is used at most
	filledDiskOrWorks float64 // share of memory and disk
}

var server = machine{cores: 16, memoryGB: 64, diskTB: 4, networkGbit: 10, filled: 0.6, filledDiskOrWorks: 0.7}

// part is a piece of the cinema that scales by itself, with what one viewer who
// is there costs it.
type part struct {
	name string
	// requests are those of a viewer in a second, cpuMs what one costs.
	requests, cpuMs float64
	// bytes are those of a viewer in a second.
	bytes float64
	// heldKB is memory that a viewer holds while there, stored what one leaves on
	// disk in a day that is kept for days.
	heldKB       float64
	storedKBDay  float64
	days, copies float64
	// least is how many there must be, for one to be lost.
	least int
	// barMs is how long the slowest hundredth of requests may take; zero for
	// what nobody waits for.
	barMs float64
	// writer is set where one of it does all writing: more of them do not help
	// beyond one machine until the data are split.
	writer bool
	grows  string
}

// need is what a plan comes to for one part.
type need struct {
	part
	machines int
	bound    string  // what sets the number
	busy     float64 // share of the cores
	p99      float64 // simulated, of one machine at its share of the requests
	over     bool    // one writer is not enough: the data must be split
}

// size finds how many machines a part needs for so many viewers.
func (p part) size(viewers float64, m machine) need {
	n := need{part: p, machines: p.least, bound: "redundancy"}
	for _, limit := range []struct {
		what string
		want float64
	}{
		{"CPU", viewers * p.requests * p.cpuMs / 1000 / (float64(m.cores) * m.filled)},
		{"network", viewers * p.bytes * 8 / (m.networkGbit * 1e9 * m.filled)},
		{"memory", viewers * p.heldKB / 1e6 / (m.memoryGB * m.filledDiskOrWorks)},
		{"disk", viewers * p.storedKBDay * p.days * max(p.copies, 1) / 1e9 / (m.diskTB * m.filledDiskOrWorks)},
	} {
		if k := int(math.Ceil(limit.want)); k > n.machines {
			n.machines, n.bound = k, limit.what
		}
	}
	if p.writer && viewers*p.requests*p.cpuMs/1000 > float64(m.cores)*m.filled {
		n.over = true
	}
	for n.measure(viewers, m); p.barMs > 0 && n.p99 > p.barMs && n.machines < 1_000_000; n.measure(viewers, m) {
		n.machines += 1 + n.machines/20
		n.bound = "waiting"
	}
	return n
}

// simulated is how many requests a simulation sends.
const simulated = 40_000

// measure simulates one machine: requests come at random, each takes a time
// that is exponential around the measured mean, which is worse than what was
// seen.
func (n *need) measure(viewers float64, m machine) {
	rate := viewers * n.requests / float64(n.machines)
	n.busy = rate * n.cpuMs / 1000 / float64(m.cores)
	n.p99 = 0
	if rate > 0 && n.busy < 1 {
		w := queue{m.cores, exponential(1 / rate), exponential(n.cpuMs / 1000)}.simulate(simulated, 1)
		n.p99 = w.p99 * 1000
	} else if n.busy >= 1 {
		n.p99 = math.Inf(1)
	}
}

// room is by how much the viewers could grow before the part is full.
func (n need) room(viewers float64, m machine) float64 {
	grow := math.Inf(1)
	consider := func(used, there float64) {
		if used > 0 {
			grow = min(grow, there/used)
		}
	}
	machines := float64(n.machines)
	consider(viewers*n.requests*n.cpuMs/1000, machines*float64(m.cores)*m.filled)
	consider(viewers*n.bytes*8, machines*m.networkGbit*1e9*m.filled)
	consider(viewers*n.heldKB, machines*m.memoryGB*m.filledDiskOrWorks*1e6)
	consider(viewers*n.storedKBDay*n.days*max(n.copies, 1), machines*m.diskTB*m.filledDiskOrWorks*1e9)
	return grow
}

// plan writes the machines for each number of viewers, and what is full first.
func plan(w io.Writer, parts []part, m machine, sizes []float64) error {
	for _, viewers := range sizes {
		total, first, room := 0, "", math.Inf(1)
		if _, err := fmt.Fprintf(w, "\n**%s viewers at once**\n\n| part | machines | set by | cores busy | p99 of its requests | grows by |\n|---|--:|---|--:|--:|---|\n", thousands(viewers)); err != nil {
			return err
		}
		for _, p := range parts {
			n := p.size(viewers, m)
			total += n.machines
			if r := n.room(viewers, m); r < room {
				first, room = n.name, r
			}
			bound := n.bound
			if n.over {
				bound += "; must be split"
			}
			p99 := "–"
			if p.barMs > 0 {
				p99 = fmt.Sprintf("%.1f ms", n.p99)
			}
			if _, err := fmt.Fprintf(w, "| %s | %d | %s | %.0f %% | %s | %s |\n", n.name, n.machines, bound, 100*n.busy, p99, n.grows); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintf(w, "\n%d machines. The first to be full is %s, with %.1f times as many viewers.\n", total, first, room); err != nil {
			return err
		}
	}
	return nil
}

func thousands(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

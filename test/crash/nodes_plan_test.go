//go:build unix

package main

import (
	"math/rand/v2"
	"slices"
	"time"
)

// What befalls a node, beside kill, reload, reject and term.
const (
	freeze  = "freeze"  // SIGSTOP, and SIGCONT when it is over
	sever   = "sever"   // its connections to the database break, and new ones too
	swallow = "swallow" // nothing goes over them, in either direction, and nobody is told
	lag     = "lag"     // all that goes over them takes a while
	hiccup  = "hiccup"  // they break again and again, and new ones work
)

// What befalls the database: each ends all connections, and it is back a little later.
const (
	fast      = "fast"      // transactions are rolled back
	immediate = "immediate" // it recovers from its log
)

// nodePlan is what befalls each node, the database and the backend, each in an order of its own, while events arrive.
type nodePlan struct {
	nodes             [][]step
	database, backend []step
}

// planNodes deals a plan that takes about so long. Every node stands still for a third of it, one in the beginning, one in the middle and one in the end,
// and has each other fault at least once.
func planNodes(rnd *rand.Rand, nodes int, span time.Duration) nodePlan {
	between := func(low, high time.Duration) time.Duration { return low + time.Duration(rnd.Int64N(int64(high-low)+1)) }
	lasts := func(fault string) time.Duration {
		switch fault {
		case freeze:
			return span / 3
		case sever, swallow, lag, failed, hiccup:
			return between(1500*time.Millisecond, max(1600*time.Millisecond, span/15))
		case slow:
			return span / 4
		case fast, immediate:
			return between(0, 700*time.Millisecond)
		}
		return 0
	}
	const start = time.Second // of a process
	spread := func(faults []string) (steps []step) {
		left := span
		for _, f := range faults {
			s := step{fault: f, lasts: lasts(f), pick: rnd.Float64()}
			if left -= s.lasts; f == kill || f == term {
				left -= start
			}
			steps = append(steps, s)
		}
		gap := max(left, span/10) / time.Duration(len(steps)+1)
		for i := range steps {
			steps[i].gap = between(gap/2, gap*3/2)
		}
		return steps
	}
	shuffled := func(faults ...string) []string {
		rnd.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
		return faults
	}
	var p nodePlan
	for i := range nodes {
		faults := shuffled(kill, term, reload, sever, swallow, hiccup)
		if span > 20*time.Second {
			faults = append(faults, shuffled(kill, kill, lag, reject, reload, sever, hiccup)...)
		}
		faults = slices.Insert(faults, i*len(faults)/(nodes-1), freeze)
		p.nodes = append(p.nodes, spread(faults))
	}
	p.database = spread(shuffled(fast, immediate))
	p.backend = spread(shuffled(slow, failed, failed))
	return p
}

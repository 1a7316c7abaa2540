package main

import (
	"math/rand/v2"
	"slices"
	"time"
)

// The faults. Those that last go on while others happen.
const (
	kill   = "kill"   // kill -9, and a new process at once
	reload = "reload" // another configuration, which is taken
	reject = "reject" // one that is refused
	term   = "term"   // SIGTERM, and a new process at once

	cut    = "cut"    // the backend refuses connections
	slow   = "slow"   // it takes its time
	failed = "errors" // it answers 500 for some orders
	broken = "broken" // it closes the connection in the middle of some answers
	full   = "full"   // no file of the process may grow
	pair   = "pair"   // a second process shares the ledger
	disk   = "disk"   // calls on the ledger's files fail or take long; begins and ends with a kill -9
)

var lasting = []string{cut, slow, failed, broken, full, pair, disk}

// step is a fault and when it comes.
type step struct {
	gap   time.Duration // after the step before
	fault string
	lasts time.Duration
	// pick makes a choice within the fault that is the same when the seed is.
	pick   float64
	inject injection // of disk
}

// plan deals the faults. Each kill ends a round of at most three steps. The first rounds, one for each fault that lasts, have each fault at least once, so that a
// short run has them all; after them every other round has none that lasts, so that something can be measured.
func plan(rnd *rand.Rand, kills int, only string) []step {
	between := func(low, high time.Duration) time.Duration { return low + time.Duration(rnd.Int64N(int64(high-low))) }
	var long, short []string
	var steps []step
	rest := 0
	add := func(gap time.Duration, fault string, lasts time.Duration) {
		s := step{gap: gap, fault: fault, lasts: lasts, pick: rnd.Float64()}
		if fault == disk {
			s.inject = deal(rnd)
		}
		steps = append(steps, s)
	}
	for range kills {
		if len(short) == 0 {
			short = []string{reload, reload, reject, term, "", ""}
			rnd.Shuffle(len(short), func(i, j int) { short[i], short[j] = short[j], short[i] })
		}
		if len(long) == 0 {
			long = slices.Clone(lasting)
			if only != "" {
				long = slices.Repeat([]string{only}, len(lasting))
			}
			long = append(long, make([]string, rest)...)
			rest = len(lasting)
			rnd.Shuffle(len(long), func(i, j int) { long[i], long[j] = long[j], long[i] })
		}
		calm := long[0] == ""
		if !calm {
			add(between(100*time.Millisecond, 800*time.Millisecond), long[0], between(600*time.Millisecond, 2500*time.Millisecond))
		}
		if short[0] != "" {
			add(between(50*time.Millisecond, 700*time.Millisecond), short[0], 0)
		}
		longest := 1500 * time.Millisecond
		if calm {
			longest *= 3 // what has piled up may flow off
		}
		add(between(50*time.Millisecond, longest), kill, 0)
		long, short = long[1:], short[1:]
	}
	return steps
}

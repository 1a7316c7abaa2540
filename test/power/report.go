package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

// report is what came of it.
type report struct {
	options options
	begun   time.Time
	took    time.Duration
	moments int
	alike   int // states that were there already
	out     map[string]int
	copied  int // how often something of the -wal file was copied after something had gone out

	mu     sync.Mutex
	looked int
	broken []brokenState
}

// brokenState is one with which something is wrong.
type brokenState struct {
	moment int
	faults []string
}

func (r *report) add(s *state, faults []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looked++
	if len(faults) > 0 {
		r.broken = append(r.broken, brokenState{s.moment, faults})
	}
}

// has says whether something like that was found.
func (r *report) has(what *regexp.Regexp) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.broken, func(b brokenState) bool { return slices.ContainsFunc(b.faults, what.MatchString) })
}

const shown = 10 // states that are broken

func (r *report) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(what, format string, args ...any) { fmt.Fprintf(t, what+"\t"+format+"\n", args...) }
	row("moments recorded", "%d", r.moments)
	for _, what := range []string{acknowledged, delivered, asked, answered} {
		row(what, "%d", r.out[what])
	}
	row("-wal file copied meanwhile", "%d times", r.copied)
	row("states of the disk", "%d, in which the ledger was opened (%d more were alike)", r.looked, r.alike)
	row("time", "%s", r.took.Round(time.Millisecond))
	row("seed", "%d", r.options.seed)
	_ = t.Flush()
	slices.SortFunc(r.broken, func(a, b brokenState) int { return a.moment - b.moment })
	for _, b := range r.broken[:min(shown, len(r.broken))] {
		for _, fault := range b.faults[:min(shown, len(b.faults))] {
			fmt.Fprintf(w, "BROKEN after moment %d: %s\n", b.moment, fault)
		}
	}
	if len(r.broken) == 0 {
		fmt.Fprintln(w, "every promise was kept")
	} else {
		fmt.Fprintf(w, "%d states are broken\n", len(r.broken))
	}
}

package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

const lateTarget = 2 * time.Second // for the slowest delivery after a restart

// report is what happened.
type report struct {
	options
	begun    time.Time
	windows  []window
	restarts []restart
	faults   violations

	kills, reloads, rejects, terms                     int
	sent, acked, requests, refused, unanswered, others int
	refusedFull                                        int // 503s while the disk was full
	refusedHurt                                        int // 503s while it failed
	injected                                           int // calls that it failed
	unstarted                                          int // processes that it kept from starting
	unfelt                                             int // times that no process at work made each such call
	paid, silent                                       int // by the site's own charges
	attempts, delivered, duplicates, lost              int
	mostAgain                                          int           // duplicates of one process
	oldestAgain                                        time.Duration // between an acceptance that was not recorded and the kill
	recorded                                           int
	afterRestart                                       int
	slowest                                            time.Duration
	slowestID                                          string
	drained                                            time.Duration
}

// of counts the windows of a fault.
func (r *report) of(fault string) (n int) {
	for _, w := range r.windows {
		if w.fault == fault {
			n++
		}
	}
	return n
}

// tally takes the numbers over from those who counted.
func (c *conductor) tally() {
	r := c.rep
	for _, e := range c.sender.events {
		if e.tries > 0 {
			r.sent++
		}
		if !e.acked.IsZero() {
			r.acked++
		}
	}
	r.requests = c.sender.requests
	for status, n := range c.sender.statuses {
		switch status {
		case 0:
			r.unanswered += n
		case 200:
		case 503:
			r.refused += n
		default:
			r.others += n
			r.faults.add("a webhook was refused", "%d times with status %d", n, status)
		}
	}
	r.paid, r.silent = c.shop.paid, len(c.shop.silent)
	r.attempts = c.backend.attempts
	for _, e := range c.backend.events {
		if len(e.accepted) > 0 {
			r.delivered++
		}
	}
}

// print writes the table.
func (r *report) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(what string, format string, args ...any) { fmt.Fprintf(t, what+"\t"+format+"\n", args...) }
	row("kill -9", "%d", r.kills)
	row("reloads", "%d", r.reloads)
	row("rejected configurations", "%d", r.rejects)
	row("SIGTERM", "%d", r.terms)
	row("backend cut off", "%d", r.of(cut))
	row("backend slow", "%d", r.of(slow))
	row("backend answers errors", "%d", r.of(failed))
	row("backend breaks answers off", "%d", r.of(broken))
	row("disk full", "%d (%d webhooks refused meanwhile)", r.of(full), r.refusedFull)
	row("disk failing", "%d (%d calls; %d webhooks refused and %d starts failed meanwhile)", r.of(disk), r.injected, r.refusedHurt, r.unstarted)
	row("two processes", "%d", r.of(pair))
	row("events sent", "%d in %d requests", r.sent, r.requests)
	row("acknowledged (200)", "%d", r.acked)
	row("503", "%d", r.refused)
	row("no answer", "%d", r.unanswered)
	row("own charges paid", "%d, of which %d without a webhook", r.paid, r.silent)
	row("recorded", "%d", r.recorded)
	row("delivered", "%d in %d attempts", r.delivered, r.attempts)
	row("duplicates", "%d, at most %d by one process, accepted at most %s before its end", r.duplicates, r.mostAgain, r.oldestAgain.Round(time.Millisecond))
	row("lost", "%d", r.lost)
	mark := "ok"
	if r.slowest > lateTarget {
		mark = "the target is " + lateTarget.String()
	}
	row("slowest after a restart", "%s of %d (%s) %s", r.slowest.Round(time.Millisecond), r.afterRestart, mark, r.slowestID)
	row("time", "%s, then %s until all had arrived", time.Since(r.begun).Round(time.Second), r.drained.Round(time.Millisecond))
	row("seed", "%d", r.seed)
	_ = t.Flush()
	for _, line := range r.faults.list() {
		fmt.Fprintln(w, "BROKEN", line)
	}
	if len(r.faults.list()) == 0 {
		fmt.Fprintln(w, "every promise was kept")
	}
}

//go:build unix

package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
)

// inDatabase is a ledger in PostgreSQL. What it has twice caddy pay ledger verify compares.
func inDatabase(dsn string) book {
	return book{
		open:    func() (*sql.DB, error) { return sql.Open("pgx", dsn) },
		pending: `SELECT count(*) FROM caddypay.queue`,
		events: `SELECT e.id, e.state, e.reasons, coalesce(q.owner, '') FROM caddypay.events AS e
			LEFT JOIN caddypay.queue AS q ON q.event = e.seq`,
		charges: `SELECT id, paid, amount_refunded FROM caddypay.charges WHERE id IS NOT NULL`,
	}
}

// overload is when the database took longer than a lease lasts, by what the nodes have logged: on a machine that has too much to do that needs no fault.
const overload = "overload"

var tooSlow = regexp.MustCompile(`(?m)^\{"level":"warn","ts":([0-9]+)\.[0-9]+,.*"msg":"cannot (?:prolong the lease|record the outcome)`)

// check compares what all sides know once nothing moves any more.
func (n *nodes) check(ctx context.Context) error {
	log, err := os.ReadFile(filepath.Join(n.site.dir, "caddy.log"))
	if err != nil {
		return err
	}
	for _, m := range tooSlow.FindAllSubmatch(log, -1) {
		ts, _ := strconv.ParseInt(string(m[1]), 10, 64) // digits by the expression
		n.rep.windows = append(n.rep.windows, window{fault: overload, from: time.Unix(ts, 0), to: time.Unix(ts+1, 0)})
	}
	n.checkArrivals()
	n.checkAgain()
	n.tally()
	if n.shop.paid == 0 {
		n.rep.faults.add("nobody could pay", "in %s", n.span)
	}
	if err := n.checkLedger(ctx); err != nil {
		return err
	}
	return n.checkLog()
}

// checkAgain finds a reason for everything that was accepted twice.
func (n *nodes) checkAgain() {
	for id, e := range n.backend.events {
		for i := 1; i < len(e.accepted); i++ {
			first, second := e.accepted[i-1], e.accepted[i]
			n.rep.duplicates++
			if !n.mayRepeat(first, second) {
				n.rep.faults.add("delivered again without a reason", "%s by %s at %s and by %s at %s", id, first.process, first.at.Format(clock),
					second.process, second.at.Format(clock))
			}
		}
	}
}

// mayRepeat says whether the outcome of a delivery may not have been recorded, or may have been unknown to a process that was about to deliver the event
// itself when it was stopped.
func (n *nodes) mayRepeat(first, second acceptance) bool {
	for _, r := range n.rep.restarts {
		if ago := r.ended.Sub(first.at); r.killed == first.process && ago < recordedWithin {
			n.rep.oldestAgain = max(n.rep.oldestAgain, ago)
			return true
		}
	}
	for _, w := range n.rep.windows {
		lost := slices.Contains([]string{freeze, sever, swallow, hiccup, fast, immediate, overload}, w.fault) && (w.process == "" || w.process == first.process)
		if lost && first.at.After(w.from.Add(-recordedWithin)) && first.at.Before(w.to.Add(recordedWithin)) {
			return true
		}
		if w.fault == freeze && w.process == second.process && second.at.After(w.to) && second.at.Before(w.to.Add(time.Second)) {
			return true
		}
	}
	return false
}

// healed is when the last fault was over of those that fell between two times; the earlier time when none did.
func (n *nodes) healed(from, to time.Time) time.Time {
	at := from
	for _, w := range n.rep.windows {
		if w.fault != overload && w.from.Before(to) && w.to.After(at) {
			at = w.to
		}
	}
	for _, r := range n.rep.restarts {
		if r.ended.Before(to) && r.ready.After(at) {
			at = r.ready
		}
	}
	if at.After(to) {
		return to
	}
	return at
}

// lateness are the times from acknowledgement to acceptance of all events; and of those that a fault met, from its end on.
func (n *nodes) lateness() (all, healed []time.Duration) {
	for _, e := range n.sender.events {
		r := n.backend.events[e.id]
		if e.acked.IsZero() || r == nil || len(r.accepted) == 0 {
			continue
		}
		at := r.accepted[0].at
		all = append(all, max(0, at.Sub(e.acked)))
		if from := n.healed(e.acked, at); from.After(e.acked) {
			healed = append(healed, at.Sub(from))
		}
	}
	return all, healed
}

// shares says how long the half of all took at most, 95 % of them, and each.
func shares(all []time.Duration) string {
	if len(all) == 0 {
		return "none"
	}
	slices.Sort(all)
	at := func(share float64) time.Duration { return all[int(share*float64(len(all)-1))].Round(time.Millisecond) }
	return fmt.Sprintf("%d: p50 %s, p95 %s, the slowest %s", len(all), at(0.5), at(0.95), at(1))
}

// table is what happened.
func (n *nodes) table() string {
	r := n.rep
	var text strings.Builder
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	row := func(what string, format string, args ...any) { fmt.Fprintf(t, what+"\t"+format+"\n", args...) }
	row("nodes", "%d, for %s", len(n.all), n.span)
	row("kill -9, SIGTERM", "%d, %d", r.kills, r.terms)
	row("reloads, rejected ones", "%d, %d", r.reloads, r.rejects)
	row("stopped and continued", "%d", r.of(freeze))
	row("cut off the database", "%d broken, %d silent, %d slow, %d broken again and again", r.of(sever), r.of(swallow), r.of(lag), r.of(hiccup))
	row("database restarted", "%d fast, %d immediate", r.of(fast), r.of(immediate))
	row("backend", "%d slow, %d failing", r.of(slow), r.of(failed))
	row("events sent", "%d in %d requests", r.sent, r.requests)
	row("acknowledged (200)", "%d", r.acked)
	row("503", "%d", r.refused)
	row("no answer", "%d", r.unanswered)
	row("own charges paid", "%d", r.paid)
	row("recorded", "%d", r.recorded)
	row("delivered", "%d in %d attempts", r.delivered, r.attempts)
	row("duplicates", "%d, accepted at most %s before a kill", r.duplicates, r.oldestAgain.Round(time.Millisecond))
	row("lost", "%d", r.lost)
	all, healed := n.lateness()
	row("200 to delivered", "%s", shares(all))
	row("after a fault was over", "%s", shares(healed))
	dials := 0
	for _, a := range n.all {
		dials += len(a.proxy.Dials())
	}
	row("slower than a lease", "%d times", r.of(overload))
	row("connections asked for", "%d", dials)
	row("time", "%s, then %s until all had arrived", time.Since(r.begun).Round(time.Second), r.drained.Round(time.Millisecond))
	row("seed", "%d", r.seed)
	_ = t.Flush()
	return text.String()
}

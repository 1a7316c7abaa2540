package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

const (
	// inFlight is what one process may deliver again after its end: four times the deliveries that run at one time, since that many
	// outcomes may wait to be recorded.
	inFlight = 4 * 16
	// recordedWithin is how long before a kill a delivery may have been accepted whose outcome was not on disk yet.
	recordedWithin = 5 * time.Second
)

// arrive waits until everything acknowledged has arrived and nothing is pending.
func (c *conductor) arrive(ctx context.Context) {
	c.say("all faults are over; waiting for deliveries")
	begun := time.Now()
	for time.Since(begun) < c.drain && ctx.Err() == nil {
		if len(c.missing()) == 0 {
			if n, err := c.book.waiting(ctx); err == nil && n == 0 {
				break
			}
		}
		time.Sleep(200 * time.Millisecond)
	}
	c.rep.drained = time.Since(begun)
}

// missing are the events that were acknowledged, and the silent payments, whose effect the backend has not accepted.
func (c *conductor) missing() (lost []*event) {
	c.sender.mu.Lock()
	defer c.sender.mu.Unlock()
	c.backend.mu.Lock()
	defer c.backend.mu.Unlock()
	for _, e := range c.sender.events {
		if e.acked.IsZero() && !(e.kind == "charge.succeeded" && c.shop.isSilent(e.object)) {
			continue
		}
		if _, ok := c.backend.effects[e.effect()]; !ok {
			lost = append(lost, e)
		}
	}
	return lost
}

// check compares what the three sides know once nothing moves any more.
func (c *conductor) check(ctx context.Context) error {
	c.checkArrivals()
	c.checkDuplicates()
	c.lateness()
	c.checkAnswers()
	c.tally()
	if err := c.checkForced(); err != nil {
		return err
	}
	if err := c.checkLedger(ctx); err != nil {
		return err
	}
	return c.checkLog()
}

// checkArrivals names what was lost.
func (c *conductor) checkArrivals() {
	for _, e := range c.missing() {
		if e.acked.IsZero() {
			c.rep.faults.add("paid, never delivered, though the webhook never came", "charge %s of order %s", e.object, e.order.number)
			continue
		}
		c.rep.lost++
		c.rep.faults.add("acknowledged, never delivered", "%s %s of order %s, acknowledged at %s", e.id, e.kind, e.order.number, e.acked.Format(clock))
	}
}

// checkDuplicates finds a reason for everything that was accepted twice.
func (c *conductor) checkDuplicates() {
	again := make(map[string]int) // by the process that had it first
	for id, e := range c.backend.events {
		for i := 1; i < len(e.accepted); i++ {
			c.rep.duplicates++
			first := e.accepted[i-1]
			ago, ok := c.unrecorded(first)
			c.rep.oldestAgain = max(c.rep.oldestAgain, ago)
			if !ok {
				c.rep.faults.add("delivered again without a reason", "%s by %s at %s and by %s at %s", id, first.process, first.at.Format(clock),
					e.accepted[i].process, e.accepted[i].at.Format(clock))
			}
			again[first.process]++
		}
	}
	for process, n := range again {
		c.rep.mostAgain = max(c.rep.mostAgain, n)
		if n > inFlight {
			c.rep.faults.add("more was delivered again than was in flight", "%d of %s", n, process)
		}
	}
}

// unrecorded says whether the outcome of a delivery may have been lost: its process was killed soon after, and how soon, or the
// disk was full or failing.
func (c *conductor) unrecorded(a acceptance) (ago time.Duration, ok bool) {
	for _, r := range c.rep.restarts {
		if r.killed == a.process {
			ago, ok = r.ended.Sub(a.at), r.ended.Sub(a.at) < recordedWithin
		}
	}
	for _, w := range c.rep.windows {
		if (w.fault == full || w.fault == disk) && a.at.After(w.from.Add(-recordedWithin)) && a.at.Before(w.to.Add(recordedWithin)) {
			return 0, true
		}
	}
	return ago, ok
}

// lateness finds the slowest delivery after a restart: of what was acknowledged before, undisturbed by other faults.
func (c *conductor) lateness() {
	for _, e := range c.sender.events {
		r := c.backend.events[e.id]
		if e.acked.IsZero() || r == nil || len(r.accepted) == 0 {
			continue
		}
		at := r.accepted[0].at
		for i, re := range c.rep.restarts {
			if re.ready.IsZero() || e.acked.After(re.ready) || at.Before(re.ended) || c.disturbed(e.acked, at, i) {
				continue
			}
			c.rep.afterRestart++
			if late := at.Sub(re.ready); late > c.rep.slowest {
				c.rep.slowest, c.rep.slowestID = late, e.id
			}
		}
	}
}

// disturbed says whether a fault but this restart fell between two times.
func (c *conductor) disturbed(from, to time.Time, but int) bool {
	for _, w := range c.rep.windows {
		if w.fault != pair && w.from.Before(to) && from.Before(w.to.Add(3*time.Second)) {
			return true
		}
	}
	for i, r := range c.rep.restarts {
		if i != but && r.ended.Before(to) && from.Before(r.ended) {
			return true
		}
	}
	return false
}

var bad = regexp.MustCompile(`(?m)^(panic: |fatal error: |WARNING: DATA RACE).*|"panic`)

// checkLog looks for what no process may ever write.
func (c *conductor) checkLog() error {
	log, err := os.ReadFile(filepath.Join(c.site.dir, "caddy.log"))
	if err != nil {
		return fmt.Errorf("the log: %w", err)
	}
	for _, at := range bad.FindAllIndex(log, shown) {
		c.rep.faults.add("in caddy.log", "%.300q", log[at[0]:min(len(log), at[0]+300)])
	}
	return nil
}

package relay

import (
	"testing"
	"time"
)

// after takes a breaker, of a backend that was there, through attempts that end one after the other: each with its own pass, of an event.
type after struct {
	t   *testing.T
	b   *breaker
	now time.Time
}

func newAfter(t *testing.T, limit int) *after {
	b := newBreaker(limit, func() float64 { return half })
	b.reached, b.heard = true, true
	return &after{t, b, newClock().Now()}
}

// wants lets an attempt end, and says what must come of it.
func (a *after) wants(p pass, event string, how reach, w wait, did turn) {
	a.t.Helper()
	if got, turned := a.b.end(event, how, p, a.now); got != w || turned != did {
		a.t.Errorf("%+v, turn %d; want %+v, %d", got, turned, w, did)
	}
}

// probe lets the time of the next probe come, and one go out.
func (a *after) probe() pass {
	a.t.Helper()
	if a.b.next.After(a.now) {
		a.now = a.b.next
	}
	p := a.b.start()
	if !p.probe {
		a.t.Fatal("it is no probe")
	}
	return p
}

const s = time.Second

// While it is open there is room for one probe at most, and none while as many are under way as may be.
func TestBreakerRoom(t *testing.T) {
	a := newAfter(t, 2)
	a.wants(a.b.start(), "a", unsent, wait{never, s}, opened)
	for _, c := range []struct {
		in    time.Duration
		under int
		room  int
		wait  time.Duration
	}{{0, 0, 0, s}, {0, 2, 0, 0}, {s, 1, 1, 0}, {s, 2, 0, 0}, {s, 3, 0, 0}} {
		if n, wait := a.b.room(a.now.Add(c.in), c.under); n != c.room || wait != c.wait {
			t.Errorf("in %s, %d under way: room for %d in %s, want %d in %s", c.in, c.under, n, wait, c.room, c.wait)
		}
	}
	for before, want := range map[time.Duration]time.Duration{longestGap: longestGap, longestGap + 1: 0} { // the clock was put back
		if n, wait := a.b.room(a.b.next.Add(-before), 0); wait != want || n > 0 != (want == 0) {
			t.Errorf("%s before the probe: room for %d in %s", before, n, wait)
		}
	}
}

// What answers beside the probe changes nothing about the next one.
func TestBreakerAnsweredBesideProbe(t *testing.T) {
	a := newAfter(t, 8)
	beside := a.b.start()
	a.wants(a.b.start(), "a", unsent, wait{never, s}, opened)
	a.wants(a.probe(), "b", unreachable, wait{never, 2 * s}, unchanged)
	a.wants(a.probe(), "c", unreachable, wait{never, 4 * s}, unchanged)
	a.wants(beside, "d", answered, wait{}, unchanged)
	if n, wait := a.b.room(a.now, 0); n != 0 || wait != 4*s {
		t.Errorf("room for %d in %s", n, wait)
	}
	a.wants(a.probe(), "e", unreachable, wait{never, 8 * s}, unchanged)
}

// Three turns of one event alone are enough to tell that it is its own matter, and no fewer.
func TestBreakerNarrows(t *testing.T) {
	a := newAfter(t, 8)
	a.wants(a.b.start(), "a", unsent, wait{never, s}, opened)
	a.wants(a.probe(), "a", answered, wait{}, unchanged)
	a.wants(a.probe(), "a", unreachable, wait{never, 2 * s}, unchanged)
	a.wants(a.probe(), "a", unreachable, wait{never, 4 * s}, unchanged)
	a.wants(a.probe(), "a", unreachable, wait{}, narrowed)
	a.wants(a.b.start(), "b", succeeded, wait{}, first) // for long
	if n, _ := a.b.room(a.now, 0); n != 2 {
		t.Errorf("room for %d", n)
	}
}

// It narrows while a probe is out, whose own end may open it again.
func TestBreakerNarrowsBesideProbe(t *testing.T) {
	a := newAfter(t, 8)
	var under []pass
	for range 4 {
		under = append(under, a.b.start())
	}
	a.wants(a.b.start(), "x", unsent, wait{never, s}, opened)
	p := a.probe()
	a.wants(under[0], "y", answered, wait{}, unchanged)
	a.wants(under[1], "a", unreachable, wait{never, s}, unchanged)
	a.wants(under[2], "a", unreachable, wait{never, s}, unchanged)
	a.wants(under[3], "a", unreachable, wait{}, narrowed)
	a.wants(p, "b", unreachable, wait{never, s}, opened)
}

// An attempt under way says something although others succeed meanwhile: they say nothing of this one. Only what went out before the backend was back is of
// yesterday, also where a few events are tried by turns.
func TestBreakerUnderWay(t *testing.T) {
	a := newAfter(t, 8)
	early := a.b.start()
	a.wants(a.b.start(), "a", succeeded, wait{}, unchanged)
	a.wants(early, "b", unreachable, wait{}, unchanged)

	early = a.b.start()
	a.wants(a.b.start(), "a", unsent, wait{never, s}, opened)
	a.wants(a.probe(), "b", succeeded, wait{}, closed)
	a.wants(a.b.start(), "a", unreachable, wait{}, unchanged)
	a.wants(a.b.start(), "b", unreachable, wait{}, unchanged)
	a.wants(a.b.start(), "a", unreachable, wait{never, s}, opened)
	a.wants(a.probe(), "b", unreachable, wait{never, 2 * s}, unchanged)
	a.wants(a.probe(), "a", unreachable, wait{never, 4 * s}, unchanged)
	a.wants(a.probe(), "b", unreachable, wait{daily, 8 * s}, unchanged)
	a.wants(early, "c", unreachable, wait{never, 8 * s}, unchanged)
	a.wants(a.probe(), "a", unreachable, wait{daily, 16 * s}, unchanged)
}

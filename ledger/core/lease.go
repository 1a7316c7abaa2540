package core

import (
	"sync"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

const (
	leastStep = time.Second // less is no step: clocks are slewed, and drift

	// tooFar is further ahead than a lease can end, however long its taker's idea of the time has waited for the disk: a clock that has been
	// put back since gave it.
	tooFar = 2 * ledger.LongestLease
)

// steps notices when the machine's clock is put forward or back, by the monotonic time that a time from [time.Now] carries too. For as long as a
// lease lasts one that the clock as it was before says is in use is not over either. After that whoever lives has prolonged its own by the new
// clock, and a dead owner's is over: it has run out, or ends too far ahead.
//
// A time without a monotonic part, as in tests, never shows a step.
type steps struct {
	began time.Time

	mu     sync.Mutex
	wall   time.Time     // the last time that was seen, by the clock
	passed time.Duration // and since began
	by     time.Duration // how far the clock was put forward
	at     time.Duration // when that was noticed, since began
}

func newSteps(now time.Time) *steps { return &steps{began: now, wall: now.Round(0)} }

// Span is what a lease that is in use ends in: after Now, and not after Far.
type Span struct{ Now, Far time.Time }

// InUse says whether a lease that ends at a time is; the zero time is none.
func (s Span) InUse(until time.Time) bool { return until.After(s.Now) && !until.After(s.Far) }

// spanAt judges leases by one clock.
func spanAt(now time.Time) Span { return Span{now, now.Add(tooFar)} }

// prolonged returns when a lease ends whose owner asks for another time. It is never shortened, unless it ends further ahead than any may.
func prolonged(until, want time.Time) time.Time {
	if until.After(want.Add(tooFar)) {
		return want
	}
	return later(until, want)
}

// leases returns the span by which leases of a length are judged now.
func (s *steps) leases(now time.Time, length time.Duration) Span {
	wall := now.Round(0)
	other := s.other(wall, now.Sub(s.began), length)
	return Span{earlier(wall, other), later(wall, other).Add(tooFar)}
}

// other is the time by the clock as it was before it was put forward or back, for the length of a lease since then.
func (s *steps) other(wall time.Time, passed, length time.Duration) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if by := wall.Sub(s.wall) - (passed - s.passed); by > leastStep || by < -leastStep {
		if passed-s.at >= ledger.LongestLease {
			s.by = 0
		}
		s.by, s.at = s.by+by, passed
	}
	s.wall, s.passed = wall, passed
	if passed-s.at < length {
		return wall.Add(-s.by)
	}
	return wall
}

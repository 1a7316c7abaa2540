package sqlite

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

// steps notices when the machine's clock is put forward or back, by the monotonic time that a time from [time.Now] carries too. For as
// long as a lease lasts one that the clock as it was before says is in use is not over either. After that whoever lives has prolonged its own by the new
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

// span is what a lease that is in use ends in: after now, and not after far.
type span struct{ now, far int64 }

// leases returns the span by which leases of a length are judged now.
func (s *steps) leases(now time.Time, length time.Duration) span {
	wall := now.Round(0)
	other := s.other(wall, now.Sub(s.began), length)
	return span{min(millis(wall), millis(other)), max(millis(wall), millis(other)) + tooFar.Milliseconds()}
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

package relay

import (
	"time"

	"github.com/caddypay/caddypay/ledger"
)

const (
	longestWait = 30 * time.Minute // of an event alone that does not reach the backend: whatever the schedule says, nobody else may come to find that it is back
	outageGap   = 24 * time.Hour   // between two attempts that count while it looks like an outage
)

// again is how an event goes on after so many failed attempts that count.
func (s *schedule) again(d *ledger.Delivery, tries int, end time.Time, retryAfter time.Duration) {
	d.State = ledger.Dead
	if gap, again := s.next(tries); again {
		d.State, d.Due = ledger.Pending, end.Add(max(gap, retryAfter))
	}
}

// unreached is how an event goes on that an attempt did not bring to the backend. Between the attempts that its schedule has, which count,
// there are others that do not; so it dies as late as its schedule says, and does not wait that long for a backend that is back.
//
// Back is in the past, so that the event is due at once when the backend is back. It is the end of the last attempt that counted, or
// of the first that did not.
func (s *schedule) unreached(d *ledger.Delivery, ev *ledger.Event, w wait, end time.Time, retryAfter time.Duration) {
	since := ev.Back
	if since.After(end) { // the clock was put back
		since = time.Time{}
	}
	if s.counts(ev.Tries, w.pace, since, end) {
		if s.again(d, ev.Tries+1, end, retryAfter); d.State == ledger.Dead {
			return
		}
		since = end
		d.Due = end.Add(max(min(d.Due.Sub(end), longestWait), retryAfter))
	} else {
		d.State, d.Uncounted = ledger.Pending, true
		if since.IsZero() {
			since = end
		}
		gap, _ := s.next(max(ev.Tries, 1))
		d.Due = end.Add(max(min(since.Add(gap).Sub(end), longestWait), retryAfter, lastProbe))
	}
	d.Back = since
	if w.still > 0 { // whatever Retry-After says: a probe harms nobody, and when the backend is back there is nothing to wait for
		d.Due = end.Add(w.still)
	}
}

// counts says whether an attempt counts that ended so long after the last one that did.
func (s *schedule) counts(tries int, p pace, since, end time.Time) bool {
	passed := end.Sub(since)
	switch p {
	case bySchedule:
		return since.IsZero() || passed >= s.least(tries)
	case unsure:
		return since.IsZero()
	case daily:
		return !since.IsZero() && passed >= max(outageGap, s.least(tries))
	}
	return false
}

// least is the shortest that the schedule's gap after so many attempts can be. One that is longer than longestWait is kept in steps of
// that, so that it is hardly shorter than it says.
func (s *schedule) least(tries int) time.Duration {
	if tries < 1 || tries > len(s.retry) {
		return 0
	}
	gap := s.retry[tries-1]
	return gap - time.Duration(jitter*float64(min(gap, longestWait)))
}

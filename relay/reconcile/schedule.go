package reconcile

import (
	"math"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/asking"
)

// A charge that nobody pays costs six look-ups: the first DefaultAfter its creation, three more that each come after the same multiple of
// its age, one just after its expiry and one at the end. So a payment that nobody tells us of is found, at whatever age of
// the charge it is made, within a few times that age. Payers who ask make no more of them, since only age counts. One that is superseded
// is looked up as often as its reversal needs.
const (
	beforeExpiry = 3 // look-ups between the first and the expiry
	afterExpiry  = 5 * time.Second
	leastGap     = 30 * time.Second
	farthestGap  = 7 * 24 * time.Hour // after its expiry, where reconcile { until } is longer; the ledger takes more for the work of a wrong clock

	errorsUntil = 7 * 24 * time.Hour // after its end a charge whose last look-ups brought no answer is given up
)

// schedule is when a charge is looked up.
type schedule struct {
	after time.Duration // from a charge's creation to its first look-up, as its NextQuery says
	until time.Duration // from a charge's expiry to its last look-up
	now   func() time.Time
	rand  func() float64
}

// next says when to ask for an unpaid charge again; the zero time: never.
func (s *schedule) next(c *ledger.Charge) time.Time {
	now, expires := s.now(), c.Lapses()
	if !now.Before(expires) {
		end := expires.Add(s.until)
		switch {
		case !now.Before(end):
			return time.Time{}
		case end.Sub(now) > farthestGap:
			return now.Add(farthestGap)
		}
		return end
	}
	age := now.Sub(c.Created)
	if wait := unripe(c, now); c.Superseded && wait > 0 && pingpp.Reversible(c.Channel) {
		return now.Add(wait) // to be reversed
	}
	factor := math.Pow(float64(expires.Sub(c.Created))/float64(s.after), 1./(beforeExpiry+1))
	at := float64(s.after)
	for range beforeExpiry {
		at *= factor
		if gap := time.Duration(at) - age; gap >= leastGap {
			// Never before its time: it would be looked up twice for it.
			next := now.Add(gap + time.Duration(float64(gap)*0.1*s.rand()))
			if next.Before(expires) {
				return next
			}
		}
	}
	return expires.Add(afterExpiry)
}

// afterError says when to ask again where there was no answer: soon, and what would have been the last look-up is not, for a while.
func (s *schedule) afterError(c *ledger.Charge) time.Time {
	now, next := s.now(), s.next(c)
	again := now.Add(asking.Gap(now.Sub(c.Created), s.rand()))
	switch {
	case !next.IsZero() && next.Before(again):
		return next
	case next.IsZero() && !now.Before(c.Lapses().Add(s.until+errorsUntil)):
		return time.Time{}
	}
	return again
}

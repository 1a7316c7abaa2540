package relay

import (
	"math"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
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

// retryGaps are the gaps between attempts at what brought no answer, and between look-ups of refunds: at an age, the longest that it
// is not below.
var retryGaps = []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour}

// next says when to ask for an unpaid charge again; the zero time: never.
func (r *Reconciler) next(c *ledger.Charge) time.Time {
	now, expires := r.cfg.Now(), c.Lapses()
	if !now.Before(expires) {
		end := expires.Add(r.until)
		switch {
		case !now.Before(end):
			return time.Time{}
		case end.Sub(now) > farthestGap:
			return now.Add(farthestGap)
		}
		return end
	}
	age := now.Sub(c.Created)
	if wait := r.unripe(c); c.Superseded && wait > 0 && pingpp.Reversible(c.Channel) {
		return now.Add(wait) // to be reversed
	}
	factor := math.Pow(float64(expires.Sub(c.Created))/float64(r.after), 1./(beforeExpiry+1))
	at := float64(r.after)
	for range beforeExpiry {
		at *= factor
		if gap := time.Duration(at) - age; gap >= leastGap {
			// Never before its time: it would be looked up twice for it.
			next := now.Add(gap + time.Duration(float64(gap)*0.1*r.cfg.Rand()))
			if next.Before(expires) {
				return next
			}
		}
	}
	return expires.Add(afterExpiry)
}

// nextAfterError says when to ask again where there was no answer: soon, and what would have been the last look-up is not, for a while.
func (r *Reconciler) nextAfterError(c *ledger.Charge) time.Time {
	now, next := r.cfg.Now(), r.next(c)
	again := now.Add(r.gap(now.Sub(c.Created)))
	switch {
	case !next.IsZero() && next.Before(again):
		return next
	case next.IsZero() && !now.Before(c.Lapses().Add(r.until+errorsUntil)):
		return time.Time{}
	}
	return again
}

// gap is the one of retryGaps for an age, ±10 %.
func (r *Reconciler) gap(age time.Duration) time.Duration {
	gap := retryGaps[0]
	for _, longer := range retryGaps[1:] {
		if age >= longer {
			gap = longer
		}
	}
	return time.Duration(float64(gap) * (0.9 + 0.2*r.cfg.Rand()))
}

package core

import (
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// Claimable says that an event is to be delivered now, and that nobody is at it.
func (e *Event) Claimable(c ledger.Claim, leases Span) bool {
	return e.State == ledger.Pending && !e.Blocked && !e.Due.After(c.Now) && (e.Owner == "" || !leases.InUse(e.Until))
}

// Waits says that the event would be due sooner if the backend were back.
func (e *Event) Waits() bool {
	return e.State == ledger.Pending && !e.Back.IsZero() && e.Due.After(e.Back)
}

// Unreadable says that the event waits for a person because it cannot be read.
func (e *Event) Unreadable() bool { return e.because(ledger.Held, ledger.ReasonUnreadable) }

// Withheld says that the event is not delivered because its payment is not, and still could be.
func (e *Event) Withheld() bool { return e.because(ledger.Filtered, ledger.ReasonUnpaid) && e.HasBody }

// because says that an event is in a state for one reason alone.
func (e *Event) because(s ledger.State, reason string) bool {
	return e.State == s && len(e.Reasons) == 1 && e.Reasons[0] == reason
}

// Due says that an attempt is to be looked up now, and that nobody is at it: a charge, or what nobody knows the charge of.
func (c *Charge) Due(q ledger.QueryClaim, leases Span) bool {
	due := !c.NextQuery.IsZero() && !c.NextQuery.After(q.Now) && !leases.InUse(c.QueryUntil)
	return due && c.Kind() == q.Kind && !c.Paid && !c.Reversed && (c.State == ledger.Open || c.isSought())
}

// Due says that a refund is to be looked up now, and that nobody is at it. Of one that was made elsewhere events tell all.
func (r *Refund) Due(q ledger.QueryClaim, leases Span) bool {
	due := !r.NextQuery.IsZero() && !r.NextQuery.After(q.Now) && !leases.InUse(r.Until)
	return due && r.RefundNo != "" && !r.Final()
}

// Kind is the kind of the attempt's next look-up.
func (c *Charge) Kind() ledger.QueryKind {
	switch {
	case !c.NextQuery.After(c.Client.At):
		return ledger.QueryTold
	case c.Queries == 0 && c.State == ledger.Open && !c.Superseded:
		return ledger.QueryFirst
	}
	return ledger.QueryLater
}

// leaseQuery gives an attempt to whoever looks it up. The next query moves behind the lease: if its owner dies, somebody else asks then.
func (c *Charge) leaseQuery(until time.Time) { c.QueryUntil, c.NextQuery = until, until }

// leasedAs says whether the lease of an attempt's look-ups is the one that ends at a time; zero: none. Of one attempt each lease ends at another time than
// the one before it: it is given once that is over, which is when its end is past, or further ahead than any may be.
func (c *Charge) leasedAs(until time.Time) bool { return Kept(until).Equal(c.QueryUntil) }

// queried records the outcome of a look-up, unless the attempt is leased to another by now. A query that was moved forward meanwhile stays: the client saw something that the answer may not know
// yet, or the attempt has become superseded.
func (c *Charge) queried(q ledger.Queried) {
	if !c.leasedAs(q.Lease) {
		c.reverse(q.Reversed)
		return
	}
	over := c.Paid || c.Reversed || q.Reversed || c.State != ledger.Open
	moved := c.NextQuery.Before(c.QueryUntil) || c.Superseded && !q.Superseded && !c.NextQuery.After(c.Created)
	switch {
	case over:
		c.NextQuery = time.Time{}
	case !c.NextQuery.IsZero() && moved:
	default:
		c.NextQuery = q.Next
	}
	c.Queries++
	c.QueryUntil = time.Time{}
	c.reverse(q.Reversed)
}

// isSought says that the attempt's charge is looked for, and not known.
func (c *Charge) isSought() bool {
	return c != nil && (c.State == ledger.Unknown || c.State == ledger.Taken) && c.ID == ""
}

// sought records that an attempt's charge was looked for and not found.
func (c *Charge) sought(next time.Time) {
	c.Queries++
	c.QueryUntil, c.NextQuery = time.Time{}, next
}

// note records what the client saw. It is a reason to ask Ping++ now.
func (c *Charge) note(n ledger.ClientNote) {
	c.Client = n
	if c.Paid || c.Reversed || c.State != ledger.Open {
		return
	}
	at := later(n.At, ledger.FirstTime) // zero would be never
	if c.NextQuery.IsZero() || at.Before(c.NextQuery) {
		c.NextQuery = at
	}
}

// longestQuery is more than a look-up can lie ahead, of a charge after its expiry too: the longest is when one that brought no answer is given up.
const longestQuery = 10 * 24 * time.Hour

// ahead judges by the clock what waits for a time that it would not wait for if the clock had always been what it is.
type ahead struct{ far, farthest time.Time }

func aheadOf(now time.Time) ahead {
	return ahead{far: now.Add(ledger.LongestLease), farthest: now.Add(longestQuery)}
}

// event: one that has not been tried in its turn is due at once, or as soon as the backend is back. One that has been is due at a gap after its last
// delivery: if that lies ahead, its time does only because the clock has been put back since.
func (a ahead) event(e *Event, last time.Time) bool {
	return e.Due.After(a.far) && (e.Tries == 0 || last.After(a.far))
}

func (a ahead) charge(c *Charge) bool {
	longest := later(a.farthest, c.TimeExpire.Add(a.farthest.Sub(a.far)))
	return c.NextQuery.After(a.far) && (c.Created.After(a.far) || c.NextQuery.After(longest))
}

func (a ahead) refund(r *Refund) bool {
	return r.NextQuery.After(a.far) && (r.Created.After(a.far) || r.Asked.After(a.far) || r.NextQuery.After(a.farthest))
}

// bodyOver says that nobody will need an event's body any more.
func bodyOver(e *Event, before time.Time) bool {
	switch e.State {
	case ledger.Delivered, ledger.Discarded, ledger.Filtered:
		return later(e.Settled, e.Received).Before(before)
	}
	return false
}

// answerOver says that nobody will need what Ping++ answered any more.
func answerOver(c *Charge, before time.Time) bool {
	open := c.State == ledger.Reserving || c.Hold == Awaits || c.Hold == Unread || !c.Paid && !c.Reversed && !c.NextQuery.IsZero()
	return !open && later(later(c.Created, c.TimeExpire), c.TimePaid).Before(before)
}

// claim leases the comparison of what a scope's charges were since it was last compared, or since the first one. It says from when on.
func (s *Sweep) claim(c ledger.SweepClaim, leases Span, first time.Time) (from time.Time, granted bool) {
	if s.Compared.After(c.Now) { // by a clock that has been put back since
		s.Compared = time.Time{}
	}
	from = s.Compared
	if from.IsZero() {
		from = first
	}
	others := s.Owner != c.Owner && (c.Prolong || s.Owner != "" && leases.InUse(s.Until))
	if others || from.IsZero() || !from.Before(c.To) {
		return from, false
	}
	s.Owner, s.Until = c.Owner, c.Until
	return from, true
}

// end ends the lease, and records how far it came.
func (s *Sweep) end(to time.Time) {
	s.Owner, s.Until = "", time.Time{}
	if !to.IsZero() {
		s.Compared = to
	}
}

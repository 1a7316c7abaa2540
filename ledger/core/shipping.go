package core

import (
	"fmt"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

const (
	shipDaily   = 24 * time.Hour // how often get_order is asked of money that is frozen, at most
	shipRetry   = time.Hour      // how soon it is asked again when that brought no answer
	mostUnclear = 5              // posts of which nobody knew whether WeChat had accepted them, and which it had not
	allUploads  = 2              // complete reports that WeChat takes of a payment
)

// unkept says why WeChat does not keep the money of a charge; empty: it does, if it manages the program.
func (c *Charge) unkept() ledger.ShippingReason {
	switch {
	case c.Scope.Mode != ledger.Live:
		return ledger.RefuseTestMode
	case !c.Paid || c.Payment == 0: // one whose event is not recorded was not checked
		return ledger.RefuseNotPaid
	case c.Channel != ledger.ShippingChannel || c.State == ledger.Foreign:
		return ledger.RefuseChannel
	case c.PaidAmount > 0 && c.AmountRefunded >= c.PaidAmount:
		return ledger.RefuseRefunded
	case c.Reversed || c.Hold == WentBack:
		return ledger.RefuseReversed
	}
	return ""
}

// refuses says why the shipping of a charge cannot be reported; empty: it can.
func (c *Charge) refuses() ledger.ShippingReason {
	why := c.unkept()
	held := c.Hold == Awaits || c.Hold == Dismissed
	if why == "" && held || why == ledger.RefuseNotPaid && c.Hold == Unread { // the event of that has no effect until a person says so
		return ledger.RefuseHeld
	}
	return why
}

// reportable returns the charge of an order that a report is about, the first that can be reported, or else why none can.
func reportable(cs []Charge) (c *Charge, why ledger.ShippingReason) {
	for i := range cs {
		w := cs[i].refuses()
		if w == "" {
			return &cs[i], ""
		}
		if cs[i].Paid || cs[i].Hold == Unread || c == nil { // says more than what was never paid
			c, why = &cs[i], w
		}
	}
	return c, why
}

// owed is the shipment of a payment about which nothing is reported yet.
func owed(c *Charge, now time.Time) *Shipment {
	s := &Shipment{Charge: *c}
	s.Scope, s.TimePaid, s.State = c.Scope, c.TimePaid, ledger.ShipmentWaiting
	if s.TimePaid.IsZero() {
		s.TimePaid = now
	}
	s.rest(now)
	return s
}

// doubt makes the shipment one of which WeChat may want nothing: it is asked, of old payments some hours later, so that those whose time runs are first and
// nobody waits behind a crowd of them.
func (s *Shipment) doubt(now time.Time) {
	s.State, s.Due = ledger.ShipmentUnmanaged, now.Add(max(now.Sub(s.TimePaid), 0)/100)
}

// doubted says that WeChat has not said yet whether it wants anything.
func (s *Shipment) doubted() bool { return s.State == ledger.ShipmentUnmanaged && !s.Due.IsZero() }

// doubtOn says when a shipment that is still doubted is asked about again, if it is: that WeChat does not know a payment is final an hour after it.
func (s *Shipment) doubtOn(a ledger.ShippingAnswer, now time.Time) {
	switch young := now.Sub(s.TimePaid) < shipRetry; {
	case a.Result == ledger.ShippingTransient, a.Result == ledger.ShippingNotFound && young:
		s.Due = now.Add(shipRetry)
	case a.Result == ledger.ShippingUnknown, a.Result == ledger.ShippingTold, a.Result == ledger.ShippingFinal:
		s.rest(now)
	}
}

// public returns the shipment as callers of the ledger see it.
func (s *Shipment) public() ledger.Shipment {
	p := s.Shipment
	p.Amount, p.Refunded = s.Charge.PaidAmount, s.Charge.AmountRefunded
	p.ChargeID, p.OrderNo, p.TransactionNo, p.Payer, p.PayerAppID = s.Charge.ID, s.Charge.OrderNo, s.Charge.TransactionNo, s.Charge.Payer, s.Charge.PayerAppID
	return p
}

// ShipmentDue says that WeChat is to be asked now, and that nobody is at it.
func (s *Shipment) ShipmentDue(c ledger.ShipmentClaim, leases Span) bool {
	due := !s.Due.IsZero() && !s.Due.After(c.Now) && !leases.InUse(s.Until)
	return due && c.Daily == (s.Stage != ledger.ReportOpen)
}

// over says that nothing becomes of the money any more.
func (s *Shipment) over() bool { return !s.State.Frozen() }

// lease gives the shipment to whoever asks WeChat about it.
func (s *Shipment) lease(owner string, until time.Time) {
	s.Owner, s.Until = owner, until
	s.Epoch++
}

// putOff delays a report whose payment is held by now, so that nobody posts it.
func (s *Shipment) putOff(now time.Time) {
	s.Due = now.Add(shipRetry)
	s.Problem = problemHeld
}

// heldBy says that a lease is the one that was given last.
func (s *Shipment) heldBy(l ledger.ShipmentLease) bool {
	return s != nil && s.Owner != "" && s.Owner == l.Owner && s.Epoch == l.Epoch
}

// takes says whether WeChat may take a report: it has taken all if two complete ones have been accepted, or may have been. What may have been posted is no
// other one than itself.
func (s *Shipment) takes(n *ledger.Shipping) bool {
	taken := s.Uploads
	if s.Posted != nil && !s.Posted.Same(n) {
		taken += s.counts(s.Posted)
	}
	return taken < allUploads
}

// full says why WeChat takes a report no more, beside what it has or may have; empty: it does.
func (s *Shipment) full(n *ledger.Shipping) ledger.ShippingReason {
	switch {
	case !s.takes(n):
		return ledger.RefuseCorrected
	case !n.Complete && (s.Uploads > 0 || s.Posted != nil && s.Posted.Complete || s.Stage == ledger.ReportOpen && s.Shipping.Complete):
		return ledger.RefuseComplete
	}
	return ""
}

// counts is what a report that WeChat accepts takes of those that it takes: one that is not complete, before any complete one, is a part.
func (s *Shipment) counts(n *ledger.Shipping) int {
	if n.Complete || s.Uploads > 0 {
		return 1
	}
	return 0
}

// report records what was shipped, unless it is recorded. That WeChat calls a payment refunded refuses nothing: whether all went back the charge knows.
func (s *Shipment) report(n *ledger.Shipping, now time.Time) (fresh bool, why ledger.ShippingReason) {
	switch {
	case s.has(n):
		return false, ""
	case s.State == ledger.ShipmentConfirmed || s.State == ledger.ShipmentSettled:
		return false, ledger.RefuseOver
	}
	if why := s.full(n); why != "" {
		return false, why
	}
	if why := s.join(n); why != "" {
		return false, why
	}
	s.Recorded = now
	s.reopen(now)
	return true, ""
}

// reopen makes the last report due.
func (s *Shipment) reopen(now time.Time) {
	s.Stage, s.Due, s.Problem = ledger.ReportOpen, now, ledger.ShippingProblem{}
	s.Tries, s.Missed, s.Unclear, s.Last = 0, 0, 0, ""
	switch s.State {
	case ledger.ShipmentFailed, ledger.ShipmentUnmanaged, ledger.ShipmentRefunded:
		s.State = ledger.ShipmentWaiting
	}
}

// again does what a person decided: it returns why that cannot be.
func (s *Shipment) again(n *ledger.Shipping, now time.Time) error {
	if n != nil && !s.has(n) {
		s.forget()
		if _, why := s.report(n, now); why != "" {
			return &ledger.ShippingRefusal{Reason: why, OrderNo: s.Charge.OrderNo}
		}
		return nil
	}
	refuse := func(why string) error {
		return fmt.Errorf("%w: the shipping of %s %s", ledger.ErrState, s.Charge.ID, why)
	}
	switch {
	case s.Shipping == nil:
		return refuse("was never reported; say what to report")
	case s.Stage == ledger.ReportDone && s.Problem.Code != ledger.ProblemDiffers:
		return refuse("is known to WeChat; only other content can be reported")
	case s.Stage == ledger.ReportOpen:
		s.Due = earlier(s.Due, now)
		return nil
	case s.State == ledger.ShipmentConfirmed || s.State == ledger.ShipmentSettled:
		return refuse("is " + string(s.State) + "; WeChat takes no report any more")
	}
	if why := s.full(s.Shipping); why != "" {
		return &ledger.ShippingRefusal{Reason: why, OrderNo: s.Charge.OrderNo}
	}
	s.reopen(now)
	return nil
}

// invalid records that what was to be reported by itself is no report.
func (s *Shipment) invalid(p ledger.ShippingProblem, now time.Time) {
	s.Recorded = now
	s.fail(p)
	s.rest(now)
}

// shipment: one that is due later than any gap leads to was made so by a clock that has been put back since.
func (a ahead) shipment(s *Shipment) bool {
	now := a.far.Add(-ledger.LongestLease)
	longest := shipBackoff[len(shipBackoff)-1]
	if s.Stage != ledger.ReportOpen {
		longest = s.gap(now)
	}
	return s.Due.After(a.far.Add(longest))
}

// shipmentOver says that nobody will need a shipment any more.
func shipmentOver(s *Shipment, before time.Time) bool {
	return s.over() && s.TimePaid.Before(before)
}

package core

import (
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// book writes what a recorded event says about its charge, and what follows from it.
func book(t Tx, b *books, e *Event) error {
	if err := bookRefund(t, b, e); err != nil {
		return err
	}
	if e.ChargeID == "" || e.Change == nil && !b.counts {
		return nil
	}
	fact := b.factOf(e)
	if b.charge == nil {
		if !b.counts {
			return nil // of a charge that we never saw and that nobody has paid there is nothing to write
		}
		if _, err := t.AddCharge(foreign(e, fact)); err != nil {
			return err
		}
	} else if err := bookCharge(t, b, e, fact); err != nil {
		return err
	}
	t.Touch(ledger.ChargeTopic(e.Scope, e.ChargeID))
	if b.counts && fact.change.Paid && e.OrderNo != "" {
		t.Touch(ledger.OrderTopic(e.Scope, e.OrderNo))
		if err := supersede(t, b.rivals(&e.Event)); err != nil {
			return err
		}
	}
	if b.hold != NotHeld && isPayment(&e.Event) { // it awaits a person, or went back before it was heard of
		return withhold(t, e.Scope, e.Lane, e.ChargeID, e.Received)
	}
	return nil
}

func bookCharge(t Tx, b *books, e *Event, f fact) error {
	c := b.charge
	if reason := b.goesBack(f.change); reason != "" {
		did, err := takeBack(t, c, e.ChargeID, reason, e.Received)
		if err != nil {
			return err
		}
		if did {
			b.hold, f.hold = WentBack, WentBack
			if isRefund(&e.Event) && e.State == ledger.Pending { // it was filtered with the others
				e.State, e.Reasons = ledger.Filtered, []string{ledger.ReasonUnpaid}
			}
		}
	}
	set := t.SetCharge
	if c.ID == "" {
		set = t.SetAttempt
	}
	c.tell(f)
	return set(c)
}

// takeBack discards the payment of a charge whose money went back, if the backend cannot have heard of it: one that a person was to decide
// about, or that was never sent. Its refunds are not delivered then either. It says whether it did.
func takeBack(t Tx, c *Charge, chargeID, reason string, at time.Time) (bool, error) {
	if c.Payment == 0 || c.Hold != NotHeld && c.Hold != Awaits {
		return false, nil
	}
	p, err := t.EventAt(c.Scope, c.Payment)
	if err != nil || p == nil {
		return false, err
	}
	sent, _, err := t.Sent(p)
	if err != nil || !c.unheard(p, reason, sent, t.Opened()) {
		return false, err
	}
	p.takeBack(reason, at)
	if err := t.SetEvent(p); err != nil {
		return false, err
	}
	if err := withhold(t, c.Scope, p.Lane, chargeID, at); err != nil {
		return false, err
	}
	return true, promote(t, c.Scope, p.Lane)
}

// supersede marks the attempts that give way among some.
func supersede(t Tx, cs []Charge) error {
	for i := range cs {
		c := &cs[i]
		if !c.supersedable() {
			continue
		}
		c.supersede()
		if err := t.SetCharge(c); err != nil {
			return err
		}
		if c.ID != "" {
			t.Touch(ledger.ChargeTopic(c.Scope, c.ID))
		}
	}
	return nil
}

// withhold filters the pending refunds of a payment that is not to be delivered: the backend will never hear of it.
func withhold(t Tx, s ledger.Scope, lane, chargeID string, now time.Time) error {
	if lane == "" {
		return nil
	}
	if err := t.Lock(s, AnOrder, lane); err != nil {
		return err
	}
	refunds, err := t.PendingRefunds(s, lane, chargeID)
	if err != nil {
		return err
	}
	some := false
	for i := range refunds {
		e := &refunds[i]
		if !e.withholdable(now) {
			continue
		}
		some = true
		e.Reasons = []string{ledger.ReasonUnpaid}
		e.end(ledger.Filtered, now)
		if err := t.SetEvent(e); err != nil {
			return err
		}
	}
	if !some {
		return nil
	}
	return promote(t, s, lane)
}

// silence withholds the refunds of a charge whose payment is not delivered. A payment that was delivered once is known to the backend, whatever
// became of its replay.
func silence(t Tx, c *Charge, e *Event, h Hold, now time.Time) error {
	if known, err := heard(t, e); err != nil || known {
		return err
	}
	if err := setHold(t, c, h); err != nil {
		return err
	}
	return withhold(t, e.Scope, e.Lane, e.ChargeID, now)
}

// heard says whether the backend has acknowledged an event. Where the ledger is damaged the attempt may not be listed; older versions have not counted.
func heard(t Tx, e *Event) (bool, error) {
	if e.Acks > 0 {
		return true, nil
	}
	_, listed, err := t.Sent(e)
	return listed, err
}

// reviveRefunds makes the refunds pending that were not to be delivered as long as their payment was not.
func reviveRefunds(t Tx, s ledger.Scope, chargeID string, now time.Time) error {
	refunds, err := t.Withheld(s, chargeID)
	if err != nil {
		return err
	}
	for i := range refunds {
		refunds[i].Reasons = nil
		if err := resume(t, &refunds[i], now); err != nil {
			return err
		}
	}
	return nil
}

// part makes the payment of a foreign charge findable by its own order and in its lane, if the charge turns out to be of another order.
func part(t Tx, f, c *Charge) error {
	if f.Payment == 0 || f.OrderNo == c.OrderNo {
		return nil
	}
	p, err := t.EventAt(c.Scope, f.Payment)
	if err != nil || p == nil {
		return err
	}
	p.ByCharge = false
	return t.SetEvent(p)
}

// setHold writes why the payment of a charge is not delivered.
func setHold(t Tx, c *Charge, h Hold) error {
	c.Hold = h
	t.Touch(ledger.ChargeTopic(c.Scope, c.ID))
	return t.SetCharge(c)
}

// bookRefund writes what a recorded event says about a refund.
func bookRefund(t Tx, b *books, e *Event) error {
	c := e.Refund
	if c == nil || e.ChargeID == "" {
		return nil
	}
	// The charge's sum has it if there is a charge to have it.
	counted := b.charge != nil && e.Change != nil && e.Change.Refund > 0
	known, err := t.Refunds(e.Scope, c.ID, c.RefundNo)
	if err != nil {
		return err
	}
	if re := refundOf(known, &e.Event); re != nil {
		re.tell(*c, counted)
		err = t.SetRefund(re)
	} else if c.ID != "" {
		err = t.AddRefund(elsewhere(known, e, counted))
	} else {
		return nil
	}
	t.Touch(ledger.ChargeTopic(e.Scope, e.ChargeID))
	return err
}

// stepBack blocks the event that was the first of its lane until now; 0 for none.
func stepBack(t Tx, seq int64) error {
	if seq == 0 {
		return nil
	}
	return t.SetBlocked(seq, true)
}

// firstOf returns the first pending event of a lane, which nobody else changes from then on.
func firstOf(t Tx, s ledger.Scope, lane string) (*Place, error) {
	if lane == "" {
		return nil, nil
	}
	if err := t.Lock(s, AnOrder, lane); err != nil {
		return nil, err
	}
	known, err := t.Books(s, Question{Lane: lane})
	return foremost(known.Lane), err
}

// promote unblocks the first pending event of a lane.
func promote(t Tx, s ledger.Scope, lane string) error {
	first, err := firstOf(t, s, lane)
	if err != nil || first == nil || !first.Blocked {
		return err
	}
	t.Touch(ledger.EventsTopic(s))
	return t.SetBlocked(first.Seq, false)
}

// resume makes an event pending, in its place in its lane, to be delivered for the first time or again.
func resume(t Tx, e *Event, due time.Time) error {
	first, err := firstOf(t, e.Scope, e.Lane)
	if err != nil {
		return err
	}
	var behind int64
	e.State, e.Tries, e.Due, e.Settled, e.Owner, e.Until = ledger.Pending, 0, due, time.Time{}, "", time.Time{}
	e.Blocked, behind = e.queue(first)
	if err := t.SetEvent(e); err != nil {
		return err
	}
	t.Touch(ledger.EventsTopic(e.Scope))
	return stepBack(t, behind)
}

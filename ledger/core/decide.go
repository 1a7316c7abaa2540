package core

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// Decide implements [ledger.Events].
func (l *Ledger) Decide(ctx context.Context, d ledger.Decision) error {
	switch d.Action {
	case ledger.ActionReplay, ledger.ActionRelease, ledger.ActionDiscard:
	case ledger.ActionPause, ledger.ActionUnpause:
		if d.EventID != "" {
			return fmt.Errorf("ledger: %s is decided about a scope, not about event %s", d.Action, d.EventID)
		}
		if err := checkScope(d.Scope); err != nil {
			return err
		}
		return l.store.Write(ctx, func(t Tx) error { return pause(t, d) })
	default:
		return fmt.Errorf("ledger: %q is nothing to decide about event %s; use replay, release or discard", d.Action, d.EventID)
	}
	leases := l.steps.leases(d.Now, ledger.LongestLease)
	return l.store.Write(ctx, func(t Tx) error { return decide(t, d, leases) })
}

func decide(t Tx, d ledger.Decision, leases Span) error {
	if err := t.Lock(d.Scope, AnEvent, d.EventID); err != nil {
		return err
	}
	e, err := t.Event(d.Scope, d.EventID)
	if err != nil {
		return err
	}
	if e == nil {
		return ledger.ErrNotFound
	}
	if d.Run != "" {
		if did, err := t.Decided(e.Seq, d.Run); did || err != nil {
			return cmp.Or(err, ledger.ErrDecided)
		}
	}
	if err := e.allows(d, leases); err != nil {
		return err
	}
	if err := t.AddAudit(e, &d); err != nil {
		return err
	}
	c, err := paymentOf(t, e)
	if err == nil && c == nil {
		c, err = decideUnread(t, d, e)
	}
	switch {
	case err != nil:
		return err
	case d.Action == ledger.ActionDiscard:
		return discard(t, d, e, c)
	case e.State == ledger.Pending:
		e.hurry(d.Now, leases)
		t.Touch(ledger.EventsTopic(d.Scope))
		return t.SetEvent(e)
	}
	return revive(t, d, e, c)
}

// decideUnread settles the hold of a charge whose payment could not be read. It returns the charge if the event counts as that payment now.
func decideUnread(t Tx, d ledger.Decision, e *Event) (*Charge, error) {
	if !e.awaitsReading() {
		return nil, nil
	}
	t.Touch(ledger.ChargeTopic(d.Scope, e.ChargeID))
	c, err := t.Charge(d.Scope, e.ChargeID)
	if err != nil || !e.unreadOf(c) {
		return nil, err
	}
	if d.Action == ledger.ActionDiscard {
		c.Hold = NotHeld
		return nil, t.SetCharge(c)
	}
	c.vouch(e, d.Now)
	e.Money = c.Amount // written with its new state
	tallyMoney(t, e, e.Money)
	if err := t.SetCharge(c); err != nil || c.OrderNo == "" {
		return c, err
	}
	if err := t.Lock(d.Scope, AnOrder, c.OrderNo); err != nil {
		return c, err
	}
	known, err := t.Books(d.Scope, Question{OrderNo: c.OrderNo})
	if err != nil {
		return c, err
	}
	return c, supersede(t, known.Charges) // which it is not itself, since it is paid
}

// revive makes an event pending that is to be delivered after all, or again.
func revive(t Tx, d ledger.Decision, e *Event, c *Charge) error {
	if err := remember(t, e, c); err != nil {
		return err
	}
	e.Reasons = tellable(e.Reasons)
	e.Replay = e.Replay || d.Action == ledger.ActionReplay
	if err := resume(t, e, d.Now); err != nil {
		return err
	}
	return lift(t, c, d.Now)
}

// remember makes good what an older version did not record of an event that becomes pending again: that no charge leads to it in its lane, where it
// could not be found when its turn comes, and, of a payment, its money and whether the backend has it.
func remember(t Tx, e *Event, c *Charge) error {
	e.ByCharge = e.ByCharge && c != nil && c.OrderNo == e.OrderNo && c.OrderNo == e.Lane
	if c == nil || e.Money != 0 {
		return nil
	}
	known, err := heard(t, e)
	if err != nil {
		return err
	}
	if known {
		e.Acks = max(e.Acks, 1)
	}
	e.Money = c.PaidAmount
	tallyMoney(t, e, e.Money)
	return nil
}

// lift ends the hold on a charge, if there is one, whose payment is delivered after all: its refunds are to be delivered too.
func lift(t Tx, c *Charge, now time.Time) error {
	if c == nil {
		return nil
	}
	if err := setHold(t, c, NotHeld); err != nil {
		return err
	}
	return reviveRefunds(t, c.Scope, c.ID, now)
}

// discard decides against delivering an event. The refunds of a payment are not delivered then either, unless the backend has heard of it and
// only its replay is discarded.
func discard(t Tx, d ledger.Decision, e *Event, c *Charge) error {
	e.end(ledger.Discarded, d.Now)
	if err := t.SetEvent(e); err != nil {
		return err
	}
	if c != nil {
		if err := silence(t, c, e, Dismissed, d.Now); err != nil {
			return err
		}
	}
	return promote(t, d.Scope, e.Lane)
}

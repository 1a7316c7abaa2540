package core

import (
	"cmp"
	"slices"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// undone says that the charge's payment, if there is one, does not count against another one of the order: its money went back, and no person is
// still to decide.
func (c *Charge) undone() bool {
	switch c.Hold {
	case WentBack:
		return true
	case Dismissed:
		return c.Reversed || c.PaidAmount > 0 && c.AmountRefunded >= c.PaidAmount
	case Awaits, Unread:
		return false
	}
	return c.Reversed
}

// public returns the charge as callers of the ledger see it.
func (c *Charge) public() ledger.Charge {
	p := c.Charge
	p.Held = c.Hold == Awaits || c.Hold == Dismissed || c.Hold == Unread
	p.Undone = c.undone()
	return p
}

// fact is what is heard of a charge at once: by an event, or by what was known of it as a foreign one.
type fact struct {
	id      string
	change  ledger.ChargeChange
	paid    ledger.Payment // what was paid
	payment int64          // the event that has the effect of its success
	hold    Hold           // its charge's from now on
}

// factOf is what an event says of its charge.
func (b *books) factOf(e *Event) fact {
	f := fact{id: e.ChargeID, hold: b.hold}
	if e.Change != nil {
		f.change = *e.Change
	}
	if e.Payment != nil && f.change.Paid {
		f.paid = *e.Payment
	}
	if b.counts {
		f.payment = e.Seq
	}
	return f
}

// tell adds a fact to what is known of a charge; nothing of that is ever taken back.
func (c *Charge) tell(f fact) {
	c.ID = cmp.Or(c.ID, f.id)
	c.AmountRefunded += f.change.Refund
	c.PaidAmount = max(c.PaidAmount, f.paid.Amount)
	c.Amount, c.Currency = cmp.Or(c.Amount, f.paid.Amount), cmp.Or(c.Currency, f.paid.Currency)
	c.TransactionNo = cmp.Or(c.TransactionNo, f.paid.TransactionNo)
	c.Payment, c.Hold = cmp.Or(c.Payment, f.payment), f.hold
	c.pay(f.change.Paid, f.change.TimePaid)
	c.reverse(f.change.Reversed)
}

func (c *Charge) pay(paid bool, at time.Time) {
	c.Paid = c.Paid || paid
	if c.TimePaid.IsZero() {
		c.TimePaid = at
	}
	if paid {
		c.NextQuery = time.Time{}
	}
}

func (c *Charge) reverse(reversed bool) {
	c.Reversed = c.Reversed || reversed
	if reversed {
		c.NextQuery = time.Time{}
	}
}

// foreign is a charge that we never saw, as the event of its payment shows it.
func foreign(e *Event, f fact) *Charge {
	c := &Charge{Charge: ledger.Charge{Scope: e.Scope, OrderNo: e.OrderNo, Number: e.Number, State: ledger.Foreign, Host: e.Host, Created: e.Created}}
	f.change.Refund = 0 // of a charge that was not there when the refund was
	c.tell(f)
	return c
}

// adopt gives what is known of a foreign charge to the attempt that turns out to be it.
func (c *Charge) adopt(f *Charge) {
	c.tell(fact{
		change:  ledger.ChargeChange{Paid: f.Paid, TimePaid: f.TimePaid, Refund: f.AmountRefunded, Reversed: f.Reversed},
		paid:    ledger.Payment{Amount: f.PaidAmount, TransactionNo: f.TransactionNo},
		payment: f.Payment, hold: f.Hold,
	})
}

// supersedable says that the attempt gives way to another one. Of one that a request is deciding about nothing is said: Created does that.
func (c *Charge) supersedable() bool { return c.State != ledger.Reserving && !c.Paid && !c.Superseded }

// supersede marks an attempt. It is due at once: whoever looks it up reverses it as soon as the channel lets it.
func (c *Charge) supersede() {
	c.Superseded = true
	if c.State != ledger.Open || c.Reversed {
		return
	}
	at := later(c.Created, ledger.FirstTime) // zero would be never
	if c.NextQuery.IsZero() || at.Before(c.NextQuery) {
		c.NextQuery = at
	}
}

// rivals are the other attempts of an order that an event has paid: they give way.
func (b *books) rivals(e *ledger.Event) []Charge {
	back := b.hold == WentBack || slices.Contains(e.Reasons, ledger.ReasonReversed) // then the order may well be paid again
	if back {
		return nil
	}
	return b.others
}

// goesBack returns the reason for which an event may take back a payment of which the backend has not heard; empty for none.
func (b *books) goesBack(change ledger.ChargeChange) string {
	c := b.charge
	switch {
	case b.counts || c.Payment == 0:
		return ""
	case change.Reversed:
		return ledger.ReasonReversed
	case change.Refund > 0 && c.PaidAmount > 0 && c.AmountRefunded+change.Refund >= c.PaidAmount:
		return ledger.ReasonRefunded
	}
	return ""
}

// unheard says whether the backend cannot have heard of the payment of a charge whose money goes back: its event is held, or was never sent. Once
// anything may have been sent the backend may know it, and has to hear of what became of it. What says so may have been lost: with the last moments
// before a power failure, or with all that came after the backup that this ledger is. So only a payment that was made, and recorded, since the
// ledger was opened was surely never sent. Of a reversal nothing is announced: a backend that has heard of the payment learns nothing from hearing
// of it again.
func (c *Charge) unheard(p *Event, reason string, sent bool, o Opening) bool {
	switch c.Hold {
	case NotHeld:
		untried := p.State == ledger.Pending && p.Lane != "" && p.Owner == "" && !p.Replay && !sent
		return untried && (reason == ledger.ReasonReversed || p.Seq > o.Last && c.TimePaid.After(o.At.Add(ledger.ClockSkew)))
	case Awaits:
		return p.State == ledger.Held
	}
	return false
}

// takeBack discards a payment whose money went back.
func (e *Event) takeBack(reason string, at time.Time) {
	if len(e.Reasons) == 0 {
		e.Reasons = []string{reason}
	}
	e.end(ledger.Discarded, at)
}

// end makes an event one that is not to be delivered.
func (e *Event) end(as ledger.State, at time.Time) {
	e.State, e.Settled = as, at
	e.Due, e.Back, e.Blocked, e.Owner, e.Until = time.Time{}, time.Time{}, false, "", time.Time{}
}

// vouch makes an event that could not be read the charge's payment: a person says that it is one.
func (c *Charge) vouch(e *Event, now time.Time) {
	c.tell(fact{paid: ledger.Payment{Amount: c.Amount}, payment: e.Seq, hold: NotHeld, change: ledger.ChargeChange{Paid: true, TimePaid: now}})
}

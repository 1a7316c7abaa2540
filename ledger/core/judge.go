package core

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// isPayment says that the event is what the money checks look at.
func isPayment(e *ledger.Event) bool { return e.Type == "charge.succeeded" }

// saysPaid says that the event reports money: one that says the charge is not paid, or that cannot be read, does not.
func saysPaid(e *ledger.Event) bool { return e.Change != nil && e.Change.Paid && !isUnreadable(e) }

// isRefund says that the event is about money that goes back.
func isRefund(e *ledger.Event) bool { return strings.HasPrefix(e.Type, "refund.") }

// OfRefund says that the event is about money that goes back.
func (e *Event) OfRefund() bool { return isRefund(&e.Event) }

// isOrder says that the event is about a Ping++ order or its refund, which have an order number of their own.
func isOrder(e *ledger.Event) bool {
	return strings.HasPrefix(e.Type, "order.") || strings.HasPrefix(e.Type, "order_refund.")
}

func isUnreadable(e *ledger.Event) bool { return slices.Contains(e.Reasons, ledger.ReasonUnreadable) }

// books are what is known about an event's charge and its order.
type books struct {
	counts bool         // the event is a payment's: the charge's record says whether another had its effect
	quote  ledger.Quote // its time is zero when there is none
	charge *Charge      // the event's
	others []Charge     // of the same order
	hold   Hold         // the charge's after this event

	ahead  bool  // a pending event of the lane goes before this one
	behind int64 // the one that was the first, if it goes after this one
}

// newBooks are those of an event of which nothing is known.
func newBooks(e *ledger.Event) *books {
	return &books{counts: isPayment(e) && e.ChargeID != "" && e.ChargeID == e.ObjectID && saysPaid(e)}
}

// question is what has to be known about an event.
func question(e *ledger.Event) (q Question) {
	if e.State == ledger.Pending {
		q.Lane = e.Lane
	}
	if e.ChargeID != "" {
		q.OrderNo, q.ChargeID, q.Number = e.OrderNo, e.ChargeID, e.Number
	}
	return q
}

// fits says that an event which names the attempt's number may be about it: it names no other order. Whoever charges through the same app
// without this ledger may have used the number for an order of its own.
func (c *Charge) fits(e *ledger.Event) bool {
	numbered := e.Number != "" && c.Number == e.Number && c.State != ledger.Foreign
	return numbered && (e.OrderNo == "" || e.OrderNo == c.OrderNo || e.OrderNo == e.Number)
}

// open fills in the books of a question.
func (b *books) open(k Books, q Question, e *ledger.Event) {
	b.quote, b.charge, b.others = k.Quote, nil, nil
	for i := range k.Charges {
		c := &k.Charges[i]
		if c.ID == q.ChargeID || c.ID == "" && b.charge == nil && c.fits(e) {
			b.charge = c
		}
	}
	for i := range k.Charges {
		if c := &k.Charges[i]; c != b.charge && q.OrderNo != "" && c.OrderNo == q.OrderNo {
			b.others = append(b.others, *c)
		}
	}
	if b.charge != nil {
		b.hold = b.charge.Hold
	}
}

// correct sets what the charge's record knows better, and says whether the books are to be read again by the right order number.
func (b *books) correct(e *ledger.Event) bool {
	c := b.charge
	if c == nil {
		return false
	}
	e.Host = cmp.Or(c.Host, e.Host)
	if c.OrderNo == "" || c.OrderNo == e.OrderNo {
		return false
	}
	if isOrder(e) { // it has the merchant's number by itself; only its lane is its charge's
		moves := e.Lane != "" && e.Lane != c.OrderNo
		if moves {
			e.Lane = c.OrderNo
		}
		return moves
	}
	if e.Lane == e.OrderNo {
		e.Lane = c.OrderNo
	}
	e.OrderNo = c.OrderNo
	return true
}

// seen says that another event has had the effect of this payment.
func (b *books) seen() bool { return b.counts && b.charge != nil && b.charge.Payment != 0 }

// overtakes says that the event may have the effect of one that could not be read, whose hold on the charge is over then.
func (b *books) overtakes(e *ledger.Event) bool {
	if !b.counts {
		return e.Effect() != e.ID
	}
	if b.hold == Unread {
		b.hold = NotHeld
	}
	return true // the one that could not be read holds no charge if it came before the charge's id was known
}

// enter says how a new event will be found, when it is due, whether it waits for others and who has it. The effect of a payment is in its charge's record,
// which is written anyway, and so is the way to it from its order and in its lane: three indexes less to write into for most events.
func (b *books) enter(e *Event) {
	if b.counts {
		e.ByCharge = e.Lane == e.OrderNo && (b.charge == nil || b.charge.OrderNo == e.OrderNo)
	} else {
		e.Claims = e.Effect() != e.ID // an effect that is the id is unique with it
	}
	e.schedule(b.ahead)
	if b.lends(e) {
		e.Owner, e.Until = e.Lease.Owner, e.Lease.Until
	}
}

// lends says that a new event goes to whoever will deliver it at once: it is one that could be claimed. What may take a payment back is not: it is
// withheld with the other refunds then, which what is under way is not.
func (b *books) lends(e *Event) bool {
	back := b.charge != nil && e.Change != nil && b.goesBack(*e.Change) != ""
	return e.Lease.Owner != "" && !back && e.Claimable(ledger.Claim{Now: e.Received}, Span{})
}

// granted is the lease that a new event was recorded with.
func (e *Event) granted() ledger.Lease { return ledger.Lease{Owner: e.Owner, Until: e.Until} }

// schedule says when a new event is due, and whether it waits for others.
func (e *Event) schedule(ahead bool) {
	switch {
	case e.State != ledger.Pending:
		e.Due = time.Time{}
	case e.Due.IsZero():
		e.Due = e.Received
	}
	e.Blocked = ahead && e.State == ledger.Pending
}

// judge decides about an event by what is known: it sets State, Reasons and Late.
func (b *books) judge(e *ledger.Event) {
	switch {
	case isRefund(e) && b.hold != NotHeld && e.State == ledger.Pending:
		e.State, e.Reasons = ledger.Filtered, []string{ledger.ReasonUnpaid}
	case isPayment(e) && e.Payment != nil:
		b.judgePayment(e)
	}
}

func (b *books) judgePayment(e *ledger.Event) {
	reasons := b.mismatch(e)
	if len(reasons) == 0 {
		e.Late = b.late(e)
		return
	}
	if e.Returned {
		e.State, e.Reasons, e.Settled, b.hold = ledger.Discarded, reasons, e.Received, WentBack
		return
	}
	if e.Deliver {
		e.Reasons = slices.Concat(e.Reasons, reasons)
		return
	}
	// One whose type the backend does not want is held as well: the money is at risk all the same.
	e.State, e.Reasons, b.hold = ledger.Held, reasons, Awaits
	if b.charge != nil && b.charge.AmountRefunded > 0 && b.charge.AmountRefunded >= e.Payment.Amount {
		e.State, e.Settled, b.hold = ledger.Discarded, e.Received, WentBack
	}
}

// mismatch returns the reasons to hold a payment.
func (b *books) mismatch(e *ledger.Event) (reasons []string) {
	p := e.Payment
	// Before Ping++ answered we do not know what our charge costs; nobody has its credential then.
	if c := b.charge; c != nil && (c.State == ledger.Open || c.State == ledger.Foreign) {
		if p.Amount != c.Amount {
			reasons = append(reasons, ledger.ReasonAmount)
		}
		if !strings.EqualFold(p.Currency, c.Currency) {
			reasons = append(reasons, ledger.ReasonCurrency)
		}
	}
	quoted := !b.quote.At.IsZero() && b.quote.Currency != "" // else it only ever said closed
	if b.charge != nil && b.charge.Superseded && quoted &&
		(p.Amount != b.quote.Amount || !strings.EqualFold(p.Currency, b.quote.Currency)) {
		reasons = append(reasons, ledger.ReasonSuperseded)
	}
	if slices.ContainsFunc(b.others, func(c Charge) bool { return c.Paid && !c.undone() }) {
		reasons = append(reasons, ledger.ReasonPaidTwice)
	}
	if e.Change != nil && e.Change.Reversed || b.charge != nil && b.charge.Reversed {
		reasons = append(reasons, ledger.ReasonReversed)
	}
	return reasons
}

// late says in which way a payment came after the fact, if it did. Its time and its charge's expiry are Ping++'s, the quote's time is ours.
func (b *books) late(e *ledger.Event) string {
	paid := e.Payment.Time
	switch {
	case b.charge != nil && !b.charge.TimeExpire.IsZero() && paid.After(b.charge.TimeExpire):
		return "expired"
	case b.quote.Closed && e.Received.After(b.quote.At) && paid.After(b.quote.At.Add(-ledger.LateDoubt)):
		return "closed"
	}
	return ""
}

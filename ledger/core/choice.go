package core

import (
	"fmt"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// allows returns why an event's state does not allow what a person decided.
func (e *Event) allows(d ledger.Decision, leases Span) error {
	refuse := func(why string) error { return fmt.Errorf("%w: %s is %s%s", ledger.ErrState, d.EventID, e.State, why) }
	if d.From != "" && e.State != d.From {
		return refuse(" by now; when that was decided it was " + string(d.From))
	}
	switch d.Action {
	case ledger.ActionRelease:
		if e.State != ledger.Held {
			return refuse("; only a held event can be released")
		}
	case ledger.ActionReplay:
		if e.State == ledger.Held {
			return refuse("; release or discard it")
		}
		if !e.HasBody {
			return refuse(" and its body has been pruned")
		}
	case ledger.ActionDiscard:
		if e.Owner != "" && leases.InUse(e.Until) {
			return refuse(" and being delivered right now; try again in a moment")
		}
		if e.State != ledger.Held && e.State != ledger.Pending && e.State != ledger.Dead {
			return refuse("; only a held, pending or dead event can be discarded")
		}
	}
	return nil
}

// hurry makes a pending event due. A lease that is over because it ends too far ahead ends here too. Its owner stays: something may have been sent.
func (e *Event) hurry(now time.Time, leases Span) {
	e.Due = earlier(e.Due, now)
	if e.Until.After(leases.Far) {
		e.Until = time.Time{}
	}
}

// tellable returns the reasons of an event that is delivered after all: why it was filtered is of no concern to the backend, which money check
// failed is.
func tellable(reasons []string) (kept []string) {
	for _, r := range reasons {
		switch r {
		case ledger.ReasonEffectSeen, ledger.ReasonType, ledger.ReasonUnpaid, ledger.ReasonNoApp:
		default:
			kept = append(kept, r)
		}
	}
	return kept
}

// isPaymentOf says that the event has the effect of a charge's success.
func (e *Event) isPaymentOf(c *Charge) bool { return c != nil && c.Payment == e.Seq }

// awaitsReading says that a person decides about an event whose charge is held because it cannot be read.
func (e *Event) awaitsReading() bool {
	return e.ChargeID != "" && e.Unreadable()
}

// unreadOf says that the hold of a charge is that of this payment.
func (e *Event) unreadOf(c *Charge) bool { return c != nil && c.Hold == Unread && isPayment(&e.Event) }

// withholdable says that the refund of a payment which is not to be delivered need not be delivered either. One under way is not recalled.
func (e *Event) withholdable(now time.Time) bool { return e.Owner == "" || !spanAt(now).InUse(e.Until) }

// acknowledge makes an event delivered, whatever it was.
func (e *Event) acknowledge(at time.Time) {
	if e.State == ledger.Delivered {
		at = e.Settled
	}
	e.end(ledger.Delivered, at)
	e.Acks++
	e.Attempts++
	e.Tries++
}

// kept is a delivery as it is recorded.
func kept(d ledger.Delivery) *ledger.Delivery {
	d.Back, d.Shipping, d.ShippingProblem = time.Time{}, nil, ledger.ShippingProblem{}
	if d.State != ledger.Pending {
		d.Due = time.Time{}
	}
	return &d
}

// atOnce returns a delivery that says no more than that the first attempt succeeded, when and how fast, and what the backend answered; nil for any other.
func atOnce(d ledger.Delivery) *ledger.Delivery {
	if d.State != ledger.Delivered || d.Attempt != 1 || d.Error != "" || Kept(d.At).UnixMilli() <= 0 {
		return nil
	}
	return kept(d)
}

// outcome is what an event becomes with a delivery.
func outcome(d ledger.Delivery) Outcome {
	o := Outcome{State: d.State, Counted: !d.Uncounted}
	if d.State == ledger.Pending {
		o.Due, o.Back = d.Due, d.Back
	} else {
		o.Settled = d.At.Add(d.Took)
	}
	return o
}

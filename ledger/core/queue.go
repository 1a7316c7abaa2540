package core

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

var errNoOwner = errors.New("ledger: a claim needs an owner")

// Claim implements [ledger.Events].
func (l *Ledger) Claim(ctx context.Context, c ledger.Claim) (es []ledger.Event, err error) {
	if c.Owner == "" {
		return nil, errNoOwner
	}
	if c.Limit <= 0 {
		return nil, nil
	}
	leases := l.steps.leases(c.Now, c.Until.Sub(c.Now))
	err = l.store.WriteLax(ctx, func(t Tx) error {
		es, err = t.Claim(c, leases)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(es, func(a, b ledger.Event) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Seq, b.Seq))
	})
	return es, nil
}

// Renew implements [ledger.Events].
func (l *Ledger) Renew(ctx context.Context, owner string, c ledger.Claim) (held []string, err error) {
	err = l.store.WriteLax(ctx, func(t Tx) error {
		held = nil
		leases, err := t.Leases(c.Scope, owner)
		for _, lease := range leases {
			held = append(held, lease.EventID)
			if until := Kept(prolonged(lease.Until, c.Until)); err == nil && !until.Equal(lease.Until) {
				lease.Until = until
				err = t.SetLease(lease)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return held, nil
}

// Settle implements [ledger.Events].
func (l *Ledger) Settle(ctx context.Context, owner string, d ledger.Delivery) error {
	if err := checkDelivery(d); err != nil {
		return err
	}
	return l.store.WriteLax(ctx, func(t Tx) error { return settle(t, owner, d, true) })
}

// SettleUnlisted is Settle for an engine that cannot record the attempt itself, nor what it says of the shipping: its outcome is worth more.
func (l *Ledger) SettleUnlisted(ctx context.Context, owner string, d ledger.Delivery) error {
	d.Shipping, d.ShippingProblem = nil, ledger.ShippingProblem{}
	return l.store.WriteLax(ctx, func(t Tx) error { return settle(t, owner, d, false) })
}

func checkDelivery(d ledger.Delivery) error {
	switch d.State {
	case ledger.Delivered, ledger.Dead, ledger.Pending:
	default:
		return fmt.Errorf("ledger: a delivery of %s ends in state %q; use delivered, dead or pending", d.EventID, d.State)
	}
	if d.Uncounted && d.State != ledger.Pending {
		return fmt.Errorf("ledger: a delivery of %s that does not count cannot end in state %q; use pending", d.EventID, d.State)
	}
	return nil
}

// settle records an outcome and, if listed is set, the attempt itself.
func settle(t Tx, owner string, d ledger.Delivery, listed bool) error {
	if err := t.Lock(d.Scope, AnEvent, d.EventID); err != nil {
		return err
	}
	o := outcome(d)
	if listed {
		o.AtOnce = atOnce(d)
	}
	var seq int64
	settled, err := t.Settle(d.Scope, d.EventID, owner, o)
	switch {
	case err != nil:
		return err
	case settled == nil:
		seq, err = settleOther(t, d, o.Settled)
	default:
		seq, err = settled.Seq, settleOwn(t, d, o, settled)
		listed = listed && !settled.Listed
	}
	if err == nil {
		err = shipDelivered(t, d)
	}
	if err != nil || seq == 0 || !listed {
		return err
	}
	return t.AddDelivery(seq, kept(d))
}

// settleOwn does what follows from the outcome of whoever has the lease.
func settleOwn(t Tx, d ledger.Delivery, o Outcome, s *Settled) error {
	if d.State == ledger.Pending {
		t.Touch(ledger.EventsTopic(d.Scope))
		return nil
	}
	if d.State == ledger.Dead {
		if err := died(t, d, o.Settled); err != nil {
			return err
		}
	}
	if s.Blocked || !s.Behind {
		return nil
	}
	return promote(t, d.Scope, s.Lane)
}

// died withholds the refunds of a payment that is dead: the backend should not hear of them before it. A replay brings them back.
func died(t Tx, d ledger.Delivery, at time.Time) error {
	e, err := t.Event(d.Scope, d.EventID)
	if err != nil || e == nil {
		return err
	}
	c, err := paymentOf(t, e)
	if err != nil || c == nil {
		return err
	}
	return silence(t, c, e, Unheard, at)
}

// paymentOf returns the charge whose success the event has as its effect; nil for none.
func paymentOf(t Tx, e *Event) (*Charge, error) {
	if e.ChargeID == "" {
		return nil, nil
	}
	if err := t.Lock(e.Scope, ACharge, e.ChargeID); err != nil {
		return nil, err
	}
	c, err := t.Charge(e.Scope, e.ChargeID)
	if err != nil || !e.isPaymentOf(c) {
		return nil, err
	}
	return c, nil
}

// settleOther records an outcome that does not come from the owner of the lease; only an acknowledgement counts then. It
// returns 0 if this one does not.
func settleOther(t Tx, d ledger.Delivery, at time.Time) (seq int64, err error) {
	e, err := t.Event(d.Scope, d.EventID)
	if err != nil {
		return 0, err
	}
	if e == nil {
		return 0, ledger.ErrNotFound
	}
	if d.State != ledger.Delivered {
		return 0, nil
	}
	was := e.State
	e.acknowledge(at)
	if err := t.SetEvent(e); err != nil {
		return 0, err
	}
	switch was {
	case ledger.Pending:
		err = promote(t, d.Scope, e.Lane)
	case ledger.Discarded, ledger.Dead: // while it was under way; now the backend knows of it, and has to hear of its refunds too
		var c *Charge
		if c, err = paymentOf(t, e); err == nil {
			err = lift(t, c, at)
		}
	}
	return e.Seq, err
}

// Resume implements [ledger.Events].
func (l *Ledger) Resume(ctx context.Context, s ledger.Scope) error {
	for more := true; more; {
		err := l.store.WriteLax(ctx, func(t Tx) error {
			waiting, err := t.Waiting(s, batch)
			for i := range waiting {
				if err == nil {
					waiting[i].Due = waiting[i].Back
					err = t.SetEvent(&waiting[i])
				}
			}
			if len(waiting) > 0 {
				t.Touch(ledger.EventsTopic(s))
			}
			more = len(waiting) == batch
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// NextDue implements [ledger.Events].
func (l *Ledger) NextDue(ctx context.Context, s ledger.Scope) (due ledger.Due, err error) {
	err = l.store.Read(ctx, func(r Reader) error {
		free, leased, pending, err := r.NextDue(s)
		due = ledger.Due{At: free, Pending: pending}
		if free.IsZero() || !leased.IsZero() && leased.Before(free) {
			due.At = leased
		}
		return err
	})
	return due, err
}

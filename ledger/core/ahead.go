package core

import (
	"context"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// batch is how many rows one transaction makes due.
const batch = 500

// Overdue implements [ledger.Events].
func (l *Ledger) Overdue(ctx context.Context, s ledger.Scope, now time.Time) (int, error) {
	a := aheadOf(now)
	events, err := overdue(ctx, l, s,
		func(r Reader) ([]Event, error) { return r.EventsAhead(s, a.far, batch, a.event) },
		func(t Tx, found *Event) error {
			e, err := t.EventAt(s, found.Seq)
			if err != nil || e == nil {
				return err
			}
			e.Due = earlier(e.Due, now)
			return t.SetEvent(e)
		})
	if err != nil {
		return events, err
	}
	charges, err := overdue(ctx, l, s,
		func(r Reader) ([]Charge, error) { return r.ChargesAhead(s, a.far, batch, a.charge) },
		func(t Tx, found *Charge) error {
			c, err := t.Numbered(s, found.Number)
			if err != nil || c == nil {
				return err
			}
			c.NextQuery = earlier(c.NextQuery, now)
			return t.SetCharge(c)
		})
	if err != nil {
		return events + charges, err
	}
	refunds, err := overdue(ctx, l, s,
		func(r Reader) ([]Refund, error) { return r.RefundsAhead(s, a.far, batch, a.refund) },
		func(t Tx, found *Refund) error {
			known, err := t.Refunds(s, "", found.RefundNo)
			re := byNumber(known, found.RefundNo)
			if err != nil || re == nil {
				return err
			}
			re.NextQuery = earlier(re.NextQuery, now)
			return t.SetRefund(re)
		})
	if err != nil {
		return events + charges + refunds, err
	}
	shipments, err := overdue(ctx, l, s,
		func(r Reader) ([]Shipment, error) { return r.ShipmentsAhead(s, a.far, batch, a.shipment) },
		func(t Tx, found *Shipment) error {
			row, err := t.Shipment(s, found.Charge.Seq)
			if err != nil || row == nil {
				return err
			}
			row.Due = earlier(row.Due, now)
			t.Touch(ledger.ShipmentsTopic(s))
			return t.SetShipment(row)
		})
	return events + charges + refunds + shipments, err
}

// overdue finds rows without a transaction, and makes them due in one, as long as there are any.
func overdue[T any](ctx context.Context, l *Ledger, s ledger.Scope, find func(Reader) ([]T, error), hurry func(Tx, *T) error) (n int, err error) {
	for {
		var found []T
		err := l.store.Read(ctx, func(r Reader) (err error) {
			found, err = find(r)
			return err
		})
		if err != nil || len(found) == 0 {
			return n, err
		}
		err = l.store.WriteLax(ctx, func(t Tx) error {
			for i := range found {
				if err := hurry(t, &found[i]); err != nil {
					return err
				}
			}
			t.Touch(ledger.EventsTopic(s))
			return nil
		})
		if err != nil {
			return n, err
		}
		n += len(found)
	}
}

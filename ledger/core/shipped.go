package core

import (
	"context"
	"errors"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

const shippingAttempts = 200 // that are read of a shipment

// Shipments implements [ledger.Shipments].
func (l *Ledger) Shipments(ctx context.Context, s ledger.Scope, orderNo string) (ps []ledger.Shipment, err error) {
	err = l.store.Read(ctx, func(r Reader) error {
		rows, err := r.ShipmentsOf(s, orderNo)
		for i := range rows {
			ps = append(ps, rows[i].public())
		}
		return err
	})
	return ps, err
}

// Shipment implements [ledger.Shipments].
func (l *Ledger) Shipment(ctx context.Context, s ledger.Scope, chargeID string) (p *ledger.Shipment, err error) {
	err = l.ofShipment(ctx, s, chargeID, func(_ Reader, row *Shipment) error {
		shown := row.public()
		p = &shown
		return nil
	})
	return p, err
}

// ShippingAttempts implements [ledger.Shipments].
func (l *Ledger) ShippingAttempts(ctx context.Context, s ledger.Scope, chargeID string) (as []ledger.ShippingAttempt, err error) {
	err = l.ofShipment(ctx, s, chargeID, func(r Reader, row *Shipment) error {
		as, err = r.ShippingAttempts(s, row.Charge.Seq, shippingAttempts)
		return err
	})
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, nil
	}
	return as, err
}

func (l *Ledger) ofShipment(ctx context.Context, s ledger.Scope, chargeID string, read func(Reader, *Shipment) error) error {
	return l.store.Read(ctx, func(r Reader) error {
		c, err := r.Charge(s, chargeID)
		if err != nil {
			return err
		}
		if c == nil {
			return ledger.ErrNotFound
		}
		row, err := r.Shipment(s, c.Seq)
		if err == nil && row == nil {
			err = ledger.ErrNotFound
		}
		if err != nil {
			return err
		}
		return read(r, row)
	})
}

// FindUnshipped implements [ledger.Shipments].
func (l *Ledger) FindUnshipped(ctx context.Context, f ledger.ShippingSearch) (found int, next string, err error) {
	var p ledger.Page[Charge]
	err = l.atOnce(ctx, func(r Reader) error {
		parts, err := r.ChargeParts(ledger.ChargeFilter{Scope: f.Scope, Since: f.Since}, []ledger.AttemptState{ledger.Open})
		if err != nil {
			return err
		}
		p, err = pageOf(list[Charge]{parts: parts, mark: chargeMark, limit: limited(f.Limit), look: lookOrders, want: func(c *Charge) (bool, error) {
			if c.unkept() != "" || c.Created.Before(f.Since) {
				return false, nil
			}
			s, err := r.Shipment(f.Scope, c.Seq)
			return s == nil, err
		}}, f.Cursor, top, same)
		return err
	})
	if err != nil || len(p.Rows) == 0 {
		return 0, p.Next, err
	}
	err = l.store.WriteLax(ctx, func(t Tx) error {
		found = 0
		for i := range p.Rows {
			c, err := lockedCharge(t, f.Scope, p.Rows[i].ID)
			if err != nil {
				return err
			}
			s, err := t.Shipment(f.Scope, c.Seq)
			if err != nil {
				return err
			}
			if s == nil && c.unkept() == "" {
				found++
				s = owed(c, f.Now)
				s.Due = f.Now // it may be known to WeChat by now, or be none of its
				if c.Created.Before(f.Doubted) {
					s.doubt(f.Now)
				}
				err = t.AddShipment(s)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, "", err
	}
	return found, p.Next, nil
}

func shipmentMark(s *Shipment) Mark { return Mark{millis(s.TimePaid), s.Charge.Seq} }

// ListShipments implements [ledger.Shipments].
func (l *Ledger) ListShipments(ctx context.Context, f ledger.ShipmentFilter) (p ledger.Page[ledger.Shipment], err error) {
	err = l.atOnce(ctx, func(r Reader) error {
		if len(f.States) == 0 {
			f.States = ledger.ShipmentStates
		}
		parts, err := r.ShipmentParts(f)
		if err != nil {
			return err
		}
		p, err = pageOf(list[Shipment]{parts: parts, mark: shipmentMark, limit: limited(f.Limit), look: lookRows, want: func(s *Shipment) (bool, error) {
			return (f.Stage == ledger.ReportNone || s.Stage == f.Stage) && within(s.TimePaid, f.Since, f.Until), nil
		}}, f.Cursor, until(f.Until), (*Shipment).public)
		return err
	})
	return p, err
}

// ShippingDue implements [ledger.Shipments].
func (l *Ledger) ShippingDue(ctx context.Context, s ledger.Scope, now, until time.Time) (d *ledger.ShippingDue, err error) {
	err = l.atOnce(ctx, func(r Reader) error {
		d = &ledger.ShippingDue{}
		over := now.Add(-ledger.ShippingTerm)
		for _, state := range []ledger.ShipmentState{ledger.ShipmentWaiting, ledger.ShipmentFailed} {
			n, fen, _, err := r.Unshipped(s, state, time.Time{}, over)
			if err != nil {
				return err
			}
			d.Late, d.LateFen = d.Late+n, d.LateFen+fen
			n, fen, first, err := r.Unshipped(s, state, over, until.Add(-ledger.ShippingTerm))
			if err != nil {
				return err
			}
			d.Soon, d.SoonFen = d.Soon+n, d.SoonFen+fen
			if end := first.Add(ledger.ShippingTerm); !first.IsZero() && (d.Next.IsZero() || end.Before(d.Next)) {
				d.Next = end
			}
		}
		return failedOf(r, s, now.AddDate(100, 0, 0), d)
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// failedOf adds what failed of what was paid until a time.
func failedOf(r Reader, s ledger.Scope, end time.Time, d *ledger.ShippingDue) (err error) {
	if d.Failed, d.FailedFen, _, err = r.Unshipped(s, ledger.ShipmentFailed, time.Time{}, end); err != nil || d.Failed == 0 {
		return err
	}
	parts, err := r.ShipmentParts(ledger.ShipmentFilter{Scope: s, States: []ledger.ShipmentState{ledger.ShipmentFailed}})
	if err != nil {
		return err
	}
	p, err := pageOf(list[Shipment]{parts: parts, mark: shipmentMark, limit: 1, look: lookRows, want: func(*Shipment) (bool, error) { return true, nil }}, "", until(time.Time{}), (*Shipment).public)
	for i := range p.Rows {
		d.FailedOrder, d.Why = p.Rows[i].OrderNo, p.Rows[i].Problem
	}
	return err
}

// shippedOf reads the shipments of an order.
func shippedOf(r Reader, s ledger.Scope, orderNo string) (all []ledger.Shipped, err error) {
	rows, err := r.ShipmentsOf(s, orderNo)
	if err != nil {
		return nil, err
	}
	for i := range rows[max(0, len(rows)-lifeRows):] {
		attempts, err := r.ShippingAttempts(s, rows[i].Charge.Seq, shippingAttempts)
		if err != nil {
			return nil, err
		}
		all = append(all, ledger.Shipped{Shipment: rows[i].public(), Attempts: attempts})
	}
	return all, nil
}

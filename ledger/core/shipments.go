package core

import (
	"context"
	"fmt"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// ReportShipping implements [ledger.Shipments].
func (l *Ledger) ReportShipping(ctx context.Context, r ledger.ShippingReport) (p *ledger.Shipment, fresh bool, err error) {
	if err := checkScope(r.Scope); err != nil {
		return nil, false, err
	}
	if err := r.Shipping.Check(); err != nil {
		return nil, false, fmt.Errorf("ledger: the shipping of order %s: %w", r.OrderNo, err)
	}
	err = l.store.Write(ctx, func(t Tx) error {
		p, fresh, err = reportShipping(t, r)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return p, fresh, nil
}

func reportShipping(t Tx, r ledger.ShippingReport) (*ledger.Shipment, bool, error) {
	c, why, err := shippedCharge(t, r)
	if err != nil {
		return nil, false, err
	}
	s, err := t.Shipment(c.Scope, c.Seq)
	if err != nil {
		return nil, false, err
	}
	n := r.Shipping
	if s != nil && (s.has(&n) || r.First && s.Stage != ledger.ReportNone) { // whatever became of the payment since
		p := s.public()
		return &p, false, nil
	}
	if s == nil {
		s = owed(c, r.Now)
	}
	if why == "" {
		_, why = s.report(&n, r.Now)
	}
	if why != "" {
		return nil, false, &ledger.ShippingRefusal{Reason: why, OrderNo: c.OrderNo}
	}
	p := s.public()
	return &p, true, putShipment(t, s)
}

// shippedCharge returns the charge that a report is about, and why it cannot be reported; empty: it can.
func shippedCharge(t Tx, r ledger.ShippingReport) (*Charge, ledger.ShippingReason, error) {
	if r.ChargeID != "" {
		c, err := lockedCharge(t, r.Scope, r.ChargeID)
		if err == nil && r.OrderNo != "" && c.OrderNo != r.OrderNo {
			err = ledger.ErrNotFound
		}
		if err != nil {
			return nil, "", err
		}
		return c, c.refuses(), nil
	}
	if r.OrderNo == "" {
		return nil, "", ledger.ErrNotFound
	}
	if err := t.Lock(r.Scope, AnOrder, r.OrderNo); err != nil {
		return nil, "", err
	}
	known, err := t.Books(r.Scope, Question{OrderNo: r.OrderNo})
	if err != nil {
		return nil, "", err
	}
	c, why := reportable(known.Charges)
	switch {
	case c == nil:
		return nil, "", ledger.ErrNotFound
	case c.ID == "":
		return nil, "", &ledger.ShippingRefusal{Reason: why, OrderNo: r.OrderNo}
	}
	if c, err = lockedCharge(t, r.Scope, c.ID); err != nil {
		return nil, "", err
	}
	return c, c.refuses(), nil
}

// putShipment writes a shipment that may be new, and says so to whoever tells WeChat.
func putShipment(t Tx, s *Shipment) error {
	t.Touch(ledger.ChargeTopic(s.Scope, s.Charge.ID))
	if s.Stage == ledger.ReportOpen {
		t.Touch(ledger.ShipmentsTopic(s.Scope))
	}
	if s.Stored == "" {
		return t.AddShipment(s)
	}
	return t.SetShipment(s)
}

// ship keeps the shipment of a payment that an event reports, and ends that of a charge whose money goes back.
func ship(t Tx, b *books, e *Event) error {
	switch {
	case b.charge == nil: // nobody knows who paid it, and by what
		return nil
	case b.counts:
		return owe(t, b.charge, e.Received)
	}
	return shipBack(t, b.charge)
}

// owe gives a payment a shipment, if WeChat may keep its money and there is none yet.
func owe(t Tx, c *Charge, now time.Time) error {
	if c.unkept() != "" {
		return nil
	}
	return t.AddShipment(owed(c, now))
}

// shipBack ends the shipment of a charge whose money went back, and of one whose money did in part takes that off what is frozen.
func shipBack(t Tx, c *Charge) error {
	why := c.unkept()
	whole := why == ledger.RefuseRefunded || why == ledger.RefuseReversed
	if !whole && c.AmountRefunded == 0 {
		return nil
	}
	s, err := t.Shipment(c.Scope, c.Seq)
	if err != nil || s == nil {
		return err
	}
	s.Charge = *c
	switch {
	case whole && s.over() && s.State != ledger.ShipmentSettled, !whole && s.Fen() == s.StoredFen:
		return nil
	case whole:
		s.refund()
	}
	return t.SetShipment(s)
}

// shipDelivered reports the shipping of a payment that is delivered, unless there is a report of it.
func shipDelivered(t Tx, d ledger.Delivery) error {
	if d.State != ledger.Delivered || d.Shipping == nil && d.ShippingProblem.Code == "" {
		return nil
	}
	e, err := t.Event(d.Scope, d.EventID)
	if err != nil || e.ChargeID == "" {
		return err
	}
	if err := t.Lock(d.Scope, ACharge, e.ChargeID); err != nil {
		return err
	}
	c, err := t.Charge(d.Scope, e.ChargeID)
	if err != nil || c == nil || c.refuses() != "" || !e.isPaymentOf(c) && e.Type != "order.succeeded" {
		return err
	}
	s, err := t.Shipment(d.Scope, c.Seq)
	if err != nil || s != nil && s.Stage != ledger.ReportNone {
		return err
	}
	now := d.At.Add(d.Took)
	if s == nil {
		s = owed(c, now)
	}
	problem := d.ShippingProblem
	if problem.Code == "" {
		problem = wrong(d.Shipping)
	}
	if problem.Code != "" {
		s.invalid(problem, now)
		return putShipment(t, s)
	}
	content := *d.Shipping
	s.report(&content, now) // unless WeChat has it from elsewhere
	return putShipment(t, s)
}

// wrong says what keeps a report from being one.
func wrong(n *ledger.Shipping) (p ledger.ShippingProblem) {
	if err := n.Check(); err != nil {
		p = ledger.ShippingProblem{Code: ledger.ProblemInvalid, Text: err.Error(), ZH: "发货信息有误：" + err.Error()}
	}
	return p
}

// ReportAgain implements [ledger.Shipments].
func (l *Ledger) ReportAgain(ctx context.Context, d ledger.ShippingDecision) (p *ledger.Shipment, err error) {
	if d.Shipping != nil {
		if err := d.Shipping.Check(); err != nil {
			return nil, fmt.Errorf("ledger: the shipping of %s: %w", d.ChargeID, err)
		}
	}
	err = l.store.Write(ctx, func(t Tx) error {
		p, err = reportAgain(t, d)
		return err
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

func reportAgain(t Tx, d ledger.ShippingDecision) (*ledger.Shipment, error) {
	c, err := lockedCharge(t, d.Scope, d.ChargeID)
	if err != nil {
		return nil, err
	}
	s, err := t.Shipment(c.Scope, c.Seq)
	if err != nil {
		return nil, err
	}
	if why := c.refuses(); why != "" {
		return nil, &ledger.ShippingRefusal{Reason: why, OrderNo: c.OrderNo}
	}
	if s == nil {
		s = owed(c, d.Now)
	}
	if err := s.again(copied(d.Shipping), d.Now); err != nil {
		return nil, err
	}
	e, err := t.EventAt(c.Scope, c.Payment)
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, ledger.ErrNotFound
	}
	decision := ledger.Decision{Scope: d.Scope, EventID: e.ID, Action: ledger.ActionReport, Now: d.Now, By: d.By, Said: d.Said, Reason: d.Reason}
	if err := t.AddAudit(e, &decision); err != nil {
		return nil, err
	}
	p := s.public()
	return &p, putShipment(t, s)
}

func copied(n *ledger.Shipping) *ledger.Shipping {
	if n == nil {
		return nil
	}
	c := *n
	return &c
}

// ClaimShipments implements [ledger.Shipments].
func (l *Ledger) ClaimShipments(ctx context.Context, c ledger.ShipmentClaim) (ps []ledger.Shipment, err error) {
	if c.Owner == "" {
		return nil, errNoOwner
	}
	if c.Limit <= 0 {
		return nil, nil
	}
	leases := l.steps.leases(c.Now, c.Until.Sub(c.Now))
	err = l.store.WriteLax(ctx, func(t Tx) error {
		ps = nil
		due, err := t.DueShipments(c, leases)
		if err != nil {
			return err
		}
		for i := range due {
			s := &due[i]
			switch why := s.Charge.refuses(); {
			case why == ledger.RefuseRefunded || why == ledger.RefuseReversed: // by what did not say that it ships
				s.refund()
			case why == ledger.RefuseHeld && s.Step() == ledger.ShippingPost:
				s.putOff(c.Now)
			default:
				s.lease(c.Owner, c.Until)
				ps = append(ps, s.public())
			}
			if err := t.SetShipment(s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ps, nil
}

// leasedShipment returns the shipment of a charge for whoever has its lease, or ErrNotFound.
func leasedShipment(t Tx, l ledger.ShipmentLease) (*Shipment, error) {
	c, err := lockedCharge(t, l.Scope, l.ChargeID)
	if err != nil {
		return nil, err
	}
	s, err := t.Shipment(l.Scope, c.Seq)
	if err != nil {
		return nil, err
	}
	if !s.heldBy(l) {
		return nil, ledger.ErrNotFound
	}
	return s, nil
}

// PostShipping implements [ledger.Shipments].
func (l *Ledger) PostShipping(ctx context.Context, lease ledger.ShipmentLease, now, until time.Time) (p *ledger.Shipment, err error) {
	err = l.store.Write(ctx, func(t Tx) error {
		s, err := leasedShipment(t, lease)
		if err != nil {
			return err
		}
		if s.Step() != ledger.ShippingPost {
			return fmt.Errorf("%w: the report of %s may have been accepted, or is not open; ask get_order first", ledger.ErrState, lease.ChargeID)
		}
		if why := s.Charge.refuses(); why != "" { // since it was recorded
			return fmt.Errorf("%w: the shipping of %s cannot be reported: %s", ledger.ErrState, lease.ChargeID, why.Text())
		}
		attempt := s.post(now, until)
		if err := t.AddShippingAttempt(s.Charge.Seq, &attempt); err != nil {
			return err
		}
		shown := s.public()
		p = &shown
		return t.SetShipment(s)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// ShippingAnswered implements [ledger.Shipments].
func (l *Ledger) ShippingAnswered(ctx context.Context, lease ledger.ShipmentLease, a ledger.ShippingAnswer) (p *ledger.Shipment, err error) {
	if err := checkAnswer(a); err != nil {
		return nil, err
	}
	err = l.store.Write(ctx, func(t Tx) error {
		s, err := leasedShipment(t, lease)
		if err != nil {
			return err
		}
		if s.Posted == nil && (a.Result == ledger.ShippingAccepted || a.Step == ledger.ShippingPost && a.Result == ledger.ShippingUnknown) {
			return fmt.Errorf("%w: nothing was posted about %s", ledger.ErrState, lease.ChargeID)
		}
		switch attempt, is := s.answered(a); is {
		case began:
			err = t.SetShippingAttempt(s.Charge.Seq, &attempt)
		case ended:
			err = t.AddShippingAttempt(s.Charge.Seq, &attempt)
		}
		if err != nil {
			return err
		}
		shown := s.public()
		p = &shown
		return putShipment(t, s)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

package memory

import (
	"cmp"
	"slices"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// shipping is an attempt to tell WeChat, or to ask it, about the shipment of a charge.
type shipping struct {
	charge int64
	is     ledger.ShippingAttempt
}

// shipped returns the shipments that are wanted, with their charges as they are now, in the order of these.
func (v *view) shipped(want func(*core.Shipment) bool) ([]core.Shipment, error) {
	found, err := v.shipments.where(func(*core.Shipment) bool { return true })
	for i := range found {
		c, _ := v.bare(func(c *core.Charge) bool { return c.Seq == found[i].Charge.Seq })
		found[i].Charge = c[0]
	}
	slices.SortFunc(found, func(a, b core.Shipment) int { return cmp.Compare(a.Charge.Seq, b.Charge.Seq) })
	return slices.DeleteFunc(found, func(s core.Shipment) bool { return !want(&s) }), err
}

func (v *view) Shipment(s ledger.Scope, charge int64) (*core.Shipment, error) {
	found, err := v.shipped(func(p *core.Shipment) bool { return p.Scope == s && p.Charge.Seq == charge })
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

func (v *view) ShipmentsOf(s ledger.Scope, orderNo string) ([]core.Shipment, error) {
	return v.shipped(func(p *core.Shipment) bool { return p.Scope == s && orderNo != "" && p.Charge.OrderNo == orderNo })
}

func (v *view) ShippingAttempts(_ ledger.Scope, charge int64, limit int) (as []ledger.ShippingAttempt, err error) {
	found, err := v.shippings.where(func(a *shipping) bool { return a.charge == charge })
	for _, a := range found[max(0, len(found)-limit):] {
		as = append(as, a.is)
	}
	return as, err
}

func (v *view) ShipmentsAhead(s ledger.Scope, after time.Time, limit int, want func(*core.Shipment) bool) ([]core.Shipment, error) {
	found, err := v.shipped(func(p *core.Shipment) bool { return p.Scope == s && p.Due.After(after) && want(p) })
	return found[:min(limit, len(found))], err
}

func (v *view) ShipmentParts(f ledger.ShipmentFilter) ([]core.Part[core.Shipment], error) {
	found, err := v.shipped(func(p *core.Shipment) bool { return p.Scope == f.Scope && slices.Contains(f.States, p.State) })
	return run(found, func(p *core.Shipment) core.Mark { return markAt(p.TimePaid, p.Charge.Seq) }), err
}

func (v *view) Unshipped(s ledger.Scope, state ledger.ShipmentState, after, until time.Time) (payments, fen int64, first time.Time, err error) {
	found, err := v.shipped(func(p *core.Shipment) bool {
		return p.Scope == s && p.State == state && p.TimePaid.After(after) && !p.TimePaid.After(until)
	})
	slices.SortStableFunc(found, func(a, b core.Shipment) int { return a.TimePaid.Compare(b.TimePaid) })
	for _, p := range found[:min(ledger.MostDue, len(found))] {
		payments++
		fen += p.StoredFen
		first = earliest(first, p.TimePaid)
	}
	return payments, fen, first, err
}

func (v *view) OldShipments(after int64, limit int) ([]core.Shipment, error) {
	found, err := v.shipped(func(p *core.Shipment) bool { return p.Charge.Seq > after })
	return found[:min(limit, len(found))], err
}

func (t *tx) AddShipment(p *core.Shipment) error {
	if same, _ := t.Shipment(p.Scope, p.Charge.Seq); same == nil {
		t.shipments.add(p.Charge.Seq, keepShipment(*p))
	}
	return nil
}

func (t *tx) SetShipment(p *core.Shipment) error {
	return t.shipments.set(p.Charge.Seq, keepShipment(*p))
}

func keepShipment(p core.Shipment) core.Shipment {
	keep(&p.TimePaid, &p.Recorded, &p.Reported, &p.Due, &p.Until)
	p.Stored, p.StoredFen = p.State, p.Fen()
	return p
}

func (t *tx) DropShipment(p *core.Shipment) error {
	t.shippings = slices.DeleteFunc(t.shippings, func(r row[shipping]) bool { return r.is.charge == p.Charge.Seq })
	return t.shipments.drop(p.Charge.Seq)
}

func (t *tx) DueShipments(c ledger.ShipmentClaim, leases core.Span) ([]core.Shipment, error) {
	due, err := t.shipped(func(p *core.Shipment) bool { return p.Scope == c.Scope && p.ShipmentDue(c, leases) })
	slices.SortStableFunc(due, func(a, b core.Shipment) int { return a.Due.Compare(b.Due) })
	return due[:min(c.Limit, len(due))], err
}

func (t *tx) AddShippingAttempt(charge int64, a *ledger.ShippingAttempt) error {
	kept := *a
	kept.Took = a.Took.Truncate(time.Microsecond)
	keep(&kept.At)
	t.shippings.add(t.next(), shipping{charge, kept})
	return nil
}

func (t *tx) SetShippingAttempt(charge int64, a *ledger.ShippingAttempt) error {
	for _, row := range t.shippings {
		if row.is.charge == charge && row.is.is.N == a.N {
			is := row.is.is
			is.Took, is.Result, is.Problem, is.State = a.Took.Truncate(time.Microsecond), a.Result, a.Problem, a.State
			return t.shippings.set(row.seq, shipping{charge, is})
		}
	}
	return nil
}

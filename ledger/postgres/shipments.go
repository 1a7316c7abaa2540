package postgres

import (
	"slices"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// Shipments, as they are read.
const (
	sqlOldShipments = `SELECT charge, state, paid FROM caddypay.shipments WHERE charge > $1 ORDER BY charge LIMIT $2`
	sqlShippings    = `SELECT n, at, took, step, result, code, problem, state, content FROM caddypay.shippings WHERE charge = $1 ORDER BY n DESC LIMIT $2`

	// Of what is not over only that which waits has a time that runs out.
	sqlUnshipped = `SELECT count(*), coalesce(sum(amount), 0)::bigint, coalesce(min(paid), 0) FROM (SELECT amount, paid FROM caddypay.shipments
		WHERE scope = $1 AND state = $2 AND paid > $3 AND paid <= $4 ORDER BY paid LIMIT $5) AS first`

	// isFrozen is [ledger.ShipmentState.Frozen].
	isFrozen = `state IN ('waiting', 'failed', 'reported', 'confirmed')`
)

var (
	ofShipments = `SELECT ` + shipmentColumns + shipmentTables + `WHERE `

	sqlShipment       = ofShipments + `s.scope = $1 AND s.charge = $2`
	sqlShipmentsOf    = ofShipments + `c.scope = $1 AND c.order_no = $2 AND c.order_no <> '' ORDER BY c.seq`
	sqlShipmentsAhead = ofShipments + `s.scope = $1 AND (s.stage = 'open') = $5 AND s.due > 0 AND (s.due, s.charge) > ($2, $3) ORDER BY s.due, s.charge LIMIT $4`
	sqlShipmentsBy    = ofShipments + `s.scope = $1 AND s.state = $2 AND s.paid >= $3 AND (s.paid, s.charge) < ($4, $5)
		ORDER BY s.paid DESC, s.charge DESC LIMIT $6`
)

// These are core.Reader.

func (r *reader) Shipment(of ledger.Scope, charge int64) (*core.Shipment, error) {
	return one(&r.session, readShipment, sqlShipment, of, charge)
}

func (r *reader) OldShipments(after int64, limit int) (ps []core.Shipment, err error) {
	err = r.run(sqlOldShipments, func(row *row) { ps = append(ps, readOldShipment(row)) }, after, limit)
	return ps, err
}

func (r *reader) ShipmentsOf(s ledger.Scope, orderNo string) ([]core.Shipment, error) {
	return list(&r.session, readShipment, sqlShipmentsOf, s, orderNo)
}

func (r *reader) ShippingAttempts(_ ledger.Scope, charge int64, limit int) (as []ledger.ShippingAttempt, err error) {
	err = r.run(sqlShippings, func(row *row) {
		a := ledger.ShippingAttempt{N: row.count(), At: row.time(), Took: row.micros()}
		a.Step, a.Result, a.Problem = ledger.ShippingStep(row.text()), ledger.ShippingResult(row.text()), core.ProblemOf(row.text(), row.text())
		a.State, a.Shipping = ledger.ShipmentState(row.text()), row.content()
		as = append(as, a)
	}, charge, limit)
	slices.Reverse(as)
	return as, err
}

func (r *reader) ShipmentsAhead(s ledger.Scope, after time.Time, limit int, want func(*core.Shipment) bool) (ps []core.Shipment, err error) {
	mark := func(p *core.Shipment) core.Mark { return core.Mark{At: millis(p.Due), Seq: p.Charge.Seq} }
	for _, open := range []bool{true, false} { // each kind has its place in the index
		more, err := ahead(r, readShipment, mark, sqlShipmentsAhead, s, after, limit-len(ps), want, open)
		if ps = append(ps, more...); err != nil || len(ps) == limit {
			return ps, err
		}
	}
	return ps, nil
}

func (r *reader) ShipmentParts(f ledger.ShipmentFilter) (parts []core.Part[core.Shipment], err error) {
	scope, err := r.scope(f.Scope)
	if err != nil {
		return nil, err
	}
	mark := func(p *core.Shipment) core.Mark { return core.Mark{At: millis(p.TimePaid), Seq: p.Charge.Seq} }
	for _, state := range f.States {
		parts = append(parts, core.Straight(func(after core.Mark, n int) (ps []core.Shipment, err error) {
			err = r.run(sqlShipmentsBy, func(row *row) { ps = append(ps, readShipment(row, f.Scope)) },
				scope, string(state), millis(f.Since), after.At, after.Seq, n)
			return ps, err
		}, mark))
	}
	return parts, nil
}

func (r *reader) Unshipped(s ledger.Scope, state ledger.ShipmentState, after, until time.Time) (payments, fen int64, first time.Time, err error) {
	scope, err := r.scope(s)
	if err != nil {
		return 0, 0, first, err
	}
	err = r.run(sqlUnshipped, func(row *row) { payments, fen, first = row.number(), row.number(), row.time() },
		scope, string(state), millis(after), millis(until), ledger.MostDue)
	return payments, fen, first, err
}

package postgres

import (
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

const (
	sqlLockCharge   = `SELECT 1 FROM caddypay.charges WHERE seq = $1 FOR UPDATE`
	sqlLockShipment = `SELECT 1 FROM caddypay.shipments WHERE charge = $1 FOR UPDATE`

	sqlAddShipment = `INSERT INTO caddypay.shipments (charge, scope, amount, paid, ` + shipmentFields + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22) ON CONFLICT DO NOTHING RETURNING 1`
	sqlSetShipment = `UPDATE caddypay.shipments SET amount = $2, state = $3, stage = $4, content = $5, recorded = $6, reported = $7, uploads = $8, posted = $9, code = $10,
		problem = $11, attempts = $12, tries = $13, missed = $14, unclear = $15, last = $16, due = $17, epoch = $18, owner = $19, until = $20 WHERE charge = $1`
	sqlDropShipment  = `DELETE FROM caddypay.shipments WHERE charge = $1`
	sqlDropShippings = `DELETE FROM caddypay.shippings WHERE charge = $1`

	sqlAddShipping = `INSERT INTO caddypay.shippings (charge, n, at, took, step, result, code, problem, state, content)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`
	sqlSetShipping = `UPDATE caddypay.shippings SET took = $3, result = $4, code = $5, problem = $6, state = $7 WHERE charge = $1 AND n = $2`
)

var (
	sqlShipmentToSet = `SELECT ` + shipmentColumns + shipmentTables + `WHERE s.scope = $1 AND s.charge = $2`
	sqlDueShipments  = `SELECT ` + shipmentColumns + shipmentTables + `WHERE s.scope = $1 AND (s.stage = 'open') = $2 AND s.due > 0 AND s.due <= $3
		AND (s.until <= $4 OR s.until > $5) ORDER BY s.due, s.charge LIMIT $6 FOR UPDATE OF s SKIP LOCKED`
)

func (t *tx) Shipment(s ledger.Scope, charge int64) (*core.Shipment, error) {
	t.tell(sqlLockCharge, charge)
	t.tell(sqlLockShipment, charge)
	return one(&t.session, readShipment, sqlShipmentToSet, s, charge)
}

// shipped are the parameters of what SetShipment writes.
func shipped(p *core.Shipment) []any {
	return []any{string(p.State), string(p.Stage), nullable(p.Content()), millis(p.Recorded), millis(p.Reported), p.Uploads, encodeShipping(p.Posted),
		p.Problem.Code, core.Sentences(p.Problem), p.Attempts, p.Tries, p.Missed, p.Unclear, string(p.Last), millis(p.Due), p.Epoch, nullable(p.Owner), millis(p.Until)}
}

func (t *tx) AddShipment(p *core.Shipment) error {
	scope, err := t.addScope(p.Scope)
	if err != nil {
		return err
	}
	added, err := t.found(sqlAddShipment, append([]any{p.Charge.Seq, scope, p.Fen(), millis(p.TimePaid)}, shipped(p)...)...)
	if added {
		t.freeze(scope, p)
	}
	return err
}

func (t *tx) SetShipment(p *core.Shipment) error {
	scope, err := t.scope(p.Scope)
	if err != nil {
		return err
	}
	t.freeze(scope, p)
	t.tell(sqlSetShipment, append([]any{p.Charge.Seq, p.Fen()}, shipped(p)...)...)
	return nil
}

func (t *tx) DropShipment(p *core.Shipment) error {
	t.tell(sqlDropShippings, p.Charge.Seq)
	t.tell(sqlDropShipment, p.Charge.Seq)
	return nil
}

func (t *tx) DueShipments(c ledger.ShipmentClaim, leases core.Span) ([]core.Shipment, error) {
	return list(&t.session, readShipment, sqlDueShipments, c.Scope, !c.Daily, millis(c.Now), millis(leases.Now), millis(leases.Far), c.Limit)
}

func (t *tx) AddShippingAttempt(charge int64, a *ledger.ShippingAttempt) error {
	t.tell(sqlAddShipping, charge, a.N, millis(a.At), a.Took.Microseconds(), string(a.Step), string(a.Result), a.Problem.Code, core.Sentences(a.Problem),
		string(a.State), encodeShipping(a.Shipping))
	return nil
}

func (t *tx) SetShippingAttempt(charge int64, a *ledger.ShippingAttempt) error {
	t.tell(sqlSetShipping, charge, a.N, a.Took.Microseconds(), string(a.Result), a.Problem.Code, core.Sentences(a.Problem), string(a.State))
	return nil
}

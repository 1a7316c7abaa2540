package postgres

import (
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// sqlDropBody leaves the row of bodies: it goes with its day.
const sqlDropBody = `UPDATE caddypay.events SET body_day = NULL WHERE seq = $1`

// What may be pruned is looked for again in the transaction that does it, and locked there: a person may decide about it meanwhile.

func (t *tx) OldBodies(after int64, limit int) (es []core.Event, err error) {
	if after, err = t.ledger.gone.bodies.after(&t.session, after, sqlOldestBody); err != nil {
		return nil, err
	}
	err = t.run(sqlOldBodies+` FOR UPDATE`, func(r *row) { es = append(es, readOldBody(r)) }, after, limit)
	return es, err
}

func (t *tx) OldAnswers(after int64, limit int) (cs []core.Charge, err error) {
	if after, err = t.ledger.gone.answers.after(&t.session, after, sqlOldestAnswer); err != nil {
		return nil, err
	}
	err = t.run(sqlOldAnswers+` FOR UPDATE`, func(r *row) { cs = append(cs, readCharge(r, ledger.Scope{})) }, after, limit)
	return cs, err
}

func (t *tx) OldShipments(after int64, limit int) (ps []core.Shipment, err error) {
	err = t.run(sqlOldShipments+` FOR UPDATE`, func(r *row) { ps = append(ps, readOldShipment(r)) }, after, limit)
	return ps, err
}

func (t *tx) DropBody(e *core.Event) error {
	t.tell(sqlDropBody, e.Seq)
	t.ledger.gone.bodies.reach(e.Seq)
	return nil
}

// readOldBody and readOldShipment read what sqlOldBodies and sqlOldShipments list.
func readOldBody(r *row) (e core.Event) {
	e.Seq, e.State, e.Received, e.Settled = r.number(), ledger.State(r.text()), r.time(), r.time()
	return e
}

func readOldShipment(r *row) (p core.Shipment) {
	p.Charge.Seq, p.State, p.TimePaid = r.number(), ledger.ShipmentState(r.text()), r.time()
	return p
}

var _ core.Tx = (*tx)(nil)

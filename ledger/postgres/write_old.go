package postgres

import (
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// What may be pruned is looked for again in the transaction that does it, and locked there: a person may decide about it meanwhile.
const (
	sqlOldBodies = `SELECT e.seq, e.state, e.received, e.settled FROM caddypay.bodies AS b JOIN caddypay.events AS e ON e.seq = b.event AND e.body_day = b.day
		WHERE b.event > $1 ORDER BY b.event LIMIT $2`
	sqlOldAnswers   = `SELECT ` + chargeColumns + ` FROM caddypay.charges WHERE seq > $1 AND answer_day IS NOT NULL ORDER BY seq LIMIT $2`
	sqlOldShipments = `SELECT charge, state, paid FROM caddypay.shipments WHERE charge > $1 ORDER BY charge LIMIT $2`

	sqlDropBody = `DELETE FROM caddypay.bodies AS b USING caddypay.events AS e WHERE e.seq = $1 AND b.event = e.seq AND b.day = e.body_day`
	sqlNoBody   = `UPDATE caddypay.events SET body_day = NULL WHERE seq = $1`
)

func (t *tx) OldBodies(after int64, limit int) (es []core.Event, err error) {
	err = t.run(sqlOldBodies+` FOR UPDATE OF e`, func(r *row) { es = append(es, readOldBody(r)) }, after, limit)
	return es, err
}

func (t *tx) OldAnswers(after int64, limit int) (cs []core.Charge, err error) {
	err = t.run(sqlOldAnswers+` FOR UPDATE`, func(r *row) { cs = append(cs, readCharge(r, ledger.Scope{})) }, after, limit)
	return cs, err
}

func (t *tx) OldShipments(after int64, limit int) (ps []core.Shipment, err error) {
	err = t.run(sqlOldShipments+` FOR UPDATE`, func(r *row) { ps = append(ps, readOldShipment(r)) }, after, limit)
	return ps, err
}

func (t *tx) DropBody(e *core.Event) error {
	t.tell(sqlDropBody, e.Seq)
	t.tell(sqlNoBody, e.Seq)
	return nil
}

func readOldBody(r *row) (e core.Event) {
	e.Seq, e.State, e.Received, e.Settled = r.number(), ledger.State(r.text()), r.time(), r.time()
	return e
}

func readOldShipment(r *row) (p core.Shipment) {
	p.Charge.Seq, p.State, p.TimePaid = r.number(), ledger.ShipmentState(r.text()), r.time()
	return p
}

var _ core.Tx = (*tx)(nil)

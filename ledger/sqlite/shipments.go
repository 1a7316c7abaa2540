package sqlite

import (
	"encoding/json"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// Shipments.
const (
	shipmentFields = `state, stage, content, recorded, reported, uploads, posted, code, problem, attempts, tries, missed, unclear, last, due, epoch,
		owner, until`

	sqlAddShipment = `INSERT INTO shipments (charge, scope, amount, paid, ` + shipmentFields + `)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	sqlSetShipment = `UPDATE shipments SET amount = ?, state = ?, stage = ?, content = ?, recorded = ?, reported = ?, uploads = ?, posted = ?, code = ?, problem = ?,
		attempts = ?, tries = ?, missed = ?, unclear = ?, last = ?, due = ?, epoch = ?, owner = ?, until = ? WHERE charge = ?`
	sqlDropShipment  = `DELETE FROM shipments WHERE charge = ?`
	sqlDropShippings = `DELETE FROM shippings WHERE charge = ?`
	sqlOldShipments  = `SELECT charge, state, paid FROM shipments WHERE charge > ? ORDER BY charge LIMIT ?`

	sqlAddShipping = `INSERT INTO shippings (charge, n, at, took, step, result, code, problem, state, content) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	sqlSetShipping = `UPDATE shippings SET took = ?, result = ?, code = ?, problem = ?, state = ? WHERE charge = ? AND n = ?`
	sqlShippings   = `SELECT n, at, took, step, result, code, problem, state, content FROM shippings WHERE charge = ? ORDER BY n DESC LIMIT ?`

	// Of what is not over only that which waits has a time that runs out.
	sqlUnshipped = `SELECT count(*), coalesce(sum(amount), 0), coalesce(min(paid), 0) FROM (SELECT amount, paid FROM shipments INDEXED BY shipments_state
		WHERE scope = ? AND state = ? AND paid > ? AND paid <= ? ORDER BY paid LIMIT ?)`

	// shipmentOpen is whether a report is open: those are claimed apart from what is asked for in the daily round.
	shipmentOpen = `(stage = 'open')`
)

// shipmentColumns are those of a shipment s and its charge c.
var (
	shipmentColumns = of("s", `charge, amount, paid, `+shipmentFields) + `, ` + of("c", chargeColumns)
	shipmentRows    = `SELECT ` + shipmentColumns + ` FROM shipments AS s CROSS JOIN charges AS c ON c.seq = s.charge WHERE `

	sqlShipment    = shipmentRows + `s.charge = ?2 AND s.scope = ?1`
	sqlShipmentsOf = `SELECT ` + shipmentColumns + ` FROM charges AS c CROSS JOIN shipments AS s ON s.charge = c.seq WHERE c.scope = ? AND c.order_no = ?
		AND c.order_no <> '' ORDER BY c.seq`
	sqlDueShipments = shipmentRows + `s.scope = ?1 AND (s.stage = 'open') = ?2 AND s.due > 0 AND s.due <= ?3 AND (s.until <= ?4 OR s.until > ?5)
		ORDER BY s.due, s.charge LIMIT ?6`
	sqlShipmentsAhead = shipmentRows + `s.scope = ?1 AND (s.stage = 'open') IN (0, 1) AND s.due > 0 AND s.due > ?2`
	sqlShipmentsBy    = shipmentRows + `s.scope = ?1 AND s.state = ?2 AND s.paid >= ?3 AND (s.paid, s.charge) < (?4, ?5) ORDER BY s.paid DESC, s.charge DESC LIMIT ?6`
)

// isFrozen is [ledger.ShipmentState.Frozen].
const isFrozen = `state IN ('waiting', 'failed', 'reported', 'confirmed')`

// What stands in counts about shipments.
const (
	frozen    ledger.State = "frozen"
	fenFrozen ledger.State = "fen frozen"
)

// freeze notes how much money of a shipment was frozen, and is.
func (t *tx) freeze(scope int64, p *core.Shipment) {
	var payments, fen int64
	if p.Stored.Frozen() {
		payments, fen = -1, -p.StoredFen
	}
	if p.State.Frozen() {
		payments, fen = payments+1, fen+p.Fen()
	}
	if payments != 0 {
		t.add(scope, frozen, payments)
	}
	if fen != 0 {
		t.add(scope, fenFrozen, fen)
	}
	p.Stored, p.StoredFen = p.State, p.Fen()
}

// content reads a report; NULL for none.
func (r *row) content() *ledger.Shipping {
	text := r.text()
	if text == "" {
		return nil
	}
	n := &ledger.Shipping{}
	if err := json.Unmarshal([]byte(text), n); err != nil && r.err == nil {
		r.err = err
	}
	return n
}

func encodeShipping(n *ledger.Shipping) any {
	if n == nil {
		return nil
	}
	b, _ := json.Marshal(n) // strings always can
	return string(b)
}

// readShipment reads shipmentColumns.
func readShipment(r *row, s ledger.Scope) (p core.Shipment) {
	r.next++ // the charge, which comes with the rest of it
	p.Scope, p.StoredFen, p.TimePaid = s, r.number(), r.time()
	p.State, p.Stage = ledger.ShipmentState(r.text()), ledger.ReportStage(r.text())
	if err := p.SetContent(r.text()); err != nil && r.err == nil {
		r.err = err
	}
	p.Recorded, p.Reported = r.time(), r.time()
	p.Uploads, p.Posted, p.Problem, p.Attempts = r.count(), r.content(), core.ProblemOf(r.text(), r.text()), r.count()
	p.Tries, p.Missed, p.Unclear, p.Last, p.Due, p.Epoch = r.count(), r.count(), r.count(), ledger.ShippingResult(r.text()), r.time(), r.count()
	p.Owner, p.Until = r.text(), r.time()
	p.Stored = p.State
	p.Charge = readCharge(r, s)
	return p
}

// shipped are the parameters of what SetShipment writes.
func shipped(p *core.Shipment) []any {
	return []any{string(p.State), string(p.Stage), nullable(p.Content()), millis(p.Recorded), millis(p.Reported), p.Uploads, encodeShipping(p.Posted),
		p.Problem.Code, core.Sentences(p.Problem), p.Attempts, p.Tries, p.Missed, p.Unclear, string(p.Last), millis(p.Due), p.Epoch, nullable(p.Owner), millis(p.Until)}
}

// Shipment is core.Reader's and core.Tx's, as OldShipments is.
func (s *session) Shipment(of ledger.Scope, charge int64) (*core.Shipment, error) {
	return one(s, readShipment, sqlShipment, of, charge)
}

func (s *session) OldShipments(after int64, limit int) (ps []core.Shipment, err error) {
	err = s.run(sqlOldShipments, func(r *row) {
		var p core.Shipment
		p.Charge.Seq, p.State, p.TimePaid = r.number(), ledger.ShipmentState(r.text()), r.time()
		ps = append(ps, p)
	}, after, limit)
	return ps, err
}

// These are core.Reader.

func (r *reader) ShipmentsOf(s ledger.Scope, orderNo string) ([]core.Shipment, error) {
	return list(&r.session, readShipment, sqlShipmentsOf, s, orderNo)
}

func (r *reader) ShippingAttempts(_ ledger.Scope, charge int64, limit int) (as []ledger.ShippingAttempt, err error) {
	err = r.run(sqlShippings, func(row *row) {
		a := ledger.ShippingAttempt{N: row.count(), At: row.time(), Took: time.Duration(row.number()) * time.Microsecond}
		a.Step, a.Result, a.Problem = ledger.ShippingStep(row.text()), ledger.ShippingResult(row.text()), core.ProblemOf(row.text(), row.text())
		a.State, a.Shipping = ledger.ShipmentState(row.text()), row.content()
		as = append(as, a)
	}, charge, limit)
	for i, j := 0, len(as)-1; i < j; i, j = i+1, j-1 {
		as[i], as[j] = as[j], as[i]
	}
	return as, err
}

func (r *reader) ShipmentsAhead(s ledger.Scope, after time.Time, limit int, want func(*core.Shipment) bool) ([]core.Shipment, error) {
	return ahead(r, readShipment, sqlShipmentsAhead, s, after, limit, want)
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

// These are core.Tx.

func (t *tx) AddShipment(p *core.Shipment) error {
	scope, err := t.addScope(p.Scope)
	if err != nil {
		return err
	}
	rows, _, err := t.change(sqlAddShipment, append([]any{p.Charge.Seq, scope, p.Fen(), millis(p.TimePaid)}, shipped(p)...)...)
	if err == nil && rows > 0 {
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
	return t.set(sqlSetShipment, append(append([]any{p.Fen()}, shipped(p)...), p.Charge.Seq)...)
}

func (t *tx) DropShipment(p *core.Shipment) error {
	if err := t.set(sqlDropShippings, p.Charge.Seq); err != nil {
		return err
	}
	return t.set(sqlDropShipment, p.Charge.Seq)
}

func (t *tx) DueShipments(c ledger.ShipmentClaim, leases core.Span) ([]core.Shipment, error) {
	return list(&t.session, readShipment, sqlDueShipments, c.Scope, !c.Daily, millis(c.Now), millis(leases.Now), millis(leases.Far), c.Limit)
}

func (t *tx) AddShippingAttempt(charge int64, a *ledger.ShippingAttempt) error {
	return t.set(sqlAddShipping, charge, a.N, millis(a.At), a.Took.Microseconds(), string(a.Step), string(a.Result), a.Problem.Code, core.Sentences(a.Problem),
		string(a.State), encodeShipping(a.Shipping))
}

func (t *tx) SetShippingAttempt(charge int64, a *ledger.ShippingAttempt) error {
	return t.set(sqlSetShipping, a.Took.Microseconds(), string(a.Result), a.Problem.Code, core.Sentences(a.Problem), string(a.State), charge, a.N)
}

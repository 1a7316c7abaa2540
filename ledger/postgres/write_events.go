package postgres

import (
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

const (
	eventFields = `scope, id, type, object_id, effect, by_charge, charge_id, number, order_no, lane, rank, source, created, received, host, trace, state,
				reasons, late, due, settled, money`
	// An event goes into all tables at once, or nowhere: another has its id, or its effect.
	sqlAddEvent = `WITH added AS (
			INSERT INTO caddypay.events (` + eventFields + `, body_day)
			VALUES ($1::integer, $2, $3, $4, $5, $6, $7, $8, $9, $10::text, $11::integer, $12, $13::bigint, $14::bigint,
				$15, $16, $17::text, $18, $19, nullif($20::bigint, 0), $21, $22, CASE WHEN $27::bytea IS NOT NULL THEN ` + today + ` END)
			ON CONFLICT DO NOTHING RETURNING seq
		), queued AS (
			INSERT INTO caddypay.queue (event, scope, due, created, received, rank, blocked, risk, lane, owner, until)
			SELECT seq, $1::integer, $20::bigint, $13::bigint, $14::bigint, $11::integer, $23::boolean, $24::boolean, $10::text, $25::text, $26::bigint
			FROM added WHERE $17::text = 'pending'
		), kept AS (
			INSERT INTO caddypay.bodies (event, day, signature, body) SELECT seq, ` + today + `, $28::text, $27::bytea FROM added WHERE $27::bytea IS NOT NULL
		)
		SELECT seq FROM added`

	sqlKeepEvent = `a coming event` // see coming, and bulks

	sqlSetEvent = `UPDATE caddypay.events SET state = $2, reasons = $3, replay = $4, attempts = $5, tries = $6, due = nullif($7::bigint, 0),
		back = nullif($8::bigint, 0), settled = $9, money = $10, acks = $11, by_charge = $12 WHERE seq = $1`
	sqlQueue = `INSERT INTO caddypay.queue AS q (event, scope, created, received, rank, lane, due, back, tries, blocked, risk, owner, until)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (event) DO UPDATE SET due = excluded.due, back = excluded.back,
			tries = excluded.tries, blocked = excluded.blocked, risk = excluded.risk, owner = excluded.owner, until = excluded.until`
	sqlUnqueue    = `DELETE FROM caddypay.queue WHERE event = $1`
	sqlSetBlocked = `UPDATE caddypay.queue SET blocked = $2 WHERE event = $1 RETURNING scope, due`

	sqlSent       = `SELECT sent_from IS NOT NULL OR first_at IS NOT NULL, acks > 0 FROM caddypay.events WHERE seq = $1`
	sqlEffectSeen = `SELECT 1 FROM caddypay.events WHERE scope = $1 AND object_id = $2 AND type = $3 AND effect`

	sqlSomeUnreadable = `SELECT 1 FROM caddypay.events WHERE scope = $1 AND object_id = $2 AND type = $3 AND shelf = 'held' AND reasons = '["unreadable"]'`

	sqlAddDelivery = `INSERT INTO caddypay.deliveries (event, day, attempt, at, took, status, error, snippet, state, due, uncounted)
		VALUES ($1, ` + today + `, $2, $3, $4, $5, $6, $7, $8, $9, $10)`
	sqlSetSent  = `UPDATE caddypay.events SET sent_from = coalesce(sent_from, ` + today + `), sent_to = ` + today + ` WHERE seq = $1`
	sqlAddAudit = `INSERT INTO caddypay.audit (scope, event, at, action, state, by, said, reason, run) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

	sqlSetPause  = `INSERT INTO caddypay.pauses (scope, since, by, said, reason) VALUES ($1, $2, $3, $4, $5)`
	sqlDropPause = `DELETE FROM caddypay.pauses WHERE scope = $1`
)

// AddEvent is core.Tx's.
func (t *tx) AddEvent(e *core.Event) (added bool, err error) {
	scope, err := t.addScope(e.Scope)
	if err != nil {
		return false, err
	}
	args := []any{scope, e.ID, e.Type, e.ObjectID, e.Claims, e.ByCharge, e.ChargeID, e.Number, e.OrderNo, e.Lane,
		e.Rank, string(e.Source), millis(e.Created), millis(e.Received), e.Host, e.TraceParent, string(e.State), encodeReasons(e.Reasons),
		e.Late, millis(e.Due), millis(e.Settled), e.Money, e.Blocked, e.Risk() > 0, nullable(e.Owner), millis(e.Until), e.Body, e.Signature}
	if e.Seq = t.coming.place(e); e.Seq != 0 {
		t.tell(sqlKeepEvent, append(args, e.Seq)...)
	} else if e.Seq, err = t.number(sqlAddEvent, args...); err != nil || e.Seq == 0 {
		return false, err
	}
	t.count(scope, "", e.State)
	t.weigh(scope, 0, e.Risk())
	if e.State == ledger.Pending {
		t.lower(scope, millis(e.Due))
	}
	return true, nil
}

// locked are statements that lock the events that are chosen, and read them then. Their places in the queue come first, as for whoever delivers them, and
// again, since one may have come into it meanwhile. The order is none that an index has: the server is to use the one that finds few.
type locked struct{ places, events, read string }

func choose(which string) locked {
	places := `SELECT 1 FROM caddypay.queue WHERE event = ANY (ARRAY(SELECT e.seq FROM caddypay.events AS e WHERE ` + which + `)) ORDER BY event FOR UPDATE`
	return locked{places,
		`SELECT 1 FROM caddypay.events AS e WHERE ` + which + ` ORDER BY e.seq + 0 FOR UPDATE`,
		`SELECT ` + eventRow + eventTables + `WHERE ` + which + ` ORDER BY e.seq + 0`}
}

var (
	sqlEventRow = choose(`e.scope = $1 AND e.id = $2`)
	sqlEventAt  = choose(`e.scope = $1 AND e.seq = $2`)
	// A lane's refunds are among its pending events, which may be many only while it is stuck.
	sqlPendingRefunds = choose(`e.seq IN (SELECT event FROM caddypay.queue WHERE scope = $1 AND lane = $2 AND lane <> '') AND e.charge_id = $3
		AND starts_with(e.type, 'refund.')`)
	sqlWithheld   = choose(`e.scope = $1 AND e.charge_id = $2 AND e.shelf = 'filtered' AND e.reasons = '["payment_held"]' AND e.body_day IS NOT NULL`)
	sqlUnreadable = choose(`e.scope = $1 AND e.object_id = $2 AND e.type = $3 AND e.shelf = 'held' AND e.reasons = '["unreadable"]'`)
)

func (t *tx) chosen(which locked, s ledger.Scope, args ...any) ([]core.Event, error) {
	scope, err := t.scope(s)
	if err != nil {
		return nil, err
	}
	args = append([]any{scope}, args...)
	t.tell(which.places, args...)
	t.tell(which.events, args...)
	t.tell(which.places, args...)
	return list(&t.session, readEventRow, which.read, s, args[1:]...)
}

func (t *tx) theChosen(which locked, s ledger.Scope, args ...any) (*core.Event, error) {
	es, err := t.chosen(which, s, args...)
	if err != nil || len(es) == 0 {
		return nil, err
	}
	return &es[0], nil
}

func (t *tx) Event(s ledger.Scope, id string) (*core.Event, error) {
	return t.theChosen(sqlEventRow, s, id)
}

func (t *tx) EventAt(s ledger.Scope, seq int64) (*core.Event, error) {
	return t.theChosen(sqlEventAt, s, seq)
}

func (t *tx) Withheld(s ledger.Scope, chargeID string) ([]core.Event, error) {
	return t.chosen(sqlWithheld, s, chargeID)
}

func (t *tx) PendingRefunds(s ledger.Scope, lane, chargeID string) ([]core.Event, error) {
	return t.chosen(sqlPendingRefunds, s, lane, chargeID)
}

// anEffect is what EffectSeen and Unreadable lock: of two events about one thing at the same time, one that can be read and one that cannot, whichever
// comes second is to find the other.
const anEffect core.Thing = "effect"

func (t *tx) EffectSeen(s ledger.Scope, objectID, kind string) (bool, error) {
	scope, err := t.scope(s)
	if err != nil {
		return false, err
	}
	if err := t.Lock(s, anEffect, objectID); err != nil {
		return false, err
	}
	return t.found(sqlEffectSeen, scope, objectID, kind)
}

func (t *tx) Unreadable(s ledger.Scope, objectID, kind string) ([]core.Event, error) {
	scope, err := t.scope(s)
	if err != nil {
		return nil, err
	}
	if t.coming.readable(objectID, kind) {
		return nil, nil
	}
	if err := t.Lock(s, anEffect, objectID); err != nil {
		return nil, err
	}
	if some, err := t.found(sqlSomeUnreadable, scope, objectID, kind); err != nil || !some { // hardly ever
		return nil, err
	}
	return t.chosen(sqlUnreadable, s, objectID, kind)
}

func (t *tx) SetEvent(e *core.Event) error {
	scope, err := t.scope(e.Scope)
	if err != nil {
		return err
	}
	t.count(scope, e.Stored, e.State)
	t.weigh(scope, e.Risked, e.Risk())
	t.tell(sqlSetEvent, e.Seq, string(e.State), encodeReasons(e.Reasons), e.Replay, e.Attempts, e.Tries, millis(e.Due), millis(e.Back), millis(e.Settled),
		e.Money, e.Acks, e.ByCharge)
	switch {
	case e.State == ledger.Pending:
		t.lower(scope, millis(e.Due))
		t.tell(sqlQueue, e.Seq, scope, millis(e.Created), millis(e.Received), e.Rank, e.Lane, millis(e.Due), millis(e.Back), e.Tries, e.Blocked, e.Risk() > 0,
			nullable(e.Owner), millis(e.Until))
	case e.Stored == ledger.Pending:
		t.tell(sqlUnqueue, e.Seq)
	}
	e.Stored, e.Risked = e.State, e.Risk()
	return nil
}

func (t *tx) SetBlocked(seq int64, blocked bool) error {
	t.ask(sqlSetBlocked, func(r *row) { t.lower(r.number(), r.number()) }, seq, blocked)
	return nil
}

func (t *tx) Sent(e *core.Event) (sent, heard bool, err error) {
	err = t.run(sqlSent, func(r *row) { sent, heard = r.flag(), r.flag() }, e.Seq)
	return sent, heard, err
}

func (t *tx) AddDelivery(seq int64, d *ledger.Delivery) error {
	t.tell(sqlAddDelivery, seq, d.Attempt, millis(d.At), d.Took.Microseconds(), d.Status, d.Error, d.Snippet, string(d.State), millis(d.Due), d.Uncounted)
	t.tell(sqlSetSent, seq)
	return nil
}

func (t *tx) AddAudit(e *core.Event, d *ledger.Decision) error {
	scope, err := t.addScope(d.Scope)
	if err != nil {
		return err
	}
	if e == nil {
		e = &core.Event{}
	}
	t.tell(sqlAddAudit, scope, e.Seq, millis(d.Now), string(d.Action), string(e.State), d.By, d.Said, d.Reason, d.Run)
	return nil
}

func (t *tx) Pause(s ledger.Scope) (*ledger.Pause, error) {
	if c := t.coming; c != nil && c.knows && c.event.Lease.Owner != "" {
		return c.pause, nil
	}
	return one(&t.session, readPause, sqlPause, s)
}

func (t *tx) SetPause(s ledger.Scope, p *ledger.Pause) error {
	scope, err := t.addScope(s)
	switch {
	case err != nil:
	case p == nil:
		t.tell(sqlDropPause, scope)
	default:
		t.tell(sqlSetPause, scope, millis(p.Since), p.By, p.Said, p.Reason)
	}
	return err
}

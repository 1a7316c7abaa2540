package postgres

import (
	"fmt"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

const (
	leaseOver = ` (owner IS NULL OR until <= $5 OR until > $6)`

	sqlLeases   = `SELECT event, (SELECT id FROM caddypay.events WHERE seq = event), until FROM caddypay.queue WHERE scope = $1 AND owner = $2 FOR UPDATE`
	sqlSetLease = `UPDATE caddypay.queue SET until = $2 WHERE event = $1`
	// The owner is compared so that the index of owners is not used: an event has one place.
	mine = ` WHERE q.event = (SELECT seq FROM caddypay.events WHERE scope = $1 AND id = $2) AND coalesce(q.owner, '') = $3 AND $3 <> ''
		RETURNING q.event, q.tries, q.blocked`
	// The lane of an event is locked like any order.
	sqlLockLane = `SELECT pg_advisory_xact_lock(hashtextextended($3 || lane, 0)) FROM caddypay.events WHERE scope = $1 AND id = $2 AND lane <> ''`
	behind      = ` RETURNING e.seq, e.lane, q.blocked, EXISTS (SELECT 1 FROM caddypay.queue AS o WHERE o.scope = $1 AND o.lane = e.lane AND o.lane <> ''
		AND o.blocked AND o.event <> e.seq), e.money, e.acks`
	sqlRetry = `WITH q AS (UPDATE caddypay.queue AS q SET owner = NULL, until = 0, tries = tries + $4::integer, due = $5, back = $6` + mine + `)
		UPDATE caddypay.events AS e SET attempts = attempts + $4::integer FROM q WHERE e.seq = q.event` + behind + `, false`
	// The first delivery comes with it as long as none is recorded.
	unsent     = `(e.first_at IS NULL AND e.sent_from IS NULL AND $7::bigint > 0)`
	unsentMany = `e.first_at IS NULL AND e.sent_from IS NULL AND a.first_at > 0`
	sqlSettle  = `WITH q AS (DELETE FROM caddypay.queue AS q` + mine + `)
		UPDATE caddypay.events AS e SET state = $5, attempts = e.attempts + $4::integer, tries = q.tries + $4::integer, due = NULL, back = NULL, settled = $6,
			acks = e.acks + ($5 = 'delivered')::integer,
			first_at = CASE WHEN ` + unsent + ` THEN $7 ELSE e.first_at END, first_took = CASE WHEN ` + unsent + ` THEN $8::bigint ELSE e.first_took END,
			first_status = CASE WHEN ` + unsent + ` THEN $9::integer ELSE e.first_status END,
			first_snippet = CASE WHEN ` + unsent + ` THEN $10::text ELSE e.first_snippet END
		FROM q, caddypay.events AS was WHERE e.seq = q.event AND was.seq = q.event` + behind + `, was.first_at IS NULL AND e.first_at IS NOT NULL`
)

var (
	sqlClaim = `WITH due AS MATERIALIZED (
			SELECT event FROM caddypay.queue WHERE scope = $3 AND NOT blocked AND due >= $8 AND due <= $4 AND` + leaseOver + `
				AND NOT EXISTS (SELECT 1 FROM caddypay.pauses WHERE scope = $3)
			ORDER BY due, event LIMIT $7 FOR UPDATE SKIP LOCKED
		), q AS (
			UPDATE caddypay.queue AS taken SET owner = $1, until = $2 FROM due WHERE taken.event = due.event RETURNING taken.event, taken.due, taken.back, taken.tries
		)
		SELECT ` + eventHead + `, e.body_day FROM q JOIN caddypay.events AS e ON e.seq = q.event`
	sqlBodies = `SELECT event, signature, body FROM caddypay.bodies WHERE event = ANY ($1) AND day = %d`

	sqlWaiting = `SELECT ` + eventRow + ` FROM caddypay.queue AS q JOIN caddypay.events AS e ON e.seq = q.event
		WHERE q.scope = $1 AND q.back > 0 AND q.due > q.back ORDER BY q.event LIMIT $2 FOR UPDATE OF q SKIP LOCKED`
)

func (t *tx) Claim(c ledger.Claim, leases core.Span) ([]ledger.Event, error) {
	scope, err := t.scope(c.Scope)
	if err != nil {
		return nil, err
	}
	var es []ledger.Event
	days := make(map[int64][]int64) // the events whose bodies are of a day
	err = t.run(sqlClaim, func(r *row) {
		e := readEventHead(r, c.Scope)
		if !r.null() {
			day := r.number()
			days[day] = append(days[day], e.Seq)
		}
		es = append(es, e)
	}, c.Owner, millis(c.Until), scope, millis(c.Now), millis(leases.Now), millis(leases.Far), c.Limit, t.ledger.floors.get(scope))
	if err != nil {
		return nil, err
	}
	at := make(map[int64]*ledger.Event, len(es))
	for i := range es {
		at[es[i].Seq] = &es[i]
	}
	for day, seqs := range days { // which stands in the statement itself: so it is planned for that one partition, and locks no other
		t.ask(fmt.Sprintf(sqlBodies, day), func(r *row) {
			e := at[r.number()]
			e.Signature, e.Body = r.text(), r.bytes()
		}, seqs)
	}
	return es, t.flush()
}

func (t *tx) Leases(s ledger.Scope, owner string) ([]core.Lease, error) {
	return list(&t.session, func(r *row, _ ledger.Scope) core.Lease {
		return core.Lease{Seq: r.number(), EventID: r.text(), Until: r.time()}
	}, sqlLeases, s, owner)
}

func (t *tx) SetLease(l core.Lease) error {
	t.tell(sqlSetLease, l.Seq, millis(l.Until))
	return nil
}

func (t *tx) Settle(s ledger.Scope, id, owner string, o core.Outcome) (*core.Settled, error) {
	scope, err := t.scope(s)
	if err != nil {
		return nil, err
	}
	counted := 0
	if o.Counted {
		counted = 1
	}
	text, args := sqlRetry, []any{scope, id, owner, counted, millis(o.Due), millis(o.Back)}
	if o.State != ledger.Pending {
		var d ledger.Delivery
		if o.AtOnce != nil {
			d = *o.AtOnce
		}
		text, args = sqlSettle, []any{scope, id, owner, counted, string(o.State), millis(o.Settled), millis(d.At), d.Took.Microseconds(), d.Status, d.Snippet}
	}
	var did *core.Settled
	var e core.Event
	t.tell(sqlLockLane, scope, id, lockName(s, core.AnOrder, ""))
	err = t.run(text, func(r *row) {
		did = &core.Settled{Seq: r.number(), Lane: r.text(), Blocked: r.flag(), Behind: r.flag()}
		e.Money, e.Acks, did.Listed = r.number(), r.count(), r.flag()
	}, args...)
	if err != nil || did == nil {
		return nil, err
	}
	t.count(scope, ledger.Pending, o.State)
	if o.State == ledger.Pending {
		t.lower(scope, millis(o.Due))
	}
	e.State = o.State
	is := e.Risk()
	if e.State = ledger.Pending; o.State == ledger.Delivered {
		e.Acks--
	}
	t.weigh(scope, e.Risk(), is)
	return did, nil
}

func (t *tx) Waiting(s ledger.Scope, limit int) ([]core.Event, error) {
	return list(&t.session, readEventRow, sqlWaiting, s, limit)
}

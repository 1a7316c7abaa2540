package postgres

import "regexp"

// bulk is a statement that does for many what another one does for one, or is all that there is of it. Its parameters are lists of the other's, and each
// row that it finds begins with the place in them of whoever it is for, from 1 on.
type bulk struct {
	text  string
	types []string // of the parameters
	rank  int      // of those that could go next the one of the lowest goes
	sets  bool     // it sets rows, which the first parameter names, and each of them once only
}

// lists are the parameters of a bulk.
var lists = regexp.MustCompile(`\$\d+::(\w+)\[\]`)

func many(text string, rank int) *bulk {
	b := &bulk{text: text, rank: rank}
	for _, found := range lists.FindAllStringSubmatch(text, -1) {
		b.types = append(b.types, found[1])
	}
	return b
}

func (b *bulk) once() *bulk {
	b.sets = true
	return b
}

// bulks are those that there are, by what they stand for: what every event asks, and every delivery that is over.
var bulks = map[string]*bulk{
	sqlPause: many(`SELECT a.i, since, by, said, reason FROM unnest($1::integer[]) WITH ORDINALITY AS a (scope, i) JOIN caddypay.pauses AS p ON p.scope = a.scope`, 1),
	sqlComing: many(`SELECT a.i, nextval('caddypay.events_seq_seq'),
			EXISTS (SELECT 1 FROM caddypay.events AS e WHERE e.scope = a.scope AND e.id = a.id),
			EXISTS (SELECT 1 FROM caddypay.events AS e WHERE e.scope = a.scope AND e.object_id = a.object_id AND e.type = a.type AND e.effect),
			EXISTS (SELECT 1 FROM caddypay.events AS e WHERE e.scope = a.scope AND e.object_id = a.object_id AND e.type = a.type AND e.shelf = 'held'
				AND e.reasons = '["unreadable"]')
		FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS a (scope, id, object_id, type, i)`, 2),
	sqlBooks: many(`SELECT a.i, q.at, q.amount, q.currency, q.closed, f.event, f.rank, f.created, f.blocked
		FROM unnest($1::integer[], $2::text[], $3::text[]) WITH ORDINALITY AS a (scope, order_no, lane, i)
		LEFT JOIN caddypay.quotes AS q ON q.scope = a.scope AND q.order_no = a.order_no
		LEFT JOIN LATERAL (SELECT event, rank, created, blocked FROM caddypay.queue WHERE scope = a.scope AND lane = a.lane AND lane <> ''
			ORDER BY rank, created, event LIMIT 1) AS f ON true`, 3),
	sqlBookedCharges: many(`SELECT a.i, `+of("c", chargeColumns)+`
		FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS a (scope, order_no, id, number, i)
		CROSS JOIN LATERAL (SELECT seq FROM caddypay.charges WHERE scope = a.scope AND order_no = a.order_no
			UNION SELECT seq FROM caddypay.charges WHERE scope = a.scope AND id = a.id AND id IS NOT NULL
			UNION SELECT seq FROM caddypay.charges WHERE scope = a.scope AND number = a.number AND state <> 'foreign') AS of
		JOIN caddypay.charges AS c ON c.seq = of.seq ORDER BY c.seq FOR UPDATE OF c`, 4),
	sqlKeepEvent: many(`WITH a AS MATERIALIZED (
			SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::boolean[], $7::text[], $8::text[], $9::text[], $10::text[],
				$11::integer[], $12::text[], $13::bigint[], $14::bigint[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::bigint[],
				$21::bigint[], $22::bigint[], $23::boolean[], $24::boolean[], $25::text[], $26::bigint[], $27::bytea[], $28::text[], $29::bigint[])
			AS a (`+eventFields+`, blocked, risk, owner, until, body, signature, seq)
		), added AS (
			INSERT INTO caddypay.events (seq, `+eventFields+`, body_day) OVERRIDING SYSTEM VALUE
			SELECT seq, scope, id, type, object_id, effect, by_charge, charge_id, number, order_no, lane, rank, source, created, received,
				host, trace, state, reasons, late, nullif(due, 0), settled, money, CASE WHEN body IS NOT NULL THEN `+today+` END FROM a
		), queued AS (
			INSERT INTO caddypay.queue (event, scope, due, created, received, rank, blocked, risk, lane, owner, until)
			SELECT seq, scope, due, created, received, rank, blocked, risk, lane, owner, until FROM a WHERE state = 'pending'
		)
		INSERT INTO caddypay.bodies (event, day, signature, body) SELECT seq, `+today+`, signature, body FROM a WHERE body IS NOT NULL`, 5),
	sqlKeepCharge: many(`INSERT INTO caddypay.charges (`+chargeFields+`)
		SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bigint[],
			$11::text[], $12::text[], $13::bigint[], $14::boolean[], $15::bigint[], $16::bigint[], $17::bigint[], $18::integer[], $19::boolean[],
			$20::text[], $21::bigint[])`, 6),
	sqlSetCharge: many(`UPDATE caddypay.charges AS c SET amount = a.amount, currency = a.currency, superseded = a.superseded, paid = a.paid, time_paid = a.time_paid,
			amount_refunded = a.amount_refunded, reversed = a.reversed, client_result = a.client_result, client_at = a.client_at, queries = a.queries,
			next_query = a.next_query, amount_paid = a.amount_paid, payment = a.payment, hold = a.hold, query_until = a.query_until,
			transaction_no = a.transaction_no
		FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::boolean[], $5::boolean[], $6::bigint[], $7::bigint[], $8::boolean[], $9::text[], $10::bigint[],
			$11::integer[], $12::bigint[], $13::bigint[], $14::bigint[], $15::integer[], $16::bigint[], $17::text[])
		AS a (seq, amount, currency, superseded, paid, time_paid, amount_refunded, reversed, client_result, client_at, queries, next_query, amount_paid,
			payment, hold, query_until, transaction_no) WHERE c.seq = a.seq`, 7).once(),
	sqlLockLane: many(`SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) FROM (SELECT DISTINCT a.lock || e.lane AS name
			FROM unnest($1::integer[], $2::text[], $3::text[]) AS a (scope, id, lock) JOIN caddypay.events AS e ON e.scope = a.scope AND e.id = a.id
			WHERE e.lane <> '' ORDER BY 1) AS lanes`, 8),
	sqlSettle: many(`WITH a AS MATERIALIZED (
			SELECT e.seq, a.* FROM unnest($1::integer[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::integer[],
				$10::text[]) WITH ORDINALITY AS a (scope, id, owner, counted, state, settled, first_at, first_took, first_status, first_snippet, i)
			JOIN caddypay.events AS e ON e.scope = a.scope AND e.id = a.id
		), q AS (DELETE FROM caddypay.queue AS q USING a WHERE q.event = a.seq AND coalesce(q.owner, '') = a.owner AND a.owner <> '' RETURNING q.event, q.tries, q.blocked)
		UPDATE caddypay.events AS e SET state = a.state, attempts = e.attempts + a.counted, tries = q.tries + a.counted, due = NULL, back = NULL,
			settled = a.settled, acks = e.acks + (a.state = 'delivered')::integer,
			first_at = CASE WHEN `+unsentMany+` THEN a.first_at ELSE e.first_at END, first_took = CASE WHEN `+unsentMany+` THEN a.first_took ELSE e.first_took END,
			first_status = CASE WHEN `+unsentMany+` THEN a.first_status ELSE e.first_status END,
			first_snippet = CASE WHEN `+unsentMany+` THEN a.first_snippet ELSE e.first_snippet END
		FROM q JOIN a ON a.seq = q.event JOIN caddypay.events AS was ON was.seq = q.event WHERE e.seq = q.event
		RETURNING a.i, e.seq, e.lane, q.blocked, EXISTS (SELECT 1 FROM caddypay.queue AS o WHERE o.scope = a.scope AND o.lane = e.lane AND o.lane <> ''
			AND o.blocked AND o.event <> e.seq), e.money, e.acks, was.first_at IS NULL AND e.first_at IS NOT NULL`, 9),
}

// merged puts statements of one text together.
func (b *bulk) merged(stmts []stmt) stmt {
	args := make([]any, len(b.types))
	for k, kind := range b.types {
		bytes := 0
		for i := range stmts {
			switch v := stmts[i].args[k].(type) {
			case string:
				bytes += len(v)
			case []byte:
				bytes += len(v)
			}
		}
		l := newArray(kind, len(stmts), bytes)
		for i := range stmts {
			l = l.add(kind, stmts[i].args[k])
		}
		args[k] = l
	}
	if stmts[0].read == nil {
		return stmt{text: b.text, args: args}
	}
	return stmt{text: b.text, args: args, read: func(r *row) { stmts[r.number()-1].read(r) }}
}

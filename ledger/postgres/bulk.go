package postgres

import "fmt"

// bulk is a statement that does for many what another one does for one. Its parameters are lists of the other's, and each row that it finds begins with
// the place in them of whoever it is for, from 1 on.
type bulk struct {
	text  string
	types []string // of the parameters
}

// bulks are those that there are, by what they stand for: what every event asks.
var bulks = map[string]bulk{
	sqlBooks: {`SELECT a.i, q.at, q.amount, q.currency, q.closed, f.event, f.rank, f.created, f.blocked
		FROM unnest($1::integer[], $2::text[], $3::text[]) WITH ORDINALITY AS a (scope, order_no, lane, i)
		LEFT JOIN caddypay.quotes AS q ON q.scope = a.scope AND q.order_no = a.order_no
		LEFT JOIN LATERAL (SELECT event, rank, created, blocked FROM caddypay.queue WHERE scope = a.scope AND lane = a.lane AND lane <> ''
			ORDER BY rank, created, event LIMIT 1) AS f ON true`, []string{"integer", "text", "text"}},
	sqlBookedCharges: {`SELECT a.i, ` + of("c", chargeColumns) + `
		FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS a (scope, order_no, id, number, i)
		CROSS JOIN LATERAL (SELECT seq FROM caddypay.charges WHERE scope = a.scope AND order_no = a.order_no
			UNION SELECT seq FROM caddypay.charges WHERE scope = a.scope AND id = a.id AND id IS NOT NULL
			UNION SELECT seq FROM caddypay.charges WHERE scope = a.scope AND number = a.number AND state <> 'foreign') AS of
		JOIN caddypay.charges AS c ON c.seq = of.seq ORDER BY c.seq FOR UPDATE OF c`, []string{"integer", "text", "text", "text"}},
	sqlSomeUnreadable: {`SELECT a.i FROM unnest($1::integer[], $2::text[], $3::text[]) WITH ORDINALITY AS a (scope, object_id, type, i)
		WHERE EXISTS (SELECT 1 FROM caddypay.events AS e WHERE e.scope = a.scope AND e.object_id = a.object_id AND e.type = a.type AND e.shelf = 'held'
			AND e.reasons = '["unreadable"]')`, []string{"integer", "text", "text"}},
	// Foreign ones are told apart by their ids, of which there is one each.
	sqlAddCharge: {`WITH a AS MATERIALIZED (
			SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bigint[],
				$11::text[], $12::text[], $13::bigint[], $14::boolean[], $15::bigint[], $16::bigint[], $17::bigint[], $18::integer[], $19::boolean[],
				$20::text[], $21::bigint[]) WITH ORDINALITY
			AS a (scope, order_no, number, state, reserved_until, id, channel, payer, payer_app, amount, currency, host, created,
				paid, time_paid, amount_paid, payment, hold, reversed, transaction_no, logged_in, i)
		), added AS (
			INSERT INTO caddypay.charges (scope, order_no, number, state, reserved_until, id, channel, payer, payer_app, amount, currency, host, created,
				paid, time_paid, amount_paid, payment, hold, reversed, transaction_no, logged_in)
			SELECT scope, order_no, number, state, reserved_until, id, channel, payer, payer_app, amount, currency, host, created,
				paid, time_paid, amount_paid, payment, hold, reversed, transaction_no, logged_in FROM a ORDER BY i
			ON CONFLICT (scope, number) WHERE state <> 'foreign' DO NOTHING RETURNING seq, scope, id
		)
		SELECT a.i, added.seq FROM added JOIN a ON a.scope = added.scope AND a.id = added.id`,
		[]string{"integer", "text", "text", "text", "bigint", "text", "text", "text", "text", "bigint", "text", "text", "bigint", "boolean", "bigint", "bigint",
			"bigint", "integer", "boolean", "text", "bigint"}},
	// Of two that have the same id the first is added; the other one's place in the queue is taken then, which undoes the group.
	sqlAddEvent: {`WITH a AS MATERIALIZED (
			SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::boolean[], $7::text[], $8::text[], $9::text[], $10::text[],
				$11::integer[], $12::text[], $13::bigint[], $14::bigint[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::bigint[],
				$21::bigint[], $22::bigint[], $23::boolean[], $24::boolean[], $25::text[], $26::bigint[], $27::bytea[], $28::text[]) WITH ORDINALITY
			AS a (scope, id, type, object_id, effect, by_charge, charge_id, number, order_no, lane, rank, source, created, received, host, trace, state, reasons,
				late, due, settled, money, blocked, risk, owner, until, body, signature, i)
		), added AS (
			INSERT INTO caddypay.events (scope, id, type, object_id, effect, by_charge, charge_id, number, order_no, lane, rank, source, created, received,
				host, trace, state, reasons, late, due, settled, money, body_day)
			SELECT scope, id, type, object_id, effect, by_charge, charge_id, number, order_no, lane, rank, source, created, received,
				host, trace, state, reasons, late, nullif(due, 0), settled, money, CASE WHEN body IS NOT NULL THEN ` + today + ` END FROM a ORDER BY i
			ON CONFLICT DO NOTHING RETURNING seq, scope, id
		), queued AS (
			INSERT INTO caddypay.queue (event, scope, due, created, received, rank, blocked, risk, lane, owner, until)
			SELECT seq, a.scope, due, created, received, rank, blocked, risk, lane, owner, until FROM added JOIN a ON a.scope = added.scope AND a.id = added.id
			WHERE state = 'pending'
		), kept AS (
			INSERT INTO caddypay.bodies (event, day, signature, body)
			SELECT seq, ` + today + `, signature, body FROM added JOIN a ON a.scope = added.scope AND a.id = added.id WHERE body IS NOT NULL
		)
		SELECT a.i, added.seq FROM added JOIN a ON a.scope = added.scope AND a.id = added.id`,
		[]string{"integer", "text", "text", "text", "boolean", "boolean", "text", "text", "text", "text", "integer", "text", "bigint", "bigint", "text", "text",
			"text", "text", "text", "bigint", "bigint", "bigint", "boolean", "boolean", "text", "bigint", "bytea", "text"}},
}

// merged puts statements of one text together.
func (b bulk) merged(stmts []stmt) stmt {
	args := make([]any, len(b.types))
	for k, kind := range b.types {
		switch kind {
		case "integer", "bigint":
			args[k] = column(stmts, k, integer)
		case "boolean":
			args[k] = column(stmts, k, func(arg any) bool { return arg.(bool) })
		case "bytea":
			args[k] = column(stmts, k, func(arg any) []byte { return arg.([]byte) })
		default:
			args[k] = column(stmts, k, func(arg any) *string {
				if s, ok := arg.(string); ok {
					return &s
				}
				return nil
			})
		}
	}
	return stmt{text: b.text, args: args, read: func(r *row) { stmts[r.number()-1].read(r) }}
}

func column[T any](stmts []stmt, k int, is func(any) T) []T {
	list := make([]T, len(stmts))
	for i := range stmts {
		list[i] = is(stmts[i].args[k])
	}
	return list
}

func integer(arg any) int64 {
	switch n := arg.(type) {
	case int:
		return int64(n)
	case int64:
		return n
	}
	panic(fmt.Sprintf("%T is no integer", arg))
}

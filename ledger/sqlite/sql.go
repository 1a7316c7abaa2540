package sqlite

import (
	"strings"
	"unicode"
)

// Every statement about rows, as core.Reader and core.Tx have them. reads and writes (statements.go) list them for the two kinds of connections.
const (
	sqlScope    = `SELECT id FROM scopes WHERE app = ? AND mode = ?`
	sqlAddScope = `INSERT INTO scopes (app, mode) VALUES (?, ?)`
)

// Events.
const (
	eventHead = `seq, id, type, object_id, charge_id, number, order_no, lane, rank, source, created, received, host, trace,
		state, reasons, late, attempts, tries, replay, due, back, settled, money, acks`
	eventWhole = eventHead + `, (SELECT signature FROM bodies WHERE event = seq), (SELECT body FROM bodies WHERE event = seq)`
	eventRow   = eventHead + `, owner, until, blocked, by_charge, EXISTS (SELECT 1 FROM bodies WHERE event = seq)`

	sqlEvent    = `SELECT ` + eventWhole + ` FROM events WHERE scope = ? AND id = ?`
	sqlEventRow = `SELECT ` + eventRow + ` FROM events WHERE scope = ? AND id = ?`
	sqlEventAt  = `SELECT ` + eventRow + ` FROM events WHERE scope = ? AND seq = ?`

	sqlAddEvent = `INSERT INTO events (scope, id, type, object_id, effect, by_charge, charge_id, number, order_no, lane, rank, source,
		created, received, host, trace, state, reasons, late, due, settled, blocked, money, owner, until)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	sqlAddBody  = `INSERT INTO bodies (event, signature, body) VALUES (?, ?, ?)`
	sqlSetEvent = `UPDATE events SET state = ?, reasons = ?, replay = ?, attempts = ?, tries = ?, due = ?, back = ?, settled = ?, blocked = ?, owner = ?,
		until = ?, money = ?, acks = ?, by_charge = ? WHERE seq = ?`
	sqlSetBlocked = `UPDATE events SET blocked = ? WHERE seq = ?`

	// A lane's pending events are in the index, but for payments, which are those of its order's charges.
	ofLane        = ` FROM events INDEXED BY events_lane WHERE scope = ?1 AND lane = ?2 AND lane <> '' AND state = 'pending' AND by_charge = 0`
	sqlPaymentsIn = `SELECT e.seq, e.rank, e.created, e.blocked FROM charges AS c INDEXED BY charges_order CROSS JOIN events AS e ON e.seq = c.payment
		WHERE c.scope = ?1 AND c.order_no = ?2 AND c.payment <> 0 AND e.lane = ?2 AND e.state = 'pending' AND e.by_charge = 1`
	// A lane's refunds are among its pending events, which may be many only while it is stuck.
	sqlPendingRefunds = `SELECT ` + eventRow + ofLane + ` AND charge_id = ?3 AND substr(type, 1, 7) = 'refund.'`
	sqlWithheld       = `SELECT ` + eventRow + ` FROM events INDEXED BY events_unpaid
		WHERE scope = ? AND charge_id = ? AND state = 'filtered' AND reasons = '["payment_held"]' AND EXISTS (SELECT 1 FROM bodies WHERE event = seq)`
	sqlEffectSeen = `SELECT 1 FROM events WHERE scope = ? AND object_id = ? AND type = ? AND effect = 1`
	sqlUnreadable = `SELECT ` + eventRow + ` FROM events INDEXED BY events_unreadable
		WHERE scope = ? AND object_id = ? AND type = ? AND state = 'held' AND reasons = '["unreadable"]'`

	free     = ` (owner IS NULL OR until <= ?5 OR until > ?6)`
	paused   = `EXISTS (SELECT 1 FROM pauses WHERE scope = `
	sqlClaim = `UPDATE events SET owner = ?1, until = ?2 WHERE seq IN (
			SELECT seq FROM events WHERE scope = ?3 AND state = 'pending' AND blocked = 0 AND due <= iif(` + paused + `?3), -1, ?4) AND seq < ?7 AND` + free + `
			ORDER BY due, seq LIMIT ?8+0) -- a bare parameter here makes SQLite prepare the statement anew each time
		RETURNING ` + eventWhole
	sqlLeases   = `SELECT seq, id, until FROM events WHERE scope = ? AND owner = ?`
	sqlSetLease = `UPDATE events SET until = ? WHERE seq = ?`
	settles     = `UPDATE events SET state = ?1, attempts = attempts + ?2, tries = tries + ?2, due = ?3, settled = ?4, back = ?8, owner = NULL, until = 0,
		acks = acks + (?1 = 'delivered')`
	settled    = ` WHERE scope = ?5 AND id = ?6 AND state = 'pending' AND owner = ?7`
	toldOfLane = ` RETURNING seq, lane, blocked, EXISTS (SELECT 1 FROM events AS o INDEXED BY events_behind
		WHERE o.scope = events.scope AND o.lane = events.lane AND o.state = 'pending' AND o.blocked = 1), money, acks`
	sqlSettle = settles + settled + toldOfLane
	// With the first delivery, as long as none is recorded.
	sqlSettleAtOnce = settles + `, first_at = ?9, first_took = ?10, first_status = ?11, first_snippet = ?12` +
		settled + ` AND first_at = 0 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE event = seq)` + toldOfLane
	sqlWaiting = `SELECT ` + eventRow + ` FROM events INDEXED BY events_back WHERE scope = ? AND state = 'pending' AND back > 0 AND due > back LIMIT ?`

	// The first event without a lease is due when it is due, one with a lease when that ends.
	sqlNextDue = `SELECT
		CASE WHEN NOT ` + paused + `?1) THEN
			(SELECT due FROM events WHERE scope = ?1 AND state = 'pending' AND blocked = 0 AND owner IS NULL ORDER BY due LIMIT 1) END,
		CASE WHEN NOT ` + paused + `?1) THEN (SELECT min(until) FROM events WHERE scope = ?1 AND owner IS NOT NULL AND blocked = 0) END,
		coalesce((SELECT n FROM counts WHERE scope = ?1 AND state = 'pending'), 0)`
	sqlEventsAhead = `SELECT seq, due, tries,
			CASE WHEN tries > 0 THEN coalesce((SELECT at FROM deliveries WHERE event = seq ORDER BY n DESC LIMIT 1), first_at) END
		FROM events WHERE scope = ? AND state = 'pending' AND blocked = 0 AND due > ?`

	// The first delivery is in the event's row if that is all there was to it, and in no other then.
	sqlSent = `SELECT first_at > 0 OR EXISTS (SELECT 1 FROM deliveries WHERE event = ?1),
		first_at > 0 OR EXISTS (SELECT 1 FROM deliveries WHERE event = ?1 AND state = 'delivered') FROM events WHERE seq = ?1`
	sqlDeliveries = `SELECT 1, first_at, first_took, first_status, '', first_snippet, 'delivered', 0, 0, 0 AS n FROM events WHERE scope = ?1 AND id = ?2 AND first_at > 0
		UNION ALL SELECT attempt, at, took, status, error, snippet, state, due, uncounted, n FROM deliveries
			WHERE event = (SELECT seq FROM events WHERE scope = ?1 AND id = ?2) ORDER BY n`
	sqlAddDelivery = `INSERT INTO deliveries (event, n, attempt, at, took, status, error, snippet, state, due, uncounted)
		VALUES (?1, (SELECT coalesce(max(n), 0) + 1 FROM deliveries WHERE event = ?1), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)`
	sqlAddAudit = `INSERT INTO audit (scope, event, at, action, state, by, said, reason, run) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`

	sqlOldBodies = `SELECT seq, state, received, settled FROM bodies CROSS JOIN events ON seq = event WHERE event > ? ORDER BY event LIMIT ?`
	sqlDropBody  = `DELETE FROM bodies WHERE event = ?`
)

// Charges.
const (
	chargeColumns = `seq, order_no, number, state, id, channel, payer, payer_app, amount, currency, host, created,
		time_expire, superseded, paid, time_paid, amount_refunded, reversed, client_result, client_at, queries, next_query, fingerprint,
		reserved_until, amount_paid, payment, hold, query_until, transaction_no, logged_in`
	chargeWhole = chargeColumns + `, (SELECT raw FROM answers WHERE charge = seq)`

	ofCharge    = ` FROM charges WHERE scope = ? AND id = ?`
	sqlCharge   = `SELECT ` + chargeWhole + ofCharge
	sqlAttempts = `SELECT ` + chargeWhole + ` FROM charges WHERE scope = ? AND order_no = ? AND order_no <> '' ORDER BY seq`
	// The condition is the index's own.
	sqlPayable = `SELECT ` + chargeWhole + ` FROM charges WHERE scope = ? AND payer = ? AND ` + lapses + ` > ?
		AND state = 'created' AND NOT paid AND NOT reversed ORDER BY seq`
	// The inner one reads nothing but its index: the attempts of the time asked for, a day as a rule.
	sqlChargesCreated = `SELECT ` + chargeWhole + ` FROM charges WHERE seq IN (SELECT seq FROM charges INDEXED BY charges_created
			WHERE scope = ? AND state = 'created' AND created >= ? AND created < ? AND id > ? ORDER BY id LIMIT ?)
		ORDER BY id`
	sqlChargesAhead = `SELECT ` + chargeColumns + ` FROM charges INDEXED BY charges_query WHERE scope = ? AND ` + queryKind + ` IN (0, 1, 2)
		AND next_query > 0 AND next_query > ?`

	sqlChargeRow = `SELECT ` + chargeColumns + ofCharge
	sqlNumbered  = `SELECT ` + chargeColumns + ` FROM charges WHERE scope = ? AND number = ? AND state <> 'foreign'`
	sqlForsaken  = `SELECT ` + chargeColumns + ` FROM charges INDEXED BY charges_reserved WHERE scope = ? AND state = 'reserved'
		AND (reserved_until <= ? OR reserved_until > ?)`

	sqlAddCharge = `INSERT INTO charges (scope, order_no, number, state, reserved_until, id, channel, payer, payer_app, amount, currency, host, created,
		paid, time_paid, amount_paid, payment, hold, reversed, transaction_no, logged_in) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (scope, number) WHERE state <> 'foreign' DO NOTHING`
	happens = `UPDATE charges SET amount = ?, currency = ?, superseded = ?, paid = ?, time_paid = ?, amount_refunded = ?, reversed = ?, client_result = ?,
		client_at = ?, queries = ?, next_query = ?, amount_paid = ?, payment = ?, hold = ?, query_until = ?,
		transaction_no = ?`
	sqlSetCharge  = happens + ` WHERE seq = ?`
	sqlSetAttempt = happens + `, state = ?, reserved_until = ?, id = ?, channel = ?, payer = ?, payer_app = ?, host = ?, created = ?, time_expire = ?,
		fingerprint = ? WHERE seq = ?`
	sqlDropCharge = `DELETE FROM charges WHERE seq = ?`
	sqlSetAnswer  = `INSERT INTO answers (charge, raw) VALUES (?, ?) ON CONFLICT DO UPDATE SET raw = excluded.raw`

	sqlSetQuote = `INSERT INTO quotes (scope, order_no, amount, currency, closed, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
		ON CONFLICT DO UPDATE SET amount = ?3, currency = ?4, closed = ?5, at = ?6`

	// queryKind is core's Charge.Kind, for the index that finds the due ones of each kind.
	queryKind = `(CASE WHEN next_query <= client_at THEN 0 WHEN queries = 0 AND state = 'created' AND NOT superseded THEN 1 ELSE 2 END)`

	dueQueries = `SELECT ` + chargeColumns + ` FROM charges WHERE scope = ? AND ` + queryKind + ` = ? AND next_query > 0 AND next_query <= ?
		AND (query_until <= ? OR query_until > ?) AND NOT paid AND NOT reversed`
	sqlDueQueries = dueQueries + ` AND (state = 'created' OR state IN ('unknown', 'taken') AND id IS NULL) ORDER BY next_query, seq LIMIT ?`
	sqlDueFirst   = dueQueries + ` ORDER BY next_query DESC, seq DESC LIMIT ?`

	sqlOldAnswers = `SELECT ` + chargeColumns + ` FROM answers CROSS JOIN charges ON seq = charge WHERE charge > ? ORDER BY charge LIMIT ?`
	sqlDropAnswer = `DELETE FROM answers WHERE charge = ?`

	sqlSweep    = `SELECT compared, owner, until FROM sweeps WHERE scope = ?`
	sqlSetSweep = `INSERT INTO sweeps (scope, compared, owner, until) VALUES (?1, ?2, ?3, ?4)
		ON CONFLICT DO UPDATE SET compared = ?2, owner = ?3, until = ?4`
	sqlFirstCharge = `SELECT created FROM charges INDEXED BY charges_created WHERE scope = ? AND state = 'created' AND created > 0 ORDER BY created LIMIT 1`
)

// sqlBooks returns a row for each charge, at least one in any case: what there is none of is NULL. Parameters are scope, order number, charge id,
// Ping++ order number, lane; NULL for what is to match nothing. Of the lane it is the first of those that are no payments.
var sqlBooks = `SELECT q.at, q.amount, q.currency, q.closed, f.seq, f.rank, f.created, f.blocked, ` + of("c", chargeColumns) + `
	FROM (SELECT 1) AS one
	LEFT JOIN quotes AS q ON q.scope = ?1 AND q.order_no = ?2
	LEFT JOIN events AS f ON f.seq = (SELECT seq FROM events WHERE scope = ?1 AND lane = ?5 AND lane <> '' AND state = 'pending'
		AND by_charge = 0 ORDER BY rank, created, seq LIMIT 1)
	LEFT JOIN charges AS c ON (c.scope = ?1 AND c.order_no = ?2) OR (c.scope = ?1 AND c.id = ?3)
		OR (c.scope = ?1 AND c.number = ?4 AND c.state <> 'foreign')`

// of says of which table columns are.
func of(table, columns string) string {
	names := strings.FieldsFunc(columns, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	return table + "." + strings.Join(names, ", "+table+".")
}

// Refunds.
const (
	refundColumns = `seq, refund_no, charge_id, order_no, through, amount, whole, description, state, id, failure_code,
		failure_msg, created, time_succeeded, asked, next_query, funding_source, asks, unclear, counted, owner, until`

	sqlRefundsOf       = `SELECT ` + refundColumns + ` FROM refunds WHERE scope = ? AND order_no = ? AND order_no <> '' ORDER BY seq`
	sqlRefundsOfCharge = `SELECT ` + refundColumns + ` FROM refunds WHERE scope = ? AND charge_id = ? ORDER BY seq`
	sqlRefunds         = `SELECT ` + refundColumns + ` FROM refunds WHERE scope = ?1 AND id = ?2
		UNION SELECT ` + refundColumns + ` FROM refunds WHERE scope = ?1 AND refund_no = ?3`
	sqlRefundsAhead = `SELECT ` + refundColumns + ` FROM refunds INDEXED BY refunds_query WHERE scope = ? AND next_query > 0 AND next_query > ?`
	sqlDueRefunds   = `SELECT ` + refundColumns + ` FROM refunds WHERE scope = ? AND next_query > 0 AND next_query <= ? AND (until <= ? OR until > ?)
		AND state IN ('asked', 'pending') AND refund_no IS NOT NULL ORDER BY next_query, seq LIMIT ?`

	sqlAddRefund = `INSERT INTO refunds (scope, refund_no, charge_id, order_no, amount, whole, description, funding_source, created, through, state, id,
		failure_code, failure_msg, time_succeeded, asked, next_query, asks, unclear, counted, owner, until)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	sqlSetRefund = `UPDATE refunds SET through = ?, state = ?, id = ?, failure_code = ?, failure_msg = ?, time_succeeded = ?, asked = ?, next_query = ?,
		asks = ?, unclear = ?, counted = ?, owner = ?, until = ? WHERE seq = ?`
	sqlDropRefund = `DELETE FROM refunds WHERE seq = ?`
)

// Logins.
const (
	sqlLogin     = `SELECT identity FROM logins WHERE key = ? AND expires > ?`
	sqlSaveLogin = `INSERT INTO logins (key, identity, expires) VALUES (?, ?, ?)
		ON CONFLICT DO UPDATE SET identity = excluded.identity, expires = excluded.expires`
	sqlDropLogins = `DELETE FROM logins WHERE key IN (SELECT key FROM logins WHERE expires <= ? ORDER BY expires LIMIT ?)`
)

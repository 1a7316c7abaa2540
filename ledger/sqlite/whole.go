package sqlite

import (
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// Everything, as it is moved elsewhere: by the row's number, which no index of a scope has in order.
const (
	sqlWholeEvents  = `SELECT ` + eventRow + `, effect FROM events WHERE +scope = ? AND seq > ? ORDER BY seq LIMIT ?`
	sqlWholeCharges = `SELECT ` + chargeColumns + ` FROM charges WHERE +scope = ? AND seq > ? ORDER BY seq LIMIT ?`
	sqlWholeRefunds = `SELECT ` + refundColumns + ` FROM refunds WHERE +scope = ? AND seq > ? ORDER BY seq LIMIT ?`
	sqlWholeAudit   = `SELECT a.seq, coalesce(e.id, ''), coalesce(e.order_no, ''), a.at, a.action, a.state, a.by, a.said, a.reason, a.run
		FROM audit AS a LEFT JOIN events AS e ON e.seq = a.event WHERE +a.scope = ? AND a.seq > ? ORDER BY a.seq LIMIT ?`
	sqlWholeQuotes = `SELECT order_no FROM quotes WHERE scope = ? AND order_no > ? ORDER BY order_no LIMIT ?`
	sqlWholeLogins = `SELECT key, identity, expires FROM logins WHERE key > ? ORDER BY key LIMIT ?`
	sqlEventID     = `SELECT id FROM events WHERE scope = ? AND seq = ?`
)

// These are core.Whole.

func (r *reader) Scopes() (scopes []ledger.Scope, err error) {
	err = r.run(sqlScopes, func(row *row) { scopes = append(scopes, ledger.Scope{App: row.text(), Mode: ledger.Mode(row.text())}) })
	return scopes, err
}

func (r *reader) WholeEvents(s ledger.Scope, after int64, limit int) ([]core.Event, error) {
	return list(&r.session, func(row *row, s ledger.Scope) core.Event {
		e := readEventRow(row, s)
		e.Claims = row.flag()
		return e
	}, sqlWholeEvents, s, after, limit)
}

func (r *reader) WholeCharges(s ledger.Scope, after int64, limit int) ([]core.Charge, error) {
	return list(&r.session, readCharge, sqlWholeCharges, s, after, limit)
}

func (r *reader) WholeRefunds(s ledger.Scope, after int64, limit int) ([]core.Refund, error) {
	return list(&r.session, readRefund, sqlWholeRefunds, s, after, limit)
}

func (r *reader) WholeAudit(s ledger.Scope, after int64, limit int) ([]ledger.Decided, error) {
	return list(&r.session, func(row *row, s ledger.Scope) (d ledger.Decided) {
		d.Scope = s
		d.Seq, d.EventID, d.OrderNo, d.Now, d.Action, d.Was = row.number(), row.text(), row.text(), row.time(), ledger.Action(row.text()), ledger.State(row.text())
		d.By, d.Said, d.Reason, d.Run = row.text(), row.text(), row.text(), row.text()
		return d
	}, sqlWholeAudit, s, after, limit)
}

func (r *reader) WholeQuotes(s ledger.Scope, after string, limit int) ([]string, error) {
	return list(&r.session, func(row *row, _ ledger.Scope) string { return row.text() }, sqlWholeQuotes, s, after, limit)
}

func (r *reader) WholeLogins(after []byte, limit int) (ls []ledger.Login, err error) {
	err = r.run(sqlWholeLogins, func(row *row) {
		ls = append(ls, ledger.Login{Key: row.bytes(), Identity: row.bytes(), Expires: row.number()})
	}, after, limit)
	return ls, err
}

func (r *reader) EventID(s ledger.Scope, seq int64) (id string, err error) {
	found, err := one(&r.session, func(row *row, _ ledger.Scope) string { return row.text() }, sqlEventID, s, seq)
	if found != nil {
		id = *found
	}
	return id, err
}

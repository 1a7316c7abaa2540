package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

const (
	chargeColumns = `order_no, number, state, coalesce(id, ''), channel, payer, payer_app, amount, currency, host, created,
		time_expire, superseded, paid, time_paid, amount_refunded, reversed, client_result, client_at, hold, ` + undone + `, queries, next_query, fingerprint,
		(SELECT raw FROM answers WHERE charge = seq)`
	sqlCharge   = `SELECT ` + chargeColumns + ` FROM charges WHERE scope = ? AND id = ?`
	sqlAttempts = `SELECT ` + chargeColumns + ` FROM charges WHERE scope = ? AND order_no = ? AND order_no <> '' ORDER BY seq`

	// The condition is the index's own.
	sqlPayable = `SELECT ` + chargeColumns + ` FROM charges WHERE scope = ? AND payer = ? AND ` + lapses + ` > ?
		AND state = 'created' AND NOT paid AND NOT reversed ORDER BY seq`

	// An event reported the charge under a number that was not the reserved one, so that it was taken for another's.
	sqlForeign = `DELETE FROM charges WHERE scope = ? AND id = ? AND state = 'foreign'
		RETURNING paid, time_paid, amount_paid, amount_refunded, reversed, payment, hold`
	// When the answer is so late that the order has a newer charge, that one has made this one superseded.
	sqlCreated = `UPDATE charges SET state = 'created', reserved_until = 0, id = ?1, channel = ?2, payer = ?3, payer_app = ?4,
		amount = ?5, currency = ?6, host = ?7, created = ?8, time_expire = ?9, amount_refunded = max(amount_refunded, ?10),
		paid = max(paid, ?11), time_paid = CASE WHEN time_paid = 0 THEN ?12 ELSE time_paid END, reversed = max(reversed, ?13),
		superseded = CASE WHEN paid OR ?11 THEN superseded ELSE max(superseded, ?14) END,
		query_until = 0, next_query = CASE WHEN paid OR ?11 OR reversed OR ?13 THEN 0 ELSE ?15 END, fingerprint = ?16 WHERE seq = ?17`
	sqlAnswer = `INSERT INTO answers (charge, raw) VALUES (?, ?) ON CONFLICT DO UPDATE SET raw = excluded.raw`
	// An attempt that becomes superseded is due at once: whoever looks it up reverses it as soon as the channel lets it. Of one that a request is
	// deciding about nothing is said: Created does that.
	sqlSupersede = `UPDATE charges SET superseded = 1, next_query = CASE WHEN state <> 'created' OR reversed THEN next_query
			WHEN next_query = 0 THEN max(created, 1) ELSE min(next_query, max(created, 1)) END
		WHERE scope = ? AND order_no = ? AND seq < ? AND seq <> ? AND state <> 'reserved' AND NOT paid AND NOT superseded RETURNING coalesce(id, '')`
	sqlOrderPaid = `SELECT EXISTS (SELECT 1 FROM charges WHERE scope = ? AND order_no = ? AND seq <> ? AND paid AND NOT ` + undone + `)`

	// Of two quotes the later counts, whatever another process's clock says while one of them holds the order.
	sqlQuote = `INSERT INTO quotes (scope, order_no, amount, currency, closed, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
		ON CONFLICT DO UPDATE SET closed = ?5, at = ?6, amount = CASE WHEN ?5 THEN amount ELSE ?3 END,
			currency = CASE WHEN ?5 THEN currency ELSE ?4 END
		WHERE at <= ?6 OR ?7`
)

// Created implements [ledger.Charges].
func (l *Ledger) Created(ctx context.Context, c *ledger.Charge) error {
	if err := checkScope(c.Scope); err != nil {
		return err
	}
	if c.ID == "" {
		return fmt.Errorf("ledger: the charge for order %s needs the id that Ping++ gave it", c.OrderNo)
	}
	return l.write(ctx, func(t *tx) error { return t.created(c) })
}

func (t *tx) created(c *ledger.Charge) error {
	n, err := t.number(c.Scope, c.Number)
	if err != nil {
		return err
	}
	if n.id != "" && n.id != c.ID {
		return fmt.Errorf("number %s belongs to charge %s already, not to %s", c.Number, n.id, c.ID)
	}
	if n.id == "" {
		if err := t.adopt(n, c.ID); err != nil {
			return err
		}
	}
	superseded, next := n.superseded, c.NextQuery
	if !superseded {
		if err := t.row(sqlOrderPaid, n.scope, n.orderNo, n.seq).Scan(&superseded); err != nil {
			return err
		}
	}
	if superseded {
		next = c.Created
	}
	_, _, err = t.change(sqlCreated, c.ID, c.Channel, c.Payer, c.PayerAppID, c.Amount, c.Currency, c.Host, millis(c.Created),
		millis(c.TimeExpire), c.AmountRefunded, c.Paid, millis(c.TimePaid), c.Reversed, superseded, millis(next), c.Fingerprint, n.seq)
	if err != nil {
		return err
	}
	c.Superseded = superseded
	if !n.superseded { // else the order has had a later quote
		price := ledger.Quote{Amount: c.Amount, Currency: c.Currency, At: c.Quoted}
		if price.At.IsZero() {
			price.At = c.Created
		}
		if err := t.quote(n, price, n.state == ledger.Reserving); err != nil { // nobody else has asked since it was reserved
			return err
		}
	}
	if c.Raw != nil {
		if _, _, err := t.change(sqlAnswer, n.seq, c.Raw); err != nil {
			return err
		}
	}
	t.touch(ledger.ChargeTopic(c.Scope, c.ID))
	t.touch(ledger.OrderTopic(c.Scope, n.orderNo))
	return t.supersede(c.Scope, n.scope, n.orderNo, n.seq, n.seq)
}

// supersede marks the unpaid attempts of an order that came before one, but for one.
func (t *tx) supersede(s ledger.Scope, scope int64, orderNo string, before, but int64) error {
	rows, err := t.returning(sqlSupersede, scope, orderNo, before, but)
	return each(rows, err, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		if id != "" {
			t.touch(ledger.ChargeTopic(s, id))
		}
		return err
	})
}

// adopt gives what is known of a foreign charge to the attempt that turns out to be it.
func (t *tx) adopt(n numbered, id string) error {
	var paid, reversed bool
	var timePaid, amountPaid, refunded, payment int64
	var held hold
	err := t.row(sqlForeign, n.scope, id).Scan(&paid, &timePaid, &amountPaid, &refunded, &reversed, &payment, &held)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		_, _, err = t.change(sqlChangeCharge, id, refunded, amountPaid, 0, "", payment, held, paid || reversed, paid, timePaid, reversed, n.seq)
	}
	return err
}

// quote records what the backend said about the order of an attempt.
func (t *tx) quote(n numbered, q ledger.Quote, last bool) error {
	_, _, err := t.change(sqlQuote, n.scope, n.orderNo, q.Amount, q.Currency, q.Closed, millis(q.At), last)
	return err
}

// Charge implements [ledger.Charges].
func (l *Ledger) Charge(ctx context.Context, scope ledger.Scope, id string) (*ledger.Charge, error) {
	var c *ledger.Charge
	err := l.read(ctx, func(r *reader) error {
		s, err := r.scope(scope)
		if err != nil {
			return err
		}
		c, err = scanCharge(r.row(sqlCharge, s, id), scope)
		return err
	})
	return c, err
}

// Attempts implements [ledger.Charges].
func (l *Ledger) Attempts(ctx context.Context, scope ledger.Scope, orderNo string) (cs []ledger.Charge, err error) {
	err = l.read(ctx, func(r *reader) error {
		s, err := r.scope(scope)
		if err != nil {
			return err
		}
		rows, err := r.query(sqlAttempts, s, orderNo)
		cs, err = scanCharges(rows, err, scope)
		return err
	})
	return cs, err
}

// Payable implements [ledger.Charges].
func (l *Ledger) Payable(ctx context.Context, scope ledger.Scope, payer string, now time.Time) (cs []ledger.Charge, err error) {
	err = l.read(ctx, func(r *reader) error {
		s, err := r.scope(scope)
		if err != nil {
			return err
		}
		rows, err := r.query(sqlPayable, s, payer, millis(now))
		cs, err = scanCharges(rows, err, scope)
		return err
	})
	return cs, err
}

func scanCharges(rows *sql.Rows, err error, scope ledger.Scope) (cs []ledger.Charge, _ error) {
	err = each(rows, err, func(rows *sql.Rows) error {
		c, err := scanCharge(rows, scope)
		if err == nil {
			cs = append(cs, *c)
		}
		return err
	})
	return cs, err
}

// scanCharge reads a row of chargeColumns and what comes before it.
func scanCharge(row interface{ Scan(...any) error }, scope ledger.Scope, before ...any) (*ledger.Charge, error) {
	c := &ledger.Charge{Scope: scope}
	var created, timeExpire, timePaid, clientAt, nextQuery int64
	var held hold
	err := row.Scan(append(before, &c.OrderNo, &c.Number, &c.State, &c.ID, &c.Channel, &c.Payer, &c.PayerAppID, &c.Amount, &c.Currency,
		&c.Host, &created, &timeExpire, &c.Superseded, &c.Paid, &timePaid, &c.AmountRefunded, &c.Reversed, &c.Client.Result, &clientAt,
		&held, &c.Undone, &c.Queries, &nextQuery, &c.Fingerprint, &c.Raw)...)
	if err != nil {
		return nil, err
	}
	c.Created, c.TimeExpire, c.TimePaid, c.Client.At = moment(created), moment(timeExpire), moment(timePaid), moment(clientAt)
	c.NextQuery, c.Held = moment(nextQuery), held == awaits || held == discarded || held == unread
	return c, nil
}

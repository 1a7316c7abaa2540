package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/caddypay/caddypay/ledger"
)

const (
	chargeColumns = `order_no, number, state, coalesce(id, ''), channel, payer, payer_app, amount, currency, host, created,
		time_expire, superseded, paid, time_paid, amount_refunded, reversed, client_result, client_at,
		(SELECT raw FROM answers WHERE charge = seq)`
	sqlCharge   = `SELECT ` + chargeColumns + ` FROM charges WHERE scope = ? AND id = ?`
	sqlAttempts = `SELECT ` + chargeColumns + ` FROM charges WHERE scope = ? AND order_no = ? ORDER BY seq`

	// What an event or an answer says is added to what is known; nothing of it is ever taken back.
	setChange = ` paid = max(paid, ?), time_paid = CASE WHEN time_paid = 0 THEN ? ELSE time_paid END, reversed = max(reversed, ?)`

	sqlChangeCharge = `UPDATE charges SET amount_refunded = amount_refunded + ?,` + setChange + ` WHERE scope = ? AND id = ?`
	// The answer to the request that created the charge is not recorded yet, or never was.
	sqlChangeByNumber = `UPDATE charges SET id = ?, amount_refunded = amount_refunded + ?,` + setChange + `
		WHERE scope = ? AND number = ? AND id IS NULL`

	// Superseded stays as it is: when the answer is so late that the order has a newer charge, that one has set it.
	sqlCreated = `UPDATE charges SET state = 'created', reserved_until = 0, id = ?, channel = ?, payer = ?, payer_app = ?,
		amount = ?, currency = ?, host = ?, created = ?, time_expire = ?, amount_refunded = max(amount_refunded, ?),` + setChange + ` WHERE seq = ?`
	sqlAnswer    = `INSERT INTO answers (charge, raw) VALUES (?, ?) ON CONFLICT DO UPDATE SET raw = excluded.raw`
	sqlSupersede = `UPDATE charges SET superseded = 1 WHERE scope = ? AND order_no = ? AND seq < ? AND NOT paid AND NOT superseded
		RETURNING coalesce(id, '')`
	sqlNoteClient = `UPDATE charges SET client_result = ?, client_at = ? WHERE scope = ? AND id = ?`
)

// changeCharge writes what an event says about its charge; of a charge that is not ours there is nothing to write.
func (t *tx) changeCharge(scope int64, e *ledger.Event) error {
	if e.ChargeID == "" {
		return nil
	}
	c := e.Change
	rows, _, err := t.change(sqlChangeCharge, c.Refund, c.Paid, millis(c.TimePaid), c.Reversed, scope, e.ChargeID)
	if err == nil && rows == 0 && e.Number != "" {
		rows, _, err = t.change(sqlChangeByNumber, e.ChargeID, c.Refund, c.Paid, millis(c.TimePaid), c.Reversed, scope, e.Number)
	}
	if err == nil && rows > 0 {
		t.touch(ledger.ChargeTopic(e.Scope, e.ChargeID))
	}
	return err
}

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
	_, _, err = t.change(sqlCreated, c.ID, c.Channel, c.Payer, c.PayerAppID, c.Amount, c.Currency, c.Host, millis(c.Created),
		millis(c.TimeExpire), c.AmountRefunded, c.Paid, millis(c.TimePaid), c.Reversed, n.seq)
	if err != nil {
		return err
	}
	if c.Raw != nil {
		if _, _, err := t.change(sqlAnswer, n.seq, c.Raw); err != nil {
			return err
		}
	}
	rows, err := t.returning(sqlSupersede, n.scope, n.orderNo, n.seq)
	err = each(rows, err, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		if id != "" {
			t.touch(ledger.ChargeTopic(c.Scope, id))
		}
		return err
	})
	t.touch(ledger.ChargeTopic(c.Scope, c.ID))
	t.touch(ledger.OrderTopic(c.Scope, n.orderNo))
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

// NoteClient implements [ledger.Charges].
func (l *Ledger) NoteClient(ctx context.Context, scope ledger.Scope, id string, n ledger.ClientNote) error {
	return l.write(ctx, func(t *tx) error {
		s, err := t.scope(scope)
		if err != nil {
			return err
		}
		rows, _, err := t.change(sqlNoteClient, n.Result, millis(n.At), s, id)
		if err != nil {
			return err
		}
		if rows == 0 {
			return ledger.ErrNotFound
		}
		t.touch(ledger.ChargeTopic(scope, id))
		return nil
	})
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

// scanCharge reads a row of chargeColumns.
func scanCharge(row interface{ Scan(...any) error }, scope ledger.Scope) (*ledger.Charge, error) {
	c := &ledger.Charge{Scope: scope}
	var created, timeExpire, timePaid, clientAt int64
	err := row.Scan(&c.OrderNo, &c.Number, &c.State, &c.ID, &c.Channel, &c.Payer, &c.PayerAppID, &c.Amount, &c.Currency, &c.Host,
		&created, &timeExpire, &c.Superseded, &c.Paid, &timePaid, &c.AmountRefunded, &c.Reversed, &c.Client.Result, &clientAt, &c.Raw)
	if err != nil {
		return nil, err
	}
	c.Created, c.TimeExpire, c.TimePaid, c.Client.At = moment(created), moment(timeExpire), moment(timePaid), moment(clientAt)
	return c, nil
}

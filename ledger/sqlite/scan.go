package sqlite

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return ledger.Calendar(t).UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return ledger.Calendar(time.UnixMilli(ms)).UTC() // an older version kept every time
}

// stamp scans a time, zero for none.
type stamp time.Time

func (s *stamp) Scan(v any) error {
	ms, ok := v.(int64)
	if !ok {
		return fmt.Errorf("%T is not a time in milliseconds", v)
	}
	*s = stamp(moment(ms))
	return nil
}

// reasons scans a list of them.
type reasons []string

func (r *reasons) Scan(v any) error {
	text, ok := v.(string)
	if !ok {
		return fmt.Errorf("%T is not a list of reasons", v)
	}
	*r = nil
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), (*[]string)(r))
}

func encodeReasons(reasons []string) string {
	if len(reasons) == 0 {
		return ""
	}
	b, _ := json.Marshal(reasons) // strings always can
	return string(b)
}

// nullable is for a column that is NULL when it is empty, and for a parameter that must match nothing then.
func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

type scanner interface{ Scan(...any) error }

// each scans all rows and closes them.
func each(rows *sql.Rows, err error, scan func(*sql.Rows) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// optional scans one number; 0 when there is no row.
func optional(row *sql.Row) (n int64, err error) {
	err = none(row.Scan(&n))
	return n, err
}

// none takes a row that is not there for no error.
func none(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// head lists where a row of eventHead goes.
func head(e *ledger.Event) []any {
	return []any{&e.Seq, &e.ID, &e.Type, &e.ObjectID, &e.ChargeID, &e.Number, &e.OrderNo, &e.Lane, &e.Rank, &e.Source, (*stamp)(&e.Created),
		(*stamp)(&e.Received), &e.Host, &e.TraceParent, &e.State, (*reasons)(&e.Reasons), &e.Late, &e.Attempts, &e.Tries, &e.Replay,
		(*stamp)(&e.Due), (*stamp)(&e.Settled)}
}

// scanEvent reads a row of eventWhole.
func scanEvent(row scanner, s ledger.Scope) (ledger.Event, error) {
	e := ledger.Event{Scope: s}
	err := row.Scan(append(head(&e), &e.Signature, &e.Body)...)
	return e, err
}

// scanEventHead reads a row of eventHead.
func scanEventHead(row scanner, s ledger.Scope) (ledger.Event, error) {
	e := ledger.Event{Scope: s}
	err := row.Scan(head(&e)...)
	return e, err
}

// scanEventRow reads a row of eventRow.
func scanEventRow(row scanner, s ledger.Scope) (core.Event, error) {
	e := core.Event{Event: ledger.Event{Scope: s}}
	err := row.Scan(append(head(&e.Event), &e.Owner, (*stamp)(&e.Until), (*stamp)(&e.Back), &e.Blocked, &e.HasBody)...)
	e.Stored = e.State
	return e, err
}

// chargeOf lists where a row of chargeColumns goes.
func chargeOf(c *core.Charge) []any {
	return []any{&c.Seq, &c.OrderNo, &c.Number, &c.State, &c.ID, &c.Channel, &c.Payer, &c.PayerAppID, &c.Amount, &c.Currency, &c.Host,
		(*stamp)(&c.Created), (*stamp)(&c.TimeExpire), &c.Superseded, &c.Paid, (*stamp)(&c.TimePaid), &c.AmountRefunded, &c.Reversed, &c.Client.Result,
		(*stamp)(&c.Client.At), &c.Queries, (*stamp)(&c.NextQuery), &c.Fingerprint, (*stamp)(&c.ReservedUntil), &c.PaidAmount, &c.Payment, &c.Hold,
		(*stamp)(&c.QueryUntil)}
}

// scanCharge reads a row of chargeColumns.
func scanCharge(row scanner, s ledger.Scope) (c core.Charge, err error) {
	c.Scope = s
	err = row.Scan(chargeOf(&c)...)
	return c, err
}

// scanChargeWhole reads a row of chargeWhole.
func scanChargeWhole(row scanner, s ledger.Scope) (c core.Charge, err error) {
	c.Scope = s
	err = row.Scan(append(chargeOf(&c), &c.Raw)...)
	return c, err
}

// scanRefund reads a row of refundColumns.
func scanRefund(row scanner, s ledger.Scope) (r core.Refund, err error) {
	r.Scope = s
	err = row.Scan(&r.Seq, &r.RefundNo, &r.ChargeID, &r.OrderNo, &r.Through, &r.Amount, &r.Whole, &r.Description, &r.State, &r.ID, &r.FailureCode,
		&r.FailureMsg, (*stamp)(&r.Created), (*stamp)(&r.TimeSucceeded), (*stamp)(&r.Asked), (*stamp)(&r.NextQuery), &r.FundingSource, &r.Asks, &r.Unclear,
		&r.Counted, &r.Owner, (*stamp)(&r.Until))
	return r, err
}

// scanDelivery reads a row of sqlDeliveries.
func scanDelivery(row scanner, s ledger.Scope) (d ledger.Delivery, err error) {
	d.Scope = s
	var took int64
	err = row.Scan(&d.Attempt, (*stamp)(&d.At), &took, &d.Status, &d.Error, &d.Snippet, &d.State, (*stamp)(&d.Due), &d.Uncounted)
	d.Took = time.Duration(took) * time.Microsecond
	return d, err
}

// source is a reader or a transaction.
type source interface {
	scope(s ledger.Scope) (int64, error)
	query(text string, args ...any) (*sql.Rows, error)
	row(text string, args ...any) *sql.Row
}

// list returns the rows of a statement whose first parameter is the scope.
func list[T any](from source, scan func(scanner, ledger.Scope) (T, error), text string, s ledger.Scope, args ...any) (ts []T, err error) {
	id, err := from.scope(s)
	if err != nil {
		return nil, err
	}
	rows, err := from.query(text, append([]any{id}, args...)...)
	err = each(rows, err, func(rows *sql.Rows) error {
		t, err := scan(rows, s)
		ts = append(ts, t)
		return err
	})
	return ts, err
}

// one returns the row of such a statement; nil when there is none.
func one[T any](from source, scan func(scanner, ledger.Scope) (T, error), text string, s ledger.Scope, args ...any) (*T, error) {
	id, err := from.scope(s)
	if err != nil {
		return nil, err
	}
	t, err := scan(from.row(text, append([]any{id}, args...)...), s)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &t, nil
}

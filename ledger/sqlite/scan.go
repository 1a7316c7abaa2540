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

// These scan columns: NULL is what they have when a row is not there, or nothing is known. They also spare database/sql its detour by way of text for
// numbers, and by reflection for named types.
type (
	text    string
	number  int64
	count   int
	flag    bool
	stamp   time.Time
	reasons []string
)

func (t *text) Scan(v any) error   { return scan(v, func(s string) { *t = text(s) }) }
func (n *number) Scan(v any) error { return scan(v, func(i int64) { *n = number(i) }) }
func (n *count) Scan(v any) error  { return scan(v, func(i int64) { *n = count(i) }) }
func (f *flag) Scan(v any) error   { return scan(v, func(i int64) { *f = i != 0 }) }
func (s *stamp) Scan(v any) error  { return scan(v, func(ms int64) { *s = stamp(moment(ms)) }) }
func (r *reasons) Scan(v any) (err error) {
	*r = nil
	return errors.Join(scan(v, func(s string) {
		if s != "" {
			err = json.Unmarshal([]byte(s), (*[]string)(r))
		}
	}), err)
}

func scan[T any](v any, set func(T)) error {
	if v == nil {
		return nil
	}
	t, ok := v.(T)
	if !ok {
		return fmt.Errorf("a column has a %T where a %T belongs", v, t)
	}
	set(t)
	return nil
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
	return []any{(*number)(&e.Seq), (*text)(&e.ID), (*text)(&e.Type), (*text)(&e.ObjectID), (*text)(&e.ChargeID), (*text)(&e.Number), (*text)(&e.OrderNo),
		(*text)(&e.Lane), (*count)(&e.Rank), (*text)(&e.Source), (*stamp)(&e.Created), (*stamp)(&e.Received), (*text)(&e.Host), (*text)(&e.TraceParent),
		(*text)(&e.State), (*reasons)(&e.Reasons), (*text)(&e.Late), (*count)(&e.Attempts), (*count)(&e.Tries), (*flag)(&e.Replay), (*stamp)(&e.Due),
		(*stamp)(&e.Back), (*stamp)(&e.Settled)}
}

// scanEvent reads a row of eventWhole.
func scanEvent(row scanner, s ledger.Scope) (ledger.Event, error) {
	e := ledger.Event{Scope: s}
	err := row.Scan(append(head(&e), (*text)(&e.Signature), &e.Body)...)
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
	err := row.Scan(append(head(&e.Event), (*text)(&e.Owner), (*stamp)(&e.Until), (*flag)(&e.Blocked), (*flag)(&e.HasBody))...)
	e.Stored = e.State
	return e, err
}

// chargeOf lists where a row of chargeColumns goes.
func chargeOf(c *core.Charge) []any {
	return []any{(*number)(&c.Seq), (*text)(&c.OrderNo), (*text)(&c.Number), (*text)(&c.State), (*text)(&c.ID), (*text)(&c.Channel), (*text)(&c.Payer),
		(*text)(&c.PayerAppID), (*number)(&c.Amount), (*text)(&c.Currency), (*text)(&c.Host), (*stamp)(&c.Created), (*stamp)(&c.TimeExpire),
		(*flag)(&c.Superseded), (*flag)(&c.Paid), (*stamp)(&c.TimePaid), (*number)(&c.AmountRefunded), (*flag)(&c.Reversed), (*text)(&c.Client.Result),
		(*stamp)(&c.Client.At), (*count)(&c.Queries), (*stamp)(&c.NextQuery), (*text)(&c.Fingerprint), (*stamp)(&c.ReservedUntil), (*number)(&c.PaidAmount),
		(*number)(&c.Payment), (*count)(&c.Hold), (*stamp)(&c.QueryUntil)}
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
	err = row.Scan((*number)(&r.Seq), (*text)(&r.RefundNo), (*text)(&r.ChargeID), (*text)(&r.OrderNo), (*text)(&r.Through), (*number)(&r.Amount),
		(*flag)(&r.Whole), (*text)(&r.Description), (*text)(&r.State), (*text)(&r.ID), (*text)(&r.FailureCode), (*text)(&r.FailureMsg), (*stamp)(&r.Created),
		(*stamp)(&r.TimeSucceeded), (*stamp)(&r.Asked), (*stamp)(&r.NextQuery), (*text)(&r.FundingSource), (*count)(&r.Asks), (*text)(&r.Unclear),
		(*flag)(&r.Counted), (*text)(&r.Owner), (*stamp)(&r.Until))
	return r, err
}

// scanDelivery reads a row of sqlDeliveries.
func scanDelivery(row scanner, s ledger.Scope) (d ledger.Delivery, err error) {
	d.Scope = s
	var n, took int64
	err = row.Scan(&n, &d.Attempt, (*stamp)(&d.At), &took, &d.Status, &d.Error, &d.Snippet, &d.State, (*stamp)(&d.Due), &d.Uncounted)
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

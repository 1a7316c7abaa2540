package sqlite

import (
	"database/sql"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// These are core.Reader; Events is in list.go.

func (r *reader) Event(s ledger.Scope, id string) (*core.Event, error) {
	return one(r, func(row scanner, s ledger.Scope) (e core.Event, err error) {
		e.Event, err = scanEvent(row, s)
		return e, err
	}, sqlEvent, s, id)
}

func (r *reader) Deliveries(s ledger.Scope, id string) ([]ledger.Delivery, error) {
	ds, err := list(r, scanDelivery, sqlDeliveries, s, id)
	for i := range ds {
		ds[i].EventID = id
	}
	return ds, err
}

func (r *reader) NextDue(s ledger.Scope) (free, leased time.Time, pending int64, err error) {
	id, err := r.scope(s)
	if err != nil {
		return free, leased, 0, err
	}
	var at [2]sql.NullInt64
	err = r.row(sqlNextDue, id).Scan(&at[0], &at[1], &pending)
	for i, t := range []*time.Time{&free, &leased} {
		if at[i].Valid {
			*t = time.UnixMilli(at[i].Int64).UTC()
		}
	}
	return free, leased, pending, err
}

func (r *reader) EventsAhead(s ledger.Scope, after time.Time, limit int, want func(*core.Event, time.Time) bool) ([]core.Event, error) {
	var last time.Time
	return ahead(r, func(row scanner, _ ledger.Scope) (e core.Event, err error) {
		last = time.Time{}
		err = row.Scan((*number)(&e.Seq), (*stamp)(&e.Due), (*count)(&e.Tries), (*stamp)(&last))
		return e, err
	}, sqlEventsAhead, s, after, limit, func(e *core.Event) bool { return want(e, last) })
}

func (r *reader) ChargesAhead(s ledger.Scope, after time.Time, limit int, want func(*core.Charge) bool) ([]core.Charge, error) {
	return ahead(r, scanCharge, sqlChargesAhead, s, after, limit, want)
}

func (r *reader) RefundsAhead(s ledger.Scope, after time.Time, limit int, want func(*core.Refund) bool) ([]core.Refund, error) {
	return ahead(r, scanRefund, sqlRefundsAhead, s, after, limit, want)
}

// ahead is list for those wanted, which ends when there are enough.
func ahead[T any](r *reader, scan func(scanner, ledger.Scope) (T, error), text string, s ledger.Scope, after time.Time, limit int,
	want func(*T) bool) (ts []T, err error) {
	id, err := r.scope(s)
	if err != nil {
		return nil, err
	}
	rows, err := r.query(text, id, millis(after))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for len(ts) < limit && rows.Next() {
		t, err := scan(rows, s)
		if err != nil {
			return nil, err
		}
		if want(&t) {
			ts = append(ts, t)
		}
	}
	return ts, rows.Err()
}

func (r *reader) Charge(s ledger.Scope, id string) (*core.Charge, error) {
	return one(r, scanChargeWhole, sqlCharge, s, id)
}

func (r *reader) Attempts(s ledger.Scope, orderNo string) ([]core.Charge, error) {
	return list(r, scanChargeWhole, sqlAttempts, s, orderNo)
}

func (r *reader) Payable(s ledger.Scope, payer string, now time.Time) ([]core.Charge, error) {
	return list(r, scanChargeWhole, sqlPayable, s, payer, millis(now))
}

func (r *reader) ChargesCreated(s ledger.Scope, from, to time.Time, after string, limit int) ([]core.Charge, error) {
	return list(r, scanChargeWhole, sqlChargesCreated, s, millis(from), millis(to), after, limit)
}

func (r *reader) Refunds(s ledger.Scope, id, refundNo string) ([]core.Refund, error) {
	return list(r, scanRefund, sqlRefunds, s, nullable(id), nullable(refundNo))
}

func (r *reader) RefundsOf(s ledger.Scope, orderNo string) ([]core.Refund, error) {
	return list(r, scanRefund, sqlRefundsOf, s, orderNo)
}

func (r *reader) RefundsOfCharge(s ledger.Scope, chargeID string) ([]core.Refund, error) {
	return list(r, scanRefund, sqlRefundsOfCharge, s, chargeID)
}

func (r *reader) Login(key []byte, now int64) (identity []byte, err error) {
	err = none(r.row(sqlLogin, key, now).Scan(&identity))
	return identity, err
}

func (r *reader) OldBodies(after int64, limit int) ([]core.Event, error) {
	return oldBodies(r, after, limit)
}

func (r *reader) OldAnswers(after int64, limit int) ([]core.Charge, error) {
	return oldAnswers(r, after, limit)
}

func oldBodies(from source, after int64, limit int) (es []core.Event, err error) {
	rows, err := from.query(sqlOldBodies, after, limit)
	err = each(rows, err, func(rows *sql.Rows) error {
		var e core.Event
		err := rows.Scan(&e.Seq, &e.State, (*stamp)(&e.Received), (*stamp)(&e.Settled))
		es = append(es, e)
		return err
	})
	return es, err
}

func oldAnswers(from source, after int64, limit int) (cs []core.Charge, err error) {
	rows, err := from.query(sqlOldAnswers, after, limit)
	err = each(rows, err, func(rows *sql.Rows) error {
		c, err := scanCharge(rows, ledger.Scope{})
		cs = append(cs, c)
		return err
	})
	return cs, err
}

var _ core.Reader = (*reader)(nil)

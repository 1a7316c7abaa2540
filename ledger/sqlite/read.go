package sqlite

import (
	"database/sql"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// These are core.Reader; Events is in list.go.

func (r *reader) Event(s ledger.Scope, id string) (*ledger.Event, error) {
	return one(r, scanEvent, sqlEvent, s, id)
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

func (r *reader) EventsAhead(s ledger.Scope, after time.Time, want func(*core.Event, time.Time) bool) error {
	return ahead(r, sqlEventsAhead, s, after, func(rows *sql.Rows) (bool, error) {
		var e core.Event
		var last time.Time
		err := rows.Scan(&e.Seq, (*stamp)(&e.Due), &e.Tries, (*stamp)(&last))
		return err == nil && want(&e, last), err
	})
}

func (r *reader) ChargesAhead(s ledger.Scope, after time.Time, want func(*core.Charge) bool) error {
	return ahead(r, sqlChargesAhead, s, after, func(rows *sql.Rows) (bool, error) {
		c, err := scanCharge(rows, s)
		return err == nil && want(&c), err
	})
}

func (r *reader) RefundsAhead(s ledger.Scope, after time.Time, want func(*core.Refund) bool) error {
	return ahead(r, sqlRefundsAhead, s, after, func(rows *sql.Rows) (bool, error) {
		re, err := scanRefund(rows, s)
		return err == nil && want(&re), err
	})
}

func ahead(r *reader, text string, s ledger.Scope, after time.Time, scan func(*sql.Rows) (more bool, err error)) error {
	id, err := r.scope(s)
	if err != nil {
		return err
	}
	rows, err := r.query(text, id, millis(after))
	return some(rows, err, scan)
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

func (r *reader) Refund(s ledger.Scope, refundNo string) (*core.Refund, error) {
	return one(r, scanRefund, sqlRefund, s, refundNo)
}

func (r *reader) RefundsOf(s ledger.Scope, orderNo string) ([]core.Refund, error) {
	return list(r, scanRefund, sqlRefundsOf, s, orderNo)
}

func (r *reader) RefundsOfCharge(s ledger.Scope, chargeID string) ([]core.Refund, error) {
	return list(r, scanRefund, sqlRefundsOfCharge, s, chargeID)
}

func (r *reader) Login(key []byte, now int64) (identity []byte, err error) {
	return identity, none(r.row(sqlLogin, key, now).Scan(&identity))
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

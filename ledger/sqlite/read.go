package sqlite

import (
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// These, with those of list.go, desk.go and counts.go, are core.Reader.

func (r *reader) Event(s ledger.Scope, id string) (*core.Event, error) {
	return one(&r.session, func(row *row, s ledger.Scope) core.Event { return core.Event{Event: readEvent(row, s)} }, sqlEvent, s, id)
}

func (r *reader) Deliveries(s ledger.Scope, id string) ([]ledger.Delivery, error) {
	ds, err := list(&r.session, readDelivery, sqlDeliveries, s, id)
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
	err = r.run(sqlNextDue, func(row *row) {
		for _, at := range []*time.Time{&free, &leased} {
			if row.null() {
				row.next++
				continue
			}
			*at = time.UnixMilli(row.number()).UTC()
		}
		pending = row.number()
	}, id)
	return free, leased, pending, err
}

func (r *reader) EventsAhead(s ledger.Scope, after time.Time, limit int, want func(*core.Event, time.Time) bool) ([]core.Event, error) {
	var last time.Time
	return ahead(r, func(row *row, _ ledger.Scope) (e core.Event) {
		e.Seq, e.Due, e.Tries, last = row.number(), row.time(), row.count(), row.time()
		return e
	}, sqlEventsAhead, s, after, limit, func(e *core.Event) bool { return want(e, last) })
}

func (r *reader) ChargesAhead(s ledger.Scope, after time.Time, limit int, want func(*core.Charge) bool) ([]core.Charge, error) {
	return ahead(r, readCharge, sqlChargesAhead, s, after, limit, want)
}

func (r *reader) RefundsAhead(s ledger.Scope, after time.Time, limit int, want func(*core.Refund) bool) ([]core.Refund, error) {
	return ahead(r, readRefund, sqlRefundsAhead, s, after, limit, want)
}

// ahead is list for those wanted, which ends when there are enough.
func ahead[T any](r *reader, read func(*row, ledger.Scope) T, text string, s ledger.Scope, after time.Time, limit int, want func(*T) bool) (ts []T, err error) {
	id, err := r.scope(s)
	if err != nil {
		return nil, err
	}
	err = r.run(text, func(row *row) {
		if t := read(row, s); row.err == nil && want(&t) {
			ts = append(ts, t)
		}
		row.enough = len(ts) >= limit
	}, id, millis(after))
	return ts, err
}

func (r *reader) Charge(s ledger.Scope, id string) (*core.Charge, error) {
	return one(&r.session, readChargeWhole, sqlCharge, s, id)
}

func (r *reader) Attempts(s ledger.Scope, orderNo string) ([]core.Charge, error) {
	return list(&r.session, readChargeWhole, sqlAttempts, s, orderNo)
}

func (r *reader) Payable(s ledger.Scope, payer string, now time.Time) ([]core.Charge, error) {
	return list(&r.session, readChargeWhole, sqlPayable, s, payer, millis(now))
}

func (r *reader) ChargesCreated(s ledger.Scope, from, to time.Time, after string, limit int) ([]core.Charge, error) {
	return list(&r.session, readChargeWhole, sqlChargesCreated, s, millis(from), millis(to), after, limit)
}

func (r *reader) Refunds(s ledger.Scope, id, refundNo string) ([]core.Refund, error) {
	return list(&r.session, readRefund, sqlRefunds, s, nullable(id), nullable(refundNo))
}

func (r *reader) RefundsOf(s ledger.Scope, orderNo string) ([]core.Refund, error) {
	return list(&r.session, readRefund, sqlRefundsOf, s, orderNo)
}

func (r *reader) RefundsOfCharge(s ledger.Scope, chargeID string) ([]core.Refund, error) {
	return list(&r.session, readRefund, sqlRefundsOfCharge, s, chargeID)
}

func (r *reader) Login(key []byte, now int64) (identity []byte, err error) {
	err = r.run(sqlLogin, func(row *row) { identity = row.bytes() }, key, now)
	return identity, err
}

// OldBodies and OldAnswers are those of core.Tx, too.

func (s *session) OldBodies(after int64, limit int) (es []core.Event, err error) {
	err = s.run(sqlOldBodies, func(r *row) {
		var e core.Event
		e.Seq, e.State, e.Received, e.Settled = r.number(), ledger.State(r.text()), r.time(), r.time()
		es = append(es, e)
	}, after, limit)
	return es, err
}

func (s *session) OldAnswers(after int64, limit int) (cs []core.Charge, err error) {
	err = s.run(sqlOldAnswers, func(r *row) { cs = append(cs, readCharge(r, ledger.Scope{})) }, after, limit)
	return cs, err
}

var _ core.Reader = (*reader)(nil)

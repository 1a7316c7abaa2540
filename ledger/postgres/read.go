package postgres

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// Events, as they are read.
var (
	sqlEvent = `SELECT ` + eventHead + `, e.body_day` + eventTables + `WHERE e.scope = $1 AND e.id = $2`
	// What follows reads from a day, which stands in the statement itself: so it is planned for that one partition, and opens no other.
	sqlBody       = `SELECT signature, body FROM caddypay.bodies WHERE event = $1 AND day = %d`
	sqlAnswers    = `SELECT charge, raw FROM caddypay.answers WHERE charge = ANY ($1) AND day = %d`
	sqlDeliveries = `SELECT attempt, at, took, status, error, snippet, state, due, uncounted, n FROM caddypay.deliveries
		WHERE event = $1 AND day BETWEEN %d AND %d ORDER BY n DESC LIMIT $2`
	// The first delivery is in the event's row if that is all there was to it, and in no other then.
	sqlSentFirst = `SELECT seq, coalesce(first_at, 0), first_took, first_status, first_snippet, sent_from, sent_to FROM caddypay.events WHERE `
	sqlSentByID  = sqlSentFirst + `scope = $1 AND id = $2`
	sqlSentBySeq = sqlSentFirst + `seq = $1`

	// The first event without a lease is due when it is due, one with a lease when that ends.
	sqlNextDue = `SELECT
		CASE WHEN NOT EXISTS (SELECT 1 FROM caddypay.pauses WHERE scope = $1) THEN
			(SELECT due FROM caddypay.queue WHERE scope = $1 AND NOT blocked AND due >= $2 AND owner IS NULL ORDER BY due LIMIT 1) END,
		CASE WHEN NOT EXISTS (SELECT 1 FROM caddypay.pauses WHERE scope = $1) THEN
			(SELECT min(until) FROM caddypay.queue WHERE scope = $1 AND owner IS NOT NULL AND NOT blocked) END, ` +
		counted(`'pending'`)
	sqlEventsAhead = `SELECT event, due, tries FROM caddypay.queue
		WHERE scope = $1 AND NOT blocked AND (due, event) > ($2, $3) ORDER BY due, event LIMIT $4`

	sqlOldBodies  = `SELECT seq, state, received, settled FROM caddypay.events WHERE body_day IS NOT NULL AND seq > $1 ORDER BY seq LIMIT $2`
	sqlOldestBody = `SELECT coalesce(min(event), 0) FROM caddypay.bodies`
)

// Charges, as they are read.
const (
	ofCharges = `SELECT ` + chargeColumns + `, answer_day FROM caddypay.charges WHERE `

	sqlCharge   = ofCharges + `scope = $1 AND id = $2`
	sqlAttempts = ofCharges + `scope = $1 AND order_no = $2 AND order_no <> '' ORDER BY seq`
	// The condition is the index's own.
	sqlPayable = ofCharges + `scope = $1 AND payer = $2 AND ` + lapses + ` > $3 AND state = 'created' AND NOT paid AND NOT reversed ORDER BY seq`
	// The inner one reads nothing but its index: the attempts of the time asked for, a day as a rule.
	sqlChargesCreated = ofCharges + `seq = ANY (ARRAY (SELECT seq FROM caddypay.charges
			WHERE scope = $1 AND state = 'created' AND created >= $2 AND created < $3 AND id > $4 ORDER BY id LIMIT $5))
		ORDER BY id`
	sqlChargesAhead = `SELECT ` + chargeColumns + ` FROM caddypay.charges
		WHERE scope = $1 AND ` + queryKind + ` = $5 AND next_query > 0 AND (next_query, seq) > ($2, $3) ORDER BY next_query, seq LIMIT $4`

	sqlOldAnswers   = `SELECT ` + chargeColumns + ` FROM caddypay.charges WHERE answer_day IS NOT NULL AND seq > $1 ORDER BY seq LIMIT $2`
	sqlOldestAnswer = `SELECT coalesce(min(charge), 0) FROM caddypay.answers`
)

// Refunds and logins, as they are read.
const (
	ofRefunds = `SELECT ` + refundColumns + ` FROM caddypay.refunds WHERE scope = $1 AND `

	sqlRefundsOf       = ofRefunds + `order_no = $2 AND order_no <> '' ORDER BY seq`
	sqlRefundsOfCharge = ofRefunds + `charge_id = $2 ORDER BY seq`
	sqlRefunds         = ofRefunds + `(id = $2 OR refund_no = $3) ORDER BY seq`
	sqlRefundsAhead    = ofRefunds + `next_query > 0 AND (next_query, seq) > ($2, $3) ORDER BY next_query, seq LIMIT $4`

	sqlLogin = `SELECT identity FROM caddypay.logins WHERE key = $1 AND expires > $2`
)

// These, with those of list.go, desk.go, figures.go, shipments.go and runs.go, are core.Reader.

func (r *reader) Event(s ledger.Scope, id string) (*core.Event, error) {
	var day int64
	e, err := one(&r.session, func(row *row, s ledger.Scope) core.Event {
		e := core.Event{Event: readEventHead(row, s)}
		e.HasBody = !row.null()
		day = row.number()
		return e
	}, sqlEvent, s, id)
	if err != nil || e == nil || !e.HasBody {
		return e, err
	}
	err = r.run(fmt.Sprintf(sqlBody, day), func(row *row) { e.Signature, e.Body = row.text(), row.bytes() }, e.Seq)
	return e, err
}

// sent is how an event was delivered, as far as its own row has that.
type sent struct {
	event    int64
	first    *ledger.Delivery
	from, to int64 // the days of the others; 0: there are none
}

func (r *reader) sent(text string, args ...any) (of *sent, err error) {
	err = r.run(text, func(row *row) {
		of = &sent{event: row.number()}
		d := ledger.Delivery{Attempt: 1, At: row.time(), Took: row.micros(), Status: row.count(), Snippet: row.text(), State: ledger.Delivered}
		if !d.At.IsZero() {
			of.first = &d
		}
		of.from, of.to = row.number(), row.number()
	}, args...)
	return of, err
}

// deliveries returns the last attempts to deliver an event, up to a limit, oldest first.
func (r *reader) deliveries(of *sent, e *ledger.Event, limit int) (ds []ledger.Delivery, err error) {
	if of == nil {
		return nil, nil
	}
	if of.to > 0 {
		err = r.run(fmt.Sprintf(sqlDeliveries, of.from, of.to), func(row *row) {
			var d ledger.Delivery
			d.Attempt, d.At, d.Took, d.Status = row.count(), row.time(), row.micros(), row.count()
			d.Error, d.Snippet, d.State, d.Due, d.Uncounted = row.text(), row.text(), ledger.State(row.text()), row.time(), row.flag()
			ds = append(ds, d)
		}, of.event, limit)
	}
	if of.first != nil && len(ds) < limit {
		ds = append(ds, *of.first)
	}
	slices.Reverse(ds)
	for i := range ds {
		ds[i].Scope, ds[i].EventID = e.Scope, e.ID
	}
	return ds, err
}

// mostDeliveries is all of them.
const mostDeliveries = 1 << 30

func (r *reader) Deliveries(s ledger.Scope, id string) ([]ledger.Delivery, error) {
	scope, err := r.scope(s)
	if err != nil {
		return nil, err
	}
	of, err := r.sent(sqlSentByID, scope, id)
	if err != nil {
		return nil, err
	}
	return r.deliveries(of, &ledger.Event{Scope: s, ID: id}, mostDeliveries)
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
	}, id, r.ledger.floors.get(id))
	return free, leased, pending, err
}

// aheadRows is how many rows are looked at in one go.
const aheadRows = 1000

// ahead is list for those wanted of what comes after a time, which ends when there are enough. The statement's parameters are the scope, the mark after
// which it goes on, how many rows it may return, and more.
func ahead[T any](r *reader, read func(*row, ledger.Scope) T, mark func(*T) core.Mark, text string, s ledger.Scope, after time.Time, limit int,
	want func(*T) bool, more ...any) (ts []T, err error) {
	at := core.Mark{At: millis(after) + 1} // no row has 0 for its number
	for over := false; !over && len(ts) < limit; {
		rows, err := list(&r.session, read, text, s, append([]any{at.At, at.Seq, aheadRows}, more...)...)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			if at = mark(&rows[i]); len(ts) < limit && want(&rows[i]) {
				ts = append(ts, rows[i])
			}
		}
		over = len(rows) < aheadRows
	}
	return ts, nil
}

func (r *reader) EventsAhead(s ledger.Scope, after time.Time, limit int, want func(*core.Event, time.Time) bool) ([]core.Event, error) {
	mark := func(e *core.Event) core.Mark { return core.Mark{At: millis(e.Due), Seq: e.Seq} }
	var failed error
	es, err := ahead(r, func(row *row, s ledger.Scope) (e core.Event) {
		e.Scope, e.Seq, e.Due, e.Tries = s, row.number(), row.time(), row.count()
		return e
	}, mark, sqlEventsAhead, s, after, limit, func(e *core.Event) bool {
		var last time.Time
		if e.Tries > 0 && failed == nil {
			ds, err := r.LastDeliveries(&e.Event, 1)
			if failed = err; len(ds) > 0 {
				last = ds[0].At
			}
		}
		return failed == nil && want(e, last)
	})
	return es, errors.Join(err, failed)
}

func (r *reader) ChargesAhead(s ledger.Scope, after time.Time, limit int, want func(*core.Charge) bool) (cs []core.Charge, err error) {
	mark := func(c *core.Charge) core.Mark { return core.Mark{At: millis(c.NextQuery), Seq: c.Seq} }
	for kind := range 3 { // each has its place in the index
		more, err := ahead(r, readCharge, mark, sqlChargesAhead, s, after, limit-len(cs), want, kind)
		if cs = append(cs, more...); err != nil || len(cs) == limit {
			return cs, err
		}
	}
	return cs, nil
}

func (r *reader) RefundsAhead(s ledger.Scope, after time.Time, limit int, want func(*core.Refund) bool) ([]core.Refund, error) {
	mark := func(re *core.Refund) core.Mark { return core.Mark{At: millis(re.NextQuery), Seq: re.Seq} }
	return ahead(r, readRefund, mark, sqlRefundsAhead, s, after, limit, want)
}

// charges is list for charges with what Ping++ answered.
func (r *reader) charges(text string, s ledger.Scope, args ...any) ([]core.Charge, error) {
	days := make(map[int64][]int64) // the charges whose answers are of a day
	cs, err := list(&r.session, func(row *row, s ledger.Scope) core.Charge {
		c := readCharge(row, s)
		if !row.null() {
			day := row.number()
			days[day] = append(days[day], c.Seq)
		}
		return c
	}, text, s, args...)
	if err != nil || len(days) == 0 {
		return cs, err
	}
	of := make(map[int64]*core.Charge, len(cs))
	for i := range cs {
		of[cs[i].Seq] = &cs[i]
	}
	for day, seqs := range days {
		err := r.run(fmt.Sprintf(sqlAnswers, day), func(row *row) {
			if c := of[row.number()]; c != nil {
				c.Raw = row.bytes()
			}
		}, seqs)
		if err != nil {
			return nil, err
		}
	}
	return cs, nil
}

func (r *reader) Charge(s ledger.Scope, id string) (*core.Charge, error) {
	cs, err := r.charges(sqlCharge, s, id)
	if err != nil || len(cs) == 0 {
		return nil, err
	}
	return &cs[0], nil
}

func (r *reader) Attempts(s ledger.Scope, orderNo string) ([]core.Charge, error) {
	return r.charges(sqlAttempts, s, orderNo)
}

func (r *reader) Payable(s ledger.Scope, payer string, now time.Time) ([]core.Charge, error) {
	return r.charges(sqlPayable, s, payer, millis(now))
}

func (r *reader) ChargesCreated(s ledger.Scope, from, to time.Time, after string, limit int) ([]core.Charge, error) {
	return r.charges(sqlChargesCreated, s, millis(from), millis(to), after, limit)
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

func (r *reader) OldBodies(after int64, limit int) (es []core.Event, err error) {
	if after, err = r.ledger.gone.bodies.after(&r.session, after, sqlOldestBody); err != nil {
		return nil, err
	}
	err = r.run(sqlOldBodies, func(row *row) { es = append(es, readOldBody(row)) }, after, limit)
	return es, err
}

func (r *reader) OldAnswers(after int64, limit int) (cs []core.Charge, err error) {
	if after, err = r.ledger.gone.answers.after(&r.session, after, sqlOldestAnswer); err != nil {
		return nil, err
	}
	err = r.run(sqlOldAnswers, func(row *row) { cs = append(cs, readCharge(row, ledger.Scope{})) }, after, limit)
	return cs, err
}

var _ core.Reader = (*reader)(nil)

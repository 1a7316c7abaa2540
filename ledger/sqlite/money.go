package sqlite

import (
	"cmp"
	"database/sql"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// hold says why a charge's payment is not delivered.
type hold int

const (
	notHeld     hold = iota
	awaits           // its event is held: a person decides
	discarded        // a person decided against it
	refundedAll      // it went back whole, or was reversed, before the backend could hear of it
	unheard          // its event is dead, and was never delivered
	unread           // its event cannot be read: a person decides, or the payment is heard of in another way
)

const (
	// A charge's payment, if there is one, does not count against another one of the order: its money went back, and no person is still to decide.
	undone = `(hold = 3 OR reversed AND hold NOT IN (1, 5) OR hold = 2 AND amount_paid > 0 AND amount_refunded >= amount_paid)`

	// What is known about an event's charge and its order: one row for each charge, at least one in any case. Parameters are
	// scope, order number, charge id, Ping++ order number, lane; NULL where the event has none.
	sqlLookUp = `SELECT coalesce(q.at, 0), coalesce(q.amount, 0), coalesce(q.currency, ''), coalesce(q.closed, 0),
			coalesce((SELECT seq FROM events
				WHERE scope = ?1 AND lane = ?5 AND lane <> '' AND state = 'pending' ORDER BY rank, created, seq LIMIT 1), 0),
			coalesce(c.seq, 0), coalesce(c.id, ''), coalesce(c.number = ?4 AND c.state <> 'foreign', 0), coalesce(c.order_no, ''),
			coalesce(c.state, ''), coalesce(c.amount, 0), coalesce(c.currency, ''), coalesce(c.time_expire, 0), coalesce(c.superseded, 0),
			coalesce(c.paid, 0), coalesce(c.amount_paid, 0), coalesce(c.amount_refunded, 0), coalesce(c.payment, 0), coalesce(c.hold, 0), coalesce(c.reversed, 0),
			coalesce(` + undone + `, 0), coalesce(c.host, '')
		FROM (SELECT 1) AS one
		LEFT JOIN quotes AS q ON q.scope = ?1 AND q.order_no = ?2
		LEFT JOIN charges AS c ON (c.scope = ?1 AND c.order_no = ?2) OR (c.scope = ?1 AND c.id = ?3)
			OR (c.scope = ?1 AND c.number = ?4 AND c.state <> 'foreign')`

	// What an event or an answer says is added to what is known; nothing of it is ever taken back.
	setChange = ` paid = max(paid, ?), time_paid = CASE WHEN time_paid = 0 THEN ? ELSE time_paid END, reversed = max(reversed, ?)`

	sqlChangeCharge = `UPDATE charges SET id = coalesce(id, ?), amount_refunded = amount_refunded + ?, amount_paid = max(amount_paid, ?),
		amount = CASE WHEN amount = 0 THEN ? ELSE amount END, currency = CASE WHEN currency = '' THEN ? ELSE currency END,
		payment = CASE WHEN payment = 0 THEN ? ELSE payment END, hold = ?, next_query = CASE WHEN ? THEN 0 ELSE next_query END,` + setChange + ` WHERE seq = ?`
	sqlAddForeign = `INSERT INTO charges (scope, order_no, number, state, reserved_until, id, amount, currency, host, created, paid, time_paid,
		amount_paid, payment, hold, reversed) VALUES (?, ?, ?, 'foreign', 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	sqlHold = `UPDATE charges SET hold = ? WHERE scope = ? AND id = ?`

	// Refunds that wait for the delivery of a payment which is not to be delivered. One under way is not recalled.
	sqlWithhold = `UPDATE events INDEXED BY events_lane SET state = 'filtered', reasons = ?1, due = 0, settled = ?2, blocked = 0, owner = NULL, until = 0
		WHERE scope = ?3 AND lane = ?4 AND lane <> '' AND state = 'pending' AND (owner IS NULL OR until <= ?2 OR until > ?6) AND charge_id = ?5
		AND substr(type, 1, 7) = 'refund.'`
)

var reasonUnpaid = encodeReasons([]string{ledger.ReasonUnpaid})

// account is one charge as the money checks see it.
type account struct {
	seq                          int64
	id, orderNo, currency, host  string
	numbered                     bool // has the event's Ping++ order number
	state                        ledger.AttemptState
	amount, paidAmount, refunded int64
	expires                      time.Time
	superseded, paid             bool
	reversed, undone             bool
	payment                      int64 // its payment's event
	hold                         hold
}

// fits says that an event which names the attempt's number may be about it: it names no other order. Whoever charges through the same app
// without this ledger may have used the number for an order of its own.
func (a *account) fits(e *ledger.Event) bool {
	return e.OrderNo == "" || e.OrderNo == a.orderNo || e.OrderNo == e.Number
}

// books are what is known about an event's charge and its order.
type books struct {
	scope  int64
	counts bool         // the event is a payment's: the charge's record says whether another had its effect
	quote  ledger.Quote // its time is zero when there is none
	charge *account     // the event's
	others []account    // of the same order
	hold   hold         // the charge's after this event

	ahead  bool  // a pending event of the lane goes before this one
	behind int64 // the one that was the first, if it goes after this one
}

// lookUp reads what the checks and the lane need. Where our own record of the charge knows better than the event, the event
// takes order number, lane and host from it.
func (t *tx) lookUp(scope int64, e *ledger.Event) (*books, error) {
	b := &books{scope: scope, counts: isPayment(e) && e.ChargeID != "" && e.ChargeID == e.ObjectID && saysPaid(e)}
	for {
		var lane string
		if e.State == ledger.Pending {
			lane = e.Lane
		}
		if e.ChargeID == "" && lane == "" {
			return b, nil
		}
		first, err := t.readBooks(b, e.OrderNo, lane, e)
		if err != nil {
			return nil, err
		}
		if !b.correct(e) {
			return b, t.place(b, first, e)
		}
	}
}

// correct sets what the charge's record knows better, and says whether the books are to be read again by the right order number.
func (b *books) correct(e *ledger.Event) bool {
	c := b.charge
	if c == nil {
		return false
	}
	e.Host = cmp.Or(c.host, e.Host)
	if c.orderNo == "" || c.orderNo == e.OrderNo {
		return false
	}
	if isOrder(e) { // it has the merchant's number by itself; only its lane is its charge's
		moves := e.Lane != "" && e.Lane != c.orderNo
		if moves {
			e.Lane = c.orderNo
		}
		return moves
	}
	if e.Lane == e.OrderNo {
		e.Lane = c.orderNo
	}
	e.OrderNo = c.orderNo
	return true
}

// readBooks fills in the books by an order number and returns the first pending event of the lane, 0 for none.
func (t *tx) readBooks(b *books, orderNo, lane string, e *ledger.Event) (first int64, err error) {
	number := e.Number
	if e.ChargeID == "" {
		orderNo, number = "", ""
	}
	var accounts []account
	rows, err := t.query(sqlLookUp, b.scope, nullable(orderNo), nullable(e.ChargeID), nullable(number), nullable(lane))
	err = each(rows, err, func(rows *sql.Rows) error {
		var a account
		var at, expires int64
		err := rows.Scan(&at, &b.quote.Amount, &b.quote.Currency, &b.quote.Closed, &first, &a.seq, &a.id, &a.numbered, &a.orderNo, &a.state,
			&a.amount, &a.currency, &expires, &a.superseded, &a.paid, &a.paidAmount, &a.refunded, &a.payment, &a.hold, &a.reversed, &a.undone, &a.host)
		b.quote.At, a.expires = moment(at), moment(expires)
		if a.seq != 0 {
			accounts = append(accounts, a)
		}
		return err
	})
	b.charge, b.others = nil, nil
	for i, a := range accounts {
		if a.id == e.ChargeID || a.id == "" && a.numbered && b.charge == nil && a.fits(e) {
			b.charge = &accounts[i]
		}
	}
	for i, a := range accounts {
		if &accounts[i] != b.charge && orderNo != "" && a.orderNo == orderNo {
			b.others = append(b.others, a)
		}
	}
	if b.charge != nil {
		b.hold = b.charge.hold
	}
	return first, err
}

// seen says that another event has had the effect of this payment.
func (b *books) seen() bool { return b.counts && b.charge != nil && b.charge.payment != 0 }

// overtakes says that the event may have the effect of one that could not be read, whose hold on the charge is over then.
func (b *books) overtakes(e *ledger.Event) bool {
	if !b.counts {
		return e.Effect() != e.ID
	}
	over := b.hold == unread
	if over {
		b.hold = notHeld
	}
	return over
}

// keys returns how the event will be found. The effect of a payment is in its charge's record, which is written anyway, and
// so is the way to it from its order: two indexes less to write into for most events.
func (b *books) keys(e *ledger.Event) keys {
	if !b.counts {
		return keys{effect: e.Effect() != e.ID, blocked: b.ahead} // an effect that is the id is unique with it
	}
	return keys{byCharge: b.charge == nil || b.charge.orderNo == e.OrderNo, blocked: b.ahead}
}

// judge decides about an event by what is known: it sets State, Reasons and Late.
func (b *books) judge(e *ledger.Event) {
	switch {
	case isRefund(e) && b.hold != notHeld && e.State == ledger.Pending:
		e.State, e.Reasons = ledger.Filtered, []string{ledger.ReasonUnpaid}
	case isPayment(e) && e.Payment != nil:
		b.judgePayment(e)
	}
}

func (b *books) judgePayment(e *ledger.Event) {
	reasons := b.mismatch(e)
	if len(reasons) == 0 {
		e.Late = b.late(e)
		return
	}
	if e.Returned {
		e.State, e.Reasons, e.Settled, b.hold = ledger.Discarded, reasons, e.Received, refundedAll
		return
	}
	if e.Deliver {
		e.Reasons = slices.Concat(e.Reasons, reasons)
		return
	}
	// One whose type the backend does not want is held as well: the money is at risk all the same.
	e.State, e.Reasons, b.hold = ledger.Held, reasons, awaits
	if b.charge != nil && b.charge.refunded > 0 && b.charge.refunded >= e.Payment.Amount {
		e.State, e.Settled, b.hold = ledger.Discarded, e.Received, refundedAll
	}
}

// mismatch returns the reasons to hold a payment.
func (b *books) mismatch(e *ledger.Event) (reasons []string) {
	p := e.Payment
	// Before Ping++ answered we do not know what our charge costs; nobody has its credential then.
	if c := b.charge; c != nil && (c.state == ledger.Open || c.state == ledger.Foreign) {
		if p.Amount != c.amount {
			reasons = append(reasons, ledger.ReasonAmount)
		}
		if !strings.EqualFold(p.Currency, c.currency) {
			reasons = append(reasons, ledger.ReasonCurrency)
		}
	}
	quoted := !b.quote.At.IsZero() && b.quote.Currency != "" // else it only ever said closed
	if b.charge != nil && b.charge.superseded && quoted &&
		(p.Amount != b.quote.Amount || !strings.EqualFold(p.Currency, b.quote.Currency)) {
		reasons = append(reasons, ledger.ReasonSuperseded)
	}
	if slices.ContainsFunc(b.others, func(a account) bool { return a.paid && !a.undone }) {
		reasons = append(reasons, ledger.ReasonPaidTwice)
	}
	if e.Change != nil && e.Change.Reversed || b.charge != nil && b.charge.reversed {
		reasons = append(reasons, ledger.ReasonReversed)
	}
	return reasons
}

// late says in which way a payment came after the fact, if it did. Its time and its charge's expiry are Ping++'s, the quote's time is ours.
func (b *books) late(e *ledger.Event) string {
	paid := e.Payment.Time
	switch {
	case b.charge != nil && !b.charge.expires.IsZero() && paid.After(b.charge.expires):
		return "expired"
	case b.quote.Closed && e.Received.After(b.quote.At) && paid.After(b.quote.At.Add(-ledger.LateDoubt)):
		return "closed"
	}
	return ""
}

// book writes what a recorded event says about its charge, and what follows from it.
func (t *tx) book(b *books, e *ledger.Event) error {
	if err := t.bookRefund(b, e); err != nil {
		return err
	}
	if e.ChargeID == "" || e.Change == nil && !b.counts {
		return nil
	}
	var change ledger.ChargeChange
	if e.Change != nil {
		change = *e.Change
	}
	var paid ledger.Payment
	if e.Payment != nil && change.Paid {
		paid = *e.Payment
	}
	var payment int64
	if b.counts {
		payment = e.Seq
	}
	c := b.charge
	var seq int64
	switch {
	case c == nil && b.counts:
		_, added, err := t.change(sqlAddForeign, b.scope, e.OrderNo, e.Number, e.ChargeID, paid.Amount, paid.Currency, e.Host,
			millis(e.Created), change.Paid, millis(change.TimePaid), paid.Amount, payment, b.hold, change.Reversed)
		if err != nil {
			return err
		}
		seq = added
	case c == nil:
		return nil // of a charge that we never saw and that nobody has paid there is nothing to write
	default:
		if err := t.bookReturn(b, e, change); err != nil {
			return err
		}
		seq = c.seq
		_, _, err := t.change(sqlChangeCharge, e.ChargeID, change.Refund, paid.Amount, paid.Amount, paid.Currency, payment, b.hold, change.Paid || change.Reversed,
			change.Paid, millis(change.TimePaid), change.Reversed, c.seq)
		if err != nil {
			return err
		}
	}
	t.touch(ledger.ChargeTopic(e.Scope, e.ChargeID))
	if b.counts && change.Paid {
		if err := t.paysOrder(b, e, seq); err != nil {
			return err
		}
	}
	if b.hold == awaits && isPayment(e) {
		return t.withhold(e.Scope, b.scope, e.Lane, e.ChargeID, millis(e.Received))
	}
	return nil
}

// paysOrder supersedes the other attempts of an order that a charge has paid.
func (t *tx) paysOrder(b *books, e *ledger.Event, seq int64) error {
	if e.OrderNo == "" {
		return nil
	}
	t.touch(ledger.OrderTopic(e.Scope, e.OrderNo))
	open := func(a account) bool { return !a.paid && !a.superseded }
	back := b.hold == refundedAll || slices.Contains(e.Reasons, ledger.ReasonReversed) // then the order may well be paid again
	if back || !slices.ContainsFunc(b.others, open) {
		return nil
	}
	return t.supersede(e.Scope, b.scope, e.OrderNo, math.MaxInt64, seq)
}

// withhold filters the pending refunds of a payment that is not to be delivered: the backend will never hear of it.
func (t *tx) withhold(s ledger.Scope, scope int64, lane, chargeID string, now int64) error {
	rows, _, err := t.change(sqlWithhold, reasonUnpaid, now, scope, lane, chargeID, now+tooFar.Milliseconds())
	if err != nil || rows == 0 {
		return err
	}
	for range rows {
		t.count(scope, ledger.Pending, ledger.Filtered)
	}
	return t.promote(s, scope, lane)
}

// nullable is for a parameter that must match nothing when it is empty.
func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

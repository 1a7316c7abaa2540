package sqlite

import (
	"slices"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

func (t *tx) Books(s ledger.Scope, q core.Question) (b core.Books, err error) {
	scope, err := t.scope(s)
	if err != nil {
		return b, err
	}
	var first core.Place
	err = t.run(sqlBooks, func(r *row) {
		b.Quote.At, b.Quote.Amount, b.Quote.Currency, b.Quote.Closed = r.time(), r.number(), r.text(), r.flag()
		first.Seq, first.Rank, first.Created, first.Blocked = r.number(), r.count(), r.time(), r.flag()
		if c := readCharge(r, s); c.Seq != 0 {
			b.Charges = append(b.Charges, c)
		}
	}, scope, nullable(q.OrderNo), nullable(q.ChargeID), nullable(q.Number), nullable(q.Lane))
	if first.Seq != 0 {
		b.Lane = append(b.Lane, first)
	}
	paid := slices.ContainsFunc(b.Charges, func(c core.Charge) bool { return c.Payment != 0 && c.OrderNo == q.Lane })
	if err == nil && q.Lane != "" && (paid || q.Lane != q.OrderNo) { // payments may be in the lane, too
		err = t.run(sqlPaymentsIn, func(r *row) {
			b.Lane = append(b.Lane, core.Place{Seq: r.number(), Rank: r.count(), Created: r.time(), Blocked: r.flag()})
		}, scope, q.Lane)
	}
	return b, err
}

func (t *tx) Forsaken(s ledger.Scope, leases core.Span) ([]core.Charge, error) {
	return list(&t.session, readCharge, sqlForsaken, s, millis(leases.Now), millis(leases.Far))
}

func (t *tx) AddCharge(c *core.Charge) (added bool, err error) {
	scope, err := t.addScope(c.Scope)
	if err != nil {
		return false, err
	}
	rows, seq, err := t.change(sqlAddCharge, scope, c.OrderNo, c.Number, string(c.State), millis(c.ReservedUntil), nullable(c.ID), c.Channel, c.Payer,
		c.PayerAppID, c.Amount, c.Currency, c.Host, millis(c.Created), c.Paid, millis(c.TimePaid), c.PaidAmount, c.Payment, int(c.Hold), c.Reversed, c.TransactionNo,
		millis(c.LoggedIn))
	if err != nil || rows == 0 {
		return false, err
	}
	c.Seq = seq
	return true, nil
}

func (t *tx) Charge(s ledger.Scope, id string) (*core.Charge, error) {
	return one(&t.session, readCharge, sqlChargeRow, s, id)
}

func (t *tx) Numbered(s ledger.Scope, number string) (*core.Charge, error) {
	return one(&t.session, readCharge, sqlNumbered, s, number)
}

// happened are the parameters of what SetCharge writes.
func happened(c *core.Charge) []any {
	return []any{c.Amount, c.Currency, c.Superseded, c.Paid, millis(c.TimePaid), c.AmountRefunded, c.Reversed, c.Client.Result, millis(c.Client.At),
		c.Queries, millis(c.NextQuery), c.PaidAmount, c.Payment, int(c.Hold), millis(c.QueryUntil), c.TransactionNo}
}

func (t *tx) SetCharge(c *core.Charge) error {
	return t.set(sqlSetCharge, append(happened(c), c.Seq)...)
}

func (t *tx) SetAttempt(c *core.Charge) error {
	return t.set(sqlSetAttempt, append(happened(c), string(c.State), millis(c.ReservedUntil), nullable(c.ID), c.Channel, c.Payer, c.PayerAppID, c.Host,
		millis(c.Created), millis(c.TimeExpire), c.Fingerprint, c.Seq)...)
}

func (t *tx) DropCharge(c *core.Charge) error { return t.set(sqlDropCharge, c.Seq) }

func (t *tx) SetAnswer(c *core.Charge) error {
	if c.Raw == nil {
		return t.set(sqlDropAnswer, c.Seq)
	}
	return t.set(sqlSetAnswer, c.Seq, c.Raw)
}

func (t *tx) SetQuote(s ledger.Scope, orderNo string, q ledger.Quote) error {
	scope, err := t.addScope(s)
	if err != nil {
		return err
	}
	return t.set(sqlSetQuote, scope, orderNo, q.Amount, q.Currency, q.Closed, millis(q.At))
}

func (t *tx) DueQueries(c ledger.QueryClaim, leases core.Span) ([]core.Charge, error) {
	text := sqlDueQueries
	if c.Kind == ledger.QueryFirst {
		text = sqlDueFirst
	}
	return list(&t.session, readCharge, text, c.Scope, int(c.Kind), millis(c.Now), millis(leases.Now), millis(leases.Far), c.Limit)
}

func (t *tx) Sweep(s ledger.Scope) (core.Sweep, error) {
	sweep, err := one(&t.session, func(r *row, _ ledger.Scope) core.Sweep {
		return core.Sweep{Compared: r.time(), Owner: r.text(), Until: r.time()}
	}, sqlSweep, s)
	if sweep == nil {
		sweep = &core.Sweep{}
	}
	return *sweep, err
}

func (t *tx) SetSweep(s ledger.Scope, w core.Sweep) error {
	scope, err := t.addScope(s)
	if err != nil {
		return err
	}
	return t.set(sqlSetSweep, scope, millis(w.Compared), w.Owner, millis(w.Until))
}

func (t *tx) FirstCharge(s ledger.Scope) (time.Time, error) {
	scope, err := t.scope(s)
	if err != nil {
		return time.Time{}, err
	}
	at, err := t.number(sqlFirstCharge, scope)
	return moment(at), err
}

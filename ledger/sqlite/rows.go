package sqlite

import (
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// These read what statements list.

// head reads eventHead.
func head(r *row, e *ledger.Event) {
	e.Seq, e.ID, e.Type, e.ObjectID, e.ChargeID, e.Number, e.OrderNo = r.number(), r.text(), r.text(), r.text(), r.text(), r.text(), r.text()
	e.Lane, e.Rank, e.Source, e.Created, e.Received = r.text(), r.count(), ledger.Source(r.text()), r.time(), r.time()
	e.Host, e.TraceParent, e.State, e.Reasons, e.Late = r.text(), r.text(), ledger.State(r.text()), r.reasons(), r.text()
	e.Attempts, e.Tries, e.Replay, e.Due, e.Back, e.Settled = r.count(), r.count(), r.flag(), r.time(), r.time(), r.time()
	e.Money, e.Acks = r.number(), r.count()
}

// readEvent reads eventWhole.
func readEvent(r *row, s ledger.Scope) ledger.Event {
	e := ledger.Event{Scope: s}
	head(r, &e)
	e.Signature, e.Body = r.text(), r.bytes()
	return e
}

// readEventHead reads eventHead.
func readEventHead(r *row, s ledger.Scope) ledger.Event {
	e := ledger.Event{Scope: s}
	head(r, &e)
	return e
}

// readEventRow reads eventRow.
func readEventRow(r *row, s ledger.Scope) core.Event {
	e := core.Event{Event: ledger.Event{Scope: s}}
	head(r, &e.Event)
	e.Owner, e.Until, e.Blocked, e.ByCharge, e.HasBody = r.text(), r.time(), r.flag(), r.flag(), r.flag()
	e.Stored, e.Risked = e.State, e.Risk()
	return e
}

// readCharge reads chargeColumns.
func readCharge(r *row, s ledger.Scope) (c core.Charge) {
	c.Scope = s
	c.Seq, c.OrderNo, c.Number, c.State, c.ID = r.number(), r.text(), r.text(), ledger.AttemptState(r.text()), r.text()
	c.Channel, c.Payer, c.PayerAppID, c.Amount, c.Currency, c.Host = r.text(), r.text(), r.text(), r.number(), r.text(), r.text()
	c.Created, c.TimeExpire, c.Superseded, c.Paid, c.TimePaid = r.time(), r.time(), r.flag(), r.flag(), r.time()
	c.AmountRefunded, c.Reversed, c.Client.Result, c.Client.At = r.number(), r.flag(), r.text(), r.time()
	c.Queries, c.NextQuery, c.Fingerprint, c.ReservedUntil = r.count(), r.time(), r.text(), r.time()
	c.PaidAmount, c.Payment, c.Hold, c.QueryUntil, c.TransactionNo = r.number(), r.number(), core.Hold(r.count()), r.time(), r.text()
	c.LoggedIn = r.time()
	return c
}

// readChargeWhole reads chargeWhole.
func readChargeWhole(r *row, s ledger.Scope) core.Charge {
	c := readCharge(r, s)
	c.Raw = r.bytes()
	return c
}

// readRefund reads refundColumns.
func readRefund(r *row, s ledger.Scope) (re core.Refund) {
	re.Scope = s
	re.Seq, re.RefundNo, re.ChargeID, re.OrderNo, re.Through, re.Amount = r.number(), r.text(), r.text(), r.text(), r.text(), r.number()
	re.Whole, re.Description, re.State, re.ID = r.flag(), r.text(), ledger.RefundState(r.text()), r.text()
	re.FailureCode, re.FailureMsg, re.Created, re.TimeSucceeded, re.Asked = r.text(), r.text(), r.time(), r.time(), r.time()
	re.NextQuery, re.FundingSource, re.Asks, re.Unclear = r.time(), r.text(), r.count(), r.text()
	re.Counted, re.Owner, re.Until = r.flag(), r.text(), r.time()
	return re
}

// readDelivery reads what sqlDeliveries lists.
func readDelivery(r *row, s ledger.Scope) (d ledger.Delivery) {
	d.Scope = s
	d.Attempt, d.At, d.Took, d.Status = r.count(), r.time(), time.Duration(r.number())*time.Microsecond, r.count()
	d.Error, d.Snippet, d.State, d.Due, d.Uncounted = r.text(), r.text(), ledger.State(r.text()), r.time(), r.flag()
	return d
}

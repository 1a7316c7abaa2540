package postgres

import (
	"encoding/json"
	"strings"
	"unicode"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// These are the columns that statements list, and what reads them.

// The columns of an event e with its row q of the queue, if there is one, and of its row b of bodies.
var (
	eventHead = of("e", `seq, id, type, object_id, charge_id, number, order_no, lane, rank, source, created, received, host, trace, state, reasons, late,
		attempts`) + `, coalesce(q.tries, e.tries), e.replay, coalesce(q.due, e.due), coalesce(q.back, e.back), e.settled, e.money, e.acks`
	eventRow = eventHead + `, q.owner, q.until, q.blocked, e.by_charge, e.body_day`

	eventTables = ` FROM caddypay.events AS e LEFT JOIN caddypay.queue AS q ON q.event = e.seq `
)

const (
	chargeColumns = `seq, order_no, number, state, id, channel, payer, payer_app, amount, currency, host, created,
		time_expire, superseded, paid, time_paid, amount_refunded, reversed, client_result, client_at, queries, next_query, fingerprint,
		reserved_until, amount_paid, payment, hold, query_until, transaction_no, logged_in`
	refundColumns = `seq, refund_no, charge_id, order_no, through, amount, whole, description, state, id, failure_code,
		failure_msg, created, time_succeeded, asked, next_query, funding_source, asks, unclear, counted, owner, until`
	runColumns     = `seq, id, created, ended, stopped, stopped_by, doc, owner, until`
	shipmentFields = `state, stage, content, recorded, reported, uploads, posted, code, problem, attempts, tries, missed, unclear, last, due, epoch,
		owner, until`
)

// The columns of a shipment s with its charge c.
var (
	shipmentColumns = of("s", `charge, amount, paid, `+shipmentFields) + `, ` + of("c", chargeColumns)
	shipmentTables  = ` FROM caddypay.shipments AS s JOIN caddypay.charges AS c ON c.seq = s.charge `
)

// of says of which table columns are.
func of(table, columns string) string {
	names := strings.FieldsFunc(columns, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	return table + "." + strings.Join(names, ", "+table+".")
}

// readEventHead reads eventHead.
func readEventHead(r *row, s ledger.Scope) ledger.Event {
	e := ledger.Event{Scope: s}
	e.Seq, e.ID, e.Type, e.ObjectID, e.ChargeID, e.Number, e.OrderNo = r.number(), r.text(), r.text(), r.text(), r.text(), r.text(), r.text()
	e.Lane, e.Rank, e.Source, e.Created, e.Received = r.text(), r.count(), ledger.Source(r.text()), r.time(), r.time()
	e.Host, e.TraceParent, e.State, e.Reasons, e.Late = r.text(), r.text(), ledger.State(r.text()), r.reasons(), r.text()
	e.Attempts, e.Tries, e.Replay, e.Due, e.Back, e.Settled = r.count(), r.count(), r.flag(), r.time(), r.time(), r.time()
	e.Money, e.Acks = r.number(), r.count()
	return e
}

// readEventRow reads eventRow.
func readEventRow(r *row, s ledger.Scope) core.Event {
	e := core.Event{Event: readEventHead(r, s)}
	e.Owner, e.Until, e.Blocked, e.ByCharge, e.HasBody = r.text(), r.time(), r.flag(), r.flag(), !r.null()
	r.next++
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

// readRun reads runColumns.
func readRun(r *row) (run core.Run) {
	run.Seq, run.ID, run.Created, run.Ended, run.Stopped, run.StoppedBy = r.number(), r.text(), r.time(), r.time(), r.time(), r.text()
	run.Doc, run.Owner, run.Until = r.bytes(), r.text(), r.time()
	return run
}

// readShipment reads shipmentColumns.
func readShipment(r *row, s ledger.Scope) (p core.Shipment) {
	r.next++ // the charge, which comes with the rest of it
	p.Scope, p.StoredFen, p.TimePaid = s, r.number(), r.time()
	p.State, p.Stage = ledger.ShipmentState(r.text()), ledger.ReportStage(r.text())
	if err := p.SetContent(r.text()); err != nil && r.err == nil {
		r.err = err
	}
	p.Recorded, p.Reported = r.time(), r.time()
	p.Uploads, p.Posted, p.Problem, p.Attempts = r.count(), r.content(), core.ProblemOf(r.text(), r.text()), r.count()
	p.Tries, p.Missed, p.Unclear, p.Last, p.Due, p.Epoch = r.count(), r.count(), r.count(), ledger.ShippingResult(r.text()), r.time(), r.count()
	p.Owner, p.Until = r.text(), r.time()
	p.Stored = p.State
	p.Charge = readCharge(r, s)
	return p
}

// content reads a report; NULL for none.
func (r *row) content() *ledger.Shipping {
	text := r.text()
	if text == "" {
		return nil
	}
	n := &ledger.Shipping{}
	if err := json.Unmarshal([]byte(text), n); err != nil && r.err == nil {
		r.err = err
	}
	return n
}

func encodeShipping(n *ledger.Shipping) any {
	if n == nil {
		return nil
	}
	b, _ := json.Marshal(n) // strings always can
	return string(b)
}

package postgres

import (
	"errors"
	"slices"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

var (
	sqlByAttempt = `SELECT ` + chargeColumns + ` FROM caddypay.charges WHERE scope = $1 AND state = $2 AND created >= $3 AND (created, seq) < ($4, $5)
		ORDER BY created DESC, seq DESC LIMIT $6`
	bare             = `SELECT ` + chargeColumns + ` FROM caddypay.charges WHERE scope = $1 AND order_no = $2 AND order_no <> '' ORDER BY seq`
	sqlOrderAttempts = bare + ` LIMIT $3`
	sqlLastAttempts  = bare + ` DESC LIMIT $3`

	sqlRefundsBy = ofRefunds + `created >= $2 AND (created, seq) < ($3, $4) ORDER BY created DESC, seq DESC LIMIT $5`

	decided = `SELECT a.seq, a.at, a.action, a.state, a.by, a.said, a.reason, a.run, coalesce(e.id, ''), coalesce(e.order_no, '')
		FROM caddypay.audit AS a LEFT JOIN caddypay.events AS e ON e.seq = a.event WHERE `
	sqlAudit      = decided + `a.scope = $1 AND a.at >= $2 AND (a.at, a.seq) < ($3, $4) ORDER BY a.at DESC, a.seq DESC LIMIT $5`
	sqlEventAudit = decided + `a.event = (SELECT seq FROM caddypay.events WHERE scope = $1 AND id = $2) AND a.event <> 0 AND (a.at, a.seq) < ($3, $4)
		ORDER BY a.at DESC, a.seq DESC LIMIT $5`

	sqlQuote = `SELECT amount, currency, closed, at FROM caddypay.quotes WHERE scope = $1 AND order_no = $2`

	sqlFind = `SELECT 'order', $2::text, $2::text WHERE EXISTS (SELECT 1 FROM caddypay.charges WHERE scope = $1 AND order_no = $2)
			OR EXISTS (SELECT 1 FROM caddypay.quotes WHERE scope = $1 AND order_no = $2)
			OR EXISTS (SELECT 1 FROM caddypay.refunds WHERE scope = $1 AND order_no = $2)
			OR EXISTS (SELECT 1 FROM caddypay.events WHERE scope = $1 AND order_no = $2 AND order_no <> '' AND NOT by_charge)
		UNION ALL SELECT 'number', coalesce(id, number), order_no FROM caddypay.charges
			WHERE scope = $1 AND number = $2 AND state <> 'foreign' AND number <> order_no
		UNION ALL SELECT 'number', id, order_no FROM caddypay.charges WHERE scope = $1 AND number = $2 AND state = 'foreign' AND number <> order_no
		UNION ALL SELECT 'charge', id, order_no FROM caddypay.charges WHERE scope = $1 AND id = $2
		UNION ALL SELECT 'charge', charge_id, order_no FROM caddypay.refunds WHERE scope = $1 AND charge_id = $2 -- of one that we never saw
		UNION ALL SELECT 'transaction', coalesce(id, number), order_no FROM caddypay.charges WHERE scope = $1 AND transaction_no = $2 AND transaction_no <> ''
		UNION ALL SELECT 'refund_no', refund_no, order_no FROM caddypay.refunds WHERE scope = $1 AND refund_no = $2
		UNION ALL SELECT 'refund', id, order_no FROM caddypay.refunds WHERE scope = $1 AND id = $2
		UNION ALL SELECT 'event', id, order_no FROM caddypay.events WHERE scope = $1 AND id = $2
		UNION ALL SELECT 'object', id, order_no FROM caddypay.events WHERE scope = $1 AND object_id = $2 AND effect`

	sqlPause = `SELECT since, by, said, reason FROM caddypay.pauses WHERE scope = $1`
)

// These are core.Desk, with EventParts, ShipmentParts, Unshipped, Figures and Hours.

// AtOnce has its statements in one transaction, which sees what was committed when the first of them ran. Each is planned for its parameters: a plan for
// any would take what a filter chooses for next to nothing, and read and sort all that there is.
func (r *reader) AtOnce(f func() error) (err error) {
	r.wire.ctx = r.caller
	r.tell("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	r.tell("SET LOCAL plan_cache_mode = force_custom_plan")
	defer func() {
		if len(r.ahead) > 0 { // nothing was asked
			r.ahead = nil
			return
		}
		err = errors.Join(err, r.run("ROLLBACK", nil))
	}()
	return f()
}

func chargeMark(c *core.Charge) core.Mark { return core.Mark{At: millis(c.Created), Seq: c.Seq} }

func (r *reader) ChargeParts(f ledger.ChargeFilter, states []ledger.AttemptState) (parts []core.Part[core.Charge], err error) {
	scope, err := r.scope(f.Scope)
	if err != nil {
		return nil, err
	}
	if f.OrderNo != "" {
		return once(r, readCharge, chargeMark, bare, f.Scope, f.OrderNo)
	}
	for _, state := range states {
		parts = append(parts, core.Straight(func(after core.Mark, n int) (cs []core.Charge, err error) {
			err = r.run(sqlByAttempt, func(row *row) { cs = append(cs, readCharge(row, f.Scope)) },
				scope, string(state), millis(f.Since), after.At, after.Seq, n)
			return cs, err
		}, chargeMark))
	}
	return parts, nil
}

func (r *reader) RefundParts(f ledger.RefundFilter) ([]core.Part[core.Refund], error) {
	mark := func(re *core.Refund) core.Mark { return core.Mark{At: millis(re.Created), Seq: re.Seq} }
	switch {
	case f.ChargeID != "":
		return once(r, readRefund, mark, sqlRefundsOfCharge, f.Scope, f.ChargeID)
	case f.OrderNo != "":
		return once(r, readRefund, mark, sqlRefundsOf, f.Scope, f.OrderNo)
	}
	scope, err := r.scope(f.Scope)
	return []core.Part[core.Refund]{core.Straight(func(after core.Mark, n int) (rs []core.Refund, err error) {
		err = r.run(sqlRefundsBy, func(row *row) { rs = append(rs, readRefund(row, f.Scope)) }, scope, millis(f.Since), after.At, after.Seq, n)
		return rs, err
	}, mark)}, err
}

// once is what belongs to one order or charge, newest first.
func once[T any](r *reader, read func(*row, ledger.Scope) T, mark func(*T) core.Mark, text string, scope ledger.Scope, args ...any) ([]core.Part[T], error) {
	rows, err := list(&r.session, read, text, scope, args...)
	slices.SortFunc(rows, func(a, b T) int { return mark(&a).Compare(mark(&b)) })
	return []core.Part[T]{core.Once(rows, mark)}, err
}

func (r *reader) AuditParts(f ledger.AuditFilter) ([]core.Part[ledger.Decided], error) {
	scope, err := r.scope(f.Scope)
	mark := func(d *ledger.Decided) core.Mark { return core.Mark{At: millis(d.Now), Seq: d.Seq} }
	return []core.Part[ledger.Decided]{core.Straight(func(after core.Mark, n int) (ds []ledger.Decided, err error) {
		text, by := sqlAudit, any(millis(f.Since))
		if f.EventID != "" {
			text, by = sqlEventAudit, f.EventID
		}
		err = r.run(text, func(row *row) {
			d := ledger.Decided{Seq: row.number()}
			d.Scope, d.Now, d.Action, d.Was = f.Scope, row.time(), ledger.Action(row.text()), ledger.State(row.text())
			d.By, d.Said, d.Reason, d.Run, d.EventID, d.OrderNo = row.text(), row.text(), row.text(), row.text(), row.text(), row.text()
			ds = append(ds, d)
		}, scope, by, after.At, after.Seq, n)
		return ds, err
	}, mark)}, err
}

func (r *reader) OrderAttempts(s ledger.Scope, orderNo string, limit int) ([]core.Charge, error) {
	return list(&r.session, readCharge, sqlOrderAttempts, s, orderNo, limit)
}

func (r *reader) LastAttempts(s ledger.Scope, orderNo string, limit int) ([]core.Charge, error) {
	cs, err := list(&r.session, readCharge, sqlLastAttempts, s, orderNo, limit)
	slices.Reverse(cs)
	return cs, err
}

func (r *reader) LastDeliveries(e *ledger.Event, limit int) ([]ledger.Delivery, error) {
	of, err := r.sent(sqlSentBySeq, e.Seq)
	if err != nil {
		return nil, err
	}
	return r.deliveries(of, e, limit)
}

func (r *reader) Quote(s ledger.Scope, orderNo string) (*ledger.Quote, error) {
	return one(&r.session, func(row *row, _ ledger.Scope) ledger.Quote {
		return ledger.Quote{Amount: row.number(), Currency: row.text(), Closed: row.flag(), At: row.time()}
	}, sqlQuote, s, orderNo)
}

func (r *reader) Find(s ledger.Scope, name string) ([]ledger.Found, error) {
	return list(&r.session, func(row *row, _ ledger.Scope) ledger.Found {
		return ledger.Found{Kind: ledger.Kind(row.text()), ID: row.text(), OrderNo: row.text()}
	}, sqlFind, s, name)
}

func readPause(r *row, _ ledger.Scope) ledger.Pause {
	return ledger.Pause{Since: r.time(), By: r.text(), Said: r.text(), Reason: r.text()}
}

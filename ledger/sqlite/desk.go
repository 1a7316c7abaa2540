package sqlite

import (
	"os"
	"slices"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
	"github.com/caddypay/caddypay/ledger/sqlite/file"
)

const (
	sqlByAttempt = `SELECT ` + chargeColumns + ` FROM charges WHERE scope = ?1 AND state = ?2 AND created >= ?3 AND (created, seq) < (?4, ?5)
		ORDER BY created DESC, seq DESC LIMIT ?6`
	bare             = `SELECT ` + chargeColumns + ` FROM charges WHERE scope = ? AND order_no = ? AND order_no <> '' ORDER BY seq`
	sqlOrderAttempts = bare + ` LIMIT ?`
	sqlLastAttempts  = bare + ` DESC LIMIT ?`

	sqlRefundsBy = `SELECT ` + refundColumns + ` FROM refunds WHERE scope = ?1 AND created >= ?2 AND (created, seq) < (?3, ?4)
		ORDER BY created DESC, seq DESC LIMIT ?5`

	decided = `SELECT a.seq, a.at, a.action, a.state, a.by, a.said, a.reason, a.run, coalesce(e.id, ''), coalesce(e.order_no, '')
		FROM audit AS a LEFT JOIN events AS e ON e.seq = a.event WHERE `
	sqlAudit      = decided + `a.scope = ?1 AND a.at >= ?2 AND (a.at, a.seq) < (?3, ?4) ORDER BY a.at DESC, a.seq DESC LIMIT ?5`
	sqlEventAudit = decided + `a.event = (SELECT seq FROM events WHERE scope = ?1 AND id = ?2) AND a.event <> 0 AND (a.at, a.seq) < (?3, ?4)
		ORDER BY a.at DESC, a.seq DESC LIMIT ?5`

	sqlLastDeliveries = `SELECT attempt, at, took, status, error, snippet, state, due, uncounted, n FROM deliveries WHERE event = ?1
		UNION ALL SELECT 1, first_at, first_took, first_status, '', first_snippet, 'delivered', 0, 0, 0 FROM events WHERE seq = ?1 AND first_at > 0
		ORDER BY n DESC LIMIT ?2`
	sqlQuote = `SELECT amount, currency, closed, at FROM quotes WHERE scope = ? AND order_no = ?`

	sqlFind = `SELECT 'order', ?2, ?2 WHERE EXISTS (SELECT 1 FROM charges WHERE scope = ?1 AND order_no = ?2)
			OR EXISTS (SELECT 1 FROM quotes WHERE scope = ?1 AND order_no = ?2) OR EXISTS (SELECT 1 FROM refunds WHERE scope = ?1 AND order_no = ?2)
			OR EXISTS (SELECT 1 FROM events WHERE scope = ?1 AND order_no = ?2 AND order_no <> '' AND by_charge = 0)
		UNION ALL SELECT 'number', coalesce(id, number), order_no FROM charges WHERE scope = ?1 AND number = ?2 AND state <> 'foreign' AND number <> order_no
		UNION ALL SELECT 'number', id, order_no FROM charges WHERE scope = ?1 AND number = ?2 AND state = 'foreign' AND number <> order_no
		UNION ALL SELECT 'charge', id, order_no FROM charges WHERE scope = ?1 AND id = ?2
		UNION ALL SELECT 'charge', charge_id, order_no FROM refunds WHERE scope = ?1 AND charge_id = ?2 -- of one that we never saw
		UNION ALL SELECT 'transaction', coalesce(id, number), order_no FROM charges WHERE scope = ?1 AND transaction_no = ?2 AND transaction_no <> ''
		UNION ALL SELECT 'refund_no', refund_no, order_no FROM refunds WHERE scope = ?1 AND refund_no = ?2
		UNION ALL SELECT 'refund', id, order_no FROM refunds WHERE scope = ?1 AND id = ?2
		UNION ALL SELECT 'event', id, order_no FROM events WHERE scope = ?1 AND id = ?2
		UNION ALL SELECT 'object', id, order_no FROM events WHERE scope = ?1 AND object_id = ?2 AND effect = 1`

	sqlFirstDue    = `SELECT due, received, ` + atRisk + ` FROM events WHERE scope = ? AND state = 'pending' AND blocked = 0 ORDER BY due LIMIT ?`
	sqlOldestLate  = `SELECT received FROM events INDEXED BY events_late WHERE scope = ? AND ` + atRisk + ` = ? AND ` + late + ` ORDER BY seq LIMIT 1`
	sqlOldestState = `SELECT received FROM events INDEXED BY events_state WHERE scope = ? AND state = ? AND state <> 'pending' AND state <> 'delivered'
		AND ` + atRisk + ` = 1 ORDER BY seq LIMIT 1`

	sqlPause     = `SELECT since, by, said, reason FROM pauses WHERE scope = ?`
	sqlSetPause  = `INSERT INTO pauses (scope, since, by, said, reason) VALUES (?, ?, ?, ?, ?)`
	sqlDropPause = `DELETE FROM pauses WHERE scope = ?`
)

// mostDue is how many pending events are looked through for the first with money at risk.
const mostDue = 1000

// These are core.Desk, with EventParts, AtOnce and Hours.

func chargeMark(c *core.Charge) core.Mark { return core.Mark{At: millis(c.Created), Seq: c.Seq} }

func (r *reader) ChargeParts(f ledger.ChargeFilter, states []ledger.AttemptState) (parts []core.Part[core.Charge], err error) {
	scope, err := r.scope(f.Scope)
	if err != nil {
		return nil, err
	}
	if f.OrderNo != "" {
		return once(&r.session, readCharge, chargeMark, sqlOrderAttempts, f.Scope, f.OrderNo, -1)
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
		return once(&r.session, readRefund, mark, sqlRefundsOfCharge, f.Scope, f.ChargeID)
	case f.OrderNo != "":
		return once(&r.session, readRefund, mark, sqlRefundsOf, f.Scope, f.OrderNo)
	}
	scope, err := r.scope(f.Scope)
	return []core.Part[core.Refund]{core.Straight(func(after core.Mark, n int) (rs []core.Refund, err error) {
		err = r.run(sqlRefundsBy, func(row *row) { rs = append(rs, readRefund(row, f.Scope)) }, scope, millis(f.Since), after.At, after.Seq, n)
		return rs, err
	}, mark)}, err
}

// once is what belongs to one order or charge, newest first.
func once[T any](s *session, read func(*row, ledger.Scope) T, mark func(*T) core.Mark, text string, scope ledger.Scope, args ...any) ([]core.Part[T], error) {
	rows, err := list(s, read, text, scope, args...)
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

func (r *reader) LastDeliveries(e *ledger.Event, limit int) (ds []ledger.Delivery, err error) {
	err = r.run(sqlLastDeliveries, func(row *row) {
		d := readDelivery(row, e.Scope)
		d.EventID = e.ID
		ds = append(ds, d)
	}, e.Seq, limit)
	slices.Reverse(ds)
	return ds, err
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

func (r *reader) Figures(s ledger.Scope) (*ledger.Figures, error) {
	f := &ledger.Figures{Events: make(map[ledger.State]int64)}
	f.Bytes, f.WALBytes, f.Readers = size(r.file), size(r.file+"-wal"), len(file.ReadersOf(r.file+"-shm"))
	scope, err := r.scope(s)
	if err != nil || scope == 0 {
		return f, err
	}
	err = r.run(sqlCounts, func(row *row) {
		switch state, n := ledger.State(row.text()), row.number(); {
		case state == eventsAtRisk:
			f.AtRiskEvents = n
		case state == fenAtRisk:
			f.AtRisk = n
		case state == frozen:
			f.FrozenShipments = n
		case state == fenFrozen:
			f.Frozen = n
		case n != 0:
			f.Events[state] = n
		}
	}, scope)
	if err != nil {
		return nil, err
	}
	if err := r.oldest(scope, f); err != nil {
		return nil, err
	}
	if err := r.run(sqlSweep, func(row *row) { f.Swept = row.time() }, scope); err != nil {
		return nil, err
	}
	f.Paused, err = r.pause(s)
	return f, err
}

// oldest fills in what is pending or at risk for longest. What is pending and not late is due when it was received, and all that is late was received
// before it is due: so whatever is due first is not younger than the rest of those.
func (r *reader) oldest(scope int64, f *ledger.Figures) error {
	older := func(of *time.Time, t time.Time) {
		if !t.IsZero() && (of.IsZero() || t.Before(*of)) {
			*of = t
		}
	}
	for _, q := range []struct {
		text string
		of   any
		is   []*time.Time
	}{
		{sqlOldestLate, false, []*time.Time{&f.OldestPending}},
		{sqlOldestLate, true, []*time.Time{&f.OldestPending, &f.OldestAtRisk}},
		{sqlOldestState, string(ledger.Held), []*time.Time{&f.OldestAtRisk}},
		{sqlOldestState, string(ledger.Dead), []*time.Time{&f.OldestAtRisk}},
	} {
		at, err := r.number(q.text, scope, q.of)
		if err != nil {
			return err
		}
		for _, oldest := range q.is {
			older(oldest, moment(at))
		}
	}
	var due time.Time // of the last that was looked at
	looked := 0
	err := r.run(sqlFirstDue, func(row *row) {
		var received time.Time
		due, received = row.time(), row.time()
		older(&f.OldestPending, received)
		looked++
		if row.enough = row.flag(); row.enough {
			older(&f.OldestAtRisk, received)
			looked = 0
		}
	}, scope, mostDue)
	if looked == mostDue && f.AtRiskEvents > 0 { // none is among so many: one that is further on is younger than these
		older(&f.OldestAtRisk, due)
	}
	return err
}

// size is how many bytes a file has; 0 when there is none.
func size(file string) int64 {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return info.Size()
}

func (s *session) pause(of ledger.Scope) (*ledger.Pause, error) {
	return one(s, func(row *row, _ ledger.Scope) ledger.Pause {
		return ledger.Pause{Since: row.time(), By: row.text(), Said: row.text(), Reason: row.text()}
	}, sqlPause, of)
}

// Pause and SetPause are core.Tx's.
func (t *tx) Pause(s ledger.Scope) (*ledger.Pause, error) { return t.pause(s) }

func (t *tx) SetPause(s ledger.Scope, p *ledger.Pause) error {
	scope, err := t.addScope(s)
	if err != nil {
		return err
	}
	if p == nil {
		return t.set(sqlDropPause, scope)
	}
	return t.set(sqlSetPause, scope, millis(p.Since), p.By, p.Said, p.Reason)
}

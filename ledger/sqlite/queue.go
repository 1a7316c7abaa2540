package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

const (
	sqlClaim = `UPDATE events SET owner = ?, until = ? WHERE seq IN (
			SELECT seq FROM events WHERE scope = ? AND state = 'pending' AND blocked = 0 AND due <= ? AND seq < ? AND (owner IS NULL OR until <= ? OR until > ?)
			ORDER BY due, seq LIMIT ?+0) -- a bare parameter here makes SQLite prepare the statement anew each time
		RETURNING ` + eventColumns
	sqlRenew = `UPDATE events SET until = CASE WHEN until > ?2 THEN ?1 ELSE max(until, ?1) END WHERE scope = ?3 AND owner = ?4 RETURNING id`

	// The last column says whether another event of the lane can go now.
	sqlSettle = `UPDATE events SET state = ?1, attempts = attempts + ?2, tries = tries + ?2, due = ?3, back = ?8, settled = ?4, owner = NULL, until = 0
		WHERE scope = ?5 AND id = ?6 AND state = 'pending' AND owner = ?7
		RETURNING seq, lane, blocked = 0 AND EXISTS (SELECT 1 FROM events AS o
			WHERE o.scope = events.scope AND o.lane = events.lane AND o.lane <> '' AND o.state = 'pending' AND o.seq <> events.seq)`
	sqlLease       = `SELECT seq, state, charge_id,` + hasEffect + `, lane FROM events WHERE scope = ? AND id = ?`
	sqlHeard       = `SELECT EXISTS (SELECT 1 FROM deliveries WHERE event = ? AND state = 'delivered')`
	sqlSettleOther = `UPDATE events SET state = 'delivered', attempts = attempts + 1, tries = tries + 1, due = 0,
		settled = CASE WHEN state = 'delivered' THEN settled ELSE ? END, owner = NULL, until = 0 WHERE seq = ?`
	sqlAddDelivery = `INSERT INTO deliveries (event, n, attempt, at, took, status, error, snippet, state, due, uncounted)
		VALUES (?1, (SELECT coalesce(max(n), 0) + 1 FROM deliveries WHERE event = ?1), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)`

	sqlResume = `UPDATE events INDEXED BY events_back SET due = back WHERE scope = ? AND state = 'pending' AND back > 0 AND due > back`

	// The first event without a lease is due when it is due, one with a lease when that ends.
	sqlNextDue = `SELECT
		(SELECT due FROM events WHERE scope = ?1 AND state = 'pending' AND blocked = 0 AND owner IS NULL ORDER BY due LIMIT 1),
		(SELECT min(until) FROM events WHERE scope = ?1 AND owner IS NOT NULL AND blocked = 0),
		coalesce((SELECT n FROM counts WHERE scope = ?1 AND state = 'pending'), 0)`
)

// Claim implements [ledger.Events].
func (l *Ledger) Claim(ctx context.Context, c ledger.Claim) (es []ledger.Event, err error) {
	if c.Owner == "" {
		return nil, errors.New("ledger: a claim needs an owner")
	}
	if c.Limit <= 0 {
		return nil, nil
	}
	leases := l.steps.leases(c.Now, c.Until.Sub(c.Now))
	err = l.writeLax(ctx, func(t *tx) error {
		es = nil
		scope, err := t.scope(c.Scope)
		if err != nil {
			return err
		}
		rows, err := t.returning(sqlClaim, c.Owner, millis(c.Until), scope, millis(c.Now), t.unforced, leases.now, leases.far, c.Limit)
		err = each(rows, err, func(rows *sql.Rows) error {
			e, err := scanEvent(rows, c.Scope)
			if err == nil {
				es = append(es, *e)
				t.force = t.force || e.Seq > l.writer.disk.forced.Load()
			}
			return err
		})
		if err == nil && t.force { // another process has recorded it, and may be waiting for the disk
			t.last, err = optional(t.row(sqlLast))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(es, func(a, b ledger.Event) int { // RETURNING has no order
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Seq, b.Seq))
	})
	return es, nil
}

// Renew implements [ledger.Events].
func (l *Ledger) Renew(ctx context.Context, owner string, c ledger.Claim) (held []string, err error) {
	err = l.writeLax(ctx, func(t *tx) error {
		held = nil
		scope, err := t.scope(c.Scope)
		if err != nil {
			return err
		}
		rows, err := t.returning(sqlRenew, millis(c.Until), millis(c.Until.Add(tooFar)), scope, owner)
		return each(rows, err, func(rows *sql.Rows) error {
			var id string
			err := rows.Scan(&id)
			held = append(held, id)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return held, nil
}

// Settle implements [ledger.Events].
func (l *Ledger) Settle(ctx context.Context, owner string, d ledger.Delivery) error {
	switch d.State {
	case ledger.Delivered, ledger.Dead, ledger.Pending:
	default:
		return fmt.Errorf("ledger: a delivery of %s ends in state %q; use delivered, dead or pending", d.EventID, d.State)
	}
	if d.Uncounted && d.State != ledger.Pending {
		return fmt.Errorf("ledger: a delivery of %s that does not count cannot end in state %q; use pending", d.EventID, d.State)
	}
	err := l.writeLax(ctx, func(t *tx) error { return t.settle(owner, d, true) })
	if !errors.Is(err, ledger.ErrDamaged) {
		return err
	}
	// Perhaps only the list of attempts has no sound page for it: the outcome is worth more.
	if l.writeLax(ctx, func(t *tx) error { return t.settle(owner, d, false) }) != nil {
		return err
	}
	l.log.Error("the outcome of a delivery is recorded, but not the attempt, since the ledger is damaged there", zap.String("event", d.EventID), zap.Error(err))
	return nil
}

// settle records an outcome and, if listed is set, the attempt itself.
func (t *tx) settle(owner string, d ledger.Delivery, listed bool) error {
	scope, err := t.scope(d.Scope)
	if err != nil {
		return err
	}
	counted := 1
	if d.Uncounted {
		counted = 0
	}
	var due, back, settled int64
	if d.State == ledger.Pending {
		due, back = millis(d.Due), millis(d.Back)
	} else {
		settled = millis(d.At.Add(d.Took))
	}
	var seq int64
	var lane string
	var next bool
	t.dirty = true
	err = t.row(sqlSettle, string(d.State), counted, due, settled, scope, d.EventID, owner, back).Scan(&seq, &lane, &next)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		t.dirty = false
		seq, err = t.settleOther(scope, settled, d)
		if err != nil || seq == 0 {
			return err
		}
	case err != nil:
		return err
	case d.State == ledger.Pending:
		t.touch(ledger.EventsTopic(d.Scope))
	default:
		t.count(scope, ledger.Pending, d.State)
		if d.State == ledger.Dead {
			if err := t.died(scope, d); err != nil {
				return err
			}
		}
		if next {
			if err := t.promote(d.Scope, scope, lane); err != nil {
				return err
			}
		}
	}
	if !listed {
		return nil
	}
	_, _, err = t.change(sqlAddDelivery, seq, d.Attempt, millis(d.At), d.Took.Microseconds(), d.Status, d.Error, d.Snippet,
		string(d.State), due, d.Uncounted)
	return err
}

// died withholds the refunds of a payment that is dead: the backend should not hear of them before it. A replay brings them back. A payment
// that was delivered once is known to the backend, whatever became of its replay.
func (t *tx) died(scope int64, d ledger.Delivery) error {
	e := decided{scope: scope}
	if err := t.row(sqlLease, scope, d.EventID).Scan(&e.seq, &e.state, &e.chargeID, &e.payment, &e.lane); err != nil || !e.payment {
		return err
	}
	if heard, err := t.heard(e); err != nil || heard {
		return err
	}
	if err := t.setHold(d.Scope, e, unheard); err != nil {
		return err
	}
	return t.withhold(d.Scope, scope, e.lane, e.chargeID, millis(d.At.Add(d.Took)))
}

// heard says whether the backend has acknowledged an event before.
func (t *tx) heard(e decided) (heard bool, err error) {
	return heard, t.row(sqlHeard, e.seq).Scan(&heard)
}

// settleOther records an outcome that does not come from the owner of the lease; only an acknowledgement counts then. It
// returns 0 if this one does not.
func (t *tx) settleOther(scope, settled int64, d ledger.Delivery) (seq int64, err error) {
	e := decided{scope: scope}
	if err := t.row(sqlLease, scope, d.EventID).Scan(&e.seq, &e.state, &e.chargeID, &e.payment, &e.lane); err != nil {
		return 0, err
	}
	if d.State != ledger.Delivered {
		return 0, nil
	}
	if _, _, err := t.change(sqlSettleOther, settled, e.seq); err != nil {
		return 0, err
	}
	t.count(scope, e.state, ledger.Delivered)
	switch e.state {
	case ledger.Pending:
		err = t.promote(d.Scope, scope, e.lane)
	case ledger.Discarded, ledger.Dead: // while it was under way; now the backend knows of it, and has to hear of its refunds too
		err = t.lift(d.Scope, e, settled)
	}
	return e.seq, err
}

// Resume implements [ledger.Events].
func (l *Ledger) Resume(ctx context.Context, s ledger.Scope) error {
	return l.writeLax(ctx, func(t *tx) error {
		scope, err := t.scope(s)
		if err != nil {
			return err
		}
		rows, _, err := t.change(sqlResume, scope)
		if rows > 0 {
			t.touch(ledger.EventsTopic(s))
		}
		return err
	})
}

// NextDue implements [ledger.Events].
func (l *Ledger) NextDue(ctx context.Context, scope ledger.Scope) (due ledger.Due, err error) {
	err = l.read(ctx, func(r *reader) error {
		s, err := r.scope(scope)
		if err != nil {
			return err
		}
		var free, leased sql.NullInt64
		if err := r.row(sqlNextDue, s).Scan(&free, &leased, &due.Pending); err != nil {
			return err
		}
		for _, at := range []sql.NullInt64{free, leased} {
			if at.Valid && (due.At.IsZero() || at.Int64 < due.At.UnixMilli()) {
				due.At = time.UnixMilli(at.Int64).UTC()
			}
		}
		return nil
	})
	return due, err
}

package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

const (
	sqlClaim = `UPDATE events SET owner = ?, until = ? WHERE seq IN (
			SELECT seq FROM events WHERE scope = ? AND state = 'pending' AND due <= ? AND (owner IS NULL OR until <= ?)
			ORDER BY due, seq LIMIT ?)
		RETURNING ` + eventColumns
	sqlRenew = `UPDATE events SET until = max(until, ?) WHERE scope = ? AND owner = ?`
	sqlLease = `SELECT seq, state, attempts, settled, coalesce(owner, '') FROM events WHERE scope = ? AND id = ?`

	sqlSettle = `UPDATE events SET state = ?, attempts = attempts + 1, due = ?, settled = ?, owner = NULL, until = 0
		WHERE seq = ?`
	sqlAddDelivery = `INSERT INTO deliveries (event, n, attempt, at, took, status, error, snippet, state, due)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	// The first event without a lease is due when it is due, one with a lease when that ends.
	sqlNextDue = `SELECT
		(SELECT due FROM events WHERE scope = ?1 AND state = 'pending' AND owner IS NULL ORDER BY due LIMIT 1),
		(SELECT min(until) FROM events WHERE scope = ?1 AND owner IS NOT NULL),
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
	type claimed struct {
		seq   int64
		event *ledger.Event
	}
	var got []claimed
	err = l.write(ctx, func(t *tx) error {
		got = nil
		scope, err := t.scope(c.Scope)
		if err != nil {
			return err
		}
		now := millis(c.Now)
		rows, err := t.returning(sqlClaim, c.Owner, millis(c.Until), scope, now, now, c.Limit)
		return each(rows, err, func(rows *sql.Rows) error {
			seq, e, err := scanEvent(rows, c.Scope)
			got = append(got, claimed{seq, e})
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(got, func(a, b claimed) int { // RETURNING has no order
		return cmp.Or(a.event.Due.Compare(b.event.Due), cmp.Compare(a.seq, b.seq))
	})
	for _, g := range got {
		es = append(es, *g.event)
	}
	return es, nil
}

// Renew implements [ledger.Events].
func (l *Ledger) Renew(ctx context.Context, owner string, c ledger.Claim) error {
	return l.write(ctx, func(t *tx) error {
		scope, err := t.scope(c.Scope)
		if err != nil {
			return err
		}
		_, _, err = t.change(sqlRenew, millis(c.Until), scope, owner)
		return err
	})
}

// Settle implements [ledger.Events].
func (l *Ledger) Settle(ctx context.Context, owner string, d ledger.Delivery) error {
	switch d.State {
	case ledger.Delivered, ledger.Dead, ledger.Pending:
	default:
		return fmt.Errorf("ledger: a delivery of %s ends in state %q; use delivered, dead or pending", d.EventID, d.State)
	}
	return l.write(ctx, func(t *tx) error { return t.settle(owner, d) })
}

func (t *tx) settle(owner string, d ledger.Delivery) error {
	scope, err := t.scope(d.Scope)
	if err != nil {
		return err
	}
	var seq, attempts, settled int64
	var state ledger.State
	var holder string
	if err := t.row(sqlLease, scope, d.EventID).Scan(&seq, &state, &attempts, &settled, &holder); err != nil {
		return err
	}
	if held := owner != "" && holder == owner; d.State != ledger.Delivered && (state != ledger.Pending || !held) {
		return nil
	}
	if state != ledger.Delivered {
		settled = millis(d.At.Add(d.Took))
	}
	var due int64
	if d.State == ledger.Pending {
		due, settled = millis(d.Due), 0
	}
	if _, _, err := t.change(sqlSettle, string(d.State), due, settled, seq); err != nil {
		return err
	}
	if d.State == ledger.Pending {
		t.touch(ledger.EventsTopic(d.Scope))
	}
	_, _, err = t.change(sqlAddDelivery, seq, attempts+1, d.Attempt, millis(d.At), d.Took.Microseconds(), d.Status, d.Error,
		d.Snippet, string(d.State), due)
	return err
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

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

const (
	// queryKind is the [ledger.QueryKind] of an attempt's next look-up.
	queryKind = `(CASE WHEN next_query <= client_at THEN 0 WHEN queries = 0 AND state = 'created' AND NOT superseded THEN 1 ELSE 2 END)`

	sqlDueQueries = `SELECT seq, ` + chargeColumns + ` FROM charges
		WHERE scope = ? AND ` + queryKind + ` = ? AND next_query > 0 AND next_query <= ? AND (query_until <= ? OR query_until > ?) AND NOT paid AND NOT reversed
			AND (state = 'created' OR state IN ('unknown', 'taken') AND id IS NULL)
		ORDER BY next_query, seq LIMIT ?`
	sqlDueFirst = `SELECT seq, ` + chargeColumns + ` FROM charges
		WHERE scope = ? AND ` + queryKind + ` = ? AND next_query > 0 AND next_query <= ? AND (query_until <= ? OR query_until > ?) AND NOT paid AND NOT reversed
		ORDER BY next_query DESC, seq DESC LIMIT ?`
	sqlForsaken = `SELECT seq FROM charges INDEXED BY charges_reserved WHERE scope = ? AND state = 'reserved'
		AND (reserved_until <= ? OR reserved_until > ?)`
	// The next query moves behind the lease: if its owner dies, somebody else asks then.
	sqlLeaseQuery = `UPDATE charges SET query_until = ?1, next_query = ?1 WHERE seq = ?2`
	// A query that was moved forward meanwhile stays: the client saw something that the answer may not know yet, or the attempt has become superseded.
	sqlQueried = `UPDATE charges SET queries = queries + 1, reversed = max(reversed, ?1), query_until = 0,
		next_query = CASE WHEN paid OR reversed OR ?1 OR state <> 'created' THEN 0
			WHEN next_query > 0 AND (next_query < query_until OR superseded AND NOT ?3 AND next_query <= created) THEN next_query ELSE ?2 END
		WHERE scope = ?4 AND id = ?5`
	sqlSought = `UPDATE charges SET queries = queries + 1, query_until = 0, next_query = ?
		WHERE scope = ? AND number = ? AND state <> 'foreign' AND state IN ('unknown', 'taken') AND id IS NULL`
	sqlNoteClient = `UPDATE charges SET client_result = ?1, client_at = ?2, next_query = CASE
			WHEN paid OR reversed OR state <> 'created' THEN next_query WHEN next_query = 0 THEN ?3 ELSE min(next_query, ?3) END
		WHERE scope = ?4 AND id = ?5`

	// The inner one reads nothing but its index: the attempts of the time asked for, a day as a rule.
	sqlChargesCreated = `SELECT ` + chargeColumns + ` FROM charges WHERE seq IN (SELECT seq FROM charges INDEXED BY charges_created
			WHERE scope = ? AND state = 'created' AND created >= ? AND created < ? AND id > ? ORDER BY id LIMIT ?)
		ORDER BY id`
)

// ClaimQueries implements [ledger.Charges].
func (l *Ledger) ClaimQueries(ctx context.Context, c ledger.QueryClaim) (cs []ledger.Charge, err error) {
	if c.Owner == "" {
		return nil, errors.New("ledger: a claim needs an owner")
	}
	if c.Limit <= 0 {
		return nil, nil
	}
	leases := l.steps.leases(c.Now, c.Until.Sub(c.Now))
	err = l.writeLax(ctx, func(t *tx) error {
		cs = nil
		scope, err := t.scope(c.Scope)
		if err != nil {
			return err
		}
		due := sqlDueQueries
		switch c.Kind {
		case ledger.QueryFirst:
			due = sqlDueFirst
		case ledger.QueryLater:
			if err := t.forsake(scope, c.Now, leases); err != nil {
				return err
			}
		}
		var seqs []int64
		rows, err := t.query(due, scope, int(c.Kind), millis(c.Now), leases.now, leases.far, c.Limit)
		err = each(rows, err, func(rows *sql.Rows) error {
			var seq int64
			c, err := scanCharge(rows, c.Scope, &seq)
			if err != nil {
				return err
			}
			seqs, cs = append(seqs, seq), append(cs, *c)
			return nil
		})
		for _, seq := range seqs {
			if err != nil {
				break
			}
			_, _, err = t.change(sqlLeaseQuery, millis(c.Until), seq)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return cs, nil
}

// forsakenAfter is how long after its end a reservation that nobody took over counts as a dead holder's.
const forsakenAfter = time.Minute

// forsake makes the attempts of dead holders unknown.
func (t *tx) forsake(scope int64, now time.Time, leases span) error {
	var seqs []int64
	rows, err := t.query(sqlForsaken, scope, leases.now-forsakenAfter.Milliseconds(), leases.far)
	err = each(rows, err, func(rows *sql.Rows) error {
		var seq int64
		err := rows.Scan(&seq)
		seqs = append(seqs, seq)
		return err
	})
	for _, seq := range seqs {
		if err != nil {
			break
		}
		_, _, err = t.change(sqlForsake, millis(now), seq)
	}
	return err
}

// Queried implements [ledger.Charges].
func (l *Ledger) Queried(ctx context.Context, q ledger.Queried) error {
	write := l.writeLax
	if q.Reversed {
		write = l.write
	}
	return write(ctx, func(t *tx) error {
		if q.ChargeID == "" && q.Number != "" {
			scope, err := t.scope(q.Scope)
			if err == nil {
				_, _, err = t.change(sqlSought, millis(q.Next), scope, q.Number)
			}
			return err
		}
		err := t.changeOne(q.Scope, func(scope int64) (int64, int64, error) {
			return t.change(sqlQueried, q.Reversed, millis(q.Next), q.Superseded, scope, q.ChargeID)
		})
		if err == nil && q.Reversed {
			err = t.reversed(q)
		}
		return err
	})
}

// NoteClient implements [ledger.Charges]. It is a reason to ask Ping++ now.
func (l *Ledger) NoteClient(ctx context.Context, s ledger.Scope, id string, n ledger.ClientNote) error {
	return l.writeLax(ctx, func(t *tx) error {
		at := millis(n.At)
		err := t.changeOne(s, func(scope int64) (int64, int64, error) {
			return t.change(sqlNoteClient, n.Result, at, max(at, 1), scope, id) // 0 would mean never
		})
		if err == nil {
			t.touch(ledger.ChargeTopic(s, id))
		}
		return err
	})
}

// changeOne runs a statement that has to find one row.
func (t *tx) changeOne(s ledger.Scope, change func(scope int64) (rows, last int64, err error)) error {
	scope, err := t.scope(s)
	if err != nil {
		return err
	}
	rows, _, err := change(scope)
	if err == nil && rows == 0 {
		t.dirty = false // nothing was written: the others need not do without this transaction
		return ledger.ErrNotFound
	}
	return err
}

// ChargesCreated implements [ledger.Charges].
func (l *Ledger) ChargesCreated(ctx context.Context, scope ledger.Scope, from, to time.Time, after string, limit int) (cs []ledger.Charge, err error) {
	if limit <= 0 {
		return nil, nil
	}
	err = l.read(ctx, func(r *reader) error {
		s, err := r.scope(scope)
		if err != nil {
			return err
		}
		rows, err := r.query(sqlChargesCreated, s, millis(from), millis(to), after, limit)
		cs, err = scanCharges(rows, err, scope)
		return err
	})
	return cs, err
}

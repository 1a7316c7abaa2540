package sqlite

import (
	"context"
	"database/sql"
	"time"
)

const (
	// Bodies lie in the order of their arrival: the search ends at the first one that came after the time. What stays among
	// the old ones is what still waits for somebody.
	sqlOldBodies = `SELECT event, received, state IN ('delivered', 'discarded', 'filtered') AND max(settled, received) < ?
		FROM bodies CROSS JOIN events ON seq = event WHERE event > ? ORDER BY event LIMIT ?`
	sqlOldAnswers = `SELECT charge, created, hold NOT IN (1, 5) AND max(created, time_expire, time_paid) < ?
			AND (paid OR reversed OR next_query = 0) AND state <> 'reserved'
		FROM answers CROSS JOIN charges ON seq = charge WHERE charge > ? ORDER BY charge LIMIT ?`

	// Looked at again when it is deleted: a person may have replayed the event.
	sqlDropBody   = `DELETE FROM bodies WHERE event = ? AND (SELECT state FROM events WHERE seq = event) IN ('delivered', 'discarded', 'filtered')`
	sqlDropAnswer = `DELETE FROM answers WHERE charge = ?`
)

// pruneStep is how many rows one transaction deletes; everybody else who writes waits for it.
const pruneStep = 200

// Prune implements [ledger.Events].
func (l *Ledger) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	pruned, err := l.prune(ctx, sqlOldBodies, sqlDropBody, millis(before), limit)
	if err != nil {
		return pruned, err
	}
	more, err := l.prune(ctx, sqlOldAnswers, sqlDropAnswer, millis(before), limit-pruned)
	return pruned + more, err
}

// prune looks for rows to delete on the pool, and deletes them in transactions of their own.
func (l *Ledger) prune(ctx context.Context, find, drop string, before int64, limit int) (pruned int, err error) {
	for last, more := int64(0), true; more && pruned < limit; {
		var old []int64
		err := l.read(ctx, func(r *reader) error {
			looked := 0
			rows, err := r.query(find, before, last, pruneStep)
			err = each(rows, err, func(rows *sql.Rows) error {
				var id, from int64
				var over bool
				if err := rows.Scan(&id, &from, &over); err != nil {
					return err
				}
				looked++
				if from >= before {
					more = false
					return nil
				}
				last = id
				if over && len(old) < limit-pruned {
					old = append(old, id)
				}
				return nil
			})
			more = more && looked == pruneStep
			return err
		})
		if err != nil {
			return pruned, err
		}
		if len(old) == 0 {
			continue
		}
		var gone int
		err = l.writeLax(ctx, func(t *tx) error {
			gone = 0
			for _, id := range old {
				rows, _, err := t.change(drop, id)
				if err != nil {
					return err
				}
				gone += int(rows)
			}
			return nil
		})
		if err != nil {
			return pruned, err
		}
		pruned += gone
	}
	return pruned, nil
}

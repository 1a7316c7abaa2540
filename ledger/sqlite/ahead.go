package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

const (
	// An event that has not been tried in its turn is due at once, or as soon as the backend is back. One that has been is due at a gap after
	// its last delivery: if that lies ahead, its time does only because the clock has been put back since.
	sqlEventsAhead = `SELECT seq FROM events WHERE scope = ?1 AND state = 'pending' AND blocked = 0 AND due > ?2
		AND (tries = 0 OR coalesce((SELECT at FROM deliveries WHERE event = seq ORDER BY n DESC LIMIT 1), 0) > ?2) LIMIT ?3`
	sqlEventNow = `UPDATE events SET due = min(due, ?1) WHERE seq = ?2`

	sqlQueriesAhead = `SELECT seq FROM charges INDEXED BY charges_query WHERE scope = ?1 AND ` + queryKind + ` IN (0, 1, 2) AND next_query > 0 AND next_query > ?2
		AND (created > ?2 OR next_query > max(?3, time_expire + ?3 - ?2)) LIMIT ?4`
	sqlQueryNow = `UPDATE charges SET next_query = min(next_query, ?1) WHERE seq = ?2 AND next_query > 0`

	sqlRefundsAhead = `SELECT seq FROM refunds INDEXED BY refunds_query WHERE scope = ?1 AND next_query > 0 AND next_query > ?2
		AND (max(created, asked) > ?2 OR next_query > ?3) LIMIT ?4`
	sqlRefundNow = `UPDATE refunds SET next_query = min(next_query, ?1) WHERE seq = ?2 AND next_query > 0`
)

const (
	aheadBatch = 500

	// longestQuery is more than a look-up can lie ahead, of a charge after its expiry too: the longest is when one that brought no answer is given up.
	longestQuery = 10 * 24 * time.Hour
)

// Overdue implements [ledger.Events].
func (l *Ledger) Overdue(ctx context.Context, s ledger.Scope, now time.Time) (n int, err error) {
	far, farthest := millis(now.Add(ledger.LongestLease)), millis(now.Add(longestQuery))
	for _, kind := range []struct {
		find, change string
		args         []any
	}{
		{sqlEventsAhead, sqlEventNow, []any{far, aheadBatch}},
		{sqlQueriesAhead, sqlQueryNow, []any{far, farthest, aheadBatch}},
		{sqlRefundsAhead, sqlRefundNow, []any{far, farthest, aheadBatch}},
	} {
		for {
			seqs, err := l.ahead(ctx, s, kind.find, kind.args)
			if err != nil {
				return n, err
			}
			if len(seqs) == 0 {
				break
			}
			err = l.writeLax(ctx, func(t *tx) error {
				for _, seq := range seqs {
					if _, _, err := t.change(kind.change, millis(now), seq); err != nil {
						return err
					}
				}
				t.touch(ledger.EventsTopic(s))
				return nil
			})
			if err != nil {
				return n, err
			}
			n += len(seqs)
		}
	}
	return n, nil
}

func (l *Ledger) ahead(ctx context.Context, s ledger.Scope, find string, args []any) (seqs []int64, err error) {
	err = l.read(ctx, func(r *reader) error {
		scope, err := r.scope(s)
		if err != nil {
			return err
		}
		rows, err := r.query(find, append([]any{scope}, args...)...)
		return each(rows, err, func(rows *sql.Rows) error {
			var seq int64
			err := rows.Scan(&seq)
			seqs = append(seqs, seq)
			return err
		})
	})
	return seqs, err
}

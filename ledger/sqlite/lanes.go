package sqlite

import (
	"cmp"

	"github.com/caddypay/caddypay/ledger"
)

// A lane's first pending event, by (rank, created, seq), is the only one of its pending events that is not blocked. Those
// behind it are in no index that Claim reads, so that a lane which is stuck costs nothing, however long it is. An event
// under delivery when an earlier one arrives is blocked like the others but not recalled.
const (
	sqlPlace     = `SELECT rank, created FROM events WHERE seq = ?`
	sqlBlock     = `UPDATE events SET blocked = 1 WHERE seq = ?`
	sqlBlockLane = `UPDATE events INDEXED BY events_lane SET blocked = 1 WHERE scope = ? AND lane = ? AND lane <> '' AND state = 'pending' AND blocked = 0`
	sqlPromote   = `UPDATE events SET blocked = 0 WHERE blocked = 1 AND seq = (SELECT seq FROM events
		WHERE scope = ? AND lane = ? AND lane <> '' AND state = 'pending' ORDER BY rank, created, seq LIMIT 1)`
)

// place finds out whether a new event goes before or after the one that is the first of its lane so far.
func (t *tx) place(b *books, first int64, e *ledger.Event) error {
	if first == 0 {
		return nil
	}
	var rank int
	var created int64
	if err := t.row(sqlPlace, first).Scan(&rank, &created); err != nil {
		return err
	}
	b.ahead = cmp.Or(cmp.Compare(rank, e.Rank), cmp.Compare(created, millis(e.Created))) <= 0
	if !b.ahead {
		b.behind = first
	}
	return nil
}

// stepBack blocks the event that was the first of its lane until now; 0 for none.
func (t *tx) stepBack(seq int64) error {
	if seq == 0 {
		return nil
	}
	_, _, err := t.change(sqlBlock, seq)
	return err
}

// promote unblocks the first pending event of a lane.
func (t *tx) promote(s ledger.Scope, scope int64, lane string) error {
	rows, _, err := t.change(sqlPromote, scope, lane)
	if rows > 0 {
		t.touch(ledger.EventsTopic(s))
	}
	return err
}

// reorder puts a lane in order after an event of it has become pending.
func (t *tx) reorder(s ledger.Scope, scope int64, lane string) error {
	if lane == "" {
		return nil
	}
	if _, _, err := t.change(sqlBlockLane, scope, lane); err != nil {
		return err
	}
	return t.promote(s, scope, lane)
}

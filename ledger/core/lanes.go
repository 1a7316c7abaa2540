package core

import (
	"cmp"
	"math"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// A lane's first pending event, by (rank, created, seq), is the only one of its pending events that is not blocked: a lane which is stuck costs
// nothing, however long it is. An event under delivery when an earlier one arrives is blocked like the others but not recalled.

func (p Place) before(q Place) bool {
	return cmp.Or(cmp.Compare(p.Rank, q.Rank), p.Created.Compare(q.Created), cmp.Compare(p.Seq, q.Seq)) < 0
}

// place is where an event stands in its lane; a new one comes after its equals.
func (e *Event) place() Place {
	return Place{Seq: cmp.Or(e.Seq, math.MaxInt64), Rank: e.Rank, Created: Kept(e.Created)}
}

// queue says how an event that becomes pending stands to the one that is the first of its lane so far: behind it, or before it.
func (e *Event) queue(first *Place) (ahead bool, behind int64) {
	switch {
	case first == nil || first.Seq == e.Seq:
		return false, 0
	case first.before(e.place()):
		return true, 0
	}
	return false, first.Seq
}

// stepBack blocks the event that was the first of its lane until now; 0 for none.
func stepBack(t Tx, seq int64) error {
	if seq == 0 {
		return nil
	}
	return t.SetBlocked(seq, true)
}

// firstOf returns the first pending event of a lane.
func firstOf(t Tx, s ledger.Scope, lane string) (*Place, error) {
	if lane == "" {
		return nil, nil
	}
	known, err := t.Books(s, Question{Lane: lane})
	return known.First, err
}

// promote unblocks the first pending event of a lane.
func promote(t Tx, s ledger.Scope, lane string) error {
	first, err := firstOf(t, s, lane)
	if err != nil || first == nil || !first.Blocked {
		return err
	}
	t.Touch(ledger.EventsTopic(s))
	return t.SetBlocked(first.Seq, false)
}

// resume makes an event pending, in its place in its lane, to be delivered for the first time or again.
func resume(t Tx, e *Event, due time.Time) error {
	if err := lock(t, e.Scope, Question{Lane: e.Lane}); err != nil {
		return err
	}
	first, err := firstOf(t, e.Scope, e.Lane)
	if err != nil {
		return err
	}
	var behind int64
	e.State, e.Tries, e.Due, e.Settled, e.Owner, e.Until = ledger.Pending, 0, due, time.Time{}, "", time.Time{}
	e.Blocked, behind = e.queue(first)
	if err := t.SetEvent(e); err != nil {
		return err
	}
	t.Touch(ledger.EventsTopic(e.Scope))
	return stepBack(t, behind)
}

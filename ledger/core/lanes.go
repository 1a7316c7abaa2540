package core

import (
	"cmp"
	"math"
)

// A lane's first pending event, by (rank, created, seq), is the only one of its pending events that is not blocked: a lane which is stuck costs
// nothing, however long it is. An event under delivery when an earlier one arrives is blocked like the others but not recalled.

func (p Place) before(q Place) bool {
	return cmp.Or(cmp.Compare(p.Rank, q.Rank), p.Created.Compare(q.Created), cmp.Compare(p.Seq, q.Seq)) < 0
}

// foremost returns the first of some places; nil for none.
func foremost(lane []Place) *Place {
	var f *Place
	for i := range lane {
		if f == nil || lane[i].before(*f) {
			f = &lane[i]
		}
	}
	return f
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

package postgres

import (
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// sqlComing stands for what is asked about an event that a group records: see bulks.
const sqlComing = `about a coming event`

// coming is what is asked about an event that is to be recorded, with its books, so that all of it is recorded with the commit, and nobody waits in between.
// What would keep it out is locked before, or fails the group when it comes in between; whoever is on its own then waits for each answer.
type coming struct {
	event  *ledger.Event
	knows  bool // it was asked
	seq    int64
	known  bool          // its id is recorded
	had    bool          // its effect is another's
	unread bool          // one that could not be read may have it
	pause  *ledger.Pause // nil: there is none
}

// look asks, with the first books, while nothing but what was locked is decided.
func (c *coming) look(t *tx, s ledger.Scope, scope int64) {
	if c == nil || c.knows {
		return
	}
	e := c.event
	c.knows = true
	if e.Effect() != e.ID {
		t.lock(escape(lockName(s, anEffect, e.ObjectID)))
	}
	t.ask(sqlComing, func(r *row) { c.seq, c.known, c.had, c.unread = r.number(), r.flag(), r.flag(), r.flag() }, scope, e.ID, e.ObjectID, e.Type)
	if e.Lease.Owner != "" {
		t.ask(sqlPause, func(r *row) {
			p := readPause(r, s)
			c.pause = &p
		}, scope)
	}
}

// place is the number of an event that nothing keeps out as far as anybody knows, once; 0: whoever records it has to wait for what becomes of it.
func (c *coming) place(e *core.Event) (seq int64) {
	if c == nil || e.ID != c.event.ID || c.known || e.Claims && c.had {
		return 0
	}
	seq, c.seq = c.seq, 0
	return seq
}

// readable says that no event of an object and type is one that could not be read.
func (c *coming) readable(objectID, kind string) bool {
	return c != nil && c.knows && !c.unread && objectID == c.event.ObjectID && kind == c.event.Type && c.event.Effect() != c.event.ID
}

package sqlite

import (
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
	"github.com/caddypay/caddypay/ledger/sqlite/file"
)

// tx is what a job sees of the writer's transaction. Its calls do not end with the job's context: a statement that was
// interrupted would spoil the transaction for all.
type tx struct {
	session
	counts map[stateOf]int64 // changes to the number of events in a state

	// Nobody may deliver an event that is not on disk: after a power failure it would be another one's effect, or held, and the backend
	// has it already.
	event    int64 // the first that this transaction recorded; 0: none yet
	last     int64 // the last that has to be on disk when this transaction is
	unforced int64 // the first of ours that may not be on disk, this transaction's included
	disk     *file.File
	opened   core.Opening

	// Of the job that runs:
	dirty  bool // it has written something
	force  bool // it has to be on disk, although it is lax
	topics []ledger.Topic
}

// Finish is [file.Transaction]'s.
func (t *tx) Finish() (file.Recorded, error) {
	return file.Recorded{First: t.event, Last: t.last}, t.writeCounts()
}

// Committed is [file.Transaction]'s.
func (t *tx) Committed() { t.scopes.add(t.fresh) }

// change runs a statement that writes and returns how many rows it touched and the last row inserted.
func (t *tx) change(text string, args ...any) (rows int, last int64, err error) {
	t.dirty = true
	if err := t.run(text, nil, args...); err != nil {
		return 0, 0, err
	}
	rows, last = t.conn.Changed()
	return rows, last, nil
}

// set runs a statement that writes.
func (t *tx) set(text string, args ...any) error {
	t.dirty = true
	return t.run(text, nil, args...)
}

// stateOf is a state of a scope's events.
type stateOf struct {
	scope int64
	state ledger.State
}

// count notes that an event went from a state, or from nowhere, to another.
func (t *tx) count(scope int64, from, to ledger.State) {
	if from == to {
		return
	}
	if t.counts == nil {
		t.counts = make(map[stateOf]int64)
	}
	if from != "" {
		t.counts[stateOf{scope, from}]--
	}
	t.counts[stateOf{scope, to}]++
}

// writeCounts writes the counts, once for all events of the transaction.
func (t *tx) writeCounts() error {
	for of, n := range t.counts {
		if n == 0 {
			continue
		}
		if err := t.run(sqlCount, nil, of.scope, string(of.state), n); err != nil {
			return err
		}
	}
	return nil
}

// addScope is scope, but adds one that is new.
func (t *tx) addScope(s ledger.Scope) (int64, error) {
	if id, err := t.scope(s); id != 0 || err != nil {
		return id, err
	}
	_, id, err := t.change(sqlAddScope, s.App, string(s.Mode))
	if err != nil {
		return 0, err
	}
	t.remember(s, id)
	return id, nil
}

package postgres

import (
	"slices"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

const (
	sqlScope    = `SELECT id FROM caddypay.scopes WHERE app = $1 AND mode = $2`
	sqlAddScope = `INSERT INTO caddypay.scopes (app, mode) VALUES ($1, $2) ON CONFLICT DO NOTHING`

	sqlLock = `SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) FROM unnest($1::text[]) AS name`

	sqlCount = `INSERT INTO caddypay.deltas (scope, hour, what, n) SELECT * FROM unnest($1::integer[], $2::bigint[], $3::text[], $4::bigint[])`
)

// opens is how many statements open a transaction.
const opens = 2

// tx is what a function sees of its transaction. These, with those of the files write_*.go, are core.Tx.
type tx struct {
	session
	ledger *Ledger
	topics []ledger.Topic
	held   map[string]bool // what is locked
	counts map[delta]int64
	dues   map[int64]int64 // when, at the earliest, what it made due is so, by the scope
	coming *coming         // nil: the transaction is no group's, or records no event
}

// lockName is what an advisory lock is of.
func lockName(s ledger.Scope, what core.Thing, name string) string {
	return "caddypay " + string(what) + " " + s.Key() + " " + name
}

// Lock locks with the statement that comes next, which sees what is committed by then.
func (t *tx) Lock(s ledger.Scope, what core.Thing, name string) error {
	t.lock(escape(lockName(s, what, name)))
	return nil
}

func (t *tx) lock(name string) {
	if t.held[name] {
		return
	}
	if t.held == nil {
		t.held = make(map[string]bool)
	}
	t.held[name] = true
	t.locks = append(t.locks, name)
}

func (t *tx) Touch(topic ledger.Topic) {
	if !slices.Contains(t.topics, topic) {
		t.topics = append(t.topics, topic)
	}
}

// Opened is core.Tx's. Without an answer nothing counts as remembered; the error comes again with the commit.
func (t *tx) Opened() core.Opening {
	o, err := opening(&t.session, t.ledger.now())
	if err != nil {
		return core.Opening{Last: 1<<63 - 1, At: ledger.LastTime}
	}
	return o
}

// addScope is scope, but adds one that is new.
func (t *tx) addScope(s ledger.Scope) (int64, error) {
	if id, err := t.scope(s); id != 0 || err != nil {
		return id, err
	}
	t.tell(sqlAddScope, s.App, string(s.Mode))
	return t.scope(s)
}

// lower notes that something of a scope is due, or may be, at a time.
func (t *tx) lower(scope, due int64) {
	if t.dues == nil {
		t.dues = make(map[int64]int64)
	}
	if low, some := t.dues[scope]; !some || due < low {
		t.dues[scope] = due
	}
}

// delta is something that is counted: a state of a scope's events, in the hour -1, or what happened in an hour.
type delta struct {
	scope int64
	hour  int64
	what  string
}

// What stands among the states in counts.
const (
	eventsAtRisk = "at risk"
	fenAtRisk    = "fen at risk"
	frozen       = "frozen"
	fenFrozen    = "fen frozen"
)

func (t *tx) add(of delta, n int64) {
	if t.counts == nil {
		t.counts = make(map[delta]int64)
	}
	t.counts[of] += n
}

// count notes that an event went from a state, or from nowhere, to another.
func (t *tx) count(scope int64, from, to ledger.State) {
	if from == to {
		return
	}
	if from != "" {
		t.add(delta{scope, -1, string(from)}, -1)
	}
	t.add(delta{scope, -1, string(to)}, 1)
}

// weigh notes how much money of an event was at risk, and is.
func (t *tx) weigh(scope, was, is int64) {
	t.shift(scope, eventsAtRisk, fenAtRisk, was != 0, is != 0, was, is)
}

// freeze notes how much money of a shipment was frozen, and is.
func (t *tx) freeze(scope int64, p *core.Shipment) {
	var of, to int64
	if p.Stored.Frozen() {
		of = p.StoredFen
	}
	if p.State.Frozen() {
		to = p.Fen()
	}
	t.shift(scope, frozen, fenFrozen, p.Stored.Frozen(), p.State.Frozen(), of, to)
	p.Stored, p.StoredFen = p.State, p.Fen()
}

// shift notes that something was among others that are counted, with an amount, or is.
func (t *tx) shift(scope int64, number, fen string, was, is bool, of, to int64) {
	t.add(delta{scope, -1, fen}, to-of)
	switch {
	case is && !was:
		t.add(delta{scope, -1, number}, 1)
	case was && !is:
		t.add(delta{scope, -1, number}, -1)
	}
}

// Tally is core.Tx's. A scope in which something happens has a number by then, or gets it here; what goes wrong with that comes again with the commit.
func (t *tx) Tally(s ledger.Scope, at time.Time, what string, n int64) {
	if scope, err := t.addScope(s); err == nil {
		t.add(delta{scope, millis(core.HourOf(at)), what}, n)
	}
}

// writeCounts has what was counted written with the commit, once for all that the transaction did.
func (t *tx) writeCounts() {
	var scopes, hours, ns []int64
	var whats []string
	for of, n := range t.counts {
		if n != 0 {
			scopes, hours, whats, ns = append(scopes, of.scope), append(hours, of.hour), append(whats, of.what), append(ns, n)
		}
	}
	if len(ns) > 0 {
		t.tell(sqlCount, scopes, hours, whats, ns)
	}
}

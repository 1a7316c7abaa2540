package sqlite

import (
	"errors"
	"sync"

	"zombiezen.com/go/sqlite"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
	"github.com/caddypay/caddypay/ledger/sqlite/file"
)

// reads and writes are all statements that the two kinds of connections use. They are prepared once.
var (
	reads = []string{
		sqlScope, sqlEvent, sqlDeliveries, sqlNextDue, sqlByOrder, sqlPayments, sqlByState, sqlByType, sqlLast, sqlReceived, sqlOldBodies, sqlOldAnswers,
		sqlByAttempt, sqlOrderAttempts, sqlLastAttempts, sqlRefundsBy, sqlAudit, sqlEventAudit, sqlLastDeliveries, sqlQuote, sqlFind, sqlCounts, sqlCounted,
		sqlFirstDue, sqlOldestLate, sqlOldestState, sqlNewest, sqlDown, sqlDownType, sqlDownState, sqlPendings, sqlSweep, sqlPause, sqlHours,
		sqlCharge, sqlAttempts, sqlPayable, sqlChargesCreated, sqlRefunds, sqlRefundsOf, sqlRefundsOfCharge, sqlLogin, sqlEventsAhead, sqlChargesAhead,
		sqlRefundsAhead, sqlRun, sqlRuns, sqlOpenRuns, sqlRunDecided,
		sqlShipment, sqlShipmentsOf, sqlShipmentsBy, sqlShipmentsAhead, sqlShippings, sqlUnshipped, sqlOldShipments,
		sqlScopes, sqlWholeEvents, sqlWholeCharges, sqlWholeRefunds, sqlWholeAudit, sqlWholeQuotes, sqlWholeLogins, sqlEventID, sqlTalliedSince,
	}
	writes = []string{
		sqlScope, sqlAddScope, sqlCount,
		sqlBooks, sqlAddEvent, sqlAddBody, sqlEventRow, sqlEventAt, sqlSetEvent, sqlSetBlocked, sqlSent, sqlEffectSeen, sqlUnreadable, sqlWithheld,
		sqlPendingRefunds, sqlClaim, sqlLast, sqlLeases, sqlSetLease, sqlSettle, sqlSettleAtOnce, sqlPaymentsIn, sqlAddDelivery, sqlWaiting, sqlAddAudit, sqlOldBodies, sqlDropBody,
		sqlForsaken, sqlAddCharge, sqlChargeRow, sqlNumbered, sqlSetCharge, sqlSetAttempt, sqlDropCharge, sqlSetAnswer,
		sqlSetQuote, sqlDueQueries, sqlDueFirst, sqlOldAnswers, sqlDropAnswer,
		sqlRefunds, sqlRefundsOfCharge, sqlAddRefund, sqlSetRefund, sqlDropRefund, sqlDueRefunds,
		sqlSweep, sqlSetSweep, sqlFirstCharge, sqlSaveLogin, sqlDropLogins, sqlTally, sqlSetTalliedSince, sqlPause, sqlSetPause, sqlDropPause, sqlRun, sqlOpenRuns, sqlAddRun, sqlSetRun, sqlDecided,
		sqlShipment, sqlAddShipment, sqlSetShipment, sqlDropShipment, sqlDropShippings, sqlDueShipments, sqlAddShipping, sqlSetShipping, sqlOldShipments,
	}
)

// session is what reads and writes share: a connection, and the numbers of the scopes.
type session struct {
	conn   *file.Conn
	scopes *scopes
	fresh  map[ledger.Scope]int64 // scopes added or looked up in it
	within bool                   // a transaction: a statement that finds none does not run, since each that follows would be one of its own
}

var errNoTransaction = errors.New("the transaction has ended before its time")

func (s *session) run(text string, read func(*row), args ...any) error {
	if s.within && !s.conn.InTransaction() {
		return errNoTransaction
	}
	return query(s.conn, text, read, args...)
}

// query runs a statement on a connection.
func query(c *file.Conn, text string, read func(*row), args ...any) error {
	if read == nil {
		return c.Run(text, nil, args...)
	}
	var r row
	return c.Run(text, func(stmt *sqlite.Stmt) (more bool, err error) {
		r.stmt, r.next = stmt, 0
		read(&r)
		return !r.enough, r.err
	}, args...)
}

// number returns the number that a statement finds; 0 when it finds none.
func (s *session) number(text string, args ...any) (n int64, err error) {
	err = s.run(text, func(r *row) { n = r.number() }, args...)
	return n, err
}

// scope returns the number of a scope; 0, which no row has, when there is none yet.
func (s *session) scope(of ledger.Scope) (int64, error) {
	if id := s.scopes.get(of); id != 0 {
		return id, nil
	}
	if id := s.fresh[of]; id != 0 {
		return id, nil
	}
	id, err := s.number(sqlScope, of.App, string(of.Mode))
	if err == nil && id != 0 {
		s.remember(of, id)
	}
	return id, err
}

func (s *session) remember(of ledger.Scope, id int64) {
	if s.fresh == nil {
		s.fresh = make(map[ledger.Scope]int64)
	}
	s.fresh[of] = id
}

// list returns the rows of a statement whose first parameter is the scope.
func list[T any](from *session, read func(*row, ledger.Scope) T, text string, s ledger.Scope, args ...any) (ts []T, err error) {
	id, err := from.scope(s)
	if err != nil {
		return nil, err
	}
	err = from.run(text, func(r *row) { ts = append(ts, read(r, s)) }, append([]any{id}, args...)...)
	return ts, err
}

// one returns the first row of such a statement; nil when there is none.
func one[T any](from *session, read func(*row, ledger.Scope) T, text string, s ledger.Scope, args ...any) (found *T, err error) {
	id, err := from.scope(s)
	if err != nil {
		return nil, err
	}
	err = from.run(text, func(r *row) {
		t := read(r, s)
		found, r.enough = &t, true
	}, append([]any{id}, args...)...)
	if err != nil {
		return nil, err
	}
	return found, nil
}

// reader is a read on a connection of the pool. Every statement sees what is committed by then.
type reader struct {
	session
	file string // the ledger's
}

// AtOnce is core.Desk's. The transaction ends with the read.
func (r *reader) AtOnce(f func() error) error {
	if err := r.run("BEGIN", nil); err != nil {
		return err
	}
	return f()
}

// tx is what a job sees of the writer's transaction. Its calls do not end with the job's context: a statement that was
// interrupted would spoil the transaction for all.
type tx struct {
	session
	counts map[stateOf]int64 // changes to the number of events in a state
	tally  map[tallyOf]int64 // and to what is counted by the hour

	// Nobody may deliver an event that is not on disk: after a power failure it would be another one's effect, or held, and the backend
	// has it already.
	event  int64 // the first that this transaction recorded; 0: none yet
	last   int64 // the last that has to be on disk when this transaction is
	disk   *file.File
	opened core.Opening

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

// scopes remembers the numbers of scopes that are on disk; they never change.
type scopes struct {
	mu sync.RWMutex
	id map[ledger.Scope]int64
}

func (s *scopes) get(scope ledger.Scope) int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.id[scope]
}

func (s *scopes) add(ids map[ledger.Scope]int64) {
	if len(ids) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.id == nil {
		s.id = make(map[ledger.Scope]int64)
	}
	for scope, id := range ids {
		s.id[scope] = id
	}
}

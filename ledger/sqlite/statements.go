package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"

	"modernc.org/sqlite"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

const (
	sqlBegin    = `BEGIN IMMEDIATE`
	sqlCommit   = `COMMIT`
	sqlRollback = `ROLLBACK`
)

// reads and writes are all statements that the two kinds of connections use. They are prepared once.
var (
	reads = []string{
		sqlScope, sqlEvent, sqlDeliveries, sqlNextDue, sqlByOrder, sqlPayments, sqlByState, sqlByType, sqlLast, sqlReceived, sqlOldBodies, sqlOldAnswers,
		sqlCharge, sqlAttempts, sqlPayable, sqlChargesCreated, sqlRefunds, sqlRefundsOf, sqlRefundsOfCharge, sqlLogin, sqlEventsAhead, sqlChargesAhead,
		sqlRefundsAhead, sqlRun, sqlRuns, sqlOpenRuns, sqlRunDecided,
	}
	writes = []string{
		sqlBegin, sqlCommit, sqlRollback, sqlScope, sqlAddScope, sqlCount,
		sqlBooks, sqlAddEvent, sqlAddBody, sqlEventRow, sqlEventAt, sqlSetEvent, sqlSetBlocked, sqlSent, sqlEffectSeen, sqlUnreadable, sqlWithheld,
		sqlPendingRefunds, sqlClaim, sqlLast, sqlLeases, sqlSetLease, sqlSettle, sqlAddDelivery, sqlWaiting, sqlAddAudit, sqlOldBodies, sqlDropBody,
		sqlForsaken, sqlAddCharge, sqlChargeRow, sqlNumbered, sqlSetCharge, sqlSetAttempt, sqlDropCharge, sqlSetAnswer,
		sqlSetQuote, sqlDueQueries, sqlDueFirst, sqlOldAnswers, sqlDropAnswer,
		sqlRefunds, sqlRefundsOfCharge, sqlAddRefund, sqlSetRefund, sqlDropRefund, sqlDueRefunds,
		sqlSweep, sqlSetSweep, sqlFirstCharge, sqlSaveLogin, sqlDropLogins, sqlRun, sqlOpenRuns, sqlAddRun, sqlSetRun, sqlDecided,
	}
)

// statements is a database with its statements prepared.
type statements struct {
	db     *sql.DB
	conn   *sql.Conn // the one connection of the writer; nil for a pool
	byText map[string]*sql.Stmt
}

// prepareReads prepares the statements of the pool.
func prepareReads(ctx context.Context, file string) (*statements, error) {
	db := openReads(file)
	return (&statements{db: db}).prepare(ctx, db, reads)
}

// prepareWrites prepares the statements of the writer, all on one connection: on a pool, a transaction could lose its
// connection half-way and go on without one on the next.
func prepareWrites(ctx context.Context, file string) (*statements, error) {
	db := openWrites(file)
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return (&statements{db: db, conn: conn}).prepare(ctx, conn, writes)
}

func (s *statements) prepare(ctx context.Context, on interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}, texts []string) (*statements, error) {
	s.byText = make(map[string]*sql.Stmt, len(texts))
	for _, text := range texts {
		stmt, err := on.PrepareContext(ctx, text)
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		s.byText[text] = stmt
	}
	return s, nil
}

func (s *statements) close() error {
	var errs []error
	for _, stmt := range s.byText {
		errs = append(errs, stmt.Close())
	}
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	return errors.Join(append(errs, s.db.Close())...)
}

func (s *statements) exec(text string, args ...any) (sql.Result, error) {
	return s.byText[text].Exec(args...)
}

// onCommit has SQLite ask before anything becomes permanent on the connection. After an error of the disk it may have ended the
// transaction by itself, and each statement that follows would be a transaction of its own.
func (s *statements) onCommit(allowed func() bool) error {
	return s.conn.Raw(func(conn any) error {
		conn.(sqlite.HookRegisterer).RegisterCommitHook(func() int32 {
			if allowed() {
				return 0
			}
			return 1 // roll back
		})
		return nil
	})
}

func noTransaction(err error) bool {
	var se *sqlite.Error
	return errors.As(err, &se) && strings.Contains(se.Error(), "no transaction is active")
}

// reader is a read on the pool.
type reader struct {
	*statements
	ctx    context.Context
	scopes *scopes
	at     *sql.Tx // nil: every statement sees what is committed by then
}

func (r *reader) query(text string, args ...any) (*sql.Rows, error) {
	return r.statement(text).QueryContext(r.ctx, args...)
}

func (r *reader) row(text string, args ...any) *sql.Row {
	return r.statement(text).QueryRowContext(r.ctx, args...)
}

func (r *reader) statement(text string) *sql.Stmt {
	if r.at != nil {
		return r.at.StmtContext(r.ctx, r.byText[text])
	}
	return r.byText[text]
}

// atOnce runs a function whose statements all see the same moment.
func (r *reader) atOnce(f func() error) (err error) {
	if r.at, err = r.db.BeginTx(r.ctx, nil); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, r.at.Rollback())
		r.at = nil
	}()
	return f()
}

// scope returns the number of a scope; 0, which no row has, when there is none yet.
func (r *reader) scope(s ledger.Scope) (int64, error) {
	if id := r.scopes.get(s); id != 0 {
		return id, nil
	}
	id, err := optional(r.row(sqlScope, s.App, s.Mode))
	if err == nil && id != 0 {
		r.scopes.add(map[ledger.Scope]int64{s: id})
	}
	return id, err
}

// tx is what a job sees of the writer's transaction. Its calls do not end with the job's context: a statement that was
// interrupted would spoil the transaction for all.
type tx struct {
	*statements
	scopes *scopes
	fresh  map[ledger.Scope]int64 // scopes added or looked up in this transaction
	counts map[stateOf]int64      // changes to the number of events in a state
	dirty  bool
	topics []ledger.Topic // to signal when it is on disk
	loose  []ledger.Topic // to signal after the commit

	// Nobody may deliver an event that is not on disk: after a power failure it would be another one's effect, or held, and the backend
	// has it already.
	event    int64 // the first that this transaction recorded; 0: none yet
	last     int64 // the last that has to be on disk when this transaction is
	unforced int64 // the first of ours that may not be on disk, this transaction's included
	force    bool  // the job that runs has to be on disk, although it is lax

	disk   *disk
	opened core.Opening
}

// spoilt says whether a job that ended so leaves the transaction unfit for others: it wrote something, or its error is none of the
// ledger's own answers. SQLite's may have ended the transaction.
func (t *tx) spoilt(result error) bool {
	if result == nil {
		return false
	}
	for _, answer := range answers {
		if errors.Is(result, answer) {
			return t.dirty
		}
	}
	return true
}

// answers are the errors with which a job ends that has found out something.
var answers = []error{
	ledger.ErrNotFound, ledger.ErrReserved, ledger.ErrState, ledger.ErrRefundDiffers, ledger.ErrRefundExceeds, ledger.ErrRefundTaken,
}

// change runs a statement that writes and returns how many rows it touched and the last row inserted.
func (t *tx) change(text string, args ...any) (rows, last int64, err error) {
	t.dirty = true
	r, err := t.exec(text, args...)
	if err != nil {
		return 0, 0, err
	}
	rows, _ = r.RowsAffected()
	last, _ = r.LastInsertId()
	return rows, last, nil
}

// returning runs a statement that writes and returns rows.
func (t *tx) returning(text string, args ...any) (*sql.Rows, error) {
	t.dirty = true
	return t.query(text, args...)
}

func (t *tx) query(text string, args ...any) (*sql.Rows, error) { return t.byText[text].Query(args...) }

func (t *tx) row(text string, args ...any) *sql.Row { return t.byText[text].QueryRow(args...) }

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
		if _, err := t.exec(sqlCount, of.scope, string(of.state), n); err != nil {
			return err
		}
	}
	return nil
}

// scope returns the number of a scope; 0, which no row has, when there is none yet.
func (t *tx) scope(s ledger.Scope) (int64, error) {
	if id := t.scopes.get(s); id != 0 {
		return id, nil
	}
	if id := t.fresh[s]; id != 0 {
		return id, nil
	}
	id, err := optional(t.row(sqlScope, s.App, s.Mode))
	if err == nil && id != 0 {
		t.remember(s, id)
	}
	return id, err
}

// addScope is scope, but adds one that is new.
func (t *tx) addScope(s ledger.Scope) (int64, error) {
	if id, err := t.scope(s); id != 0 || err != nil {
		return id, err
	}
	_, id, err := t.change(sqlAddScope, s.App, s.Mode)
	if err != nil {
		return 0, err
	}
	t.remember(s, id)
	return id, nil
}

func (t *tx) remember(s ledger.Scope, id int64) {
	if t.fresh == nil {
		t.fresh = make(map[ledger.Scope]int64)
	}
	t.fresh[s] = id
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

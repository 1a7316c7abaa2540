package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger/core"
)

const (
	laxPatience = 10 * time.Second     // of writes that nobody waits for with a request
	lockShare   = 3                    // of the patience is for one lock
	againPause  = 5 * time.Millisecond // at most, between a transaction that met another one and its next run
)

// store is what the ledger brings to core.
type store struct{ ledger *Ledger }

// reader is a read on a connection of the pool. Every statement sees what is committed by then.
type reader struct {
	session
	ledger *Ledger
	wire   *wire
	caller context.Context
}

// Read fails as soon as a write does when the server does not answer: a webhook that reads has to have its 503, too. Nor does anybody who goes away spoil a
// connection. What reads much, by AtOnce, has all the time that its caller gives it, and ends with that.
func (s store) Read(caller context.Context, f func(core.Reader) error) error {
	if err := caller.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(caller), s.ledger.patience)
	defer cancel()
	conn, err := s.ledger.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	w := &wire{ctx: ctx, conn: conn.Conn()}
	r := &reader{session: session{link: w, scopes: &s.ledger.scopes}, ledger: s.ledger, wire: w, caller: caller}
	err = f(r)
	s.ledger.scopes.add(r.fresh)
	return err
}

func (s store) Write(ctx context.Context, f func(core.Tx) error) error {
	if ctx.Value(appending{}) != nil {
		return s.ledger.appends.write(ctx, s.ledger.patience, f)
	}
	return s.ledger.write(ctx, s.ledger.patience, false, f)
}

func (s store) WriteLax(ctx context.Context, f func(core.Tx) error) error {
	patience := max(laxPatience, s.ledger.patience)
	if ctx.Value(settling{}) != nil {
		return s.ledger.settles.write(ctx, patience, f)
	}
	return s.ledger.write(ctx, patience, true, f)
}

// write runs a function in a transaction, again when that met another one or lost its connection. Nobody who goes away spoils a connection: what is
// under way ends by itself, in time, but is not committed then.
func (l *Ledger) write(caller context.Context, patience time.Duration, lax bool, f func(core.Tx) error) error {
	if err := caller.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(caller), patience)
	defer cancel()
	for {
		t, again, err := l.attempt(ctx, caller, patience, lax, f)
		if err == nil {
			l.committed(t)
			return nil
		}
		if !again || ctx.Err() != nil || caller.Err() != nil {
			return err
		}
		select {
		case <-time.After(rand.N(againPause)):
		case <-ctx.Done():
			return err
		}
	}
}

// committed tells what a transaction has done, once that is certain.
func (l *Ledger) committed(t *tx) {
	l.scopes.add(t.fresh)
	l.floors.lower(t.dues)
	l.Signal(t.topics...)
	if l.wakener != nil {
		l.wakener.tell(t.topics)
	}
}

// attempt runs a function in a transaction once, and says whether it may be run again after an error.
func (l *Ledger) attempt(ctx, caller context.Context, patience time.Duration, lax bool, f func(core.Tx) error) (t *tx, again bool, err error) {
	conn, err := l.acquire(ctx)
	if err != nil {
		return nil, false, err
	}
	defer conn.Release()
	w := &wire{ctx: ctx, conn: conn.Conn()}
	t = &tx{session: session{link: w, scopes: &l.scopes}, ledger: l}
	t.begin(lax, patience)
	if err = l.call(t, f); err == nil {
		err = caller.Err()
	}
	if err != nil {
		t.rollback(w)
		return nil, met(err) || lost(err), err
	}
	if err = t.commit(w, lax); err != nil {
		l.doubt(err)
		return nil, met(err), err
	}
	return t, false, nil
}

// call runs a caller's function, which must not take the process with it.
func (l *Ledger) call(t *tx, f func(core.Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			l.log.Error("panic while writing", zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
			err = fmt.Errorf("panic while writing: %v", p)
		}
	}()
	return f(t)
}

// undone says whether the server has refused something, and so undone the transaction.
func undone(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.SeverityUnlocalized == "ERROR"
}

// met says whether an error is that two transactions met, which has undone this one.
func met(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && slices.Contains([]string{
		"40001", "40P01", // serialization failure, deadlock
		"55P03", // a lock was not to be had in time: perhaps a deadlock, and finding that out takes longer
		"23505", // unique violation: the other one is committed now, and will be found
	}, refused.Code)
}

// lost says whether an error is that the server went away, as it does from all when it restarts or another takes its place. Before the commit was sent
// that has undone the transaction; after that nobody knows.
func lost(err error) bool {
	var refused *pgconn.PgError
	return errors.Is(err, errLost) || errors.As(err, &refused) && slices.Contains([]string{
		"57P01", "57P02", "57P03", // it goes down, or comes up
		"25P03", // it ended a transaction that was idle for too long
		"25006", // it is a standby now
	}, refused.Code)
}

// begin has what opens a transaction go out with its first statement. A lax one returns once the server has it in memory.
//
// What is accepted has to be on disk whatever the database's default says. A wait for another's lock ends while there is time to run again: two may wait for
// each other, and finding that out takes the server a second. And a node that is stopped in the middle keeps its locks for two seconds, not until it wakes up.
//
// Nothing that writes looks for its rows without an index. The server would rather read all of a table of which it knows that there is little in it: when the
// ledger is new, or while one old transaction keeps it from cleaning up what was delivered.
func (t *tx) begin(lax bool, patience time.Duration) {
	t.tell(sqlBegin)
	t.tell(sqlSettings, lax, fmt.Sprint((patience / lockShare).Milliseconds()))
}

const (
	sqlBegin    = `BEGIN`
	sqlCommit   = `COMMIT`
	sqlSettings = `SELECT set_config('synchronous_commit', CASE WHEN $1::boolean THEN 'off' WHEN current_setting('synchronous_commit') = 'off' THEN 'on'
	ELSE current_setting('synchronous_commit') END, true), set_config('lock_timeout', $2, true),
	set_config('idle_in_transaction_session_timeout', '2s', true), set_config('enable_seqscan', 'off', true)`
)

// sqlVouch writes something where a transaction has written nothing. What it has found may be of one that was committed here and did not reach the
// replica: whoever waits for this commit has waited for that, too.
const sqlVouch = `SELECT pg_logical_emit_message(true, 'caddypay', '') WHERE pg_current_xact_id_if_assigned() IS NULL`

// commit ends the transaction, and returns nil only if the server vouches for it.
func (t *tx) commit(w *wire, lax bool) error {
	if len(t.ahead) == opens && t.ahead[0].text == sqlBegin {
		return nil // nothing was asked
	}
	t.writeCounts()
	if !lax {
		t.tell(sqlVouch)
	}
	t.tell(sqlCommit)
	g := guardOf(w.conn)
	g.warning.Store(nil)
	stmts := t.ahead
	t.ahead = nil
	tag, err := w.exchange(stmts)
	switch notice := g.warning.Load(); {
	case err != nil:
		t.rollback(w)
		return err
	case notice != nil:
		return &notDurable{notice}
	case tag.String() != "COMMIT":
		return fmt.Errorf("the server answered COMMIT with %s", tag)
	}
	return nil
}

// rollback ends a transaction that is not wanted, if one was begun.
func (t *tx) rollback(w *wire) {
	if status := w.conn.PgConn().TxStatus(); !w.conn.IsClosed() && status != 'I' {
		_, _ = w.conn.Exec(w.ctx, "ROLLBACK", pgx.QueryExecModeSimpleProtocol)
	}
}

package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

var scope = ledger.Scope{App: "app_1", Mode: ledger.Test}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newEvent(id string) *ledger.Event {
	return &ledger.Event{Scope: scope, ID: id, Type: "charge.succeeded", ObjectID: "ch_" + id, State: ledger.Pending,
		Source: ledger.Webhook, Received: time.UnixMilli(1), Body: []byte("body of " + id)}
}

func appendEvents(t testing.TB, l *Ledger, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if _, err := l.Append(t.Context(), newEvent(id)); err != nil {
			t.Error(err)
		}
	}
}

// stall keeps the writer busy in a transaction until the returned function is called.
func stall(t *testing.T, l *Ledger) (resume func()) {
	t.Helper()
	running, release, done := make(chan struct{}), make(chan struct{}), make(chan error)
	started := sync.OnceFunc(func() { close(running) }) // whoever shares a transaction with one that fails runs twice
	go func() {
		done <- l.write(context.Background(), func(*tx) error {
			started()
			<-release
			return nil
		})
	}()
	<-running
	return func() {
		t.Helper()
		close(release)
		must(t, <-done)
	}
}

// queued waits until n jobs wait.
func queued(t *testing.T, l *Ledger, n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); len(l.writer.queue) != n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d jobs wait, want %d", len(l.writer.queue), n)
		}
	}
}

func TestGroupCommit(t *testing.T) {
	l := openFile(t, newFile(t))
	resume := stall(t, l)
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() { appendEvents(t, l, fmt.Sprint("evt_", i)) })
	}
	queued(t, l, 100)
	before := l.writer.commits.Load()
	resume()
	wg.Wait()
	if got := l.writer.commits.Load() - before; got != 1 { // the stalled one's, which all the others join
		t.Errorf("%d commits for 100 events that came while a transaction was open, want 1", got)
	}
	if due, err := l.NextDue(t.Context(), scope); err != nil || due.Pending != 100 {
		t.Errorf("pending: %+v, %v", due, err)
	}
}

func TestBadJobHarmsNobody(t *testing.T) {
	l := openFile(t, newFile(t))
	changed, stop := l.Watch("bad")
	defer stop()
	resume := stall(t, l)
	bad := errors.New("bad")
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			if i%10 != 0 {
				appendEvents(t, l, fmt.Sprint("evt_", i))
				return
			}
			err := l.write(t.Context(), func(t *tx) error {
				t.Touch("bad")
				if _, err := core.Append(t, newEvent(fmt.Sprint("evt_", i))); err != nil {
					return err
				}
				return bad
			})
			if !errors.Is(err, bad) {
				t.Errorf("the bad job: %v", err)
			}
		})
	}
	queued(t, l, 30)
	resume()
	wg.Wait()
	for i := range 30 {
		_, err := l.Event(t.Context(), scope, fmt.Sprint("evt_", i))
		if (err == nil) != (i%10 != 0) {
			t.Errorf("evt_%d: %v", i, err)
		}
	}
	if len(changed) != 0 {
		t.Error("a job that failed was signalled")
	}
	if due, err := l.NextDue(t.Context(), scope); err != nil || due.Pending != 27 {
		t.Errorf("pending: %+v, %v", due, err)
	}
}

func TestRefusalKeepsTheGroup(t *testing.T) {
	l := openFile(t, newFile(t))
	resume := stall(t, l)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if i%2 == 0 {
				appendEvents(t, l, fmt.Sprint("evt_", i))
				return
			}
			if err := l.NoteClient(t.Context(), scope, "ch_none", ledger.ClientNote{}); !errors.Is(err, ledger.ErrNotFound) {
				t.Error(err)
			}
			if err := l.Release(t.Context(), ledger.Release{Scope: scope, Number: "none", As: ledger.Unsent}); !errors.Is(err, ledger.ErrNotFound) {
				t.Error(err)
			}
		})
	}
	queued(t, l, 20)
	resume()
	wg.Wait()
}

func TestCanceledBeforeItsTurn(t *testing.T) {
	l := openFile(t, newFile(t))
	resume := stall(t, l)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := l.Append(ctx, newEvent("evt_1"))
		result <- err
	}()
	queued(t, l, 1)
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) { // while the writer is still busy
		t.Fatal(err)
	}
	resume()
	appendEvents(t, l, "evt_2")
	if _, err := l.Event(t.Context(), scope, "evt_1"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("a canceled append is there: %v", err)
	}
}

func TestCanceledDuringItsTurn(t *testing.T) {
	l := openFile(t, newFile(t))
	ctx, cancel := context.WithCancel(t.Context())
	err := l.write(ctx, func(t *tx) error {
		cancel()
		_, err := core.Append(t, newEvent("evt_1"))
		return err
	})
	if err != nil {
		t.Fatalf("it was written, but the caller heard %v", err)
	}
	appendEvents(t, l, "evt_2")
	if _, err := l.Event(t.Context(), scope, "evt_1"); err != nil {
		t.Error(err)
	}
}

func TestCloseDrains(t *testing.T) {
	file := newFile(t)
	l := openFile(t, file)
	resume := stall(t, l)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() { appendEvents(t, l, fmt.Sprint("evt_", i)) })
	}
	queued(t, l, 50)
	wg.Go(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	resume()
	wg.Wait()
	if due, err := openFile(t, file).NextDue(t.Context(), scope); err != nil || due.Pending != 50 {
		t.Errorf("after closing: %+v, %v", due, err)
	}
}

func TestReadsDoNotWaitForWrites(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_1")
	resume := stall(t, l)
	if _, err := l.Event(t.Context(), scope, "evt_1"); err != nil {
		t.Error(err)
	}
	resume()
	if err := l.reads.with(t.Context(), func(c *conn) error { return c.run("DELETE FROM events", nil) }); err == nil {
		t.Error("a connection for reading wrote")
	}
}

func TestLockedByAnotherProgram(t *testing.T) {
	file := newFile(t)
	l := openFile(t, file)
	other, err := connectWrites(t.Context(), file)
	must(t, err)
	defer other.close()
	must(t, other.run(sqlBegin, nil))
	_, err = l.Append(t.Context(), newEvent("evt_1"))
	if err == nil || !strings.Contains(err.Error(), "another program holds it locked") {
		t.Errorf("while it is locked: %v", err)
	}
	must(t, other.rollback())
	appendEvents(t, l, "evt_1")
}

func TestBrokenConnectionIsReplaced(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_1")
	if err := l.write(t.Context(), func(t *tx) error { return t.conn.close() }); err == nil {
		t.Error("a commit on a closed connection succeeded")
	}
	appendEvents(t, l, "evt_2")
}

// TestQueryPlans: no statement may read a whole table, nor all that is in one state.
func TestQueryPlans(t *testing.T) {
	l := openFile(t, newFile(t))
	allowed := map[string]string{ // steps that would be slow elsewhere
		sqlBooks:          "SCAN one",                                        // a table of one row
		sqlChargesCreated: "USE TEMP B-TREE FOR ORDER BY",                    // of the attempts of a day
		sqlPayable:        "USE TEMP B-TREE FOR ORDER BY",                    // of what one payer may pay
		sqlPendings:       "events USING COVERING INDEX events_",             // what it lists: not many, see manyPending
		sqlNewest:         "events_scope (scope=? AND rowid>? AND rowid<?)",  // what it lists
		sqlFirstDue:       "SEARCH events USING INDEX events_due (scope=?)",  // ends at the first with money at risk, or after a thousand
		sqlForsaken:       "SEARCH charges USING INDEX charges_reserved",     // of the requests of this moment
		sqlWaiting:        "SEARCH events USING INDEX events_back (scope=?)", // what it makes due
		sqlNextDue:        "SEARCH events USING INDEX events_due (scope=?)",  // ends at the first without a lease
	}
	for _, text := range slices.Concat(reads, writes) {
		if text == sqlBegin || text == sqlCommit || text == sqlRollback {
			continue
		}
		for _, step := range steps(t, l, text) {
			if only := allowed[text]; only != "" && strings.Contains(step, only) {
				continue
			}
			for _, slow := range []string{"TEMP B-TREE", "(scope=?)", "(scope=? AND id>", "(scope=? AND state=?)", "(scope=? AND rowid"} {
				if strings.Contains(step, slow) && !strings.Contains(step, "SEARCH counts") {
					t.Errorf("%s\n%s", step, text)
				}
			}
			if strings.HasPrefix(step, "SCAN ") && !strings.HasPrefix(step, "SCAN CONSTANT") {
				t.Errorf("%s\n%s", step, text)
			}
		}
	}
}

// steps are what SQLite will do for a statement.
func steps(t *testing.T, l *Ledger, text string) (steps []string) {
	t.Helper()
	must(t, l.reads.with(t.Context(), func(c *conn) error {
		return c.run("EXPLAIN QUERY PLAN "+text, func(r *row) {
			r.next = 3 // after what leads from one to another
			steps = append(steps, r.text())
		}, make([]any, parameters(text))...)
	}))
	if len(steps) == 0 && !strings.HasPrefix(text, "INSERT") {
		t.Errorf("no steps: %s", text)
	}
	return steps
}

func parameters(text string) int {
	n := strings.Count(text, "?")
	for i := n; i > 0; i-- {
		if strings.Contains(text, fmt.Sprint("?", i)) { // numbered
			return i
		}
	}
	return n
}

// TestCounts: the counts that each transaction keeps are what counting gives.
func TestCounts(t *testing.T) {
	l := openFile(t, newFile(t))
	for i := range 20 {
		appendEvents(t, l, fmt.Sprint("evt_", i), fmt.Sprint("evt_", i))
	}
	es, err := l.Claim(t.Context(), ledger.Claim{Scope: scope, Owner: "a", Now: time.UnixMilli(9), Until: time.UnixMilli(99), Limit: 9})
	must(t, err)
	for i, e := range es {
		state := []ledger.State{ledger.Delivered, ledger.Dead, ledger.Pending}[i%3]
		must(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: scope, EventID: e.ID, State: state, Due: time.UnixMilli(5)}))
	}
	for i, action := range []ledger.Action{ledger.ActionReplay, ledger.ActionDiscard, ledger.ActionReplay} {
		must(t, l.Decide(t.Context(), ledger.Decision{Scope: scope, EventID: fmt.Sprint("evt_", i), Action: action, Now: time.UnixMilli(1000)}))
	}
	states := 0
	must(t, l.reads.with(t.Context(), func(c *conn) error {
		return c.run(`SELECT state, count(*), (SELECT n FROM counts AS c WHERE c.scope = e.scope AND c.state = e.state)
			FROM events AS e GROUP BY scope, state`, func(r *row) {
			if state, counted, kept := r.text(), r.count(), r.count(); counted != kept {
				t.Errorf("%d %s events, but %d are counted", counted, state, kept)
			}
			states++
		})
	}))
	if states != 4 {
		t.Errorf("%d states, want 4", states)
	}
}

// TestAudit: what a person decided stays on record; what the event's state did not allow is not a decision.
func TestAudit(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_1")
	d := ledger.Decision{Scope: scope, EventID: "evt_1", Action: ledger.ActionDiscard, Now: time.UnixMilli(7000), By: "address 127.0.0.1", Said: "ops", Reason: "because"}
	must(t, l.Decide(t.Context(), d))
	if err := l.Decide(t.Context(), d); !errors.Is(err, ledger.ErrState) || !strings.Contains(err.Error(), "evt_1 is discarded") {
		t.Errorf("again: %v", err)
	}
	rows := ask(t, l, `SELECT count(*) FROM audit`, (*row).count)
	got := ask(t, l, `SELECT concat_ws(' ', event, at, action, state, by, said, reason) FROM audit`, (*row).text)
	if rows != 1 || got != "1 7000 discard pending address 127.0.0.1 ops because" {
		t.Errorf("%d rows, %q", rows, got)
	}
}

package file_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

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
	for deadline := time.Now().Add(time.Minute); l.inside.Queued() != n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d jobs wait, want %d", l.inside.Queued(), n)
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
	before := l.inside.Commits.Load()
	resume()
	wg.Wait()
	if got := l.inside.Commits.Load() - before; got != 1 { // the stalled one's, which all the others join
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
	if err := l.inside.Pool(t.Context(), func(c *conn) error { return c.Run("DELETE FROM events", nil) }); err == nil {
		t.Error("a connection for reading wrote")
	}
}

func TestLockedByAnotherProgram(t *testing.T) {
	file := newFile(t)
	l := openFile(t, file)
	other, err := connectWrites(t.Context(), file)
	must(t, err)
	defer other.Close()
	must(t, other.Run("BEGIN IMMEDIATE", nil))
	_, err = l.Append(t.Context(), newEvent("evt_1"))
	if err == nil || !strings.Contains(err.Error(), "another program holds it locked") {
		t.Errorf("while it is locked: %v", err)
	}
	must(t, other.Rollback())
	appendEvents(t, l, "evt_1")
}

func TestBrokenConnectionIsReplaced(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_1")
	if err := l.write(t.Context(), func(t *tx) error { return t.conn.Close() }); err == nil {
		t.Error("a commit on a closed connection succeeded")
	}
	appendEvents(t, l, "evt_2")
}

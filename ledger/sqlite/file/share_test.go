package file_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// together has jobs run in one transaction, the first of them before all others come, and returns how they end.
func together(t *testing.T, l *Ledger, jobs ...func(*tx) error) []error {
	t.Helper()
	return togetherWith(t, l, func() {}, jobs...)
}

// togetherWith has something done, besides, before the first job ends.
func togetherWith(t *testing.T, l *Ledger, meanwhile func(), jobs ...func(*tx) error) []error {
	t.Helper()
	errs := make([]error, len(jobs))
	running, release := make(chan struct{}), make(chan struct{})
	started := sync.OnceFunc(func() { close(running); <-release }) // it may run twice
	var wg sync.WaitGroup
	wg.Go(func() {
		errs[0] = l.write(context.Background(), func(t *tx) error { started(); return jobs[0](t) })
	})
	<-running
	for i, job := range jobs[1:] {
		wg.Go(func() { errs[i+1] = l.write(context.Background(), job) })
		queued(t, l, i+1)
	}
	meanwhile()
	close(release)
	wg.Wait()
	return errs
}

func nothing(*tx) error { return nil }

// TestBatchIsBounded: a transaction takes no more jobs than it may, so that other programs have their turn.
func TestBatchIsBounded(t *testing.T) {
	l := openFile(t, newFile(t))
	must(t, l.writeLax(t.Context(), func(*tx) error { *l.inside.Batch = 3; return nil }))
	jobs := make([]func(*tx) error, 11)
	for i := range jobs {
		jobs[i] = nothing
	}
	before := l.inside.Commits.Load()
	must(t, errors.Join(together(t, l, jobs...)...))
	if n := l.inside.Commits.Load() - before; n < 4 {
		t.Errorf("%d commits for 11 jobs, of which 3 may be in one", n)
	}
}

// TestOneAtATimeAfterARefusal: when a transaction could not be committed, the next one has a single job, which has the best chance.
func TestOneAtATimeAfterARefusal(t *testing.T) {
	l := openFile(t, newFile(t))
	if err := l.write(t.Context(), func(t *tx) error { return t.conn.Close() }); err == nil {
		t.Fatal("committed on a closed connection")
	}
	before := l.inside.Commits.Load()
	must(t, errors.Join(together(t, l, nothing, nothing, nothing)...))
	if n := l.inside.Commits.Load() - before; n < 2 {
		t.Errorf("%d commit after one was refused", n)
	}
}

// TestAJobThatFailsAlone: it runs once, and costs no connection.
func TestAJobThatFailsAlone(t *testing.T) {
	l := openFile(t, newFile(t))
	bad := errors.New("bad")
	runs := 0
	var before, after *conn
	if err := l.write(t.Context(), func(t *tx) error { runs++; before = t.conn; return bad }); !errors.Is(err, bad) {
		t.Error(err)
	}
	must(t, l.write(t.Context(), func(t *tx) error { after = t.conn; return nil }))
	if runs != 1 || before != after {
		t.Errorf("%d runs; the same connection: %t", runs, before == after)
	}
}

// TestEveryoneIsTold: also when a transaction fails, and no other can begin, be it that those who came meanwhile are in it or wait for the next one, or
// that the ledger is being closed.
func TestEveryoneIsTold(t *testing.T) {
	bad := errors.New("bad")
	for _, at := range []int{0, 1} { // of the job with which the ledger is gone
		for _, closing := range []bool{false, true} {
			l, err := Open(t.Context(), Options{File: newFile(t)})
			must(t, err)
			jobs := []func(*tx) error{nothing, nothing, nothing, nothing}
			jobs[at] = func(t *tx) error {
				_ = os.Rename(l.file, l.file+".moved")
				return errors.Join(t.conn.Close(), bad)
			}
			closed := make(chan error, 1)
			told := togetherWith(t, l, func() {
				if closing {
					go func() { closed <- l.Close() }()
					eventually(t, "it takes no more", func() bool {
						return errors.Is(l.inside.Read(t.Context(), func(*conn) error { return nil }), ledger.ErrClosed)
					})
				}
			}, jobs...)
			for i, err := range told {
				if err == nil {
					t.Errorf("job %d was told that it is recorded", i)
				}
			}
			if !closing {
				closed <- l.Close()
			}
			<-closed
		}
	}
}

// TestAJobThatPanics: it takes neither the process nor those beside it along.
func TestAJobThatPanics(t *testing.T) {
	l := openFile(t, newFile(t))
	told := together(t, l, nothing, func(*tx) error { panic("odd") }, nothing)
	if told[0] != nil || told[2] != nil || told[1] == nil || !strings.Contains(told[1].Error(), "panic while writing: odd") {
		t.Errorf("%v", told)
	}
}

// TestReadOnlyConnection: SQLite begins a transaction on a connection that it has opened for reading only, and says what it is to who writes. Nobody
// is refused because of it but those who meet it first.
func TestReadOnlyConnection(t *testing.T) {
	l := openFile(t, newFile(t))
	write := func(t *tx) error { return t.conn.Run("INSERT INTO logins VALUES (randomblob(8), 'b', 9)", nil) }
	bad, runs := errors.New("bad"), 0
	again := func(t *tx) error { // it writes when it runs once more
		if runs++; runs < 2 {
			return nil
		}
		return write(t)
	}
	for _, c := range []struct {
		name    string
		jobs    []func(*tx) error
		refused int
	}{
		{"alone", []func(*tx) error{write}, 1},
		{"together", []func(*tx) error{nothing, write, nothing}, 0}, // it is done again, each by itself
		{"beside a bad one", []func(*tx) error{again, func(*tx) error { return bad }, nothing}, 2},
	} {
		reads, err := connect(t.Context(), l.file, sqlite.OpenReadOnly)
		must(t, err)
		_ = l.writeLax(t.Context(), func(t *tx) error { // the transaction ends with the connection that it began on
			_ = t.conn.Close()
			l.inside.SetWriter(reads)
			return nil
		})
		must(t, l.writeLax(t.Context(), nothing)) // after a refusal there is one job at a time
		refused := 0
		for _, err := range together(t, l, c.jobs...) {
			if err != nil {
				refused++
			}
		}
		if refused != c.refused {
			t.Errorf("%s: %d are refused, want %d", c.name, refused, c.refused)
		}
		if err := l.write(t.Context(), write); err != nil {
			t.Errorf("%s: and the next one: %v", c.name, err)
		}
	}
}

// TestNextTransactionWaitsForTheDisk: what comes while the disk is busy shares one transaction, however long it takes.
func TestNextTransactionWaitsForTheDisk(t *testing.T) {
	l, g := openGated(t)
	appended := make(chan error, 9)
	add := func(n int) {
		go func() { _, err := l.Append(context.Background(), newEvent(fmt.Sprint("evt_", n))); appended <- err }()
	}
	add(0)
	eventually(t, "the disk is busy", func() bool { return l.inside.Outstanding.Load() == 1 })
	before := l.inside.Commits.Load()
	for n := range 8 {
		add(n + 1)
		time.Sleep(10 * time.Millisecond) // each much later than the one before
	}
	eventually(t, "all are taken", func() bool { return l.inside.Queued() == 0 })
	if n := l.inside.Commits.Load() - before; n != 0 {
		t.Errorf("%d commits while the disk is busy", n)
	}
	g.lift()
	for range 9 {
		must(t, <-appended)
	}
}

// TestCloseWhileTheDiskIsBusy: what waits for the disk when the ledger is closed is written, and told so.
func TestCloseWhileTheDiskIsBusy(t *testing.T) {
	l, g := openGated(t)
	appended := make(chan error, 2)
	go func() { _, err := l.Append(context.Background(), newEvent("evt_0")); appended <- err }()
	eventually(t, "it is committed", func() bool { return l.inside.Outstanding.Load() == 1 })
	running := make(chan struct{})
	go func() {
		appended <- l.write(context.Background(), func(tx *tx) error {
			close(running) // and the transaction waits for the disk then
			_, err := core.Append(tx, newEvent("evt_1"))
			return err
		})
	}()
	<-running
	closed := make(chan error)
	go func() { closed <- l.Close() }()
	eventually(t, "it takes no more", func() bool {
		return errors.Is(l.inside.Read(t.Context(), func(*conn) error { return nil }), ledger.ErrClosed)
	})
	g.lift()
	must(t, errors.Join(<-appended, <-appended, <-closed))
	has(t, openFile(t, l.file), "evt_0", "evt_1")
}

// TestLockIsLeftToOthers: a writer that had to wait for another program lately does not keep the lock while the disk is busy, and leaves a gap between
// transactions.
func TestLockIsLeftToOthers(t *testing.T) {
	l, g := openGated(t)
	other, err := connectWrites(t.Context(), l.file)
	must(t, err)
	defer other.Close()
	g.lift()
	const many, lately = 20, time.Second
	for range 50 { // what is lately may be over on a machine that is busy
		g.open = make(chan struct{}) // shut, while the disk has nothing to do
		done := make(chan error, 2)
		go func() { done <- l.write(context.Background(), nothing) }()
		eventually(t, "the disk is busy", func() bool { return l.inside.Outstanding.Load() == 1 })
		must(t, other.Run("BEGIN IMMEDIATE", nil))
		ran := make(chan struct{})
		go func() { done <- l.write(context.Background(), func(*tx) error { close(ran); return nil }) }()
		time.Sleep(10 * time.Millisecond) // what the other does
		must(t, other.Rollback())
		<-ran
		free := false
		for start := time.Now(); !free && time.Since(start) < lately; time.Sleep(time.Millisecond) {
			free = other.Run("BEGIN IMMEDIATE", nil) == nil
		}
		must(t, other.Rollback())
		var waited time.Duration // ago
		began := time.Now()
		if free {
			for range many {
				must(t, l.writeLax(t.Context(), func(*tx) error { waited = l.inside.Waited(); return nil }))
			}
		}
		took := time.Since(began)
		g.lift()
		must(t, errors.Join(<-done, <-done))
		eventually(t, "the disk has nothing to do", func() bool { return l.inside.Outstanding.Load() == 0 && !l.inside.Loose() })
		if free && waited < lately {
			if took < many*time.Millisecond {
				t.Errorf("%d transactions take %s: they leave the other no gap", many, took)
			}
			return
		}
	}
	t.Error("the lock is kept while the disk is busy")
}

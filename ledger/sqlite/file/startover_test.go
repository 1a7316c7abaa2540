package file_test

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// fail has the next write find that the disk has failed, also with the ledger's own file.
func fail(l *Ledger) {
	l.inside.Torn.Store(true)
	l.inside.Failed.Store(true)
}

// copyAll has what is in the -wal file copied into the ledger's own, as any program may.
func copyAll(t *testing.T, file string) {
	t.Helper()
	c, err := connectWrites(t.Context(), file)
	must(t, err)
	eventually(t, "something is copied", func() bool { _, pages, err := c.Checkpoint("PASSIVE"); return err == nil && pages > 0 })
	must(t, c.Close())
}

// TestMendedBesideAnother: only a ledger whose own file could not be forced to the disk has to be left by other programs before it goes on, and it only
// that once.
func TestMendedBesideAnother(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_0")
	fail(l)
	appendEvents(t, l, "evt_1")
	other := openFile(t, l.file)
	appendEvents(t, l, "evt_2")
	copyAll(t, l.file)
	l.inside.Failed.Store(true)
	appendEvents(t, l, "evt_3")
	has(t, other, "evt_0", "evt_1", "evt_2", "evt_3")
}

// TestStartOverFails: a ledger that could not be opened again is, the next time, for reading too.
func TestStartOverFails(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_0")
	copyAll(t, l.file)
	good := *l.inside.Reads()
	*l.inside.Reads() = []string{"SELECT nothing"}
	fail(l)
	for range 2 {
		if _, err := l.Append(t.Context(), newEvent("evt_1")); err == nil {
			t.Fatal("recorded in a ledger that could not be opened again")
		}
	}
	*l.inside.Reads() = good
	appendEvents(t, l, "evt_1")
	has(t, l, "evt_0", "evt_1")
	sound(t, l)
}

// TestStartOverBesideReaders: whoever reads waits while the ledger is opened again, and hears of no error.
func TestStartOverBesideReaders(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_0")
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := l.Event(t.Context(), scope, "evt_0"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 4 {
		appendEvents(t, l, fmt.Sprint("evt_before_", i))
		copyAll(t, l.file)
		fail(l)
		appendEvents(t, l, fmt.Sprint("evt_after_", i))
	}
	close(stop)
	readers.Wait()
}

// TestMendedAfterAReader: a read of another program's, which ends soon, is waited for.
func TestMendedAfterAReader(t *testing.T) {
	l := openFile(t, newFile(t))
	var err error
	for range 5 { // the other may take longer than anybody waits
		appendEvents(t, l, "evt_0")
		release := hold(t, l)
		l.inside.Failed.Store(true)
		appended := make(chan error, 1)
		go func() { _, err := l.Append(t.Context(), newEvent("evt_1")); appended <- err }()
		eventually(t, "it waits for who reads", func() bool { return l.inside.Asked() || len(appended) > 0 })
		time.Sleep(50 * time.Millisecond) // what the other takes
		release()
		if err = <-appended; err == nil {
			return
		}
	}
	t.Error(err)
}

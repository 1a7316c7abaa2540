package file_test

import (
	"errors"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/caddypay/caddypay/ledger/core"
)

// The disk fails while the next transaction is being put together: what that one commits lies behind the hole, and is not acknowledged although
// the disk takes it.
func TestCommittedBehindAHole(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_0")
	err := l.write(t.Context(), func(tx *tx) error {
		l.inside.Failed.Store(true) // as force does when the call before this one fails
		_, err := core.Append(tx, newEvent("evt_1"))
		return err
	})
	if !errors.Is(err, errForce) {
		t.Fatalf("behind a hole: %v", err)
	}
	if _, err := l.Append(t.Context(), newEvent("evt_2")); err != nil { // the hole is mended first
		t.Fatal(err)
	}
	if l.inside.Failed.Load() {
		t.Error("nothing was mended")
	}
	has(t, l, "evt_0", "evt_2")
	sound(t, l)
}

// What the disk has not taken is written to the -wal file again, and forced there, before anything of it is copied into the ledger's own file: a
// power failure half-way would mix the two.
func TestWholeBeforeCopied(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_0")
	sync, lock := *l.inside.Sync, sync.Mutex{}
	var sizes []int64 // of the -wal file, each time that it is forced to the disk
	must(t, l.writeLax(t.Context(), func(*tx) error {
		*l.inside.Sync = func(log *os.File) error {
			info, err := log.Stat()
			if err == nil {
				lock.Lock()
				sizes = append(sizes, info.Size())
				lock.Unlock()
			}
			return errors.Join(err, sync(log))
		}
		return nil
	}))
	before, err := os.Stat(l.file + "-wal")
	must(t, err)
	l.inside.Failed.Store(true)
	appendEvents(t, l, "evt_1")
	lock.Lock()
	defer lock.Unlock()
	whole := slices.Index(sizes, before.Size())
	anew := slices.IndexFunc(sizes, func(size int64) bool { return size < before.Size() })
	if whole < 0 || anew < whole {
		t.Errorf("the -wal file of %d bytes was forced to the disk at %d bytes", before.Size(), sizes)
	}
}

package file_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"testing"
)

// folded says whether all of the -wal file is in the ledger's own.
func folded(t *testing.T, l *Ledger) bool {
	t.Helper()
	done, err := copiedBy(l, "NOOP")
	must(t, err)
	return done.frames > 0 && done.pages == done.frames
}

// TestFoldAgain: the -wal file is folded in with one connection after the other, but not while the disk has failed: what is not whole must not be copied.
func TestFoldAgain(t *testing.T) {
	l := openFile(t, newFile(t))
	must(t, l.writeLax(t.Context(), func(*tx) error { *l.inside.After = math.MaxInt; return nil })) // by the test alone
	appendEvents(t, l, "evt_1")
	before, err := os.ReadFile(l.file)
	must(t, err)
	l.inside.Failed.Store(true)
	l.inside.Fold()
	if after, err := os.ReadFile(l.file); err != nil || !bytes.Equal(after, before) {
		t.Errorf("copied while the disk has failed: %v", err)
	}
	l.inside.Failed.Store(false)
	l.inside.Fold()
	if !folded(t, l) {
		t.Error("not folded in")
	}
	fail(l)
	appendEvents(t, l, "evt_2", "evt_3") // with other connections
	l.inside.Fold()
	if !folded(t, l) {
		t.Error("not folded in after the disk had failed")
	}
	has(t, l, "evt_1", "evt_2", "evt_3")
}

// TestReadersHaveTheirOwn: two who read at the same time have a connection each, and who reads later has one of those.
func TestReadersHaveTheirOwn(t *testing.T) {
	l := openFile(t, newFile(t))
	seen := map[*conn]bool{}
	for range 5 {
		must(t, l.inside.Pool(t.Context(), func(one *conn) error {
			return l.inside.Pool(t.Context(), func(other *conn) error {
				if one == other {
					t.Error("two read with the same connection")
				}
				seen[one], seen[other] = true, true
				return nil
			})
		}))
	}
	if len(seen) != 2 {
		t.Errorf("%d connections for two who read", len(seen))
	}
}

// TestAllLongReadersYield: all that read for long are ended when the writer needs the ledger to itself.
func TestAllLongReadersYield(t *testing.T) {
	l := openFile(t, newFile(t))
	var ended []chan struct{}
	for range 3 {
		ctx, done := l.inside.TakeLong(t.Context())
		end := make(chan struct{})
		ended = append(ended, end)
		go func() { <-ctx.Done(); done(); close(end) }()
	}
	l.inside.Failed.Store(true)
	appendEvents(t, l, "evt_1")
	for _, end := range ended {
		<-end
	}
}

// TestRefusedStaysAsItWas: what is in the -wal file of a ledger that is not opened stays there.
func TestRefusedStaysAsItWas(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_1")
	known := number(t, l, "PRAGMA user_version")
	c, err := connectWrites(t.Context(), l.file)
	must(t, err)
	must(t, c.Run("PRAGMA user_version = 99", nil))
	left := losePower(t, l.file, hole{})
	must(t, c.Run(fmt.Sprint("PRAGMA user_version = ", known), nil))
	must(t, c.Close())
	want, _ := logOf(t, left)
	if err := openFileOnce(t, left); err == nil {
		t.Error("opened")
	}
	if got, _ := logOf(t, left); len(want) == 0 || !bytes.Equal(got, want) {
		t.Errorf("of %d bytes %d are left", len(want), len(got))
	}
}

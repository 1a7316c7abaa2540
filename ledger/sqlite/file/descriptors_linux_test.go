package file_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	engine "github.com/caddypay/caddypay/ledger/sqlite"
)

// descriptors counts what this process has open of a ledger, by the endings of the files; also of those that are gone from their names.
func descriptors(t *testing.T, file string) map[string]int {
	t.Helper()
	open := map[string]int{}
	fds, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	for _, fd := range fds {
		if name, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(name, file) {
			open[strings.TrimPrefix(name, file)]++
		}
	}
	return open
}

// TestNothingStaysOpen: whatever a ledger opens of its files it closes by itself. A descriptor that is left to the garbage collector would be closed at
// some time later, and with it this process would lose all locks that it has on the file by then (POSIX).
func TestNothingStaysOpen(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	file := newFile(t)
	l, err := Open(t.Context(), Options{File: file})
	must(t, err)
	appendEvents(t, l, "evt_1")
	l.inside.Fold()
	before := descriptors(t, file)["-wal"] // of the ledger's own file SQLite keeps some for the next connection
	lose(t, l)
	appendEvents(t, l, "evt_2")
	has(t, l, "evt_2")
	if after := descriptors(t, file)["-wal"]; after != before {
		t.Errorf("with another connection %d are open, before %d", after, before)
	}
	if _, err := l.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	to := filepath.Join(filepath.Dir(file), "copy.db")
	must(t, l.Backup(t.Context(), to, nil))
	given, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Backup(given, to+"2", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	if open := descriptors(t, to); len(open) > 0 {
		t.Errorf("of the copy %v are open", open)
	}
	l.inside.Failed.Store(true) // mended by the next
	l.inside.Torn.Store(true)
	appendEvents(t, l, "evt_3")
	has(t, l, "evt_3")
	l.inside.Fold()
	if after := descriptors(t, file)["-wal"]; after != before {
		t.Errorf("after a failure of the disk %d are open, before %d", after, before)
	}
	must(t, l.Close())
	if open := descriptors(t, filepath.Dir(file)); len(open) > 0 {
		t.Errorf("closed, but %v are open", open)
	}
	if faults, err := engine.Inspect(t.Context(), file); err != nil || len(faults) > 0 {
		t.Error(faults, err)
	}
	if _, err := engine.Restore(t.Context(), file, to+"3"); err != nil {
		t.Error(err)
	}
	if open := descriptors(t, filepath.Dir(file)); len(open) > 0 {
		t.Errorf("looked at and copied, but %v are open", open)
	}
}

// TestRefusedStaysClosed: of a file that is not opened nothing is open.
func TestRefusedStaysClosed(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	file := newFile(t)
	must(t, openFileOnce(t, file))
	c, err := connectWrites(t.Context(), file)
	must(t, err)
	must(t, c.Run("PRAGMA user_version = 99", nil))
	must(t, c.Close())
	if err := openFileOnce(t, file); err == nil {
		t.Fatal("opened")
	}
	if open := descriptors(t, file); len(open) > 0 {
		t.Errorf("%v are open", open)
	}
	// A folder in which nothing can be made.
	if err := openFileOnce(t, "/proc/ledger.db"); err == nil || !strings.Contains(err.Error(), "cannot create its file") {
		t.Errorf("in /proc: %v", err)
	}
}

// TestClosedWithHoleStaysClosed: nor of one whose disk has failed when it is closed.
func TestClosedWithHoleStaysClosed(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	l, err := Open(t.Context(), Options{File: newFile(t)})
	must(t, err)
	err = l.write(t.Context(), func(*tx) error {
		*l.inside.Sync = func(*os.File) error { return errors.New("no disk") }
		return nil
	})
	if !errors.Is(err, errForce) || !errors.Is(l.Close(), errForce) {
		t.Error(err)
	}
	if open := descriptors(t, l.file); len(open) > 0 {
		t.Errorf("%v are open", open)
	}
}

package sqlite

import (
	"os"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// TestReopened: a ledger that is opened again knows up to which event it was written before, and its log hears of what an operator should know.
func TestReopened(t *testing.T) {
	path := newFile(t)
	l := openFile(t, path)
	appendEvents(t, l, "evt_1", "evt_2", "evt_3")
	if l.opened.Last != 0 {
		t.Errorf("a new one has %d", l.opened.Last)
	}
	must(t, l.Close())
	must(t, os.Chmod(path, 0o644))
	core, lines := observer.New(zap.DebugLevel)
	l, err := Open(t.Context(), Options{File: path, Logger: zap.New(core)})
	must(t, err)
	defer l.Close()
	if l.opened.Last != 3 || lines.FilterMessageSnippet("other users of this machine").Len() != 1 {
		t.Errorf("up to %d; %v", l.opened.Last, lines.All())
	}
	if err := l.write(t.Context(), func(x *tx) error {
		if x.Opened() != l.opened {
			t.Errorf("a transaction has %+v, want %+v", x.Opened(), l.opened)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

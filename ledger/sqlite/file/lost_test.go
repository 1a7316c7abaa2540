package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// TestBegunAnew: what is not known to have been in use is begun without a word, also beside an empty -wal file, which holds nothing.
func TestBegunAnew(t *testing.T) {
	for name, made := range map[string][]string{"nothing": nil, "an empty file": {""}, "an empty -wal file": {"-wal"}, "both, empty": {"", "-wal"}} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "ledger.db")
			for _, ending := range made {
				must(t, os.WriteFile(file+ending, nil, 0o600))
			}
			core, logs := observer.New(zap.InfoLevel)
			for _, id := range []string{"evt_1", "evt_2"} { // the second time in a file that is its own
				l, err := Open(t.Context(), Options{File: file, Logger: zap.New(core), Known: func() (bool, error) { return false, nil }})
				must(t, err)
				appendEvents(t, l, id)
				must(t, l.Close())
			}
			if logs.Len() > 0 {
				t.Errorf("logged %v", logs.All())
			}
		})
	}
}

// TestLostIsWhatIsMissing: only a ledger that is missing or empty is lost. One that cannot be looked at, or of which nobody can say whether it was in
// use, is not, nor is one that another process makes while that is asked.
func TestLostIsWhatIsMissing(t *testing.T) {
	known := func() (bool, error) { return true, nil }
	loop := filepath.Join(t.TempDir(), "ledger.db")
	must(t, os.Symlink(loop, loop))
	if _, err := Open(t.Context(), Options{File: loop, Known: known}); err == nil || errors.Is(err, errMissing) {
		t.Errorf("one that cannot be looked at: %v", err)
	}
	unsaid := errors.New("nobody can say")
	if _, err := Open(t.Context(), Options{File: newFile(t), Known: func() (bool, error) { return false, unsaid }}); !errors.Is(err, unsaid) {
		t.Errorf("one of which nobody can say: %v", err)
	}
	made := newFile(t)
	must(t, openFileOnce(t, made))
	other, err := os.ReadFile(made)
	must(t, err)
	file := filepath.Join(t.TempDir(), "ledger.db")
	l, err := Open(t.Context(), Options{File: file, Known: func() (bool, error) { return true, os.WriteFile(file, other, 0o600) }})
	if err != nil {
		t.Fatalf("one that another process makes meanwhile: %v", err)
	}
	must(t, l.Close())
}

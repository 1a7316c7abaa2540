package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddypay/caddypay/ledger"
)

// Nothing is acknowledged into a file that is not where it was; put back, it goes on.
func TestGone(t *testing.T) {
	replace := func(t *testing.T, file string) {
		must(t, os.Rename(file, file+".moved"))
		must(t, os.WriteFile(file, []byte("another"), 0o600))
	}
	back := func(t *testing.T, file string) { must(t, os.Rename(file+".moved", file)) }
	for _, c := range []struct {
		name   string
		ending string
		away   func(t *testing.T, file string)
		back   func(t *testing.T, file string) // nil: it cannot come back
	}{
		{"moved", "", func(t *testing.T, file string) { must(t, os.Rename(file, file+".moved")) }, back},
		{"replaced", "", replace, back},
		{"removed", "", func(t *testing.T, file string) { must(t, os.Remove(file)) }, nil},
		{"its -wal file moved", "-wal", func(t *testing.T, file string) { must(t, os.Rename(file, file+".moved")) }, back},
		{"its -wal file removed", "-wal", func(t *testing.T, file string) { must(t, os.Remove(file)) }, nil},
		{"its -shm file replaced", "-shm", replace, back},
	} {
		t.Run(c.name, func(t *testing.T) {
			core, logs := observer.New(zap.InfoLevel)
			file := newFile(t)
			l, err := Open(t.Context(), Options{File: file, Logger: zap.New(core)})
			must(t, err)
			defer l.Close()
			appendEvents(t, l, "evt_1")
			c.away(t, file+c.ending)
			for range 2 {
				_, err := l.Append(t.Context(), newEvent("evt_2"))
				if !errors.Is(err, errGone) || !strings.Contains(err.Error(), file+c.ending) {
					t.Fatalf("after that: %v", err)
				}
			}
			if _, err := l.Event(t.Context(), scope, "evt_1"); !errors.Is(err, errGone) {
				t.Errorf("read: %v", err)
			}
			if n := logs.FilterLevelExact(zap.ErrorLevel).Len(); n != 1 {
				t.Errorf("%d lines tell of it", n)
			}
			if c.back == nil {
				return
			}
			c.back(t, file+c.ending)
			eventually(t, "it is noticed that the file is back", func() bool { return l.inside.Gone() == nil })
			// It is recorded now or was then; in either case it is on disk, under its name.
			if _, err := l.Append(t.Context(), newEvent("evt_2")); err != nil {
				t.Error(err)
			}
			must(t, l.Close())
			l = openFile(t, file)
			for _, id := range []string{"evt_1", "evt_2"} {
				if _, err := l.Event(t.Context(), scope, id); err != nil {
					t.Errorf("%s: %v", id, err)
				}
			}
		})
	}
}

// Whoever restores a backup under a running process does not lose it when that process ends.
func TestGoneLeavesOthersAlone(t *testing.T) {
	file := newFile(t)
	l, err := Open(t.Context(), Options{File: file})
	must(t, err)
	appendEvents(t, l, "evt_1")
	for _, ending := range endings {
		must(t, os.Remove(file+ending))
		must(t, os.WriteFile(file+ending, []byte("restored"), 0o600))
	}
	if _, err := l.Append(t.Context(), newEvent("evt_2")); !errors.Is(err, errGone) {
		t.Fatal(err)
	}
	_ = l.Close()
	for _, ending := range endings {
		if b, err := os.ReadFile(file + ending); err != nil || string(b) != "restored" {
			t.Errorf("%s: %q, %v", file+ending, b, err)
		}
	}
}

// A ledger that was in use is never begun anew in silence.
func TestKnown(t *testing.T) {
	known := func() (bool, error) { return true, nil }
	file := newFile(t)
	if _, err := Open(t.Context(), Options{File: file, Known: known}); !errors.Is(err, errMissing) {
		t.Errorf("missing: %v", err)
	}
	must(t, os.MkdirAll(filepath.Dir(file), 0o700))
	must(t, os.WriteFile(file, nil, 0o600))
	if _, err := Open(t.Context(), Options{File: file, Known: known}); !errors.Is(err, errMissing) {
		t.Errorf("empty: %v", err)
	}
	must(t, openFile(t, file).Close())
	l, err := Open(t.Context(), Options{File: file, Known: known})
	must(t, err)
	defer l.Close()
	if did, err := l.Append(t.Context(), newEvent("evt_1")); err != nil || did != ledger.Recorded {
		t.Error(did, err)
	}
}

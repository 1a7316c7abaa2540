package file

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/zap"
)

// The folders in which something is new are those that were made, and the one that was there.
func TestFoldersThatAreMade(t *testing.T) {
	root := t.TempDir()
	a, b := filepath.Join(root, "a"), filepath.Join(root, "a", "b")
	for _, want := range [][]string{{b, a, root}, {b}} {
		if changed, err := createFolder(filepath.Join(b, "ledger.db")); err != nil || !slices.Equal(changed, want) {
			t.Errorf("%q, %v, want %q", changed, err, want)
		}
	}
}

// openedDisk is a disk that uses the -wal file of a ledger, and the ledger's file.
func openedDisk(t *testing.T) (*disk, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ledger.db")
	for _, ending := range endings {
		if err := os.WriteFile(file+ending, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := &File{path: file, presence: &presence{file: file, log: zap.NewNop()}}
	d := newDisk(f)
	if err := errors.Join(f.presence.begin(), d.open(file)); err != nil {
		t.Fatal(err)
	}
	return d, file
}

// What has gone wrong until a -wal file is opened again may be told to the descriptor of before alone, so that is asked.
func TestTheLastDescriptorIsAsked(t *testing.T) {
	for _, fails := range []bool{false, true} {
		d, file := openedDisk(t)
		before := d.log
		d.sync = func(log *os.File) error {
			if log == before && fails {
				return errors.New("no disk")
			}
			return datasync(log)
		}
		if err := d.open(file); err != nil || d.failed.Load() != fails || d.log == before {
			t.Errorf("fails: %t, noted: %t, %v", fails, d.failed.Load(), err)
		}
		if err := before.Close(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("it is left open: %v", err)
		}
		if err := d.close(); err != nil {
			t.Error(err)
		}
	}
}

// A disk that was closed is closed once, and opened again as if it were new.
func TestDiskIsClosedOnce(t *testing.T) {
	d, file := openedDisk(t)
	for range 2 {
		if err := errors.Join(d.close(), d.close()); err != nil {
			t.Error(err)
		}
		if err := d.open(file); err != nil || d.failed.Load() {
			t.Errorf("noted: %t, %v", d.failed.Load(), err)
		}
	}
	if err := d.close(); err != nil {
		t.Error(err)
	}
}

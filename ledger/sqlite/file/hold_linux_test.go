package file

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Who holds a ledger's -wal file has all the bytes that whoever removes it needs, and no other; if another has them all at that moment, that passes.
func TestHold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	other, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	lock := func(kind int16, at, n int64) error {
		return syscall.FcntlFlock(other.Fd(), ofdSetLock, &syscall.Flock_t{Type: kind, Start: at, Len: n})
	}
	held, err := hold(path)
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[int64]bool{firstShared - 1: true, firstShared: false, firstShared + sharedBytes - 1: false, firstShared + sharedBytes: true} {
		if err := lock(syscall.F_WRLCK, at, 1); (err == nil) != want {
			t.Errorf("byte %#x: %v", at, err)
		}
	}
	if err := held.Close(); err != nil {
		t.Error(err)
	}
	if err := lock(syscall.F_WRLCK, firstShared, sharedBytes); err != nil {
		t.Errorf("it is held on: %v", err)
	}
	if f, err := hold(path); !isBusy(err) || f != nil {
		t.Errorf("beside one who is alone with it: %v, %v", f, err)
	}
	if _, err := hold(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
}

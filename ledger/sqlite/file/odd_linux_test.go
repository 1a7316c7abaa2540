package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"zombiezen.com/go/sqlite"
)

// Every file system that is known to be no local one is named; a local one is not.
func TestForeignByNumber(t *testing.T) {
	for magic, want := range map[uint32]string{
		0x6969: "NFS", 0xff534d42: "CIFS", 0xfe534d42: "CIFS", 0x517b: "CIFS", 0x01021997: "9p", 0x65735546: "FUSE", 0x786f4256: "vboxsf", 0x00c36400: "Ceph",
		0x5346414f: "AFS", 0x6b414653: "AFS", 0xef53: "", 0x01021994: "", 0: "",
	} {
		if got := foreign(magic); got != want {
			t.Errorf("%#x: %q, want %q", magic, got, want)
		}
	}
	if m := magic(t.TempDir()); m == 0 {
		t.Error("nobody can say on which file system a folder is")
	}
	if m := magic("/nowhere"); m != 0 {
		t.Errorf("%#x is that of nothing", m)
	}
}

// Only a connection that may not write to the -shm file takes it for busy where it would have to.
func TestMetAtOneMoment(t *testing.T) {
	for err, want := range map[error]bool{
		nil: false, sqlite.ResultReadOnlyRecovery.ToError(): true, sqlite.ResultReadOnlyCantInit.ToError(): true, sqlite.ResultReadOnly.ToError(): false,
		errors.New("odd"): false,
	} {
		if got := (&Conn{looks: true}).met(err); isBusy(got) != want || !errors.Is(got, err) {
			t.Errorf("%v becomes %v", err, got)
		}
		if got := (&Conn{}).met(err); got != err {
			t.Errorf("one that may write: %v becomes %v", err, got)
		}
	}
}

// A pool that is closed opens no connection: it would keep the -wal file where it is.
func TestClosedPool(t *testing.T) {
	f := openBare(t)
	defer f.Close()
	p, err := openPool(t.Context(), f.path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.close(), p.close()); err != nil {
		t.Error(err)
	}
	if err := p.with(t.Context(), func(*Conn) error { return nil }); !errors.Is(err, errClosed) {
		t.Errorf("read: %v", err)
	}
}

// Where there is no -shm file, as where only one process may use a ledger, nothing is missed; a folder that cannot be forced to the disk need not be.
func TestWhatNeedNotBe(t *testing.T) {
	d, file := openedDisk(t)
	if err := errors.Join(os.Remove(file+"-shm"), d.open(file), d.close()); err != nil {
		t.Error(err)
	}
	if err := syncFolder("/proc"); err != nil {
		t.Errorf("/proc: %v", err)
	}
	if err := syncFolder(filepath.Join(file, "none")); err == nil {
		t.Error("a folder that is none was forced to the disk")
	}
	if err := vacant(filepath.Join(file, "ledger.db")); err == nil || errors.Is(err, fs.ErrExist) {
		t.Errorf("below a file: %v", err)
	}
}

package file_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	engine "github.com/caddypay/caddypay/ledger/sqlite"
	"github.com/caddypay/caddypay/ledger/sqlite/file"
)

func init() { children["locks"] = childLocks }

// lockedBytes are what a child locks, each in a file of its own.
var lockedBytes = map[string][]int64{"before": {122}, "first": {123}, "last": {127}, "behind": {128}, "two": {123, 125}}

func childLocks() int {
	for name, at := range lockedBytes {
		f, err := os.OpenFile(os.Getenv("LEDGER_FILE")+name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return complain(name, err)
		}
		for _, at := range at {
			if err := syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &syscall.Flock_t{Type: syscall.F_RDLCK, Start: at, Len: 1}); err != nil {
				return complain(name, err)
			}
		}
		defer f.Close()
	}
	fmt.Println("locked")
	time.Sleep(time.Hour) // it is killed
	return 0
}

// TestWhoReads: whoever has locked what readers lock is named once, and nobody else is: neither who locks other bytes, nor this process.
func TestWhoReads(t *testing.T) {
	shm := newFile(t)
	must(t, os.MkdirAll(shm[:strings.LastIndexByte(shm, '/')], 0o700))
	child, lines := startChild(t, "locks", shm)
	defer func() {
		_ = child.Process.Kill()
		_ = child.Wait()
	}()
	if !lines.Scan() || lines.Text() != "locked" {
		t.Fatalf("the child says %q", lines.Text())
	}
	for name := range lockedBytes {
		var want []int
		if name == "first" || name == "last" || name == "two" {
			want = []int{child.Process.Pid}
		}
		if got := file.ReadersOf(shm + name); !slices.Equal(got, want) {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	own, err := os.OpenFile(shm+"own", os.O_RDWR|os.O_CREATE, 0o600)
	must(t, err)
	defer own.Close()
	must(t, syscall.FcntlFlock(own.Fd(), syscall.F_SETLK, &syscall.Flock_t{Type: syscall.F_RDLCK, Start: 124, Len: 1}))
	if got := file.ReadersOf(shm + "own"); len(got) > 0 {
		t.Errorf("this process, which is %d, is named: %d", os.Getpid(), got)
	}
	if got := file.ReadersOf(shm + "none"); len(got) > 0 {
		t.Errorf("%d read what is not there", got)
	}
}

// free says whether another program could lock a byte of a file for itself.
func free(t *testing.T, path string, at int64) bool {
	t.Helper()
	const getLock = 36 // F_OFD_GETLK
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Start: at, Len: 1}
	must(t, syscall.FcntlFlock(f.Fd(), getLock, &lock))
	return lock.Type == syscall.F_UNLCK
}

// TestReadingHoldsTheLog: as long as a ledger is read beside who writes it, nobody is alone with it, who would remove its -wal file.
func TestReadingHoldsTheLog(t *testing.T) {
	const first, bytes = 0x40000002, 510
	path := newFile(t)
	w := startWriter(t, path)
	w.record(t, 3, 3)
	r, err := engine.OpenReading(t.Context(), path)
	must(t, err)
	w.kill(t)
	for at, want := range map[int64]bool{first - 2: true, first: false, first + bytes - 1: false, first + bytes: true} {
		if free(t, path, at) != want {
			t.Errorf("byte %#x can be locked: %t", at, !want)
		}
	}
	must(t, r.Close())
	if !free(t, path, first) {
		t.Error("it is held on")
	}
}

// TestRefusedToReadStaysClosed: of a ledger that is not read nothing is open, and nobody is kept from it.
func TestRefusedToReadStaysClosed(t *testing.T) {
	path := newFile(t)
	must(t, openFileOnce(t, path))
	c, err := connectWrites(t.Context(), path)
	must(t, err)
	must(t, c.Run("PRAGMA user_version = 99", nil))
	must(t, c.Close())
	if _, err := engine.OpenReading(t.Context(), path); err == nil {
		t.Fatal("opened")
	}
	if open := descriptors(t, path); len(open) > 0 {
		t.Errorf("%v are open", open)
	}
}

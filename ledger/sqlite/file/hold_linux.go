package file

import (
	"errors"
	"os"
	"syscall"

	"zombiezen.com/go/sqlite"
)

const (
	ofdSetLock  = 37         // F_OFD_SETLK: a lock of the open file, not of the process, in which SQLite has locks of its own
	firstShared = 0x40000002 // bytes that SQLite locks while it has a file open in WAL mode; who removes the -wal file needs all of them alone
	sharedBytes = 510
)

// hold keeps others from removing the -wal file of a ledger as long as the returned file is open. Where files cannot be locked nothing does.
func hold(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	err = syscall.FcntlFlock(f.Fd(), ofdSetLock, &syscall.Flock_t{Type: syscall.F_RDLCK, Start: firstShared, Len: sharedBytes})
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) { // somebody closes it at this moment, perhaps
		return nil, errors.Join(sqlite.ResultBusy.ToError(), f.Close())
	}
	return f, nil
}

package sqlite

import (
	"bytes"
	"os"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// TestDamagedWhereItCounts: a ledger is not opened of which what waits to be delivered cannot be read.
func TestDamagedWhereItCounts(t *testing.T) {
	path := newFile(t)
	l := openFile(t, path)
	appendEvents(t, l, "evt_1", "evt_2")
	must(t, l.Close())
	number := func(text string) (n int64) {
		t.Helper()
		c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
		must(t, err)
		defer c.Close()
		must(t, sqlitex.ExecuteTransient(c, text, &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error { n = stmt.ColumnInt64(0); return nil }}))
		return n
	}
	page, size := number(`SELECT rootpage FROM sqlite_master WHERE name = 'events_due'`), number("PRAGMA page_size")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	_, err = f.WriteAt(bytes.Repeat([]byte{0xa7}, int(size)), (page-1)*size)
	must(t, err)
	must(t, f.Close())
	if l, err := Open(t.Context(), Options{File: path}); err == nil {
		l.Close()
		t.Error("opened")
	}
}

package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"

	"github.com/caddypay/caddypay/ledger"
)

// closedBare is a bare file with so many rows that nobody has open, and its engine.
func closedBare(t *testing.T, rows int) (string, Engine) {
	t.Helper()
	f := openBare(t)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := connectWrites(t.Context(), f.path)
	for n := 0; n < rows && err == nil; n++ {
		err = c.Run("INSERT INTO a VALUES (1)", nil)
	}
	if err = errors.Join(err, c.close()); err != nil {
		t.Fatal(err)
	}
	return f.path, f.engine
}

func rowsOf(t *testing.T, r *Reading) (n int, err error) {
	t.Helper()
	err = r.Read(t.Context(), func(c *Conn) error {
		return c.Run("SELECT count(*) FROM a", func(s *sqlite.Stmt) (bool, error) { n = s.ColumnInt(0); return true, nil })
	})
	return n, err
}

// A ledger that was closed in order is read, whatever empty files stand beside it, and nothing beside it changes.
func TestReadingBesideEmptyFiles(t *testing.T) {
	file, e := closedBare(t, 3)
	for _, beside := range [][]string{{}, {"-wal"}, {"-shm"}, {"-journal"}, {"-journal", "-wal"}} {
		for _, ending := range beside {
			if err := os.WriteFile(file+ending, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r, err := OpenReading(t.Context(), file, e)
		if err != nil {
			t.Errorf("beside %q: %v", beside, err)
			continue
		}
		if n, err := rowsOf(t, r); n != 3 || err != nil || r.Path() != file {
			t.Errorf("beside %q: %d rows in %s, %v", beside, n, r.Path(), err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		for _, ending := range beside {
			if info, err := os.Stat(file + ending); err != nil || info.Size() > 0 {
				t.Errorf("beside %q: %v, %v", beside, info, err)
			}
			_ = os.Remove(file + ending)
		}
	}
}

// Where nobody can say whether there is more of a ledger beside it, it is not read without that.
func TestReadingBesideWhatCannotBeSeen(t *testing.T) {
	for _, ending := range []string{"-wal", "-shm"} {
		file, e := closedBare(t, 1)
		if err := os.Symlink(file+ending, file+ending); err != nil {
			t.Fatal(err)
		}
		if r, err := OpenReading(t.Context(), file, e); err == nil {
			t.Errorf("read, although nobody can look at %s", ending)
			_ = r.Close()
		}
	}
}

// What has pages but no table is no ledger.
func TestReadingNothing(t *testing.T) {
	file, e := closedBare(t, 0)
	c, err := connectWrites(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"DROP TABLE a", "PRAGMA application_id = 0", "PRAGMA user_version = 0"} {
		if err := c.Run(text, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReading(t.Context(), file, e); err == nil || !strings.Contains(err.Error(), "there is no ledger in it; name another file") {
		t.Error(err)
	}
}

// What callers tell apart they are told as it is, a read ends with its context, and a file that could not be opened again is once it can be.
func TestReadingGoesOn(t *testing.T) {
	file, e := closedBare(t, 2)
	r, err := OpenReading(t.Context(), file, e)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Read(t.Context(), func(*Conn) error { return ledger.ErrNotFound }); !errors.Is(err, ledger.ErrNotFound) || strings.Contains(err.Error(), file) {
		t.Errorf("not found: %v", err)
	}
	odd := errors.New("odd")
	if err := r.Read(t.Context(), func(*Conn) error { return odd }); !errors.Is(err, odd) || !strings.Contains(err.Error(), file) {
		t.Errorf("an odd error: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := r.Read(ctx, func(c *Conn) error { cancel(); return c.Run(endless, nil) }); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if err := os.Rename(file, file+".moved"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := rowsOf(t, r); err == nil || !strings.Contains(err.Error(), "there is no such file") {
			t.Errorf("moved: %v", err)
		}
	}
	if err := os.Rename(file+".moved", file); err != nil {
		t.Fatal(err)
	}
	if n, err := rowsOf(t, r); n != 2 || err != nil {
		t.Errorf("moved back: %d rows, %v", n, err)
	}
}

// What this user may not do says so; what is no ledger says which file to name.
func TestWhyItCannotBeRead(t *testing.T) {
	r := &Reading{path: t.TempDir()}
	for code, want := range map[sqlite.ResultCode]string{
		sqlite.ResultCantOpen: "cannot be read", sqlite.ResultPerm: "cannot be read", sqlite.ResultReadOnly: "cannot be read", sqlite.ResultNotADB: "name the file of a ledger",
		sqlite.ResultBusy: "holds it locked", sqlite.ResultCorrupt: "damaged", sqlite.ResultReadOnlyCantInit: "cannot be read",
	} {
		if err := r.explain(fmt.Errorf("odd: %w", code.ToError())); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), r.path) {
			t.Errorf("%s: %v", code, err)
		}
	}
	if err := r.explain(nil); err != nil {
		t.Error(err)
	}
}

// A ledger that others may write is read by a connection that waits for who is met at the one moment at which it would have to write itself.
func TestLooksAlone(t *testing.T) {
	f := openBare(t)
	defer f.Close()
	c, err := connectLooks(t.Context(), f.path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := c.met(sqlite.ResultReadOnlyRecovery.ToError()); !isBusy(err) {
		t.Error(err)
	}
	if err := c.Run("DELETE FROM a", nil); err == nil {
		t.Error("it wrote")
	}
}

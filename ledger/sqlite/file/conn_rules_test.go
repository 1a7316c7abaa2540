package file

import (
	"context"
	"errors"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
)

// holdLock has another connection hold the lock for writing until the test ends.
func holdLock(t *testing.T, file string) {
	t.Helper()
	other, err := connectWrites(t.Context(), file)
	if err == nil {
		err = other.Run(sqlBegin, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := other.close(); err != nil {
			t.Error(err)
		}
	})
}

// A connection waits for another's lock as long as its context lasts, and only while it has one; SQLite's own waiting would never end.
func TestWhoWaitsForALock(t *testing.T) {
	f := openBare(t)
	defer f.Close()
	holdLock(t, f.path)
	c, err := connectWrites(t.Context(), f.path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := c.Run(sqlBegin, nil); !isBusy(err) {
		t.Errorf("without a context: %v", err)
	}
	short, end := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer end()
	stop := c.until(short)
	if err := c.Run(sqlBegin, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("for a moment: %v", err)
	}
	stop()
	if err := c.Run(sqlBegin, nil); !isBusy(err) {
		t.Errorf("when its context is over and forgotten: %v", err)
	}
}

// All rows are read, until no more are wanted, or one cannot be read. A closed connection runs nothing.
func TestRowsThatAreWanted(t *testing.T) {
	f := openBare(t)
	defer f.Close()
	c, err := connectWrites(t.Context(), f.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run("INSERT INTO a VALUES (1), (2), (3)", nil); err != nil {
		t.Error(err)
	}
	odd := errors.New("odd")
	for _, tt := range []struct {
		most int64 // row that is wanted
		fail error
		read int64
	}{{9, nil, 3}, {2, nil, 2}, {9, odd, 1}} {
		read := int64(0)
		err := c.Run("SELECT n FROM a ORDER BY n", func(s *sqlite.Stmt) (more bool, err error) {
			read = s.ColumnInt64(0)
			return read < tt.most, tt.fail
		})
		if !errors.Is(err, tt.fail) || read != tt.read {
			t.Errorf("%+v: read %d, %v", tt, read, err)
		}
	}
	if err := errors.Join(c.close(), c.close()); err != nil {
		t.Error(err)
	}
	if err := c.Run("SELECT 1", nil); !errors.Is(err, errClosed) {
		t.Errorf("closed: %v", err)
	}
	if err := c.Rollback(); !errors.Is(err, errClosed) {
		t.Errorf("closed: %v", err)
	}
}

// A checkpoint says how long the -wal file is, how much of that is copied, and whether somebody was in its way.
func TestWhatACheckpointSays(t *testing.T) {
	f := openBare(t)
	defer f.Close()
	c, err := connectWrites(t.Context(), f.path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	write := func() {
		t.Helper()
		if err := c.Run("INSERT INTO a VALUES (1)", nil); err != nil {
			t.Fatal(err)
		}
	}
	write()
	reader, err := takeSnapshot(t.Context(), f.path)
	if err != nil {
		t.Fatal(err)
	}
	write()
	said := func(mode string) copied {
		t.Helper()
		done, err := c.checkpoint(mode)
		if err != nil {
			t.Error(err)
		}
		return done
	}
	looked := said("NOOP")
	if looked.frames < 2 || looked.pages != 0 || looked.busy {
		t.Errorf("a look: %+v", looked)
	}
	if done := said("TRUNCATE"); !done.busy || done.frames != looked.frames || done.pages == 0 || done.pages >= done.frames {
		t.Errorf("beside one who reads: %+v", done)
	}
	if err := reader.drop(); err != nil {
		t.Error(err)
	}
	if done := said("PASSIVE"); done != (copied{frames: looked.frames, pages: looked.frames}) {
		t.Errorf("alone: %+v", done)
	}
	if done := said("TRUNCATE"); done != (copied{}) {
		t.Errorf("emptied: %+v", done)
	}
}

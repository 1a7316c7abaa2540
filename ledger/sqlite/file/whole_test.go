package file_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/caddypay/caddypay/ledger/sqlite/file"
)

// TestFramesThatAreLost: what the system has dropped from the -wal file because it could not be written is missed, and nothing is acknowledged behind it.
func TestFramesThatAreLost(t *testing.T) {
	l, err := Open(t.Context(), Options{File: newFile(t)})
	must(t, err)
	appendEvents(t, l, "evt_1")
	info, err := os.Stat(l.file + "-wal")
	must(t, err)
	log, err := os.OpenFile(l.file+"-wal", os.O_WRONLY, 0)
	must(t, err)
	_, err = log.WriteAt(make([]byte, pageSize), info.Size()-pageSize)
	must(t, errors.Join(err, log.Close()))
	l.inside.Failed.Store(true)
	for range 2 {
		if _, err := l.Append(t.Context(), newEvent("evt_2")); !errors.Is(err, errLost) || !errors.Is(err, errForce) {
			t.Errorf("recorded behind what is lost: %v", err)
		}
	}
	if err := l.Close(); !errors.Is(err, errLost) {
		t.Errorf("closed: %v", err)
	}
}

// TestWrittenAgainAtOpening: who used the ledger last may have been killed after the disk had failed. So what is in the -wal file is written once more.
func TestWrittenAgainAtOpening(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_1", "evt_2")
	left := losePower(t, l.file, hole{})
	before := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(left+"-wal", before, before))
	after := openFile(t, left)
	info, err := os.Stat(left + "-wal")
	must(t, err)
	if info.Size() == 0 || !info.ModTime().After(before.Add(time.Minute)) {
		t.Errorf("the -wal file of %d bytes is of %s", info.Size(), info.ModTime())
	}
	has(t, after, "evt_1", "evt_2")
}

// TestCloseFoldsBesideAnother: who closes a ledger that others have open leaves nothing for them to fold in.
func TestCloseFoldsBesideAnother(t *testing.T) {
	l := openFile(t, newFile(t))
	other := openFile(t, l.file)
	appendEvents(t, l, "evt_1")
	must(t, l.Close())
	if info, err := os.Stat(l.file + "-wal"); err != nil || info.Size() != 0 {
		t.Errorf("%+v, %v", info, err)
	}
	has(t, other, "evt_1")
	appendEvents(t, other, "evt_2")
}

// TestLaxBehindAHole: what needs no disk is not written behind a hole either; its caller hears of it at once.
func TestLaxBehindAHole(t *testing.T) {
	l := openFile(t, newFile(t))
	err := l.writeLax(t.Context(), func(*tx) error {
		l.inside.Failed.Store(true) // as force does when the call before this one fails
		return nil
	})
	if !errors.Is(err, errForce) {
		t.Errorf("behind a hole: %v", err)
	}
	must(t, l.writeLax(t.Context(), nothing))
}

// TestContextOfTheOpening: the context bounds the opening only.
func TestContextOfTheOpening(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l, err := Open(ctx, Options{File: newFile(t)})
	must(t, err)
	defer l.Close()
	cancel()
	appendEvents(t, l, "evt_1")
	has(t, l, "evt_1")
	for what, err := range map[string]error{
		"written": l.write(t.Context(), func(t *tx) error { return t.conn.Run("nonsense", nil) }),
		"read":    l.inside.Read(t.Context(), func(c *conn) error { return c.Run("nonsense", nil) }),
	} {
		if err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := Open(t.Context(), Options{}); err == nil || !strings.Contains(err.Error(), "no file named") {
		t.Errorf("without a name: %v", err)
	}
}

// TestBackupBesideAnother: a file that somebody makes while a backup is made stays as it is, and nothing is left of the backup.
func TestBackupBesideAnother(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_1")
	folder := t.TempDir()
	to := filepath.Join(folder, "copy.db")
	err := l.Backup(t.Context(), to, func(int, int) { must(t, os.WriteFile(to, []byte("another"), 0o600)) })
	if text, rerr := os.ReadFile(to); !errors.Is(err, os.ErrExist) || rerr != nil || string(text) != "another" {
		t.Errorf("%v; it holds %q, %v", err, text, rerr)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Errorf("%v is left, %v", left, err)
	}
	if err := l.Backup(t.Context(), filepath.Join(folder, "none", "copy.db"), nil); err == nil || !strings.Contains(err.Error(), "name a folder that exists") {
		t.Errorf("in no folder: %v", err)
	}
}

// TestBackupYields: a backup is ended with a word when the disk has failed and the -wal file has to begin anew; whoever has ended it goes on.
func TestBackupYields(t *testing.T) {
	l := openFile(t, newFile(t))
	large := newEvent("evt_0")
	large.Body = make([]byte, 8*file.CopyPages*pageSize) // it takes a while
	_, err := l.Append(t.Context(), large)
	must(t, err)
	appended := make(chan error, 1)
	to := filepath.Join(t.TempDir(), "copy.db")
	begun := false
	err = l.Backup(t.Context(), to, func(int, int) {
		if !begun {
			begun = true
			l.inside.Failed.Store(true)
			go func() { _, err := l.Append(context.Background(), newEvent("evt_1")); appended <- err }()
		}
		eventually(t, "it is to end", func() bool { return l.inside.Asked() })
	})
	if !errors.Is(err, errYield) {
		t.Errorf("ended by %v", err)
	}
	must(t, <-appended)
	must(t, l.Backup(t.Context(), to, nil))
	l.inside.Failed.Store(true)
	appendEvents(t, l, "evt_2") // nothing that has ended is waited for
}

// TestNullFollowsAValue: a prepared statement keeps what it was given before; NULL takes its place all the same.
func TestNullFollowsAValue(t *testing.T) {
	l := openFile(t, newFile(t))
	must(t, l.inside.Read(t.Context(), func(c *conn) error {
		must(t, c.Prepare(t.Context(), "SELECT ?, ?"))
		for _, given := range [][]any{{"text", []byte("bytes")}, {nil, []byte(nil)}} {
			must(t, c.Run("SELECT ?, ?", func(s *sqlite.Stmt) (bool, error) {
				for i, v := range given {
					if null := v == nil || i == 1 && v.([]byte) == nil; s.ColumnIsNull(i) != null {
						t.Errorf("given %v: column %d holds %q", given, i, s.ColumnText(i))
					}
				}
				return true, nil
			}, given...))
		}
		return nil
	}))
}

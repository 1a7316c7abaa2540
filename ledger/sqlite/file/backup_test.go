package file_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"zombiezen.com/go/sqlite"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/ledgertest/old"
	"github.com/caddypay/caddypay/ledger/sqlite/file"
)

// A backup is a sound ledger of its own, with all that was acknowledged before it began, though more comes in meanwhile.
func TestBackup(t *testing.T) {
	l := openFile(t, newFile(t))
	appendMany(t, l, "evt_before", 1000)
	ctx, end := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() {
		for ctx.Err() == nil {
			appendMany(t, l, "evt_meanwhile"+rand.Text(), 20)
		}
	})
	to := filepath.Join(t.TempDir(), "copy.db")
	var last, pages int
	must(t, l.Backup(t.Context(), to, func(done, all int) {
		if done < last {
			t.Errorf("%d pages after %d", done, last)
		}
		last, pages = done, all
	}))
	end()
	writing.Wait()
	if last == 0 || last != pages {
		t.Errorf("it ended at %d of %d pages", last, pages)
	}
	if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if faults := verifyFile(t, to); len(faults) > 0 {
		t.Errorf("the copy: %q", faults)
	}
	if n := number(t, openFile(t, to), "SELECT count(*) FROM events WHERE id LIKE 'evt_before%'"); n != 1000 {
		t.Errorf("the copy has %d of 1000 events", n)
	}
	if err := l.Backup(t.Context(), to, nil); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), to) {
		t.Errorf("over a file that exists: %v", err)
	}
}

// What is broken off leaves nothing behind.
func TestBackupCut(t *testing.T) {
	l := openFile(t, newFile(t))
	for range 3 {
		appendMany(t, l, rand.Text(), 1000)
	}
	if n := number(t, l, "PRAGMA page_count"); n <= file.CopyPages {
		t.Fatalf("%d pages are copied at once", n)
	}
	ctx, end := context.WithCancel(t.Context())
	folder := t.TempDir()
	if err := l.Backup(ctx, filepath.Join(folder, "copy.db"), func(int, int) { end() }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("%v is left (%v)", left, err)
	}
}

// What an older version wrote is kept as it was, while the ledger is in use already, and the log names it.
func TestUpgradeKeepsTheOld(t *testing.T) {
	path := newFile(t)
	must(t, os.Mkdir(filepath.Dir(path), 0o700))
	must(t, old.Write1(path, old.Paid1(scope.App, string(scope.Mode), 3000, 1000)))
	must(t, os.Chmod(path, 0o600))
	core, logs := observer.New(zap.InfoLevel)
	l, err := Open(t.Context(), Options{File: path, Logger: zap.New(core)})
	must(t, err)
	appendMany(t, l, "evt_new", 10)
	e, err := l.Event(t.Context(), scope, "evt_"+strings.Repeat("0", 23)+"3000")
	must(t, err)
	if e.State != ledger.Delivered || len(e.Body) == 0 {
		t.Errorf("an old event is %+v", e)
	}
	eventually(t, "the copy is logged", func() bool { return logs.FilterMessageSnippet("is kept until you delete it").Len() == 1 })
	must(t, l.Close())
	kept, err := filepath.Glob(path + ".schema1-*Z")
	must(t, err)
	if len(kept) != 1 || logs.FilterField(zap.String("copy", kept[0])).Len() != 1 {
		t.Fatalf("kept: %q, logged: %v", kept, logs.All())
	}
	c, err := connectReads(t.Context(), kept[0])
	must(t, err)
	defer c.Close()
	var version, events int
	must(t, c.Run("SELECT (SELECT user_version FROM pragma_user_version), count(*) FROM events", func(s *sqlite.Stmt) (bool, error) {
		version, events = s.ColumnInt(0), s.ColumnInt(1)
		return false, nil
	}))
	if version != 1 || events != 3000 {
		t.Errorf("the copy is of schema %d with %d events", version, events)
	}
	openFile(t, path)
	if again, err := filepath.Glob(path + ".schema1-*Z"); err != nil || len(again) != 1 {
		t.Errorf("%q was kept (%v)", again, err)
	}
}

package file_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/caddypay/caddypay/ledger/ledgertest/old"
	engine "github.com/caddypay/caddypay/ledger/sqlite"
	"github.com/caddypay/caddypay/ledger/sqlite/file"
)

// backupOf is a backup of a ledger with some events.
func backupOf(t *testing.T, events int) string {
	t.Helper()
	l := openFile(t, newFile(t))
	appendMany(t, l, "evt_", events)
	to := filepath.Join(t.TempDir(), "copy.db")
	must(t, l.Backup(t.Context(), to, nil))
	return to
}

// names are those of the files in a folder.
func names(t *testing.T, folder string) string {
	t.Helper()
	all, err := os.ReadDir(folder)
	must(t, err)
	var names []string
	for _, f := range all {
		names = append(names, f.Name())
	}
	return strings.Join(names, " ")
}

// A backup is put back into a folder that does not exist yet, and is the ledger then; the backup stays as it was.
func TestRestore(t *testing.T) {
	backup := backupOf(t, 200)
	before, err := os.ReadFile(backup)
	must(t, err)
	to := filepath.Join(t.TempDir(), "new", "pay", "ledger.db")
	r, err := engine.Restore(t.Context(), backup, to)
	must(t, err)
	if r.Events != 200 || r.Last.IsZero() || r.Bytes != int64(len(before)) || r.Schema != 4 {
		t.Errorf("restored %+v", r)
	}
	if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if after, err := os.ReadFile(backup); err != nil || string(after) != string(before) {
		t.Errorf("the backup is not as it was: %v", err)
	}
	if got := names(t, filepath.Dir(backup)) + ", " + names(t, filepath.Dir(to)); got != "copy.db, ledger.db" {
		t.Errorf("there is %s", got)
	}
	l := openFile(t, to)
	has(t, l, "evt_000", "evt_199")
	appendEvents(t, l, "evt_new")
	sound(t, l)
}

// What an older version wrote is put back as it was, and brought up to date by whoever opens it.
func TestRestoreOlder(t *testing.T) {
	backup := filepath.Join(t.TempDir(), "ledger.db.schema1-20261122T000000Z")
	must(t, old.Write1(backup, old.Paid1(scope.App, string(scope.Mode), 100, 100)))
	to := newFile(t)
	r, err := engine.Restore(t.Context(), backup, to)
	must(t, err)
	if r.Schema != 1 || r.Events != 100 {
		t.Errorf("restored %+v", r)
	}
	l := openFile(t, to)
	has(t, l, "evt_"+strings.Repeat("0", 25)+"42")
	sound(t, l)
}

// Whatever is refused leaves neither a ledger nor a part of one, and all that was there as it was.
func TestRestoreRefuses(t *testing.T) {
	good := backupOf(t, 200)
	raw, err := os.ReadFile(good)
	must(t, err)
	made := func(name, text string) string {
		file := filepath.Join(t.TempDir(), name)
		must(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	marked := func(script string) string {
		file := filepath.Join(t.TempDir(), "marked.db")
		c, err := sqlite.OpenConn(file, sqlite.OpenReadWrite|sqlite.OpenCreate)
		must(t, err)
		must(t, sqlitex.ExecuteScript(c, "CREATE TABLE t (x); "+script, nil))
		must(t, c.Close())
		return file
	}
	harmed := made("harmed.db", string(raw))
	damage(t, harmed, "trace of evt_100")
	behind := made("behind.db", string(raw))
	must(t, os.WriteFile(behind+"-wal", []byte("frames"), 0o600))
	for _, c := range []struct{ name, backup, there, want string }{
		{"a ledger is there", good, "ledger.db", "ledger.db: file already exists: nothing is overwritten. Stop Caddy"},
		{"its -wal file is left", good, "ledger.db-wal", "ledger.db-wal: file already exists"},
		{"its -shm file is left", good, "ledger.db-shm", "ledger.db-shm: file already exists"},
		{"a journal is left", good, "ledger.db-journal", "ledger.db-journal: file already exists"},
		{"a copy was broken off", good, "ledger.db.part", "delete it"},
		{"no backup", good + "x", "", "no such file"},
		{"a folder", filepath.Dir(good), "", "not a file"},
		{"not SQLite's", made("text.db", strings.Repeat("no ledger ", 1000)), "", "no SQLite file, or a damaged one"},
		{"nothing in it", made("empty.db", ""), "", "empty; restore another backup"},
		{"cut short", made("short.db", string(raw[:len(raw)/2])), "", "damaged"},
		{"of another program", marked("PRAGMA application_id = 7"), "", "an SQLite file of another program"},
		{"of a newer caddypay", marked("PRAGMA application_id = 0x63706179; PRAGMA user_version = 99"), "", "written by a newer caddypay (schema 99, this one knows 4); run that version or a later one"},
		{"damaged", harmed, "", "damaged, so it was not restored"},
		{"not whole by itself", behind, "", "only a file that is whole by itself"},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder := t.TempDir()
			if c.there != "" {
				must(t, os.WriteFile(filepath.Join(folder, c.there), []byte("left"), 0o600))
			}
			_, err := engine.Restore(t.Context(), c.backup, filepath.Join(folder, "ledger.db"))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want %q", err, c.want)
			}
			if got := names(t, folder); got != c.there {
				t.Errorf("there is %q", got)
			}
			if c.there != "" {
				if left, err := os.ReadFile(filepath.Join(folder, c.there)); err != nil || string(left) != "left" {
					t.Errorf("%s is %q (%v)", c.there, left, err)
				}
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	to := newFile(t)
	if _, err := engine.Restore(ctx, good, to); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
}

// A backup is written to nothing that there is, nor where SQLite would take it for a part of the ledger.
func TestBackupRefuses(t *testing.T) {
	l := openFile(t, newFile(t))
	appendMany(t, l, "evt_", 20)
	folder := t.TempDir()
	must(t, os.Symlink(l.file, filepath.Join(folder, "link.db.part")))
	must(t, os.Symlink(filepath.Dir(l.file), filepath.Join(folder, "there")))
	for name, want := range map[string]string{
		l.file: "file already exists", l.file + "-wal": "belongs to the ledger itself", l.file + "-journal": "belongs to the ledger itself",
		filepath.Join(folder, "there", "ledger.db-journal"): "belongs to the ledger itself", filepath.Join(folder, "there", "ledger.db"): "file already exists",
		folder: "file already exists", filepath.Join(folder, "none", "copy.db"): "name a folder that exists",
		filepath.Join(folder, "link.db"): "left of a copy that was broken off",
	} {
		if err := l.Backup(t.Context(), name, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", name, err, want)
		} else if strings.Contains(want, "exists") && want != "name a folder that exists" && !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	has(t, l, "evt_000", "evt_019")
	sound(t, l)
}

// While one backup is made there is no other: both would take the machine from the webhooks.
func TestOneBackupAtATime(t *testing.T) {
	l := openFile(t, newFile(t))
	appendMany(t, l, "evt_", 20)
	folder := t.TempDir()
	var second error
	must(t, l.Backup(t.Context(), filepath.Join(folder, "1.db"), func(int, int) {
		second = l.Backup(t.Context(), filepath.Join(folder, "2.db"), nil)
	}))
	if second == nil || !strings.Contains(second.Error(), "is being made already") {
		t.Errorf("a second one: %v", second)
	}
	must(t, l.Backup(t.Context(), filepath.Join(folder, "2.db"), nil))
	if got := names(t, folder); got != "1.db 2.db" {
		t.Errorf("there is %s", got)
	}
}

// What is checked without its Caddy is only read: a file beside it could belong to another user, and keep Caddy from starting.
func TestInspect(t *testing.T) {
	good := backupOf(t, 200)
	raw, err := os.ReadFile(good)
	must(t, err)
	faults, err := engine.Inspect(t.Context(), good)
	if err != nil || len(faults) > 0 {
		t.Errorf("%q, %v", faults, err)
	}
	if after, err := os.ReadFile(good); err != nil || string(after) != string(raw) {
		t.Errorf("the file is not as it was: %v", err)
	}
	if got := names(t, filepath.Dir(good)); got != "copy.db" {
		t.Errorf("there is %s", got)
	}
	damage(t, good, "trace of evt_100")
	if faults, err := engine.Inspect(t.Context(), good); err != nil || len(faults) == 0 {
		t.Errorf("damaged: %q, %v", faults, err)
	}

	closed := newFile(t)
	l, err := Open(t.Context(), Options{File: closed})
	must(t, err)
	appendMany(t, l, "evt_", 20)
	if faults, err := engine.Inspect(t.Context(), closed); err == nil || !strings.Contains(err.Error(), "only a file that is whole by itself") {
		t.Errorf("in use: %q, %v", faults, err)
	}
	must(t, l.Close())
	if faults, err := engine.Inspect(t.Context(), closed); err != nil || len(faults) > 0 {
		t.Errorf("closed: %q, %v", faults, err)
	}
	if got := names(t, filepath.Dir(closed)); got != "ledger.db" {
		t.Errorf("there is %s", got)
	}
	old1 := filepath.Join(t.TempDir(), "old.db")
	must(t, old.Write1(old1, old.Paid1(scope.App, string(scope.Mode), 10, 10)))
	if faults, err := engine.Inspect(t.Context(), old1); err != nil || len(faults) > 0 {
		t.Errorf("an older one: %q, %v", faults, err)
	}
}

// A file that is written to while it is checked or copied is neither sound nor damaged: nobody can tell.
func TestInspectChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "busy.db")
	c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	must(t, err)
	must(t, sqlitex.ExecuteScript(c, "CREATE TABLE t (x); PRAGMA application_id = 7; PRAGMA user_version = 1", nil))
	must(t, c.Close())
	e := file.Engine{Schema: file.Schema{Application: 7, Version: 1}, Sound: func(*conn, int) ([]string, error) {
		return nil, os.WriteFile(path+"-wal", []byte("frames"), 0o600)
	}}
	if faults, err := file.Inspect(t.Context(), path, e); err == nil || !strings.Contains(err.Error(), "a program writes to the file") {
		t.Errorf("begun to be used: %q, %v", faults, err)
	}
	must(t, os.Remove(path+"-wal"))
	e.Sound = func(*conn, int) ([]string, error) {
		return nil, os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour))
	}
	if faults, err := file.Inspect(t.Context(), path, e); err == nil || !strings.Contains(err.Error(), "has changed") {
		t.Errorf("written to: %q, %v", faults, err)
	}
	e.Sound = func(*conn, int) ([]string, error) { return nil, nil }
	if faults, err := file.Inspect(t.Context(), path, e); err != nil || len(faults) > 0 {
		t.Errorf("left alone: %q, %v", faults, err)
	}
}

package file_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestOpenCreatesPrivateFile(t *testing.T) {
	file := newFile(t)
	l := openFile(t, file)
	appendEvents(t, l, "evt_1")
	for name, want := range map[string]os.FileMode{file: 0o600, file + "-wal": 0o600, file + "-shm": 0o600, filepath.Dir(file): 0o700} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", filepath.Base(name), got, want)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file + "-wal"); err == nil {
		t.Error("the -wal file is left after the last one closed")
	}
}

func TestOpenOddNames(t *testing.T) {
	for _, name := range []string{"a b.db", "50%.db", "what?.db", "x#y.db", "账本.db", "a%20b.db", "a&mode=memory.db"} {
		file := filepath.Join(t.TempDir(), name)
		appendEvents(t, openFile(t, file), "evt_1")
		if entries, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*")); err != nil || len(entries) != 3 {
			t.Errorf("%s: the folder holds %q, %v", name, entries, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	raw := func(script string) func(t *testing.T, file string) {
		return func(t *testing.T, file string) {
			db, err := sql.Open("sqlite", file)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(script); err != nil {
				t.Fatal(err)
			}
		}
	}
	write := func(ending, text string) func(t *testing.T, file string) {
		return func(t *testing.T, file string) {
			if err := os.WriteFile(file+ending, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name string
		make func(t *testing.T, file string)
		want string
	}{
		{"text", write("", strings.Repeat("not a database ", 100)), "not an SQLite file; name another file"},
		{"another program's database", raw("CREATE TABLE t (x)"), "an SQLite file of another program"},
		{"another program's version", raw("PRAGMA user_version = 7"), "an SQLite file of another program"},
		{"a newer schema", raw("PRAGMA application_id = 0x63706179; PRAGMA user_version = 99"), "written by a newer caddypay (schema 99, this one knows 4)"},
		{"no schema version", raw("PRAGMA application_id = 0x63706179"), "has no schema version"},
		{"a schema without tables", raw("PRAGMA application_id = 0x63706179; PRAGMA user_version = 2"), "no such table"},
		{"a folder", func(t *testing.T, file string) { must(t, os.Mkdir(file, 0o700)) }, "not a file"},
		{"a folder that cannot be made", func(t *testing.T, file string) { write("", "")(t, filepath.Dir(file)+"x") }, ""},
		{"a -wal file without its ledger", write("-wal", "records"), "missing or empty, but"},
		{"an empty ledger with a -wal file", func(t *testing.T, file string) {
			write("", "")(t, file)
			write("-wal", "records")(t, file)
		}, "missing or empty, but"},
		{"damaged", func(t *testing.T, file string) {
			l, err := Open(t.Context(), Options{File: file})
			must(t, err)
			must(t, l.Close())
			b, err := os.ReadFile(file)
			must(t, err)
			for i := 100; i < 4096; i++ { // the schema's page, after the file's header
				b[i] = 0xff
			}
			write("", string(b))(t, file)
		}, "damaged; restore it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "ledger.db")
			c.make(t, file)
			if c.want == "" {
				file = filepath.Join(filepath.Dir(file)+"x", "sub", "ledger.db")
				c.want = "not a directory"
			}
			before, _ := os.ReadFile(file)
			l, err := Open(t.Context(), Options{File: file})
			if err == nil {
				l.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), c.want) || strings.Count(err.Error(), "ledger "+file) > 1 || !strings.Contains(err.Error(), file) {
				t.Errorf("error %q, want the file's name once and %q", err, c.want)
			}
			// Only what is ours by its mark may be touched.
			if after, _ := os.ReadFile(file); string(after) != string(before) && c.want != "no such table" {
				t.Error("the file was changed")
			}
		})
	}
	if _, err := Open(t.Context(), Options{}); err == nil {
		t.Error("opened without a name")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, Options{File: newFile(t)}); err == nil {
		t.Error("opened with a canceled context")
	}
}

func TestOpenWarnsOfOpenRights(t *testing.T) {
	file := newFile(t)
	openFile(t, file).Close()
	must(t, os.Chmod(file, 0o640))
	core, logs := observer.New(zap.WarnLevel)
	l, err := Open(t.Context(), Options{File: file, Logger: zap.New(core)})
	must(t, err)
	defer l.Close()
	if logs.Len() != 1 || !strings.Contains(logs.All()[0].Message, "chmod 600") {
		t.Errorf("logged %v", logs.All())
	}
}

func TestOpenAtOnce(t *testing.T) {
	file := newFile(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			l, err := Open(t.Context(), Options{File: file})
			if err != nil {
				t.Error(err)
				return
			}
			appendEvents(t, l, "evt_1")
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestReopenKeepsEverything(t *testing.T) {
	file := newFile(t)
	l := openFile(t, file)
	appendEvents(t, l, "evt_1", "evt_2")
	must(t, l.Close())
	l = openFile(t, file)
	for _, id := range []string{"evt_1", "evt_2"} {
		if e, err := l.Event(t.Context(), scope, id); err != nil || string(e.Body) != "body of "+id {
			t.Errorf("%s after reopening: %v, %v", id, e, err)
		}
	}
	if due, err := l.NextDue(t.Context(), scope); err != nil || due.Pending != 2 {
		t.Errorf("after reopening: %+v, %v", due, err)
	}
}

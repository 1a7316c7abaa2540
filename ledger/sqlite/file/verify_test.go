package file

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// endless is a statement that never ends by itself.
const endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

// spoil has two rows of a bare file hold what may not be there.
func spoil(t *testing.T, file string) {
	t.Helper()
	c, err := connectWrites(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"INSERT INTO a VALUES (NULL), (1), (NULL)", "PRAGMA writable_schema = ON",
		"UPDATE sqlite_schema SET sql = 'CREATE TABLE a (n NOT NULL)' WHERE name = 'a'",
	} {
		if err := c.Run(text, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
}

// What is damaged is told whole, and is not counted any more; what is not damaged is counted.
func TestDamageIsToldFirst(t *testing.T) {
	f := openBare(t)
	defer f.Close()
	counted := 0
	f.engine.Sound = func(_ *Conn, most int) ([]string, error) { counted++; return []string{"counted wrong"}, nil }
	if faults, err := f.Verify(t.Context()); err != nil || len(faults) != 1 || counted != 1 {
		t.Errorf("%q, %v", faults, err)
	}
	spoil(t, f.path)
	if faults, err := f.Verify(t.Context()); err != nil || len(faults) != 2 || counted != 1 {
		t.Errorf("%q, counted %d times, %v", faults, counted, err)
	}
}

// A check ends with its context, also in the midst of a statement.
func TestVerifyEnds(t *testing.T) {
	f := openBare(t)
	defer f.Close()
	ctx, cancel := context.WithCancel(t.Context())
	f.engine.Sound = func(c *Conn, _ int) ([]string, error) {
		cancel()
		return nil, c.Run(endless, nil)
	}
	if _, err := f.Verify(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("ended by %v", err)
	}
}

// A backup is looked at as a ledger is: what is damaged is told, and is neither counted nor restored.
func TestDamagedBackup(t *testing.T) {
	f := openBare(t)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	e, counted, looked := f.engine, 0, 0
	e.Sound = func(*Conn, int) ([]string, error) { counted++; return nil, nil }
	look := func(*Conn) error { looked++; return nil }
	to := filepath.Join(t.TempDir(), "ledger.db")
	if faults, err := Inspect(t.Context(), f.path, e); err != nil || len(faults) != 0 || counted != 1 {
		t.Errorf("a sound one: %q, %v", faults, err)
	}
	if r, err := Restore(t.Context(), f.path, to, e, look); err != nil || r.Bytes == 0 || r.Schema != 1 || looked != 1 || counted != 2 {
		t.Errorf("a sound one: %+v, looked at %d times, %v", r, looked, err)
	}
	spoil(t, f.path)
	if faults, err := Inspect(t.Context(), f.path, e); err != nil || len(faults) != 2 || counted != 2 {
		t.Errorf("a damaged one: %q, counted %d times, %v", faults, counted, err)
	}
	if _, err := Restore(t.Context(), f.path, to+"2", e, look); err == nil || !strings.Contains(err.Error(), "(2 faults)") || looked != 1 {
		t.Errorf("a damaged one: %v, looked at %d times", err, looked)
	}
	if left, err := os.ReadDir(filepath.Dir(to)); err != nil || len(left) != 1 {
		t.Errorf("%v is left, %v", left, err)
	}
	// An older one, which counts otherwise, is not counted, but looked at.
	e.Schema.Version, e.Schema.Upgrades = 2, map[int]string{1: ""}
	if r, err := Restore(t.Context(), to, to+"2", e, look); err != nil || r.Schema != 1 || counted != 2 || looked != 2 {
		t.Errorf("an older one: %+v, counted %d times, looked at %d times, %v", r, counted, looked, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	e.Schema.Version = 1
	e.Sound = func(c *Conn, _ int) ([]string, error) { cancel(); return nil, c.Run(endless, nil) }
	if _, err := Inspect(ctx, to, e); !errors.Is(err, context.Canceled) {
		t.Errorf("ended by %v", err)
	}
}

// A file has changed when it is another one, has another size, or was written to.
func TestUnchanged(t *testing.T) {
	file, then := filepath.Join(t.TempDir(), "backup.db"), time.UnixMilli(1_000_000)
	write := func(name, text string) {
		t.Helper()
		if err := errors.Join(os.WriteFile(name, []byte(text), 0o600), os.Chtimes(name, then, then)); err != nil {
			t.Fatal(err)
		}
	}
	for name, change := range map[string]func(){
		"nothing": func() {},
		"another": func() { write(file+"2", "text"); _ = os.Rename(file+"2", file) },
		"larger":  func() { write(file, "texts") },
		"written": func() { _ = os.Chtimes(file, then, then.Add(1)) },
		"gone":    func() { _ = os.Remove(file) },
	} {
		write(file, "text")
		before, err := wholeFile(file)
		if err != nil {
			t.Fatal(err)
		}
		change()
		if err := unchanged(before, file); (err == nil) != (name == "nothing") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A folder is told to work each time that so much was written, and not before.
func TestWhenToFold(t *testing.T) {
	f := newFolder(&File{})
	f.after = 10
	for _, c := range []struct{ n, told int }{{9, 0}, {1, 1}, {9, 0}, {30, 1}, {9, 0}, {1, 1}} {
		if f.add(c.n); len(f.full) != c.told {
			t.Errorf("after %d more: told %d times", c.n, len(f.full))
		}
		for len(f.full) > 0 {
			<-f.full
		}
	}
}

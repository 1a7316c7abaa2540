package sqlite

import (
	"bytes"
	"errors"
	"os"
	"testing"
)

// lose has the writer's connection fail so that it is replaced, while the pool for reading has none.
func lose(t *testing.T, l *Ledger) {
	t.Helper()
	must(t, l.reads.close())
	l.reads.closed = false
	if err := l.write(t.Context(), func(t *tx) error { return errors.Join(t.conn.close(), errors.New("no connection")) }); err == nil {
		t.Fatal("written without a connection")
	}
}

// TestAnchor: a ledger that loses its connections leaves its -wal file where it is, and goes on.
func TestAnchor(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_0")
	before, err := os.ReadFile(l.file)
	must(t, err)
	log, _ := logOf(t, l.file)
	lose(t, l)
	after, err := os.ReadFile(l.file)
	must(t, err)
	if left, err := os.ReadFile(l.file + "-wal"); err != nil || !bytes.Equal(after, before) || !bytes.Equal(left, log) {
		t.Errorf("the files are not as they were: %v", err)
	}
	appendEvents(t, l, "evt_1")
	has(t, l, "evt_0", "evt_1")
	sound(t, l)
}

// TestCloseWithoutConnection: nor does one copy what is not whole when it is closed before it has another.
func TestCloseWithoutConnection(t *testing.T) {
	file := newFile(t)
	l, err := Open(t.Context(), Options{File: file})
	must(t, err)
	appendEvents(t, l, "evt_0")
	before, err := os.ReadFile(file)
	must(t, err)
	err = l.write(t.Context(), func(*tx) error {
		l.writer.disk.sync = func(*os.File) error { return errors.New("no disk") }
		return nil
	})
	if !errors.Is(err, errForce) {
		t.Fatal(err)
	}
	must(t, l.writer.conn.close())
	l.writer.conn = nil
	log, _ := logOf(t, file)
	if err := l.Close(); !errors.Is(err, errForce) {
		t.Errorf("closed: %v", err)
	}
	after, err := os.ReadFile(file)
	must(t, err)
	if left, err := os.ReadFile(file + "-wal"); err != nil || !bytes.Equal(after, before) || !bytes.Equal(left, log) {
		t.Errorf("the files are not as they were: %v", err)
	}
	l = openFile(t, file)
	has(t, l, "evt_0")
	appendEvents(t, l, "evt_1")
	sound(t, l)
}

package sqlite

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/caddypay/caddypay/ledger"
)

// endless is a statement that never ends by itself.
const endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

// TestReadEnds: what reads ends with its context, also while it waits for its turn, and the connection is as good as before.
func TestReadEnds(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_1")
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var running sync.WaitGroup
	running.Add(readers)
	for range readers {
		wg.Go(func() {
			err := l.read(ctx, func(r *reader) error {
				running.Done()
				return r.run(endless, nil)
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("ended by %v", err)
			}
		})
	}
	running.Wait()
	short, end := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer end()
	if _, err := l.Event(short, scope, "evt_1"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while all connections are in use: %v", err)
	}
	cancel()
	wg.Wait()
	for range 2 * readers {
		has(t, l, "evt_1")
	}
}

// TestReadEndsInTheMidst: a connection goes back to the pool without the transaction in which it was ended: it would see that moment for ever, and keep
// the -wal file from beginning anew.
func TestReadEndsInTheMidst(t *testing.T) {
	l := openFile(t, newFile(t))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := l.read(ctx, func(r *reader) error {
		return r.AtOnce(func() error {
			if last, err := r.number(sqlLast); last != 0 || err != nil {
				t.Errorf("%d events, %v", last, err)
			}
			cancel()
			return r.run(endless, nil)
		})
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("ended by %v", err)
	}
	appendEvents(t, l, "evt_1")
	must(t, l.read(t.Context(), func(r *reader) error {
		if last, err := r.number(sqlLast); last != 1 || err != nil || r.inTransaction() {
			t.Errorf("%d events, %v, in a transaction: %t", last, err, r.inTransaction())
		}
		return nil
	}))
}

// TestReadWaits: a read waits for who holds the whole ledger, but not longer than its context.
func TestReadWaits(t *testing.T) {
	file := newFile(t)
	must(t, openFileOnce(t, file))
	other, err := connectWrites(t.Context(), file)
	must(t, err)
	defer other.close()
	for _, text := range []string{"PRAGMA locking_mode = EXCLUSIVE", sqlBegin, "DELETE FROM logins", sqlCommit} {
		must(t, other.run(text, nil))
	}
	c, err := connect(t.Context(), file, sqlite.OpenReadWrite)
	must(t, err)
	defer c.close()
	short, end := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer end()
	stop := c.until(short)
	if err := c.run(sqlLast, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("for a moment: %v", err)
	}
	stop()
	defer c.until(t.Context())()
	read := make(chan error)
	go func() { read <- c.run(sqlLast, nil) }()
	select {
	case err := <-read:
		t.Errorf("it has not waited: %v", err)
		return
	case <-time.After(50 * time.Millisecond):
	}
	must(t, other.close())
	must(t, <-read)
}

// TestValues: a statement gets all of its values, each of a type that columns have, and a column gives what it is asked for: a statement is used again
// and again, and must not run with a value of the time before, nor may text pass for an amount of 0.
func TestValues(t *testing.T) {
	l := openFile(t, newFile(t))
	for _, c := range []struct {
		name string
		run  func(s *session) error
		want string
	}{
		{"too few", func(s *session) error { return s.run(sqlScope, nil, "app_1") }, "1 values for a statement of 2"},
		{"too many", func(s *session) error { return s.run(sqlLast, nil, 1) }, "1 values for a statement of 0"},
		{"a type of ours", func(s *session) error { return s.run(sqlScope, nil, "app_1", ledger.Test) }, "no column takes value 2"},
		{"text for a number", func(s *session) error { return s.run("SELECT 'x'", func(r *row) { r.number() }) }, "column 1 has a SQLITE_TEXT where a SQLITE_INTEGER belongs"},
		{"a number for text", func(s *session) error { return s.run("SELECT 'x', 1", func(r *row) { r.text(); r.text() }) }, "column 2 has a SQLITE_INTEGER"},
		{"no reasons", func(s *session) error { return s.run("SELECT '['", func(r *row) { r.reasons() }) }, "unexpected end of JSON"},
	} {
		err := l.read(t.Context(), func(r *reader) error { return c.run(&r.session) })
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	type values struct {
		n     int64
		s     string
		b     []byte
		yes   bool
		none  string
		empty []byte
	}
	got := ask(t, l, "SELECT ?, ?, ?, ?, ?, ?", func(r *row) values {
		return values{r.number(), r.text(), r.bytes(), r.flag(), r.text(), r.bytes()}
	}, int64(-1)<<62, "a\x00b", []byte{0, 1}, true, nil, []byte{})
	if got.n != -1<<62 || got.s != "a\x00b" || string(got.b) != "\x00\x01" || !got.yes || got.none != "" || got.empty == nil || len(got.empty) != 0 {
		t.Errorf("read %+v", got)
	}
	if b := ask(t, l, "SELECT ?", (*row).bytes, []byte(nil)); b != nil {
		t.Errorf("nil is %q", b)
	}
}

package file_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
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
			err := l.inside.Read(ctx, func(c *conn) error {
				running.Done()
				return c.Run(endless, nil)
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

// TestReadWaits: a read waits for who holds the whole ledger, but not longer than its context.
func TestReadWaits(t *testing.T) {
	file := newFile(t)
	must(t, openFileOnce(t, file))
	other, err := connectWrites(t.Context(), file)
	must(t, err)
	defer other.Close()
	for _, text := range []string{"PRAGMA locking_mode = EXCLUSIVE", "BEGIN IMMEDIATE", "DELETE FROM logins", "COMMIT"} {
		must(t, other.Run(text, nil))
	}
	c, err := connect(t.Context(), file, sqlite.OpenReadWrite)
	must(t, err)
	defer c.Close()
	short, end := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer end()
	stop := c.Until(short)
	if err := c.Run("SELECT max(seq) FROM events", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("for a moment: %v", err)
	}
	stop()
	defer c.Until(t.Context())()
	read := make(chan error)
	go func() { read <- c.Run("SELECT max(seq) FROM events", nil) }()
	select {
	case err := <-read:
		t.Errorf("it has not waited: %v", err)
		return
	case <-time.After(50 * time.Millisecond):
	}
	must(t, other.Close())
	must(t, <-read)
}

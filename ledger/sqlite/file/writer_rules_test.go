package file_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// TestCanceledBeforeATransactionOfItsOwn: who has given up is not written, also when the writer would begin with that.
func TestCanceledBeforeATransactionOfItsOwn(t *testing.T) {
	l := openFile(t, newFile(t))
	must(t, l.writeLax(t.Context(), func(*tx) error { *l.inside.Batch = 1; return nil }))
	resume := stall(t, l)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { _, err := l.Append(ctx, newEvent("evt_1")); result <- err }()
	queued(t, l, 1)
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	resume()
	appendEvents(t, l, "evt_2")
	if _, err := l.Event(t.Context(), scope, "evt_1"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("a canceled append is there: %v", err)
	}
}

// TestMendedBehindAReader: another program that reads for a moment is waited for before the -wal file begins anew.
func TestMendedBehindAReader(t *testing.T) {
	l := openFile(t, newFile(t))
	var err error
	for n := range 5 { // a machine that is busy may keep the reader for longer than it is waited for
		appendEvents(t, l, fmt.Sprint("evt_", n))
		release := hold(t, l)
		l.inside.Failed.Store(true)
		done := make(chan error, 1)
		go func() { done <- l.write(context.Background(), nothing) }()
		eventually(t, "it waits", func() bool { return l.inside.Asked() || len(done) > 0 })
		time.Sleep(20 * time.Millisecond) // what the other does
		release()
		if err = <-done; err == nil {
			return
		}
		must(t, l.write(t.Context(), nothing))
	}
	t.Errorf("it was not waited for: %v", err)
}

// TestClosedTakesNothing: whoever comes when a ledger is closed is told so, and harms nobody.
func TestClosedTakesNothing(t *testing.T) {
	l := openFile(t, newFile(t))
	must(t, l.Close())
	for name, err := range map[string]error{
		"write": l.write(t.Context(), nothing), "lax": l.writeLax(t.Context(), nothing), "read": l.inside.Read(t.Context(), func(*conn) error { return nil }),
	} {
		if !errors.Is(err, ledger.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

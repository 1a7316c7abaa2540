package sqlite

import (
	"context"
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// TestClaimInTransactionBegunBefore: whoever is told that an event is on disk can claim it, also if the claim comes into a transaction that began before.
func TestClaimInTransactionBegunBefore(t *testing.T) {
	l, disk := openGated(t)
	appended := make(chan error, 1)
	go func() { _, err := l.Append(context.Background(), newEvent("evt_1")); appended <- err }()
	eventually(t, "evt_1 is committed", func() bool { _, err := l.Event(t.Context(), scope, "evt_1"); return err == nil })

	begun, goOn := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		first <- l.writeLax(context.Background(), func(*tx) error { close(begun); <-goOn; return nil })
	}()
	<-begun
	disk.lift()
	must(t, <-appended)
	var es []ledger.Event
	claimed := make(chan error, 1)
	go func() { var err error; es, err = claim(l); claimed <- err }()
	eventually(t, "the claim waits", func() bool { return len(l.writer.queue) == 1 })
	close(goOn)
	must(t, <-first)
	must(t, <-claimed)
	if len(es) != 1 {
		t.Errorf("claimed %d events", len(es))
	}
}

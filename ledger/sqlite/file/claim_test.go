package file_test

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

	resume := stall(t, l)
	disk.lift()
	must(t, <-appended)
	var es []ledger.Event
	claimed := make(chan error, 1)
	go func() { var err error; es, err = claim(l); claimed <- err }()
	queued(t, l, 1)
	resume()
	must(t, <-claimed)
	if len(es) != 1 {
		t.Errorf("claimed %d events", len(es))
	}
}

package file_test

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// TestClaimBesideItsEvents: a claim that shares a transaction with new events gets none of them: they are not on disk yet.
func TestClaimBesideItsEvents(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_0")
	add := func(id string) func(*tx) error {
		return func(t *tx) error { _, err := core.Append(t, newEvent(id)); return err }
	}
	var es []ledger.Event
	for _, err := range together(t, l, add("evt_1"), add("evt_2"), func(t *tx) (err error) {
		es, err = t.Claim(ledger.Claim{Scope: scope, Owner: "a", Now: time.UnixMilli(9), Until: time.UnixMilli(99), Limit: 9}, core.Span{Now: time.UnixMilli(9), Far: time.UnixMilli(999)})
		return err
	}) {
		must(t, err)
	}
	if len(es) != 1 || es[0].ID != "evt_0" {
		t.Errorf("claimed %v", es)
	}
}

package sqlite

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// TestOldestHeld: money that is held is at risk since it came, however long something without money has been pending.
func TestOldestHeld(t *testing.T) {
	l := openFile(t, newFile(t))
	first, held := newEvent("evt_1"), newEvent("evt_2")
	first.Type, first.Received = "transfer.succeeded", then(0)
	held.State, held.Received, held.ChargeID = ledger.Held, then(5000), held.ObjectID
	held.Payment = &ledger.Payment{Amount: 100, Currency: "cny", Time: then(5000)}
	held.Change = &ledger.ChargeChange{Paid: true, TimePaid: then(5000)}
	for _, e := range []*ledger.Event{first, held} {
		_, err := l.Append(t.Context(), e)
		must(t, err)
	}
	f, err := l.Figures(t.Context(), scope)
	must(t, err)
	if f.AtRiskEvents != 1 || f.AtRisk != 100 || !f.OldestAtRisk.Equal(then(5000)) || !f.OldestPending.Equal(then(0)) {
		t.Errorf("%+v", f)
	}
}

// TestDefaults: what is not given when a ledger is opened it does without, and goes by the clock of the machine.
func TestDefaults(t *testing.T) {
	before := time.Now()
	l, err := Open(t.Context(), Options{File: newFile(t)})
	must(t, err)
	defer l.Close()
	if at := l.opened.At; at.Before(before) || at.After(time.Now()) || l.log == nil {
		t.Errorf("opened at %s, after %s", at, before)
	}
	appendEvents(t, l, "evt_1")
}

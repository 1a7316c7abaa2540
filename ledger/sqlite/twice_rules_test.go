package sqlite

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/ledgertest/old"
)

// TestWrittenTwice: an event that one transaction writes twice is counted once.
func TestWrittenTwice(t *testing.T) {
	l := openFile(t, newFile(t))
	e := newEvent("evt_1")
	e.State, e.ChargeID, e.Received = ledger.Held, e.ObjectID, then(0)
	e.Payment = &ledger.Payment{Amount: 100, Currency: "cny", Time: then(0)}
	e.Change = &ledger.ChargeChange{Paid: true, TimePaid: then(0)}
	_, err := l.Append(t.Context(), e)
	must(t, err)
	must(t, l.write(t.Context(), func(x *tx) error {
		row, err := x.Event(scope, "evt_1")
		if err != nil {
			return err
		}
		row.State = ledger.Discarded
		for range 2 {
			if err := x.SetEvent(row); err != nil {
				return err
			}
		}
		return nil
	}))
	f, err := l.Figures(t.Context(), scope)
	must(t, err)
	if f.Events[ledger.Held] != 0 || f.Events[ledger.Discarded] != 1 || f.AtRiskEvents != 0 || f.AtRisk != 0 {
		t.Errorf("%+v", f)
	}
	if faults, err := l.Verify(t.Context()); err != nil || len(faults) > 0 {
		t.Errorf("%q, %v", faults, err)
	}
}

// TestKeptByTheClock: what a ledger was before it is brought up to date is named by the time at which it is opened.
func TestKeptByTheClock(t *testing.T) {
	path := newFile(t)
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, old.Write1(path, ""))
	l, err := Open(t.Context(), Options{File: path, Now: func() time.Time { return time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC) }})
	must(t, err)
	defer l.Close()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(path + ".schema1-20200102T030405Z"); err == nil {
			return
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

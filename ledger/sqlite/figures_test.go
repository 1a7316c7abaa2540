package sqlite

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// TestFiguresOfFiles: the figures say how large the ledger's files are, also of an app and mode of which nothing is recorded.
func TestFiguresOfFiles(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_1")
	for _, s := range []ledger.Scope{scope, {App: "app_none", Mode: ledger.Live}} {
		f, err := l.Figures(t.Context(), s)
		must(t, err)
		for ending, got := range map[string]int64{"": f.Bytes, "-wal": f.WALBytes} {
			if info, err := os.Stat(l.file.Path() + ending); err != nil || got == 0 || got != info.Size() {
				t.Errorf("the file with the ending %q has %d bytes; %v", ending, got, err)
			}
		}
		if n := len(f.Events); n > 0 != (s == scope) {
			t.Errorf("%v: events %v", s, f.Events)
		}
	}
}

// TestOldestAmongMany: whose money is at risk for longest is found among the first that are due; behind so many others it is said to be as old as the last
// of those, which it cannot be older than.
func TestOldestAmongMany(t *testing.T) {
	for _, many := range []int{0, mostDue - 1, mostDue} {
		l := openFile(t, newFile(t))
		at := func(n int) time.Time { return time.UnixMilli(int64(10_000 + n)) }
		add := func(n int, fen int64) *ledger.Event {
			e := newEvent(fmt.Sprint("evt_", n))
			e.Type, e.Received = "transfer.succeeded", at(n)
			if fen > 0 {
				e.Type, e.ChargeID = "charge.succeeded", e.ObjectID
				e.Payment = &ledger.Payment{Amount: fen, Currency: "cny", Time: e.Received}
				e.Change = &ledger.ChargeChange{Paid: true, TimePaid: e.Received}
			}
			return e
		}
		must(t, l.write(t.Context(), func(t *tx) error {
			for n := range many {
				if _, err := core.Append(t, add(n, 0)); err != nil {
					return err
				}
			}
			return nil
		}))
		oldest := func(pending, risk time.Time) {
			t.Helper()
			f, err := l.Figures(t.Context(), scope)
			must(t, err)
			if !f.OldestPending.Equal(pending) || !f.OldestAtRisk.Equal(risk) {
				t.Errorf("%d others: pending since %s, at risk since %s, want %s and %s", many, f.OldestPending, f.OldestAtRisk, pending, risk)
			}
		}
		first := time.Time{}
		if many > 0 {
			first = at(0)
		}
		oldest(first, time.Time{})
		if _, err := l.Append(t.Context(), add(5000, 100)); err != nil {
			t.Fatal(err)
		}
		risk := at(5000)
		if many == mostDue {
			risk = at(many - 1)
		} else if many == 0 {
			first = risk
		}
		oldest(first, risk)
	}
}

package ledgertest

import (
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// An event that has had an answer since does not wait for the backend any more, and whoever waits for events hears that some are due.
func testResumeSignals(t *testing.T, l ledger.Ledger) {
	changed, stop := l.Watch(ledger.EventsTopic(live))
	defer stop()
	signaled := func(what string, want bool) {
		t.Helper()
		select {
		case <-changed:
			if !want {
				t.Fatalf("%s: a signal", what)
			}
		default:
			if want {
				t.Fatalf("%s: no signal", what)
			}
		}
	}
	add(t, l, event(live, "evt_away"), ledger.Recorded)
	add(t, l, event(live, "evt_own"), ledger.Recorded)
	settle := func(id string, attempt int, back bool) {
		t.Helper()
		d := ledger.Delivery{Scope: live, EventID: id, Attempt: attempt, At: at(1), State: ledger.Pending, Due: at(3600)}
		if back {
			d.Back = at(2)
		}
		must(t, l.Settle(t.Context(), "a", d))
	}
	claim(t, l, "a", noon, at(9), 9)
	settle("evt_away", 1, true)
	settle("evt_own", 1, true)
	claim(t, l, "a", at(3601), at(3610), 9)
	settle("evt_away", 2, true)
	settle("evt_own", 2, false) // answered: its time is its own
	signaled("before", true)
	must(t, l.Resume(t.Context(), live))
	signaled("it is back", true)
	equal(t, "due then", claim(t, l, "b", at(10), at(20), 9), []string{"evt_away"})
	must(t, l.Resume(t.Context(), live))
	signaled("nothing waited", false)
}

package ledgertest

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// A first delivery that succeeded may be kept in another way than all others: nobody can tell that from the list.
func testSettleFirst(t *testing.T, l ledger.Ledger) {
	success := func(id string, attempt, second int) ledger.Delivery {
		return ledger.Delivery{Scope: live, EventID: id, Attempt: attempt, At: at(second), Took: time.Duration(second) * 1001 * time.Microsecond, Status: 200 + attempt,
			Snippet: "成功 " + id, State: ledger.Delivered}
	}
	failure := func(id string, attempt, second int, uncounted bool) ledger.Delivery {
		d := success(id, attempt, second)
		d.Status, d.Error, d.Snippet, d.State, d.Due, d.Uncounted = 502, "no", "", ledger.Pending, at(second+1), uncounted
		return d
	}
	odd := success("evt_odd", 1, 1)
	odd.Error = "acknowledged, and yet there is something to say"
	early := success("evt_early", 1, 1)
	early.At = time.Time{}
	for _, c := range []struct {
		id         string
		deliveries []ledger.Delivery
	}{
		{"evt_once", []ledger.Delivery{success("evt_once", 1, 1)}},
		{"evt_replayed", []ledger.Delivery{success("evt_replayed", 1, 1), failure("evt_replayed", 2, 11, false), success("evt_replayed", 3, 13)}},
		{"evt_uncounted", []ledger.Delivery{failure("evt_uncounted", 1, 1, true), success("evt_uncounted", 1, 3), success("evt_uncounted", 2, 13)}},
		{"evt_failed", []ledger.Delivery{failure("evt_failed", 1, 1, false), success("evt_failed", 2, 3)}},
		{"evt_odd", []ledger.Delivery{odd, success("evt_odd", 2, 11)}},
		{"evt_early", []ledger.Delivery{early}},
	} {
		add(t, l, event(live, c.id), ledger.Recorded)
		for i, d := range c.deliveries {
			now := at(10 * i)
			if i > 0 && c.deliveries[i-1].State == ledger.Delivered {
				must(t, l.Decide(t.Context(), ledger.Decision{Scope: live, EventID: c.id, Action: ledger.ActionReplay, Now: now}))
			}
			equal(t, "claimed", claim(t, l, "a", now, at(10*i+9), 9), []string{c.id})
			must(t, l.Settle(t.Context(), "a", d))
			ds, err := l.Deliveries(t.Context(), live, c.id)
			must(t, err)
			equal(t, c.id, ds, c.deliveries[:i+1])
		}
		e := getEvent(t, l, live, c.id)
		last := c.deliveries[len(c.deliveries)-1]
		equal(t, "the state of "+c.id, e.State, ledger.Delivered)
		equal(t, "attempts at "+c.id, e.Attempts, last.Attempt)
	}

	// Who has lost the lease says so first; then whoever has it, of the same event.
	add(t, l, event(live, "evt_both"), ledger.Recorded)
	claim(t, l, "a", noon, at(1), 9)
	claim(t, l, "b", at(2), at(9), 9)
	want := []ledger.Delivery{success("evt_both", 1, 3), success("evt_both", 1, 4)}
	must(t, l.Settle(t.Context(), "a", want[0]))
	must(t, l.Settle(t.Context(), "b", want[1]))
	ds, err := l.Deliveries(t.Context(), live, "evt_both")
	must(t, err)
	equal(t, "told by both", ds, want)
}

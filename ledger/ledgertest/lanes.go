package ledgertest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// inLane returns a pending event of a lane.
func inLane(id, lane string, rank, created int) *ledger.Event {
	e := event(live, id)
	e.Lane, e.OrderNo, e.Rank, e.Created = lane, lane, rank, at(created)
	return e
}

func settle(t *testing.T, l ledger.Ledger, owner, id string, state ledger.State) {
	t.Helper()
	must(t, l.Settle(t.Context(), owner, ledger.Delivery{Scope: live, EventID: id, Attempt: 1, At: noon, State: state, Due: at(5)}))
}

func testLaneOrder(t *testing.T, l ledger.Ledger) {
	for _, e := range []*ledger.Event{
		inLane("evt_refund", "1", 1, -9), inLane("evt_later", "1", 0, 5), inLane("evt_first", "1", 0, 1), inLane("evt_second", "1", 0, 1),
		inLane("evt_other", "2", 1, 9), event(live, "evt_none1"), event(live, "evt_none2"),
	} {
		add(t, l, e, ledger.Recorded)
	}
	other := inLane("evt_scope", "1", 9, 9)
	other.Scope = test
	add(t, l, other, ledger.Recorded)
	equal(t, "the first of each lane, and those without one", claim(t, l, "a", at(9), at(19), 9),
		[]string{"evt_first", "evt_other", "evt_none1", "evt_none2"})
	for _, next := range []string{"evt_second", "evt_later", "evt_refund"} {
		equal(t, "before the first is settled", claim(t, l, "a", at(9), at(19), 9), nil)
		settle(t, l, "a", map[string]string{"evt_second": "evt_first", "evt_later": "evt_second", "evt_refund": "evt_later"}[next], ledger.Delivered)
		equal(t, "after that", claim(t, l, "a", at(9), at(19), 9), []string{next})
	}
	es, err := l.Claim(t.Context(), ledger.Claim{Scope: test, Owner: "a", Now: at(9), Until: at(19), Limit: 9})
	must(t, err)
	equal(t, "in another scope", len(es), 1)
}

func testLaneStuck(t *testing.T, l ledger.Ledger) {
	add(t, l, inLane("evt_1", "1", 0, 1), ledger.Recorded)
	add(t, l, inLane("evt_2", "1", 0, 2), ledger.Recorded)
	changed, stop := l.Watch(ledger.EventsTopic(live))
	defer stop()
	claim(t, l, "a", noon, at(3), 9)
	settle(t, l, "a", "evt_1", ledger.Pending) // due at 5: the lane waits for it
	<-changed
	equal(t, "while the first waits", claim(t, l, "a", at(4), at(9), 9), nil)
	due, err := l.NextDue(t.Context(), live)
	must(t, err)
	equal(t, "next due", due, ledger.Due{At: at(5), Pending: 2})
	equal(t, "again", claim(t, l, "a", at(5), at(9), 9), []string{"evt_1"})
	settle(t, l, "a", "evt_1", ledger.Dead) // blocks no longer
	<-changed
	equal(t, "after it died", claim(t, l, "a", at(5), at(9), 9), []string{"evt_2"})
}

func testLaneOnlyPendingBlocks(t *testing.T, l ledger.Ledger) {
	for i, state := range []ledger.State{ledger.Held, ledger.Filtered} {
		e := inLane(fmt.Sprint("evt_", i), "1", 0, 0)
		e.State = state
		add(t, l, e, ledger.Recorded)
	}
	add(t, l, inLane("evt_9", "1", 0, 9), ledger.Recorded)
	equal(t, "claimed", claim(t, l, "a", noon, at(9), 9), []string{"evt_9"})
}

// An earlier event that arrives later goes first; one under way is not recalled, but waits if it has to be tried again.
func testLaneEarlierLater(t *testing.T, l ledger.Ledger) {
	add(t, l, inLane("evt_2", "1", 0, 2), ledger.Recorded)
	add(t, l, inLane("evt_1", "1", 0, 1), ledger.Recorded)
	equal(t, "the earlier one", claim(t, l, "a", noon, at(3), 9), []string{"evt_1"})
	add(t, l, inLane("evt_0", "1", 0, 0), ledger.Recorded)
	equal(t, "one earlier still", claim(t, l, "b", noon, at(9), 9), []string{"evt_0"})
	renew(t, l, "a", live, at(4))
	equal(t, "when the lease of the other ran out", claim(t, l, "c", at(6), at(9), 9), nil)
	due, err := l.NextDue(t.Context(), live)
	must(t, err)
	equal(t, "next due", due, ledger.Due{At: at(9), Pending: 3})
	settle(t, l, "a", "evt_1", ledger.Pending)
	equal(t, "after it failed", claim(t, l, "c", at(6), at(9), 9), nil)
	settle(t, l, "b", "evt_0", ledger.Delivered)
	equal(t, "now", claim(t, l, "c", at(6), at(9), 9), []string{"evt_1"})
	settle(t, l, "c", "evt_1", ledger.Delivered)
	equal(t, "at last", claim(t, l, "c", at(6), at(9), 9), []string{"evt_2"})
}

// A payment keeps its place in its lane, and is found by its order, when its charge turns out to be that of another order.
func testLaneOfForeign(t *testing.T, l ledger.Ledger) {
	add(t, l, inLane("evt_first", "x", 0, -1_000_000_000), ledger.Recorded)
	r := reserve(t, l, "y", noon, at(30))
	pay := payment("evt_paid", "ch_1", "x")
	pay.Number, pay.Created = "other", noon
	add(t, l, pay, ledger.Recorded)
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: r.Number, ID: "ch_1", Amount: 100, Currency: "cny"}))
	back := inLane("evt_last", "x", 1, 0)
	add(t, l, back, ledger.Recorded)
	for _, id := range []string{"evt_first", "evt_paid", "evt_last"} {
		equal(t, "in order", claim(t, l, "a", at(1), at(9), 9), []string{id})
		settle(t, l, "a", id, ledger.Delivered)
	}
	for order, want := range map[string][]string{"x": {"evt_last", "evt_paid", "evt_first"}, "y": {"evt_paid"}} {
		es, err := l.Events(t.Context(), ledger.Filter{Scope: live, OrderNo: order})
		must(t, err)
		var ids []string
		for _, e := range es {
			ids = append(ids, e.ID)
		}
		equal(t, "events of order "+order, ids, want)
	}
}

// What somebody else acknowledges unblocks the lane as well.
func testLaneDeliveredByOther(t *testing.T, l ledger.Ledger) {
	add(t, l, inLane("evt_1", "1", 0, 1), ledger.Recorded)
	add(t, l, inLane("evt_2", "1", 0, 2), ledger.Recorded)
	claim(t, l, "a", noon, at(3), 9)
	settle(t, l, "b", "evt_1", ledger.Delivered)
	equal(t, "claimed", claim(t, l, "c", noon, at(9), 9), []string{"evt_2"})
}

func testUncounted(t *testing.T, l ledger.Ledger) {
	add(t, l, event(live, "evt_1"), ledger.Recorded)
	for i, uncounted := range []bool{true, false, true} {
		now := at(i * 10)
		equal(t, "claimed", claim(t, l, "a", now, now.Add(1e9), 9), []string{"evt_1"})
		d := ledger.Delivery{Scope: live, EventID: "evt_1", Attempt: 1, At: now, State: ledger.Pending, Due: at(i*10 + 10), Uncounted: uncounted}
		must(t, l.Settle(t.Context(), "a", d))
		e := getEvent(t, l, live, "evt_1")
		counted := min(i, 1)
		if e.Attempts != counted || e.Tries != counted || !e.Due.Equal(d.Due) {
			t.Fatalf("after %d: %s", i, show(e))
		}
	}
	ds, err := l.Deliveries(t.Context(), live, "evt_1")
	must(t, err)
	equal(t, "recorded all the same", []bool{ds[0].Uncounted, ds[1].Uncounted, ds[2].Uncounted}, []bool{true, false, true})
	for _, state := range []ledger.State{ledger.Delivered, ledger.Dead} {
		if err := l.Settle(t.Context(), "a", ledger.Delivery{Scope: live, EventID: "evt_1", State: state, Uncounted: true}); err == nil {
			t.Errorf("uncounted and %s", state)
		}
	}
}

// testResume: what waits for the backend is due when it is back, and everything else at its own time.
func testResume(t *testing.T, l ledger.Ledger) {
	for i := range 4 {
		add(t, l, event(live, fmt.Sprint("evt_", i)), ledger.Recorded)
	}
	add(t, l, event(test, "evt_test"), ledger.Recorded)
	must(t, l.Resume(t.Context(), live)) // nothing waits
	must(t, l.Resume(t.Context(), other))
	claim(t, l, "a", noon, at(9), 9)
	for i, d := range []ledger.Delivery{
		{Due: at(3600), Back: at(1), Uncounted: true},
		{Due: at(3600), Back: at(30)},
		{Due: at(3600)},
		{Due: at(20), Back: at(30)},
	} {
		d.Scope, d.EventID, d.Attempt, d.At, d.State = live, fmt.Sprint("evt_", i), 1, at(1), ledger.Pending
		must(t, l.Settle(t.Context(), "a", d))
	}
	equal(t, "while it is away", claim(t, l, "a", at(10), at(12), 9), nil)
	must(t, l.Resume(t.Context(), test))
	equal(t, "when another scope's is back", claim(t, l, "a", at(10), at(12), 9), nil)
	must(t, l.Resume(t.Context(), live))
	equal(t, "when it is back", claim(t, l, "a", at(10), at(12), 9), []string{"evt_0"})
	for i, want := range []time.Time{at(1), at(30), {}, at(30)} {
		equal(t, fmt.Sprint("what evt_", i, " waited for is still known"), getEvent(t, l, live, fmt.Sprint("evt_", i)).Back.Equal(want), true)
	}
	equal(t, "in half a minute", claim(t, l, "a", at(30), at(40), 9), []string{"evt_0", "evt_3", "evt_1"})
	for _, id := range []string{"evt_0", "evt_1"} { // the next outcome says anew
		must(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: live, EventID: id, Attempt: 2, At: at(30), State: ledger.Pending, Due: at(90)}))
	}
	must(t, l.Resume(t.Context(), live))
	equal(t, "of what has had an answer since", claim(t, l, "b", at(80), at(81), 9), []string{"evt_3"})
}

// testSharedLanes lets two handles fill and empty lanes at once: every lane is delivered one at a time and in order.
func testSharedLanes(t *testing.T, a, b ledger.Ledger) {
	const lanes, each = 5, 12
	var mu sync.Mutex
	under, last := make(map[string]bool), make(map[string]int)
	var wg sync.WaitGroup
	for lane := range lanes {
		wg.Go(func() {
			for n := range each {
				add(t, []ledger.Ledger{a, b}[(lane+n)%2], inLane(fmt.Sprintf("evt_%d_%d", lane, n), fmt.Sprint(lane), 0, n+1), ledger.Recorded)
			}
		})
	}
	for i := range 4 {
		l, me := []ledger.Ledger{a, b}[i%2], fmt.Sprint("owner", i)
		wg.Go(func() {
			for {
				es, err := l.Claim(t.Context(), ledger.Claim{Scope: live, Owner: me, Now: noon, Until: at(60), Limit: 3})
				if err != nil {
					t.Error(err)
					return
				}
				for _, e := range es {
					n := int(e.Created.Sub(noon).Seconds())
					mu.Lock()
					if under[e.Lane] || last[e.Lane] != n-1 {
						t.Errorf("%s: another under way: %t, last delivered: %d", e.ID, under[e.Lane], last[e.Lane])
					}
					under[e.Lane], last[e.Lane] = true, n
					mu.Unlock()
				}
				for _, e := range es {
					mu.Lock()
					under[e.Lane] = false // before it is settled: whoever claims next comes after that
					mu.Unlock()
					settle(t, l, me, e.ID, ledger.Delivered)
				}
				mu.Lock()
				done := 0
				for _, n := range last {
					done += n
				}
				mu.Unlock()
				if done == lanes*each || t.Failed() {
					return
				}
			}
		})
	}
	wg.Wait()
}

package ledgertest

import (
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// lent asks for a lease of a until 2 s.
func lent(e *ledger.Event) *ledger.Event {
	e.Lease = ledger.Lease{Owner: "a", Until: at(2)}
	return e
}

// An event that is leased in the write that records it is like one that was recorded and claimed.
func testLent(t *testing.T, l ledger.Ledger) {
	changed, stop := l.Watch(ledger.EventsTopic(live))
	defer stop()
	e := lent(event(live, "evt_1"))
	add(t, l, e, ledger.Recorded)
	equal(t, "given", e.Lease, ledger.Lease{Owner: "a", Until: at(2)})
	select {
	case <-changed:
		t.Error("others were told")
	default:
	}
	equal(t, "b within the lease", claim(t, l, "b", at(1), at(9), 9), nil)
	due, err := l.NextDue(t.Context(), live)
	must(t, err)
	equal(t, "next due", due, ledger.Due{At: at(2), Pending: 1})
	equal(t, "what a has", renew(t, l, "a", live, at(4)), []string{"evt_1"})
	equal(t, "b before the end of the longer lease", claim(t, l, "b", at(3), at(9), 9), nil)
	want := ledger.Delivery{Scope: live, EventID: "evt_1", Attempt: 1, At: at(3), Status: 200, State: ledger.Delivered}
	must(t, l.Settle(t.Context(), "a", want))
	ds, err := l.Deliveries(t.Context(), live, "evt_1")
	must(t, err)
	equal(t, "deliveries", ds, []ledger.Delivery{want})
	equal(t, "state", getEvent(t, l, live, "evt_1").State, ledger.Delivered)

	add(t, l, lent(event(live, "evt_2")), ledger.Recorded)
	equal(t, "the next, whose owner has died, at the end of its lease", claim(t, l, "b", at(2), at(9), 9), []string{"evt_2"})
	equal(t, "what a has then", renew(t, l, "a", live, at(9)), nil)
}

// Only what could be claimed at once is leased.
func testLentOnly(t *testing.T, l ledger.Ledger) {
	refused := func(what string, e *ledger.Event, did ledger.Appended) {
		t.Helper()
		add(t, l, lent(e), did)
		equal(t, what, e.Lease, ledger.Lease{})
	}
	for _, state := range []ledger.State{ledger.Held, ledger.Filtered} {
		e := event(live, "evt_"+string(state))
		e.State = state
		refused(string(state), e, ledger.Recorded)
	}
	later := event(live, "evt_later")
	later.Due = at(1)
	refused("due later", later, ledger.Recorded)
	first := lent(inLane("evt_first", "1", 0, 1))
	add(t, l, first, ledger.Recorded)
	equal(t, "the first of its lane", first.Lease.Owner, "a")
	refused("behind another", inLane("evt_second", "1", 0, 2), ledger.Recorded)
	refused("the same again", inLane("evt_second", "1", 0, 2), ledger.Duplicate)
	ahead := lent(inLane("evt_ahead", "1", 0, 0))
	add(t, l, ahead, ledger.Recorded)
	equal(t, "before the one that is under way", ahead.Lease.Owner, "a")

	charge(t, l, "2", "ch_2")
	wrong := paid(live, "evt_wrong", "ch_2", "2")
	wrong.Payment.Amount = 99
	refused("a payment of another amount", wrong, ledger.Recorded)
	equal(t, "its state", wrong.State, ledger.Held)
	charge(t, l, "3", "ch_3")
	right := lent(paid(live, "evt_right", "ch_3", "3"))
	add(t, l, right, ledger.Recorded)
	equal(t, "a payment as it should be", right.Lease.Owner, "a")
	refused("the same effect", paid(live, "evt_q_right", "ch_3", "3"), ledger.SameEffect)

	add(t, l, lent(event(live, "evt_alone")), ledger.Recorded)
	refused("one that is under way, once more", event(live, "evt_alone"), ledger.Duplicate)
	back := lent(refund("evt_back", "ch_far", "far", 10))
	add(t, l, back, ledger.Recorded)
	equal(t, "a refund of what nobody knows", back.Lease.Owner, "a")
	twice := refund("evt_q_back", "ch_far", "", 10)
	twice.ObjectID = back.ObjectID
	refused("the same refund, in no lane", twice, ledger.SameEffect)

	equal(t, "what a has", len(renew(t, l, "a", live, at(3))), 5)
	equal(t, "what is left", claim(t, l, "b", at(1), at(9), 9), []string{"evt_later"})
}

// A refund that takes its payment back before that was sent is withheld with it, also if it goes before it in their lane.
func testLentWentBack(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	add(t, l, payment("evt_1", "ch_1", "1"), ledger.Recorded)
	part := refund("evt_r1", "ch_1", "1", 60)
	part.Rank = -1
	add(t, l, lent(part), ledger.Recorded)
	equal(t, "a part of it", part.Lease.Owner, "a")
	must(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: live, EventID: "evt_r1", Attempt: 1, At: noon, State: ledger.Delivered}))
	rest := refund("evt_r2", "ch_1", "1", 40)
	rest.Rank = -1
	add(t, l, lent(rest), ledger.Recorded)
	equal(t, "the rest", rest.Lease, ledger.Lease{})
	wantEvent(t, l, "evt_1", ledger.Discarded, ledger.ReasonRefunded)
	wantEvent(t, l, "evt_r2", ledger.Filtered, ledger.ReasonUnpaid)
	equal(t, "nothing to deliver", claim(t, l, "b", at(9), at(19), 9), nil)
}

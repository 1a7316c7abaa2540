package ledgertest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

func decide(t *testing.T, l ledger.Ledger, action ledger.Action, id string, seconds int) error {
	return l.Decide(t.Context(), ledger.Decision{Scope: live, EventID: id, Action: action, Now: at(seconds), By: "ops", Reason: "because"})
}

func testDecideStates(t *testing.T, l ledger.Ledger) {
	record := map[ledger.State]func(id string){
		ledger.Pending:  func(id string) { add(t, l, event(live, id), ledger.Recorded) },
		ledger.Held:     func(id string) { e := event(live, id); e.State = ledger.Held; add(t, l, e, ledger.Recorded) },
		ledger.Filtered: func(id string) { e := event(live, id); e.State = ledger.Filtered; add(t, l, e, ledger.Recorded) },
		ledger.Dead: func(id string) {
			add(t, l, event(live, id), ledger.Recorded)
			claim(t, l, "a", noon, at(1), 99)
			settle(t, l, "a", id, ledger.Dead)
		},
		ledger.Delivered: func(id string) {
			add(t, l, event(live, id), ledger.Recorded)
			settle(t, l, "a", id, ledger.Delivered)
		},
		ledger.Discarded: func(id string) {
			add(t, l, event(live, id), ledger.Recorded)
			must(t, decide(t, l, ledger.ActionDiscard, id, 1))
		},
	}
	for action, allowed := range map[ledger.Action][]ledger.State{
		ledger.ActionReplay:  {ledger.Pending, ledger.Delivered, ledger.Dead, ledger.Discarded, ledger.Filtered},
		ledger.ActionRelease: {ledger.Held},
		ledger.ActionDiscard: {ledger.Held, ledger.Pending, ledger.Dead},
	} {
		for state, recorded := range record {
			id := fmt.Sprintf("evt_%s_%s", action, state)
			recorded(id)
			equal(t, id, getEvent(t, l, live, id).State, state)
			err := decide(t, l, action, id, 7)
			e := getEvent(t, l, live, id)
			if !slices.Contains(allowed, state) {
				wantErr(t, err, ledger.ErrState)
				equal(t, id+" afterwards", e.State, state)
				continue
			}
			must(t, err)
			want := ledger.Pending
			if action == ledger.ActionDiscard {
				want = ledger.Discarded
				equal(t, id+" settled", e.Settled, at(7))
			}
			equal(t, id+" afterwards", e.State, want)
			if replayed := action == ledger.ActionReplay && state != ledger.Pending; e.Replay != replayed || replayed && e.Tries != 0 {
				t.Fatalf("%s: %s", id, show(e))
			}
		}
	}
	wantErr(t, decide(t, l, ledger.ActionReplay, "evt_none", 1), ledger.ErrNotFound)
	if err := decide(t, l, "shred", "evt_replay_pending", 1); err == nil {
		t.Fatal("an unknown action was taken")
	}
}

func testReplay(t *testing.T, l ledger.Ledger) {
	add(t, l, event(live, "evt_1"), ledger.Recorded)
	for range 2 {
		claim(t, l, "a", at(9), at(10), 1)
		settle(t, l, "a", "evt_1", ledger.Pending)
	}
	changed, stop := l.Watch(ledger.EventsTopic(live))
	defer stop()
	must(t, decide(t, l, ledger.ActionReplay, "evt_1", 2)) // a pending one: at once
	<-changed
	e := getEvent(t, l, live, "evt_1")
	if !e.Due.Equal(at(2)) || e.Tries != 2 || e.Replay {
		t.Fatalf("a pending event replayed: %s", show(e))
	}
	claim(t, l, "a", at(2), at(9), 1)
	settle(t, l, "a", "evt_1", ledger.Delivered)
	must(t, decide(t, l, ledger.ActionReplay, "evt_1", 20))
	<-changed
	e = getEvent(t, l, live, "evt_1")
	if e.State != ledger.Pending || e.Attempts != 3 || e.Tries != 0 || !e.Replay || !e.Settled.IsZero() || !e.Due.Equal(at(20)) {
		t.Fatalf("replayed: %s", show(e))
	}
	equal(t, "claimed", claim(t, l, "a", at(20), at(29), 9), []string{"evt_1"})
	settle(t, l, "a", "evt_1", ledger.Delivered)
	e = getEvent(t, l, live, "evt_1")
	if e.Attempts != 4 || e.Tries != 1 || !e.Replay {
		t.Fatalf("delivered again: %s", show(e))
	}
}

// A replayed event takes its place in its lane, and is not told why it was left out before.
func testReplayInLane(t *testing.T, l ledger.Ledger) {
	first := inLane("evt_1", "1", 0, 1)
	first.State, first.Reasons = ledger.Filtered, []string{ledger.ReasonType}
	add(t, l, first, ledger.Recorded)
	add(t, l, inLane("evt_2", "1", 0, 2), ledger.Recorded)
	must(t, decide(t, l, ledger.ActionReplay, "evt_1", 0))
	wantEvent(t, l, "evt_1", ledger.Pending)
	equal(t, "claimed", claim(t, l, "a", at(9), at(19), 9), []string{"evt_1"})
	settle(t, l, "a", "evt_1", ledger.Delivered)
	equal(t, "then", claim(t, l, "a", at(9), at(19), 9), []string{"evt_2"})
}

func testDiscardPending(t *testing.T, l ledger.Ledger) {
	add(t, l, inLane("evt_1", "1", 0, 1), ledger.Recorded)
	add(t, l, inLane("evt_2", "1", 0, 2), ledger.Recorded)
	claim(t, l, "a", noon, at(5), 9)
	wantErr(t, decide(t, l, ledger.ActionDiscard, "evt_1", 4), ledger.ErrState)
	must(t, decide(t, l, ledger.ActionDiscard, "evt_1", 5)) // the lease ran out
	equal(t, "the next of the lane", claim(t, l, "b", at(5), at(9), 9), []string{"evt_2"})
	settle(t, l, "a", "evt_1", ledger.Pending)
	equal(t, "its former owner's word", getEvent(t, l, live, "evt_1").State, ledger.Discarded)
	due, err := l.NextDue(t.Context(), live)
	must(t, err)
	equal(t, "pending", due.Pending, 1)
}

func testReleaseHeld(t *testing.T, l ledger.Ledger) {
	hold(t, l)
	add(t, l, refund("evt_r", "ch_held", "1", 30), ledger.Recorded)
	unwanted := refund("evt_u", "ch_held", "1", 5)
	unwanted.State, unwanted.Reasons = ledger.Filtered, []string{ledger.ReasonType}
	add(t, l, unwanted, ledger.Recorded)
	charged, stop := l.Watch(ledger.ChargeTopic(live, "ch_held"))
	defer stop()
	must(t, decide(t, l, ledger.ActionRelease, "evt_held", 1))
	<-charged
	wantEvent(t, l, "evt_held", ledger.Pending, ledger.ReasonPaidTwice)
	wantEvent(t, l, "evt_r", ledger.Pending)
	wantEvent(t, l, "evt_u", ledger.Filtered, ledger.ReasonType)
	if e := getEvent(t, l, live, "evt_held"); e.Replay {
		t.Fatal("a first delivery is no replay")
	}
	if getCharge(t, l, "ch_held").Held {
		t.Fatal("still held")
	}
	for _, id := range []string{"evt_first", "evt_held", "evt_r"} {
		equal(t, "in order", claim(t, l, "a", at(9), at(19), 9), []string{id})
		settle(t, l, "a", id, ledger.Delivered)
	}
	add(t, l, refund("evt_r2", "ch_held", "1", 30), ledger.Recorded)
	wantEvent(t, l, "evt_r2", ledger.Pending)
}

func testDiscardPayment(t *testing.T, l ledger.Ledger) {
	hold(t, l)
	must(t, decide(t, l, ledger.ActionDiscard, "evt_held", 1))
	if !getCharge(t, l, "ch_held").Held {
		t.Fatal("a discarded payment's charge is to show it")
	}
	add(t, l, refund("evt_r", "ch_held", "1", 100), ledger.Recorded)
	wantEvent(t, l, "evt_r", ledger.Filtered, ledger.ReasonUnpaid)

	// A pending one, with its refund waiting behind it.
	add(t, l, payment("evt_2", "ch_2", "2"), ledger.Recorded)
	add(t, l, refund("evt_r2", "ch_2", "2", 10), ledger.Recorded)
	must(t, decide(t, l, ledger.ActionDiscard, "evt_2", 1))
	wantEvent(t, l, "evt_r2", ledger.Filtered, ledger.ReasonUnpaid)
	must(t, decide(t, l, ledger.ActionReplay, "evt_2", 2)) // the person thinks again
	wantEvent(t, l, "evt_2", ledger.Pending)
	wantEvent(t, l, "evt_r2", ledger.Pending)
	equal(t, "claimed", claim(t, l, "a", at(9), at(19), 9), []string{"evt_first", "evt_2"})

	// Discarded when its lease had run out, and acknowledged all the same: the backend has to hear of its refunds.
	add(t, l, payment("evt_3", "ch_3", "3"), ledger.Recorded)
	claim(t, l, "b", at(9), at(10), 9)
	must(t, decide(t, l, ledger.ActionDiscard, "evt_3", 11))
	settle(t, l, "b", "evt_3", ledger.Delivered)
	if getCharge(t, l, "ch_3").Held {
		t.Fatal("held although the backend has it")
	}
}

func testEventsList(t *testing.T, l ledger.Ledger) {
	for i := range 12 {
		e := payment(fmt.Sprint("evt_", i), fmt.Sprint("ch_", i), fmt.Sprint("o", i%4))
		if i%3 == 2 {
			e = refund(fmt.Sprint("evt_", i), "ch_none", fmt.Sprint("o", i%4), 1)
		}
		e.Received = at(i * 3600)
		add(t, l, e, ledger.Recorded)
	}
	elsewhere := event(test, "evt_test")
	elsewhere.OrderNo = "o1"
	add(t, l, elsewhere, ledger.Recorded)
	for name, c := range map[string]struct {
		filter ledger.Filter
		want   []int
	}{
		"all":         {ledger.Filter{}, []int{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}},
		"limit":       {ledger.Filter{Limit: 3}, []int{11, 10, 9}},
		"type":        {ledger.Filter{Type: "refund.succeeded"}, []int{11, 8, 5, 2}},
		"payments":    {ledger.Filter{Type: "charge.succeeded", Limit: 3}, []int{10, 9, 7}},
		"order":       {ledger.Filter{OrderNo: "o1"}, []int{9, 5, 1}},
		"order, type": {ledger.Filter{OrderNo: "o1", Type: "charge.succeeded"}, []int{9, 1}},
		"held":        {ledger.Filter{States: []ledger.State{ledger.Held}}, []int{10, 9, 7, 4}},
		"two states":  {ledger.Filter{States: []ledger.State{ledger.Held, ledger.Pending, ledger.Held}, Limit: 4}, []int{11, 10, 9, 8}},
		"type, state": {ledger.Filter{Type: "refund.succeeded", States: []ledger.State{ledger.Held}}, nil},
		"order, held": {ledger.Filter{OrderNo: "o2", States: []ledger.State{ledger.Held}}, []int{10}},
		"since":       {ledger.Filter{Since: at(9 * 3600)}, []int{11, 10, 9}},
		"since never": {ledger.Filter{Since: at(99 * 3600)}, nil},
		"nothing":     {ledger.Filter{OrderNo: "none"}, nil},
	} {
		c.filter.Scope = live
		es, err := l.Events(t.Context(), c.filter)
		must(t, err)
		var got, want []string
		for _, e := range es {
			got = append(got, e.ID)
			if e.Body != nil || e.Signature != "" {
				t.Errorf("%s: %s came with its body", name, e.ID)
			}
		}
		for _, i := range c.want {
			want = append(want, fmt.Sprint("evt_", i))
		}
		equal(t, name, got, want)
	}
	for _, f := range []ledger.Filter{{}, {OrderNo: "o1"}, {Type: "refund.succeeded"}} { // page by page
		f.Scope, f.Limit = live, 100
		all, err := l.Events(t.Context(), f)
		must(t, err)
		f.Limit = 2
		var paged []ledger.Event
		for {
			es, err := l.Events(t.Context(), f)
			must(t, err)
			if len(es) == 0 {
				break
			}
			paged = append(paged, es...)
			f.Before = es[len(es)-1].Seq
		}
		equal(t, "pages", paged, all)
	}
	whole := getEvent(t, l, live, "evt_3")
	es, err := l.Events(t.Context(), ledger.Filter{Scope: live, OrderNo: "o3"})
	must(t, err)
	whole.Body, whole.Signature = nil, ""
	equal(t, "all but the body", es[len(es)-1], *whole)
	es, err = l.Events(t.Context(), ledger.Filter{Scope: other})
	must(t, err)
	equal(t, "in a scope without any", len(es), 0)
}

func testEventsLimits(t *testing.T, l ledger.Ledger) {
	for i := range 60 {
		add(t, l, event(live, fmt.Sprint("evt_", i)), ledger.Recorded)
	}
	for limit, want := range map[int]int{0: 50, 10: 10, 1000: 60, 5000: 60, -1: 50} {
		es, err := l.Events(t.Context(), ledger.Filter{Scope: live, Limit: limit})
		must(t, err)
		equal(t, fmt.Sprint("limit ", limit), len(es), want)
	}
}

// testPrune: what is settled and old goes, what still waits for somebody stays.
func testPrune(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1") // paid, and so closed
	charge(t, l, "2", "ch_2") // will be asked for again
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_2", Next: at(9999)}))
	add(t, l, payment("evt_delivered", "ch_1", "1"), ledger.Recorded)
	settle(t, l, "a", "evt_delivered", ledger.Delivered)
	hold(t, l)
	for _, state := range []ledger.State{ledger.Filtered, ledger.Pending} {
		e := event(live, "evt_"+string(state))
		e.State = state
		add(t, l, e, ledger.Recorded)
	}
	late := event(live, "evt_late")
	add(t, l, late, ledger.Recorded)
	must(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: live, EventID: "evt_late", At: at(9000), State: ledger.Delivered}))

	before := at(8000)
	n, err := l.Prune(t.Context(), before, 1)
	must(t, err)
	equal(t, "at most", n, 1)
	n, err = l.Prune(t.Context(), before, 100)
	must(t, err)
	equal(t, "the rest", n, 2)
	n, err = l.Prune(t.Context(), before, 100)
	must(t, err)
	equal(t, "nothing left", n, 0)
	for id, pruned := range map[string]bool{"evt_delivered": true, "evt_filtered": true, "evt_pending": false, "evt_held": false, "evt_late": false} {
		if e := getEvent(t, l, live, id); (e.Body == nil) != pruned || pruned && e.Signature != "" {
			t.Errorf("%s: pruned %t, want %t", id, e.Body == nil, pruned)
		}
	}
	for id, pruned := range map[string]bool{"ch_1": true, "ch_2": false} {
		if c := getCharge(t, l, id); (c.Raw == nil) != pruned {
			t.Errorf("%s: pruned %t, want %t", id, c.Raw == nil, pruned)
		}
	}
	wantErr(t, decide(t, l, ledger.ActionReplay, "evt_delivered", 9), ledger.ErrState) // there is nothing to send
	add(t, l, payment("evt_delivered", "ch_1", "1"), ledger.Duplicate)
	add(t, l, payment("evt_q", "ch_1", "1"), ledger.SameEffect)
	_, err = l.Reserve(t.Context(), func() ledger.Reservation {
		r := reservation(live, "9", noon, at(30))
		r.Number = func(int, int) string { return "1" }
		return r
	}())
	if err == nil {
		t.Fatal("a pruned charge's number was given out again")
	}
}

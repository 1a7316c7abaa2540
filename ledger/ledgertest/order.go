package ledgertest

import (
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// A refund that arrives before its payment, or that Ping++ made at an earlier second, is delivered after it all the same, and is not lost by that.
func testRefundBeforePayment(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	late := refund("evt_r1", "ch_1", "1", 10)
	late.Created = at(6)
	add(t, l, late, ledger.Recorded)
	first := payment("evt_1", "ch_1", "1")
	first.Created = at(5)
	add(t, l, first, ledger.Recorded)
	early := refund("evt_r2", "ch_1", "1", 10)
	early.Created = at(-5)
	add(t, l, early, ledger.Recorded)
	for i, want := range []string{"evt_1", "evt_r2", "evt_r1"} {
		got := claim(t, l, "a", at(1+i), at(60), 9)
		equal(t, "claimed", got, []string{want})
		settle(t, l, "a", want, ledger.Delivered)
	}
}

// Whoever waits for something hears of each change of it, and of nothing else.
func testSignals(t *testing.T, l ledger.Ledger) {
	heard := func(topic ledger.Topic, call func()) bool {
		t.Helper()
		changed, stop := l.Watch(topic)
		defer stop()
		call()
		return len(changed) > 0
	}
	want := func(what string, topic ledger.Topic, want bool, call func()) {
		t.Helper()
		if heard(topic, call) != want {
			t.Errorf("%s: a signal %t, want %t", what, !want, want)
		}
	}
	ch := func(id string) ledger.Topic { return ledger.ChargeTopic(live, id) }
	events := ledger.EventsTopic(live)
	ctx := t.Context()
	charge(t, l, "1", "ch_1")
	r := asking("R1", 30, 0)
	want("a refund is asked for", ch("ch_1"), true, func() { reserveRefund(t, l, r, true) })
	want("a refund waits", ch("ch_1"), true, func() { must(t, l.ReleaseRefund(ctx, lease(r), ledger.RefundPause{Next: at(70), Asks: 1})) })
	r.Now, r.Until = at(80), at(120)
	reserveRefund(t, l, r, false)
	want("a refund is made", ch("ch_1"), true, func() { must(t, l.RefundMade(ctx, lease(r), "re_1", at(90))) })
	want("a refund failed", ch("ch_1"), true, func() { add(t, l, refundFailed("evt_f", "re_1", "R1", 30), ledger.Recorded) })

	charge(t, l, "2", "ch_2")
	want("the client has seen something", ch("ch_2"), true, func() { must(t, l.NoteClient(ctx, live, "ch_2", ledger.ClientNote{Result: "success", At: at(1)})) })
	want("a payment cannot be read", ch("ch_2"), true, func() { add(t, l, unreadable(payment("evt_odd", "ch_2", "2")), ledger.Recorded) })
	want("a person is against it", ch("ch_2"), true, func() { must(t, decide(t, l, ledger.ActionDiscard, "evt_odd", 5)) })

	lost := reserve(t, l, "3", noon, at(1))
	reserve(t, l, "3", at(2), at(30))
	want("a number is given back that somebody took over", ledger.OrderTopic(live, "3"), false, func() { release(t, l, lost.Number, ledger.Unsent, nil) })

	charge(t, l, "4", "ch_4")
	add(t, l, payment("evt_4", "ch_4", "4"), ledger.Recorded)
	add(t, l, refund("evt_r4", "ch_4", "4", 10), ledger.Recorded)
	claim(t, l, "a", at(9), at(60), 9)
	want("an event is delivered, and another waits for it", events, true, func() { settle(t, l, "a", "evt_4", ledger.Delivered) })

	far := event(live, "evt_far")
	far.Due = at(9999)
	add(t, l, far, ledger.Recorded)
	want("what waits for a clock that was wrong is due", events, true, func() {
		n, err := l.Overdue(ctx, live, at(10))
		must(t, err)
		equal(t, "overdue", n, 1)
	})
}

// An event that is recorded already is left as the caller has it.
func testDuplicateUntouched(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	add(t, l, payment("evt_1", "ch_1", "1"), ledger.Recorded)
	again := payment("evt_1", "ch_1", "1")
	again.Host = "elsewhere.example.com"
	before := show(again)
	add(t, l, again, ledger.Duplicate)
	equal(t, "the caller's", show(again), before)

	// What was not to be delivered when it came is not due.
	add(t, l, payment("evt_same", "ch_1", "1"), ledger.SameEffect)
	add(t, l, unreadable(payment("evt_odd", "ch_2", "1")), ledger.Recorded)
	for _, id := range []string{"evt_same", "evt_odd"} {
		if e := getEvent(t, l, live, id); !e.Due.IsZero() {
			t.Errorf("it is %s, and due: %s", e.State, show(e))
		}
	}
}

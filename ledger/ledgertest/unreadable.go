package ledgertest

import (
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// unreadable makes an event one that cannot be read, as the relay records it.
func unreadable(e *ledger.Event) *ledger.Event {
	e.State, e.Reasons = ledger.Held, []string{ledger.ReasonUnreadable}
	e.Change, e.Payment, e.Refund = nil, nil, nil
	return e
}

// What cannot be read is delivered once it is heard in another way, and then it was heard once.
func testUnreadableFirst(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	add(t, l, unreadable(payment("evt_odd", "ch_1", "1")), ledger.Recorded)
	add(t, l, unreadable(payment("evt_odd", "ch_1", "1")), ledger.Duplicate)
	wantEvent(t, l, "evt_odd", ledger.Held, ledger.ReasonUnreadable)
	if c := getCharge(t, l, "ch_1"); !c.Held || c.Paid {
		t.Fatalf("its payment cannot be read: %s", show(c))
	}
	add(t, l, refund("evt_r", "ch_1", "1", 10), ledger.Recorded)
	wantEvent(t, l, "evt_r", ledger.Filtered, ledger.ReasonUnpaid)

	add(t, l, payment("evt_good", "ch_1", "1"), ledger.Recorded)
	wantEvent(t, l, "evt_good", ledger.Pending)
	wantEvent(t, l, "evt_odd", ledger.Filtered, ledger.ReasonEffectSeen)
	wantEvent(t, l, "evt_r", ledger.Pending)
	if c := getCharge(t, l, "ch_1"); c.Held || !c.Paid {
		t.Fatalf("its payment was read: %s", show(c))
	}
	equal(t, "claimed", claim(t, l, "o", at(1), at(9), 9), []string{"evt_good"})

	add(t, l, unreadable(payment("evt_odd2", "ch_1", "1")), ledger.SameEffect)
	wantEvent(t, l, "evt_odd2", ledger.Filtered, ledger.ReasonEffectSeen)

	// Read at last, it is one that the backend is not told of: nor of its refunds.
	charge(t, l, "2", "ch_2")
	add(t, l, unreadable(payment("evt_odd3", "ch_2", "2")), ledger.Recorded)
	add(t, l, refund("evt_r2", "ch_2", "2", 10), ledger.Recorded)
	returned := reversedPayment("evt_back", "ch_2", "2")
	returned.Returned = true
	add(t, l, returned, ledger.Recorded)
	wantEvent(t, l, "evt_back", ledger.Discarded, ledger.ReasonReversed)
	wantEvent(t, l, "evt_odd3", ledger.Filtered, ledger.ReasonEffectSeen)
	wantEvent(t, l, "evt_r2", ledger.Filtered, ledger.ReasonUnpaid)

	// It came before Ping++'s answer, so that nobody knew whose it was.
	r := reserve(t, l, "3", noon, at(30))
	early := unreadable(payment("evt_early", "ch_3", "3"))
	early.Number = r.Number
	add(t, l, early, ledger.Recorded)
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, OrderNo: "3", Number: r.Number, ID: "ch_3", Channel: "wx_lite", Amount: 100, Currency: "cny", Created: noon, TimeExpire: at(7200)}))
	add(t, l, payment("evt_good3", "ch_3", "3"), ledger.Recorded)
	wantEvent(t, l, "evt_good3", ledger.Pending)
	wantEvent(t, l, "evt_early", ledger.Filtered, ledger.ReasonEffectSeen)
}

// A refund and an order that cannot be read wait in the same way.
func testUnreadableRefund(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	add(t, l, payment("evt_p", "ch_1", "1"), ledger.Recorded)
	again := func(id string) *ledger.Event {
		e := refund(id, "ch_1", "1", 40)
		e.ObjectID = "re_1"
		return e
	}
	add(t, l, unreadable(again("evt_odd")), ledger.Recorded)
	equal(t, "refunded", getCharge(t, l, "ch_1").AmountRefunded, int64(0))
	wantEvent(t, l, "evt_p", ledger.Pending)
	add(t, l, again("evt_good"), ledger.Recorded)
	wantEvent(t, l, "evt_odd", ledger.Filtered, ledger.ReasonEffectSeen)
	wantEvent(t, l, "evt_good", ledger.Pending)
	equal(t, "refunded", getCharge(t, l, "ch_1").AmountRefunded, int64(40))
	add(t, l, unreadable(again("evt_late")), ledger.SameEffect)

	// Two that say nothing have nothing in common.
	for _, id := range []string{"evt_a", "evt_b"} {
		e := unreadable(refund(id, "", "", 0))
		e.ObjectID = ""
		add(t, l, e, ledger.Recorded)
		wantEvent(t, l, id, ledger.Held, ledger.ReasonUnreadable)
	}
}

// A person who releases a payment that cannot be read says that it is one.
func testUnreadableReleased(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	charge(t, l, "1", "ch_later")
	add(t, l, unreadable(payment("evt_odd", "ch_1", "1")), ledger.Recorded)
	must(t, decide(t, l, ledger.ActionRelease, "evt_odd", 5))
	wantEvent(t, l, "evt_odd", ledger.Pending, ledger.ReasonUnreadable)
	if c := getCharge(t, l, "ch_later"); !c.Superseded {
		t.Fatalf("another attempt of the order that is paid: %s", show(c))
	}
	if c := getCharge(t, l, "ch_1"); c.Held || !c.Paid || !c.NextQuery.IsZero() {
		t.Fatalf("released: %s", show(c))
	}
	add(t, l, payment("evt_good", "ch_1", "1"), ledger.SameEffect)
	wantEvent(t, l, "evt_odd", ledger.Pending, ledger.ReasonUnreadable)
	add(t, l, payment("evt_twice", "ch_2", "1"), ledger.Recorded)
	wantEvent(t, l, "evt_twice", ledger.Held, ledger.ReasonPaidTwice)

	// A refund that is released vouches for no payment.
	charge(t, l, "2", "ch_3")
	add(t, l, unreadable(payment("evt_odd3", "ch_3", "2")), ledger.Recorded)
	add(t, l, unreadable(refund("evt_r", "ch_3", "2", 1)), ledger.Recorded)
	must(t, decide(t, l, ledger.ActionRelease, "evt_r", 5))
	if c := getCharge(t, l, "ch_3"); !c.Held || c.Paid {
		t.Fatalf("its refund was released: %s", show(c))
	}
}

// One that a person discards leaves the charge as it was: the payment may still be heard of.
func testUnreadableDiscarded(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	add(t, l, unreadable(payment("evt_odd", "ch_1", "1")), ledger.Recorded)
	must(t, decide(t, l, ledger.ActionDiscard, "evt_odd", 5))
	wantEvent(t, l, "evt_odd", ledger.Discarded, ledger.ReasonUnreadable)
	if c := getCharge(t, l, "ch_1"); c.Held || c.Paid {
		t.Fatalf("discarded: %s", show(c))
	}
	add(t, l, payment("evt_good", "ch_1", "1"), ledger.Recorded)
	wantEvent(t, l, "evt_good", ledger.Pending)
	wantEvent(t, l, "evt_odd", ledger.Discarded, ledger.ReasonUnreadable)
}

// One that says that its charge is not paid takes no effect from the one that says it is.
func testPaymentUnpaid(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	e := payment("evt_1", "ch_1", "1")
	e.Change = nil
	add(t, l, e, ledger.Recorded)
	if c := getCharge(t, l, "ch_1"); c.Paid || c.Held {
		t.Fatalf("not paid: %s", show(c))
	}
	add(t, l, payment("evt_2", "ch_1", "1"), ledger.Recorded)
	wantEvent(t, l, "evt_2", ledger.Pending)
	if c := getCharge(t, l, "ch_1"); !c.Paid {
		t.Fatalf("paid: %s", show(c))
	}
}

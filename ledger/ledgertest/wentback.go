package ledgertest

import (
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// Money that went back before its payment was heard of: whole is exactly what was paid.
func testRefundedExactlyBeforeHeld(t *testing.T, l ledger.Ledger) {
	for order, c := range map[string]struct {
		fen   int64
		state ledger.State
	}{"less": {49, ledger.Held}, "all": {50, ledger.Discarded}} {
		first, second := "ch_"+order+"_1", "ch_"+order+"_2"
		charge(t, l, order, first)
		charge(t, l, order, second)
		add(t, l, refund("evt_r_"+order, first, order, c.fen), ledger.Recorded)
		wrong := payment("evt_"+order, first, order)
		wrong.Payment.Amount = 50
		add(t, l, wrong, ledger.Recorded)
		equal(t, "filled in", wrong.State, c.state)
		if got := getEvent(t, l, live, wrong.ID); got.State != c.state || got.Settled.IsZero() == (c.state == ledger.Discarded) {
			t.Errorf("refunded %s: %s", order, show(got))
		}
		wantEvent(t, l, "evt_r_"+order, ledger.Filtered, ledger.ReasonUnpaid)
		// What went back whole has not paid the order: its other attempt may still do so.
		if other := getCharge(t, l, second); other.Superseded != (c.state == ledger.Held) {
			t.Errorf("refunded %s: the other attempt is %s", order, show(other))
		}
	}
}

// A refund that waits for a payment which turns out to be held is withheld, but for one that is under way; what waited behind it goes on.
func testWithheldRefunds(t *testing.T, l ledger.Ledger) {
	wrong := func(id, charge, order string) *ledger.Event {
		e := payment(id, charge, order)
		e.Payment.Amount = 50
		return e
	}
	charge(t, l, "1", "ch_1")
	add(t, l, refund("evt_r1", "ch_1", "1", 10), ledger.Recorded)
	behind := refund("evt_r2", "ch_other", "1", 10)
	behind.Created = at(1)
	add(t, l, behind, ledger.Recorded)
	add(t, l, wrong("evt_1", "ch_1", "1"), ledger.Recorded)
	wantEvent(t, l, "evt_r1", ledger.Filtered, ledger.ReasonUnpaid)
	equal(t, "what stood behind it", claim(t, l, "a", at(2), at(9), 9), []string{"evt_r2"})

	charge(t, l, "2", "ch_2")
	add(t, l, refund("evt_r3", "ch_2", "2", 10), ledger.Recorded)
	equal(t, "under way", claim(t, l, "b", at(2), at(9), 9), []string{"evt_r3"})
	late := wrong("evt_2", "ch_2", "2")
	late.Received = at(3)
	add(t, l, late, ledger.Recorded)
	wantEvent(t, l, "evt_2", ledger.Held, ledger.ReasonAmount)
	wantEvent(t, l, "evt_r3", ledger.Pending) // it is not recalled
}

// A payment that a person wants delivered stays so, whatever goes back meanwhile.
func testRefundedWhileReplayed(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	add(t, l, payment("evt_1", "ch_1", "1"), ledger.Recorded)
	must(t, decide(t, l, ledger.ActionDiscard, "evt_1", 1))
	must(t, decide(t, l, ledger.ActionReplay, "evt_1", 2))
	add(t, l, refund("evt_r", "ch_1", "1", 100), ledger.Recorded)
	wantEvent(t, l, "evt_1", ledger.Pending)
	wantEvent(t, l, "evt_r", ledger.Pending)
}

// An event says that a charge was reversed whose payment was not sent yet.
func testReversedByEvent(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	add(t, l, payment("evt_1", "ch_1", "1"), ledger.Recorded)
	e := event(live, "evt_back")
	e.ChargeID, e.OrderNo, e.Change = "ch_1", "1", &ledger.ChargeChange{Reversed: true}
	add(t, l, e, ledger.Recorded)
	wantEvent(t, l, "evt_1", ledger.Discarded, ledger.ReasonReversed)
	if c := getCharge(t, l, "ch_1"); !c.Reversed || c.Pays() {
		t.Errorf("reversed: %s", show(c))
	}
}

// A payment, and a reversal, end the look-ups of their charge.
func testEventsEndQueries(t *testing.T, l ledger.Ledger) {
	for id, change := range map[string]ledger.ChargeChange{"ch_paid": {Paid: true, TimePaid: noon}, "ch_back": {Reversed: true}} {
		r := reserve(t, l, id, noon, at(30))
		must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: r.Number, ID: id, Amount: 100, Currency: "cny", Created: noon, NextQuery: at(30)}))
		if c := getCharge(t, l, id); c.NextQuery.IsZero() {
			t.Fatalf("no look-up to end: %s", show(c))
		}
		e := payment("evt_"+id, id, id)
		if e.Change = &change; !change.Paid {
			e.Type, e.Payment = "charge.reversed", nil
		}
		add(t, l, e, ledger.Recorded)
		if c := getCharge(t, l, id); !c.NextQuery.IsZero() {
			t.Errorf("still looked up: %s", show(c))
		}
	}
}

// An attempt that another payment of its order made superseded, and whose order was never quoted but closed: there is no price to compare with.
func testSupersededWithoutPrice(t *testing.T, l ledger.Ledger) {
	lost := reserve(t, l, "1", noon, at(1))
	release(t, l, reserve(t, l, "1", at(2), at(30)).Number, ledger.Unsent, &ledger.Quote{Closed: true, At: at(3)})
	add(t, l, payment("evt_x", "ch_x", "1"), ledger.Recorded)
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: lost.Number, ID: "ch_1", Amount: 100, Currency: "cny", Created: at(1), Quoted: noon}))
	if c := getCharge(t, l, "ch_1"); !c.Superseded {
		t.Fatalf("not superseded: %s", show(c))
	}
	add(t, l, payment("evt_1", "ch_1", "1"), ledger.Recorded)
	wantEvent(t, l, "evt_1", ledger.Held, ledger.ReasonPaidTwice)
}

package ledgertest

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// reversedPayment returns the event of a payment of which Ping++ says that it is reversed.
func reversedPayment(id, charge, orderNo string) *ledger.Event {
	e := payment(id, charge, orderNo)
	e.Change.Reversed = true
	return e
}

// Whatever Ping++ means by paid and reversed, a person looks at it; until then nobody pays the order again.
func testPaidAndReversed(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	add(t, l, reversedPayment("evt_1", "ch_1", "1"), ledger.Recorded)
	wantEvent(t, l, "evt_1", ledger.Held, ledger.ReasonReversed)
	if c := getCharge(t, l, "ch_1"); !c.Paid || !c.Reversed || !c.Held || !c.Pays() || !c.NextQuery.IsZero() {
		t.Fatalf("paid and reversed: %s", show(c))
	}
	add(t, l, payment("evt_2", "ch_2", "1"), ledger.Recorded)
	wantEvent(t, l, "evt_2", ledger.Held, ledger.ReasonPaidTwice)
	must(t, decide(t, l, ledger.ActionDiscard, "evt_1", 1))
	if c := getCharge(t, l, "ch_1"); c.Pays() {
		t.Fatalf("its money went back, and a person says so: %s", show(c))
	}
	must(t, decide(t, l, ledger.ActionDiscard, "evt_2", 1))
	add(t, l, refund("evt_r", "ch_2", "1", 100), ledger.Recorded)
	charge(t, l, "1", "ch_3") // now the order can be paid again
	if c := getCharge(t, l, "ch_3"); c.Superseded {
		t.Fatalf("superseded by payments that went back: %s", show(c))
	}
	add(t, l, payment("evt_3", "ch_3", "1"), ledger.Recorded)
	wantEvent(t, l, "evt_3", ledger.Pending)

	// A charge that we knew to be reversed before we heard of its payment, and one that we never saw.
	charge(t, l, "2", "ch_4")
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_4", Reversed: true, At: noon}))
	add(t, l, payment("evt_4", "ch_4", "2"), ledger.Recorded)
	wantEvent(t, l, "evt_4", ledger.Held, ledger.ReasonReversed)
	must(t, decide(t, l, ledger.ActionRelease, "evt_4", 1))
	wantEvent(t, l, "evt_4", ledger.Pending, ledger.ReasonReversed)
	add(t, l, reversedPayment("evt_5", "ch_5", "3"), ledger.Recorded)
	wantEvent(t, l, "evt_5", ledger.Held, ledger.ReasonReversed)
	if c := getCharge(t, l, "ch_5"); !c.Reversed || c.State != ledger.Foreign {
		t.Fatalf("a foreign one: %s", show(c))
	}
	known := reversedPayment("evt_7", "ch_7", "5") // by somebody who knows where its money is
	known.Returned = true
	charge(t, l, "5", "ch_8")
	add(t, l, known, ledger.Recorded)
	wantEvent(t, l, "evt_7", ledger.Discarded, ledger.ReasonReversed)
	if c := getCharge(t, l, "ch_7"); c.Pays() || c.Held || getCharge(t, l, "ch_8").Superseded {
		t.Fatalf("reversed on purpose: %s", show(c))
	}
	deliver := reversedPayment("evt_6", "ch_6", "4")
	deliver.Deliver = true
	add(t, l, deliver, ledger.Recorded)
	wantEvent(t, l, "evt_6", ledger.Pending, ledger.ReasonReversed)
}

func testRefundedBeforeSent(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	add(t, l, payment("evt_1", "ch_1", "1"), ledger.Recorded)
	add(t, l, refund("evt_r1", "ch_1", "1", 60), ledger.Recorded)
	add(t, l, refund("evt_r1", "ch_1", "1", 60), ledger.Duplicate) // the same money does not go back twice
	wantEvent(t, l, "evt_1", ledger.Pending)
	wantEvent(t, l, "evt_r1", ledger.Pending)
	last := refund("evt_r2", "ch_1", "1", 40)
	add(t, l, last, ledger.Recorded)
	equal(t, "state filled in", last.State, ledger.Filtered)
	wantEvent(t, l, "evt_1", ledger.Discarded, ledger.ReasonRefunded)
	wantEvent(t, l, "evt_r1", ledger.Filtered, ledger.ReasonUnpaid)
	wantEvent(t, l, "evt_r2", ledger.Filtered, ledger.ReasonUnpaid)
	equal(t, "nothing to deliver", claim(t, l, "a", at(1), at(9), 9), nil)
	if c := getCharge(t, l, "ch_1"); c.Held || c.Pays() || !c.Paid || c.AmountRefunded != 100 {
		t.Fatalf("refunded before it was sent: %s", show(c))
	}
	must(t, decide(t, l, ledger.ActionReplay, "evt_1", 2)) // a person wants the backend to hear of it all the same
	for _, id := range []string{"evt_1", "evt_r1", "evt_r2"} {
		equal(t, "in order", claim(t, l, "a", at(3), at(9), 9), []string{id})
		settle(t, l, "a", id, ledger.Delivered)
	}

	// What is under way, or was tried, may have arrived: it is not recalled, and its refund follows it.
	for i, order := range []string{"2", "3"} {
		id := "ch_" + order
		add(t, l, payment("evt_"+order, id, order), ledger.Recorded)
		equal(t, "leased", claim(t, l, "a", at(10), at(20), 9), []string{"evt_" + order})
		if i == 1 {
			settle(t, l, "a", "evt_"+order, ledger.Pending)
		}
		add(t, l, refund("evt_whole_"+order, id, order, 100), ledger.Recorded)
		wantEvent(t, l, "evt_"+order, ledger.Pending)
		wantEvent(t, l, "evt_whole_"+order, ledger.Pending)
	}
	equal(t, "the one whose lease ran out", claim(t, l, "b", at(30), at(40), 1), []string{"evt_2"})
}

func testReversedBeforeSent(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	add(t, l, payment("evt_1", "ch_1", "1"), ledger.Recorded)
	add(t, l, refund("evt_r", "ch_1", "1", 10), ledger.Recorded)
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_1", Reversed: true, At: at(1)}))
	wantEvent(t, l, "evt_1", ledger.Discarded, ledger.ReasonReversed)
	equal(t, "settled", getEvent(t, l, live, "evt_1").Settled, at(1))
	wantEvent(t, l, "evt_r", ledger.Filtered, ledger.ReasonUnpaid)
	if c := getCharge(t, l, "ch_1"); c.Held || c.Pays() || !c.Reversed {
		t.Fatalf("reversed before it was sent: %s", show(c))
	}
	due, err := l.NextDue(t.Context(), live)
	must(t, err)
	equal(t, "next due", due, ledger.Due{})

	charge(t, l, "1", "ch_2") // it stands in nobody's way
	add(t, l, payment("evt_2", "ch_2", "1"), ledger.Recorded)
	wantEvent(t, l, "evt_2", ledger.Pending)
	add(t, l, refund("evt_r2", "ch_1", "1", 10), ledger.Recorded)
	wantEvent(t, l, "evt_r2", ledger.Filtered, ledger.ReasonUnpaid)
}

// The backend has not heard of a payment that is dead: its refunds wait for the replay.
func testRefundOfDead(t *testing.T, l ledger.Ledger) {
	die := func(id string, now int) {
		t.Helper()
		equal(t, "leased", claim(t, l, "a", at(now), at(now+9), 9), []string{id})
		settle(t, l, "a", id, ledger.Dead)
	}
	charge(t, l, "1", "ch_1")
	add(t, l, payment("evt_1", "ch_1", "1"), ledger.Recorded)
	add(t, l, refund("evt_r1", "ch_1", "1", 30), ledger.Recorded)
	die("evt_1", 0)
	wantEvent(t, l, "evt_r1", ledger.Filtered, ledger.ReasonUnpaid)
	add(t, l, refund("evt_r2", "ch_1", "1", 70), ledger.Recorded) // whole by now; but a dead payment was tried
	wantEvent(t, l, "evt_r2", ledger.Filtered, ledger.ReasonUnpaid)
	wantEvent(t, l, "evt_1", ledger.Dead)
	if c := getCharge(t, l, "ch_1"); c.Held || !c.Pays() {
		t.Fatalf("dead: %s", show(c))
	}
	must(t, decide(t, l, ledger.ActionReplay, "evt_1", 10))
	for _, id := range []string{"evt_1", "evt_r1", "evt_r2"} {
		equal(t, "after the replay", claim(t, l, "a", at(10), at(19), 9), []string{id})
		settle(t, l, "a", id, ledger.Delivered)
	}
	// A replay that dies takes nothing back: the backend has heard of the payment.
	must(t, decide(t, l, ledger.ActionReplay, "evt_1", 20))
	die("evt_1", 20)
	add(t, l, refund("evt_r3", "ch_1", "1", 1), ledger.Recorded)
	wantEvent(t, l, "evt_r3", ledger.Pending)
	settle(t, l, "a", "evt_r3", ledger.Delivered)
	// Neither does one that a person gives up.
	must(t, decide(t, l, ledger.ActionReplay, "evt_1", 22))
	add(t, l, refund("evt_r5", "ch_1", "1", 2), ledger.Recorded)
	must(t, decide(t, l, ledger.ActionDiscard, "evt_1", 23))
	add(t, l, refund("evt_r6", "ch_1", "1", 3), ledger.Recorded)
	for _, id := range []string{"evt_r5", "evt_r6"} {
		wantEvent(t, l, id, ledger.Pending)
		settle(t, l, "a", id, ledger.Delivered)
	}

	// Its former owner says at last that it did arrive.
	add(t, l, payment("evt_2", "ch_2", "2"), ledger.Recorded)
	die("evt_2", 30)
	add(t, l, refund("evt_r4", "ch_2", "2", 5), ledger.Recorded)
	wantEvent(t, l, "evt_r4", ledger.Filtered, ledger.ReasonUnpaid)
	settle(t, l, "b", "evt_2", ledger.Delivered)
	wantEvent(t, l, "evt_r4", ledger.Pending)
}

func testPaymentSupersedes(t *testing.T, l ledger.Ledger) {
	open := func(order, id string) *ledger.Charge {
		t.Helper()
		asked(t, l, order, id, at(6*3600))
		return getCharge(t, l, id)
	}
	open("1", "ch_1")
	open("1", "ch_2")
	open("x", "ch_x")
	unknown := reserve(t, l, "1", noon, at(30))
	release(t, l, unknown.Number, ledger.Unknown, nil)
	deciding := reserve(t, l, "1", noon, at(30))
	paid, stop := l.Watch(ledger.OrderTopic(live, "1"))
	defer stop()
	other, stop2 := l.Watch(ledger.ChargeTopic(live, "ch_2"))
	defer stop2()
	add(t, l, payment("evt_1", "ch_1", "1"), ledger.Recorded) // the older one is paid
	<-paid
	<-other
	for _, c := range attempts(t, l, "1") {
		if c.ID != "ch_1" && c.State != ledger.Reserving && !c.Superseded { // the unknown one too
			t.Errorf("not superseded: %s", show(c))
		}
		if c.ID == "ch_2" && c.NextQuery.After(c.Created) {
			t.Errorf("not due at once: %s", show(c))
		}
	}
	if c := getCharge(t, l, "ch_x"); c.Superseded || !c.NextQuery.Equal(at(6*3600)) {
		t.Errorf("of another order: %s", show(c))
	}
	// A request that was under way when the order was paid.
	c := &ledger.Charge{Scope: live, Number: deciding.Number, ID: "ch_3", Amount: 100, Currency: "cny", Created: at(1), NextQuery: at(31)}
	must(t, l.Created(t.Context(), c))
	if got := getCharge(t, l, "ch_3"); !c.Superseded || !got.Superseded || !got.NextQuery.Equal(at(1)) {
		t.Errorf("created after the payment: %s", show(got))
	}
	// An attempt of which nobody knew when the order was paid.
	if got := func() *ledger.Charge { asked(t, l, "1", "ch_4", at(31)); return getCharge(t, l, "ch_4") }(); !got.Superseded {
		t.Errorf("made after the payment: %s", show(got))
	}

	open("2", "ch_5") // paid by a charge that we never saw, and of which a person is to decide
	wrong := payment("evt_2", "ch_foreign", "2")
	add(t, l, wrong, ledger.Recorded)
	if got := getCharge(t, l, "ch_5"); !got.Superseded {
		t.Errorf("beside a foreign payment: %s", show(got))
	}
}

// An attempt that becomes superseded is due at once, also while somebody asks about it without knowing.
func testSupersededQueries(t *testing.T, l ledger.Ledger) {
	for _, order := range []string{"1", "2", "3"} {
		asked(t, l, order, "ch_"+order, at(6*3600))
	}
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_2", Next: at(0)}))
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_3"})) // given up
	equal(t, "leased", queries(t, l, ledger.QueryLater, "a", at(1), at(60), 9), []string{"ch_2"})
	for order, lease := range map[string]time.Time{"1": {}, "2": at(60), "3": {}} {
		asked(t, l, order, "ch_"+order+"b", time.Time{})
		must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_" + order, Next: at(6 * 3600), Lease: lease})) // an answer from before
	}
	equal(t, "due", queries(t, l, ledger.QueryLater, "b", at(1), at(60), 9), []string{"ch_1", "ch_2", "ch_3"})
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_1", Next: at(120), Superseded: true, Lease: at(60)}))
	equal(t, "by whoever knows", getCharge(t, l, "ch_1").NextQuery, at(120))
}

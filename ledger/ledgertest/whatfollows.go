package ledgertest

import (
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// What an event about money that goes back does to its payment, it does not do to itself: a reversal is delivered, and what is not wanted stays so.
func testWhatTakesBackIsDelivered(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	add(t, l, payment("evt_1", "ch_1", "1"), ledger.Recorded)
	e := event(live, "evt_back")
	e.ChargeID, e.OrderNo, e.Lane, e.Change = "ch_1", "1", "1", &ledger.ChargeChange{Reversed: true}
	add(t, l, e, ledger.Recorded)
	wantEvent(t, l, "evt_1", ledger.Discarded, ledger.ReasonReversed)
	wantEvent(t, l, "evt_back", ledger.Pending)
	equal(t, "state filled in", e.State, ledger.Pending)

	charge(t, l, "2", "ch_2")
	add(t, l, payment("evt_2", "ch_2", "2"), ledger.Recorded)
	unwanted := refund("evt_r2", "ch_2", "2", 100)
	unwanted.State, unwanted.Reasons = ledger.Filtered, []string{ledger.ReasonType}
	add(t, l, unwanted, ledger.Recorded)
	wantEvent(t, l, "evt_r2", ledger.Filtered, ledger.ReasonType)
	equal(t, "reasons filled in", unwanted.Reasons, []string{ledger.ReasonType})
}

// A look-up that brings no reversal takes no payment back; one that does leaves a payment alone of which the backend has heard, and its refunds are
// delivered.
func testQueriedTakesBack(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	add(t, l, payment("evt_1", "ch_1", "1"), ledger.Recorded)
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_1", At: at(5), Next: at(60)}))
	wantEvent(t, l, "evt_1", ledger.Pending)
	charge(t, l, "3", "ch_3") // and one that names the number too is about its charge
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_3", Number: "3", At: at(5), Next: at(60)}))
	equal(t, "next look-up", getCharge(t, l, "ch_3").NextQuery, at(60).UTC())
	wantErr(t, l.Queried(t.Context(), ledger.Queried{Scope: live, At: at(5)}), ledger.ErrNotFound)

	charge(t, l, "2", "ch_2")
	add(t, l, payment("evt_2", "ch_2", "2"), ledger.Recorded)
	settle(t, l, "a", "evt_2", ledger.Delivered)
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_2", At: at(5), Reversed: true}))
	wantEvent(t, l, "evt_2", ledger.Delivered)
	add(t, l, refund("evt_r2", "ch_2", "2", 10), ledger.Recorded)
	wantEvent(t, l, "evt_r2", ledger.Pending)
}

// A refund that waits for a payment which nobody could read waits on while that is held for another reason, and goes on once a person releases it.
func testUnreadableThenHeld(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	add(t, l, unreadable(payment("evt_odd", "ch_1", "1")), ledger.Recorded)
	add(t, l, refund("evt_r", "ch_1", "1", 10), ledger.Recorded)
	wrong := payment("evt_wrong", "ch_1", "1")
	wrong.Payment.Amount = 99
	add(t, l, wrong, ledger.Recorded)
	wantEvent(t, l, "evt_wrong", ledger.Held, ledger.ReasonAmount)
	wantEvent(t, l, "evt_odd", ledger.Filtered, ledger.ReasonEffectSeen)
	wantEvent(t, l, "evt_r", ledger.Filtered, ledger.ReasonUnpaid)

	// One of its refunds that is heard twice, once in a form that nobody could read, changes nothing about that.
	again := func(id string) *ledger.Event {
		e := refund(id, "ch_1", "1", 5)
		e.ObjectID = "re_2"
		return e
	}
	add(t, l, unreadable(again("evt_r_odd")), ledger.Recorded)
	add(t, l, again("evt_r_good"), ledger.Recorded)
	wantEvent(t, l, "evt_r", ledger.Filtered, ledger.ReasonUnpaid)

	charge(t, l, "2", "ch_2")
	add(t, l, unreadable(payment("evt_odd2", "ch_2", "2")), ledger.Recorded)
	add(t, l, refund("evt_r2", "ch_2", "2", 10), ledger.Recorded)
	must(t, decide(t, l, ledger.ActionRelease, "evt_odd2", 5))
	wantEvent(t, l, "evt_r2", ledger.Pending)
}

// What cannot be read and counts by its id is not over because another event of its object and type can be.
func testUnreadableByID(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	odd := event(live, "evt_odd")
	odd.ObjectID, odd.ChargeID = "ch_1", "ch_1"
	add(t, l, unreadable(odd), ledger.Recorded)
	good := event(live, "evt_good")
	good.ObjectID, good.ChargeID = "ch_1", "ch_1"
	add(t, l, good, ledger.Recorded)
	wantEvent(t, l, "evt_odd", ledger.Held, ledger.ReasonUnreadable)
}

// A held payment that names no order waits in no lane.
func testHeldWithoutOrder(t *testing.T, l ledger.Ledger) {
	e := paid(live, "evt_1", "ch_x", "")
	e.Change.Reversed = true
	add(t, l, e, ledger.Recorded)
	wantEvent(t, l, "evt_1", ledger.Held, ledger.ReasonReversed)
}

// What is on its way back counts against what is left, though its event does not say how much has come back so far; a refund without an id is none.
func testRefundOnItsWay(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	add(t, l, payment("evt_1", "ch_1", "1"), ledger.Recorded)
	e := refunded("evt_r", "re_1", "", 60)
	e.Type, e.Change.Refund, e.Refund.State = "refund.pending", 0, ledger.RefundPending
	add(t, l, e, ledger.Recorded)
	wantNoRefund(t, l, asking("R1", 41, 0), ledger.ErrRefundExceeds)
	r := asking("R1", 40, 0)
	reserveRefund(t, l, r, true)

	none := refunded("evt_none", "", "R9", 1)
	none.ObjectID = "x"
	add(t, l, none, ledger.Recorded)
	other := refunded("evt_other", "re_9", "", 1) // of no charge
	other.ChargeID, other.Change = "", nil
	add(t, l, other, ledger.Recorded)
	all, err := l.RefundsOf(t.Context(), live, "1")
	must(t, err)
	equal(t, "refunds", len(all), 2)
}

// A refund that is asked for again is answered: as it is once it is made, and with what is known of it when somebody takes it over.
func testRefundAskedAgain(t *testing.T, l ledger.Ledger) {
	r := asking("R1", 30, 0)
	reserveRefund(t, l, r, true)
	taken := reserveRefund(t, l, asking("R1", 30, 61), false)
	if taken == nil || taken.RefundNo != "R1" || taken.Asks != 1 || !taken.NextQuery.Equal(at(60)) {
		t.Fatalf("taken over: %s", show(taken))
	}
	must(t, l.RefundMade(t.Context(), lease(asking("R1", 30, 61)), "re_1", at(600)))
	re := reserveRefund(t, l, asking("R1", 30, 200), false)
	if re.State != ledger.RefundPending || !re.NextQuery.Equal(at(600)) || !getRefund(t, l, "R1").NextQuery.Equal(at(600)) {
		t.Fatalf("asked for again: %s", show(re))
	}
}

// The refunds of one charge are made one after the other by those who look for lost ones too.
func testClaimRefundsSerial(t *testing.T, l ledger.Ledger) {
	reserveRefund(t, l, asking("R1", 10, 0), true)
	other := asking("S1", 10, 0)
	other.ChargeID = "ch_2"
	reserveRefund(t, l, other, true)
	reserveRefund(t, l, asking("R2", 10, 61), true) // R1's owner is dead
	claim := func(second int) (nos []string) {
		t.Helper()
		res, err := l.ClaimRefunds(t.Context(), ledger.QueryClaim{Scope: live, Owner: "q", Now: at(second), Until: at(second + 30), Limit: 9})
		must(t, err)
		for _, re := range res {
			nos = append(nos, re.RefundNo)
		}
		return nos
	}
	equal(t, "while R2 is asked for", claim(62), []string{"S1"})
	equal(t, "once nobody asks", claim(130), []string{"R1", "S1"})
}

// What an order costs now is what whoever holds it was told last; whoever was too late, or asked before, brings no news.
func testQuotesOfAnswers(t *testing.T, l ledger.Ledger) {
	answer := func(order, number, id string, amount int64, quoted int) {
		t.Helper()
		must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, OrderNo: order, Number: number, ID: id, Amount: amount, Currency: "cny",
			Created: at(quoted), Quoted: at(quoted), TimeExpire: at(7200)}))
	}
	paid := func(order, id string, amount int64, state ledger.State, reasons ...string) {
		t.Helper()
		e := payment("evt_"+id, id, order)
		e.Payment.Amount = amount
		add(t, l, e, ledger.Recorded)
		wantEvent(t, l, e.ID, state, reasons...)
	}
	late := reserve(t, l, "1", noon, at(1))
	answer("1", reserve(t, l, "1", at(2), at(30)).Number, "ch_1_now", 200, 3)
	answer("1", late.Number, "ch_1_late", 100, 9) // by another clock
	paid("1", "ch_1_late", 100, ledger.Held, ledger.ReasonSuperseded)

	answer("2", reserve(t, l, "2", noon, at(30)).Number, "ch_2_first", 100, 1)
	release(t, l, reserve(t, l, "2", at(2), at(30)).Number, ledger.Unsent, &ledger.Quote{Amount: 120, Currency: "cny", At: at(50)}) // by another clock
	answer("2", reserve(t, l, "2", at(3), at(30)).Number, "ch_2_now", 100, 4)
	paid("2", "ch_2_first", 100, ledger.Pending)

	answer("3", reserve(t, l, "3", noon, at(30)).Number, "ch_3_first", 100, 10)
	answer("3", reserve(t, l, "3", noon, at(30)).Number, "ch_3_now", 100, 11)
	release(t, l, reserve(t, l, "3", noon, at(30)).Number, ledger.Unsent, &ledger.Quote{Amount: 120, Currency: "cny", At: at(5)})
	paid("3", "ch_3_first", 100, ledger.Pending)
}

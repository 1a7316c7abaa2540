package ledgertest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// asking asks for a refund of ch_1, which was paid with 100 fen, at a second.
func asking(no string, amount int64, second int) ledger.RefundReservation {
	return ledger.RefundReservation{Scope: live, RefundNo: no, ChargeID: "ch_1", OrderNo: "1", Amount: amount, Description: "d",
		Paid: 100, Owner: fmt.Sprint(no, " at ", second), Now: at(second), Until: at(second + 60)}
}

func lease(r ledger.RefundReservation) ledger.RefundLease {
	return ledger.RefundLease{Scope: r.Scope, RefundNo: r.RefundNo, Owner: r.Owner}
}

func reserveRefund(t *testing.T, l ledger.Ledger, r ledger.RefundReservation, wantFresh bool) *ledger.Refund {
	t.Helper()
	re, fresh, err := l.ReserveRefund(t.Context(), r)
	must(t, err)
	if fresh != wantFresh {
		t.Fatalf("refund %s is fresh: %t, want %t", r.RefundNo, fresh, wantFresh)
	}
	return re
}

func wantNoRefund(t *testing.T, l ledger.Ledger, r ledger.RefundReservation, want error) {
	t.Helper()
	re, _, err := l.ReserveRefund(t.Context(), r)
	if wantErr(t, err, want); re != nil {
		t.Fatalf("a refund and an error: %s", show(re))
	}
}

// makeRefund takes a refund from asking for it to Ping++'s answer.
func makeRefund(t *testing.T, l ledger.Ledger, no string, amount int64, id string) {
	t.Helper()
	r := asking(no, amount, 0)
	reserveRefund(t, l, r, true)
	must(t, l.RefundMade(t.Context(), lease(r), id, at(30)))
}

func getRefund(t *testing.T, l ledger.Ledger, no string) *ledger.Refund {
	t.Helper()
	re, err := l.Refund(t.Context(), live, no)
	must(t, err)
	return re
}

// refunded is the event of a refund of ch_1 that succeeded.
func refunded(id, refund, no string, amount int64) *ledger.Event {
	e := event(live, id)
	e.Type, e.ObjectID, e.ChargeID, e.OrderNo, e.Lane, e.Rank = "refund.succeeded", refund, "ch_1", "1", "1", 1
	e.Created = noon
	e.Change = &ledger.ChargeChange{Refund: amount}
	e.Refund = &ledger.RefundChange{ID: refund, RefundNo: no, Amount: amount, State: ledger.RefundSucceeded, TimeSucceeded: at(5)}
	return e
}

func refundFailed(id, refund, no string, amount int64) *ledger.Event {
	e := refunded(id, refund, no, amount)
	e.Type, e.Change = "refund.failed", nil
	e.Refund.State, e.Refund.FailureCode, e.Refund.FailureMsg, e.Refund.TimeSucceeded = ledger.RefundFailed, "refund_refused", "余额不足", time.Time{}
	return e
}

func testRefundFields(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	r := asking("R1", 30, 0)
	r.FundingSource = "recharge_funds"
	re := reserveRefund(t, l, r, true)
	want := &ledger.Refund{Scope: live, RefundNo: "R1", ChargeID: "ch_1", OrderNo: "1", Amount: 30, Description: "d", State: ledger.RefundAsked,
		FundingSource: "recharge_funds", Created: noon, Asked: noon, Asks: 1, NextQuery: at(60)}
	equal(t, "reserved", re, want)
	equal(t, "recorded", getRefund(t, l, "R1"), want)
	must(t, l.AskRefund(t.Context(), lease(r), ledger.RefundAsk{Through: "2001", Asks: 2, Now: at(1), Until: at(61)}))
	want.Through, want.Asked, want.Asks, want.NextQuery = "2001", at(1), 2, at(61)
	equal(t, "asked again", getRefund(t, l, "R1"), want)
	must(t, l.ReleaseRefund(t.Context(), lease(r), ledger.RefundPause{Next: at(70), Asks: 1, Unclear: "ambiguous"}))
	want.Asks, want.Unclear, want.NextQuery = 1, "ambiguous", at(70)
	equal(t, "waiting for a person", getRefund(t, l, "R1"), want)
	again := r
	again.Owner, again.Now, again.Until = "again", at(71), at(131)
	reserveRefund(t, l, again, false)
	must(t, l.AskRefund(t.Context(), lease(again), ledger.RefundAsk{Through: "2001", Asks: 2, Now: at(72), Until: at(132)}))
	want.Asks, want.Unclear, want.Asked = 2, "", at(72)
	must(t, l.RefundMade(t.Context(), lease(again), "re_1", at(30)))
	want.State, want.ID, want.NextQuery = ledger.RefundPending, "re_1", at(30)
	equal(t, "made", getRefund(t, l, "R1"), want)
	add(t, l, refunded("evt_1", "re_1", "R1", 30), ledger.Recorded)
	want.State, want.TimeSucceeded, want.NextQuery = ledger.RefundSucceeded, at(5), time.Time{}
	equal(t, "succeeded", getRefund(t, l, "R1"), want)
	all, err := l.RefundsOf(t.Context(), live, "1")
	must(t, err)
	equal(t, "of the order", all, []ledger.Refund{*want})
	all, err = l.RefundsOfCharge(t.Context(), live, "ch_1")
	must(t, err)
	equal(t, "of the charge", all, []ledger.Refund{*want})
	_, err = l.Refund(t.Context(), test, "R1")
	wantErr(t, err, ledger.ErrNotFound)
	none, err := l.RefundsOf(t.Context(), live, "2")
	must(t, err)
	equal(t, "of another order", len(none), 0)
	none, err = l.RefundsOfCharge(t.Context(), live, "ch_2")
	must(t, err)
	equal(t, "of another charge", len(none), 0)
	for _, bad := range []ledger.RefundReservation{{Scope: live, ChargeID: "ch_1", Owner: "a"}, {Scope: live, RefundNo: "R", Owner: "a"},
		{Scope: live, RefundNo: "R", ChargeID: "ch_1"}, {Scope: live, RefundNo: "R", ChargeID: "ch_1", Owner: "a", Amount: -1}} {
		if _, _, err := l.ReserveRefund(t.Context(), bad); err == nil {
			t.Errorf("reserved %s", show(bad))
		}
	}
}

func testRefundNumber(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	makeRefund(t, l, "R1", 30, "re_1")
	equal(t, "asked for again", reserveRefund(t, l, asking("R1", 30, 9), false).ID, "re_1")
	for what, change := range map[string]func(*ledger.RefundReservation){
		"amount":      func(r *ledger.RefundReservation) { r.Amount = 31 },
		"whole":       func(r *ledger.RefundReservation) { r.Amount = 0 },
		"charge":      func(r *ledger.RefundReservation) { r.ChargeID = "ch_2" },
		"description": func(r *ledger.RefundReservation) { r.Description = "e" },
		"funding":     func(r *ledger.RefundReservation) { r.FundingSource = "recharge_funds" },
	} {
		t.Run(what, func(t *testing.T) {
			r := asking("R1", 30, 9)
			change(&r)
			wantNoRefund(t, l, r, ledger.ErrRefundDiffers)
		})
	}
	makeRefund(t, l, "R2", 0, "re_2") // the rest
	equal(t, "the rest", getRefund(t, l, "R2").Amount, 70)
	reserveRefund(t, l, asking("R2", 0, 9), false)
	reserveRefund(t, l, asking("R2", 70, 9), false)
	elsewhere := asking("R1", 30, 9)
	elsewhere.Scope = test
	reserveRefund(t, l, elsewhere, true)
}

func testRefundExceeds(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	wantNoRefund(t, l, asking("R0", 101, 0), ledger.ErrRefundExceeds)
	makeRefund(t, l, "R1", 60, "re_1")
	wantNoRefund(t, l, asking("R2", 41, 0), ledger.ErrRefundExceeds)
	// The amount moves from what is on its way into the charge's sum: it counts once.
	add(t, l, refunded("evt_1", "re_1", "R1", 60), ledger.Recorded)
	equal(t, "back", getCharge(t, l, "ch_1").AmountRefunded, 60)
	wantNoRefund(t, l, asking("R2", 41, 0), ledger.ErrRefundExceeds)
	makeRefund(t, l, "R2", 20, "re_2")
	// What was refunded in Ping++'s dashboard counts too.
	add(t, l, refunded("evt_3", "re_3", "", 15), ledger.Recorded)
	wantNoRefund(t, l, asking("R4", 6, 0), ledger.ErrRefundExceeds)
	// What failed is free again.
	add(t, l, refundFailed("evt_2", "re_2", "R2", 20), ledger.Recorded)
	makeRefund(t, l, "R4", 25, "re_4")
	wantNoRefund(t, l, asking("R5", 0, 0), ledger.ErrRefundExceeds)
	all, err := l.RefundsOf(t.Context(), live, "1")
	must(t, err)
	var seen []string
	for _, re := range all {
		seen = append(seen, fmt.Sprint(re.RefundNo, " ", re.ID, " ", re.Amount, " ", re.State))
	}
	equal(t, "of the order", seen, []string{"R1 re_1 60 succeeded", "R2 re_2 20 failed", " re_3 15 succeeded", "R4 re_4 25 pending"})
}

func testRefundSerial(t *testing.T, l ledger.Ledger) {
	first := asking("R1", 30, 0)
	reserveRefund(t, l, first, true)
	wantNoRefund(t, l, asking("R2", 30, 1), ledger.ErrReserved)
	wantNoRefund(t, l, asking("R1", 30, 1), ledger.ErrReserved)
	other := asking("R3", 30, 1)
	other.ChargeID = "ch_2"
	reserveRefund(t, l, other, true)
	must(t, l.ReleaseRefund(t.Context(), lease(first), ledger.RefundPause{Next: at(90), Asks: 1}))
	// Its outcome is not known: it still takes its amount, and whoever asks for it again is told that it is not fresh.
	wantNoRefund(t, l, asking("R2", 71, 2), ledger.ErrRefundExceeds)
	second := asking("R1", 30, 3)
	reserveRefund(t, l, second, false)
	wantNoRefund(t, l, asking("R2", 30, 4), ledger.ErrReserved)
	wantErr(t, l.AskRefund(t.Context(), lease(first), ledger.RefundAsk{Asks: 2, Now: at(4), Until: at(64)}), ledger.ErrNotFound)
	wantErr(t, l.ReleaseRefund(t.Context(), lease(first), ledger.RefundPause{}), ledger.ErrNotFound)
	must(t, l.ReleaseRefund(t.Context(), lease(second), ledger.RefundPause{}))
	_, err := l.Refund(t.Context(), live, "R1")
	wantErr(t, err, ledger.ErrNotFound)
	reserveRefund(t, l, asking("R2", 100, 5), true)
}

func testRefundTakeOver(t *testing.T, l ledger.Ledger) {
	dead := asking("R1", 30, 0)
	reserveRefund(t, l, dead, true)
	reserveRefund(t, l, asking("R1", 30, 61), false)
	wantErr(t, l.AskRefund(t.Context(), lease(dead), ledger.RefundAsk{Asks: 2, Now: at(62), Until: at(122)}), ledger.ErrNotFound)
	// It was not dead but slow, and the refund is real.
	must(t, l.RefundMade(t.Context(), lease(dead), "re_1", at(90)))
	must(t, l.RefundMade(t.Context(), lease(dead), "re_1", at(90)))
	if err := l.RefundMade(t.Context(), lease(asking("R1", 30, 61)), "re_2", at(90)); err == nil {
		t.Fatal("one refund has two ids")
	}
	equal(t, "id", getRefund(t, l, "R1").ID, "re_1")
	// What Ping++ calls by one id is one refund.
	other := asking("R2", 30, 70)
	reserveRefund(t, l, other, true)
	wantErr(t, l.RefundMade(t.Context(), lease(other), "re_1", at(90)), ledger.ErrRefundTaken)
	equal(t, "still asked", getRefund(t, l, "R2").State, ledger.RefundAsked)
	wantErr(t, l.RefundMade(t.Context(), ledger.RefundLease{Scope: live, RefundNo: "R9"}, "re_9", at(9)), ledger.ErrNotFound)
}

// An event may come before Ping++'s answer does.
func testRefundToldFirst(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	r := asking("R1", 30, 0)
	reserveRefund(t, l, r, true)
	add(t, l, refunded("evt_1", "re_1", "R1", 30), ledger.Recorded)
	equal(t, "told", getRefund(t, l, "R1").State, ledger.RefundSucceeded)
	must(t, l.RefundMade(t.Context(), lease(r), "re_1", at(90)))
	re := getRefund(t, l, "R1")
	equal(t, "then answered", show(re.State)+re.ID+show(re.NextQuery), show(ledger.RefundSucceeded)+"re_1"+show(time.Time{}))

	r = asking("R2", 20, 0) // and without our number
	reserveRefund(t, l, r, true)
	add(t, l, refunded("evt_2", "re_2", "", 20), ledger.Recorded)
	equal(t, "not known as ours", getRefund(t, l, "R2").State, ledger.RefundAsked)
	must(t, l.RefundMade(t.Context(), lease(r), "re_2", at(90)))
	equal(t, "found to be ours", getRefund(t, l, "R2").State, ledger.RefundSucceeded)
	reserveRefund(t, l, asking("R3", 50, 1), true) // each counts once
	wantNoRefund(t, l, asking("R4", 1, 100), ledger.ErrRefundExceeds)

	// A number that another refund's metadata repeats is not believed.
	add(t, l, refunded("evt_3", "re_3", "R3", 49), ledger.Recorded)
	equal(t, "another amount", getRefund(t, l, "R3").State, ledger.RefundAsked)
}

// A refund that carries a number which nobody has asked for here was asked for through a later copy of this ledger: it is not made again.
func testRefundLearned(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	add(t, l, refunded("evt_1", "re_1", "R1", 30), ledger.Recorded)
	add(t, l, refunded("evt_2", "re_2", "R1", 10), ledger.Recorded) // nobody can tell whose number that is
	add(t, l, refundFailed("evt_3", "re_3", "R3", 20), ledger.Recorded)
	for _, amount := range []int64{30, 0} { // how it was asked for is not known
		r := asking("R1", amount, 0)
		r.Description, r.FundingSource = "another", "recharge_funds"
		re := reserveRefund(t, l, r, false)
		equal(t, "R1", fmt.Sprint(re.ID, re.Amount, re.State, re.Asks), "re_130succeeded0")
	}
	wantNoRefund(t, l, asking("R1", 10, 0), ledger.ErrRefundDiffers)
	other := asking("R1", 30, 0)
	other.ChargeID = "ch_2"
	wantNoRefund(t, l, other, ledger.ErrRefundDiffers)
	equal(t, "R3", reserveRefund(t, l, asking("R3", 20, 0), false).State, ledger.RefundFailed)
	wantNoRefund(t, l, asking("R4", 61, 0), ledger.ErrRefundExceeds)
	reserveRefund(t, l, asking("R4", 60, 0), true)
	all, err := l.RefundsOfCharge(t.Context(), live, "ch_1")
	must(t, err)
	var seen []string
	for _, re := range all {
		seen = append(seen, re.ID+re.RefundNo)
	}
	equal(t, "of the charge", seen, []string{"re_1R1", "re_2", "re_3R3", "R4"})
}

func testRefundFails(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	r := asking("R1", 30, 0)
	reserveRefund(t, l, r, true)
	refused := refundFailed("evt_1", "", "R1", 30) // Ping++ never made it
	refused.ObjectID = "R1"
	add(t, l, refused, ledger.Recorded)
	re := getRefund(t, l, "R1")
	equal(t, "refused", []string{string(re.State), re.ID, re.FailureCode, re.FailureMsg}, []string{"failed", "", "refund_refused", "余额不足"})
	reserveRefund(t, l, asking("R1", 30, 1), false)
	makeRefund(t, l, "R2", 100, "re_2")
	add(t, l, refundFailed("evt_2", "re_2", "R2", 100), ledger.Recorded)
	add(t, l, refunded("evt_3", "re_2", "R2", 100), ledger.Recorded) // the channel changed its mind
	equal(t, "succeeded after all", getRefund(t, l, "R2").State, ledger.RefundSucceeded)
	again := refundFailed("evt_4", "re_2", "R2", 100)
	add(t, l, again, ledger.SameEffect)
	equal(t, "stays so", getRefund(t, l, "R2").State, ledger.RefundSucceeded)
}

func testClaimRefunds(t *testing.T, l ledger.Ledger) {
	claim := func(owner string, second int) (nos []string) {
		t.Helper()
		res, err := l.ClaimRefunds(t.Context(), ledger.QueryClaim{Scope: live, Owner: owner, Now: at(second), Until: at(second + 60), Limit: 9})
		must(t, err)
		for _, re := range res {
			nos = append(nos, re.RefundNo)
		}
		return nos
	}
	makeRefund(t, l, "R1", 30, "re_1")
	lost := asking("R2", 30, 0)
	reserveRefund(t, l, lost, true)
	must(t, l.ReleaseRefund(t.Context(), lease(lost), ledger.RefundPause{Next: at(20), Asks: 1}))
	equal(t, "before their time", claim("a", 19), nil)
	equal(t, "the outcome that is not known", claim("a", 20), []string{"R2"})
	equal(t, "leased", claim("b", 30), []string{"R1"})
	must(t, l.RefundQueried(t.Context(), ledger.RefundLease{Scope: live, RefundNo: "R1", Owner: "a"}, at(31))) // not its holder
	equal(t, "still leased", claim("a", 31), nil)
	must(t, l.RefundQueried(t.Context(), ledger.RefundLease{Scope: live, RefundNo: "R1", Owner: "b"}, at(40)))
	equal(t, "due again", claim("a", 40), []string{"R1"})
	must(t, l.RefundQueried(t.Context(), ledger.RefundLease{Scope: live, RefundNo: "R1", Owner: "a"}, time.Time{}))
	equal(t, "the dead owner's", claim("b", 500), []string{"R2"})
	must(t, l.RefundMade(t.Context(), ledger.RefundLease{Scope: live, RefundNo: "R2", Owner: "b"}, "re_2", at(510)))
	add(t, l, refunded("evt_1", "re_2", "R2", 30), ledger.Recorded)
	equal(t, "final", claim("b", 5000), nil)
	if _, err := l.ClaimRefunds(t.Context(), ledger.QueryClaim{Scope: live, Now: noon, Until: at(1), Limit: 1}); err == nil {
		t.Error("claimed without an owner")
	}
}

// However many ask at once, in however many processes: what is granted is never more than what was paid.
func testRefundConcurrent(t *testing.T, a, b ledger.Ledger) {
	var mu sync.Mutex
	var granted int64
	var all sync.WaitGroup
	for i := range 40 {
		l := []ledger.Ledger{a, b}[i%2]
		all.Go(func() {
			r := asking(fmt.Sprint("R", i), 30, 0)
			for {
				re, fresh, err := l.ReserveRefund(t.Context(), r)
				switch {
				case errors.Is(err, ledger.ErrReserved):
					continue
				case errors.Is(err, ledger.ErrRefundExceeds):
					return
				case err != nil || !fresh:
					t.Errorf("%v, fresh %t", err, fresh)
					return
				}
				mu.Lock()
				granted += re.Amount
				mu.Unlock()
				if err := l.RefundMade(t.Context(), lease(r), "re_"+r.RefundNo, at(30)); err != nil {
					t.Error(err)
				}
				return
			}
		})
	}
	all.Wait()
	if granted != 90 {
		t.Errorf("%d fen of 100 were granted, want 90", granted)
	}
}

// A Ping++ order's events have their own order number, and its charge's lane.
func testOrderEvents(t *testing.T, l ledger.Ledger) {
	first := paid(live, "evt_1", "ch_1", "charge-of-1")
	first.OrderNo, first.Lane = "charge-of-1", "charge-of-1"
	add(t, l, first, ledger.Recorded)
	order := event(live, "evt_2")
	order.Type, order.ObjectID, order.ChargeID, order.OrderNo, order.Lane = "order.succeeded", "2001", "ch_1", "1", "1"
	order.Created = at(1)
	add(t, l, order, ledger.Recorded)
	got := getEvent(t, l, live, "evt_2")
	equal(t, "order number and lane", got.OrderNo+" "+got.Lane, "1 charge-of-1")
	equal(t, "charge.succeeded is another effect, and goes first", claim(t, l, "a", at(2), at(60), 9), []string{"evt_1"})
	must(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: live, EventID: "evt_1", Attempt: 1, At: at(2), Status: 200, State: ledger.Delivered}))
	equal(t, "then the order's", claim(t, l, "a", at(3), at(60), 9), []string{"evt_2"})
	again := *order
	again.ID = "evt_3"
	add(t, l, &again, ledger.SameEffect)
}

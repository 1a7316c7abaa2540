package ledgertest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// payment returns the event of a payment of an order, 100 fen at noon unless changed.
func payment(id, charge, orderNo string) *ledger.Event {
	e := paid(live, id, charge, "")
	e.OrderNo, e.Lane = orderNo, orderNo
	return e
}

// refund returns the event of a refund of some fen.
func refund(id, charge, orderNo string, fen int64) *ledger.Event {
	e := event(live, id)
	e.Type, e.ObjectID, e.ChargeID, e.OrderNo, e.Lane, e.Rank = "refund.succeeded", "re_"+id, charge, orderNo, orderNo, 1
	e.Change = &ledger.ChargeChange{Refund: fen}
	return e
}

func wantEvent(t *testing.T, l ledger.Ledger, id string, state ledger.State, reasons ...string) {
	t.Helper()
	e := getEvent(t, l, live, id)
	equal(t, "state of "+id, e.State, state)
	equal(t, "reasons of "+id, e.Reasons, reasons)
}

func release(t *testing.T, l ledger.Ledger, number string, as ledger.AttemptState, q *ledger.Quote) {
	t.Helper()
	must(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: number, As: as, Quote: q}))
}

func testMoneyMismatch(t *testing.T, l ledger.Ledger) {
	for i, c := range []struct {
		amount   int64
		currency string
		want     []string
	}{
		{100, "cny", nil},
		{100, "CNY", nil},
		{99, "cny", []string{ledger.ReasonAmount}},
		{101, "cny", []string{ledger.ReasonAmount}},
		{0, "cny", []string{ledger.ReasonAmount}},
		{100, "usd", []string{ledger.ReasonCurrency}},
		{1, "", []string{ledger.ReasonAmount, ledger.ReasonCurrency}},
	} {
		order, id := fmt.Sprint("o", i), fmt.Sprint("ch_", i)
		charge(t, l, order, id)
		e := payment("evt_"+id, id, order)
		e.Payment.Amount, e.Payment.Currency = c.amount, c.currency
		add(t, l, e, ledger.Recorded)
		state := ledger.Pending
		if c.want != nil {
			state = ledger.Held
		}
		equal(t, "state filled in", e.State, state)
		equal(t, "reasons filled in", e.Reasons, c.want)
		equal(t, "seq filled in", e.Seq, getEvent(t, l, live, e.ID).Seq)
		wantEvent(t, l, e.ID, state, c.want...)
		got := getCharge(t, l, id)
		if !got.Paid || got.Held != (c.want != nil) {
			t.Fatalf("%d: %s", i, show(got))
		}
	}
	e := payment("evt_none", "ch_none", "none")
	e.Payment = nil
	if _, err := l.Append(t.Context(), e); err == nil {
		t.Fatal("a payment of which nobody knows the amount was recorded")
	}
}

func testMoneyDeliver(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	e := payment("evt_1", "ch_1", "1")
	e.Payment.Amount, e.Deliver = 1, true
	add(t, l, e, ledger.Recorded)
	wantEvent(t, l, "evt_1", ledger.Pending, ledger.ReasonAmount)
	if getCharge(t, l, "ch_1").Held {
		t.Fatal("held, although it is delivered")
	}
	equal(t, "to deliver", claim(t, l, "a", noon, at(9), 9), []string{"evt_1"})
}

// A payment whose type the backend does not want is held all the same: the money is at risk.
func testMoneyUnwanted(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	charge(t, l, "2", "ch_2")
	for i, amount := range []int64{100, 1} {
		e := payment(fmt.Sprint("evt_", i+1), fmt.Sprint("ch_", i+1), fmt.Sprint(i+1))
		e.State, e.Reasons, e.Payment.Amount = ledger.Filtered, []string{ledger.ReasonType}, amount
		add(t, l, e, ledger.Recorded)
	}
	wantEvent(t, l, "evt_1", ledger.Filtered, ledger.ReasonType)
	wantEvent(t, l, "evt_2", ledger.Held, ledger.ReasonAmount)
}

func testMoneySuperseded(t *testing.T, l ledger.Ledger) {
	for i, c := range []struct {
		quote ledger.Quote
		want  []string
		late  string
	}{
		{ledger.Quote{Amount: 100, Currency: "cny", At: at(1)}, nil, ""},
		{ledger.Quote{Amount: 120, Currency: "cny", At: at(1)}, []string{ledger.ReasonSuperseded}, ""},
		{ledger.Quote{Amount: 100, Currency: "usd", At: at(1)}, []string{ledger.ReasonSuperseded}, ""},
		{ledger.Quote{Closed: true, At: at(1)}, nil, "closed"}, // the last price that was named is still 100
	} {
		order, first, second := fmt.Sprint("o", i), fmt.Sprintf("ch_%d_1", i), fmt.Sprintf("ch_%d_2", i)
		charge(t, l, order, first)
		charge(t, l, order, second)
		release(t, l, reserve(t, l, order, at(1), at(30)).Number, ledger.Unsent, &c.quote)
		e := payment("evt_"+order, first, order)
		e.Payment.Time, e.Received = at(2), at(2)
		add(t, l, e, ledger.Recorded)
		equal(t, order+" reasons", e.Reasons, c.want)
		equal(t, order+" late", e.Late, c.late)
		equal(t, order+" late as recorded", getEvent(t, l, live, e.ID).Late, c.late)
	}

	charge(t, l, "1", "ch_1") // superseded by one of another price: that is the last quote
	r := reserve(t, l, "1", noon, at(30))
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: r.Number, ID: "ch_2", Amount: 80, Currency: "cny", Created: at(1)}))
	add(t, l, payment("evt_1", "ch_1", "1"), ledger.Recorded)
	wantEvent(t, l, "evt_1", ledger.Held, ledger.ReasonSuperseded)

	charge(t, l, "2", "ch_3") // the current attempt at its own price, whatever was quoted since
	release(t, l, reserve(t, l, "2", at(1), at(30)).Number, ledger.Unsent, &ledger.Quote{Amount: 1, Currency: "cny", At: at(1)})
	add(t, l, payment("evt_2", "ch_3", "2"), ledger.Recorded)
	wantEvent(t, l, "evt_2", ledger.Pending)

	r = reserve(t, l, "3", noon, at(30))
	if err := l.Release(t.Context(), ledger.Release{Scope: live, Number: r.Number, As: ledger.Unsent, Quote: &ledger.Quote{Amount: 1}}); err == nil {
		t.Fatal("a quote without a time was taken")
	}
}

func testMoneyPaidTwice(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	charge(t, l, "1", "ch_2")
	add(t, l, payment("evt_1", "ch_2", "1"), ledger.Recorded)
	e := payment("evt_2", "ch_1", "1")
	add(t, l, e, ledger.Recorded)
	wantEvent(t, l, "evt_1", ledger.Pending)
	wantEvent(t, l, "evt_2", ledger.Held, ledger.ReasonPaidTwice)
	add(t, l, payment("evt_q_2", "ch_1", "1"), ledger.SameEffect) // held once
	add(t, l, payment("evt_3", "ch_1x", "1x"), ledger.Recorded)   // another order
	wantEvent(t, l, "evt_3", ledger.Pending)

	for i := range 2 { // without an order number there is nothing to pay twice
		add(t, l, payment(fmt.Sprint("evt_n", i), fmt.Sprint("ch_n", i), ""), ledger.Recorded)
		wantEvent(t, l, fmt.Sprint("evt_n", i), ledger.Pending)
	}
	equal(t, "attempts of no order", len(attempts(t, l, "")), 0)
}

func testMoneyForeign(t *testing.T, l ledger.Ledger) {
	e := payment("evt_1", "ch_x", "1")
	e.Number, e.Host, e.Created, e.Payment.Amount = "1", "shop.example.com", at(-3), 70
	add(t, l, e, ledger.Recorded)
	wantEvent(t, l, "evt_1", ledger.Pending)
	want := ledger.Charge{Scope: live, OrderNo: "1", Number: "1", State: ledger.Foreign, ID: "ch_x", Amount: 70, Currency: "cny",
		Host: "shop.example.com", Created: at(-3), Paid: true, TimePaid: noon}
	equal(t, "foreign charge", *getCharge(t, l, "ch_x"), want)
	equal(t, "attempts", attempts(t, l, "1"), []ledger.Charge{want})

	r := reservation(live, "2", noon, at(30)) // its number is free for one of ours
	r.Number = func(int, int) string { return "1" }
	got, err := l.Reserve(t.Context(), r)
	must(t, err)
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: got.Number, ID: "ch_2", Amount: 100, Currency: "cny"}))
	equal(t, "order of ours", getCharge(t, l, "ch_2").OrderNo, "2")

	charge(t, l, "1", "ch_1")
	add(t, l, payment("evt_2", "ch_1", "1"), ledger.Recorded)
	wantEvent(t, l, "evt_2", ledger.Held, ledger.ReasonPaidTwice)
	add(t, l, payment("evt_3", "ch_y", "1"), ledger.Recorded) // a second foreign one
	wantEvent(t, l, "evt_3", ledger.Held, ledger.ReasonPaidTwice)
	add(t, l, refund("evt_4", "ch_x", "1", 30), ledger.Recorded)
	equal(t, "refunded", getCharge(t, l, "ch_x").AmountRefunded, 30)
}

// A charge taken for another's, since its event named another number, turns out to be ours.
func testMoneyForeignIsOurs(t *testing.T, l ledger.Ledger) {
	r := reserve(t, l, "1", noon, at(30))
	e := payment("evt_1", "ch_1", "1")
	e.Number = "other"
	add(t, l, e, ledger.Recorded)
	equal(t, "state", getCharge(t, l, "ch_1").State, ledger.Foreign)
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: r.Number, ID: "ch_1", Amount: 100, Currency: "cny"}))
	cs := attempts(t, l, "1")
	if len(cs) != 1 || cs[0].State != ledger.Open || !cs[0].Paid || cs[0].Number != r.Number {
		t.Fatalf("after the answer: %s", show(cs))
	}
	add(t, l, payment("evt_q_1", "ch_1", "1"), ledger.SameEffect)
}

func testMoneyLate(t *testing.T, l ledger.Ledger) {
	for i, c := range []struct {
		paid             time.Time // by Ping++'s clock
		closed, received time.Time // by ours
		want             string
	}{
		{at(7200), time.Time{}, at(7200), ""},
		{at(7201), time.Time{}, at(7201), "expired"},
		{at(10), at(9), at(11), "closed"},
		{at(9), at(10), at(9), ""},
		{at(7201), at(9), at(7201), "expired"},
		{at(40), at(10), at(9), ""},                 // Ping++'s clock is ahead: we knew of the payment before
		{at(70), at(100), at(101), "closed"},        // it is behind: the payment may have been made after
		{at(40), at(100), at(100 + 7200), ""},       // made before, and a webhook that took hours
		{at(41), at(100), at(100 + 7200), "closed"}, // made so shortly before that nobody can tell
	} {
		order, id := fmt.Sprint("o", i), fmt.Sprint("ch_", i)
		charge(t, l, order, id)
		if !c.closed.IsZero() {
			release(t, l, reserve(t, l, order, at(1), at(30)).Number, ledger.Unsent, &ledger.Quote{Closed: true, At: c.closed})
		}
		e := payment("evt_"+id, id, order)
		e.Payment.Time, e.Received = c.paid, c.received
		add(t, l, e, ledger.Recorded)
		equal(t, order, e.Late, c.want)
		wantEvent(t, l, e.ID, ledger.Pending)
	}
	charge(t, l, "1", "ch_late")
	e := payment("evt_both", "ch_late", "1")
	e.Payment.Time, e.Payment.Amount = at(9000), 1
	add(t, l, e, ledger.Recorded)
	equal(t, "late when it is held", e.Late, "")

	// Ping++'s clock is ahead: what was quoted after a charge is not older than the charge.
	r := reserve(t, l, "ahead", noon, at(30))
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: r.Number, ID: "ch_ahead", Amount: 100, Currency: "cny", Created: at(30), Quoted: noon}))
	release(t, l, reserve(t, l, "ahead", at(5), at(30)).Number, ledger.Unsent, &ledger.Quote{Closed: true, At: at(5)})
	e = payment("evt_ahead", "ch_ahead", "ahead")
	e.Payment.Time, e.Received = at(36), at(7)
	add(t, l, e, ledger.Recorded)
	equal(t, "closed after a charge that Ping++ dates later", e.Late, "closed")

	// An unknown attempt that is found after the order was quoted closed does not open it again.
	lost := reserve(t, l, "lost", noon, at(1))
	release(t, l, reserve(t, l, "lost", at(2), at(30)).Number, ledger.Unsent, &ledger.Quote{Closed: true, At: at(3)})
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: lost.Number, ID: "ch_lost", Amount: 100, Currency: "cny", Created: at(1), Quoted: noon}))
	e = payment("evt_lost", "ch_lost", "lost")
	e.Payment.Time, e.Received = at(9), at(9)
	add(t, l, e, ledger.Recorded)
	equal(t, "an attempt that was found late", e.Late, "closed")

	// An order that was quoted closed, then open again with a new charge, is open.
	release(t, l, reserve(t, l, "2", noon, at(30)).Number, ledger.Unsent, &ledger.Quote{Closed: true, At: at(1)})
	charge(t, l, "2", "ch_again")
	e = payment("evt_again", "ch_again", "2")
	e.Payment.Time = at(2)
	add(t, l, e, ledger.Recorded)
	equal(t, "late after it was opened again", e.Late, "")
}

// hold records a payment of 100 fen for a charge of 100 that its order has paid already.
func hold(t *testing.T, l ledger.Ledger) {
	t.Helper()
	add(t, l, payment("evt_first", "ch_first", "1"), ledger.Recorded)
	add(t, l, payment("evt_held", "ch_held", "1"), ledger.Recorded)
	wantEvent(t, l, "evt_held", ledger.Held, ledger.ReasonPaidTwice)
}

func testRefundOfHeld(t *testing.T, l ledger.Ledger) {
	hold(t, l)
	add(t, l, refund("evt_r1", "ch_held", "1", 40), ledger.Recorded)
	wantEvent(t, l, "evt_r1", ledger.Filtered, ledger.ReasonUnpaid)
	wantEvent(t, l, "evt_held", ledger.Held, ledger.ReasonPaidTwice)
	add(t, l, refund("evt_r0", "ch_first", "1", 10), ledger.Recorded)
	wantEvent(t, l, "evt_r0", ledger.Pending)

	add(t, l, refund("evt_r2", "ch_held", "1", 60), ledger.Recorded) // now it is refunded whole
	wantEvent(t, l, "evt_r2", ledger.Filtered, ledger.ReasonUnpaid)
	wantEvent(t, l, "evt_held", ledger.Discarded, ledger.ReasonPaidTwice)
	equal(t, "settled", getEvent(t, l, live, "evt_held").Settled, noon)
	c := getCharge(t, l, "ch_held")
	if c.Held || c.AmountRefunded != 100 || !c.Paid {
		t.Fatalf("refunded whole: %s", show(c))
	}
}

func testReversalOfHeld(t *testing.T, l ledger.Ledger) {
	hold(t, l)
	equal(t, "under way", claim(t, l, "a", noon, at(9), 9), []string{"evt_first"})
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_first", Reversed: true, At: noon}))
	wantEvent(t, l, "evt_first", ledger.Pending) // it is not recalled
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_held", Reversed: true, At: noon}))
	wantEvent(t, l, "evt_held", ledger.Discarded, ledger.ReasonPaidTwice)
	equal(t, "settled", getEvent(t, l, live, "evt_held").Settled, noon)
	if c := getCharge(t, l, "ch_held"); c.Held || !c.Reversed {
		t.Fatalf("reversed: %s", show(c))
	}
	d := ledger.Decision{Scope: live, EventID: "evt_held", Action: ledger.ActionRelease, Now: noon}
	wantErr(t, l.Decide(t.Context(), d), ledger.ErrState)
}

// A payment of which the backend never heard, and whose money went back, does not stand in the way of the real one.
func testPaidAfterRefundedWhole(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	wrong := payment("evt_1", "ch_1", "1")
	wrong.Payment.Amount = 1
	add(t, l, wrong, ledger.Recorded)
	add(t, l, refund("evt_r", "ch_1", "1", 1), ledger.Recorded) // whole is what was paid, not what was asked for
	wantEvent(t, l, "evt_1", ledger.Discarded, ledger.ReasonAmount)
	charge(t, l, "1", "ch_2")
	add(t, l, payment("evt_2", "ch_2", "1"), ledger.Recorded)
	wantEvent(t, l, "evt_2", ledger.Pending)
}

// A refund that came first and waits for its payment goes with it.
func testRefundBeforeHeld(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	add(t, l, refund("evt_r", "ch_1", "1", 10), ledger.Recorded)
	wantEvent(t, l, "evt_r", ledger.Pending)
	wrong := payment("evt_1", "ch_1", "1")
	wrong.Payment.Amount = 50
	add(t, l, wrong, ledger.Recorded)
	wantEvent(t, l, "evt_1", ledger.Held, ledger.ReasonAmount)
	wantEvent(t, l, "evt_r", ledger.Filtered, ledger.ReasonUnpaid)
	due, err := l.NextDue(t.Context(), live)
	must(t, err)
	equal(t, "next due", due, ledger.Due{})
}

// testSharedPaidTwice lets two handles record payments of one order at the same moment, many times.
func testSharedPaidTwice(t *testing.T, a, b ledger.Ledger) {
	for i := range 20 {
		order := fmt.Sprint("o", i)
		var wg sync.WaitGroup
		for n, l := range []ledger.Ledger{a, b} {
			wg.Go(func() {
				if _, err := l.Append(t.Context(), payment(fmt.Sprintf("evt_%d_%d", i, n), fmt.Sprintf("ch_%d_%d", i, n), order)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		held := 0
		for n := range 2 {
			if getEvent(t, b, live, fmt.Sprintf("evt_%d_%d", i, n)).State == ledger.Held {
				held++
			}
		}
		equal(t, order+": payments held", held, 1)
	}
}

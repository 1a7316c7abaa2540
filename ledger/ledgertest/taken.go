package ledgertest

import (
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// testTaken goes through what becomes of an attempt whose number the channel calls paid.
func testTaken(t *testing.T, l ledger.Ledger) {
	release := func(number string, as ledger.AttemptState) {
		t.Helper()
		must(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: number, As: as}))
	}
	due := func(what string, now int, want ...string) {
		t.Helper()
		cs, err := l.ClaimQueries(t.Context(), ledger.QueryClaim{Scope: live, Kind: ledger.QueryLater, Owner: "a", Now: at(now), Until: at(now + 10), Limit: 9})
		must(t, err)
		var numbers []string
		for _, c := range cs {
			if c.ID != "" || c.State != ledger.Taken {
				t.Fatalf("%s: %s", what, show(c))
			}
			numbers = append(numbers, c.Number)
		}
		equal(t, what, numbers, want)
	}
	for _, no := range []string{"1", "2", "3"} {
		release(reserve(t, l, no, noon, at(30)).Number, ledger.Taken)
	}
	due("at once", 1, "1", "2", "3")
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, Number: "1", Next: at(60), Lease: at(11)}))
	release("2", ledger.Unknown) // whoever knows less says nothing new
	release("2", ledger.Unsent)
	equal(t, "state", attempts(t, l, "2")[0].State, ledger.Taken)
	release("2", ledger.Refused) // another order's
	equal(t, "state", attempts(t, l, "2")[0].State, ledger.Refused)
	due("those that are still looked for", 60, "3", "1")

	// Found: it is an attempt like any other, and its payment no mismatch.
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: "1", ID: "ch_1", Channel: "wx_pub", Amount: 100, Currency: "cny", Created: noon}))
	add(t, l, paid(live, "evt_1", "ch_1", "1"), ledger.Recorded)
	c := attempts(t, l, "1")[0]
	if c.State != ledger.Open || !c.Paid || c.Held || c.Amount != 100 {
		t.Fatalf("found: %s", show(c))
	}
	// An event tells of it first.
	add(t, l, paid(live, "evt_3", "ch_3", "3"), ledger.Recorded)
	release("3", ledger.Refused)
	if c := attempts(t, l, "3")[0]; !c.Paid || c.ID != "ch_3" || c.State != ledger.Taken {
		t.Fatalf("told of: %s", show(c))
	}
	due("nothing", 999)
}

// testNumberOfAnotherOrder has a charge that names its order and has a number that an attempt of another order was to have.
func testNumberOfAnotherOrder(t *testing.T, l ledger.Ledger) {
	r := reserve(t, l, "1", noon, at(30))
	must(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: r.Number, As: ledger.Refused}))
	e := paid(live, "evt_1", "ch_1", r.Number)
	e.OrderNo, e.Lane = "2", "2"
	add(t, l, e, ledger.Recorded)
	equal(t, "the event's order", getEvent(t, l, live, "evt_1").OrderNo, "2")
	if c := attempts(t, l, "1")[0]; c.Paid || c.ID != "" {
		t.Fatalf("an order is paid by another one's charge: %s", show(c))
	}
	if cs := attempts(t, l, "2"); len(cs) != 1 || !cs[0].Paid || cs[0].State != ledger.Foreign {
		t.Fatalf("the order that was paid: %s", show(cs))
	}
	// One that names no order, or only the number, is the attempt's.
	r = reserve(t, l, "3", noon, at(30))
	must(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: r.Number, As: ledger.Unknown}))
	e = paid(live, "evt_3", "ch_3", r.Number)
	e.OrderNo, e.Lane = r.Number, r.Number
	add(t, l, e, ledger.Recorded)
	if c := attempts(t, l, "3")[0]; !c.Paid || c.ID != "ch_3" {
		t.Fatalf("not paid: %s", show(c))
	}
}

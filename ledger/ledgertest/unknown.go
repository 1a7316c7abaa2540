package ledgertest

import (
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// testUnknownQueries goes through the ways in which an attempt becomes unknown, and out of it.
func testUnknownQueries(t *testing.T, l ledger.Ledger) {
	due := func(what string, now int, want ...string) []ledger.Charge {
		t.Helper()
		cs, err := l.ClaimQueries(t.Context(), ledger.QueryClaim{Scope: live, Kind: ledger.QueryLater, Owner: "a", Now: at(now), Until: at(now + 10), Limit: 9})
		must(t, err)
		var numbers []string
		for _, c := range cs {
			if c.ID != "" || c.State != ledger.Unknown {
				t.Fatalf("%s: %s", what, show(c))
			}
			numbers = append(numbers, c.Number)
		}
		equal(t, what, numbers, want)
		return cs
	}
	r := reservation(live, "1", noon, at(30))
	r.Channel, r.Payer, r.PayerAppID, r.Host = "wx_lite", "oPayer", "wx1", "shop.example.com"
	r.LoggedIn = at(-60)
	first, err := l.Reserve(t.Context(), r)
	must(t, err)
	if c := attempts(t, l, "1")[0]; c.Channel != r.Channel || c.Payer != r.Payer || c.PayerAppID != r.PayerAppID || c.Host != r.Host || !c.LoggedIn.Equal(r.LoggedIn) {
		t.Fatalf("what was known when it was reserved: %s", show(c))
	}
	due("a holder whose reservation lasts", 29)
	due("one that may only be slow", 89)
	must(t, l.Extend(t.Context(), reservation(live, "1", at(89), at(100)), first.Number))
	due("prolonged", 159)
	due("a dead holder's", 160, "1")
	wantErr(t, l.Extend(t.Context(), reservation(live, "1", at(160), at(200)), first.Number), ledger.ErrNotFound)
	due("leased", 169)
	due("the lease that ran out", 170, "1")
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, Number: "1", Next: at(300), Lease: at(180)}))
	if c := attempts(t, l, "1")[0]; c.Queries != 1 || !c.NextQuery.Equal(at(300)) {
		t.Fatalf("looked for once: %s", show(c))
	}
	due("before the next time", 299)

	taken := reserve(t, l, "2", at(200), at(210))
	reserve(t, l, "2", at(239), at(299)) // takes it over
	released := reserve(t, l, "3", at(240), at(299))
	must(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: released.Number, As: ledger.Unknown}))
	refused := reserve(t, l, "4", at(241), at(299))
	must(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: refused.Number, As: ledger.Refused}))
	due("taken over, and released", 299, taken.Number, released.Number)

	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: taken.Number, ID: "ch_2", NextQuery: at(299)})) // found
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, Number: taken.Number, Lease: at(309)}))                 // by two at once
	equal(t, "a found one, while the search's lease lasts", queries(t, l, ledger.QueryFirst, "b", at(299), at(999), 9), []string{"ch_2"})
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, Number: released.Number, Lease: at(309)})) // it is not there
	due("the only one left", 340, "1")
	add(t, l, paid(live, "evt_1", "ch_1", "1"), ledger.Recorded)
	due("an event has told its charge", 358)
}

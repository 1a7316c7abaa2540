package ledgertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// steps are how far a clock may have been ahead: an RTC in UTC+8 read as UTC, and one whose battery is empty.
var steps = []time.Duration{8 * time.Hour, 365 * 24 * time.Hour}

// testClockLeases: what was leased or reserved while the clock was ahead is over when it has been put back, unless its owner lives and
// prolongs it.
func testClockLeases(t *testing.T, l ledger.Ledger) {
	for i, step := range steps {
		id := func(name string) string { return fmt.Sprint(name, i) }
		base := noon.Add(time.Duration(i) * time.Minute)
		wrong, right := base.Add(step), base.Add(2*time.Second)
		until := wrong.Add(2 * time.Second)
		for _, e := range []string{"evt_dead", "evt_lives"} {
			add(t, l, event(live, id(e)), ledger.Recorded)
			equal(t, e, claim(t, l, id(e), wrong, until, 1), []string{id(e)})
		}
		equal(t, "held", renew(t, l, id("evt_lives"), live, right.Add(2*time.Second)), []string{id("evt_lives")})
		equal(t, "leases", claim(t, l, "b", right.Add(time.Second), right.Add(20*time.Second), 9), []string{id("evt_dead")})
		equal(t, "which are leased now", claim(t, l, "c", right.Add(time.Second), right.Add(20*time.Second), 9), nil)
		for _, e := range []string{"evt_dead", "evt_lives"} {
			must(t, l.Settle(t.Context(), "b", ledger.Delivery{Scope: live, EventID: id(e), At: right, State: ledger.Delivered}))
		}

		order := id("o")
		reserve(t, l, order, wrong, until)
		held := reserve(t, l, id("held"), wrong, until)
		must(t, l.Extend(t.Context(), reservation(live, id("held"), right, right.Add(5*time.Second)), held.Number))
		_, err := l.Reserve(t.Context(), reservation(live, id("held"), right, right.Add(5*time.Second)))
		wantErr(t, err, ledger.ErrReserved)
		again := reserve(t, l, order, right, right.Add(5*time.Second))
		equal(t, "the dead holder's attempt", again.Attempts[0].State, ledger.Unknown)
		reserve(t, l, id("forsaken"), wrong, until)
		_, err = l.ClaimQueries(t.Context(), ledger.QueryClaim{Scope: live, Kind: ledger.QueryLater, Owner: "a", Now: right, Until: right.Add(time.Minute), Limit: 9})
		must(t, err)
		equal(t, "an attempt that nobody took over", attempts(t, l, id("forsaken"))[0].State, ledger.Unknown)
	}
}

// testClockDecide: a person can decide about an event whose lease is over in this way.
func testClockDecide(t *testing.T, l ledger.Ledger) {
	for i, step := range steps {
		id, wrong := fmt.Sprint("evt_", i), noon.Add(step)
		add(t, l, event(live, id), ledger.Recorded)
		claim(t, l, "dead", wrong, wrong.Add(time.Second), 1)
		must(t, decide(t, l, ledger.ActionReplay, id, 1))
		equal(t, "after a replay", claim(t, l, "dead", wrong, wrong.Add(time.Second), 1), []string{id})
		must(t, decide(t, l, ledger.ActionDiscard, id, 1))
		equal(t, "state", getEvent(t, l, live, id).State, ledger.Discarded)
	}
}

// testOverdue: what a wrong clock has left ahead is due; what lies ahead rightly stays there.
func testOverdue(t *testing.T, l ledger.Ledger) {
	overdue := func(want int) {
		t.Helper()
		n, err := l.Overdue(t.Context(), live, at(60))
		must(t, err)
		equal(t, "overdue", n, want)
	}
	overdue(0)
	charge(t, l, "paid", "ch_paid")
	for i, step := range steps {
		id := func(name string) string { return fmt.Sprint(name, i) }
		wrong := noon.Add(step)
		fresh := event(live, id("evt_fresh"))
		fresh.Received, fresh.Due = wrong, time.Time{}
		add(t, l, fresh, ledger.Recorded)
		for name, d := range map[string]ledger.Delivery{
			"evt_wrong": {At: wrong, Due: wrong.Add(5 * time.Second)},
			"evt_right": {At: noon, Due: noon.Add(24 * time.Hour)},
		} {
			add(t, l, event(live, id(name)), ledger.Recorded)
			claim(t, l, "a", noon, at(1), 1)
			d.Scope, d.EventID, d.Attempt, d.State = live, id(name), 1, ledger.Pending
			must(t, l.Settle(t.Context(), "a", d))
		}
		r := reserve(t, l, id("o"), at(-60), at(-30))
		must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: r.Number, ID: id("ch_wrong"), Created: wrong, TimeExpire: wrong.Add(2 * time.Hour),
			NextQuery: wrong.Add(30 * time.Second)}))
		r = reserve(t, l, id("p"), at(-60), at(-30))
		must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: r.Number, ID: id("ch_right"), Created: noon, TimeExpire: at(7200),
			NextQuery: at(3600)}))
		_, _, err := l.ReserveRefund(t.Context(), ledger.RefundReservation{Scope: live, RefundNo: id("R"), ChargeID: id("ch_wrong"), OrderNo: "1", Amount: 1, Paid: 100,
			Owner: "a", Now: wrong, Until: wrong.Add(time.Minute)})
		must(t, err)
	}
	equal(t, "before", claim(t, l, "b", at(60), at(70), 9), nil)
	overdue(8)
	overdue(0)
	equal(t, "events", len(claim(t, l, "b", at(60), at(70), 9)), 4)
	q := ledger.QueryClaim{Scope: live, Kind: ledger.QueryFirst, Owner: "b", Now: at(60), Until: at(90), Limit: 9}
	cs, err := l.ClaimQueries(t.Context(), q)
	must(t, err)
	equal(t, "charges", []string{cs[0].ID, cs[1].ID}, []string{"ch_wrong1", "ch_wrong0"})
	res, err := l.ClaimRefunds(t.Context(), q)
	must(t, err)
	equal(t, "refunds", len(res), 2)
}

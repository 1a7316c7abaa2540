package ledgertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

func figures(t *testing.T, l ledger.Ledger) *ledger.Figures {
	t.Helper()
	f, err := l.Figures(t.Context(), live)
	must(t, err)
	faults, err := l.Verify(t.Context())
	must(t, err)
	equal(t, "what Verify finds", faults, nil)
	return f
}

// wantRisk compares the money at risk, the payments that it is of, and when the first of them was received.
func wantRisk(t *testing.T, what string, l ledger.Ledger, fen, payments int64, oldest time.Time) {
	t.Helper()
	f := figures(t, l)
	if f.AtRisk != fen || f.AtRiskEvents != payments || !f.OldestAtRisk.Equal(oldest) {
		t.Fatalf("%s: %d fen of %d payments since %v at risk; want %d, %d, %v", what, f.AtRisk, f.AtRiskEvents, f.OldestAtRisk, fen, payments, oldest)
	}
	p, err := l.ListEvents(t.Context(), ledger.Filter{Scope: live, AtRisk: true})
	must(t, err)
	sum := int64(0)
	for _, e := range p.Rows {
		sum += e.Money
	}
	equal(t, what+": the sum of the list", sum, fen)
}

// Money is at risk from its payment on until the backend acknowledges it, or a person decides that it need not.
func testRisk(t *testing.T, l ledger.Ledger) {
	wantRisk(t, "nothing yet", l, 0, 0, time.Time{})
	charge(t, l, "1", "ch_1")
	charge(t, l, "2", "ch_2")
	charge(t, l, "3", "ch_3")
	first, second := payment("evt_1", "ch_1", "1"), payment("evt_2", "ch_2", "2")
	second.Payment.Amount, second.Received = 70, at(1) // held: another amount than the charge's
	add(t, l, first, ledger.Recorded)
	equal(t, "filled in", first.Money, int64(100))
	wantRisk(t, "paid", l, 100, 1, noon)
	add(t, l, payment("evt_1b", "ch_1", "1"), ledger.SameEffect)
	add(t, l, second, ledger.Recorded)
	wantRisk(t, "held", l, 170, 2, noon)
	unwanted := payment("evt_3", "ch_3", "3")
	unwanted.State, unwanted.Reasons = ledger.Filtered, []string{ledger.ReasonType}
	add(t, l, unwanted, ledger.Recorded)
	add(t, l, event(live, "evt_other"), ledger.Recorded)
	wantRisk(t, "of types that are not delivered", l, 170, 2, noon)

	claim(t, l, "a", at(1), at(2), 9)
	settle(t, l, "a", "evt_1", ledger.Pending)
	wantRisk(t, "tried", l, 170, 2, noon)
	claim(t, l, "a", at(5), at(6), 9)
	settle(t, l, "a", "evt_1", ledger.Dead)
	wantRisk(t, "dead", l, 170, 2, noon)
	must(t, decide(t, l, ledger.ActionReplay, "evt_1", 7))
	wantRisk(t, "replayed", l, 170, 2, noon)
	claim(t, l, "a", at(8), at(9), 9)
	settle(t, l, "a", "evt_1", ledger.Delivered)
	wantRisk(t, "delivered", l, 70, 1, at(1))
	must(t, decide(t, l, ledger.ActionReplay, "evt_1", 10))
	wantRisk(t, "a replay of what was acknowledged", l, 70, 1, at(1))
	claim(t, l, "a", at(11), at(12), 9)
	settle(t, l, "a", "evt_1", ledger.Dead)
	wantRisk(t, "which fails", l, 70, 1, at(1))
	settle(t, l, "nobody", "evt_1", ledger.Delivered)
	wantRisk(t, "and is acknowledged again", l, 70, 1, at(1))
	equal(t, "acknowledged", getEvent(t, l, live, "evt_1").Acks, 2)

	must(t, decide(t, l, ledger.ActionDiscard, "evt_2", 13))
	wantRisk(t, "discarded", l, 0, 0, time.Time{})
	must(t, decide(t, l, ledger.ActionReplay, "evt_2", 14))
	wantRisk(t, "replayed after all", l, 70, 1, at(1))
	settle(t, l, "nobody", "evt_2", ledger.Delivered)
	wantRisk(t, "acknowledged, whoever says so", l, 0, 0, time.Time{})

	charge(t, l, "4", "ch_4")
	add(t, l, unreadable(payment("evt_4", "ch_4", "4")), ledger.Recorded)
	wantRisk(t, "nobody knows how much", l, 0, 0, time.Time{})
	must(t, decide(t, l, ledger.ActionRelease, "evt_4", 15))
	wantRisk(t, "released", l, 100, 1, noon)
}

// Money that goes back before the backend can hear of it is at risk no longer.
func testRiskReturns(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	e := payment("evt_1", "ch_1", "1")
	e.Payment.Amount = 70
	add(t, l, e, ledger.Recorded)
	wantRisk(t, "held", l, 70, 1, noon)
	r := refund("evt_2", "ch_1", "1", 70)
	add(t, l, r, ledger.Recorded)
	equal(t, "filled in", r.Money, int64(-70))
	wantRisk(t, "refunded whole", l, 0, 0, time.Time{})
	returned := reversedPayment("evt_3", "ch_3", "3")
	returned.Returned = true
	add(t, l, returned, ledger.Recorded)
	wantRisk(t, "reversed on purpose", l, 0, 0, time.Time{})
}

func testFigures(t *testing.T, l ledger.Ledger) {
	f := figures(t, l)
	equal(t, "events of an empty ledger", len(f.Events), 0)
	for i := range 6 {
		e := payment(fmt.Sprint("evt_", i), fmt.Sprint("ch_", i), fmt.Sprint(i))
		e.Received, e.Due = at(i), at(10+i)
		add(t, l, e, ledger.Recorded)
	}
	settle(t, l, "nobody", "evt_0", ledger.Delivered)
	must(t, decide(t, l, ledger.ActionDiscard, "evt_1", 1))
	r := reserve(t, l, "o1", at(20), at(30))
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: r.Number, ID: "ch_z", Amount: 100, Currency: "cny", Created: at(20)}))
	claimSweep(t, l, "a", at(50), at(100))
	swept(t, l, "a", at(50))
	f = figures(t, l)
	equal(t, "events", f.Events, map[ledger.State]int64{ledger.Pending: 4, ledger.Delivered: 1, ledger.Discarded: 1})
	equal(t, "oldest", f.OldestPending, at(2))
	equal(t, "oldest at risk", f.OldestAtRisk, at(2))
	equal(t, "next attempt", f.NextAttempt, at(12))
	equal(t, "swept", f.Swept, at(50))
	equal(t, "paused", f.Paused, nil)
	other, err := l.Figures(t.Context(), test)
	must(t, err)
	equal(t, "of the other mode", fmt.Sprint(len(other.Events), other.AtRisk, other.OldestPending.IsZero(), other.Swept.IsZero()), "0 0 true true")
}

// The oldest is found however it waits: not tried yet, for another attempt, behind another one of its lane.
func testOldest(t *testing.T, l ledger.Ledger) {
	oldest := func(what string, pending, atRisk time.Time) {
		t.Helper()
		f := figures(t, l)
		if !f.OldestPending.Equal(pending) || !f.OldestAtRisk.Equal(atRisk) {
			t.Fatalf("%s: the oldest pending is of %v, at risk of %v; want %v, %v", what, f.OldestPending, f.OldestAtRisk, pending, atRisk)
		}
	}
	other := event(live, "evt_other")
	add(t, l, other, ledger.Recorded)
	for i := range 4 {
		e := payment(fmt.Sprint("evt_", i), fmt.Sprint("ch_", i), "1")
		e.Received, e.Due, e.Created = at(1+i), at(1+i), at(9-i) // the later, the sooner in the lane
		e.OrderNo = fmt.Sprint(i)
		add(t, l, e, ledger.Recorded)
	}
	oldest("all", noon, at(1))
	settle(t, l, "nobody", "evt_other", ledger.Delivered)
	oldest("one that is behind others", at(1), at(1))
	equal(t, "claimed", claim(t, l, "a", at(9), at(10), 9), []string{"evt_3"})
	must(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: live, EventID: "evt_3", Attempt: 1, At: at(9), State: ledger.Pending, Due: at(60)}))
	for i := range 3 {
		settle(t, l, "nobody", fmt.Sprint("evt_", i), ledger.Delivered)
	}
	oldest("one that waits for another attempt", at(4), at(4))
	young := payment("evt_9", "ch_9", "9")
	young.Received, young.Due = at(20), at(20)
	add(t, l, young, ledger.Recorded)
	oldest("one that waits longer than one that is due sooner", at(4), at(4))
	settle(t, l, "nobody", "evt_3", ledger.Delivered)
	oldest("one that was not tried", at(20), at(20))
	must(t, decide(t, l, ledger.ActionReplay, "evt_0", 30))
	oldest("a replay", at(1), at(20))
}

// Each hour has what came in it.
func testHours(t *testing.T, l ledger.Ledger) {
	hours := func(from, to time.Time) []ledger.Hour {
		t.Helper()
		hours, err := l.Hours(t.Context(), live, from, to)
		must(t, err)
		return hours
	}
	hour := noon.Truncate(time.Hour)
	equal(t, "of an empty ledger", len(hours(hour, hour.Add(time.Hour))), 0)
	created(t, l, "1", "ch_1", "wx_lite", 1)
	created(t, l, "1", "ch_1b", "wx_lite", 2)
	created(t, l, "2", "ch_2", "wx_lite", 3600)
	add(t, l, payment("evt_1", "ch_1b", "1"), ledger.Recorded)
	add(t, l, payment("evt_1b", "ch_1b", "1"), ledger.SameEffect)
	add(t, l, payment("evt_1", "ch_1b", "1"), ledger.Duplicate)
	asked := payment("evt_q_2", "ch_2", "2")
	asked.Source, asked.Received = ledger.Query, at(3601)
	add(t, l, asked, ledger.Recorded)
	back := refund("evt_r", "ch_2", "2", 30)
	back.Received = at(7200)
	add(t, l, back, ledger.Recorded)
	all := []ledger.Hour{
		{At: hour, Charges: 2, Webhook: 1, Paid: 100},
		{At: hour.Add(time.Hour), Charges: 1, Query: 1, Paid: 100},
		{At: hour.Add(2 * time.Hour), Refunded: 30},
	}
	equal(t, "all", hours(hour, at(90000)), all)
	equal(t, "one", hours(hour.Add(time.Hour), hour.Add(2*time.Hour)), all[1:2])
	created(t, l, "3", "ch_3", "wx_lite", 10800)
	unread := unreadable(payment("evt_3", "ch_3", "3"))
	unread.Received = at(10801)
	add(t, l, unread, ledger.Recorded)
	must(t, decide(t, l, ledger.ActionRelease, "evt_3", 10802))
	twice := reserve(t, l, "4", at(14400), at(14430))
	for range 2 {
		must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: twice.Number, ID: "ch_4", Amount: 100, Currency: "cny", Created: at(14400), TimeExpire: at(14450)}))
	}
	equal(t, "an answer that is recorded twice", hours(hour.Add(4*time.Hour), at(90000)), []ledger.Hour{{At: hour.Add(4 * time.Hour), Charges: 1}})
	equal(t, "a payment that only a person could read", hours(hour.Add(3*time.Hour), hour.Add(4*time.Hour)), []ledger.Hour{{At: hour.Add(3 * time.Hour), Charges: 1, Webhook: 1, Paid: 100}})
	figures(t, l)
	other, err := l.Hours(t.Context(), test, hour, at(90000))
	must(t, err)
	equal(t, "of the other mode", len(other), 0)
}

// A pause lasts until a person ends it; what comes meanwhile waits.
func testPause(t *testing.T, l ledger.Ledger) {
	say := func(s ledger.Scope, a ledger.Action, second int) error {
		return l.Decide(t.Context(), ledger.Decision{Scope: s, Action: a, Now: at(second), By: "ops", Said: "me", Reason: "the shop moves"})
	}
	add(t, l, event(live, "evt_1"), ledger.Recorded)
	equal(t, "before", claim(t, l, "a", at(1), at(3), 9), []string{"evt_1"})
	wantErr(t, say(live, ledger.ActionUnpause, 1), ledger.ErrState)
	must(t, say(live, ledger.ActionPause, 1))
	wantErr(t, say(live, ledger.ActionPause, 2), ledger.ErrState)
	add(t, l, event(live, "evt_2"), ledger.Recorded)
	add(t, l, event(test, "evt_3"), ledger.Recorded)
	must(t, decide(t, l, ledger.ActionReplay, "evt_2", 2))
	paused := lent(inLane("evt_4", "4", 1, 4))
	add(t, l, paused, ledger.Recorded)
	equal(t, "leased as it is recorded", paused.Lease, ledger.Lease{})
	must(t, decide(t, l, ledger.ActionDiscard, "evt_4", 2))

	equal(t, "what is leased", renew(t, l, "a", live, at(4)), []string{"evt_1"})
	equal(t, "while it is paused", len(claim(t, l, "b", at(9), at(11), 9)), 0)
	due, err := l.NextDue(t.Context(), live)
	must(t, err)
	equal(t, "due", due, ledger.Due{Pending: 2})
	settle(t, l, "a", "evt_1", ledger.Delivered)
	wantEvent(t, l, "evt_1", ledger.Delivered)
	f := figures(t, l)
	equal(t, "pause", f.Paused, &ledger.Pause{Since: at(1), By: "ops", Said: "me", Reason: "the shop moves"})
	equal(t, "next attempt", f.NextAttempt, time.Time{})
	es, err := l.Claim(t.Context(), ledger.Claim{Scope: test, Owner: "b", Now: at(9), Until: at(11), Limit: 9})
	must(t, err)
	equal(t, "of another scope", len(es), 1)

	changed, stop := l.Watch(ledger.EventsTopic(live))
	defer stop()
	must(t, say(live, ledger.ActionUnpause, 3))
	select {
	case <-changed:
	case <-time.After(time.Minute):
		t.Fatal("nobody is told that the pause is over")
	}
	equal(t, "the pause afterwards", figures(t, l).Paused, nil)
	equal(t, "after it", claim(t, l, "b", at(9), at(11), 9), []string{"evt_2"})
	if err := decide(t, l, ledger.ActionPause, "evt_2", 4); err == nil {
		t.Fatal("an event was paused")
	}
	if err := l.Decide(t.Context(), ledger.Decision{Action: ledger.ActionPause, Now: at(1)}); err == nil {
		t.Fatal("no scope was paused")
	}
}

// A process obeys a pause that another one began.
func testSharedPause(t *testing.T, a, b ledger.Ledger) {
	add(t, a, event(live, "evt_1"), ledger.Recorded)
	must(t, b.Decide(t.Context(), ledger.Decision{Scope: live, Action: ledger.ActionPause, Now: at(1)}))
	equal(t, "while it is paused", len(claim(t, a, "a", at(1), at(3), 9)), 0)
	must(t, b.Decide(t.Context(), ledger.Decision{Scope: live, Action: ledger.ActionUnpause, Now: at(2)}))
	equal(t, "after it", claim(t, a, "a", at(2), at(3), 9), []string{"evt_1"})
}

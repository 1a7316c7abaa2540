package ledgertest

import (
	"errors"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// What a holder does that stood still for longer than its lease, as a process does that is stopped for a minute: another one has taken over meanwhile, has
// given back, and the same process has taken it again under its next name. What wakes is the first of them. It changes nothing, but what is true whoever
// says so.

// unchanged makes sure that nothing of what is shown changes.
func unchanged[T any](t *testing.T, what string, read func() T, late func()) {
	t.Helper()
	before := show(read())
	late()
	equal(t, what, show(read()), before)
}

func testFencedEvents(t *testing.T, l ledger.Ledger) {
	add(t, l, event(live, "evt_1"), ledger.Recorded)
	life := func() []any {
		ds, err := l.Deliveries(t.Context(), live, "evt_1")
		must(t, err)
		due, err := l.NextDue(t.Context(), live)
		must(t, err)
		return []any{getEvent(t, l, live, "evt_1"), ds, due}
	}
	equal(t, "first", claim(t, l, "p#1", noon, at(60), 9), []string{"evt_1"})
	equal(t, "another", claim(t, l, "q#1", at(61), at(100), 9), []string{"evt_1"})
	late := func() {
		t.Helper()
		held, err := l.Renew(t.Context(), "p#1", ledger.Claim{Scope: live, Now: at(62), Until: at(120)})
		must(t, err)
		equal(t, "renewed", held, nil)
		settle(t, l, "p#1", "evt_1", ledger.Pending)
		settle(t, l, "p#1", "evt_1", ledger.Dead)
	}
	unchanged(t, "taken over", life, late)
	settle(t, l, "q#1", "evt_1", ledger.Pending)
	unchanged(t, "given back", life, late)
	equal(t, "again", claim(t, l, "p#2", at(110), at(150), 9), []string{"evt_1"})
	unchanged(t, "taken again", life, late)
	settle(t, l, "p#1", "evt_1", ledger.Delivered) // the backend has it
	wantEvent(t, l, "evt_1", ledger.Delivered)
	settle(t, l, "p#2", "evt_1", ledger.Dead)
	wantEvent(t, l, "evt_1", ledger.Delivered)
}

func testFencedQueries(t *testing.T, l ledger.Ledger) {
	asked(t, l, "1", "ch_1", noon)
	read := func() *ledger.Charge { return getCharge(t, l, "ch_1") }
	lease := func(now, until int) time.Time {
		t.Helper()
		for _, kind := range []ledger.QueryKind{ledger.QueryFirst, ledger.QueryLater} {
			cs, err := l.ClaimQueries(t.Context(), ledger.QueryClaim{Scope: live, Kind: kind, Owner: "p", Now: at(now), Until: at(until), Limit: 9})
			must(t, err)
			if len(cs) == 1 {
				equal(t, "the lease", cs[0].Lease, at(until))
				return cs[0].Lease
			}
		}
		t.Fatalf("nothing is due at %d", now)
		return time.Time{}
	}
	queried := func(q ledger.Queried) {
		t.Helper()
		q.Scope, q.ChargeID = live, "ch_1"
		must(t, l.Queried(t.Context(), q))
	}
	first := lease(0, 60)
	second := lease(61, 121)
	late := func() {
		t.Helper()
		queried(ledger.Queried{Lease: first, Next: at(5)})
		queried(ledger.Queried{Lease: first}) // never again
	}
	unchanged(t, "taken over", read, late)
	unchanged(t, "by whoever has no lease", read, func() { queried(ledger.Queried{Next: at(5)}) })
	equal(t, "the other's lease lasts", queries(t, l, ledger.QueryLater, "r", at(120), at(180), 9), nil)
	queried(ledger.Queried{Lease: second, Next: at(200)})
	unchanged(t, "given back", read, late)
	lease(200, 260)
	unchanged(t, "taken again", read, late)
	queried(ledger.Queried{Lease: first, Reversed: true, At: at(201)}) // Ping++ knows of it
	if c := read(); !c.Reversed || !c.NextQuery.IsZero() {
		t.Errorf("reversed: %s", show(c))
	}
}

func testFencedSearches(t *testing.T, l ledger.Ledger) {
	must(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: reserve(t, l, "1", noon, at(30)).Number, As: ledger.Unknown}))
	read := func() []ledger.Charge { return attempts(t, l, "1") }
	lease := func(now int) time.Time {
		t.Helper()
		equal(t, "due", len(queries(t, l, ledger.QueryLater, "p", at(now), at(now+60), 9)), 1)
		return at(now + 60)
	}
	sought := func(lease time.Time, next int) {
		t.Helper()
		must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, Number: "1", Lease: lease, Next: at(next)}))
	}
	first := lease(1)
	second := lease(62)
	unchanged(t, "taken over", read, func() { sought(first, 5); sought(time.Time{}, 5) })
	sought(second, 200)
	unchanged(t, "given back", read, func() { sought(first, 5) })
}

func testFencedReservations(t *testing.T, l ledger.Ledger) {
	first := reserve(t, l, "1", noon, at(60))
	second := reserve(t, l, "1", at(61), at(121))
	read := func() []ledger.Charge { return attempts(t, l, "1") }
	late := func() {
		t.Helper()
		wantErr(t, l.Extend(t.Context(), reservation(live, "1", at(62), at(200)), first.Number), ledger.ErrNotFound)
		must(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: first.Number, As: ledger.Unsent})) // somebody was told that it stays used
	}
	unchanged(t, "taken over", read, late)
	if _, err := l.Reserve(t.Context(), reservation(live, "1", at(120), at(180))); !errors.Is(err, ledger.ErrReserved) {
		t.Errorf("the other's reservation lasts: %v", err)
	}
	must(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: second.Number, As: ledger.Unsent}))
	unchanged(t, "given back", read, late)
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: first.Number, ID: "ch_1", Amount: 100, Currency: "cny", Created: at(63)})) // it can be paid
	equal(t, "a charge that was made", getCharge(t, l, "ch_1").State, ledger.Open)
}

func testFencedRefunds(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	add(t, l, payment("evt_1", "ch_1", "1"), ledger.Recorded)
	first, second, third := asking("R1", 10, 0), asking("R1", 10, 61), asking("R1", 10, 130)
	reserveRefund(t, l, first, true)
	reserveRefund(t, l, second, false)
	read := func() *ledger.Refund {
		re, err := l.Refund(t.Context(), live, "R1")
		must(t, err)
		return re
	}
	late := func() {
		t.Helper()
		wantErr(t, l.AskRefund(t.Context(), lease(first), ledger.RefundAsk{Asks: 9, Now: at(62), Until: at(300)}), ledger.ErrNotFound)
		wantErr(t, l.ReleaseRefund(t.Context(), lease(first), ledger.RefundPause{}), ledger.ErrNotFound)
		wantErr(t, l.ReleaseRefund(t.Context(), lease(first), ledger.RefundPause{Next: at(1), Unclear: "late"}), ledger.ErrNotFound)
		must(t, l.RefundQueried(t.Context(), lease(first), at(5)))
	}
	unchanged(t, "taken over", read, late)
	wantNoRefund(t, l, asking("R1", 10, 120), ledger.ErrReserved)
	must(t, l.ReleaseRefund(t.Context(), lease(second), ledger.RefundPause{Next: at(125), Asks: 1}))
	unchanged(t, "given back", read, late)
	reserveRefund(t, l, third, false)
	unchanged(t, "taken again", read, late)
	must(t, l.RefundMade(t.Context(), lease(first), "re_1", at(300))) // it is money
	equal(t, "a refund that was made", []any{read().ID, read().State}, []any{"re_1", ledger.RefundPending})
	unchanged(t, "made", read, late)
}

func testFencedShipments(t *testing.T, l ledger.Ledger) {
	keeps(t, l, "1")
	report(t, l, reporting("1", tea, 0), true)
	one := func(now int) ledger.ShipmentLease {
		t.Helper()
		ss := claimShipments(t, l, "p", false, at(now), at(now+60))
		equal(t, "due", len(ss), 1)
		return shipmentLease(ss[0], "p")
	}
	first := one(1)
	second := one(62) // the same process
	late := func() {
		t.Helper()
		_, err := l.PostShipping(t.Context(), first, at(63), at(300))
		wantErr(t, err, ledger.ErrNotFound)
		_, err = l.ShippingAnswered(t.Context(), first, ledger.ShippingAnswer{Step: ledger.ShippingAsk, Result: ledger.ShippingTransient, At: at(63),
			Problem: ledger.ShippingProblem{Code: "late", Text: "late"}})
		wantErr(t, err, ledger.ErrNotFound)
	}
	read := func() []any {
		as, err := l.ShippingAttempts(t.Context(), live, "ch_1")
		must(t, err)
		return []any{shipment(t, l, "ch_1"), as}
	}
	unchanged(t, "taken over", read, late)
	_, err := l.PostShipping(t.Context(), second, at(64), at(124))
	must(t, err)
	unchanged(t, "while it is posted", read, late)
}

func testFencedRuns(t *testing.T, l ledger.Ledger) {
	addRun(t, l, "run_1")
	read := func() *ledger.Run {
		r, err := l.Run(t.Context(), "run_1")
		must(t, err)
		return r
	}
	save := func(owner string, until time.Time, doc string) error {
		_, err := l.SaveRun(t.Context(), ledger.RunClaim{Owner: owner, Now: at(20), Until: until}, &ledger.Run{ID: "run_1", Doc: []byte(doc)})
		return err
	}
	late := func() {
		t.Helper()
		wantErr(t, save("p#1", at(300), "old"), ledger.ErrNotFound)
		wantErr(t, save("p#1", time.Time{}, "old"), ledger.ErrNotFound)
		_, err := l.SaveRun(t.Context(), ledger.RunClaim{Owner: "p#1", Now: at(20), Until: at(300)}, &ledger.Run{ID: "run_1", Ended: at(20)})
		wantErr(t, err, ledger.ErrNotFound)
	}
	equal(t, "first", claimRun(t, l, "p#1", 1, 16), "run_1")
	equal(t, "another", claimRun(t, l, "q#1", 17, 32), "run_1")
	must(t, save("q#1", at(32), "further"))
	unchanged(t, "taken over", read, late)
	must(t, save("q#1", time.Time{}, "furthest"))
	unchanged(t, "given back", read, late)
	equal(t, "again", claimRun(t, l, "p#2", 33, 48), "run_1")
	unchanged(t, "taken again", read, late)
	equal(t, "the lease lasts", claimRun(t, l, "q#2", 47, 60), "")
}

func testFencedSweeps(t *testing.T, l ledger.Ledger) {
	asked(t, l, "1", "ch_1", time.Time{})
	day := 24 * 3600
	compared := func() time.Time {
		f, err := l.Figures(t.Context(), live)
		must(t, err)
		return f.Swept
	}
	prolong := func(owner string, now int) bool {
		t.Helper()
		_, granted, err := l.ClaimSweep(t.Context(), ledger.SweepClaim{Scope: live, Owner: owner, To: at(3 * day), Now: at(now), Until: at(now + 60), Prolong: true})
		must(t, err)
		return granted
	}
	take := func(owner string, now int) {
		t.Helper()
		if _, granted := claimSweep(t, l, owner, at(3*day), at(now)); !granted {
			t.Fatalf("not granted to %s", owner)
		}
	}
	now := 4 * day
	if prolong("p", now) {
		t.Error("prolonged, and never had")
	}
	take("p", now)
	if !prolong("p", now+59) || !prolong("p", now+130) {
		t.Error("a lease that nobody has taken over is not prolonged")
	}
	now += 200
	take("q", now)
	if prolong("p", now+1) {
		t.Error("prolonged, though another has it")
	}
	swept(t, l, "p", at(9*day))
	equal(t, "while another has it", compared(), time.Time{})
	swept(t, l, "q", at(2*day))
	if prolong("p", now+2) {
		t.Error("prolonged, though another has ended it")
	}
	swept(t, l, "p", at(day))
	equal(t, "after another has ended it", compared(), at(2*day))
}

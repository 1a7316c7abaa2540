package ledgertest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

func testClaimOrder(t *testing.T, l ledger.Ledger) {
	for i, due := range []int{3, 1, 2, 1, 9} {
		e := event(live, fmt.Sprint("evt_", i))
		e.Due = at(due)
		add(t, l, e, ledger.Recorded)
	}
	equal(t, "nothing wanted", claim(t, l, "a", at(5), at(10), 0), nil)
	equal(t, "first", claim(t, l, "a", at(5), at(10), 3), []string{"evt_1", "evt_3", "evt_2"})
	equal(t, "rest", claim(t, l, "a", at(5), at(10), 3), []string{"evt_0"})
	equal(t, "nothing more, not even one's own", claim(t, l, "a", at(5), at(10), 3), nil)
}

func testClaimOnly(t *testing.T, l ledger.Ledger) {
	for i, state := range []ledger.State{ledger.Held, ledger.Filtered, ledger.Pending} {
		e := event(live, fmt.Sprint("evt_", i))
		e.State = state
		add(t, l, e, ledger.Recorded)
	}
	at0 := event(live, "evt_now")
	at0.Due = time.Time{} // at once
	add(t, l, at0, ledger.Recorded)
	add(t, l, event(test, "evt_test"), ledger.Recorded)
	equal(t, "before anything is due", claim(t, l, "a", at(-1), at(10), 9), nil)
	equal(t, "when it is", claim(t, l, "a", noon, at(10), 9), []string{"evt_2", "evt_now"})
	if _, err := l.Claim(t.Context(), ledger.Claim{Scope: live, Now: noon, Until: at(10), Limit: 1}); err == nil {
		t.Error("a claim without an owner was granted")
	}
}

func testClaimTakeOver(t *testing.T, l ledger.Ledger) {
	add(t, l, event(live, "evt_1"), ledger.Recorded)
	equal(t, "a", claim(t, l, "a", noon, at(2), 9), []string{"evt_1"})
	equal(t, "b within the lease", claim(t, l, "b", at(1), at(3), 9), nil)
	equal(t, "b at its end", claim(t, l, "b", at(2), at(4), 9), []string{"evt_1"})
	equal(t, "a after that", claim(t, l, "a", at(3), at(5), 9), nil)
	equal(t, "attempts", getEvent(t, l, live, "evt_1").Attempts, 0) // none has finished
}

func testRenew(t *testing.T, l ledger.Ledger) {
	renew := func(owner string, s ledger.Scope, until time.Time, want ...string) {
		t.Helper()
		held := renew(t, l, owner, s, until)
		slices.Sort(held)
		equal(t, "held", held, want)
	}
	renew("a", live, at(9)) // nothing to renew is no error
	for _, id := range []string{"evt_1", "evt_2", "evt_3"} {
		add(t, l, event(live, id), ledger.Recorded)
	}
	claim(t, l, "a", noon, at(2), 2)
	claim(t, l, "b", noon, at(2), 1)
	renew("a", live, at(4), "evt_1", "evt_2")
	renew("a", live, at(3), "evt_1", "evt_2") // never shortens
	renew("b", test, at(4))                   // another scope
	equal(t, "after b's lease", claim(t, l, "c", at(3), at(10), 9), []string{"evt_3"})
	renew("b", live, at(30)) // no longer b's
	equal(t, "after a's", claim(t, l, "c", at(4), at(10), 9), []string{"evt_1", "evt_2"})
	renew("a", live, at(30))
	equal(t, "after c's", claim(t, l, "d", at(10), at(20), 9), []string{"evt_1", "evt_2", "evt_3"})
}

func renew(t *testing.T, l ledger.Ledger, owner string, s ledger.Scope, until time.Time) []string {
	t.Helper()
	held, err := l.Renew(t.Context(), owner, ledger.Claim{Scope: s, Until: until})
	must(t, err)
	return held
}

// testClaimConcurrent lets many owners claim and settle until nothing is left: no event is given to two of them.
func testClaimConcurrent(t *testing.T, a, b ledger.Ledger) {
	const events, owners = 200, 8
	for i := range events {
		add(t, a, event(live, fmt.Sprintf("evt_%03d", i)), ledger.Recorded)
	}
	var mu sync.Mutex
	owner := make(map[string]string)
	var wg sync.WaitGroup
	for i := range owners {
		l, me := []ledger.Ledger{a, b}[i%2], fmt.Sprint("owner", i)
		wg.Go(func() {
			for {
				es, err := l.Claim(t.Context(), ledger.Claim{Scope: live, Owner: me, Now: noon, Until: at(60), Limit: 7})
				if err != nil {
					t.Error(err)
					return
				}
				if len(es) == 0 {
					return
				}
				for _, e := range es {
					mu.Lock()
					if first := owner[e.ID]; first != "" {
						t.Errorf("%s was given to %s and to %s", e.ID, first, me)
					}
					owner[e.ID] = me
					mu.Unlock()
					err := l.Settle(t.Context(), me, ledger.Delivery{Scope: live, EventID: e.ID, Attempt: 1, At: noon, State: ledger.Delivered})
					if err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	equal(t, "events given out", len(owner), events)
	due, err := b.NextDue(t.Context(), live)
	must(t, err)
	equal(t, "next due", due, ledger.Due{})
}

func testSharedTakeOver(t *testing.T, a, b ledger.Ledger) {
	add(t, a, event(live, "evt_1"), ledger.Recorded)
	equal(t, "a", claim(t, a, "a", noon, at(2), 9), []string{"evt_1"})
	equal(t, "b within a's lease", claim(t, b, "b", at(1), at(3), 9), nil)
	due, err := b.NextDue(t.Context(), live)
	must(t, err)
	equal(t, "next due for b", due, ledger.Due{At: at(2), Pending: 1})
	equal(t, "b after a died", claim(t, b, "b", at(2), at(4), 9), []string{"evt_1"})

	reserve(t, a, "1", noon, at(2))
	_, err = b.Reserve(t.Context(), reservation(live, "1", at(1), at(3)))
	wantErr(t, err, ledger.ErrReserved)
	r := reserve(t, b, "1", at(2), at(4))
	equal(t, "state of the dead holder's attempt", r.Attempts[0].State, ledger.Unknown)
}

func testSettleDelivered(t *testing.T, l ledger.Ledger) {
	add(t, l, event(live, "evt_1"), ledger.Recorded)
	claim(t, l, "a", noon, at(9), 1)
	want := ledger.Delivery{Scope: live, EventID: "evt_1", Attempt: 1, At: at(1), Took: 1500 * time.Microsecond, Status: 200,
		Snippet: "success", State: ledger.Delivered}
	must(t, l.Settle(t.Context(), "a", want))
	e := getEvent(t, l, live, "evt_1")
	if e.State != ledger.Delivered || e.Attempts != 1 || !e.Settled.Equal(at(1).Add(time.Millisecond)) || !e.Due.IsZero() {
		t.Fatalf("delivered event: %s", show(e))
	}
	ds, err := l.Deliveries(t.Context(), live, "evt_1")
	must(t, err)
	equal(t, "deliveries", ds, []ledger.Delivery{want})
	equal(t, "claimable again", claim(t, l, "b", at(99), at(199), 9), nil)

	// It stays delivered, and when it became so, whatever comes later.
	for _, state := range []ledger.State{ledger.Pending, ledger.Dead, ledger.Delivered} {
		must(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: live, EventID: "evt_1", Attempt: 2, At: at(5), State: state}))
	}
	after := getEvent(t, l, live, "evt_1")
	equal(t, "state", after.State, ledger.Delivered)
	equal(t, "settled", after.Settled, e.Settled)
	equal(t, "attempts", after.Attempts, 2) // the second acknowledgement did happen
}

func testSettleRetry(t *testing.T, l ledger.Ledger) {
	add(t, l, event(live, "evt_1"), ledger.Recorded)
	var want []ledger.Delivery
	for i := 1; i <= 3; i++ {
		now := at(i * 10)
		equal(t, "claimed", claim(t, l, "a", now, now.Add(time.Minute), 9), []string{"evt_1"})
		d := ledger.Delivery{Scope: live, EventID: "evt_1", Attempt: i, At: now, Status: 500 + i, Error: "no", State: ledger.Pending,
			Due: at(i*10 + 10)}
		must(t, l.Settle(t.Context(), "a", d))
		want = append(want, d)
		e := getEvent(t, l, live, "evt_1")
		if e.State != ledger.Pending || e.Attempts != i || !e.Due.Equal(d.Due) || !e.Settled.IsZero() {
			t.Fatalf("after attempt %d: %s", i, show(e))
		}
		equal(t, "claimed before it is due", claim(t, l, "b", now.Add(time.Second), at(99), 9), nil)
	}
	ds, err := l.Deliveries(t.Context(), live, "evt_1")
	must(t, err)
	equal(t, "deliveries", ds, want)
}

func testSettleDead(t *testing.T, l ledger.Ledger) {
	add(t, l, event(live, "evt_1"), ledger.Recorded)
	claim(t, l, "a", noon, at(9), 1)
	must(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: live, EventID: "evt_1", Attempt: 1, At: at(1), State: ledger.Dead}))
	e := getEvent(t, l, live, "evt_1")
	if e.State != ledger.Dead || !e.Settled.Equal(at(1)) {
		t.Fatalf("dead event: %s", show(e))
	}
	equal(t, "claimable", claim(t, l, "b", at(99), at(199), 9), nil)
	due, err := l.NextDue(t.Context(), live)
	must(t, err)
	equal(t, "next due", due, ledger.Due{})
}

func testSettleOwner(t *testing.T, l ledger.Ledger) {
	add(t, l, event(live, "evt_1"), ledger.Recorded)
	settle := func(owner string, state ledger.State) {
		t.Helper()
		must(t, l.Settle(t.Context(), owner, ledger.Delivery{Scope: live, EventID: "evt_1", Attempt: 1, At: at(1), State: state, Due: at(50)}))
	}
	settle("a", ledger.Dead) // nobody has the lease
	settle("", ledger.Dead)
	claim(t, l, "a", noon, at(2), 1)
	claim(t, l, "b", at(2), at(9), 1)
	settle("a", ledger.Dead)
	settle("a", ledger.Pending)
	e := getEvent(t, l, live, "evt_1")
	if e.State != ledger.Pending || e.Attempts != 0 {
		t.Fatalf("the former owner's word counted: %s", show(e))
	}
	equal(t, "c while b has it", claim(t, l, "c", at(3), at(9), 1), nil)
	settle("b", ledger.Pending)
	equal(t, "attempts", getEvent(t, l, live, "evt_1").Attempts, 1)
	settle("b", ledger.Dead) // the lease ended with the outcome
	equal(t, "state", getEvent(t, l, live, "evt_1").State, ledger.Pending)
}

func testSettleDeliveredByOther(t *testing.T, l ledger.Ledger) {
	add(t, l, event(live, "evt_1"), ledger.Recorded)
	claim(t, l, "a", noon, at(2), 1)
	claim(t, l, "b", at(2), at(9), 1)
	d := ledger.Delivery{Scope: live, EventID: "evt_1", Attempt: 1, At: at(3), State: ledger.Delivered}
	must(t, l.Settle(t.Context(), "a", d))
	equal(t, "state", getEvent(t, l, live, "evt_1").State, ledger.Delivered)
	must(t, l.Settle(t.Context(), "b", d)) // delivered twice under one attempt number
	must(t, l.Settle(t.Context(), "b", ledger.Delivery{Scope: live, EventID: "evt_1", Attempt: 1, At: at(4), State: ledger.Dead}))
	equal(t, "state", getEvent(t, l, live, "evt_1").State, ledger.Delivered)
	ds, err := l.Deliveries(t.Context(), live, "evt_1")
	must(t, err)
	equal(t, "deliveries", len(ds), 2)

	add(t, l, event(live, "evt_2"), ledger.Recorded)
	claim(t, l, "a", noon, at(2), 1)
	must(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: live, EventID: "evt_2", At: at(3), State: ledger.Dead}))
	must(t, l.Settle(t.Context(), "b", ledger.Delivery{Scope: live, EventID: "evt_2", At: at(4), State: ledger.Delivered}))
	equal(t, "a dead event that arrived after all", getEvent(t, l, live, "evt_2").State, ledger.Delivered)
}

func testSettleRefuses(t *testing.T, l ledger.Ledger) {
	add(t, l, event(live, "evt_1"), ledger.Recorded)
	claim(t, l, "a", noon, at(9), 1)
	for _, state := range []ledger.State{"", ledger.Held, ledger.Filtered, ledger.Discarded} {
		if err := l.Settle(t.Context(), "a", ledger.Delivery{Scope: live, EventID: "evt_1", State: state}); err == nil {
			t.Errorf("state %q was taken", state)
		}
	}
	wantErr(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: live, EventID: "evt_2", State: ledger.Delivered}), ledger.ErrNotFound)
}

func testNextDue(t *testing.T, l ledger.Ledger) {
	want := func(due ledger.Due) {
		t.Helper()
		got, err := l.NextDue(t.Context(), live)
		must(t, err)
		equal(t, "next due", got, due)
	}
	want(ledger.Due{})
	held := event(live, "evt_0")
	held.State = ledger.Held
	add(t, l, held, ledger.Recorded)
	want(ledger.Due{})
	for i, due := range []int{10, 20} {
		e := event(live, fmt.Sprint("evt_", i+1))
		e.Due = at(due)
		add(t, l, e, ledger.Recorded)
	}
	want(ledger.Due{At: at(10), Pending: 2})
	claim(t, l, "a", at(10), at(15), 9)
	want(ledger.Due{At: at(15), Pending: 2}) // the end of a's lease
	renew(t, l, "a", live, at(25))
	want(ledger.Due{At: at(20), Pending: 2})
	must(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: live, EventID: "evt_1", At: at(12), State: ledger.Pending, Due: at(13)}))
	want(ledger.Due{At: at(13), Pending: 2})
	must(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: live, EventID: "evt_1", At: at(12), State: ledger.Delivered}))
	want(ledger.Due{At: at(20), Pending: 1})
}

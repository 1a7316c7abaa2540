package ledgertest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

func claimSweep(t *testing.T, l ledger.Ledger, owner string, to, now time.Time) (from time.Time, granted bool) {
	t.Helper()
	from, granted, err := l.ClaimSweep(t.Context(), ledger.SweepClaim{Scope: live, Owner: owner, To: to, Now: now, Until: now.Add(time.Minute)})
	must(t, err)
	return from, granted
}

func swept(t *testing.T, l ledger.Ledger, owner string, to time.Time) {
	t.Helper()
	must(t, l.Swept(t.Context(), ledger.Swept{Scope: live, Owner: owner, To: to}))
}

// What was compared is remembered; before that the scope's first charge is where to begin.
func testSweepProgress(t *testing.T, l ledger.Ledger) {
	want := func(what string, from time.Time, granted bool, wantFrom time.Time, wantGranted bool) {
		t.Helper()
		if !from.Equal(wantFrom) || granted != wantGranted {
			t.Fatalf("%s: from %v, granted %t; want %v, %t", what, from, granted, wantFrom, wantGranted)
		}
	}
	from, granted := claimSweep(t, l, "a", at(50), at(100))
	want("an empty ledger", from, granted, time.Time{}, false)

	r := reserve(t, l, "o1", at(20), at(30))
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: r.Number, ID: "ch_z", Amount: 100, Currency: "cny", Created: at(20)}))
	r = reserve(t, l, "o2", at(40), at(50))
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: r.Number, ID: "ch_a", Amount: 100, Currency: "cny", Created: at(40)}))
	reserve(t, l, "o3", at(1), at(2)) // nothing came of it
	from, granted = claimSweep(t, l, "a", at(20), at(100))
	want("before the first charge", from, granted, at(20), false)
	from, granted = claimSweep(t, l, "a", at(50), at(100))
	want("the first charge", from, granted, at(20), true)

	swept(t, l, "b", at(45)) // not its lease
	swept(t, l, "a", at(50))
	from, granted = claimSweep(t, l, "a", at(50), at(100))
	want("compared", from, granted, at(50), false)
	from, granted = claimSweep(t, l, "b", at(90), at(100))
	want("the rest", from, granted, at(50), true)
	swept(t, l, "b", time.Time{})
	from, granted = claimSweep(t, l, "a", at(90), at(100))
	want("after one that failed", from, granted, at(50), true)
	swept(t, l, "a", at(90))
	from, granted, err := l.ClaimSweep(t.Context(), ledger.SweepClaim{Scope: test, Owner: "a", To: at(90), Now: at(100), Until: at(160)})
	must(t, err)
	want("another mode", from, granted, time.Time{}, false)

	from, granted = claimSweep(t, l, "a", at(75), at(80)) // the clock was put back
	want("compared under a wrong clock", from, granted, at(20), true)
}

func testSweepLease(t *testing.T, l ledger.Ledger) {
	r := reserve(t, l, "o1", at(20), at(30))
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: r.Number, ID: "ch_1", Amount: 100, Currency: "cny", Created: at(20)}))
	if _, granted := claimSweep(t, l, "a", at(50), at(100)); !granted {
		t.Fatal("not granted")
	}
	if _, granted := claimSweep(t, l, "b", at(50), at(159)); granted {
		t.Fatal("two compare at one time")
	}
	if _, granted := claimSweep(t, l, "a", at(50), at(159)); !granted {
		t.Fatal("not prolonged")
	}
	if _, granted := claimSweep(t, l, "b", at(50), at(218)); granted {
		t.Fatal("the lease was not prolonged")
	}
	if _, granted := claimSweep(t, l, "b", at(50), at(219)); !granted {
		t.Fatal("the lease of a dead owner lasts for ever")
	}
	swept(t, l, "a", at(50)) // too late
	if from, granted := claimSweep(t, l, "b", at(50), at(220)); !from.Equal(at(20)) || !granted {
		t.Fatalf("from %v, %t", from, granted)
	}
	if _, granted := claimSweep(t, l, "c", at(50), at(100)); !granted {
		t.Fatal("a lease of another clock lasts longer than any can")
	}
	swept(t, l, "c", time.Time{})

	var got atomic.Int32
	var all sync.WaitGroup
	for _, owner := range []string{"d", "e", "f", "g"} {
		all.Go(func() {
			_, granted, err := l.ClaimSweep(t.Context(), ledger.SweepClaim{Scope: live, Owner: owner, To: at(50), Now: at(300), Until: at(360)})
			if err != nil {
				t.Error(err)
			}
			if granted {
				got.Add(1)
			}
		})
	}
	all.Wait()
	equal(t, "granted at once", got.Load(), int32(1))
	if _, _, err := l.ClaimSweep(t.Context(), ledger.SweepClaim{Scope: live, To: at(50), Now: at(1), Until: at(2)}); err == nil {
		t.Fatal("a claim without an owner was granted")
	}
	if _, _, err := l.ClaimSweep(t.Context(), ledger.SweepClaim{Owner: "a", To: at(50), Now: at(1), Until: at(2)}); err == nil {
		t.Fatal("a claim without a scope was granted")
	}
}

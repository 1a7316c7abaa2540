package ledgertest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// asked creates a charge that the reconciler is to ask for.
func asked(t *testing.T, l ledger.Ledger, orderNo, id string, next time.Time) {
	t.Helper()
	r := reserve(t, l, orderNo, noon, at(30))
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: r.Number, ID: id, Amount: 100, Currency: "cny", Created: noon, NextQuery: next}))
}

func queries(t *testing.T, l ledger.Ledger, owner string, now, until time.Time, limit int) (ids []string) {
	t.Helper()
	cs, err := l.ClaimQueries(t.Context(), ledger.QueryClaim{Scope: live, Owner: owner, Now: now, Until: until, Limit: limit})
	must(t, err)
	for _, c := range cs {
		ids = append(ids, c.ID)
	}
	return ids
}

func testClaimQueries(t *testing.T, l ledger.Ledger) {
	for i, next := range []int{30, 10, 20, 99} {
		asked(t, l, fmt.Sprint("o", i), fmt.Sprint("ch_", i), at(next))
	}
	asked(t, l, "never", "ch_never", time.Time{})
	reserved := reserve(t, l, "reserved", noon, at(60))
	equal(t, "next query", getCharge(t, l, "ch_1").NextQuery, at(10))
	equal(t, "before any is due", queries(t, l, "a", at(9), at(19), 9), nil)
	equal(t, "none wanted", queries(t, l, "a", at(30), at(40), 0), nil)
	equal(t, "oldest first", queries(t, l, "a", at(30), at(40), 2), []string{"ch_1", "ch_2"})
	equal(t, "the rest", queries(t, l, "b", at(30), at(40), 9), []string{"ch_0"})
	equal(t, "leased", queries(t, l, "b", at(39), at(50), 9), nil)

	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_1", Next: at(60)}))
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_0"})) // never again
	c := getCharge(t, l, "ch_1")
	if c.Queries != 1 || !c.NextQuery.Equal(at(60)) {
		t.Fatalf("after the first query: %s", show(c))
	}
	equal(t, "never again", getCharge(t, l, "ch_0").NextQuery, time.Time{})
	must(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: reserved.Number, As: ledger.Unsent}))
	equal(t, "the lease that ran out", queries(t, l, "b", at(40), at(50), 9), []string{"ch_2"})
	equal(t, "later", queries(t, l, "b", at(999), at(1009), 9), []string{"ch_2", "ch_1", "ch_3"})
	wantErr(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_none"}), ledger.ErrNotFound)
	if _, err := l.ClaimQueries(t.Context(), ledger.QueryClaim{Scope: live, Now: at(1), Until: at(2), Limit: 1}); err == nil {
		t.Fatal("a claim without an owner was granted")
	}
}

func testQueriesEnd(t *testing.T, l ledger.Ledger) {
	for i := range 4 {
		asked(t, l, fmt.Sprint("o", i), fmt.Sprint("ch_", i), at(10))
	}
	add(t, l, paid(live, "evt_0", "ch_0", ""), ledger.Recorded)
	reversed := event(live, "evt_1")
	reversed.ChargeID, reversed.Change = "ch_1", &ledger.ChargeChange{Reversed: true}
	add(t, l, reversed, ledger.Recorded)
	queries(t, l, "a", at(10), at(20), 1)
	changed, stop := l.Watch(ledger.ChargeTopic(live, "ch_2"))
	defer stop()
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_2", Next: at(30), Reversed: true}))
	<-changed
	if c := getCharge(t, l, "ch_2"); !c.Reversed || !c.NextQuery.IsZero() {
		t.Fatalf("found reversed: %s", show(c))
	}
	for _, id := range []string{"ch_0", "ch_1"} {
		must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: id, Next: at(30)})) // it was under way meanwhile
		must(t, l.NoteClient(t.Context(), live, id, ledger.ClientNote{Result: "success", At: at(5)}))
		if c := getCharge(t, l, id); !c.NextQuery.IsZero() {
			t.Fatalf("paid or reversed, and asked for: %s", show(c))
		}
	}
	equal(t, "left to ask for", queries(t, l, "a", at(99), at(109), 9), []string{"ch_3"})
}

func testNoteAsksNow(t *testing.T, l ledger.Ledger) {
	asked(t, l, "1", "ch_1", at(600))
	for _, result := range []string{"success", "cancel", "fail"} {
		must(t, l.NoteClient(t.Context(), live, "ch_1", ledger.ClientNote{Result: result, At: at(5)}))
		equal(t, result, queries(t, l, "a", at(5), at(15), 9), []string{"ch_1"})
		must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_1", Next: at(600)}))
		equal(t, "after it was asked for", getCharge(t, l, "ch_1").NextQuery, at(600))
	}
	// While somebody asks: the answer may not know yet what the client saw.
	must(t, l.NoteClient(t.Context(), live, "ch_1", ledger.ClientNote{Result: "cancel", At: at(20)}))
	queries(t, l, "a", at(20), at(30), 9)
	must(t, l.NoteClient(t.Context(), live, "ch_1", ledger.ClientNote{Result: "success", At: at(21)}))
	equal(t, "while the lease lasts", queries(t, l, "b", at(22), at(32), 9), nil)
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_1", Next: at(600)}))
	equal(t, "after it", queries(t, l, "b", at(22), at(32), 9), []string{"ch_1"})
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_1"}))
	must(t, l.NoteClient(t.Context(), live, "ch_1", ledger.ClientNote{Result: "success", At: at(40)}))
	equal(t, "given up, but the client saw something", queries(t, l, "b", at(40), at(50), 9), []string{"ch_1"})
}

func testChargesCreated(t *testing.T, l ledger.Ledger) {
	for i, id := range []string{"ch_c", "ch_a", "ch_b", "ch_d"} {
		r := reserve(t, l, id, noon, at(30))
		must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: r.Number, ID: id, Created: at(i * 10)}))
	}
	add(t, l, payment("evt_1", "ch_foreign", "x"), ledger.Recorded)
	reserve(t, l, "reserved", at(5), at(30))
	list := func(from, to int, after string, limit int) (ids []string) {
		cs, err := l.ChargesCreated(t.Context(), live, at(from), at(to), after, limit)
		must(t, err)
		for _, c := range cs {
			ids = append(ids, c.ID)
		}
		return ids
	}
	equal(t, "in order of their ids", list(0, 30, "", 9), []string{"ch_a", "ch_b", "ch_c"})
	equal(t, "from, but not to", list(10, 20, "", 9), []string{"ch_a"})
	equal(t, "page", list(0, 31, "", 2), []string{"ch_a", "ch_b"})
	equal(t, "next page", list(0, 31, "ch_b", 2), []string{"ch_c", "ch_d"})
	equal(t, "end", list(0, 31, "ch_d", 2), nil)
	equal(t, "none wanted", list(0, 31, "", 0), nil)
}

// testSharedQueries lets two handles claim at once: nobody asks for a charge that another asks for.
func testSharedQueries(t *testing.T, a, b ledger.Ledger) {
	for i := range 40 {
		asked(t, a, fmt.Sprint("o", i), fmt.Sprint("ch_", i), at(10))
	}
	var mu sync.Mutex
	seen := make(map[string]int)
	var wg sync.WaitGroup
	for i := range 4 {
		l := []ledger.Ledger{a, b}[i%2]
		wg.Go(func() {
			for {
				cs, err := l.ClaimQueries(t.Context(), ledger.QueryClaim{Scope: live, Owner: fmt.Sprint(i), Now: at(10), Until: at(60), Limit: 3})
				if err != nil || len(cs) == 0 {
					if err != nil {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				for _, c := range cs {
					seen[c.ID]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	equal(t, "charges", len(seen), 40)
	for id, n := range seen {
		equal(t, id, n, 1)
	}
}

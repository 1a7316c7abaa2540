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

func queries(t *testing.T, l ledger.Ledger, kind ledger.QueryKind, owner string, now, until time.Time, limit int) (ids []string) {
	t.Helper()
	cs, err := l.ClaimQueries(t.Context(), ledger.QueryClaim{Scope: live, Kind: kind, Owner: owner, Now: now, Until: until, Limit: limit})
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
	first := func(owner string, now, until, limit int) []string {
		return queries(t, l, ledger.QueryFirst, owner, at(now), at(until), limit)
	}
	equal(t, "next query", getCharge(t, l, "ch_1").NextQuery, at(10))
	equal(t, "before any is due", first("a", 9, 19, 9), nil)
	equal(t, "none wanted", first("a", 30, 40, 0), nil)
	equal(t, "no later ones yet", queries(t, l, ledger.QueryLater, "a", at(30), at(40), 9), nil)
	equal(t, "first ones, newest first", first("a", 30, 40, 2), []string{"ch_0", "ch_2"})
	equal(t, "the rest", first("b", 30, 40, 9), []string{"ch_1"})
	equal(t, "leased", first("b", 39, 50, 9), nil)

	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_1", Next: at(60), Lease: at(40)}))
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_0", Lease: at(40)})) // never again
	c := getCharge(t, l, "ch_1")
	if c.Queries != 1 || !c.NextQuery.Equal(at(60)) {
		t.Fatalf("after the first query: %s", show(c))
	}
	equal(t, "never again", getCharge(t, l, "ch_0").NextQuery, time.Time{})
	equal(t, "the lease that ran out", first("b", 40, 50, 9), []string{"ch_2"})
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_2", Next: at(55), Lease: at(50)}))
	later := func(now, limit int) []string {
		return queries(t, l, ledger.QueryLater, "b", at(now), at(now+10), limit)
	}
	equal(t, "later ones, oldest first", later(60, 1), []string{"ch_2"})
	equal(t, "the next", later(60, 9), []string{"ch_1"})
	must(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: reserved.Number, As: ledger.Unsent}))
	equal(t, "never asked for", first("b", 999, 1009, 9), []string{"ch_3"})
	equal(t, "leases that ran out", later(999, 9), []string{"ch_1", "ch_2"})
	wantErr(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_none"}), ledger.ErrNotFound)
	if _, err := l.ClaimQueries(t.Context(), ledger.QueryClaim{Scope: live, Now: at(1), Until: at(2), Limit: 1}); err == nil {
		t.Fatal("a claim without an owner was granted")
	}
}

// testQueryKinds has one charge of each kind due: each is claimed by its own kind only.
func testQueryKinds(t *testing.T, l ledger.Ledger) {
	for _, name := range []string{"told", "toldLater", "overdue", "first", "later"} {
		asked(t, l, name, "ch_"+name, at(10))
	}
	forsaken := reserve(t, l, "unknown", noon, at(1))
	for _, name := range []string{"toldLater", "later"} {
		must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_" + name, Next: at(90)}))
	}
	for name, when := range map[string]int{"told": 5, "overdue": 20, "toldLater": 30} {
		must(t, l.NoteClient(t.Context(), live, "ch_"+name, ledger.ClientNote{Result: "success", At: at(when)}))
	}
	equal(t, "told", queries(t, l, ledger.QueryTold, "a", at(100), at(110), 9), []string{"ch_told", "ch_overdue", "ch_toldLater"})
	equal(t, "first", queries(t, l, ledger.QueryFirst, "a", at(100), at(110), 9), []string{"ch_first"})
	cs, err := l.ClaimQueries(t.Context(), ledger.QueryClaim{Scope: live, Kind: ledger.QueryLater, Owner: "a", Now: at(100), Until: at(110), Limit: 9})
	must(t, err)
	if len(cs) != 2 || cs[0].ID != "ch_later" || cs[1].Number != forsaken.Number || cs[1].State != ledger.Unknown {
		t.Errorf("later: %s", show(cs))
	}
	// A lease that ran out, and a look-up, end what the client's report was a reason for.
	equal(t, "told, after the lease", queries(t, l, ledger.QueryTold, "a", at(999), at(1009), 9), nil)
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_told", Next: at(1000), Lease: at(110)}))
	equal(t, "first, after the lease", queries(t, l, ledger.QueryFirst, "a", at(1000), at(1010), 9), []string{"ch_first", "ch_overdue"})
	equal(t, "later, after the lease", queries(t, l, ledger.QueryLater, "a", at(1000), at(1010), 9), []string{"ch_toldLater", "ch_later", "", "ch_told"})
}

func testQueriesEnd(t *testing.T, l ledger.Ledger) {
	for i := range 4 {
		asked(t, l, fmt.Sprint("o", i), fmt.Sprint("ch_", i), at(10))
	}
	add(t, l, paid(live, "evt_0", "ch_0", ""), ledger.Recorded)
	reversed := event(live, "evt_1")
	reversed.ChargeID, reversed.Change = "ch_1", &ledger.ChargeChange{Reversed: true}
	add(t, l, reversed, ledger.Recorded)
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
	for kind, want := range [][]string{nil, {"ch_3"}, nil} {
		equal(t, fmt.Sprint("left to ask for, kind ", kind), queries(t, l, ledger.QueryKind(kind), "a", at(99), at(109), 9), want)
	}
}

func testNoteAsksNow(t *testing.T, l ledger.Ledger) {
	told := func(owner string, now int) []string {
		return queries(t, l, ledger.QueryTold, owner, at(now), at(now+10), 9)
	}
	asked(t, l, "1", "ch_1", at(600))
	for _, result := range []string{"success", "cancel", "fail"} {
		must(t, l.NoteClient(t.Context(), live, "ch_1", ledger.ClientNote{Result: result, At: at(5)}))
		equal(t, result, told("a", 5), []string{"ch_1"})
		must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_1", Next: at(600), Lease: at(15)}))
		equal(t, "after it was asked for", getCharge(t, l, "ch_1").NextQuery, at(600))
	}
	// While somebody asks: the answer may not know yet what the client saw.
	must(t, l.NoteClient(t.Context(), live, "ch_1", ledger.ClientNote{Result: "cancel", At: at(20)}))
	told("a", 20)
	must(t, l.NoteClient(t.Context(), live, "ch_1", ledger.ClientNote{Result: "success", At: at(21)}))
	equal(t, "while the lease lasts", told("b", 22), nil)
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_1", Next: at(600), Lease: at(30)}))
	equal(t, "after it", told("b", 22), []string{"ch_1"})
	must(t, l.Queried(t.Context(), ledger.Queried{Scope: live, ChargeID: "ch_1", Lease: at(32)}))
	must(t, l.NoteClient(t.Context(), live, "ch_1", ledger.ClientNote{Result: "success", At: at(40)}))
	equal(t, "given up, but the client saw something", told("b", 40), []string{"ch_1"})
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
				cs, err := l.ClaimQueries(t.Context(), ledger.QueryClaim{Scope: live, Kind: ledger.QueryFirst, Owner: fmt.Sprint(i), Now: at(10), Until: at(60), Limit: 3})
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

package ledgertest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

func testReserveNumbers(t *testing.T, l ledger.Ledger) {
	r := reserve(t, l, "1", noon, at(30))
	equal(t, "first", *r, ledger.Reserved{Number: "1"})
	cs := attempts(t, l, "1")
	if len(cs) != 1 || cs[0].State != ledger.Reserving || cs[0].Number != "1" || !cs[0].Created.Equal(noon) {
		t.Fatalf("while it is reserved: %s", show(cs))
	}
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: r.Number, ID: "ch_1"}))
	r = reserve(t, l, "1", noon, at(30))
	equal(t, "number", r.Number, "1-1-0")
	equal(t, "earlier attempts", len(r.Attempts), 1)
	equal(t, "the earlier attempt", r.Attempts[0].ID, "ch_1")
	must(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: r.Number, As: ledger.Refused}))
	r = reserve(t, l, "1", noon, at(30))
	equal(t, "number", r.Number, "1-2-0")
	equal(t, "oldest first", []string{r.Attempts[0].Number, r.Attempts[1].Number}, []string{"1", "1-1-0"})
}

func testReserveHeld(t *testing.T, l ledger.Ledger) {
	reserve(t, l, "1", noon, at(30))
	_, err := l.Reserve(t.Context(), reservation(live, "1", at(29), at(60)))
	wantErr(t, err, ledger.ErrReserved)
	reserve(t, l, "2", noon, at(30)) // another order
	equal(t, "attempts", len(attempts(t, l, "1")), 1)
	for _, r := range []ledger.Reservation{
		reservation(live, "", noon, at(30)),
		reservation(ledger.Scope{App: "app_1"}, "3", noon, at(30)),
	} {
		if _, err := l.Reserve(t.Context(), r); err == nil || errors.Is(err, ledger.ErrReserved) {
			t.Errorf("order %q in %s: %v, want an error", r.OrderNo, r.Scope.Key(), err)
		}
	}
}

func testReserveTakeOver(t *testing.T, l ledger.Ledger) {
	first := reserve(t, l, "1", noon, at(30))
	second := reserve(t, l, "1", at(30), at(60))
	if second.Number == first.Number {
		t.Fatal("a number that may have reached Ping++ was given out again")
	}
	equal(t, "attempts", len(second.Attempts), 1)
	equal(t, "state of the first", second.Attempts[0].State, ledger.Unknown)
	wantErr(t, l.Extend(t.Context(), reservation(live, "1", at(31), at(90)), first.Number), ledger.ErrNotFound)
	must(t, l.Extend(t.Context(), reservation(live, "1", at(31), at(90)), second.Number))
	_, err := l.Reserve(t.Context(), reservation(live, "1", at(60), at(99)))
	wantErr(t, err, ledger.ErrReserved)
}

func testExtend(t *testing.T, l ledger.Ledger) {
	wantErr(t, l.Extend(t.Context(), reservation(live, "1", noon, at(60)), "1"), ledger.ErrNotFound)
	r := reserve(t, l, "1", noon, at(10))
	must(t, l.Extend(t.Context(), reservation(live, "1", at(5), at(20)), r.Number))
	must(t, l.Extend(t.Context(), reservation(live, "1", at(5), at(15)), r.Number)) // never shortens
	_, err := l.Reserve(t.Context(), reservation(live, "1", at(19), at(60)))
	wantErr(t, err, ledger.ErrReserved)
	must(t, l.Extend(t.Context(), reservation(live, "1", at(25), at(40)), r.Number)) // it ran out, but nobody took it over
	_, err = l.Reserve(t.Context(), reservation(live, "1", at(39), at(60)))
	wantErr(t, err, ledger.ErrReserved)
	must(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: r.Number, As: ledger.Refused}))
	wantErr(t, l.Extend(t.Context(), reservation(live, "1", at(26), at(60)), r.Number), ledger.ErrNotFound)
}

func testRelease(t *testing.T, l ledger.Ledger) {
	r := reserve(t, l, "1", noon, at(30))
	must(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: r.Number, As: ledger.Unsent}))
	equal(t, "attempts after unsent", len(attempts(t, l, "1")), 0)
	wantErr(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: r.Number, As: ledger.Unsent}), ledger.ErrNotFound)
	equal(t, "the number is free again", reserve(t, l, "1", noon, at(30)).Number, r.Number)
	for _, state := range []ledger.AttemptState{ledger.Open, ledger.Reserving, "", "other"} {
		if err := l.Release(t.Context(), ledger.Release{Scope: live, Number: r.Number, As: state}); err == nil {
			t.Errorf("released as %q", state)
		}
	}
	must(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: r.Number, As: ledger.Refused}))
	r = reserve(t, l, "1", noon, at(30))
	must(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: r.Number, As: ledger.Unknown}))
	cs := attempts(t, l, "1")
	equal(t, "states", []ledger.AttemptState{cs[0].State, cs[1].State}, []ledger.AttemptState{ledger.Refused, ledger.Unknown})
}

func testReleaseLate(t *testing.T, l ledger.Ledger) {
	first := reserve(t, l, "1", noon, at(10))
	reserve(t, l, "1", at(10), at(20))
	for _, c := range []struct{ as, want ledger.AttemptState }{
		{ledger.Unsent, ledger.Unknown}, // whoever took over was told that the number stays used
		{ledger.Unknown, ledger.Unknown},
		{ledger.Taken, ledger.Taken},
		{ledger.Refused, ledger.Refused},
	} {
		must(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: first.Number, As: c.as}))
		cs := attempts(t, l, "1")
		equal(t, "first as "+string(c.as), cs[0].State, c.want)
		equal(t, "second", cs[1].State, ledger.Reserving)
	}
	charge(t, l, "2", "ch_2")
	wantErr(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: "2", As: ledger.Unsent}), ledger.ErrNotFound)
	equal(t, "a created charge", getCharge(t, l, "ch_2").State, ledger.Open)
}

func testReleasePaid(t *testing.T, l ledger.Ledger) {
	r := reserve(t, l, "1", noon, at(30))
	add(t, l, paid(live, "evt_1", "ch_1", r.Number), ledger.Recorded)
	must(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: r.Number, As: ledger.Unsent}))
	c := getCharge(t, l, "ch_1")
	if !c.Paid || c.State != ledger.Unknown {
		t.Fatalf("a payment that an event reported: %s", show(c))
	}
}

func testReserveNumberTaken(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	r := reservation(live, "2", noon, at(30))
	var tries []int
	r.Number = func(attempts, try int) string {
		tries = append(tries, try)
		return []string{"1", "1", "2"}[min(try, 2)]
	}
	got, err := l.Reserve(t.Context(), r)
	must(t, err)
	equal(t, "number", got.Number, "2")
	equal(t, "tries", tries, []int{0, 1, 2})

	r.OrderNo, r.Number = "3", func(int, int) string { return "1" }
	if _, err := l.Reserve(t.Context(), r); err == nil {
		t.Fatal("a number was given out twice")
	}
	equal(t, "attempts after no number was found", len(attempts(t, l, "3")), 0)
	r.Number = func(int, int) string { return "" }
	if _, err := l.Reserve(t.Context(), r); err == nil {
		t.Fatal("an empty number was given out")
	}
}

// testReservePanic lets callers with a broken Number go together with sound ones.
func testReservePanic(t *testing.T, l ledger.Ledger) {
	for _, order := range []string{"a", "b"} {
		reserve(t, l, order, noon, at(1))
	}
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			r := reservation(live, fmt.Sprint("o", i), noon, at(30))
			if i%8 == 0 {
				r = reservation(live, []string{"a", "b"}[i/8%2], at(2), at(30)) // fails after it took the order over
				r.Number = func(int, int) string { panic("broken") }
			}
			if _, err := l.Reserve(t.Context(), r); (err == nil) == (i%8 == 0) {
				t.Errorf("reservation %d: %v", i, err)
			}
		})
		wg.Go(func() {
			if _, err := l.Append(t.Context(), event(live, fmt.Sprint("evt_", i))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	cs := attempts(t, l, "a")
	if len(cs) != 1 || cs[0].State != ledger.Reserving {
		t.Fatalf("what the broken caller began stayed: %s", show(cs))
	}
}

// testReserveConcurrent lets 50 requests want one order until each had it once.
func testReserveConcurrent(t *testing.T, a, b ledger.Ledger) {
	var holders, refused atomic.Int64
	var mu sync.Mutex
	seen := make(map[string]bool)
	var wg sync.WaitGroup
	for i := range 50 {
		l := []ledger.Ledger{a, b}[i%2]
		wg.Go(func() {
			for {
				freed, stop := l.Watch(ledger.OrderTopic(live, "1"))
				r, err := l.Reserve(t.Context(), reservation(live, "1", noon, at(30)))
				if errors.Is(err, ledger.ErrReserved) {
					refused.Add(1)
					if a == b {
						<-freed
					} else { // another handle need not be signalled; whoever asks without a pause keeps the holder from the ledger
						select {
						case <-freed:
						case <-time.After(5 * time.Millisecond):
						}
					}
					stop()
					continue
				}
				stop()
				if err != nil {
					t.Error(err)
					return
				}
				if n := holders.Add(1); n != 1 {
					t.Errorf("%d holders at a time", n)
				}
				mu.Lock()
				if seen[r.Number] || len(r.Attempts) != len(seen) {
					t.Errorf("number %s with %d attempts after %d", r.Number, len(r.Attempts), len(seen))
				}
				seen[r.Number] = true
				mu.Unlock()
				holders.Add(-1)
				if err := l.Release(t.Context(), ledger.Release{Scope: live, Number: r.Number, As: ledger.Refused}); err != nil {
					t.Error(err)
				}
				return
			}
		})
	}
	wg.Wait()
	equal(t, "numbers", len(seen), 50)
	t.Logf("%d requests were told to wait", refused.Load())
}

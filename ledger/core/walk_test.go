package core

import (
	"errors"
	"slices"
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

func numbered(seq int64) Mark { return Mark{Seq: seq} }

// A list that is made of several is in order, however they are read, and each page goes on where the one before ended.
func TestWalk(t *testing.T) {
	mark := func(n *int64) Mark { return numbered(*n) }
	const rows = 5000
	var runs [3][]int64
	for n := int64(rows); n > 0; n-- {
		which := n % 7 % 3
		runs[which] = append(runs[which], n)
	}
	reads := 0
	var all []Part[int64]
	for _, r := range runs {
		once := Once(r, mark)
		all = append(all, func(after Mark, n, skip int) (Stretch[int64], error) {
			reads++
			return once(after, n, skip)
		})
	}
	for _, c := range []struct {
		what             string
		limit, look      int
		each             int64 // which ones are wanted
		pages, onAPage   int
		mostReadsOfAPage int
	}{
		{"all at once", rows, rows, 1, 1, rows, 16},
		{"full pages", 100, rows, 1, 50, 100, 9},
		{"few are wanted", 100, 500, 100, 10, 5, 15},
		{"none is wanted", 100, 500, rows + 1, 10, 0, 15},
	} {
		var got []int64
		from, more, pages := top, true, 0
		for ; more; pages++ {
			reads = 0
			for i, r := range runs {
				once := Once(r, mark)
				all[i] = func(after Mark, n, skip int) (Stretch[int64], error) { reads++; return once(after, n, skip) }
			}
			l := list[int64]{parts: all, mark: mark, limit: c.limit, look: c.look, want: func(n *int64) (bool, error) { return *n%c.each == 0, nil }}
			var page []int64
			var err error
			page, from, more, err = l.page(from)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) != c.onAPage || reads > c.mostReadsOfAPage {
				t.Errorf("%s: %d rows on page %d, want %d; %d reads", c.what, len(page), pages, c.onAPage, reads)
			}
			got = append(got, page...)
		}
		if pages != c.pages {
			t.Errorf("%s: %d pages, want %d", c.what, pages, c.pages)
		}
		var want []int64
		for n := rows / c.each * c.each; n > 0; n -= c.each {
			want = append(want, n)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %d rows, want %d", c.what, len(got), len(want))
		}
	}
}

// A part that leaves rows out ends a page when it has looked at enough, and the next one goes on where it stopped: nothing that another part has before
// that place is lost, shown twice, or shown too early.
func TestWalkOverSkippedRows(t *testing.T) {
	mark := func(n *int64) Mark { return numbered(*n) }
	const rows, window = 1000, 10
	sparse := func(after Mark, n, skip int) (s Stretch[int64], err error) { // of the odd ones, those that end in 77
		s.Skipped = min(window, skip)
		at := min(after.Seq, rows+1)
		for ; s.Skipped > 0 && at > 1 && after.Seq-at < 2*window; at-- {
			if n := at - 1; n%100 == 77 {
				s.Rows = append(s.Rows, n)
			}
		}
		s.To, s.Over = numbered(at), at == 1
		return s, nil
	}
	var even []int64
	for n := int64(rows); n > 0; n-- {
		if n%50 == 0 {
			even = append(even, n)
		}
	}
	var want []int64
	for n := int64(rows); n > 0; n-- {
		if n%50 == 0 || n%100 == 77 {
			want = append(want, n)
		}
	}
	for _, skip := range []int{1, 30, 100, 10 * rows} {
		var got []int64
		pages := 0
		for from, more := numbered(rows+1), true; more; pages++ {
			l := list[int64]{parts: []Part[int64]{sparse, Once(even, mark)}, mark: mark, limit: 7, look: rows, skip: skip, want: func(*int64) (bool, error) { return true, nil }}
			page, next, again, err := l.page(from)
			if err != nil || again && next.Compare(from) <= 0 {
				t.Fatalf("from %v to %v: %v", from, next, err)
			}
			got, from, more = append(got, page...), next, again
		}
		if !slices.Equal(got, want) || pages < len(want)/7 {
			t.Errorf("looking at %d: %d pages with %v, want %v", skip, pages, got, want)
		}
	}

	spent := 0
	l := list[int64]{parts: []Part[int64]{Once(slices.Clone(even), mark)}, mark: mark, limit: rows, look: rows, skip: 10, spent: &spent, want: func(*int64) (bool, error) { spent += 5; return true, nil }}
	if page, next, more, err := l.page(top); len(page) != 2 || next != numbered(950) || !more || err != nil {
		t.Errorf("what it takes to judge rows: %v, then %v, %t, %v", page, next, more, err)
	}
}

func TestCursor(t *testing.T) {
	for _, m := range []Mark{{0, 1}, {1_790_000_000_000, 77}, top} {
		if got, err := parseCursor(m.cursor(), top); err != nil || got != m {
			t.Errorf("%v became %v, %v", m, got, err)
		}
	}
	for _, broken := range []string{"1", ".", "1.", ".1", "1.1.1", "x.y", "99999999999999999999.1", " 1.1"} {
		if _, err := parseCursor(broken, top); !errors.Is(err, ledger.ErrCursor) {
			t.Errorf("%q is a cursor: %v", broken, err)
		}
	}
	if got, _ := parseCursor("9.9", Mark{At: 5}); got != (Mark{At: 5}) {
		t.Errorf("a cursor led to %v, out of the list", got)
	}
}

// TestStatesOf: which attempts are read for those of some statuses. One that is left out is in no list.
func TestStatesOf(t *testing.T) {
	for _, c := range []struct {
		statuses []ledger.Status
		want     []ledger.AttemptState
	}{
		{nil, allAttempts},
		{[]ledger.Status{ledger.StatusPreparing}, []ledger.AttemptState{ledger.Reserving}},
		{[]ledger.Status{ledger.StatusRefused}, []ledger.AttemptState{ledger.Refused}},
		{[]ledger.Status{ledger.StatusUnknown}, []ledger.AttemptState{ledger.Unknown, ledger.Taken}},
		{[]ledger.Status{ledger.StatusCreated}, []ledger.AttemptState{ledger.Open, ledger.Foreign}},
		{[]ledger.Status{ledger.StatusExpired, ledger.StatusPreparing, ledger.StatusCreated}, []ledger.AttemptState{ledger.Open, ledger.Foreign, ledger.Reserving}},
		{[]ledger.Status{ledger.StatusRefused, ledger.StatusPaid}, allAttempts},
	} {
		got, want := slices.Sorted(slices.Values(statesOf(c.statuses))), slices.Sorted(slices.Values(c.want))
		if !slices.Equal(got, want) {
			t.Errorf("%v: %v, want %v", c.statuses, got, want)
		}
	}
}

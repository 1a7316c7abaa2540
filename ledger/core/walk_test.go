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

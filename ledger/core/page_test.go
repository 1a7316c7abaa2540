package core

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// TestPage: callers get pages that lead to each other, and no cursor after the last one, also when it is full.
func TestPage(t *testing.T) {
	mark := func(n *int64) Mark { return numbered(*n) }
	of := func(limit int) list[int64] {
		return list[int64]{parts: []Part[int64]{Once([]int64{6, 5, 4, 3, 2, 1}, mark)}, mark: mark, limit: limit, look: 100, want: func(*int64) (bool, error) { return true, nil }}
	}
	tenfold := func(n *int64) int64 { return 10 * *n }
	for _, c := range []struct {
		what   string
		limit  int
		cursor string
		rows   []int64
		next   string
	}{
		{"the first of two", 4, "", []int64{60, 50, 40, 30}, "0.3"},
		{"the second", 4, "0.3", []int64{20, 10}, ""},
		{"a full one that is the last", 3, "0.4", []int64{30, 20, 10}, ""},
		{"all", 6, "", []int64{60, 50, 40, 30, 20, 10}, ""},
		{"after the end", 4, "0.1", nil, ""},
	} {
		p, err := pageOf(of(c.limit), c.cursor, top, tenfold)
		if err != nil || !slices.Equal(p.Rows, c.rows) || p.Next != c.next {
			t.Errorf("%s: %v, then %q (%v), want %v, then %q", c.what, p.Rows, p.Next, err, c.rows, c.next)
		}
	}
	if _, err := pageOf(of(4), "3", top, tenfold); !errors.Is(err, ledger.ErrCursor) {
		t.Errorf("a cursor that is none: %v", err)
	}
	broken := errors.New("broken")
	l := of(4)
	l.parts = append(l.parts, func(Mark, int, int) (Stretch[int64], error) { return Stretch[int64]{}, broken })
	if p, err := pageOf(l, "", top, tenfold); !errors.Is(err, broken) || p.Rows != nil {
		t.Errorf("a part that cannot be read: %v, %v", p.Rows, err)
	}
	l = of(4)
	l.want = func(n *int64) (bool, error) { return *n > 5, map[bool]error{true: broken}[*n == 5] }
	if p, err := pageOf(l, "", top, tenfold); !errors.Is(err, broken) || p.Rows != nil {
		t.Errorf("a row that cannot be judged: %v, %v", p.Rows, err)
	}
}

// TestWanted: what filters let through.
func TestWanted(t *testing.T) {
	for _, c := range []struct {
		at, since, until time.Time
		want             bool
	}{
		{at(5), never, never, true},
		{at(5), at(5), never, true}, {at(5), at(6), never, false},
		{at(5), never, at(6), true}, {at(5), never, at(5), false},
		{at(5), at(5), at(6), true}, {at(7), at(5), at(6), false},
	} {
		if got := within(c.at, c.since, c.until); got != c.want {
			t.Errorf("%s in [%s, %s): %t", c.at, c.since, c.until, got)
		}
	}
	if !among(3, nil) || !among(3, []int{2, 3}) || among(3, []int{2}) {
		t.Error("no values want all, others themselves")
	}
	if m := until(never); m != top {
		t.Errorf("a list of all begins at %v", m)
	}
	older, same := Mark{At: millis(at(1).Add(-time.Millisecond)), Seq: 9}, Mark{At: millis(at(1)), Seq: 9}
	if m := until(at(1)); m.Compare(older) >= 0 || m.Compare(same) <= 0 {
		t.Errorf("until a time begins at %v: behind what is of that time, before what is older", m)
	}
	if millis(never) != 0 {
		t.Error("no time is no 0")
	}
}

// TestForemost: the first of a lane is found wherever it stands.
func TestForemost(t *testing.T) {
	if foremost(nil) != nil {
		t.Error("nobody is first")
	}
	first, later := Place{Seq: 3, Created: at(1)}, Place{Seq: 1, Created: at(2)}
	ranked, equal := Place{Seq: 2, Rank: 1, Created: never}, Place{Seq: 4, Created: at(1)}
	for i := range 4 {
		lane := []Place{first, later, ranked, equal}
		lane = append(lane[i:], lane[:i]...)
		if f := foremost(lane); f.Seq != first.Seq {
			t.Errorf("%v is the first of %v", *f, lane)
		}
	}
}

// TestAllowsAsSeen: what was decided about an event as it was is not done to what it became meanwhile.
func TestAllowsAsSeen(t *testing.T) {
	e := &Event{Event: ledger.Event{ID: "evt_1", State: ledger.Delivered}, HasBody: true}
	d := ledger.Decision{EventID: "evt_1", Action: ledger.ActionReplay, From: ledger.Dead}
	if err := e.allows(d, Span{}); !errors.Is(err, ledger.ErrState) {
		t.Errorf("a dead event that was delivered meanwhile: %v", err)
	}
	d.From = ledger.Delivered
	if err := e.allows(d, Span{}); err != nil {
		t.Errorf("as it was: %v", err)
	}
}

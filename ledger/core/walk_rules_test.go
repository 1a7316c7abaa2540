package core

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

func number(n *int64) Mark { return numbered(*n) }

func all(*int64) (bool, error) { return true, nil }

// rare is a part of the numbers from rows down to 1 that looks at no more than window of them at a time, and leaves out all but those that it has. It notes
// how many it was to look at, and did.
func rare(rows int64, window int, has func(int64) bool, asked, looked *[]int) Part[int64] {
	return func(after Mark, n, skip int) (s Stretch[int64], err error) {
		at := min(after.Seq, rows+1)
		for s.Skipped < min(window, skip) && at > 1 && len(s.Rows) < n {
			s.Skipped++
			if at--; has(at) {
				s.Rows = append(s.Rows, at)
			}
		}
		*asked, *looked = append(*asked, skip), append(*looked, s.Skipped)
		s.To, s.Over = numbered(at), at == 1
		return s, nil
	}
}

// TestWalkUneven: parts that go on in steps of very different widths make one list in order, on however many pages.
func TestWalkUneven(t *testing.T) {
	const rows = 700
	every := func(n int64) func(int64) bool { return func(i int64) bool { return i%n == 0 } }
	last := func(n int64) bool { return n%11 == 5 && n%2 == 1 && n < 400 }
	var want []int64
	for n := int64(rows); n > 0; n-- {
		for _, has := range []func(int64) bool{every(50), every(7), last} {
			if has(n) {
				want = append(want, n)
				break
			}
		}
	}
	for _, c := range []struct{ limit, skip int }{{rows, 1 << 20}, {7, 1 << 20}, {rows, 40}, {3, 40}, {rows, 1}} {
		for turn := range 3 {
			var got []int64
			var asked, looked []int
			parts := []Part[int64]{
				rare(rows, 300, every(50), &asked, &looked),
				rare(rows, 5, func(n int64) bool { return n%7 == 0 && n%50 != 0 }, &asked, &looked),
				rare(rows, 61, func(n int64) bool { return last(n) && n%7 != 0 && n%50 != 0 }, &asked, &looked),
			}
			parts = append(parts[turn:], parts[:turn]...)
			for from, more := top, true; more; {
				page, next, again, err := list[int64]{parts: parts, mark: number, limit: c.limit, look: rows, skip: c.skip, want: all}.page(from)
				if err != nil || again && next.Compare(from) <= 0 || len(page) > c.limit {
					t.Fatalf("from %v to %v: %d rows, %v", from, next, len(page), err)
				}
				got, from, more = append(got, page...), next, again
			}
			if !slices.Equal(got, want) {
				t.Errorf("%+v, %d: %v, want %v", c, turn, got, want)
			}
		}
	}
}

// TestWalkLooks: a page looks at as many rows as it may, and at no more: it tells its parts how many are left, and ends there.
func TestWalkLooks(t *testing.T) {
	const rows, window, skip = 1000, 7, 100
	none := func(int64) bool { return false }
	pages := 0
	for from, more := numbered(rows+1), true; more; pages++ {
		var asked, looked []int
		page, next, again, err := list[int64]{parts: []Part[int64]{rare(rows, window, none, &asked, &looked)}, mark: number, limit: 9, look: 9, skip: skip, want: all}.page(from)
		left := skip
		for i, n := range asked {
			if n != left {
				t.Errorf("page %d: it was to look at %d rows, and %d are left", pages, n, left)
			}
			left -= looked[i]
		}
		if left != 0 || len(page) != 0 || err != nil {
			t.Errorf("page %d: %d rows, %d left to look at, %v", pages, len(page), left, err)
		}
		from, more = next, again
	}
	if pages != rows/skip {
		t.Errorf("%d pages", pages)
	}
}

// TestWalkReads: a part is asked for few rows at first, for more as they are wanted, and never for very many.
func TestWalkReads(t *testing.T) {
	var asked []int
	straight := Straight(func(after Mark, n int) (rows []int64, _ error) {
		asked = append(asked, n)
		for i := range int64(n) {
			if at := min(after.Seq, 4001) - 1 - i; at > 0 {
				rows = append(rows, at)
			}
		}
		return rows, nil
	}, number)
	page, _, more, err := list[int64]{parts: []Part[int64]{straight}, mark: number, limit: 5000, look: 5000, want: all}.page(top)
	if want := []int{64, 128, 256, 512, 1024, 1024, 1024}; !slices.Equal(asked, want) || len(page) != 4000 || more || err != nil {
		t.Errorf("%d rows, %t, %v: read %v, want %v", len(page), more, err, asked, want)
	}
}

// shelf is a store with what lists are made of.
type shelf struct {
	Store
	Reader
	events Part[ledger.Event]
	orders int // of which each has as many attempts as its number says
}

func (s *shelf) Read(_ context.Context, f func(Reader) error) error { return f(s) }
func (s *shelf) AtOnce(read func() error) error                     { return read() }

func (s *shelf) EventParts(ledger.Filter) ([]Part[ledger.Event], error) {
	return []Part[ledger.Event]{s.events}, nil
}

func (s *shelf) ChargeParts(ledger.ChargeFilter, []ledger.AttemptState) ([]Part[Charge], error) {
	var firsts []Charge
	for i := s.orders; i > 0; i-- {
		firsts = append(firsts, s.attempts(i, 1)...)
	}
	return []Part[Charge]{Once(firsts, chargeMark)}, nil
}

func (s *shelf) attempts(order, limit int) (cs []Charge) {
	for i := range min(limit, order) {
		cs = append(cs, Charge{Seq: int64(order)*1000 + int64(i), Charge: ledger.Charge{Scope: scope, OrderNo: fmt.Sprint(order), Number: fmt.Sprint(order, "-", i), State: ledger.Refused}})
	}
	return cs
}

func (s *shelf) OrderAttempts(_ ledger.Scope, orderNo string, limit int) ([]Charge, error) {
	var order int
	if _, err := fmt.Sscan(orderNo, &order); err != nil {
		return nil, err
	}
	return s.attempts(order, limit), nil
}

// TestListedAttempts: an order is listed with its first attempts, up to a hundred, and a page that has read very many of them ends: its reader waits.
func TestListedAttempts(t *testing.T) {
	l := New(nil, noon)
	s := &shelf{orders: 150}
	l.store = s
	shown := 0
	var sizes []int
	for cursor, more := "", true; more; {
		p, err := l.ListOrders(t.Context(), ledger.OrderFilter{Scope: scope, Cursor: cursor, Limit: 1000, Now: noon})
		if err != nil {
			t.Fatal(err)
		}
		attempts := 0
		for _, o := range p.Rows {
			want := min(150-shown, 100)
			if len(o.Attempts) != want || o.OrderNo != fmt.Sprint(150-shown) {
				t.Errorf("order %s has %d attempts, want %d", o.OrderNo, len(o.Attempts), want)
			}
			attempts += len(o.Attempts)
			shown++
		}
		if attempts >= skipOrders+100 {
			t.Errorf("a page with %d attempts", attempts)
		}
		sizes = append(sizes, attempts)
		cursor, more = p.Next, p.Next != ""
	}
	if shown != 150 || len(sizes) < 2 {
		t.Errorf("%d orders, on pages with %v attempts", shown, sizes)
	}
}

// TestListedEvents: a page of events for which very many have to be looked through ends, and says where to go on.
func TestListedEvents(t *testing.T) {
	looked := 0
	l := New(nil, noon)
	l.store = &shelf{events: func(after Mark, n, skip int) (Stretch[ledger.Event], error) {
		step := min(skip, 1000)
		looked += step
		to := Mark{Seq: min(after.Seq, 1_000_000) - int64(step)}
		return Stretch[ledger.Event]{Skipped: step, To: to, Over: to.Seq <= 0}, nil
	}}
	p, err := l.ListEvents(t.Context(), ledger.Filter{Scope: scope, Since: time.Unix(1, 0)})
	if err != nil || len(p.Rows) != 0 || looked != skipRows || p.Next != numbered(1_000_000-skipRows).cursor() {
		t.Errorf("looked at %d, then %s: %v", looked, p.Next, err)
	}
}

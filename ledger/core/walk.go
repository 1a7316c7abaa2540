package core

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// Mark is a place in a list that is read from the newest to the oldest: by At (Unix milliseconds; 0 in a list that goes by Seq alone), then by Seq.
type Mark struct{ At, Seq int64 }

// top is where every list begins.
var top = Mark{math.MaxInt64, math.MaxInt64}

// Compare orders marks as lists do: what comes first is less.
func (m Mark) Compare(n Mark) int { return cmp.Or(cmp.Compare(n.At, m.At), cmp.Compare(n.Seq, m.Seq)) }

// until is the mark of what is older than a time, in a list by time; zero: all is.
func until(t time.Time) Mark {
	if t.IsZero() {
		return top
	}
	return Mark{At: millis(t)}
}

// millis is how a list goes by a time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return Kept(t).UnixMilli()
}

func (m Mark) cursor() string { return fmt.Sprintf("%d.%d", m.At, m.Seq) }

// parseCursor returns the mark at which a page begins: that of the cursor, unless the list itself begins later.
func parseCursor(text string, from Mark) (Mark, error) {
	if text == "" {
		return from, nil
	}
	left, right, _ := strings.Cut(text, ".")
	at, err := strconv.ParseInt(left, 10, 64)
	seq, err2 := strconv.ParseInt(right, 10, 64)
	if err != nil || err2 != nil {
		return from, ledger.ErrCursor
	}
	if m := (Mark{at, seq}); from.Compare(m) < 0 {
		return m, nil
	}
	return from, nil
}

// Part reads a list, or a part of one that is in its order: up to n rows that come after a mark. It may leave out what nobody wants, for which it looks
// at no more than about skip rows.
type Part[T any] func(after Mark, n, skip int) (Stretch[T], error)

// Stretch is a piece of a part.
type Stretch[T any] struct {
	Rows    []T
	Skipped int  // how many rows it took to find them, at most; 0: nothing was left out
	To      Mark // as far as it goes, which may be beyond its last row
	Over    bool // nothing comes after it
}

// Straight is the part that leaves nothing out.
func Straight[T any](read func(after Mark, n int) ([]T, error), mark func(*T) Mark) Part[T] {
	return func(after Mark, n, _ int) (Stretch[T], error) {
		rows, err := read(after, n)
		s := Stretch[T]{Rows: rows, Over: len(rows) < n}
		if len(rows) > 0 {
			s.To = mark(&rows[len(rows)-1])
		}
		return s, err
	}
}

// Once is the part of rows that are in order and all there.
func Once[T any](rows []T, mark func(*T) Mark) Part[T] {
	return Straight(func(after Mark, n int) ([]T, error) {
		for len(rows) > 0 && mark(&rows[0]).Compare(after) <= 0 {
			rows = rows[1:]
		}
		return rows[:min(n, len(rows))], nil
	}, mark)
}

// How many rows a part is asked for at first, and at most.
const (
	firstRead = 64
	mostRead  = 1024
)

// strand is a part as far as it was read.
type strand[T any] struct {
	part Part[T]
	rows []T  // read, and not taken yet
	to   Mark // as far as it was read
	next int  // how many to ask for
	over bool
}

// read goes on with a strand whose rows are all taken.
func (s *strand[T]) read(skip int) (skipped int, err error) {
	got, err := s.part(s.to, s.next, skip)
	if err != nil {
		return 0, err
	}
	s.rows, s.to, s.over = got.Rows, got.To, got.Over
	s.next = min(2*s.next, mostRead)
	return got.Skipped, nil
}

// list is how a page is read.
type list[T any] struct {
	parts []Part[T] // what it is made of
	mark  func(*T) Mark
	want  func(*T) (bool, error)
	limit int  // of rows that are wanted
	look  int  // of rows that are looked at here
	skip  int  // of rows that are looked at elsewhere, about: by parts, and to judge a row
	spent *int // those that it took to judge rows; nil: none
}

// page reads what comes after a mark, and says where the rest begins; more is false when there is none.
func (l list[T]) page(from Mark) (rows []T, next Mark, more bool, err error) {
	strands := make([]*strand[T], len(l.parts))
	for i, part := range l.parts {
		strands[i] = &strand[T]{part: part, to: from, next: firstRead}
	}
	if l.spent == nil {
		l.spent = new(int)
	}
	looked, skipped := 0, 0
	for {
		var first, unread *strand[T] // that with the first row, and that which may have one before it
		for _, s := range strands {
			switch {
			case len(s.rows) > 0:
				if first == nil || l.mark(&s.rows[0]).Compare(l.mark(&first.rows[0])) < 0 {
					first = s
				}
			case !s.over && (unread == nil || s.to.Compare(unread.to) < 0):
				unread = s
			}
		}
		if first == nil && unread == nil {
			return rows, next, false, nil
		}
		left := l.skip - skipped - *l.spent
		if unread != nil && (first == nil || unread.to.Compare(l.mark(&first.rows[0])) < 0) {
			next = unread.to                                       // nothing that was not taken is before it
			if l.skip > 0 && left <= 0 && from.Compare(next) < 0 { // each page goes on by something
				return rows, next, true, nil
			}
			n, err := unread.read(max(left, 1))
			if err != nil {
				return nil, next, false, err
			}
			skipped += n
			continue
		}
		if len(rows) == l.limit || looked == l.look || l.skip > 0 && left <= 0 && looked > 0 {
			return rows, next, true, nil
		}
		row := &first.rows[0]
		first.rows = first.rows[1:]
		looked++
		next = l.mark(row)
		ok, err := l.want(row)
		if err != nil {
			return nil, next, false, err
		}
		if ok {
			rows = append(rows, *row)
		}
	}
}

// pageOf reads a page of a list that begins at a mark, as callers of the ledger see it.
func pageOf[T, P any](l list[T], cursor string, from Mark, public func(*T) P) (p ledger.Page[P], err error) {
	if from, err = parseCursor(cursor, from); err != nil {
		return p, err
	}
	rows, next, more, err := l.page(from)
	if err != nil {
		return p, err
	}
	for i := range rows {
		p.Rows = append(p.Rows, public(&rows[i]))
	}
	if more {
		p.Next = next.cursor()
	}
	return p, nil
}

// within says whether a time is in [since, until); zero ends are open.
func within(t, since, until time.Time) bool {
	return !t.Before(since) && (until.IsZero() || t.Before(until))
}

// among says whether a value is wanted; no values want all.
func among[T comparable](v T, wanted []T) bool {
	return len(wanted) == 0 || slices.Contains(wanted, v)
}

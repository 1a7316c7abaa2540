// Package memory is a ledger of lists, for tests: the smallest engine that brings ledger/core what it needs. Nothing of it is on any disk, it looks
// through all rows for each that it wants, and one process has it.
package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// Rows are what ledgers share that are opened on them, as processes share a file.
type Rows struct {
	mu sync.RWMutex
	at view
}

// NewRows returns none yet.
func NewRows() *Rows {
	return &Rows{at: view{quotes: map[ledger.Topic]ledger.Quote{}, sweeps: map[ledger.Scope]core.Sweep{}, logins: map[string]ledger.Login{},
		pauses: map[ledger.Scope]ledger.Pause{}, hours: map[hour]ledger.Hour{}, tallied: map[ledger.Scope]time.Time{}}}
}

func (r *Rows) now() view {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.at
}

// view is all rows of one moment: a transaction changes a copy.
type view struct {
	last       int64 // number of a row
	events     table[core.Event]
	charges    table[core.Charge]
	refunds    table[core.Refund]
	deliveries table[ledger.Delivery]
	runs       table[core.Run]
	decisions  table[decision]
	shipments  table[core.Shipment] // by their charge's seq
	shippings  table[shipping]
	quotes     map[ledger.Topic]ledger.Quote // by their order's
	sweeps     map[ledger.Scope]core.Sweep
	logins     map[string]ledger.Login
	audit      table[ledger.Decided]
	pauses     map[ledger.Scope]ledger.Pause
	hours      map[hour]ledger.Hour
	tallied    map[ledger.Scope]time.Time // since when
}

// Ledger is a [ledger.Ledger].
type Ledger struct {
	*core.Ledger
	ledger.Notifier
	rows   *Rows
	opened core.Opening
	closed atomic.Bool
}

// Open opens a ledger on rows; now is when that is done.
func Open(rows *Rows, now time.Time) *Ledger {
	l := &Ledger{rows: rows, opened: core.Opening{Last: rows.now().last, At: now}}
	l.Ledger = core.New(store{l}, time.Now())
	return l
}

// Close implements [ledger.Ledger].
func (l *Ledger) Close() error {
	l.closed.Store(true)
	return nil
}

// Verify implements [ledger.Ledger].
func (l *Ledger) Verify(ctx context.Context) ([]string, error) { return nil, l.may(ctx) }

func (l *Ledger) may(ctx context.Context) error {
	if l.closed.Load() {
		return ledger.ErrClosed
	}
	return ctx.Err()
}

type store struct{ ledger *Ledger }

func (s store) Read(ctx context.Context, f func(core.Reader) error) error {
	if err := s.ledger.may(ctx); err != nil {
		return err
	}
	at := s.ledger.rows.now()
	return f(&at)
}

// Write runs the function on a copy of the rows, which takes their place when it succeeds.
func (s store) Write(ctx context.Context, f func(core.Tx) error) (err error) {
	if err := s.ledger.may(ctx); err != nil {
		return err
	}
	s.ledger.rows.mu.Lock()
	defer s.ledger.rows.mu.Unlock()
	n := s.ledger.rows.at
	n.events, n.charges, n.refunds, n.deliveries = slices.Clone(n.events), slices.Clone(n.charges), slices.Clone(n.refunds), slices.Clone(n.deliveries)
	n.runs, n.decisions, n.shipments, n.shippings = slices.Clone(n.runs), slices.Clone(n.decisions), slices.Clone(n.shipments), slices.Clone(n.shippings)
	n.quotes, n.sweeps, n.logins = maps.Clone(n.quotes), maps.Clone(n.sweeps), maps.Clone(n.logins)
	n.audit, n.pauses, n.hours, n.tallied = slices.Clone(n.audit), maps.Clone(n.pauses), maps.Clone(n.hours), maps.Clone(n.tallied)
	t := &tx{view: &n, opened: s.ledger.opened}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic while writing: %v", p)
		}
	}()
	if err = f(t); err == nil {
		s.ledger.rows.at = n
		s.ledger.Signal(t.topics...)
	}
	return err
}

func (s store) WriteLax(ctx context.Context, f func(core.Tx) error) error { return s.Write(ctx, f) }

func (v *view) next() int64 { v.last++; return v.last }

// table is rows in the order of their recording. What a row is does not change: another takes its place.
type table[T any] []row[T]

type row[T any] struct {
	seq int64
	is  *T
}

func (t *table[T]) add(seq int64, is T) { *t = append(*t, row[T]{seq, &is}) }

func (t table[T]) set(seq int64, is T) error {
	for i := range t {
		if t[i].seq == seq {
			t[i].is = &is
		}
	}
	return nil
}

func (t *table[T]) drop(seq int64) error {
	*t = slices.DeleteFunc(*t, func(r row[T]) bool { return r.seq == seq })
	return nil
}

// where returns copies of the rows that are wanted.
func (t table[T]) where(want func(*T) bool) (found []T, _ error) {
	for _, r := range t {
		if want(r.is) {
			found = append(found, *r.is)
		}
	}
	return found, nil
}

func (t table[T]) one(want func(*T) bool) (*T, error) {
	if found, _ := t.where(want); len(found) > 0 {
		return &found[0], nil
	}
	return nil, nil
}

// sorted returns the first ones of those wanted, in an order, or in that of their recording.
func (t table[T]) sorted(limit int, want func(*T) bool, by func(a, b T) int) ([]T, error) {
	found, err := t.where(want)
	if by != nil {
		slices.SortStableFunc(found, by)
	}
	return found[:min(len(found), limit)], err
}

// keep makes times what a ledger keeps of them.
func keep(times ...*time.Time) {
	for _, t := range times {
		*t = core.Kept(*t)
	}
}

func keepEvent(e core.Event) core.Event {
	e.Change, e.Payment, e.Refund, e.Returned, e.Deliver, e.Lease, e.HasBody = nil, nil, nil, false, false, ledger.Lease{}, e.Body != nil
	e.Ships = false
	keep(&e.Created, &e.Received, &e.Due, &e.Settled, &e.Until, &e.Back)
	return e
}

func keepCharge(c core.Charge) core.Charge {
	keep(&c.Created, &c.TimeExpire, &c.TimePaid, &c.Client.At, &c.NextQuery, &c.ReservedUntil, &c.QueryUntil)
	return c
}

func keepRefund(r core.Refund) core.Refund {
	keep(&r.Created, &r.TimeSucceeded, &r.Asked, &r.NextQuery, &r.Until)
	return r
}

var _ ledger.Ledger = (*Ledger)(nil)

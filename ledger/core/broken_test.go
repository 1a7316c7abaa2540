package core_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
	"github.com/caddypay/caddypay/ledger/ledgertest"
	"github.com/caddypay/caddypay/ledger/ledgertest/memory"
)

// TestBroken runs the suite with an engine of which everything fails once that a transaction asks for: the error is what the transaction ends with, and nothing
// of it stays. What failed before, after the same steps, does not fail again.
func TestBroken(t *testing.T) {
	seen := &steps{seen: make(map[string]bool)}
	over := func(breaks func(core.Store) core.Store) proposing {
		l := memory.Open(memory.NewRows(), time.Unix(0, 0))
		once := l.Ledger
		l.Ledger = core.New(breaks(once.Kept()), time.Now())
		return proposing{l, once}
	}
	ledgertest.Run(t, func(t *testing.T) ledger.Ledger {
		return over(func(s core.Store) core.Store { return broken{s, t, seen, 1 << 20} })
	})
	t.Run("moved", func(t *testing.T) { // what is read is written elsewhere at once
		breaking := func(t *testing.T) ledgertest.Mover {
			return over(func(s core.Store) core.Store { return writing{broken{s, t, seen, 4}} })
		}
		ledgertest.RunMove(t, breaking, breaking)
	})
}

// proposing runs reservations once: the suite counts the numbers that are proposed.
type proposing struct {
	*memory.Ledger
	once *core.Ledger
}

func (p proposing) Reserve(ctx context.Context, r ledger.Reservation) (*ledger.Reserved, error) {
	return p.once.Reserve(ctx, r)
}

// steps are those that were broken.
type steps struct {
	mu   sync.Mutex
	seen map[string]bool
}

// fresh says whether what a function asked for has not failed at its last step before, and remembers that it has; forget that it has not.
func (s *steps) fresh(f any, asked ...string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := stepKey(f, asked)
	was := s.seen[key]
	s.seen[key] = true
	return !was
}

func (s *steps) forget(f any, asked ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.seen, stepKey(f, asked))
}

func stepKey(f any, asked []string) string {
	return fmt.Sprint(reflect.ValueOf(f).Pointer(), asked)
}

type broken struct {
	core.Store
	t     *testing.T
	steps *steps
	last  int // how many steps up to one tell it from others
}

// writing is broken where it writes.
type writing struct{ broken }

func (s writing) Read(ctx context.Context, f func(core.Reader) error) error {
	return s.Store.Read(ctx, f)
}

var (
	errBroken = errors.New("the engine is broken")
	errEnds   = errors.New("the transaction is ended")
)

// Write runs a transaction to see what it asks for, and once more for each of that, which fails, before it does what is wanted.
func (s broken) Write(ctx context.Context, f func(core.Tx) error) error {
	run := func(b *faults) error {
		return s.Store.Write(ctx, func(t core.Tx) error {
			if err := f(brokenTx{t, b}); err != nil {
				return err
			}
			return errEnds
		})
	}
	whole := &faults{}
	_ = run(whole)
	for i := range whole.asked {
		if s.steps.fresh(f, whole.asked[max(0, i+1-s.last):i+1]...) {
			one := &faults{in: i + 1}
			s.check(one, run(one))
		}
	}
	return s.Store.Write(ctx, f)
}

func (s broken) WriteLax(ctx context.Context, f func(core.Tx) error) error { return s.Write(ctx, f) }

// Read lets each thing fail until there is none left that has not failed before: a function that reads is run to its end once.
func (s broken) Read(ctx context.Context, f func(core.Reader) error) error {
	for i := 1; i < 30; i++ {
		if !s.steps.fresh(f, fmt.Sprint(i)) {
			continue
		}
		one := &faults{in: i}
		err := s.Store.Read(ctx, func(r core.Reader) error { return f(brokenReader{r, one}) })
		if !s.check(one, err) {
			s.steps.forget(f, fmt.Sprint(i))
			return err
		}
	}
	return s.Store.Read(ctx, f)
}

// check says whether what was to fail was asked for.
func (s broken) check(b *faults, err error) bool {
	asked := len(b.asked) >= b.in
	if asked && !errors.Is(err, errBroken) {
		s.t.Errorf("of %v the one with the number %d fails, and it ends with %v", b.asked, b.in, err)
	}
	return asked
}

// faults is what a transaction asks for, and which of that fails: the first is 1; 0: none.
type faults struct {
	in    int
	asked []string
}

func (f *faults) at(step string, do func() error) error {
	_, err := get(f, step, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

func get[T any](f *faults, step string, do func() (T, error)) (v T, err error) {
	if f.asked = append(f.asked, step); len(f.asked) == f.in {
		return v, errBroken
	}
	return do()
}

type brokenReader struct {
	core.Reader
	*faults
}

type brokenTx struct {
	core.Tx
	*faults
}

func (r brokenReader) Event(s ledger.Scope, id string) (*core.Event, error) {
	return get(r.faults, "Event", func() (*core.Event, error) { return r.Reader.Event(s, id) })
}
func (r brokenReader) Deliveries(s ledger.Scope, id string) ([]ledger.Delivery, error) {
	return get(r.faults, "Deliveries", func() ([]ledger.Delivery, error) { return r.Reader.Deliveries(s, id) })
}
func (r brokenReader) EventsAhead(s ledger.Scope, after time.Time, limit int, want func(e *core.Event, last time.Time) bool) ([]core.Event, error) {
	return get(r.faults, "EventsAhead", func() ([]core.Event, error) { return r.Reader.EventsAhead(s, after, limit, want) })
}
func (r brokenReader) Charge(s ledger.Scope, id string) (*core.Charge, error) {
	return get(r.faults, "Charge", func() (*core.Charge, error) { return r.Reader.Charge(s, id) })
}
func (r brokenReader) Attempts(s ledger.Scope, orderNo string) ([]core.Charge, error) {
	return get(r.faults, "Attempts", func() ([]core.Charge, error) { return r.Reader.Attempts(s, orderNo) })
}
func (r brokenReader) Payable(s ledger.Scope, payer string, now time.Time) ([]core.Charge, error) {
	return get(r.faults, "Payable", func() ([]core.Charge, error) { return r.Reader.Payable(s, payer, now) })
}
func (r brokenReader) ChargesCreated(s ledger.Scope, from, to time.Time, after string, limit int) ([]core.Charge, error) {
	return get(r.faults, "ChargesCreated", func() ([]core.Charge, error) { return r.Reader.ChargesCreated(s, from, to, after, limit) })
}
func (r brokenReader) ChargesAhead(s ledger.Scope, after time.Time, limit int, want func(*core.Charge) bool) ([]core.Charge, error) {
	return get(r.faults, "ChargesAhead", func() ([]core.Charge, error) { return r.Reader.ChargesAhead(s, after, limit, want) })
}
func (r brokenReader) RefundsAhead(s ledger.Scope, after time.Time, limit int, want func(*core.Refund) bool) ([]core.Refund, error) {
	return get(r.faults, "RefundsAhead", func() ([]core.Refund, error) { return r.Reader.RefundsAhead(s, after, limit, want) })
}
func (r brokenReader) Refunds(s ledger.Scope, id, refundNo string) ([]core.Refund, error) {
	return get(r.faults, "Refunds", func() ([]core.Refund, error) { return r.Reader.Refunds(s, id, refundNo) })
}
func (r brokenReader) RefundsOf(s ledger.Scope, orderNo string) ([]core.Refund, error) {
	return get(r.faults, "RefundsOf", func() ([]core.Refund, error) { return r.Reader.RefundsOf(s, orderNo) })
}
func (r brokenReader) RefundsOfCharge(s ledger.Scope, chargeID string) ([]core.Refund, error) {
	return get(r.faults, "RefundsOfCharge", func() ([]core.Refund, error) { return r.Reader.RefundsOfCharge(s, chargeID) })
}
func (r brokenReader) Shipment(s ledger.Scope, charge int64) (*core.Shipment, error) {
	return get(r.faults, "Shipment", func() (*core.Shipment, error) { return r.Reader.Shipment(s, charge) })
}
func (r brokenReader) ShippingAttempts(s ledger.Scope, charge int64, limit int) ([]ledger.ShippingAttempt, error) {
	return get(r.faults, "ShippingAttempts", func() ([]ledger.ShippingAttempt, error) { return r.Reader.ShippingAttempts(s, charge, limit) })
}
func (r brokenReader) ShipmentsOf(s ledger.Scope, orderNo string) ([]core.Shipment, error) {
	return get(r.faults, "ShipmentsOf", func() ([]core.Shipment, error) { return r.Reader.ShipmentsOf(s, orderNo) })
}
func (r brokenReader) ShipmentsAhead(s ledger.Scope, after time.Time, limit int, want func(*core.Shipment) bool) ([]core.Shipment, error) {
	return get(r.faults, "ShipmentsAhead", func() ([]core.Shipment, error) { return r.Reader.ShipmentsAhead(s, after, limit, want) })
}
func (r brokenReader) Run(id string) (*core.Run, error) {
	return get(r.faults, "Run", func() (*core.Run, error) { return r.Reader.Run(id) })
}
func (r brokenReader) OpenRuns() ([]core.Run, error) {
	return get(r.faults, "OpenRuns", func() ([]core.Run, error) { return r.Reader.OpenRuns() })
}
func (r brokenReader) Runs(before int64, limit int) ([]core.Run, error) {
	return get(r.faults, "Runs", func() ([]core.Run, error) { return r.Reader.Runs(before, limit) })
}
func (r brokenReader) RunDecided(id string) (int, error) {
	return get(r.faults, "RunDecided", func() (int, error) { return r.Reader.RunDecided(id) })
}
func (r brokenReader) Login(key []byte, now int64) ([]byte, error) {
	return get(r.faults, "Login", func() ([]byte, error) { return r.Reader.Login(key, now) })
}
func (r brokenReader) EventParts(f ledger.Filter) ([]core.Part[ledger.Event], error) {
	return get(r.faults, "EventParts", func() ([]core.Part[ledger.Event], error) { return r.Reader.EventParts(f) })
}
func (r brokenReader) ChargeParts(f ledger.ChargeFilter, states []ledger.AttemptState) ([]core.Part[core.Charge], error) {
	return get(r.faults, "ChargeParts", func() ([]core.Part[core.Charge], error) { return r.Reader.ChargeParts(f, states) })
}
func (r brokenReader) RefundParts(f ledger.RefundFilter) ([]core.Part[core.Refund], error) {
	return get(r.faults, "RefundParts", func() ([]core.Part[core.Refund], error) { return r.Reader.RefundParts(f) })
}
func (r brokenReader) AuditParts(f ledger.AuditFilter) ([]core.Part[ledger.Decided], error) {
	return get(r.faults, "AuditParts", func() ([]core.Part[ledger.Decided], error) { return r.Reader.AuditParts(f) })
}
func (r brokenReader) ShipmentParts(f ledger.ShipmentFilter) ([]core.Part[core.Shipment], error) {
	return get(r.faults, "ShipmentParts", func() ([]core.Part[core.Shipment], error) { return r.Reader.ShipmentParts(f) })
}
func (r brokenReader) OrderAttempts(s ledger.Scope, orderNo string, limit int) ([]core.Charge, error) {
	return get(r.faults, "OrderAttempts", func() ([]core.Charge, error) { return r.Reader.OrderAttempts(s, orderNo, limit) })
}
func (r brokenReader) LastAttempts(s ledger.Scope, orderNo string, limit int) ([]core.Charge, error) {
	return get(r.faults, "LastAttempts", func() ([]core.Charge, error) { return r.Reader.LastAttempts(s, orderNo, limit) })
}
func (r brokenReader) LastDeliveries(e *ledger.Event, limit int) ([]ledger.Delivery, error) {
	return get(r.faults, "LastDeliveries", func() ([]ledger.Delivery, error) { return r.Reader.LastDeliveries(e, limit) })
}
func (r brokenReader) Quote(s ledger.Scope, orderNo string) (*ledger.Quote, error) {
	return get(r.faults, "Quote", func() (*ledger.Quote, error) { return r.Reader.Quote(s, orderNo) })
}
func (r brokenReader) Find(s ledger.Scope, name string) ([]ledger.Found, error) {
	return get(r.faults, "Find", func() ([]ledger.Found, error) { return r.Reader.Find(s, name) })
}
func (r brokenReader) Figures(s ledger.Scope) (*ledger.Figures, error) {
	return get(r.faults, "Figures", func() (*ledger.Figures, error) { return r.Reader.Figures(s) })
}
func (r brokenReader) Hours(s ledger.Scope, from, to time.Time) ([]ledger.Hour, error) {
	return get(r.faults, "Hours", func() ([]ledger.Hour, error) { return r.Reader.Hours(s, from, to) })
}
func (r brokenReader) OldBodies(after int64, limit int) ([]core.Event, error) {
	return get(r.faults, "OldBodies", func() ([]core.Event, error) { return r.Reader.OldBodies(after, limit) })
}
func (r brokenReader) OldAnswers(after int64, limit int) ([]core.Charge, error) {
	return get(r.faults, "OldAnswers", func() ([]core.Charge, error) { return r.Reader.OldAnswers(after, limit) })
}
func (r brokenReader) OldShipments(after int64, limit int) ([]core.Shipment, error) {
	return get(r.faults, "OldShipments", func() ([]core.Shipment, error) { return r.Reader.OldShipments(after, limit) })
}
func (r brokenReader) Scopes() ([]ledger.Scope, error) {
	return get(r.faults, "Scopes", func() ([]ledger.Scope, error) { return r.Reader.Scopes() })
}
func (r brokenReader) WholeEvents(s ledger.Scope, after int64, limit int) ([]core.Event, error) {
	return get(r.faults, "WholeEvents", func() ([]core.Event, error) { return r.Reader.WholeEvents(s, after, limit) })
}
func (r brokenReader) WholeCharges(s ledger.Scope, after int64, limit int) ([]core.Charge, error) {
	return get(r.faults, "WholeCharges", func() ([]core.Charge, error) { return r.Reader.WholeCharges(s, after, limit) })
}
func (r brokenReader) WholeRefunds(s ledger.Scope, after int64, limit int) ([]core.Refund, error) {
	return get(r.faults, "WholeRefunds", func() ([]core.Refund, error) { return r.Reader.WholeRefunds(s, after, limit) })
}
func (r brokenReader) WholeAudit(s ledger.Scope, after int64, limit int) ([]ledger.Decided, error) {
	return get(r.faults, "WholeAudit", func() ([]ledger.Decided, error) { return r.Reader.WholeAudit(s, after, limit) })
}
func (r brokenReader) EventID(s ledger.Scope, seq int64) (string, error) {
	return get(r.faults, "EventID", func() (string, error) { return r.Reader.EventID(s, seq) })
}
func (r brokenReader) WholeQuotes(s ledger.Scope, after string, limit int) ([]string, error) {
	return get(r.faults, "WholeQuotes", func() ([]string, error) { return r.Reader.WholeQuotes(s, after, limit) })
}
func (r brokenReader) WholeLogins(after []byte, limit int) ([]ledger.Login, error) {
	return get(r.faults, "WholeLogins", func() ([]ledger.Login, error) { return r.Reader.WholeLogins(after, limit) })
}
func (t brokenTx) Lock(s ledger.Scope, what core.Thing, name string) error {
	return t.at("Lock", func() error { return t.Tx.Lock(s, what, name) })
}
func (t brokenTx) Books(s ledger.Scope, q core.Question) (core.Books, error) {
	return get(t.faults, "Books", func() (core.Books, error) { return t.Tx.Books(s, q) })
}
func (t brokenTx) AddEvent(e *core.Event) (bool, error) {
	return get(t.faults, "AddEvent", func() (bool, error) { return t.Tx.AddEvent(e) })
}
func (t brokenTx) Event(s ledger.Scope, id string) (*core.Event, error) {
	return get(t.faults, "Event", func() (*core.Event, error) { return t.Tx.Event(s, id) })
}
func (t brokenTx) EventAt(s ledger.Scope, seq int64) (*core.Event, error) {
	return get(t.faults, "EventAt", func() (*core.Event, error) { return t.Tx.EventAt(s, seq) })
}
func (t brokenTx) SetEvent(e *core.Event) error {
	return t.at("SetEvent", func() error { return t.Tx.SetEvent(e) })
}
func (t brokenTx) SetBlocked(seq int64, blocked bool) error {
	return t.at("SetBlocked", func() error { return t.Tx.SetBlocked(seq, blocked) })
}
func (t brokenTx) EffectSeen(s ledger.Scope, objectID, kind string) (bool, error) {
	return get(t.faults, "EffectSeen", func() (bool, error) { return t.Tx.EffectSeen(s, objectID, kind) })
}
func (t brokenTx) Unreadable(s ledger.Scope, objectID, kind string) ([]core.Event, error) {
	return get(t.faults, "Unreadable", func() ([]core.Event, error) { return t.Tx.Unreadable(s, objectID, kind) })
}
func (t brokenTx) Withheld(s ledger.Scope, chargeID string) ([]core.Event, error) {
	return get(t.faults, "Withheld", func() ([]core.Event, error) { return t.Tx.Withheld(s, chargeID) })
}
func (t brokenTx) PendingRefunds(s ledger.Scope, lane, chargeID string) ([]core.Event, error) {
	return get(t.faults, "PendingRefunds", func() ([]core.Event, error) { return t.Tx.PendingRefunds(s, lane, chargeID) })
}
func (t brokenTx) Claim(c ledger.Claim, leases core.Span) ([]ledger.Event, error) {
	return get(t.faults, "Claim", func() ([]ledger.Event, error) { return t.Tx.Claim(c, leases) })
}
func (t brokenTx) Leases(s ledger.Scope, owner string) ([]core.Lease, error) {
	return get(t.faults, "Leases", func() ([]core.Lease, error) { return t.Tx.Leases(s, owner) })
}
func (t brokenTx) SetLease(l core.Lease) error {
	return t.at("SetLease", func() error { return t.Tx.SetLease(l) })
}
func (t brokenTx) Settle(s ledger.Scope, id, owner string, o core.Outcome) (*core.Settled, error) {
	return get(t.faults, "Settle", func() (*core.Settled, error) { return t.Tx.Settle(s, id, owner, o) })
}
func (t brokenTx) AddDelivery(seq int64, d *ledger.Delivery) error {
	return t.at("AddDelivery", func() error { return t.Tx.AddDelivery(seq, d) })
}
func (t brokenTx) Waiting(s ledger.Scope, limit int) ([]core.Event, error) {
	return get(t.faults, "Waiting", func() ([]core.Event, error) { return t.Tx.Waiting(s, limit) })
}
func (t brokenTx) AddAudit(e *core.Event, d *ledger.Decision) error {
	return t.at("AddAudit", func() error { return t.Tx.AddAudit(e, d) })
}
func (t brokenTx) Pause(s ledger.Scope) (*ledger.Pause, error) {
	return get(t.faults, "Pause", func() (*ledger.Pause, error) { return t.Tx.Pause(s) })
}
func (t brokenTx) SetPause(s ledger.Scope, p *ledger.Pause) error {
	return t.at("SetPause", func() error { return t.Tx.SetPause(s, p) })
}
func (t brokenTx) Forsaken(s ledger.Scope, leases core.Span) ([]core.Charge, error) {
	return get(t.faults, "Forsaken", func() ([]core.Charge, error) { return t.Tx.Forsaken(s, leases) })
}
func (t brokenTx) AddCharge(c *core.Charge) (bool, error) {
	return get(t.faults, "AddCharge", func() (bool, error) { return t.Tx.AddCharge(c) })
}
func (t brokenTx) Charge(s ledger.Scope, id string) (*core.Charge, error) {
	return get(t.faults, "Charge", func() (*core.Charge, error) { return t.Tx.Charge(s, id) })
}
func (t brokenTx) Numbered(s ledger.Scope, number string) (*core.Charge, error) {
	return get(t.faults, "Numbered", func() (*core.Charge, error) { return t.Tx.Numbered(s, number) })
}
func (t brokenTx) SetCharge(c *core.Charge) error {
	return t.at("SetCharge", func() error { return t.Tx.SetCharge(c) })
}
func (t brokenTx) SetAttempt(c *core.Charge) error {
	return t.at("SetAttempt", func() error { return t.Tx.SetAttempt(c) })
}
func (t brokenTx) DropCharge(c *core.Charge) error {
	return t.at("DropCharge", func() error { return t.Tx.DropCharge(c) })
}
func (t brokenTx) SetAnswer(c *core.Charge) error {
	return t.at("SetAnswer", func() error { return t.Tx.SetAnswer(c) })
}
func (t brokenTx) SetQuote(s ledger.Scope, orderNo string, q ledger.Quote) error {
	return t.at("SetQuote", func() error { return t.Tx.SetQuote(s, orderNo, q) })
}
func (t brokenTx) DueQueries(c ledger.QueryClaim, leases core.Span) ([]core.Charge, error) {
	return get(t.faults, "DueQueries", func() ([]core.Charge, error) { return t.Tx.DueQueries(c, leases) })
}
func (t brokenTx) Refunds(s ledger.Scope, id, refundNo string) ([]core.Refund, error) {
	return get(t.faults, "Refunds", func() ([]core.Refund, error) { return t.Tx.Refunds(s, id, refundNo) })
}
func (t brokenTx) RefundsOfCharge(s ledger.Scope, chargeID string) ([]core.Refund, error) {
	return get(t.faults, "RefundsOfCharge", func() ([]core.Refund, error) { return t.Tx.RefundsOfCharge(s, chargeID) })
}
func (t brokenTx) AddRefund(r *core.Refund) error {
	return t.at("AddRefund", func() error { return t.Tx.AddRefund(r) })
}
func (t brokenTx) SetRefund(r *core.Refund) error {
	return t.at("SetRefund", func() error { return t.Tx.SetRefund(r) })
}
func (t brokenTx) DropRefund(r *core.Refund) error {
	return t.at("DropRefund", func() error { return t.Tx.DropRefund(r) })
}
func (t brokenTx) DueRefunds(c ledger.QueryClaim, leases core.Span) ([]core.Refund, error) {
	return get(t.faults, "DueRefunds", func() ([]core.Refund, error) { return t.Tx.DueRefunds(c, leases) })
}
func (t brokenTx) Shipment(s ledger.Scope, charge int64) (*core.Shipment, error) {
	return get(t.faults, "Shipment", func() (*core.Shipment, error) { return t.Tx.Shipment(s, charge) })
}
func (t brokenTx) AddShipment(s *core.Shipment) error {
	return t.at("AddShipment", func() error { return t.Tx.AddShipment(s) })
}
func (t brokenTx) SetShipment(s *core.Shipment) error {
	return t.at("SetShipment", func() error { return t.Tx.SetShipment(s) })
}
func (t brokenTx) DropShipment(s *core.Shipment) error {
	return t.at("DropShipment", func() error { return t.Tx.DropShipment(s) })
}
func (t brokenTx) DueShipments(c ledger.ShipmentClaim, leases core.Span) ([]core.Shipment, error) {
	return get(t.faults, "DueShipments", func() ([]core.Shipment, error) { return t.Tx.DueShipments(c, leases) })
}
func (t brokenTx) AddShippingAttempt(charge int64, a *ledger.ShippingAttempt) error {
	return t.at("AddShippingAttempt", func() error { return t.Tx.AddShippingAttempt(charge, a) })
}
func (t brokenTx) SetShippingAttempt(charge int64, a *ledger.ShippingAttempt) error {
	return t.at("SetShippingAttempt", func() error { return t.Tx.SetShippingAttempt(charge, a) })
}
func (t brokenTx) Sweep(s ledger.Scope) (core.Sweep, error) {
	return get(t.faults, "Sweep", func() (core.Sweep, error) { return t.Tx.Sweep(s) })
}
func (t brokenTx) SetSweep(s ledger.Scope, sweep core.Sweep) error {
	return t.at("SetSweep", func() error { return t.Tx.SetSweep(s, sweep) })
}
func (t brokenTx) FirstCharge(s ledger.Scope) (time.Time, error) {
	return get(t.faults, "FirstCharge", func() (time.Time, error) { return t.Tx.FirstCharge(s) })
}
func (t brokenTx) Run(id string) (*core.Run, error) {
	return get(t.faults, "Run", func() (*core.Run, error) { return t.Tx.Run(id) })
}
func (t brokenTx) OpenRuns() ([]core.Run, error) {
	return get(t.faults, "OpenRuns", func() ([]core.Run, error) { return t.Tx.OpenRuns() })
}
func (t brokenTx) AddRun(r *core.Run) (bool, error) {
	return get(t.faults, "AddRun", func() (bool, error) { return t.Tx.AddRun(r) })
}
func (t brokenTx) SetRun(r *core.Run) error {
	return t.at("SetRun", func() error { return t.Tx.SetRun(r) })
}
func (t brokenTx) Decided(seq int64, run string) (bool, error) {
	return get(t.faults, "Decided", func() (bool, error) { return t.Tx.Decided(seq, run) })
}
func (t brokenTx) SaveLogin(l ledger.Login, drop int) error {
	return t.at("SaveLogin", func() error { return t.Tx.SaveLogin(l, drop) })
}
func (t brokenTx) OldBodies(after int64, limit int) ([]core.Event, error) {
	return get(t.faults, "OldBodies", func() ([]core.Event, error) { return t.Tx.OldBodies(after, limit) })
}
func (t brokenTx) OldAnswers(after int64, limit int) ([]core.Charge, error) {
	return get(t.faults, "OldAnswers", func() ([]core.Charge, error) { return t.Tx.OldAnswers(after, limit) })
}
func (t brokenTx) OldShipments(after int64, limit int) ([]core.Shipment, error) {
	return get(t.faults, "OldShipments", func() ([]core.Shipment, error) { return t.Tx.OldShipments(after, limit) })
}
func (t brokenTx) DropBody(e *core.Event) error {
	return t.at("DropBody", func() error { return t.Tx.DropBody(e) })
}

func (r brokenReader) NextDue(s ledger.Scope) (free, leased time.Time, pending int64, err error) {
	err = r.at("NextDue", func() error {
		free, leased, pending, err = r.Reader.NextDue(s)
		return err
	})
	return free, leased, pending, err
}

func (r brokenReader) Unshipped(s ledger.Scope, state ledger.ShipmentState, after, until time.Time) (payments, fen int64, first time.Time, err error) {
	err = r.at("Unshipped", func() error {
		payments, fen, first, err = r.Reader.Unshipped(s, state, after, until)
		return err
	})
	return payments, fen, first, err
}

func (t brokenTx) Sent(e *core.Event) (sent, heard bool, err error) {
	err = t.at("Sent", func() error {
		sent, heard, err = t.Tx.Sent(e)
		return err
	})
	return sent, heard, err
}

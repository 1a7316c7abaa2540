package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/sandbox"
)

// reserve begins an attempt, as a process does that then dies, and returns its number.
func (p *provider) reserve(l ledger.Ledger, orderNo string) string {
	p.t.Helper()
	now := p.clock.Now()
	held, err := l.Reserve(context.Background(), ledger.Reservation{Scope: p.scope, OrderNo: orderNo, Now: now, Until: now.Add(5 * time.Second),
		Channel: "wx_lite", Payer: "oAAAAAAAAAAAAAAAAAAAAAAAAAA1", PayerAppID: "wx1", Host: "pay.example.com",
		Number: func(attempts, _ int) string { return fmt.Sprintf("%sx%d", orderNo, attempts) }})
	if err != nil {
		p.t.Fatal(err)
	}
	return held.Number
}

func (p *provider) attempts(l ledger.Ledger, orderNo string) []ledger.Charge {
	p.t.Helper()
	all, err := l.Attempts(context.Background(), p.scope, orderNo)
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

// results counts what a reconciler observes.
func results(r *Reconciler) func() map[string]int {
	var mu sync.Mutex
	seen := make(map[string]int)
	r.cfg.Observe = func(result string) {
		mu.Lock()
		defer mu.Unlock()
		seen[result]++
	}
	return func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		return seen
	}
}

// The process died between Ping++'s answer and our record, and the payer does not come again.
func TestForsakenAttemptIsFound(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	seen := results(r)
	made := p.made(p.client, p.reserve(l, "order1"), "order1", 1999)
	p.after(64 * time.Second)
	rounds(t, r)
	if c := p.attempts(l, "order1")[0]; c.State != ledger.Reserving {
		t.Fatalf("a holder that may only be slow lost its order: %+v", c)
	}
	p.after(2 * time.Second)
	rounds(t, r)
	c := p.attempts(l, "order1")[0]
	if c.State != ledger.Open || c.ID != made.ID || c.Amount != 1999 || c.Host != "pay.example.com" || c.Payer == "" || string(c.Raw) == "" || c.TimeExpire.Unix() != made.TimeExpire {
		t.Fatalf("%+v", c)
	}
	p.pay(made.ID)
	p.after(time.Minute)
	rounds(t, r)
	if e := p.event(l, queryID(made.ID)); e == nil || e.State != ledger.Pending || e.OrderNo != "order1" {
		t.Errorf("its payment: %+v", e)
	}
	if got := seen(); got["found"] != 1 || got["paid"] != 1 || got["absent"] != 0 {
		t.Errorf("observed %v", got)
	}
}

// A charge that Ping++ makes late is found as long as it can appear, and what it never makes is given up.
func TestAbsentAttempts(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	seen := results(r)
	late, never := p.reserve(l, "late"), p.reserve(l, "never")
	p.after(66 * time.Second)
	rounds(t, r)
	if got := seen(); got["absent"] != 2 {
		t.Fatalf("observed %v", got)
	}
	made := p.made(p.client, late, "late", 1999)
	for range 20 {
		p.after(30 * time.Second)
		rounds(t, r)
	}
	if c := p.attempts(l, "late")[0]; c.ID != made.ID {
		t.Errorf("late: %+v", c)
	}
	c := p.attempts(l, "never")[0]
	if c.State != ledger.Unknown || !c.NextQuery.IsZero() || c.Number != never || c.Queries < 3 || c.Queries > 8 {
		t.Errorf("never made: %+v", c)
	}
	lists := p.State(0).Calls["list_charges"]
	p.after(time.Hour)
	rounds(t, r)
	if n := p.State(0).Calls["list_charges"]; n != lists {
		t.Error("looked for after it was given up")
	}
}

// While Ping++ cannot say, nothing is given up.
func TestFindWhilePingppIsDown(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	seen := results(r)
	made := p.made(p.client, p.reserve(l, "order1"), "order1", 1999)
	p.fault("list_charges", "500", 1000)
	for range 6 {
		p.after(20 * time.Minute)
		rounds(t, r)
	}
	if c := p.attempts(l, "order1")[0]; c.State != ledger.Unknown || c.NextQuery.IsZero() || seen()["error"] < 3 {
		t.Fatalf("%+v, observed %v", c, seen())
	}
	p.ClearFaults()
	p.after(2 * time.Hour)
	rounds(t, r)
	if c := p.attempts(l, "order1")[0]; c.ID != made.ID {
		t.Errorf("%+v", c)
	}
}

// Several attempts are looked for at once, on as many pages as there are.
func TestFindPages(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	var unknown []string
	for i := range 3 {
		order := fmt.Sprint("order", i)
		unknown = append(unknown, p.made(p.client, p.reserve(l, order), order, 1999).ID)
		for j := range 110 {
			p.made(p.client, fmt.Sprintf("other%dx%d", i, j), "", 1)
		}
	}
	absent := p.reserve(l, "absent")
	p.after(10 * time.Second)
	var sought []ledger.Charge
	for _, order := range []string{"order0", "order1", "order2", "absent"} {
		sought = append(sought, p.attempts(l, order)...)
	}
	found, err := r.Find(t.Context(), l, sought)
	if err != nil || found != 3 {
		t.Fatalf("found %d: %v", found, err)
	}
	for i, id := range unknown {
		if c := p.known(l, id); c.OrderNo != fmt.Sprint("order", i) {
			t.Errorf("%s is %+v", id, c)
		}
	}
	if c := p.attempts(l, "absent")[0]; c.ID != "" || c.Number != absent {
		t.Errorf("%+v", c)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Find(ctx, l, sought[3:]); err == nil {
		t.Error("a search that was ended has found out nothing, and says so")
	}
}

// A channel that does not reverse charges: the superseded attempt is watched, and its payment held and named.
func TestSupersededThatCannotBeReversed(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	old, current := p.superseded(l)
	p.fault("reverse_charge", "402", 1000)
	for range 10 {
		p.after(2 * time.Minute)
		rounds(t, r)
	}
	if c := p.known(l, old); c.Reversed || c.NextQuery.IsZero() {
		t.Fatalf("not watched: %+v", c)
	}
	if p.State(0).Calls["reverse_charge"] == 0 {
		t.Error("no reversal was tried")
	}
	p.pay(current)
	p.after(15 * time.Minute)
	rounds(t, r)
	p.pay(old)
	p.after(30 * time.Minute)
	rounds(t, r)
	if e := p.event(l, queryID(current)); e == nil || e.State != ledger.Pending {
		t.Errorf("the order's payment: %+v", e)
	}
	e := p.event(l, queryID(old))
	if e == nil || e.State != ledger.Held || !slices.Contains(e.Reasons, ledger.ReasonPaidTwice) || !slices.Contains(e.Reasons, ledger.ReasonSuperseded) {
		t.Errorf("the second payment: %+v", e)
	}
	if err := p.Pay(old); !errors.Is(err, sandbox.ErrChargePaid) {
		t.Error(err)
	}
}

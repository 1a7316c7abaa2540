package reconcile_test

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
	"github.com/caddypay/caddypay/relay/reconcile"
	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/relaytest"
	"github.com/caddypay/caddypay/sandbox"
)

// results counts what a reconciler observes.
func results() (count func() map[string]int, option func(*reconcile.Config)) {
	var mu sync.Mutex
	seen := make(map[string]int)
	count = func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		return seen
	}
	return count, reconciletest.Observe(func(result string) {
		mu.Lock()
		defer mu.Unlock()
		seen[result]++
	})
}

// The process died between Ping++'s answer and our record, and the payer does not come again.
func TestForsakenAttemptIsFound(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	seen, option := results()
	r := p.Reconciler(l, zap.NewNop(), option)
	made := p.Made(p.Client, p.Reserve(l, "order1"), "order1", 1999)
	p.After(64 * time.Second)
	reconciletest.Rounds(t, r)
	if c := p.Attempts(l, "order1")[0]; c.State != ledger.Reserving {
		t.Fatalf("a holder that may only be slow lost its order: %+v", c)
	}
	p.After(2 * time.Second)
	reconciletest.Rounds(t, r)
	c := p.Attempts(l, "order1")[0]
	if c.State != ledger.Open || c.ID != made.ID || c.Amount != 1999 || c.Host != "pay.example.com" || c.Payer == "" || string(c.Raw) == "" || c.TimeExpire.Unix() != made.TimeExpire {
		t.Fatalf("%+v", c)
	}
	p.Pay(made.ID)
	p.After(time.Minute)
	reconciletest.Rounds(t, r)
	if e := p.Event(l, reconciletest.QueryID(made.ID)); e == nil || e.State != ledger.Pending || e.OrderNo != "order1" {
		t.Errorf("its payment: %+v", e)
	}
	if got := seen(); got["found"] != 1 || got["paid"] != 1 || got["absent"] != 0 {
		t.Errorf("observed %v", got)
	}
}

// A charge that Ping++ makes late is found as long as it can appear, and what it never makes is given up.
func TestAbsentAttempts(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	seen, option := results()
	r := p.Reconciler(l, zap.NewNop(), option)
	late, never := p.Reserve(l, "late"), p.Reserve(l, "never")
	p.After(66 * time.Second)
	reconciletest.Rounds(t, r)
	if got := seen(); got["absent"] != 2 {
		t.Fatalf("observed %v", got)
	}
	made := p.Made(p.Client, late, "late", 1999)
	for range 20 {
		p.After(30 * time.Second)
		reconciletest.Rounds(t, r)
	}
	if c := p.Attempts(l, "late")[0]; c.ID != made.ID {
		t.Errorf("late: %+v", c)
	}
	c := p.Attempts(l, "never")[0]
	if c.State != ledger.Unknown || !c.NextQuery.IsZero() || c.Number != never || c.Queries < 3 || c.Queries > 8 {
		t.Errorf("never made: %+v", c)
	}
	lists := p.State(0).Calls["list_charges"]
	p.After(time.Hour)
	reconciletest.Rounds(t, r)
	if n := p.State(0).Calls["list_charges"]; n != lists {
		t.Error("looked for after it was given up")
	}
}

// While Ping++ cannot say, nothing is given up.
func TestFindWhilePingppIsDown(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	seen, option := results()
	r := p.Reconciler(l, zap.NewNop(), option)
	made := p.Made(p.Client, p.Reserve(l, "order1"), "order1", 1999)
	p.Fault("list_charges", "500", 1000)
	for range 6 {
		p.After(20 * time.Minute)
		reconciletest.Rounds(t, r)
	}
	if c := p.Attempts(l, "order1")[0]; c.State != ledger.Unknown || c.NextQuery.IsZero() || seen()["error"] < 3 {
		t.Fatalf("%+v, observed %v", c, seen())
	}
	p.ClearFaults()
	p.After(2 * time.Hour)
	reconciletest.Rounds(t, r)
	if c := p.Attempts(l, "order1")[0]; c.ID != made.ID {
		t.Errorf("%+v", c)
	}
}

// Several attempts are looked for at once, on as many pages as there are.
func TestFindPages(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	var unknown []string
	for i := range 3 {
		order := fmt.Sprint("order", i)
		unknown = append(unknown, p.Made(p.Client, p.Reserve(l, order), order, 1999).ID)
		for j := range 110 {
			p.Made(p.Client, fmt.Sprintf("other%dx%d", i, j), "", 1)
		}
	}
	absent := p.Reserve(l, "absent")
	p.After(10 * time.Second)
	var sought []ledger.Charge
	for _, order := range []string{"order0", "order1", "order2", "absent"} {
		sought = append(sought, p.Attempts(l, order)...)
	}
	found, err := r.Attempts.Find(t.Context(), l, sought)
	if err != nil || found != 3 {
		t.Fatalf("found %d: %v", found, err)
	}
	for i, id := range unknown {
		if c := p.Known(l, id); c.OrderNo != fmt.Sprint("order", i) {
			t.Errorf("%s is %+v", id, c)
		}
	}
	if c := p.Attempts(l, "absent")[0]; c.ID != "" || c.Number != absent {
		t.Errorf("%+v", c)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Attempts.Find(ctx, l, sought[3:]); err == nil {
		t.Error("a search that was ended has found out nothing, and says so")
	}
}

// A channel that does not reverse charges: the superseded attempt is watched, and its payment held and named.
func TestSupersededThatCannotBeReversed(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	old, current := p.Superseded(l)
	p.Fault("reverse_charge", "402", 1000)
	for range 10 {
		p.After(2 * time.Minute)
		reconciletest.Rounds(t, r)
	}
	if c := p.Known(l, old); c.Reversed || c.NextQuery.IsZero() {
		t.Fatalf("not watched: %+v", c)
	}
	if p.State(0).Calls["reverse_charge"] == 0 {
		t.Error("no reversal was tried")
	}
	p.Pay(current)
	p.After(15 * time.Minute)
	reconciletest.Rounds(t, r)
	p.Pay(old)
	p.After(30 * time.Minute)
	reconciletest.Rounds(t, r)
	if e := p.Event(l, reconciletest.QueryID(current)); e == nil || e.State != ledger.Pending {
		t.Errorf("the order's payment: %+v", e)
	}
	e := p.Event(l, reconciletest.QueryID(old))
	if e == nil || e.State != ledger.Held || !slices.Contains(e.Reasons, ledger.ReasonPaidTwice) || !slices.Contains(e.Reasons, ledger.ReasonSuperseded) {
		t.Errorf("the second payment: %+v", e)
	}
	if err := p.Sandbox.Pay(old); !errors.Is(err, sandbox.ErrChargePaid) {
		t.Error(err)
	}
}

package nightly_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/nightly"
	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// heir is a ledger that another server has now and then.
type heir struct {
	ledger.Ledger

	mu      sync.Mutex
	changed bool
	asked   int
}

func (h *heir) Succeeded(ctx context.Context, _ ledger.Scope, compare func(context.Context) error) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.asked++; !h.changed {
		return false, nil
	}
	err := compare(ctx)
	h.changed = err != nil
	return true, err
}

func (h *heir) set(changed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changed = changed
}

// When another server has the ledger, today and yesterday are compared with Ping++ at once and by itself, again until that has succeeded, and not before the
// next time.
func TestAnotherServer(t *testing.T) {
	p, l := reconciletest.NewProvider(t), &heir{Ledger: relaytest.NewLedger(t)}
	paid := func(at time.Time, orderNo string) string { // and what said so is lost with the server
		p.Clock.Set(at)
		id := p.Charge(l, orderNo, 100).ID
		p.Pay(id)
		return id
	}
	old, yesterday, today := paid(inNovember(20, 9, 0), "order0"), paid(inNovember(21, 23, 30), "order1"), paid(inNovember(22, 9, 0), "order2")
	var out relaytest.Logs
	n := p.Reconciler(l, out.Logger()).Nights
	n.LookEvery(time.Millisecond)
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { nightly.Follow(n, ctx) })
	defer all.Wait()
	defer stop()
	settled := func(what string) {
		t.Helper()
		relaytest.WaitFor(t, what, func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.asked > 2 && !l.changed
		})
	}
	settled("it was looked")
	if p.Known(l, today).Paid {
		t.Fatal("compared while nothing has changed")
	}
	p.Fault("list_charges", "500", 3)
	l.set(true)
	settled("it was compared")
	if !p.Known(l, yesterday).Paid || !p.Known(l, today).Paid || p.Known(l, old).Paid {
		t.Errorf("found: yesterday's %t, today's %t, one of days ago %t", p.Known(l, yesterday).Paid, p.Known(l, today).Paid, p.Known(l, old).Paid)
	}
	for _, want := range []string{`"from":"2026-11-21"`, "could not be compared with Ping++ after another server", `"date":"2026-11-22","at_pingpp":1,"in_ledger":1,"recovered":1`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log does not say %s:\n%s", want, out.String())
		}
	}
}

// A ledger that has one file for ever is not asked for its server.
func TestNoOtherServer(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	nightly.Follow(p.Reconciler(l, zap.NewNop()).Nights, t.Context())
}

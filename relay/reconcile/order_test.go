package reconcile_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// A person who asks about an order gets Ping++'s word at once: of charges that nobody looks up any more too, of attempts without an answer, and of an
// order that the ledger does not know.
func TestOrderIsAskedNow(t *testing.T) {
	ctx := context.Background()
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop(), reconciletest.Asking(reconciletest.Unlimited()))
	ask := func(orderNo string) {
		t.Helper()
		if err := r.Order(ctx, orderNo); err != nil {
			t.Errorf("%s: %v", orderNo, err)
		}
	}
	late := p.Charge(l, "late", 100)
	if err := l.Queried(ctx, ledger.Queried{Scope: p.Scope, ChargeID: late.ID}); err != nil { // never again
		t.Fatal(err)
	}
	p.Pay(late.ID)
	ask("late")
	p.WantRecorded(l, "given up", "late", "charge.succeeded pending")
	before := p.Count()
	ask("late")
	if n := p.Count() - before; n != 0 {
		t.Errorf("what is known was asked for %d times", n)
	}

	p.Pay(p.Made(p.Client, "lostx", "lost", 100).ID)
	ask("lost")
	p.WantRecorded(l, "unknown to the ledger", "lost", "charge.succeeded pending")

	number := p.Reserve(l, "silent")
	if err := l.Release(ctx, ledger.Release{Scope: p.Scope, Number: number, As: ledger.Unknown}); err != nil {
		t.Fatal(err)
	}
	p.Pay(p.Made(p.Client, number, "silent", 100).ID)
	ask("silent")
	p.WantRecorded(l, "without an answer", "silent", "charge.succeeded pending")

	open := p.Charge(l, "open", 100).ID
	p.Fault("get_charge", "401", 1)
	if err := r.Order(ctx, "open"); err == nil {
		t.Error("no error from Ping++'s 401")
	}
	p.Pay(open)
	ended, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
	defer cancel()
	if err := r.Order(ended, "open"); err == nil || p.Known(l, open).Paid {
		t.Errorf("after its time: %v", err)
	}
	ask("open")
	p.WantRecorded(l, "after its errors", "open", "charge.succeeded pending")
}

// Its refunds are asked for too, and those that are through are not.
func TestRefundsOfAnOrderAreAskedNow(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop(), reconciletest.Asking(reconciletest.Unlimited()))
	id := p.PaidCharge(l, r, "order1")
	p.Fault("refund", "stuck", 2)
	good := p.Asks(l, r, id, "order1", "R1", 300)
	p.Asks(l, r, id, "order1", "R2", 300)
	p.Settle(good.ID, "succeed")
	for range 2 {
		if err := r.Order(context.Background(), "order1"); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := p.Refund(l, "R1"), p.Refund(l, "R2"); a.State != ledger.RefundSucceeded || b.State != ledger.RefundPending {
		t.Errorf("%+v\n%+v", a, b)
	}
	if n := p.State(0).Calls["get_refund"]; n != 3 {
		t.Errorf("asked %d times, not twice for the one that is pending and once for the other", n)
	}
}

package reconcile_test

import (
	"context"
	"crypto/rand"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/reconcile"
	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// A payment of an order that the ledger does not have is found by the order, whatever its number; one that it has is nobody's news.
func TestFindPayment(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	find := func(orderNo string, want bool) {
		t.Helper()
		if found, err := r.Attempts.FindPayment(context.Background(), l, orderNo); err != nil || found != want {
			t.Errorf("%s: found %t, %v", orderNo, found, err)
		}
	}
	p.Pay(p.Made(p.Client, "order1x", "order1", 100).ID)
	p.Made(p.Client, "order2x", "order2", 100)
	p.PaidEverywhere(r, l, p.Charge(l, "order3", 100).ID)
	missed := p.Charge(l, "order4", 100).ID
	p.Pay(missed)
	for range 110 {
		p.Pay(p.Made(p.Client, rand.Text()[:12], "many", 1).ID)
	}
	find("order1", true)
	p.WantRecorded(l, "unseen", "order1", "charge.succeeded pending")
	for orderNo, want := range map[string]bool{"order1": false, "order2": false, "order3": false, "order4": true, "order5": false} {
		find(orderNo, want)
	}
	if !p.Known(l, missed).Paid {
		t.Error("the payment of a charge that the ledger has is not recorded")
	}
	p.After(reconcile.PaidSince + time.Second)
	p.Pay(p.Made(p.Client, "order5x", "order5", 100).ID)
	find("order5", true)
}

// A payment that was made before this ledger was there is found behind as many others as there are, recorded, and delivered.
func TestTakenNumberIsFound(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	old := p.Elsewhere("order1", 1500)
	p.Pay(old.ID)
	for i := range 130 {
		p.Pay(p.Elsewhere("many"+string(rune('a'+i%26))+string(rune('a'+i/26)), 1).ID)
	}
	p.After(40 * 24 * time.Hour)
	p.Taken(l, "order1", "order1")
	reconciletest.Rounds(t, r)
	c := p.Attempts(l, "order1")[0]
	if c.State != ledger.Open || !c.Paid || c.ID != old.ID || c.Amount != 1500 || c.Channel != "wx_pub" || c.Payer != "" || c.Held {
		t.Errorf("%+v", c)
	}
	if e := p.Event(l, reconciletest.QueryID(old.ID)); e == nil || e.State != ledger.Pending || e.OrderNo != "order1" || e.Host != "pay.example.com" {
		t.Errorf("its payment: %+v", e)
	}
}

// A charge of ours, of a ledger that was lost: its payer is known by the openid.
func TestTakenNumberOfALostLedger(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	old := p.Made(p.Client, "order1x7", "order1", 1999)
	p.Pay(old.ID)
	p.Taken(l, "order1", "order1x7")
	reconciletest.Rounds(t, r)
	if c := p.Attempts(l, "order1")[0]; !c.Paid || c.ID != old.ID || c.Payer == "" {
		t.Errorf("%+v", c)
	}
}

// Of a number that another order has, nobody's payment is this order's.
func TestTakenNumberOfAnotherOrder(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	p.Pay(p.Made(p.Client, "order1x7", "order1x", 1999).ID)
	p.Taken(l, "order1", "order1x7")
	reconciletest.Rounds(t, r)
	if c := p.Attempts(l, "order1")[0]; c.State != ledger.Refused || c.Paid || c.ID != "" {
		t.Errorf("%+v", c)
	}
	if all := p.Attempts(l, "order1x"); len(all) != 0 {
		t.Errorf("what nobody asked for: %+v", all)
	}
}

// What Ping++ does not list keeps the order closed, and is a person's matter after a day.
func TestTakenNumberThatNobodyKnows(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	core, logs := observer.New(zapcore.ErrorLevel)
	var failed, absent, others atomic.Int64
	r := p.Reconciler(l, zap.New(core), reconciletest.Observe(func(result string) {
		switch result {
		case "error":
			failed.Add(1)
		case "absent":
			absent.Add(1)
		default:
			others.Add(1)
		}
	}))
	p.Elsewhere("order1", 1500) // begun, not paid
	p.Taken(l, "order1", "order1")
	p.Fault("list_charges", "502", 3)
	reconciletest.Rounds(t, r)
	if c := p.Attempts(l, "order1")[0]; c.State != ledger.Taken || c.NextQuery.IsZero() {
		t.Fatalf("while Ping++ cannot say: %+v", c)
	}
	for range 30 {
		p.After(time.Hour)
		reconciletest.Rounds(t, r)
	}
	if c := p.Attempts(l, "order1")[0]; c.State != ledger.Taken || !c.NextQuery.IsZero() || c.Paid {
		t.Errorf("%+v", c)
	}
	if n := logs.FilterMessageSnippet("nobody is charged for it again").Len(); n != 1 {
		t.Errorf("%d lines say so", n)
	}
	if failed.Load() != 1 || absent.Load() == 0 || others.Load() != 0 {
		t.Errorf("observed %d errors, %d times that it is absent, and %d others", failed.Load(), absent.Load(), others.Load())
	}
}

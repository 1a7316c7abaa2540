package relay

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

// elsewhere makes a charge as the shop's older code does, without our metadata.
func (p *provider) elsewhere(number string, amount int64) *pingpp.Charge {
	p.t.Helper()
	ch, err := p.client.CreateCharge(context.Background(), &pingpp.ChargeParams{
		OrderNo: number, Channel: "wx_pub", Amount: amount, Currency: "cny", ClientIP: "192.0.2.1", Subject: "s", Body: "b", Extra: map[string]any{"open_id": "oElsewhere"},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return ch
}

// taken begins an attempt whose number the channel calls paid.
func (p *provider) taken(l ledger.Ledger, orderNo, number string) {
	p.t.Helper()
	now := p.clock.Now()
	held, err := l.Reserve(context.Background(), ledger.Reservation{Scope: p.scope, OrderNo: orderNo, Now: now, Until: now.Add(5 * time.Second),
		Channel: "wx_lite", Payer: "oAAAAAAAAAAAAAAAAAAAAAAAAAA1", PayerAppID: "wx1", Host: "pay.example.com", Number: func(int, int) string { return number }})
	if err == nil {
		err = l.Release(context.Background(), ledger.Release{Scope: p.scope, Number: held.Number, As: ledger.Taken})
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// A payment of an order that the ledger does not have is found by the order, whatever its number; one that it has is nobody's news.
func TestFindPayment(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	find := func(orderNo string, want bool) {
		t.Helper()
		if found, err := r.FindPayment(context.Background(), l, orderNo); err != nil || found != want {
			t.Errorf("%s: found %t, %v", orderNo, found, err)
		}
	}
	p.pay(p.made(p.client, "order1x", "order1", 100).ID)
	p.made(p.client, "order2x", "order2", 100)
	p.paidEverywhere(r, l, p.charge(l, "order3", 100).ID)
	missed := p.charge(l, "order4", 100).ID
	p.pay(missed)
	for range 110 {
		p.pay(p.made(p.client, rand.Text()[:12], "many", 1).ID)
	}
	find("order1", true)
	p.wantRecorded(l, "unseen", "order1", "charge.succeeded pending")
	for orderNo, want := range map[string]bool{"order1": false, "order2": false, "order3": false, "order4": true, "order5": false} {
		find(orderNo, want)
	}
	if !p.known(l, missed).Paid {
		t.Error("the payment of a charge that the ledger has is not recorded")
	}
	p.after(paidSince + time.Second)
	p.pay(p.made(p.client, "order5x", "order5", 100).ID)
	find("order5", true)
}

// A payment that was made before this ledger was there is found behind as many others as there are, recorded, and delivered.
func TestTakenNumberIsFound(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	old := p.elsewhere("order1", 1500)
	p.pay(old.ID)
	for i := range 130 {
		p.pay(p.elsewhere("many"+string(rune('a'+i%26))+string(rune('a'+i/26)), 1).ID)
	}
	p.after(40 * 24 * time.Hour)
	p.taken(l, "order1", "order1")
	rounds(t, r)
	c := p.attempts(l, "order1")[0]
	if c.State != ledger.Open || !c.Paid || c.ID != old.ID || c.Amount != 1500 || c.Channel != "wx_pub" || c.Payer != "" || c.Held {
		t.Errorf("%+v", c)
	}
	if e := p.event(l, queryID(old.ID)); e == nil || e.State != ledger.Pending || e.OrderNo != "order1" || e.Host != "pay.example.com" {
		t.Errorf("its payment: %+v", e)
	}
}

// A charge of ours, of a ledger that was lost: its payer is known by the openid.
func TestTakenNumberOfALostLedger(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	old := p.made(p.client, "order1x7", "order1", 1999)
	p.pay(old.ID)
	p.taken(l, "order1", "order1x7")
	rounds(t, r)
	if c := p.attempts(l, "order1")[0]; !c.Paid || c.ID != old.ID || c.Payer == "" {
		t.Errorf("%+v", c)
	}
}

// Of a number that another order has, nobody's payment is this order's.
func TestTakenNumberOfAnotherOrder(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	p.pay(p.made(p.client, "order1x7", "order1x", 1999).ID)
	p.taken(l, "order1", "order1x7")
	rounds(t, r)
	if c := p.attempts(l, "order1")[0]; c.State != ledger.Refused || c.Paid || c.ID != "" {
		t.Errorf("%+v", c)
	}
	if all := p.attempts(l, "order1x"); len(all) != 0 {
		t.Errorf("what nobody asked for: %+v", all)
	}
}

// What Ping++ does not list keeps the order closed, and is a person's matter after a day.
func TestTakenNumberThatNobodyKnows(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	core, logs := observer.New(zapcore.ErrorLevel)
	r := p.reconciler(l, zap.New(core))
	p.elsewhere("order1", 1500) // begun, not paid
	p.taken(l, "order1", "order1")
	p.fault("list_charges", "502", 3)
	rounds(t, r)
	if c := p.attempts(l, "order1")[0]; c.State != ledger.Taken || c.NextQuery.IsZero() {
		t.Fatalf("while Ping++ cannot say: %+v", c)
	}
	for range 30 {
		p.after(time.Hour)
		rounds(t, r)
	}
	if c := p.attempts(l, "order1")[0]; c.State != ledger.Taken || !c.NextQuery.IsZero() || c.Paid {
		t.Errorf("%+v", c)
	}
	if n := logs.FilterMessageSnippet("nobody is charged for it again").Len(); n != 1 {
		t.Errorf("%d lines say so", n)
	}
}

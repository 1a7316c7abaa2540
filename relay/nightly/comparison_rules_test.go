package nightly_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/relay/nightly"
	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// The ledger knows of more money that went back than Ping++ does: a difference that a person has to look at.
func TestSweepFindsRefundsThatPingppHasNot(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	id := p.Charge(l, "order1", 100).ID
	p.PaidEverywhere(r, l, id)
	ev, err := pingpp.ParseEvent(fmt.Appendf(nil, `{"id":"evt_forged","object":"event","created":%d,"livemode":false,"type":"refund.succeeded","data":{"object":`+
		`{"id":"re_forged","object":"refund","order_no":"r1","amount":30,"created":%[1]d,"succeed":true,"status":"succeeded","time_succeed":%[1]d,"description":"d",`+
		`"failure_code":null,"failure_msg":null,"metadata":{},"charge":%q,"charge_order_no":%q,"transaction_no":null,"funding_source":null}}}`,
		p.Clock.Now().Unix(), id, p.Known(l, id).Number))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Learner.Intake.Accept(t.Context(), intake.Arrival{Event: ev, Charge: p.Known(l, id), Source: ledger.Webhook}); err != nil {
		t.Fatal(err)
	}
	if s := p.Sweep(r, p.Clock.Now()); !slices.Equal(items(s.Differ), []string{"order1 100 true refunded 30 here, 0 at Ping++"}) || s.Clean() {
		t.Errorf("%+v", s)
	}
}

// A payment that was made beside us is only at Ping++, although the ledger has recorded it; also where a day is so large that each of its charges is
// looked for by itself.
func TestSweepOfForeignPayments(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	for i := range 3 {
		p.After(time.Second)
		p.Charge(l, fmt.Sprint("order", i), 100)
	}
	p.After(time.Second)
	id := p.Made(p.Client, "elsewhere1", "", 300).ID
	p.Pay(id)
	if err := r.Charges.Recover(t.Context(), id, nil); err != nil {
		t.Fatal(err)
	}
	if c := p.Known(l, id); c.State != ledger.Foreign {
		t.Fatalf("%+v", c)
	}
	for _, most := range []int{nightly.SweepMost, 1} {
		r.Days.AtMost(most)
		if s := p.Sweep(r, p.Clock.Now()); !slices.Equal(items(s.OnlyThere), []string{"elsewhere1 300 true "}) || s.Cut != (most == 1) || s.Recovered+len(s.Differ) != 0 {
			t.Errorf("at most %d: %+v", most, s)
		}
	}
}

// Another process has taken the comparison of a day over, since this one stood still for longer than its lease: this one stops in the middle.
func TestSweepThatIsTakenOverStops(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	p.Clock.Set(inNovember(20, 9, 0))
	p.Charge(l, "order1", 100)
	p.Clock.Set(inNovember(21, 9, 0))
	n := p.Reconciler(l, zap.NewNop()).Nights
	n.RenewEvery(time.Millisecond)
	stopped := make(chan bool, 1)
	takes := func(req *http.Request) {
		p.After(nightly.SweepLease)
		now := p.Clock.Now()
		from, granted, err := l.ClaimSweep(t.Context(), ledger.SweepClaim{Scope: p.Scope, Owner: "another", To: nightly.Due(n, now), Now: now, Until: now.Add(nightly.SweepLease)})
		if err != nil || !granted {
			t.Errorf("not taken over: %s, %v", from, err)
		}
		select {
		case <-req.Context().Done():
			stopped <- true
		case <-time.After(time.Minute):
			stopped <- false
		}
	}
	p.Before.Store(&takes)
	_, err := nightly.CatchUp(n, t.Context())
	p.Before.Store(nil)
	if !<-stopped || !errors.Is(err, nightly.ErrSweepTaken) {
		t.Errorf("it goes on: %v", err)
	}
	now := p.Clock.Now()
	from, granted, err := l.ClaimSweep(t.Context(), ledger.SweepClaim{Scope: p.Scope, Owner: "another", To: nightly.Due(n, now), Now: now, Until: now.Add(nightly.SweepLease)})
	if err != nil || !granted || !from.Before(nightly.Due(n, now)) {
		t.Errorf("the other has the day no longer: %s, %t, %v", from, granted, err)
	}
}

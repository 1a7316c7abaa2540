package relay

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
)

// The ledger knows of more money that went back than Ping++ does: a difference that a person has to look at.
func TestSweepFindsRefundsThatPingppHasNot(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	id := p.charge(l, "order1", 100).ID
	p.paidEverywhere(r, l, id)
	ev, err := pingpp.ParseEvent(fmt.Appendf(nil, `{"id":"evt_forged","object":"event","created":%d,"livemode":false,"type":"refund.succeeded","data":{"object":`+
		`{"id":"re_forged","object":"refund","order_no":"r1","amount":30,"created":%[1]d,"succeed":true,"status":"succeeded","time_succeed":%[1]d,"description":"d",`+
		`"failure_code":null,"failure_msg":null,"metadata":{},"charge":%q,"charge_order_no":%q,"transaction_no":null,"funding_source":null}}}`,
		p.clock.Now().Unix(), id, p.known(l, id).Number))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.cfg.Intake.Accept(t.Context(), Arrival{Event: ev, Charge: p.known(l, id), Source: ledger.Webhook}); err != nil {
		t.Fatal(err)
	}
	if s := p.sweep(r, p.clock.Now()); !slices.Equal(items(s.Differ), []string{"order1 100 true refunded 30 here, 0 at Ping++"}) || s.Clean() {
		t.Errorf("%+v", s)
	}
}

// A payment that was made beside us is only at Ping++, although the ledger has recorded it; also where a day is so large that each of its charges is
// looked for by itself.
func TestSweepOfForeignPayments(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	for i := range 3 {
		p.after(time.Second)
		p.charge(l, fmt.Sprint("order", i), 100)
	}
	p.after(time.Second)
	id := p.made(p.client, "elsewhere1", "", 300).ID
	p.pay(id)
	if err := r.Recover(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if c := p.known(l, id); c.State != ledger.Foreign {
		t.Fatalf("%+v", c)
	}
	for _, most := range []int{sweepMost, 1} {
		r.sweepMost = most
		if s := p.sweep(r, p.clock.Now()); !slices.Equal(items(s.OnlyThere), []string{"elsewhere1 300 true "}) || s.Cut != (most == 1) || s.Recovered+len(s.Differ) != 0 {
			t.Errorf("at most %d: %+v", most, s)
		}
	}
}

// Another process has taken the comparison of a day over, since this one stood still for longer than its lease: this one stops in the middle.
func TestSweepThatIsTakenOverStops(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	p.clock.Set(inNovember(20, 9, 0))
	p.charge(l, "order1", 100)
	p.clock.Set(inNovember(21, 9, 0))
	n := p.nightlyOf(l, zap.NewNop())
	n.sweepRenew = time.Millisecond
	stopped := make(chan bool, 1)
	takes := func(req *http.Request) {
		p.after(sweepLease)
		now := p.clock.Now()
		from, granted, err := l.ClaimSweep(t.Context(), ledger.SweepClaim{Scope: p.scope, Owner: "another", To: n.due(now), Now: now, Until: now.Add(sweepLease)})
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
	p.before.Store(&takes)
	_, err := n.catchUp(t.Context())
	p.before.Store(nil)
	if !<-stopped || !errors.Is(err, errSweepTaken) {
		t.Errorf("it goes on: %v", err)
	}
	now := p.clock.Now()
	from, granted, err := l.ClaimSweep(t.Context(), ledger.SweepClaim{Scope: p.scope, Owner: "another", To: n.due(now), Now: now, Until: now.Add(sweepLease)})
	if err != nil || !granted || !from.Before(n.due(now)) {
		t.Errorf("the other has the day no longer: %s, %t, %v", from, granted, err)
	}
}

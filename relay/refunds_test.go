package relay

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

// paidCharge is a charge of an order that is paid, and whose payment is recorded.
func (p *provider) paidCharge(l ledger.Ledger, r *Reconciler, orderNo string) string {
	p.t.Helper()
	id := p.charge(l, orderNo, 1000).ID
	p.pay(id)
	if err := r.Recover(context.Background(), id); err != nil {
		p.t.Fatal(err)
	}
	return id
}

// asks reserves a refund and carries it out, as the site does.
func (p *provider) asks(l ledger.Ledger, r *Reconciler, chargeID, orderNo, no string, amount int64) *ledger.Refund {
	p.t.Helper()
	ctx, now := context.Background(), p.clock.Now()
	re, fresh, err := l.ReserveRefund(ctx, ledger.RefundReservation{Scope: p.scope, RefundNo: no, ChargeID: chargeID, OrderNo: orderNo, Amount: amount,
		Description: "d", Paid: 1000, Owner: "site " + no, Now: now, Until: now.Add(RefundLease)})
	if err == nil {
		err = r.MakeRefund(ctx, l, re, ledger.RefundLease{Scope: p.scope, RefundNo: no, Owner: "site " + no}, fresh)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return p.refund(l, no)
}

func (p *provider) refund(l ledger.Ledger, no string) *ledger.Refund {
	p.t.Helper()
	re, err := l.Refund(context.Background(), p.scope, no)
	if err != nil {
		p.t.Fatal(err)
	}
	return re
}

func (p *provider) settle(refundID, how string) {
	p.t.Helper()
	rec := httptest.NewRecorder()
	p.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/sandbox/refunds/"+refundID+"/"+how, nil))
	if rec.Code != http.StatusOK {
		p.t.Fatalf("%d %s", rec.Code, rec.Body)
	}
}

// refundRounds lets a reconciler look up every refund that is due.
func refundRounds(t *testing.T, r *Reconciler) {
	t.Helper()
	for {
		n, err := r.refundRound(t.Context(), fmt.Sprint(r.cfg.Owner, " ", serial.Add(1)))
		if err != nil {
			t.Fatal(err)
		}
		if n < queryBatch {
			return
		}
	}
}

// No webhook comes: pending refunds are followed, and end as events in their charge's lane, those that fail too.
func TestRefundsAreFollowed(t *testing.T) {
	p, l, b := newProvider(t), newLedger(t), newBackend(t, answerOK)
	r := p.reconciler(l, zap.NewNop())
	var results sync.Map
	r.cfg.Observe = func(result string) {
		n, _ := results.LoadOrStore(result, new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
	}
	id := p.paidCharge(l, r, "order1")
	p.fault("refund", "stuck", 3)
	good, bad := p.asks(l, r, id, "order1", "R1", 300), p.asks(l, r, id, "order1", "R2", 300)
	p.asks(l, r, id, "order1", "R3", 400)
	if good.State != ledger.RefundPending || good.ID == "" || !good.NextQuery.Equal(p.clock.Now().Add(refundAfter)) {
		t.Fatalf("%+v", good)
	}
	refundRounds(t, r)
	if n := p.State(0).Calls["get_refund"]; n != 0 {
		t.Errorf("asked %d times before its time", n)
	}
	p.settle(good.ID, "succeed")
	p.settle(bad.ID, "fail")
	p.after(refundAfter)
	refundRounds(t, r)
	good, bad = p.refund(l, "R1"), p.refund(l, "R2")
	stuck := p.refund(l, "R3")
	if good.State != ledger.RefundSucceeded || good.TimeSucceeded.IsZero() || bad.State != ledger.RefundFailed || bad.FailureCode != "refund_refused_msg" ||
		stuck.State != ledger.RefundPending || !stuck.NextQuery.After(p.clock.Now()) {
		t.Fatalf("%+v\n%+v\n%+v", good, bad, stuck)
	}
	if c := p.known(l, id); c.AmountRefunded != 300 {
		t.Errorf("%d fen are back", c.AmountRefunded)
	}
	for result, want := range map[string]int64{"refund_succeeded": 1, "refund_failed": 1, "refund_pending": 1} {
		if n, ok := results.Load(result); !ok || n.(*atomic.Int64).Load() != want {
			t.Errorf("observed as %s: %v, want %d", result, n, want)
		}
	}
	// The webhook comes after all: nothing happens twice.
	e, err := pingpp.ParseEvent([]byte(p.State(1).Events[0].Body))
	if err != nil || e.Type != "refund.succeeded" {
		t.Fatal(e, err)
	}
	if did, err := r.cfg.Intake.Accept(t.Context(), Arrival{Event: e, Source: ledger.Webhook}); err != nil || did != ledger.SameEffect {
		t.Errorf("%s, %v", did, err)
	}
	cfg := config(t, l, b)
	cfg.Scope, cfg.Now = p.scope, p.clock.Now
	start(t, cfg)
	waitFor(t, "all events to be delivered", func() bool { return len(b.requests()) >= 3 })
	for i, req := range b.requests() {
		h := req.Header
		ev, err := pingpp.ParseEvent(req.body)
		if err != nil || ev.Type != h.Get("X-Pay-Event") || h.Get("X-Pay-Order-No") != "order1" || h.Get("X-Pay-Charge") != id || h.Get("X-Pay-Source") != "query" {
			t.Errorf("%v, %v\n%s", h, err, req.body)
		}
		if (i == 0) != (ev.Type == "charge.succeeded") {
			t.Errorf("%s is delivered at place %d", ev.Type, i)
		}
	}
	// The one that is stuck is asked for at growing gaps, and given up after two months.
	for range 400 {
		if p.refund(l, "R3").NextQuery.IsZero() {
			break
		}
		p.after(6 * time.Hour)
		refundRounds(t, r)
	}
	if re := p.refund(l, "R3"); !re.NextQuery.IsZero() || re.State != ledger.RefundPending || p.clock.Now().Sub(re.Created) < refundsUntil {
		t.Errorf("%+v at %s", re, p.clock.Now())
	}
}

// The answer was lost: the refund is looked for, and asked for again only when it has had the time to arrive.
func TestRefundsWhoseOutcomeIsUnknown(t *testing.T) {
	for _, fault := range []string{"drop", "502"} { // it was made, or was not
		p, l := newProvider(t), newLedger(t)
		r, other := p.reconciler(l, zap.NewNop()), p.reconciler(l, zap.NewNop())
		id := p.paidCharge(l, r, "order1")
		p.fault("create_refund", fault, 1)
		p.fault("refund", "stuck", 1)
		re := p.asks(l, r, id, "order1", "R1", 0)
		if re.State != ledger.RefundAsked || re.ID != "" || re.NextQuery.IsZero() {
			t.Fatalf("%s: %+v", fault, re)
		}
		for range 20 {
			var both sync.WaitGroup
			for _, r := range []*Reconciler{r, other} {
				both.Go(func() { refundRounds(t, r) })
			}
			both.Wait()
			if asked := p.State(0).Calls["create_refund"]; asked > 1 && p.clock.Now().Sub(re.Created) < refundQuiet {
				t.Fatalf("%s: asked for again after %s", fault, p.clock.Now().Sub(re.Created))
			}
			p.after(10 * time.Second)
		}
		list, err := p.client.ListRefunds(t.Context(), id, pingpp.ListRefundsParams{})
		if got := p.refund(l, "R1"); err != nil || len(list.Data) != 1 || list.Data[0].ID != got.ID || got.State != ledger.RefundPending {
			t.Errorf("%s: Ping++ has %d refunds, we know %+v", fault, len(list.Data), got)
		}
		if asked, want := p.State(0).Calls["create_refund"], map[string]int{"drop": 1, "502": 2}[fault]; asked != want {
			t.Errorf("%s: asked for %d times, want %d", fault, asked, want)
		}
	}
}

// What was promised is refused in the end: the merchant hears of it.
func TestRefundThatIsRefusedLater(t *testing.T) {
	for name, later := range map[string]func(p *provider){
		"by the channel": func(p *provider) { p.fault("create_refund", "402", 1) },
		"by Ping++, since some went back in its dashboard": func(p *provider) {
			p.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/sandbox/refunds", strings.NewReader(`{"charge":"`+p.lastCharge()+`","amount":1,"status":"succeeded"}`)))
		},
		"by nobody, who cannot be reached": func(p *provider) { p.fault("create_refund", "500", 1000) },
	} {
		p, l := newProvider(t), newLedger(t)
		r := p.reconciler(l, zap.NewNop())
		id := p.paidCharge(l, r, "order1")
		p.fault("create_refund", "502", 1)
		p.asks(l, r, id, "order1", "R1", 0)
		later(p)
		for range 100 {
			p.after(20 * time.Minute)
			refundRounds(t, r)
		}
		re := p.refund(l, "R1")
		if re.State != ledger.RefundFailed || re.ID != "" || re.FailureCode == "" {
			t.Errorf("%s: %+v", name, re)
		}
		e := p.event(l, "evt_q_"+id+"_R1_refund_failed")
		if e == nil || e.Type != "refund.failed" || e.Lane != "order1" || e.State != ledger.Pending || e.ChargeID != id {
			t.Errorf("%s: %+v", name, e)
			continue
		}
		if !strings.Contains(string(e.Body), `"pay_refund_no":"R1"`) || !strings.Contains(string(e.Body), `"failure_code":"`+re.FailureCode+`"`) {
			t.Errorf("%s: %s", name, e.Body)
		}
	}
}

func (p *provider) lastCharge() string {
	list, err := p.client.ListCharges(context.Background(), pingpp.ListParams{Limit: 1})
	if err != nil || len(list.Data) == 0 {
		p.t.Fatal(list, err)
	}
	return list.Data[0].ID
}

// A process that stood still for longer than its lease asks for nothing.
func TestRefundOfALostLease(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	id := p.paidCharge(l, r, "order1")
	now := p.clock.Now()
	reservation := ledger.RefundReservation{Scope: p.scope, RefundNo: "R1", ChargeID: id, OrderNo: "order1", Description: "d", Paid: 1000,
		Owner: "slow", Now: now, Until: now.Add(RefundLease)}
	re, fresh, err := l.ReserveRefund(t.Context(), reservation)
	if err != nil || !fresh {
		t.Fatal(fresh, err)
	}
	p.after(2 * RefundLease)
	refundRounds(t, r) // somebody else carries it out
	if err := r.MakeRefund(t.Context(), l, re, ledger.RefundLease{Scope: p.scope, RefundNo: "R1", Owner: "slow"}, true); err == nil {
		t.Error("the slow process thinks that it made the refund")
	}
	list, err := p.client.ListRefunds(t.Context(), id, pingpp.ListRefundsParams{})
	if err != nil || len(list.Data) != 1 || p.State(0).Calls["create_refund"] != 1 {
		t.Errorf("%+v, %v", list, err)
	}
}

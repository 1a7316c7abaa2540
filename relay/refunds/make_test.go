package refunds_test

import (
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
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/relay/reconcile"
	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/refunds"
	"github.com/caddypay/caddypay/relay/relaytest"
	"github.com/caddypay/caddypay/relay/relaytest/delivery"
)

// No webhook comes: pending refunds are followed, and end as events in their charge's lane, those that fail too.
func TestRefundsAreFollowed(t *testing.T) {
	p, l, b := reconciletest.NewProvider(t), relaytest.NewLedger(t), relaytest.NewBackend(t, relaytest.AnswerOK)
	var results sync.Map
	r := p.Reconciler(l, zap.NewNop(), reconciletest.Observe(func(result string) {
		n, _ := results.LoadOrStore(result, new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
	}))
	id := p.PaidCharge(l, r, "order1")
	p.Fault("refund", "stuck", 3)
	good, bad := p.Asks(l, r, id, "order1", "R1", 300), p.Asks(l, r, id, "order1", "R2", 300)
	p.Asks(l, r, id, "order1", "R3", 400)
	if good.State != ledger.RefundPending || good.ID == "" || !good.NextQuery.Equal(p.Clock.Now().Add(refunds.RefundAfter)) {
		t.Fatalf("%+v", good)
	}
	reconciletest.RefundRounds(t, r)
	if n := p.State(0).Calls["get_refund"]; n != 0 {
		t.Errorf("asked %d times before its time", n)
	}
	p.Settle(good.ID, "succeed")
	p.Settle(bad.ID, "fail")
	p.After(refunds.RefundAfter)
	reconciletest.RefundRounds(t, r)
	good, bad = p.Refund(l, "R1"), p.Refund(l, "R2")
	stuck := p.Refund(l, "R3")
	if good.State != ledger.RefundSucceeded || good.TimeSucceeded.IsZero() || bad.State != ledger.RefundFailed || bad.FailureCode != "refund_refused_msg" ||
		stuck.State != ledger.RefundPending || !stuck.NextQuery.After(p.Clock.Now()) {
		t.Fatalf("%+v\n%+v\n%+v", good, bad, stuck)
	}
	if c := p.Known(l, id); c.AmountRefunded != 300 {
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
	if did, err := r.Learner.Intake.Accept(t.Context(), intake.Arrival{Event: e, Source: ledger.Webhook}); err != nil || did != ledger.SameEffect {
		t.Errorf("%s, %v", did, err)
	}
	cfg := delivery.Config(t, l, b)
	cfg.Scope, cfg.Now = p.Scope, p.Clock.Now
	delivery.Start(t, cfg)
	relaytest.WaitFor(t, "all events to be delivered", func() bool { return len(b.Requests()) >= 3 })
	for i, req := range b.Requests() {
		h := req.Header
		ev, err := pingpp.ParseEvent(req.Body)
		if err != nil || ev.Type != h.Get("X-Pay-Event") || h.Get("X-Pay-Order-No") != "order1" || h.Get("X-Pay-Charge") != id || h.Get("X-Pay-Source") != "query" {
			t.Errorf("%v, %v\n%s", h, err, req.Body)
		}
		if (i == 0) != (ev.Type == "charge.succeeded") {
			t.Errorf("%s is delivered at place %d", ev.Type, i)
		}
	}
	// The one that is stuck is asked for at growing gaps, and given up after two months.
	for range 400 {
		if p.Refund(l, "R3").NextQuery.IsZero() {
			break
		}
		p.After(6 * time.Hour)
		reconciletest.RefundRounds(t, r)
	}
	if re := p.Refund(l, "R3"); !re.NextQuery.IsZero() || re.State != ledger.RefundPending || p.Clock.Now().Sub(re.Created) < refunds.RefundsUntil {
		t.Errorf("%+v at %s", re, p.Clock.Now())
	}
}

// The answer was lost: the refund is looked for, and asked for again only when it has had the time to arrive.
func TestRefundsWhoseOutcomeIsUnknown(t *testing.T) {
	for _, fault := range []string{"drop", "502"} { // it was made, or was not
		p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
		r, other := p.Reconciler(l, zap.NewNop()), p.Reconciler(l, zap.NewNop())
		id := p.PaidCharge(l, r, "order1")
		p.Fault("create_refund", fault, 1)
		p.Fault("refund", "stuck", 1)
		re := p.Asks(l, r, id, "order1", "R1", 0)
		if re.State != ledger.RefundAsked || re.ID != "" || re.NextQuery.IsZero() {
			t.Fatalf("%s: %+v", fault, re)
		}
		for range 20 {
			var both sync.WaitGroup
			for _, r := range []*reconcile.Reconciler{r, other} {
				both.Go(func() { reconciletest.RefundRounds(t, r) })
			}
			both.Wait()
			if asked := p.State(0).Calls["create_refund"]; asked > 1 && p.Clock.Now().Sub(re.Created) < refunds.RefundQuiet {
				t.Fatalf("%s: asked for again after %s", fault, p.Clock.Now().Sub(re.Created))
			}
			p.After(10 * time.Second)
		}
		list, err := p.Client.ListRefunds(t.Context(), id, pingpp.ListRefundsParams{})
		if got := p.Refund(l, "R1"); err != nil || len(list.Data) != 1 || list.Data[0].ID != got.ID || got.State != ledger.RefundPending {
			t.Errorf("%s: Ping++ has %d refunds, we know %+v", fault, len(list.Data), got)
		}
		if asked, want := p.State(0).Calls["create_refund"], map[string]int{"drop": 1, "502": 2}[fault]; asked != want {
			t.Errorf("%s: asked for %d times, want %d", fault, asked, want)
		}
	}
}

// What was promised is refused in the end: the merchant hears of it.
func TestRefundThatIsRefusedLater(t *testing.T) {
	for name, later := range map[string]func(p *reconciletest.Provider){
		"by the channel": func(p *reconciletest.Provider) { p.Fault("create_refund", "402", 1) },
		"by Ping++, since some went back in its dashboard": func(p *reconciletest.Provider) {
			p.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/sandbox/refunds", strings.NewReader(`{"charge":"`+p.LastCharge()+`","amount":1,"status":"succeeded"}`)))
		},
		"by nobody, who cannot be reached": func(p *reconciletest.Provider) { p.Fault("create_refund", "500", 1000) },
	} {
		p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
		r := p.Reconciler(l, zap.NewNop())
		id := p.PaidCharge(l, r, "order1")
		p.Fault("create_refund", "502", 1)
		p.Asks(l, r, id, "order1", "R1", 0)
		later(p)
		for range 100 {
			p.After(20 * time.Minute)
			reconciletest.RefundRounds(t, r)
		}
		re := p.Refund(l, "R1")
		if re.State != ledger.RefundFailed || re.ID != "" || re.FailureCode == "" {
			t.Errorf("%s: %+v", name, re)
		}
		e := p.Event(l, "evt_q_"+id+"_R1_refund_failed")
		if e == nil || e.Type != "refund.failed" || e.Lane != "order1" || e.State != ledger.Pending || e.ChargeID != id {
			t.Errorf("%s: %+v", name, e)
			continue
		}
		if !strings.Contains(string(e.Body), `"pay_refund_no":"R1"`) || !strings.Contains(string(e.Body), `"failure_code":"`+re.FailureCode+`"`) {
			t.Errorf("%s: %s", name, e.Body)
		}
	}
}

// A process that stood still for longer than its lease asks for nothing.
func TestRefundOfALostLease(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	id := p.PaidCharge(l, r, "order1")
	now := p.Clock.Now()
	reservation := ledger.RefundReservation{Scope: p.Scope, RefundNo: "R1", ChargeID: id, OrderNo: "order1", Description: "d", Paid: 1000,
		Owner: "slow", Now: now, Until: now.Add(refunds.Lease)}
	re, fresh, err := l.ReserveRefund(t.Context(), reservation)
	if err != nil || !fresh {
		t.Fatal(fresh, err)
	}
	p.After(2 * refunds.Lease)
	reconciletest.RefundRounds(t, r) // somebody else carries it out
	if err := r.Refunds.Make(t.Context(), l, re, ledger.RefundLease{Scope: p.Scope, RefundNo: "R1", Owner: "slow"}, true); err == nil {
		t.Error("the slow process thinks that it made the refund")
	}
	list, err := p.Client.ListRefunds(t.Context(), id, pingpp.ListRefundsParams{})
	if err != nil || len(list.Data) != 1 || p.State(0).Calls["create_refund"] != 1 {
		t.Errorf("%+v, %v", list, err)
	}
}

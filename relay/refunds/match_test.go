package refunds_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/relay/reconcile"
	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/refunds"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// Ping++ forgets what identifies a refund: its answer is the refund all the same, and without an answer it is found among the charge's refunds. It is
// asked for once.
func TestRefundsThatPingppForgets(t *testing.T) {
	for _, loss := range []string{"no_metadata", "no_description", "no_texts"} {
		for _, through := range []string{"charge", "order"} {
			for _, answer := range []string{"whole", "lost", "lost, and the event came"} {
				t.Run(strings.Join([]string{loss, through, answer}, "/"), func(t *testing.T) {
					p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
					r := p.Reconciler(l, zap.NewNop())
					id, op := "", "create_refund"
					if through == "order" {
						id, _ = p.PaidThroughOrder(r, "A2026112301")
						op = "refund_order"
					} else {
						id = p.PaidCharge(l, r, "A2026112301")
					}
					p.Fault("refund", loss, 1)
					p.Fault("refund", "stuck", 1)
					if answer != "whole" {
						p.Fault(op, "drop", 1)
					}
					re := p.Asks(l, r, id, "A2026112301", "R1", 300)
					made := p.AtPingpp(id)
					if len(made) != 1 {
						t.Fatalf("Ping++ has %d refunds", len(made))
					}
					if answer == "whole" && (re.State != ledger.RefundPending || re.ID != made[0].ID) {
						t.Errorf("after the answer: %+v", re)
					}
					if answer == "lost, and the event came" {
						p.Settle(made[0].ID, "succeed")
						e, err := pingpp.ParseEvent([]byte(p.RefundEvent()))
						if err == nil {
							_, err = r.Learner.Intake.Accept(t.Context(), intake.Arrival{Event: e, Source: ledger.Webhook})
						}
						if err != nil {
							t.Fatal(err)
						}
					}
					p.Follow(r, 20*time.Second, 20)
					if n := p.State(0).Calls[op]; n != 1 {
						t.Errorf("asked for %d times", n)
					}
					if answer != "lost, and the event came" {
						p.Settle(made[0].ID, "succeed")
						p.Follow(r, time.Hour, 1)
					}
					re = p.Refund(l, "R1")
					if re.State != ledger.RefundSucceeded || re.ID != made[0].ID || re.Unclear != "" {
						t.Errorf("in the end: %+v", re)
					}
					all, err := l.RefundsOfCharge(t.Context(), p.Scope, id)
					if err != nil || len(all) != 1 {
						t.Errorf("recorded are %+v, %v", all, err)
					}
					if got := p.Left(l, id, "A2026112301"); got != 700 {
						t.Errorf("%d fen are left", got)
					}
				})
			}
		}
	}
}

// patient is a reconciler that notes which refunds begin to wait for a person.
func patient(p *reconciletest.Provider, l ledger.Ledger) (r *reconcile.Reconciler, waiting *[]string, lines *observer.ObservedLogs) {
	core, lines := observer.New(zap.ErrorLevel)
	waiting = new([]string)
	r = p.Reconciler(l, zap.New(core), func(c *reconcile.Config) {
		c.Unclear = func(why string) { *waiting = append(*waiting, why) }
	})
	return r, waiting, lines
}

// Ping++ never answers, and has nothing: it is asked once more, and then a person has to look. Who refunds by hand need not tell us.
func TestRefundIsRepeatedOnce(t *testing.T) {
	for _, byHand := range []bool{true, false} {
		p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
		r, waiting, lines := patient(p, l)
		id := p.PaidCharge(l, r, "order1")
		p.Fault("create_refund", "500", 1000)
		p.Asks(l, r, id, "order1", "R1", 300)
		p.Follow(r, 10*time.Minute, 100)
		re := p.Refund(l, "R1")
		if n := p.State(0).Calls["create_refund"]; n != 2 || re.State != ledger.RefundAsked || re.Asks != 2 || re.Unclear != "unanswered" {
			t.Fatalf("asked for %d times, %+v", n, re)
		}
		if len(*waiting) != 1 || lines.FilterMessage("a refund waits for a person").Len() != 1 || lines.All()[0].ContextMap()["refund_no"] != "R1" {
			t.Errorf("waits as %q, lines %+v", *waiting, lines.All())
		}
		p.Asks(l, r, id, "order1", "R1", 300) // the merchant's asking again changes nothing
		if got := p.Left(l, id, "order1"); got != 700 || p.State(0).Calls["create_refund"] != 2 {
			t.Errorf("%d fen are left, asked for %d times", got, p.State(0).Calls["create_refund"])
		}
		want := ledger.RefundFailed
		if byHand {
			p.ByHand(id, 300, "by hand")
			want = ledger.RefundSucceeded
		}
		p.Follow(r, 6*time.Hour, 10)
		if re := p.Refund(l, "R1"); re.State != want || re.Unclear != "" || (re.FailureCode == "not_made") == byHand {
			t.Errorf("by hand %t: %+v", byHand, re)
		}
		if got, want := p.Left(l, id, "order1"), map[bool]int64{true: 700, false: 1000}[byHand]; got != want {
			t.Errorf("by hand %t: %d fen are left", byHand, got)
		}
	}
}

// A time that surely came to nothing is none: an outage of Ping++ leaves no refund to a person.
func TestRefundIsRepeatedAfterAnOutage(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r, waiting, _ := patient(p, l)
	id := p.PaidCharge(l, r, "order1")
	p.Fault("create_refund", "500", 1)
	p.Asks(l, r, id, "order1", "R1", 300)
	p.Fault("create_refund", "429", 3*5) // each call is tried three times
	p.Follow(r, 2*time.Minute, 20)
	if re := p.Refund(l, "R1"); re.State == ledger.RefundAsked || len(*waiting) != 0 || len(p.AtPingpp(id)) != 1 || re.Asks != 2 {
		t.Errorf("%+v, waiting %q", re, *waiting)
	}
}

// Which of several refunds is ours nobody can tell: nothing more goes back, its amount stays set aside, and a person is told once.
func TestRefundThatIsAmbiguous(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r, waiting, lines := patient(p, l)
	id := p.PaidCharge(l, r, "order1")
	p.Fault("create_refund", "500", 1)
	p.Asks(l, r, id, "order1", "R1", 300)
	p.ByHand(id, 300, "a")
	p.ByHand(id, 300, "b")
	p.Follow(r, 6*time.Hour, 400)
	re := p.Refund(l, "R1")
	if re.State != ledger.RefundAsked || re.Unclear != "ambiguous" || !re.NextQuery.IsZero() || p.State(0).Calls["create_refund"] != 1 {
		t.Errorf("asked for %d times, %+v", p.State(0).Calls["create_refund"], re)
	}
	if len(*waiting) != 1 || (*waiting)[0] != "ambiguous" || lines.FilterMessage("a refund waits for a person").Len() != 1 {
		t.Errorf("waits as %q, %d lines", *waiting, lines.Len())
	}
	if got := p.Left(l, id, "order1"); got != 700 {
		t.Errorf("%d fen are left", got)
	}
}

// It ends by itself once a refund at Ping++ names it, by whatever way that is heard of: its amount counts once from then on.
func TestAmbiguousRefundEnds(t *testing.T) {
	for _, way := range []string{"webhook", "comparison", "look-up"} {
		t.Run(way, func(t *testing.T) {
			p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
			r, _, _ := patient(p, l)
			day := p.Clock.Now()
			id := p.PaidCharge(l, r, "order1")
			p.Fault("create_refund", "500", 1)
			p.Asks(l, r, id, "order1", "R1", 300)
			p.ByHand(id, 300, "a")
			p.ByHand(id, 300, "b")
			p.Follow(r, time.Hour, 3)
			if re := p.Refund(l, "R1"); re.Unclear != "ambiguous" {
				t.Fatalf("%+v", re)
			}
			made, err := p.Client.CreateRefund(t.Context(), id, &pingpp.RefundParams{Amount: 300, Description: "d", Metadata: map[string]any{"pay_refund_no": "R1"}})
			if err != nil {
				t.Fatal(err)
			}
			p.Settle(made.ID, "succeed")
			switch way {
			case "webhook":
				e, err := pingpp.ParseEvent([]byte(p.RefundEvent()))
				if err == nil {
					_, err = r.Learner.Intake.Accept(t.Context(), intake.Arrival{Event: e, Source: ledger.Webhook})
				}
				if err != nil {
					t.Fatal(err)
				}
			case "comparison":
				p.Sweep(r, day)
			default:
				p.Follow(r, 6*time.Hour, 2)
			}
			if re := p.Refund(l, "R1"); re.State != ledger.RefundSucceeded || re.ID != made.ID || re.Unclear != "" {
				t.Errorf("%+v", re)
			}
			p.Sweep(r, day) // the two that were made by hand
			if got := p.Left(l, id, "order1"); got != 100 {
				t.Errorf("%d fen are left", got)
			}
		})
	}
}

// A refusal of the repetition may be due to the first time, which came to something after we had looked.
func TestRefundThatArrivesLate(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	id := p.PaidCharge(l, r, "order1")
	p.Fault("create_refund", "500", 1)
	p.Asks(l, r, id, "order1", "R1", 0)
	var arrived atomic.Bool
	before := func(req *http.Request) {
		if req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "/refunds") && strings.HasPrefix(req.URL.Path, "/v1/") && !arrived.Swap(true) {
			p.ByHand(id, 1000, "d")
		}
	}
	p.Before.Store(&before)
	p.Follow(r, time.Minute, 3)
	if re := p.Refund(l, "R1"); !arrived.Load() || re.State == ledger.RefundFailed || re.ID != p.AtPingpp(id)[0].ID {
		t.Errorf("arrived %t, %+v", arrived.Load(), re)
	}
}

// Two processes, or an answer that was meant for another: an id is one refund's.
func TestRefundAnswerOfAnother(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	id := p.PaidCharge(l, r, "order1")
	p.Fault("refund", "stuck", 2)
	first := p.Asks(l, r, id, "order1", "R1", 300)
	now := p.Clock.Now()
	re, _, err := l.ReserveRefund(t.Context(), ledger.RefundReservation{Scope: p.Scope, RefundNo: "R2", ChargeID: id, OrderNo: "order1", Amount: 300, Description: "d",
		Paid: 1000, Owner: "o", Now: now, Until: now.Add(refunds.Lease)})
	if err == nil {
		err = refunds.Record(r.Refunds, t.Context(), l, re, ledger.RefundLease{Scope: p.Scope, RefundNo: "R2", Owner: "o"}, &pingpp.Refund{ID: first.ID, ChargeID: id, Amount: 300})
	}
	if got := p.Refund(l, "R2"); err != nil || got.State != ledger.RefundAsked || got.ID != "" || got.NextQuery.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	p.Follow(r, 30*time.Second, 10)
	if got := p.Refund(l, "R2"); got.State != ledger.RefundPending || got.ID == first.ID || len(p.AtPingpp(id)) != 2 {
		t.Errorf("%+v", got)
	}
}

// Ping++ cannot say which order a charge belongs to: so nobody has asked for the refund, and its number is free.
func TestRefundWhoseOrderIsNotKnown(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r, waiting, _ := patient(p, l)
	id, _ := p.PaidThroughOrder(r, "A2026112301")
	now := p.Clock.Now()
	ask := func() error {
		re, fresh, err := l.ReserveRefund(t.Context(), ledger.RefundReservation{Scope: p.Scope, RefundNo: "R1", ChargeID: id, OrderNo: "A2026112301", Amount: 300,
			Description: "d", Paid: 1000, Owner: "o", Now: now, Until: now.Add(refunds.Lease)})
		if err != nil {
			return err
		}
		return r.Refunds.Make(t.Context(), l, re, ledger.RefundLease{Scope: p.Scope, RefundNo: "R1", Owner: "o"}, fresh)
	}
	p.Fault("list_orders", "500", 3)
	err := ask()
	if refused, ok := errors.AsType[*pingpp.Error](err); !ok || !refused.Unknown() {
		t.Errorf("%v", err)
	}
	if _, err := l.Refund(t.Context(), p.Scope, "R1"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("a refund that was never asked for is on record: %v", err)
	}
	// The same of one that may have been asked for already: no time is counted.
	p.Fault("create_refund", "500", 1)
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	p.Fault("list_orders", "500", 3*10)
	p.Follow(r, 5*time.Minute, 10)
	p.ClearFaults()
	p.Follow(r, time.Hour, 2)
	if re := p.Refund(l, "R1"); re.State == ledger.RefundAsked || re.Asks != 2 || len(*waiting) != 0 || len(p.AtPingpp(id)) != 1 {
		t.Errorf("%+v, waiting %q", re, *waiting)
	}
}

package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/asking"
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/relay/reconcile"
	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// Webhooks are away: a payment that is found by asking brings what was refunded since, whoever asks.
func TestRefundsOfAFoundPayment(t *testing.T) {
	for name, ask := range map[string]func(r *reconcile.Reconciler, p *reconciletest.Provider, l ledger.Ledger, id string) error{
		"look-up": func(r *reconcile.Reconciler, _ *reconciletest.Provider, _ ledger.Ledger, _ string) error {
			reconciletest.Rounds(t, r)
			return nil
		},
		"ask": func(r *reconcile.Reconciler, _ *reconciletest.Provider, _ ledger.Ledger, id string) error {
			return r.Charges.Ask(context.Background(), id)
		},
		"recover": func(r *reconcile.Reconciler, _ *reconciletest.Provider, _ ledger.Ledger, id string) error {
			return r.Charges.Recover(context.Background(), id, nil)
		},
		"sweep": func(r *reconcile.Reconciler, p *reconciletest.Provider, _ ledger.Ledger, _ string) error {
			_, err := r.Days.Day(context.Background(), p.Clock.Now().Add(-time.Hour))
			return err
		},
	} {
		p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
		r := p.Reconciler(l, zap.NewNop())
		id := p.Charge(l, "order1", 100).ID
		p.Pay(id)
		p.Refunded(id, 30)
		p.Refunded(id, 20)
		p.After(time.Hour)
		if err := ask(r, p, l, id); err != nil {
			t.Fatal(name, err)
		}
		p.WantRecorded(l, name, "order1", "charge.succeeded pending", "refund.succeeded pending", "refund.succeeded pending")
		if c := p.Known(l, id); c.AmountRefunded != 50 {
			t.Errorf("%s: %d refunded", name, c.AmountRefunded)
		}
	}
}

// What was refunded whole before the backend could hear of the payment is no sale: it is told of neither.
func TestFoundPaymentRefundedWhole(t *testing.T) {
	for _, paidBefore := range []bool{false, true} {
		p := reconciletest.NewProvider(t)
		l := relaytest.OpenLedgerAt(t, filepath.Join(t.TempDir(), "ledger.db"), p.Clock.Now)
		r := p.Reconciler(l, zap.NewNop())
		if !paidBefore {
			p.After(time.Hour)
		}
		id := p.Charge(l, "order1", 100).ID
		p.Pay(id)
		p.Refunded(id, 100)
		p.After(time.Hour)
		reconciletest.Rounds(t, r)
		if paidBefore { // the ledger may be a backup, and the backend have heard of it
			p.WantRecorded(l, "paid before", "order1", "charge.succeeded pending", "refund.succeeded pending")
			continue
		}
		p.WantRecorded(l, "refunded whole", "order1", "charge.succeeded discarded refunded", "refund.succeeded filtered payment_held")
	}
}

// The webhook of a refund finds its payment, and the refund before it whose webhook was lost; its own event stays the one that Ping++ signed.
func TestRefundBringsTheOthers(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	id := p.Charge(l, "order1", 100).ID
	p.Pay(id)
	p.Refunded(id, 30)
	second := p.Refunded(id, 20)
	did, err := r.Learner.Intake.Accept(context.Background(), intake.Arrival{Event: second, Source: ledger.Webhook, Signature: "s"})
	if err != nil || did != ledger.Recorded {
		t.Fatal(did, err)
	}
	p.WantRecorded(l, "one webhook", "order1", "charge.succeeded pending", "refund.succeeded pending", "refund.succeeded pending")
	if e := p.Event(l, second.ID); e == nil || e.Signature != "s" {
		t.Errorf("%+v", e)
	}
	third := p.Refunded(id, 10)
	lists := p.State(0).Calls["list_refunds"]
	if did, err = r.Learner.Intake.Accept(context.Background(), intake.Arrival{Event: third, Source: ledger.Webhook}); err != nil || did != ledger.Recorded {
		t.Fatal(did, err)
	}
	if n := p.State(0).Calls["list_refunds"] - lists; n != 0 {
		t.Errorf("%d lists for a refund that explains itself", n)
	}
}

// The list of refunds fails: the payment is recorded all the same, and the comparison of the day makes up for the refund.
func TestRefundsOfAFoundPaymentLater(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	id := p.Charge(l, "order1", 100).ID
	p.Pay(id)
	p.Refunded(id, 30)
	p.After(time.Hour)
	p.Fault("list_refunds", "500", 20)
	reconciletest.Rounds(t, r)
	p.WantRecorded(l, "no list", "order1", "charge.succeeded pending")
	if _, err := r.Days.Day(context.Background(), p.Clock.Now()); err == nil {
		t.Error("the comparison says nothing of refunds that it could not list")
	}
	p.ClearFaults()
	s, err := r.Days.Day(context.Background(), p.Clock.Now())
	if err != nil || s.Returned != 1 || !s.Clean() {
		t.Errorf("%+v, %v", s, err)
	}
	p.WantRecorded(l, "compared", "order1", "charge.succeeded pending", "refund.succeeded pending")
}

// A charge that Ping++ says is paid and reversed is money at risk, however we come to know of it.
func TestPaidAndReversed(t *testing.T) {
	for name, ask := range map[string]func(r *reconcile.Reconciler, p *reconciletest.Provider, l ledger.Ledger, id string) error{
		"look-up": func(r *reconcile.Reconciler, _ *reconciletest.Provider, _ ledger.Ledger, _ string) error {
			reconciletest.Rounds(t, r)
			return nil
		},
		"recover": func(r *reconcile.Reconciler, _ *reconciletest.Provider, _ ledger.Ledger, id string) error {
			return r.Charges.Recover(context.Background(), id, nil)
		},
		"sweep": func(r *reconcile.Reconciler, p *reconciletest.Provider, _ ledger.Ledger, _ string) error {
			_, err := r.Days.Day(context.Background(), p.Clock.Now())
			return err
		},
		"webhook": func(r *reconcile.Reconciler, p *reconciletest.Provider, _ ledger.Ledger, id string) error {
			found, err := p.Client.GetCharge(context.Background(), id)
			if err != nil {
				return err
			}
			ev, err := pingpp.ParseEvent(fmt.Appendf(nil, `{"id":%q,"object":"event","created":%d,"livemode":false,"type":"charge.succeeded","data":{"object":%s}}`,
				reconciletest.QueryID(id), found.TimePaid, found.Raw))
			if err == nil {
				_, err = r.Learner.Intake.Accept(context.Background(), intake.Arrival{Event: ev, Source: ledger.Webhook})
			}
			return err
		},
		"sweep, when we knew that it was reversed": func(r *reconcile.Reconciler, p *reconciletest.Provider, l ledger.Ledger, id string) error {
			if err := l.Queried(context.Background(), ledger.Queried{Scope: p.Scope, ChargeID: id, Reversed: true, At: p.Clock.Now()}); err != nil {
				return err
			}
			_, err := r.Days.Day(context.Background(), p.Clock.Now())
			return err
		},
	} {
		p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
		r := p.Reconciler(l, zap.NewNop())
		id := p.Till(l, "order1").ID
		p.After(time.Minute)
		p.Pay(id)
		p.ReverseElsewhere(id)
		if err := ask(r, p, l, id); err != nil {
			t.Fatal(name, err)
		}
		p.WantRecorded(l, name, "order1", "charge.succeeded held reversed")
		if c := p.Known(l, id); !c.Paid || !c.Reversed || !c.Held || !c.NextQuery.IsZero() {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// The payment is known when Ping++ says that it was reversed: the backend is not told of it any more, unless it is under way.
func TestReversedAfterItsWebhook(t *testing.T) {
	for _, leased := range []bool{false, true} {
		p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
		r := p.Reconciler(l, zap.NewNop())
		id := p.Till(l, "order1").ID
		p.After(time.Minute)
		p.Pay(id)
		ev, err := pingpp.ParseEvent([]byte(p.State(1).Events[0].Body))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Learner.Intake.Accept(context.Background(), intake.Arrival{Event: ev, Source: ledger.Webhook}); err != nil {
			t.Fatal(err)
		}
		want := "charge.succeeded discarded reversed"
		if leased {
			want = "charge.succeeded pending"
			now := p.Clock.Now()
			if es, err := l.Claim(context.Background(), ledger.Claim{Scope: p.Scope, Owner: "a", Now: now, Until: now.Add(time.Minute), Limit: 1}); len(es) != 1 || err != nil {
				t.Fatal(es, err)
			}
		}
		p.ReverseElsewhere(id)
		s, err := r.Days.Day(context.Background(), p.Clock.Now())
		if err != nil || s.Returned != 1 {
			t.Errorf("%+v, %v", s, err)
		}
		p.WantRecorded(l, "reversed", "order1", want)
		if c := p.Known(l, id); !c.Reversed || c.Pays() {
			t.Errorf("%+v", c)
		}
	}
}

// Undo reverses what a scanned code may still take; what it took meanwhile goes back, and the record says so.
func TestUndo(t *testing.T) {
	undo := func(p *reconciletest.Provider, r *reconcile.Reconciler, l ledger.Ledger, id string) (bool, error) {
		return r.Reversals.Undo(context.Background(), l, p.Known(l, id))
	}
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	q := reconciletest.Unlimited()
	r := p.Reconciler(l, zap.NewNop(), reconciletest.Asking(q))
	early := p.Till(l, "early").ID
	if sure, err := undo(p, r, l, early); sure || err != nil {
		t.Errorf("in its first minute: %t, %v", sure, err)
	}
	p.After(time.Minute)
	p.Fault("reverse_charge", "500", 20)
	if sure, err := undo(p, r, l, early); sure || err == nil {
		t.Errorf("while Ping++ fails: %t, %v", sure, err)
	}
	p.ClearFaults()
	if sure, err := undo(p, r, l, early); !sure || err != nil || !p.Known(l, early).Reversed {
		t.Errorf("%t, %v", sure, err)
	}

	id := p.Till(l, "meanwhile").ID
	p.After(time.Minute)
	pay := func(req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "/reverse") {
			_ = p.Sandbox.Pay(id)
		}
	}
	p.Before.Store(&pay)
	if sure, err := undo(p, r, l, id); !sure || err != nil {
		t.Errorf("paid meanwhile: %t, %v", sure, err)
	}
	p.WantRecorded(l, "paid meanwhile", "meanwhile", "charge.succeeded discarded reversed")
	if c := p.Known(l, id); !c.Paid || !c.Reversed || c.Held || c.Pays() {
		t.Errorf("%+v", c)
	}

	paid := p.Till(l, "paid").ID
	p.Pay(paid)
	if sure, err := undo(p, r, l, paid); !sure || err != nil || !p.Known(l, paid).Pays() {
		t.Errorf("paid: %t, %v", sure, err)
	}
	lapsed := p.Till(l, "lapsed").ID
	p.After(3 * time.Hour)
	if sure, err := undo(p, r, l, lapsed); !sure || err != nil {
		t.Errorf("lapsed: %t, %v", sure, err)
	}
	if !p.Known(l, lapsed).Reversed { // by our clock, which may be ahead
		t.Error("lapsed, and not reversed")
	}
	lapsed = p.Till(l, "lapsed2").ID
	p.After(3 * time.Hour)
	p.Fault("reverse_charge", "500", 20)
	if sure, err := undo(p, r, l, lapsed); !sure || err != nil {
		t.Errorf("lapsed, and not to be reversed: %t, %v", sure, err)
	}
	p.ClearFaults()
	q.Payers.SetLimit(0)
	if _, err := undo(p, r, l, early); !errors.Is(err, asking.ErrTooMuch) {
		t.Error(err)
	}
}

package relay

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

// recorded names the events of an order as they wait for delivery, in the order of their lane.
func (p *provider) recorded(l ledger.Ledger, orderNo string) (all []string) {
	p.t.Helper()
	es, err := l.Events(context.Background(), ledger.Filter{Scope: p.scope, OrderNo: orderNo})
	if err != nil {
		p.t.Fatal(err)
	}
	slices.SortFunc(es, func(a, b ledger.Event) int { return a.Rank - b.Rank })
	for _, e := range es {
		all = append(all, strings.Join(append([]string{e.Type, string(e.State)}, e.Reasons...), " "))
	}
	return all
}

func (p *provider) wantRecorded(l ledger.Ledger, what, orderNo string, want ...string) {
	p.t.Helper()
	if got := p.recorded(l, orderNo); !slices.Equal(got, want) {
		p.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// Webhooks are away: a payment that is found by asking brings what was refunded since, whoever asks.
func TestRefundsOfAFoundPayment(t *testing.T) {
	for name, ask := range map[string]func(r *Reconciler, p *provider, l ledger.Ledger, id string) error{
		"look-up": func(r *Reconciler, _ *provider, _ ledger.Ledger, _ string) error { rounds(t, r); return nil },
		"ask": func(r *Reconciler, _ *provider, _ ledger.Ledger, id string) error {
			return r.Ask(context.Background(), id)
		},
		"recover": func(r *Reconciler, _ *provider, _ ledger.Ledger, id string) error {
			return r.Recover(context.Background(), id)
		},
		"sweep": func(r *Reconciler, p *provider, _ ledger.Ledger, _ string) error {
			_, err := r.Sweep(context.Background(), p.clock.Now().Add(-time.Hour))
			return err
		},
	} {
		p, l := newProvider(t), newLedger(t)
		r := p.reconciler(l, zap.NewNop())
		id := p.charge(l, "order1", 100).ID
		p.pay(id)
		p.refunded(id, 30)
		p.refunded(id, 20)
		p.after(time.Hour)
		if err := ask(r, p, l, id); err != nil {
			t.Fatal(name, err)
		}
		p.wantRecorded(l, name, "order1", "charge.succeeded pending", "refund.succeeded pending", "refund.succeeded pending")
		if c := p.known(l, id); c.AmountRefunded != 50 {
			t.Errorf("%s: %d refunded", name, c.AmountRefunded)
		}
	}
}

// What was refunded whole before the backend could hear of the payment is no sale: it is told of neither.
func TestFoundPaymentRefundedWhole(t *testing.T) {
	for _, paidBefore := range []bool{false, true} {
		p := newProvider(t)
		l := openLedgerAt(t, filepath.Join(t.TempDir(), "ledger.db"), p.clock.Now)
		r := p.reconciler(l, zap.NewNop())
		if !paidBefore {
			p.after(time.Hour)
		}
		id := p.charge(l, "order1", 100).ID
		p.pay(id)
		p.refunded(id, 100)
		p.after(time.Hour)
		rounds(t, r)
		if paidBefore { // the ledger may be a backup, and the backend have heard of it
			p.wantRecorded(l, "paid before", "order1", "charge.succeeded pending", "refund.succeeded pending")
			continue
		}
		p.wantRecorded(l, "refunded whole", "order1", "charge.succeeded discarded refunded", "refund.succeeded filtered payment_held")
	}
}

// The webhook of a refund finds its payment, and the refund before it whose webhook was lost; its own event stays the one that Ping++ signed.
func TestRefundBringsTheOthers(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	id := p.charge(l, "order1", 100).ID
	p.pay(id)
	p.refunded(id, 30)
	second := p.refunded(id, 20)
	did, err := r.cfg.Intake.Accept(context.Background(), Arrival{Event: second, Source: ledger.Webhook, Signature: "s"})
	if err != nil || did != ledger.Recorded {
		t.Fatal(did, err)
	}
	p.wantRecorded(l, "one webhook", "order1", "charge.succeeded pending", "refund.succeeded pending", "refund.succeeded pending")
	if e := p.event(l, second.ID); e == nil || e.Signature != "s" {
		t.Errorf("%+v", e)
	}
	third := p.refunded(id, 10)
	lists := p.State(0).Calls["list_refunds"]
	if did, err = r.cfg.Intake.Accept(context.Background(), Arrival{Event: third, Source: ledger.Webhook}); err != nil || did != ledger.Recorded {
		t.Fatal(did, err)
	}
	if n := p.State(0).Calls["list_refunds"] - lists; n != 0 {
		t.Errorf("%d lists for a refund that explains itself", n)
	}
}

// The list of refunds fails: the payment is recorded all the same, and the comparison of the day makes up for the refund.
func TestRefundsOfAFoundPaymentLater(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	id := p.charge(l, "order1", 100).ID
	p.pay(id)
	p.refunded(id, 30)
	p.after(time.Hour)
	p.fault("list_refunds", "500", 20)
	rounds(t, r)
	p.wantRecorded(l, "no list", "order1", "charge.succeeded pending")
	if _, err := r.Sweep(context.Background(), p.clock.Now()); err == nil {
		t.Error("the comparison says nothing of refunds that it could not list")
	}
	p.ClearFaults()
	s, err := r.Sweep(context.Background(), p.clock.Now())
	if err != nil || s.Returned != 1 || !s.Clean() {
		t.Errorf("%+v, %v", s, err)
	}
	p.wantRecorded(l, "compared", "order1", "charge.succeeded pending", "refund.succeeded pending")
}

// till makes a charge whose code a till has read, and records it as the site does.
func (p *provider) till(l ledger.Ledger, orderNo string) *pingpp.Charge {
	p.t.Helper()
	now := p.clock.Now()
	held, err := l.Reserve(context.Background(), ledger.Reservation{Scope: p.scope, OrderNo: orderNo, Now: now, Until: now.Add(time.Minute),
		Number: func(attempts, _ int) string { return orderNo + strings.Repeat("x", attempts) }})
	if err != nil {
		p.t.Fatal(err)
	}
	ch, err := p.client.CreateCharge(context.Background(), &pingpp.ChargeParams{OrderNo: held.Number, Channel: "wx_pub_scan", Amount: 100, Currency: "cny",
		ClientIP: "192.0.2.1", Subject: "s", Body: "b", Extra: map[string]any{"scan_code": "134567890123456781"}, Metadata: map[string]any{MetaOrderNo: orderNo}})
	if err != nil {
		p.t.Fatal(err)
	}
	if err := l.Created(context.Background(), &ledger.Charge{Scope: p.scope, OrderNo: orderNo, Number: held.Number, ID: ch.ID, Channel: "wx_pub_scan", Amount: 100,
		Currency: "cny", Created: now, TimeExpire: ch.Expires(), Raw: ch.Raw, NextQuery: now.Add(DefaultAfter)}); err != nil {
		p.t.Fatal(err)
	}
	return ch
}

func (p *provider) reverseElsewhere(id string) {
	p.t.Helper()
	if _, err := p.client.ReverseCharge(context.Background(), id); err != nil {
		p.t.Fatal(err)
	}
}

// A charge that Ping++ says is paid and reversed is money at risk, however we come to know of it.
func TestPaidAndReversed(t *testing.T) {
	for name, ask := range map[string]func(r *Reconciler, p *provider, l ledger.Ledger, id string) error{
		"look-up": func(r *Reconciler, _ *provider, _ ledger.Ledger, _ string) error { rounds(t, r); return nil },
		"recover": func(r *Reconciler, _ *provider, _ ledger.Ledger, id string) error {
			return r.Recover(context.Background(), id)
		},
		"sweep": func(r *Reconciler, p *provider, _ ledger.Ledger, _ string) error {
			_, err := r.Sweep(context.Background(), p.clock.Now())
			return err
		},
		"webhook": func(r *Reconciler, p *provider, _ ledger.Ledger, id string) error {
			found, err := p.client.GetCharge(context.Background(), id)
			if err == nil {
				_, err = r.cfg.Intake.Accept(context.Background(), Arrival{Event: paidEvent(found, p.clock.Now()), Source: ledger.Webhook})
			}
			return err
		},
		"sweep, when we knew that it was reversed": func(r *Reconciler, p *provider, l ledger.Ledger, id string) error {
			if err := l.Queried(context.Background(), ledger.Queried{Scope: p.scope, ChargeID: id, Reversed: true, At: p.clock.Now()}); err != nil {
				return err
			}
			_, err := r.Sweep(context.Background(), p.clock.Now())
			return err
		},
	} {
		p, l := newProvider(t), newLedger(t)
		r := p.reconciler(l, zap.NewNop())
		id := p.till(l, "order1").ID
		p.after(time.Minute)
		p.pay(id)
		p.reverseElsewhere(id)
		if err := ask(r, p, l, id); err != nil {
			t.Fatal(name, err)
		}
		p.wantRecorded(l, name, "order1", "charge.succeeded held reversed")
		if c := p.known(l, id); !c.Paid || !c.Reversed || !c.Held || !c.NextQuery.IsZero() {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// The payment is known when Ping++ says that it was reversed: the backend is not told of it any more, unless it is under way.
func TestReversedAfterItsWebhook(t *testing.T) {
	for _, leased := range []bool{false, true} {
		p, l := newProvider(t), newLedger(t)
		r := p.reconciler(l, zap.NewNop())
		id := p.till(l, "order1").ID
		p.after(time.Minute)
		p.pay(id)
		ev, err := pingpp.ParseEvent([]byte(p.State(1).Events[0].Body))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.cfg.Intake.Accept(context.Background(), Arrival{Event: ev, Source: ledger.Webhook}); err != nil {
			t.Fatal(err)
		}
		want := "charge.succeeded discarded reversed"
		if leased {
			want = "charge.succeeded pending"
			now := p.clock.Now()
			if es, err := l.Claim(context.Background(), ledger.Claim{Scope: p.scope, Owner: "a", Now: now, Until: now.Add(time.Minute), Limit: 1}); len(es) != 1 || err != nil {
				t.Fatal(es, err)
			}
		}
		p.reverseElsewhere(id)
		s, err := r.Sweep(context.Background(), p.clock.Now())
		if err != nil || s.Returned != 1 {
			t.Errorf("%+v, %v", s, err)
		}
		p.wantRecorded(l, "reversed", "order1", want)
		if c := p.known(l, id); !c.Reversed || c.Pays() {
			t.Errorf("%+v", c)
		}
	}
}

// Undo reverses what a scanned code may still take; what it took meanwhile goes back, and the record says so.
func TestUndo(t *testing.T) {
	undo := func(p *provider, r *Reconciler, l ledger.Ledger, id string) (bool, error) {
		return r.Undo(context.Background(), l, p.known(l, id))
	}
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	early := p.till(l, "early").ID
	if sure, err := undo(p, r, l, early); sure || err != nil {
		t.Errorf("in its first minute: %t, %v", sure, err)
	}
	p.after(time.Minute)
	p.fault("reverse_charge", "500", 20)
	if sure, err := undo(p, r, l, early); sure || err == nil {
		t.Errorf("while Ping++ fails: %t, %v", sure, err)
	}
	p.ClearFaults()
	if sure, err := undo(p, r, l, early); !sure || err != nil || !p.known(l, early).Reversed {
		t.Errorf("%t, %v", sure, err)
	}

	id := p.till(l, "meanwhile").ID
	p.after(time.Minute)
	pay := func(req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "/reverse") {
			_ = p.Pay(id)
		}
	}
	p.before.Store(&pay)
	if sure, err := undo(p, r, l, id); !sure || err != nil {
		t.Errorf("paid meanwhile: %t, %v", sure, err)
	}
	p.wantRecorded(l, "paid meanwhile", "meanwhile", "charge.succeeded discarded reversed")
	if c := p.known(l, id); !c.Paid || !c.Reversed || c.Held || c.Pays() {
		t.Errorf("%+v", c)
	}

	paid := p.till(l, "paid").ID
	p.pay(paid)
	if sure, err := undo(p, r, l, paid); !sure || err != nil || !p.known(l, paid).Pays() {
		t.Errorf("paid: %t, %v", sure, err)
	}
	lapsed := p.till(l, "lapsed").ID
	p.after(3 * time.Hour)
	if sure, err := undo(p, r, l, lapsed); !sure || err != nil {
		t.Errorf("lapsed: %t, %v", sure, err)
	}
	if !p.known(l, lapsed).Reversed { // by our clock, which may be ahead
		t.Error("lapsed, and not reversed")
	}
	lapsed = p.till(l, "lapsed2").ID
	p.after(3 * time.Hour)
	p.fault("reverse_charge", "500", 20)
	if sure, err := undo(p, r, l, lapsed); !sure || err != nil {
		t.Errorf("lapsed, and not to be reversed: %t, %v", sure, err)
	}
	p.ClearFaults()
	r.cfg.Questions.payers = rate.NewLimiter(0, 0)
	if _, err := undo(p, r, l, early); !errors.Is(err, ErrAskedTooMuch) {
		t.Error(err)
	}
}

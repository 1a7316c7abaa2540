package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/relay/reconcile"
	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/relaytest"
	"github.com/caddypay/caddypay/relay/relaytest/delivery"
)

func TestAsk(t *testing.T) {
	ctx := context.Background()
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	q := reconciletest.Unlimited()
	r := p.Reconciler(l, zap.NewNop(), reconciletest.Asking(q))
	id := p.Charge(l, "order1", 100).ID
	asked := func(when string, want int) {
		t.Helper()
		if n := p.Asked(); n != want {
			t.Errorf("%s: asked %d times, want %d", when, n, want)
		}
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := r.Charges.Ask(ctx, id); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	asked("twenty at once", 1)
	p.After(reconcile.AskEvery - time.Millisecond)
	_ = r.Charges.Ask(ctx, id)
	asked("before five seconds", 1)
	p.After(time.Millisecond)
	_ = r.Charges.Ask(ctx, id)
	asked("after five seconds", 2)

	if err := r.Charges.Ask(ctx, "ch_nobodys"); !errors.Is(err, ledger.ErrNotFound) {
		t.Error("unknown charge:", err)
	}
	asked("an unknown charge", 2)

	// What the client saw makes the charge due.
	if n := reconciletest.Rounds(t, r); n != 0 {
		t.Fatal("due already")
	}
	for i, result := range []string{"success", "cancel", "fail"} {
		if err := l.NoteClient(ctx, p.Scope, id, ledger.ClientNote{Result: result, At: p.Clock.Now()}); err != nil {
			t.Fatal(err)
		}
		reconciletest.Rounds(t, r)
		asked(result, 3+i)
	}

	p.After(reconcile.AskEvery)
	q.Payers.SetLimit(0)
	if err := r.Charges.Ask(ctx, id); err != nil {
		t.Error(err)
	}
	asked("too many questions of others", 5)
	q.Payers.SetLimit(rate.Inf)

	p.Fault("get_charge", "401", 1)
	if err := r.Charges.Ask(ctx, id); err == nil {
		t.Error("no error from Ping++'s 401")
	}
	p.After(reconcile.AskEvery)
	p.Pay(id)
	before := p.Asked()
	if err := r.Charges.Ask(ctx, id); err != nil || p.Event(l, reconciletest.QueryID(id)) == nil {
		t.Error("not found:", err)
	}
	p.After(reconcile.AskEvery)
	_ = r.Charges.Ask(ctx, id)
	asked("a paid charge", before+1)
}

// Whoever waits for Ping++ in vain goes away; what Ping++ says in the end is recorded all the same.
func TestAskGivesUp(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	id := p.Charge(l, "order1", 100).ID
	p.Pay(id)
	arrived, answer := make(chan struct{}), make(chan struct{})
	hang := func(r *http.Request) {
		close(arrived)
		<-answer
	}
	p.Before.Store(&hang)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-arrived
		cancel()
	}()
	if err := r.Charges.Ask(ctx, id); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if p.Known(l, id).Paid {
		t.Fatal("paid before Ping++ has answered")
	}
	close(answer)
	relaytest.WaitFor(t, "the answer to be recorded", func() bool { return p.Event(l, reconciletest.QueryID(id)) != nil })
}

// The asked map forgets.
func TestAskedIsBounded(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	for i := range 30_000 {
		r.Charges.MayAsk(fmt.Sprint("ch_", i))
		if i%100 == 0 {
			p.After(time.Second)
		}
	}
	if n := r.Charges.Asked(); n > 11_000 {
		t.Errorf("%d charges are remembered", n)
	}
}

// A refund's webhook comes before its payment's: the backend hears of the payment first.
func TestRecover(t *testing.T) {
	for _, ours := range []bool{true, false} {
		t.Run(fmt.Sprint(ours), func(t *testing.T) {
			p, l, b := reconciletest.NewProvider(t), relaytest.NewLedger(t), relaytest.NewBackend(t, relaytest.AnswerOK)
			r := p.Reconciler(l, zap.NewNop())
			var id string
			if ours {
				id = p.Charge(l, "order1", 100).ID
			} else {
				id = p.Made(p.Client, "order1x7", "order1", 100).ID
			}
			p.Pay(id)
			arrival := intake.Arrival{Event: p.Refunded(id, 40), Source: ledger.Webhook, Host: "pay.example.com"}
			p.Fault("get_charge", "500", 3)
			if _, err := r.Learner.Intake.Accept(context.Background(), arrival); err == nil {
				t.Error("a refund whose payment is not known was accepted while Ping++ could not say")
			}
			if p.Event(l, arrival.Event.ID) != nil {
				t.Error("it is recorded")
			}
			if did, err := r.Learner.Intake.Accept(context.Background(), arrival); did != ledger.Recorded || err != nil {
				t.Fatal(did, err)
			}
			cfg := delivery.Config(t, l, b)
			cfg.Scope, cfg.Now = p.Scope, p.Clock.Now
			delivery.Start(t, cfg)
			relaytest.WaitFor(t, "both events", func() bool { return len(b.Requests()) == 2 })
			for i, want := range []string{reconciletest.QueryID(id), arrival.Event.ID} {
				if h := b.Requests()[i].Header; h.Get("Webhook-Id") != want || h.Get("X-Pay-Order-No") != "order1" || h.Get("X-Pay-Charge") != id {
					t.Errorf("%d: %v", i, h)
				}
			}
			if c := p.Known(l, id); !c.Paid || c.AmountRefunded != 40 {
				t.Errorf("%+v", c)
			}
		})
	}
	t.Run("unpaid", func(t *testing.T) {
		p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
		r := p.Reconciler(l, zap.NewNop())
		id := p.Charge(l, "order1", 100).ID
		if err := r.Charges.Recover(context.Background(), id, nil); err != nil || p.Event(l, reconciletest.QueryID(id)) != nil {
			t.Error(err)
		}
		if err := r.Charges.Recover(context.Background(), "ch_nobodys", nil); err == nil {
			t.Error("Ping++ knows no such charge")
		}
	})
}

func TestConfirmEvent(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	p.Pay(p.Charge(l, "order1", 100).ID)
	e := p.State(1).Events[0]
	got, err := r.Events.Get(context.Background(), e.ID)
	if err != nil || string(got.Raw) != e.Body {
		t.Errorf("%+v, %v", got, err)
	}
}

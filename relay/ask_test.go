package relay

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
)

func TestAsk(t *testing.T) {
	ctx := context.Background()
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	id := p.charge(l, "order1", 100).ID
	asked := func(when string, want int) {
		t.Helper()
		if n := p.asked(); n != want {
			t.Errorf("%s: asked %d times, want %d", when, n, want)
		}
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := r.Ask(ctx, id); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	asked("twenty at once", 1)
	p.after(askEvery - time.Millisecond)
	_ = r.Ask(ctx, id)
	asked("before five seconds", 1)
	p.after(time.Millisecond)
	_ = r.Ask(ctx, id)
	asked("after five seconds", 2)

	if err := r.Ask(ctx, "ch_nobodys"); !errors.Is(err, ledger.ErrNotFound) {
		t.Error("unknown charge:", err)
	}
	asked("an unknown charge", 2)

	// What the client saw makes the charge due.
	if n := rounds(t, r); n != 0 {
		t.Fatal("due already")
	}
	for i, result := range []string{"success", "cancel", "fail"} {
		if err := l.NoteClient(ctx, p.scope, id, ledger.ClientNote{Result: result, At: p.clock.Now()}); err != nil {
			t.Fatal(err)
		}
		rounds(t, r)
		asked(result, 3+i)
	}

	p.after(askEvery)
	r.cfg.Questions.payers = rate.NewLimiter(0, 0)
	if err := r.Ask(ctx, id); err != nil {
		t.Error(err)
	}
	asked("too many questions of others", 5)
	r.cfg.Questions = unlimited()

	p.fault("get_charge", "401", 1)
	if err := r.Ask(ctx, id); err == nil {
		t.Error("no error from Ping++'s 401")
	}
	p.after(askEvery)
	p.pay(id)
	before := p.asked()
	if err := r.Ask(ctx, id); err != nil || p.event(l, queryID(id)) == nil {
		t.Error("not found:", err)
	}
	p.after(askEvery)
	_ = r.Ask(ctx, id)
	asked("a paid charge", before+1)
}

// Whoever waits for Ping++ in vain goes away; what Ping++ says in the end is recorded all the same.
func TestAskGivesUp(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	id := p.charge(l, "order1", 100).ID
	p.pay(id)
	arrived, answer := make(chan struct{}), make(chan struct{})
	hang := func(r *http.Request) {
		close(arrived)
		<-answer
	}
	p.before.Store(&hang)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-arrived
		cancel()
	}()
	if err := r.Ask(ctx, id); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if p.known(l, id).Paid {
		t.Fatal("paid before Ping++ has answered")
	}
	close(answer)
	waitFor(t, "the answer to be recorded", func() bool { return p.event(l, queryID(id)) != nil })
}

// The asked map forgets.
func TestAskedIsBounded(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	for i := range 30_000 {
		r.mayAsk(fmt.Sprint("ch_", i))
		if i%100 == 0 {
			p.after(time.Second)
		}
	}
	if n := len(r.asked); n > 11_000 {
		t.Errorf("%d charges are remembered", n)
	}
}

// A refund's webhook comes before its payment's: the backend hears of the payment first.
func TestRecover(t *testing.T) {
	for _, ours := range []bool{true, false} {
		t.Run(fmt.Sprint(ours), func(t *testing.T) {
			p, l, b := newProvider(t), newLedger(t), newBackend(t, answerOK)
			r := p.reconciler(l, zap.NewNop())
			var id string
			if ours {
				id = p.charge(l, "order1", 100).ID
			} else {
				id = p.made(p.client, "order1x7", "order1", 100).ID
			}
			p.pay(id)
			arrival := Arrival{Event: p.refunded(id, 40), Source: ledger.Webhook, Host: "pay.example.com"}
			p.fault("get_charge", "500", 3)
			if _, err := r.cfg.Intake.Accept(context.Background(), arrival); err == nil {
				t.Error("a refund whose payment is not known was accepted while Ping++ could not say")
			}
			if p.event(l, arrival.Event.ID) != nil {
				t.Error("it is recorded")
			}
			if did, err := r.cfg.Intake.Accept(context.Background(), arrival); did != ledger.Recorded || err != nil {
				t.Fatal(did, err)
			}
			cfg := config(t, l, b)
			cfg.Scope, cfg.Now = p.scope, p.clock.Now
			start(t, cfg)
			waitFor(t, "both events", func() bool { return len(b.requests()) == 2 })
			for i, want := range []string{queryID(id), arrival.Event.ID} {
				if h := b.requests()[i].Header; h.Get("Webhook-Id") != want || h.Get("X-Pay-Order-No") != "order1" || h.Get("X-Pay-Charge") != id {
					t.Errorf("%d: %v", i, h)
				}
			}
			if c := p.known(l, id); !c.Paid || c.AmountRefunded != 40 {
				t.Errorf("%+v", c)
			}
		})
	}
	t.Run("unpaid", func(t *testing.T) {
		p, l := newProvider(t), newLedger(t)
		r := p.reconciler(l, zap.NewNop())
		id := p.charge(l, "order1", 100).ID
		if err := r.Recover(context.Background(), id); err != nil || p.event(l, queryID(id)) != nil {
			t.Error(err)
		}
		if err := r.Recover(context.Background(), "ch_nobodys"); err == nil {
			t.Error("Ping++ knows no such charge")
		}
	})
}

func TestConfirmEvent(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	p.pay(p.charge(l, "order1", 100).ID)
	e := p.State(1).Events[0]
	got, err := r.Event(context.Background(), e.ID)
	if err != nil || string(got.Raw) != e.Body {
		t.Errorf("%+v, %v", got, err)
	}
}

package reconcile_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/asking"
	"github.com/caddypay/caddypay/relay/reconcile"
	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// More look-ups are due than Ping++ may be asked for, and lists do not help: a refund's payment is asked for at once all the same, and
// so is the charge of a payer who waits, an unsigned event, and the first look-up of a charge behind the later ones of others.
func TestBacklogHoldsUpNobody(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	for i := range 200 {
		id := p.Charge(l, fmt.Sprintf("old%d", i), 100).ID
		if err := l.Queried(t.Context(), ledger.Queried{Scope: p.Scope, ChargeID: id, Next: p.Clock.Now().Add(time.Second)}); err != nil {
			t.Fatal(err)
		}
	}
	foreign := p.Made(p.Client, "elsewhere1", "", 300).ID
	p.Pay(foreign)
	event := p.State(1).Events[0].ID
	var waits, fresh []string
	for i := range 8 {
		waits = append(waits, p.Charge(l, fmt.Sprintf("waits%d", i), 100).ID)
		fresh = append(fresh, p.Charge(l, fmt.Sprintf("fresh%d", i), 100).ID)
	}
	for _, id := range fresh {
		p.Pay(id)
	}
	p.After(reconcile.DefaultAfter - time.Second)
	p.Fault("list_charges", "500", 100_000)
	r := p.Reconciler(l, zap.NewNop(), reconciletest.Asking(asking.NewQuestions()))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	relaytest.WaitFor(t, "the backlog to use its budget up", func() bool { return p.Asked() > asking.NewQuestions().First.Burst() })
	for _, id := range waits {
		p.Pay(id)
		if err := r.Charges.Ask(ctx, id); err != nil || !p.Known(l, id).Paid {
			t.Errorf("a payer's question did nothing: %v", err)
		}
		if err := r.Charges.Recover(ctx, foreign, nil); err != nil {
			t.Error("a refund's payment:", err)
		}
	}
	if _, err := r.Events.Get(ctx, event); err != nil {
		t.Error("an unsigned event:", err)
	}
	if n := p.Asked(); n > 150 {
		t.Errorf("there was no backlog any more: %d questions", n)
	}
	p.After(time.Second)
	relaytest.WaitFor(t, "the first look-ups", func() bool {
		for _, id := range fresh {
			if !p.Known(l, id).Paid {
				return false
			}
		}
		return true
	})
	if n := p.Asked(); n > 150 {
		t.Errorf("first look-ups had to wait for later ones: %d questions", n)
	}
	cancel()
	<-done
}

// Hundreds of charges are due at once: a list of Ping++'s answers a hundred of them with one question. What it shows as paid or reversed is
// taken as if it had been asked for by itself.
func TestListAnswersManyLookUps(t *testing.T) {
	for name, tt := range map[string]struct {
		between time.Duration
		lists   int // at most
	}{"in minutes": {time.Second, 7}, "in one second": {0, 12}} {
		t.Run(name, func(t *testing.T) {
			p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
			seen, option := results()
			r := p.Reconciler(l, zap.NewNop(), option)
			const charges = 250
			ids := make([]string, charges)
			for i := range ids {
				ids[i] = p.Charge(l, fmt.Sprintf("order%d", i), 100).ID
				p.Made(p.Client, fmt.Sprintf("elsewhere%d", i), "", 100) // another system's, at the same app
				p.After(tt.between)
			}
			p.After(10 * time.Minute)
			for i := 0; i < charges; i += 10 {
				p.Pay(ids[i])
			}
			if _, err := p.Client.ReverseCharge(t.Context(), ids[1]); err != nil {
				t.Fatal(err)
			}
			if n := reconciletest.Rounds(t, r); n != charges {
				t.Errorf("%d look-ups", n)
			}
			if n := p.State(0).Calls["list_charges"]; p.Asked() != 0 || n > tt.lists {
				t.Errorf("%d lists and %d single questions for %d charges among as many others", n, p.Asked(), charges)
			}
			for i, id := range ids {
				c, e := p.Known(l, id), p.Event(l, reconciletest.QueryID(id))
				switch {
				case i%10 == 0:
					if !c.Paid || e == nil || e.State != ledger.Pending || e.Source != ledger.Query || e.OrderNo != fmt.Sprintf("order%d", i) {
						t.Errorf("%d, paid: %+v, %+v", i, c, e)
					}
					if ev, err := pingpp.ParseEvent(e.Body); err != nil || ev.Charge == nil || !ev.Charge.Paid || ev.ID != e.ID {
						t.Errorf("%v\n%s", err, e.Body)
					}
				case i == 1:
					if !c.Reversed || e != nil || !c.NextQuery.IsZero() {
						t.Errorf("reversed: %+v, %+v", c, e)
					}
				case c.Paid || e != nil || c.Queries != 1 || !c.NextQuery.After(p.Clock.Now()):
					t.Errorf("%d, unpaid: %+v, %+v", i, c, e)
				}
			}
			if got := seen(); got["paid"] != charges/10 || got["reversed"] != 1 || got["unpaid"] != charges-charges/10-1 {
				t.Errorf("observed %v", got)
			}
		})
	}
}

// A flood of charges that nobody pays, and as many look-ups of older ones: within what may be asked in a minute every charge has had its
// first look-up.
func TestFloodDelaysNoFirstLookUp(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	const charges = 500
	for i := range charges {
		p.Charge(l, fmt.Sprintf("old%d", i), 100)
		if i%20 == 0 {
			p.After(time.Second)
		}
	}
	r := p.Reconciler(l, zap.NewNop())
	p.After(reconcile.DefaultAfter)
	reconciletest.Rounds(t, r)
	for i := range charges {
		p.Charge(l, fmt.Sprintf("new%d", i), 100)
		if i%20 == 0 {
			p.After(time.Second)
		}
	}
	victim := p.Charge(l, "victim", 100).ID
	p.Pay(victim)
	p.After(2 * time.Minute) // the second look-ups of the old ones are due too
	before := p.Count()
	for looked := reconcile.QueryClaim; looked == reconcile.QueryClaim; {
		var err error
		if looked, err = r.Due.Round(t.Context(), ledger.QueryFirst); err != nil {
			t.Fatal(err)
		}
		if !p.Known(l, victim).Paid {
			t.Fatal("the newest is not the first that is looked up")
		}
	}
	if n := p.Count() - before; n > 20 || n > 60*int(asking.NewQuestions().First.Limit()) {
		t.Errorf("%d questions for the first look-ups of %d charges", n, charges)
	}
	for i := range charges {
		if c := p.Attempts(l, fmt.Sprintf("new%d", i))[0]; c.Queries != 1 {
			t.Fatalf("%+v", c)
		}
	}
	if n, err := l.ClaimQueries(t.Context(), ledger.QueryClaim{Scope: p.Scope, Kind: ledger.QueryLater, Owner: "x", Now: p.Clock.Now(), Until: p.Clock.Now(), Limit: 1}); len(n) != 1 || err != nil {
		t.Errorf("there were no others: %v, %v", n, err)
	}
}

// A charge that Ping++ does not list is asked for by itself, and so is a superseded one, which is reversed. A list that stands still
// or is of no use ends.
func TestListLeavesTheRest(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	old, _ := p.Superseded(l)
	for i := range 20 {
		p.Charge(l, fmt.Sprintf("order%d", i), 100)
	}
	hidden := p.Charge(l, "hidden", 100)
	p.Pay(hidden.ID)
	p.After(2 * time.Minute)
	hide := func(req *http.Request) {
		if strings.HasPrefix(req.URL.RawQuery, "app") { // what Ping++ made this very moment may not be listed yet
			q := req.URL.Query()
			q.Set("paid", "false")
			req.URL.RawQuery = q.Encode()
		}
	}
	p.Before.Store(&hide)
	reconciletest.Rounds(t, r)
	if c := p.Known(l, hidden.ID); !c.Paid {
		t.Errorf("not listed, and not asked for: %+v", c)
	}
	if c := p.Known(l, old); !c.Reversed {
		t.Errorf("superseded, and not reversed: %+v", c)
	}
	if n := p.State(0).Calls["list_charges"]; n == 0 || n > 2 || p.Asked() > 4 {
		t.Errorf("%d lists, %d questions", n, p.Asked())
	}
}

package relay

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
)

// count is how often Ping++ was asked, lists included.
func (p *provider) count() int { return p.asked() + p.State(0).Calls["list_charges"] }

// More look-ups are due than Ping++ may be asked for, and lists do not help: a refund's payment is asked for at once all the same, and
// so is the charge of a payer who waits, an unsigned event, and the first look-up of a charge behind the later ones of others.
func TestBacklogHoldsUpNobody(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	for i := range 200 {
		id := p.charge(l, fmt.Sprintf("old%d", i), 100).ID
		if err := l.Queried(t.Context(), ledger.Queried{Scope: p.scope, ChargeID: id, Next: p.clock.Now().Add(time.Second)}); err != nil {
			t.Fatal(err)
		}
	}
	foreign := p.made(p.client, "elsewhere1", "", 300).ID
	p.pay(foreign)
	event := p.State(1).Events[0].ID
	var waits, fresh []string
	for i := range 8 {
		waits = append(waits, p.charge(l, fmt.Sprintf("waits%d", i), 100).ID)
		fresh = append(fresh, p.charge(l, fmt.Sprintf("fresh%d", i), 100).ID)
	}
	for _, id := range fresh {
		p.pay(id)
	}
	p.after(DefaultAfter - time.Second)
	p.fault("list_charges", "500", 100_000)
	r := p.reconciler(l, zap.NewNop())
	r.cfg.Questions = NewQuestions()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	waitFor(t, "the backlog to use its budget up", func() bool { return p.asked() > queryBurst })
	for _, id := range waits {
		p.pay(id)
		if err := r.Ask(ctx, id); err != nil || !p.known(l, id).Paid {
			t.Errorf("a payer's question did nothing: %v", err)
		}
		if err := r.Recover(ctx, foreign); err != nil {
			t.Error("a refund's payment:", err)
		}
	}
	if _, err := r.Event(ctx, event); err != nil {
		t.Error("an unsigned event:", err)
	}
	if n := p.asked(); n > 150 {
		t.Errorf("there was no backlog any more: %d questions", n)
	}
	p.after(time.Second)
	waitFor(t, "the first look-ups", func() bool {
		for _, id := range fresh {
			if !p.known(l, id).Paid {
				return false
			}
		}
		return true
	})
	if n := p.asked(); n > 150 {
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
			p, l := newProvider(t), newLedger(t)
			r := p.reconciler(l, zap.NewNop())
			seen := results(r)
			const charges = 250
			ids := make([]string, charges)
			for i := range ids {
				ids[i] = p.charge(l, fmt.Sprintf("order%d", i), 100).ID
				p.made(p.client, fmt.Sprintf("elsewhere%d", i), "", 100) // another system's, at the same app
				p.after(tt.between)
			}
			p.after(10 * time.Minute)
			for i := 0; i < charges; i += 10 {
				p.pay(ids[i])
			}
			if _, err := p.client.ReverseCharge(t.Context(), ids[1]); err != nil {
				t.Fatal(err)
			}
			if n := rounds(t, r); n != charges {
				t.Errorf("%d look-ups", n)
			}
			if n := p.State(0).Calls["list_charges"]; p.asked() != 0 || n > tt.lists {
				t.Errorf("%d lists and %d single questions for %d charges among as many others", n, p.asked(), charges)
			}
			for i, id := range ids {
				c, e := p.known(l, id), p.event(l, queryID(id))
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
				case c.Paid || e != nil || c.Queries != 1 || !c.NextQuery.After(p.clock.Now()):
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
	p, l := newProvider(t), newLedger(t)
	const charges = 500
	for i := range charges {
		p.charge(l, fmt.Sprintf("old%d", i), 100)
		if i%20 == 0 {
			p.after(time.Second)
		}
	}
	r := p.reconciler(l, zap.NewNop())
	p.after(DefaultAfter)
	rounds(t, r)
	for i := range charges {
		p.charge(l, fmt.Sprintf("new%d", i), 100)
		if i%20 == 0 {
			p.after(time.Second)
		}
	}
	victim := p.charge(l, "victim", 100).ID
	p.pay(victim)
	p.after(2 * time.Minute) // the second look-ups of the old ones are due too
	before := p.count()
	for looked := queryClaim; looked == queryClaim; {
		var err error
		if looked, err = r.round(t.Context(), ledger.QueryFirst); err != nil {
			t.Fatal(err)
		}
		if !p.known(l, victim).Paid {
			t.Fatal("the newest is not the first that is looked up")
		}
	}
	if n := p.count() - before; n > 20 || n > 60*queriesASec {
		t.Errorf("%d questions for the first look-ups of %d charges", n, charges)
	}
	for i := range charges {
		if c := p.attempts(l, fmt.Sprintf("new%d", i))[0]; c.Queries != 1 {
			t.Fatalf("%+v", c)
		}
	}
	if n, err := l.ClaimQueries(t.Context(), ledger.QueryClaim{Scope: p.scope, Kind: ledger.QueryLater, Owner: "x", Now: p.clock.Now(), Until: p.clock.Now(), Limit: 1}); len(n) != 1 || err != nil {
		t.Errorf("there were no others: %v, %v", n, err)
	}
}

// A charge that Ping++ does not list is asked for by itself, and so is a superseded one, which is reversed. A list that stands still
// or is of no use ends.
func TestListLeavesTheRest(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	old, _ := p.superseded(l)
	for i := range 20 {
		p.charge(l, fmt.Sprintf("order%d", i), 100)
	}
	hidden := p.charge(l, "hidden", 100)
	p.pay(hidden.ID)
	p.after(2 * time.Minute)
	hide := func(req *http.Request) {
		if strings.HasPrefix(req.URL.RawQuery, "app") { // what Ping++ made this very moment may not be listed yet
			q := req.URL.Query()
			q.Set("paid", "false")
			req.URL.RawQuery = q.Encode()
		}
	}
	p.before.Store(&hide)
	rounds(t, r)
	if c := p.known(l, hidden.ID); !c.Paid {
		t.Errorf("not listed, and not asked for: %+v", c)
	}
	if c := p.known(l, old); !c.Reversed {
		t.Errorf("superseded, and not reversed: %+v", c)
	}
	if n := p.State(0).Calls["list_charges"]; n == 0 || n > 2 || p.asked() > 4 {
		t.Errorf("%d lists, %d questions", n, p.asked())
	}
}

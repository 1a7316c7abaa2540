package reconcile_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
	"github.com/caddypay/caddypay/relay/relaytest/delivery"
)

// The webhook endpoint cannot be reached for hours: every payment reaches the backend all the same, as an event like Ping++'s own.
func TestPaymentsWithoutWebhooks(t *testing.T) {
	p, l, b := reconciletest.NewProvider(t), relaytest.NewLedger(t), relaytest.NewBackend(t, relaytest.AnswerOK)
	var results sync.Map
	r := p.Reconciler(l, zap.NewNop(), reconciletest.Observe(func(result string) {
		n, _ := results.LoadOrStore(result, new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
	}))
	const paid, unpaid = 30, 6
	ids := make([]string, paid+unpaid)
	begin := p.Clock.Now()
	for i := range ids {
		ids[i] = p.Charge(l, fmt.Sprintf("order%d", i), 1999).ID
	}
	foundAfter := time.Duration(0) // the longest from a payment to its record
	paidAt, found := make(map[string]time.Time), make(map[string]bool)
	for p.Clock.Now().Sub(begin) < 3*time.Hour {
		for i := range paid {
			if at := time.Duration(i*i) * 7 * time.Second; p.Clock.Now().Sub(begin) >= at && paidAt[ids[i]].IsZero() {
				p.Pay(ids[i])
				paidAt[ids[i]] = p.Clock.Now()
			}
		}
		reconciletest.Rounds(t, r)
		for id, at := range paidAt {
			if !found[id] && p.Known(l, id).Paid {
				foundAfter, found[id] = max(foundAfter, p.Clock.Now().Sub(at)), true
			}
		}
		p.After(15 * time.Second)
	}
	for i, id := range ids {
		e := p.Event(l, reconciletest.QueryID(id))
		if i >= paid {
			if e != nil || p.Known(l, id).Paid {
				t.Errorf("charge %d is not paid: %+v", i, e)
			}
			continue
		}
		if e == nil {
			t.Errorf("payment %d is lost", i)
			continue
		}
		ev, err := pingpp.ParseEvent(e.Body)
		if err != nil {
			t.Fatalf("%v\n%s", err, e.Body)
		}
		said, err := p.Client.GetCharge(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(ev.Object, said.Raw) || ev.ID != e.ID || ev.Type != "charge.succeeded" || ev.Livemode || ev.Created != said.TimePaid {
			t.Errorf("the event is %s, Ping++ says %s", e.Body, said.Raw)
		}
		if e.Source != ledger.Query || e.Signature != "" || e.OrderNo != fmt.Sprintf("order%d", i) || e.Host != "pay.example.com" ||
			e.State != ledger.Pending || e.Late != "" || !e.Created.Equal(time.Unix(said.TimePaid, 0)) {
			t.Errorf("%+v", e)
		}
	}
	if n, ok := results.Load("paid"); !ok || n.(*atomic.Int64).Load() != paid {
		t.Error("observed as paid:", n)
	}
	if foundAfter > 90*time.Minute {
		t.Errorf("a payment was found only after %s", foundAfter)
	}
	cfg := delivery.Config(t, l, b)
	cfg.Scope, cfg.Now = p.Scope, p.Clock.Now
	delivery.Start(t, cfg)
	relaytest.WaitFor(t, "all payments to be delivered", func() bool { return len(b.Requests()) >= paid })
	for _, req := range b.Requests() {
		if h := req.Header; h.Get("X-Pay-Source") != "query" || h.Get(pingpp.SignatureHeader) != "" || h.Get("Webhook-Id") != reconciletest.QueryID(h.Get("X-Pay-Charge")) {
			t.Errorf("%v", h)
		}
	}
}

// A webhook and a look-up at the same moment: the payment has its effect once.
func TestWebhookAndQueryTogether(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	queried := 0
	for i := range 60 {
		orderNo := fmt.Sprintf("order%d", i)
		id := p.Charge(l, orderNo, 100).ID
		p.Pay(id)
		p.After(6 * time.Second)
		ev, err := pingpp.ParseEvent([]byte(p.State(1).Events[0].Body))
		if err != nil || ev.ObjectID != id {
			t.Fatal(ev, err)
		}
		var all sync.WaitGroup
		begin := make(chan struct{})
		all.Go(func() {
			<-begin
			time.Sleep(time.Duration(i%20) * 300 * time.Microsecond) // the look-up takes some milliseconds
			if _, err := r.Learner.Intake.Accept(context.Background(), intake.Arrival{Event: ev, Charge: p.Known(l, id), Source: ledger.Webhook}); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			<-begin
			if err := r.Charges.Ask(context.Background(), id); err != nil {
				t.Error(err)
			}
		})
		close(begin)
		all.Wait()
		es, err := l.Events(context.Background(), ledger.Filter{Scope: p.Scope, OrderNo: orderNo})
		if err != nil {
			t.Fatal(err)
		}
		pending := 0
		for _, e := range es {
			switch {
			case e.State == ledger.Pending:
				pending++
				if e.Source == ledger.Query {
					queried++
				}
			case e.State != ledger.Filtered || !slices.Equal(e.Reasons, []string{ledger.ReasonEffectSeen}):
				t.Errorf("%+v", e)
			}
		}
		if c := p.Known(l, id); pending != 1 || !c.Paid || !c.NextQuery.IsZero() {
			t.Fatalf("round %d: %d effects, %+v", i, pending, c)
		}
	}
	t.Logf("the look-up came first %d times of 60", queried)
}

// A charge that nobody pays is asked for at growing gaps, right after it has expired, and for the last time a day later: six times in
// all, however long it may be paid. How often its payer asked makes no difference.
func TestGaps(t *testing.T) {
	for name, tt := range map[string]struct {
		lasts     time.Duration
		impatient bool
		want      []string
	}{
		"two hours":                      {2 * time.Hour, false, []string{"30s", "2m2.483s", "8m1.871s", "31m36.648s", "2h0m5s", "26h0m0s"}},
		"two hours, and its payer asks":  {2 * time.Hour, true, []string{"2m3.083s", "8m1.841s", "31m36.649s", "2h0m5s", "26h0m0s"}},
		"five minutes":                   {5 * time.Minute, false, nil},
		"thirty seconds":                 {30 * time.Second, false, []string{"30s", "24h0m30s"}},
		"a fortnight":                    {14 * 24 * time.Hour, false, nil},
		"nobody says how long, so a day": {0, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
			r := p.Reconciler(l, zap.NewNop())
			begin := p.Clock.Now()
			id := p.Lasting(l, "order1", tt.lasts).ID
			if tt.impatient {
				p.After(6 * time.Second)
				for range 3 {
					if err := r.Charges.Ask(context.Background(), id); err != nil {
						t.Fatal(err)
					}
					p.After(6 * time.Second)
				}
			}
			scheduled := p.Asked()
			var got []string
			for c := p.Known(l, id); !c.NextQuery.IsZero() && len(got) < 50; c = p.Known(l, id) {
				p.Clock.Set(c.NextQuery)
				got = append(got, c.NextQuery.Sub(begin).String())
				reconciletest.Rounds(t, r)
			}
			if tt.want != nil && !slices.Equal(got, tt.want) {
				t.Errorf("asked after\n%q, want\n%q", got, tt.want)
			}
			if n := p.Asked() - scheduled; n > 6 || n != len(got) {
				t.Errorf("asked %d times, after %q", n, got)
			}
			ends := cmp.Or(tt.lasts, 24*time.Hour) + reconcile.DefaultUntil
			if last := got[len(got)-1]; last != ends.String() {
				t.Errorf("for the last time after %s, want %s", last, ends)
			}
			if expired := got[len(got)-2]; tt.lasts > time.Minute && expired != (tt.lasts+reconcile.AfterExpiry).String() {
				t.Errorf("the time before that after %s", expired)
			}
			p.After(100 * time.Hour)
			if n := reconciletest.Rounds(t, r); n != 0 {
				t.Errorf("asked again after the end: %d", n)
			}
		})
	}
}

// However long a charge is to be looked up after its expiry, no look-up lies further ahead than the ledger takes for right.
func TestGapsOfALongUntil(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	r.Schedule(reconcile.DefaultAfter, 30*24*time.Hour)
	begin := p.Clock.Now()
	id := p.Charge(l, "order1", 100).ID
	var last time.Time
	for c := p.Known(l, id); !c.NextQuery.IsZero(); c = p.Known(l, id) {
		last = c.NextQuery
		if n, err := l.Overdue(t.Context(), p.Scope, p.Clock.Now()); n != 0 || err != nil {
			t.Fatalf("%d look-ups are taken for too far ahead, %v: %s after %s", n, err, last.Sub(begin), p.Clock.Now().Sub(begin))
		}
		p.Clock.Set(last)
		reconciletest.Rounds(t, r)
	}
	if want := 2*time.Hour + r.Charges.Until(); last.Sub(begin) != want {
		t.Errorf("looked up last after %s, want %s", last.Sub(begin), want)
	}
}

// Ping++ is down: the gaps go on, and when it is back the payment is found, even after the time of what was to be the last look-up.
func TestPingppDown(t *testing.T) {
	for name, down := range map[string]time.Duration{"an hour": time.Hour, "beyond the end": 30 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
			var out relaytest.Logs
			r := p.Reconciler(l, out.Logger())
			id := p.Charge(l, "order1", 100).ID
			p.Pay(id)
			p.Fault("get_charge", "502", 10_000)
			begin := p.Clock.Now()
			for p.Clock.Now().Sub(begin) < down {
				next := p.Known(l, id).NextQuery
				if next.IsZero() || !next.After(p.Clock.Now()) {
					t.Fatalf("after %s: next look-up %s", p.Clock.Now().Sub(begin), next)
				}
				p.Clock.Set(next)
				reconciletest.Rounds(t, r)
			}
			if c := p.Known(l, id); c.Paid || c.Queries < 8 {
				t.Fatalf("%+v", c)
			}
			if !strings.Contains(out.String(), "a charge could not be looked up") {
				t.Error("no word of it in the log")
			}
			p.ClearFaults()
			p.Clock.Set(p.Known(l, id).NextQuery)
			reconciletest.Rounds(t, r)
			if e := p.Event(l, reconciletest.QueryID(id)); e == nil || e.State != ledger.Pending {
				t.Errorf("lost: %+v", e)
			}
		})
	}
	t.Run("for weeks", func(t *testing.T) {
		p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
		r := p.Reconciler(l, zap.NewNop())
		id := p.Charge(l, "order1", 100).ID
		p.Fault("get_charge", "500", 10_000)
		p.After(40 * 24 * time.Hour)
		reconciletest.Rounds(t, r)
		if c := p.Known(l, id); !c.NextQuery.IsZero() || c.Queries != 1 {
			t.Errorf("%+v", c)
		}
	})
}

// An answer that is not about the charge asked for changes nothing.
func TestStrangeAnswers(t *testing.T) {
	for _, name := range []string{"wrong_charge", "200_error", "200_null", "200_html", "empty", "truncate", "drop", "401", "403"} {
		p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
		r := p.Reconciler(l, zap.NewNop())
		id := p.Charge(l, "order1", 100).ID
		p.Pay(id)
		p.Fault("get_charge", name, 100) // net/http, too, asks again
		p.After(reconcile.DefaultAfter)
		reconciletest.Rounds(t, r)
		if c := p.Known(l, id); c.Paid || c.NextQuery.IsZero() {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// Two processes on one ledger: each charge is asked for by one of them when it is due, and by another once a dead one's lease has run out.
func TestOneAsks(t *testing.T) {
	p, file := reconciletest.NewProvider(t), filepath.Join(t.TempDir(), "ledger.db")
	first, second := relaytest.OpenLedger(t, file), relaytest.OpenLedger(t, file)
	const charges = 40
	var id string
	for i := range charges {
		id = p.Charge(first, fmt.Sprintf("order%d", i), 100).ID
	}
	looked := func() (n int) {
		for i := range charges {
			n += p.Attempts(first, fmt.Sprintf("order%d", i))[0].Queries
		}
		return n
	}
	for due, later := range []time.Duration{10 * time.Minute, 30 * time.Minute, 90 * time.Minute} {
		p.After(later)
		var all sync.WaitGroup
		for _, l := range []ledger.Ledger{first, second, first} {
			all.Go(func() { reconciletest.Rounds(t, p.Reconciler(l, zap.NewNop())) })
		}
		all.Wait()
		if n := looked(); n != (due+1)*charges {
			t.Fatalf("%d look-ups of %d charges that were due %d times", n, charges, due+1)
		}
	}
	p.After(25 * time.Hour)
	now := p.Clock.Now()
	if cs, err := first.ClaimQueries(context.Background(), ledger.QueryClaim{Scope: p.Scope, Kind: ledger.QueryLater, Owner: "dead", Now: now, Until: now.Add(reconcile.QueryLease), Limit: charges}); len(cs) != charges || err != nil {
		t.Fatal(len(cs), err)
	}
	r := p.Reconciler(second, zap.NewNop())
	reconciletest.Rounds(t, r)
	if looked() != 3*charges {
		t.Error("a leased charge was asked for")
	}
	p.After(reconcile.QueryLease)
	reconciletest.Rounds(t, r)
	if looked() != 4*charges || p.Known(first, id).Queries != 4 {
		t.Errorf("%d look-ups, %+v", looked(), p.Known(first, id))
	}
}

// Run asks Ping++ ten times at once and then five times a second, where lists are of no use, and ends at once.
func TestRateLimit(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	for i := range 40 {
		p.Charge(l, fmt.Sprintf("order%d", i), 100)
	}
	p.After(reconcile.DefaultAfter)
	p.Fault("list_charges", "500", 1000)
	q := asking.NewQuestions()
	r := p.Reconciler(l, zap.NewNop(), reconciletest.Asking(q))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	begin := time.Now()
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	relaytest.WaitFor(t, "the burst and a few more", func() bool { return p.Asked() >= q.First.Burst()+3 })
	n, took := p.Asked(), time.Since(begin)
	if most := q.First.Burst() + 1 + int(took.Seconds()*float64(q.First.Limit())); n > most {
		t.Errorf("%d look-ups in %s", n, took)
	}
	begin = time.Now()
	cancel()
	<-done
	if took := time.Since(begin); took > 3*time.Second { // the rest of the look-ups takes longer
		t.Errorf("Run ended after %s", took)
	}
	q.Refunds.SetLimit(0)
	q.Refunds.SetBurst(0)
	if err := r.Charges.Recover(context.Background(), "ch_1", nil); !errors.Is(err, asking.ErrTooMuch) {
		t.Error("Recover:", err)
	}
	if _, err := r.Events.Get(context.Background(), "evt_1"); !errors.Is(err, asking.ErrTooMuch) {
		t.Error("Event:", err)
	}
}

// Run finds a payment by itself.
func TestRun(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	var opened atomic.Int64
	r := p.Reconciler(l, zap.NewNop(), func(c *reconcile.Config) {
		c.Ledger = func(context.Context) (ledger.Ledger, error) {
			if opened.Add(1) == 1 {
				return nil, errors.New("the disk sleeps")
			}
			return l, nil
		}
	})
	id := p.Charge(l, "order1", 100).ID
	p.Pay(id)
	p.After(reconcile.DefaultAfter)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { r.Run(ctx) })
	relaytest.WaitFor(t, "the payment", func() bool { return p.Known(l, id).Paid })
	cancel()
	all.Wait()
}

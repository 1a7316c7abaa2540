package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/sandbox"
)

// provider is Ping++ as the sandbox plays it, over HTTP, with a clock that is moved by hand. It sends no webhooks.
type provider struct {
	*sandbox.Sandbox
	t      testing.TB
	clock  *clock
	url    string
	scope  ledger.Scope
	before atomic.Pointer[func(*http.Request)] // runs before each request is answered
	client *pingpp.Client
}

func newProvider(t testing.TB) *provider {
	t.Helper()
	p := &provider{t: t, clock: newClock()}
	var err error
	if p.Sandbox, err = sandbox.New(sandbox.Config{Now: p.clock.Now}); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := p.before.Load(); f != nil {
			(*f)(r)
		}
		p.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		p.Close()
		srv.Close()
	})
	p.url, p.scope = srv.URL, ledger.Scope{App: p.App(), Mode: ledger.Test}
	p.client = p.newClient(p.TestKey())
	return p
}

func (p *provider) newClient(key string) *pingpp.Client {
	p.t.Helper()
	c, err := pingpp.New(pingpp.Config{App: p.App(), Key: key, Endpoint: p.url, Now: p.clock.Now, Rand: func() float64 { return 0 }})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(c.Close)
	return c
}

func (p *provider) after(d time.Duration) { p.clock.Set(p.clock.Now().Add(d)) }

// reconciler is one process's, on a ledger; it may ask as often as it likes.
func (p *provider) reconciler(l ledger.Ledger, log *zap.Logger) *Reconciler {
	open := func(context.Context) (ledger.Ledger, error) { return l, nil }
	in := &Intake{Scope: p.scope, Ledger: open, Now: p.clock.Now, Logger: log}
	r := NewReconciler(ReconcilerConfig{
		Scope: p.scope, Ledger: open, Pingpp: p.client, Intake: in, Owner: fmt.Sprintf("%s-%d", p.t.Name(), serial.Add(1)),
		Now: p.clock.Now, Rand: func() float64 { return 0.5 }, Logger: log,
	})
	in.Ask = r.Recover
	r.limit = rate.NewLimiter(rate.Inf, 0)
	return r
}

// made creates a charge at Ping++ alone.
func (p *provider) made(c *pingpp.Client, number, orderNo string, amount int64) *pingpp.Charge {
	p.t.Helper()
	ch, err := c.CreateCharge(context.Background(), &pingpp.ChargeParams{
		OrderNo: number, Channel: "wx_lite", Amount: amount, Currency: "cny", ClientIP: "192.0.2.1", Subject: "绿茶 & <tea>", Body: "b",
		Extra: map[string]any{"open_id": "oAAAAAAAAAAAAAAAAAAAAAAAAAA1"}, Metadata: map[string]any{metaOrderNo: orderNo},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return ch
}

// charge creates one at Ping++ and records it as the site does.
func (p *provider) charge(l ledger.Ledger, orderNo string, amount int64) *pingpp.Charge {
	p.t.Helper()
	now := p.clock.Now()
	held, err := l.Reserve(context.Background(), ledger.Reservation{Scope: p.scope, OrderNo: orderNo, Now: now, Until: now.Add(time.Minute),
		Number: func(attempts, try int) string { return fmt.Sprintf("%sx%d%d", orderNo, attempts, try) }})
	if err != nil {
		p.t.Fatal(err)
	}
	ch := p.made(p.client, held.Number, orderNo, amount)
	p.keep(l, orderNo, amount, ch)
	return ch
}

func (p *provider) keep(l ledger.Ledger, orderNo string, amount int64, ch *pingpp.Charge) {
	p.t.Helper()
	if err := l.Created(context.Background(), &ledger.Charge{Scope: p.scope, OrderNo: orderNo, Number: ch.OrderNo, State: ledger.Open, ID: ch.ID,
		Channel: "wx_lite", Payer: "oAAAAAAAAAAAAAAAAAAAAAAAAAA1", Amount: amount, Currency: "cny", Host: "pay.example.com", Raw: ch.Raw,
		Created: time.Unix(ch.Created, 0), TimeExpire: time.Unix(ch.TimeExpire, 0), NextQuery: p.clock.Now().Add(DefaultAfter)}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *provider) pay(id string) {
	p.t.Helper()
	if err := p.Pay(id); err != nil {
		p.t.Fatal(err)
	}
}

func (p *provider) fault(on, name string, times int) {
	p.t.Helper()
	if err := p.SetFault(on, name, times); err != nil {
		p.t.Fatal(err)
	}
}

func (p *provider) asked() int { return p.State(0).Calls["get_charge"] }

// known is the charge as the ledger has it.
func (p *provider) known(l ledger.Ledger, id string) *ledger.Charge {
	p.t.Helper()
	c, err := l.Charge(context.Background(), p.scope, id)
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// event is an event of the order, by its id; nil when it is not recorded.
func (p *provider) event(l ledger.Ledger, id string) *ledger.Event {
	p.t.Helper()
	e, err := l.Event(context.Background(), p.scope, id)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		p.t.Fatal(err)
	}
	return e
}

// rounds looks up everything that is due now.
func rounds(t testing.TB, r *Reconciler) {
	t.Helper()
	for {
		n, err := r.round(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if n < queryBatch {
			return
		}
	}
}

func queryID(charge string) string { return "evt_q_" + charge + "_charge_succeeded" }

// The webhook endpoint cannot be reached for hours: every payment reaches the backend all the same, as an event like Ping++'s own.
func TestPaymentsWithoutWebhooks(t *testing.T) {
	p, l, b := newProvider(t), newLedger(t), newBackend(t, answerOK)
	r := p.reconciler(l, zap.NewNop())
	var results sync.Map
	r.cfg.Observe = func(result string) {
		n, _ := results.LoadOrStore(result, new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
	}
	const paid, unpaid = 30, 6
	ids := make([]string, paid+unpaid)
	begin := p.clock.Now()
	for i := range ids {
		ids[i] = p.charge(l, fmt.Sprintf("order%d", i), 1999).ID
	}
	foundAfter := time.Duration(0) // the longest from a payment to its record
	paidAt, found := make(map[string]time.Time), make(map[string]bool)
	for p.clock.Now().Sub(begin) < 3*time.Hour {
		for i := range paid {
			if at := time.Duration(i*i) * 7 * time.Second; p.clock.Now().Sub(begin) >= at && paidAt[ids[i]].IsZero() {
				p.pay(ids[i])
				paidAt[ids[i]] = p.clock.Now()
			}
		}
		rounds(t, r)
		for id, at := range paidAt {
			if !found[id] && p.known(l, id).Paid {
				foundAfter, found[id] = max(foundAfter, p.clock.Now().Sub(at)), true
			}
		}
		p.after(15 * time.Second)
	}
	for i, id := range ids {
		e := p.event(l, queryID(id))
		if i >= paid {
			if e != nil || p.known(l, id).Paid {
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
		said, err := p.client.GetCharge(context.Background(), id)
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
	if foundAfter > time.Hour {
		t.Errorf("a payment was found only after %s", foundAfter)
	}
	cfg := config(t, l, b)
	cfg.Scope, cfg.Now = p.scope, p.clock.Now
	start(t, cfg)
	waitFor(t, "all payments to be delivered", func() bool { return len(b.requests()) >= paid })
	for _, req := range b.requests() {
		if h := req.Header; h.Get("X-Pay-Source") != "query" || h.Get(pingpp.SignatureHeader) != "" || h.Get("Webhook-Id") != queryID(h.Get("X-Pay-Charge")) {
			t.Errorf("%v", h)
		}
	}
}

// A webhook and a look-up at the same moment: the payment has its effect once.
func TestWebhookAndQueryTogether(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	queried := 0
	for i := range 60 {
		orderNo := fmt.Sprintf("order%d", i)
		id := p.charge(l, orderNo, 100).ID
		p.pay(id)
		p.after(6 * time.Second)
		ev, err := pingpp.ParseEvent([]byte(p.State(1).Events[0].Body))
		if err != nil || ev.ObjectID != id {
			t.Fatal(ev, err)
		}
		var all sync.WaitGroup
		begin := make(chan struct{})
		all.Go(func() {
			<-begin
			time.Sleep(time.Duration(i%20) * 300 * time.Microsecond) // the look-up takes some milliseconds
			if _, err := r.cfg.Intake.Accept(context.Background(), Arrival{Event: ev, Charge: p.known(l, id), Source: ledger.Webhook}); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			<-begin
			if err := r.Ask(context.Background(), id); err != nil {
				t.Error(err)
			}
		})
		close(begin)
		all.Wait()
		es, err := l.Events(context.Background(), ledger.Filter{Scope: p.scope, OrderNo: orderNo})
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
		if c := p.known(l, id); pending != 1 || !c.Paid || !c.NextQuery.IsZero() {
			t.Fatalf("round %d: %d effects, %+v", i, pending, c)
		}
	}
	t.Logf("the look-up came first %d times of 60", queried)
}

// A charge that nobody pays is asked for at growing gaps, right after it has expired, and for the last time a day later. How often
// its payer asked makes no difference.
func TestGaps(t *testing.T) {
	for _, impatient := range []bool{false, true} {
		p, l := newProvider(t), newLedger(t)
		r := p.reconciler(l, zap.NewNop())
		begin := p.clock.Now()
		id := p.charge(l, "order1", 100).ID
		if impatient {
			p.after(6 * time.Second)
			for range 3 {
				if err := r.Ask(context.Background(), id); err != nil {
					t.Fatal(err)
				}
				p.after(6 * time.Second)
			}
		}
		var got []string
		for c := p.known(l, id); !c.NextQuery.IsZero() && len(got) < 50; c = p.known(l, id) {
			p.clock.Set(c.NextQuery)
			if !impatient || c.NextQuery.Sub(begin) > 90*time.Second {
				got = append(got, c.NextQuery.Sub(begin).String())
			}
			rounds(t, r)
		}
		want := []string{"30s", "1m30s", "2m30s", "4m30s", "6m30s", "11m30s", "21m30s", "31m30s", "1h1m30s", "2h0m5s", "4h0m5s", "6h0m5s", "12h0m5s", "18h0m5s", "24h0m5s", "26h0m0s"}
		if impatient {
			want = []string{"2m18s", "4m18s", "6m18s", "11m18s", "21m18s", "31m18s", "1h1m18s", "2h0m5s", "4h0m5s", "6h0m5s", "12h0m5s", "18h0m5s", "24h0m5s", "26h0m0s"}
		}
		if !slices.Equal(got, want) {
			t.Errorf("impatient %t: asked after\n%q, want\n%q", impatient, got, want)
		}
		if n := p.asked(); !impatient && n != len(want) {
			t.Errorf("asked %d times", n)
		}
		p.after(100 * time.Hour)
		if n, err := r.round(context.Background()); n != 0 || err != nil {
			t.Errorf("asked again after the end: %d, %v", n, err)
		}
	}
}

// Ping++ is down: the gaps go on, and when it is back the payment is found, even after the time of what was to be the last look-up.
func TestPingppDown(t *testing.T) {
	for name, down := range map[string]time.Duration{"an hour": time.Hour, "beyond the end": 30 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			p, l := newProvider(t), newLedger(t)
			var out logs
			r := p.reconciler(l, out.logger())
			id := p.charge(l, "order1", 100).ID
			p.pay(id)
			p.fault("get_charge", "502", 10_000)
			begin := p.clock.Now()
			for p.clock.Now().Sub(begin) < down {
				next := p.known(l, id).NextQuery
				if next.IsZero() || !next.After(p.clock.Now()) {
					t.Fatalf("after %s: next look-up %s", p.clock.Now().Sub(begin), next)
				}
				p.clock.Set(next)
				rounds(t, r)
			}
			if c := p.known(l, id); c.Paid || c.Queries < 8 {
				t.Fatalf("%+v", c)
			}
			if !strings.Contains(out.String(), "a charge could not be looked up") {
				t.Error("no word of it in the log")
			}
			p.ClearFaults()
			p.clock.Set(p.known(l, id).NextQuery)
			rounds(t, r)
			if e := p.event(l, queryID(id)); e == nil || e.State != ledger.Pending {
				t.Errorf("lost: %+v", e)
			}
		})
	}
	t.Run("for weeks", func(t *testing.T) {
		p, l := newProvider(t), newLedger(t)
		r := p.reconciler(l, zap.NewNop())
		id := p.charge(l, "order1", 100).ID
		p.fault("get_charge", "500", 10_000)
		p.after(40 * 24 * time.Hour)
		rounds(t, r)
		if c := p.known(l, id); !c.NextQuery.IsZero() || c.Queries != 1 {
			t.Errorf("%+v", c)
		}
	})
}

// An answer that is not about the charge asked for changes nothing.
func TestStrangeAnswers(t *testing.T) {
	for _, name := range []string{"wrong_charge", "200_error", "200_null", "200_html", "empty", "truncate", "drop", "401", "403"} {
		p, l := newProvider(t), newLedger(t)
		r := p.reconciler(l, zap.NewNop())
		id := p.charge(l, "order1", 100).ID
		p.pay(id)
		p.fault("get_charge", name, 3)
		p.after(DefaultAfter)
		rounds(t, r)
		if c := p.known(l, id); c.Paid || c.NextQuery.IsZero() {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// Two processes on one ledger: each charge is asked for by one of them when it is due, and by another once a dead one's lease has run out.
func TestOneAsks(t *testing.T) {
	p, file := newProvider(t), filepath.Join(t.TempDir(), "ledger.db")
	first, second := openLedger(t, file), openLedger(t, file)
	const charges = 40
	var id string
	for i := range charges {
		id = p.charge(first, fmt.Sprintf("order%d", i), 100).ID
	}
	for due := 1; due <= 3; due++ {
		p.after(10 * time.Minute)
		var all sync.WaitGroup
		for _, l := range []ledger.Ledger{first, second, first} {
			all.Go(func() { rounds(t, p.reconciler(l, zap.NewNop())) })
		}
		all.Wait()
		if n := p.asked(); n != due*charges {
			t.Fatalf("%d look-ups of %d charges that were due %d times", n, charges, due)
		}
	}
	p.after(time.Hour)
	now := p.clock.Now()
	if cs, err := first.ClaimQueries(context.Background(), ledger.QueryClaim{Scope: p.scope, Owner: "dead", Now: now, Until: now.Add(queryLease), Limit: charges}); len(cs) != charges || err != nil {
		t.Fatal(len(cs), err)
	}
	r := p.reconciler(second, zap.NewNop())
	rounds(t, r)
	if p.asked() != 3*charges {
		t.Error("a leased charge was asked for")
	}
	p.after(queryLease)
	rounds(t, r)
	if p.asked() != 4*charges || p.known(first, id).Queries != 4 {
		t.Errorf("%d look-ups, %+v", p.asked(), p.known(first, id))
	}
}

// Run asks Ping++ ten times at once and then five times a second, and ends at once.
func TestRateLimit(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	for i := range 40 {
		p.charge(l, fmt.Sprintf("order%d", i), 100)
	}
	p.after(DefaultAfter)
	r := p.reconciler(l, zap.NewNop())
	r.limit = NewReconciler(r.cfg).limit
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	begin := time.Now()
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	waitFor(t, "the burst and a few more", func() bool { return p.asked() >= queryBurst+3 })
	n, took := p.asked(), time.Since(begin)
	if most := queryBurst + 1 + int(took.Seconds()*queriesASec); n > most {
		t.Errorf("%d look-ups in %s", n, took)
	}
	if err := r.Recover(ctx, "ch_1"); !errors.Is(err, ErrAskedTooMuch) {
		t.Error("Recover:", err)
	}
	if _, err := r.Event(ctx, "evt_1"); !errors.Is(err, ErrAskedTooMuch) {
		t.Error("Event:", err)
	}
	begin = time.Now()
	cancel()
	<-done
	if took := time.Since(begin); took > 500*time.Millisecond {
		t.Errorf("Run ended after %s", took)
	}
}

// Run finds a payment by itself.
func TestRun(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	var opened atomic.Int64
	r := p.reconciler(l, zap.NewNop())
	r.cfg.Ledger = func(context.Context) (ledger.Ledger, error) {
		if opened.Add(1) == 1 {
			return nil, errors.New("the disk sleeps")
		}
		return l, nil
	}
	id := p.charge(l, "order1", 100).ID
	p.pay(id)
	p.after(DefaultAfter)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { r.Run(ctx) })
	waitFor(t, "the payment", func() bool { return p.known(l, id).Paid })
	cancel()
	all.Wait()
}

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
	if n, _ := r.round(ctx); n != 0 {
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
	r.limit = rate.NewLimiter(0, 0)
	if err := r.Ask(ctx, id); err != nil {
		t.Error(err)
	}
	asked("too many questions of others", 5)
	r.limit = rate.NewLimiter(rate.Inf, 0)

	p.after(askEvery)
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

// superseded makes an order with an attempt of 100 fen, and one of 200 that took its place.
func (p *provider) superseded(l ledger.Ledger) (old, current string) {
	old = p.charge(l, "order1", 100).ID
	current = p.charge(l, "order1", 200).ID
	return old, current
}

func TestSupersededIsReversed(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	var results []string
	r.cfg.Observe = func(result string) { results = append(results, result) }
	old, current := p.superseded(l)
	reversed := func() int { return p.State(0).Calls["reverse_charge"] }
	p.after(DefaultAfter)
	rounds(t, r)
	if n := reversed(); n != 0 {
		t.Fatal("reversed within the minute in which WeChat wants it left alone")
	}
	p.after(time.Minute)
	p.fault("reverse_charge", "500", 1) // its outcome is not known: the charge is read again
	rounds(t, r)
	if p.known(l, old).Reversed || reversed() != 1 {
		t.Error("reversed by a failed reversal")
	}
	p.after(time.Minute)
	rounds(t, r)
	if c := p.known(l, old); !c.Reversed || !c.NextQuery.IsZero() || c.Paid || reversed() != 2 {
		t.Errorf("%+v", c)
	}
	if err := p.Pay(old); !errors.Is(err, sandbox.ErrChargeReversed) {
		t.Error("it can still be paid:", err)
	}
	if c := p.known(l, current); c.Reversed || c.NextQuery.IsZero() {
		t.Errorf("the current attempt: %+v", c)
	}
	if n := countOf(results, "reversed"); n != 1 {
		t.Errorf("observed %q", results)
	}
}

// The answer to a reversal is lost, or somebody else has reversed the charge: it counts all the same.
func TestReversedElsewhere(t *testing.T) {
	for _, lost := range []bool{true, false} {
		p, l := newProvider(t), newLedger(t)
		r := p.reconciler(l, zap.NewNop())
		old, _ := p.superseded(l)
		if lost {
			p.fault("reverse_charge", "drop", 1)
		} else if _, err := p.client.ReverseCharge(context.Background(), old); err != nil {
			t.Fatal(err)
		}
		p.after(61 * time.Second)
		rounds(t, r)
		if c := p.known(l, old); !c.Reversed || !c.NextQuery.IsZero() {
			t.Errorf("lost %t: %+v", lost, c)
		}
	}
}

// A superseded attempt that was paid is never reversed, not even when it is paid between our question and the reversal.
func TestSupersededButPaid(t *testing.T) {
	for _, between := range []bool{false, true} {
		p, l := newProvider(t), newLedger(t)
		r := p.reconciler(l, zap.NewNop())
		old, _ := p.superseded(l)
		pay := func(req *http.Request) {
			if strings.HasSuffix(req.URL.Path, "/"+old+"/reverse") {
				_ = p.Pay(old)
			}
		}
		if between {
			p.before.Store(&pay)
		} else {
			p.pay(old)
		}
		p.after(61 * time.Second)
		rounds(t, r)
		c, e := p.known(l, old), p.event(l, queryID(old))
		if !c.Paid || c.Reversed || !c.NextQuery.IsZero() || !c.Held {
			t.Errorf("between %t: %+v", between, c)
		}
		if e == nil || e.State != ledger.Held || !slices.Equal(e.Reasons, []string{ledger.ReasonSuperseded}) {
			t.Errorf("between %t: %+v", between, e)
		}
		if n := p.State(0).Calls["reverse_charge"]; n > 1 || !between && n > 0 {
			t.Errorf("%d reversals", n)
		}
	}
}

// refunded makes a refund as a person does in Ping++'s dashboard, and returns its event.
func (p *provider) refunded(id string, amount int64) *pingpp.Event {
	p.t.Helper()
	resp, err := http.Post(p.url+"/sandbox/refunds", "application/json", strings.NewReader(fmt.Sprintf(`{"charge":%q,"amount":%d,"status":"succeeded"}`, id, amount)))
	if err != nil {
		p.t.Fatal(err)
	}
	_ = resp.Body.Close()
	ev, err := pingpp.ParseEvent([]byte(p.State(1).Events[0].Body))
	if err != nil || ev.Type != "refund.succeeded" || resp.StatusCode != http.StatusOK {
		p.t.Fatal(ev, err, resp.Status)
	}
	return ev
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

func countOf(all []string, one string) (n int) {
	for _, s := range all {
		if s == one {
			n++
		}
	}
	return n
}

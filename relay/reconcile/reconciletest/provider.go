// Package reconciletest is Ping++ for the tests of what asks it: the sandbox, over HTTP, with what happens to payments there and here.
package reconciletest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay/asking"
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/relay/reconcile"
	"github.com/caddypay/caddypay/relay/relaytest"
	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
)

// Provider is Ping++ as the sandbox plays it, over HTTP, with a clock that is moved by hand. It sends no webhooks.
type Provider struct {
	*sandbox.Sandbox
	T      testing.TB
	Clock  *relaytest.Clock
	URL    string
	Scope  ledger.Scope
	Before atomic.Pointer[func(*http.Request)] // runs before each request is answered
	Client *pingpp.Client
}

// NewProvider starts one.
func NewProvider(t testing.TB) *Provider {
	t.Helper()
	p := &Provider{T: t, Clock: relaytest.NewClock()}
	var err error
	if p.Sandbox, err = sandbox.New(sandbox.Config{Now: p.Clock.Now, SigningKey: sandboxtest.Key()}); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := p.Before.Load(); f != nil {
			(*f)(r)
		}
		p.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		p.Close()
		srv.Close()
	})
	p.URL, p.Scope = srv.URL, ledger.Scope{App: p.App(), Mode: ledger.Test}
	p.Client = p.NewClient(p.TestKey())
	return p
}

// Unlimited lets Ping++ be asked as often as anybody likes.
func Unlimited() *asking.Questions {
	budget := func() *rate.Limiter { return rate.NewLimiter(rate.Inf, 0) }
	return &asking.Questions{Payers: budget(), Refunds: budget(), First: budget(), Later: budget()}
}

// Asking lets a reconciler ask as often as q says.
func Asking(q *asking.Questions) func(*reconcile.Config) {
	return func(c *reconcile.Config) { c.Questions = q }
}

// Observe tells of what a reconciler observes.
func Observe(observe func(result string)) func(*reconcile.Config) {
	return func(c *reconcile.Config) { c.Observe = observe }
}

func (p *Provider) NewClient(key string) *pingpp.Client {
	p.T.Helper()
	c, err := pingpp.New(pingpp.Config{App: p.App(), Key: redact.New(key), Endpoint: p.URL, Now: p.Clock.Now, Rand: func() float64 { return 0 }})
	if err != nil {
		p.T.Fatal(err)
	}
	p.T.Cleanup(c.Close)
	return c
}

func (p *Provider) After(d time.Duration) { p.Clock.Set(p.Clock.Now().Add(d)) }

// Reconciler is one process's, on a ledger; it may ask as often as it likes, unless an option says otherwise.
func (p *Provider) Reconciler(l ledger.Ledger, log *zap.Logger, options ...func(*reconcile.Config)) *reconcile.Reconciler {
	open := func(context.Context) (ledger.Ledger, error) { return l, nil }
	in := &intake.Intake{Scope: p.Scope, Ledger: open, Now: p.Clock.Now, Logger: log}
	cfg := reconcile.Config{
		Scope: p.Scope, Ledger: open, Pingpp: p.Client, Intake: in, Owner: fmt.Sprintf("%s-%d", p.T.Name(), relaytest.Serial.Add(1)),
		Now: p.Clock.Now, Rand: func() float64 { return 0.5 }, Logger: log, Questions: Unlimited(),
	}
	for _, option := range options {
		option(&cfg)
	}
	r := reconcile.New(cfg)
	in.Ask = r.Charges.Recover
	return r
}

// Made creates a charge at Ping++ alone.
func (p *Provider) Made(c *pingpp.Client, number, orderNo string, amount int64) *pingpp.Charge {
	p.T.Helper()
	ch, err := c.CreateCharge(context.Background(), &pingpp.ChargeParams{
		OrderNo: number, Channel: "wx_lite", Amount: amount, Currency: "cny", ClientIP: "192.0.2.1", Subject: "绿茶 & <tea>", Body: "b",
		Extra: map[string]any{"open_id": "oAAAAAAAAAAAAAAAAAAAAAAAAAA1"}, Metadata: map[string]any{intake.MetaOrderNo: orderNo},
	})
	if err != nil {
		p.T.Fatal(err)
	}
	return ch
}

// Charge creates one at Ping++ and records it as the site does.
func (p *Provider) Charge(l ledger.Ledger, orderNo string, amount int64) *pingpp.Charge {
	p.T.Helper()
	ch := p.Reserved(l, orderNo, amount)
	p.Keep(l, orderNo, amount, ch)
	return ch
}

// Lasting creates a charge that Ping++ says can be paid for a while; 0: it does not say.
func (p *Provider) Lasting(l ledger.Ledger, orderNo string, lasts time.Duration) *pingpp.Charge {
	p.T.Helper()
	ch := p.Reserved(l, orderNo, 100)
	ch.TimeExpire = 0
	if lasts > 0 {
		ch.TimeExpire = ch.Created + int64(lasts/time.Second)
	}
	p.Keep(l, orderNo, 100, ch)
	return ch
}

func (p *Provider) Reserved(l ledger.Ledger, orderNo string, amount int64) *pingpp.Charge {
	p.T.Helper()
	now := p.Clock.Now()
	held, err := l.Reserve(context.Background(), ledger.Reservation{Scope: p.Scope, OrderNo: orderNo, Now: now, Until: now.Add(time.Minute),
		Number: func(attempts, try int) string { return fmt.Sprintf("%sx%d%d", orderNo, attempts, try) }})
	if err != nil {
		p.T.Fatal(err)
	}
	return p.Made(p.Client, held.Number, orderNo, amount)
}

func (p *Provider) Keep(l ledger.Ledger, orderNo string, amount int64, ch *pingpp.Charge) {
	p.T.Helper()
	if err := l.Created(context.Background(), &ledger.Charge{Scope: p.Scope, OrderNo: orderNo, Number: ch.OrderNo, State: ledger.Open, ID: ch.ID,
		Channel: "wx_lite", Payer: "oAAAAAAAAAAAAAAAAAAAAAAAAAA1", Amount: amount, Currency: "cny", Host: "pay.example.com", Raw: ch.Raw,
		Created: time.Unix(ch.Created, 0), TimeExpire: ch.Expires(), NextQuery: p.Clock.Now().Add(reconcile.DefaultAfter)}); err != nil {
		p.T.Fatal(err)
	}
}

func (p *Provider) Pay(id string) {
	p.T.Helper()
	if err := p.Sandbox.Pay(id); err != nil {
		p.T.Fatal(err)
	}
}

func (p *Provider) Fault(on, name string, times int) {
	p.T.Helper()
	if err := p.SetFault(on, name, times); err != nil {
		p.T.Fatal(err)
	}
}

func (p *Provider) Asked() int { return p.State(0).Calls["get_charge"] }

// Known is the charge as the ledger has it.
func (p *Provider) Known(l ledger.Ledger, id string) *ledger.Charge {
	p.T.Helper()
	c, err := l.Charge(context.Background(), p.Scope, id)
	if err != nil {
		p.T.Fatal(err)
	}
	return c
}

// Event is an event of the order, by its id; nil when it is not recorded.
func (p *Provider) Event(l ledger.Ledger, id string) *ledger.Event {
	p.T.Helper()
	e, err := l.Event(context.Background(), p.Scope, id)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		p.T.Fatal(err)
	}
	return e
}

// Refunded makes a refund as a person does in Ping++'s dashboard, and returns its event.
func (p *Provider) Refunded(id string, amount int64) *pingpp.Event {
	p.T.Helper()
	resp, err := http.Post(p.URL+"/sandbox/refunds", "application/json", strings.NewReader(fmt.Sprintf(`{"charge":%q,"amount":%d,"status":"succeeded"}`, id, amount)))
	if err != nil {
		p.T.Fatal(err)
	}
	_ = resp.Body.Close()
	ev, err := pingpp.ParseEvent([]byte(p.State(1).Events[0].Body))
	if err != nil || ev.Type != "refund.succeeded" || resp.StatusCode != http.StatusOK {
		p.T.Fatal(ev, err, resp.Status)
	}
	return ev
}

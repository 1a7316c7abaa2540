package relay

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
		Now: p.clock.Now, Rand: func() float64 { return 0.5 }, Logger: log, Questions: unlimited(),
	})
	in.Ask = r.Recover
	return r
}

func unlimited() *Questions {
	inf := rate.NewLimiter(rate.Inf, 0)
	return &Questions{inf, inf, inf, inf}
}

// made creates a charge at Ping++ alone.
func (p *provider) made(c *pingpp.Client, number, orderNo string, amount int64) *pingpp.Charge {
	p.t.Helper()
	ch, err := c.CreateCharge(context.Background(), &pingpp.ChargeParams{
		OrderNo: number, Channel: "wx_lite", Amount: amount, Currency: "cny", ClientIP: "192.0.2.1", Subject: "绿茶 & <tea>", Body: "b",
		Extra: map[string]any{"open_id": "oAAAAAAAAAAAAAAAAAAAAAAAAAA1"}, Metadata: map[string]any{MetaOrderNo: orderNo},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return ch
}

// charge creates one at Ping++ and records it as the site does.
func (p *provider) charge(l ledger.Ledger, orderNo string, amount int64) *pingpp.Charge {
	p.t.Helper()
	ch := p.reserved(l, orderNo, amount)
	p.keep(l, orderNo, amount, ch)
	return ch
}

// lasting creates a charge that Ping++ says can be paid for a while; 0: it does not say.
func (p *provider) lasting(l ledger.Ledger, orderNo string, lasts time.Duration) *pingpp.Charge {
	p.t.Helper()
	ch := p.reserved(l, orderNo, 100)
	ch.TimeExpire = 0
	if lasts > 0 {
		ch.TimeExpire = ch.Created + int64(lasts/time.Second)
	}
	p.keep(l, orderNo, 100, ch)
	return ch
}

func (p *provider) reserved(l ledger.Ledger, orderNo string, amount int64) *pingpp.Charge {
	p.t.Helper()
	now := p.clock.Now()
	held, err := l.Reserve(context.Background(), ledger.Reservation{Scope: p.scope, OrderNo: orderNo, Now: now, Until: now.Add(time.Minute),
		Number: func(attempts, try int) string { return fmt.Sprintf("%sx%d%d", orderNo, attempts, try) }})
	if err != nil {
		p.t.Fatal(err)
	}
	return p.made(p.client, held.Number, orderNo, amount)
}

func (p *provider) keep(l ledger.Ledger, orderNo string, amount int64, ch *pingpp.Charge) {
	p.t.Helper()
	if err := l.Created(context.Background(), &ledger.Charge{Scope: p.scope, OrderNo: orderNo, Number: ch.OrderNo, State: ledger.Open, ID: ch.ID,
		Channel: "wx_lite", Payer: "oAAAAAAAAAAAAAAAAAAAAAAAAAA1", Amount: amount, Currency: "cny", Host: "pay.example.com", Raw: ch.Raw,
		Created: time.Unix(ch.Created, 0), TimeExpire: ch.Expires(), NextQuery: p.clock.Now().Add(DefaultAfter)}); err != nil {
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

var queryKinds = []ledger.QueryKind{ledger.QueryTold, ledger.QueryFirst, ledger.QueryLater}

// rounds looks up everything that is due now, and says how much it was.
func rounds(t testing.TB, r *Reconciler) (looked int) {
	t.Helper()
	for _, kind := range queryKinds {
		for {
			n, err := r.round(context.Background(), kind)
			if err != nil {
				t.Fatal(err)
			}
			if looked += n; n < queryClaim {
				break
			}
		}
	}
	return looked
}

func queryID(charge string) string { return "evt_q_" + charge + "_charge_succeeded" }

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

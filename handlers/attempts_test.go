package handlers

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/pingpp/channel"
	"github.com/caddypay/caddypay/redact"
)

// paid lets the user pay at the sandbox and brings the webhook.
func (w *world) paid(chargeID string) {
	w.t.Helper()
	if a := w.webhook(w.payEvent(chargeID)); a.status != 200 || a.text("result") != "recorded" {
		w.t.Fatalf("the webhook was answered %d %s", a.status, a.body)
	}
}

func TestNewAttemptGetsItsOwnNumber(t *testing.T) {
	for _, orderNo := range []string{"A1", "1001", strings.Repeat("Z9", 14), strings.Repeat("Z9", 16)} {
		t.Run(orderNo, func(t *testing.T) {
			w := newWorld(t)
			numbers := map[string]bool{}
			check := func(what, id, number string) {
				t.Helper()
				if numbers[number] || !channel.Of("wx_lite").Accepts(number) {
					t.Errorf("%s: the number %q is not new, or not one", what, number)
				}
				numbers[number] = true
				e := w.outside.exchanges("/v1/charges")
				if sent := e[len(e)-1].sent; !bytes.Contains(sent, []byte(`"pay_order_no":"`+orderNo+`"`)) {
					t.Errorf("%s: the merchant's number is not in the metadata: %s", what, sent)
				}
				v := w.do("GET", "/pay/charges/"+id, "", "X-Pay-Session", w.session(payer))
				if v.status == 200 && v.text("order_no") != orderNo {
					t.Errorf("%s: our answer calls the order %s", what, v.text("order_no"))
				}
			}
			session := w.session(payer)
			id, number := w.created(session, orderNo)
			if number != orderNo {
				t.Errorf("the first number is %s", number)
			}
			check("first", id, number)

			w.setQuote(w.answerQuote(map[string]any{"amount": 2000}))
			id, number = w.created(session, orderNo)
			check("price changed", id, number)

			id, number = w.created(w.session(stranger), orderNo)
			check("payer changed", id, number)

			w.clock.Add(2 * time.Hour) // what the channel gives a charge
			id, number = w.created(w.session(stranger), orderNo)
			check("expired", id, number)

			if a := w.pay(w.session(stranger), orderNo); a.status != 200 || a.text("order_no") != number || a.header.Get("X-Pay-Order-No") != orderNo {
				t.Errorf("the last attempt is not handed out again: %d %s", a.status, a.body)
			}
			w.wantStates(orderNo, ledger.Open, ledger.Open, ledger.Open, ledger.Open)
			for i, c := range w.attempts(orderNo) {
				if c.Superseded != (i < 3) {
					t.Errorf("attempt %d is superseded: %v", i, c.Superseded)
				}
			}
		})
	}
}

// A new attempt's number may be the number of another order.
func TestNumberOfAnotherOrder(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	w.set(func(c *Config) { c.Rand = bytes.NewReader(bytes.Repeat([]byte{0}, 6)) }) // suffix 222222
	w.created(session, "1001")
	w.setQuote(w.answerQuote(map[string]any{"amount": 2000}))
	if _, number := w.created(session, "1001"); number != "1001222222" {
		t.Fatalf("number %s", number)
	}
	w.set(func(c *Config) { c.Rand = bytes.NewReader([]byte{1, 1, 1, 1, 1, 1}) })
	if _, number := w.created(session, "1001222222"); number != "1001222222333333" {
		t.Errorf("an order whose number is taken got %s", number)
	}
}

func TestPaidOrder(t *testing.T) {
	w := newWorld(t)
	mine, theirs := w.session(payer), w.session(stranger)
	id, _ := w.created(mine, "1001")
	w.paid(id)
	quotes := len(w.backend.exchanges("/"))
	a := w.pay(mine, "1001")
	wantProblem(t, a, 409, "order_already_paid")
	if a.text("charge_id") != id {
		t.Errorf("charge_id %q for the payer, want %s", a.text("charge_id"), id)
	}
	if len(w.backend.exchanges("/")) != quotes {
		t.Error("the backend was asked the price of a paid order")
	}
	b := w.pay(theirs, "1001")
	wantProblem(t, b, 409, "order_already_paid")
	if b.field("charge_id") != nil {
		t.Errorf("a stranger learns the charge: %s", b.body)
	}
	w.setQuote(w.answerQuote(map[string]any{"openid": payer}))
	wantProblem(t, w.pay(theirs, "1001"), 404, "order_not_found")
	if w.calls("create_charge") != 1 {
		t.Error("a paid order was charged again")
	}
	// The backend knows before we do, or instead of us.
	w.created(mine, "1002")
	w.setQuote(w.answerQuote(map[string]any{"status": "paid"}))
	if a := w.pay(mine, "1002"); a.text("code") != "order_already_paid" || a.field("charge_id") != nil {
		t.Errorf("answered %s", a.body)
	}
}

func TestProviderFailures(t *testing.T) {
	for _, c := range []struct {
		fault  string
		status int
		code   string
		state  ledger.AttemptState // empty: the number is free again
		made   bool                // Ping++ has a charge all the same
	}{
		{"402", 402, "charge_rejected", ledger.Refused, false},
		{"401", 502, "provider_rejected", "", false},
		{"403", 503, "provider_unavailable", "", false},
		{"429", 503, "provider_unavailable", "", false},
		{"500", 503, "provider_unavailable", ledger.Unknown, false},
		{"502", 503, "provider_unavailable", ledger.Unknown, false},
		{"502_json", 503, "provider_unavailable", ledger.Unknown, false},
		{"200_error", 503, "provider_unavailable", ledger.Unknown, false},
		{"200_null", 503, "provider_unavailable", ledger.Unknown, false},
		{"200_html", 503, "provider_unavailable", ledger.Unknown, false},
		{"empty", 503, "provider_unavailable", ledger.Unknown, false},
		{"drop", 503, "provider_unavailable", ledger.Unknown, true},
		{"truncate", 503, "provider_unavailable", ledger.Unknown, true},
		{"endless", 503, "provider_unavailable", ledger.Unknown, true},
		{"wrong_charge", 503, "provider_unavailable", ledger.Unknown, true},
		{"slow", 504, "provider_timeout", ledger.Unknown, false},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if c.fault == "slow" {
				client, err := pingpp.New(pingpp.Config{App: w.sandbox.App(), Key: redact.New(w.sandbox.TestKey()), SigningKey: merchantKey(), Endpoint: w.outsideURL,
					Transport: w.transport, Now: w.clock.Now, Timeout: 2 * time.Second})
				if err != nil {
					t.Fatal(err)
				}
				w.set(func(c *Config) { c.Pingpp = client })
			}
			session := w.session(payer)
			times := 1
			if c.code == "provider_unavailable" && c.state == "" {
				times = 3 // as often as it is tried
			}
			w.fault("create_charge", c.fault, times)
			a := w.pay(session, "1001")
			wantProblem(t, a, c.status, c.code)
			if (a.header.Get("Retry-After") != "") != (c.status == 503) {
				t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
			}
			want := []ledger.AttemptState{c.state, ledger.Open}
			if c.state == "" {
				want = want[1:]
			}
			w.wantStates("1001", want[:len(want)-1]...)
			a = w.pay(session, "1001") // at once: nobody holds the order
			if number := a.text("order_no"); (number == "1001") != (c.state == "" || c.made) {
				t.Errorf("the next number is %s", number)
			}
			if c.made { // the charge is found: the order keeps its one charge
				want = []ledger.AttemptState{ledger.Open}
			}
			if (a.status == 200) != c.made || a.status/100 != 2 {
				t.Errorf("the next try: %d %s", a.status, a.body)
			}
			w.wantStates("1001", want...)
		})
	}
}

func TestProviderCannotBeReached(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	good := w.config.Pingpp
	bad, err := pingpp.New(pingpp.Config{App: w.sandbox.App(), Key: redact.New(w.sandbox.TestKey()), Endpoint: "http://127.0.0.1:1", Transport: w.transport})
	if err != nil {
		t.Fatal(err)
	}
	w.set(func(c *Config) { c.Pingpp = bad })
	wantProblem(t, w.pay(session, "1001"), 503, "provider_unavailable")
	w.wantStates("1001")
	w.set(func(c *Config) { c.Pingpp = good })
	if _, number := w.created(session, "1001"); number != "1001" {
		t.Errorf("a number that was never sent is spent: %s", number)
	}
}

func TestParallelRequestsMakeOneCharge(t *testing.T) {
	for name, sites := range map[string]int{"one process": 1, "two processes": 2} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			servers := []*httptest.Server{w.server}
			if sites == 2 {
				second := httptest.NewTLSServer(w.handler(w.newSite(w.openLedger(), zap.NewNop())))
				defer second.Close()
				servers = append(servers, second)
			}
			session := w.session(payer)
			answers := make([]answer, 50)
			var wg sync.WaitGroup
			for i := range answers {
				wg.Go(func() {
					answers[i] = w.doAt(servers[i%sites], "POST", "/pay/charges", order("1001"), "X-Pay-Session", session)
				})
			}
			wg.Wait()
			created := 0
			for _, a := range answers {
				if a.status == 201 {
					created++
				}
				if !bytes.Equal(a.body, answers[0].body) || a.status/100 != 2 {
					t.Errorf("answers differ: %d %s\n%s", a.status, a.body, answers[0].body)
				}
			}
			if n := w.calls("create_charge"); n != 1 || created != 1 {
				t.Errorf("%d charges, %d answers 201", n, created)
			}
			w.wantStates("1001", ledger.Open)
		})
	}
}

// holder takes an order's reservation as another process would, and never gives it back.
func (w *world) holder(orderNo string) *ledger.Reserved {
	w.t.Helper()
	now := w.clock.Now()
	held, err := w.openLedger().Reserve(context.Background(), ledger.Reservation{
		Scope: w.config.Scope, OrderNo: orderNo, Now: now, Until: now.Add(reservationLease), Number: itsNumber(orderNo),
	})
	if err != nil {
		w.t.Error(err)
	}
	return held
}

func TestHolderThatDied(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session := w.session(payer)
	w.holder("1001")
	a := w.pay(session, "1001") // takes reservationWait
	wantProblem(t, a, 409, "charge_in_progress")
	if a.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	w.clock.Add(reservationLease)
	if _, number := w.created(session, "1001"); number == "1001" {
		t.Error("the dead holder's number was used again; it may be at Ping++")
	}
	w.wantStates("1001", ledger.Unknown, ledger.Open)
}

func TestWaiterGoesOnWhenTheLeaseEnds(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	w.holder("1001")
	done := make(chan answer)
	go func() { done <- w.pay(session, "1001") }()
	select {
	case a := <-done:
		t.Fatalf("answered %d %s while the order is held", a.status, a.body)
	case <-time.After(3 * reservationPoll / 2):
	}
	w.clock.Add(reservationLease)
	if a := <-done; a.status != 201 {
		t.Errorf("answered %d %s", a.status, a.body)
	}
}

// A process that stood still for longer than its lease finds that the order is not its own any more.
func TestLostReservationChargesNobody(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	quote := w.answerQuote(nil)
	w.setInside(func(rw http.ResponseWriter, r *http.Request) {
		w.clock.Add(reservationLease)
		w.holder("1001")
		quote(rw, r)
	})
	a := w.pay(session, "1001")
	wantProblem(t, a, 409, "charge_in_progress")
	if n := w.calls("create_charge"); n != 0 {
		t.Errorf("%d charges without the reservation", n)
	}
	w.wantStates("1001", ledger.Unknown, ledger.Reserving)

	// Late, but nobody came in between: it is still ours.
	w.setInside(func(rw http.ResponseWriter, r *http.Request) {
		w.clock.Add(2 * reservationLease)
		quote(rw, r)
	})
	w.created(session, "1002")
}

// watched is a ledger that tells when a reservation has been prolonged.
type watched struct {
	ledger.Ledger
	extended chan struct{}
}

func (l watched) Extend(ctx context.Context, r ledger.Reservation, number string) error {
	err := l.Ledger.Extend(ctx, r, number)
	select {
	case l.extended <- struct{}{}:
	default:
	}
	return err
}

func TestReservationIsProlonged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session := w.session(payer)
	extended := make(chan struct{}, 1)
	w.set(func(c *Config) {
		c.Ledger = func(context.Context) (ledger.Ledger, error) { return watched{w.ledger, extended}, nil }
	})
	quote, other, end := w.answerQuote(nil), w.openLedger(), w.clock.Now().Add(reservationLease)
	w.setInside(func(rw http.ResponseWriter, r *http.Request) {
		w.clock.Add(reservationLease - time.Second)
		<-extended
		_, err := other.Reserve(context.Background(), ledger.Reservation{Scope: w.config.Scope, OrderNo: "1001", Now: end, Until: end.Add(time.Second),
			Number: itsNumber("1001")})
		if !errors.Is(err, ledger.ErrReserved) {
			t.Errorf("when the first lease would have ended: %v", err)
		}
		quote(rw, r)
	})
	w.created(session, "1001")
}

func TestClientThatGoesAwayLeavesAWholeAttempt(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	ctx, cancel := context.WithCancel(context.Background())
	quote := w.answerQuote(nil)
	w.setQuote(func(rw http.ResponseWriter, r *http.Request) {
		cancel()
		quote(rw, r)
	})
	if _, err := w.try(ctx, w.server, "POST", "/pay/charges", order("1001"), "X-Pay-Session", session); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	until(t, "the charge is recorded", func() bool {
		all := w.attempts("1001")
		return len(all) == 1 && all[0].State == ledger.Open
	})
	if a := w.pay(session, "1001"); a.status != 200 {
		t.Errorf("the next try: %d %s", a.status, a.body)
	}
}

// elsewhere records an attempt of an order through another channel, as its payer made it in another place.
func (w *world) elsewhere(orderNo string) *ledger.Charge {
	w.t.Helper()
	held := w.holder(orderNo)
	now := w.clock.Now()
	c := &ledger.Charge{
		Scope: w.config.Scope, OrderNo: orderNo, Number: held.Number, State: ledger.Open, ID: "ch_elsewhere", Channel: "wx_pub", Payer: payer,
		PayerAppID: w.sandbox.WxLite().AppID, Amount: 1999, Currency: "cny", Host: "shop.example.com", Created: now, TimeExpire: now.Add(2 * time.Hour), Raw: []byte("{}"),
	}
	if err := w.ledger.Created(context.Background(), c); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// An order that was begun through one channel and paid through another is charged once more when both are paid: the second payment
// waits for a person, and says why.
func TestPaidTwiceOverTwoChannels(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	old := w.elsewhere("1001")
	id, number := w.created(session, "1001") // not reused: the channel is another
	if number == old.Number {
		t.Errorf("two channels have the number %s", number)
	}
	if all := w.attempts("1001"); !all[0].Superseded || all[1].Superseded || all[1].Channel != "wx_lite" {
		t.Errorf("attempts %+v", all)
	}
	body, signature := w.payEvent(id)
	if a := w.webhook(body, signature); a.text("result") != "recorded" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	event := w.sandbox.State(1).Events[0].ID
	second := strings.NewReplacer(event, "evt_second", id, old.ID, `"order_no":"`+number+`"`, `"order_no":"`+old.Number+`"`,
		`"channel":"wx_lite"`, `"channel":"wx_pub"`).Replace(body)
	if a := w.send(second); a.status != 200 {
		t.Errorf("the second payment: %d %s", a.status, a.body)
	}
	e, err := w.ledger.Event(t.Context(), w.config.Scope, "evt_second")
	if err != nil || e.State != ledger.Held || len(e.Reasons) != 1 || e.Reasons[0] != ledger.ReasonPaidTwice || e.OrderNo != "1001" {
		t.Errorf("%+v, %v", e, err)
	}
	if a := w.charge(session, old.ID, ""); a.text("status") != "held" {
		t.Errorf("its payer sees %s", a.body)
	}
	wantProblem(t, w.pay(session, "1001"), 409, "order_already_paid")
	if n := w.calls("create_charge"); n != 1 {
		t.Errorf("%d charges", n)
	}
}

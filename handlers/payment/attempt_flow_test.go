package payment

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/backend"
	"github.com/caddypay/caddypay/handlers/limits"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp/channel"
	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/relaytest"
	"github.com/caddypay/caddypay/session"
)

const (
	payerA = "oAAAAAAAAAAAAAAAAAAAAAAAAAA1"
	payerB = "oBBBBBBBBBBBBBBBBBBBBBBBBBB2"
)

// till is where orders are paid: a ledger, Ping++, and a backend that says what each costs.
type till struct {
	*reconciletest.Provider
	l       ledger.Ledger
	pay     *Payments
	says    string // the backend, of every order: amount and more
	asked   int
	answers func() // before the backend answers; may be nil
}

func newTill(t *testing.T) *till {
	t.Helper()
	s := &till{Provider: reconciletest.NewProvider(t), l: relaytest.NewLedger(t), says: `"amount":1999`}
	visitors := &session.Visitors{Cookies: &session.Cookies{}, Scope: s.Scope}
	s.pay = &Payments{
		Prefix: "/pay", Scope: s.Scope, Channels: []string{"wx_lite", "wx_pub_scan"}, Pingpp: s.Client, Reconciler: s.Reconciler(s.l, zap.NewNop()), QueryAfter: 30 * time.Second,
		Ledger: func(context.Context) (ledger.Ledger, error) { return s.l, nil }, Budgets: limits.NewBudgets(limits.Default), Logger: zap.NewNop(), Now: s.Clock.Now, Rand: rand.Reader,
		ClientIP: func(*http.Request) string { return "192.0.2.1" }, Host: func(*http.Request) string { return "shop.example.com" }, Visitors: visitors, Count: func(string, string) {},
		Prices: &Prices{Orders: &Orders{Method: http.MethodGet, Path: "/orders/{order_no}", Timeout: time.Minute}, Now: s.Clock.Now, Backend: &backend.Backend{RoundTripper: s.asks(), Visitors: visitors}},
	}
	return s
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (s *till) asks() http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		if s.asked++; s.answers != nil {
			s.answers()
		}
		body, status := fmt.Sprintf(`{"order_no":%q,"subject":"Tea",%s}`, strings.TrimPrefix(r.URL.Path, "/orders/"), s.says), http.StatusOK
		if s.says == "" {
			body, status = "", http.StatusNotFound
		}
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	})
}

// buys is one request to pay an order, in a mini program.
func (s *till) buys(orderNo, openid string) (c *ledger.Charge, created bool, p *problem.Problem) {
	s.T.Helper()
	return s.buysBy("wx_lite", orderNo, openid, nil)
}

// scans is one by a code that the shop has read: it takes the money by itself.
func (s *till) scans(orderNo string) (c *ledger.Charge, created bool, p *problem.Problem) {
	s.T.Helper()
	return s.buysBy("wx_pub_scan", orderNo, payerA, map[string]json.RawMessage{"scan_code": json.RawMessage(`"134567890123456781"`)})
}

func (s *till) buysBy(through, orderNo, openid string, extra map[string]json.RawMessage) (c *ledger.Charge, created bool, p *problem.Problem) {
	s.T.Helper()
	a := &attempt{pay: s.pay, channel: channel.Of(through), req: &chargeRequest{OrderNo: orderNo, Channel: through, Extra: extra}, log: s.pay.Logger, host: "shop.example.com",
		id: session.Identity{Kind: session.WxLite, OpenID: openid, AppID: "wx1", Scope: s.Scope}}
	c, created, err := a.run(s.T.Context(), httptest.NewRequest(http.MethodPost, "/pay/charges", nil))
	if err != nil {
		p = problem.As(err)
	}
	return c, created, p
}

func (s *till) wantCode(p *problem.Problem, code string) {
	s.T.Helper()
	if p == nil || p.Code != code {
		s.T.Errorf("%v, want %s", p, code)
	}
}

// An order is charged once at its price: handed out again while it fits, made anew when the price or the payer is another, and not once it is paid.
func TestOrderIsCharged(t *testing.T) {
	s := newTill(t)
	first, created, p := s.buys("order1", payerA)
	if p != nil || !created {
		t.Fatal(p)
	}
	got := s.Known(s.l, first.ID)
	if got.OrderNo != "order1" || got.Number != "order1" || got.State != ledger.Open || got.Channel != "wx_lite" || got.Payer != payerA || got.PayerAppID != "wx1" || got.Amount != 1999 || got.Currency != "cny" || got.Host != "shop.example.com" ||
		got.Fingerprint == "" || !got.NextQuery.Equal(s.Clock.Now().Add(30*time.Second)) || got.Created.Unix() != s.Clock.Now().Unix() || got.TimeExpire.IsZero() || string(got.Raw) != string(first.Raw) || len(got.Raw) == 0 {
		t.Errorf("%+v", got)
	}
	if s.asked != 2 { // before the order is reserved, and within
		t.Errorf("the backend was asked %d times", s.asked)
	}
	again, created, p := s.buys("order1", payerA)
	if p != nil || created || again.ID != first.ID {
		t.Errorf("%+v %t %v", again, created, p)
	}
	s.says = `"amount":2000`
	dearer, created, p := s.buys("order1", payerA)
	if p != nil || !created || dearer.ID == first.ID || dearer.Number == first.Number || !s.Known(s.l, first.ID).Superseded {
		t.Errorf("%+v %t %v", dearer, created, p)
	}
	other, created, p := s.buys("order1", payerB)
	if p != nil || !created || other.Payer != payerB {
		t.Errorf("%+v %t %v", other, created, p)
	}
	s.PaidEverywhere(s.pay.Reconciler, s.l, other.ID)
	asked := s.asked
	if _, _, p := s.buys("order1", payerB); p.Code != "order_already_paid" || p.Members["charge_id"] != other.ID || s.asked != asked {
		t.Errorf("%v, asked %d times", p, s.asked-asked)
	}
	if _, _, p := s.buys("order1", payerA); p.Code != "order_already_paid" || p.Members["charge_id"] != nil {
		t.Errorf("%v", p)
	}
}

// Who may not pay an order does not hold it, and leaves nothing behind; that it is closed is kept, for a payment that comes all the same.
func TestOrderIsNotForPaying(t *testing.T) {
	s := newTill(t)
	s.says = ""
	if _, _, p := s.buys("order1", payerA); p.Code != "order_not_found" || len(s.Attempts(s.l, "order1")) != 0 || s.asked != 1 {
		t.Errorf("%v, %d attempts", p, len(s.Attempts(s.l, "order1")))
	}
	s.says = `"amount":1999`
	c, _, p := s.buys("order1", payerA)
	if p != nil {
		t.Fatal(p)
	}
	s.says = `"amount":1999,"status":"closed"`
	_, _, p = s.buys("order1", payerA)
	s.wantCode(p, "order_closed")
	s.After(time.Second)
	s.PaidEverywhere(s.pay.Reconciler, s.l, c.ID)
	es, err := s.l.Events(t.Context(), ledger.Filter{Scope: s.Scope, OrderNo: "order1"})
	if err != nil || len(es) != 1 || es[0].Late != "closed" {
		t.Errorf("%+v, %v", es, err)
	}
}

// A number that was used elsewhere is passed over; a charge whose answer was lost is found, and handed out.
func TestNumbersAndAnswersThatAreLost(t *testing.T) {
	s := newTill(t)
	s.Elsewhere("order1", 77)
	c, created, p := s.buys("order1", payerA)
	if p != nil || !created || c.Number == "order1" || c.OrderNo != "order1" {
		t.Fatalf("%+v %t %v", c, created, p)
	}
	s.Fault("create_charge", "drop", 1)
	if _, _, p := s.buys("order2", payerA); p == nil || len(s.Attempts(s.l, "order2")) != 1 || s.Attempts(s.l, "order2")[0].State != ledger.Unknown {
		t.Fatalf("%v %+v", p, s.Attempts(s.l, "order2"))
	}
	c, created, p = s.buys("order2", payerA)
	if p != nil || created || c.Number != "order2" || len(s.Attempts(s.l, "order2")) != 1 {
		t.Errorf("%+v %t %v", c, created, p)
	}
}

// So many attempts may be open, of an order and of a payer; old ones are reversed for new ones.
func TestRoomForAttempts(t *testing.T) {
	s := newTill(t)
	s.pay.Budgets.Limits.Attempts = 1
	first, _, p := s.buys("order1", payerA)
	if p != nil {
		t.Fatal(p)
	}
	s.says = `"amount":2000`
	s.After(10 * time.Second)
	if _, _, p := s.buys("order1", payerA); p.Code != "attempts_exceeded" || p.RetryAfter != 50*time.Second {
		t.Errorf("%v after %s", p, p.RetryAfter)
	}
	s.After(50 * time.Second)
	if c, created, p := s.buys("order1", payerA); p != nil || !created || c.ID == first.ID || !s.Known(s.l, first.ID).Reversed {
		t.Errorf("%+v %v", c, p)
	}
	// Another order is another payer's matter as well: two orders' worth of them.
	if _, created, p := s.buys("order2", payerA); p != nil || !created {
		t.Errorf("%v", p)
	}
	if _, _, p := s.buys("order3", payerA); p == nil || p.Code != "attempts_exceeded" || p.RetryAfter < time.Hour {
		t.Errorf("%v", p)
	}
	if _, created, p := s.buys("order3", payerB); p != nil || !created {
		t.Errorf("%v", p)
	}
}

// Whoever stood still for longer than the reservation lasts charges only if nobody else has it now.
func TestReservationThatRanOut(t *testing.T) {
	for _, taken := range []bool{false, true} {
		s := newTill(t)
		s.answers = func() {
			if s.asked == 2 {
				s.After(reservationLease)
				if taken {
					s.Reserve(s.l, "order1")
				}
			}
		}
		c, created, p := s.buys("order1", payerA)
		if taken && (p == nil || p.Code != "charge_in_progress" || p.RetryAfter != time.Second || s.State(0).Calls["create_charge"] != 0) || !taken && (p != nil || !created || c == nil) {
			t.Errorf("taken %t: %+v %v", taken, c, p)
		}
	}
}

func sessionOf(openid string) session.Identity {
	return session.Identity{Kind: session.WxLite, OpenID: openid, AppID: "wx1"}
}

// attemptsOf is a ledger in which every order has these attempts.
type attemptsOf struct {
	ledger.Ledger
	all []ledger.Charge
}

func (a attemptsOf) Attempts(context.Context, ledger.Scope, string) ([]ledger.Charge, error) {
	return a.all, nil
}

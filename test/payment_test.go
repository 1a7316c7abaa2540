package test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/examples/legacyshop"
	"github.com/caddypay/caddypay/ledger"
)

// One payment by hand, with the example's shop as the backend.
func TestPayment(t *testing.T) {
	t.Parallel()
	s := newStage(t, false)
	shop := legacyshop.New(s.token, "test")
	s.backend.Config.Handler = shop
	s.start(plainSite)

	openid, session := s.login()
	var order struct {
		OrderNo string `json:"order_no"`
		Status  string
	}
	a := s.call("POST", "/orders", map[string]string{"product": "tea"}, "X-Pay-Session", session)
	a.into(t, &order)
	if a.StatusCode != http.StatusCreated {
		t.Fatalf("the shop does not know the user: %s", a)
	}

	a = s.charge(session, order.OrderNo)
	if a.StatusCode != http.StatusCreated {
		t.Fatalf("charge: %s", a)
	}
	if sent := s.outside.last("POST /v1/charges"); !bytes.Equal(a.Body, sent) {
		t.Errorf("POST /pay/charges answered\n%s\nPing++ had sent\n%s", a.Body, sent)
	}
	if got := a.Header.Get("X-Pay-Order-No"); got != order.OrderNo {
		t.Errorf("X-Pay-Order-No is %q, want %q", got, order.OrderNo)
	}
	var charge struct {
		ID         string
		OrderNo    string `json:"order_no"`
		Amount     int64
		Livemode   bool
		Extra      map[string]string
		ClientIP   string `json:"client_ip"`
		Credential struct {
			WxLite map[string]string `json:"wx_lite"`
		}
	}
	a.into(t, &charge)
	if charge.Amount != 1999 || charge.OrderNo != order.OrderNo || charge.Livemode || charge.Extra["open_id"] != openid || charge.ClientIP != "127.0.0.1" {
		t.Errorf("the charge is %s", a.Body)
	}
	if again := s.charge(session, order.OrderNo); again.StatusCode != http.StatusOK || !bytes.Equal(again.Body, a.Body) {
		t.Errorf("the same order again: %s\nwant 200 and the same bytes", again)
	}

	// Somebody waits while the user pays.
	waiting := make(chan *answer, 1)
	go func() {
		a, err := s.try(s.client, "GET", s.url("/pay/charges/"+charge.ID+"?wait=30s"), nil, "X-Pay-Session", session)
		if err != nil {
			t.Error(err)
		}
		waiting <- a
	}()
	if err := s.box.Pay(charge.ID); err != nil {
		t.Fatal(err)
	}
	var view struct {
		Status   string
		Paid     bool
		OrderNo  string `json:"order_no"`
		TimePaid int64  `json:"time_paid"`
	}
	got := <-waiting
	if got == nil {
		t.FailNow()
	}
	got.into(t, &view)
	if !view.Paid || view.Status != "paid" || view.OrderNo != order.OrderNo || view.TimePaid == 0 {
		t.Errorf("?wait answered %s", got)
	}
	eventually(t, shortly, func() error {
		a := s.call("GET", "/orders/"+order.OrderNo, nil, "Authorization", "Bearer "+session)
		a.into(t, &order)
		if order.Status != "paid" {
			return errorf("the shop's order is %s", a.Body)
		}
		return nil
	})

	a = s.charge(session, order.OrderNo)
	var problem struct {
		Code     string
		ChargeID string `json:"charge_id"`
	}
	a.into(t, &problem)
	if a.StatusCode != http.StatusConflict || problem.Code != "order_already_paid" || problem.ChargeID != charge.ID {
		t.Errorf("a paid order: %s", a)
	}
	_, other := s.login()
	if a := s.call("GET", "/pay/charges/"+charge.ID, nil, "X-Pay-Session", other); a.code() != "charge_not_found" {
		t.Errorf("somebody else's charge: %s", a)
	}
}

// A second pay block has the live key of the same app: its events and sessions are its own.
func TestLiveSiteRefusesTestEvents(t *testing.T) {
	t.Parallel()
	s := newStage(t, true).start(plainSite)
	test := s.event("T10001", func(e map[string]any) {
		e["livemode"] = false
		e["data"].(map[string]any)["object"].(map[string]any)["livemode"] = false
	})
	if a := s.send("/pay/webhooks", test); a.code() != "mode_mismatch" || a.StatusCode != http.StatusForbidden {
		t.Errorf("a test event at a live site: %s", a)
	}
	live := s.succeeded("T10002")
	s.accept(live)
	if h := s.backend.await(t, live.ID, 1)[0]; h.Header.Get("X-Pay-Mode") != "live" {
		t.Errorf("X-Pay-Mode is %q, want live", h.Header.Get("X-Pay-Mode"))
	}
	if got := s.backend.events(test.ID); len(got) != 0 {
		t.Error("the test event was delivered")
	}
	if _, err := s.ledger().Event(t.Context(), s.scope(), test.ID); err != ledger.ErrNotFound {
		t.Errorf("the test event is in the ledger: %v", err)
	}
}

// At debug level, too, our own lines hold no secret. Caddy's reverse proxy shows upstream headers there: its own matter.
func TestDebugLog(t *testing.T) {
	t.Parallel()
	s := newStage(t, false)
	s.write("Caddyfile", []byte(strings.Replace(s.fill(globalOptions+plainSite), "{\n", "{\n\tdebug\n", 1)))
	p, err := spawn(s.dir, s.env(), "run", "--config", s.file("Caddyfile"))
	if err != nil {
		t.Fatal(err)
	}
	s.caddy = p
	s.ready()
	_, session := s.login()
	s.call("GET", "/orders?page=1", nil, "X-Pay-Session", session)
	id := s.newCharge(session, "D10001")
	if err := s.box.Pay(id); err != nil {
		t.Fatal(err)
	}
	s.call("GET", "/pay/charges/"+id+"?wait=10s&client=success", nil, "X-Pay-Session", session)
	eventually(t, shortly, func() error {
		if len(s.backend.events("")) == 0 {
			return errorf("nothing was delivered")
		}
		return nil
	})
	p.stop(t)
	checkRace(t, p.log.String())
	if !strings.Contains(p.log.String(), `"level":"debug"`) {
		t.Error("there is no debug line: the test looks at nothing")
	}
	s.checkSecrets(p.log.String())
}

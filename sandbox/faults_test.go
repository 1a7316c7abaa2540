package sandbox_test

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/pingxx/trade"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
	"github.com/caddypay/caddypay/sandbox/store"
)

const (
	apiJSON   = "application/json;charset=utf-8"
	plainJSON = "application/json; charset=UTF-8"
)

func TestAPIFaults(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	existing := b.Create("A1000").ID()
	if err := b.Pay(existing); err != nil {
		t.Fatal(err)
	}
	event := b.State(1).Events[0].ID
	refund := b.Lever("POST", "/sandbox/refunds", `{"charge":"`+existing+`","amount":1,"status":"succeeded"}`).ID()
	test := func(method, path, body string) func() (sandboxtest.Answer, error) {
		return func() (sandboxtest.Answer, error) {
			return b.Try(b.Request(method, path, body, "Authorization", "Bearer "+b.TestKey()))
		}
	}
	things := func() (n int) { // that calls make
		for _, c := range b.State(store.Max).Charges {
			c := c.(*trade.Charge)
			if n += 1 + len(c.Refunds.Data); c.Reversed {
				n++
			}
		}
		return n
	}
	calls := map[string]func() (sandboxtest.Answer, error){
		"create_charge": func() (sandboxtest.Answer, error) {
			return b.Try(b.Request("POST", "/v1/charges", b.Order("F"+b.Dice.Draw(dice.Alnum, 12)), "Authorization", "Bearer "+b.TestKey()))
		},
		"reverse_charge": func() (sandboxtest.Answer, error) {
			return test("POST", "/v1/charges/"+b.Create("F"+b.Dice.Draw(dice.Alnum, 12), "channel", "alipay_qr", "extra", sandboxtest.ExtraOf("alipay_qr")).ID()+"/reverse", "{}")()
		},
		"create_refund": func() (sandboxtest.Answer, error) {
			return test("POST", "/v1/charges/"+b.Paid("F"+b.Dice.Draw(dice.Alnum, 12))+"/refunds", `{"description":"x"}`)()
		},
		"get_charge":   test("GET", "/v1/charges/"+existing, ""),
		"list_charges": test("GET", "/v1/charges?app[id]="+b.App(), ""),
		"get_refund":   test("GET", "/v1/charges/"+existing+"/refunds/"+refund, ""),
		"list_refunds": test("GET", "/v1/charges/"+existing+"/refunds", ""),
		"get_event":    test("GET", "/v1/events/"+event, ""),
	}
	made := map[string]int{"reverse_charge": 1, "create_refund": 1} // by the test itself, for a call
	does := map[string]int{"create_charge": 1, "reverse_charge": 1, "create_refund": 1}
	for op, call := range calls {
		for fault, c := range map[string]struct {
			status  int
			content string
			kind    any
		}{
			"400":       {400, apiJSON, "invalid_request_error"},
			"502":       {502, "text/html", nil},
			"502_json":  {502, apiJSON, "api_error"},
			"500":       {500, apiJSON, "api_error"},
			"200_error": {200, apiJSON, "api_error"},
			"200_null":  {200, apiJSON, nil},
			"200_html":  {200, "text/html", nil},
			"empty":     {200, apiJSON, nil},
			"402":       {402, apiJSON, "channel_error"},
			"403":       {403, apiJSON, "api_error"},
			"429":       {429, apiJSON, "api_error"},
			"401":       {401, plainJSON, "invalid_request_error"},
		} {
			if err := b.SetFault(op, fault, 2); err != nil {
				t.Fatal(err)
			}
			before, prepared := things(), 0
			for range 2 {
				a, err := call()
				prepared += made[op]
				if err != nil || a.Status != c.status || a.Header.Get("Content-Type") != c.content || a.Field("error.type") != c.kind || a.ID() != "" {
					t.Errorf("%s %s: %v %d %v %s", op, fault, err, a.Status, a.Header, a.Body)
				}
			}
			if after := things(); after != before+prepared {
				t.Errorf("%s %s: something was done", op, fault)
			}
			if a, err := call(); err != nil || a.Status != 200 || a.Field("object") == nil {
				t.Errorf("%s after two times %s: %v %d", op, fault, err, a.Status)
			}
		}
		for _, fault := range []string{"drop", "truncate"} {
			if err := b.SetFault(op, fault, 1); err != nil {
				t.Fatal(err)
			}
			before := things()
			if a, err := call(); err == nil {
				t.Errorf("%s %s: answered %d %s", op, fault, a.Status, a.Body)
			}
			if done := things() - before - made[op]; done != does[op] {
				t.Errorf("%s %s: %d things were done, want %d", op, fault, done, does[op])
			}
		}
	}
}

func TestSlow(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	b.Lever("POST", "/sandbox/faults", `{"on":"list_charges","fault":"slow","delay_ms":50}`)
	began := time.Now()
	if a := b.API("GET", "/v1/charges?app[id]="+b.App(), ""); a.Status != 200 || time.Since(began) < 50*time.Millisecond {
		t.Errorf("%d after %v", a.Status, time.Since(began))
	}
	// A client that gives up early ends the wait, and nothing is done.
	if err := b.SetFault("create_charge", "slow", 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r := b.Request("POST", "/v1/charges", b.Order("A1001"), "Authorization", "Bearer "+b.TestKey())
	if _, err := b.Try(r.WithContext(ctx)); err == nil || len(b.State(10).Charges) != 0 {
		t.Errorf("%v", err)
	}
}

func TestEndless(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	if err := b.SetFault("create_charge", "endless", 1); err != nil {
		t.Fatal(err)
	}
	res, err := b.Client.Do(b.Request("POST", "/v1/charges", b.Order("A1001"), "Authorization", "Bearer "+b.TestKey()))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(io.LimitReader(res.Body, 8<<20))
	if err != nil || len(got) != 8<<20 || !strings.HasPrefix(string(got), `{"id":"ch_`) {
		t.Errorf("%d bytes, %v: %.60s", len(got), err, got)
	}
}

func TestWrongCharge(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	right := b.Create("A1001")
	for _, call := range []func() sandboxtest.Answer{
		func() sandboxtest.Answer { return b.API("GET", "/v1/charges/"+right.ID(), "") },
		func() sandboxtest.Answer { return b.Create("A1001") },
	} {
		b.Lever("POST", "/sandbox/faults", `{"on":"get_charge","fault":"wrong_charge"}`)
		b.Lever("POST", "/sandbox/faults", `{"on":"create_charge","fault":"wrong_charge"}`)
		a := call()
		b.Lever("DELETE", "/sandbox/faults", "")
		if a.Status != 200 || a.ID() == right.ID() || len(a.ID()) != 27 || a.Field("order_no") == "A1001" || a.Field("amount") == 100.0 || sandboxtest.MemberNames(t, a.Body) != sandboxtest.ChargeFields {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	b.Lever("POST", "/sandbox/faults", `{"on":"get_charge","fault":"wrong_charge"}`)
	if a := b.API("GET", "/v1/charges/ch_x", ""); a.Status != 404 {
		t.Errorf("an error became %d %s", a.Status, a.Body)
	}
}

func TestWrongRefundAndEvent(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	id := b.Paid("A1001")
	event := b.State(1).Events[0].ID
	refund := b.Refund(id, `{"description":"x","amount":1}`)
	unpaid := b.Create("A1002", "channel", "alipay_qr", "extra", sandboxtest.ExtraOf("alipay_qr")).ID()
	for _, c := range []struct {
		on, fault, method, path, fields string
		right                           sandboxtest.Answer
	}{
		{"get_refund", "wrong_refund", "GET", "/v1/charges/" + id + "/refunds/" + refund.ID(), sandboxtest.RefundFields, refund},
		{"create_refund", "wrong_refund", "POST", "/v1/charges/" + id + "/refunds", sandboxtest.RefundFields, sandboxtest.Answer{}},
		{"reverse_charge", "wrong_charge", "POST", "/v1/charges/" + unpaid + "/reverse", sandboxtest.ChargeFields, b.Charge(unpaid)},
		{"get_event", "wrong_event", "GET", "/v1/events/" + event, "id created livemode type data object request pending_webhooks", b.API("GET", "/v1/events/"+event, "")},
	} {
		if err := b.SetFault(c.on, c.fault, 1); err != nil {
			t.Fatal(err)
		}
		a := b.API(c.method, c.path, `{"description":"x","amount":5}`)
		if a.Status != 200 || a.ID() == c.right.ID() || len(a.ID()) < 27 || sandboxtest.MemberNames(t, a.Body) != c.fields {
			t.Errorf("%s: %d %s", c.on, a.Status, a.Body)
		}
		if n := a.Field("amount"); n != nil && (n == 5.0 || n == c.right.Field("amount")) {
			t.Errorf("%s: the amount is still right: %s", c.on, a.Body)
		}
	}
}

func TestLoginAndNotifyFaults(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	code := b.NewCode("oUser")
	for fault, want := range map[string]string{"-1": "system error", "45011": "api minute-quota reach limit", "40226": "code blocked", "99999": "system error", "40243": "appsecret is frozen"} {
		if err := b.SetFault("jscode2session", fault, 1); err != nil {
			t.Fatal(err)
		}
		a := b.Login(code)
		message, _ := a.Field("errmsg").(string)
		if n, _ := json.Marshal(a.Field("errcode")); a.Status != 200 || string(n) != fault || !strings.HasPrefix(message, want) {
			t.Errorf("%s: %d %s", fault, a.Status, a.Body)
		}
	}
	for fault, status := range map[string]int{"502": 502, "500": 500, "200_html": 200, "200_null": 200, "empty": 200} {
		if err := b.SetFault("jscode2session", fault, 1); err != nil {
			t.Fatal(err)
		}
		if a := b.Login(code); a.Status != status || a.Field("openid") != nil {
			t.Errorf("%s: %d %s", fault, a.Status, a.Body)
		}
	}
	if a := b.Login(code); a.Field("openid") != "oUser" {
		t.Errorf("a fault used the code up: %s", a.Body)
	}
	id := b.Create("A1001").ID()
	for fault, status := range map[string]int{"502": 502, "500": 500, "200_html": 200, "empty": 200} {
		if err := b.SetFault("notify", fault, 1); err != nil {
			t.Fatal(err)
		}
		if a := b.Do(b.Request("GET", "/notify/charges/"+id+"?livemode=false", "")); a.Status != status || string(a.Body) == "success" {
			t.Errorf("%s: %d %s", fault, a.Status, a.Body)
		}
	}
	if len(b.State(10).Events) != 0 {
		t.Error("a failed notify paid the charge")
	}
}

func TestFaultsThatDoNotExist(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	for body, want := range map[string]string{
		`{"on":"refunds","fault":"502"}`: "cancel_order, create_charge, create_order, create_refund, get_charge, get_delivery_list, get_event, get_order, get_order_detail_path, get_refund, getticket, " +
			"is_trade_managed, is_trade_management_confirmation_completed, jscode2session, list_charges, list_orders, list_refunds, notify, oauth_access_token, order_charges, " +
			"order_refunds, pay_order, refund, refund_order, reverse_charge, set_msg_jump_path, stable_token, token, update_order_detail_path, upload_shipping_info, webhook, " +
			"wxa_get_order, wxa_get_order_list",
		`{"on":"refund","fault":"502"}`:                                 "failed, failed_later, stuck, no_metadata, no_description, no_texts",
		`{"on":"create_charge","fault":"504"}`:                          "502_json",
		`{"on":"list_charges","fault":"wrong_charge"}`:                  "200_error",
		`{"on":"jscode2session","fault":"1"}`:                           "errcode",
		`{"on":"webhook","fault":"502"}`:                                "duplicate",
		`{"on":"get_event","fault":"500","times":0}`:                    "times from 1",
		`{"on":"get_event","fault":"500","times":-1}`:                   "times from 1",
		`{"on":"get_event","fault":"slow","delay_ms":-1}`:               "delay_ms from 0",
		`{"on":"get_event","fault":"slow","delay_ms":9000000000000000}`: "delay_ms from 0",
		`{"on":"get_event","fault":"500","time":1}`:                     "time",
		`nonsense`: "JSON",
	} {
		a := b.Do(b.Request("POST", "/sandbox/faults", body))
		if message, _ := a.Field("error").(string); a.Status != 400 || !strings.Contains(message, want) {
			t.Errorf("%s: %d %s", body, a.Status, a.Body)
		}
	}
	for range 1000 {
		if err := b.SetFault("notify", "502", 1); err != nil {
			t.Fatal(err)
		}
	}
	if b.SetFault("notify", "502", 1) == nil {
		t.Error("no bound on faults")
	}
	b.ClearFaults()
	if len(b.State(1).Faults) != 0 {
		t.Error("faults left after clearing")
	}
}

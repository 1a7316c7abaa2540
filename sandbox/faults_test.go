package sandbox

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/store"
)

func TestAPIFaults(t *testing.T) {
	b := start(t, Config{})
	existing := b.create("A1000").id()
	if err := b.Pay(existing); err != nil {
		t.Fatal(err)
	}
	event := b.State(1).Events[0].ID
	refund := b.lever("POST", "/sandbox/refunds", `{"charge":"`+existing+`","amount":1,"status":"succeeded"}`).id()
	test := func(method, path, body string) func() (answer, error) {
		return func() (answer, error) {
			return b.try(b.request(method, path, body, "Authorization", "Bearer "+b.TestKey()))
		}
	}
	things := func() (n int) { // that calls make
		for _, c := range b.State(store.Max).Charges {
			c := c.(*charge)
			if n += 1 + len(c.Refunds.Data); c.Reversed {
				n++
			}
		}
		return n
	}
	calls := map[string]func() (answer, error){
		"create_charge": func() (answer, error) {
			return b.try(b.request("POST", "/v1/charges", b.order("F"+b.dice.Draw(dice.Alnum, 12)), "Authorization", "Bearer "+b.TestKey()))
		},
		"reverse_charge": func() (answer, error) {
			return test("POST", "/v1/charges/"+b.create("F"+b.dice.Draw(dice.Alnum, 12), "channel", "alipay_qr", "extra", extraOf("alipay_qr")).id()+"/reverse", "{}")()
		},
		"create_refund": func() (answer, error) {
			return test("POST", "/v1/charges/"+b.paid("F"+b.dice.Draw(dice.Alnum, 12))+"/refunds", `{"description":"x"}`)()
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
				if err != nil || a.status != c.status || a.header.Get("Content-Type") != c.content || a.field("error.type") != c.kind || a.id() != "" {
					t.Errorf("%s %s: %v %d %v %s", op, fault, err, a.status, a.header, a.body)
				}
			}
			if after := things(); after != before+prepared {
				t.Errorf("%s %s: something was done", op, fault)
			}
			if a, err := call(); err != nil || a.status != 200 || a.field("object") == nil {
				t.Errorf("%s after two times %s: %v %d", op, fault, err, a.status)
			}
		}
		for _, fault := range []string{"drop", "truncate"} {
			if err := b.SetFault(op, fault, 1); err != nil {
				t.Fatal(err)
			}
			before := things()
			if a, err := call(); err == nil {
				t.Errorf("%s %s: answered %d %s", op, fault, a.status, a.body)
			}
			if done := things() - before - made[op]; done != does[op] {
				t.Errorf("%s %s: %d things were done, want %d", op, fault, done, does[op])
			}
		}
	}
}

func TestSlow(t *testing.T) {
	b := start(t, Config{})
	b.lever("POST", "/sandbox/faults", `{"on":"list_charges","fault":"slow","delay_ms":50}`)
	began := time.Now()
	if a := b.api("GET", "/v1/charges?app[id]="+b.App(), ""); a.status != 200 || time.Since(began) < 50*time.Millisecond {
		t.Errorf("%d after %v", a.status, time.Since(began))
	}
	// A client that gives up early ends the wait, and nothing is done.
	if err := b.SetFault("create_charge", "slow", 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r := b.request("POST", "/v1/charges", b.order("A1001"), "Authorization", "Bearer "+b.TestKey())
	if _, err := b.try(r.WithContext(ctx)); err == nil || len(b.State(10).Charges) != 0 {
		t.Errorf("%v", err)
	}
}

func TestEndless(t *testing.T) {
	b := start(t, Config{})
	if err := b.SetFault("create_charge", "endless", 1); err != nil {
		t.Fatal(err)
	}
	res, err := b.client.Do(b.request("POST", "/v1/charges", b.order("A1001"), "Authorization", "Bearer "+b.TestKey()))
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
	b := start(t, Config{})
	right := b.create("A1001")
	for _, call := range []func() answer{
		func() answer { return b.api("GET", "/v1/charges/"+right.id(), "") },
		func() answer { return b.create("A1001") },
	} {
		b.lever("POST", "/sandbox/faults", `{"on":"get_charge","fault":"wrong_charge"}`)
		b.lever("POST", "/sandbox/faults", `{"on":"create_charge","fault":"wrong_charge"}`)
		a := call()
		b.lever("DELETE", "/sandbox/faults", "")
		if a.status != 200 || a.id() == right.id() || len(a.id()) != 27 || a.field("order_no") == "A1001" || a.field("amount") == 100.0 || memberNames(t, a.body) != chargeFields {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	b.lever("POST", "/sandbox/faults", `{"on":"get_charge","fault":"wrong_charge"}`)
	if a := b.api("GET", "/v1/charges/ch_x", ""); a.status != 404 {
		t.Errorf("an error became %d %s", a.status, a.body)
	}
}

func TestWrongRefundAndEvent(t *testing.T) {
	b := start(t, Config{})
	id := b.paid("A1001")
	event := b.State(1).Events[0].ID
	refund := b.refunded(id, `{"description":"x","amount":1}`)
	unpaid := b.create("A1002", "channel", "alipay_qr", "extra", extraOf("alipay_qr")).id()
	for _, c := range []struct {
		on, fault, method, path, fields string
		right                           answer
	}{
		{"get_refund", "wrong_refund", "GET", "/v1/charges/" + id + "/refunds/" + refund.id(), refundFields, refund},
		{"create_refund", "wrong_refund", "POST", "/v1/charges/" + id + "/refunds", refundFields, answer{}},
		{"reverse_charge", "wrong_charge", "POST", "/v1/charges/" + unpaid + "/reverse", chargeFields, b.charge(unpaid)},
		{"get_event", "wrong_event", "GET", "/v1/events/" + event, "id created livemode type data object request pending_webhooks", b.api("GET", "/v1/events/"+event, "")},
	} {
		if err := b.SetFault(c.on, c.fault, 1); err != nil {
			t.Fatal(err)
		}
		a := b.api(c.method, c.path, `{"description":"x","amount":5}`)
		if a.status != 200 || a.id() == c.right.id() || len(a.id()) < 27 || memberNames(t, a.body) != c.fields {
			t.Errorf("%s: %d %s", c.on, a.status, a.body)
		}
		if n := a.field("amount"); n != nil && (n == 5.0 || n == c.right.field("amount")) {
			t.Errorf("%s: the amount is still right: %s", c.on, a.body)
		}
	}
}

func TestLoginAndNotifyFaults(t *testing.T) {
	b := start(t, Config{})
	code := b.NewCode("oUser")
	for fault, want := range map[string]string{"-1": "system error", "45011": "api minute-quota reach limit", "40226": "code blocked", "99999": "system error", "40243": "appsecret is frozen"} {
		if err := b.SetFault("jscode2session", fault, 1); err != nil {
			t.Fatal(err)
		}
		a := b.login(code)
		message, _ := a.field("errmsg").(string)
		if n, _ := json.Marshal(a.field("errcode")); a.status != 200 || string(n) != fault || !strings.HasPrefix(message, want) {
			t.Errorf("%s: %d %s", fault, a.status, a.body)
		}
	}
	for fault, status := range map[string]int{"502": 502, "500": 500, "200_html": 200, "200_null": 200, "empty": 200} {
		if err := b.SetFault("jscode2session", fault, 1); err != nil {
			t.Fatal(err)
		}
		if a := b.login(code); a.status != status || a.field("openid") != nil {
			t.Errorf("%s: %d %s", fault, a.status, a.body)
		}
	}
	if a := b.login(code); a.field("openid") != "oUser" {
		t.Errorf("a fault used the code up: %s", a.body)
	}
	id := b.create("A1001").id()
	for fault, status := range map[string]int{"502": 502, "500": 500, "200_html": 200, "empty": 200} {
		if err := b.SetFault("notify", fault, 1); err != nil {
			t.Fatal(err)
		}
		if a := b.do(b.request("GET", "/notify/charges/"+id+"?livemode=false", "")); a.status != status || string(a.body) == "success" {
			t.Errorf("%s: %d %s", fault, a.status, a.body)
		}
	}
	if len(b.State(10).Events) != 0 {
		t.Error("a failed notify paid the charge")
	}
}

func TestFaultsThatDoNotExist(t *testing.T) {
	b := start(t, Config{})
	for body, want := range map[string]string{
		`{"on":"refunds","fault":"502"}`:                                "cancel_order, create_charge, create_order, create_refund, get_charge, get_event, get_order, get_refund, getticket, jscode2session, list_charges, list_orders, list_refunds, notify, oauth_access_token, order_charges, order_refunds, pay_order, refund, refund_order, reverse_charge, stable_token, token, webhook",
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
		a := b.do(b.request("POST", "/sandbox/faults", body))
		if message, _ := a.field("error").(string); a.status != 400 || !strings.Contains(message, want) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	for range maxFaults {
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

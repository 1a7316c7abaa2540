package trade_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/desk"
	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/rawjson"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
)

func TestRefund(t *testing.T) {
	h := sandboxtest.NewHook(t)
	b := sandboxtest.Hooked(t, h, 1000) // a refund takes 10 ms
	id := b.Paid("A1001")
	sandboxtest.Until(t, "the payment's webhook", func() bool { return len(h.Seen()) == 1 })
	a := b.Refund(id, `{"description":"订错了","amount":30,"metadata":{"pay_refund_no":"R1"},"funding_source":"unsettled_funds","extra":{}}`)
	if got := sandboxtest.MemberNames(t, a.Body); got != strings.Replace(sandboxtest.RefundFields, "extra", "funding_source extra", 1) || !regexp.MustCompile(`^re_[0-9A-Za-z]{24}$`).MatchString(a.ID()) {
		t.Errorf("%s: %s", a.ID(), got)
	}
	for field, want := range map[string]any{
		"object": "refund", "order_no": strings.TrimPrefix(a.ID(), "re_"), "amount": 30.0, "currency": "cny", "created": float64(b.Clock.Now().Unix()),
		"succeed": false, "status": "pending", "time_succeed": nil, "description": "订错了", "failure_code": nil, "failure_msg": nil,
		"metadata.pay_refund_no": "R1", "charge": id, "charge_order_no": "A1001", "transaction_no": nil, "funding_source": "unsettled_funds",
	} {
		if got := a.Field(field); got != want {
			t.Errorf("%s is %v, want %v", field, got, want)
		}
	}
	if err := b.Verify(a.Body, a.Header.Get("X-Pingplusplus-Signature")); err != nil {
		t.Error(err)
	}
	var got sandboxtest.Answer
	sandboxtest.Until(t, "the refund", func() bool {
		got = b.API("GET", "/v1/charges/"+id+"/refunds/"+a.ID(), "")
		return got.Field("status") == "succeeded"
	})
	no, _ := got.Field("transaction_no").(string)
	if got.Field("succeed") != true || got.Field("time_succeed") != float64(b.Clock.Now().Unix()) || len(no) != 28 {
		t.Errorf("%s", got.Body)
	}
	sandboxtest.Until(t, "both webhooks", func() bool { return len(h.Seen()) == 2 })
	e := h.Seen()[1]
	var body struct {
		Type string
		Data struct{ Object json.RawMessage }
	}
	if err := json.Unmarshal(e.Body, &body); err != nil || body.Type != "refund.succeeded" || !bytes.Equal(body.Data.Object, got.Body) {
		t.Errorf("%v\n%s\nwant the refund\n%s", err, e.Body, got.Body)
	}
	if st := b.State(1).Events[0]; st.Type != "refund.succeeded" || st.Charge != id {
		t.Errorf("%+v", st)
	}
	// The rest, without saying how much.
	rest := b.Refund(id, `{"description":"x"}`)
	if rest.Field("amount") != 70.0 {
		t.Errorf("%s", rest.Body)
	}
	sandboxtest.Until(t, "both refunds", func() bool { return b.Charge(id).Field("amount_refunded") == 100.0 })
	c := b.Charge(id)
	data, _ := c.Field("refunds.data").([]any)
	if c.Field("refunded") != true || c.Field("paid") != true || len(data) != 2 || data[0].(map[string]any)["id"] != rest.ID() || c.Field("refunds.has_more") != false {
		t.Errorf("%s", c.Body)
	}
}

func TestRefundsThatFail(t *testing.T) {
	for fault, at := range map[string]string{"failed": "failed", "failed_later": "pending"} {
		h := sandboxtest.NewHook(t)
		b := sandboxtest.Hooked(t, h, 1000)
		id := b.Paid("A1001")
		if err := b.SetFault("refund", fault, 1); err != nil {
			t.Fatal(err)
		}
		a := b.Refund(id, `{"description":"x"}`)
		if a.Field("status") != at {
			t.Errorf("%s: %s", fault, a.Body)
		}
		sandboxtest.Until(t, "its failure", func() bool {
			a = b.API("GET", "/v1/charges/"+id+"/refunds/"+a.ID(), "")
			return a.Field("status") == "failed"
		})
		message, _ := a.Field("failure_msg").(string)
		if a.Field("failure_code") != "refund_refused_msg" || !strings.Contains(message, "余额不足") || a.Field("succeed") != false || a.Field("time_succeed") != nil {
			t.Errorf("%s: %s", fault, a.Body)
		}
		c := b.Charge(id)
		if c.Field("refunded") != true || c.Field("amount_refunded") != 0.0 || c.Field("refunds.data").([]any)[0].(map[string]any)["status"] != "failed" {
			t.Errorf("%s: %s", fault, c.Body)
		}
		if again := b.Refund(id, `{"description":"x"}`); again.Field("amount") != 100.0 {
			t.Errorf("%s: what a failed refund held is not free again: %s", fault, again.Body)
		}
		sandboxtest.Until(t, "the second refund", func() bool { return b.Charge(id).Field("amount_refunded") == 100.0 })
		if n := len(b.State(10).Events); n != 2 {
			t.Errorf("%s: %d events, want a payment and a refund", fault, n)
		}
	}
}

// Ping++ forgets what was sent with a refund, for good; what becomes of the refund is another switch.
func TestRefundsThatForget(t *testing.T) {
	for fault, want := range map[string][2]any{
		"no_metadata": {nil, "订错了"}, "no_description": {"R1", ""}, "no_texts": {nil, ""},
	} {
		h := sandboxtest.NewHook(t)
		b := sandboxtest.Hooked(t, h, 1000)
		id := b.Paid("A1001")
		sandboxtest.Until(t, "the payment's webhook", func() bool { return len(h.Seen()) == 1 })
		for _, f := range []string{fault, "stuck"} {
			if err := b.SetFault("refund", f, 1); err != nil {
				t.Fatal(err)
			}
		}
		a := b.Refund(id, `{"description":"订错了","amount":30,"metadata":{"pay_refund_no":"R1"}}`)
		b.Lever("POST", "/sandbox/refunds/"+a.ID()+"/succeed", "")
		sandboxtest.Until(t, "both webhooks", func() bool { return len(h.Seen()) == 2 })
		var event struct {
			Data struct{ Object json.RawMessage }
		}
		if err := json.Unmarshal(h.Seen()[1].Body, &event); err != nil {
			t.Fatal(err)
		}
		for what, raw := range map[string][]byte{"answer": a.Body, "got": b.API("GET", "/v1/charges/"+id+"/refunds/"+a.ID(), "").Body, "event": event.Data.Object} {
			got := sandboxtest.Answer{Body: raw}
			if got.Field("metadata.pay_refund_no") != want[0] || got.Field("description") != want[1] || got.Field("amount") != 30.0 || got.Field("charge") != id {
				t.Errorf("%s, %s: %s", fault, what, raw)
			}
		}
		if a := b.Refund(id, `{"description":"x","metadata":{"pay_refund_no":"R2"}}`); a.Field("metadata.pay_refund_no") != "R2" || a.Field("description") != "x" {
			t.Errorf("after one time %s: %s", fault, a.Body)
		}
	}
}

func TestRefundRules(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	if err := b.SetFault("refund", "stuck", desk.MaxTimes); err != nil {
		t.Fatal(err)
	}
	id, unpaid := b.Paid("A1001"), b.Create("A1002").ID()
	type m = map[string]any
	for _, c := range []struct {
		charge, body, param, code string
		status                    int
	}{
		{id, ``, "", "", 400},
		{id, `[]`, "", "", 400},
		{id, `{}`, "description", "", 400},
		{id, `{"description":""}`, "description", "", 400},
		{id, `{"description":1}`, "description", "", 400},
		{id, string(rawjson.Encode(m{"description": strings.Repeat("退", 256)})), "description", "", 400},
		{id, `{"description":"x","amount":0}`, "amount", "", 400},
		{id, `{"description":"x","amount":-1}`, "amount", "", 400},
		{id, `{"description":"x","amount":"1"}`, "amount", "", 400},
		{id, `{"description":"x","amount":1.5}`, "amount", "", 400},
		{id, `{"description":"x","amount":101}`, "amount", "", 400},
		{id, `{"description":"x","metadata":["x"]}`, "metadata", "", 400},
		{id, `{"description":"x","metadata":{"a":{}}}`, "metadata", "", 400},
		{id, `{"description":"x","funding_source":"my_pocket"}`, "funding_source", "", 400},
		{id, `{"description":"x","extra":["x"]}`, "extra", "", 400},
		{id, `{"description":"x","extra":{"rate":"1"}}`, "extra[rate]", "", 400},
		{id, `{"description":"x","reason":"y"}`, "reason", "", 400},
		{unpaid, `{"description":"x"}`, "", "charge_unexpected_status", 400},
		{"ch_x", `{"description":"x"}`, "id", "", 404},
		{id, string(rawjson.Encode(m{"description": strings.Repeat("退", 255), "amount": 60})), "", "", 200},
		{id, `{"description":"x","amount":41}`, "amount", "", 400}, // the pending 60 count
		{id, `{"description":"x","amount":null}`, "", "", 200},
		{id, `{"description":"x"}`, "", "", 400}, // nothing left: neither code nor param, as recorded
	} {
		a := b.API("POST", "/v1/charges/"+c.charge+"/refunds", c.body)
		param, _ := a.Field("error.param").(string)
		code, _ := a.Field("error.code").(string)
		if a.Status != c.status || param != c.param || code != c.code || a.Status != 200 && a.Field("error.type") != "invalid_request_error" {
			t.Errorf("%s: %d %s", c.body, a.Status, a.Body)
		}
	}
	for channel, most := range map[string]int{"cmb_wallet": 99, "jdpay_wap": 128, "paypal": 30} {
		id := b.Create("N"+b.Dice.Draw(dice.Digits, 12), "channel", channel, "extra", sandboxtest.ExtraOf(channel)).ID()
		if err := b.Pay(id); err != nil {
			t.Fatal(err)
		}
		for length, status := range map[int]int{most: 200, most + 1: 400} {
			a := b.API("POST", "/v1/charges/"+id+"/refunds", string(rawjson.Encode(m{"description": strings.Repeat("x", length), "amount": 1})))
			if a.Status != status || status == 400 && a.Field("error.param") != "description" {
				t.Errorf("%s, a description of %d bytes: %d %s", channel, length, a.Status, a.Body)
			}
		}
	}
	old := b.Paid("A1003")
	b.Clock.Add(366 * 24 * time.Hour)
	if a := b.API("POST", "/v1/charges/"+old+"/refunds", `{"description":"x"}`); a.Status != 400 || a.Field("error.param") != "Refund_time" {
		t.Errorf("after a year: %d %s", a.Status, a.Body)
	}
	many := b.Paid("A1004")
	for range 50 {
		b.Refund(many, `{"description":"x","amount":1}`)
	}
	if a := b.API("POST", "/v1/charges/"+many+"/refunds", `{"description":"x","amount":1}`); a.Status != 402 || a.Field("error.code") != "channel_request_error" {
		t.Errorf("the 51st: %d %s", a.Status, a.Body)
	}
	if a := b.Charge(many); len(a.Field("refunds.data").([]any)) != 10 || a.Field("refunds.has_more") != true {
		t.Errorf("%s", a.Body)
	}
}

// However many ask at once, no more goes back than came.
func TestParallelRefunds(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{TimeScale: 1e6})
	id := b.Paid("A1001")
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			_, _ = b.Try(b.Request("POST", "/v1/charges/"+id+"/refunds", `{"description":"x","amount":30}`, "Authorization", "Bearer "+b.TestKey()))
		})
	}
	wg.Wait()
	sandboxtest.Until(t, "three refunds", func() bool { return b.Charge(id).Field("amount_refunded") == 90.0 })
	if n := len(b.Charge(id).Field("refunds.data").([]any)); n != 3 {
		t.Errorf("%d refunds", n)
	}
}

func TestListRefunds(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	id, other := b.Paid("A1001"), b.Paid("A1002")
	ids := make([]string, 12) // newest first
	for i := range ids {
		ids[len(ids)-1-i] = b.Refund(id, `{"description":"x","amount":2}`).ID()
	}
	for _, c := range []struct {
		query string
		want  []string
		more  bool
	}{
		{"", ids[:10], true},
		{"?", ids[:10], true},
		{"?limit=100", ids, false},
		{"?limit=3&starting_after=" + ids[1], ids[2:5], true},
		{"?limit=3&starting_after=" + ids[9], ids[10:], false},
		{"?starting_after=" + ids[11], nil, false},
		{"?limit=3&ending_before=" + ids[7], ids[4:7], true},
		{"?limit=3&ending_before=" + ids[2], ids[:2], false},
	} {
		a := b.API("GET", "/v1/charges/"+id+"/refunds"+c.query, "")
		var list struct {
			Object, URL string
			HasMore     bool `json:"has_more"`
			Data        []struct{ ID string }
		}
		if err := json.Unmarshal(a.Body, &list); err != nil || list.Object != "list" || list.URL != "/v1/charges/"+id+"/refunds" {
			t.Fatalf("%s: %s", c.query, a.Body)
		}
		var got []string
		for _, d := range list.Data {
			got = append(got, d.ID)
		}
		if strings.Join(got, " ") != strings.Join(c.want, " ") || list.HasMore != c.more {
			t.Errorf("%s: %v, more %v", c.query, got, list.HasMore)
		}
	}
	for path, param := range map[string]string{
		id + "/refunds?limit=0": "limit", id + "/refunds?status=x": "status", id + "/refunds?starting_after=re_x": "starting_after",
		other + "/refunds?starting_after=" + ids[0]: "starting_after", id + "/refunds/re_x": "id", other + "/refunds/" + ids[0]: "id", "ch_x/refunds": "id",
		"ch_x/refunds/" + ids[0]: "id", id + "/refunds?starting_after=" + ids[0] + "&ending_before=" + ids[1]: "ending_before",
	} {
		if a := b.Charge(path); a.Status/100 != 4 || a.Field("error.param") != param {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
	for _, path := range []string{"/refunds", "/refunds/" + ids[0]} { // the other mode's key
		if a := b.API("GET", "/v1/charges/"+id+path, "", "Authorization", "Bearer "+b.LiveKey()); a.Status != 404 {
			t.Errorf("%s: %d", path, a.Status)
		}
	}
}

func TestRefundLevers(t *testing.T) {
	h := sandboxtest.NewHook(t)
	b := sandboxtest.Hooked(t, h, 1)
	id := b.Paid("A1001")
	lever := func(body string) sandboxtest.Answer { return b.Lever("POST", "/sandbox/refunds", body) }
	if a := lever(`{"charge":"` + id + `","amount":10,"status":"succeeded"}`); a.Field("status") != "succeeded" || a.Field("amount") != 10.0 || sandboxtest.MemberNames(t, a.Body) != sandboxtest.RefundFields {
		t.Errorf("%s", a.Body)
	}
	if a := lever(`{"charge":"` + id + `","amount":20,"status":"failed","description":"d"}`); a.Field("status") != "failed" || a.Field("description") != "d" {
		t.Errorf("%s", a.Body)
	}
	pending, failing := lever(`{"charge":"`+id+`","amount":30}`), lever(`{"charge":"`+id+`","amount":30,"status":"pending"}`)
	if a := b.Lever("POST", "/sandbox/refunds/"+pending.ID()+"/succeed", ""); a.Field("status") != "succeeded" || a.ID() != pending.ID() {
		t.Errorf("%s", a.Body)
	}
	if a := b.Lever("POST", "/sandbox/refunds/"+failing.ID()+"/fail", ""); a.Field("status") != "failed" {
		t.Errorf("%s", a.Body)
	}
	if a := b.Charge(id); a.Field("amount_refunded") != 40.0 {
		t.Errorf("%s", a.Body)
	}
	sandboxtest.Until(t, "a payment and two refunds", func() bool { return len(h.Seen()) == 3 })
	unpaid := b.Create("A1002").ID()
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"", `{}`, 400}, {"", `[]`, 400}, {"", `{"charge":"ch_x"}`, 404}, {"", `{"charge":"` + unpaid + `"}`, 409}, {"", `{"charge":"` + id + `","amount":61}`, 409},
		{"", `{"charge":"` + id + `","amount":-1}`, 400}, {"", `{"charge":"` + id + `","status":"done"}`, 400}, {"", `{"charge":"` + id + `","sum":1}`, 400},
		{"/" + pending.ID() + "/fail", "", 409}, {"/re_x/succeed", "", 404}, {"/" + pending.ID() + "/cancel", "", 404},
	} {
		if a := b.Do(b.Request("POST", "/sandbox/refunds"+c.path, c.body)); a.Status != c.status || a.Field("error") == nil {
			t.Errorf("%s %s: %d %s", c.path, c.body, a.Status, a.Body)
		}
	}
}

// A refund's webhook overtakes that of its payment; and, missing, it is found by asking only.
func TestRefundWebhooksOutOfOrder(t *testing.T) {
	h := sandboxtest.NewHook(t)
	b := sandboxtest.Hooked(t, h, 1)
	b.Lever("POST", "/sandbox/faults", `{"on":"webhook","fault":"disorder","delay_ms":60000}`)
	id := b.Paid("A1001")
	b.Lever("POST", "/sandbox/refunds", `{"charge":"`+id+`","status":"succeeded","amount":1}`)
	sandboxtest.Until(t, "both", func() bool { return len(h.Seen()) == 2 })
	for i, want := range []string{"refund.succeeded", "charge.succeeded"} {
		if got := (sandboxtest.Answer{Body: h.Seen()[i].Body}).Field("type"); got != want {
			t.Errorf("webhook %d is %v, want %s", i, got, want)
		}
	}
	if err := b.SetFault("webhook", "missing", 1); err != nil {
		t.Fatal(err)
	}
	b.Lever("POST", "/sandbox/refunds", `{"charge":"`+id+`","status":"succeeded"}`)
	e := b.Settled("missing")
	if a := b.API("GET", "/v1/events/"+e.ID, ""); a.Status != 200 || string(a.Body) != e.Body || a.Field("data.object.object") != "refund" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// Older accounts' test mode: no webhook is signed, at no try, and the event can still be fetched.
func TestUnsignedWebhooksLast(t *testing.T) {
	h := sandboxtest.NewHook(t, 500, 500, 200, 500)
	b := sandboxtest.Hooked(t, h, 1e6)
	if err := b.SetFault("webhook", "empty_signature", desk.MaxTimes); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		b.Paid(fmt.Sprint("A100", i))
		b.Settled("delivered")
	}
	if n := len(h.Seen()); n != 6 {
		t.Errorf("%d tries", n)
	}
	for _, w := range h.Seen() {
		id := sandboxtest.Answer{Body: w.Body}.ID()
		if v := w.Header["X-Pingplusplus-Signature"]; len(v) != 1 || v[0] != "" {
			t.Errorf("signature %q", v)
		}
		if a := b.API("GET", "/v1/events/"+id, ""); !bytes.Equal(a.Body, w.Body) || b.Verify(a.Body, a.Header.Get("X-Pingplusplus-Signature")) != nil {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	if f := b.State(1).Faults; len(f) != 1 || f[0].Times != desk.MaxTimes-6 {
		t.Errorf("%+v", f)
	}
}

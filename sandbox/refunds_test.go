package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/rawjson"
)

const refundFields = "id object order_no amount currency created succeed status time_succeed description failure_code failure_msg metadata charge charge_order_no transaction_no extra"

// refund asks for one and wants success.
func (b *bench) refunded(charge, body string) answer {
	b.t.Helper()
	a := b.api("POST", "/v1/charges/"+charge+"/refunds", body)
	if a.status != 200 {
		b.t.Fatalf("refunding answered %d %s", a.status, a.body)
	}
	return a
}

func (b *bench) charge(id string) answer {
	b.t.Helper()
	return b.api("GET", "/v1/charges/"+id, "")
}

func TestRefund(t *testing.T) {
	h := newHook(t)
	b := hooked(t, h, 1000) // a refund takes 10 ms
	id := b.paid("A1001")
	a := b.refunded(id, `{"description":"订错了","amount":30,"metadata":{"pay_refund_no":"R1"},"funding_source":"unsettled_funds","extra":{}}`)
	if got := memberNames(t, a.body); got != strings.Replace(refundFields, "extra", "funding_source extra", 1) || !regexp.MustCompile(`^re_[0-9A-Za-z]{24}$`).MatchString(a.id()) {
		t.Errorf("%s: %s", a.id(), got)
	}
	for field, want := range map[string]any{
		"object": "refund", "order_no": strings.TrimPrefix(a.id(), "re_"), "amount": 30.0, "currency": "cny", "created": float64(b.clock.Now().Unix()),
		"succeed": false, "status": "pending", "time_succeed": nil, "description": "订错了", "failure_code": nil, "failure_msg": nil,
		"metadata.pay_refund_no": "R1", "charge": id, "charge_order_no": "A1001", "transaction_no": nil, "funding_source": "unsettled_funds",
	} {
		if got := a.field(field); got != want {
			t.Errorf("%s is %v, want %v", field, got, want)
		}
	}
	if err := b.verify(a.body, a.header.Get("X-Pingplusplus-Signature")); err != nil {
		t.Error(err)
	}
	var got answer
	until(t, "the refund", func() bool {
		got = b.api("GET", "/v1/charges/"+id+"/refunds/"+a.id(), "")
		return got.field("status") == "succeeded"
	})
	no, _ := got.field("transaction_no").(string)
	if got.field("succeed") != true || got.field("time_succeed") != float64(b.clock.Now().Unix()) || len(no) != 28 {
		t.Errorf("%s", got.body)
	}
	until(t, "both webhooks", func() bool { return len(h.seen()) == 2 })
	e := h.seen()[1]
	var body struct {
		Type string
		Data struct{ Object json.RawMessage }
	}
	if err := json.Unmarshal(e.body, &body); err != nil || body.Type != "refund.succeeded" || !bytes.Equal(body.Data.Object, got.body) {
		t.Errorf("%v\n%s\nwant the refund\n%s", err, e.body, got.body)
	}
	if st := b.State(1).Events[0]; st.Type != "refund.succeeded" || st.Charge != id {
		t.Errorf("%+v", st)
	}
	// The rest, without saying how much.
	rest := b.refunded(id, `{"description":"x"}`)
	if rest.field("amount") != 70.0 {
		t.Errorf("%s", rest.body)
	}
	until(t, "both refunds", func() bool { return b.charge(id).field("amount_refunded") == 100.0 })
	c := b.charge(id)
	data, _ := c.field("refunds.data").([]any)
	if c.field("refunded") != true || c.field("paid") != true || len(data) != 2 || data[0].(map[string]any)["id"] != rest.id() || c.field("refunds.has_more") != false {
		t.Errorf("%s", c.body)
	}
}

func TestRefundsThatFail(t *testing.T) {
	for fault, at := range map[string]string{"failed": "failed", "failed_later": "pending"} {
		h := newHook(t)
		b := hooked(t, h, 1000)
		id := b.paid("A1001")
		if err := b.SetFault("refund", fault, 1); err != nil {
			t.Fatal(err)
		}
		a := b.refunded(id, `{"description":"x"}`)
		if a.field("status") != at {
			t.Errorf("%s: %s", fault, a.body)
		}
		until(t, "its failure", func() bool {
			a = b.api("GET", "/v1/charges/"+id+"/refunds/"+a.id(), "")
			return a.field("status") == "failed"
		})
		message, _ := a.field("failure_msg").(string)
		if a.field("failure_code") != "refund_refused_msg" || !strings.Contains(message, "余额不足") || a.field("succeed") != false || a.field("time_succeed") != nil {
			t.Errorf("%s: %s", fault, a.body)
		}
		c := b.charge(id)
		if c.field("refunded") != true || c.field("amount_refunded") != 0.0 || c.field("refunds.data").([]any)[0].(map[string]any)["status"] != "failed" {
			t.Errorf("%s: %s", fault, c.body)
		}
		if again := b.refunded(id, `{"description":"x"}`); again.field("amount") != 100.0 {
			t.Errorf("%s: what a failed refund held is not free again: %s", fault, again.body)
		}
		until(t, "the second refund", func() bool { return b.charge(id).field("amount_refunded") == 100.0 })
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
		h := newHook(t)
		b := hooked(t, h, 1000)
		id := b.paid("A1001")
		until(t, "the payment's webhook", func() bool { return len(h.seen()) == 1 })
		for _, f := range []string{fault, "stuck"} {
			if err := b.SetFault("refund", f, 1); err != nil {
				t.Fatal(err)
			}
		}
		a := b.refunded(id, `{"description":"订错了","amount":30,"metadata":{"pay_refund_no":"R1"}}`)
		b.lever("POST", "/sandbox/refunds/"+a.id()+"/succeed", "")
		until(t, "both webhooks", func() bool { return len(h.seen()) == 2 })
		var event struct {
			Data struct{ Object json.RawMessage }
		}
		if err := json.Unmarshal(h.seen()[1].body, &event); err != nil {
			t.Fatal(err)
		}
		for what, raw := range map[string][]byte{"answer": a.body, "got": b.api("GET", "/v1/charges/"+id+"/refunds/"+a.id(), "").body, "event": event.Data.Object} {
			got := answer{body: raw}
			if got.field("metadata.pay_refund_no") != want[0] || got.field("description") != want[1] || got.field("amount") != 30.0 || got.field("charge") != id {
				t.Errorf("%s, %s: %s", fault, what, raw)
			}
		}
		if a := b.refunded(id, `{"description":"x","metadata":{"pay_refund_no":"R2"}}`); a.field("metadata.pay_refund_no") != "R2" || a.field("description") != "x" {
			t.Errorf("after one time %s: %s", fault, a.body)
		}
	}
}

func TestRefundRules(t *testing.T) {
	b := start(t, Config{})
	if err := b.SetFault("refund", "stuck", maxTimes); err != nil {
		t.Fatal(err)
	}
	id, unpaid := b.paid("A1001"), b.create("A1002").id()
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
		a := b.api("POST", "/v1/charges/"+c.charge+"/refunds", c.body)
		param, _ := a.field("error.param").(string)
		code, _ := a.field("error.code").(string)
		if a.status != c.status || param != c.param || code != c.code || a.status != 200 && a.field("error.type") != "invalid_request_error" {
			t.Errorf("%s: %d %s", c.body, a.status, a.body)
		}
	}
	for channel, most := range shortDescriptions {
		id := b.create("N"+b.dice.Draw(dice.Digits, 12), "channel", channel, "extra", extraOf(channel)).id()
		if err := b.Pay(id); err != nil {
			t.Fatal(err)
		}
		for length, status := range map[int]int{most: 200, most + 1: 400} {
			a := b.api("POST", "/v1/charges/"+id+"/refunds", string(rawjson.Encode(m{"description": strings.Repeat("x", length), "amount": 1})))
			if a.status != status || status == 400 && a.field("error.param") != "description" {
				t.Errorf("%s, a description of %d bytes: %d %s", channel, length, a.status, a.body)
			}
		}
	}
	old := b.paid("A1003")
	b.clock.Add(366 * 24 * time.Hour)
	if a := b.api("POST", "/v1/charges/"+old+"/refunds", `{"description":"x"}`); a.status != 400 || a.field("error.param") != "Refund_time" {
		t.Errorf("after a year: %d %s", a.status, a.body)
	}
	many := b.paid("A1004")
	for range maxRefunds {
		b.refunded(many, `{"description":"x","amount":1}`)
	}
	if a := b.api("POST", "/v1/charges/"+many+"/refunds", `{"description":"x","amount":1}`); a.status != 402 || a.field("error.code") != "channel_request_error" {
		t.Errorf("the 51st: %d %s", a.status, a.body)
	}
	if a := b.charge(many); len(a.field("refunds.data").([]any)) != 10 || a.field("refunds.has_more") != true {
		t.Errorf("%s", a.body)
	}
}

// However many ask at once, no more goes back than came.
func TestParallelRefunds(t *testing.T) {
	b := start(t, Config{TimeScale: 1e6})
	id := b.paid("A1001")
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			_, _ = b.try(b.request("POST", "/v1/charges/"+id+"/refunds", `{"description":"x","amount":30}`, "Authorization", "Bearer "+b.TestKey()))
		})
	}
	wg.Wait()
	until(t, "three refunds", func() bool { return b.charge(id).field("amount_refunded") == 90.0 })
	if n := len(b.charge(id).field("refunds.data").([]any)); n != 3 {
		t.Errorf("%d refunds", n)
	}
}

func TestListRefunds(t *testing.T) {
	b := start(t, Config{})
	id, other := b.paid("A1001"), b.paid("A1002")
	ids := make([]string, 12) // newest first
	for i := range ids {
		ids[len(ids)-1-i] = b.refunded(id, `{"description":"x","amount":2}`).id()
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
		a := b.api("GET", "/v1/charges/"+id+"/refunds"+c.query, "")
		var list struct {
			Object, URL string
			HasMore     bool `json:"has_more"`
			Data        []struct{ ID string }
		}
		if err := json.Unmarshal(a.body, &list); err != nil || list.Object != "list" || list.URL != "/v1/charges/"+id+"/refunds" {
			t.Fatalf("%s: %s", c.query, a.body)
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
		if a := b.charge(path); a.status/100 != 4 || a.field("error.param") != param {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	for _, path := range []string{"/refunds", "/refunds/" + ids[0]} { // the other mode's key
		if a := b.api("GET", "/v1/charges/"+id+path, "", "Authorization", "Bearer "+b.LiveKey()); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

func TestRefundLevers(t *testing.T) {
	h := newHook(t)
	b := hooked(t, h, 1)
	id := b.paid("A1001")
	lever := func(body string) answer { return b.lever("POST", "/sandbox/refunds", body) }
	if a := lever(`{"charge":"` + id + `","amount":10,"status":"succeeded"}`); a.field("status") != "succeeded" || a.field("amount") != 10.0 || memberNames(t, a.body) != refundFields {
		t.Errorf("%s", a.body)
	}
	if a := lever(`{"charge":"` + id + `","amount":20,"status":"failed","description":"d"}`); a.field("status") != "failed" || a.field("description") != "d" {
		t.Errorf("%s", a.body)
	}
	pending, failing := lever(`{"charge":"`+id+`","amount":30}`), lever(`{"charge":"`+id+`","amount":30,"status":"pending"}`)
	if a := b.lever("POST", "/sandbox/refunds/"+pending.id()+"/succeed", ""); a.field("status") != "succeeded" || a.id() != pending.id() {
		t.Errorf("%s", a.body)
	}
	if a := b.lever("POST", "/sandbox/refunds/"+failing.id()+"/fail", ""); a.field("status") != "failed" {
		t.Errorf("%s", a.body)
	}
	if a := b.charge(id); a.field("amount_refunded") != 40.0 {
		t.Errorf("%s", a.body)
	}
	until(t, "a payment and two refunds", func() bool { return len(h.seen()) == 3 })
	unpaid := b.create("A1002").id()
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"", `{}`, 400}, {"", `[]`, 400}, {"", `{"charge":"ch_x"}`, 404}, {"", `{"charge":"` + unpaid + `"}`, 409}, {"", `{"charge":"` + id + `","amount":61}`, 409},
		{"", `{"charge":"` + id + `","amount":-1}`, 400}, {"", `{"charge":"` + id + `","status":"done"}`, 400}, {"", `{"charge":"` + id + `","sum":1}`, 400},
		{"/" + pending.id() + "/fail", "", 409}, {"/re_x/succeed", "", 404}, {"/" + pending.id() + "/cancel", "", 404},
	} {
		if a := b.do(b.request("POST", "/sandbox/refunds"+c.path, c.body)); a.status != c.status || a.field("error") == nil {
			t.Errorf("%s %s: %d %s", c.path, c.body, a.status, a.body)
		}
	}
}

// A refund's webhook overtakes that of its payment; and, missing, it is found by asking only.
func TestRefundWebhooksOutOfOrder(t *testing.T) {
	h := newHook(t)
	b := hooked(t, h, 1)
	b.lever("POST", "/sandbox/faults", `{"on":"webhook","fault":"disorder","delay_ms":60000}`)
	id := b.paid("A1001")
	b.lever("POST", "/sandbox/refunds", `{"charge":"`+id+`","status":"succeeded","amount":1}`)
	until(t, "both", func() bool { return len(h.seen()) == 2 })
	for i, want := range []string{"refund.succeeded", "charge.succeeded"} {
		if got := (answer{body: h.seen()[i].body}).field("type"); got != want {
			t.Errorf("webhook %d is %v, want %s", i, got, want)
		}
	}
	if err := b.SetFault("webhook", "missing", 1); err != nil {
		t.Fatal(err)
	}
	b.lever("POST", "/sandbox/refunds", `{"charge":"`+id+`","status":"succeeded"}`)
	e := b.settled("missing")
	if a := b.api("GET", "/v1/events/"+e.ID, ""); a.status != 200 || string(a.body) != e.Body || a.field("data.object.object") != "refund" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// Older accounts' test mode: no webhook is signed, at no try, and the event can still be fetched.
func TestUnsignedWebhooksLast(t *testing.T) {
	h := newHook(t, 500, 500, 200, 500)
	b := hooked(t, h, 1e6)
	if err := b.SetFault("webhook", "empty_signature", maxTimes); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		b.paid(fmt.Sprint("A100", i))
		b.settled("delivered")
	}
	if n := len(h.seen()); n != 6 {
		t.Errorf("%d tries", n)
	}
	for _, w := range h.seen() {
		id := answer{body: w.body}.id()
		if v := w.header["X-Pingplusplus-Signature"]; len(v) != 1 || v[0] != "" {
			t.Errorf("signature %q", v)
		}
		if a := b.api("GET", "/v1/events/"+id, ""); !bytes.Equal(a.body, w.body) || b.verify(a.body, a.header.Get("X-Pingplusplus-Signature")) != nil {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if f := b.State(1).Faults; len(f) != 1 || f[0].Times != maxTimes-6 {
		t.Errorf("%+v", f)
	}
}

func FuzzCreateRefund(f *testing.F) {
	s, err := New(Config{App: "app_1", SigningKey: testKey()})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.Close)
	for _, seed := range []string{`{"description":"x","amount":1,"metadata":{"a":"b"}}`, `{"description":"x","extra":{},"funding_source":"recharge_funds"}`, `{"amount":1e9}`, `[]`, ""} {
		f.Add(seed)
	}
	now, no := time.Now().Unix(), "1"
	f.Fuzz(func(t *testing.T, body string) {
		c := &charge{ID: "ch_" + s.dice.Draw(dice.Digits, 24), App: "app_1", Channel: "wx_lite", Amount: 100, Paid: true, TimePaid: &now, TransactionNo: &no}
		s.mu.Lock()
		s.charges.Add(c.ID, c)
		s.mu.Unlock()
		r := httptest.NewRequest("POST", "/v1/charges/"+c.ID+"/refunds", strings.NewReader(body))
		r.SetBasicAuth(s.TestKey(), "")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		var re struct {
			ID, Description string
			Amount          int64
		}
		if err := json.Unmarshal(w.Body.Bytes(), &re); err != nil || w.Code >= 500 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if w.Code == 200 && (len(re.ID) != 27 || re.Amount < 1 || re.Amount > 100 || re.Description == "") {
			t.Fatalf("%s made %s", body, w.Body)
		}
	})
}

package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/sandbox/dice"
)

// What Ping++'s own examples send is taken: PHP's empty arrays, and numbers where others write texts.
func TestOfficialSpellings(t *testing.T) {
	b := start(t, Config{})
	for i, c := range []struct {
		channel string
		extra   map[string]any
	}{
		{"jdpay_wap", map[string]any{"order_type": 0}}, {"jdpay_wap", map[string]any{"order_type": 1}},
		{"cb_alipay", map[string]any{"payment_type": 1}},
		{"yeepay_wap", map[string]any{"terminal_id": 12345}}, {"wx_pub_scan", map[string]any{"terminal_id": 7}}, {"alipay_scan", map[string]any{"terminal_id": 8}},
		{"isv_scan", map[string]any{"terminal_id": 12345678}},
		{"alipay_qr", map[string]any{"hb_fq_num": 3, "hb_fq_seller_percent": 100}},
		{"alipay_pc_direct", map[string]any{"qr_pay_mode": 2, "qrcode_width": 200}},
	} {
		extra := maps.Clone(extraOf(c.channel))
		maps.Copy(extra, c.extra)
		a := b.api("POST", "/v1/charges", b.order(fmt.Sprintf("E2026112%04d", i), "channel", c.channel, "extra", extra))
		for name, v := range c.extra {
			if a.status != 200 || !strings.Contains(string(a.body), fmt.Sprintf(`%q:%v`, name, v)) {
				t.Errorf("%s %s: %d %s", c.channel, name, a.status, a.body)
			}
		}
	}
	for channel, extra := range map[string]map[string]any{
		"jdpay_wap": {"order_type": 2}, "isv_scan": {"terminal_id": 123456789}, "alipay_qr": {"hb_fq_num": 1.5}, "alipay_pc_direct": {"qr_pay_mode": true},
	} {
		all := maps.Clone(extraOf(channel))
		maps.Copy(all, extra)
		name := slices.Collect(maps.Keys(extra))[0]
		if a := b.api("POST", "/v1/charges", b.order("E20261129999", "channel", channel, "extra", all)); a.status != 400 || a.field("error.param") != "extra["+name+"]" {
			t.Errorf("%s %v: %d %s", channel, extra, a.status, a.body)
		}
	}

	a := b.api("POST", "/v1/charges", b.order("E20261128888", "channel", "alipay", "extra", []any{}, "metadata", []any{}))
	if a.status != 200 || !strings.Contains(string(a.body), `"extra":{}`) || !strings.Contains(string(a.body), `"metadata":{}`) {
		t.Errorf("empty arrays: %d %s", a.status, a.body)
	}
	if a := b.api("POST", "/v1/charges", b.order("E20261127777", "extra", []any{})); a.status != 400 || a.field("error.param") != "extra[open_id]" {
		t.Errorf("an empty extra where one is needed: %d %s", a.status, a.body)
	}
	id, _ := b.paidOrder("A2026112301")
	refund := `{"description":"d","metadata":[],"royalty_users":[{"user":"u1","amount_refunded":10}]}`
	if a := b.api("POST", "/v1/orders/"+id+"/order_refunds", refund); a.status != 200 {
		t.Errorf("an order's refund: %d %s", a.status, a.body)
	}
}

// An order can be changed until it is paid; whom it names as royalty users, and who cancels it, is checked.
func TestOrderUpdate(t *testing.T) {
	b := start(t, Config{})
	create := func(no, more string) answer {
		return b.api("POST", "/v1/orders", fmt.Sprintf(`{"app":%q,"merchant_order_no":%q,"uid":"u1","amount":100,"currency":"cny","client_ip":"192.0.2.1","subject":"s","body":"b","metadata":{"k":"v"}%s}`, b.App(), no, more))
	}
	shares := func(name string, amounts ...int) string {
		var all []map[string]any
		for i, n := range amounts {
			all = append(all, map[string]any{"user": fmt.Sprint("u", i), name: n})
		}
		text, _ := json.Marshal(all)
		return `"royalty_users":` + string(text)
	}
	for more, want := range map[string]int{
		shares("amount", 60, 40): 200, `"royalty_users":[]`: 200, `"royalty_users":null`: 200,
		shares("amount", 60, 41): 400, shares("amount", 0): 400, shares("amount_refunded", 1): 400, `"royalty_users":{}`: 400, `"royalty_users":["u1"]`: 400,
	} {
		a := create("A20261123"+b.dice.Draw(dice.Digits, 8), ","+more)
		if a.status != want || want == 400 && a.field("error.param") != "royalty_users" {
			t.Errorf("%s: %d %s", more, a.status, a.body)
		}
	}

	id := create("A2026112399", ","+shares("amount", 50)).id()
	path := "/v1/orders/" + id
	a := b.api("PUT", path, `{"amount":80,"subject":"other",`+shares("amount", 80)+`}`)
	for name, want := range map[string]any{"id": id, "amount": 80.0, "actual_amount": 80.0, "subject": "other", "body": "b", "metadata.k": "v", "uid": "u1", "merchant_order_no": "A2026112399"} {
		if got := a.field(name); a.status != 200 || got != want {
			t.Errorf("%s is %v, want %v: %s", name, got, want, a.body)
		}
	}
	if b.api("GET", path, "").field("amount") != 80.0 {
		t.Error("the change is not kept")
	}
	for body, param := range map[string]string{
		`{"amount":79}`: "royalty_users", `{"amount":0}`: "amount", `{"subject":""}`: "subject", `{"merchant_order_no":"A2026112398"}`: "merchant_order_no",
		`{}`: "status", `{"user":"u1"}`: "user", `{"status":"canceled","amount":1}`: "amount", `{"status":"canceled","user":"u2"}`: "user",
	} {
		if a := b.api("PUT", path, body); a.status != 400 || a.field("error.param") != param {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	paying := b.api("POST", path+"/pay", strings.Replace(payLite, "100", "80", 1))
	if charge, _ := paying.field("charge").(string); b.Pay(charge) != nil || b.api("GET", path, "").field("status") != "paid" {
		t.Errorf("paid at the new price: %s", paying.body)
	}
	if a := b.api("PUT", path, `{"amount":70}`); a.status != 400 || a.field("error.code") != "charge_unexpected_status" {
		t.Errorf("changing a paid one: %d %s", a.status, a.body)
	}
	for _, body := range []string{`{"status":"canceled","user":"u1"}`, `{"status":"canceled"}`} {
		if a := b.api("PUT", "/v1/orders/"+create("A20261124"+b.dice.Draw(dice.Digits, 8), "").id(), body); a.status != 200 || a.field("status") != "canceled" {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if a := b.api("PUT", "/v1/orders/"+b.newOrder("A2026112502").id(), `{"status":"canceled","user":"u1"}`); a.status != 400 || a.field("error.param") != "user" {
		t.Errorf("a user where the order has none: %d %s", a.status, a.body)
	}
}

// What an answer names it shows whole when it is asked to.
func TestExpand(t *testing.T) {
	b := start(t, Config{})
	id := b.create("X2026112301").id()
	for _, query := range []string{"?expand[]=app", "?expand%5B0%5D=app", "?expand=app", "?expand[]=app&expand[]=app"} {
		a := b.api("GET", "/v1/charges/"+id+query, "")
		if a.status != 200 || a.field("app.id") != b.App() || a.field("app.object") != "app" || a.field("id") != id {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	if a := b.api("GET", "/v1/charges/"+id, ""); a.field("app") != b.App() {
		t.Errorf("%s", a.body)
	}
	if a := b.api("POST", "/v1/charges", b.order("X2026112302", "expand", []string{"app"})); a.status != 200 || a.field("app.id") != b.App() {
		t.Errorf("in the body: %d %s", a.status, a.body)
	}
	list := b.api("GET", "/v1/charges?app[id]="+b.App()+"&expand[]=app&limit=1", "")
	if data, _ := list.field("data").([]any); len(data) != 1 || data[0].(map[string]any)["app"].(map[string]any)["object"] != "app" {
		t.Errorf("a list: %d %s", list.status, list.body)
	}
	order, charge := b.paidOrder("A2026112301")
	if a := b.api("GET", "/v1/orders/"+order+"?expand[]=app&expand[]=charge", ""); a.field("app.id") != b.App() || a.field("charge.id") != charge {
		t.Errorf("an order: %d %s", a.status, a.body)
	}
	for query, param := range map[string]string{"?expand[]=refunds": "expand", "?expand[]=": "expand"} {
		if a := b.api("GET", "/v1/charges/"+id+query, ""); a.status != 400 || a.field("error.param") != param {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	if a := b.api("POST", "/v1/charges", b.order("X2026112303", "expand", 7)); a.status != 400 || a.field("error.param") != "expand" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// Each URL gets the events of its own mode.
func TestWebhooksOfAMode(t *testing.T) {
	h := newHook(t)
	b := start(t, Config{Webhooks: []string{h.URL + "/both"}, LiveWebhooks: []string{h.URL + "/live"}, TestWebhooks: []string{h.URL + "/test"}, WebhookClient: h.Client(), TimeScale: 1e6})
	urls := func() (urls []string) {
		for _, d := range b.State(1).Events[0].Deliveries {
			urls = append(urls, strings.TrimPrefix(d.URL, h.URL))
		}
		return urls
	}
	b.paid("A1001")
	if got := urls(); !slices.Equal(got, []string{"/both", "/test"}) {
		t.Errorf("test mode: %q", got)
	}
	live := func(no string) string {
		return b.do(b.request("POST", "/v1/charges", b.order(no), "Authorization", "Bearer "+b.LiveKey())).id()
	}
	if err := b.Pay(live("A1002")); err != nil {
		t.Fatal(err)
	}
	if got := urls(); !slices.Equal(got, []string{"/both", "/live"}) {
		t.Errorf("live mode: %q", got)
	}
	b.settled("delivered")
	b.SetWebhooks()
	b.SetTestWebhooks()
	b.SetLiveWebhooks(h.URL + "/later")
	b.paid("A1003")
	if got := urls(); got != nil {
		t.Errorf("none is named for test mode: %q", got)
	}
	if err := b.Pay(live("A1004")); err != nil {
		t.Fatal(err)
	}
	if got := urls(); !slices.Equal(got, []string{"/later"}) {
		t.Errorf("%q", got)
	}
}

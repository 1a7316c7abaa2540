package pingxx_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
)

// What Ping++'s own examples send is taken: PHP's empty arrays, and numbers where others write texts.
func TestOfficialSpellings(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
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
		extra := maps.Clone(sandboxtest.ExtraOf(c.channel))
		maps.Copy(extra, c.extra)
		a := b.API("POST", "/v1/charges", b.Order(fmt.Sprintf("E2026112%04d", i), "channel", c.channel, "extra", extra))
		for name, v := range c.extra {
			if a.Status != 200 || !strings.Contains(string(a.Body), fmt.Sprintf(`%q:%v`, name, v)) {
				t.Errorf("%s %s: %d %s", c.channel, name, a.Status, a.Body)
			}
		}
	}
	for channel, extra := range map[string]map[string]any{
		"jdpay_wap": {"order_type": 2}, "isv_scan": {"terminal_id": 123456789}, "alipay_qr": {"hb_fq_num": 1.5}, "alipay_pc_direct": {"qr_pay_mode": true},
	} {
		all := maps.Clone(sandboxtest.ExtraOf(channel))
		maps.Copy(all, extra)
		name := slices.Collect(maps.Keys(extra))[0]
		if a := b.API("POST", "/v1/charges", b.Order("E20261129999", "channel", channel, "extra", all)); a.Status != 400 || a.Field("error.param") != "extra["+name+"]" {
			t.Errorf("%s %v: %d %s", channel, extra, a.Status, a.Body)
		}
	}

	a := b.API("POST", "/v1/charges", b.Order("E20261128888", "channel", "alipay", "extra", []any{}, "metadata", []any{}))
	if a.Status != 200 || !strings.Contains(string(a.Body), `"extra":{}`) || !strings.Contains(string(a.Body), `"metadata":{}`) {
		t.Errorf("empty arrays: %d %s", a.Status, a.Body)
	}
	if a := b.API("POST", "/v1/charges", b.Order("E20261127777", "extra", []any{})); a.Status != 400 || a.Field("error.param") != "extra[open_id]" {
		t.Errorf("an empty extra where one is needed: %d %s", a.Status, a.Body)
	}
	id, _ := b.PaidOrder("A2026112301")
	refund := `{"description":"d","metadata":[],"royalty_users":[{"user":"u1","amount_refunded":10}]}`
	if a := b.API("POST", "/v1/orders/"+id+"/order_refunds", refund); a.Status != 200 {
		t.Errorf("an order's refund: %d %s", a.Status, a.Body)
	}
}

// An order can be changed until it is paid; whom it names as royalty users, and who cancels it, is checked.
func TestOrderUpdate(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	create := func(no, more string) sandboxtest.Answer {
		return b.API("POST", "/v1/orders", fmt.Sprintf(`{"app":%q,"merchant_order_no":%q,"uid":"u1","amount":100,"currency":"cny","client_ip":"192.0.2.1","subject":"s","body":"b","metadata":{"k":"v"}%s}`, b.App(), no, more))
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
		a := create("A20261123"+b.Dice.Draw(dice.Digits, 8), ","+more)
		if a.Status != want || want == 400 && a.Field("error.param") != "royalty_users" {
			t.Errorf("%s: %d %s", more, a.Status, a.Body)
		}
	}

	id := create("A2026112399", ","+shares("amount", 50)).ID()
	path := "/v1/orders/" + id
	a := b.API("PUT", path, `{"amount":80,"subject":"other",`+shares("amount", 80)+`}`)
	for name, want := range map[string]any{"id": id, "amount": 80.0, "actual_amount": 80.0, "subject": "other", "body": "b", "metadata.k": "v", "uid": "u1", "merchant_order_no": "A2026112399"} {
		if got := a.Field(name); a.Status != 200 || got != want {
			t.Errorf("%s is %v, want %v: %s", name, got, want, a.Body)
		}
	}
	if b.API("GET", path, "").Field("amount") != 80.0 {
		t.Error("the change is not kept")
	}
	for body, param := range map[string]string{
		`{"amount":79}`: "royalty_users", `{"amount":0}`: "amount", `{"subject":""}`: "subject", `{"merchant_order_no":"A2026112398"}`: "merchant_order_no",
		`{}`: "status", `{"user":"u1"}`: "user", `{"status":"canceled","amount":1}`: "amount", `{"status":"canceled","user":"u2"}`: "user",
	} {
		if a := b.API("PUT", path, body); a.Status != 400 || a.Field("error.param") != param {
			t.Errorf("%s: %d %s", body, a.Status, a.Body)
		}
	}
	paying := b.API("POST", path+"/pay", strings.Replace(sandboxtest.PayLite, "100", "80", 1))
	if charge, _ := paying.Field("charge").(string); b.Pay(charge) != nil || b.API("GET", path, "").Field("status") != "paid" {
		t.Errorf("paid at the new price: %s", paying.Body)
	}
	if a := b.API("PUT", path, `{"amount":70}`); a.Status != 400 || a.Field("error.code") != "charge_unexpected_status" {
		t.Errorf("changing a paid one: %d %s", a.Status, a.Body)
	}
	for _, body := range []string{`{"status":"canceled","user":"u1"}`, `{"status":"canceled"}`} {
		if a := b.API("PUT", "/v1/orders/"+create("A20261124"+b.Dice.Draw(dice.Digits, 8), "").ID(), body); a.Status != 200 || a.Field("status") != "canceled" {
			t.Errorf("%s: %d %s", body, a.Status, a.Body)
		}
	}
	if a := b.API("PUT", "/v1/orders/"+b.NewOrder("A2026112502").ID(), `{"status":"canceled","user":"u1"}`); a.Status != 400 || a.Field("error.param") != "user" {
		t.Errorf("a user where the order has none: %d %s", a.Status, a.Body)
	}
}

// What an answer names it shows whole when it is asked to.
func TestExpand(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	id := b.Create("X2026112301").ID()
	for _, query := range []string{"?expand[]=app", "?expand%5B0%5D=app", "?expand=app", "?expand[]=app&expand[]=app"} {
		a := b.API("GET", "/v1/charges/"+id+query, "")
		if a.Status != 200 || a.Field("app.id") != b.App() || a.Field("app.object") != "app" || a.Field("id") != id {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
		}
	}
	if a := b.API("GET", "/v1/charges/"+id, ""); a.Field("app") != b.App() {
		t.Errorf("%s", a.Body)
	}
	if a := b.API("POST", "/v1/charges", b.Order("X2026112302", "expand", []string{"app"})); a.Status != 200 || a.Field("app.id") != b.App() {
		t.Errorf("in the body: %d %s", a.Status, a.Body)
	}
	list := b.API("GET", "/v1/charges?app[id]="+b.App()+"&expand[]=app&limit=1", "")
	if data, _ := list.Field("data").([]any); len(data) != 1 || data[0].(map[string]any)["app"].(map[string]any)["object"] != "app" {
		t.Errorf("a list: %d %s", list.Status, list.Body)
	}
	order, charge := b.PaidOrder("A2026112301")
	if a := b.API("GET", "/v1/orders/"+order+"?expand[]=app&expand[]=charge", ""); a.Field("app.id") != b.App() || a.Field("charge.id") != charge {
		t.Errorf("an order: %d %s", a.Status, a.Body)
	}
	for query, param := range map[string]string{"?expand[]=refunds": "expand", "?expand[]=": "expand"} {
		if a := b.API("GET", "/v1/charges/"+id+query, ""); a.Status != 400 || a.Field("error.param") != param {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
		}
	}
	if a := b.API("POST", "/v1/charges", b.Order("X2026112303", "expand", 7)); a.Status != 400 || a.Field("error.param") != "expand" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// Each URL gets the events of its own mode.
func TestWebhooksOfAMode(t *testing.T) {
	h := sandboxtest.NewHook(t)
	b := sandboxtest.Start(t, sandbox.Config{Webhooks: []string{h.URL + "/both"}, LiveWebhooks: []string{h.URL + "/live"}, TestWebhooks: []string{h.URL + "/test"}, WebhookClient: h.Client(), TimeScale: 1e6})
	urls := func() (urls []string) {
		for _, d := range b.State(1).Events[0].Deliveries {
			urls = append(urls, strings.TrimPrefix(d.URL, h.URL))
		}
		return urls
	}
	b.Paid("A1001")
	if got := urls(); !slices.Equal(got, []string{"/both", "/test"}) {
		t.Errorf("test mode: %q", got)
	}
	live := func(no string) string {
		return b.Do(b.Request("POST", "/v1/charges", b.Order(no), "Authorization", "Bearer "+b.LiveKey())).ID()
	}
	if err := b.Pay(live("A1002")); err != nil {
		t.Fatal(err)
	}
	if got := urls(); !slices.Equal(got, []string{"/both", "/live"}) {
		t.Errorf("live mode: %q", got)
	}
	b.Settled("delivered")
	b.SetWebhooks()
	b.SetTestWebhooks()
	b.SetLiveWebhooks(h.URL + "/later")
	b.Paid("A1003")
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

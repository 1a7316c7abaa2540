package trade_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
)

func TestOrder(t *testing.T) {
	h := sandboxtest.NewHook(t)
	b := sandboxtest.Hooked(t, h, 1000)
	a := b.NewOrder("A2026112301")
	for field, want := range map[string]any{"object": "order", "livemode": false, "paid": false, "refunded": false, "status": "created", "app": b.App(),
		"receipt_app": b.App(), "merchant_order_no": "A2026112301", "amount": 100.0, "actual_amount": 100.0, "amount_paid": 0.0, "charge": nil,
		"time_paid": nil, "metadata.k": "v", "charges.url": "/v1/charges"} {
		if got := a.Field(field); got != want {
			t.Errorf("%s is %v, want %v", field, got, want)
		}
	}
	if len(a.ID()) != 19 || !strings.HasPrefix(a.ID(), "200") {
		t.Errorf("the id is %s", a.ID())
	}
	paying := b.API("POST", "/v1/orders/"+a.ID()+"/pay", sandboxtest.PayLite)
	charge, _ := paying.Field("charge").(string)
	if paying.Field("charge_essentials.channel") != "wx_lite" || paying.Field("charge_essentials.credential.wx_lite.signType") != "MD5" || charge == "" {
		t.Fatalf("%s", paying.Body)
	}
	if again := b.API("POST", "/v1/orders/"+a.ID()+"/pay", sandboxtest.PayLite); again.Field("charge") != charge {
		t.Errorf("another charge for the same payment: %s", again.Body)
	}
	if err := b.Pay(charge); err != nil {
		t.Fatal(err)
	}
	paid := b.API("GET", "/v1/orders/"+a.ID(), "")
	if paid.Field("status") != "paid" || paid.Field("paid") != true || paid.Field("amount_paid") != 100.0 || paid.Field("time_paid") != float64(b.Clock.Now().Unix()) {
		t.Errorf("%s", paid.Body)
	}
	sandboxtest.Until(t, "both webhooks", func() bool { return len(h.Seen()) == 2 })
	var kinds []string
	for _, e := range h.Seen() {
		var body struct {
			Type string
			Data struct {
				Object struct{ Object, Charge, ID string }
			}
		}
		if err := json.Unmarshal(e.Body, &body); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, body.Type)
		if o := body.Data.Object; o.Object == "order" && (o.Charge != charge || o.ID != a.ID()) {
			t.Errorf("%s", e.Body)
		}
	}
	slices.Sort(kinds)
	if !slices.Equal(kinds, []string{"charge.succeeded", "order.succeeded"}) {
		t.Errorf("webhooks of %v", kinds)
	}
	charges := b.API("GET", "/v1/orders/"+a.ID()+"/charges", "")
	data, _ := charges.Field("data").([]any)
	if len(data) != 1 || data[0].(map[string]any)["id"] != charge || data[0].(map[string]any)["refunds"] != nil {
		t.Errorf("%s", charges.Body)
	}
	if one := b.API("GET", "/v1/orders/"+a.ID()+"/charges/"+charge, ""); one.ID() != charge {
		t.Errorf("%s", one.Body)
	}
	if st := b.State(9); len(st.Orders) != 1 {
		t.Errorf("the state shows %d orders", len(st.Orders))
	}
}

func TestOrderRefund(t *testing.T) {
	h := sandboxtest.NewHook(t)
	b := sandboxtest.Hooked(t, h, 1000)
	id, charge := b.PaidOrder("A2026112301")
	through := b.API("POST", "/v1/charges/"+charge+"/refunds", `{"description":"x"}`)
	if through.Status != 400 || through.Field("error.code") != "charge_request_invalid" {
		t.Errorf("its charge's own refund answered %d %s", through.Status, through.Body)
	}
	a := b.API("POST", "/v1/orders/"+id+"/order_refunds", `{"charge":"`+charge+`","charge_amount":30,"description":"x","metadata":{"pay_refund_no":"R1"}}`)
	data, _ := a.Field("data").([]any)
	if a.Status != 200 || a.Field("object") != "list" || len(data) != 1 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	re := data[0].(map[string]any)
	if re["status"] != "pending" || re["amount"] != 30.0 || re["charge"] != charge || re["metadata"].(map[string]any)["pay_refund_no"] != "R1" {
		t.Errorf("%s", a.Body)
	}
	sandboxtest.Until(t, "the refund", func() bool {
		return b.API("GET", "/v1/orders/"+id+"/order_refunds/"+re["id"].(string), "").Field("status") == "succeeded"
	})
	o := b.API("GET", "/v1/orders/"+id, "")
	if o.Field("status") != "refunded" || o.Field("amount_refunded") != 30.0 || o.Field("refunded") != true {
		t.Errorf("%s", o.Body)
	}
	sandboxtest.Until(t, "order.refunded", func() bool {
		return slices.ContainsFunc(b.State(9).Events, func(e sandbox.EventState) bool { return e.Type == "order.refunded" && e.Charge == charge })
	})
	rest := b.API("POST", "/v1/orders/"+id+"/order_refunds", `{"description":"the rest"}`)
	if data, _ := rest.Field("data").([]any); len(data) != 1 || data[0].(map[string]any)["amount"] != 70.0 {
		t.Errorf("%s", rest.Body)
	}
	if list := b.API("GET", "/v1/orders/"+id+"/order_refunds?per_page=1", ""); list.Field("has_more") != true {
		t.Errorf("%s", list.Body)
	}
}

func TestOrderRefusals(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	id, charge := b.PaidOrder("A2026112301")
	open := b.NewOrder("A2026112302").ID()
	create := `{"app":"` + b.App() + `","merchant_order_no":"%s","amount":%s,"currency":"cny","client_ip":"192.0.2.1","subject":"s","body":"b"%s}`
	for _, c := range []struct{ name, method, path, body, want string }{
		{"used number", "POST", "/v1/orders", fmt.Sprintf(create, "A2026112301", "100", ""), "400 merchant_order_no"},
		{"short number", "POST", "/v1/orders", fmt.Sprintf(create, "A1", "100", ""), "400 merchant_order_no"},
		{"no amount", "POST", "/v1/orders", fmt.Sprintf(create, "A2026112303", "0", ""), "400 amount"},
		{"a coupon", "POST", "/v1/orders", fmt.Sprintf(create, "A2026112303", "100", `,"coupon":"c"`), "400 coupon"},
		{"past expiry", "POST", "/v1/orders", fmt.Sprintf(create, "A2026112303", "100", `,"time_expire":1`), "400 time_expire"},
		{"a charge's app", "POST", "/v1/orders", strings.Replace(fmt.Sprintf(create, "A2026112303", "100", ""), `"`+b.App()+`"`, `{"id":"x"}`, 1), "400 app"},
		{"pay twice", "POST", "/v1/orders/" + id + "/pay", sandboxtest.PayLite, "400 charge_unexpected_status"},
		{"pay too much", "POST", "/v1/orders/" + open + "/pay", strings.Replace(sandboxtest.PayLite, "100", "101", 1), "400 charge_amount"},
		{"pay without openid", "POST", "/v1/orders/" + open + "/pay", `{"channel":"wx_lite","charge_amount":1}`, "400 extra[open_id]"},
		{"cancel a paid one", "PUT", "/v1/orders/" + id, `{"status":"canceled"}`, "400 charge_unexpected_status"},
		{"another status", "PUT", "/v1/orders/" + open, `{"status":"paid"}`, "400 status"},
		{"refund an unpaid one", "POST", "/v1/orders/" + open + "/order_refunds", `{"description":"x"}`, "400 charge_unexpected_status"},
		{"refund without a word", "POST", "/v1/orders/" + id + "/order_refunds", `{}`, "400 description"},
		{"refund too much", "POST", "/v1/orders/" + id + "/order_refunds", `{"description":"x","charge":"` + charge + `","charge_amount":101}`, "400 amount"},
		{"refund another's charge", "POST", "/v1/orders/" + open + "/order_refunds", `{"description":"x","charge":"` + charge + `"}`, "404 charge"},
		{"refund to a balance", "POST", "/v1/orders/" + id + "/order_refunds", `{"description":"x","refund_mode":"to_balance"}`, "400 refund_mode"},
		{"unknown", "GET", "/v1/orders/2001", "", "404 id"},
		{"unknown charge", "GET", "/v1/orders/" + open + "/charges/" + charge, "", "404 id"},
		{"unknown refund", "GET", "/v1/orders/" + open + "/order_refunds/re_1", "", "404 id"},
		{"list of no app", "GET", "/v1/orders", "", "404 app"},
		{"list page 0", "GET", "/v1/orders?app=" + b.App() + "&page=0", "", "400 page"},
	} {
		a := b.API(c.method, c.path, c.body)
		param, _ := a.Field("error.param").(string)
		code, _ := a.Field("error.code").(string)
		if got := fmt.Sprint(a.Status, " ", param+code); got != c.want {
			t.Errorf("%s: %s, want %s: %s", c.name, got, c.want, a.Body)
		}
	}
	if a := b.API("PUT", "/v1/orders/"+open, `{"status":"canceled"}`); a.Status != 200 || a.Field("status") != "canceled" {
		t.Errorf("%s", a.Body)
	}
	list := b.API("GET", "/v1/orders?app="+b.App()+"&per_page=1", "")
	if list.Field("has_more") != true || list.Field("data").([]any)[0].(map[string]any)["id"] != open {
		t.Errorf("%s", list.Body)
	}
	list = b.API("GET", "/v1/orders?app="+b.App()+"&page=2&per_page=1&created[gte]="+fmt.Sprint(b.Clock.Now().Add(-time.Hour).Unix()), "")
	if list.Field("has_more") != false || list.Field("data").([]any)[0].(map[string]any)["id"] != id {
		t.Errorf("%s", list.Body)
	}
}

package sandbox

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func (b *bench) newOrder(no string) answer {
	b.t.Helper()
	a := b.api("POST", "/v1/orders", fmt.Sprintf(`{"app":%q,"merchant_order_no":%q,"amount":100,"currency":"cny","client_ip":"192.0.2.1","subject":"s","body":"b","metadata":{"k":"v"}}`, b.App(), no))
	if a.status != 200 {
		b.t.Fatalf("creating the order answered %d %s", a.status, a.body)
	}
	return a
}

const payLite = `{"channel":"wx_lite","charge_amount":100,"extra":{"open_id":"oUser"}}`

// paidOrder returns an order that is paid, and its charge's id.
func (b *bench) paidOrder(no string) (id, charge string) {
	b.t.Helper()
	id = b.newOrder(no).id()
	a := b.api("POST", "/v1/orders/"+id+"/pay", payLite)
	charge, _ = a.field("charge").(string)
	if err := b.Pay(charge); err != nil {
		b.t.Fatalf("%v after %s", err, a.body)
	}
	return id, charge
}

func TestOrder(t *testing.T) {
	h := newHook(t)
	b := hooked(t, h, 1000)
	a := b.newOrder("A2026112301")
	for field, want := range map[string]any{"object": "order", "livemode": false, "paid": false, "refunded": false, "status": "created", "app": b.App(),
		"receipt_app": b.App(), "merchant_order_no": "A2026112301", "amount": 100.0, "actual_amount": 100.0, "amount_paid": 0.0, "charge": nil,
		"time_paid": nil, "metadata.k": "v", "charges.url": "/v1/charges"} {
		if got := a.field(field); got != want {
			t.Errorf("%s is %v, want %v", field, got, want)
		}
	}
	if len(a.id()) != 19 || !strings.HasPrefix(a.id(), "200") {
		t.Errorf("the id is %s", a.id())
	}
	paying := b.api("POST", "/v1/orders/"+a.id()+"/pay", payLite)
	charge, _ := paying.field("charge").(string)
	if paying.field("charge_essentials.channel") != "wx_lite" || paying.field("charge_essentials.credential.wx_lite.signType") != "MD5" || charge == "" {
		t.Fatalf("%s", paying.body)
	}
	if again := b.api("POST", "/v1/orders/"+a.id()+"/pay", payLite); again.field("charge") != charge {
		t.Errorf("another charge for the same payment: %s", again.body)
	}
	if err := b.Pay(charge); err != nil {
		t.Fatal(err)
	}
	paid := b.api("GET", "/v1/orders/"+a.id(), "")
	if paid.field("status") != "paid" || paid.field("paid") != true || paid.field("amount_paid") != 100.0 || paid.field("time_paid") != float64(b.clock.Now().Unix()) {
		t.Errorf("%s", paid.body)
	}
	until(t, "both webhooks", func() bool { return len(h.seen()) == 2 })
	var kinds []string
	for _, e := range h.seen() {
		var body struct {
			Type string
			Data struct {
				Object struct{ Object, Charge, ID string }
			}
		}
		if err := json.Unmarshal(e.body, &body); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, body.Type)
		if o := body.Data.Object; o.Object == "order" && (o.Charge != charge || o.ID != a.id()) {
			t.Errorf("%s", e.body)
		}
	}
	slices.Sort(kinds)
	if !slices.Equal(kinds, []string{"charge.succeeded", "order.succeeded"}) {
		t.Errorf("webhooks of %v", kinds)
	}
	charges := b.api("GET", "/v1/orders/"+a.id()+"/charges", "")
	data, _ := charges.field("data").([]any)
	if len(data) != 1 || data[0].(map[string]any)["id"] != charge || data[0].(map[string]any)["refunds"] != nil {
		t.Errorf("%s", charges.body)
	}
	if one := b.api("GET", "/v1/orders/"+a.id()+"/charges/"+charge, ""); one.id() != charge {
		t.Errorf("%s", one.body)
	}
	if st := b.State(9); len(st.Orders) != 1 {
		t.Errorf("the state shows %d orders", len(st.Orders))
	}
}

func TestOrderRefund(t *testing.T) {
	h := newHook(t)
	b := hooked(t, h, 1000)
	id, charge := b.paidOrder("A2026112301")
	through := b.api("POST", "/v1/charges/"+charge+"/refunds", `{"description":"x"}`)
	if through.status != 400 || through.field("error.code") != "charge_request_invalid" {
		t.Errorf("its charge's own refund answered %d %s", through.status, through.body)
	}
	a := b.api("POST", "/v1/orders/"+id+"/order_refunds", `{"charge":"`+charge+`","charge_amount":30,"description":"x","metadata":{"pay_refund_no":"R1"}}`)
	data, _ := a.field("data").([]any)
	if a.status != 200 || a.field("object") != "list" || len(data) != 1 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	re := data[0].(map[string]any)
	if re["status"] != "pending" || re["amount"] != 30.0 || re["charge"] != charge || re["metadata"].(map[string]any)["pay_refund_no"] != "R1" {
		t.Errorf("%s", a.body)
	}
	until(t, "the refund", func() bool {
		return b.api("GET", "/v1/orders/"+id+"/order_refunds/"+re["id"].(string), "").field("status") == "succeeded"
	})
	o := b.api("GET", "/v1/orders/"+id, "")
	if o.field("status") != "refunded" || o.field("amount_refunded") != 30.0 || o.field("refunded") != true {
		t.Errorf("%s", o.body)
	}
	until(t, "order.refunded", func() bool {
		return slices.ContainsFunc(b.State(9).Events, func(e EventState) bool { return e.Type == "order.refunded" && e.Charge == charge })
	})
	rest := b.api("POST", "/v1/orders/"+id+"/order_refunds", `{"description":"the rest"}`)
	if data, _ := rest.field("data").([]any); len(data) != 1 || data[0].(map[string]any)["amount"] != 70.0 {
		t.Errorf("%s", rest.body)
	}
	if list := b.api("GET", "/v1/orders/"+id+"/order_refunds?per_page=1", ""); list.field("has_more") != true {
		t.Errorf("%s", list.body)
	}
}

func TestOrderRefusals(t *testing.T) {
	b := start(t, Config{})
	id, charge := b.paidOrder("A2026112301")
	open := b.newOrder("A2026112302").id()
	create := `{"app":"` + b.App() + `","merchant_order_no":"%s","amount":%s,"currency":"cny","client_ip":"192.0.2.1","subject":"s","body":"b"%s}`
	for _, c := range []struct{ name, method, path, body, want string }{
		{"used number", "POST", "/v1/orders", fmt.Sprintf(create, "A2026112301", "100", ""), "400 merchant_order_no"},
		{"short number", "POST", "/v1/orders", fmt.Sprintf(create, "A1", "100", ""), "400 merchant_order_no"},
		{"no amount", "POST", "/v1/orders", fmt.Sprintf(create, "A2026112303", "0", ""), "400 amount"},
		{"a coupon", "POST", "/v1/orders", fmt.Sprintf(create, "A2026112303", "100", `,"coupon":"c"`), "400 coupon"},
		{"past expiry", "POST", "/v1/orders", fmt.Sprintf(create, "A2026112303", "100", `,"time_expire":1`), "400 time_expire"},
		{"a charge's app", "POST", "/v1/orders", strings.Replace(fmt.Sprintf(create, "A2026112303", "100", ""), `"`+b.App()+`"`, `{"id":"x"}`, 1), "400 app"},
		{"pay twice", "POST", "/v1/orders/" + id + "/pay", payLite, "400 charge_unexpected_status"},
		{"pay too much", "POST", "/v1/orders/" + open + "/pay", strings.Replace(payLite, "100", "101", 1), "400 charge_amount"},
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
		a := b.api(c.method, c.path, c.body)
		param, _ := a.field("error.param").(string)
		code, _ := a.field("error.code").(string)
		if got := fmt.Sprint(a.status, " ", param+code); got != c.want {
			t.Errorf("%s: %s, want %s: %s", c.name, got, c.want, a.body)
		}
	}
	if a := b.api("PUT", "/v1/orders/"+open, `{"status":"canceled"}`); a.status != 200 || a.field("status") != "canceled" {
		t.Errorf("%s", a.body)
	}
	list := b.api("GET", "/v1/orders?app="+b.App()+"&per_page=1", "")
	if list.field("has_more") != true || list.field("data").([]any)[0].(map[string]any)["id"] != open {
		t.Errorf("%s", list.body)
	}
	list = b.api("GET", "/v1/orders?app="+b.App()+"&page=2&per_page=1&created[gte]="+fmt.Sprint(b.clock.Now().Add(-time.Hour).Unix()), "")
	if list.field("has_more") != false || list.field("data").([]any)[0].(map[string]any)["id"] != id {
		t.Errorf("%s", list.body)
	}
}

package handlers

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/handlers/payment"
)

// legacy is how orders reads the JSON of an old backend.
func legacy() *payment.Orders {
	return &payment.Orders{
		Yuan: true,
		Paths: map[string]string{
			"amount": "data.total_fee", "order_no": "data.sn", "currency": "data.cur", "subject": "data.goods.0.name", "body": "data.remark",
			"time_expire": "data.deadline", "openid": "data.buyer.openid", "metadata": "data.attach", "extra": "data.pay", "status": "data.state",
		},
		Status:   map[string]string{"0": "payable", "1": "payable", "2": "paid", "3": "closed", "true": "closed"},
		Defaults: payment.QuoteDefaults{Subject: "Order {order_no}", Body: "Body of {order_no}", Currency: "cny"},
	}
}

// legacyJSON is an answer of such a backend with some members of data changed: names and JSON texts by turns; empty removes one.
func legacyJSON(changes ...string) string {
	data := [][2]string{
		{"total_fee", `"12.30"`}, {"sn", `"1001"`}, {"cur", `"CNY"`}, {"goods", `[{"name":"绿茶"},{"name":"x"}]`}, {"remark", `"two bags"`},
		{"deadline", `"1790003600"`}, {"buyer", `{"openid":"o1"}`}, {"attach", `{"shop":7,"vip":true,"note":"n"}`}, {"pay", `{"limit_pay":"no_credit"}`}, {"state", `0`},
	}
	var members []string
	for i := 0; i < len(changes); i += 2 {
		found := false
		for j := range data {
			if data[j][0] == changes[i] {
				data[j][1], found = changes[i+1], true
			}
		}
		if !found {
			data = append(data, [2]string{changes[i], changes[i+1]})
		}
	}
	for _, m := range data {
		if m[1] != "" {
			members = append(members, fmt.Sprintf("%q:%s", m[0], m[1]))
		}
	}
	return `{"code":0,"data":{` + strings.Join(members, ",") + `}}`
}

// An old backend's order, from the request to what Ping++ is sent.
func TestChargeAtABackendsOwnPrice(t *testing.T) {
	w := newWorld(t)
	orders := legacy()
	orders.Method, orders.Path, orders.Max, orders.Timeout = "POST", "/api.php?sn={order_no}", 2_000_000, 10*time.Second
	w.set(func(c *Config) { c.Orders = orders })
	session := w.session(payer)
	answers := func(changes ...string) {
		w.setQuote(func(rw http.ResponseWriter, r *http.Request) {
			io.WriteString(rw, legacyJSON(append([]string{"sn", `"` + r.URL.Query().Get("sn") + `"`, "buyer", `{"openid":"` + payer + `"}`, "deadline", "null"}, changes...)...))
		})
	}
	answers()
	a := w.pay(session, "1001")
	if a.status != 201 || a.field("amount") != float64(1230) || a.text("subject") != "绿茶" || a.field("extra").(map[string]any)["limit_pay"] != "no_credit" ||
		a.field("metadata").(map[string]any)["shop"] != "7" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for i, c := range []struct {
		status  int
		code    string
		changes []string
	}{
		{502, "amount_invalid", []string{"total_fee", `"20000.01"`}}, // above max
		{409, "nothing_to_pay", []string{"total_fee", `"0.00"`}},
		{409, "nothing_to_pay", []string{"total_fee", `0E-10`}},
		{502, "amount_invalid", []string{"total_fee", `"¥12.30"`}},
		{502, "amount_invalid", []string{"cur", `"usd"`}},
		{502, "quote_invalid", []string{"state", "9"}},
		{502, "quote_invalid", []string{"sn", `"9999"`}},
		{502, "quote_invalid", []string{"buyer", "{}"}},
		{502, "quote_invalid", []string{"pay", `{"limit_pay":"none"}`}},
		{404, "order_not_found", []string{"buyer", `{"openid":"` + stranger + `"}`}},
		{409, "order_already_paid", []string{"state", "2"}},
		{409, "order_closed", []string{"state", "3"}},
	} {
		answers(c.changes...)
		wantProblem(t, w.pay(session, fmt.Sprint("200", i)), c.status, c.code)
	}
	if n := w.calls("create_charge"); n != 1 {
		t.Errorf("%d charges", n)
	}
	for _, reason := range []string{"is above max 2000000 of the orders block", "must be yuan like 12.30", "which the status block of orders does not name"} {
		if !strings.Contains(w.loggedText(), reason) {
			t.Errorf("the log does not say %q", reason)
		}
	}
}

func (w *world) loggedText() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logged.String()
}

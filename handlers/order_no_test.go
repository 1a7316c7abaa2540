package handlers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp/channel"
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/session"
)

// What shops call their orders.
var orderNumbers = []string{
	"7", "-", "A-1", "2026.11.23-0007", "550e8400-e29b-41d4-a716-446655440000", "{550E8400-E29B-41D4-A716-446655440000}", "order_no=1001&x=2", "#1001", "100%", "50%off",
	"a+b", "a;b", "1001?x=1", "1001:2", "user@shop,7", "'--", `"`, "{order_no}", "{env.HOME}", "~*!$()", "...", strings.Repeat("9", 64), strings.Repeat("-", 64),
}

// A shop's order number goes its way unchanged, from the question for the price to the refund, whatever it looks like.
func TestAnyOrderNumber(t *testing.T) {
	inPath, inQuery := newWorld(t), newWorld(t)
	inQuery.config.Orders.Path = "/pay.php?a=b&no={order_no}&c=d"
	inQuery.setQuote(func(rw http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); len(q) != 3 || q.Get("a") != "b" || q.Get("c") != "d" {
			t.Errorf("the query is %s", r.URL.RawQuery)
		}
		r.URL.Path = "/" + r.URL.Query().Get("no")
		inQuery.answerQuote(nil)(rw, r)
	})
	sessions := map[*world]string{inPath: inPath.session(payer), inQuery: inQuery.session(payer)}
	for i, no := range orderNumbers {
		t.Run(no, func(t *testing.T) {
			w := []*world{inPath, inQuery}[i%2]
			login := sessions[w]
			quoted, _ := json.Marshal(map[string]string{"order_no": no, "channel": "wx_lite"})
			ask := func() answer { return w.do("POST", "/pay/charges", string(quoted), "X-Pay-Session", login) }
			a := ask()
			if a.status != 201 || a.header.Get("X-Pay-Order-No") != no || !channel.Of("wx_lite").Accepts(a.text("order_no")) {
				t.Fatalf("answered %d %q %s", a.status, a.header.Get("X-Pay-Order-No"), a.body)
			}
			var charge struct{ Metadata map[string]string }
			if err := json.Unmarshal(a.body, &charge); err != nil || charge.Metadata[intake.MetaOrderNo] != no {
				t.Errorf("metadata %v", charge.Metadata)
			}
			if again := ask(); again.status != 200 || !bytes.Equal(again.body, a.body) {
				t.Errorf("again: %d %s", again.status, again.body)
			}
			id := a.text("id")
			if v := w.do("GET", "/pay/charges/"+id, "", "X-Pay-Session", login); v.text("order_no") != no {
				t.Errorf("the payer sees %s", v.body)
			}
			w.paid(id)
			wantProblem(t, ask(), 409, "order_already_paid")
			e, err := w.ledger.Event(t.Context(), w.config.Scope, w.sandbox.State(1).Events[0].ID)
			if err != nil || e.OrderNo != no || e.State != ledger.Pending {
				t.Errorf("the event: %+v, %v", e, err)
			}
			o := w.merchant("GET", "/pay/orders/"+url.PathEscape(no), "")
			if o.status != 200 || o.text("order_no") != no || o.text("status") != "paid" || o.header.Get("X-Pay-Order-No") != no {
				t.Errorf("the merchant sees %d %s", o.status, o.body)
			}
			refund, _ := json.Marshal(map[string]string{"order_no": no, "refund_no": fmt.Sprint("R", i), "description": "d"})
			if a := w.merchant("POST", "/pay/refunds", string(refund)); a.status != 201 || a.text("order_no") != no {
				t.Errorf("the refund: %d %s", a.status, a.body)
			}
			if !w.site.Payments.Paid(t.Context(), session.Identity{OpenID: payer, AppID: w.sandbox.WxLite().AppID}, no) {
				t.Error("pay_paid does not know the order")
			}
		})
	}
}

// A page of the shop that a channel leads back to gets the number as it is.
func TestOrderNumberInAddresses(t *testing.T) {
	const no = "a&b=c#d%e?f"
	w := newWorld(t)
	w.set(func(c *Config) {
		c.ReturnURLs = map[string]string{"success_url": "https://shop.example.com/paid?no={order_no}&x=1"}
	})
	a := w.do("POST", "/pay/charges", fmt.Sprintf(`{"order_no":%q,"channel":"alipay_wap"}`, no), "X-Pay-Session", w.session(payer))
	var charge struct {
		Extra struct {
			SuccessURL string `json:"success_url"`
		}
	}
	if err := json.Unmarshal(a.body, &charge); a.status != 201 || err != nil {
		t.Fatalf("%d %s", a.status, a.body)
	}
	u, err := url.Parse(charge.Extra.SuccessURL)
	if err != nil || u.Query().Get("no") != no || u.Query().Get("x") != "1" {
		t.Errorf("success_url is %s", charge.Extra.SuccessURL)
	}
	_, v := withCheckout(t, "wx_pub_qr", "upacp_pc")
	page := v.checkout(url.QueryEscape(no), desktopAgent)
	got, offered := data(page)
	if page.status != 200 || offered != "wx_pub_qr upacp_pc" || !strings.Contains(got["back"], url.QueryEscape(no)) {
		t.Errorf("%d offers %q, leads back to %q", page.status, offered, got["back"])
	}
}

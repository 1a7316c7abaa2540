package handlers

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/pingpp"
)

// refusing makes Ping++ answer every refund with an error object.
func (w *world) refusing(status int, body string) {
	answering := w.outside.serving()
	w.outside.put(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/refunds") {
			rw.WriteHeader(status)
			fmt.Fprint(rw, body)
			return
		}
		answering.ServeHTTP(rw, r)
	}))
}

// So it is over the wire, in both ways of refunding; nothing came of it, so that the number is free.
func TestRefundRefusalOverTheWire(t *testing.T) {
	w := newWorld(t)
	w.paidOrder("1001")
	w.fault("create_refund", "400", 1)
	a := w.refunding("1001", "R1", 1)
	if wantProblem(t, a, 402, "refund_rejected"); a.text("failure_msg") != "请求无法处理。" || a.text("failure_code") != "refund_refused" || a.text("refund_no") != "R1" {
		t.Errorf("%s", a.body)
	}
	wantProblem(t, w.merchant("GET", "/pay/refunds/R1", ""), 404, "not_found")
	if a := w.refunding("1001", "R1", 1); a.status != 201 {
		t.Errorf("%d %s", a.status, a.body)
	}
	order, charge := w.paidThroughOrder("A2026112301")
	w.fault("refund_order", "400", 1)
	a = w.merchant("POST", "/pay/refunds", `{"charge":"`+charge+`","refund_no":"R2","description":"d","amount":1}`)
	if wantProblem(t, a, 402, "refund_rejected"); a.text("failure_msg") != "请求无法处理。" {
		t.Errorf("%s: %s", order, a.body)
	}
	// What is no answer of Ping++'s says nothing about the refund's amount either.
	w.refusing(http.StatusBadRequest, "<html>Bad Request")
	wantProblem(t, w.refunding("1001", "R3", 1), 502, "provider_rejected")
}

// paidThroughOrder is a Ping++ order that is paid, and the charge that paid it.
func (w *world) paidThroughOrder(orderNo string) (order, charge string) {
	w.t.Helper()
	or, err := w.config.Pingpp.CreateOrder(w.t.Context(), &pingpp.OrderParams{MerchantOrderNo: orderNo, Amount: 1999, Currency: "cny", ClientIP: "192.0.2.1", Subject: "s", Body: "b"})
	if err == nil {
		or, err = w.config.Pingpp.PayOrder(w.t.Context(), or.ID, &pingpp.PayOrderParams{Channel: "wx_lite", ChargeAmount: 1999, Extra: map[string]any{"open_id": payer}})
	}
	if err == nil {
		err = w.sandbox.Pay(or.ChargeID)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return or.ID, or.ChargeID
}

// Where the money comes from is the merchant's to say; Ping++ hears of it, and a repeat with another source is another refund.
func TestRefundFundingSource(t *testing.T) {
	w := newWorld(t)
	w.paidOrder("1001")
	from := func(orderNo, no, source string) string {
		return strings.Replace(refundBody(orderNo, no, 5), "}", `,"funding_source":`+source+"}", 1)
	}
	for _, bad := range []string{`""`, `"Recharge_funds"`, `"balance"`} {
		a := w.merchant("POST", "/pay/refunds", from("1001", "R1", bad))
		if wantProblem(t, a, 400, "refund_invalid"); a.text("field") != "funding_source" || !strings.Contains(a.text("detail"), "unsettled_funds or recharge_funds") {
			t.Errorf("%s: %s", bad, a.body)
		}
	}
	a := w.merchant("POST", "/pay/refunds", from("1001", "R1", "1"))
	if wantProblem(t, a, 400, "refund_invalid"); a.text("field") != "funding_source" {
		t.Errorf("%s", a.body)
	}
	for no, source := range map[string]string{"R1": `"recharge_funds"`, "R2": `"unsettled_funds"`} {
		if a := w.merchant("POST", "/pay/refunds", from("1001", no, source)); a.status != 201 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		sent := w.outside.exchanges("/v1/charges/")
		if last := sent[len(sent)-1]; last.method != "POST" || !strings.Contains(string(last.sent), `"funding_source":`+source) || !strings.Contains(string(last.got), `"funding_source":`+source) {
			t.Errorf("sent %s, got %s", last.sent, last.got)
		}
		if a := w.merchant("POST", "/pay/refunds", from("1001", no, source)); a.status != 200 {
			t.Errorf("again: %d %s", a.status, a.body)
		}
	}
	for _, other := range []string{from("1001", "R1", `"unsettled_funds"`), refundBody("1001", "R1", 5)} {
		a := w.merchant("POST", "/pay/refunds", other)
		if wantProblem(t, a, 409, "refund_invalid"); a.text("field") != "refund_no" || !strings.Contains(a.text("detail"), "funding_source") {
			t.Errorf("%s", a.body)
		}
	}
	if a := w.refunding("1001", "R3", 5); a.status != 201 {
		t.Errorf("%d %s", a.status, a.body)
	}
	sent := w.outside.exchanges("/v1/charges/")
	if last := sent[len(sent)-1]; strings.Contains(string(last.sent), "funding_source") {
		t.Errorf("sent %s", last.sent)
	}
	// Through a Ping++ order, and in the repetition of one that got no answer.
	order, charge := w.paidThroughOrder("A2026112301")
	w.fault("refund_order", "500", 1)
	body := strings.Replace(from("x", "R4", `"recharge_funds"`), `"order_no":"x"`, `"charge":"`+charge+`"`, 1)
	if a := w.merchant("POST", "/pay/refunds", body); a.status != 202 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	w.clock.Add(time.Minute)
	if a := w.merchant("POST", "/pay/refunds", body); a.status != 200 || a.field("refund") == nil {
		t.Fatalf("%d %s", a.status, a.body)
	}
	posts := 0
	for _, e := range w.outside.exchanges("/v1/orders/" + order + "/order_refunds") {
		if e.method == "POST" {
			if posts++; !strings.Contains(string(e.sent), `"funding_source":"recharge_funds"`) {
				t.Errorf("sent %s", e.sent)
			}
		}
	}
	if posts != 2 {
		t.Errorf("asked for %d times", posts)
	}
}

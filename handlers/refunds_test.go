package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/refunds"
)

// refunding asks for a refund of an order's 1999 fen; amount 0 is the whole.
func (w *world) refunding(orderNo, refundNo string, amount int64) answer {
	w.t.Helper()
	return w.merchant("POST", "/pay/refunds", refundBody(orderNo, refundNo, amount))
}

func refundBody(orderNo, refundNo string, amount int64) string {
	body := fmt.Sprintf(`{"order_no":%q,"refund_no":%q,"description":"退货"`, orderNo, refundNo)
	if amount != 0 {
		body += fmt.Sprintf(`,"amount":%d`, amount)
	}
	return body + "}"
}

// refundsAt returns what Ping++ has of a charge's refunds.
func (w *world) refundsAt(chargeID string) []*pingpp.Refund {
	w.t.Helper()
	list, err := w.config.Pingpp.ListRefunds(context.Background(), chargeID, pingpp.ListRefundsParams{Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	return list.Data
}

func (w *world) settle(refundID, how string) {
	w.t.Helper()
	r := httptest.NewRequest("POST", "/sandbox/refunds/"+refundID+"/"+how, nil)
	rec := httptest.NewRecorder()
	w.sandbox.ServeHTTP(rec, r)
	if rec.Code != 200 {
		w.t.Fatalf("settling answered %d %s", rec.Code, rec.Body)
	}
}

func TestRefund(t *testing.T) {
	w := newWorld(t)
	charge := w.paidOrder("1001")
	w.fault("refund", "stuck", 2)
	a := w.refunding("1001", "R1", 999)
	if a.status != 201 || a.header.Get("Location") != "/pay/refunds/R1" || a.header.Get("X-Pay-Order-No") != "1001" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	at := w.refundsAt(charge)
	if len(at) != 1 || at[0].Amount != 999 || at[0].Metadata["pay_refund_no"] != "R1" {
		t.Fatalf("Ping++ has %+v", at)
	}
	want := fmt.Sprintf(`{"refund_no":"R1","refund":%q,"charge":%q,"order_no":"1001","amount":999,"status":"pending","failure_code":null,"failure_msg":null,"created":%d,"time_succeeded":null}`,
		at[0].ID, charge, w.clock.Now().Unix())
	if string(a.body) != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
	// The same again is the same refund; by its charge too.
	for _, body := range []string{refundBody("1001", "R1", 999), strings.Replace(refundBody("1001", "R1", 999), `"order_no":"1001"`, `"charge":"`+charge+`"`, 1)} {
		if again := w.merchant("POST", "/pay/refunds", body); again.status != 200 || string(again.body) != want {
			t.Errorf("%d %s", again.status, again.body)
		}
	}
	for what, body := range map[string]string{
		"another amount":      refundBody("1001", "R1", 998),
		"the whole":           refundBody("1001", "R1", 0),
		"another description": strings.Replace(refundBody("1001", "R1", 999), "退货", "x", 1),
		"another order":       refundBody("1002", "R1", 999),
		"another charge":      strings.Replace(refundBody("1001", "R1", 999), `"order_no":"1001"`, `"charge":"ch_x"`, 1),
	} {
		a := w.merchant("POST", "/pay/refunds", body)
		if wantProblem(t, a, 409, "refund_invalid"); a.text("field") != "refund_no" || !strings.Contains(a.text("detail"), "was used for another refund") {
			t.Errorf("%s: %s", what, a.body)
		}
	}
	wantProblem(t, w.refunding("1001", "R2", 1001), 409, "refund_exceeds")
	if rest := w.refunding("1001", "R2", 0); rest.status != 201 || rest.field("amount") != 1000.0 {
		t.Errorf("%d %s", rest.status, rest.body)
	}
	wantProblem(t, w.refunding("1001", "R3", 0), 409, "refund_exceeds")
	if n := w.calls("create_refund"); n != 2 {
		t.Errorf("Ping++ was asked for %d refunds", n)
	}

	seen := len(w.sandbox.State(100).Events)
	w.settle(at[0].ID, "succeed")
	w.events(seen)
	got := w.merchant("GET", "/pay/refunds/R1", "")
	if got.text("status") != "succeeded" || got.field("time_succeeded") != float64(w.clock.Now().Unix()) || got.text("refund") != at[0].ID {
		t.Errorf("%s", got.body)
	}
	wantProblem(t, w.refunding("1001", "R3", 1), 409, "refund_exceeds") // it counts once
	wantProblem(t, w.merchant("GET", "/pay/refunds/R3", ""), 404, "not_found")
	o := w.merchant("GET", "/pay/orders/1001", "")
	if refunds, _ := o.field("refunds").([]any); len(refunds) != 2 || o.text("status") != "paid" || o.field("charges").([]any)[0].(map[string]any)["amount_refunded"] != 999.0 {
		t.Errorf("%s", o.body)
	}
}

func TestRefundRequests(t *testing.T) {
	w := newWorld(t)
	w.paidOrder("1001")
	good := refundBody("1001", "R1", 1)
	for _, c := range []struct{ name, from, to, code, field string }{
		{"a misspelt amount", `"amount":1`, `"amonut":1`, "refund_invalid", "amonut"},
		{"a quoted amount", `"amount":1`, `"amount":"1"`, "refund_invalid", "amount"},
		{"an amount in yuan", `"amount":1`, `"amount":19.99`, "refund_invalid", "amount"},
		{"an amount with an exponent", `"amount":1`, `"amount":1e2`, "refund_invalid", "amount"},
		{"no fen", `"amount":1`, `"amount":0`, "refund_invalid", "amount"},
		{"negative", `"amount":1`, `"amount":-1`, "refund_invalid", "amount"},
		{"an amount of null", `"amount":1`, `"amount":null`, "refund_invalid", "amount"},
		{"a huge amount", `"amount":1`, `"amount":99999999999999999999`, "refund_invalid", "amount"},
		{"no order", `"order_no":"1001",`, ``, "refund_invalid", "order_no"},
		{"order and charge", `"order_no"`, `"charge":"ch_1","order_no"`, "refund_invalid", "order_no"},
		{"an order number that is a number", `"1001"`, `1001`, "refund_invalid", "order_no"},
		{"no refund number", `"refund_no":"R1",`, ``, "refund_invalid", "refund_no"},
		{"a refund number with a path", `"R1"`, `"R/1"`, "refund_invalid", "refund_no"},
		{"a refund number with a dot", `"R1"`, `"R.1"`, "refund_invalid", "refund_no"},
		{"a refund number with a control character", `"R1"`, `"R\n1"`, "refund_invalid", "refund_no"},
		{"a long refund number", `"R1"`, `"` + strings.Repeat("R", 65) + `"`, "refund_invalid", "refund_no"},
		{"no description", `,"description":"退货"`, ``, "refund_invalid", "description"},
		{"a long description", `退货`, strings.Repeat("退", 256), "refund_invalid", "description"},
		{"metadata of its own", `"amount":1`, `"metadata":{"pay_refund_no":"R9"}`, "refund_invalid", "metadata"},
		{"a key twice", `"amount":1`, `"amount":1,"amount":1999`, "json_invalid", ""},
		{"no JSON", good, `order_no=1001`, "json_invalid", ""},
		{"a list", good, `[` + good + `]`, "json_invalid", ""},
	} {
		a := w.merchant("POST", "/pay/refunds", strings.Replace(good, c.from, c.to, 1))
		if wantProblem(t, a, 400, c.code); a.text("field") != c.field {
			t.Errorf("%s: %s", c.name, a.body)
		}
	}
	wantProblem(t, w.merchant("POST", "/pay/refunds", good, "Content-Type", "application/x-www-form-urlencoded"), 415, "content_type")
	wantProblem(t, w.merchant("POST", "/pay/refunds", good+strings.Repeat(" ", 16<<10)), 413, "too_large")
	if n := w.calls("create_refund"); n != 0 {
		t.Errorf("%d refunds were asked for", n)
	}
	zh := w.do("POST", "/pay/refunds", strings.Replace(good, `"amount":1`, `"amount":"1"`, 1), "Authorization", "Bearer "+merchantToken)
	if !strings.Contains(zh.text("detail"), "单位：分") || zh.header.Get("Content-Language") != "zh" {
		t.Errorf("%s", zh.body)
	}
}

func TestRefundOfWhatIsNotPaid(t *testing.T) {
	w := newWorld(t)
	wantProblem(t, w.refunding("1001", "R1", 0), 404, "order_not_found")
	wantProblem(t, w.merchant("POST", "/pay/refunds", `{"charge":"ch_x","refund_no":"R1","description":"d"}`), 404, "charge_not_found")
	wantProblem(t, w.merchant("POST", "/pay/refunds", `{"charge":"a/../b","refund_no":"R1","description":"d"}`), 404, "charge_not_found")
	id, _ := w.created(w.session(payer), "1001")
	wantProblem(t, w.refunding("1001", "R1", 0), 409, "charge_not_paid")
	wantProblem(t, w.merchant("POST", "/pay/refunds", `{"charge":"`+id+`","refund_no":"R1","description":"d"}`), 409, "charge_not_paid")
	// It is paid, and its webhook is late: Ping++ is asked, and the backend hears of the payment first.
	if err := w.sandbox.Pay(id); err != nil {
		t.Fatal(err)
	}
	w.clock.Add(6 * time.Second)
	if a := w.refunding("1001", "R1", 5); a.status != 201 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if _, err := w.ledger.Event(t.Context(), w.config.Scope, queryID(id)); err != nil {
		t.Error(err)
	}
}

func TestRefundsThatFail(t *testing.T) {
	w := newWorld(t)
	charge := w.paidOrder("1001")
	w.fault("refund", "failed", 1)
	a := w.refunding("1001", "R1", 0)
	if a.status != 201 || a.text("status") != "failed" || a.text("failure_code") != "refund_refused_msg" || !strings.Contains(a.text("failure_msg"), "余额不足") {
		t.Fatalf("%d %s", a.status, a.body)
	}
	e, err := w.ledger.Event(t.Context(), w.config.Scope, "evt_q_"+a.text("refund")+"_refund_failed")
	if err != nil || e.Type != "refund.failed" || e.State != ledger.Pending || e.Lane != "1001" || e.Rank != 1 || !strings.Contains(string(e.Body), `"refund_refused_msg"`) {
		t.Errorf("%+v, %v", e, err)
	}
	if again := w.refunding("1001", "R1", 0); again.status != 200 || again.text("status") != "failed" {
		t.Errorf("%d %s", again.status, again.body)
	}
	w.fault("create_refund", "402", 1) // and as a refusal of the call
	for range 2 {
		a := w.refunding("1001", "R2", 0)
		if wantProblem(t, a, 402, "refund_rejected"); a.text("failure_code") != "channel_request_error" || !strings.Contains(a.text("failure_msg"), "系统繁忙") || a.text("refund_no") != "R2" {
			t.Errorf("%s", a.body)
		}
	}
	if e, err := w.ledger.Event(t.Context(), w.config.Scope, "evt_q_"+charge+"_R2_refund_failed"); err != nil || e.OrderNo != "1001" || e.State != ledger.Pending {
		t.Errorf("%+v, %v", e, err)
	}
	if a := w.merchant("GET", "/pay/refunds/R2", ""); a.text("status") != "failed" || a.field("refund") != nil {
		t.Errorf("%s", a.body)
	}
	// What failed takes nothing.
	if a := w.refunding("1001", "R3", 1999); a.status != 201 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// Nothing came of it: the number and the amount are free, and the merchant is told.
func TestRefundThatPingppRefuses(t *testing.T) {
	for fault, want := range map[string]struct {
		status int
		code   string
	}{"401": {502, "provider_rejected"}, "429": {503, "provider_unavailable"}} {
		w := newWorld(t)
		w.paidOrder("1001")
		w.fault("create_refund", fault, 3)
		wantProblem(t, w.refunding("1001", "R1", 0), want.status, want.code)
		w.sandbox.ClearFaults()
		if a := w.refunding("1001", "R1", 7); a.status != 201 {
			t.Errorf("%s: %d %s", fault, a.status, a.body)
		}
	}
	w := newWorld(t)
	charge := w.paidOrder("1001")
	made := httptest.NewRecorder() // in the dashboard, and no webhook of it has come
	w.sandbox.ServeHTTP(made, httptest.NewRequest("POST", "/sandbox/refunds", strings.NewReader(`{"charge":"`+charge+`","amount":1000}`)))
	wantProblem(t, w.refunding("1001", "R1", 1000), 409, "refund_exceeds")
	if a := w.refunding("1001", "R1", 999); a.status != 201 {
		t.Errorf("%d %s", a.status, a.body)
	}
	wantProblem(t, w.refunding("1001", "R2", 1), 409, "refund_exceeds")
	w.clock.Add(366 * 24 * time.Hour)
	other := w.paidOrder("1002")
	w.clock.Add(366 * 24 * time.Hour)
	a := w.merchant("POST", "/pay/refunds", `{"charge":"`+other+`","refund_no":"R3","description":"d"}`)
	if wantProblem(t, a, 402, "refund_rejected"); a.text("failure_code") != "refund_time" {
		t.Errorf("%s", a.body)
	}
}

// Ping++ says that the charge belongs to an order, and has no such order.
func TestRefundOfAnUnknownOrdersCharge(t *testing.T) {
	w := newWorld(t)
	w.paidOrder("1001")
	answering := w.outside.serving()
	w.outside.put(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/refunds") {
			rw.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(rw, `{"error":{"type":"invalid_request_error","message":"请使用商品订单号进行操作。","code":"charge_request_invalid"}}`)
			return
		}
		answering.ServeHTTP(rw, r)
	}))
	a := w.refunding("1001", "R1", 1)
	if wantProblem(t, a, 502, "provider_rejected"); !strings.Contains(a.text("detail"), "belongs to a Ping++ order") {
		t.Errorf("%s", a.body)
	}
	wantProblem(t, w.merchant("GET", "/pay/refunds/R1", ""), 404, "not_found") // the number is free
}

// What was refunded in the dashboard while webhooks went missing is learned, and the backend hears of it.
func TestRefundAfterOneThatNobodyToldUs(t *testing.T) {
	w := newWorld(t)
	charge := w.paidOrder("1001")
	rec := httptest.NewRecorder()
	w.sandbox.ServeHTTP(rec, httptest.NewRequest("POST", "/sandbox/refunds", strings.NewReader(`{"charge":"`+charge+`","amount":1000,"status":"succeeded"}`)))
	if a := w.refunding("1001", "R1", 0); a.status != 201 || a.field("amount") != 999.0 {
		t.Errorf("%d %s", a.status, a.body)
	}
	missed := w.refundsAt(charge)[1].ID
	if e, err := w.ledger.Event(t.Context(), w.config.Scope, "evt_q_"+missed+"_refund_succeeded"); err != nil || e.State != ledger.Pending || e.OrderNo != "1001" {
		t.Errorf("%+v, %v", e, err)
	}
	if o := w.orderOf("1001"); len(o.Refunds) != 2 || o.Refunds[0].RefundNo != nil && o.Refunds[1].RefundNo != nil {
		t.Errorf("%+v", o.Refunds)
	}
}

// An order's event is ours when the order is, or when its money comes to us.
func TestOrderEventsOfOtherApps(t *testing.T) {
	w := newWorld(t)
	ours, theirs := w.sandbox.App(), "app_0000000000000009"
	for i, c := range []struct {
		app, receipt string
		status       int
	}{{ours, ours, 200}, {ours, theirs, 200}, {theirs, ours, 200}, {theirs, theirs, 403}, {theirs, "", 403}} {
		a := w.send(fmt.Sprintf(`{"id":"evt_%d","object":"event","type":"order.succeeded","created":1790000000,"livemode":false,"data":{"object":{`+
			`"id":"2001%d","object":"order","app":%q,"receipt_app":%q,"merchant_order_no":"A202611230%d","charge":"ch_%d"}}}`, i, i, c.app, c.receipt, i, i))
		if a.status != c.status {
			t.Errorf("%+v: %d %s", c, a.status, a.body)
		}
	}
	e, err := w.ledger.Event(t.Context(), w.config.Scope, "evt_0")
	if err != nil || e.OrderNo != "A2026112300" || e.Lane != "A2026112300" || e.State != ledger.Pending || e.Number != "" {
		t.Errorf("%+v, %v", e, err)
	}
	if v := w.orderOf("A2026112300"); v.Status != "created" || v.Delivery.State != "pending" || len(v.Charges) != 0 {
		t.Errorf("%+v", v)
	}
}

// Nobody knows whether Ping++ made it: it is looked for before it is asked for again.
func TestRefundWhoseOutcomeIsUnknown(t *testing.T) {
	for _, fault := range []string{"drop", "truncate", "wrong_refund"} { // the refund is made, and the answer lost
		w := newWorld(t)
		charge := w.paidOrder("1001")
		w.fault("create_refund", fault, 1)
		a := w.refunding("1001", "R1", 0)
		if a.status != 202 || a.text("status") != "pending" || a.field("refund") != nil {
			t.Fatalf("%s: %d %s", fault, a.status, a.body)
		}
		wantProblem(t, w.refunding("1001", "R2", 1), 409, "refund_exceeds") // its amount is taken
		a = w.refunding("1001", "R1", 0)
		if at := w.refundsAt(charge); a.status != 200 || len(at) != 1 || a.text("refund") != at[0].ID || w.calls("create_refund") != 1 {
			t.Errorf("%s: %d %s; Ping++ has %d", fault, a.status, a.body, len(at))
		}
	}
	for _, fault := range []string{"502", "500", "200_null", "empty"} { // nothing was made
		w := newWorld(t)
		charge := w.paidOrder("1001")
		w.fault("create_refund", fault, 1)
		for range 2 {
			if a := w.refunding("1001", "R1", 0); a.status != 202 {
				t.Fatalf("%s: %d %s", fault, a.status, a.body)
			}
		}
		if n := w.calls("create_refund"); n != 1 {
			t.Errorf("%s: asked for again at once, %d times", fault, n)
		}
		w.clock.Add(time.Minute) // whatever was on its way has arrived
		if a := w.refunding("1001", "R1", 0); a.status != 200 || a.field("refund") == nil {
			t.Errorf("%s: %d %s", fault, a.status, a.body)
		}
		if at := w.refundsAt(charge); len(at) != 1 || at[0].Amount != 1999 {
			t.Errorf("%s: Ping++ has %+v", fault, at)
		}
	}
}

// amnesiac loses the record of Ping++'s answer, as a crash does.
type amnesiac struct{ ledger.Ledger }

func (amnesiac) RefundMade(context.Context, ledger.RefundLease, string, time.Time) error {
	return errors.New("disk full")
}

func TestRefundAndACrash(t *testing.T) {
	w := newWorld(t)
	charge := w.paidOrder("1001")
	crashing := httptest.NewTLSServer(w.handler(w.newSite(amnesiac{w.ledger}, zap.NewNop())))
	defer crashing.Close()
	wantProblem(t, w.doAt(crashing, "POST", "/pay/refunds", refundBody("1001", "R1", 0), "Authorization", "Bearer "+merchantToken), 503, "ledger_unavailable")
	if a := w.merchant("GET", "/pay/refunds/R1", ""); a.text("status") != "pending" {
		t.Errorf("%s", a.body)
	}
	w.clock.Add(refunds.Lease)
	a := w.refunding("1001", "R1", 0)
	if at := w.refundsAt(charge); a.status != 200 || len(at) != 1 || a.text("refund") != at[0].ID || w.calls("create_refund") != 1 {
		t.Errorf("%d %s; Ping++ has %+v", a.status, a.body, at)
	}
}

// However many ask at once, in one process or in two: never more than was paid, and a number once.
func TestRefundsInParallel(t *testing.T) {
	for name, sites := range map[string]int{"one process": 1, "two processes": 2} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			charge := w.paidOrder("1001")
			servers := []*httptest.Server{w.server}
			if sites == 2 {
				second := httptest.NewTLSServer(w.handler(w.newSite(w.openLedger(), zap.NewNop())))
				defer second.Close()
				servers = append(servers, second)
			}
			var mu sync.Mutex
			answers := make(map[string]int)
			var all sync.WaitGroup
			for i := range 24 {
				all.Go(func() {
					a, err := w.try(t.Context(), servers[i%sites], "POST", "/pay/refunds", refundBody("1001", fmt.Sprint("R", i/2), 500), "Authorization", "Bearer "+merchantToken)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					defer mu.Unlock()
					answers[fmt.Sprint(a.status, " ", a.text("code"))]++
				})
			}
			all.Wait()
			var sum int64
			numbers := make(map[string]int)
			for _, re := range w.refundsAt(charge) {
				sum += re.Amount
				numbers[re.Metadata["pay_refund_no"]]++
			}
			if sum != 1500 || len(numbers) != 3 || answers["201 "] != 3 {
				t.Errorf("%d fen went back as %v; answers %v", sum, numbers, answers)
			}
			for answer := range answers {
				if answer != "201 " && answer != "200 " && answer != "409 refund_exceeds" {
					t.Errorf("answers %v", answers)
				}
			}
		})
	}
}

// The charge of a Ping++ order is refunded through the order.
func TestRefundOfAnOrdersCharge(t *testing.T) {
	for _, known := range []bool{true, false} { // whether order.succeeded has told us which order it is
		w := newWorld(t)
		or, err := w.config.Pingpp.CreateOrder(t.Context(), &pingpp.OrderParams{MerchantOrderNo: "A2026112301", Amount: 1999, Currency: "cny", ClientIP: "192.0.2.1", Subject: "s", Body: "b"})
		if err == nil {
			or, err = w.config.Pingpp.PayOrder(t.Context(), or.ID, &pingpp.PayOrderParams{Channel: "wx_lite", ChargeAmount: 1999, Extra: map[string]any{"open_id": payer}})
		}
		if err == nil {
			err = w.sandbox.Pay(or.ChargeID)
		}
		if err != nil {
			t.Fatal(err)
		}
		if known {
			w.events(0)
		}
		body := `{"charge":"` + or.ChargeID + `","refund_no":"R1","description":"d","amount":99}`
		w.fault("refund_order", "drop", 1)
		w.fault("refund", "stuck", 1)
		if a := w.merchant("POST", "/pay/refunds", body); a.status != 202 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		a := w.merchant("POST", "/pay/refunds", body)
		if a.status != 200 || a.text("order_no") != "A2026112301" || a.field("refund") == nil {
			t.Errorf("%d %s", a.status, a.body)
		}
		if n := w.calls("refund_order"); n != 1 {
			t.Errorf("the order was refunded %d times", n)
		}
		if asked := w.calls("list_orders"); (asked == 0) != known {
			t.Errorf("Ping++'s orders were listed %d times", asked)
		}
		w.settle(a.text("refund"), "succeed")
		seen := 2
		if !known {
			seen = 0
		}
		w.events(seen)
		if a := w.merchant("GET", "/pay/refunds/R1", ""); a.text("status") != "succeeded" {
			t.Errorf("%s", a.body)
		}
		events, err := w.ledger.Events(t.Context(), ledger.Filter{Scope: w.config.Scope, OrderNo: "A2026112301"})
		if err != nil || len(events) != 4 {
			t.Fatalf("%d events, %v", len(events), err)
		}
		for _, e := range events {
			back := strings.Contains(e.Type, "refund")
			if e.Lane != "A2026112301" || e.State != ledger.Pending || (e.Rank == 1) != back {
				t.Errorf("%s is %s in lane %q with rank %d", e.Type, e.State, e.Lane, e.Rank)
			}
		}
	}
}

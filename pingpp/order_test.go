package pingpp

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

const orderID = "2001708140000276561"

func orderParams() *OrderParams {
	return &OrderParams{
		MerchantOrderNo: "T20261123001", Amount: 1250, Currency: "cny", ClientIP: "192.0.2.7", Subject: "龙井 & <春>", Body: "Green tea",
	}
}

// order is the JSON of the order that orderParams asks for, with changes; a nil value removes the member.
func order(changes map[string]any) string {
	o := map[string]any{
		"id": orderID, "object": "order", "created": 1795420790, "livemode": false, "paid": false, "refunded": false, "status": "created",
		"app": testApp, "receipt_app": testApp, "service_app": testApp, "uid": nil, "merchant_order_no": "T20261123001", "amount": 1250,
		"actual_amount": 1250, "amount_paid": 0, "amount_refunded": 0, "coupon_amount": 0, "currency": "cny", "subject": "s", "body": "b",
		"client_ip": "192.0.2.7", "time_paid": nil, "time_expire": 1795507190, "coupon": nil, "charge": nil, "description": nil,
		"metadata": map[string]any{}, "charge_essentials": map[string]any{}, "charges": map[string]any{"object": "list", "data": []any{}},
	}
	for k, v := range changes {
		if o[k] = v; v == nil {
			delete(o, k)
		}
	}
	b, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func orderPage(more bool, orders ...string) string {
	return strings.Replace(refundPage(more, orders...), "/v1/charges/ch_1/refunds", "/v1/orders", 1)
}

func TestCreateOrder(t *testing.T) {
	var sent string
	or, err := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = r.Method + " " + r.URL.Path + " " + string(body)
		_, _ = w.Write([]byte(order(nil)))
	}).CreateOrder(t.Context(), orderParams())
	if err != nil || or.ID != orderID || or.Status != "created" || or.Paid || or.ChargeID != "" || or.TimeExpire != 1795507190 {
		t.Fatalf("got %+v, %v", or, err)
	}
	// An order's app is plain text, unlike a charge's.
	want := `POST /v1/orders {"app":"` + testApp + `","merchant_order_no":"T20261123001","amount":1250,"currency":"cny","client_ip":"192.0.2.7","subject":"龙井 & <春>","body":"Green tea"}`
	if sent != want {
		t.Errorf("sent %s\nwant %s", sent, want)
	}
	for what, change := range map[string]map[string]any{
		"its app is":               {"app": "app_2"},
		"its livemode is":          {"livemode": true},
		"its merchant_order_no is": {"merchant_order_no": "T2"},
		"its amount is 1251":       {"amount": 1251},
		"its currency is":          {"currency": "hkd"},
		"order has no status":      {"status": nil},
		"order.amount is not":      {"amount": "much"},
		"order.object is not":      {"object": "charge"},
		"order has no id":          {"id": nil},
		"order has no app":         {"app": nil},
	} {
		or, err := serve(t, answer(200, order(change))).CreateOrder(t.Context(), orderParams())
		if wantKind(t, err, Malformed, true); or != nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: got %+v, %v", what, or, err)
		}
	}
	for what, change := range map[string]func(*OrderParams){
		"the merchant order number is empty": func(p *OrderParams) { p.MerchantOrderNo = "" },
		"the currency is empty":              func(p *OrderParams) { p.Currency = "" },
		"the subject is empty":               func(p *OrderParams) { p.Subject = "" },
		"the amount is 0 fen":                func(p *OrderParams) { p.Amount = 0 },
		"the time of expiry is -1":           func(p *OrderParams) { p.TimeExpire = -1 },
	} {
		p := orderParams()
		change(p)
		_, err := serve(t, unreachable(t)).CreateOrder(t.Context(), p)
		if wantKind(t, err, InvalidRequest, false); !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// unreachable is a server that must not be asked.
func unreachable(t *testing.T) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was sent", r.Method, r.URL) }
}

func TestPayOrder(t *testing.T) {
	paying := order(map[string]any{"charge": "ch_1", "charge_essentials": map[string]any{"channel": "wx_lite", "credential": map[string]any{"object": "credential"}}})
	var sent string
	or, err := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = r.Method + " " + r.URL.Path + " " + string(body)
		_, _ = w.Write([]byte(paying))
	}).PayOrder(t.Context(), orderID, &PayOrderParams{Channel: "wx_lite", ChargeAmount: 1250, Extra: map[string]any{"open_id": openID}})
	if err != nil || or.ChargeID != "ch_1" || !strings.Contains(string(or.ChargeEssentials), `"wx_lite"`) {
		t.Fatalf("got %+v, %v", or, err)
	}
	if want := `POST /v1/orders/` + orderID + `/pay {"channel":"wx_lite","charge_amount":1250,"extra":{"open_id":"` + openID + `"}}`; sent != want {
		t.Errorf("sent %s", sent)
	}
	_, err = serve(t, answer(200, order(nil))).PayOrder(t.Context(), orderID, &PayOrderParams{Channel: "wx_lite", ChargeAmount: 1250})
	wantKind(t, err, Malformed, true) // it names no charge
	for _, p := range []*PayOrderParams{nil, {ChargeAmount: 1}, {Channel: "wx_lite"}} {
		_, err := serve(t, unreachable(t)).PayOrder(t.Context(), orderID, p)
		wantKind(t, err, InvalidRequest, false)
	}
	_, err = serve(t, answer(402, `{"error":{"type":"channel_error","message":"bad openid `+openID+`"}}`)).
		PayOrder(t.Context(), orderID, &PayOrderParams{Channel: "wx_lite", ChargeAmount: 1, Extra: map[string]any{"open_id": openID}})
	if wantKind(t, err, Channel, false); strings.Contains(err.Error(), openID) {
		t.Errorf("the error shows the openid: %v", err)
	}
}

func TestOrderOfAnotherApp(t *testing.T) {
	foreign := map[string]any{"app": "app_2", "receipt_app": "app_2"}
	_, err := serve(t, answer(200, order(foreign))).GetOrder(t.Context(), orderID)
	wantKind(t, err, Foreign, false)
	_, err = serve(t, answer(200, order(map[string]any{"livemode": true}))).GetOrder(t.Context(), orderID)
	wantKind(t, err, Foreign, false)
	// A platform's order that pays us is ours as well.
	if or, err := serve(t, answer(200, order(map[string]any{"app": "app_2"}))).GetOrder(t.Context(), orderID); err != nil || or.ReceiptApp != testApp {
		t.Errorf("got %+v, %v", or, err)
	}
	_, err = serve(t, answer(200, orderPage(false, order(nil), order(foreign)))).ListOrders(t.Context(), ListOrdersParams{})
	if wantKind(t, err, Malformed, true); !strings.Contains(err.Error(), "item 1") {
		t.Error(err)
	}
}

func TestListOrders(t *testing.T) {
	var query string
	yes := true
	list, err := serve(t, func(w http.ResponseWriter, r *http.Request) {
		query = r.URL.RawQuery
		_, _ = w.Write([]byte(orderPage(true, order(nil))))
	}).ListOrders(t.Context(), ListOrdersParams{Page: 2, PerPage: 100, Paid: &yes, CreatedGTE: 5})
	if err != nil || len(list.Data) != 1 || !list.HasMore || query != "app="+testApp+"&created%5Bgte%5D=5&page=2&paid=true&per_page=100" {
		t.Fatalf("got %+v, %v of %s", list, err, query)
	}
	for _, p := range []ListOrdersParams{{Page: -1}, {PerPage: 101}, {PerPage: -1}} {
		_, err := serve(t, unreachable(t)).ListOrders(t.Context(), p)
		wantKind(t, err, InvalidRequest, false)
	}
}

func TestCreateRefund(t *testing.T) {
	var sent string
	cl := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = r.Method + " " + r.URL.Path + " " + string(body)
		_, _ = w.Write([]byte(refund))
	})
	re, err := cl.CreateRefund(t.Context(), "ch_1", &RefundParams{Amount: 300, Description: "退 <货>", Metadata: map[string]any{"pay_refund_no": "R1"}, FundingSource: RechargeFunds})
	if err != nil || re.ID != "re_1" || re.Amount != 300 {
		t.Fatalf("got %+v, %v", re, err)
	}
	if want := `POST /v1/charges/ch_1/refunds {"amount":300,"description":"退 <货>","metadata":{"pay_refund_no":"R1"},"funding_source":"recharge_funds"}`; sent != want {
		t.Errorf("sent %s", sent)
	}
	if _, err := cl.CreateRefund(t.Context(), "ch_1", &RefundParams{Description: "all"}); err != nil || !strings.HasSuffix(sent, ` {"description":"all"}`) {
		t.Errorf("sent %s, %v", sent, err)
	}
	for what, p := range map[string]*RefundParams{
		"no parameters":             nil,
		"the description is empty":  {},
		"the amount is -1 fen":      {Description: "d", Amount: -1},
		`the funding source is "x"`: {Description: "d", FundingSource: "x"},
	} {
		_, err := serve(t, unreachable(t)).CreateRefund(t.Context(), "ch_1", p)
		if wantKind(t, err, InvalidRequest, false); !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, p := range map[string]*RefundParams{
		"its amount is 300":               {Description: "d", Amount: 299},
		"its metadata.pay_refund_no is R": {Description: "d", Metadata: map[string]any{"pay_refund_no": "R2"}},
	} {
		_, err := serve(t, answer(200, refund)).CreateRefund(t.Context(), "ch_1", p)
		if wantKind(t, err, Malformed, true); !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, lost := range []string{`{}`, `[]`, `null`, `{"other":"1"}`} { // it names our charge and our amount: that is the answer
		re, err := serve(t, answer(200, strings.Replace(refund, `{"pay_refund_no":"R1"}`, lost, 1))).
			CreateRefund(t.Context(), "ch_1", &RefundParams{Amount: 300, Description: "x", Metadata: map[string]any{"pay_refund_no": "R1"}})
		if err != nil || re.ID != "re_1" {
			t.Errorf("metadata %s: %+v, %v", lost, re, err)
		}
	}
	_, err = serve(t, answer(200, strings.Replace(refund, "ch_1", "ch_2", 1))).CreateRefund(t.Context(), "ch_1", &RefundParams{Description: "d"})
	wantKind(t, err, Malformed, true)
	_, err = serve(t, answer(400, `{"error":{"type":"invalid_request_error","message":"请使用商品订单号进行操作。","code":"charge_request_invalid"}}`)).
		CreateRefund(t.Context(), "ch_1", &RefundParams{Description: "d"})
	if e := wantKind(t, err, InvalidRequest, false); e.Code != "charge_request_invalid" {
		t.Error(err)
	}
}

func TestRefundOrder(t *testing.T) {
	var sent string
	cl := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = r.Method + " " + r.URL.Path + " " + string(body)
		_, _ = w.Write([]byte(refundPage(false, refund)))
	})
	res, err := cl.RefundOrder(t.Context(), orderID, &OrderRefundParams{ChargeID: "ch_1", ChargeAmount: 300, Description: "d", Metadata: map[string]any{"pay_refund_no": "R1"}})
	if err != nil || len(res) != 1 || res[0].ID != "re_1" {
		t.Fatalf("got %+v, %v", res, err)
	}
	if want := `POST /v1/orders/` + orderID + `/order_refunds {"charge":"ch_1","charge_amount":300,"description":"d","metadata":{"pay_refund_no":"R1"}}`; sent != want {
		t.Errorf("sent %s", sent)
	}
	second := strings.Replace(refund, "re_1", "re_2", 1)
	for what, body := range map[string]string{
		"it holds no refund":     refundPage(false),
		"several refunds of one": refundPage(false, refund, second),
		"its charge is ch_2":     refundPage(false, strings.Replace(refund, "ch_1", "ch_2", 1)),
		"its amount is 301":      refundPage(false, strings.Replace(refund, "300", "301", 1)),
		"list has no has_more":   refund,
	} {
		res, err := serve(t, answer(200, body)).RefundOrder(t.Context(), orderID, &OrderRefundParams{ChargeID: "ch_1", ChargeAmount: 300, Description: "d"})
		if wantKind(t, err, Malformed, true); res != nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %+v, %v", what, res, err)
		}
	}
	// Without a charge the whole order goes back, in as many refunds as it has charges.
	if res, err := serve(t, answer(200, refundPage(false, refund, strings.Replace(second, "ch_1", "ch_2", 1)))).
		RefundOrder(t.Context(), orderID, &OrderRefundParams{Description: "d"}); err != nil || len(res) != 2 {
		t.Errorf("%+v, %v", res, err)
	}
	for what, p := range map[string]*OrderRefundParams{
		"no parameters":            nil,
		"the description is empty": {},
		"but no charge":            {Description: "d", ChargeAmount: 1},
		"the charge is not":        {Description: "d", ChargeID: "a/b"},
		"the refund mode is":       {Description: "d", RefundMode: "x"},
	} {
		_, err := serve(t, unreachable(t)).RefundOrder(t.Context(), orderID, p)
		if wantKind(t, err, InvalidRequest, false); !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestOrderEvent(t *testing.T) {
	e, err := ParseEvent([]byte(event("order.succeeded", order(map[string]any{"app": "app_2", "charge": "ch_1"}))))
	if err != nil || e.ObjectID != orderID || e.OrderNo != "T20261123001" || e.ChargeID != "ch_1" {
		t.Fatalf("got %+v, %v", e, err)
	}
	if !e.Concerns("app_2") || !e.Concerns(testApp) || e.Concerns("app_3") || e.Concerns("") {
		t.Errorf("%+v concerns the wrong apps", e)
	}
}

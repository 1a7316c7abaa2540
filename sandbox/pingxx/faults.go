package pingxx

import (
	"encoding/json"
	"maps"
	"net/http"

	"github.com/caddypay/caddypay/sandbox/desk"
	"github.com/caddypay/caddypay/sandbox/pingxx/apierr"
	"github.com/caddypay/caddypay/sandbox/pingxx/events"
	"github.com/caddypay/caddypay/sandbox/pingxx/trade"
	"github.com/caddypay/caddypay/sandbox/rawjson"
)

var (
	apiFaults = []string{"400", "502", "502_json", "500", "200_error", "200_null", "200_html", "empty", "402", "403", "429", "401", "slow", "drop", "truncate", "endless"}

	wrongFaults = map[string]string{opCreate: "wrong_charge", opGet: "wrong_charge", opReverse: "wrong_charge", opCreateRefund: "wrong_refund", opGetRefund: "wrong_refund",
		opEvent: "wrong_event"}
)

// Faults says what each operation can suffer, those of trade and events among them.
func Faults() map[string]desk.Kinds {
	out := map[string]desk.Kinds{opNotify: {Names: []string{"502", "500", "200_html", "empty", "slow", "drop"}}}
	for _, op := range []string{opCreate, opGet, opList, opReverse, opCreateRefund, opGetRefund, opListRefunds,
		opCreateOrder, opGetOrder, opListOrders, opPayOrder, opCancelOrder, opOrderCharges, opRefundOrder, opOrderRefunds, opEvent} {
		names := apiFaults
		if wrong, ok := wrongFaults[op]; ok {
			names = append([]string{wrong}, apiFaults...)
		}
		out[op] = desk.Kinds{Names: names}
	}
	maps.Copy(out, trade.Faults())
	maps.Copy(out, events.Faults())
	return out
}

// instead is the answer of a fault in whose way nothing is done.
func instead(r *http.Request, f desk.Fault) (desk.Answer, bool) {
	down := &apierr.Error{Kind: apierr.Failure, ZH: "服务器暂时不可用，请稍后重试。", EN: "The service is temporarily unavailable, try again later."}
	busy := &apierr.Error{Kind: apierr.Failure, ZH: "请求过于频繁，请稍后重试。", EN: "Too many requests, try again later."}
	asError := func(e *apierr.Error, status int) (desk.Answer, bool) {
		e.Status = status
		return refuse(r, e), true
	}
	switch f.Name {
	case "500":
		if f.On != opNotify {
			return asError(down, http.StatusInternalServerError)
		}
	case "502_json":
		return asError(down, http.StatusBadGateway)
	case "200_error":
		return asError(down, http.StatusOK)
	case "400":
		return asError(&apierr.Error{Kind: apierr.InvalidRequest, ZH: "请求无法处理。", EN: "The request cannot be processed."}, http.StatusBadRequest)
	case "401":
		return asError(&apierr.Error{Kind: apierr.InvalidRequest, ZH: "提供了无效的 API KEY: sk_test_************************。", EN: "Invalid API key provided: sk_test_************************"}, http.StatusUnauthorized)
	case "402":
		return asError(apierr.OfChannel("wx_lite", "系统繁忙，请稍后再试"), http.StatusPaymentRequired)
	case "403":
		return asError(busy, http.StatusForbidden)
	case "429":
		return asError(busy, http.StatusTooManyRequests)
	}
	out, ok := desk.Broken(f, apiJSON)
	out.Signed = f.Name == "200_null"
	return out, ok
}

// swap makes another object of an answered one; errors stay as they are.
func swap(a desk.Answer) desk.Answer {
	o, err := rawjson.Parse(a.Body)
	if _, isError := o.Get("error"); err != nil || isError {
		return a
	}
	id, _ := o.Get("id")
	other := []byte(id)
	if len(other) > 2 { // the last character before the closing quote
		other[len(other)-2] = '0' + (other[len(other)-2]-'0'+1)%10
	}
	o.SetRaw("id", json.RawMessage(other))
	if raw, ok := o.Get("amount"); ok {
		n, _ := rawjson.Integer(raw)
		o.Set("amount", n+1)
	}
	if _, ok := o.Get("order_no"); ok {
		o.Set("order_no", "another0order")
	}
	a.Body = rawjson.Encode(o)
	return a
}

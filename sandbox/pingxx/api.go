package pingxx

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddypay/caddypay/sandbox/desk"
	"github.com/caddypay/caddypay/sandbox/rawjson"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/sandbox/pingxx/apierr"
	"github.com/caddypay/caddypay/sandbox/pingxx/events"
	"github.com/caddypay/caddypay/sandbox/pingxx/trade"
)

// call is what a request asks of the API.
type call struct {
	op  string // "" is nothing that there is
	id  string // of the charge, order or event
	sub string // id of its refund or charge
}

const (
	apiJSON   = "application/json;charset=utf-8"
	plainJSON = "application/json; charset=UTF-8" // of 401 replies, which carry no other API header
)

// api is what answers under /v1/.
type api struct {
	keys   keys
	trade  *trade.Trade
	events *events.Events
	born   time.Time // the app
	log    *zap.Logger
}

// serveAPI is Ping++'s API.
func (ro *Room) serveAPI(w http.ResponseWriter, r *http.Request) {
	c := readCall(r)
	if c.op == "" {
		ro.desk.Write(w, refuse(r, &apierr.Error{Status: http.StatusNotFound, Kind: apierr.InvalidRequest,
			ZH: "请求的 URL 不存在: " + r.Method + " " + r.URL.Path + "。", EN: "Unrecognized request URL: " + r.Method + " " + r.URL.Path}))
		return
	}
	ro.desk.Serve(w, r, c.op, func() desk.Answer { return ro.api.answer(r, c, ro.pages.base(r)) })
}

func readCall(r *http.Request) call {
	path := strings.Split(strings.TrimPrefix(r.URL.Path, "/v1/"), "/")
	if slices.Contains(path, "") {
		return call{}
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	path = append(path, "", "", "", "")
	id, sub, refund := path[1], path[2], path[3]
	if path[4] != "" {
		return call{}
	}
	switch asked := method + " " + path[0]; {
	case asked == "POST charges" && id == "":
		return call{op: opCreate}
	case asked == "GET charges" && id == "":
		return call{op: opList}
	case asked == "GET charges" && sub == "":
		return call{op: opGet, id: id}
	case asked == "POST charges" && sub == "reverse" && refund == "":
		return call{op: opReverse, id: id}
	case asked == "POST charges" && sub == "refunds" && refund == "":
		return call{op: opCreateRefund, id: id}
	case asked == "GET charges" && sub == "refunds" && refund == "":
		return call{op: opListRefunds, id: id}
	case asked == "GET charges" && sub == "refunds":
		return call{op: opGetRefund, id: id, sub: refund}
	case asked == "POST orders" && id == "":
		return call{op: opCreateOrder}
	case asked == "GET orders" && id == "":
		return call{op: opListOrders}
	case asked == "GET orders" && sub == "":
		return call{op: opGetOrder, id: id}
	case asked == "PUT orders" && id != "" && sub == "":
		return call{op: opCancelOrder, id: id}
	case asked == "POST orders" && sub == "pay" && refund == "":
		return call{op: opPayOrder, id: id}
	case asked == "GET orders" && sub == "charges":
		return call{op: opOrderCharges, id: id, sub: refund}
	case asked == "POST orders" && sub == "order_refunds" && refund == "":
		return call{op: opRefundOrder, id: id}
	case asked == "GET orders" && sub == "order_refunds":
		return call{op: opOrderRefunds, id: id, sub: refund}
	case asked == "GET events" && id != "" && sub == "":
		return call{op: opEvent, id: id}
	}
	return call{}
}

// answer does what a request asks; base is where the mock page is.
func (a *api) answer(r *http.Request, c call, base string) desk.Answer {
	live, refusal := a.keys.authenticate(r)
	if refusal != nil {
		return refuse(r, refusal)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return refuse(r, unreadable(err))
	}
	if refusal := a.keys.checkSignature(r, body); refusal != nil {
		return refuse(r, refusal)
	}
	names, query, body, refusal := takeExpand(r, body)
	if refusal != nil {
		return refuse(r, refusal)
	}
	var v any
	switch c.op {
	case opCreate:
		v, refusal = a.trade.Charges.Create(body, live, base)
	case opGet:
		v, refusal = a.trade.Charges.Get(c.id, live)
	case opList:
		v, refusal = a.trade.Charges.List(query, live)
	case opReverse:
		v, refusal = a.trade.Charges.Reverse(c.id, live)
	case opCreateRefund:
		v, refusal = a.trade.Refunds.Create(c.id, body, live)
	case opGetRefund:
		v, refusal = a.trade.Refunds.Get(c.id, c.sub, live)
	case opListRefunds:
		v, refusal = a.trade.Refunds.List(c.id, query, live)
	case opCreateOrder:
		v, refusal = a.trade.Orders.Create(body, live)
	case opGetOrder:
		v, refusal = a.trade.Orders.Get(c.id, live)
	case opListOrders:
		v, refusal = a.trade.Orders.List(query, live)
	case opPayOrder:
		v, refusal = a.trade.Orders.Pay(c.id, body, live, base)
	case opCancelOrder:
		v, refusal = a.trade.Orders.Put(c.id, body, live)
	case opOrderCharges:
		v, refusal = a.trade.Orders.Charges(c.id, c.sub, query, live)
	case opRefundOrder:
		v, refusal = a.trade.Orders.Refund(c.id, body, live)
	case opOrderRefunds:
		v, refusal = a.trade.Orders.Refunds(c.id, c.sub, query, live)
	case opEvent:
		v, refusal = a.getEvent(c.id, live)
	}
	out := desk.Answer{Status: http.StatusOK, Type: apiJSON, Signed: true}
	if refusal == nil {
		out.Body, refusal = a.write(v, names, live)
	}
	if refusal != nil {
		a.log.Debug("request refused", zap.String("operation", c.op), zap.Int("status", refusal.Status), zap.String("param", refusal.Param), zap.String("code", refusal.Code))
		return refuse(r, refusal)
	}
	return out
}

// write writes what was found, with the objects that the request wants to see whole.
func (a *api) write(v any, expanded []string, live bool) ([]byte, *apierr.Error) {
	if raw, ok := v.(verbatim); ok {
		return raw, nil
	}
	return a.expand(rawjson.Encode(v), expanded, live)
}

func unreadable(err error) *apierr.Error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &apierr.Error{Status: http.StatusRequestEntityTooLarge, Kind: apierr.InvalidRequest, ZH: "请求体过大。", EN: "The request body is too large."}
	}
	return apierr.BadParam("", "请求体读取失败。", "Failed to read the request body.")
}

func refuse(r *http.Request, e *apierr.Error) desk.Answer {
	out := desk.Answer{Status: e.Status, Type: apiJSON, Body: e.Body(r), Signed: true}
	if e.Status == http.StatusUnauthorized {
		out.Type, out.Signed = plainJSON, false
	}
	return out
}

// getEvent answers GET /v1/events/{id}.
func (a *api) getEvent(id string, live bool) (any, *apierr.Error) {
	body, ok := a.events.Body(id, live)
	if !ok {
		return nil, apierr.NotFound("event", id, "id")
	}
	return verbatim(body), nil
}

// verbatim is a body that is answered as it is.
type verbatim []byte

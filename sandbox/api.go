package sandbox

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/caddypay/caddypay/sandbox/rawjson"

	"go.uber.org/zap"
)

// The operations that faults can be set on and, all but refund, that calls are counted by.
const (
	opCreate       = "create_charge"
	opGet          = "get_charge"
	opList         = "list_charges"
	opReverse      = "reverse_charge"
	opCreateRefund = "create_refund"
	opGetRefund    = "get_refund"
	opListRefunds  = "list_refunds"
	opEvent        = "get_event"
	opCreateOrder  = "create_order"
	opGetOrder     = "get_order"
	opListOrders   = "list_orders"
	opPayOrder     = "pay_order"
	opCancelOrder  = "cancel_order"
	opOrderCharges = "order_charges"
	opRefundOrder  = "refund_order"
	opOrderRefunds = "order_refunds"
	opRefund       = "refund" // what becomes of one, however it is made
	opWebhook      = "webhook"
	opSession      = "jscode2session"
	opOAuth        = "oauth_access_token" // of a page's visitor
	opStableToken  = "stable_token"
	opToken        = "token"
	opTicket       = "getticket"
	opNotify       = "notify"
)

// call is what a request asks of the API.
type call struct {
	op  string // "" is nothing that there is
	id  string // of the charge, order or event
	sub string // id of its refund or charge
}

// response is a whole answer, made before any of it is written.
type response struct {
	status      int
	contentType string
	body        []byte
	signed      bool // by Ping++, with the headers of its API
}

const (
	apiJSON   = "application/json;charset=utf-8"
	plainJSON = "application/json; charset=UTF-8" // of 401 replies, which carry no other API header
)

// serveAPI is Ping++'s API.
func (s *Sandbox) serveAPI(w http.ResponseWriter, r *http.Request) {
	c := readCall(r)
	if c.op == "" {
		s.write(w, refuse(r, &apiError{status: http.StatusNotFound, kind: invalidRequest,
			zh: "请求的 URL 不存在: " + r.Method + " " + r.URL.Path + "。", en: "Unrecognized request URL: " + r.Method + " " + r.URL.Path}))
		return
	}
	s.serve(w, r, c.op, func() response { return s.answerAPI(r, c) })
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

func (s *Sandbox) answerAPI(r *http.Request, c call) response {
	live, refusal := s.authenticate(r)
	if refusal != nil {
		return refuse(r, refusal)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return refuse(r, unreadable(err))
	}
	if refusal := s.checkSignature(r, body); refusal != nil {
		return refuse(r, refusal)
	}
	names, query, body, refusal := takeExpand(r, body)
	if refusal != nil {
		return refuse(r, refusal)
	}
	var v any
	switch c.op {
	case opCreate:
		v, refusal = s.createCharge(body, live, s.publicURL(r))
	case opGet:
		v, refusal = s.getCharge(c.id, live)
	case opList:
		v, refusal = s.listCharges(query, live)
	case opReverse:
		v, refusal = s.reverseCharge(c.id, live)
	case opCreateRefund:
		v, refusal = s.createRefund(c.id, body, live)
	case opGetRefund:
		v, refusal = s.getRefund(c.id, c.sub, live)
	case opListRefunds:
		v, refusal = s.listRefunds(c.id, query, live)
	case opCreateOrder:
		v, refusal = s.createOrder(body, live)
	case opGetOrder:
		v, refusal = s.getOrder(c.id, live)
	case opListOrders:
		v, refusal = s.listOrders(query, live)
	case opPayOrder:
		v, refusal = s.payOrder(c.id, body, live, s.publicURL(r))
	case opCancelOrder:
		v, refusal = s.putOrder(c.id, body, live)
	case opOrderCharges:
		v, refusal = s.orderCharges(c.id, c.sub, query, live)
	case opRefundOrder:
		v, refusal = s.createOrderRefunds(c.id, body, live)
	case opOrderRefunds:
		v, refusal = s.orderRefunds(c.id, c.sub, query, live)
	case opEvent:
		v, refusal = s.getEvent(c.id, live)
	}
	out := response{status: http.StatusOK, contentType: apiJSON, signed: true}
	if refusal == nil {
		out.body, refusal = s.answer(v, names, live)
	}
	if refusal != nil {
		s.log.Debug("request refused", zap.String("operation", c.op), zap.Int("status", refusal.status), zap.String("param", refusal.param), zap.String("code", refusal.code))
		return refuse(r, refusal)
	}
	return out
}

// answer writes what was found, with the objects that the request wants to see whole.
func (s *Sandbox) answer(v any, expanded []string, live bool) ([]byte, *apiError) {
	if raw, ok := v.(verbatim); ok {
		return raw, nil
	}
	return s.expand(rawjson.Encode(v), expanded, live)
}

func unreadable(err error) *apiError {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &apiError{status: http.StatusRequestEntityTooLarge, kind: invalidRequest, zh: "请求体过大。", en: "The request body is too large."}
	}
	return badParam("", "请求体读取失败。", "Failed to read the request body.")
}

func refuse(r *http.Request, e *apiError) response {
	out := response{status: e.status, contentType: apiJSON, body: e.body(r), signed: true}
	if e.status == http.StatusUnauthorized {
		out.contentType, out.signed = plainJSON, false
	}
	return out
}

// write sends an answer whole.
func (s *Sandbox) write(w http.ResponseWriter, a response) {
	s.head(w, a)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a client that is gone is no matter of ours
}

func (s *Sandbox) head(w http.ResponseWriter, a response) {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	if !a.signed {
		return
	}
	h.Set("Cache-Control", "no-cache, no-store")
	h.Set("Access-Control-Allow-Methods", "GET, POST, HEAD, OPTIONS, DELETE")
	h.Set("Access-Control-Max-Age", "300")
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	h.Set("X-Pingplusplus-Signature", s.sign(a.body))
}

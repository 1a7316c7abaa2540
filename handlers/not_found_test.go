package handlers

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/handlers/payment"
)

// A backend that says "no such order" with 200 is not broken: the payer is told so, and nothing is charged.
func TestNotFoundWith200(t *testing.T) {
	w := newWorld(t)
	orders := legacy()
	orders.Method, orders.Path, orders.Timeout = "GET", "/api.php?sn={order_no}", 10*time.Second
	orders.NotFound = &payment.NotFound{Path: "code", Values: []string{"40401"}}
	w.set(func(c *Config) { c.Orders = orders })
	answer := `{"code":40401,"msg":"订单不存在","data":null}`
	w.setQuote(func(rw http.ResponseWriter, r *http.Request) { io.WriteString(rw, answer) })
	session := w.session(payer)
	wantProblem(t, w.pay(session, "1001"), 404, "order_not_found")
	if !strings.Contains(w.loggedText(), "the backend says so: its code is") {
		t.Errorf("the log does not say why: %s", w.loggedText())
	}
	answer = `{"code":500,"msg":"系统繁忙","data":null}`
	wantProblem(t, w.pay(session, "1001"), 502, "quote_invalid")
	answer = legacyJSON("buyer", `{"openid":"`+payer+`"}`, "deadline", "null")
	w.created(session, "1001")
}

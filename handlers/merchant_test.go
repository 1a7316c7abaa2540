package handlers

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"go.uber.org/zap"
)

// merchant calls the merchant API as the shop's backend does.
func (w *world) merchant(method, path, body string, header ...string) answer {
	w.t.Helper()
	return w.do(method, path, body, append([]string{"Authorization", "Bearer " + merchantToken, "Accept-Language", "en"}, header...)...)
}

// paid returns a charge of an order that is paid, as the ledger knows.
func (w *world) paidOrder(orderNo string) (chargeID string) {
	w.t.Helper()
	id, _ := w.created(w.session(payer), orderNo)
	if a := w.webhook(w.payEvent(id)); a.status != 200 {
		w.t.Fatalf("the webhook answered %d %s", a.status, a.body)
	}
	return id
}

// events passes on to the site what the sandbox has sent since, oldest first; the sandbox of these tests has no URL of its own.
func (w *world) events(since int) {
	w.t.Helper()
	all := w.sandbox.State(100).Events
	for i := len(all) - 1 - since; i >= 0; i-- {
		if a := w.webhook(all[i].Body, all[i].Signature); a.status != 200 {
			w.t.Errorf("%s answered %d %s", all[i].Type, a.status, a.body)
		}
	}
}

func TestMerchantAPIIsClosed(t *testing.T) {
	w := newWorld(t)
	w.ships()
	id := w.paidOrder("1001")
	body := `{"order_no":"1001","refund_no":"R1","description":"d"}`
	good := "Bearer " + merchantToken
	for _, c := range []struct {
		name   string
		header []string
		status int
		code   string
	}{
		{"no token", nil, 401, "token_invalid"},
		{"another token", []string{"Authorization", "Bearer " + backendToken}, 401, "token_invalid"},
		{"half a token", []string{"Authorization", good[:30]}, 401, "token_invalid"},
		{"a longer token", []string{"Authorization", good + "x"}, 401, "token_invalid"},
		{"an empty token", []string{"Authorization", "Bearer "}, 401, "token_invalid"},
		{"another scheme", []string{"Authorization", "Basic " + merchantToken}, 401, "token_invalid"},
		{"two headers", []string{"Authorization", good, "Authorization", good}, 401, "token_invalid"},
		{"in another header", []string{"X-Pay-Token", merchantToken}, 401, "token_invalid"},
		{"a user's session", []string{"X-Pay-Session", w.session(payer)}, 401, "token_invalid"},
		{"from outside", []string{"Authorization", good, "Test-Client-IP", "198.51.100.7"}, 403, "source_forbidden"},
		{"from outside without a token", []string{"Test-Client-IP", "198.51.100.7"}, 403, "source_forbidden"},
		{"from outside by IPv6", []string{"Authorization", good, "Test-Client-IP", "2001:db9::1"}, 403, "source_forbidden"},
		{"from outside through inside", []string{"Authorization", good, "Test-Client-IP", "192.0.2.7 198.51.100.7"}, 403, "source_forbidden"},
		{"from no address", []string{"Authorization", good, "Test-Client-IP", "@"}, 403, "source_forbidden"},
	} {
		for _, route := range [][3]string{{"POST", "/pay/refunds", body}, {"GET", "/pay/refunds/R1", ""}, {"GET", "/pay/orders/1001", ""}, {"POST", "/pay/charges/" + id + "/reverse", ""},
			{"POST", "/pay/orders/1001/shipping", parcels}, {"GET", "/pay/orders/1001/shipping", ""}} {
			t.Run(c.name+" "+route[0]+" "+route[1], func(t *testing.T) {
				wantProblem(t, w.do(route[0], route[1], route[2], c.header...), c.status, c.code)
			})
		}
	}
	if n := w.calls("create_refund") + w.calls("reverse_charge"); n != 0 {
		t.Errorf("%d calls reached Ping++", n)
	}
	for name, header := range map[string][]string{
		"the token to come": {"Authorization", "bearer " + otherMerchantToken}, "IPv6": {"Authorization", good, "Test-Client-IP", "2001:db8::1"},
		"IPv4 as IPv6": {"Authorization", good, "Test-Client-IP", "::ffff:192.0.2.9"},
	} {
		if a := w.do("GET", "/pay/orders/1001", "", header...); a.status != 200 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	for _, c := range []struct{ method, path, allow string }{{"GET", "/pay/refunds", "POST"}, {"POST", "/pay/refunds/R1", "GET"}, {"DELETE", "/pay/orders/1001", "GET"},
		{"GET", "/pay/charges/" + id + "/reverse", "POST"}} {
		a := w.merchant(c.method, c.path, "")
		if wantProblem(t, a, 405, "method_not_allowed"); a.header.Get("Allow") != c.allow {
			t.Errorf("%s %s: Allow %s", c.method, c.path, a.header.Get("Allow"))
		}
	}
	for _, path := range []string{"/pay/refunds/", "/pay/refunds/R1/x", "/pay/orders/", "/pay/orders", "/pay/charges/" + id + "/reverse/x"} {
		wantProblem(t, w.merchant("GET", path, ""), 404, "not_found")
	}
}

func TestMerchantAPINotConfigured(t *testing.T) {
	w := newWorld(t)
	site := w.newSite(w.ledger, zap.NewNop())
	site.Merchant = nil
	server := httptest.NewTLSServer(w.handler(site))
	defer server.Close()
	for _, route := range []string{"POST /pay/refunds", "GET /pay/refunds/R1", "GET /pay/orders/1001", "POST /pay/charges/ch_1/reverse", "POST /pay/orders/1001/shipping"} {
		var method, path string
		fmt.Sscan(route, &method, &path)
		wantProblem(t, w.doAt(server, method, path, "", "Authorization", "Bearer "+merchantToken), 404, "not_found")
	}
}

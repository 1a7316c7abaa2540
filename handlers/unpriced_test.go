package handlers

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// Why an order got no price is known to the operator who looks for it, until it gets one.
func TestUnpricedOrders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session := w.session(payer)
	w.setQuote(func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(http.StatusForbidden)
		io.WriteString(rw, "wrong X-Pay-Token")
	})
	w.pay(session, "1001")
	why, ok := w.site.Payments.Prices.Unpriced("1001")
	if !ok || !why.At.Equal(w.config.Now()) || !strings.Contains(why.Why, "answered 403 to GET ") || !strings.Contains(why.Why, `saying "wrong X-Pay-Token"`) {
		t.Errorf("%+v, %t", why, ok)
	}
	if why, ok := w.site.Payments.Prices.Unpriced("1002"); ok {
		t.Errorf("an order that nobody asked for: %+v", why)
	}
	w.setQuote(func(rw http.ResponseWriter, _ *http.Request) {
		io.WriteString(rw, `{"order_no":"1001","amount":1999,"subject":"Green tea"}`)
	})
	w.pay(session, "1001")
	if why, ok := w.site.Payments.Prices.Unpriced("1001"); ok {
		t.Errorf("an order that has a price: %+v", why)
	}
}

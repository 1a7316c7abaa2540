package pingpp

import (
	"net/http"
	"testing"
)

// The lists of an order have pages with numbers.
func TestOrderPages(t *testing.T) {
	var target string
	second := OrderPage{Page: 2, PerPage: 3}
	answered := func(body string) *Client {
		return serve(t, func(w http.ResponseWriter, r *http.Request) {
			target = r.URL.RequestURI()
			_, _ = w.Write([]byte(body))
		})
	}
	charges, err := answered(refundPage(true, string(charge(nil)))).ListOrderCharges(t.Context(), orderID, second)
	if err != nil || len(charges.Data) != 1 || !charges.HasMore || target != "/v1/orders/"+orderID+"/charges?page=2&per_page=3" {
		t.Errorf("%+v, %v of %s", charges, err, target)
	}
	refunds, err := answered(refundPage(true, refund)).ListOrderRefunds(t.Context(), orderID, second)
	if err != nil || len(refunds.Data) != 1 || !refunds.HasMore || target != "/v1/orders/"+orderID+"/order_refunds?page=2&per_page=3" {
		t.Errorf("%+v, %v of %s", refunds, err, target)
	}
	if _, err := answered(refundPage(false)).ListOrderRefunds(t.Context(), orderID, OrderPage{}); err != nil || target != "/v1/orders/"+orderID+"/order_refunds" {
		t.Errorf("%v of %s", err, target)
	}
	for _, p := range []OrderPage{{Page: -1}, {PerPage: 101}, {PerPage: -1}} {
		cl := serve(t, unreachable(t))
		_, err := cl.ListOrderCharges(t.Context(), orderID, p)
		wantKind(t, err, InvalidRequest, false)
		_, err = cl.ListOrderRefunds(t.Context(), orderID, p)
		wantKind(t, err, InvalidRequest, false)
	}
}

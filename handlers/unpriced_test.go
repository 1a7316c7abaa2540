package handlers

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
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
	why, ok := w.site.Payments.Unpriced("1001")
	if !ok || !why.At.Equal(w.config.Now()) || !strings.Contains(why.Why, "answered 403 to GET ") || !strings.Contains(why.Why, `saying "wrong X-Pay-Token"`) {
		t.Errorf("%+v, %t", why, ok)
	}
	if why, ok := w.site.Payments.Unpriced("1002"); ok {
		t.Errorf("an order that nobody asked for: %+v", why)
	}
	w.setQuote(func(rw http.ResponseWriter, _ *http.Request) {
		io.WriteString(rw, `{"order_no":"1001","amount":1999,"subject":"Green tea"}`)
	})
	w.pay(session, "1001")
	if why, ok := w.site.Payments.Unpriced("1001"); ok {
		t.Errorf("an order that has a price: %+v", why)
	}
}

// A stranger who makes numbers up pushes the oldest out, and no memory is filled.
func TestUnpricedIsBounded(t *testing.T) {
	t.Parallel()
	s := new(Payments)
	for i := range 3 * maxUnpriced {
		s.unpriced.note(fmt.Sprint(i), time.Unix(int64(i), 0), errors.New("no"))
		s.unpriced.note("again", time.Unix(int64(i), 0), errors.New("no"))
	}
	if n, m := len(s.unpriced.orders), len(s.unpriced.oldest); n != maxUnpriced || m != maxUnpriced {
		t.Errorf("%d and %d orders are kept", n, m)
	}
	if why, ok := s.Unpriced("again"); !ok || why.At.Unix() != 3*maxUnpriced-1 {
		t.Errorf("the last: %+v, %t", why, ok)
	}
	if _, ok := s.Unpriced("0"); ok {
		t.Error("the oldest is kept")
	}
}

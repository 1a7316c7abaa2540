package handlers

import (
	"bytes"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/pingpp"
)

// Whatever comes to the webhook route, 200 means that it is Ping++'s word, and in the ledger.
func FuzzWebhook(f *testing.F) {
	w := newWorld(f)
	id, _ := w.created(w.session(payer), "1001")
	genuine, _ := w.payEvent(id)
	for _, signed := range []bool{true, false} {
		f.Add([]byte(genuine), "AAAA", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", signed)
		f.Add([]byte(strings.Replace(genuine, `"charge.succeeded"`, `"summary.daily.available"`, 1)), "", "", signed)
		f.Add([]byte(strings.Replace(genuine, `"order_no":"1001"`, `"order_no":""`, 1)), " ", "\r\nX: y", signed)
		f.Add([]byte(`{"id":"evt_1","created":1,"livemode":false,"type":"refund.succeeded","data":{"object":{"id":"re_1","object":"refund","amount":1,"status":"succeeded","charge":"`+id+`"}}}`), "\n", "", signed)
		f.Add([]byte(`{}`), "a, b", strings.Repeat("0", 9000), signed)
	}
	h := w.handler(w.site)
	f.Fuzz(func(t *testing.T, body []byte, signature, trace string, signed bool) {
		r := httptest.NewRequest("POST", "https://shop.example.com/pay/webhooks", bytes.NewReader(body))
		if signed {
			signature = sign(t, string(body))
		}
		r.Header["X-Pingplusplus-Signature"], r.Header["Traceparent"] = []string{signature}, []string{trace}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		switch rec.Code {
		case 400, 401, 403, 413, 503:
		case 200:
			ev, err := pingpp.ParseEvent(body)
			if err != nil {
				t.Fatalf("taken, and it is no event: %v", err)
			}
			e, err := w.ledger.Event(t.Context(), w.config.Scope, ev.ID)
			if err != nil {
				t.Fatalf("taken, and not in the ledger: %v", err)
			}
			if !signed && string(e.Body) != genuine { // one that comes unsigned is asked for
				t.Fatalf("%q was taken unsigned: %s", body, e.Body)
			}
		default:
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
	})
}

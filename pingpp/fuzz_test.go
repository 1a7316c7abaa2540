package pingpp

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func FuzzParseEvent(f *testing.F) {
	f.Add(read(f, "testdata", "event.json"))
	for _, seed := range []string{event("refund.succeeded", refund), event("t", `{"app":{"id":"a"}}`), `{"id":"a","id":"b","type":"charge.succeeded","data":{"object":{"object":"charge","amount":"1.0"}}}`, `null`, ``, `{"a":"\ud800"}`, "{\"\xff\":1}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		sameSplit(t, body)
		e, err := ParseEvent(body)
		if err != nil {
			if e != nil {
				t.Fatal("an event and an error")
			}
			return
		}
		if !validID(e.ID) || !validType(e.Type) || e.ObjectID != "" && !validID(e.ObjectID) || e.ChargeID != "" && !validID(e.ChargeID) {
			t.Fatalf("accepted %+v", e)
		}
		if e.Unreadable == nil && (strings.HasPrefix(e.Type, "charge.") && e.Charge == nil || strings.HasPrefix(e.Type, "refund.") && e.Refund == nil ||
			e.aboutMoney() && e.ModeUnknown) {
			t.Fatalf("readable: %+v", e)
		}
	})
}

func FuzzParseCharge(f *testing.F) {
	f.Add(charge(nil))
	f.Add(charge(map[string]any{"app": map[string]any{"id": "app_1"}, "extra": []int{}, "metadata": []int{}}))
	f.Add([]byte(`{"object":"charge","amount":-1}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		ch, err := ParseCharge(raw)
		if err != nil {
			return
		}
		if !validID(ch.ID) || !validID(ch.App) || ch.OrderNo == "" || ch.Channel == "" || ch.Currency == "" || ch.Amount < 0 || string(ch.Raw) != string(raw) {
			t.Fatalf("accepted %+v", ch)
		}
	})
}

func FuzzParseRefund(f *testing.F) {
	for _, seed := range []string{refund, strings.Replace(refund, `"ch_1"`, `{"id":"ch_1"}`, 1), `{"object":"refund","amount":-1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		re, err := parseRefund(raw)
		if err != nil {
			return
		}
		if !validID(re.ID) || !validID(re.ChargeID) || re.Status == "" || re.Amount < 0 || string(re.Raw) != string(raw) {
			t.Fatalf("accepted %+v", re)
		}
	})
}

func FuzzParseOrder(f *testing.F) {
	for _, seed := range []string{order(nil), order(map[string]any{"charge": "ch_1", "metadata": []int{}}), `{"object":"order","amount":-1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		or, err := parseOrder(raw)
		if err != nil {
			return
		}
		if !validID(or.ID) || !validID(or.App) || or.MerchantOrderNo == "" || or.Status == "" || or.Amount < 0 || string(or.Raw) != string(raw) {
			t.Fatalf("accepted %+v", or)
		}
	})
}

// Nobody without the key makes a signature, and the one that there is fits one body only.
func FuzzVerify(f *testing.F) {
	body, sig := string(read(f, "testdata", "event.json")), string(read(f, "testdata", "event.sig"))
	for _, s := range []string{sig, sig + ", " + sig, "", " ", "AAAA", sig[:len(sig)-1], sig + "=", strings.ToLower(sig)} {
		f.Add(body, s)
	}
	v := verifier(f, publicKeyFile(f, "testdata", "pub.pem"))
	f.Fuzz(func(t *testing.T, b, s string) {
		if err := v.Verify([]byte(b), []string{s}); (err == nil) != (b == body && Signature([]string{s}) == sig) {
			t.Fatalf("%q with %q: %v", b, s, err)
		}
	})
}

// Whatever a server answers, a call ends with what was asked for or with an error that is fit to be logged.
func FuzzErrorBody(f *testing.F) {
	for _, s := range []string{`{"error":{"type":"api_error","message":"m","code":null,"param":7}}`, `{"error":"` + testKey + `"}`, `{"error":[]}`, `null`, `<html>`, string(charge(nil)),
		string(charge(map[string]any{"reversed": true})), refund, refundPage(true, refund), event("refund.succeeded", refund), order(map[string]any{"charge": "ch_1"}), orderPage(false, order(nil))} {
		f.Add(200, s, "1")
		f.Add(402, s, "")
		f.Add(502, s, "Mon, 23 Nov 2026 16:00:00 GMT")
	}
	f.Add(200, `{"id":"re_2","object":"refund","amount":0,"succeed":true,"status":0,"charge":"ch_1"}`, "")
	f.Fuzz(func(t *testing.T, status int, body, wait string) {
		transport := roundTrip(func(*http.Request) (*http.Response, error) {
			h := http.Header{"Retry-After": {wait}}
			return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}, nil
		})
		cl := client(t, "", func(c *Config) { c.Transport, c.Timeout = transport, 200*time.Millisecond })
		for name, ask := range otherCalls(cl) {
			got, err := ask(t.Context())
			made := name == "create refund" || name == "refund order" || name == "create order" // whose id is Ping++'s choice
			if (got == "") == (err == nil) || err == nil && (status/100 != 2 || !made && got != wantOfCalls[name]) {
				t.Fatalf("%s: got %q and %v", name, got, err)
			}
			if err != nil {
				withoutLeaks(t, err)
			}
		}
		ch, err := cl.CreateCharge(t.Context(), params())
		if (ch == nil) == (err == nil) {
			t.Fatalf("got %v and %v", ch, err)
		}
		if err != nil {
			withoutLeaks(t, err)
			return
		}
		if p := params(); status/100 != 2 || ch.OrderNo != p.OrderNo || ch.Amount != p.Amount || ch.ID == "" {
			t.Fatalf("status %d gives %+v", status, ch)
		}
	})
}

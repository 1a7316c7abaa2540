package adminapi

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

const (
	whole = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
	union = "oR5GjjgEhCMJFyzaVZdrxZ2zRRF4"
)

func TestBodyAsShown(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"nothing to hide":     {`{"id":"evt_1","amount":1, "x":[ "a" , {"b":null} ]}`, `{"id":"evt_1","amount":1, "x":[ "a" , {"b":null} ]}`},
		"the payer":           {`{"extra": {"open_id" : "` + whole + `"}}`, `{"extra": {"open_id" : "oUpF8u…"}}`},
		"its other names":     {`{"OpenID":"` + whole + `","sub_openid":"o1","unionid":"` + union + `","buyer_user_id":"2088123456789012"}`, `{"OpenID":"oUpF8u…","sub_openid":"…","unionid":"oR5Gjj…","buyer_user_id":"208812…"}`},
		"an escaped name":     {`{"open\u005fid":"` + whole + `"}`, `{"open\u005fid":"oUpF8u…"}`},
		"an escaped value":    {`{"open_id":"oUpF8u\u004duAJO"}`, `{"open_id":"oUpF8u…"}`},
		"elsewhere too":       {`{"extra":{"open_id":"` + whole + `"},"metadata":{"who":"by ` + whole + `"},"` + whole + `":1}`, `{"extra":{"open_id":"oUpF8u…"},"metadata":{"who":"by oUpF8u…"},"oUpF8u…":1}`},
		"JSON in a string":    {`{"metadata":{"x":"{\"open_id\":\"` + whole + `\",\"n\":1}"}}`, `{"metadata":{"x":"{\"open_id\":\"oUpF8u…\",\"n\":1}"}}`},
		"a credential":        {`{"credential":{"wx_lite":{"paySign":"S+/=","timeStamp":1,"list":["x"]},"alipay_qr":"https://qr"},"subject":"S+/="}`, `{"credential":{"wx_lite":{"paySign":"…","timeStamp":1,"list":["…"]},"alipay_qr":"…"},"subject":"S+/="}`},
		"an empty one":        {`{"credential":{},"id":"ch_1"}`, `{"credential":{},"id":"ch_1"}`},
		"a code of the payer": {`{"extra":{"scan_code":"134567890123456789"}}`, `{"extra":{"scan_code":"…"}}`},
		"bare numbers":        {`{"extra":{"scan_code":134567890123456789,"openid":123456789},"metadata":{"contact":13800001234,"Phone":["13800001234"]},"n":13800001234}`, `{"extra":{"scan_code":"…","openid":"123456…"},"metadata":{"contact":"…","Phone":["…"]},"n":13800001234}`},
		"several payers":      {`{"openid":["` + whole + `","` + union + `"]}`, `{"openid":["oUpF8u…","oR5Gjj…"]}`},
		"quotes and braces":   {`{"subject":"}\"open_id\":\"{","extra":{"open_id":"` + whole + `"}}`, `{"subject":"}\"open_id\":\"{","extra":{"open_id":"oUpF8u…"}}`},
		"<, > and &":          {`{"metadata":"{\"a\":\"<&>\",\"open_id\":\"` + whole + `\"}"}`, `{"metadata":"{\"a\":\"<&>\",\"open_id\":\"oUpF8u…\"}"}`},
		"no JSON":             {`open_id=` + whole, `open_id=` + whole},
		"cut in a string":     {`{"extra":{"open_id":"oUpF8uMuAJ`, `{"extra":{"open_id":"oUpF8u…`},
		"cut in an escape":    {`{"extra":{"open_id":"oUpF8uMuAJ\`, `{"extra":{"open_id":"oUpF8u…`},
		"empty":               {``, ``},
	} {
		t.Run(name, func(t *testing.T) {
			got, shortened := new(veil).body([]byte(tc.in))
			if got != tc.want || shortened != (tc.in != tc.want) {
				t.Errorf("got %s (shortened: %t), want %s", got, shortened, tc.want)
			}
			if json.Valid([]byte(tc.in)) && !json.Valid([]byte(got)) {
				t.Errorf("JSON became what is none: %s", got)
			}
		})
	}
}

// A payer who is known by his charge is shortened in what names him nowhere.
func TestWordsAsShown(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"text":          {"thanks, anon:0123456789abcdef!", "thanks, anon:0…!"},
		"cut":           {"thanks, anon:0123456789abc", "thanks, anon:0…"},
		"somebody else": {"no, it was " + whole + ".", "no, it was oUpF8u…."},
		"at a dash":     {"no user_" + whole[:27] + "-", "no user_oUpF8u…"},
		"an echo":       {`you said {"data":{"object":{"extra":{"open_id":"o-short-one"`, `you said {"data":{"object":{"extra":{"open_id":"o-shor…"`},
		"who gets it":   {`{"pay_shipping":{"parcels":[{"company":"SF","contact":"13800001234"}]}}`, `{"pay_shipping":{"parcels":[{"company":"SF","contact":"…"}]}}`},
		"a bare number": {`{"pay_shipping":{"parcels":[{"company":"SF","contact":13800001234}]}}`, `{"pay_shipping":{"parcels":[{"company":"SF","contact":"…"}]}}`},
		"a number":      {`no user 13800001234`, `no user 138****1234`},
		"a page":        {`<a href="/login">`, `<a href="/login">`},
	} {
		t.Run(name, func(t *testing.T) {
			var v veil
			v.know("anon:0123456789abcdef")
			if got, shortened := v.words(tc.in); got != tc.want || shortened != (tc.in != tc.want) {
				t.Errorf("got %s (shortened: %t), want %s", got, shortened, tc.want)
			}
		})
	}
}

// FuzzBodyAsShown: what is shown of JSON is JSON of the same members, and what has nothing to hide stays as it is.
func FuzzBodyAsShown(f *testing.F) {
	f.Add(`{"a":["b",{"open_id":"x\"y"}],"credential":{"c":["d"]}}`)
	f.Add(`["\\",":","{"]`)
	f.Fuzz(func(t *testing.T, in string) {
		got, _ := new(veil).body([]byte(in))
		if json.Valid([]byte(in)) && !json.Valid([]byte(got)) {
			t.Errorf("%q became %q", in, got)
		}
	})
}

// No view of an event holds a whole openid, though its backend echoes it; the ledger keeps the bytes.
func TestViewsShortenThePayer(t *testing.T) {
	d := newDesk(t)
	body := `{"id":"evt_1","object":"event","type":"charge.succeeded","livemode":true,"data":{"object":{"id":"ch_1","object":"charge","livemode":true,"app":"app_1","paid":true,"refunded":false,"reversed":false,"amount":100,"currency":"cny","order_no":"1","channel":"wx_lite","created":1,"time_paid":2,"extra":{"open_id":"` + whole + `"},"credential":{"wx_lite":{"paySign":"Sign123="}}}}}`
	now := time.Now()
	e := &ledger.Event{Scope: scope, ID: "evt_1", Type: "charge.succeeded", ObjectID: "ch_1", ChargeID: "ch_1", Number: "1", OrderNo: "1", Lane: "1", Source: ledger.Webhook,
		State: ledger.Pending, Created: now, Received: now, Due: now, Body: []byte(body),
		Change: &ledger.ChargeChange{Paid: true, TimePaid: now}, Payment: &ledger.Payment{Amount: 100, Currency: "cny", Time: now}}
	must(d.ledger.Append(t.Context(), e))
	must(d.ledger.Claim(t.Context(), ledger.Claim{Scope: scope, Owner: "me", Now: now, Until: now.Add(time.Minute), Limit: 1}))
	err := d.ledger.Settle(t.Context(), "me", ledger.Delivery{Scope: scope, EventID: "evt_1", Attempt: 1, At: now, Status: 500, Snippet: "what is " + whole + "?", Error: "said " + whole, State: ledger.Dead})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/events/evt_1", "/orders/1", "/events", "/charges", "/orders", "/find?q=1"} {
		rec := httptest.NewRecorder()
		d.server.ServeHTTP(rec, httptest.NewRequest("GET", "/pay"+path, nil))
		if got := rec.Body.String(); rec.Code != 200 || strings.Contains(got, whole) || strings.Contains(got, "Sign123") {
			t.Errorf("%s answers %d %s", path, rec.Code, got)
		}
	}
	shown := must(d.Event(t.Context(), EventRef{ID: "evt_1"}))
	if !shown.Shortened || !shown.Deliveries[0].Shortened || !strings.Contains(shown.Body, `"open_id":"oUpF8u…"`) || shown.Deliveries[0].Snippet != "what is oUpF8u…?" ||
		shown.Deliveries[0].Error != "said oUpF8u…" || shown.Payment.Paid != 100 {
		t.Errorf("shown as %+v", shown)
	}
	if kept := must(d.ledger.Event(t.Context(), scope, "evt_1")); string(kept.Body) != body {
		t.Errorf("the ledger has %s", kept.Body)
	}
}

package payment

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/handlers/backend"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/pingpp/channel"
	"github.com/caddypay/caddypay/session"
)

// In our own format every member has one form alone. Where a path leads into a backend's own JSON, more are read, and an error says where it was.
func TestFormsOfMembers(t *testing.T) {
	const ours, theirs = `{"order_no":"1","amount":1,"subject":"x",`, `{"no":1,"order_no":"1","amount":1,"subject":"x",`
	for name, c := range map[string]struct {
		paths map[string]string
		raw   string
		want  string // the problem's code, or part of the error; empty: none
	}{
		"no price":                                           {nil, `{"order_no":"1","subject":"x"}`, "amount is missing; name the price"},
		"a price that is null":                               {nil, `{"order_no":"1","subject":"x","amount":null}`, `amount must be a whole number of fen like 1999, not "null"`},
		"a price as text":                                    {nil, `{"order_no":"1","subject":"x","amount":"1"}`, "amount_invalid"},
		"a number for an order number":                       {nil, `{"order_no":1,"subject":"x","amount":1}`, "order_no must be a string, not"},
		"the same at a path":                                 {map[string]string{"order_no": "no"}, theirs + `"a":1}`, ""},
		"an object at a path":                                {map[string]string{"order_no": "a"}, theirs + `"a":{}}`, "order_no (at a) must be a string, not"},
		"capitals for a currency":                            {nil, ours + `"currency":"CNY"}`, "CNY"},
		"capitals at a path":                                 {map[string]string{"currency": "a"}, ours + `"a":"CNY"}`, "cny"},
		"PHP's empty arrays":                                 {nil, ours + `"metadata":[],"extra":[]}`, ""},
		"numbers in metadata":                                {nil, ours + `"metadata":{"a":1}}`, "metadata must be an object of strings, not"},
		"numbers in metadata at a path":                      {map[string]string{"metadata": "a"}, ours + `"a":{"b":1}}`, ""},
		"an array in metadata at a path":                     {map[string]string{"metadata": "a"}, ours + `"a":{"b":[1]}}`, "metadata (at a) must be an object of strings"},
		"a time with a zero before it":                       {map[string]string{"time_expire": "a"}, ours + `"a":"01790003600"}`, "must be Unix seconds"},
		"a time with a sign":                                 {map[string]string{"time_expire": "a"}, ours + `"a":"+1790003600"}`, "must be Unix seconds"},
		"a date in digits, before its age":                   {nil, ours + `"time_expire":19991231}`, "looks like a duration"},
		"a member twice, after a number that no float holds": {nil, ours + `"a":1e999,"b":{"c":1,"c":2}}`, `the member "c" stands twice`},
	} {
		q, err := (&Orders{Paths: c.paths}).parse([]byte(c.raw), "1")
		switch {
		case err == nil && (c.want == "" || q.Currency == c.want):
			if q.OrderNo != "1" || q.Amount != 1 || len(q.Extra) != 0 || len(q.Metadata) > 0 && q.Metadata["b"] != "1" {
				t.Errorf("%s: %+v", name, q)
			}
		case err == nil, codeOf(err) != c.want && (c.want == "" || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %+v, %v, want %s", name, q, err, c.want)
		}
	}
	if _, err := (&Orders{Yuan: true}).parse([]byte(`{"order_no":"1","subject":"x","amount":null}`), "1"); codeOf(err) != "amount_invalid" || !strings.Contains(err.Error(), `not "null"`) {
		t.Error(err)
	}
	for _, raw := range []string{`"soon"`, `true`, `-1`, `"1790003600abc"`} { // what looks like nothing is said to be nothing
		_, err := (&Orders{Paths: map[string]string{"time_expire": "t"}}).parse([]byte(ours+`"t":`+raw+`}`), "1")
		if err == nil || !strings.HasSuffix(err.Error(), "it is "+strconv.Quote(raw)) {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

// What a backend says in place of an order may be of several words, or empty in whatever form.
func TestNotFoundInOtherForms(t *testing.T) {
	for _, c := range []struct {
		value, raw string
		found      bool
	}{
		{"no order", `{"a":"no order"}`, true}, {"no order", `{"a":"noorder"}`, false}, {"noorder", `{"a":"no order"}`, false}, {"{}", `{"a":{ }}`, true}, {"[]", `{"a":[ ]}`, true},
	} {
		if err := (&NotFound{Path: "a", Values: []string{c.value}}).check([]byte(c.raw)); (codeOf(err) == "order_not_found") != c.found {
			t.Errorf("%s in %s: %v", c.value, c.raw, err)
		}
	}
}

// An order number stays one segment of the backend's path, however often it is decoded, and its letters and digits are all in a later attempt's number.
func TestOrderNumbersInPaths(t *testing.T) {
	for _, no := range []string{".", "..", ".;x", "..;x", "%2e", "%2E%2e", "%252e%252e;x", "a%2fb", "", "a b", "a/b", `a\b`, strings.Repeat("9", 65)} {
		if checkOrderNo(no) == nil {
			t.Errorf("%s is taken", no)
		}
	}
	for _, no := range []string{"...", ".a", "..a;b", ";", ";.", "%2e%2ea", strings.Repeat("9", 64)} {
		if err := checkOrderNo(no); err != nil {
			t.Errorf("%s: %v", no, err)
		}
	}
	if got := lettersAndDigits("-az/AZ:09@`{[é"); got != "azAZ09" {
		t.Error(got)
	}
}

// An order that got a price has none missing, and what was said last is what is shown.
func TestPricedAgain(t *testing.T) {
	p := &Prices{}
	at := time.Unix(1_790_000_000, 0)
	p.unpriced.note("1", at, errors.New("first"))
	p.unpriced.note("2", at, errors.New("other"))
	p.unpriced.note("1", at.Add(time.Second), errors.New("second"))
	if got, ok := p.Unpriced("1"); !ok || got.Why != "second" || !got.At.Equal(at.Add(time.Second)) {
		t.Errorf("%+v %t", got, ok)
	}
	p.unpriced.note("1", at, nil)
	if got, ok := p.Unpriced("1"); ok {
		t.Errorf("%+v", got)
	}
	if got, ok := p.Unpriced("2"); !ok || got.Why != "other" {
		t.Errorf("%+v %t", got, ok)
	}
}

// What only a backend can give cannot be paid where clients name the amount.
func TestClientAmountNeedsNoBackend(t *testing.T) {
	c := &ClientAmount{Min: 1, Max: 2, Subject: "s"}
	tried := 0
	for _, name := range channel.Names() {
		if ch := channel.Of(name); ch.NeedsQuote() && !ch.AtOnce {
			if err := c.Check([]string{"wx_lite", name}); err == nil || !strings.Contains(err.Error(), "the channel "+name+" wants what only a backend can give") {
				t.Errorf("%s: %v", name, err)
			}
			tried++
		}
	}
	if tried == 0 {
		t.Error("there is no such channel")
	}
}

// A charge of a channel without an openid is ours whatever form Ping++ gives its extra.
func TestAnswersWithoutAPayer(t *testing.T) {
	p := &pingpp.ChargeParams{Channel: "alipay_wap", Extra: map[string]any{"success_url": "https://a"}, Metadata: map[string]any{"pay_order_no": "1"}}
	for _, extra := range []string{`{"success_url":"https://a"}`, `[]`, `null`, ``} {
		if !answers(&pingpp.Charge{Metadata: map[string]string{"pay_order_no": "1"}, Extra: []byte(extra)}, p) {
			t.Errorf("with %q it is not", extra)
		}
	}
}

// brokenLedger cannot list attempts.
type brokenLedger struct{ ledger.Ledger }

func (brokenLedger) Attempts(context.Context, ledger.Scope, string) ([]ledger.Charge, error) {
	return []ledger.Charge{{ID: "ch_1", State: ledger.Open, Paid: true, Amount: 5, Payer: payerA, PayerAppID: "wx1"}}, errors.New("disk I/O error")
}

// While the ledger cannot say, nothing is shown as paid.
func TestPaidWithoutALedger(t *testing.T) {
	s := newTill(t)
	s.l = brokenLedger{s.l}
	if s.pay.Paid(t.Context(), sessionOf(payerA), "1") {
		t.Error("paid, by a ledger that cannot be read")
	}
	s.pay.Ledger = func(context.Context) (ledger.Ledger, error) { return s.l, errors.New("disk full") }
	if s.pay.Paid(t.Context(), sessionOf(payerA), "1") {
		t.Error("paid, by a ledger that cannot be opened")
	}
}

// The backend is asked at the host that the payer called, with the payer's address, and an order is not unpayable for a name in emoji.
func TestBackendIsAskedAsThePayerCame(t *testing.T) {
	var got *http.Request
	saying := &backendSaying{status: 200, body: `{"order_no":"1001","amount":5,"subject":"🍵"}`}
	p := &Prices{Orders: &Orders{Method: http.MethodGet, Path: "/orders/{order_no}", Timeout: time.Minute}, Now: time.Now, Backend: &backend.Backend{
		RoundTripper: roundTrip(func(r *http.Request) (*http.Response, error) { got = r; return saying.RoundTrip(r) }), Visitors: &session.Visitors{Cookies: &session.Cookies{}}}}
	r := httptest.NewRequest(http.MethodPost, "https://shop.example.com/pay/charges", nil)
	r.RemoteAddr = "192.0.2.9:1234"
	q, err := p.quote(t.Context(), r, session.Identity{}, "1001", channel.Of("wx_lite"))
	if err != nil || q.Subject != "1001" || got.Host != "shop.example.com" || got.RemoteAddr != "192.0.2.9:1234" || got.URL.Path != "/orders/1001" {
		t.Errorf("%+v, %v, at %s from %s", q, err, got.Host, got.RemoteAddr)
	}
	for status, c := range map[int]struct {
		says    string
		backend bool
	}{401: {"does it compare X-Pay-Token with this site's backend_token?", false}, 403: {"does it compare X-Pay-Token with this site's backend_token?", true}, 404: {"is the path of orders another?", true}} {
		saying.status = status
		_, err := p.quote(t.Context(), r, session.Identity{}, "1001", channel.Of("wx_lite"))
		if p := problem.As(err); p.Backend != c.backend || !strings.Contains(p.Cause.Error(), c.says) {
			t.Errorf("%d: %+v", status, p)
		}
	}
}

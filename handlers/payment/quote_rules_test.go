package payment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/boombuler/barcode/qr"

	"github.com/caddypay/caddypay/handlers/backend"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp/channel"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/session"
)

// codeOf is the problem of an error; "error" for one that is none, "" for none.
func codeOf(err error) string {
	if err != nil && problem.CodeOf(err) == "" {
		return "error"
	}
	return problem.CodeOf(err)
}

// What a quote has to be before anything is charged by it.
func TestQuoteRules(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	c := channel.Of("wx_lite")
	pairs := func(n, size int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[fmt.Sprint(i)] = strings.Repeat("长", size)
		}
		return m
	}
	ours := len("pay_order_no") + len("1001")
	for name, tt := range map[string]struct {
		change func(*quote)
		most   int64
		want   string
		text   string // part of the error
	}{
		"whole":                   {func(*quote) {}, 0, "", ""},
		"of no order":             {func(q *quote) { q.OrderNo = "" }, 0, "error", "order_no is missing"},
		"of another order":        {func(q *quote) { q.OrderNo = "1002" }, 0, "error", `it is about order_no "1002", but 1001 was asked for`},
		"of this payer":           {func(q *quote) { q.OpenID = "oA" }, 0, "", ""},
		"of another payer":        {func(q *quote) { q.OpenID = "oB" }, 0, "order_not_found", ""},
		"payable":                 {func(q *quote) { q.Status = "payable" }, 0, "", ""},
		"paid":                    {func(q *quote) { q.Status = "paid" }, 0, "order_already_paid", ""},
		"closed":                  {func(q *quote) { q.Status = "closed" }, 0, "order_closed", ""},
		"of another state":        {func(q *quote) { q.Status = "open" }, 0, "error", "status must be payable, paid or closed"},
		"in another currency":     {func(q *quote) { q.Currency = "usd" }, 0, "amount_invalid", ""},
		"for nothing":             {func(q *quote) { q.Amount = 0 }, 0, "nothing_to_pay", ""},
		"as much as there is":     {func(q *quote) { q.Amount = maxAmount }, 0, "", ""},
		"more than there is":      {func(q *quote) { q.Amount = maxAmount + 1 }, 0, "amount_invalid", "which no charge takes"},
		"as much as may be":       {func(q *quote) {}, 1999, "", ""},
		"more than may be":        {func(q *quote) {}, 1998, "amount_invalid", "above max 1998 of the orders block"},
		"without a subject":       {func(q *quote) { q.Subject = " " }, 0, "error", "subject is missing"},
		"with a bell":             {func(q *quote) { q.Subject = "tea\a" }, 0, "error", "subject has a control character"},
		"with a line":             {func(q *quote) { q.Body = "tea\n\tgreen" }, 0, "", ""},
		"with a broken letter":    {func(q *quote) { q.Body = "tea\xff" }, 0, "error", "body has a control character or is not UTF-8"},
		"expiring too soon":       {func(q *quote) { q.TimeExpire = now.Add(c.ExpireMin - 1) }, 0, "order_closed", ""},
		"expiring at the soonest": {func(q *quote) { q.TimeExpire = now.Add(c.ExpireMin) }, 0, "", ""},
		"with as many pairs":      {func(q *quote) { q.Metadata = pairs(maxMetadata, 1) }, 0, "", ""},
		"with too many pairs":     {func(q *quote) { q.Metadata = pairs(maxMetadata+1, 1) }, 0, "error", "metadata has 10 pairs; at most 9 fit"},
		"with a pair of ours":     {func(q *quote) { q.Metadata = map[string]string{"pay_x": "1"} }, 0, "error", "those that begin with pay_ are ours"},
		"with as long pairs":      {func(q *quote) { q.Metadata = pairs(1, maxMetaText-ours-1) }, 0, "", ""},
		"with too long pairs":     {func(q *quote) { q.Metadata = pairs(1, maxMetaText-ours) }, 0, "error", "metadata has 1001 characters with ours; at most 1000 fit"},
	} {
		q := &quote{OrderNo: "1001", Amount: 1999, Subject: "tea"}
		tt.change(q)
		err := q.check("1001", session.Identity{OpenID: "oA"}, c, tt.most, now)
		if codeOf(err) != tt.want || err != nil && !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v, want %s %s", name, err, tt.want, tt.text)
		}
		if err == nil && (q.Currency != "cny" || q.Body == "") {
			t.Errorf("%s: %+v", name, q)
		}
	}
}

// What the backend's answer as a whole says, before its price is read.
func TestAnswersOfTheBackend(t *testing.T) {
	const order = `{"order_no":"1001","amount":1999,"subject":"Tea"}`
	for name, tt := range map[string]struct {
		status int
		body   string
		want   string
		most   int64
	}{
		"a price": {200, order, "", 0}, "more than may be": {200, order, "amount_invalid", 1998}, "not there": {404, "", "order_not_found", 0}, "not allowed": {403, "", "order_not_found", 0}, "no token": {401, "", "backend_unavailable", 0},
		"paid": {409, "", "order_already_paid", 0}, "closed": {410, "", "order_closed", 0}, "created": {201, order, "backend_unavailable", 0}, "an error": {500, "", "backend_unavailable", 0},
		"as long as may be": {200, order + strings.Repeat(" ", maxQuote-len(order)), "", 0}, "too long": {200, order + strings.Repeat(" ", maxQuote-len(order)+1), "quote_invalid", 0},
		"no JSON": {200, "x", "quote_invalid", 0},
	} {
		b := &backendSaying{status: tt.status, body: tt.body}
		p := &Prices{Orders: &Orders{Method: http.MethodGet, Path: "/orders/{order_no}", Timeout: time.Minute, Max: tt.most}, Now: time.Now,
			Backend: &backend.Backend{RoundTripper: b, Token: redact.New("t"), Visitors: &session.Visitors{Cookies: &session.Cookies{}}}}
		r := httptest.NewRequest(http.MethodPost, "/pay/charges", nil)
		q, err := p.quote(t.Context(), r, session.Identity{}, "1001", channel.Of("wx_lite"))
		if codeOf(err) != tt.want || err == nil && q.Amount != 1999 {
			t.Errorf("%s: %+v, %v", name, q, err)
		}
		if why, ok := p.Unpriced("1001"); ok != (err != nil) || ok && why.Why != err.Error() {
			t.Errorf("%s: %+v", name, why)
		}
	}
	broken := &Prices{Orders: &Orders{Method: "NO SUCH", Path: "/", Timeout: time.Minute}, Now: time.Now}
	if _, err := broken.quote(t.Context(), httptest.NewRequest(http.MethodPost, "/", nil), session.Identity{}, "1001", channel.Of("wx_lite")); codeOf(err) != "backend_unavailable" {
		t.Error(err)
	}
}

// What is kept of the backend's last word.
func TestLastQuote(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	q := &quote{Amount: 5, Currency: "cny"}
	for name, c := range map[string]struct {
		q    *quote
		err  error
		want *ledger.Quote
	}{
		"a price": {q, nil, &ledger.Quote{Amount: 5, Currency: "cny", At: now}}, "closed": {nil, problem.New("order_closed", nil), &ledger.Quote{Closed: true, At: now}},
		"another problem": {q, problem.New("order_not_found", nil), nil}, "an error": {q, errors.New("x"), nil}, "nothing": {nil, nil, nil},
	} {
		if got := lastQuote(c.q, c.err, now); (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// How long an attempt stays open, or may be under way, and what is still looked for.
func TestHowLongAttemptsAreOpen(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	a := &attempt{pay: &Payments{Now: func() time.Time { return now }}, req: &chargeRequest{OrderNo: "1001"}}
	at := func(channel, order string, superseded bool, age, lapses time.Duration) *ledger.Charge {
		return &ledger.Charge{Channel: channel, OrderNo: order, Superseded: superseded, Created: now.Add(-age), TimeExpire: now.Add(lapses)}
	}
	for name, c := range map[string]struct {
		charge *ledger.Charge
		want   time.Duration
	}{
		"of the order, young":           {at("wx_lite", "1001", false, 10*time.Second, time.Hour), 50 * time.Second},
		"of the order, old":             {at("wx_lite", "1001", false, 2*time.Minute, time.Hour), -time.Minute},
		"of another order":              {at("wx_lite", "1002", false, 2*time.Minute, time.Hour), time.Hour},
		"of another order, replaced":    {at("wx_lite", "1002", true, 2*time.Minute, time.Hour), -time.Minute},
		"of a channel that cannot":      {at("alipay_wap", "1001", true, 2*time.Minute, time.Hour), time.Hour},
		"that lapses before it is ripe": {at("wx_lite", "1001", false, 10*time.Second, time.Second), time.Second},
	} {
		if got := a.openFor(c.charge); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if got := a.settling(at("", "", false, 20*time.Second, 0)); got != 40*time.Second {
		t.Errorf("settling for %s", got)
	}
	for ch, want := range map[string]time.Duration{"wx_pub_scan": 40 * time.Second, "upacp_qr_scan": 40 * time.Second, "alipay_scan": -20 * time.Second} {
		if got := a.left(at(ch, "1001", false, 20*time.Second, time.Hour)); got != want {
			t.Errorf("%s is left alone for %s, want %s", ch, got, want)
		}
	}
	if p := a.mayTake(at("", "", false, 20*time.Second, 0)); p.Code != "charge_in_progress" || p.RetryAfter != 40*time.Second {
		t.Errorf("%+v", p)
	}
	if p := a.mayTake(at("", "", false, time.Hour, 0)); p.RetryAfter != time.Second {
		t.Errorf("%+v", p)
	}
	unknown := ledger.Charge{State: ledger.Unknown, NextQuery: now}
	if !sought(&unknown) {
		t.Error("an unknown attempt is not looked for")
	}
	for name, spoil := range map[string]func(*ledger.Charge){
		"open": func(c *ledger.Charge) { c.State = ledger.Open }, "found": func(c *ledger.Charge) { c.ID = "ch_1" }, "replaced": func(c *ledger.Charge) { c.Superseded = true },
		"given up": func(c *ledger.Charge) { c.NextQuery = time.Time{} },
	} {
		c := unknown
		if spoil(&c); sought(&c) {
			t.Errorf("one that is %s is looked for", name)
		}
	}
	open := ledger.Charge{Created: now, TimeExpire: now.Add(time.Minute)}
	for name, c := range map[string]struct {
		change func(*ledger.Charge)
		paid   bool
		at     time.Duration
		want   bool
	}{
		"open": {nil, false, 0, false}, "its order is paid": {nil, true, 0, true}, "paid": {func(c *ledger.Charge) { c.Paid = true }, false, 0, true}, "reversed": {func(c *ledger.Charge) { c.Reversed = true }, false, 0, true},
		"nearly lapsed": {nil, false, time.Minute - 1, false}, "lapsed": {nil, false, time.Minute, true},
	} {
		ch := open
		if c.change != nil {
			c.change(&ch)
		}
		if got := over(&ch, c.paid, now.Add(c.at)); got != c.want {
			t.Errorf("%s: over %t", name, got)
		}
	}
	for _, text := range []string{"-1s", "61", "61s", "1m1ns", "x", "-1", "1e9", "60.5", "18446744074"} {
		if _, err := parseWait(text); codeOf(err) != "field_forbidden" {
			t.Errorf("%s: %v", text, err)
		}
	}
	for in, want := range map[string]string{"::ffff:192.0.2.1": "192.0.2.1", "fe80::1%eth0": "fe80::1", "192.0.2.1": "192.0.2.1", "@": "@"} {
		if got := clientIP(in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

// The paying charge is named to whoever paid it, and the order is taken for paid by nobody else.
func TestWhoHasPaid(t *testing.T) {
	mine, theirs := session.Identity{OpenID: "oA", AppID: "wx1"}, session.Identity{OpenID: "oB", AppID: "wx1"}
	paid := ledger.Charge{ID: "ch_2", State: ledger.Open, Paid: true, Amount: 5, Payer: "oA", PayerAppID: "wx1"}
	attempts := []ledger.Charge{{ID: "ch_1", Payer: "oA", PayerAppID: "wx1", State: ledger.Open}, paid}
	if p := alreadyPaid(attempts, mine); p.Code != "order_already_paid" || p.Members["charge_id"] != "ch_2" {
		t.Errorf("%+v", p)
	}
	if p := alreadyPaid(attempts, theirs); p.Members["charge_id"] != nil {
		t.Errorf("%+v", p)
	}
	for id, want := range map[session.Identity]string{mine: "order_already_paid", theirs: ""} {
		a := &attempt{pay: &Payments{}, id: id}
		if got := codeOf(a.alreadyPaidIt(attempts)); got != want {
			t.Errorf("%s: %q", id.OpenID, got)
		}
	}
	if err := (&attempt{id: mine}).alreadyPaidIt(attempts[:1]); err != nil {
		t.Error(err)
	}
}

// What is scanned to pay a charge, and its picture, module by module.
func TestPictureOfACharge(t *testing.T) {
	for raw, want := range map[string]string{
		`{"credential":{"wx_pub_qr":"weixin://wxpay/x"}}`: "weixin://wxpay/x", `{"credential":{"wx_pub_qr":{"url":"https://a/b"}}}`: "https://a/b",
		`{"credential":{"wx_pub_qr":{"URL":7}}}`: "", `{"credential":{"wx_pub_qr":"text"}}`: "", `{"credential":[]}`: "", `{"credential":{"wx_lite":"weixin://x"}}`: "", `{"credential":{"wx_pub_qr":7}}`: "", ``: "",
		`{"credential":{"wx_pub_qr":"a://` + strings.Repeat("x", maxPayload-4) + `"}}`: "a://" + strings.Repeat("x", maxPayload-4),
		`{"credential":{"wx_pub_qr":"a://` + strings.Repeat("x", maxPayload-3) + `"}}`: "",
	} {
		if got := payURL(&ledger.Charge{Channel: "wx_pub_qr", Raw: json.RawMessage(raw)}); got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
	code, err := qr.Encode("weixin://wxpay/bizpayurl?pr=abc", qr.M, qr.Auto)
	if err != nil {
		t.Fatal(err)
	}
	n := code.Bounds().Dx()
	img, err := png.Decode(bytes.NewReader(qrPNG(code)))
	if err != nil || img.Bounds().Dx() != (n+8)*8 || img.Bounds().Dy() != (n+8)*8 {
		t.Fatal(err)
	}
	drawn := make([][]bool, n+8)
	for y := range drawn {
		drawn[y] = make([]bool, n+8)
	}
	svg := string(qrSVG(code))
	head := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[1]d" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h%[1]dv%[1]dH0z"/><path d="`, n+8)
	path, ok := strings.CutPrefix(svg, head)
	path, end := strings.CutSuffix(path, `"/></svg>`)
	if !ok || !end {
		t.Fatalf("%.300s", svg)
	}
	for _, run := range strings.Split(strings.TrimSuffix(path, "z"), "z") {
		var x, y, length, back int
		if _, err := fmt.Sscanf(run, "M%d %dh%dv1h-%d", &x, &y, &length, &back); err != nil || length != back || length < 1 {
			t.Fatalf("%q: %v", run, err)
		}
		for i := range length {
			if drawn[y][x+i] {
				t.Errorf("%d %d is drawn twice", x+i, y)
			}
			drawn[y][x+i] = true
		}
	}
	black := 0
	for y := range (n + 8) * 8 {
		for x := range (n + 8) * 8 {
			mx, my := x/8-4, y/8-4
			want := mx >= 0 && my >= 0 && mx < n && my < n && dark(code, mx, my)
			if r, _, _, _ := img.At(x, y).RGBA(); (r == 0) != want || drawn[y/8][x/8] != want {
				t.Fatalf("at %d, %d: %t", x, y, want)
			}
			if want {
				black++
			}
		}
	}
	if black == 0 {
		t.Error("it is white")
	}
}

// What clients may name themselves.
func TestClientAmountRules(t *testing.T) {
	good := ClientAmount{Min: 1, Max: 20000, Subject: "Donation {order_no}", Prefix: "D"}
	for name, c := range map[string]struct {
		change  func(*ClientAmount)
		offered []string
		want    string
	}{
		"whole": {func(*ClientAmount) {}, []string{"wx_lite", "alipay_wap"}, ""}, "one amount": {func(c *ClientAmount) { c.Max = 1 }, nil, ""}, "min 0": {func(c *ClientAmount) { c.Min = 0 }, nil, "must be fen above 0"},
		"max below min": {func(c *ClientAmount) { c.Min = 20001 }, nil, "max not below min"}, "as much as there is": {func(c *ClientAmount) { c.Max = maxAmount }, nil, ""}, "more than there is": {func(c *ClientAmount) { c.Max = maxAmount + 1 }, nil, "write less"},
		"six letters": {func(c *ClientAmount) { c.Prefix = "Dd9999" }, nil, ""}, "seven": {func(c *ClientAmount) { c.Prefix = "Dd99999" }, nil, "at most 6 letters and digits"}, "a dash": {func(c *ClientAmount) { c.Prefix = "D-" }, nil, "letters and digits"},
		"a till's": {func(*ClientAmount) {}, []string{"wx_pub_scan"}, "leave it out of channels"}, "no subject": {func(c *ClientAmount) { c.Subject = "" }, []string{"wx_lite"}, "through the channel wx_lite: subject is missing"},
	} {
		ca := good
		c.change(&ca)
		if err := ca.Check(c.offered); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, c := range []struct {
		amount    int64
		reference string
		want      string
	}{{0, "", "amount_invalid"}, {1, "", ""}, {20000, strings.Repeat("长", 64), ""}, {20001, "", "amount_invalid"}, {5, strings.Repeat("长", 65), "field_forbidden"}, {5, "a\nb", "field_forbidden"}, {5, "a\x7f", "field_forbidden"}, {5, "a\xff", "field_forbidden"}, {5, "a b", ""}} {
		if err := good.check(&chargeRequest{Amount: c.amount, Reference: c.reference}); codeOf(err) != c.want {
			t.Errorf("%d %q: %v", c.amount, c.reference, err)
		}
	}
	for text, want := range map[string]string{"1999": "", "0": "", "1.5": "amount_invalid", `"5"`: "amount_invalid", "-1": "amount_invalid", "1e3": "amount_invalid", "01": "amount_invalid"} {
		n, err := good.read(json.RawMessage(text))
		if codeOf(err) != want || want == "" && fmt.Sprint(n) != text {
			t.Errorf("%s: %d, %v", text, n, err)
		}
		if p := problem.As(err); err != nil && (p.HTTPStatus != http.StatusBadRequest || p.Members["field"] != "amount" || p.Members["min"] != int64(1) || p.Members["max"] != int64(20000)) {
			t.Errorf("%+v", p)
		}
	}
	for reference, want := range map[string]map[string]string{"": {"pay_amount_by": "client"}, "r": {"pay_amount_by": "client", "pay_reference": "r"}} {
		q, err := good.quote(&chargeRequest{OrderNo: "D1", Amount: 5, Reference: reference}, channel.Of("wx_lite"))
		if err != nil || q.OrderNo != "D1" || q.Amount != 5 || q.Currency != "cny" || q.Subject != "Donation D1" || q.Body != "Donation D1" || fmt.Sprint(q.Metadata) != fmt.Sprint(want) {
			t.Errorf("%+v, %v", q, err)
		}
	}
	if no := good.orderNo(bytes.NewReader(make([]byte, 99))); len(no) != clientOrderLength || !strings.HasPrefix(no, "D") {
		t.Errorf("%q", no)
	}
}

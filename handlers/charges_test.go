package handlers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/session"
)

func TestChargeHappyPath(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	first := w.pay(session, "A1001")
	if first.status != http.StatusCreated {
		t.Fatalf("answered %d %s", first.status, first.body)
	}
	sent := w.outside.exchanges("/v1/charges")
	if len(sent) != 1 || !bytes.Equal(first.body, sent[0].got) {
		t.Fatalf("the answer is not byte for byte what Ping++ sent:\n%s\n%+v", first.body, sent)
	}
	if got, want := first.header.Get("Location"), "/pay/charges/"+first.text("id"); got != want {
		t.Errorf("Location %q, want %q", got, want)
	}
	for name, want := range map[string]string{"X-Pay-Order-No": "A1001", "Cache-Control": "no-store", "Content-Type": "application/json; charset=utf-8"} {
		if got := first.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	var params struct {
		OrderNo  string `json:"order_no"`
		Amount   int64
		ClientIP string `json:"client_ip"`
		Subject  string
		Body     string
		Extra    map[string]string
		Metadata map[string]string
	}
	if err := json.Unmarshal(sent[0].sent, &params); err != nil {
		t.Fatal(err)
	}
	if params.OrderNo != "A1001" || params.Amount != 1999 || params.ClientIP != "192.0.2.7" || params.Subject != "绿茶 & <tea>" || params.Body != params.Subject ||
		len(params.Extra) != 1 || params.Extra["open_id"] != payer || len(params.Metadata) != 1 || params.Metadata["pay_order_no"] != "A1001" {
		t.Errorf("Ping++ got %s", sent[0].sent)
	}

	again := w.pay(session, "A1001")
	if again.status != http.StatusOK || !bytes.Equal(again.body, first.body) || again.header.Get("Location") != "" || again.header.Get("X-Pay-Order-No") != "A1001" {
		t.Errorf("the second answer: %d %v %s", again.status, again.header, again.body)
	}
	if n := w.calls("create_charge"); n != 1 {
		t.Errorf("%d charges", n)
	}
	w.wantStates("A1001", ledger.Open)
	if c := w.attempts("A1001")[0]; c.Host != strings.TrimPrefix(w.server.URL, "https://") || c.Payer != payer || c.PayerAppID != w.sandbox.WxLite().AppID {
		t.Errorf("recorded: %+v", c)
	}
}

func TestChargeWithACodeForASession(t *testing.T) {
	w := newWorld(t)
	code := w.sandbox.NewCode(payer)
	w.hide(code)
	body := fmt.Sprintf(`{"order_no":"1001","channel":"wx_lite","code":%q,"extra":{}}`, code)
	first := w.do("POST", "/pay/charges", body)
	again := w.do("POST", "/pay/charges", body) // a saved code
	if first.status != 201 || again.status != 200 || !bytes.Equal(first.body, again.body) {
		t.Errorf("answered %d %s, then %d %s", first.status, first.body, again.status, again.body)
	}
	foreign := w.sealed(session.Identity{Kind: session.WxLite, OpenID: stranger, AppID: "wxother"})
	if a := w.do("POST", "/pay/charges", body, "X-Pay-Session", foreign); a.status != 200 {
		t.Errorf("a code beside a session that is not valid: %d %s", a.status, a.body)
	}
	if a := w.do("POST", "/pay/charges", body, "X-Pay-Session", w.session(stranger)); bytes.Equal(a.body, first.body) {
		t.Error("a code went before a session")
	}
	wantProblem(t, w.do("POST", "/pay/charges", `{"order_no":"1002","channel":"wx_lite","code":"0unknown"}`), 401, "code_invalid")
}

func TestChargeRefusesTheRequest(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	long := strings.Repeat("1", 65)
	for _, c := range []struct {
		name, body string
		header     []string
		status     int
		code       string
		field      string
	}{
		{"no body", "", []string{"Content-Type", "application/json"}, 400, "json_invalid", ""},
		{"no content type", order("1001"), []string{"Content-Type", ""}, 415, "content_type", ""},
		{"text", order("1001"), []string{"Content-Type", "text/plain"}, 415, "content_type", ""},
		{"form", "order_no=1001", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "content_type", ""},
		{"JSON patch", order("1001"), []string{"Content-Type", "application/json-patch+json"}, 415, "content_type", ""},
		{"broken type", order("1001"), []string{"Content-Type", "application/json; =; ="}, 415, "content_type", ""},
		{"array", "[]", nil, 400, "json_invalid", ""},
		{"null", "null", nil, 400, "json_invalid", ""},
		{"text in JSON", `"x"`, nil, 400, "json_invalid", ""},
		{"cut", `{"order_no":"1001"`, nil, 400, "json_invalid", ""},
		{"two objects", order("1001") + order("1002"), nil, 400, "json_invalid", ""},
		{"trailing comma", `{"order_no":"1001",}`, nil, 400, "json_invalid", ""},
		{"order_no twice", `{"order_no":"1001","channel":"wx_lite","order_no":"1002"}`, nil, 400, "json_invalid", ""},
		{"twice, escaped", `{"order_no":"1001","channel":"wx_lite","order\u005fno":"1002"}`, nil, 400, "json_invalid", ""},
		{"order_no is a number", `{"order_no":1001,"channel":"wx_lite"}`, nil, 400, "json_invalid", ""},
		{"extra is an array", `{"order_no":"1001","channel":"wx_lite","extra":[1]}`, nil, 400, "json_invalid", ""},
		{"deep", strings.Repeat(`{"a":`, 12000), nil, 400, "json_invalid", ""},
		{"large", `{"order_no":"` + strings.Repeat("1", maxChargeBody) + `"}`, nil, 413, "too_large", ""},
		{"amount", `{"order_no":"1001","channel":"wx_lite","amount":1}`, nil, 400, "field_forbidden", "amount"},
		{"open_id", `{"order_no":"1001","channel":"wx_lite","open_id":"` + stranger + `"}`, nil, 400, "field_forbidden", "open_id"},
		{"openid", `{"order_no":"1001","channel":"wx_lite","openid":"x"}`, nil, 400, "field_forbidden", "openid"},
		{"subject", `{"order_no":"1001","channel":"wx_lite","subject":"x"}`, nil, 400, "field_forbidden", "subject"},
		{"metadata", `{"order_no":"1001","channel":"wx_lite","metadata":{}}`, nil, 400, "field_forbidden", "metadata"},
		{"other case", `{"Order_No":"1001","channel":"wx_lite"}`, nil, 400, "field_forbidden", "Order_No"},
		{"extra open_id", `{"order_no":"1001","channel":"wx_lite","extra":{"open_id":"x"}}`, nil, 400, "field_forbidden", "extra.open_id"},
		{"extra limit_pay", `{"order_no":"1001","channel":"wx_lite","extra":{"limit_pay":"no_credit"}}`, nil, 400, "field_forbidden", "extra.limit_pay"},
		{"long name", `{"` + strings.Repeat("名", 100) + `":1}`, nil, 400, "field_forbidden", strings.Repeat("名", 60)},
		{"no session", order("1001"), []string{"X-Pay-Session", ""}, 401, "session_missing", ""},
		{"unknown channel", `{"order_no":"1001","channel":"wx_nowhere"}`, nil, 400, "channel_unsupported", ""},
		{"no channel", `{"order_no":"1001"}`, nil, 400, "channel_unsupported", ""},
		{"no order_no", `{"channel":"wx_lite"}`, nil, 400, "order_invalid", ""},
		{"null order_no", `{"order_no":null,"channel":"wx_lite"}`, nil, 400, "order_invalid", ""},
		{"long order_no", order(long), nil, 400, "order_invalid", ""},
		{"path", order("../admin"), nil, 400, "order_invalid", ""},
		{"slash", order("10/01"), nil, 400, "order_invalid", ""},
		{"backslash", `{"order_no":"10\\01","channel":"wx_lite"}`, nil, 400, "order_invalid", ""},
		{"space", order("10 01"), nil, 400, "order_invalid", ""},
		{"dot", order("."), nil, 400, "order_invalid", ""},
		{"dots", order(".."), nil, 400, "order_invalid", ""},
		{"dots and a parameter", order("..;x"), nil, 400, "order_invalid", ""},
		{"dots, encoded", order("%2e%2E"), nil, 400, "order_invalid", ""},
		{"slash, encoded twice", order("10%252f01"), nil, 400, "order_invalid", ""},
		{"line end", `{"order_no":"1001\n","channel":"wx_lite"}`, nil, 400, "order_invalid", ""},
		{"NUL", `{"order_no":"10\u000001","channel":"wx_lite"}`, nil, 400, "order_invalid", ""},
		{"unicode", order("订单１００１"), nil, 400, "order_invalid", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			header := append([]string{"X-Pay-Session", session}, c.header...)
			if len(c.header) > 0 && c.header[0] == "X-Pay-Session" {
				header = c.header
			}
			a := w.do("POST", "/pay/charges", c.body, header...)
			wantProblem(t, a, c.status, c.code)
			if a.text("field") != c.field {
				t.Errorf("field %q, want %q", a.text("field"), c.field)
			}
		})
	}
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS"} {
		a := w.do(method, "/pay/charges", "", "X-Pay-Session", session)
		if a.status != 405 || a.header.Get("Allow") != "POST" {
			t.Errorf("%s answered %d, Allow %q", method, a.status, a.header.Get("Allow"))
		}
	}
	if len(w.backend.exchanges("/")) != 0 || w.calls("create_charge") != 0 || len(w.attempts("1001")) != 0 {
		t.Error("a refused request reached the backend, Ping++ or the ledger")
	}
	w.set(func(c *Config) { c.Channels = nil })
	wantProblem(t, w.pay(session, "1001"), 400, "channel_unsupported")
	w.set(func(c *Config) { c.Orders = nil })
	wantProblem(t, w.pay(session, "1001"), 404, "not_found")
}

func TestOrderNumbersThatAreTaken(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	for _, no := range []string{"A1", strings.Repeat("Z9", 16), "0000000000"} {
		if _, number := w.created(session, no); number != no {
			t.Errorf("order %s got the number %s", no, number)
		}
	}
}

// Ping++ takes the client's address, whatever it looks like here.
func TestAddressOfACharge(t *testing.T) {
	w := newWorld(t)
	w.set(func(c *Config) { c.ClientIP = func(*http.Request) string { return "fe80::1%eth0" } })
	w.created(w.session(payer), "1001")
}

func TestLedgerDown(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	w.ledger.Close()
	for name, a := range map[string]answer{
		"create": w.pay(session, "1001"),
		"get":    w.do("GET", "/pay/charges/ch_1", "", "X-Pay-Session", session),
		"openid": w.do("GET", "/pay/openid?code=x", ""),
	} {
		wantProblem(t, a, 503, "ledger_unavailable")
		if a.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", name)
		}
	}
	if w.calls("create_charge") != 0 {
		t.Error("a charge was made without a ledger")
	}
}

func TestLedgerDiesBeforeTheAnswerIsRecorded(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	pingpp := w.outside.serving()
	w.outside.put(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/v1/charges" {
			w.ledger.Close()
		}
		pingpp.ServeHTTP(rw, r)
	}))
	wantProblem(t, w.pay(session, "1001"), 503, "ledger_unavailable")

	// Ping++ has the charge, and nobody has its credential: whoever comes later gets it.
	l := w.openLedger()
	restarted := w.newSite(l, w.config.Logger)
	w.server.Config.Handler = w.handler(restarted)
	w.clock.Add(reservationLease)
	if a := w.pay(session, "1001"); a.status != 200 || a.text("order_no") != "1001" {
		t.Errorf("the charge that was not recorded: %d %s", a.status, a.body)
	}
	if n := w.calls("create_charge"); n != 1 {
		t.Errorf("%d charges", n)
	}
}

func TestTimeExpireFromTheQuote(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	now := w.clock.Now()
	for name, c := range map[string]struct {
		expire, want time.Time
	}{
		"1001": {now.Add(time.Minute), now.Add(time.Minute)},
		"1002": {now.Add(time.Hour), now.Add(time.Hour)},
		"1003": {now.Add(30 * 24 * time.Hour), now.Add(7*24*time.Hour - time.Minute)},
	} {
		w.setQuote(w.answerQuote(map[string]any{"time_expire": c.expire.Unix()}))
		a := w.pay(session, name)
		if got, _ := a.field("time_expire").(float64); a.status != 201 || int64(got) != c.want.Unix() {
			t.Errorf("%s: answered %d, time_expire %v, want %v", name, a.status, int64(got), c.want.Unix())
		}
	}
}

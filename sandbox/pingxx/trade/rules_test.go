package trade_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/rawjson"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
)

func TestParameterRules(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	now := b.Clock.Now().Unix()
	type m = map[string]any
	long := strings.Repeat("茶", 1001)
	chars := func(n int) string { return string([]rune(long)[:n]) }
	pairs := func(n int) m {
		out := m{}
		for i := range n {
			out[string(rune('a'+i))] = "v"
		}
		return out
	}
	openid := func(more ...any) m {
		out := m{"open_id": "oABC"}
		for i := 0; i < len(more); i += 2 {
			out[more[i].(string)] = more[i+1]
		}
		return out
	}
	for _, c := range []struct {
		field string
		value any // nil: left out
		param string
		code  string // of a channel's refusal
	}{
		{"order_no", nil, "order_no", ""},
		{"order_no", 12, "order_no", ""},
		{"order_no", "a", "", "channel_request_error"},
		{"order_no", "has space", "", "channel_request_error"},
		{"order_no", "订单号", "", "channel_request_error"},
		{"order_no", strings.Repeat("a", 33), "", "channel_request_error"},
		{"order_no", strings.Repeat("a", 32), "-", ""},
		{"order_no", "ab", "-", ""},
		{"order_no", "A_b-c|d*e", "-", ""},
		{"app", nil, "app[id]", ""},
		{"app", "app_1", "app", ""},
		{"app", []any{}, "app", ""},
		{"app", m{"id": ""}, "app[id]", ""},
		{"app", m{"id": "app_other"}, "app[id]", ""},
		{"channel", nil, "channel", ""},
		{"channel", "bitcoin", "channel", ""},
		{"amount", nil, "amount", ""},
		{"amount", 0, "amount", ""},
		{"amount", -1, "amount", ""},
		{"amount", 1.5, "amount", ""},
		{"amount", "100", "amount", ""},
		{"amount", json.RawMessage("1e2"), "amount", ""},
		{"amount", json.RawMessage("99999999999999999999"), "amount", ""},
		{"amount", 1_000_000_000 + 1, "amount", ""},
		{"amount", 1, "-", ""},
		{"client_ip", nil, "client_ip", ""},
		{"client_ip", "localhost", "client_ip", ""},
		{"client_ip", "fe80::1%eth0", "client_ip", ""},
		{"client_ip", "2001:db8::1", "-", ""},
		{"currency", nil, "currency", ""},
		{"currency", "CNY", "currency", ""},
		{"currency", "usd", "currency", ""},
		{"subject", nil, "subject", ""},
		{"subject", "", "subject", ""},
		{"subject", chars(33), "subject", ""},
		{"subject", chars(32), "-", ""},
		{"subject", "茶🍵", "", "channel_request_error"},
		{"body", chars(129), "body", ""},
		{"body", chars(128), "-", ""},
		{"body", "🍵", "", "channel_request_error"},
		{"extra", nil, "extra[open_id]", ""},
		{"extra", []any{"x"}, "extra", ""},
		{"extra", "x", "extra", ""},
		{"extra", m{}, "extra[open_id]", ""},
		{"extra", m{"open_id": ""}, "extra[open_id]", ""},
		{"extra", m{"open_id": 1}, "extra[open_id]", ""},
		{"extra", m{"open_id": "not an openid"}, "", "channel_request_error"},
		{"extra", openid("limit_pay", "no_debit"), "extra[limit_pay]", ""},
		{"extra", openid("limit_pay", "no_credit", "goods_tag", "WXG"), "-", ""},
		{"extra", openid("goods_tag", chars(33)), "extra[goods_tag]", ""},
		{"extra", openid("success_url", "x"), "extra[success_url]", ""},
		{"time_expire", now + 59, "time_expire", ""},
		{"time_expire", now + 60, "-", ""},
		{"time_expire", now + 7*86400, "-", ""},
		{"time_expire", now + 7*86400 + 1, "time_expire", ""},
		{"time_expire", "soon", "time_expire", ""},
		{"metadata", []any{"x"}, "metadata", ""},
		{"metadata", m{"a": m{}}, "metadata", ""},
		{"metadata", m{"a": []any{1}}, "metadata", ""},
		{"metadata", pairs(11), "metadata", ""},
		{"metadata", pairs(10), "-", ""},
		{"metadata", m{"a": chars(1000)}, "metadata", ""},
		{"metadata", m{"a": chars(999)}, "-", ""},
		{"metadata", m{"a": 1, "b": true, "c": nil}, "-", ""},
		{"description", chars(256), "description", ""},
		{"description", chars(255), "-", ""},
		{"description", 5, "description", ""},
		{"livemode", true, "livemode", ""},
	} {
		name := c.field + "=" + string(rawjson.Encode(c.value))
		orderNo := "rule" + b.Dice.Draw(dice.Alnum, 12)
		a := b.API("POST", "/v1/charges", b.Order(orderNo, c.field, c.value))
		param, _ := a.Field("error.param").(string)
		code, _ := a.Field("error.code").(string)
		switch {
		case c.param == "-":
			if a.Status != 200 {
				t.Errorf("%s refused: %d %s", name, a.Status, a.Body)
			}
		case c.code != "":
			if a.Status != 402 || code != c.code || a.Field("error.type") != "channel_error" || param != "" {
				t.Errorf("%s: want the channel's refusal, got %d %s", name, a.Status, a.Body)
			}
		default:
			status := 400
			if c.field == "app" && c.value != nil && strings.Contains(name, "app_other") {
				status = 404
			}
			if a.Status != status || param != c.param || a.Field("error.type") != "invalid_request_error" || code != "" {
				t.Errorf("%s: want %d with param %s, got %d %s", name, status, c.param, a.Status, a.Body)
			}
		}
	}
}

func TestBodiesThatAreNoObject(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	for _, body := range []string{"", "null", "[]", `"x"`, "{", `{"a":}`, "{}{}", `{"order_no":"` + "\xff" + `"}`, "order_no=1&amount=2",
		"{" + strings.Repeat(`"a`, 3) + "}", strings.Repeat("[", 20000)} {
		a := b.API("POST", "/v1/charges", body)
		if a.Status != 400 || !strings.Contains(string(a.Body), "不是一个合法的 json") {
			t.Errorf("%.40q: %d %s", body, a.Status, a.Body)
		}
	}
}

func TestErrorLanguage(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	for accept, want := range map[string]string{
		"": "未找到 charge : ch_x。", "zh-CN": "未找到", "en": "No such charge: ch_x", "en-US,en;q=0.9": "No such", "fr": "未找到",
		"zh;q=0.3, en;q=0.8": "No such", "en;q=0.5,zh-CN;q=0.9": "未找到", "*": "未找到", ";;,q=": "未找到",
	} {
		a := b.API("GET", "/v1/charges/ch_x", "", "Accept-Language", accept)
		if message, _ := a.Field("error.message").(string); a.Status != 404 || !strings.HasPrefix(message, want) || a.Field("error.param") != "id" {
			t.Errorf("%q: %s", accept, a.Body)
		}
	}
	a := b.API("POST", "/v1/charges", b.Order("x"), "Accept-Language", "en")
	if want := "The request for channel was unsuccessful. Error message from channel wx_lite: invalid out_trade_no"; a.Field("error.message") != want {
		t.Errorf("%s", a.Body)
	}
}

// FuzzCreateCharge looks for bodies that make the handler panic, answer anything but JSON, or keep a
// charge that breaks the rules.
func FuzzCreateCharge(f *testing.F) {
	s, err := sandbox.New(sandbox.Config{App: "app_1", SigningKey: sandboxtest.Key(), Now: func() time.Time { return time.Unix(1_800_000_000, 0) }})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.Close)
	good := `{"order_no":"A1","app":{"id":"app_1"},"channel":"wx_lite","amount":1,"currency":"cny","client_ip":"::1","subject":"s","body":"b","extra":{"open_id":"o"},"metadata":{"a":1e999,"a":"b"},"time_expire":1800000060,"description":null}`
	for _, seed := range []string{good, good[:50], `{"extra":[]}`, `[]`, "{}", "\x00", strings.Replace(good, "1,", "9223372036854775808,", 1)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest("POST", "/v1/charges", strings.NewReader(body))
		r.SetBasicAuth(s.TestKey(), "")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		var c struct {
			ID      string `json:"id"`
			Amount  int64  `json:"amount"`
			OrderNo string `json:"order_no"`
		}
		if w.Code == http.StatusOK && (json.Unmarshal(w.Body.Bytes(), &c) != nil || len(c.ID) != 27 || c.Amount < 1 || len(c.OrderNo) < 2) {
			t.Fatalf("%s made %s", body, w.Body)
		}
	})
}

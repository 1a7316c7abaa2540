package test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

func attackOrderNo(t *testing.T, s *attacked) {
	_, session := s.enter("")
	asks := s.asks()
	s.nothing(t, func() {
		for _, no := range []string{"", "../../admin", ".", "..", "%2e%2e", "./1001", "1001/2", `1001\2`, "1001%2f2", "1001%255c2", "%2e%2e%2fadmin", "1001 1", "1001\n", "1001\r\nX-Pay-Token: x", "10\x0001", "1001\u2028", "订单1001",
			"１００１", strings.Repeat("9", 65), strings.Repeat("9", 10000)} {
			refuses(t, fmt.Sprintf("%.40q", no), s.call("POST", "/pay/charges", order(no, "wx_lite"), "X-Pay-Session", session), 400, "order_invalid")
		}
		for _, no := range []any{1001, []string{"1001"}, map[string]string{"a": "b"}, true} {
			a := s.call("POST", "/pay/charges", map[string]any{"order_no": no, "channel": "wx_lite"}, "X-Pay-Session", session)
			refuses(t, fmt.Sprint(no), a, 400, "json_invalid")
		}
		for _, path := range []string{"/pay/orders/..%2f..%2fadmin", "/pay/orders/%00", "/pay/orders/1001%0d%0a", "/pay/refunds/..%2fx", "/pay/refunds/%00", "/pay/charges/..%2fx/reverse"} {
			method := map[bool]string{true: "POST", false: "GET"}[strings.HasSuffix(path, "reverse")]
			if a := s.merchant(method, path, nil); a.StatusCode < 400 || a.StatusCode > 404 || a.code() == "" {
				t.Errorf("%s: %s", path, a)
			}
		}
		for _, no := range []string{"../x", "a/b", "a\n", "a\x00", "订单"} {
			refuses(t, fmt.Sprintf("a refund numbered %q", no), s.merchant("POST", "/pay/refunds", refund("ORDER1", no, 1)), 400, "refund_invalid")
		}
	})
	if n := s.asks() - asks; n != 0 {
		t.Errorf("the backend was asked for %d prices", n)
	}
	// A shop may call its orders so. They mean nothing but themselves: the backend is asked for just this number, and it says nothing to Ping++.
	for _, no := range []string{"1001?x=1", "1001#x", "1001;x", "{order_no}", "{env.PINGPP_KEY}", "1001'--", "1001%"} {
		a := s.call("POST", "/pay/charges", order(no, "wx_lite"), "X-Pay-Session", session)
		var c struct {
			OrderNo  string `json:"order_no"`
			Metadata map[string]string
		}
		if a.into(t, &c); a.StatusCode != 201 || a.Header.Get("X-Pay-Order-No") != no || c.Metadata["pay_order_no"] != no || !alphanumeric.MatchString(c.OrderNo) {
			t.Errorf("%q: %s", no, a)
		}
	}
}

var alphanumeric = regexp.MustCompile(`^[A-Za-z0-9]{2,32}$`)

func attackJSON(t *testing.T, s *attacked) {
	_, session := s.enter("")
	asks := s.asks()
	s.nothing(t, func() {
		for _, tt := range []struct{ body, code string }{
			{`{"order_no":"JSON1","order_no":"JSON2","channel":"wx_lite"}`, "json_invalid"},
			{`{"order_no":"JSON1","channel":"wx_lite","order\u005fno":"JSON2"}`, "json_invalid"},
			{`{"order_no":"JSON1","channel":"isv_qr","extra":{"pay_channel":"wx","pay_channel":"bfb"}}`, "json_invalid"},
			{`{"order_no":"JSON1","Order_No":"JSON2","channel":"wx_lite"}`, "field_forbidden"},
			{`{"order_no":"JSON1","channel":"wx_lite"}{"order_no":"JSON2","channel":"wx_lite"}`, "json_invalid"},
			{`[{"order_no":"JSON1","channel":"wx_lite"}]`, "json_invalid"},
			{`{"order_no":1e999,"channel":"wx_lite"}`, "json_invalid"},
			{`{"order_no":` + strings.Repeat("9", 5000) + `,"channel":"wx_lite"}`, "json_invalid"},
			{`{"order_no":"JSON1","channel":"wx_lite","x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, "json_invalid"},
			{`{"order_no":"JSON1","channel":"alipay_pc_direct","extra":{"qrcode_width":1e99}}`, "field_forbidden"},
			{`{"order_no":"JSON1","channel":"alipay_pc_direct","extra":{"qrcode_width":99999999999999999999999}}`, "field_forbidden"},
			{`{"order_no":"JSON1","channel":"qpay","extra":{"device":{"$ne":"ios"}}}`, "field_forbidden"},
			{"{\"order_no\":\"JSON\xff\",\"channel\":\"wx_lite\"}", "order_invalid"},
			{``, "json_invalid"},
		} {
			if a := s.call("POST", "/pay/charges", []byte(tt.body), "X-Pay-Session", session); a.StatusCode != 400 || a.code() != tt.code {
				t.Errorf("%.80s: %s\nwant 400 %s", tt.body, a, tt.code)
			}
		}
	}, "JSON1", "JSON2")
	if n := s.asks() - asks; n != 0 {
		t.Errorf("the backend was asked for %d prices", n)
	}
}

// Whoever can write into the backend's JSON, by a product's name, say, does not make a price of it.
func attackQuote(t *testing.T, s *attacked) {
	_, session := s.enter("")
	s.nothing(t, func() {
		for amount, code := range map[string]string{
			`100,"amount":1`: "quote_invalid", `100,"metadata":{"a":"1","a":"2"}`: "quote_invalid", `1e2`: "amount_invalid", `100.0`: "amount_invalid", `"100"`: "amount_invalid",
			`99999999999999999999999999`: "amount_invalid", `18446744073709551716`: "amount_invalid", `2000001`: "amount_invalid", `-0`: "amount_invalid", `-100`: "amount_invalid",
			`100}{"amount":1`: "quote_invalid", `0100`: "quote_invalid", `1e999999`: "amount_invalid",
		} {
			s.quotes("QUOTE1", `{"order_no":"QUOTE1","currency":"cny","subject":"Tea","amount":%s}`, amount)
			refuses(t, amount, s.charge(session, "QUOTE1"), 502, code)
		}
	}, "QUOTE1")
}

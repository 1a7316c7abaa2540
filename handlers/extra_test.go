package handlers

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/caddypay/caddypay/pingpp/channel"
)

// sentCharge is what Ping++ got last.
func (w *world) sentCharge() (params struct {
	OrderNo  string `json:"order_no"`
	Channel  string
	Amount   int64
	Currency string
	Subject  string
	Extra    map[string]any
	Metadata map[string]string
}) {
	w.t.Helper()
	sent := w.outside.exchanges("/v1/charges")
	if len(sent) == 0 {
		w.t.Fatal("Ping++ was not asked")
	}
	if err := json.Unmarshal(sent[len(sent)-1].sent, &params); err != nil {
		w.t.Fatal(err)
	}
	return params
}

// The quote's members of extra go before the configuration's, and those before the client's.
func TestWhereExtraComesFrom(t *testing.T) {
	w := newWorld(t)
	w.set(func(c *Config) {
		c.ReturnURLs = map[string]string{
			"success_url": "https://shop.example.com/paid/{order_no}", "cancel_url": "https://shop.example.com/cart", "result_url": "https://shop.example.com/r",
		}
	})
	session := w.session(payer)
	for i, c := range []struct {
		channel, quote, client string
		want                   map[string]any
	}{
		{"alipay_wap", `null`, `{}`, map[string]any{"success_url": "https://shop.example.com/paid/$NO", "cancel_url": "https://shop.example.com/cart"}},
		{"alipay_wap", `{"success_url":"https://pay.example.com/x","new_version":true,"app_pay":false}`, `{"app_pay":true}`,
			map[string]any{"success_url": "https://pay.example.com/x", "cancel_url": "https://shop.example.com/cart", "new_version": true, "app_pay": false}},
		{"alipay_wap", `{"app_pay":null}`, `{"app_pay":true}`, map[string]any{"success_url": "https://shop.example.com/paid/$NO", "cancel_url": "https://shop.example.com/cart", "app_pay": true}},
		{"wx_wap", `{}`, `null`, map[string]any{"result_url": "https://shop.example.com/r"}},
		{"wx_pub_qr", `[]`, `{}`, map[string]any{"product_id": "$NO"}},
		{"wx_pub_qr", `{"product_id":"P1"}`, `{}`, map[string]any{"product_id": "P1"}},
		{"qpay", `null`, `{"device":"ios"}`, map[string]any{"device": "ios"}},
		{"qpay", `{"device":"android","open_id":"` + stranger + `"}`, `{"device":"ios"}`, map[string]any{"device": "android"}},
		{"wx_lite", `{"open_id":"` + stranger + `"}`, `{}`, map[string]any{"open_id": payer}},
		{"upacp", `null`, `null`, nil},
	} {
		t.Run(fmt.Sprint(c.channel, i), func(t *testing.T) {
			w.setQuote(w.answerQuote(map[string]any{"extra": json.RawMessage(c.quote)}))
			no := fmt.Sprint("1000000", i)
			// The sandbox need not know the channel: what it is asked is what counts.
			w.do("POST", "/pay/charges", fmt.Sprintf(`{"order_no":%q,"channel":%q,"extra":%s}`, no, c.channel, c.client), "X-Pay-Session", session)
			sent := w.sentCharge()
			for name, v := range c.want {
				if v == "https://shop.example.com/paid/$NO" {
					c.want[name] = "https://shop.example.com/paid/" + no
				}
				if v == "$NO" {
					c.want[name] = no
				}
			}
			if sent.OrderNo != no || sent.Channel != c.channel || fmt.Sprint(sent.Extra) != fmt.Sprint(c.want) {
				t.Errorf("Ping++ got %+v, want extra %v", sent, c.want)
			}
		})
	}
}

// Nothing that is missing or forged reaches Ping++.
func TestExtraRefused(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	for i, c := range []struct {
		channel, quote, client string
		status                 int
		code, field            string
	}{
		{"alipay_wap", `null`, `{}`, 502, "channel_extra_missing", ""},
		{"alipay_wap", `{"success_url":""}`, `{}`, 502, "channel_extra_missing", ""},
		{"alipay_wap", `{"success_url":"http://shop.example.com/"}`, `{}`, 502, "quote_invalid", ""},
		{"alipay_wap", `{"success_url":"https://localhost/"}`, `{}`, 502, "quote_invalid", ""},
		{"alipay_wap", `null`, `{"success_url":"https://evil.example/"}`, 400, "field_forbidden", "extra.success_url"},
		{"alipay_wap", `null`, `{"app_pay":"yes"}`, 400, "field_forbidden", "extra.app_pay"},
		{"wx_wap", `null`, `{"result_url":"https://evil.example/"}`, 400, "field_forbidden", "extra.result_url"},
		{"qpay", `null`, `{}`, 502, "channel_extra_missing", ""},
		{"qpay", `null`, `{"device":"windows"}`, 400, "field_forbidden", "extra.device"},
		{"qpay", `null`, `{"device":null}`, 502, "channel_extra_missing", ""},
		{"qpay", `null`, `{"device":"ios","device":"android"}`, 400, "json_invalid", ""},
		{"balance", `null`, `{"user":"someone"}`, 400, "field_forbidden", "extra.user"},
		{"balance", `null`, `{}`, 502, "channel_extra_missing", ""},
		{"isv_qr", `{"terminal_id":"123456789"}`, `{"pay_channel":"wx"}`, 502, "quote_invalid", ""},
		{"cb_alipay", `{"split_fund_info":"x"}`, `{}`, 502, "amount_invalid", ""}, // the currency first
		{"wx_lite", `null`, `{"open_id":"` + stranger + `"}`, 400, "field_forbidden", "extra.open_id"},
		{"wx_lite", `null`, `{"openid":"` + stranger + `"}`, 400, "field_forbidden", "extra.openid"},
		{"wx_lite", `null`, `{"OPEN_ID":"` + stranger + `"}`, 400, "field_forbidden", "extra.OPEN_ID"},
		{"wx_lite", `null`, `{"open\u005fid":"` + stranger + `"}`, 400, "field_forbidden", "extra.open_id"},
		{"wx_lite", `null`, `{"goods_tag":"half-price"}`, 400, "field_forbidden", "extra.goods_tag"},
		{"alipay_qr", `null`, `{"hb_fq_seller_percent":100}`, 400, "field_forbidden", "extra.hb_fq_seller_percent"},
		{"wx_nowhere", `null`, `{"device":"ios"}`, 400, "field_forbidden", "extra.device"},
	} {
		t.Run(fmt.Sprint(c.channel, i), func(t *testing.T) {
			w.setQuote(w.answerQuote(map[string]any{"extra": json.RawMessage(c.quote), "currency": nil}))
			no := fmt.Sprint("1000000", i)
			a := w.do("POST", "/pay/charges", fmt.Sprintf(`{"order_no":%q,"channel":%q,"extra":%s}`, no, c.channel, c.client), "X-Pay-Session", session)
			wantProblem(t, a, c.status, c.code)
			if a.text("field") != c.field {
				t.Errorf("field %q, want %q", a.text("field"), c.field)
			}
			w.wantStates(no)
		})
	}
	if n := len(w.outside.exchanges("/v1/charges")); n != 0 {
		t.Errorf("Ping++ was asked %d times", n)
	}
}

// A channel that is known but not offered.
func TestChannelNotOffered(t *testing.T) {
	w := newWorld(t)
	w.set(func(c *Config) { c.Channels = []string{"wx_lite", "alipay_qr"} })
	session := w.session(payer)
	for _, name := range channel.Names() {
		if name == "wx_lite" || name == "alipay_qr" {
			continue
		}
		wantProblem(t, w.do("POST", "/pay/charges", fmt.Sprintf(`{"order_no":"10000001","channel":%q}`, name), "X-Pay-Session", session), 400, "channel_unsupported")
	}
	if len(w.backend.exchanges("/")) != 0 {
		t.Error("the backend was asked")
	}
}

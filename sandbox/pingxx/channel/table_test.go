package channel_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/pingxx/channel"
	"github.com/caddypay/caddypay/sandbox/rawjson"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
)

// Every channel's charge is created, has the credential of its channel in both modes, is paid, and sends its event.
func TestEveryChannel(t *testing.T) {
	shapes := map[string]string{ // members of the credential's object, or what its string looks like in test and live mode
		"wx_lite": "appId timeStamp nonceStr package signType paySign", "wx_pub": "appId timeStamp nonceStr package signType paySign",
		"wx":          "appId partnerId prepayId nonceStr timeStamp packageValue sign",
		"wx_lite_pab": "appId timeStamp nonceStr package signType paySign", "wx_pub_pab": "appId timeStamp nonceStr package signType paySign",
		"yeepay_wx_lite": "appId timeStamp nonceStr package signType paySign", "yeepay_wx_pub": "appId timeStamp nonceStr package signType paySign",
		"isv_lite":        "appId timeStamp nonceStr package signType paySign",
		"chinaums_wx_pub": "~", "chinaums_wx_wap": "~", "chinaums_alipay_pub": "~", "chinaums_alipay_wap": "~", "chinaums_upacp_wap": "~",
		"qpay_pub": "token_id",
		"alipay":   "orderInfo",
		"upacp":    "tn mode",
		"qpay":     "orderInfo",
		"isv_wap":  "~", "isv_qr": "~", "wx_pub_qr": "~", "wx_wap": "~", "alipay_qr": "~", "ccb_qr": "~", "upacp_qr": "~", "paypal": "~", "cb_wx_pub_qr": "~",
		"alipay_wap":       "app_id method format charset sign_type timestamp version biz_content notify_url return_url sign channel_url",
		"alipay_pc_direct": "app_id method format charset sign_type timestamp version biz_content notify_url return_url sign channel_url",
		"applepay_upacp":   "tn mode merchant_id",
		"wx_pub_scan":      "none", "alipay_scan": "none", "upacp_scan": "none", "isv_scan": "none", "cb_wx_pub_scan": "none", "balance": "none",
	}
	b := sandboxtest.Start(t, sandbox.Config{})
	for name := range channel.Names() {
		t.Run(name, func(t *testing.T) {
			for _, live := range []bool{false, true} {
				key := b.TestKey()
				if live {
					key = b.LiveKey()
				}
				orderNo := "N" + b.Dice.Draw(dice.Digits, 12)
				a := b.Do(b.Request("POST", "/v1/charges", b.Order(orderNo, "channel", name, "extra", sandboxtest.ExtraOf(name)), "Authorization", "Bearer "+key))
				if a.Status != 200 {
					t.Fatalf("%d %s", a.Status, a.Body)
				}
				checkShape(t, b, name, shapes[name], a, live)
				if err := b.Pay(a.ID()); err != nil {
					t.Fatal(err)
				}
				paid := b.Do(b.Request("GET", "/v1/charges/"+a.ID(), "", "Authorization", "Bearer "+key))
				if paid.Field("paid") != true || paid.Field("transaction_no") == nil || len(paid.Field("credential").(map[string]any)) != 0 {
					t.Errorf("%s", paid.Body)
				}
				if e := b.State(1).Events[0]; e.Type != "charge.succeeded" || e.Charge != a.ID() {
					t.Errorf("%+v", e)
				}
			}
		})
	}
}

func checkShape(t *testing.T, b *sandboxtest.Bench, name, shape string, a sandboxtest.Answer, live bool) {
	t.Helper()
	credential := a.Field("credential").(map[string]any)
	if credential["object"] != "credential" {
		t.Errorf("%s", a.Body)
	}
	var whole struct {
		Credential map[string]json.RawMessage
	}
	if err := json.Unmarshal(a.Body, &whole); err != nil {
		t.Fatal(err)
	}
	switch raw := whole.Credential[name]; {
	case shape == "none":
		if raw != nil {
			t.Errorf("%s", raw)
		}
	case shape == "~":
		v, _ := rawjson.Text(raw)
		mock := b.Server.URL + "/mock.php?ch_id=" + a.ID() + "&channel=" + name
		if !live && v != mock || live && !regexp.MustCompile(`^(weixin|https)://[a-z]`).MatchString(v) {
			t.Errorf("%s", raw)
		}
	case shape != "":
		o, err := rawjson.Parse(raw)
		if err != nil {
			t.Fatalf("%s", raw)
		}
		var members []string
		for _, m := range o {
			members = append(members, m.Key)
		}
		if !slices.Equal(members, strings.Fields(shape)) {
			t.Errorf("%q, want %q", members, shape)
		}
	case len(raw) < 3:
		t.Errorf("no credential: %s", a.Body)
	}
}

// What each channel demands beyond Ping++'s own rules.
func TestChannelRules(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	with := func(channel string, changes ...any) map[string]any {
		extra := map[string]any{}
		for k, v := range sandboxtest.ExtraOf(channel) {
			extra[k] = v
		}
		for i := 0; i < len(changes); i += 2 {
			if extra[changes[i].(string)] = changes[i+1]; changes[i+1] == nil {
				delete(extra, changes[i].(string))
			}
		}
		return extra
	}
	for _, c := range []struct {
		channel, field string
		value          any
		param          string // "-": accepted; "": the channel refuses
	}{
		{"wx_pub_qr", "extra", with("wx_pub_qr", "product_id", nil), "extra[product_id]"},
		{"wx_pub_qr", "extra", with("wx_pub_qr", "product_id", strings.Repeat("1", 33)), "extra[product_id]"},
		{"wx_pub_qr", "extra", with("wx_pub_qr", "open_id", "oUser"), "extra[open_id]"},
		{"wx_pub", "extra", with("wx_pub", "open_id", "no openid"), ""},
		{"wx_pub", "order_no", "a", ""},
		{"wx_wap", "extra", map[string]any{}, "-"},
		{"wx_wap", "subject", "茶🍵", ""},
		{"alipay_qr", "subject", "茶🍵", "-"},
		{"alipay_qr", "order_no", strings.Repeat("a", 64), "-"},
		{"alipay_qr", "order_no", "a_b", ""},
		{"alipay_wap", "extra", with("alipay_wap", "success_url", nil), "extra[success_url]"},
		{"alipay_wap", "extra", with("alipay_wap", "success_url", "https://localhost/paid"), "extra[success_url]"},
		{"alipay_wap", "extra", with("alipay_wap", "success_url", "javascript:alert(1)"), "extra[success_url]"},
		{"alipay_wap", "extra", with("alipay_wap", "app_pay", "true"), "extra[app_pay]"},
		{"alipay_wap", "time_expire", b.Clock.Now().Unix() + 15*86400, "-"},
		{"upacp_pc", "time_expire", b.Clock.Now().Unix() + 3601, "time_expire"},
		{"upacp_pc", "subject", "十一个汉字就超过了三十二", "subject"},
		{"upacp_pc", "order_no", "1234567", ""},
		{"upacp_qr", "time_expire", b.Clock.Now().Unix() + 30*86400, "-"},
		{"yeepay_wap", "body", strings.Repeat("茶", 101), "body"},
		{"yeepay_wap", "extra", with("yeepay_wap", "terminal_type", "3"), "extra[terminal_type]"},
		{"isv_qr", "extra", with("isv_qr", "pay_channel", "paypal"), "extra[pay_channel]"},
		{"isv_qr", "extra", with("isv_qr", "terminal_id", "123456789"), "extra[terminal_id]"},
		{"cmb_wallet", "extra", with("cmb_wallet", "mobile", "+8613800000000"), "extra[mobile]"},
		{"cb_wx", "extra", map[string]any{"goods_list": []any{}}, "extra[goods_list]"},
		{"cb_wx", "currency", "usd", "-"},
		{"wx_pub", "currency", "usd", "currency"},
		{"jdpay_wap", "extra", with("jdpay_wap", "order_type", "2"), "extra[order_type]"},
	} {
		changes := []any{"channel", c.channel, "extra", sandboxtest.ExtraOf(c.channel), c.field, c.value}
		a := b.API("POST", "/v1/charges", b.Order("N"+b.Dice.Draw(dice.Digits, 12), changes...))
		param, _ := a.Field("error.param").(string)
		ok := a.Status == 400 && param == c.param
		switch c.param {
		case "-":
			ok = a.Status == 200
		case "":
			ok = a.Status == 402 && a.Field("error.type") == "channel_error"
		}
		if !ok {
			t.Errorf("%s %s=%v: %d %s", c.channel, c.field, c.value, a.Status, a.Body)
		}
	}
}

// Channels of one family share their order numbers; others do not know of them.
func TestFamiliesShareOrderNumbers(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	b.Create("F1000001", "channel", "wx_pub", "extra", sandboxtest.ExtraOf("wx_pub"))
	if a := b.API("POST", "/v1/charges", b.Order("F1000001", "channel", "wx_pub_qr", "extra", sandboxtest.ExtraOf("wx_pub_qr"))); a.Status != 402 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	b.Create("F1000001", "channel", "alipay_qr", "extra", sandboxtest.ExtraOf("alipay_qr"))
}

// Ping++ names the channels that can be reversed.
func TestReversibleChannels(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	for channel, status := range map[string]int{"wx_pub_qr": 200, "alipay_qr": 200, "upacp_wap": 200, "alipay_wap": 400, "jdpay_wap": 400} {
		id := b.Create("R"+b.Dice.Draw(dice.Digits, 12), "channel", channel, "extra", sandboxtest.ExtraOf(channel)).ID()
		b.Clock.Add(time.Minute)
		if a := b.API("POST", "/v1/charges/"+id+"/reverse", "{}"); a.Status != status {
			t.Errorf("%s: %d %s", channel, a.Status, a.Body)
		}
	}
}

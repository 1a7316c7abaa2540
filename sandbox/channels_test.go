package sandbox

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/rawjson"
)

// extras is what each channel's extra has to hold.
var extras = map[string]map[string]any{
	"wx_lite":          {"open_id": "oUser"},
	"wx_pub":           {"open_id": "oUser", "limit_pay": "no_credit"},
	"wx_pub_qr":        {"product_id": "tea"},
	"wx_pub_scan":      {"scan_code": "134567890123456789"},
	"wx_wap":           {"result_url": "https://shop.example.com/paid"},
	"alipay":           {"rn_check": "T"},
	"alipay_wap":       {"success_url": "https://shop.example.com/paid", "app_pay": true},
	"alipay_pc_direct": {"success_url": "https://shop.example.com/paid"},
	"alipay_scan":      {"scan_code": "281234567890123456", "terminal_id": "T1"},
	"upacp_wap":        {"result_url": "https://shop.example.com/paid"},
	"upacp_pc":         {"result_url": "https://shop.example.com/paid"},
	"upacp_scan":       {"scan_code": "621234567890123456"},
	"isv_scan":         {"terminal_id": "T1", "scan_code": "134567890123456789"},
	"isv_qr":           {"terminal_id": "T1", "pay_channel": "wx"},
	"isv_wap":          {"terminal_id": "T1", "pay_channel": "alipay", "result_url": "https://shop.example.com/paid"},
	"isv_lite":         {"open_id": "oUser"},
	"wx_lite_pab":      {"open_id": "oUser"},
	"wx_pub_pab":       {"open_id": "oUser"},
	"yeepay_wx_lite":   {"open_id": "oUser"},
	"yeepay_wx_pub":    {"open_id": "oUser"},
	"bfb_wap":          {"result_url": "https://shop.example.com/paid", "bfb_login": false},
	"jdpay_wap":        {"success_url": "https://shop.example.com/paid", "fail_url": "https://shop.example.com/failed"},
	"yeepay_wap": {"product_category": "1", "identity_id": "u1", "identity_type": 2, "terminal_type": 3, "terminal_id": "t", "user_ua": "ua",
		"result_url": "https://shop.example.com/paid"},
	"qpay":           {"device": "ios"},
	"cmb_wallet":     {"result_url": "https://shop.example.com/paid", "p_no": "1", "seq": "2", "m_uid": "3", "mobile": "13800000000"},
	"cb_wx":          {"goods_list": []any{map[string]any{"goods_name": "tea", "goods_num": 1}}},
	"cb_wx_pub":      {"open_id": "oUser", "goods_list": []any{map[string]any{"goods_name": "tea"}}},
	"cb_wx_pub_qr":   {"product_id": "tea", "goods_list": []any{map[string]any{"goods_name": "tea"}}},
	"cb_wx_pub_scan": {"scan_code": "134567890123456789", "goods_list": []any{map[string]any{"goods_name": "tea"}}},
	"balance":        {"user": "u1"},
	"fqlpay_wap":     {"c_merch_id": "m"},
	"qgbc_wap":       {"phone": "13800000000"},
	"mmdpay_wap":     {"phone": "13800000000", "id_no": "1", "name": "n"},
}

func extraOf(channel string) map[string]any {
	if extra := extras[channel]; extra != nil {
		return extra
	}
	return map[string]any{}
}

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
	b := start(t, Config{})
	for name := range channels {
		t.Run(name, func(t *testing.T) {
			for _, live := range []bool{false, true} {
				key := b.TestKey()
				if live {
					key = b.LiveKey()
				}
				orderNo := "N" + b.dice.Draw(dice.Digits, 12)
				a := b.do(b.request("POST", "/v1/charges", b.order(orderNo, "channel", name, "extra", extraOf(name)), "Authorization", "Bearer "+key))
				if a.status != 200 {
					t.Fatalf("%d %s", a.status, a.body)
				}
				checkShape(t, b, name, shapes[name], a, live)
				if err := b.Pay(a.id()); err != nil {
					t.Fatal(err)
				}
				paid := b.do(b.request("GET", "/v1/charges/"+a.id(), "", "Authorization", "Bearer "+key))
				if paid.field("paid") != true || paid.field("transaction_no") == nil || len(paid.field("credential").(map[string]any)) != 0 {
					t.Errorf("%s", paid.body)
				}
				if e := b.State(1).Events[0]; e.Type != "charge.succeeded" || e.Charge != a.id() {
					t.Errorf("%+v", e)
				}
			}
		})
	}
}

func checkShape(t *testing.T, b *bench, name, shape string, a answer, live bool) {
	t.Helper()
	credential := a.field("credential").(map[string]any)
	if credential["object"] != "credential" {
		t.Errorf("%s", a.body)
	}
	var whole struct {
		Credential map[string]json.RawMessage
	}
	if err := json.Unmarshal(a.body, &whole); err != nil {
		t.Fatal(err)
	}
	switch raw := whole.Credential[name]; {
	case shape == "none":
		if raw != nil {
			t.Errorf("%s", raw)
		}
	case shape == "~":
		v, _ := rawjson.Text(raw)
		mock := b.server.URL + "/mock.php?ch_id=" + a.id() + "&channel=" + name
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
		t.Errorf("no credential: %s", a.body)
	}
}

// What each channel demands beyond Ping++'s own rules.
func TestChannelRules(t *testing.T) {
	b := start(t, Config{})
	with := func(channel string, changes ...any) map[string]any {
		extra := map[string]any{}
		for k, v := range extras[channel] {
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
		{"alipay_wap", "time_expire", b.clock.Now().Unix() + 15*86400, "-"},
		{"upacp_pc", "time_expire", b.clock.Now().Unix() + 3601, "time_expire"},
		{"upacp_pc", "subject", "十一个汉字就超过了三十二", "subject"},
		{"upacp_pc", "order_no", "1234567", ""},
		{"upacp_qr", "time_expire", b.clock.Now().Unix() + 30*86400, "-"},
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
		changes := []any{"channel", c.channel, "extra", extraOf(c.channel), c.field, c.value}
		a := b.api("POST", "/v1/charges", b.order("N"+b.dice.Draw(dice.Digits, 12), changes...))
		param, _ := a.field("error.param").(string)
		ok := a.status == 400 && param == c.param
		switch c.param {
		case "-":
			ok = a.status == 200
		case "":
			ok = a.status == 402 && a.field("error.type") == "channel_error"
		}
		if !ok {
			t.Errorf("%s %s=%v: %d %s", c.channel, c.field, c.value, a.status, a.body)
		}
	}
}

// Channels of one family share their order numbers; others do not know of them.
func TestFamiliesShareOrderNumbers(t *testing.T) {
	b := start(t, Config{})
	b.create("F1000001", "channel", "wx_pub", "extra", extraOf("wx_pub"))
	if a := b.api("POST", "/v1/charges", b.order("F1000001", "channel", "wx_pub_qr", "extra", extraOf("wx_pub_qr"))); a.status != 402 {
		t.Errorf("%d %s", a.status, a.body)
	}
	b.create("F1000001", "channel", "alipay_qr", "extra", extraOf("alipay_qr"))
}

// Ping++ names the channels that can be reversed.
func TestReversibleChannels(t *testing.T) {
	b := start(t, Config{})
	for channel, status := range map[string]int{"wx_pub_qr": 200, "alipay_qr": 200, "upacp_wap": 200, "alipay_wap": 400, "jdpay_wap": 400} {
		id := b.create("R"+b.dice.Draw(dice.Digits, 12), "channel", channel, "extra", extraOf(channel)).id()
		b.clock.Add(time.Minute)
		if a := b.api("POST", "/v1/charges/"+id+"/reverse", "{}"); a.status != status {
			t.Errorf("%s: %d %s", channel, a.status, a.body)
		}
	}
}

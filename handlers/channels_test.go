package handlers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/session"
)

// rules is Ping++'s documentation in short: order number, texts, time_expire, currency, login, and the members of extra;
// those with ! are required.
const rules = `
wx_lite          2-32  32/128  168h/2h  cny wx_lite open_id! limit_pay goods_tag
wx_pub           2-32  32/128  168h/2h  cny wx_pub  open_id! limit_pay goods_tag
wx_pub_qr        2-32  32/128  168h/2h  cny -       product_id! limit_pay goods_tag
wx_pub_scan      1-32  32/128  168h/2h  cny -       scan_code! terminal_id limit_pay goods_tag
wx               2-32  32/128  168h/2h  cny -       limit_pay goods_tag
wx_wap           2-32  32/128  168h/2h  cny -       result_url goods_tag
alipay           1-64  32/128  360h/24h cny -       extern_token rn_check
alipay_wap       1-64  32/128  360h/24h cny -       success_url! cancel_url new_version app_pay
alipay_pc_direct 1-64  32/128  360h/24h cny -       success_url! enable_anti_phishing_key exter_invoke_ip qr_pay_mode qrcode_width
alipay_qr        1-64  32/128  360h/24h cny -       hb_fq_num hb_fq_seller_percent sys_service_provider_id
alipay_scan      1-64  32/128  360h/24h cny -       scan_code! terminal_id! goods_list operator_id store_id sys_service_provider_id
upacp            8-40  32b/128 1h/1h    cny -
upacp_wap        8-40  32b/128 1h/1h    cny -       result_url!
upacp_pc         8-40  32b/128 1h/1h    cny -       result_url!
applepay_upacp   8-40  32b/128 1h/1h    cny -
cp_b2b           8-40  32b/128 1h/1h    cny -
bfb              1-20  32/128  360h/24h cny -
bfb_wap          1-20  32/128  360h/24h cny -       result_url! bfb_login!
jdpay_wap        1-30  32/128  360h/24h cny -       success_url! fail_url! token order_type is_mobile user_type user_id
yeepay_wap       1-50  32/100  360h/24h cny -       result_url! product_category! identity_id! identity_type! terminal_type! terminal_id! user_ua!
qpay             1-30  32/128  360h/24h cny -       device!
cmb_wallet       6-32  32/128  360h/24h cny -       result_url! p_no! seq! m_uid! mobile!
isv_scan         8-32  32/128  360h/24h cny -       scan_code! terminal_id! goods_list
isv_qr           8-32  32/128  360h/24h cny -       pay_channel! terminal_id! goods_list
isv_wap          8-32  32/128  360h/24h cny -       result_url! pay_channel! terminal_id! goods_list
cb_alipay        1-64  32/128  360h/24h any -       payment_type split_fund_info
cb_wx            1-32  32/128  168h/2h  any -       goods_list! limit_pay
cb_wx_pub        1-32  32/128  168h/2h  any wx_pub  open_id! goods_list! limit_pay
cb_wx_pub_qr     1-32  32/128  168h/2h  any -       product_id! goods_list! limit_pay
cb_wx_pub_scan   1-32  32/128  168h/2h  any -       scan_code! goods_list! terminal_id limit_pay
balance          8-20  32/128  360h/24h cny -       user!
fqlpay_wap       8-20  32/128  360h/24h cny -       c_merch_id! return_url
qgbc_wap         8-20  32/128  360h/24h cny -       phone! return_url term activate_url has_header
mmdpay_wap       8-20  32/128  360h/24h cny -       phone! id_no! name!
alipay_lite      1-64  32/128  360h/24h cny -       buyer_user_id
isv_lite         8-32  32/128  360h/24h cny,hkd wx_lite open_id! terminal_id pay_channel
upacp_b2b        8-40  32b/128 24h/24h  cny -       result_url
paypal           1-32  32/128  360h/24h any -
ccb_qr           1-30  32/128  360h/24h cny -
qpay_pub         1-30  32/128  360h/24h cny -
wx_lite_pab      2-32  32/128  168h/2h  cny wx_lite open_id!
wx_pub_pab       2-32  32/128  168h/2h  cny wx_pub  open_id!
yeepay_wx_lite   2-32  32/128  168h/2h  cny wx_lite open_id!
yeepay_wx_pub    2-32  32/128  168h/2h  cny wx_pub  open_id!
chinaums_wx_pub     8-32 32/128 360h/24h cny -
chinaums_wx_wap     8-32 32/128 360h/24h cny -
chinaums_alipay_pub 8-32 32/128 360h/24h cny -
chinaums_alipay_wap 8-32 32/128 360h/24h cny -
chinaums_upacp_wap  8-32 32/128 360h/24h cny -
`

func TestChannelRules(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(rules), "\n")
	if len(lines) != len(channels) {
		t.Errorf("%d channels in the documentation, %d in the table", len(lines), len(channels))
	}
	for _, line := range lines {
		f := strings.Fields(line)
		t.Run(f[0], func(t *testing.T) {
			c, ok := channels[f[0]]
			if !ok {
				t.Fatal("not in the table")
			}
			unit, currency, payer := "", strings.Join(c.currencies(), ","), c.payer
			if c.subject.bytes {
				unit = "b"
			}
			if currency == "" {
				currency = "any"
			}
			if payer == "" {
				payer = "-"
			}
			got := []string{f[0], fmt.Sprintf("%d-%d", c.numberMin, c.numberMax), fmt.Sprintf("%d%s/%d", c.subject.most, unit, c.body.most),
				fmt.Sprintf("%.0fh/%.0fh", c.expireMax.Hours(), c.expireDefault.Hours()), currency, payer}
			for _, k := range c.extra {
				got = append(got, k.name+map[bool]string{true: "!"}[k.required])
			}
			if !slices.Equal(got, f) {
				t.Errorf("the table says\n%v, the documentation\n%v", got, f)
			}
			if c.en == "" || c.zh == "" || c.expireMin != time.Minute {
				t.Errorf("%+v", c)
			}
			if weChat := strings.Contains(f[0], "wx") || strings.HasPrefix(f[0], "isv_") || strings.HasPrefix(f[0], "chinaums_"); c.noEmoji != weChat {
				t.Errorf("emoji refused: %v", c.noEmoji)
			}
		})
	}
}

// What every channel makes of order numbers and quotes at the edges of its rules.
func TestEveryChannelAtItsEdges(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	for name, c := range channels {
		t.Run(name, func(t *testing.T) {
			for n := range 70 {
				no := strings.Repeat("9", n)
				if got, want := c.accepts(no), n >= c.numberMin && n <= c.numberMax; got != want {
					t.Errorf("an order number of %d digits: %v", n, got)
				}
				if !c.accepts(no) {
					continue
				}
				next := c.number(no, bytes.NewReader(make([]byte, 100)))
				if first, second := next(0, 0), next(1, 0); first != no || second == no || !c.accepts(second) {
					t.Errorf("the numbers of order %s are %s and %s", no, first, second)
				}
			}
			for _, bad := range []string{"../../admin", "1001/2/3", "1001?x=1", "1001%2f9", "10010001\n", "1001000\x00", "订单订单订单订单", "1001 0001", "1001-0001", "1001_0001", "1001000１"} {
				if c.accepts(bad) {
					t.Errorf("order number %q is taken", bad)
				}
			}
			quoted := func(subject string, expire time.Time) (*quote, error) {
				q := &quote{OrderNo: "10010001", Amount: 1, Subject: subject, TimeExpire: expire, Currency: map[bool]string{true: "usd"}[c.currency == ""]}
				return q, q.check("10010001", session.Identity{}, c, 0, now)
			}
			q, err := quoted(strings.Repeat("长", 300), time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			characters, size := utf8.RuneCountInString(q.Subject), len(q.Subject)
			if c.subject.bytes && (size > 32 || size < 30) || !c.subject.bytes && characters != 32 || !utf8.ValidString(q.Subject) || utf8.RuneCountInString(q.Body) != c.body.most {
				t.Errorf("subject has %d characters and %d bytes, body %d characters", characters, size, utf8.RuneCountInString(q.Body))
			}
			if q, err := quoted("tea 🍵", time.Time{}); err != nil || q.Subject != map[bool]string{true: "tea", false: "tea 🍵"}[c.noEmoji] {
				t.Errorf("emoji: %+v, %v", q, err)
			}
			if _, err := quoted("tea", now.Add(c.expireMin-time.Second)); err == nil || err.(*problem.Problem).Code != "order_closed" {
				t.Errorf("expiring too soon: %v", err)
			}
			if q, err := quoted("tea", now.Add(c.expireMin)); err != nil || !q.TimeExpire.Equal(now.Add(c.expireMin)) {
				t.Errorf("expiring at the earliest: %v %v", q, err)
			}
			if q, err := quoted("tea", now.Add(1000*day)); err != nil || !q.TimeExpire.Equal(now.Add(c.expireMax-clockDoubt)) {
				t.Errorf("expiring too late: %v %v", q, err)
			}
			for _, currency := range []string{"", "USD", "us", "usd1", "人民币"} {
				if c.acceptsCurrency(currency) == nil {
					t.Errorf("currency %q is taken", currency)
				}
			}
			if usd := c.acceptsCurrency("usd") == nil; usd != (c.currency == "") {
				t.Errorf("usd: %v", usd)
			}
			if hkd := c.acceptsCurrency("hkd") == nil; hkd != (c.currency == "" || name == "isv_lite") {
				t.Errorf("hkd: %v", hkd)
			}
		})
	}
}

// Every order number that we make ourselves fits every channel.
func TestClientOrderNumbers(t *testing.T) {
	for _, prefix := range []string{"", "D", "DONATE"} {
		no := (&ClientAmount{Prefix: prefix}).orderNo(bytes.NewReader(make([]byte, 100)))
		for name, c := range channels {
			if !c.accepts(no) || !strings.HasPrefix(no, prefix) {
				t.Errorf("%s does not take %s", name, no)
			}
		}
	}
}

// sample is a value of each form that is right.
func sample(k extraKey) json.RawMessage {
	for _, s := range []string{`"no_credit"`, `"T"`, `true`, `"https://shop.example.com/x"`, `[{"goods_name":"tea","goods_num":"1"}]`, `"ios"`, `"BIZ"`, `"alipay"`, `1`, `"13800000000"`, `"` + strings.Repeat("x", 32) + `"`} {
		if k.form.valid(json.RawMessage(s)) {
			return json.RawMessage(s)
		}
	}
	return nil
}

func TestMakeExtra(t *testing.T) {
	urls := map[string]string{}
	for _, name := range []string{"success_url", "cancel_url", "fail_url", "result_url"} {
		urls[name] = "https://shop.example.com/" + name + "/{order_no}"
	}
	for name, c := range channels {
		t.Run(name, func(t *testing.T) {
			// Everything from the quote but open_id.
			all, required := map[string]json.RawMessage{"open_id": json.RawMessage(`"` + stranger + `"`), "unknown": json.RawMessage(`{"a":1}`), "none": json.RawMessage("null")}, given{urls: urls, orderNo: "1001", openID: payer}
			required.quote, required.client = map[string]json.RawMessage{}, map[string]json.RawMessage{}
			for _, k := range c.extra {
				v := sample(k)
				if v == nil {
					t.Fatalf("no sample of %s", k.name)
				}
				if k.from != fromSession {
					all[k.name] = v
				}
				if k.required && k.from == fromQuote {
					required.quote[k.name] = v
				}
				if k.required && k.from == fromClient {
					required.client[k.name] = v
				}
			}
			g := given{quote: all, urls: urls, orderNo: "1001", client: map[string]json.RawMessage{"device": json.RawMessage(`"android"`), "app_pay": json.RawMessage(`false`)}}
			if c.payer != "" {
				g.openID = payer
			} else {
				required.openID = ""
			}
			extra, err := c.makeExtra(g)
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range c.extra {
				want := any(all[k.name])
				if k.from == fromSession {
					want = payer
				}
				if fmt.Sprintf("%s", extra[k.name]) != fmt.Sprintf("%s", want) {
					t.Errorf("%s is %s, want %s", k.name, extra[k.name], want)
				}
			}
			if _, ok := extra["open_id"]; ok != (c.payer != "") {
				t.Errorf("open_id: %v", extra["open_id"])
			}
			if _, ok := extra["none"]; ok || extra["unknown"] == nil {
				t.Errorf("unknown members: %v", extra)
			}

			// Only what is required, each from where it comes.
			extra, err = c.makeExtra(required)
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range c.extra {
				got, ok := extra[k.name]
				if ok != (k.required || k.from == fromConfig) {
					t.Errorf("%s: %v", k.name, got)
				}
				if k.from == fromConfig && got != "https://shop.example.com/"+k.name+"/1001" || k.from == fromOrderNo && got != "1001" {
					t.Errorf("%s is %v", k.name, got)
				}
			}

			// Each required member left out, and each wrong.
			for _, k := range c.extra {
				wrong := map[string]json.RawMessage{}
				maps.Copy(wrong, all)
				wrong[k.name] = json.RawMessage(`{"$":"wrong"}`)
				_, err := c.makeExtra(given{quote: wrong, urls: urls, orderNo: "1001", openID: payer})
				if k.from != fromSession {
					wantCode(t, k.name+" wrong", err, "quote_invalid")
				}
				if !k.required || k.from == fromOrderNo {
					continue
				}
				less := map[string]json.RawMessage{}
				maps.Copy(less, all)
				less[k.name] = json.RawMessage(`""`) // how PHP says none
				_, err = c.makeExtra(given{quote: less, orderNo: "1001", openID: map[bool]string{false: payer}[k.from == fromSession]})
				wantCode(t, k.name+" missing", err, "channel_extra_missing")
				if err != nil && !strings.Contains(err.Error(), "extra."+k.name+" is missing: ") {
					t.Errorf("%v does not say who has to give %s", err, k.name)
				}
			}
		})
	}
}

func wantCode(t *testing.T, what string, err error, code string) {
	t.Helper()
	p, ok := errors.AsType[*problem.Problem](err)
	if !ok || p.Code != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

// What a client may send, and nothing else.
func TestClientsMay(t *testing.T) {
	want := map[string][]string{
		"alipay_wap": {"app_pay"}, "alipay_pc_direct": {"qr_pay_mode", "qrcode_width"}, "jdpay_wap": {"is_mobile"}, "qpay": {"device"}, "isv_qr": {"pay_channel"}, "isv_wap": {"pay_channel"},
		"wx_pub_scan": {"scan_code"}, "alipay_scan": {"scan_code"}, "isv_scan": {"scan_code"}, "cb_wx_pub_scan": {"scan_code"},
	}
	for name, c := range channels {
		var got []string
		for _, k := range c.extra {
			if c.clientMay(k.name, sample(k)) == nil {
				got = append(got, k.name)
			}
			if k.from == fromClient && c.clientMay(k.name, json.RawMessage(`["x"]`)) == nil {
				t.Errorf("%s takes any %s from a client", name, k.name)
			}
		}
		if !slices.Equal(got, want[name]) {
			t.Errorf("%s takes %v from a client, want %v", name, got, want[name])
		}
		for _, key := range []string{"open_id", "openid", "user", "limit_pay", "success_url", "result_url", "split_fund_info", "x", ""} {
			if c.clientMay(key, json.RawMessage(`"x"`)) == nil {
				t.Errorf("%s takes %s from a client", name, key)
			}
		}
	}
}

func TestForms(t *testing.T) {
	for _, c := range []struct {
		form    form
		yes, no []string
	}{
		{text(2, 3), []string{`"ab"`, `"长长长"`}, []string{`"a"`, `"abcd"`, `1`, `null`, `"a\n"`, `"a\u0000"`, `["ab"]`, ``, `"\ud800a"`}},
		{alnum(1, 3), []string{`"a1Z"`}, []string{`""`, `"abcd"`, `"a-"`, `12`, `"a\n"`}},
		{digits(2, 2), []string{`"12"`}, []string{`12`, `"1"`, `"１２"`, `"1a"`}},
		{oneOf("T", "F"), []string{`"T"`, `"F"`}, []string{`"t"`, `true`, `""`}},
		{boolean, []string{`true`, `false`}, []string{`"true"`, `1`, `null`}},
		{whole(0, 4), []string{`0`, `4`, `"3"`}, []string{`5`, `-1`, `1.0`, `1e0`, `"5"`, `"03"`, `true`, `99999999999999999999`}},
		{goodsList, []string{`[{"goods_name":"茶"}]`}, []string{`[]`, `{}`, `["x"]`, `[{"a":1,"a":2}]`, `"[]"`, `[{"a":"` + strings.Repeat("x", 8000) + `"}]`}},
		{address, []string{`"https://shop.example.com/a?b=c"`, `"http://127.0.0.1:8080/"`, `"https://[2001:db8::1]/"`}, []string{
			`"http://shop.example.com/"`, `"https://localhost/"`, `"//shop.example.com/"`, `"/paid"`, `"javascript:alert(1)"`, `"https://me@shop.example.com/"`,
			`"https://shop.example.com/#x"`, `"https://"`, `"https://shop.example.com/\n"`, `"https://shop.example.com/ x"`, `"https:shop.example.com"`, `"ftp://127.0.0.1/"`, `"weixin://pay"`}},
	} {
		for _, v := range c.yes {
			if !c.form.valid(json.RawMessage(v)) {
				t.Errorf("%s is no %s", v, c.form.en)
			}
		}
		for _, v := range c.no {
			if c.form.valid(json.RawMessage(v)) {
				t.Errorf("%s is taken for %s", v, c.form.en)
			}
		}
	}
}

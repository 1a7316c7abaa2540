package channel

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
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

const (
	payer    = "oPayer"
	stranger = "oStranger"
)

func TestChannelRules(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(rules), "\n")
	if len(lines) != len(table) {
		t.Errorf("%d channels in the documentation, %d in the table", len(lines), len(table))
	}
	for _, line := range lines {
		f := strings.Fields(line)
		t.Run(f[0], func(t *testing.T) {
			c, ok := table[f[0]]
			if !ok {
				t.Fatal("not in the table")
			}
			unit, currency, payer := "", strings.Join(c.currencies(), ","), c.Payer
			if c.Subject.Bytes {
				unit = "b"
			}
			if currency == "" {
				currency = "any"
			}
			if payer == "" {
				payer = "-"
			}
			got := []string{f[0], fmt.Sprintf("%d-%d", c.NumberMin, c.NumberMax), fmt.Sprintf("%d%s/%d", c.Subject.Most, unit, c.Body.Most),
				fmt.Sprintf("%.0fh/%.0fh", c.ExpireMax.Hours(), c.ExpireDefault.Hours()), currency, payer}
			for _, m := range c.extra {
				got = append(got, m.name+map[bool]string{true: "!"}[m.required])
			}
			if !slices.Equal(got, f) {
				t.Errorf("the table says\n%v, the documentation\n%v", got, f)
			}
			if c.EN == "" || c.ZH == "" || c.ExpireMin != time.Minute {
				t.Errorf("%+v", c)
			}
			if weChat := strings.Contains(f[0], "wx") || strings.HasPrefix(f[0], "isv_") || strings.HasPrefix(f[0], "chinaums_"); c.NoEmoji != weChat {
				t.Errorf("emoji refused: %v", c.NoEmoji)
			}
		})
	}
}

// sample is a value of each form that is right.
func sample(m member) json.RawMessage {
	for _, s := range []string{`"no_credit"`, `"T"`, `true`, `"https://shop.example.com/x"`, `[{"goods_name":"tea","goods_num":"1"}]`, `"ios"`, `"BIZ"`, `"alipay"`, `1`, `"13800000000"`, `"` + strings.Repeat("x", 32) + `"`} {
		if m.form.valid(json.RawMessage(s)) {
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
	for name, c := range table {
		t.Run(name, func(t *testing.T) {
			// Everything from the quote but open_id.
			all, required := map[string]json.RawMessage{"open_id": json.RawMessage(`"` + stranger + `"`), "unknown": json.RawMessage(`{"a":1}`), "none": json.RawMessage("null")}, Given{URLs: urls, OrderNo: "1001", OpenID: payer}
			required.Quote, required.Client = map[string]json.RawMessage{}, map[string]json.RawMessage{}
			for _, m := range c.extra {
				v := sample(m)
				if v == nil {
					t.Fatalf("no sample of %s", m.name)
				}
				if m.from != fromSession {
					all[m.name] = v
				}
				if m.required && m.from == fromQuote {
					required.Quote[m.name] = v
				}
				if m.required && m.from == fromClient {
					required.Client[m.name] = v
				}
			}
			g := Given{Quote: all, URLs: urls, OrderNo: "1001", Client: map[string]json.RawMessage{"device": json.RawMessage(`"android"`), "app_pay": json.RawMessage(`false`)}}
			if c.Payer != "" {
				g.OpenID = payer
			} else {
				required.OpenID = ""
			}
			extra, err := c.Extra(g)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range c.extra {
				want := any(all[m.name])
				if m.from == fromSession {
					want = payer
				}
				if fmt.Sprintf("%s", extra[m.name]) != fmt.Sprintf("%s", want) {
					t.Errorf("%s is %s, want %s", m.name, extra[m.name], want)
				}
			}
			if _, ok := extra["open_id"]; ok != (c.Payer != "") {
				t.Errorf("open_id: %v", extra["open_id"])
			}
			if _, ok := extra["none"]; ok || extra["unknown"] == nil {
				t.Errorf("unknown members: %v", extra)
			}

			// Only what is required, each from where it comes.
			extra, err = c.Extra(required)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range c.extra {
				got, ok := extra[m.name]
				if ok != (m.required || m.from == fromConfig) {
					t.Errorf("%s: %v", m.name, got)
				}
				if m.from == fromConfig && got != "https://shop.example.com/"+m.name+"/1001" || m.from == fromOrderNo && got != "1001" {
					t.Errorf("%s is %v", m.name, got)
				}
			}

			// Each required member left out, and each wrong.
			for _, m := range c.extra {
				wrong := map[string]json.RawMessage{}
				maps.Copy(wrong, all)
				wrong[m.name] = json.RawMessage(`{"$":"wrong"}`)
				_, err := c.Extra(Given{Quote: wrong, URLs: urls, OrderNo: "1001", OpenID: payer})
				if m.from != fromSession {
					if _, missing := errors.AsType[*MissingError](err); err == nil || missing || !strings.Contains(err.Error(), "extra."+m.name+" must be ") {
						t.Errorf("%s wrong: %v", m.name, err)
					}
				}
				if !m.required || m.from == fromOrderNo {
					continue
				}
				less := map[string]json.RawMessage{}
				maps.Copy(less, all)
				less[m.name] = json.RawMessage(`""`) // how PHP says none
				_, err = c.Extra(Given{Quote: less, OrderNo: "1001", OpenID: map[bool]string{false: payer}[m.from == fromSession]})
				if missing, ok := errors.AsType[*MissingError](err); !ok || missing.Member != m.name || !strings.Contains(err.Error(), "extra."+m.name+" is missing: ") {
					t.Errorf("%v does not say who has to give %s", err, m.name)
				}
			}
		})
	}
}

// What a client may send, and nothing else.
func TestClientsMay(t *testing.T) {
	want := map[string][]string{
		"alipay_wap": {"app_pay"}, "alipay_pc_direct": {"qr_pay_mode", "qrcode_width"}, "jdpay_wap": {"is_mobile"}, "qpay": {"device"}, "isv_qr": {"pay_channel"}, "isv_wap": {"pay_channel"},
		"wx_pub_scan": {"scan_code"}, "alipay_scan": {"scan_code"}, "isv_scan": {"scan_code"}, "cb_wx_pub_scan": {"scan_code"},
	}
	for name, c := range table {
		var got []string
		for _, m := range c.extra {
			if c.ClientMay(m.name, sample(m)) == nil {
				got = append(got, m.name)
			}
			if m.from == fromClient && c.ClientMay(m.name, json.RawMessage(`["x"]`)) == nil {
				t.Errorf("%s takes any %s from a client", name, m.name)
			}
		}
		if !slices.Equal(got, want[name]) {
			t.Errorf("%s takes %v from a client, want %v", name, got, want[name])
		}
		for _, key := range []string{"open_id", "openid", "user", "limit_pay", "success_url", "result_url", "split_fund_info", "x", ""} {
			if c.ClientMay(key, json.RawMessage(`"x"`)) == nil {
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

package caddymodule

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// chargesSite is goodSite with other channels, other options of pay, and other options of orders.
func chargesSite(channels, pay, orders string) string {
	lines := func(text string) string { return strings.ReplaceAll(text, "; ", "\n") + "\n" }
	return strings.NewReplacer(
		"app app_test1\n", "app app_test1\n"+lines(channels),
		"upstream legacy:8080\n", "upstream legacy:8080\n"+lines(pay),
		"orders GET /internal/pay/orders/{order_no}\n", orders+"\n",
	).Replace(goodSite)
}

const (
	plainOrders  = "orders GET /internal/pay/orders/{order_no}"
	clientAmount = "allow_client_amount {\nmax 20000\nsubject Donation\n}"
)

func TestProvisionCharges(t *testing.T) {
	for _, tc := range []struct {
		name, channels, pay, orders string
		want                        string // empty: it provisions
	}{
		{"minimal", "", "", plainOrders, ""},
		{"named", "channels wx_lite alipay_wap upacp_pc jdpay_wap qpay isv_qr cb_wx", "success_url https://shop.example.com/paid/{order_no}; fail_url https://shop.example.com/x; result_url https://127.0.0.1:8443/r", plainOrders, ""},
		{"alipay_wap without its URL", "channels wx_lite alipay_wap", "cancel_url https://shop.example.com/x", plainOrders,
			"pingpp channels: alipay_wap needs success_url in the pay block; write success_url https://shop.example.com/paid, or leave alipay_wap out"},
		{"jdpay_wap without one of two", "channels jdpay_wap", "success_url https://shop.example.com/x", plainOrders, "jdpay_wap needs fail_url"},
		{"upacp_wap without its URL", "channels upacp_wap", "success_url https://shop.example.com/x", plainOrders, "upacp_wap needs result_url"},
		{"wx_pub without the account", "channels wx_lite wx_pub", "", plainOrders, "pingpp channels: wx_pub is paid with a login of wx_pub, which is not configured; write wechat wx_pub"},
		{"cb_wx_pub without the account", "channels cb_wx_pub", "", plainOrders, "cb_wx_pub is paid with a login of wx_pub"},

		{"relative URL", "", "success_url /paid", plainOrders, `success_url: "/paid" is not an absolute URL; write it like https://shop.example.com/paid`},
		{"plain URL", "", "result_url http://shop.example.com/paid", plainOrders, `result_url: "http://shop.example.com/paid" must begin with https://`},
		{"URL at localhost", "", "cancel_url https://localhost/paid", plainOrders, "is at localhost, which channels refuse; write 127.0.0.1"},
		{"URL with a fragment", "", "fail_url https://shop.example.com/#/paid", plainOrders, "has a fragment (#…), which channels lose"},
		{"URL with a password", "", "fail_url https://me:secret@shop.example.com/", plainOrders, "is not an absolute URL"},
		{"script", "", "success_url javascript:alert(1)", plainOrders, "is not an absolute URL"},

		{"paths", "", "", plainOrders + " {\namount data.fee\nunit yuan\nstatus data.state {\npayable 0\n}\ndefault subject \"Order {order_no}\"\ndefault currency cny\n}", ""},
		{"default of a placeholder", "", "", plainOrders + " {\ndefault subject {env.TEST_UNSET}\n}", "orders default subject: {env.TEST_UNSET} resolves to nothing"},
		{"default currency in capitals", "", "", plainOrders + " {\ndefault currency CNY\n}", `orders default currency: "CNY" must be three small letters; write default currency cny`},
		{"yuan in dollars", "", "", plainOrders + " {\nunit yuan\ndefault currency usd\n}", `orders default currency: "usd" does not go with unit yuan`},

		{"client amount", "", clientAmount, "", ""},
		{"client amount, min above max", "", strings.Replace(clientAmount, "max", "min 20001\nmax", 1), "", "allow_client_amount: min 20001 and max 20000 must be fen above 0, and max not below min"},
		{"client amount, too high", "", strings.Replace(clientAmount, "20000", "1000000001", 1), "", "allow_client_amount: max 1000000001 is above 1000000000 fen"},
		{"client amount, long prefix", "", strings.Replace(clientAmount, "max", "prefix DONATION\nmax", 1), "", `allow_client_amount: prefix "DONATION" must be at most 6 letters and digits`},
		{"client amount, odd prefix", "", strings.Replace(clientAmount, "max", "prefix D-\nmax", 1), "", `prefix "D-" must be at most 6 letters and digits`},
		{"client amount, emoji", "", strings.Replace(clientAmount, "Donation", "🍵", 1), "", "allow_client_amount: through the channel "},
		{"client amount, channel that needs a backend", "channels wx_lite isv_qr", clientAmount, "", "the channel isv_qr wants what only a backend can give; leave it out of channels, or write orders instead"},
		{"client amount, channel that a till scans", "channels wx_lite wx_pub_scan", clientAmount, "", "the channel wx_pub_scan takes the money without the payer's doing; leave it out of channels, or write orders instead"},
		{"client amount, channel of any currency", "channels cb_alipay", clientAmount, "", "the channel cb_alipay wants what only a backend can give"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			err := validate(t, fill(t, dir, globals(dir)+chargesSite(tc.channels, tc.pay, tc.orders)))
			switch {
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("%v\ndoes not say %q", err, tc.want)
			case tc.want != "" && !placeAtEnd.MatchString(err.Error()):
				t.Errorf("%v\nnames no line", err)
			}
		})
	}
}

func TestDefaultChannels(t *testing.T) {
	const url = "https://shop.example.com/x"
	free := []string{"alipay", "alipay_qr", "applepay_upacp", "bfb", "cp_b2b", "upacp", "wx", "wx_pub_qr", "wx_wap"}
	lite := map[string]*WeChatConfig{"wx_lite": {}}
	for name, tc := range map[string]struct {
		h    Handler
		want []string
	}{
		"minimal":       {Handler{WeChat: lite}, append([]string{"wx_lite"}, free...)},
		"two accounts":  {Handler{WeChat: map[string]*WeChatConfig{"wx_lite": {}, "wx_pub": {}}}, append([]string{"wx_lite", "wx_pub"}, free...)},
		"success_url":   {Handler{WeChat: lite, SuccessURL: url}, append([]string{"wx_lite", "alipay_wap", "alipay_pc_direct"}, free...)},
		"result_url":    {Handler{WeChat: lite, ResultURL: url}, append([]string{"wx_lite", "upacp_wap", "upacp_pc"}, free...)},
		"two URLs":      {Handler{WeChat: lite, SuccessURL: url, FailURL: url}, append([]string{"wx_lite", "alipay_wap", "alipay_pc_direct", "jdpay_wap"}, free...)},
		"named":         {Handler{WeChat: lite, Pingpp: &PingppConfig{Channels: []string{"isv_qr", "wx_lite"}}}, []string{"isv_qr", "wx_lite"}},
		"without login": {Handler{Pingpp: &PingppConfig{Channels: []string{"alipay_qr"}}}, []string{"alipay_qr"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := &tc.h
			h.Orders = &OrdersConfig{}
			if h.Pingpp == nil {
				h.Pingpp = &PingppConfig{}
			}
			r := newResolver("shop.example.com", nil)
			if err := errors.Join(h.provisionURLs(r), h.provisionChannels(r)); err != nil {
				t.Fatal(err)
			}
			slices.Sort(tc.want)
			if got := slices.Sorted(slices.Values(h.resolved.Channels)); !slices.Equal(got, tc.want) {
				t.Errorf("offered are %v, want %v", got, tc.want)
			}
		})
	}
}

func TestReturnURLWithAQuery(t *testing.T) {
	dir := t.TempDir()
	if err := validate(t, fill(t, dir, globals(dir)+chargesSite("", "success_url https://shop.example.com/paid.php?no={order_no}", plainOrders))); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil || !strings.Contains(string(log), "success_url has a query, which some channels lose") {
		t.Errorf("%v, no warning in:\n%s", err, log)
	}
}

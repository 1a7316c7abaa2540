package sandbox

import (
	"net/url"
	"strconv"
	"time"

	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/rawjson"
)

// noCredential is of channels whose payment needs nothing from the client: the shop scans the payer's code.
func noCredential(*Sandbox, *charge, string) any { return nil }

// webPage is the address that a payer opens or scans; in test mode the mock page.
func webPage(s *Sandbox, c *charge, base string) any {
	if !c.Livemode {
		return mockPage(base, c)
	}
	return "https://" + c.Channel + ".sandbox.invalid/pay/" + s.dice.Draw(dice.Alnum, 24)
}

// alipayQRCode is what an Alipay user scans; in test mode the mock page.
func alipayQRCode(s *Sandbox, c *charge, base string) any {
	if !c.Livemode {
		return mockPage(base, c)
	}
	return "https://qr.alipay.com/" + s.dice.Draw(dice.LowerAlnum, 24)
}

// alipayTradeNo is what my.tradePay needs in Alipay's mini programs.
func alipayTradeNo(s *Sandbox, c *charge, _ string) any {
	return time.Unix(c.Created, 0).In(beijing).Format("20060102") + s.dice.Draw(dice.Digits, 20)
}

// alipayOrderInfo is the signed query that Alipay's SDK takes in an app.
func alipayOrderInfo(s *Sandbox, c *charge, _ string) any {
	q := url.Values{}
	for _, f := range alipayFields(s, c, "alipay.trade.app.pay") {
		q.Set(f.name, f.value)
	}
	return map[string]string{"orderInfo": q.Encode()}
}

type field struct{ name, value string }

// formObject keeps the order of a gateway's fields.
func formObject(fields []field) rawjson.Object {
	o := rawjson.Object{}
	for _, f := range fields {
		o.Set(f.name, f.value)
	}
	return o
}

// alipayForm is the form that opens Alipay's gateway in a browser.
func alipayForm(method string) func(*Sandbox, *charge, string) any {
	return func(s *Sandbox, c *charge, _ string) any {
		return formObject(append(alipayFields(s, c, method), field{"channel_url", "https://openapi.alipay.com/gateway.do"}))
	}
}

func alipayFields(s *Sandbox, c *charge, method string) []field {
	success, _ := c.Extra.Get("success_url")
	returnURL, _ := rawjson.Text(success)
	content := rawjson.Encode(struct {
		Subject    string `json:"subject"`
		Body       string `json:"body"`
		OutTradeNo string `json:"out_trade_no"`
		Total      string `json:"total_amount"`
	}{c.Subject, c.Body, c.OrderNo, yuan(c.Amount)})
	return []field{
		{"app_id", "2008" + s.dice.Draw(dice.Digits, 12)}, {"method", method}, {"format", "JSON"}, {"charset", "UTF-8"}, {"sign_type", "RSA2"},
		{"timestamp", time.Unix(c.Created, 0).In(beijing).Format(time.DateTime)}, {"version", "1.0"}, {"biz_content", string(content)},
		{"notify_url", "https://notify.pingxx.com/notify/charges/" + c.ID}, {"return_url", returnURL}, {"sign", s.dice.Draw(dice.Alnum+"+/", 342) + "=="},
	}
}

// unionNumber is UnionPay's number that its SDK takes in an app; mode 00 is production, as Ping++'s is in both modes.
func unionNumber(s *Sandbox, c *charge, _ string) any {
	return formObject([]field{{"tn", s.unionTN(c)}, {"mode", "00"}})
}

func unionApplePay(s *Sandbox, c *charge, _ string) any {
	return formObject([]field{{"tn", s.unionTN(c)}, {"mode", "00"}, {"merchant_id", "merchant.invalid.sandbox"}})
}

func (s *Sandbox) unionTN(c *charge) string {
	return time.Unix(c.Created, 0).In(beijing).Format("20060102150405") + s.dice.Draw(dice.Digits, 7)
}

// unionForm is the form that opens UnionPay's gateway in a browser.
func unionForm(s *Sandbox, c *charge, _ string) any {
	back, _ := c.Extra.Get("result_url")
	frontURL, _ := rawjson.Text(back)
	fields := []field{
		{"version", "5.1.0"}, {"encoding", "UTF-8"}, {"signMethod", "01"}, {"txnType", "01"}, {"txnSubType", "01"}, {"bizType", "000201"},
		{"channelType", "07"}, {"accessType", "0"}, {"merId", "7" + s.dice.Draw(dice.Digits, 14)}, {"orderId", c.OrderNo},
		{"txnTime", time.Unix(c.Created, 0).In(beijing).Format("20060102150405")}, {"txnAmt", strconv.FormatInt(c.Amount, 10)}, {"currencyCode", "156"},
		{"frontUrl", frontURL}, {"backUrl", "https://notify.pingxx.com/notify/charges/" + c.ID}, {"certId", s.dice.Draw(dice.Digits, 11)}, {"signature", s.dice.Draw(dice.Alnum+"+/", 342) + "=="},
	}
	if c.Channel == "upacp_b2b" || c.Channel == "cp_b2b" {
		fields = append(fields, field{"channel_url", "https://gateway.95516.com/gateway/api/frontTransReq.do"})
	}
	return formObject(fields)
}

// formWithURL is the form of a smaller gateway. Nobody documents its fields; what matters is where it goes.
func formWithURL(s *Sandbox, c *charge, _ string) any {
	name := map[string]string{"jdpay_wap": "channelUrl", "cmb_wallet": "ChannelUrl", "bfb_wap": "url"}[c.Channel]
	if name == "" {
		name = "channel_url"
	}
	to := "https://" + c.Channel + ".sandbox.invalid/pay"
	if c.Channel == "jdpay_wap" {
		to = "https://h5pay.jd.com/jdpay/saveOrder"
	}
	return formObject([]field{{"merchant", s.dice.Draw(dice.Digits, 12)}, {"tradeNum", c.OrderNo}, {"amount", strconv.FormatInt(c.Amount, 10)}, {"sign", s.dice.Draw(dice.HexDigits, 64)}, {name, to}})
}

func yeepay(s *Sandbox, _ *charge, _ string) any {
	return formObject([]field{{"merchantaccount", "1" + s.dice.Draw(dice.Digits, 10)}, {"encryptkey", s.dice.Draw(dice.Alnum, 172)}, {"data", s.dice.Draw(dice.Alnum, 344)}})
}

// orderInfo is what a wallet's SDK takes in an app.
func orderInfo(s *Sandbox, c *charge, _ string) any {
	return map[string]string{"orderInfo": "order_no=" + c.OrderNo + "&total_amount=" + strconv.FormatInt(c.Amount, 10) + "&sign=" + s.dice.Draw(dice.HexDigits, 32)}
}

// qqToken is what mqq.tenpay.pay takes in a page inside QQ.
func qqToken(s *Sandbox, _ *charge, _ string) any {
	return map[string]string{"token_id": s.dice.Draw(dice.HexDigits, 32)}
}

// alipayPaidExtra adds who paid.
func alipayPaidExtra(c *charge) { c.Extra.Set("buyer_account", "alipay_account") }

// alipayTransactionNo is Alipay's number of a payment: the day, and in test mode only 8 digits more.
func (s *Sandbox) alipayTransactionNo(live bool, now time.Time) string {
	n := 8
	if live {
		n = 20
	}
	return now.In(beijing).Format("20060102") + s.dice.Draw(dice.Digits, n)
}

// datedTransactionNo is a payment's number at UnionPay and the others, 21 digits with the time inside.
func (s *Sandbox) datedTransactionNo(_ bool, now time.Time) string {
	return now.In(beijing).Format("20060102150405") + s.dice.Draw(dice.Digits, 7)
}

// yuan writes an amount in fen as a price.
func yuan(fen int64) string {
	cents := strconv.FormatInt(fen%100, 10)
	if len(cents) == 1 {
		cents = "0" + cents
	}
	return strconv.FormatInt(fen/100, 10) + "." + cents
}

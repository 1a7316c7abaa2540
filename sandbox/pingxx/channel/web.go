package channel

import (
	"net/url"
	"strconv"
	"time"

	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/rawjson"
)

// noCredential is of channels whose payment needs nothing from the client: the shop scans the payer's code.
func noCredential(*Merchant, *Sale) any { return nil }

// webPage is the address that a payer opens or scans; in test mode the mock page.
func webPage(m *Merchant, s *Sale) any {
	if !s.Livemode {
		return s.MockPage
	}
	return "https://" + s.Channel + ".sandbox.invalid/pay/" + m.Dice.Draw(dice.Alnum, 24)
}

// alipayQRCode is what an Alipay user scans; in test mode the mock page.
func alipayQRCode(m *Merchant, s *Sale) any {
	if !s.Livemode {
		return s.MockPage
	}
	return "https://qr.alipay.com/" + m.Dice.Draw(dice.LowerAlnum, 24)
}

// alipayTradeNo is what my.tradePay needs in Alipay's mini programs.
func alipayTradeNo(m *Merchant, s *Sale) any {
	return dice.Dated(s.Created, "20060102") + m.Dice.Draw(dice.Digits, 20)
}

// alipayOrderInfo is the signed query that Alipay's SDK takes in an app.
func alipayOrderInfo(m *Merchant, s *Sale) any {
	q := url.Values{}
	for _, f := range alipayFields(m, s, "alipay.trade.app.pay") {
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
func alipayForm(method string) func(*Merchant, *Sale) any {
	return func(m *Merchant, s *Sale) any {
		return formObject(append(alipayFields(m, s, method), field{"channel_url", "https://openapi.alipay.com/gateway.do"}))
	}
}

func alipayFields(m *Merchant, s *Sale, method string) []field {
	success, _ := s.Extra.Get("success_url")
	returnURL, _ := rawjson.Text(success)
	content := rawjson.Encode(struct {
		Subject    string `json:"subject"`
		Body       string `json:"body"`
		OutTradeNo string `json:"out_trade_no"`
		Total      string `json:"total_amount"`
	}{s.Subject, s.Body, s.OrderNo, Yuan(s.Amount)})
	return []field{
		{"app_id", "2008" + m.Dice.Draw(dice.Digits, 12)}, {"method", method}, {"format", "JSON"}, {"charset", "UTF-8"}, {"sign_type", "RSA2"},
		{"timestamp", dice.Dated(s.Created, time.DateTime)}, {"version", "1.0"}, {"biz_content", string(content)},
		{"notify_url", "https://notify.pingxx.com/notify/charges/" + s.Charge}, {"return_url", returnURL}, {"sign", m.Dice.Draw(dice.Alnum+"+/", 342) + "=="},
	}
}

// unionNumber is UnionPay's number that its SDK takes in an app; mode 00 is production, as Ping++'s is in both modes.
func unionNumber(m *Merchant, s *Sale) any {
	return formObject([]field{{"tn", unionTN(m, s)}, {"mode", "00"}})
}

func unionApplePay(m *Merchant, s *Sale) any {
	return formObject([]field{{"tn", unionTN(m, s)}, {"mode", "00"}, {"merchant_id", "merchant.invalid.sandbox"}})
}

func unionTN(m *Merchant, s *Sale) string {
	return dice.Dated(s.Created, "20060102150405") + m.Dice.Draw(dice.Digits, 7)
}

// unionForm is the form that opens UnionPay's gateway in a browser.
func unionForm(m *Merchant, s *Sale) any {
	back, _ := s.Extra.Get("result_url")
	frontURL, _ := rawjson.Text(back)
	fields := []field{
		{"version", "5.1.0"}, {"encoding", "UTF-8"}, {"signMethod", "01"}, {"txnType", "01"}, {"txnSubType", "01"}, {"bizType", "000201"},
		{"channelType", "07"}, {"accessType", "0"}, {"merId", "7" + m.Dice.Draw(dice.Digits, 14)}, {"orderId", s.OrderNo},
		{"txnTime", dice.Dated(s.Created, "20060102150405")}, {"txnAmt", strconv.FormatInt(s.Amount, 10)}, {"currencyCode", "156"},
		{"frontUrl", frontURL}, {"backUrl", "https://notify.pingxx.com/notify/charges/" + s.Charge}, {"certId", m.Dice.Draw(dice.Digits, 11)}, {"signature", m.Dice.Draw(dice.Alnum+"+/", 342) + "=="},
	}
	if s.Channel == "upacp_b2b" || s.Channel == "cp_b2b" {
		fields = append(fields, field{"channel_url", "https://gateway.95516.com/gateway/api/frontTransReq.do"})
	}
	return formObject(fields)
}

// formWithURL is the form of a smaller gateway. Nobody documents its fields; what matters is where it goes.
func formWithURL(m *Merchant, s *Sale) any {
	name := map[string]string{"jdpay_wap": "channelUrl", "cmb_wallet": "ChannelUrl", "bfb_wap": "url"}[s.Channel]
	if name == "" {
		name = "channel_url"
	}
	to := "https://" + s.Channel + ".sandbox.invalid/pay"
	if s.Channel == "jdpay_wap" {
		to = "https://h5pay.jd.com/jdpay/saveOrder"
	}
	return formObject([]field{{"merchant", m.Dice.Draw(dice.Digits, 12)}, {"tradeNum", s.OrderNo}, {"amount", strconv.FormatInt(s.Amount, 10)}, {"sign", m.Dice.Draw(dice.HexDigits, 64)}, {name, to}})
}

func yeepay(m *Merchant, _ *Sale) any {
	return formObject([]field{{"merchantaccount", "1" + m.Dice.Draw(dice.Digits, 10)}, {"encryptkey", m.Dice.Draw(dice.Alnum, 172)}, {"data", m.Dice.Draw(dice.Alnum, 344)}})
}

// orderInfo is what a wallet's SDK takes in an app.
func orderInfo(m *Merchant, s *Sale) any {
	return map[string]string{"orderInfo": "order_no=" + s.OrderNo + "&total_amount=" + strconv.FormatInt(s.Amount, 10) + "&sign=" + m.Dice.Draw(dice.HexDigits, 32)}
}

// qqToken is what mqq.tenpay.pay takes in a page inside QQ.
func qqToken(m *Merchant, _ *Sale) any {
	return map[string]string{"token_id": m.Dice.Draw(dice.HexDigits, 32)}
}

// alipayPaidExtra adds who paid.
func alipayPaidExtra(extra *rawjson.Object, _ bool, _ int64) {
	extra.Set("buyer_account", "alipay_account")
}

// alipayTransactionNo is Alipay's number of a payment: the day, and in test mode only 8 digits more.
func alipayTransactionNo(d *dice.Dice, live bool, now time.Time) string {
	n := 8
	if live {
		n = 20
	}
	return dice.Dated(now, "20060102") + d.Draw(dice.Digits, n)
}

// datedTransactionNo is a payment's number at UnionPay and the others, 21 digits with the time inside.
func datedTransactionNo(d *dice.Dice, _ bool, now time.Time) string {
	return dice.Dated(now, "20060102150405") + d.Draw(dice.Digits, 7)
}

// Yuan writes an amount in fen as a price.
func Yuan(fen int64) string {
	cents := strconv.FormatInt(fen%100, 10)
	if len(cents) == 1 {
		cents = "0" + cents
	}
	return strconv.FormatInt(fen/100, 10) + "." + cents
}

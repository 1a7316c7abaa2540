package channel

import (
	"crypto/md5"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/rawjson"
)

// wxCredential is what wx.requestPayment needs, and appId, which pingpp.js asks for as well.
type wxCredential struct {
	AppID     string `json:"appId"`
	TimeStamp string `json:"timeStamp"` // a string: wx.requestPayment refuses a number
	NonceStr  string `json:"nonceStr"`
	Package   string `json:"package"`
	SignType  string `json:"signType"`
	PaySign   string `json:"paySign"`
}

// wechatCredential makes the credential of a charge that a mini program or a page in WeChat pays. In test mode it is
// well-formed but nobody's, as at Ping++: a made-up appId and the 1101000000… prepay id.
func wechatCredential(m *Merchant, s *Sale) any {
	appID, prepay := wechatPrepay(m, s)
	cred := wxCredential{
		AppID:     appID,
		TimeStamp: strconv.FormatInt(s.Created.Unix(), 10),
		NonceStr:  m.Dice.Draw(dice.Alnum, 32),
		Package:   "prepay_id=" + prepay,
		SignType:  "MD5",
	}
	cred.PaySign = paySign(cred, m.Key)
	return cred
}

func wechatPrepay(m *Merchant, s *Sale) (appID, prepay string) {
	if s.Livemode {
		return m.AppID, "wx" + dice.Dated(s.Created, "20060102150405") + m.Dice.Draw(dice.HexDigits, 20)
	}
	return "wx" + m.Dice.Draw(dice.LowerAlnum, 16), "1101000000" + dice.Dated(s.Created, "060102") + m.Dice.Draw(dice.LowerAlnum, 16)
}

// wechatAppCredential is for WeChat's SDK in an app; its timeStamp is a number.
func wechatAppCredential(m *Merchant, s *Sale) any {
	appID, prepay := wechatPrepay(m, s)
	return struct {
		AppID        string `json:"appId"`
		PartnerID    string `json:"partnerId"`
		PrepayID     string `json:"prepayId"`
		NonceStr     string `json:"nonceStr"`
		TimeStamp    int64  `json:"timeStamp"`
		PackageValue string `json:"packageValue"`
		Sign         string `json:"sign"`
	}{appID, m.Dice.Draw(dice.Digits, 10), prepay, m.Dice.Draw(dice.Alnum, 32), s.Created.Unix(), "Sign=WXPay", m.Dice.Draw("0123456789ABCDEF", 32)}
}

// wechatQRCode is what a WeChat user scans; in test mode the mock page.
func wechatQRCode(m *Merchant, s *Sale) any {
	if !s.Livemode {
		return s.MockPage
	}
	return "weixin://wxpay/bizpayurl?pr=" + m.Dice.Draw(dice.Alnum, 7)
}

// wechatPage is the page that opens WeChat from a phone's browser; in test mode the mock page.
func wechatPage(m *Merchant, s *Sale) any {
	if !s.Livemode {
		return s.MockPage
	}
	_, prepay := wechatPrepay(m, s)
	return "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=" + prepay + "&package=" + m.Dice.Draw(dice.Digits, 10)
}

// paySign is WeChat's: MD5 over the sorted fields and the merchant's key, in upper-case hex.
func paySign(c wxCredential, key string) string {
	sum := md5.Sum([]byte("appId=" + c.AppID + "&nonceStr=" + c.NonceStr + "&package=" + c.Package +
		"&signType=" + c.SignType + "&timeStamp=" + c.TimeStamp + "&key=" + key))
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// wechatPaidExtra adds what WeChat tells of a payment: where the request named no openid, whose it is. Test mode's filler is
// the one that a published test event shows.
func wechatPaidExtra(extra *rawjson.Object, live bool, amount int64) {
	if _, ok := extra.Get("open_id"); !ok {
		extra.Set("open_id", "oSandboxPayer")
	}
	if !live {
		extra.Set("bank_type", "your bank type")
		return
	}
	extra.Set("bank_type", "OTHERS")
	extra.Set("cash_fee", amount)
}

// wechatTransactionNo is WeChat's number of a payment, 28 digits with the day inside; test mode's
// begin like the published sample.
func wechatTransactionNo(d *dice.Dice, live bool, now time.Time) string {
	day := dice.Dated(now, "20060102")
	if live {
		return "420000" + d.Draw(dice.Digits, 4) + day + d.Draw(dice.Digits, 10)
	}
	return "1290362656" + day + d.Draw(dice.Digits, 10)
}

// RefundNo is WeChat's number of a refund, 28 digits with the day inside.
func RefundNo(d *dice.Dice, now time.Time) string {
	return "503000" + d.Draw(dice.Digits, 4) + dice.Dated(now, "20060102") + d.Draw(dice.Digits, 10)
}

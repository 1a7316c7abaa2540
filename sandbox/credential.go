package sandbox

import (
	"crypto/md5"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/caddypay/caddypay/sandbox/dice"
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
func wechatCredential(s *Sandbox, c *charge, _ string) any {
	appID, prepay := s.wechatPrepay(c)
	cred := wxCredential{
		AppID:     appID,
		TimeStamp: strconv.FormatInt(c.Created, 10),
		NonceStr:  s.dice.Draw(dice.Alnum, 32),
		Package:   "prepay_id=" + prepay,
		SignType:  "MD5",
	}
	cred.PaySign = paySign(cred, s.mchKey)
	return cred
}

func (s *Sandbox) wechatPrepay(c *charge) (appID, prepay string) {
	created := time.Unix(c.Created, 0).In(beijing)
	if c.Livemode {
		return s.cfg.WxLite.AppID, "wx" + created.Format("20060102150405") + s.dice.Draw(dice.HexDigits, 20)
	}
	return "wx" + s.dice.Draw(dice.LowerAlnum, 16), "1101000000" + created.Format("060102") + s.dice.Draw(dice.LowerAlnum, 16)
}

// wechatAppCredential is for WeChat's SDK in an app; its timeStamp is a number.
func wechatAppCredential(s *Sandbox, c *charge, _ string) any {
	appID, prepay := s.wechatPrepay(c)
	return struct {
		AppID        string `json:"appId"`
		PartnerID    string `json:"partnerId"`
		PrepayID     string `json:"prepayId"`
		NonceStr     string `json:"nonceStr"`
		TimeStamp    int64  `json:"timeStamp"`
		PackageValue string `json:"packageValue"`
		Sign         string `json:"sign"`
	}{appID, s.dice.Draw(dice.Digits, 10), prepay, s.dice.Draw(dice.Alnum, 32), c.Created, "Sign=WXPay", s.dice.Draw("0123456789ABCDEF", 32)}
}

// wechatQRCode is what a WeChat user scans; in test mode the mock page.
func wechatQRCode(s *Sandbox, c *charge, base string) any {
	if !c.Livemode {
		return mockPage(base, c)
	}
	return "weixin://wxpay/bizpayurl?pr=" + s.dice.Draw(dice.Alnum, 7)
}

// wechatPage is the page that opens WeChat from a phone's browser; in test mode the mock page.
func wechatPage(s *Sandbox, c *charge, base string) any {
	if !c.Livemode {
		return mockPage(base, c)
	}
	_, prepay := s.wechatPrepay(c)
	return "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=" + prepay + "&package=" + s.dice.Draw(dice.Digits, 10)
}

// paySign is WeChat's: MD5 over the sorted fields and the merchant's key, in upper-case hex.
func paySign(c wxCredential, key string) string {
	sum := md5.Sum([]byte("appId=" + c.AppID + "&nonceStr=" + c.NonceStr + "&package=" + c.Package +
		"&signType=" + c.SignType + "&timeStamp=" + c.TimeStamp + "&key=" + key))
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// wechatPaidExtra adds what WeChat tells of a payment: where the request named no openid, whose it is. Test mode's filler is
// the one that a published test event shows.
func wechatPaidExtra(c *charge) {
	if _, ok := c.Extra.Get("open_id"); !ok {
		c.Extra.Set("open_id", "oSandboxPayer")
	}
	if !c.Livemode {
		c.Extra.Set("bank_type", "your bank type")
		return
	}
	c.Extra.Set("bank_type", "OTHERS")
	c.Extra.Set("cash_fee", c.Amount)
}

// wechatTransactionNo is WeChat's number of a payment, 28 digits with the day inside; test mode's
// begin like the published sample.
func (s *Sandbox) wechatTransactionNo(live bool, now time.Time) string {
	day := now.In(beijing).Format("20060102")
	if live {
		return "420000" + s.dice.Draw(dice.Digits, 4) + day + s.dice.Draw(dice.Digits, 10)
	}
	return "1290362656" + day + s.dice.Draw(dice.Digits, 10)
}

// wechatRefundNo is WeChat's number of a refund, 28 digits with the day inside.
func wechatRefundNo(s *Sandbox, now time.Time) string {
	return "503000" + s.dice.Draw(dice.Digits, 4) + now.In(beijing).Format("20060102") + s.dice.Draw(dice.Digits, 10)
}

// beijing is the clock of both services' numbers.
var beijing = time.FixedZone("UTC+8", 8*60*60)

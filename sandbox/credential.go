package sandbox

import (
	"crypto/md5"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
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

// wechatCredential makes the credential of a charge that a mini program pays. In test mode it is
// well-formed but nobody's, as at Ping++: a made-up appId and the 1101000000… prepay id.
func wechatCredential(s *Sandbox, c *charge) any {
	appID := s.cfg.WxLite.AppID
	day := time.Unix(c.Created, 0).In(beijing)
	prepay := "wx" + day.Format("20060102150405") + s.random(hexDigits, 20)
	if !c.Livemode {
		appID = "wx" + s.random(lowerAlnum, 16)
		prepay = "1101000000" + day.Format("060102") + s.random(lowerAlnum, 16)
	}
	cred := wxCredential{
		AppID:     appID,
		TimeStamp: strconv.FormatInt(c.Created, 10),
		NonceStr:  s.random(alnum, 32),
		Package:   "prepay_id=" + prepay,
		SignType:  "MD5",
	}
	cred.PaySign = paySign(cred, s.mchKey)
	return cred
}

// paySign is WeChat's: MD5 over the sorted fields and the merchant's key, in upper-case hex.
func paySign(c wxCredential, key string) string {
	sum := md5.Sum([]byte("appId=" + c.AppID + "&nonceStr=" + c.NonceStr + "&package=" + c.Package +
		"&signType=" + c.SignType + "&timeStamp=" + c.TimeStamp + "&key=" + key))
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// wechatPaidExtra adds what WeChat tells of a payment. Test mode's filler is the one that a published
// test event shows.
func wechatPaidExtra(c *charge) {
	if !c.Livemode {
		c.Extra.set("bank_type", "your bank type")
		return
	}
	c.Extra.set("bank_type", "OTHERS")
	c.Extra.set("cash_fee", c.Amount)
}

// wechatTransactionNo is WeChat's number of a payment, 28 digits with the day inside; test mode's
// begin like the published sample.
func (s *Sandbox) wechatTransactionNo(live bool, now time.Time) string {
	day := now.In(beijing).Format("20060102")
	if live {
		return "420000" + s.random(digits, 4) + day + s.random(digits, 10)
	}
	return "1290362656" + day + s.random(digits, 10)
}

// wechatRefundNo is WeChat's number of a refund, 28 digits with the day inside.
func wechatRefundNo(s *Sandbox, now time.Time) string {
	return "503000" + s.random(digits, 4) + now.In(beijing).Format("20060102") + s.random(digits, 10)
}

// beijing is the clock of both services' numbers.
var beijing = time.FixedZone("UTC+8", 8*60*60)

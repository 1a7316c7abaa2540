package weixin

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/caddypay/caddypay/sandbox/desk"
	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/rawjson"
)

// errmsgs begin WeChat's error messages; other codes, which only a fault can ask for, say "system error".
var errmsgs = map[int]string{
	-1:    "system error",
	40001: "invalid credential, access_token is invalid or not latest",
	40002: "invalid grant_type",
	40013: "invalid appid",
	40029: "invalid code",
	40066: "invalid url",
	40097: "invalid args",
	40125: "invalid appsecret",
	40163: "code been used",
	40164: "invalid ip, not in whitelist",
	40226: "code blocked",
	40243: "appsecret is frozen",
	41001: "access_token missing",
	41002: "appid missing",
	41004: "appsecret missing",
	41008: "missing code",
	42001: "access_token expired",
	42003: "code expired",
	43002: "require POST method",
	44002: "empty post data",
	44990: "reach max api minute quota limit",
	45009: "reach max api daily quota limit",
	45011: "api minute-quota reach limit",
	47001: "data format error",
	48001: "api unauthorized",
	61004: "access clientip is not registered",

	10060001:  "支付单不存在",
	10060002:  "支付单已完成发货，无法继续发货",
	10060003:  "支付单已使用重新发货机会",
	10060004:  "支付单处于不可发货的状态",
	10060005:  "物流类型有误",
	10060006:  "非快递发货时不允许分拆发货",
	10060007:  "分拆发货模式下必须填写 is_all_delivered",
	10060008:  "商品描述 item_desc 字段不能为空",
	10060009:  "商品描述 item_desc 字段太长",
	10060011:  "参数错误",
	10060012:  "系统错误",
	10060014:  "参数错误",
	10060019:  "系统错误",
	10060023:  "发货信息未更新",
	10060024:  "物流信息列表太长，或为空",
	10060025:  "物流公司编码太长",
	10060026:  "物流单号太长",
	10060031:  "该笔支付单不属于 openid 所指定的用户",
	10060035:  "订单详情路径有误",
	268485194: "订单单号类型非法",
	268485195: "支付单的 transaction_id 为空",
	268485196: "支付单的 mchid 为空",
	268485197: "支付单的 out_trade_no 为空或非法",
	268485216: "上传时间非法，请按照 RFC 3339 格式填写",
	268485224: "发货模式非法",
	268485226: "物流单号为空",
	268485227: "物流公司编码为空",
	268485228: "统一发货模式下，物流信息列表长度必须为 1",
}

// trace makes errors that can be traced: all end in the time and two random words in hex.
type trace struct {
	now  func() time.Time
	dice *dice.Dice
}

// refuse is an error.
func (t trace) refuse(errcode int) desk.Answer { return t.refuseBy(errcode, ", rid: ") }

// refuseOrder is an error of the order management, which sets its trace off in another way.
func (t trace) refuseOrder(errcode int) desk.Answer { return t.refuseBy(errcode, " rid: ") }

func (t trace) refuseBy(errcode int, traced string) desk.Answer {
	message, ok := errmsgs[errcode]
	if !ok {
		message = "system error"
	}
	rid := fmt.Sprintf("%08x-%s-%s", uint32(t.now().Unix()), t.dice.Draw(dice.HexDigits, 8), t.dice.Draw(dice.HexDigits, 8))
	return desk.Answer{Status: http.StatusOK, Type: contentType, Body: rawjson.Encode(struct {
		Code    int    `json:"errcode"`
		Message string `json:"errmsg"`
	}{errcode, message + traced + rid})}
}

// refuses says what is wrong with an AppID and AppSecret; 0 is nothing. code, unless empty, names the parameter of a login code.
func (app App) refuses(q url.Values, code string) (errcode int) {
	switch {
	case q.Get("appid") == "":
		return 41002
	case q.Get("secret") == "":
		return 41004
	case code != "" && q.Get(code) == "":
		return 41008
	case q.Get("appid") != app.AppID:
		return 40013
	case subtle.ConstantTimeCompare([]byte(q.Get("secret")), []byte(app.Secret)) != 1:
		return 40125
	}
	return 0
}

// instead is the answer of a fault in whose way nothing is done.
func (t trace) instead(_ *http.Request, f desk.Fault) (desk.Answer, bool) {
	if code, err := strconv.Atoi(f.Name); err == nil && errcode.MatchString(f.Name) {
		return t.refuse(code), true
	}
	return desk.Broken(f, contentType)
}

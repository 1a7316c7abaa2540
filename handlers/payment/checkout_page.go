package payment

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/pingpp/channel"
)

//go:embed checkout
var checkoutFiles embed.FS

var (
	checkoutTemplate = template.Must(template.ParseFS(checkoutFiles, "checkout/page.html"))
	checkoutScript   = checkoutFile("checkout.js")
	checkoutStyle    = checkoutFile("checkout.css")
)

func checkoutFile(name string) []byte {
	content, err := checkoutFiles.ReadFile("checkout/" + name)
	if err != nil {
		panic(err) // it is embedded
	}
	return content
}

// style is the page's stylesheet, in the shop's colour.
func (c *Checkout) style() []byte {
	if c.Accent == nil {
		return checkoutStyle
	}
	return slices.Concat(checkoutStyle, []byte(c.Accent.style()))
}

// version names the page's files, so that browsers may keep them for ever.
func (c *Checkout) version() string {
	h := sha256.New()
	h.Write(checkoutScript)
	h.Write(c.style())
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// checkoutView is what the page shows.
type checkoutView struct {
	Lang       string // zh or en
	T          map[string]string
	Prefix     string
	Version    string
	Host       string
	Shop       string // the shop's name; may be empty
	Test       bool
	State      string // loading, paid, already, held, notfound or refused; the script knows more
	OrderNo    string
	Subject    string
	Symbol     string // of the currency
	Amount     string
	Choices    []choice
	Auto       string // the channel to begin with by itself
	Charge     string // an earlier attempt of this visitor's that may still be paid
	Back       string // the shop's page, with the order number
	Detail     string // why it was refused
	Code       string
	Retry      bool   // another try may end otherwise
	PerChannel string // codes of a channel's own refusals, and
	Final      string // those after which no other try helps, for the script
	MockURL    string // in test mode: where a charge without an address of its own is paid
	NotifyURL  string // in test mode: what Ping++ is told in place of WeChat's payment sheet; the charge's id comes after it
}

// choice is a channel that the payer may pick.
type choice struct {
	Channel string
	Way     string // scan: a QR code; open: another page; wechat: WeChat's payment sheet
	Brand   string // for the mark's colour
	Mark    string
	Label   string
	Hint    string // under the QR code
	Life    int    // seconds for which the channel takes a charge's credential; 0: as long as the charge
}

// page answers with the checkout page. Its policy lets nothing run or load but our own files.
func (s *Payments) page(w http.ResponseWriter, r *http.Request, status int, v *checkoutView) error {
	v.Lang, v.T = "zh", checkoutTexts["zh"]
	if problem.PrefersEnglish(r.Header.Get("Accept-Language")) {
		v.Lang, v.T = "en", checkoutTexts["en"]
	}
	v.Prefix, v.Version, v.Host, v.Shop, v.Test = s.Prefix, s.Checkout.version(), r.Host, s.Checkout.ShopName, !s.Pingpp.Live()
	v.PerChannel, v.Final = strings.Join(channelCodes, " "), strings.Join(finalCodes, " ")
	for i := range v.Choices {
		v.Choices[i].name(v.T, v.Lang)
	}
	connect := "'self'"
	if v.NotifyURL != "" {
		connect += " " + origin(v.NotifyURL)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.Lang)
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept-Language, User-Agent")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src "+connect+
		"; form-action https://gateway.95516.com; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "strict-origin-when-cross-origin") // WeChat's page for phones wants to see the shop's name
	w.WriteHeader(status)
	_ = checkoutTemplate.Execute(w, v) // only a client that is gone can make it fail
	return nil
}

// Script serves the page's script.
func (c *Checkout) Script(w http.ResponseWriter, r *http.Request) error {
	return c.asset(w, r, "text/javascript; charset=utf-8", checkoutScript)
}

// Style serves the page's style.
func (c *Checkout) Style(w http.ResponseWriter, r *http.Request) error {
	return c.asset(w, r, "text/css; charset=utf-8", c.style())
}

// asset serves one of the page's files.
func (c *Checkout) asset(w http.ResponseWriter, r *http.Request, contentType string, content []byte) error {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(content)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == c.version() {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(content)
	return nil
}

// name fills in what people call the channel.
func (c *choice) name(t map[string]string, lang string) {
	known := channel.Of(c.Channel)
	app := "" // that scans
	c.Life = int(known.CredentialLife.Seconds())
	switch {
	case strings.Contains(c.Channel, "alipay"):
		c.Brand, c.Mark, c.Label = "alipay", "支", t["alipay"]
	case strings.Contains(c.Channel, "upacp"):
		c.Brand, c.Mark, c.Label = "unionpay", "银", t["unionpay"]
	case strings.Contains(c.Channel, "wx"):
		c.Brand, c.Mark, c.Label = "wechat", "微", t["wechat"]
		app = t["wechatApp"]
	default:
		c.Mark, c.Label = "¥", known.EN
		if lang == "zh" {
			c.Label = known.ZH
		}
	}
	c.Hint = fmt.Sprintf(t["scan"], cmp.Or(app, c.Label))
}

// yuan writes an amount as a price: 1,234.50.
func yuan(fen int64) string {
	whole, out := strconv.FormatInt(fen/100, 10), ""
	for len(whole) > 3 {
		whole, out = whole[:len(whole)-3], ","+whole[len(whole)-3:]+out
	}
	return fmt.Sprintf("%s%s.%02d", whole, out, fen%100)
}

func symbol(currency string) string {
	if currency == "cny" {
		return "¥"
	}
	return strings.ToUpper(currency) + " "
}

var checkoutTexts = map[string]map[string]string{
	"zh": {
		"title": "收银台", "order": "订单号", "channels": "支付方式", "loading": "请稍候…", "waiting": "等待支付，剩余时间",
		"wechat": "微信支付", "alipay": "支付宝", "unionpay": "银联支付", "wechatApp": "微信", "scan": "请使用%s扫一扫支付", "qr": "付款二维码",
		"opened": "请在打开的页面中完成支付，完成后本页会自动更新", "again": "重新打开支付页面", "payWeChat": "立即支付",
		"expired": "支付已过期", "expiredMore": "该付款码已失效，请重新获取。", "renew": "重新获取",
		"paid": "支付成功", "returning": "正在返回商家…", "already": "订单已支付", "alreadyMore": "无需再次付款。", "otherMore": "该订单已通过另一笔支付完成，请勿重复付款。",
		"held": "已收到付款", "heldMore": "商家正在核对这笔付款，请勿重复支付。",
		"notfound": "订单不存在", "notfoundMore": "请检查链接，或登录下单时使用的账号后重试。",
		"refused": "暂时无法支付", "others": "请选择其他支付方式：", "retry": "重试", "back": "返回商家", "offline": "网络异常，请检查网络后重试。",
		"noscript": "请启用 JavaScript 后继续支付。", "test": "测试模式：不会产生真实扣款", "mock": "打开模拟支付页",
		"browser": "请点击右上角，选择在浏览器中打开本页后继续支付。", "nochannel": "商家没有开通适合当前设备的支付方式。",
	},
	"en": {
		"title": "Checkout", "order": "Order", "channels": "Ways to pay", "loading": "One moment…", "waiting": "Waiting for the payment,",
		"wechat": "WeChat Pay", "alipay": "Alipay", "unionpay": "UnionPay", "wechatApp": "WeChat", "scan": "Scan with %s", "qr": "QR code to pay",
		"opened": "Pay on the page that has opened. This page follows by itself.", "again": "Open the payment page again", "payWeChat": "Pay now",
		"expired": "This payment has expired", "expiredMore": "The code is no longer good. Get a new one to go on.", "renew": "Get a new one",
		"paid": "Paid", "returning": "Going back to the shop…", "already": "This order is paid", "alreadyMore": "There is nothing left to pay.", "otherMore": "Another payment of this order succeeded. Please do not pay again.",
		"held": "Your payment has arrived", "heldMore": "The shop is looking at it. Please do not pay again.",
		"notfound": "No such order", "notfoundMore": "Check the link, or log in to the shop as the one who ordered.",
		"refused": "This cannot be paid right now", "others": "Choose another way to pay:", "retry": "Try again", "back": "Back to the shop", "offline": "The network failed. Check it and try again.",
		"noscript": "Turn on JavaScript to pay.", "test": "Test mode: no money moves", "mock": "Open the mock payment page",
		"browser": "Use the menu at the top right to open this page in your browser, and pay there.", "nochannel": "The shop offers no way to pay on this device.",
	},
}

package payment

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/handlers/limits"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/pingpp/channel"
	"github.com/caddypay/caddypay/relay/relaytest"
	"github.com/caddypay/caddypay/session"
)

const (
	onADesktop  = "Mozilla/5.0 (X11; Linux x86_64) Chrome/130.0"
	onAPhone    = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148"
	insideWeXin = "Mozilla/5.0 (Linux; Android 14) Mobile MicroMessenger/8.0.50"
)

// newCashier is a counter with a payment page.
func newCashier(t *testing.T, channels ...string) (*till, *relaytest.Logs) {
	t.Helper()
	s := newCounter(t)
	logs := &relaytest.Logs{}
	s.pay.Channels = append(channels, "wx_lite")
	s.pay.Checkout = &Checkout{Channels: channels, ReturnURL: "https://shop.example.com/done?from=pay", ShopName: "Tea house"}
	s.pay.Problems = &problem.Log{Logger: logs.Logger(), ClientIP: s.pay.ClientIP, Now: s.Clock.Now}
	return s, logs
}

// shown is a page, and what it tells its script.
type shown struct {
	*httptest.ResponseRecorder
	data    map[string]string
	offered string
}

var dataOf = regexp.MustCompile(`data-([a-z-]+)="([^"]*)"`)

// pages opens the payment page of an order.
func (s *till) pages(query, agent, language, token string) shown {
	s.T.Helper()
	w, p := s.route(func(w http.ResponseWriter, r *http.Request) error {
		r.Header.Set("User-Agent", agent)
		r.Header.Set("Accept-Language", language)
		return s.pay.ServeCheckout(w, r)
	}, http.MethodGet, "/pay/checkout?order_no="+query, "", token)
	if p != nil {
		s.T.Fatal(p)
	}
	v := shown{w, map[string]string{}, ""}
	for _, m := range dataOf.FindAllStringSubmatch(w.Body.String(), -1) {
		if _, ok := v.data[m[1]]; !ok {
			v.data[m[1]] = m[2]
		}
		if m[1] == "channel" {
			v.offered += m[2] + " "
		}
	}
	return v
}

// The page of a test says that no money moves, and leads to the mock page; that of a live site does neither.
func TestPageInEitherMode(t *testing.T) {
	s, _ := newCashier(t, "wx_pub_qr", "wx_pub")
	v := s.pages("order1", onADesktop, "en", "")
	if h := v.Header(); v.Code != 200 || h.Get("Content-Type") != "text/html; charset=utf-8" || v.data["state"] != "loading" || v.data["auto"] != "wx_pub_qr" || v.data["order"] != "order1" || v.data["back"] != "https://shop.example.com/done?from=pay&amp;order_no=order1" ||
		v.data["mock"] != s.Client.MockURL() || v.data["notify"] != "" || !strings.Contains(h.Get("Content-Security-Policy"), "connect-src 'self';") {
		t.Errorf("%d %v %v", v.Code, v.data, h)
	}
	body := v.Body.String()
	for _, part := range []string{"no money moves", ">19.99<", "Tea house", "shop.example.com<", `<p class="subject" id="subject">Tea<`} {
		if !strings.Contains(body, part) {
			t.Errorf("it lacks %q", part)
		}
	}
	if !slices.Contains(strings.Fields(v.data["channel-codes"]), "charge_rejected") || !slices.Contains(strings.Fields(v.data["final-codes"]), "order_closed") {
		t.Errorf("%v", v.data)
	}
	v = s.pages("order1", insideWeXin, "zh", s.token(session.WxPub, payerA))
	if v.data["notify"] != s.Client.NotifyURL() || v.data["auto"] != "wx_pub" || v.offered != "wx_pub " || !strings.Contains(v.Header().Get("Content-Security-Policy"), "connect-src 'self' "+s.URL+";") {
		t.Errorf("%v %v", v.data, v.Header())
	}
	s.pay.Pingpp = s.NewClient(s.LiveKey())
	for _, agent := range []string{onADesktop, insideWeXin} {
		v = s.pages("order1", agent, "en", s.token(session.WxPub, payerA))
		if v.data["mock"] != "" || v.data["notify"] != "" || strings.Contains(v.Body.String(), "no money moves") || v.data["state"] != "loading" {
			t.Errorf("a live site: %v", v.data)
		}
	}
}

// What is wrong is said in the visitor's language, and to the operator.
func TestPageThatRefuses(t *testing.T) {
	s, logs := newCashier(t, "wx_pub")
	for name, c := range map[string]struct {
		query, agent, language, token string
		status                        int
		state, code                   string
		says                          string
	}{
		"no number":                    {"a%20b", onADesktop, "en", "", 404, "notfound", "", ""},
		"WeChat, logged in in vain":    {"order1&login=1", insideWeXin, "en", "", 401, "refused", "session_missing", problem.Sentence("session_missing", true)},
		"a phone":                      {"order1", onAPhone, "en", "", 400, "refused", "channel_unsupported", "The shop offers no way to pay on this device."},
		"a phone, in Chinese":          {"order1", onAPhone, "zh", "", 400, "refused", "channel_unsupported", "商家没有开通适合当前设备的支付方式。"},
		"a program's session, in vain": {"order1&login=1", insideWeXin, "zh", s.token(session.WxLite, payerA), 401, "refused", "session_missing", problem.Sentence("session_missing", false)},
	} {
		v := s.pages(c.query, c.agent, c.language, c.token)
		if v.Code != c.status || v.data["state"] != c.state || !strings.Contains(v.Body.String(), `id="code">`+c.code+`<`) || !strings.Contains(v.Body.String(), `id="detail">`+c.says) || c.state == "notfound" && v.data["order"] != "" {
			t.Errorf("%s: %d %v", name, v.Code, v.data)
		}
		if v.Header().Get("Content-Language") != c.language {
			t.Errorf("%s: in %s", name, v.Header().Get("Content-Language"))
		}
	}
	if n := strings.Count(logs.String(), `"route":"checkout"`); n != 4 {
		t.Errorf("%d lines", n)
	}
	for _, token := range []string{"", s.token(session.WxLite, payerA)} {
		if v := s.pages("order1", insideWeXin, "en", token); v.Code != http.StatusFound || !strings.HasPrefix(v.Header().Get("Location"), "/pay/oauth/start?return=%2Fpay%2Fcheckout%3F") {
			t.Errorf("%d %v", v.Code, v.Header())
		}
	}
	s.pay.Checkout.Channels = []string{"wx_wap"}
	if v := s.pages("order1", insideWeXin, "en", ""); v.data["state"] != "refused" || !strings.Contains(v.Body.String(), "open this page in your browser") {
		t.Errorf("%v", v.data)
	}
	s.pay.Checkout.Channels = []string{"wx_pub_qr"}
	s.says = ""
	if v := s.pages("order1", onADesktop, "en", ""); v.Code != 404 || v.data["state"] != "notfound" {
		t.Errorf("%d %v", v.Code, v.data)
	}
	token := s.token(session.WxLite, payerA)
	s.pay.Visitors.Keys = func(context.Context) ([][]byte, error) { return nil, errors.New("the storage is gone") }
	if v := s.pages("order1", onADesktop, "en", token); v.data["state"] != "refused" || v.Code < 500 { // who somebody is, nobody knows
		t.Errorf("%d %v", v.Code, v.data)
	}
}

// The page knows what its visitor has paid, also among other attempts; nobody is asked to pay again.
func TestPageOfWhatIsPaid(t *testing.T) {
	s, _ := newCashier(t, "wx_pub_qr")
	mine := s.token(session.WxLite, payerA)
	want := func(what, state, amount string) {
		t.Helper()
		asked := s.asked
		v := s.pages("order1", onADesktop, "en", mine)
		if v.Code != 200 || v.data["state"] != state || v.offered != "" || !strings.Contains(v.Body.String(), ">"+amount+"<") || s.asked != asked {
			t.Errorf("%s: %d %v, offered %q", what, v.Code, v.data, v.offered)
		}
	}
	first := s.must("order1", payerA)
	s.After(time.Second)
	s.costs("2000")
	s.Fault("create_charge", "drop", 1)
	if _, _, p := s.buys("order1", payerA); p == nil {
		t.Fatal("it was not lost")
	}
	if v := s.pages("order1", onADesktop, "en", mine); v.data["charge"] != first.ID || v.data["state"] != "loading" || v.offered != "wx_pub_qr " {
		t.Errorf("%v", v.data)
	}
	second, _, p := s.buys("order1", payerA)
	if p != nil {
		t.Fatal(p)
	}
	s.After(time.Second)
	s.PaidEverywhere(s.pay.Reconciler, s.l, second.ID)
	paid := s.Known(s.l, second.ID).TimePaid
	want("just now", "paid", "20.00")
	s.Clock.Set(paid.Add(justPaid - time.Millisecond))
	want("nearly five minutes ago", "paid", "20.00")
	s.Clock.Set(paid.Add(justPaid))
	want("five minutes ago", "already", "20.00")

	s, _ = newCashier(t, "wx_pub_qr")
	mine = s.token(session.WxLite, payerA)
	first = s.must("order1", payerA)
	s.After(time.Second)
	s.costs("2000")
	s.must("order1", payerA)
	s.After(time.Second)
	s.PaidEverywhere(s.pay.Reconciler, s.l, first.ID) // at the price of before: a person decides
	want("held", "held", "19.99")
	s.says = `"amount":2000,"status":"paid"`
	if v := s.pages("order1", onADesktop, "en", ""); v.Code != 200 || v.data["state"] != "already" { // somebody else's matter
		t.Errorf("%d %v", v.Code, v.data)
	}
}

// The files of the page are whole, and named anew when they change; addresses keep what they had.
func TestFilesOfThePage(t *testing.T) {
	plain, green := &Checkout{}, &Checkout{Accent: &Colour{10, 125, 75}}
	if plain.version() == green.version() || len(plain.version()) != 16 {
		t.Errorf("%s %s", plain.version(), green.version())
	}
	for _, c := range []*Checkout{plain, green} {
		for serve, want := range map[string]string{"js": "Drives the checkout page", "css": "--accent"} {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, "/pay/checkout."+serve+"?v="+c.version(), nil)
			if serve == "js" {
				_ = c.Script(w, r)
			} else {
				_ = c.Style(w, r)
			}
			if w.Code != 200 || !strings.Contains(w.Body.String(), want) || strings.Contains(w.Body.String(), "#0a7d4b") != (serve == "css" && c == green) || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
				t.Errorf("%s: %d %v", serve, w.Code, w.Header())
			}
		}
	}
	script := checkoutScript
	old := plain.version()
	defer func() { checkoutScript = script }()
	if checkoutScript = []byte("other"); plain.version() == old {
		t.Error("another script has the name of the old one")
	}
	if got := withOrderNo("https://a/b?c=d&order_no=old#e", "1&2"); got != "https://a/b?c=d&order_no=1%262#e" {
		t.Error(got)
	}
	if got := withOrderNo("://", "1"); got != "://" {
		t.Error(got)
	}
	if got := origin("https://a.b:1/c?d"); got != "https://a.b:1" {
		t.Error(got)
	}
	if all := CheckoutChannels(); !slices.IsSorted(all) || !slices.Contains(all, "wx_pub_qr") || !slices.Contains(all, "alipay_wap") {
		t.Error(all)
	}
	for agent, want := range map[string]place{onADesktop: onScreen, onAPhone: onPhone, insideWeXin: inWeChat, "": onScreen} {
		if got := placeOf(agent); got != want {
			t.Errorf("%s: %s", agent, got)
		}
	}
}

// Contrasts are those of WCAG 2.
func TestContrast(t *testing.T) {
	for _, c := range []struct {
		a, b Colour
		want float64
	}{{white, black, 21}, {Colour{0x76, 0x76, 0x76}, white, 4.54}, {Colour{0xff, 0, 0}, white, 4.00}, {Colour{0, 0xff, 0}, white, 1.37}, {Colour{0, 0, 0xff}, white, 8.59}, {Colour{10, 10, 10}, black, 1.06}, {Colour{0x19, 0x1c, 0x23}, white, 17.05}} {
		if got := c.a.contrast(c.b); math.Abs(got-c.want) > .005 || got != c.b.contrast(c.a) {
			t.Errorf("%s on %s: %.3f, want %.2f", c.a, c.b, got, c.want)
		}
	}
}

// What people read on the page: names of channels in their language, prices as they are written, and whether another try helps.
func TestWordsOfThePage(t *testing.T) {
	for fen, want := range map[int64]string{1: "0.01", 99: "0.99", 100: "1.00", 99999: "999.99", 100000: "1,000.00", 123456789: "1,234,567.89"} {
		if got := yuan(fen); got != want {
			t.Errorf("%d: %s", fen, got)
		}
	}
	if symbol("cny") != "¥" || symbol("hkd") != "HKD " {
		t.Error(symbol("cny"), symbol("hkd"))
	}
	for _, c := range []struct{ channel, lang, want string }{
		{"wx_pub_qr", "en", "{wx_pub_qr scan wechat 微 WeChat Pay Scan with WeChat 7200}"}, {"alipay_qr", "zh", "{alipay_qr scan alipay 支 支付宝 请使用支付宝扫一扫支付 0}"},
		{"wx_wap", "en", "{wx_wap scan wechat 微 WeChat Pay Scan with WeChat 300}"}, {"upacp_pc", "en", "{upacp_pc scan unionpay 银 UnionPay Scan with UnionPay 0}"}, {"chinaums_alipay_wap", "en", "{chinaums_alipay_wap scan alipay 支 Alipay Scan with Alipay 0}"},
	} {
		v := choice{Channel: c.channel, Way: "scan"}
		if v.name(checkoutTexts[c.lang], c.lang); fmt.Sprint(v) != c.want {
			t.Errorf("%+v, want %s", v, c.want)
		}
	}
	for lang, want := range map[string]string{"zh": channel.Of("balance").ZH, "en": channel.Of("balance").EN} {
		v := choice{Channel: "balance"}
		if v.name(checkoutTexts[lang], lang); v.Label != want || v.Mark != "¥" || v.Brand != "" {
			t.Errorf("%+v", v)
		}
	}
	if css := (Colour{0xff, 0xd4, 0}).style(); !strings.Contains(css, "--accent: #ffd400; --accent-ink: #000000; --link: var(--ink) }") || !strings.Contains(css, "--link: #ffd400 } }") { // yellow is read on the dark card alone
		t.Error(css)
	}
	c := &Checkout{Channels: []string{"wx_pub_qr", "wx_wap"}}
	for at, want := range map[place]string{onPhone: "[wx_wap]", onScreen: "[wx_pub_qr]", inWeChat: "[]"} {
		got := []string{}
		for _, o := range c.offered(at) {
			got = append(got, o.Channel)
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%s: %s", at, got)
		}
	}
	if got := (&Checkout{Channels: []string{"wx_pub_qr"}}).offered(onPhone); len(got) != 1 || got[0].Way != "scan" { // another phone may scan it
		t.Errorf("%+v", got)
	}
	w := httptest.NewRecorder()
	_ = c.Script(w, httptest.NewRequest(http.MethodGet, "/pay/checkout.js?v=old", nil))
	if h := w.Header(); h.Get("Cache-Control") != "no-cache" || h.Get("Content-Type") != "text/javascript; charset=utf-8" || h.Get("Content-Length") != strconv.Itoa(len(checkoutScript)) || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%v", h)
	}

	s, _ := newCashier(t, "upacp_pc", "wx_pub_qr")
	v := s.pages("order1", onADesktop, "en", "")
	for name, want := range map[string]string{"Cache-Control": "no-store", "Vary": "Accept-Language, User-Agent", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "strict-origin-when-cross-origin"} {
		if got := v.Header().Get(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	if v.data["auto"] != "" || !strings.Contains(v.Body.String(), "UnionPay</button>") { // nobody is sent away by itself
		t.Errorf("%v", v.data)
	}
	for says, hidden := range map[string]bool{`"amount":1999,"status":"closed"`: true, `"amount":1.5`: true, "x": true} {
		s.says = says
		if v := s.pages("order1", onADesktop, "en", ""); strings.Contains(v.Body.String(), `order_no=order1" hidden>`) != hidden {
			t.Errorf("%s: %v", says, v.data)
		}
	}
	l := limits.Default
	l.OpenID = limits.Rate{N: 1, Per: time.Hour}
	s.pay.Budgets = limits.NewBudgets(l)
	mine := s.token(session.WxLite, payerA)
	s.says = `"amount":1999`
	s.pages("order1", onADesktop, "en", mine)
	if v := s.pages("order1", onADesktop, "en", mine); v.Code != 429 || v.Header().Get("Retry-After") == "" || !strings.Contains(v.Body.String(), `order_no=order1">Try again`) {
		t.Errorf("%d %v", v.Code, v.Header())
	}
}

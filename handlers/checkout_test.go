package handlers

import (
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/handlers/limits"
	"github.com/caddypay/caddypay/handlers/payment"
	"github.com/caddypay/caddypay/session"
)

const (
	desktopAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"
	phoneAgents  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"
	wechatAgent  = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Mobile MicroMessenger/8.0.50"
)

// withCheckout is a world whose site has the payment page.
func withCheckout(t *testing.T, channels ...string) (*world, *visitor) {
	w := newWorld(t)
	w.set(func(c *Config) {
		c.Checkout = &payment.Checkout{Channels: channels, ReturnURL: "https://shop.example.com/done?from=pay"}
	})
	w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return w, &visitor{w: w}
}

func (v *visitor) checkout(orderNo, agent string, header ...string) answer {
	v.w.t.Helper()
	return v.do("GET", "/pay/checkout?order_no="+orderNo, "", append([]string{"User-Agent", agent, "Accept-Language", "en"}, header...)...)
}

var dataAttribute = regexp.MustCompile(`data-([a-z]+)="([^"]*)"`)

// data reads the attributes by which the page tells its script what to do, and the channels on offer.
func data(a answer) (attributes map[string]string, offered string) {
	attributes = make(map[string]string)
	for _, m := range dataAttribute.FindAllStringSubmatch(string(a.body), -1) {
		if m[1] == "channel" {
			offered += m[2] + " "
		} else if _, ok := attributes[m[1]]; !ok {
			attributes[m[1]] = m[2]
		}
	}
	return attributes, strings.TrimSpace(offered)
}

// Each device is offered what works on it.
func TestCheckoutChannels(t *testing.T) {
	everything := []string{"wx_pub", "alipay_wap", "wx_wap", "alipay_qr", "wx_pub_qr", "upacp_pc"}
	for _, c := range []struct {
		name, agent, orderNo string
		channels             []string
		offered, auto, code  string
	}{
		{"a desktop", desktopAgent, "C10000001", everything, "alipay_qr wx_pub_qr upacp_pc", "alipay_qr", ""},
		{"a phone", phoneAgents, "C10000002", everything, "alipay_wap wx_wap", "", ""},
		{"a phone without a channel of its own", phoneAgents, "C10000003", []string{"wx_pub_qr"}, "wx_pub_qr", "wx_pub_qr", ""},
		{"a number that UnionPay does not take", desktopAgent, "C-1", everything, "alipay_qr wx_pub_qr upacp_pc", "alipay_qr", ""},
		{"a number that no shop has", desktopAgent, strings.Repeat("9", 65), everything, "", "", ""},
		{"WeChat with a page of China UMS", wechatAgent, "C10000005", []string{"wx_wap", "chinaums_wx_pub"}, "chinaums_wx_pub", "", ""},
		{"a phone with pages of China UMS", phoneAgents, "C10000006", []string{"wx_pub_pab", "chinaums_wx_wap", "chinaums_alipay_wap", "chinaums_upacp_wap"},
			"chinaums_wx_wap chinaums_alipay_wap chinaums_upacp_wap", "", ""},
		{"WeChat without wx_pub", wechatAgent, "C10000004", []string{"wx_wap", "wx_pub_qr"}, "", "", "channel_unsupported"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, v := withCheckout(t, c.channels...)
			a := v.checkout(c.orderNo, c.agent)
			got, offered := data(a)
			if offered != c.offered || got["auto"] != c.auto {
				t.Errorf("offers %q, begins with %q", offered, got["auto"])
			}
			if c.code != "" && (a.status != 400 || got["state"] != "refused" || !strings.Contains(string(a.body), c.code)) {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
}

// A page that offers WeChat's payment sheet logs its visitor in, whatever it offers first.
func TestCheckoutLogsInForAnySheet(t *testing.T) {
	for _, channel := range []string{"wx_pub", "wx_pub_pab", "yeepay_wx_pub"} {
		_, v := withCheckout(t, "chinaums_wx_pub", channel)
		if a := v.checkout("C10000007", wechatAgent); a.status != 302 || !strings.HasPrefix(a.header.Get("Location"), "/pay/oauth/start?") {
			t.Errorf("%s: %d %s", channel, a.status, a.header.Get("Location"))
		}
	}
}

// The page shows what the backend says, escaped, in the visitor's language, under a policy that runs nothing but our script.
func TestCheckoutPage(t *testing.T) {
	w, v := withCheckout(t, "wx_pub_qr")
	w.setQuote(w.answerQuote(map[string]any{"amount": 123456, "subject": `<script>alert(1)</script>`}))
	a := v.checkout("C20001", desktopAgent)
	body := string(a.body)
	got, _ := data(a)
	for what, ok := range map[string]bool{
		"status":  a.status == 200,
		"type":    a.header.Get("Content-Type") == "text/html; charset=utf-8",
		"caching": a.header.Get("Cache-Control") == "no-store",
		"policy":  strings.HasPrefix(a.header.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "),
		"amount":  strings.Contains(body, ">1,234.56<"),
		"subject": strings.Contains(body, "&lt;script&gt;alert(1)&lt;/script&gt;") && !strings.Contains(body, "<script>alert"),
		"inline":  strings.Count(body, "<script") == 1 && !strings.Contains(body, "<style") && !strings.Contains(body, " style=") && !strings.Contains(body, "onclick"),
		"state":   got["state"] == "loading" && got["order"] == "C20001" && got["charge"] == "",
		"back":    got["back"] == "https://shop.example.com/done?from=pay&amp;order_no=C20001",
		"test":    strings.Contains(body, "no money moves"),
		"english": a.header.Get("Content-Language") == "en",
		"no call": w.calls("create_charge") == 0 && len(a.header["Set-Cookie"]) == 0,
	} {
		if !ok {
			t.Errorf("%s: %d %v\n%s", what, a.status, a.header, body)
		}
	}
	if zh := v.do("GET", "/pay/checkout?order_no=C20001", "", "Accept-Language", "zh-CN,en;q=0.5"); !strings.Contains(string(zh.body), "收银台") || zh.header.Get("Content-Language") != "zh" {
		t.Errorf("%s", zh.body)
	}
	for _, file := range regexp.MustCompile(`"(/pay/checkout\.(?:js|css)\?v=[0-9a-f]+)"`).FindAllStringSubmatch(body, -1) {
		if f := v.do("GET", file[1], ""); f.status != 200 || !strings.Contains(f.header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", file[1], f.status, f.header)
		}
	}
	if f := v.do("GET", "/pay/checkout.js?v=old", ""); f.status != 200 || f.header.Get("Cache-Control") != "no-cache" {
		t.Errorf("%d %v", f.status, f.header)
	}
}

// What the backend or the ledger says against a payment is said on the page.
func TestCheckoutStates(t *testing.T) {
	for _, c := range []struct {
		name   string
		quote  http.HandlerFunc
		status int
		state  string
		code   string
	}{
		{"unknown", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(404) }, 404, "notfound", ""},
		{"forbidden", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(403) }, 404, "notfound", ""},
		{"paid", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(409) }, 200, "already", ""},
		{"closed", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(410) }, 409, "refused", "order_closed"},
		{"down", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(500) }, 502, "refused", "backend_unavailable"},
		{"login page", func(rw http.ResponseWriter, _ *http.Request) { rw.Write([]byte("<html>")) }, 502, "refused", "quote_invalid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, v := withCheckout(t, "wx_pub_qr")
			w.setQuote(c.quote)
			a := v.checkout("C30001", desktopAgent)
			got, offered := data(a)
			if a.status != c.status || got["state"] != c.state || !strings.Contains(string(a.body), ">"+c.code+"<") || offered != "" {
				t.Errorf("%d %v %s", a.status, got, a.body)
			}
		})
	}
	_, v := withCheckout(t, "wx_pub_qr")
	for _, orderNo := range []string{"", "..%2Fadmin", "a%00b", "%3Cscript%20x%3E"} {
		a := v.checkout(orderNo, desktopAgent)
		if got, _ := data(a); a.status != 404 || got["state"] != "notfound" || strings.Contains(string(a.body), "script>") && strings.Count(string(a.body), "<script") != 1 {
			t.Errorf("%q: %d %s", orderNo, a.status, a.body)
		}
	}
	if a := v.checkout("%3Cscript%3E", desktopAgent); a.status != 200 || strings.Count(string(a.body), "<script") != 1 { // a shop may call an order so
		t.Errorf("%d %s", a.status, a.body)
	}
}

// A visitor who comes back sees how far the own attempt has come; another one does not.
func TestCheckoutComesBack(t *testing.T) {
	w, v := withCheckout(t, "wx_pub_qr", "alipay_qr")
	id, _ := v.pay("C40001", "wx_pub_qr")
	if got, _ := data(v.checkout("C40001", desktopAgent)); got["state"] != "loading" || got["charge"] != id {
		t.Errorf("%v", got)
	}
	stranger := &visitor{w: w}
	if got, _ := data(stranger.checkout("C40001", desktopAgent)); got["state"] != "loading" || got["charge"] != "" {
		t.Errorf("a stranger gets %v", got)
	}
	w.paid(id)
	if got, _ := data(v.checkout("C40001", desktopAgent)); got["state"] != "paid" {
		t.Errorf("%v", got)
	}
	w.clock.Add(justPaid + time.Second)
	if got, _ := data(v.checkout("C40001", desktopAgent)); got["state"] != "already" {
		t.Errorf("%v", got)
	}
}

// Inside WeChat the page logs its visitor in first, once.
func TestCheckoutInWeChat(t *testing.T) {
	w, v := withCheckout(t, "wx_pub", "wx_wap")
	a := v.checkout("C50001", wechatAgent)
	to, err := url.Parse(a.header.Get("Location"))
	if err != nil || a.status != 302 || to.Path != "/pay/oauth/start" || to.Query().Get("return") != "/pay/checkout?login=1&order_no=C50001" {
		t.Fatalf("%d %v", a.status, a.header)
	}
	a = v.do("GET", to.Query().Get("return"), "", "User-Agent", wechatAgent)
	if got, _ := data(a); a.status != 401 || got["state"] != "refused" || !strings.Contains(string(a.body), "session_missing") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if w.calls("create_charge") != 0 {
		t.Error("a charge was made")
	}
}

// Each page asks the backend: nobody goes through its orders without a limit.
func TestCheckoutIsLimited(t *testing.T) {
	w, v := withCheckout(t, "alipay_qr")
	few := limits.Default
	few.Address = limits.Rate{N: 2, Per: time.Minute}
	w.set(func(c *Config) { c.Budgets = limits.NewBudgets(few) })
	for i, want := range []int{200, 200, 429} {
		a := v.checkout("C1000000"+string(rune('1'+i)), desktopAgent)
		if got, _ := data(a); a.status != want || (want == 429) != (got["state"] == "refused") || (want == 429) != (a.header.Get("Retry-After") == "30") {
			t.Errorf("page %d: %d %s", i, a.status, a.body)
		}
	}
	if n := len(w.backend.exchanges("/internal/pay/orders/")); n != 2 {
		t.Errorf("the backend was asked %d times", n)
	}
}

// Without the option there is no page.
func TestCheckoutIsOff(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/pay/checkout?order_no=1001", "/pay/checkout.js", "/pay/checkout.css"} {
		wantProblem(t, w.do("GET", path, ""), 404, "not_found")
	}
}

// A payment that a person has to look at is not asked for again.
func TestCheckoutOfAHeldPayment(t *testing.T) {
	w, v := withCheckout(t, "wx_pub_qr")
	id, _ := v.pay("C60001", "wx_pub_qr")
	body, _ := w.payEvent(id)
	if a := w.send(strings.Replace(body, `"amount":1999`, `"amount":1`, 1)); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if got, offered := data(v.checkout("C60001", desktopAgent)); got["state"] != "held" || offered != "" {
		t.Errorf("%v", got)
	}
}

// A code on the screen can be good for longer than a login: the session of the page that asks for it lasts as long as it asks.
func TestOpenPageKeepsItsSession(t *testing.T) {
	w := newOpenWorld(t)
	first := w.do("POST", "/pay/charges", orderOf("1001", openChannel), "Origin", w.origin())
	if first.status != 201 {
		t.Fatalf("answered %d %s", first.status, first.body)
	}
	id, old := first.text("id"), cookieOf(t, first)
	c := w.attempts("1001")[0]
	ask := func(header ...string) answer {
		t.Helper()
		return w.do("GET", "/pay/charges/"+id, "", header...)
	}
	sets := func(a answer) bool { return len(a.header.Values("Set-Cookie")) > 0 }
	_, token, _ := strings.Cut(old, "=")

	w.clock.Add(59 * time.Minute)
	if a := ask("Cookie", old); a.status != 200 || sets(a) {
		t.Errorf("in the first half: %d %v", a.status, a.header)
	}
	w.clock.Add(2 * time.Minute)
	if a := ask("X-Pay-Session", token); a.status != 200 || sets(a) {
		t.Errorf("a client that sends its session itself: %d %v", a.status, a.header)
	}
	a := ask("Cookie", old)
	renewed := cookieOf(t, a)
	w.clock.Add(58 * time.Minute)
	if a := ask("Cookie", old); a.status != 200 {
		t.Errorf("the old session, while it lasts: %d %s", a.status, a.body)
	}
	w.clock.Add(2 * time.Minute)
	wantProblem(t, ask("Cookie", old), 401, "session_expired")
	if a := ask("Cookie", renewed); a.status != 200 || a.text("id") != id {
		t.Errorf("after the first session's end: %d %s", a.status, a.body)
	}
	if a := ask("Cookie", renewed); a.text("status") != "expired" || sets(a) || !w.clock.Now().After(c.TimeExpire) {
		t.Errorf("a charge that cannot be paid any more prolongs nothing: %s %v", a.body, a.header)
	}

	login := w.sealed(session.Identity{Kind: session.WxPub, OpenID: payer, AppID: w.config.WxPub.AppID(), Expires: w.clock.Now().Add(time.Minute)})
	paying := w.do("POST", "/pay/charges", orderOf("1002", openChannel), "Origin", w.origin(), "Cookie", "__Host-pay_session="+login)
	if paying.status != 201 {
		t.Fatalf("answered %d %s", paying.status, paying.body)
	}
	if a := w.do("GET", "/pay/charges/"+paying.text("id"), "", "Cookie", "__Host-pay_session="+login); a.status != 200 || sets(a) {
		t.Errorf("a login of WeChat's is not prolonged: %d %v", a.status, a.header)
	}
}

// The page has the shop's name and colour, by a stylesheet of its own, so that the policy need not let a style into the page.
func TestCheckoutShopNameAndAccent(t *testing.T) {
	w, v := withCheckout(t, "wx_pub_qr")
	plain := v.checkout("C70001", desktopAgent)
	sheet := regexp.MustCompile(`"(/pay/checkout\.css\?v=[0-9a-f]+)"`)
	green, err := payment.ParseColour("#0a7d4b")
	if err != nil {
		t.Fatal(err)
	}
	w.config.Checkout.ShopName, w.config.Checkout.Accent = "茶铺 <Tea>", &green
	a := v.checkout("C70002", desktopAgent)
	if body := string(a.body); !strings.Contains(body, `<span class="shop">茶铺 &lt;Tea&gt;</span>`) || !strings.Contains(body, "<title>茶铺 &lt;Tea&gt; · Checkout · ") || strings.Contains(body, "0a7d4b") {
		t.Errorf("%s", body)
	}
	before, now := sheet.FindSubmatch(plain.body), sheet.FindSubmatch(a.body)
	if before == nil || now == nil || string(before[1]) == string(now[1]) {
		t.Fatalf("the stylesheets are %s and %s", before, now)
	}
	style, err := os.ReadFile("payment/checkout/checkout.css")
	if err != nil {
		t.Fatal(err)
	}
	css := v.do("GET", string(now[1]), "")
	if css.status != 200 || !strings.HasPrefix(string(css.body), string(style)) || !strings.Contains(string(css.body), "--accent: #0a7d4b; --accent-ink: #ffffff; --link: #0a7d4b }") ||
		!strings.Contains(css.header.Get("Cache-Control"), "immutable") {
		t.Errorf("%d %v %s", css.status, css.header, css.body)
	}
}

// The button to try again stands only where another try may end otherwise.
func TestCheckoutRetry(t *testing.T) {
	button := regexp.MustCompile(`id="retry" href="([^"]*)"( hidden)?>`)
	for status, retry := range map[int]bool{500: true, 410: false} {
		w, v := withCheckout(t, "wx_pub_qr")
		w.setQuote(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status) })
		a := v.checkout("C80001", desktopAgent)
		if m := button.FindSubmatch(a.body); m == nil || string(m[1]) != "/pay/checkout?order_no=C80001" || (len(m[2]) == 0) != retry {
			t.Errorf("after %d: %q\n%s", status, m, a.body)
		}
	}
}

// The code says in whose app it is scanned, as people there call it.
func TestCheckoutNamesTheAppThatScans(t *testing.T) {
	_, v := withCheckout(t, "wx_pub_qr", "alipay_qr")
	for lang, hints := range map[string][]string{"zh-CN": {"请使用微信扫一扫支付", "请使用支付宝扫一扫支付"}, "en": {"Scan with WeChat", "Scan with Alipay"}} {
		a := v.do("GET", "/pay/checkout?order_no=C90001", "", "Accept-Language", lang)
		for _, hint := range hints {
			if !strings.Contains(string(a.body), ">"+hint+"<") {
				t.Errorf("%s: no %q in %s", lang, hint, a.body)
			}
		}
	}
}

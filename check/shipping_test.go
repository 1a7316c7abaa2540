package check

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
	"github.com/caddypay/caddypay/shipping"
	"github.com/caddypay/caddypay/wechat"
)

// drawer is a storage in memory.
type drawer struct{ sync.Map }

func (d *drawer) Load(_ context.Context, key string) ([]byte, error) {
	v, ok := d.Map.Load(key)
	if !ok {
		return nil, fs.ErrNotExist
	}
	return v.([]byte), nil
}

func (d *drawer) Store(_ context.Context, key string, value []byte) error {
	d.Map.Store(key, value)
	return nil
}
func (d *drawer) Lock(context.Context, string) error   { return nil }
func (d *drawer) Unlock(context.Context, string) error { return nil }

// program is a mini program at an emulated WeChat, whose levers are moved by post.
func program(t *testing.T, secret string) (orders *wechat.Orders, post func(path, body string)) {
	t.Helper()
	box := sandboxtest.Start(t, sandbox.Config{App: "app_test1", WxLite: sandbox.WeChatApp{AppID: "wx0123456789abcdef", Secret: weixinSecret}, Managed: true, Now: time.Now})
	lite, err := wechat.NewMiniProgram(wechat.Config{AppID: "wx0123456789abcdef", Secret: redact.New(secret), Endpoint: box.Server.URL, Transport: box.Client.Transport})
	if err != nil {
		t.Fatal(err)
	}
	post = func(path, body string) {
		t.Helper()
		resp, err := box.Client.Post(box.Server.URL+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode >= http.StatusBadRequest {
			t.Fatal(path, resp.Status)
		}
	}
	warn := func(what string, err error) { t.Error(what, err) }
	return wechat.NewOrders(lite, wechat.ShareToken(lite, new(drawer), time.Now, warn), time.Now), post
}

// What WeChat says of a program: each fault is named by one finding, and where all is well there is none.
func TestShippingAtWeChat(t *testing.T) {
	const wellSet = `{"order_detail_path":"pages/order?id=${商品订单号}"}`
	for _, c := range []struct {
		name, secret, lever, fault string
		silent                     bool // the site has WeChat told of nothing
		mute                       bool // and nothing could report it
		id                         string
		want                       Result
		says                       string
	}{
		{name: "all is well", id: "shipping", want: OK, says: "which is done here"},
		{name: "not managed", lever: `{"managed":false}`, id: "shipping", want: OK, says: "does not keep this mini program's money"},
		{name: "not managed, and nothing is reported", lever: `{"managed":false}`, silent: true, id: "shipping", want: OK, says: "does not keep"},
		{name: "managed, and nothing is reported", silent: true, id: "shipping", want: Warn, says: "the money stays frozen"},
		{name: "managed, and nothing could report it", mute: true, id: "shipping", want: Warn, says: "nothing here could report it"},
		{name: "not managed, and nothing could report it", lever: `{"managed":false}`, mute: true, id: "shipping", want: OK, says: "does not keep"},
		{name: "not confirmed", lever: `{"confirmed":false}`, id: "shipping-confirmed", want: Fail, says: "neither authorised"},
		{name: "no order page", lever: `{"order_detail_path":""}`, id: "shipping-path", want: Warn, says: "has no order page"},
		{name: "an order page for none", lever: `{"order_detail_path":"pages/order"}`, id: "shipping-path", want: Warn, says: `opens no order: "pages/order"`},
		{name: "the address is not listed", fault: "40164", id: "wechat-ip", want: Fail, says: "this server's address (40164)"},
		{name: "tokens end", fault: "40001", id: "shipping-token", want: Fail, says: "not even a fresh one"},
		{name: "no right", fault: "48001", id: "shipping", want: Fail, says: "refuses to answer about shipping (48001)"},
		{name: "busy", fault: "-1", id: "shipping", want: Unknown, says: "no answer to go by"},
		{name: "a wrong secret is said by another check", secret: "Mark1123456789abcdef0123456789ab", id: "shipping", want: Unknown, says: "before WeChat takes AppID and AppSecret"},
	} {
		t.Run(c.name, func(t *testing.T) {
			secret := c.secret
			if secret == "" {
				secret = weixinSecret
			}
			orders, post := program(t, secret)
			post("/sandbox/wechat/program", wellSet)
			if c.lever != "" {
				post("/sandbox/wechat/program", c.lever)
			}
			if c.fault != "" {
				post("/sandbox/faults", `{"on":"is_trade_managed","fault":"`+c.fault+`","times":9}`)
			}
			s := Site{Name: "shop.test", Program: orders, Ships: !c.silent, Mute: c.mute, Now: time.Now}
			var found []Finding
			for _, check := range s.Checks() {
				if check.ID == "shipping" {
					found = check.run(t.Context())
				}
			}
			for _, f := range found {
				bad := f.Result != OK
				if bad != (f.ID == c.id && c.want != OK) {
					t.Errorf("%s is %s:%s", f.ID, f.Result, show(found))
				}
				if f.Text.EN == "" || f.Text.ZH == "" || (f.Result == Fail || f.Result == Warn) && (f.Fix.EN == "" || f.Fix.ZH == "") || strings.Contains(f.Text.EN+f.Text.ZH+f.Fix.EN+f.Fix.ZH, "%!") ||
					strings.Contains(f.Text.EN+f.Text.ZH, secret) {
					t.Errorf("%+v", f)
				}
			}
			i := slices.IndexFunc(found, func(f Finding) bool { return f.ID == c.id })
			if i < 0 || found[i].Result != c.want || !strings.Contains(found[i].Text.EN, c.says) {
				t.Errorf("not %s %s %q:%s", c.id, c.want, c.says, show(found))
			}
		})
	}
}

// A site that has WeChat told of nothing, and whose account was not made ready to be asked, is left alone.
func TestShippingIsNoDuty(t *testing.T) {
	orders, post := program(t, weixinSecret)
	post("/sandbox/faults", `{"on":"is_trade_managed","fault":"40164","times":9}`)
	s := Site{Name: "shop.test", Program: orders, Now: time.Now}
	if found := s.shipping(t.Context()); len(found) != 0 {
		t.Error(show(found))
	}
}

// Tokens that are taken back again and again are somebody's who fetches them with force.
func TestTokensTakenBack(t *testing.T) {
	orders, post := program(t, weixinSecret)
	post("/sandbox/wechat/program", `{"order_detail_path":"pages/order?id=${商品订单号}"}`)
	s := Site{Name: "shop.test", Program: orders, Ships: true, Now: time.Now}
	token := func() Finding {
		found := s.shipping(t.Context())
		return found[slices.IndexFunc(found, func(f Finding) bool { return f.ID == "shipping-token" })]
	}
	if f := token(); f.Result != OK {
		t.Errorf("%+v", f)
	}
	s.Program = taken{orders, 3}
	if f := token(); f.Result != Warn || !strings.Contains(f.Text.EN, "took 3 access tokens back") || !strings.Contains(f.Fix.EN, "stable_token") {
		t.Errorf("%+v", f)
	}
}

type taken struct {
	Program
	n int
}

func (p taken) TokensTakenBack() int { return p.n }

// A pause of the program says since and until when, why, and whether a person is needed.
func TestShippingPaused(t *testing.T) {
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	quota := shipping.Pause{AppID: "wx0", Since: at, Until: at.Add(time.Hour), Code: "45009", EN: "the quota is used up", ZH: "次数已用完"}
	list := shipping.Pause{AppID: "wx1", Since: at, Until: at.Add(time.Minute), Code: "40164", Person: true, EN: "the IP list", ZH: "白名单"}
	for _, c := range []struct {
		all    []shipping.Pause
		want   Result
		en, zh string
	}{
		{nil, OK, "WeChat is told", "可以上报"},
		{[]shipping.Pause{quota}, Warn, "since 2026-11-26 12:00:00 UTC, until 2026-11-26 13:00:00 UTC: the quota is used up", "自 2026-11-26 12:00:00 UTC 起暂停向微信上报发货信息，至 2026-11-26 13:00:00 UTC：次数已用完"},
		{[]shipping.Pause{quota, list}, Fail, "the IP list", "白名单"},
	} {
		s := Site{Name: "shop.test", Now: time.Now, Paused: func() []shipping.Pause { return c.all }}
		all := s.Checks()
		i := slices.IndexFunc(all, func(one Check) bool { return one.ID == "shipping-paused" })
		if f := all[i].run(t.Context()); len(f) != 1 || f[0].Result != c.want || !strings.Contains(f[0].Text.EN, c.en) || !strings.Contains(f[0].Text.ZH, c.zh) || c.want != OK && (f[0].Fix.EN == "" || f[0].Fix.ZH == "") {
			t.Errorf("%+v", f)
		}
	}
}

// A report that failed is told at once, with why, long before its 48 hours are over.
func TestShippingFailed(t *testing.T) {
	why := ledger.ShippingProblem{Code: "10060009", Text: "upload_shipping_info: the items are too long", ZH: "商品描述过长"}
	for _, c := range []struct {
		due    ledger.ShippingDue
		err    error
		want   Result
		en, zh string
	}{
		{want: OK, en: "no shipping report failed", zh: "没有失败"},
		{due: ledger.ShippingDue{Soon: 2, SoonFen: 5}, want: OK, en: "no shipping report failed", zh: "没有失败"},
		{due: ledger.ShippingDue{Failed: 2, FailedFen: 1999, FailedOrder: "A-1", Why: why}, want: Fail, en: "2 payments (¥19.99) failed, and is not tried again by itself; the last is order A-1: upload_shipping_info: the items are too long", zh: "订单 A-1：商品描述过长"},
		{err: errors.New("disk"), want: Unknown, en: "disk", zh: "disk"},
	} {
		s := Site{Name: "shop.test", Now: time.Now, Unshipped: func(context.Context) (*ledger.ShippingDue, error) { return &c.due, c.err }}
		all := s.Checks()
		i := slices.IndexFunc(all, func(one Check) bool { return one.ID == "shipping-failed" })
		found := all[i].run(t.Context())
		if len(found) != 1 || found[0].ID != "shipping-failed" || found[0].Result != c.want || !strings.Contains(found[0].Text.EN, c.en) || !strings.Contains(found[0].Text.ZH, c.zh) {
			t.Errorf("%+v", found)
		}
		if c.want == Fail && (found[0].Fix.EN == "" || found[0].Fix.ZH == "" || len(found[0].Commands) != 1) {
			t.Errorf("%+v", found)
		}
	}
}

// Money that stays frozen is a warning before its 48 hours are over, and a failure after them.
func TestShippingDue(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		due  ledger.ShippingDue
		err  error
		want Result
		says string
	}{
		{want: OK, says: "runs out of its time"},
		{due: ledger.ShippingDue{Soon: 2, SoonFen: 1999, Next: now.Add(3 * time.Hour)}, want: Warn, says: "2 payments (¥19.99) reported as shipped, the first one in 3h0m0s"},
		{due: ledger.ShippingDue{Soon: 2, SoonFen: 1999, Late: 1, LateFen: 5, Next: now.Add(3 * time.Hour)}, want: Fail, says: "1 payments (¥0.05) for 48 hours"},
		{err: errors.New("disk"), want: Unknown, says: "disk"},
	} {
		s := Site{Name: "shop.test", Now: func() time.Time { return now }, Unshipped: func(context.Context) (*ledger.ShippingDue, error) { return &c.due, c.err }}
		checks := s.Checks()
		found := checks[len(checks)-1].run(t.Context())
		if len(found) != 1 || found[0].ID != "shipping-due" || found[0].Result != c.want || !strings.Contains(found[0].Text.EN, c.says) || found[0].Text.ZH == "" {
			t.Errorf("%+v", found)
		}
	}
}

package caddymodule

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/examples/legacyshop"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/sandbox"
)

// checkedCaddyfile is a site as the demo has one: HTTPS of Caddy's own authority, an emulated Ping++ and WeChat, and the legacy shop.
// order makes an order of the shop.
func checkedCaddyfile(t *testing.T, dir, addr string, more ...string) (file string, order func() string) {
	t.Helper()
	box, err := sandbox.New(sandbox.Config{App: "app_test1", TestKey: "sk_test_Mark0123456789", MerchantKey: &merchantKey().PublicKey, SigningKey: pingppKey(),
		WxLite: sandbox.WeChatApp{AppID: "wx0123456789abcdef", Secret: "Mark0123456789abcdef0123456789ab"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	pingxx := httptest.NewServer(box)
	t.Cleanup(pingxx.Close)
	shop := httptest.NewServer(legacyshop.New(testToken, "test"))
	t.Cleanup(shop.Close)
	order = func() string {
		t.Helper()
		req := must(http.NewRequest(http.MethodPost, shop.URL+"/orders", strings.NewReader(`{"product":"tea"}`)))
		req.Header.Set("X-WX-OPENID", "o-payer")
		var made struct {
			OrderNo string `json:"order_no"`
		}
		if status, answer := answered(t, req); status != http.StatusCreated || json.Unmarshal([]byte(answer), &made) != nil {
			t.Fatal(status, answer)
		}
		return made.OrderNo
	}
	block := payBlock(t, dir, "", append([]string{"upstream " + shop.Listener.Addr().String(), "orders GET /internal/pay/orders/{order_no}",
		"events POST /internal/pay/events {\n\t\t\texpect body success\n\t\t}"}, more...)...)
	endpoint := "\n\t\t\tendpoint " + pingxx.URL
	block = strings.NewReplacer("app app_test1", "app app_test1"+endpoint, "wechat wx_lite {", "wechat wx_lite {"+endpoint).Replace(block)
	return strings.Replace(globals(dir, ledgerIn(dir)), "auto_https off", "auto_https disable_redirects\n\tlocal_certs\n\tskip_install_trust", 1) +
		"https://localhost:" + addr[strings.LastIndex(addr, ":")+1:] + " {\n" + block + "}\n", order
}

// Nothing is wrong with the demo; what is planted in a running Caddy is found.
func TestCheckOfARunningCaddy(t *testing.T) {
	dir, addr := t.TempDir(), freeAddr(t)
	file, _ := checkedCaddyfile(t, dir, addr)
	run(t, file)
	app := must(activeApp())
	var found []check.Finding
	eventually(t, "the certificate is there", func() bool {
		found = app.Check(t.Context())
		bad := findings(found, check.Unknown, check.Fail)
		return !slices.Contains(bad, "certificate") && !slices.Contains(bad, "webhook-url") // which are looked at side by side
	})
	if len(findings(found, check.OK)) != len(found) || len(found) < 17 {
		for _, f := range found {
			t.Errorf("%s %s: %s", f.Result.Mark(), f.ID, f.Text.EN)
		}
	}
	for _, f := range found {
		if f.Site != "" && f.Site != "localhost" {
			t.Errorf("%s is of site %q", f.ID, f.Site)
		}
	}

	// Another directive takes what is Ping++'s.
	run(t, strings.Replace(file, "\tpay  {", "\troute {\n\trespond /pay/webhooks 200\n\tpay  {", 1)+"}\n")
	if bad := findings(must(activeApp()).Check(t.Context()), check.Fail, check.Unknown, check.Warn); !slices.Equal(bad, []string{"webhook-url"}) {
		t.Errorf("with another directive before pay: %q", bad)
	}
}

// A request that nobody waits for is a webhook like any other.
func TestCheckHeaderOfAStranger(t *testing.T) {
	dir, addr := t.TempDir(), freeAddr(t)
	run(t, globals(dir, ledgerIn(dir))+"http://"+addr+" {\n"+payBlock(t, dir, "", "allow_http")+"}\n")
	req := must(http.NewRequest(http.MethodPost, "http://"+addr+"/pay/webhooks", nil))
	req.Header.Set(check.KnockHeader, "guess")
	if status, answer := answered(t, req); status != http.StatusUnauthorized || !strings.Contains(answer, "signature_missing") {
		t.Errorf("%d %s", status, answer)
	}
}

// An event that died, delivery that somebody has paused, and a Ping++ that is not there are named in a running Caddy.
func TestCheckNamesWhatHappens(t *testing.T) {
	dir, addr, d := t.TempDir(), freeAddr(t), newDesk(t)
	d.refuses(true)
	endpoint := "\n\t\t\tendpoint http://" + freeAddr(t) // where nothing listens
	file := strings.NewReplacer("app app_test1", "app app_test1"+endpoint, "wechat wx_lite {", "wechat wx_lite {"+endpoint).
		Replace(d.site(t, dir, addr, "orders GET /internal/pay/orders/{order_no}"))
	run(t, file)
	if status := sendWebhook(t, "http://"+addr+"/pay/webhooks", webhookEvent("a")); status != http.StatusOK {
		t.Fatal(status)
	}
	app := must(activeApp())
	eventually(t, "the event is dead", func() bool { return slices.Contains(findings(app.Check(t.Context()), check.Fail), "events-dead") })
	l := must(app.store.open(t.Context()))
	if err := l.Decide(t.Context(), ledger.Decision{Scope: app.sites[0].scope, Action: ledger.ActionPause, Now: time.Now(), By: "192.0.2.1", Said: "alice", Reason: "stocktaking"}); err != nil {
		t.Fatal(err)
	}
	found := app.Check(t.Context())
	if bad := findings(found, check.Fail); !slices.Equal(bad, []string{"pingpp", "wechat", "backend-quote", "events-dead"}) {
		t.Errorf("what fails is %q", bad)
	}
	i := slices.IndexFunc(found, func(f check.Finding) bool { return f.ID == "delivery-paused" })
	if i < 0 || found[i].Result != check.Warn || !strings.Contains(found[i].Text.EN, "by alice") {
		t.Errorf("%+v", found)
	}
	if _, _, err := sizes(filepath.Join(dir, "none.db")); err == nil {
		t.Error("a ledger that is not there has a size")
	}
}

// A backend that refuses an event shows at once; one that is away does not, since its events come by themselves.
func TestFiguresOfARefusal(t *testing.T) {
	for status, refused := range map[int]bool{http.StatusForbidden: true, http.StatusServiceUnavailable: false} {
		dir, addr := t.TempDir(), freeAddr(t)
		shop := backend(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		run(t, globals(dir, ledgerIn(dir))+"http://"+addr+" {\n"+payBlock(t, dir, "", "allow_http", "upstream "+shop, "events POST /internal/pay/events")+"}\n")
		if status := sendWebhook(t, "http://"+addr+"/pay/webhooks", webhookEvent("a")); status != http.StatusOK {
			t.Fatal(status)
		}
		app := must(activeApp())
		eventually(t, "the attempt is recorded", func() bool { return must(app.figures(t.Context(), app.sites[0].scope)).LastError != "" })
		if f := must(app.figures(t.Context(), app.sites[0].scope)); f.Refused != refused {
			t.Errorf("%d: %+v", status, f)
		}
		if err := caddy.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// Two sites of one app and mode share what the ledger says of it: that is said once.
func TestCheckOfTwoSites(t *testing.T) {
	dir, d := t.TempDir(), newDesk(t)
	endpoint := "\n\t\t\tendpoint http://" + freeAddr(t) // where nothing listens
	block := strings.NewReplacer("app app_test1", "app app_test1"+endpoint, "wechat wx_lite {", "wechat wx_lite {"+endpoint).
		Replace(payBlock(t, dir, "", "allow_http", "upstream "+d.addr, "events POST /internal/pay/events"))
	run(t, globals(dir, ledgerIn(dir))+"http://"+freeAddr(t)+" {\n"+block+"}\nhttp://"+freeAddr(t)+" {\n"+block+"}\n")
	count, config := make(map[string]int), make(map[string]bool)
	for _, f := range must(activeApp()).Check(t.Context()) {
		if count[f.ID]++; f.ID == "config" {
			config[f.Site] = true
		}
	}
	if len(config) != 2 {
		t.Errorf("nobody can tell them apart: %v", config)
	}
	if count["events-dead"] != 1 || count["sweep"] != 1 || count["ledger-write"] != 1 || count["config"] != 2 {
		t.Errorf("%v", count)
	}
}

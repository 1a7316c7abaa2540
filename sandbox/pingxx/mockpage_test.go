package pingxx_test

import (
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
)

// The mock page shows what is paid, and takes the payment or leaves it.
func TestMockPage(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	a := b.Create("M1000001", "channel", "wx_pub_qr", "extra", sandboxtest.ExtraOf("wx_pub_qr"), "amount", 1905, "subject", "Tea & <cake>")
	link := strings.TrimPrefix(a.Field("credential.wx_pub_qr").(string), b.Server.URL)
	shows := func(path, want string) {
		t.Helper()
		if got := b.Page(path, "en"); got.Status != 200 || !strings.Contains(string(got.Body), want) {
			t.Errorf("%s answered %d without %q:\n%s", path, got.Status, want, got.Body)
		}
	}
	shows(link, "19.05")
	shows(link, "Tea &amp; &lt;cake&gt;")
	if got := b.Page(link, "zh-CN"); !strings.Contains(string(got.Body), "立即支付") {
		t.Errorf("%s", got.Body)
	}

	canceled := b.Form(a.ID(), "cancel")
	if canceled.Status != 303 || !strings.HasPrefix(canceled.Header.Get("Location"), link) || b.API("GET", "/v1/charges/"+a.ID(), "").Field("paid") != false {
		t.Errorf("%+v", canceled)
	}
	shows(canceled.Header.Get("Location"), "nothing was paid")
	if paid := b.Form(a.ID(), "pay"); paid.Status != 303 || paid.Header.Get("Location") != link || b.API("GET", "/v1/charges/"+a.ID(), "").Field("paid") != true {
		t.Errorf("%+v", paid)
	}
	shows(link, "✓ Paid")
	if n := len(b.State(10).Events); n != 1 {
		t.Errorf("%d events", n)
	}

	if again := b.Form(a.ID(), "pay"); again.Status != 303 || len(b.State(10).Events) != 1 {
		t.Errorf("%+v", again)
	}
	if bad := b.Form(a.ID(), "steal"); bad.Status != 400 {
		t.Errorf("%+v", bad)
	}
}

// A web channel brings its user back to where the shop said.
func TestMockPageGoesBack(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	extra := map[string]any{"success_url": "https://shop.example.com/paid", "cancel_url": "https://shop.example.com/cart"}
	id := b.Create("M1000002", "channel", "alipay_wap", "extra", extra).ID()
	if a := b.Form(id, "cancel"); a.Header.Get("Location") != "https://shop.example.com/cart" {
		t.Errorf("%+v", a)
	}
	if a := b.Form(id, "pay"); a.Header.Get("Location") != "https://shop.example.com/paid" {
		t.Errorf("%+v", a)
	}
}

// What cannot be paid says so: expired, reversed, unknown, or of live mode, which no mock page may pay.
func TestMockPageRefuses(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{PublicURL: "https://pay.example.com/"})
	a := b.Create("M1000003", "channel", "wx_wap", "extra", map[string]any{})
	if link := a.Field("credential.wx_wap"); link != "https://pay.example.com/mock.php?ch_id="+a.ID()+"&channel=wx_wap" {
		t.Errorf("%v", link)
	}
	reversed := b.Create("M1000004").ID()
	b.Clock.Add(time.Minute)
	if got := b.API("POST", "/v1/charges/"+reversed+"/reverse", ""); got.Status != 200 {
		t.Fatalf("%s", got.Body)
	}
	live := b.Do(b.Request("POST", "/v1/charges", b.Order("M1000005"), "Authorization", "Bearer "+b.LiveKey())).ID()
	b.Clock.Add(3 * time.Hour)
	for id, want := range map[string]string{a.ID(): "has expired", reversed: "is closed", live: "no such test charge", "ch_x": "no such test charge"} {
		if got := b.Page("/mock.php?ch_id="+id, "en"); !strings.Contains(string(got.Body), want) {
			t.Errorf("%s lacks %q", got.Body, want)
		}
	}
	for id, status := range map[string]int{a.ID(): 303, reversed: 303, live: 404, "ch_x": 404} {
		if got := b.Form(id, "pay"); got.Status != status {
			t.Errorf("%s: %d", id, got.Status)
		}
	}
	if n := len(b.State(10).Events); n != 0 {
		t.Errorf("%d payments", n)
	}
	if got := b.Do(b.Request("PUT", "/mock.php", "")); got.Status != 405 || got.Header.Get("Allow") == "" {
		t.Errorf("%+v", got)
	}
}

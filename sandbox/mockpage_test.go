package sandbox

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// form posts the tester's decision, without following where it leads.
func (b *bench) form(chargeID, action string) answer {
	b.t.Helper()
	r := b.request("POST", "/mock.php", url.Values{"ch_id": {chargeID}, "action": {action}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	client := *b.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	return answer{res.StatusCode, res.Header, nil}
}

func (b *bench) page(path, language string) answer {
	b.t.Helper()
	return b.do(b.request("GET", path, "", "Accept-Language", language))
}

// The mock page shows what is paid, and takes the payment or leaves it.
func TestMockPage(t *testing.T) {
	b := start(t, Config{})
	a := b.create("M1000001", "channel", "wx_pub_qr", "extra", extraOf("wx_pub_qr"), "amount", 1905, "subject", "Tea & <cake>")
	link := strings.TrimPrefix(a.field("credential.wx_pub_qr").(string), b.server.URL)
	shows := func(path, want string) {
		t.Helper()
		if got := b.page(path, "en"); got.status != 200 || !strings.Contains(string(got.body), want) {
			t.Errorf("%s answered %d without %q:\n%s", path, got.status, want, got.body)
		}
	}
	shows(link, "19.05")
	shows(link, "Tea &amp; &lt;cake&gt;")
	if got := b.page(link, "zh-CN"); !strings.Contains(string(got.body), "立即支付") {
		t.Errorf("%s", got.body)
	}

	canceled := b.form(a.id(), "cancel")
	if canceled.status != 303 || !strings.HasPrefix(canceled.header.Get("Location"), link) || b.api("GET", "/v1/charges/"+a.id(), "").field("paid") != false {
		t.Errorf("%+v", canceled)
	}
	shows(canceled.header.Get("Location"), "nothing was paid")
	if paid := b.form(a.id(), "pay"); paid.status != 303 || paid.header.Get("Location") != link || b.api("GET", "/v1/charges/"+a.id(), "").field("paid") != true {
		t.Errorf("%+v", paid)
	}
	shows(link, "✓ Paid")
	if n := len(b.State(10).Events); n != 1 {
		t.Errorf("%d events", n)
	}

	if again := b.form(a.id(), "pay"); again.status != 303 || len(b.State(10).Events) != 1 {
		t.Errorf("%+v", again)
	}
	if bad := b.form(a.id(), "steal"); bad.status != 400 {
		t.Errorf("%+v", bad)
	}
}

// A web channel brings its user back to where the shop said.
func TestMockPageGoesBack(t *testing.T) {
	b := start(t, Config{})
	extra := map[string]any{"success_url": "https://shop.example.com/paid", "cancel_url": "https://shop.example.com/cart"}
	id := b.create("M1000002", "channel", "alipay_wap", "extra", extra).id()
	if a := b.form(id, "cancel"); a.header.Get("Location") != "https://shop.example.com/cart" {
		t.Errorf("%+v", a)
	}
	if a := b.form(id, "pay"); a.header.Get("Location") != "https://shop.example.com/paid" {
		t.Errorf("%+v", a)
	}
}

// What cannot be paid says so: expired, reversed, unknown, or of live mode, which no mock page may pay.
func TestMockPageRefuses(t *testing.T) {
	b := start(t, Config{PublicURL: "https://pay.example.com/"})
	a := b.create("M1000003", "channel", "wx_wap", "extra", map[string]any{})
	if link := a.field("credential.wx_wap"); link != "https://pay.example.com/mock.php?ch_id="+a.id()+"&channel=wx_wap" {
		t.Errorf("%v", link)
	}
	reversed := b.create("M1000004").id()
	b.clock.Add(time.Minute)
	if got := b.api("POST", "/v1/charges/"+reversed+"/reverse", ""); got.status != 200 {
		t.Fatalf("%s", got.body)
	}
	live := b.do(b.request("POST", "/v1/charges", b.order("M1000005"), "Authorization", "Bearer "+b.LiveKey())).id()
	b.clock.Add(3 * time.Hour)
	for id, want := range map[string]string{a.id(): "has expired", reversed: "is closed", live: "no such test charge", "ch_x": "no such test charge"} {
		if got := b.page("/mock.php?ch_id="+id, "en"); !strings.Contains(string(got.body), want) {
			t.Errorf("%s lacks %q", got.body, want)
		}
	}
	for id, status := range map[string]int{a.id(): 303, reversed: 303, live: 404, "ch_x": 404} {
		if got := b.form(id, "pay"); got.status != status {
			t.Errorf("%s: %d", id, got.status)
		}
	}
	if n := len(b.State(10).Events); n != 0 {
		t.Errorf("%d payments", n)
	}
	if got := b.do(b.request("PUT", "/mock.php", "")); got.status != 405 || got.header.Get("Allow") == "" {
		t.Errorf("%+v", got)
	}
}

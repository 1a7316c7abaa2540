package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/ledgertest/memory"
	"github.com/caddypay/caddypay/sandbox"
)

// liveShipping is a Caddyfile of a live site that has WeChat told of shipping, which WeChat does not answer.
func liveShipping(t *testing.T, more ...string) (file string) {
	t.Helper()
	dir := t.TempDir()
	return globals(dir, ledgerIn(dir)) + liveShippingSite(t, dir, more...)
}

func liveShippingSite(t *testing.T, dir string, more ...string) string {
	t.Helper()
	weixin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "not now", http.StatusServiceUnavailable) }))
	t.Cleanup(weixin.Close)
	return "http://" + freeAddr(t) + " {\n" + strings.NewReplacer("app app_test1", "app app_live1", "sk_test_", "sk_live_",
		"secret Mark0123456789abcdef0123456789ab", "secret Mark0123456789abcdef0123456789ab\n\t\t\tendpoint "+weixin.URL).Replace(payBlock(t, dir, "/live", append([]string{"allow_http"}, more...)...)) + "}\n"
}

// besideNight is a live site of the app of a nightSite, at the same emulated Ping++.
func besideNight(t *testing.T, box *sandbox.Sandbox, night string) (site string, scope ledger.Scope) {
	t.Helper()
	endpoint := regexp.MustCompile(`endpoint http\S+`).FindString(night)
	site = liveShippingSite(t, t.TempDir(), "shipping")
	return strings.NewReplacer("app app_live1", "app app_test1\n\t\t\t"+endpoint, "sk_live_Mark0123456789", box.LiveKey()).Replace(site), ledger.Scope{App: "app_test1", Mode: ledger.Live}
}

var liveScope = ledger.Scope{App: "app_live1", Mode: ledger.Live}

// shipped records a payment whose money WeChat keeps.
func shipped(t *testing.T, l ledger.Ledger, scope ledger.Scope, orderNo string, fen int64, ago time.Duration) (charge string) {
	t.Helper()
	charge = "ch_" + orderNo
	oursIn(t, l, scope, orderNo, charge, fen)
	at := time.Now().Add(-ago)
	must(l.Append(t.Context(), &ledger.Event{Scope: scope, ID: "evt_" + orderNo, Type: "charge.succeeded", ObjectID: charge, ChargeID: charge, OrderNo: orderNo, Lane: orderNo, Ships: true,
		Source: ledger.Webhook, State: ledger.Pending, Created: at, Received: at, Due: at, Change: &ledger.ChargeChange{Paid: true, TimePaid: at},
		Payment: &ledger.Payment{Amount: fen, Currency: "cny", Time: at, TransactionNo: "4200" + orderNo}, Body: []byte(`{}`)}))
	return charge
}

// Frozen money is listed, shown and reported again by commands, stands in the figures and in the metrics, and nowhere where no site reports shipping.
func TestShippingCommands(t *testing.T) {
	a := runAdmin(t, liveShipping(t, "shipping"))
	l := ledgerOf(t)
	shipped(t, l, liveScope, "s1", 1999, time.Hour)
	shipped(t, l, liveScope, "s2", 500, 47*time.Hour)
	charge := shipped(t, l, liveScope, "s3", 700, 50*time.Hour)
	says := func(line string, want ...string) {
		t.Helper()
		out, notices, err := offline(t, append(strings.Fields(line), "--address", a.addr)...)
		for _, text := range want {
			if err != nil || !strings.Contains(out, text) {
				t.Errorf("%s: %v, not %q\n%s%s", line, err, text, out, notices)
			}
		}
	}
	fails := func(want, line string) {
		t.Helper()
		if _, _, err := offline(t, append(strings.Fields(line), "--address", a.addr)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v does not say %q", line, err, want)
		}
	}
	says("shipping list --state waiting,failed --until 36h", "ch_s2", "¥7.00", "waiting")
	says("shipping show "+charge, "4200s3", "runs out", " ago")
	says("figures", "frozen at WeChat", "¥31.99 of 3 payments; of 1, ¥7.00, the 48 hours for the shipping report have run out; of 1, ¥5.00, they run out within 12 hours")
	fails("nothing was reported of it yet", "shipping report "+charge)
	fails("there is no charge", "shipping show ch_none")
	fails("a reason is missing", "shipping report "+charge+" --file "+write(t, t.TempDir(), "s.json", `{"type":"virtual","items":"tea"}`))
	file := filepath.Join(t.TempDir(), "shipping.json")
	if err := os.WriteFile(file, []byte(`{"type":"virtual","items":"tea"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var s adminapi.ShipmentWhole
	out, _, err := offline(t, "shipping", "report", charge, "--file", file, "--reason", "because", "--json", "--address", a.addr)
	if err != nil || json.Unmarshal([]byte(out), &s) != nil || s.Shipping == nil || s.Shipping.Items != "tea" || s.Stage != "open" {
		t.Errorf("%v\n%s", err, out)
	}
	says("audit --action report", "evt_s3", "because")

	const of = `{app="app_live1",mode="live"}`
	for name, want := range map[string]string{"frozen_fen": "3199", "frozen_payments": "3", "shipping_due": "1", "shipping_late": "1", "shipping_failed": "0"} {
		eventually(t, name, func() bool { return a.metric("caddy_pay_"+name+of) == want })
	}
}

// A site without shipping has none of its series, and the admin API refuses to record a report that nobody would send.
func TestNoShipping(t *testing.T) {
	a := runAdmin(t, liveShipping(t))
	shipped(t, ledgerOf(t), liveScope, "s1", 1999, time.Hour)
	if v := a.metric(`caddy_pay_events_pending{app="app_live1",mode="live"}`); v == "" {
		t.Error("the ledger's gauges are not there")
	}
	for _, name := range []string{"frozen_fen", "frozen_payments", "shipping_due", "shipping_late", "shipping_failed"} {
		if v := a.metric("caddy_pay_" + name + `{app="app_live1",mode="live"}`); v != "" {
			t.Errorf("%s is %s", name, v)
		}
	}
	if status, body := a.do(http.MethodPost, "/pay/shipping/ch_s1/report", `{"reason":"r","shipping":{"type":"virtual","items":"tea"}}`, nil); status != http.StatusConflict || !strings.Contains(body, `"code":"off"`) {
		t.Error(status, body)
	}
}

// The gauges of shipping are there where WeChat is told of it, and nowhere else.
func TestShippingGauges(t *testing.T) {
	l := memory.Open(memory.NewRows(), time.Now())
	t.Cleanup(func() { _ = l.Close() })
	g := newGauges(func() (ledger.Ledger, bool) { return l, true }, func() []ledger.Scope { return []ledger.Scope{testScope, liveScope} }, time.Now)
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(g)
	all := 2*(len(scopeGauges)+1) + 3
	if n := series(t, r); n != all {
		t.Errorf("%d series of sites without shipping, not %d", n, all)
	}
	g.ships, g.read = func(s ledger.Scope) bool { return s == liveScope }, time.Time{}
	if n := series(t, r); n != all+5 {
		t.Errorf("%d series of one with it, not %d", n, all+5)
	}
	families := must(r.Gather())
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "caddy_pay_frozen") || strings.HasPrefix(f.GetName(), "caddy_pay_shipping") {
			if text := fmt.Sprint(f.GetMetric()[0].GetLabel()); len(f.GetMetric()) != 1 || !strings.Contains(text, liveScope.App) {
				t.Errorf("%s: %s", f.GetName(), text)
			}
		}
	}
}

// In live mode the check asks WeChat whether it keeps the program's money; where it does, and nobody reports, that is a warning.
func TestCheckShipping(t *testing.T) {
	box := must(sandbox.New(sandbox.Config{App: "app_live1", WxLite: sandbox.WeChatApp{AppID: "wx0123456789abcdef", Secret: "Mark0123456789abcdef0123456789ab"}, Managed: true}))
	weixin := httptest.NewServer(box)
	t.Cleanup(func() { box.Close(); weixin.Close() })
	looked := func(more ...string) map[string]check.Result {
		t.Helper()
		dir := t.TempDir()
		run(t, globals(dir, ledgerIn(dir))+"http://"+freeAddr(t)+" {\n"+strings.NewReplacer("app app_test1", "app app_live1\n\t\t\tendpoint "+weixin.URL, "sk_test_Mark0123456789", box.LiveKey(),
			"wechat wx_lite {", "wechat wx_lite {\n\t\t\tendpoint "+weixin.URL).Replace(payBlock(t, dir, "", append([]string{"allow_http"}, more...)...))+"}\n")
		found := make(map[string]check.Result)
		for _, f := range must(activeApp()).Check(t.Context()) {
			found[f.ID] = f.Result
		}
		return found
	}
	found := looked("shipping", "merchant_api {\n\t\t\ttoken 0123456789abcdef0123456789abcdef\n\t\t}")
	for id, want := range map[string]check.Result{"shipping": check.OK, "shipping-confirmed": check.OK, "shipping-path": check.Warn, "shipping-token": check.OK, "shipping-due": check.OK} {
		if found[id] != want {
			t.Errorf("%s is %q, not %s", id, found[id], want)
		}
	}
	if found = looked("shipping"); found["shipping"] != check.Warn || found["shipping-due"] != check.OK {
		t.Errorf("a site that could never report: %v", found)
	}
	found = looked()
	if found["shipping"] != check.Warn || found["shipping-due"] != "" || found["shipping-path"] != "" {
		t.Errorf("a site that reports nothing: %v", found)
	}
}

// The sandbox's flag makes WeChat hold the money from the beginning.
func TestSandboxManaged(t *testing.T) {
	for _, managed := range []bool{true, false} {
		var args []string
		if managed {
			args = []string{"--managed"}
		}
		ctx, cancel := context.WithCancel(t.Context())
		url, ended := startSandboxLines(t, ctx, make(chan string, 1000), args...)
		resp, err := client(t).Post(url+"/sandbox/wechat/program", "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		var program struct{ Managed bool }
		if err := json.NewDecoder(resp.Body).Decode(&program); err != nil || resp.Body.Close() != nil || program.Managed != managed {
			t.Errorf("%v: %+v, %v", managed, program, err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

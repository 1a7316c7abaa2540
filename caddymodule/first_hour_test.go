package caddymodule

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox"
)

// A shop in php-fpm, the scripts and the Caddyfile of docs/backend.md as they are written there, and the sandbox's values in the place of
// Ping++'s: one order is paid. Nothing else was read.
func TestFirstHour(t *testing.T) {
	shop, socket, addr, dir := newPHPShop(t), startFPM(t), freeAddr(t), t.TempDir()
	hooks := &http.Transport{}
	t.Cleanup(hooks.CloseIdleConnections)
	box, err := sandbox.New(sandbox.Config{SigningKey: pingppKey(), Webhooks: []string{"http://" + addr + "/pay/webhooks"},
		WebhookClient: &http.Client{Transport: hooks, Timeout: time.Minute}, TimeScale: 1200})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	pingxx := httptest.NewServer(box)
	t.Cleanup(pingxx.Close)

	file := snippets(t, "backend.md")[0][1]
	for old, now := range map[string]string{
		"shop.example.com {":               "http://" + addr + " {",
		"\tpay {":                          "\tpay {\n\t\tallow_http",
		"/srv/shop":                        shop.dir,
		"//run/php/php-fpm.sock":           "/" + socket,
		"app app_1Gqj58ynP0mHeX1q":         "app " + box.App() + "\n\t\t\tendpoint " + pingxx.URL,
		"app_id wx0123456789abcdef":        "app_id " + box.WxLite().AppID + "\n\t\t\tendpoint " + pingxx.URL,
		"env PAY_MODE live":                "env PAY_MODE test",
		"\t\t\tsigning_key merchant.pem\n": "",
		"POST /pay_event.php {":            "POST /pay_event.php {\n\t\t\tretry" + strings.Repeat(" 200ms", 200),
	} {
		if !strings.Contains(file, old) {
			t.Fatalf("the first Caddyfile of docs/backend.md has no %s", old)
		}
		file = strings.ReplaceAll(file, old, now)
	}
	t.Chdir(dir)
	write(t, dir, "pingpp.pub.pem", string(box.PublicKeyPEM()))
	t.Setenv("PINGPP_KEY", box.TestKey())
	t.Setenv("WECHAT_SECRET", box.WxLite().Secret)
	t.Setenv("PAY_BACKEND_TOKEN", testToken)
	run(t, globals(dir, ledgerIn(dir))+file)

	call := func(method, path, body, session string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(method, "http://"+addr+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Pay-Session", session)
		return answered(t, req)
	}
	var login struct{ Session string }
	if status, answer := call(http.MethodGet, "/pay/openid?code="+box.NewCode("o-payer"), "", ""); status != http.StatusOK || json.Unmarshal([]byte(answer), &login) != nil {
		t.Fatalf("login: %d %s", status, answer)
	}
	status, answer := call(http.MethodPost, "/pay/charges", `{"order_no":"20260101001","channel":"wx_lite"}`, login.Session)
	var charge struct {
		ID      string
		Amount  int
		Subject string
	}
	if err := json.Unmarshal([]byte(answer), &charge); err != nil || status != http.StatusCreated || charge.Amount != 1999 || charge.Subject != "Green tea" {
		t.Fatalf("charge: %d %s", status, answer)
	}
	resp, err := client(t).Post(pingxx.URL+"/sandbox/charges/"+charge.ID+"/pay", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.Body.Close(); resp.StatusCode != http.StatusOK {
		t.Fatalf("the phone pays: %s", resp.Status)
	}
	eventually(t, "the payment reaches the shop", func() bool {
		_, seen := call(http.MethodGet, "/seen.php", "", "") // a page of the shop, through php_fastcgi
		return seen == "paid 1"
	})
	for _, path := range []string{"/pay_quote.php?no=20260101001", "/pay_event.php"} {
		if status, answer := call(http.MethodGet, path, "", ""); status != http.StatusNotFound {
			t.Errorf("%s from outside: %d %s", path, status, answer)
		}
	}
	if log, err := os.ReadFile(filepath.Join(dir, "log")); err != nil || strings.Contains(string(log), "php-fpm, which speaks no HTTP") {
		t.Errorf("the log says %s, %v", log, err)
	}
}

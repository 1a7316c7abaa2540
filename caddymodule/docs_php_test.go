package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/session"
)

// What the scripts of docs/backend.md find in the shop: its database, and a page that shows an order to this test.
const (
	dbPHP = `<?php
$db = new PDO('sqlite:' . __DIR__ . '/shop.db', null, null, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
$db->exec('CREATE TABLE IF NOT EXISTS orders (order_no TEXT PRIMARY KEY, total INTEGER, title TEXT, openid TEXT, state TEXT, charge TEXT)');
$db->exec('CREATE TABLE IF NOT EXISTS shipments (order_no TEXT)');
$db->exec("INSERT OR IGNORE INTO orders VALUES ('20260101001', 1999, 'Green tea', 'o-payer', 'payable', NULL)");
`
	seenPHP = `<?php
require __DIR__ . '/db.php';
echo $db->query("SELECT state || ' ' || (SELECT count(*) FROM shipments) FROM orders")->fetchColumn();
`
)

// phpShop is a backend made of the scripts of docs/backend.md, as they are written there.
type phpShop struct {
	dir, addr string
	server    *exec.Cmd
}

func newPHPShop(t *testing.T) *phpShop {
	t.Helper()
	s := &phpShop{dir: t.TempDir(), addr: freeAddr(t)}
	write(t, s.dir, "db.php", dbPHP)
	write(t, s.dir, "seen.php", seenPHP)
	name := regexp.MustCompile(`^<\?php\n// (\w+\.php)`)
	var scripts []string
	for _, snippet := range snippets(t, "backend.md") {
		if snippet[0] != "php" {
			continue
		}
		m := name.FindStringSubmatch(snippet[1])
		if m == nil {
			t.Fatalf("docs/backend.md does not say in its first line what this file is called:\n%s", snippet[1])
		}
		write(t, s.dir, m[1], snippet[1])
		scripts = append(scripts, m[1])
	}
	if got := strings.Join(scripts, " "); got != "pay_guard.php pay_quote.php pay_event.php" {
		t.Fatalf("docs/backend.md shows %s", got)
	}
	t.Cleanup(func() { s.stop() })
	return s
}

// start runs the shop, which knows this token, and waits until it answers.
func (s *phpShop) start(t *testing.T, token string) {
	t.Helper()
	server := exec.Command("php", "-d", "display_errors=1", "-S", s.addr, "-t", s.dir) // with which PHP's own answer to an error is 200
	server.Env = append(os.Environ(), "PAY_BACKEND_TOKEN="+token, "PAY_MODE=test")
	if err := server.Start(); err != nil {
		t.Fatalf("%v; make deps installs PHP on Debian", err)
	}
	s.server = server
	eventually(t, "the shop answers", func() bool {
		resp, err := client(t).Get("http://" + s.addr + "/seen.php")
		return err == nil && resp.Body.Close() == nil
	})
}

func (s *phpShop) stop() {
	if s.server != nil {
		_ = s.server.Process.Kill()
		_ = s.server.Wait() // it was killed
		s.server = nil
	}
}

// call asks one of the scripts, as somebody who reaches the backend himself.
func (s *phpShop) call(t *testing.T, method, path, body string, headers ...string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+s.addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return answered(t, req)
}

func answered(t *testing.T, req *http.Request) (status int, answer string) {
	t.Helper()
	resp, err := client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

// seen is the order's state and how many shipments there are.
func (s *phpShop) seen(t *testing.T) string {
	t.Helper()
	_, answer := s.call(t, http.MethodGet, "/seen.php", "")
	return answer
}

// The PHP of docs/backend.md is a backend: it prices an order, takes its payment once, and refuses whoever does not know the token.
// The PHP of docs/http-api.md refunds it.
func TestDocsPHP(t *testing.T) {
	shop := newPHPShop(t)
	shop.start(t, testToken)
	site := sitePHP(t, shop)

	for _, tt := range []struct{ name, token, mode string }{
		{"no token", "", "test"}, {"another token", strings.Repeat("x", 32), "test"}, {"another mode", testToken, "live"},
	} {
		for path, method := range map[string]string{"/pay_quote.php?no=20260101001": http.MethodGet, "/pay_event.php": http.MethodPost} {
			status, answer := shop.call(t, method, path, `{"data":{"object":{"id":"ch_1","amount":1999}}}`, "X-Pay-Token", tt.token, "X-Pay-Mode", tt.mode,
				"X-Pay-Event", "charge.succeeded", "X-Pay-Order-No", "20260101001")
			if status != http.StatusForbidden || !strings.HasPrefix(answer, "wrong X-Pay-") {
				t.Errorf("%s, %s: %d %s", path, tt.name, status, answer)
			}
		}
	}
	status, charge := site.pay(t, "20260101001")
	id := regexp.MustCompile(`"ch_\w+"`).FindString(charge)
	if status != http.StatusCreated || !strings.Contains(charge, `"amount":1999`) || !strings.Contains(charge, `"subject":"Green tea"`) {
		t.Fatalf("charge: %d %s", status, charge)
	}
	if status, answer := site.pay(t, "20260101009"); status != http.StatusNotFound || !strings.Contains(answer, "order_not_found") {
		t.Errorf("an order that the shop does not have: %d %s", status, answer)
	}

	shop.stop()
	shop.start(t, strings.Repeat("y", 32)) // not the site's token
	if status, answer := site.pay(t, "20260101001"); status != http.StatusNotFound {
		t.Errorf("a quote with a wrong token: %d %s", status, answer)
	}
	if err := site.box.Pay(strings.Trim(id, `"`)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the delivery with a wrong token is refused", func() bool {
		_, order := site.merchant(t, http.MethodGet, "/pay/orders/20260101001", "")
		return strings.Contains(order, `"state":"pending"`) && strings.Contains(order, "403")
	})
	if got := shop.seen(t); got != "payable 0" {
		t.Errorf("an event with a wrong token left the order %s", got)
	}
	shop.stop()
	shop.start(t, testToken)
	eventually(t, "the payment reaches the shop", func() bool { return shop.seen(t) == "paid 1" })

	event := func(charge string, amount int) (int, string) {
		return shop.call(t, http.MethodPost, "/pay_event.php", fmt.Sprintf(`{"data":{"object":{"id":%s,"amount":%d}}}`, charge, amount),
			"X-Pay-Token", testToken, "X-Pay-Mode", "test", "X-Pay-Event", "charge.succeeded", "X-Pay-Order-No", "20260101001")
	}
	if status, answer := event(id, 1999); status != http.StatusOK || answer != "success" {
		t.Errorf("the same payment again: %d %s", status, answer)
	}
	if status, answer := event(`"ch_other"`, 1999); status != http.StatusConflict {
		t.Errorf("a second payment: %d %s", status, answer)
	}
	site.refund(t)
	if got := shop.seen(t); got != "paid 1" {
		t.Errorf("in the end the order is %s", got)
	}
}

// phpSite is a site of Caddy in front of a phpShop.
type phpSite struct {
	addr string
	box  *sandbox.Sandbox
}

const merchantToken = "merchant-Mark-0123456789abcdefghij"

// sitePHP is a site whose calls go to the scripts of docs/backend.md, as that page says.
func sitePHP(t *testing.T, shop *phpShop) *phpSite {
	t.Helper()
	var orders, events string
	for _, s := range snippets(t, "backend.md") {
		switch {
		case s[0] != "caddyfile":
		case strings.HasPrefix(s[1], "orders GET /pay_quote.php"):
			orders = strings.TrimSpace(s[1])
		case strings.HasPrefix(s[1], "events POST /pay_event.php {\n\texpect body success\n}"):
			events = strings.Replace(s[1], "{", "{\n\t\t\tretry"+strings.Repeat(" 200ms", 200), 1)
		}
	}
	return siteOfBackend(t, shop.addr, orders, events)
}

// siteOfBackend is a site with this upstream and these options, between a sandbox and a backend.
func siteOfBackend(t *testing.T, upstream string, options ...string) *phpSite {
	t.Helper()
	return siteIn(t, "test", upstream, options...)
}

// siteIn is siteOfBackend in test or live mode, with a mini program that WeChat manages.
func siteIn(t *testing.T, mode, upstream string, options ...string) *phpSite {
	t.Helper()
	site := &phpSite{addr: freeAddr(t)}
	hooks := &http.Transport{}
	t.Cleanup(hooks.CloseIdleConnections)
	box, err := sandbox.New(sandbox.Config{App: "app_test1", TestKey: "sk_test_Mark0123456789", LiveKey: "sk_live_Mark0123456789", MerchantKey: &merchantKey().PublicKey,
		SigningKey: pingppKey(), Managed: true,
		WxLite:   sandbox.WeChatApp{AppID: "wx0123456789abcdef", Secret: "Mark0123456789abcdef0123456789ab"},
		Webhooks: []string{"http://" + site.addr + "/pay/webhooks"}, WebhookClient: &http.Client{Transport: hooks, Timeout: time.Minute}, TimeScale: 1200})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	site.box = box
	pingxx := httptest.NewServer(box)
	t.Cleanup(pingxx.Close)
	dir := t.TempDir()
	block := payBlock(t, dir, "", append([]string{"allow_http", "upstream " + upstream, "merchant_api {\n\t\t\ttoken " + merchantToken + "\n\t\t}"}, options...)...)
	endpoint := "\n\t\t\tendpoint " + pingxx.URL
	block = strings.NewReplacer("app app_test1", "app app_test1"+endpoint, "sk_test_", "sk_"+mode+"_", "wechat wx_lite {", "wechat wx_lite {"+endpoint).Replace(block)
	run(t, globals(dir, ledgerIn(dir))+"http://"+site.addr+" {\n"+block+"}\n")
	return site
}

// pay begins the payment of an order as its customer.
func (s *phpSite) pay(t *testing.T, orderNo string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://"+s.addr+"/pay/charges", strings.NewReader(`{"order_no":"`+orderNo+`","channel":"wx_lite"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Pay-Session", token(t, "/pay", session.Identity{OpenID: "o-payer"}))
	return answered(t, req)
}

func (s *phpSite) merchant(t *testing.T, method, path, body string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+s.addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+merchantToken)
	return answered(t, req)
}

// refund runs the PHP of docs/http-api.md.
func (s *phpSite) refund(t *testing.T) {
	t.Helper()
	var script string
	for _, snippet := range snippets(t, "http-api.md") {
		if snippet[0] == "php" {
			script = strings.Replace(snippet[1], "https://shop.example.com/", "http://"+s.addr+"/", 1)
		}
	}
	refund := func(no string, fen int) (string, error) {
		cmd := exec.Command("php", "-r", fmt.Sprintf("$orderNo = '20260101001'; $refundNo = '%s'; $fen = %d; $why = '退货';\n%s\necho $refund['status'];", no, fen, script))
		cmd.Env = append(os.Environ(), "PAY_MERCHANT_TOKEN="+merchantToken)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := refund("R1", 50); err != nil || out != "pending" && out != "succeeded" {
		t.Errorf("a refund: %v %s", err, out)
	}
	if out, err := refund("R2", 5000); err == nil || !strings.Contains(out, "refund_exceeds") {
		t.Errorf("a refund of more than was paid: %v %s", err, out)
	}
}

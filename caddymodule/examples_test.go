package caddymodule

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/examples/legacyshop"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay"
	"github.com/caddypay/caddypay/sandbox"
)

// exampleShop is a backend of examples.
type exampleShop struct {
	folder       string // of its Caddyfile
	source       string // where the payment is between marks; empty: it was made for payments
	create, show string // its own pages: one makes an order, one shows it
	paid, back   string // what the second says of an order that is paid, or refunded
	fulfilled    string // where the answer about an order has how often it was
	data         string // its file of orders; empty: it has none
	run          func(t *testing.T, data string) (replace []string)
}

// exampleProcess is a shop that listens on the address that its Caddyfile names.
func exampleProcess(command ...string) func(*testing.T, string) []string {
	return func(t *testing.T, data string) []string {
		t.Helper()
		addr := freeAddr(t)
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Env = append(os.Environ(), "PORT="+port, "SHOP_FILE="+data, "SHOP_DB="+data, "PAY_BACKEND_TOKEN="+testToken, "PAY_EVENTS_SECRET="+exampleSecret, "PAY_MODE=test",
			"PYTHONDONTWRITEBYTECODE=1")
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Start(); err != nil {
			t.Fatalf("%v; make deps installs what is missing on Debian", err)
		}
		gone := make(chan struct{})
		go func() { _ = cmd.Wait(); close(gone) }()
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			<-gone
			if t.Failed() {
				t.Logf("%s says:\n%s", command[0], &said)
			}
		})
		return []string{"127.0.0.1:8080", addr}
	}
}

const exampleSecret = "whsec_" + testSessionKey

// examplePHP is a folder of php-fpm, whose database is beside what is served.
func examplePHP(socket, name string) func(*testing.T, string) []string {
	return func(t *testing.T, data string) []string {
		t.Helper()
		public := filepath.Join(filepath.Dir(data), "public")
		script, err := os.ReadFile("../examples/" + name + "/index.php")
		if err := errors.Join(err, os.Mkdir(public, 0o755)); err != nil {
			t.Fatal(err)
		}
		write(t, public, "index.php", string(script))
		return []string{"/srv/shop/public", public, "//run/php/php-fpm.sock", "/" + socket, "env PAY_MODE live", "env PAY_MODE test"}
	}
}

func exampleShops(socket string) map[string]exampleShop {
	const routes, states = "/orders", "/orders/"
	return map[string]exampleShop{
		"php-fpm": {"php-fpm", "index.php", routes, states, `"state":"paid"`, `"state":"refunded"`, "fulfilled", "shop.db", examplePHP(socket, "php-fpm")},
		"php-success": {"php-success", "index.php", "/index.php?s=/order/create", "/index.php?s=/order/detail&sn=", `"state":1`, `"state":2`, "data.shipped", "shop.db",
			examplePHP(socket, "php-success")},
		"node":   {"node", "shop.js", routes, states, `"state":"paid"`, `"state":"refunded"`, "fulfilled", "orders.json", exampleProcess("node", "../examples/node/shop.js")},
		"python": {"python", "shop.py", routes, states, `"state": "paid"`, `"state": "refunded"`, "fulfilled", "shop.db", exampleProcess("python3", "../examples/python/shop.py")},
		"java": {"java", "Shop.java", routes, states, `"state":"paid"`, `"state":"refunded"`, "fulfilled", "orders.tsv",
			exampleProcess("java", "-XX:TieredStopAtLevel=1", "../examples/java/Shop.java")},
		"go": {"node", "", routes, states, `"status":"paid"`, `"status":"refunded"`, "fulfilled", "", func(t *testing.T, _ string) []string {
			srv := httptest.NewServer(legacyshop.New(testToken, "test"))
			t.Cleanup(srv.Close)
			return []string{"127.0.0.1:8080", srv.Listener.Addr().String()}
		}},
	}
}

// exampleSite is a shop of examples behind the Caddy of this test, with an app of Ping++ of its own.
type exampleSite struct {
	exampleShop
	host, data string
	client     *http.Client // which finds each host at this Caddy
	box        *sandbox.Sandbox
}

func (s *exampleSite) call(t *testing.T, method, path, body string, headers ...string) (status int, answer string) {
	t.Helper()
	req := must(http.NewRequestWithContext(t.Context(), method, "http://"+s.host+path, strings.NewReader(body)))
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := s.client.Do(req)
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

// phone is a customer of the site.
type phone struct {
	*exampleSite
	session string
}

func (s *exampleSite) login(t *testing.T) *phone {
	t.Helper()
	var in struct{ Session string }
	status, answer := s.call(t, http.MethodGet, "/pay/openid?code="+s.box.NewCode("o-payer"), "")
	if err := json.Unmarshal([]byte(answer), &in); err != nil || status != http.StatusOK {
		t.Fatalf("login: %d %s", status, answer)
	}
	return &phone{s, in.Session}
}

func (p *phone) order(t *testing.T) (orderNo string) {
	t.Helper()
	var made struct {
		OrderNo string `json:"order_no"`
		Data    struct {
			OrderNo string `json:"order_no"`
		}
	}
	_, answer := p.call(t, http.MethodPost, p.create, `{"product":"tea"}`, "X-Pay-Session", p.session)
	if err := json.Unmarshal([]byte(answer), &made); err != nil || made.OrderNo+made.Data.OrderNo == "" {
		t.Fatalf("no order was made: %v %s", err, answer)
	}
	return made.OrderNo + made.Data.OrderNo
}

func (p *phone) charge(t *testing.T, orderNo string) (id string) {
	t.Helper()
	var made struct {
		ID     string
		Amount int64
	}
	status, answer := p.call(t, http.MethodPost, "/pay/charges", `{"order_no":"`+orderNo+`","channel":"wx_lite"}`, "X-Pay-Session", p.session)
	if err := json.Unmarshal([]byte(answer), &made); err != nil || status != http.StatusCreated || made.Amount != 1999 {
		t.Fatalf("charge: %d %s", status, answer)
	}
	return made.ID
}

func (p *phone) shows(t *testing.T, orderNo, what string) {
	t.Helper()
	eventually(t, "the shop says "+what, func() bool {
		_, answer := p.call(t, http.MethodGet, p.show+orderNo, "", "X-Pay-Session", p.session)
		return strings.Contains(answer, what)
	})
}

// newExampleSites runs all shops of examples behind one Caddy, each with its own Caddyfile, in which the sandbox's values stand for Ping++'s.
func newExampleSites(t *testing.T) map[string]*exampleSite {
	t.Helper()
	dir, addr := t.TempDir(), freeAddr(t)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	here := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	t.Cleanup(here.CloseIdleConnections)
	client := &http.Client{Transport: here, Timeout: time.Minute}
	merchant, public := write(t, dir, "merchant.pem", privatePEM(merchantKey())), write(t, dir, "pingpp.pub.pem", publicPEM(pingppKey()))
	file := globals(dir, ledgerIn(dir))
	sites := map[string]*exampleSite{}
	socket := startFPM(t)
	for name, shop := range exampleShops(socket) {
		s := &exampleSite{exampleShop: shop, host: name + ".test:" + port, data: filepath.Join(t.TempDir(), shop.data), client: client}
		sites[name] = s
		s.box, err = sandbox.New(sandbox.Config{MerchantKey: &merchantKey().PublicKey, SigningKey: pingppKey(), Webhooks: []string{"http://" + s.host + "/pay/webhooks"},
			WebhookClient: client, TimeScale: 1200})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.box.Close)
		pingxx := httptest.NewServer(s.box)
		t.Cleanup(pingxx.Close)
		replace := append([]string{
			"shop.example.com {", "http://" + s.host + " {",
			"\tpay {", "\tpay {\n\t\tallow_http\n\t\tmerchant_api {\n\t\t\ttoken " + merchantToken + "\n\t\t}",
			"app app_1Gqj58ynP0mHeX1q", "app " + s.box.App() + "\n\t\t\tendpoint " + pingxx.URL,
			"{env.PINGPP_KEY}", s.box.TestKey(), "merchant.pem", merchant, "pingpp.pub.pem", public,
			"app_id wx0123456789abcdef", "app_id " + s.box.WxLite().AppID + "\n\t\t\tendpoint " + pingxx.URL, "{env.WECHAT_SECRET}", s.box.WxLite().Secret,
			"{env.PAY_BACKEND_TOKEN}", testToken,
			"\t\t\texpect body success\n", "\t\t\texpect body success\n\t\t\tretry" + strings.Repeat(" 200ms", 200) + "\n",
		}, shop.run(t, s.data)...)
		text, err := os.ReadFile("../examples/" + shop.folder + "/Caddyfile")
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(replace); i += 2 {
			if !strings.Contains(string(text), replace[i]) {
				t.Fatalf("the Caddyfile of %s has no %s", shop.folder, replace[i])
			}
		}
		file += strings.NewReplacer(append(replace, "{env.PAY_EVENTS_SECRET}", exampleSecret)...).Replace(string(text))
	}
	run(t, file)
	return sites
}

// Every backend of examples does all that caddypay's own trial of a backend wants, takes a real payment and its refund through Caddy with the
// Caddyfile beside it, and says so when it could not note a payment.
func TestBackendExamples(t *testing.T) {
	sites := newExampleSites(t)
	app := must(activeApp())
	t.Run("shops", func(t *testing.T) {
		for name, s := range sites {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				eventually(t, "the shop answers", func() bool {
					status, _ := s.call(t, http.MethodGet, s.show+"1", "")
					return status != http.StatusBadGateway
				})
				p := s.login(t)
				testExampleConforms(t, app, p)
				testExampleConformsAtOnce(t, app, p)
				testExampleSells(t, p)
				if s.exampleShop.data != "" {
					testExampleFails(t, p)
				}
			})
		}
	})
}

// testExampleConforms runs `caddy pay check --backend`.
func testExampleConforms(t *testing.T, app *App, p *phone) {
	t.Helper()
	site, _, _ := strings.Cut(p.host, ":")
	found, err := app.TryBackend(t.Context(), site, check.Trial{OrderNo: p.order(t), Fulfilled: p.fulfilled, Slow: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if f.Result != check.OK {
			t.Errorf("%s %s: %s", f.Result.Mark(), f.ID, f.Text.EN)
		}
		if f.ID == "backend-repeat" && !strings.Contains(f.Text.EN, "was fulfilled once") || strings.Contains(f.Text.EN, "see in the shop") {
			t.Errorf("it does not say how often it fulfilled: %s", f.Text.EN)
		}
	}
	if len(found) < 17 {
		t.Errorf("there are %d findings", len(found))
	}
}

// testExampleConformsAtOnce runs it with each payment told four times at once, as to a backend that was given up too soon. Some of them may fail.
func testExampleConformsAtOnce(t *testing.T, app *App, p *phone) {
	t.Helper()
	i := slices.IndexFunc(app.sites, func(s *registration) bool { return s.scope.App == p.box.App() })
	shop := app.shop(app.sites[i])
	tell := shop.Tell
	shop.Tell = func(ctx context.Context, ev *ledger.Event, change func(http.Header)) relay.Receipt {
		receipts := make(chan relay.Receipt, 4)
		for range cap(receipts) {
			go func() { receipts <- tell(ctx, ev, change) }()
		}
		all := []relay.Receipt{<-receipts, <-receipts, <-receipts, <-receipts}
		return all[max(0, slices.IndexFunc(all, func(rc relay.Receipt) bool { return rc.OK }))]
	}
	for _, f := range check.TryBackend(t.Context(), *shop, check.Trial{OrderNo: p.order(t), Fulfilled: p.fulfilled, Slow: time.Minute, Random: rand.Text}) {
		if f.Result != check.OK {
			t.Errorf("four at once: %s %s: %s", f.Result.Mark(), f.ID, f.Text.EN)
		}
	}
}

// testExampleSells pays an order and gives the money back.
func testExampleSells(t *testing.T, p *phone) {
	t.Helper()
	orderNo := p.order(t)
	id := p.charge(t, orderNo)
	if err := p.box.Pay(id); err != nil {
		t.Fatal(err)
	}
	p.shows(t, orderNo, p.paid)
	for _, path := range []string{"/internal/pay/orders/" + orderNo, "/index.php/internal/pay/orders/" + orderNo, "/index.php?s=/pay/order&sn=" + orderNo, "/?sn=" + orderNo + "&s=%2Fpay/order"} {
		status, answer := p.call(t, http.MethodGet, path, "", "X-Pay-Token", testToken, "X-Pay-Mode", "test", "X-Pay-Session", p.session)
		if status >= 500 || strings.Contains(answer, "Green tea") {
			t.Errorf("%s from outside: %d %s", path, status, answer)
		}
	}
	bearer := []string{"Authorization", "Bearer " + merchantToken}
	if status, answer := p.call(t, http.MethodPost, "/pay/refunds", `{"order_no":"`+orderNo+`","refund_no":"R`+orderNo+`","amount":999,"description":"half"}`, bearer...); status/100 != 2 {
		t.Fatalf("refund: %d %s", status, answer)
	}
	if status, answer := p.call(t, http.MethodPost, "/pay/refunds", `{"order_no":"`+orderNo+`","refund_no":"S`+orderNo+`","description":"the rest"}`, bearer...); status/100 != 2 {
		t.Fatalf("refund: %d %s", status, answer)
	}
	p.shows(t, orderNo, p.back)
	if status, answer := p.call(t, http.MethodPost, "/pay/charges", `{"order_no":"`+orderNo+`","channel":"wx_lite"}`, "X-Pay-Session", p.session); status != http.StatusConflict {
		t.Errorf("an order that was refunded can be paid: %d %s", status, answer)
	}
}

// testExampleFails takes the shop's orders away while one is paid.
func testExampleFails(t *testing.T, p *phone) {
	t.Helper()
	orderNo := p.order(t)
	id := p.charge(t, orderNo)
	away := p.data + ".away"
	if err := errors.Join(os.Rename(p.data, away), os.Mkdir(p.data, 0o755)); err != nil {
		t.Fatal(err)
	}
	if status, answer := p.call(t, http.MethodPost, "/pay/charges", `{"order_no":"`+orderNo+`","channel":"wx_lite"}`, "X-Pay-Session", p.session); status != http.StatusBadGateway {
		t.Errorf("a price without a file of orders: %d %s", status, answer)
	}
	if err := p.box.Pay(id); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a payment that the shop could not note was told again", func() bool {
		_, order := p.call(t, http.MethodGet, "/pay/orders/"+orderNo, "", "Authorization", "Bearer "+merchantToken)
		return strings.Contains(order, `"state":"pending"`) && strings.Contains(order, "500")
	})
	if err := errors.Join(os.Remove(p.data), os.Rename(away, p.data)); err != nil {
		t.Fatal(err)
	}
	p.shows(t, orderNo, p.paid)
}

// What was added for payments is 30 lines at most, between marks, and the PHP of it is as old as the shops are.
func TestBackendExamplesAreShort(t *testing.T) {
	for name, shop := range exampleShops("") {
		if shop.source == "" {
			continue
		}
		raw, err := os.ReadFile(filepath.Join("../examples", shop.folder, shop.source))
		if err != nil {
			t.Fatal(err)
		}
		added, parts, inside := 0, 0, false
		for line := range strings.Lines(string(raw)) {
			switch {
			case strings.HasSuffix(line, "==== payment: begin ====\n"):
				parts, inside = parts+1, true
			case strings.HasSuffix(line, "==== payment: end ====\n"):
				inside = false
			case inside && strings.TrimSpace(line) != "":
				added++
			}
		}
		if added > 30 || added < 10 || parts == 0 || inside {
			t.Errorf("%s has %d lines for payments, in %d parts", name, added, parts)
		}
		if m := newerThanPHP56.FindString(string(raw)); strings.HasSuffix(shop.source, ".php") && m != "" {
			t.Errorf("%s uses %q, which PHP 5.6 does not know", name, m)
		}
	}
	if files, err := filepath.Glob("../examples/*/Caddyfile"); err != nil || len(files) != 5 {
		t.Errorf("the Caddyfiles are %q, %v", files, err)
	}
}

// The commands of examples/README.md make a token and a secret that do, and start what is there.
func TestBackendExamplesReadme(t *testing.T) {
	raw, err := os.ReadFile("../examples/README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := fence.FindStringSubmatch(string(raw))
	if m == nil || m[1] != "sh" {
		t.Fatal("it shows no commands")
	}
	exports, commands, _ := strings.Cut(m[2], "PAY_MODE=test ")
	out, err := exec.Command("sh", "-ec", exports+`printf '%s %s' "$PAY_BACKEND_TOKEN" "$PAY_EVENTS_SECRET"`).CombinedOutput()
	token, secret, _ := strings.Cut(string(out), " ")
	if err != nil || len(token) < 32 {
		t.Errorf("%v: a token of %d characters: %s", err, len(token), out)
	}
	if _, err := relay.ParseSecret(secret); err != nil {
		t.Error(err)
	}
	if commands != "node examples/node/shop.js\ncaddy run --config examples/node/Caddyfile\n" { // both of which TestBackendExamples runs
		t.Errorf("the commands are\n%s", commands)
	}
}

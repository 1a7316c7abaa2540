package caddymodule

import (
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/handlers/payment"
)

// frameworkPage is what docs/backend-frameworks.md has under each heading: options of a pay block, and a script.
func frameworkPage(t *testing.T) (options, scripts map[string]string) {
	t.Helper()
	raw, err := os.ReadFile("../docs/backend-frameworks.md")
	if err != nil {
		t.Fatal(err)
	}
	options, scripts = map[string]string{}, map[string]string{}
	for _, part := range regexp.MustCompile(`(?m)^##+ `).Split(string(raw), -1)[1:] {
		heading, text, _ := strings.Cut(part, "\n")
		for _, m := range fence.FindAllStringSubmatch(text, -1) {
			if m[1] == "caddyfile" {
				options[heading] = strings.TrimSpace(m[2])
			} else {
				scripts[heading] = m[2]
			}
		}
	}
	return options, scripts
}

// The snippets of docs/backend-frameworks.md in PHP, in as much of their framework as they use, do all that caddypay's own trial wants.
func TestDocsFrameworks(t *testing.T) {
	options, scripts := frameworkPage(t)
	socket := startFPM(t)
	for heading, stub := range map[string]string{"ThinkPHP": "thinkphp.php", "Laravel": "laravel.php", "WooCommerce": "woocommerce.php"} {
		try := func(t *testing.T, script string) ([]check.Finding, *phpShop) {
			t.Helper()
			shop := newPHPShop(t) // with the guard of docs/backend.md, and its tables
			for name, from := range map[string]string{"index.php": stub, "query.php": "query.php"} {
				raw, err := os.ReadFile("testdata/frameworks/" + from)
				if err != nil {
					t.Fatal(err)
				}
				write(t, shop.dir, name, string(raw))
			}
			write(t, shop.dir, "snippet.php", script)
			siteOfBackend(t, fpmUpstream(socket, shop.dir, "env PAY_BACKEND_TOKEN "+testToken, "env PAY_MODE test"), indent("\t\t", options[heading]))
			found, err := must(activeApp()).TryBackend(t.Context(), "", check.Trial{OrderNo: "20260101001", Slow: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			return found, shop
		}
		t.Run(heading, func(t *testing.T) {
			found, shop := try(t, scripts[heading])
			for _, f := range found {
				if f.Result != check.OK {
					t.Errorf("%s %s: %s", f.Result.Mark(), f.ID, f.Text.EN)
				}
			}
			shop.start(t, testToken)
			if got := shop.seen(t); len(found) < 17 || got != "paid 1" {
				t.Errorf("after %d findings the order is %s", len(found), got)
			}
		})
		t.Run(heading+" without the guard", func(t *testing.T) {
			found, _ := try(t, regexp.MustCompile(`(?m)^ *require .*pay_guard\.php.*$`).ReplaceAllString(scripts[heading], ""))
			if bad := findings(found, check.Fail); !slices.Contains(bad, "backend-token") {
				t.Errorf("what fails is %q", bad)
			}
		})
	}
}

// The snippet in Java, compiled against what it uses of Spring, does what it should when it is called as Spring would. (Spring itself does not run in
// the suite.)
func TestDocsSpring(t *testing.T) {
	_, scripts := frameworkPage(t)
	dir := t.TempDir()
	files := []string{write(t, dir, "PayController.java", scripts["Spring"])}
	if err := filepath.WalkDir("testdata/frameworks/spring", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("javac", append([]string{"-Xlint:all,-serial", "-Werror", "-proc:none", "-d", dir}, files...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v; make deps installs a JDK on Debian\n%s", err, out)
	}
	out, err = exec.Command("java", "-cp", dir, "Main").CombinedOutput()
	const want = `guard: passes, payable, shipments 0
another token: FORBIDDEN, payable, shipments 0
no token: FORBIDDEN, payable, shipments 0
another mode: FORBIDDEN, payable, shipments 0
no token of the shop's own: FORBIDDEN, payable, shipments 0
quote: 1999, payable, shipments 0
no such order: NOT_FOUND, payable, shipments 0
another amount: CONFLICT, payable, shipments 0
payment of no order: CONFLICT, payable, shipments 0
payment: success, paid, shipments 1
the same again: success, paid, shipments 1
a second payment: CONFLICT, paid, shipments 1
refund: success, paid, shipments 1
`
	if err != nil || string(out) != want {
		t.Errorf("%v\n%s", err, out)
	}
}

// The blocks of docs/backend-frameworks.md read the price, the name and each state out of what these shops answer about an order.
func TestDocsShopAnswers(t *testing.T) {
	options, _ := frameworkPage(t)
	answers, err := filepath.Glob("testdata/shops/*.json")
	if err != nil || len(answers) != 5 {
		t.Fatalf("the answers are %q, %v", answers, err)
	}
	for heading, tt := range map[string]struct {
		file                string
		state, paid, closed string // as the answer has it
		unknown             string // what is said of an order that does not exist
		status              int
	}{
		"likeshop":               {"likeshop", `"order_status": 0`, `"order_status": 2`, `"order_status": 4`, `{"code":0,"show":1,"msg":"订单不存在","data":[]}`, 200},
		"litemall":               {"litemall", `"orderStatusText": "未付款"`, `"orderStatusText": "已收货(系统)"`, `"orderStatusText": "订单取消，退款中"`, `{"errno":720,"errmsg":"订单不存在"}`, 200},
		"Niushop":                {"niushop", `"order_status": 0`, `"order_status": 3`, `"order_status": -1`, `{"code":-1,"message":"订单不存在","data":null}`, 200},
		"WooCommerce's REST API": {"woocommerce", `"status": "pending"`, `"status": "processing"`, `"status": "refunded"`, `{"code":"woocommerce_rest_shop_order_invalid_id","message":"无效的ID。","data":{"status":404}}`, 404},
		"Magento 2":              {"magento-2", `"state": "new"`, `"state": "complete"`, `"state": "canceled"`, `{"message":"The entity that was requested doesn't exist. Verify the entity and try again."}`, 404},
	} {
		t.Run(heading, func(t *testing.T) {
			raw, err := os.ReadFile("testdata/shops/" + tt.file + ".json")
			if err != nil || !strings.Contains(string(raw), tt.state) {
				t.Fatalf("%v: no %s in %s", err, tt.state, raw)
			}
			var status int
			var body string
			shop := backend(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("for") != "pay" || !strings.Contains(r.URL.String(), "20260101001") {
					t.Errorf("asked is %s", r.URL)
				}
				w.WriteHeader(status)
				_, _ = io.WriteString(w, body)
			})
			siteOfBackend(t, shop, indent("\t\t", options[heading]))
			app := must(activeApp())
			ask := app.shop(app.sites[0]).Ask
			for _, step := range []struct {
				name, body string
				status     int
				want       payment.Asked
			}{
				{"to be paid", string(raw), 200, payment.Asked{Amount: 1999, Currency: "cny", Subject: "Green tea", Said: "payable"}},
				{"paid", strings.Replace(string(raw), tt.state, tt.paid, 1), 200, payment.Asked{Code: "order_already_paid"}},
				{"closed", strings.Replace(string(raw), tt.state, tt.closed, 1), 200, payment.Asked{Code: "order_closed"}},
				{"in a state that nobody named", strings.Replace(string(raw), tt.state, tt.state[:strings.Index(tt.state, ":")]+`: "99"`, 1), 200, payment.Asked{Code: "quote_invalid"}},
				{"at another price", strings.ReplaceAll(string(raw), "19.99", "19.995"), 200, payment.Asked{Code: "amount_invalid"}},
				{"that does not exist", tt.unknown, tt.status, payment.Asked{Code: "order_not_found"}},
			} {
				status, body = step.status, step.body
				a := ask(t.Context(), payment.Question{OrderNo: "20260101001", OpenID: "o-payer", Host: "shop.test"})
				if a.Code != step.want.Code || a.Code == "" && (a.Amount != step.want.Amount || a.Currency != step.want.Currency || a.Subject != step.want.Subject || a.Said != step.want.Said) {
					t.Errorf("an order %s: %s", step.name, fmt.Sprintf("%d %s %s %s %s %s", a.Amount, a.Currency, a.Subject, a.Said, a.Code, a.Why))
				}
			}
		})
	}
}

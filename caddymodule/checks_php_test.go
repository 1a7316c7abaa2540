package caddymodule

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/check"
)

// tryPHP runs the scripts of docs/backend.md in php-fpm, each changed as asked, and tries them.
func tryPHP(t *testing.T, socket string, env []string, change ...string) []check.Finding {
	t.Helper()
	shop := newPHPShop(t)
	replace(t, filepath.Join(shop.dir, "pay_quote.php"), "'order_no' => (string) $order['order_no'],",
		"'order_no' => (string) $order['order_no'], 'fulfilled' => (int) $db->query('SELECT count(*) FROM shipments')->fetchColumn(),")
	for i := 0; i < len(change); i += 3 {
		replace(t, filepath.Join(shop.dir, change[i]), change[i+1], change[i+2])
	}
	if env == nil {
		env = []string{"env PAY_BACKEND_TOKEN " + testToken, "env PAY_MODE test"}
	}
	siteOfBackend(t, fpmUpstream(socket, shop.dir, env...), "orders GET /pay_quote.php?no={order_no}", "events POST /pay_event.php {\n\t\t\texpect body success\n\t\t}")
	app, err := activeApp()
	if err != nil {
		t.Fatal(err)
	}
	found, err := app.TryBackend(t.Context(), "", check.Trial{OrderNo: "20260101001", Slow: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// replace changes a file where it has this text, which it must have.
func replace(t *testing.T, file, from, to string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(raw), from) {
		t.Fatalf("%s has no %s", file, from)
	}
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(raw), from, to)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func findings(found []check.Finding, results ...check.Result) (ids []string) {
	for _, f := range found {
		if slices.Contains(results, f.Result) {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

// The php-fpm shop of docs/backend.md does all that a backend should; with a line of its scripts amiss, one finding says which.
func TestCheckBackendOfTheDocs(t *testing.T) {
	socket := startFPM(t)
	if found := tryPHP(t, socket, nil); len(findings(found, check.OK)) != len(found) || len(found) < 13 {
		t.Errorf("the scripts as they are: %+v", found)
	}
	for _, tt := range []struct {
		name, id string
		env      []string
		change   []string
	}{
		{"the token is not compared", "backend-token", nil, []string{"pay_event.php", "require __DIR__ . '/pay_guard.php';", "if ($_SERVER['HTTP_X_PAY_MODE'] !== 'test') { http_response_code(403); exit; }"}},
		{"php-fpm hands no token on, and nobody looks how long it is", "backend-token", []string{"env PAY_MODE test"},
			[]string{"pay_guard.php", "strlen($token) < 32 || !hash_equals($token,", "$token !== '' && !hash_equals($token,"}},
		{"the mode is not compared", "backend-mode", nil, []string{"pay_guard.php", "!isset($_SERVER['HTTP_X_PAY_MODE']) || $_SERVER['HTTP_X_PAY_MODE'] !== (getenv('PAY_MODE') ?: 'live')", "false"}},
		{"the amount is not compared", "backend-amount", nil, []string{"pay_event.php", "AND total = ?", "AND (total = ? OR true)"}},
		{"shipped each time", "backend-repeat", nil, []string{"pay_event.php", " AND state <> 'paid'", ""}},
		{"every payment is acknowledged", "backend-other-order", nil, []string{"pay_event.php", "http_response_code(409);\n            exit('not my order');", "exit('success');",
			"pay_event.php", "$db->rollBack();", "$db->rollBack(); http_response_code(200);"}},
		{"it says ok", "backend-event", nil, []string{"pay_event.php", "echo 'success';", "echo 'ok';"}},
		{"the number of the body, with a suffix", "backend-event", nil, []string{"pay_event.php", "$_SERVER['HTTP_X_PAY_ORDER_NO'] : ''", "$charge['number'] : ''"}},
		{"no such order is a page", "backend-unknown-order", nil, []string{"pay_quote.php", "http_response_code(404);\n    exit;", "exit('<html>没有这个订单</html>');"}},
		{"yuan with a float", "backend-quote", nil, []string{"pay_quote.php", "(int) $order['total']", "$order['total'] / 100"}},
		{"the shop is live", "backend-quote", []string{"env PAY_BACKEND_TOKEN " + testToken, "env PAY_MODE live"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found := tryPHP(t, socket, tt.env, tt.change...)
			bad := findings(found, check.Fail, check.Warn)
			if tt.env != nil && tt.id == "backend-token" { // prices are told as well
				bad = slices.DeleteFunc(bad, func(id string) bool { return id == "backend-quote-token" })
			}
			if !slices.Equal(bad, []string{tt.id}) {
				for _, f := range found {
					t.Logf("%s %s: %s", f.Result.Mark(), f.ID, f.Text.EN)
				}
				t.Errorf("found %q, not %s", bad, tt.id)
			}
		})
	}
}

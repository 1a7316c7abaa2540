package caddymodule

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddypay/caddypay/handlers/limits"
	"github.com/caddypay/caddypay/relay/asking"
)

// A reload gives nobody a new budget, two sites of one app have one, and limits that change begin anew.
func TestBudgetsOutliveReloads(t *testing.T) {
	dir, s, a, b := t.TempDir(), newShop(t), freeAddr(t), freeAddr(t)
	limits := "limits {\n\t\t\trefused 3/h\n\t\t}"
	file := func(generation, limits string) string {
		block := payBlock(t, dir, "", "allow_http", "upstream "+s.addr, "events POST /internal/pay/events", limits)
		return globals(dir, ledgerIn(dir)) + "http://" + a + " {\n\theader X-Generation " + generation + "\n" + block + "}\nhttp://" + b + " {\n" + block + "}\n"
	}
	refused := func(addr string, want int) *http.Response {
		t.Helper()
		resp, err := client(t).Post("http://"+addr+"/pay/webhooks", "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s answers %d, want %d", addr, resp.StatusCode, want)
		}
		return resp
	}
	run(t, file("1", limits))
	refused(a, http.StatusUnauthorized)
	refused(b, http.StatusUnauthorized)
	refused(a, http.StatusUnauthorized)
	if after := refused(b, http.StatusTooManyRequests).Header.Get("Retry-After"); after != "1200" && after != "1199" {
		t.Errorf("Retry-After %q", after)
	}
	if status := sendWebhook(t, "http://"+a+"/pay/webhooks", webhookEvent("true")); status != http.StatusOK {
		t.Errorf("Ping++'s own webhook: %d", status)
	}
	asks := func() *asking.Questions {
		_, handlersOf := running(t)
		x, y := handlersOf[0].app.questions(handlersOf[0].resolved.Scope), handlersOf[1].app.questions(handlersOf[1].resolved.Scope)
		if x == nil || x != y {
			t.Error("the sites of one app ask Ping++ as often as they like")
		}
		return x
	}
	before := asks()
	if err := caddy.Load(adapt(t, file("2", limits)), true); err != nil {
		t.Fatal(err)
	}
	refused(a, http.StatusTooManyRequests)
	if asks() != before {
		t.Error("after a reload Ping++ is asked as if it had not been asked before")
	}
	if err := caddy.Load(adapt(t, file("3", "limits {\n\t\t\trefused 4/h\n\t\t}")), true); err != nil {
		t.Fatal(err)
	}
	refused(a, http.StatusUnauthorized)
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the budgets are given back", func() bool {
		left := 0
		budgets.Range(func(any, any) bool { left++; return true })
		questions.Range(func(any, any) bool { left++; return true })
		return left == 0
	})
}

func TestDefaultLimits(t *testing.T) {
	dir := t.TempDir()
	run(t, globals(dir, ledgerIn(dir))+"http://"+freeAddr(t)+" {\n"+payBlock(t, dir, "", "allow_http", "limits {\n\t\t\topenid 5/s\n\t\t}")+"}\n")
	_, found := running(t)
	want := limits.Default
	want.OpenID, _ = limits.ParseRate("5/s")
	if _, ok := budgets.References(budgetsKey{found[0].resolved.Scope, want}); !ok {
		t.Error("what is not set has no default")
	}
}

package test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddypay/caddypay/ledger"
)

// operators look at everything there is to see, in every way, and decide.
func (s *leaky) operators() {
	t := s.t
	t.Helper()
	l := s.ledger()
	held := s.events(l, ledger.Held)[0]
	dead := s.events(l, ledger.Dead)[0]
	delivered := s.events(l, ledger.Delivered)

	// The admin API, Caddy's own included.
	address := fmt.Sprintf("localhost:%d", s.admin)
	admin := &http.Client{Transport: &recording{http.DefaultTransport, "admin", address, &s.outputs}}
	ask := func(method, path, body string) {
		t.Helper()
		a, err := s.try(admin, method, "http://"+address+path, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if a.StatusCode >= 500 {
			t.Errorf("%s %s: %s", method, path, a)
		}
	}
	for _, path := range []string{
		"/config/", "/config/apps/pay", "/metrics", "/debug/vars", "/debug/pprof/cmdline", "/reverse_proxy/upstreams", "/pay/figures", "/pay/hours", "/pay/find?q=FINE1001", "/pay/orders", "/pay/charges",
		"/pay/refunds", "/pay/events", "/pay/audit", "/pay/runs", "/pay/health", "/pay/check", "/pay/check?language=zh", "/pay/check?age=60", "/pay/seen", "/pay/seen?language=zh", "/pay/orders/NONE1001", "/pay/events/evt_none",
	} {
		ask("GET", path, "")
	}
	for _, no := range []string{"FINE1001", "ECHO1001", "DEAD1001", "HELD1001", "ASKED1001", "DOWN1001", "CODE1001", "FAULT1010", "WEB1001"} {
		ask("GET", "/pay/orders/"+no, "")
		ask("POST", "/pay/orders/"+no+"/query", "")
	}
	for _, e := range append(delivered, held, dead) {
		ask("GET", "/pay/events/"+e, "")
	}
	ask("POST", "/pay/check/backend", `{"openid":"oLeakUser00000000000000000001","order_no":"TRY1001","language":"en"}`)
	ask("POST", "/load", `{"apps":{"pay":{"ledger":{"driver":"none"}}}}`)

	// Commands, as tables and as JSON.
	for _, line := range []string{
		"orders list", "orders show FINE1001", "orders show ECHO1001", "orders show DEAD1001", "orders query DEAD1001", "charges list", "refunds list", "events list", "events show " + held, "events show " + dead,
		"find FINE1001", "figures", "check", "check --backend --order TRY1002", "health", "audit", "runs list", "ledger verify", "reconcile --date 2026-01-01",
		"events replay " + dead + " --reason again", "events release " + held + " --reason paid", "events replay --state delivered --since 1h --again --yes --reason again", "pause --reason moving", "resume --reason moved",
	} {
		for _, more := range []string{"", " --json"} {
			stdout, stderr, _ := command(t, s.dir, nil, append(append([]string{"pay"}, strings.Fields(line+more)...), "--address", address)...)
			s.add("command "+line+more, stdout+stderr)
			if stdout+stderr == "" {
				t.Errorf("%s says nothing", line)
			}
		}
	}

	// The console and its files.
	q := url.Values{"app": {s.box.App()}, "mode": {"test"}}.Encode()
	for _, page := range []string{
		"", "find?q=FINE1001", "orders", "events", "charges", "refunds", "audit", "runs", "health", "orders.csv", "events.csv", "charges.csv", "refunds.csv", "audit.csv",
		"order?no=FINE1001&" + q, "order?no=ECHO1001&" + q, "order?no=DEAD1001&" + q, "event?id=" + held + "&" + q, "event?id=" + dead + "&" + q, "act?action=replay&state=delivered",
	} {
		a, err := s.try(s.operator, "GET", s.url("/ops/"+page), nil)
		if err != nil {
			t.Fatal(err)
		}
		if a.StatusCode >= 500 || a.StatusCode == http.StatusUnauthorized {
			t.Errorf("/ops/%s: %s", page, a)
		}
	}
}

// events are the ids of those in a state.
func (s *leaky) events(l ledger.Ledger, state ledger.State) (ids []string) {
	s.t.Helper()
	page, err := l.ListEvents(s.t.Context(), ledger.Filter{Scope: s.scope(), States: []ledger.State{state}})
	if err != nil || len(page.Rows) == 0 {
		s.t.Fatalf("no event is %s: %v", state, err)
	}
	for _, e := range page.Rows {
		ids = append(ids, e.ID)
	}
	return ids
}

// wrongCaddyfiles are those of somebody who has written secrets into the file, and made a mistake in or beside each.
func (s *leaky) wrongCaddyfiles() {
	s.t.Helper()
	const mark = "LeakLiteral0123456789abcdefghijklmnop"
	s.keepSecret(mark, "a literal secret")
	good := s.fill(strings.NewReplacer("{env.PINGPP_KEY}", s.box.TestKey(), "{env.WX_SECRET}", s.box.WxLite().Secret,
		"{env.PAY_BACKEND_TOKEN}", s.token, "{env.PAY_EVENTS_SECRET}", s.secret, "{env.PAY_MERCHANT_TOKEN}", s.api).Replace(globalOptions + strings.Replace(plainSite, "<pay>", "pay {"+accounts+events+merchantAPI+"}\n", 1)))
	wrong := 0
	for name, change := range map[string][2]string{
		"a key of no mode":     {s.box.TestKey(), "sk_" + mark},
		"a key twice":          {s.box.TestKey(), s.box.TestKey() + " " + mark},
		"an app that is a key": {"app         " + s.box.App(), "app sk_test_" + mark},
		"no such file": {s.file("merchant.pem"), `"` + mark + `
` + mark + `"`},
		"a secret with a space":  {s.box.WxLite().Secret, `"` + mark + ` ` + mark + `"`},
		"an app id":              {"app_id   " + s.box.WxLite().AppID, "app_id " + mark + "/"},
		"a token with a space":   {s.token, `"` + mark + ` ` + mark + `"`},
		"a short token":          {s.token, mark[:20]},
		"a token and a word":     {s.token, s.token + " " + mark},
		"an events secret":       {s.secret, "whsec_" + mark + "!"},
		"a merchant token":       {s.api, mark[:20]},
		"an unknown option":      {"timeout     5s", "secret_key " + mark},
		"a placeholder in it":    {s.token, mark + "{env.NOT_SET}"},
		"a session key":          {"backend_token", "session {\n\t\tkey " + mark + "\n\t}\n\tbackend_token"},
		"a chat":                 {"ledger sqlite", "notify wecom http://chat.example.com/send?key=" + mark + "\n\t\tledger sqlite"},
		"a chat's secret":        {"ledger sqlite", "notify feishu https://chat.example.com/" + mark + " {\n\t\t\tsecret \"" + mark + " \"\n\t\t\tlanguage fr\n\t\t}\n\t\tledger sqlite"},
		"an endpoint with a key": {"endpoint    " + s.outside.URL, "endpoint http://user:" + mark + "@example.com"},
	} {
		if !strings.Contains(good, change[0]) {
			s.t.Fatalf("%s: the Caddyfile has no %q", name, change[0])
		}
		file := filepath.Join(s.dir, "wrong-"+fmt.Sprint(wrong))
		if err := os.WriteFile(file, []byte(strings.Replace(good, change[0], change[1], 1)), 0o600); err != nil {
			s.t.Fatal(err)
		}
		wrong++
		_, stderr, code := command(s.t, s.dir, nil, "validate", "--config", file, "--adapter", "caddyfile")
		s.add("validate: "+name, stderr)
		if code == 0 {
			s.t.Errorf("%s is accepted", name)
		}
	}
}

package caddymodule

import (
	"encoding/json"
	"maps"
	"os"
	"strconv"
	"strings"
	"testing"
)

// The options of a block are found where they stand, through an import of another file too, and those of reverse_proxy are not ours.
func TestLines(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir, "accounts.conf", "wechat wx_lite {\n\tapp_id wx1\n\tsecret s\n}\nwechat wx_pub {\n\tapp_id wx2\n\tsecret s\n}\n")
	raw := adapt(t, `{
	pay {
		ledger sqlite ledger.db
	}
}
(keys) {
	webhook_key pingpp.pub.pem
}
a.example.com {
	pay /pay {
		pingpp {
			app app_1
			key sk_test_1
			import keys
		}
		import `+file+`
		upstream legacy:8080 {
			header_up X-Shop "a {
b"
			transport http {
				tls
			}
		}
		orders GET /orders/{order_no} {
			status data.state {
				payable 0
			}
			default subject "Order {order_no}"
			default body "Tea"
		}
		events POST /events
		backend_token t
	}
	wechat_auth /account/* {
		prefix /pay
	}
	@paid pay_paid {query.order_no}
	respond @paid paid
	pay_sandbox /sandbox/* {
		webhook test https://127.0.0.1/pay/webhooks
	}
}
`)
	var found []lines
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if l, ok := v["lines"].(map[string]any); ok {
				one := lines{}
				for option, at := range l {
					one[option] = at.(string)
				}
				found = append(found, one)
				return
			}
			for _, inner := range v {
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	var all any
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	walk(all)
	accounts := func(line string) string { return file + ":" + line + " import chain ['Caddyfile:16 (import)']" }
	for _, want := range []lines{
		{"pay": "Caddyfile:2", "ledger": "Caddyfile:3"},
		{
			"pay": "Caddyfile:10", "pingpp": "Caddyfile:11", "pingpp app": "Caddyfile:12", "pingpp key": "Caddyfile:13",
			"pingpp webhook_key": "Caddyfile:7 import chain ['Caddyfile:14 (import keys)']",
			"wechat":             accounts("1"), "wechat wx_lite": accounts("1"), "wechat wx_lite app_id": accounts("2"), "wechat wx_lite secret": accounts("3"),
			"wechat wx_pub": accounts("5"), "wechat wx_pub app_id": accounts("6"), "wechat wx_pub secret": accounts("7"),
			"upstream": "Caddyfile:17", "orders": "Caddyfile:24", "orders status": "Caddyfile:25", "orders default": "Caddyfile:28",
			"orders default subject": "Caddyfile:28", "orders default body": "Caddyfile:29", "events": "Caddyfile:31", "backend_token": "Caddyfile:32",
		},
		{"wechat_auth": "Caddyfile:34", "wechat_auth prefix": "Caddyfile:35"},
		{"pay_paid": "Caddyfile:37"},
		{"pay_sandbox": "Caddyfile:39", "pay_sandbox webhook": "Caddyfile:40", "pay_sandbox webhook test": "Caddyfile:40"},
	} {
		has := false
		for _, l := range found {
			has = has || maps.Equal(l, want)
		}
		if !has {
			t.Errorf("nothing has\n%v, but\n%v", want, found)
		}
	}
	if len(found) != 5 {
		t.Errorf("%d modules have lines", len(found))
	}
}

// Two sites that import one snippet are told apart by where they do.
func TestLinesOfASnippet(t *testing.T) {
	dir := t.TempDir()
	block := fill(t, dir, goodSite[strings.Index(goodSite, "\tpay {"):strings.LastIndex(goodSite, "}")])
	block = strings.Replace(block, testToken, "{args[0]}", 1)
	file := globals(dir) + "(shop) {\n" + block + "}\na.example.com {\n\timport shop " + testToken + "\n}\nb.example.com {\n\timport shop short\n}\n"
	err := validate(t, file)
	if err == nil {
		t.Fatal("it provisions")
	}
	all := strings.Split(file, "\n")
	at := func(text string) int {
		for i, line := range all {
			if strings.Contains(line, text) {
				return i + 1
			}
		}
		return 0
	}
	want := "\npay on b.example.com: backend_token: must have at least 32 characters; make one with: openssl rand -hex 32, at Caddyfile:" +
		strconv.Itoa(at("backend_token")) + " import chain ['Caddyfile:" + strconv.Itoa(at("import shop short")) + " (import shop)']"
	if !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%v\ndoes not end with %s", err, want)
	}
}

// JSON that a Caddyfile became says in a later process too where an option stands: that is how a reload comes to Caddy.
func TestLinesAreKept(t *testing.T) {
	dir := t.TempDir()
	file := globals(dir) + fill(t, dir, strings.Replace(goodSite, testToken, "{env.TEST_LATE}", 1))
	t.Setenv("TEST_LATE", testToken)
	saved := write(t, dir, "autosave.json", string(adapt(t, file)))
	if err := validateJSON(t, string(must(os.ReadFile(saved)))); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TEST_LATE", "short")
	err := validateJSON(t, string(must(os.ReadFile(saved))))
	if err == nil || lineOf(t, file, err) != "backend_token" {
		t.Error(err)
	}
}

package caddymodule

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
)

// At the start each site says in one line what it is, and what to enter at Ping++.
func TestStartLine(t *testing.T) {
	dir, addr, other := t.TempDir(), freeAddr(t), freeAddr(t)
	port := addr[strings.LastIndex(addr, ":")+1:]
	run(t, globals(dir, ledgerIn(dir))+"http://*.localhost:"+port+", http://shop.localhost:"+port+" {\n"+
		payBlock(t, dir, "/shop/pay", "allow_http", "upstream 127.0.0.1:1 127.0.0.1:2", "orders GET /orders/{order_no}", "events POST /events")+
		"}\nhttp://"+other+" {\n"+payBlock(t, dir, "", "allow_http")+"}\n"+
		"http://shop.example.com:"+port+" {\n"+payBlock(t, dir, "", "allow_http")+"}\n")
	var got []map[string]string
	for line := range strings.Lines(string(must(os.ReadFile(filepath.Join(dir, "log"))))) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) != nil || fields["msg"] != "taking payments" {
			continue
		}
		text := make(map[string]string)
		for name, v := range fields {
			if s, ok := v.(string); ok {
				text[name] = s
			}
		}
		got = append(got, text)
		if strings.Contains(line, "Mark") {
			t.Errorf("it tells a secret: %s", line)
		}
	}
	if len(got) != 3 {
		t.Fatalf("%d lines: %v", len(got), got)
	}
	byURL := make(map[string]map[string]string)
	for _, line := range got {
		byURL[line["webhook_url"]] = line
		if line["mode"] != "test" || line["app"] != "app_test1" || line["ledger"] != must(filepath.EvalSymlinks(dir))+"/ledger.db" ||
			line["events"] != "POST /events at 127.0.0.1:1, 127.0.0.1:2" {
			t.Errorf("%v", line)
		}
	}
	if line := byURL["http://shop.localhost:"+port+"/shop/pay/webhooks"]; !strings.Contains(line["channels"], "wx_lite") {
		t.Errorf("%v", got)
	}
	if line := byURL["http://"+other+"/pay/webhooks"]; !strings.HasPrefix(line["channels"], "none: neither orders") {
		t.Errorf("%v", got)
	}
	if byURL["https://shop.example.com/pay/webhooks"] == nil {
		t.Errorf("%v", got)
	}
}

func TestWebhookURL(t *testing.T) {
	tls := caddytls.ConnectionPolicies{{}}
	for _, tc := range []struct {
		site, listen string
		tls          caddytls.ConnectionPolicies
		want         string
	}{
		{"shop.example.com", ":443", tls, "https://shop.example.com/pay/webhooks"},
		{"*.example.com, www.example.com", ":8443", tls, "https://www.example.com:8443/pay/webhooks"},
		{"shop.example.com", ":8080", nil, "https://shop.example.com/pay/webhooks"},
		{"shop.example.com", "unix//run/caddy.sock", nil, "https://shop.example.com/pay/webhooks"},
		{":443", ":443", tls, "https://<the site's domain>/pay/webhooks"},
		{"localhost", ":80", nil, "http://localhost/pay/webhooks"},
		{"::1", ":8080", nil, "http://[::1]:8080/pay/webhooks"},
	} {
		srv := &caddyhttp.Server{Listen: []string{tc.listen}, TLSConnPolicies: tc.tls}
		ctx := caddy.Context{Context: context.WithValue(t.Context(), caddyhttp.ServerCtxKey, srv)}
		if got := webhookURL(ctx, tc.site, "/pay"); got != tc.want {
			t.Errorf("%s on %s: %s, not %s", tc.site, tc.listen, got, tc.want)
		}
	}
}

package caddymodule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// secureSite is goodSite with credentials of WeChat's shape, served by HTTPS.
func secureSite(dir string) string {
	good := strings.NewReplacer("Mark0123456789abcdef0123456789ab", "0123456789abcdef0123456789abcdef").Replace(goodSite)
	return strings.Replace(globals(dir), "auto_https off", "auto_https disable_redirects\n\tlocal_certs\n\tskip_install_trust", 1) + good
}

// What loads and would not do what somebody hopes for is said, with the fix; a good site hears none of it.
func TestAdvice(t *testing.T) {
	warnings := map[string]string{
		"http":     "the site serves plain HTTP only",
		"appid":    "wechat wx_lite app_id does not look like an AppID",
		"secret":   "wechat wx_lite secret does not look like an AppSecret",
		"no login": "wechat_auth without wechat wx_pub",
		"sandbox":  "pay_sandbox is on a public host",
	}
	for _, tc := range []struct{ name, old, new, want string }{
		{"as it is", "pay {", "pay {", ""},
		{"plain HTTP", "shop.example.com, www.shop.example.com", "http://shop.example.com", "http"},
		{"plain HTTP behind a proxy", "\n}\nshop.example.com, www.shop.example.com", "\n\tservers {\n\t\ttrusted_proxies static 127.0.0.1/32\n\t}\n}\nhttp://shop.example.com", ""},
		{"plain HTTP that is wanted", "shop.example.com, www.shop.example.com {\n\tpay {", "http://shop.example.com {\n\tpay {\n\t\tallow_http", ""},
		{"plain HTTP beside HTTPS", "www.shop.example.com", "https://www.shop.example.com:8443", ""},
		{"an app id cut short", "wx0123456789abcdef", "wx0123456789abcde", "appid"},
		{"an original id", "wx0123456789abcdef", "gh_0123456789ab", "appid"},
		{"a secret cut short", "secret 0123456789abcdef0123456789abcdef", "secret 0123456789abcdef0123456789abcde", "secret"},
		{"a sandbox's account", "secret 0123456789abcdef0123456789abcdef", "secret any\n\t\t\tendpoint https://sandbox.localhost", ""},
		{"a page without a login", "\tpay {", "\twechat_auth /account/*\n\tpay {", "no login"},
		{"a page with a login", "\tpay {", "\twechat_auth /account/*\n\tpay {\n\t\twechat wx_pub {\n\t\t\tapp_id wx0123456789abcdea\n\t\t\tsecret 0123456789abcdef0123456789abcdea\n\t\t}", ""},
		{"a public sandbox", "\tpay {", "\tpay_sandbox /x/*\n\tpay {", "sandbox"},
		{"a sandbox at home", "shop.example.com, www.shop.example.com {", "sandbox.localhost, 192.168.1.2 {\n\tpay_sandbox /x/*", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			site := secureSite(dir)
			if !strings.Contains(site, tc.old) {
				t.Fatal("the good site has no", tc.old)
			}
			if err := validate(t, fill(t, dir, strings.Replace(site, tc.old, tc.new, 1))); err != nil && tc.want != "appid" { // the wechat package may refuse it, too
				t.Fatal(err)
			}
			log := string(must(os.ReadFile(filepath.Join(dir, "log"))))
			for name, text := range warnings {
				if strings.Contains(log, text) != (name == tc.want) {
					t.Errorf("%q must be said only where it is meant:\n%s", text, log)
				}
			}
		})
	}
}

// A Caddyfile that is as it was makes another configuration once a key file was exchanged, and only then.
func TestKeyFilesExchanged(t *testing.T) {
	dir := t.TempDir()
	file := fill(t, dir, globals(dir)+strings.Replace(goodSite, "token-Mark-0123456789abcdefghijkl", "{file."+write(t, dir, "token", testToken)+"}", 1))
	first := string(adapt(t, file))
	if again := string(adapt(t, file)); again != first || strings.Contains(first, testToken) {
		t.Fatalf("read twice it is\n%s\nand\n%s", first, again)
	}
	for _, name := range []string{"merchant.pem", "pingpp.pub.pem", "token"} {
		when := time.Now().Add(time.Hour)
		if err := os.Chtimes(filepath.Join(dir, name), when, when); err != nil {
			t.Fatal(err)
		}
		next := string(adapt(t, file))
		if next == first {
			t.Errorf("with another %s the configuration is the same, so a reload would not read it", name)
		}
		first = next
	}
}

// Where no site delivers an app's events, the start says so; where another site does, nothing.
func TestNoEventsIsSaid(t *testing.T) {
	const said = "no site of this app and mode has events"
	for name, more := range map[string][]string{"nowhere": nil, "somewhere": {"upstream 127.0.0.1:1", "events POST /events"}} {
		dir, addr, other := t.TempDir(), freeAddr(t), freeAddr(t)
		run(t, globals(dir, ledgerIn(dir))+"http://"+addr+" {\n"+payBlock(t, dir, "", "allow_http")+"}\nhttp://"+other+" {\n"+payBlock(t, dir, "", append(more, "allow_http")...)+"}\n")
		log := string(must(os.ReadFile(filepath.Join(dir, "log"))))
		if strings.Contains(log, said) != (more == nil) {
			t.Errorf("%s:\n%s", name, log)
		}
		if err := caddy.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

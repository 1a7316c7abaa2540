package caddymodule

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/session"
)

// Paths that a backend reads otherwise than Caddy's matchers do lead neither to its private paths nor past wechat_auth.
func TestPathsWithTwoReadings(t *testing.T) {
	addr := shopWith(t, "\twechat_auth /members/*\n\thandle /club/* {\n\t\thandle /club/cards/* {\n\t\t\twechat_auth\n\t\t}\n\t}\n")
	user := "X-Pay-Session: " + token(t, "/pay", session.Identity{OpenID: "o-first"}) + "\n"
	ask := func(header, path string) (int, string) {
		return raw(t, addr, "GET "+path+" HTTP/1.1\nHost: "+addr+"\n"+header+"Connection: close\n\n")
	}
	for path, want := range map[string]string{
		"/internal/pay/events;x": "not_found", "/internal/pay;/..;/pay/events": "not_found", `/internal\pay\events`: "not_found", "/internal/pay/events%00.css": "not_found",
		"/internal/pay/events::$DATA": "not_found", "/x/..;/internal/pay/orders/1": "not_found", "//x/internal/pay/events": "not_found",
		"/members/1": "session_missing", "/MEMBERS//1": "session_missing", "/members/1;a=b": "session_missing",
		"/members;a=b/1": "target_invalid", "/x/..;/members/1": "target_invalid", `/members\1`: "target_invalid", `/x\..\members\1`: "target_invalid", "/members%00/1": "target_invalid",
		"/members::$INDEX_ALLOCATION/1": "target_invalid", "/%256dembers/1": "target_invalid", "//x/members/1": "target_invalid", "/members%252f1": "target_invalid",
		"/club/cards/1": "session_missing", "/club/cards;a/1": "target_invalid", "/club;a/cards/1": "target_invalid",
		"/shop;jsessionid=1/x": "", "/shop/a:b": "", `/shop\members`: "", "/memberships;a": "", "/club;a/hall": "", "//x/shop": "", "/100%25": "",
	} {
		status, body := ask("", path)
		if want == "" {
			if got := report(t, status, body); got.URI != strings.ReplaceAll(path, `\`, "%5C") && got.URI != path {
				t.Errorf("%s became %s", path, got.URI)
			}
		} else if !strings.Contains(body, `"`+want+`"`) {
			t.Errorf("%s: %d %s, want %s", path, status, body, want)
		}
	}
	for _, path := range []string{"/members/1", "/members/1;a=b", "/club/cards/1"} {
		if status, body := ask(user, path); status != http.StatusOK {
			t.Errorf("a user's %s: %d %s", path, status, body)
		}
	}
	for _, name := range []string{"X-Original-URL", "x-rewrite-url"} {
		for value, stays := range map[string]bool{
			"/internal/pay/events": false, "/internal/pay/orders/1?x": false, "http://" + addr + "/Internal/pay;a/events": false, "/members/1": false, "/members;a/1?b": false, "/club/cards/1": false,
			"/shop/1": true, "/shop?x=/members/1": true,
		} {
			status, body := ask(name+": "+value+"\n", "/shop")
			if got := report(t, status, body); (got.Header.Get(name) != "") != stays {
				t.Errorf("%s: %s reached the backend as %q", name, value, got.Header.Get(name))
			}
		}
	}
}

package caddymodule

import (
	"fmt"
	"regexp"
	"strings"
)

// configError names the site and the option of an error once, whatever the error itself begins with, and where the option stands.
type configError struct {
	site, option string
	err          error
	lines        lines // none: the configuration is no Caddyfile's
}

func (e *configError) Error() string {
	text := e.err.Error()
	for _, said := range []string{e.option, "pingpp", "wechat", "sandbox"} { // the others name the package that the error comes from
		text = strings.TrimPrefix(text, said+": ")
	}
	at := e.lines.of(e.option, text)
	if at != "" {
		at = ", at " + at
	}
	return "pay on " + e.site + ": " + e.option + ": " + text + at
}

func (e *configError) Unwrap() error { return e.err }

// apart puts an error of ours on a line of its own: Caddy writes the chain of modules that it loaded before it.
func apart(err *error) {
	if *err != nil {
		*err = fmt.Errorf("\n%w", *err)
	}
}

// wanted says what to write for options that a site cannot do without, and where to find it.
var wanted = map[string]string{
	"pingpp app":            "write app app_…; the Ping++ dashboard (dashboard.pingxx.com) shows the id (应用 ID) with the app's settings",
	"pingpp key":            "write key {env.PINGPP_KEY}; the Ping++ dashboard (dashboard.pingxx.com) shows it as the Secret Key, sk_test_… or sk_live_…",
	"pingpp webhook_key":    "write webhook_key pingpp.pub.pem, a file with Ping++'s public key (Ping++ 公钥) from the dashboard (dashboard.pingxx.com): webhooks are verified with it",
	"wechat app_id":         "write app_id wx…; mp.weixin.qq.com shows it as AppID under 开发管理 (Development)",
	"wechat secret":         "write secret {env.WECHAT_SECRET}; mp.weixin.qq.com shows it as AppSecret under 开发管理 (Development), once, when it is made or reset",
	"orders":                "write orders GET /internal/pay/orders/{order_no}",
	"events":                "write events POST /internal/pay/events",
	"notify webhook secret": "write secret {env.PAY_NOTIFY_SECRET}, whose value is made by: caddy pay keygen secret",
	"login":                 "write login POST /internal/pay/login",
}

// toWrite says what to write for an option that is missing.
func toWrite(option string) string {
	own := option[strings.LastIndex(option, " ")+1:]
	if strings.HasPrefix(option, "pay_sandbox wechat ") {
		return "write " + own + " and any value, or leave the account out: the sandbox makes one up"
	}
	if kind, ok := strings.CutPrefix(option, "wechat "); ok && strings.Contains(kind, " ") {
		option = "wechat " + own
	}
	if said, ok := wanted[option]; ok {
		return said
	}
	return "write " + own + " and its value"
}

var ofARequest = regexp.MustCompile(`\\?\{[^{}.]*\}`)

// checkOrderPlaceholder finds what somebody took for {order_no}, the only placeholder without a dot that can stand there.
func checkOrderPlaceholder(text string) error {
	for _, p := range ofARequest.FindAllString(text, -1) {
		if !strings.HasPrefix(p, `\`) && p != "{order_no}" {
			return fmt.Errorf("%.40s is no placeholder here; write {order_no}", p)
		}
	}
	return nil
}

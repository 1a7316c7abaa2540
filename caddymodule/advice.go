package caddymodule

import (
	"context"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/ledger"
)

// What is said about configurations that load and then do not do what somebody hopes for.

// warnOfPlainHTTP finds a site that no client reaches by HTTPS, whose users would all be refused. Where a proxy is trusted it is meant.
func (h *Handler) warnOfPlainHTTP(ctx caddy.Context, r *resolver) {
	srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || h.AllowHTTP || len(srv.TLSConnPolicies) > 0 || trustsProxies(srv) {
		return
	}
	h.logger.Warn("the site serves plain HTTP only, on which payments are refused unless a proxy that trusted_proxies names says X-Forwarded-Proto: https; "+
		"take http:// and the port out of its address, or, where all before it is HTTPS, write allow_http", zapSite(r.site))
}

// trustsProxies reports whether a server has trusted_proxies. Caddy forgets what was written once it has been loaded, and keeps what became of it to itself.
func trustsProxies(srv *caddyhttp.Server) bool {
	loaded := reflect.ValueOf(srv).Elem().FieldByName("trustedProxies")
	return srv.TrustedProxiesUnix || loaded.Kind() == reflect.Interface && !loaded.IsNil()
}

var (
	appIDShape  = regexp.MustCompile(`^wx[0-9a-f]{16}$`)
	secretShape = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

// warnOfShape finds credentials that are cut short, or another account's. WeChat promises no shape, so it is no error; the values are not shown.
func (h *Handler) warnOfShape(r *resolver, kind, appID, secret string) {
	if !appIDShape.MatchString(appID) {
		h.logger.Warn("wechat "+kind+" app_id does not look like an AppID, which is wx and 16 of 0-9 and a-f; copy it from mp.weixin.qq.com, 开发管理 (Development)", zapSite(r.site))
	}
	if !secretShape.MatchString(secret) {
		h.logger.Warn("wechat "+kind+" secret does not look like an AppSecret, which is 32 of 0-9 and a-f; copy or reset it at mp.weixin.qq.com, 开发管理 (Development)", zapSite(r.site))
	}
}

// warnOfNoLogin finds pages that nobody can open: a browser logs in by an official account alone.
func (a *WeChatAuth) warnOfNoLogin(ctx caddy.Context, site string) {
	app, err := ctx.App("pay")
	if err != nil {
		return // the block itself says so
	}
	for _, s := range slices.Backward(app.(*App).sites) {
		if s.site == site && s.prefix == a.Prefix {
			if !s.wxPub {
				ctx.Logger().Warn("wechat_auth without wechat wx_pub: pages opened inside WeChat cannot log in and get 401, only a mini program's requests pass; "+
					"write wechat wx_pub { … } into the pay block", zapSite(site))
			}
			return
		}
	}
}

// warnOfPublicSandbox finds a sandbox that strangers reach: whoever does can mark its charges as paid.
func warnOfPublicSandbox(log *zap.Logger, site string) {
	for host := range strings.SplitSeq(site, ", ") {
		if isPublic(host) {
			log.Warn("pay_sandbox is on a public host: whoever reaches it marks charges as paid, without money; "+
				"name a host like sandbox.localhost, or let only your own addresses in with remote_ip", zapSite(site), zap.String("host", host))
			return
		}
	}
}

// isPublic reports whether a host can be one of the internet's. An address to listen on is none: it says nothing of who gets there.
func isPublic(host string) bool {
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return !ip.IsPrivate() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() && !ip.IsUnspecified()
	}
	dot := strings.LastIndex(host, ".")
	if dot < 0 || strings.Contains(host, ":") {
		return false
	}
	return !slices.Contains([]string{"localhost", "test", "internal", "local", "lan", "intranet", "home", "arpa", "invalid"}, strings.ToLower(host[dot+1:]))
}

// warnOfNoEvents finds apps whose payments no backend would ever hear of.
func (a *App) warnOfNoEvents() {
	for _, s := range a.sites {
		if a.destinationOf(s.scope) == nil {
			a.logger.Warn("no site of this app and mode has events: payments are recorded and stay pending, and no backend hears of them; "+
				"write events POST /internal/pay/events into its pay block", zapSite(s.site), zap.String("app", s.scope.App), zap.String("mode", string(s.scope.Mode)))
		}
	}
}

// warnOfNoReports finds apps whose money stays frozen: they have shipping, and nothing that could report it.
func (a *App) warnOfNoReports() {
	for _, s := range a.sites {
		if s.shipping != nil && s.scope.Mode == ledger.Live && !a.canReport(s.scope) {
			a.logger.Warn("shipping has nothing that could report it: neither merchant_api in the same block, nor auto and events, nor events whose answer may carry pay_shipping, for which expect body is too narrow; "+
				"write merchant_api { token … } beside shipping, or see docs/shipping.md for the other ways; until then only caddy pay shipping report does", zapSite(s.site), zap.String("app", s.scope.App))
		}
	}
}

// canReport says that there is a way by which the shipping of an app's payments comes to be reported without a person.
func (a *App) canReport(scope ledger.Scope) bool {
	if d := a.destinationOf(scope); d != nil && (d.Expect.Body == "" || a.shippingOf(scope).auto != "") {
		return true
	}
	return slices.ContainsFunc(a.sites, func(s *registration) bool {
		return s.scope == scope && s.shipping != nil && s.handler.resolved.Merchant != nil
	})
}

// warnOfTwins finds, once a process that this one replaces would have ended, another Caddy that works with the same ledger.
func warnOfTwins(ctx context.Context, over <-chan time.Time, book *check.Book, log *zap.Logger) {
	select {
	case <-over:
	case <-ctx.Done():
		return
	}
	for _, u := range book.Together(time.Now()) {
		log.Warn("another process has the ledger open beside this one; if Caddy was started twice, stop the one that is not meant: the two share their ports, and requests go to either",
			zap.String("ledger", book.File), zap.String("process", u.Name), zap.Int("pid", u.PID), zap.Time("started", u.Since))
	}
}

// answeredBefore returns a directive that could refuse, change or answer a request and that an order puts before pay; "" when there is none.
func answeredBefore(order []string) string {
	for _, name := range order[:max(slices.Index(order, "pay"), 0)] {
		switch name {
		case "request_body", "redir", "method", "rewrite", "uri", "try_files", "basic_auth", "basicauth", "forward_auth", "request_header", "wechat_auth", "invoke",
			"handle", "handle_path", "route", "abort", "error", "pay_sandbox", "respond", "reverse_proxy", "php_fastcgi", "file_server":
			return name
		}
	}
	return ""
}

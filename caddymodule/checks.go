package caddymodule

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/shipping"
	"github.com/caddypay/caddypay/wechat"
)

// noCode is a login code that nobody has: WeChat looks at AppID and AppSecret before it refuses it.
const noCode = "caddypay-check"

// Check carries out all checks of the running configuration.
func (a *App) Check(ctx context.Context) []check.Finding { return check.Run(ctx, a.checks(ctx)) }

func (a *App) checks(ctx context.Context) []check.Check {
	checks := a.bookChecks()
	counted := make(map[ledger.Scope]bool)
	for _, s := range a.sites {
		site := a.checkedSite(ctx, s)
		if counted[s.scope] { // what the ledger says of an app and mode is said once
			site.Figures, site.Swept, site.Turned, site.Unshipped, site.Paused, site.Program = nil, nil, nil, nil, nil, nil
		}
		counted[s.scope] = true
		checks = append(checks, site.Checks()...)
	}
	return checks
}

// TryBackend tries the backend of the site of that name; without a name those of all sites, one after the other, whose payments are tests.
func (a *App) TryBackend(ctx context.Context, site string, t check.Trial) ([]check.Finding, error) {
	t.Random = rand.Text
	var found []check.Finding
	var names []string
	for _, s := range a.sites {
		name := a.nameOf(s)
		names = append(names, name)
		hosts := strings.Split(s.site, ", ")
		if shop := a.shop(s); shop != nil && (site == "" || site == name || site == s.site || slices.Contains(hosts, site)) {
			found = append(found, check.TryBackend(ctx, *shop, t)...)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no site %q calls a backend; there are: %s", site, strings.Join(names, "; "))
	}
	return found, nil
}

// nameOf is what people call a block: its hosts, and what tells it from others of the same hosts.
func (a *App) nameOf(s *registration) string {
	var apart []string
	differs := func(of func(*registration) string) {
		if slices.ContainsFunc(a.sites, func(o *registration) bool { return o.site == s.site && of(o) != of(s) }) {
			apart = append(apart, of(s))
		}
	}
	differs(func(r *registration) string { return r.prefix })
	differs(func(r *registration) string { return string(r.scope.Mode) })
	differs(func(r *registration) string { return r.scope.App })
	if len(apart) == 0 {
		differs(func(r *registration) string { return r.listen })
	}
	if len(apart) == 0 {
		return s.site
	}
	return s.site + " (" + strings.Join(apart, ", ") + ")"
}

// checkedSite is what is looked at of a block.
func (a *App) checkedSite(ctx context.Context, s *registration) *check.Site {
	h := s.handler
	c := &check.Site{
		Name: a.nameOf(s), Scope: s.scope, Public: isPublic(s.host()), Now: time.Now,
		Priced: h.resolved.Orders != nil || h.resolved.ClientAmount != nil, Delivered: a.destinationOf(s.scope) != nil, LiveToo: a.tookMoney(ctx, s.scope.App),
		Own: h.ownKey, Webhook: h.webhookKeys, Pingpp: h.resolved.Pingpp.Probe, Emulated: h.Pingpp.Endpoint != "",
		WeChat: make(map[string]func(context.Context) error), Door: a.door(s), Shop: a.shop(s),
		Figures: func(ctx context.Context) (check.Figures, error) { return a.figures(ctx, s.scope) },
		Turned:  func() check.Turned { return a.turnedOf(s.scope) },
		Swept:   func(ctx context.Context) (time.Time, error) { return a.swept(ctx, s.scope) },
	}
	if lite := h.resolved.WxLite; lite != nil {
		c.WeChat["wx_lite"] = func(ctx context.Context) error { _, err := lite.Exchange(ctx, noCode); return err }
	}
	if lite := h.resolved.WxLite; lite != nil && s.scope.Mode == ledger.Live {
		c.Ships = a.ships(s.scope)
		c.Mute = c.Ships && !a.canReport(s.scope)
		c.Program = a.programOf(s)
	}
	if c.Ships {
		c.Paused = func() []shipping.Pause { return a.pauses(s.scope) }
		c.Unshipped = func(ctx context.Context) (*ledger.ShippingDue, error) {
			l, err := a.store.open(ctx)
			if err != nil {
				return nil, err
			}
			now := time.Now()
			return l.ShippingDue(ctx, s.scope, now, now.Add(ledger.ShippingNotice))
		}
	}
	if pub := h.resolved.WxPub; pub != nil {
		c.WeChat["wx_pub"] = func(ctx context.Context) error { _, err := pub.AccessToken(ctx); return err }
	}
	return c
}

// programOf is the mini program as WeChat's order management knows it: a site that has WeChat told of nothing asks it for nothing but this check.
func (a *App) programOf(s *registration) check.Program {
	if s.shipping != nil {
		return s.shipping.orders
	}
	lite := s.handler.resolved.WxLite
	warn := func(what string, err error) { a.logger.Warn(what, zap.String("appid", lite.AppID()), zap.Error(err)) }
	return wechat.NewOrders(lite, wechat.ShareToken(lite, a.shared, time.Now, warn), time.Now)
}

// host is the first name of the site that is no wildcard.
func (s *registration) host() string {
	names := strings.Split(s.site, ", ")
	for _, name := range names {
		if !strings.Contains(name, "*") {
			return name
		}
	}
	return names[0]
}

// tookMoney reports whether a Ping++ app takes real payments, or did.
func (a *App) tookMoney(ctx context.Context, app string) bool {
	live := ledger.Scope{App: app, Mode: ledger.Live}
	if slices.ContainsFunc(a.sites, func(s *registration) bool { return s.scope == live }) {
		return true
	}
	l, err := a.store.open(ctx)
	if err != nil {
		return false // the ledger's own checks say so
	}
	charges, err := l.ChargesCreated(ctx, live, time.Unix(0, 0), time.Now(), "", 1)
	return err == nil && len(charges) > 0
}

// door is where the webhooks of a block come in; nil where nobody can say what it is called.
func (a *App) door(s *registration) *check.Door {
	u, err := url.Parse(s.webhooks)
	if err != nil || u.Hostname() == "" || strings.ContainsAny(u.Hostname(), "<> ") {
		return nil
	}
	return &check.Door{URL: s.webhooks, Listen: s.listen, Outside: isPublic(u.Hostname()), Nodes: a.home.file == "", Expect: a.knocks.expect, Random: rand.Text}
}

// listensAt is an address at which a server of this Caddy is reached from this machine, if what it speaks is what the webhook's URL says.
func listensAt(ctx caddy.Context, webhooks string) string {
	srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || strings.HasPrefix(webhooks, "https:") != (len(srv.TLSConnPolicies) > 0) {
		return ""
	}
	for _, listen := range srv.Listen {
		addr, err := caddy.ParseNetworkAddress(listen)
		if err != nil || addr.IsUnixNetwork() || addr.Network != "tcp" {
			continue
		}
		if ip := net.ParseIP(addr.Host); addr.Host == "" || ip != nil && ip.IsUnspecified() {
			addr.Host = "127.0.0.1"
		}
		return addr.JoinHostPort(0)
	}
	return ""
}

// keysOf remembers the public keys of a block, which their users keep to themselves.
func (h *Handler) keysOf(signing *rsa.PrivateKey, webhook []*rsa.PublicKey) {
	if signing != nil {
		h.ownKey = &signing.PublicKey
	}
	h.webhookKeys = webhook
}

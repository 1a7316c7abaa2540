package caddymodule

import (
	"encoding/json"
	"net"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

// introduce writes the one line of each site from which a person sees whether it is what was meant, and what to enter at Ping++.
func (a *App) introduce() {
	for _, s := range a.sites {
		events := "nowhere"
		if d := a.destinationOf(s.scope); d != nil {
			events = d.String()
		}
		channels := strings.Join(s.channels, " ")
		if channels == "" {
			channels = "none: neither orders nor allow_client_amount is set"
		}
		a.logger.Info("taking payments", zapSite(s.site), zap.String("mode", string(s.scope.Mode)), zap.String("app", s.scope.App),
			zap.String("webhook_url", s.webhooks), zap.String("ledger", a.home.label), zap.String("events", events), zap.String("channels", channels))
		if s.shipping != nil && s.scope.Mode != ledger.Live {
			a.logger.Warn("shipping is not reported in test mode: WeChat knows nothing of test payments; with a live key it is", zapSite(s.site), zap.String("app", s.scope.App))
		}
	}
}

// String says where events go, without what might be secret of the upstream.
func (d *destination) String() string {
	var proxy struct {
		Upstreams []struct{ Dial string }
	}
	_ = json.Unmarshal([]byte(d.Upstream), &proxy) // it has been provisioned
	var dials []string
	for _, u := range proxy.Upstreams {
		dials = append(dials, u.Dial)
	}
	at := strings.Join(dials, ", ")
	if at == "" {
		at = "dynamic upstreams"
	}
	return d.Method + " " + d.Path + " at " + at
}

// offered returns the channels that a client can pay through; none where nothing names a price.
func (h *Handler) offered() []string {
	if h.Orders == nil && h.AllowClientAmount == nil {
		return nil
	}
	return h.resolved.Channels
}

// webhookURL is what to enter in Ping++'s dashboard: the site as it is reached from outside. A public site that serves plain HTTP has a
// proxy in front that speaks HTTPS.
func webhookURL(ctx caddy.Context, site, prefix string) string {
	host, _, _ := strings.Cut(site, ", ")
	for name := range strings.SplitSeq(site, ", ") {
		if !strings.Contains(name, "*") {
			host = name
			break
		}
	}
	srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || len(srv.Listen) == 0 {
		return "https://" + host + prefix + "/webhooks"
	}
	listen, err := caddy.ParseNetworkAddress(srv.Listen[0])
	if site == strings.Join(srv.Listen, ", ") || err != nil { // no host is named
		return "https://<the site's domain>" + prefix + "/webhooks"
	}
	scheme, own := "https", uint(443)
	if len(srv.TLSConnPolicies) == 0 {
		if isPublic(host) {
			return "https://" + host + prefix + "/webhooks"
		}
		scheme, own = "http", 80
	}
	if listen.StartPort != own && !listen.IsUnixNetwork() {
		host = net.JoinHostPort(strings.Trim(host, "[]"), strconv.FormatUint(uint64(listen.StartPort), 10))
	}
	return scheme + "://" + host + prefix + "/webhooks"
}

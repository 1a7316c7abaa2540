package caddymodule

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers"
	"github.com/caddypay/caddypay/handlers/payment"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/session"
)

const (
	defaultPrefix = "/pay"
	defaultTTL    = 2 * time.Hour
	quoteTimeout  = 15 * time.Second
)

// Provision resolves the configuration. It opens no ledger and no connection.
func (h *Handler) Provision(ctx caddy.Context) (err error) {
	defer apart(&err)
	h.logger = plainLog(ctx.Logger())
	name, nested, enclosing := siteOf(ctx)
	r := newResolver(name, h.Lines)
	if nested {
		h.logger.Warn("pay stands inside another block and covers only what that block matches; put it directly into the site",
			zapSite(name))
	}
	appAny, err := ctx.App("pay")
	if of, ok := errors.AsType[*configError](err); ok { // the app's own, without the way there
		return of
	}
	if err != nil {
		return fmt.Errorf("pay on %s: %w", name, err)
	}
	h.app = appAny.(*App)
	if srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
		if err := checkListeners(r, srv); err != nil {
			return err
		}
		refuseEarlyData(srv)
		srv.RegisterOnShutdown(h.app.close) // the server may stop before the app, and waits for requests
	}

	h.warnOfPlainHTTP(ctx, r)

	h.resolved = handlers.Config{
		Prefix:   h.Prefix,
		Ledger:   h.app.store.open,
		ClientIP: clientIP,
		Host:     hostsOf(ctx).of,
		Session:  sessionOf,
		Bearer:   bearerOf,
		Secure:   secure,
		SkipLog: func(r *http.Request) {
			caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
		},
		AllowHTTP: h.AllowHTTP,
		Closing:   h.app.closing,
		Now:       time.Now,
		Rand:      rand.Reader,
		Count: handlers.Counters{
			Charge:  countCharge,
			Refund:  func(result string) { metrics.refunds.WithLabelValues(result).Inc() },
			Webhook: func(result string) { h.countWebhook(result) },
			Accept:  func(took time.Duration) { metrics.accept.Observe(took.Seconds()) },
		},
	}
	if h.resolved.Prefix == "" {
		h.resolved.Prefix = defaultPrefix
	}
	if p := h.resolved.Prefix; !strings.HasPrefix(p, "/") || strings.HasSuffix(p, "/") || strings.Contains(p, "//") || strings.ContainsAny(p, "*{}?#% ") {
		return r.errorf("prefix", "%q must begin with a slash and end without one, like /pay", p)
	}
	for _, step := range []func(*resolver) error{h.provisionPingpp, h.provisionWeChat, h.provisionURLs, h.provisionCORS, h.provisionChannels, h.provisionBackend, h.provisionClientAmount} {
		if err := step(r); err != nil {
			return err
		}
	}
	h.resolved.Logger = h.logger.With(zap.String("app", h.resolved.Scope.App), zap.String("mode", string(h.resolved.Scope.Mode)))
	if err := h.provisionSessions(r); err != nil {
		return err
	}
	upstreamJSON := string(h.UpstreamRaw) // loading the module clears it
	if h.UpstreamRaw != nil {
		mod, err := ctx.LoadModule(h, "UpstreamRaw")
		if err != nil {
			return r.errorf("upstream", "%w", err)
		}
		h.upstream = newUpstream(mod.(caddyhttp.MiddlewareHandler))
		warning, err := checkFastCGI(h.upstream, h.resolved.Scope.Mode)
		if err != nil {
			return r.errorf("upstream", "%w", err)
		}
		if warning != "" {
			h.logger.Warn(warning, zapSite(name))
		}
		h.resolved.Backend = h.spanBackend(h.upstream)
	}
	if err := h.provisionLogin(r); err != nil {
		return err
	}
	h.provisionTicket()
	dest, err := h.provisionEvents(r, upstreamJSON)
	if err != nil {
		return err
	}
	if err := h.provisionLimits(r); err != nil {
		return err
	}
	if err := h.provisionMerchantAPI(r); err != nil {
		return err
	}
	if err := h.provisionCheckout(r); err != nil {
		return err
	}
	if err := h.provisionReconciler(r); err != nil {
		return err
	}
	shipping, err := h.provisionShipping(ctx, r)
	if err != nil {
		return err
	}
	h.site = handlers.New(h.resolved)
	if err := h.guardErrors(ctx, r); err != nil {
		return err
	}
	h.registry = registration{site: name, enclosing: enclosing, prefix: h.resolved.Prefix, scope: h.resolved.Scope, wxPub: h.resolved.WxPub != nil,
		webhooks: webhookURL(ctx, name, h.resolved.Prefix), channels: h.offered(), destination: dest, reconcile: h.Reconcile, shipping: shipping, handler: h}
	h.registry.listen = listensAt(ctx, h.registry.webhooks)
	return h.app.register(r, &h.registry)
}

func (h *Handler) provisionPingpp(r *resolver) error {
	c := h.Pingpp
	if c == nil {
		return r.errorf("pingpp", "the block is missing; write pingpp { app …  key …  webhook_key … }, each on its own line")
	}
	app, err := r.value("pingpp app", c.App)
	if err != nil {
		return err
	}
	key, err := r.value("pingpp key", c.Key)
	if err != nil {
		return err
	}
	var signing *rsa.PrivateKey
	if c.SigningKey != "" {
		text, err := r.pem("pingpp signing_key", c.SigningKey)
		if err != nil {
			return err
		}
		if signing, err = pingpp.ParsePrivateKey(text); err != nil {
			return r.errorf("pingpp signing_key", "%w", err)
		}
	}
	if len(c.WebhookKeys) == 0 {
		return r.errorf("pingpp webhook_key", "is missing; %s", toWrite("pingpp webhook_key"))
	}
	var webhookKeys []*rsa.PublicKey
	for _, configured := range c.WebhookKeys {
		text, err := r.pem("pingpp webhook_key", configured)
		if err != nil {
			return err
		}
		pub, err := pingpp.ParsePublicKey(text)
		if err != nil {
			return r.errorf("pingpp webhook_key", "%w", err)
		}
		if signing != nil && pub.Equal(signing.Public()) {
			return r.errorf("pingpp webhook_key", "is the public half of your own signing_key, with which no webhook of Ping++ verifies; copy Ping++'s public key from its dashboard")
		}
		webhookKeys = append(webhookKeys, pub)
	}
	h.keysOf(signing, webhookKeys)
	if h.resolved.Verifier, err = pingpp.NewVerifier(webhookKeys...); err != nil {
		return r.errorf("pingpp webhook_key", "%w", err)
	}
	endpoint := c.Endpoint
	if endpoint != "" {
		if endpoint, err = r.value("pingpp endpoint", endpoint); err != nil {
			return err
		}
	}
	h.resolved.Pingpp, err = pingpp.New(pingpp.Config{
		App: app, Key: redact.New(key), SigningKey: signing, Endpoint: endpoint, Timeout: time.Duration(c.Timeout), Wrap: watching(metrics.provider, spanPingpp),
	})
	if err != nil {
		return r.errorf("pingpp", "%w", err)
	}
	h.resolved.Scope = ledger.Scope{App: app, Mode: ledger.Test}
	if h.resolved.Pingpp.Live() {
		h.resolved.Scope.Mode = ledger.Live
		if signing == nil {
			h.logger.Warn("pingpp signing_key is not set: requests to Ping++ go out unsigned", zapSite(r.site))
		}
	}
	return nil
}

func (h *Handler) provisionSessions(r *resolver) error {
	c := h.Session
	if c == nil {
		c = &SessionConfig{}
	}
	ttl := time.Duration(c.TTL)
	if ttl == 0 {
		ttl = defaultTTL
	}
	if ttl < time.Minute {
		return r.errorf("session ttl", "%s is too short; write a minute or more, like 2h", ttl)
	}
	h.resolved.Sessions = &session.Tokens{TTL: ttl, Now: time.Now}
	if len(c.Keys) == 0 {
		stored := &storedKey{storage: h.app.shared, random: rand.Reader}
		h.resolved.Sessions.Keys = stored.keys
		return nil
	}
	var keys [][]byte
	for _, configured := range c.Keys {
		text, err := r.value("session key", configured)
		if err != nil {
			return err
		}
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(key) != sessionKeyBytes {
			return r.errorf("session key", "must be %d bytes in base64; make one with: openssl rand -base64 32", sessionKeyBytes)
		}
		keys = append(keys, key)
	}
	h.resolved.Sessions.Keys = func(context.Context) ([][]byte, error) { return keys, nil }
	return nil
}

func (h *Handler) provisionBackend(r *resolver) error {
	if h.BackendToken != "" {
		token, err := r.value("backend_token", h.BackendToken)
		if err != nil {
			return err
		}
		if len(token) < 32 {
			return r.errorf("backend_token", "%w", errTooShort)
		}
		if strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
			return r.errorf("backend_token", "must be printable ASCII without spaces, since it is sent as a header; make one with: openssl rand -hex 32")
		}
		h.resolved.Token = redact.New(token)
	}
	if h.UpstreamRaw == nil && (h.Orders != nil || h.Events != nil || h.Login != nil) {
		return r.errorf("upstream", "is missing: orders, events and logins are sent there; write upstream legacy:8080")
	}
	if h.Orders == nil {
		return nil
	}
	if h.resolved.Token.Empty() {
		h.logger.Warn("orders without backend_token: whoever reaches the backend can ask it for prices and names; set backend_token and compare X-Pay-Token",
			zapSite(r.site))
	}
	path, err := r.path("orders", h.Orders.Path)
	if err != nil {
		return err
	}
	if err := checkOrderPlaceholder(path); err != nil {
		return r.errorf("orders", "%w", err)
	}
	if strings.Count(path, "{order_no}") != 1 {
		return r.errorf("orders", "the path %q must hold {order_no} once, like /internal/pay/orders/{order_no}", path)
	}
	if err := r.method("orders", h.Orders.Method, http.MethodGet, http.MethodPost); err != nil {
		return err
	}
	if h.Orders.Max < 0 {
		return r.errorf("orders max", "%d must be above 0, in fen; write max 2000000 for 20,000 yuan", h.Orders.Max)
	}
	h.resolved.Orders = &payment.Orders{Method: h.Orders.Method, Path: path, Max: h.Orders.Max, Timeout: quoteTimeout}
	if err := h.Orders.reading(r, h.resolved.Orders); err != nil {
		return err
	}
	return h.closeOff(r, "orders", path)
}

// path resolves and checks a path at the backend.
func (r *resolver) path(option, configured string) (string, error) {
	path, err := r.value(option, configured)
	if err != nil {
		return "", err
	}
	_, err = url.ParseRequestURI(path)
	if err != nil || !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "# ") || strings.Contains(path, "//") {
		return "", r.errorf(option, "the path %q must begin with one slash and hold no fragment, like /internal/pay/%s", path, option)
	}
	return path, nil
}

// closeOff closes a path at the backend to the outside.
func (h *Handler) closeOff(r *resolver, option, path string) error {
	closed, err := handlers.PrivatePaths(path)
	if err != nil {
		return r.errorf(option, "the path %q: %w", path, err)
	}
	h.resolved.Private = append(h.resolved.Private, closed...)
	return nil
}

func (r *resolver) method(option, method string, allowed ...string) error {
	if slices.Contains(allowed, method) {
		return nil
	}
	return r.errorf(option, "the method %q is not one of %s", method, strings.Join(allowed, ", "))
}

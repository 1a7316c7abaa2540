package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/handlers/payment"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay"
)

// shop is the backend of a block; nil where none is called.
func (a *App) shop(s *registration) *check.Shop {
	h := s.handler
	if h.upstream == nil {
		return nil
	}
	c := &check.Shop{Site: a.nameOf(s), Host: s.host(), Scope: s.scope, Now: time.Now, Token: !h.resolved.Token.Empty()}
	if u, err := url.Parse(s.webhooks); err == nil && !strings.ContainsAny(u.Host, "<> ") {
		c.Host = u.Host
	}
	if o := h.resolved.Orders; o != nil {
		c.Orders = o.Method + " " + o.Path
		c.Ask = func(ctx context.Context, q payment.Question) payment.Asked {
			if offered := h.resolved.Channels; len(offered) > 0 {
				q.Channel = offered[0]
			}
			return h.site.Payments.Prices.Ask(ctx, q)
		}
	}
	if m := h.resolved.ClientAmount; m != nil {
		c.Least, c.Prefix = m.Min, m.Prefix
	}
	if h.resolved.Login != nil {
		c.Login, c.Logins = func(ctx context.Context, change func(http.Header)) (int, error) {
			return h.tellLogin(ctx, c.Host, change)
		}, h.resolved.Login.Path
	}
	if d := a.destinationOf(s.scope); d != nil {
		c.Events, c.Types, c.Deliver, c.Secrets = d.Method+" "+d.Path, d.Types, d.Deliver, len(d.Secrets)
		c.Expects = d.Expect.Body != "" || d.Expect.Path != ""
		c.Tell = func(ctx context.Context, ev *ledger.Event, change func(http.Header)) relay.Receipt {
			rc, err := relay.Probe(ctx, relay.Config{Scope: s.scope, Backend: d.backend, Method: d.Method, Path: d.Path, Secrets: d.Secrets, Token: d.Token,
				Expect: d.Expect, Timeout: d.Timeout}, ev, change)
			if err != nil { // of a path that the configuration was refused for
				rc.Why = err.Error()
			}
			return rc
		}
	}
	return c
}

// tellLogin tells the backend of a login that was none, and returns its status.
func (h *Handler) tellLogin(ctx context.Context, host string, change func(http.Header)) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, h.resolved.Login.Timeout)
	defer cancel()
	body, err := json.Marshal(map[string]string{"openid": noCode, "appid": "wx0000000000000000", "app": h.resolved.Scope.App, "mode": string(h.resolved.Scope.Mode)})
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.resolved.Login.Path, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Host = host
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Pay-Mode", string(h.resolved.Scope.Mode))
	req.Header.Set("X-Pay-Token", h.resolved.Token.Reveal())
	change(req.Header)
	resp, err := h.upstream.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

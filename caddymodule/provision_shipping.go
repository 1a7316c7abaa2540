package caddymodule

import (
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/shipping"
	"github.com/caddypay/caddypay/wechat"
)

// shippingRules are what a block says about shipping. They are those of all pay blocks of the app and mode, of those without shipping too: whichever of
// them takes an event in, its payment is reported the same way.
type shippingRules struct {
	auto    ledger.ShippingType // empty: nothing is reported by itself
	items   string              // with {subject} and {order_no}
	program wechat.Config       // the mini program that is paid in
	orders  *wechat.Orders      // of it
}

// provisionShipping sets up what WeChat is told; nil where the block says nothing of it.
func (h *Handler) provisionShipping(ctx caddy.Context, r *resolver) (*shippingRules, error) {
	c := h.Shipping
	if c == nil {
		return nil, nil
	}
	if h.resolved.WxLite == nil {
		return nil, r.errorf("shipping", "needs the mini program that is paid in: WeChat keeps the money of no other payments; write wechat wx_lite { app_id …  secret … }, each on its own line, or leave shipping out")
	}
	rules := &shippingRules{program: h.program}
	if a := c.Auto; a != nil {
		if err := a.check(); err != nil {
			return nil, r.errorf("shipping auto", "%w", err)
		}
		own := newResolver(r.site, r.lines)
		own.repl.Set("subject", "{subject}") // of each charge
		items, err := own.value("shipping auto", a.Items)
		if err != nil {
			return nil, err
		}
		rules.auto, rules.items = ledger.ShippingType(a.Type), items
	}
	h.resolved.Shipping = h.app.ordersOf(rules)
	if h.resolved.Shipping == nil {
		h.resolved.Shipping = h.newOrders()
	}
	rules.orders = h.resolved.Shipping
	h.resolved.ShippingPauses = func() []shipping.Pause { return h.app.pauses(h.resolved.Scope) }
	return rules, nil
}

// ordersOf is the order management of the same mini program on another site, whose access token is shared.
func (a *App) ordersOf(rules *shippingRules) *wechat.Orders {
	for _, s := range a.sites {
		if s.shipping != nil && s.shipping.sameProgram(rules) {
			return s.shipping.orders
		}
	}
	return nil
}

// newOrders shares the mini program's access token with all nodes that have the same ledger, or share Caddy's storage.
func (h *Handler) newOrders() *wechat.Orders {
	program := h.resolved.WxLite
	warn := func(what string, err error) {
		h.logger.Warn(what, zap.String("appid", program.AppID()), zap.Error(err))
	}
	return wechat.NewOrders(program, wechat.ShareToken(program, h.app.shared, time.Now, warn), time.Now)
}

// differs says in which option two blocks of one app and mode differ; empty: in none.
func (s *shippingRules) differs(o *shippingRules) (option string) {
	switch {
	case s.auto != o.auto, s.items != o.items:
		return "shipping"
	case s.program.AppID == o.program.AppID && !s.sameProgram(o):
		return "wechat wx_lite"
	}
	return ""
}

func (s *shippingRules) sameProgram(o *shippingRules) bool {
	return s.program.AppID == o.program.AppID && s.program.Secret.Equal(o.program.Secret) && s.program.Endpoint == o.program.Endpoint
}

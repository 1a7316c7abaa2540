package caddymodule

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddypay/caddypay/handlers/payment"
)

// CheckoutConfig is the hosted payment page.
type CheckoutConfig struct {
	// The channels to offer, the preferred first: `wx_pub` inside WeChat, `wx_wap`, `alipay_wap` and `upacp_wap` in a phone's
	// browser, `wx_pub_qr`, `alipay_qr`, `alipay_pc_direct` and `upacp_pc` on a desktop; also `wx_pub_pab`, `yeepay_wx_pub` and
	// `chinaums_wx_pub` inside WeChat, `chinaums_wx_wap`, `chinaums_alipay_wap` and `chinaums_upacp_wap` on a phone. Each must be among the channels of `pingpp`. Required.
	Channels []string `json:"channels,omitempty"`

	// Where payers go back to, an https URL; `order_no` is added to its query. Required. Placeholders are resolved.
	ReturnURL string `json:"return_url,omitempty"`
}

// parseCheckout parses the block:
//
//	checkout {
//	    channels   <name>...
//	    return_url <https url>
//	}
func parseCheckout(d *caddyfile.Dispenser, c *CheckoutConfig) error {
	if args := d.RemainingArgs(); len(args) > 0 {
		return d.Errf("checkout takes a block, not %q; write: checkout { … }", args[0])
	}
	const example = "wx_pub wx_wap alipay_wap wx_pub_qr alipay_qr"
	err := options{
		"channels": func(d *caddyfile.Dispenser) error {
			if err := names(d, &c.Channels, example); err != nil {
				return err
			}
			for i, name := range c.Channels {
				if !slices.Contains(payment.CheckoutChannels(), name) {
					return d.Errf("checkout cannot lead through the channel %q; allowed are: %s", name, strings.Join(payment.CheckoutChannels(), ", "))
				}
				if slices.Contains(c.Channels[:i], name) {
					return d.Errf("the channel %s stands twice in channels of checkout", name)
				}
			}
			return nil
		},
		"return_url": func(d *caddyfile.Dispenser) error { return one(d, &c.ReturnURL, "https://shop.example.com/orders") },
	}.parse(d, "checkout")
	switch {
	case err != nil:
		return err
	case len(c.Channels) == 0:
		return d.Errf("checkout needs channels; write: channels %s", example)
	case c.ReturnURL == "":
		return d.Err("checkout needs to know where payers go back to; write: return_url https://shop.example.com/orders")
	}
	return nil
}

// parseAccent parses the option:
//
//	accent "#rrggbb"
//
// Without the quotes what follows # would be a comment.
func parseAccent(d *caddyfile.Dispenser, to *string) error {
	const example = `"#0a7d4b"`
	if d.CountRemainingArgs() == 0 {
		return d.Errf("accent takes a colour, in quotes, since # begins a comment; write: accent %s", example)
	}
	if err := one(d, to, example); err != nil {
		return err
	}
	if strings.Contains(*to, "{") { // a placeholder
		return nil
	}
	if _, err := payment.ParseColour(*to); err != nil {
		return d.Errf("accent %q %v", *to, err)
	}
	return nil
}

// maxShopName is how many characters of a name fit on a phone.
const maxShopName = 40

// provisionLook sets how the payment page looks.
func (h *Handler) provisionLook(r *resolver, c *payment.Checkout) error {
	if h.ShopName != "" {
		name, err := r.value("shop_name", h.ShopName)
		if err != nil {
			return err
		}
		if n := utf8.RuneCountInString(name); n > maxShopName {
			return r.errorf("shop_name", "has %d characters; at most %d fit on a phone", n, maxShopName)
		}
		if strings.ContainsFunc(name, func(char rune) bool { return !unicode.IsPrint(char) }) {
			return r.errorf("shop_name", "has a character that cannot be shown; leave it out")
		}
		c.ShopName = name
	}
	if h.Accent != "" {
		text, err := r.value("accent", h.Accent)
		if err != nil {
			return err
		}
		colour, err := payment.ParseColour(text)
		if err != nil {
			return r.errorf("accent", "%w", err)
		}
		c.Accent = &colour
	}
	return nil
}

// provisionCheckout sets the hosted payment page up, last: it is made of what else the site has.
func (h *Handler) provisionCheckout(r *resolver) error {
	c := h.Checkout
	if c == nil {
		for _, o := range []struct{ name, value string }{{"shop_name", h.ShopName}, {"accent", h.Accent}} {
			if o.value != "" {
				return r.errorf(o.name, "is for the payment page, which is off; add checkout { … } or leave %s out", o.name)
			}
		}
		return nil
	}
	if h.resolved.Orders == nil {
		return r.errorf("checkout", "needs orders, since the page shows what the backend says about an order; write orders GET /internal/pay/orders/{order_no}, or leave checkout out")
	}
	names, err := r.values("checkout channels", c.Channels)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return r.errorf("checkout channels", "is missing; write wx_pub_qr alipay_qr or others of %s", strings.Join(payment.CheckoutChannels(), ", "))
	}
	for _, name := range names {
		switch {
		case !slices.Contains(payment.CheckoutChannels(), name):
			return r.errorf("checkout channels", "%q is no channel that a page can lead through; write %s", name, strings.Join(payment.CheckoutChannels(), ", "))
		case h.lacks(name) != "":
			return r.errorf("checkout channels", "%s %s", name, h.lacks(name))
		case !slices.Contains(h.resolved.Channels, name):
			return r.errorf("checkout channels", "%s is not among the channels of pingpp; write it there too, or leave it out here", name)
		}
	}
	back, err := r.value("checkout return_url", c.ReturnURL)
	if err != nil {
		return err
	}
	if u, err := url.Parse(back); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return r.errorf("checkout return_url", "%q is not an https URL; write it like https://shop.example.com/orders", back)
	}
	h.resolved.Checkout = &payment.Checkout{Channels: names, ReturnURL: back}
	return h.provisionLook(r, h.resolved.Checkout)
}

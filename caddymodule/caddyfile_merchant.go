package caddymodule

import (
	"net/netip"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddypay/caddypay/handlers/merchant"
	"github.com/caddypay/caddypay/redact"
)

// privateRanges stands for this machine and private networks, as it does elsewhere in Caddy.
const privateRanges = "private_ranges"

// parseMerchantAPI parses the block:
//
//	merchant_api {
//	    token <token>...
//	    allow <address|CIDR|private_ranges>...
//	}
func parseMerchantAPI(d *caddyfile.Dispenser, c *MerchantAPIConfig) error {
	if args := d.RemainingArgs(); len(args) > 0 {
		return d.Errf("merchant_api takes a block, not %q; write: merchant_api { token {env.PAY_MERCHANT_TOKEN} }, each option on its own line", args[0])
	}
	err := options{
		"token": func(d *caddyfile.Dispenser) error { return several(d, &c.Tokens, "{env.PAY_MERCHANT_TOKEN}") },
		"allow": func(d *caddyfile.Dispenser) error {
			if err := names(d, &c.Allow, privateRanges); err != nil {
				return err
			}
			for _, text := range c.Allow {
				if _, err := sourceRanges(text); err != nil && !strings.Contains(text, "{") {
					return d.Errf("allow takes addresses and ranges, not %q; write: allow %s 203.0.113.7 2001:db8::/32", text, privateRanges)
				}
			}
			return nil
		},
	}.parse(d, "merchant_api")
	if err == nil && len(c.Tokens) == 0 {
		return d.Err("merchant_api needs a token; write: token {env.PAY_MERCHANT_TOKEN}")
	}
	return err
}

// sourceRanges reads one value of allow.
func sourceRanges(text string) (ranges []netip.Prefix, err error) {
	all := []string{text}
	if text == privateRanges {
		all = caddyhttp.PrivateRangesCIDR()
	}
	for _, text := range all {
		one, err := caddyhttp.CIDRExpressionToPrefix(text)
		if err != nil {
			return nil, err
		}
		ranges = append(ranges, one)
	}
	return ranges, nil
}

// provisionMerchantAPI sets up who may use the merchant API.
func (h *Handler) provisionMerchantAPI(r *resolver) error {
	c := h.MerchantAPI
	if c == nil {
		return nil
	}
	tokens, err := r.values("merchant_api token", c.Tokens)
	if err != nil {
		return err
	}
	if len(tokens) == 0 {
		return r.errorf("merchant_api token", "is missing; write token {env.PAY_MERCHANT_TOKEN}, and make one with: openssl rand -hex 32")
	}
	for _, token := range tokens {
		if len(token) < merchant.MinToken {
			return r.errorf("merchant_api token", "%w", errTooShort)
		}
		if strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
			return r.errorf("merchant_api token", "must be printable ASCII without spaces, since it comes in a header; make one with: openssl rand -hex 32")
		}
		if redact.New(token).Equal(h.resolved.Token) {
			return r.errorf("merchant_api token", "is the backend_token: take another, since that one is sent to the backend with every call and guards something else")
		}
	}
	allow, err := r.values("merchant_api allow", c.Allow)
	if err != nil {
		return err
	}
	if len(allow) == 0 {
		allow = []string{privateRanges}
	}
	merchant := &merchant.Access{Tokens: redact.All(tokens...), Sources: sourcesOf}
	for _, text := range allow {
		ranges, err := sourceRanges(text)
		if err != nil {
			return r.errorf("merchant_api allow", "%q is neither an address nor a range nor %s; write for example 203.0.113.7 or 10.0.0.0/8", text, privateRanges)
		}
		merchant.Allow = append(merchant.Allow, ranges...)
	}
	h.resolved.Merchant = merchant
	return nil
}

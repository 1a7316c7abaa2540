package caddymodule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// ShippingConfig tells WeChat what was shipped, for mini programs whose money it keeps until then. By itself it reports what the backend says in its
// answer to a payment's event, as JSON under `pay_shipping`, and what comes by the merchant API. Where events has `expect body`, the answer is that word
// and cannot be JSON.
type ShippingConfig struct {
	// What is reported once the backend has acknowledged a payment, unless its answer says something else. Default: nothing.
	Auto *AutoShippingConfig `json:"auto,omitempty"`
}

// AutoShippingConfig is a report that is the same for all payments.
type AutoShippingConfig struct {
	// How the buyer gets it: `virtual`, where nothing is carried, or `pickup`, where he fetches it. Required.
	Type string `json:"type,omitempty"`

	// What was bought, in words for the buyer, of which 120 characters remain; `{subject}` in it is what the charge says was paid, and
	// `{order_no}` the order's number. Placeholders are resolved. Required.
	Items string `json:"items,omitempty"`
}

const autoShippingExample = `auto virtual "{subject}"`

// parseShipping parses the option, whose block may be left out:
//
//	shipping {
//	    auto virtual|pickup <text>
//	}
func parseShipping(d *caddyfile.Dispenser, c *ShippingConfig) error {
	if args := d.RemainingArgs(); len(args) > 0 {
		return d.Errf("shipping takes a block or nothing, not %q; write: shipping { %s }, the option on its own line", args[0], autoShippingExample)
	}
	return options{
		"auto": func(d *caddyfile.Dispenser) error {
			args := d.RemainingArgs()
			switch {
			case len(args) == 0:
				return d.Errf("auto takes virtual or pickup, and what the buyer reads; write: %s", autoShippingExample)
			case len(args) > 2:
				return d.Errf("auto takes two values, not %d: the text stands in quotes; write: auto %s %q", len(args), args[0], strings.Join(args[1:], " "))
			}
			c.Auto = &AutoShippingConfig{Type: args[0]}
			if len(args) == 2 {
				c.Auto.Items = args[1]
			}
			if err := c.Auto.check(); err != nil {
				return d.Errf("auto %v", err)
			}
			return noBlock(d, "auto")
		},
	}.parse(d, "shipping")
}

// check finds what can be seen to be wrong before placeholders are resolved.
func (c *AutoShippingConfig) check() error {
	switch {
	case c.Type == "express", c.Type == "local":
		return fmt.Errorf("cannot report %s: what was sent, and when, only the shop knows; leave auto out, and report it by POST /pay/orders/{order_no}/shipping or in the answer to the event", c.Type)
	case !slices.Contains([]string{"virtual", "pickup"}, c.Type):
		return fmt.Errorf("takes virtual or pickup, not %q; write: %s", c.Type, autoShippingExample)
	case strings.TrimSpace(c.Items) == "":
		return fmt.Errorf("%s has no text: the buyer reads there what was bought; write: auto %s \"{subject}\"", c.Type, c.Type)
	}
	for _, p := range ofARequest.FindAllString(c.Items, -1) {
		if !strings.HasPrefix(p, `\`) && p != "{order_no}" && p != "{subject}" {
			return fmt.Errorf("has %.40s, which is no placeholder here; write {subject} or {order_no}", p)
		}
	}
	return nil
}

package caddymodule

import (
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddypay/caddypay/handlers/limits"
)

// parseLimits parses the block:
//
//	limits {
//	    address <n>/s|m|h
//	    openid  <n>/s|m|h
//	    app     <n>/s|m|h
//	    refused <n>/s|m|h
//	    waiters <n>
//	    attempts <n>
//	}
func parseLimits(d *caddyfile.Dispenser, c *LimitsConfig) error {
	if args := d.RemainingArgs(); len(args) > 0 {
		return d.Errf("limits takes a block, not %q; write: limits { … }", args[0])
	}
	o := options{
		"waiters":  parseCount("waiters", &c.Waiters, maxWaiters, "2000"),
		"attempts": parseCount("attempts", &c.Attempts, maxAttempts, "10"),
	}
	for name, to := range map[string]*string{"address": &c.Address, "openid": &c.OpenID, "app": &c.App, "refused": &c.Refused} {
		o[name] = func(d *caddyfile.Dispenser) error {
			if err := one(d, to, "60/m"); err != nil {
				return err
			}
			if _, err := limits.ParseRate(*to); err != nil {
				return d.Errf("%s: %v", name, err)
			}
			return nil
		}
	}
	return o.parse(d, "limits")
}

// parseCount parses an option that is a whole number from 1 to most.
func parseCount(name string, to *int, most int, example string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		var text string
		if err := one(d, &text, example); err != nil {
			return err
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > most {
			return d.Errf("%s takes a whole number from 1 to %d, not %q; write: %s %s", name, most, text, name, example)
		}
		*to = n
		return nil
	}
}

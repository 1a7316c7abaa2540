package caddymodule

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddypay/caddypay/handlers"
)

// parseUpstream hands the whole segment to reverse_proxy, so that its syntax is exactly reverse_proxy's.
func parseUpstream(h httpcaddyfile.Helper, d *caddyfile.Dispenser) (json.RawMessage, error) {
	proxy := &reverseproxy.Handler{}
	if err := proxy.UnmarshalCaddyfile(d.NewFromNextSegment()); err != nil {
		return nil, err
	}
	if len(proxy.Upstreams) == 0 && proxy.DynamicUpstreamsRaw == nil {
		return nil, d.Err("upstream names no backend; write: upstream legacy:8080" + unsetVariable)
	}
	if err := proxy.FinalizeUnmarshalCaddyfile(h); err != nil {
		return nil, err
	}
	return caddyconfig.JSONModuleObject(proxy, "handler", "reverse_proxy", nil), nil
}

// parseEvents parses the block:
//
//	events <method> <path> {
//	    secret  <whsec_…>...
//	    types   <type>...
//	    expect  body <text>|json <path> <value>...
//	    mismatch hold|deliver
//	    timeout <duration>
//	    retry   <duration>...
//	}
func parseEvents(d *caddyfile.Dispenser, c *EventsConfig) error {
	if err := methodAndPath(d, &c.Method, &c.Path, "POST /internal/pay/events", "POST", "PUT"); err != nil {
		return err
	}
	return options{
		"secret": func(d *caddyfile.Dispenser) error { return several(d, &c.Secrets, "{env.PAY_EVENTS_SECRET}") },
		"types": func(d *caddyfile.Dispenser) error {
			if err := names(d, &c.Types, "charge.succeeded"); err != nil {
				return err
			}
			for _, t := range c.Types {
				if err := checkEventType(t); err != nil && !strings.Contains(t, "{") {
					return d.Errf("types: %v", err)
				}
			}
			return nil
		},
		"expect": func(d *caddyfile.Dispenser) error {
			var err error
			if c.Expect, err = parseExpect(d); err != nil {
				return err
			}
			return noBlock(d, "expect")
		},
		"mismatch": func(d *caddyfile.Dispenser) error {
			if err := one(d, &c.Mismatch, "hold"); err != nil {
				return err
			}
			if c.Mismatch != "hold" && c.Mismatch != "deliver" {
				return d.Errf("mismatch takes hold or deliver, not %q; write: mismatch hold", c.Mismatch)
			}
			return nil
		},
		"timeout": func(d *caddyfile.Dispenser) error { return duration(d, &c.Timeout, "15s") },
		"retry": func(d *caddyfile.Dispenser) error {
			var gaps []string
			if err := names(d, &gaps, "5s 30s 2m 10m 1h"); err != nil {
				return err
			}
			for _, text := range gaps {
				gap, err := caddy.ParseDuration(text)
				if err != nil || gap <= 0 {
					return d.Errf("retry takes durations above 0, not %q; write: retry 5s 30s 2m 10m 1h", text)
				}
				c.Retry = append(c.Retry, caddy.Duration(gap))
			}
			return nil
		},
	}.parse(d, "events")
}

// parseExpect reads what the answer to an event must be.
func parseExpect(d *caddyfile.Dispenser) (*ExpectConfig, error) {
	args := d.RemainingArgs()
	blank := slices.ContainsFunc(args, func(arg string) bool { return strings.TrimSpace(arg) == "" })
	switch {
	case len(args) == 2 && args[0] == "body" && !blank:
		return &ExpectConfig{Body: args[1]}, nil
	case len(args) > 2 && args[0] == "json" && !blank:
		if err := checkJSONPath(args[1]); err != nil {
			return nil, d.Errf("expect json: %v", err)
		}
		return &ExpectConfig{JSON: &ExpectJSONConfig{Path: args[1], Values: args[2:]}}, nil
	case len(args) > 0 && args[0] == "json":
		return nil, d.Err("expect json takes a path into the answer and the values that acknowledge an event; write: expect json code 0 200")
	}
	return nil, d.Err("expect takes what the answer's body must be, or a member of its JSON; write: expect body success, or expect json code 0 200")
}

func methodAndPath(d *caddyfile.Dispenser, method, path *string, example string, allowed ...string) error {
	name := d.Val()
	args := d.RemainingArgs()
	if len(args) == 2 && slices.Contains(allowed, strings.ToUpper(args[0])) && !slices.Contains(allowed, args[0]) {
		return d.Errf("%s takes its method in capitals; write: %s %s %s", name, name, strings.ToUpper(args[0]), args[1])
	}
	if len(args) == 1 && slices.Contains(allowed, args[0]) {
		return d.Errf("%s takes a path behind its method, and there is none; write: %s %s%s", name, name, example, unsetVariable)
	}
	if len(args) != 2 || !slices.Contains(allowed, args[0]) {
		return d.Errf("%s takes a method (%s) and a path; write: %s %s", name, strings.Join(allowed, ", "), name, example)
	}
	*method, *path = args[0], args[1]
	if placeholder.MatchString(*path) {
		return nil // provisioning knows it
	}
	if _, err := handlers.PrivatePaths(*path); err != nil {
		return d.Errf("%s: the path %q: %v", name, *path, err)
	}
	return nil
}

// parseReconcile parses the block:
//
//	reconcile {
//	    after <duration>
//	    until <duration>
//	}
func parseReconcile(d *caddyfile.Dispenser, c *ReconcileConfig) error {
	if args := d.RemainingArgs(); len(args) > 0 {
		return d.Errf("reconcile takes a block, not %q; write: reconcile { after 30s }, each option on its own line", args[0])
	}
	return options{
		"after": func(d *caddyfile.Dispenser) error { return duration(d, &c.After, "30s") },
		"until": func(d *caddyfile.Dispenser) error { return duration(d, &c.Until, "24h") },
	}.parse(d, "reconcile")
}

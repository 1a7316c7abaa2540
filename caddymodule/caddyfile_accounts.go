package caddymodule

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// parsePingpp parses the block:
//
//	pingpp {
//	    app         <app id>
//	    key         <secret key>
//	    signing_key <file or PEM>
//	    webhook_key <file or PEM>...
//	    endpoint    <url>
//	    channels    <name>...
//	    timeout     <duration>
//	}
func parsePingpp(d *caddyfile.Dispenser, c *PingppConfig) error {
	if args := d.RemainingArgs(); len(args) > 0 {
		return d.Errf("pingpp takes a block, not %q; write: pingpp { … }", args[0])
	}
	err := options{
		"app":         func(d *caddyfile.Dispenser) error { return one(d, &c.App, "app_…") },
		"key":         func(d *caddyfile.Dispenser) error { return one(d, &c.Key, "{env.PINGPP_KEY}") },
		"signing_key": func(d *caddyfile.Dispenser) error { return one(d, &c.SigningKey, "merchant.pem") },
		"webhook_key": func(d *caddyfile.Dispenser) error { return several(d, &c.WebhookKeys, "pingpp.pub.pem") },
		"endpoint":    func(d *caddyfile.Dispenser) error { return one(d, &c.Endpoint, "https://api.pingxx.com") },
		"channels":    func(d *caddyfile.Dispenser) error { return names(d, &c.Channels, "wx_lite") },
		"timeout":     func(d *caddyfile.Dispenser) error { return duration(d, &c.Timeout, "15s") },
	}.parse(d, "pingpp")
	if err != nil {
		return err
	}
	return needed(d, "pingpp app", c.App, "pingpp key", c.Key, "pingpp webhook_key", strings.Join(c.WebhookKeys, ""))
}

// needed finds the first option without a value, of pairs of both.
func needed(d *caddyfile.Dispenser, pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			return d.Errf("%s is missing; %s", pairs[i], toWrite(pairs[i]))
		}
	}
	return nil
}

// parseWeChat parses the block of one WeChat account, of which there is one of each kind at most:
//
//	wechat wx_lite|wx_pub {
//	    app_id    <appid>
//	    secret    <AppSecret>
//	    endpoint  <url>
//	    authorize <url>            # wx_pub only
//	}
//
// The sandbox's accounts have no addresses.
func parseWeChat(d *caddyfile.Dispenser, accounts *map[string]*WeChatConfig, withEndpoint bool) error {
	args := d.RemainingArgs()
	if len(args) != 1 || args[0] != "wx_lite" && args[0] != "wx_pub" {
		return d.Err("wechat takes the kind of account; write: wechat wx_lite { … } for a mini program, or wechat wx_pub { … } for an official account")
	}
	kind := args[0]
	if (*accounts)[kind] != nil {
		return d.Errf("wechat %s stands twice; a site has one account of each kind", kind)
	}
	c := &WeChatConfig{}
	o := options{
		"app_id": func(d *caddyfile.Dispenser) error { return one(d, &c.AppID, "wx…") },
		"secret": func(d *caddyfile.Dispenser) error { return one(d, &c.Secret, "{env.WECHAT_SECRET}") },
	}
	if withEndpoint {
		o["endpoint"] = func(d *caddyfile.Dispenser) error { return one(d, &c.Endpoint, "https://api.weixin.qq.com") }
		if kind == "wx_pub" {
			o["authorize"] = func(d *caddyfile.Dispenser) error { return one(d, &c.Authorize, "https://open.weixin.qq.com") }
		}
	}
	if *accounts == nil {
		*accounts = make(map[string]*WeChatConfig)
	}
	(*accounts)[kind] = c
	if err := o.parse(d, "wechat "+kind); err != nil || !withEndpoint { // the sandbox says what goes with what by itself
		return err
	}
	return needed(d, "wechat "+kind+" app_id", c.AppID, "wechat "+kind+" secret", c.Secret)
}

// parseSession parses the block:
//
//	session {
//	    ttl <duration>
//	    key <base64>...
//	}
func parseSession(d *caddyfile.Dispenser, c *SessionConfig) error {
	if args := d.RemainingArgs(); len(args) > 0 {
		return d.Errf("session takes a block, not %q; write: session { … }", args[0])
	}
	return options{
		"ttl": func(d *caddyfile.Dispenser) error { return duration(d, &c.TTL, "2h") },
		"key": func(d *caddyfile.Dispenser) error { return several(d, &c.Keys, "{env.PAY_SESSION_KEY}") },
	}.parse(d, "session")
}

package caddymodule

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("pay", parseGlobal)
	httpcaddyfile.RegisterDirective("pay", parsePay)
	// Before every directive that could refuse, rewrite, log in or answer: a webhook must never get another handler's 200, nor that of
	// a site's handle_errors.
	httpcaddyfile.RegisterDirectiveOrder("pay", httpcaddyfile.Before, "request_body")
}

// options parses the options of a block, one function each. Its errors say what is allowed.
type options map[string]func(*caddyfile.Dispenser) error

// parse reads the block that the dispenser stands before. An option may stand once, but for those in repeated.
func (o options) parse(d *caddyfile.Dispenser, block string, repeated ...string) error {
	seen := make(map[string]int)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		parse, ok := o[name]
		if !ok {
			allowed := slices.Sorted(maps.Keys(o))
			return d.Errf("unknown option %q in %s%s; allowed are: %s", name, block, meant(name, allowed), strings.Join(allowed, ", "))
		}
		if line, twice := seen[name]; twice && !slices.Contains(repeated, name) {
			return d.Errf("option %q of %s stands twice; the first is on line %d", name, block, line)
		}
		seen[name] = d.Line()
		if err := parse(d); err != nil {
			return err
		}
	}
	return nil
}

// one reads exactly one argument.
func one(d *caddyfile.Dispenser, to *string, example string) error {
	name := d.Val()
	args := d.RemainingArgs()
	if len(args) == 0 || len(args) == 1 && args[0] == "" {
		return d.Errf("%s takes one value, and there is none; write: %s %s%s", name, name, example, unsetVariable)
	}
	if len(args) != 1 {
		return d.Errf("%s takes one value, not %d; write: %s %s", name, len(args), name, example)
	}
	*to = args[0]
	return noBlock(d, name)
}

// returnURL reads where payers go back to.
func returnURL(d *caddyfile.Dispenser, to *string, example string) error {
	name := d.Val()
	if err := one(d, to, example); err != nil {
		return err
	}
	if err := checkOrderPlaceholder(*to); err != nil {
		return d.Errf("%s: %v", name, err)
	}
	return nil
}

// several reads one argument or more.
func several(d *caddyfile.Dispenser, to *[]string, example string) error {
	name := d.Val()
	*to = d.RemainingArgs()
	if len(*to) == 0 {
		return d.Errf("%s takes one value or more; write: %s %s%s", name, name, example, unsetVariable)
	}
	return noBlock(d, name)
}

// unsetVariable is said where a value is missing that may stand in the file: the Caddyfile's parser puts nothing in its place.
const unsetVariable = " (if a {$NAME} stands there: that variable is not set where Caddy reads this file)"

// names reads one name or more, none of which can hold a comma.
func names(d *caddyfile.Dispenser, to *[]string, example string) error {
	name := d.Val()
	if err := several(d, to, example); err != nil {
		return err
	}
	if all := strings.Join(*to, " "); strings.Contains(all, ",") {
		return d.Errf("the values of %s stand with spaces between them, not commas; write: %s %s", name, name, strings.Join(strings.Fields(strings.ReplaceAll(all, ",", " ")), " "))
	}
	return nil
}

// duration reads one positive duration.
func duration(d *caddyfile.Dispenser, to *caddy.Duration, example string) error {
	name := d.Val()
	var text string
	if err := one(d, &text, example); err != nil {
		return err
	}
	dur, err := caddy.ParseDuration(text)
	if err != nil || dur <= 0 {
		return d.Errf("%s takes a duration above 0, not %q; write: %s %s", name, text, name, example)
	}
	*to = caddy.Duration(dur)
	return nil
}

// none makes sure that an option has no argument and no block.
func none(d *caddyfile.Dispenser) error {
	name := d.Val()
	if args := d.RemainingArgs(); len(args) > 0 {
		return d.Errf("%s takes no value, not %q", name, args[0])
	}
	return noBlock(d, name)
}

func noBlock(d *caddyfile.Dispenser, name string) error {
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		return d.Errf("%s takes no block", name)
	}
	return nil
}

// parseGlobal parses the global option:
//
//	pay {
//	    ledger    sqlite [<file>] | postgres <dsn> { … }
//	    retention <duration>
//	    notify    wecom|dingtalk|feishu|webhook <url> { … }
//	}
func parseGlobal(d *caddyfile.Dispenser, existing any) (any, error) {
	d.Next() // the option's name
	if existing != nil {
		return nil, d.Err("the global option pay stands twice; put both into one block")
	}
	app := &App{Lines: linesOf(d, "")}
	if args := d.RemainingArgs(); len(args) > 0 {
		return nil, d.Errf("the global option pay takes a block, not %q; write: pay { ledger sqlite }", args[0])
	}
	err := options{
		"ledger":    func(d *caddyfile.Dispenser) error { return parseLedger(d, app) },
		"retention": func(d *caddyfile.Dispenser) error { return duration(d, &app.Retention, "400d") },
		"notify":    func(d *caddyfile.Dispenser) error { return parseNotify(d, app) },
	}.parse(d, "the global option pay", "notify")
	if err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "pay", Value: caddyconfig.JSON(app, nil)}, nil
}

// parsePay parses the directive:
//
//	pay [<prefix>] {
//	    pingpp { … }
//	    wechat wx_lite|wx_pub { … }
//	    session { … }
//	    upstream <…> { … }
//	    backend_token <token>
//	    orders <method> <path> { … }
//	    allow_client_amount { … }
//	    success_url|cancel_url|fail_url|result_url <url>
//	    events <method> <path> { … }
//	    limits { … }
//	    login POST <path>
//	    merchant_api { … }
//	    reconcile { … }
//	    shipping [{ … }]
//	    checkout { … }
//	    shop_name <name>
//	    accent <colour>
//	    cors <origin>...
//	    allow_http
//	}
//
// It takes no matcher: the whole site must pass through it.
func parsePay(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	h.Next() // the directive's name
	if order, ok := h.Option("order").([]string); ok {
		if before := answeredBefore(order); before != "" {
			return nil, h.Errf("the global option order puts %s before pay, which has to see every request first; delete that line: pay has its place by itself", before)
		}
	}
	pay := &Handler{Lines: linesOf(h.Dispenser, "")}
	switch args := h.RemainingArgs(); {
	case len(args) > 1:
		return nil, h.Errf("pay takes at most a prefix, not %q; write: pay [<prefix>] { … }", strings.Join(args, " "))
	case len(args) == 1:
		p := args[0]
		if strings.HasPrefix(p, "@") || p == "*" || strings.HasSuffix(p, "*") {
			return nil, h.Errf("pay takes no matcher (%s), since the whole site must pass through it; write a prefix like /pay, or nothing", p)
		}
		if !strings.HasPrefix(p, "/") || len(p) < 2 || strings.HasSuffix(p, "/") {
			return nil, h.Errf("the prefix %q must begin with a slash and end without one; write: pay /pay { … }", p)
		}
		pay.Prefix = p
	}
	err := options{
		"pingpp": func(d *caddyfile.Dispenser) error { pay.Pingpp = new(PingppConfig); return parsePingpp(d, pay.Pingpp) },
		"session": func(d *caddyfile.Dispenser) error {
			pay.Session = new(SessionConfig)
			return parseSession(d, pay.Session)
		},
		"orders": func(d *caddyfile.Dispenser) error { pay.Orders = new(OrdersConfig); return parseOrders(d, pay.Orders) },
		"events": func(d *caddyfile.Dispenser) error { pay.Events = new(EventsConfig); return parseEvents(d, pay.Events) },
		"reconcile": func(d *caddyfile.Dispenser) error {
			pay.Reconcile = new(ReconcileConfig)
			return parseReconcile(d, pay.Reconcile)
		},
		"shipping": func(d *caddyfile.Dispenser) error {
			pay.Shipping = new(ShippingConfig)
			return parseShipping(d, pay.Shipping)
		},
		"limits": func(d *caddyfile.Dispenser) error { pay.Limits = new(LimitsConfig); return parseLimits(d, pay.Limits) },
		"checkout": func(d *caddyfile.Dispenser) error {
			pay.Checkout = new(CheckoutConfig)
			return parseCheckout(d, pay.Checkout)
		},
		"shop_name": func(d *caddyfile.Dispenser) error { return one(d, &pay.ShopName, `"Tea house"`) },
		"accent":    func(d *caddyfile.Dispenser) error { return parseAccent(d, &pay.Accent) },
		"allow_client_amount": func(d *caddyfile.Dispenser) error {
			pay.AllowClientAmount = new(ClientAmountConfig)
			return parseClientAmount(d, pay.AllowClientAmount)
		},
		"success_url": func(d *caddyfile.Dispenser) error {
			return returnURL(d, &pay.SuccessURL, "https://shop.example.com/paid")
		},
		"cancel_url": func(d *caddyfile.Dispenser) error {
			return returnURL(d, &pay.CancelURL, "https://shop.example.com/cart")
		},
		"fail_url": func(d *caddyfile.Dispenser) error {
			return returnURL(d, &pay.FailURL, "https://shop.example.com/failed")
		},
		"result_url": func(d *caddyfile.Dispenser) error {
			return returnURL(d, &pay.ResultURL, "https://shop.example.com/paid")
		},
		"login": func(d *caddyfile.Dispenser) error {
			pay.Login = new(LoginConfig)
			if err := methodAndPath(d, &pay.Login.Method, &pay.Login.Path, "POST /internal/pay/login", "POST"); err != nil {
				return err
			}
			return noBlock(d, "login")
		},
		"merchant_api": func(d *caddyfile.Dispenser) error {
			pay.MerchantAPI = new(MerchantAPIConfig)
			return parseMerchantAPI(d, pay.MerchantAPI)
		},
		"wechat":   func(d *caddyfile.Dispenser) error { return parseWeChat(d, &pay.WeChat, true) },
		"upstream": func(d *caddyfile.Dispenser) (err error) { pay.UpstreamRaw, err = parseUpstream(h, d); return err },
		"backend_token": func(d *caddyfile.Dispenser) error {
			return one(d, &pay.BackendToken, "{env.PAY_BACKEND_TOKEN}")
		},
		"cors":       func(d *caddyfile.Dispenser) error { return parseCORS(d, &pay.CORS) },
		"allow_http": func(d *caddyfile.Dispenser) error { pay.AllowHTTP = true; return none(d) },
	}.parse(h.Dispenser, "pay", "wechat")
	if err != nil {
		return nil, err
	}
	if pay.Orders != nil && pay.AllowClientAmount != nil {
		return nil, h.Err("orders and allow_client_amount exclude each other: either the backend names the price or the client; leave one out")
	}
	if pay.Pingpp == nil {
		return nil, h.Err("pay needs a pingpp block; write: pingpp { app …  key …  webhook_key … }, each on its own line")
	}
	pay.KeyFiles = keyFiles(pay)
	return []httpcaddyfile.ConfigValue{{
		Class: "route",
		Value: caddyhttp.Route{HandlersRaw: []json.RawMessage{caddyconfig.JSONModuleObject(pay, "handler", "pay", nil)}},
	}}, nil
}

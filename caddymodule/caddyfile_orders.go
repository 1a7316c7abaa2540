package caddymodule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// parseOrders parses the block:
//
//	orders <method> <path with {order_no}> {
//	    amount      <path>
//	    unit        fen|yuan
//	    order_no    <path>
//	    currency    <path>
//	    subject     <path>
//	    body        <path>
//	    time_expire <path>
//	    openid      <path>
//	    metadata    <path>
//	    extra       <path>
//	    status      <path> {
//	        payable <value>...
//	        paid    <value>...
//	        closed  <value>...
//	    }
//	    not_found   <path> <value>...
//	    default     subject|body|currency <text>
//	    max         <fen>
//	}
//
// default may stand once for each of the three.
func parseOrders(d *caddyfile.Dispenser, c *OrdersConfig) error {
	if err := methodAndPath(d, &c.Method, &c.Path, "GET /internal/pay/orders/{order_no}", "GET", "POST"); err != nil {
		return err
	}
	if err := checkOrderPlaceholder(c.Path); err != nil {
		return d.Errf("orders: %v", err)
	}
	o := options{
		"unit": func(d *caddyfile.Dispenser) error {
			if err := one(d, &c.Unit, "yuan"); err != nil {
				return err
			}
			if c.Unit != "fen" && c.Unit != "yuan" {
				return d.Errf("unit takes fen or yuan, not %q; write: unit yuan", c.Unit)
			}
			return nil
		},
		"status": func(d *caddyfile.Dispenser) error {
			c.Status = new(OrderStatusConfig)
			return parseOrderStatus(d, c.Status)
		},
		"not_found": func(d *caddyfile.Dispenser) error {
			args := d.RemainingArgs()
			if len(args) < 2 || strings.TrimSpace(args[0]) == "" {
				return d.Errf("not_found takes a path and the values there that mean that there is no such order; write: %s", notFoundExample)
			}
			if err := checkJSONPath(args[0]); err != nil {
				return d.Errf("not_found: %v", err)
			}
			c.NotFound = &OrderNotFoundConfig{Path: args[0], Values: args[1:]}
			return noBlock(d, "not_found")
		},
		"default": func(d *caddyfile.Dispenser) error {
			if c.Default == nil {
				c.Default = new(OrderDefaultConfig)
			}
			return parseOrderDefault(d, c.Default)
		},
		"max": func(d *caddyfile.Dispenser) error { return fen(d, &c.Max, "2000000", "20,000 yuan") },
	}
	for name, to := range map[string]*string{
		"amount": &c.Amount, "order_no": &c.OrderNo, "currency": &c.Currency, "subject": &c.Subject, "body": &c.Body,
		"time_expire": &c.TimeExpire, "openid": &c.OpenID, "metadata": &c.Metadata, "extra": &c.Extra,
	} {
		o[name] = func(d *caddyfile.Dispenser) error {
			if err := one(d, to, "data."+name); err != nil {
				return err
			}
			if strings.TrimSpace(*to) == "" {
				return d.Errf("%s takes the path to a value in the backend's JSON, not nothing; write: %s data.%s", name, name, name)
			}
			if err := checkJSONPath(*to); err != nil {
				return d.Errf("%s: %v", name, err)
			}
			return nil
		}
	}
	return o.parse(d, "orders", "default")
}

const notFoundExample = "not_found code 404 40401, or not_found data null"

func parseOrderStatus(d *caddyfile.Dispenser, c *OrderStatusConfig) error {
	args := d.RemainingArgs()
	if len(args) != 1 || strings.TrimSpace(args[0]) == "" {
		return d.Errf("status takes one path, not %d; write: status data.state { payable 0 }, each option on its own line", len(args))
	}
	c.Path = args[0]
	if err := checkJSONPath(c.Path); err != nil {
		return d.Errf("status: %v", err)
	}
	err := options{
		"payable": func(d *caddyfile.Dispenser) error { return several(d, &c.Payable, "0 1") },
		"paid":    func(d *caddyfile.Dispenser) error { return several(d, &c.Paid, "2") },
		"closed":  func(d *caddyfile.Dispenser) error { return several(d, &c.Closed, "3 4") },
	}.parse(d, "status")
	if err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return d.Err(err.Error())
	}
	return nil
}

// check finds values that say nothing, or two things.
func (c *OrderStatusConfig) check() error {
	all := slices.Concat(c.Payable, c.Paid, c.Closed)
	if len(all) > 0 && len(c.Payable) == 0 {
		return fmt.Errorf("status names no value that means payable; write: payable 0")
	}
	for i, value := range all {
		if slices.Contains(all[:i], value) {
			return fmt.Errorf("the value %q of status stands twice; it can mean one of payable, paid and closed", value)
		}
	}
	return nil
}

func parseOrderDefault(d *caddyfile.Dispenser, c *OrderDefaultConfig) error {
	to := map[string]*string{"subject": &c.Subject, "body": &c.Body, "currency": &c.Currency}
	args := d.RemainingArgs()
	if len(args) != 2 || to[args[0]] == nil || strings.TrimSpace(args[1]) == "" {
		return d.Err("default takes subject, body or currency and its text; write: default subject \"Order {order_no}\"")
	}
	if *to[args[0]] != "" {
		return d.Errf("default %s stands twice", args[0])
	}
	if err := checkOrderPlaceholder(args[1]); err != nil {
		return d.Errf("default %s: %v", args[0], err)
	}
	*to[args[0]] = args[1]
	return noBlock(d, "default")
}

// parseClientAmount parses the block:
//
//	allow_client_amount {
//	    min     <fen>
//	    max     <fen>
//	    subject <text>
//	    prefix  <text>
//	}
func parseClientAmount(d *caddyfile.Dispenser, c *ClientAmountConfig) error {
	if args := d.RemainingArgs(); len(args) > 0 {
		return d.Errf("allow_client_amount takes a block, not %q; write: allow_client_amount { max 20000 }, each option on its own line", args[0])
	}
	err := options{
		"min":     func(d *caddyfile.Dispenser) error { return fen(d, &c.Min, "100", "1 yuan") },
		"max":     func(d *caddyfile.Dispenser) error { return fen(d, &c.Max, "20000", "200 yuan") },
		"subject": func(d *caddyfile.Dispenser) error { return one(d, &c.Subject, "Donation") },
		"prefix":  func(d *caddyfile.Dispenser) error { return one(d, &c.Prefix, "D") },
	}.parse(d, "allow_client_amount")
	if err == nil && (c.Max == 0 || c.Subject == "") {
		err = d.Err("allow_client_amount needs max and subject; write: max 20000 and subject \"Donation\", each on its own line")
	}
	return err
}

// fen reads an amount above 0.
func fen(d *caddyfile.Dispenser, to *int64, example, inYuan string) error {
	name := d.Val()
	var text string
	if err := one(d, &text, example); err != nil {
		return err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return d.Errf("%s takes a whole number of fen above 0, not %q; write: %s %s for %s", name, text, name, example, inYuan)
	}
	*to = n
	return nil
}

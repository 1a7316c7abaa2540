package caddymodule

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/payment"
	"github.com/caddypay/caddypay/pingpp/channel"
)

var currency = regexp.MustCompile("^[a-z]{3}$")

// provisionURLs checks where channels send payers back to.
func (h *Handler) provisionURLs(r *resolver) error {
	h.resolved.ReturnURLs = make(map[string]string)
	for option, configured := range map[string]string{
		"success_url": h.SuccessURL, "cancel_url": h.CancelURL, "fail_url": h.FailURL, "result_url": h.ResultURL,
	} {
		if configured == "" {
			continue
		}
		if err := checkOrderPlaceholder(configured); err != nil {
			return r.errorf(option, "%w", err)
		}
		url, err := r.value(option, configured)
		if err != nil {
			return err
		}
		if err := channel.CheckReturnURL(strings.ReplaceAll(url, "{order_no}", "1")); err != nil {
			return r.errorf(option, "%q %w", url, err)
		}
		if strings.Contains(url, "?") {
			h.logger.Warn(option+" has a query, which some channels lose; put {order_no} into the path", zapSite(r.site), zap.String("url", url))
		}
		h.resolved.ReturnURLs[option] = url
	}
	return nil
}

// provisionChannels decides which channels are offered: those that are named, or else those that work with what is configured.
func (h *Handler) provisionChannels(r *resolver) error {
	named, err := r.values("pingpp channels", h.Pingpp.Channels)
	if err != nil {
		return err
	}
	charges := h.Orders != nil || h.AllowClientAmount != nil
	if len(named) == 0 {
		if charges && len(h.WeChat) == 0 {
			return r.errorf("wechat wx_lite", "the block is missing: without it nobody can log in; write it, or name in pingpp the channels that need no login, like channels alipay_qr")
		}
		h.resolved.Channels = slices.DeleteFunc(channel.Names(), func(name string) bool {
			return !channel.Of(name).Simple() || h.lacks(name) != ""
		})
		return nil
	}
	for _, name := range named {
		if !slices.Contains(channel.Names(), name) {
			return r.errorf("pingpp channels", "%q is not a channel that is known here; write %s", name,
				cmp.Or(nearest(name, channel.Names()), strings.Join(channel.Names(), ", ")))
		}
		if lacks := h.lacks(name); charges && lacks != "" {
			return r.errorf("pingpp channels", "%s %s", name, lacks)
		}
	}
	h.resolved.Channels = named
	return nil
}

// lacks says what a channel needs that is not configured; empty: nothing.
func (h *Handler) lacks(name string) string {
	if kind := channel.Of(name).Payer; kind != "" && h.WeChat[kind] == nil {
		return "is paid with a login of " + kind + ", which is not configured; write wechat " + kind + " with app_id and secret, or leave " + name + " out"
	}
	for _, option := range channel.Of(name).URLs() {
		if h.resolved.ReturnURLs[option] == "" {
			return "needs " + option + " in the pay block; write " + option + " https://shop.example.com/paid, or leave " + name + " out"
		}
	}
	return ""
}

// reading takes over how the backend's JSON is read.
func (c *OrdersConfig) reading(r *resolver, to *payment.Orders) error {
	to.Paths = make(map[string]string)
	for name, path := range map[string]string{
		"amount": c.Amount, "order_no": c.OrderNo, "currency": c.Currency, "subject": c.Subject, "body": c.Body,
		"time_expire": c.TimeExpire, "openid": c.OpenID, "metadata": c.Metadata, "extra": c.Extra,
	} {
		if err := checkJSONPath(path); err != nil {
			return r.errorf("orders "+name, "%w", err)
		}
		if path != "" {
			to.Paths[name] = path
		}
	}
	switch c.Unit {
	case "", "fen":
	case "yuan":
		to.Yuan = true
	default:
		return r.errorf("orders unit", "%q is neither fen nor yuan; write unit yuan", c.Unit)
	}
	if s := c.Status; s != nil {
		if err := s.check(); err != nil {
			return r.errorf("orders status", "%w", err)
		}
		if err := checkJSONPath(s.Path); err != nil {
			return r.errorf("orders status", "%w", err)
		}
		to.Paths["status"] = cmp.Or(s.Path, "status")
		to.Status = s.words()
	}
	if n := c.NotFound; n != nil {
		if strings.TrimSpace(n.Path) == "" || len(n.Values) == 0 {
			return r.errorf("orders not_found", "takes a path and the values there that mean that there is no such order; write %s", notFoundExample)
		}
		if err := checkJSONPath(n.Path); err != nil {
			return r.errorf("orders not_found", "%w", err)
		}
		to.NotFound = &payment.NotFound{Path: n.Path, Values: n.Values}
	}
	if d := c.Default; d != nil {
		for option, at := range map[string]struct{ from, to *string }{
			"subject": {&d.Subject, &to.Defaults.Subject}, "body": {&d.Body, &to.Defaults.Body}, "currency": {&d.Currency, &to.Defaults.Currency},
		} {
			if *at.from == "" {
				continue
			}
			err := checkOrderPlaceholder(*at.from)
			if err != nil {
				return r.errorf("orders default "+option, "%w", err)
			}
			if *at.to, err = r.value("orders default "+option, *at.from); err != nil {
				return err
			}
		}
		if c := to.Defaults.Currency; c != "" && !currency.MatchString(c) {
			return r.errorf("orders default currency", "%q must be three small letters; write default currency cny", c)
		}
		if to.Yuan && d.Currency != "" && to.Defaults.Currency != "cny" {
			return r.errorf("orders default currency", "%q does not go with unit yuan, which is for cny; write unit fen, and amounts in the currency's smallest unit", to.Defaults.Currency)
		}
	}
	return nil
}

// words turns the backend's words for an order's state into ours.
func (c *OrderStatusConfig) words() map[string]string {
	words := make(map[string]string)
	for ours, theirs := range map[string][]string{"payable": c.Payable, "paid": c.Paid, "closed": c.Closed} {
		if len(c.Payable) == 0 {
			theirs = []string{ours}
		}
		for _, word := range theirs {
			words[word] = ours
		}
	}
	return words
}

func (h *Handler) provisionClientAmount(r *resolver) error {
	c := h.AllowClientAmount
	if c == nil {
		return nil
	}
	if h.Orders != nil {
		return r.errorf("allow_client_amount", "and orders exclude each other: either the backend names the price or the client; leave one out")
	}
	if c.Max == 0 {
		return r.errorf("allow_client_amount max", "is missing; write the most that a client may name, in fen, like max 20000 for 200 yuan")
	}
	subject, err := r.value("allow_client_amount subject", c.Subject)
	if err != nil {
		return err
	}
	h.resolved.ClientAmount = &payment.ClientAmount{Min: cmp.Or(c.Min, 1), Max: c.Max, Subject: subject, Prefix: c.Prefix}
	if err := h.resolved.ClientAmount.Check(h.resolved.Channels); err != nil {
		return r.errorf("allow_client_amount", "%w", err)
	}
	return nil
}

package handlers

import (
	"context"
	"fmt"
	"time"

	"github.com/caddypay/caddypay/handlers/backend"
	"github.com/caddypay/caddypay/handlers/login"
	"github.com/caddypay/caddypay/handlers/merchant"
	"github.com/caddypay/caddypay/handlers/payment"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/handlers/webhook"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/session"
)

// New returns a site: each of its rooms gets just what it needs.
func New(c Config) *Site {
	c.Count.fill()
	open := c.Ledger
	c.Ledger = func(ctx context.Context) (ledger.Ledger, error) {
		l, err := open(ctx)
		if err != nil {
			return nil, problem.Retry("ledger_unavailable", 2*time.Second, fmt.Errorf("opening the ledger: %w", err))
		}
		return l, nil
	}
	visitors := newVisitors(c)
	shop := &backend.Backend{RoundTripper: c.Backend, Token: c.Token, Visitors: visitors}
	problems := &problem.Log{Logger: c.Logger, ClientIP: c.ClientIP, Now: c.Now}
	s := &Site{
		Prefix: c.Prefix, Visitors: visitors, private: c.Private, origins: c.Origins, skipLog: c.SkipLog, problems: problems,
		Login: &login.Logins{
			Visitors: visitors, WxLite: c.WxLite, WxPub: c.WxPub, Ticket: c.Ticket, Tell: c.Login, Backend: shop, Ledger: c.Ledger,
			Budgets: c.Budgets, ClientIP: c.ClientIP, Logger: c.Logger,
		},
		Payments: &payment.Payments{
			Prefix: c.Prefix, Scope: c.Scope, Visitors: visitors, Channels: c.Channels,
			ClientAmount: c.ClientAmount, ReturnURLs: c.ReturnURLs, Checkout: c.Checkout,
			Pingpp: c.Pingpp, Reconciler: c.Reconciler, QueryAfter: c.QueryAfter, Ledger: c.Ledger,
			Budgets: c.Budgets, Count: c.Count.Charge, Problems: problems, ClientIP: c.ClientIP, Host: c.Host, Closing: c.Closing,
			Logger: c.Logger, Now: c.Now, Rand: c.Rand,
		},
		Webhooks: &webhook.Webhooks{
			Scope: c.Scope, Verifier: c.Verifier, Pingpp: c.Pingpp, Reconciler: c.Reconciler, Intake: c.Intake, Ledger: c.Ledger,
			Budgets: c.Budgets, Count: c.Count.Webhook, Took: c.Count.Accept, ClientIP: c.ClientIP, Host: c.Host, Logger: c.Logger, Now: c.Now,
		},
	}
	if c.Orders != nil {
		s.Payments.Prices = &payment.Prices{Orders: c.Orders, Backend: shop, Now: c.Now}
	}
	if c.WxLite != nil {
		s.Payments.Login = s.Login.WithCode
	}
	if c.Merchant != nil {
		s.Merchant = &merchant.API{
			Access: c.Merchant, Prefix: c.Prefix, Scope: c.Scope, Pingpp: c.Pingpp, Reconciler: c.Reconciler, Ledger: c.Ledger,
			Bodies: &c.Budgets.Bodies, Count: c.Count.Refund, Logger: c.Logger, Now: c.Now,
			Ships: c.Shipping != nil, Pauses: c.ShippingPauses,
		}
	}
	return s
}

func newVisitors(c Config) *session.Visitors {
	appIDs := make(map[session.Kind]string)
	if c.WxLite != nil {
		appIDs[session.WxLite] = c.WxLite.AppID()
	}
	if c.WxPub != nil {
		appIDs[session.WxPub] = c.WxPub.AppID()
	}
	return &session.Visitors{
		Tokens: c.Sessions, Cookies: &session.Cookies{Prefix: c.Prefix, AllowHTTP: c.AllowHTTP, Secure: c.Secure},
		Scope: c.Scope, AppIDs: appIDs, Sent: c.Session, Bearer: c.Bearer, Rand: c.Rand,
	}
}

// fill has nothing counted where nobody wants to know.
func (c *Counters) fill() {
	if c.Charge == nil {
		c.Charge = func(string, string) {}
	}
	if c.Webhook == nil {
		c.Webhook = func(string) {}
	}
	if c.Accept == nil {
		c.Accept = func(time.Duration) {}
	}
	if c.Refund == nil {
		c.Refund = func(string) {}
	}
}

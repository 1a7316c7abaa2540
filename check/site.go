package check

import (
	"context"
	"crypto/rsa"
	"slices"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/shipping"
)

// Site is one pay block as it runs.
type Site struct {
	Name   string // as the configuration names it
	Scope  ledger.Scope
	Public bool // it is on the internet, as far as its name goes
	Now    func() time.Time

	Priced    bool // there are orders, or clients name what they pay
	Delivered bool // events go to a backend
	LiveToo   bool // the same Ping++ app has taken real payments here: by another site, or before

	Own      *rsa.PublicKey   // of the merchant's signing_key; nil: requests are not signed
	Webhook  []*rsa.PublicKey // Ping++'s, as configured
	Pingpp   func(context.Context) (pingpp.Probed, error)
	Emulated bool                                   // Ping++ is a sandbox
	WeChat   map[string]func(context.Context) error // asks WeChat for something that shows whether AppID and AppSecret are good, by kind of account
	Door     *Door                                  // where Ping++'s webhooks come in
	Shop     *Shop                                  // nil: no backend is called
	Figures  func(context.Context) (Figures, error) // what the ledger says of deliveries
	Turned   func() Turned                          // what became of the webhooks that came in

	Program   Program                                            // that is paid in; nil: WeChat keeps nothing of these payments
	Ships     bool                                               // WeChat is told of their shipping here
	Mute      bool                                               // there is nothing by which anybody could report it but a person's command
	Paused    func() []shipping.Pause                            // why WeChat is not told of that now; nil: it is told nothing
	Unshipped func(context.Context) (*ledger.ShippingDue, error) // what the ledger says of that; nil: it is told nothing

	Swept func(context.Context) (time.Time, error) // how far charges have been compared with Ping++'s list; zero: nothing was yet
}

// Checks are all that can be looked at of one site. None of them changes anything.
func (s *Site) Checks() []Check {
	all := []Check{
		{ID: "config", Run: s.config},
		{ID: "mode", Run: s.mode},
		{ID: "pingpp", Run: s.provider},
	}
	for _, kind := range slices.Sorted(keys(s.WeChat)) {
		all = append(all, Check{ID: "wechat", Run: func(ctx context.Context) []Finding { return s.wechat(ctx, kind) }})
	}
	if s.Door != nil {
		all = append(all, Check{ID: "webhook-url", Run: s.webhookURL}, Check{ID: "certificate", Run: s.certificate})
	}
	if s.Shop != nil && s.Shop.Ask != nil {
		all = append(all, Check{ID: "backend-reach", Run: s.backend})
	}
	if s.Figures != nil {
		all = append(all, Check{ID: "events-pending", Run: s.events})
	}
	if s.Turned != nil {
		all = append(all, Check{ID: "webhooks-refused", Run: s.refused})
	}
	if s.Swept != nil {
		all = append(all, Check{ID: "sweep", Run: s.sweep})
	}
	if s.Program != nil {
		all = append(all, Check{ID: "shipping", Run: s.shipping})
	}
	if s.Paused != nil {
		all = append(all, Check{ID: "shipping-paused", Run: s.paused})
	}
	if s.Unshipped != nil {
		all = append(all, Check{ID: "shipping-failed", Run: s.failedReports})
		all = append(all, Check{ID: "shipping-due", Run: s.unshipped})
	}
	for i := range all {
		all[i].Site = s.Name
	}
	return all
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func one(r Result, text, fix Words, commands ...string) []Finding {
	return []Finding{{Result: r, Text: text, Fix: fix, Commands: commands}}
}

// of is one under another id than the check's.
func of(id string, r Result, text, fix Words, commands ...string) Finding {
	return Finding{ID: id, Result: r, Text: text, Fix: fix, Commands: commands}
}

// config looks for configurations that load and then do not do what somebody hopes for.
func (s *Site) config(context.Context) []Finding {
	switch {
	case !s.Priced:
		return one(Warn, say("nothing can be paid here: neither orders nor allow_client_amount is set", "这里无法付款：既没有 orders 也没有 allow_client_amount"),
			say("write orders GET /internal/pay/orders/{order_no} into the pay block", "请在 pay 块中写 orders GET /internal/pay/orders/{order_no}"))
	case !s.Delivered:
		return one(Fail, say("payments are recorded and stay pending: no site of this app and mode has events", "付款会被记录但一直待投递：该应用和模式下没有站点配置 events"),
			say("write events POST /internal/pay/events into the pay block", "请在 pay 块中写 events POST /internal/pay/events"))
	}
	return one(OK, say("payments have a price and a backend", "付款有价格来源，也有后端"), Words{})
}

// mode finds a test key where real payments are due.
func (s *Site) mode(context.Context) []Finding {
	fix := say("put the sk_live_ key where key takes it from, and reload", "请把 key 换成 sk_live_ 密钥，然后重新加载配置")
	switch {
	case s.Scope.Mode == ledger.Live:
		return one(OK, say("real payments", "真实付款"), Words{})
	case s.LiveToo && s.Public:
		return one(Fail, say("the key is a test key on a live site: this app has taken real payments, and now nobody pays anything", "正式站点使用了测试密钥：该应用曾收取真实付款，而现在没有人真正付款"), fix)
	case s.Public && !s.Emulated:
		return one(Warn, say("the key is a test key: nobody pays anything here", "密钥是测试密钥：这里没有人真正付款"), fix)
	}
	return one(OK, say("test payments: no money moves", "测试付款：没有资金流动"), Words{})
}

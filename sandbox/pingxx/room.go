// Package pingxx emulates Ping++: its API, what its client library calls in test mode, and its webhooks.
//
//	POST /v1/charges                     create a charge, through any channel that Ping++ documents
//	GET  /v1/charges/{id}                one charge
//	GET  /v1/charges?app[id]=app_…       a list: limit, starting_after, ending_before, created[gt|gte|lt|lte], channel, paid, refunded, reversed
//	POST /v1/charges/{id}/reverse        cancel an unpaid charge
//	POST /v1/charges/{id}/refunds        refund a paid charge, whole or in parts
//	GET  /v1/charges/{id}/refunds/{id}   one refund
//	GET  /v1/charges/{id}/refunds        a list: limit, starting_after, ending_before
//	POST /v1/orders                      create an order; GET /v1/orders?app=app_… lists: page, per_page, paid, refunded, created[…]
//	GET  /v1/orders/{id}                 one order; PUT changes it, or with {"status":"canceled"} cancels it
//	POST /v1/orders/{id}/pay             make the charge that pays it; GET /v1/orders/{id}/charges[/{id}] shows them: page, per_page
//	POST /v1/orders/{id}/order_refunds   refund it, a list; GET /v1/orders/{id}/order_refunds[/{id}] shows them: page, per_page
//	GET  /v1/events/{id}                 one event, the very bytes that its webhook carried
//	GET  /notify/charges/{id}?livemode=false   what pingpp.js calls in test mode instead of opening the pay sheet: pays the charge
//	GET  /mock.php?ch_id=…&channel=…     the page on which a tester pays or cancels a test charge; QR codes of test mode lead there
//
// # What is like the real thing
//
// The key alone (Basic user name or Bearer) picks the mode; test and live objects never meet. Request
// signatures are checked over the raw request target, when Config.MerchantKey is set; a timestamp
// more than 15 minutes off is refused. Every API answer is signed; those to Ping++'s Node SDK, and all that are
// not the API's, say Connection: close. Error messages follow Accept-Language (Chinese, or English). Parameters are checked as Ping++ documents
// them, and then as the channel would: those refusals are 402 channel_error. Credentials have the shape of each channel's; in
// test mode those that are a URL lead to the mock page, as at Ping++.
//
// A used order number: the same six elements (app, channel, number, amount, subject, body) are answered with the first charge,
// unchanged, whatever else differs, another openid too: WeChat's channels for 2 hours, wx_wap for 5 minutes, all others and those
// of a scanned code for 1 minute. After that, or with another element, WeChat refuses a repeated number (商户订单号重复); the
// others make a new charge of the same elements and refuse other ones. A number that is paid or closed is refused by all, and of several
// charges with one number only one can be paid. The numbers of channels of one service are one.
//
// WeChat's credentials die before their charge does: after 2 hours, that of wx_wap after 5 minutes. Ping++ goes on showing them, and the
// payment is refused.
//
// A paid charge sends charge.succeeded to every URL that both modes have, and to those of its own mode: at most 8 tries, 2 min, 10 min,
// 10 min, 1 h, 2 h, 6 h and 15 h apart (divided by Config.TimeScale), until the first 2xx. Redirects
// are not followed.
//
// A reversed charge cannot be paid, and its number cannot be used again; a paid one cannot be reversed
// (400, charge_unexpected_status), nor a reversed one again (400, charge_closed), nor one of a channel that Ping++ does not
// name for it (400, param channel).
//
// A refund is pending, as WeChat's are, and succeeds after 10 s (divided by Config.TimeScale), which sends
// refund.succeeded; a refund that fails sends nothing, since Ping++ documents no event for it. Whether Ping++ counts pending
// refunds in a charge's amount_refunded is not documented: here only what has succeeded counts, while
// refunded is true from the first refund on, whatever became of it, and pending refunds take from what
// is left to refund. WeChat's bounds hold: 50 refunds of a charge, within a year of its payment; and the shorter descriptions of some
// channels. A
// charge shows its newest 10 refunds.
//
// The charge of an order is paid like any other; charge.succeeded is followed by order.succeeded once the order is paid whole, and
// refund.succeeded by order.refunded. Its charge can be refunded through the order only (400, charge_request_invalid). Where no
// charge_order_no is given it is the merchant_order_no. There are no coupons and balances; royalty_users are checked, and nothing
// becomes of them. Until it is paid an order can be changed (amount, subject, body and the like), and canceled, which closes its unpaid
// charges; a user that the cancellation names must be the order's uid.
//
// Where official examples send numbers for texts (terminal_id, order_type, hb_fq_num, …) both are taken, and PHP's [] for an empty
// extra or metadata. With expand[]=app, or "expand" in the body, an answer holds the app whole; with charge those that name a charge.
//
// # Rooms
//
// This package knows who asks and how that is answered: keys, signatures, routes, languages. What is bought is in package trade, what a
// channel demands in package channel, what the merchant is told of in package events, and the errors of all are in package apierr.
//
// # Faults
//
// On create_charge, get_charge, list_charges, reverse_charge, create_refund, get_refund, list_refunds,
// create_order, get_order, list_orders, pay_order, cancel_order, order_charges, refund_order, order_refunds and get_event: 400 (without
// code and param), 502 (HTML), 502_json, 500, 200_error (status 200 with an error in the body), 200_null,
// 200_html, empty, 402 (the channel refuses), 403 and 429 (too many requests), 401, slow, drop, truncate,
// endless; and a well-formed object that is not the one asked for: wrong_charge on create_charge,
// get_charge and reverse_charge (of another order), wrong_refund on create_refund and get_refund,
// wrong_event on get_event. On notify: 502, 500, 200_html, empty, slow, drop. Those of refunds are in package trade, those of webhooks in
// package events.
package pingxx

import (
	"bytes"
	"context"
	"crypto/rsa"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/sandbox/desk"
	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/pingxx/channel"
	"github.com/caddypay/caddypay/sandbox/pingxx/events"
	"github.com/caddypay/caddypay/sandbox/pingxx/trade"
)

// The operations that faults can be set on and that calls are counted by, beside those of trade and events.
const (
	opCreate       = "create_charge"
	opGet          = "get_charge"
	opList         = "list_charges"
	opReverse      = "reverse_charge"
	opCreateRefund = "create_refund"
	opGetRefund    = "get_refund"
	opListRefunds  = "list_refunds"
	opEvent        = "get_event"
	opCreateOrder  = "create_order"
	opGetOrder     = "get_order"
	opListOrders   = "list_orders"
	opPayOrder     = "pay_order"
	opCancelOrder  = "cancel_order"
	opOrderCharges = "order_charges"
	opRefundOrder  = "refund_order"
	opOrderRefunds = "order_refunds"
	opNotify       = "notify"
)

// Config is what a Room needs of the sandbox.
type Config struct {
	App         string
	TestKey     string
	LiveKey     string
	MerchantKey *rsa.PublicKey  // of requests' signatures; nil: they are not looked at
	SigningKey  *rsa.PrivateKey // of Ping++ itself
	WxAppID     string          // of the mini program, in credentials
	WxKey       string          // the merchant's at WeChat, which signs credentials
	PublicURL   string          // where a browser finds the sandbox; "": as the request did
	TimeScale   float64         // divides the waits of webhooks and refunds
	Client      *http.Client    // sends webhooks; nil: one of its own
	Sent        func(events.Sent)
	Now         func() time.Time
	Dice        *dice.Dice
	Faults      *desk.Faults
	Log         *zap.Logger

	Paid     func(trade.Payment)        // see trade.Config
	Refunded func(transactionNo string) // see trade.Config
}

// Room is Ping++. It is safe for concurrent use.
type Room struct {
	Trade  *trade.Trade
	Events *events.Events

	public []byte // PEM
	desk   *desk.Desk
	api    *api
	pages  *pages
}

// Start returns a Ping++ that settles refunds and sends webhooks until the context ends; Wait for it.
func Start(ctx context.Context, cfg Config) (*Room, error) {
	sg, public, err := newSigner(cfg.SigningKey)
	if err != nil {
		return nil, err
	}
	es := events.Start(ctx, events.Config{Client: cfg.Client, TimeScale: cfg.TimeScale, Sign: sg.sign, Sent: cfg.Sent, Now: cfg.Now, Dice: cfg.Dice, Faults: cfg.Faults, Log: cfg.Log})
	tr := trade.Start(ctx, trade.Config{App: cfg.App, Merchant: &channel.Merchant{AppID: cfg.WxAppID, Key: cfg.WxKey, Dice: cfg.Dice},
		TimeScale: cfg.TimeScale, Events: es, Faults: cfg.Faults, Now: cfg.Now, Dice: cfg.Dice, Log: cfg.Log,
		Paid: cfg.Paid, Refunded: cfg.Refunded})
	return &Room{
		Trade: tr, Events: es, public: public,
		desk:  &desk.Desk{Faults: cfg.Faults, Done: ctx.Done(), Sign: sg.headers, Fail: instead, Swap: swap},
		api:   &api{keys: keys{cfg.TestKey, cfg.LiveKey, cfg.MerchantKey, cfg.Now}, trade: tr, events: es, born: cfg.Now(), log: cfg.Log},
		pages: &pages{charges: tr.Charges, publicURL: cfg.PublicURL, now: cfg.Now},
	}, nil
}

// Wait waits for what Start began.
func (ro *Room) Wait() {
	ro.Trade.Wait()
	ro.Events.Wait()
}

// PublicKey is the public half of Ping++'s key, as the dashboard shows it (PEM, SPKI).
func (ro *Room) PublicKey() []byte { return bytes.Clone(ro.public) }

// APIPrefix begins the paths of Ping++'s API.
const APIPrefix = "/v1/"

const notifyPrefix = "/notify/charges/"

// Serves reports whether a path is Ping++'s.
func Serves(path string) bool {
	return strings.HasPrefix(path, APIPrefix) || strings.HasPrefix(path, notifyPrefix) || path == trade.MockPath
}

// ServeHTTP answers Ping++'s API, and what a client of test mode calls in place of a payment.
func (ro *Room) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case path == trade.MockPath:
		ro.pages.serveMock(w, r)
	case strings.HasPrefix(path, notifyPrefix):
		ro.serveNotify(w, r, strings.TrimPrefix(path, notifyPrefix))
	default:
		ro.serveAPI(w, r)
	}
}

var _ http.Handler = (*Room)(nil)

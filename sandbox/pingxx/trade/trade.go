// Package trade is what a merchant does business with at Ping++: charges, their refunds, and orders, which charges pay.
// It knows them and what becomes of them; who asks, and how it is answered, it does not.
//
// # Faults
//
// On refund, per refund however it is made: failed (refused at once), failed_later (pending, then failed), stuck (pending until a lever settles
// it); and, besides one of these, what Ping++ forgets of it: no_metadata, no_description, no_texts (both).
package trade

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/sandbox/desk"
	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/pingxx/channel"
	"github.com/caddypay/caddypay/sandbox/pingxx/events"
	"github.com/caddypay/caddypay/sandbox/rawjson"
	"github.com/caddypay/caddypay/sandbox/store"
)

const opRefund = "refund" // what becomes of one, however it is made

var (
	refundFates  = []string{"failed", "failed_later", "stuck"}
	refundLosses = []string{"no_metadata", "no_description", "no_texts"}
)

// Faults says what refunds can suffer.
func Faults() map[string]desk.Kinds {
	return map[string]desk.Kinds{opRefund: {Names: slices.Concat(refundFates, refundLosses)}}
}

// Config is what trade needs of the sandbox.
type Config struct {
	App       string            // Ping++'s app id
	Merchant  *channel.Merchant // whom credentials are made for
	TimeScale float64           // divides the time that a refund takes
	Events    *events.Events
	Faults    *desk.Faults
	Now       func() time.Time
	Dice      *dice.Dice
	Log       *zap.Logger

	// Paid hears of each payment in the mini program in live mode, and Refunded of those of them that went back whole; nil: nobody does.
	// Both are called under the trade's lock.
	Paid     func(Payment)
	Refunded func(transactionNo string)
}

// Payment is what WeChat knows of a payment in the mini program.
type Payment struct {
	TransactionNo string // WeChat's
	OrderNo       string // the merchant's
	OpenID        string
	Description   string
	Amount        int64 // fen
	Created, Paid time.Time
}

// Trade is all charges, refunds and orders, behind one lock: a payment books on its order, a refund on its charge.
type Trade struct {
	Charges *Charges
	Refunds *Refunds
	Orders  *Orders
}

// base is what charges, refunds and orders have in common.
type base struct {
	app    string
	now    func() time.Time
	dice   *dice.Dice
	events *events.Events
	log    *zap.Logger

	paid     func(Payment)
	refunded func(transactionNo string)

	mu sync.Mutex // guards all that is kept; the locks of events, faults, dice and WeChat are taken after it
}

// Charges are all charges. It is safe for concurrent use, as Refunds and Orders are.
type Charges struct {
	*base
	merchant *channel.Merchant
	kept     store.Of[*Charge]
	byNumber map[orderKey]*Charge // see orderKey
	refunds  map[string]*Refund   // of the charges that are kept
}

// Refunds makes and settles the refunds of charges.
type Refunds struct {
	*base
	charges  *Charges
	faults   *desk.Faults
	wait     time.Duration // until a pending refund is settled
	settling []*Refund     // in the order in which they are settled
	wake     chan struct{} // tells the worker that there is another one
	done     chan struct{} // closed when the worker has ended
}

// Orders are all orders.
type Orders struct {
	*base
	charges *Charges
	refunds *Refunds
	kept    store.Of[*order]
	bought  map[boughtKey]*order // by the merchant's number
}

// Start returns a trade in which nothing was bought yet. It settles refunds until the context ends; Wait for it.
func Start(ctx context.Context, cfg Config) *Trade {
	b := &base{app: cfg.App, now: cfg.Now, dice: cfg.Dice, events: cfg.Events, log: cfg.Log, paid: cfg.Paid, refunded: cfg.Refunded}
	charges := &Charges{base: b, merchant: cfg.Merchant, byNumber: map[orderKey]*Charge{}, refunds: map[string]*Refund{}}
	refunds := &Refunds{base: b, charges: charges, faults: cfg.Faults, wait: time.Duration(float64(refundWait) / cfg.TimeScale),
		wake: make(chan struct{}, 1), done: make(chan struct{})}
	go refunds.work(ctx)
	return &Trade{charges, refunds, &Orders{base: b, charges: charges, refunds: refunds, bought: map[boughtKey]*order{}}}
}

// Wait waits for the settling of refunds to end.
func (t *Trade) Wait() { <-t.Refunds.done }

// Newest returns the newest charges, orders and events, at most limit of each, at one moment.
func (t *Trade) Newest(limit int) (charges, orders []any, told []events.State) {
	cs, or := t.Charges, t.Orders
	cs.mu.Lock()
	defer cs.mu.Unlock()
	now := cs.now()
	charges, orders = []any{}, []any{}
	for c := range cs.kept.Newest() {
		if len(charges) >= limit {
			break
		}
		charges = append(charges, c.shown(now))
	}
	for o := range or.kept.Newest() {
		if len(orders) >= limit {
			break
		}
		orders = append(orders, o.shown(now))
	}
	return charges, orders, cs.events.Newest(limit)
}

// newRequest is the id of an API request.
func (b *base) newRequest() string { return "iar_" + b.dice.Draw(dice.Alnum, 24) }

// byWeChat reports whether it is WeChat that holds the money of a charge, for the mini program to report its shipping. Test mode's payments it
// never saw, and those through other channels are not the program's.
func (c *Charge) byWeChat() bool { return c.Livemode && c.Channel == "wx_lite" }

// tellPaid tells WeChat's side of a payment.
func (b *base) tellPaid(c *Charge, now time.Time) {
	if b.paid == nil || !c.byWeChat() {
		return
	}
	raw, _ := c.Extra.Get("open_id")
	openid, _ := rawjson.Text(raw)
	b.paid(Payment{*c.TransactionNo, c.OrderNo, openid, c.Subject, c.Amount, time.Unix(c.Created, 0), now})
}

// tellRefunded tells WeChat's side of a payment that went back whole.
func (b *base) tellRefunded(c *Charge) {
	if b.refunded != nil && c.byWeChat() && c.AmountRefunded == c.Amount {
		b.refunded(*c.TransactionNo)
	}
}

// orderPaid books the payment of a charge on its order; order.succeeded follows charge.succeeded.
func (b *base) orderPaid(c *Charge, now time.Time) {
	o := c.order
	if o == nil {
		return
	}
	if o.AmountPaid += c.Amount; o.AmountPaid < o.ActualAmount || o.Paid {
		return
	}
	unix := now.Unix()
	o.Paid, o.Status, o.TimePaid, o.Charge = true, "paid", &unix, &c.ID
	b.log.Info("order paid", zap.String("order", o.ID), zap.String("merchant_order_no", o.MerchantOrderNo))
	b.events.Emit(events.New{Type: "order.succeeded", Object: o.shown(now), Livemode: o.Livemode, Request: &o.request, Charge: c.ID})
}

// orderRefunded books a refund that has succeeded on the order of its charge; order.refunded says nothing about which refund.
func (b *base) orderRefunded(re *Refund, now time.Time) {
	o := re.of.order
	if o == nil {
		return
	}
	o.AmountRefunded += re.Amount
	o.Refunded, o.Status = true, "refunded"
	b.events.Emit(events.New{Type: "order.refunded", Object: o.shown(now), Livemode: o.Livemode, Request: &re.request, Charge: re.of.ID})
}

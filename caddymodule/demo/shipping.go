package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/sandbox"
)

// The steps of money that WeChat keeps. Of test payments it keeps none, so these are of a second block, which is live as far as the emulated Ping++ and
// WeChat go.
const (
	moneyFrozen      = "money_frozen"
	shippingReported = "shipping_reported"
	moneyReleased    = "money_released"
)

const buyerConfirms = 3 // WeChat's order_state

// kept is the newest payment whose money WeChat has kept.
type kept struct {
	OrderNo     string            `json:"order_no"`
	Steps       map[string]string `json:"steps"` // what was seen of each step that has happened
	transaction string            // WeChat's number
}

// kept asks WeChat what it keeps, and the ledger what was reported; nil: there was no such payment yet.
func (p *Page) kept(ctx context.Context) *kept {
	newest := p.box.State(1).WeChat
	if len(newest) == 0 {
		return nil
	}
	var o struct {
		TransactionID string `json:"transaction_id"`
		OrderNo       string `json:"merchant_trade_no"`
		Amount        int64  `json:"paid_amount"`
		State         int    `json:"order_state"`
	}
	raw, err := json.Marshal(newest[0])
	if err != nil || json.Unmarshal(raw, &o) != nil {
		return nil
	}
	k := &kept{OrderNo: o.OrderNo, transaction: o.TransactionID, Steps: map[string]string{
		moneyFrozen: fmt.Sprintf("%s · ¥%d.%02d", o.OrderNo, o.Amount/100, o.Amount%100),
	}}
	if s := p.shipment(ctx, o.OrderNo); s != nil && s.Shipping != nil && !s.Reported.IsZero() {
		k.Steps[shippingReported] = fmt.Sprintf("%s · %s", s.Shipping.Type, s.Shipping.Items)
	}
	if o.State >= buyerConfirms {
		k.Steps[moneyReleased] = fmt.Sprintf("get_order → order_state %d", o.State)
	}
	return k
}

// shipment is what the ledger knows of how an order was shipped; nil: nothing.
func (p *Page) shipment(ctx context.Context, orderNo string) *ledger.Shipment {
	l, err := p.ledger(ctx)
	if err != nil {
		return nil
	}
	found, err := l.Shipments(ctx, ledger.Scope{App: p.scope.App, Mode: ledger.Live}, orderNo)
	if err != nil || len(found) == 0 {
		return nil
	}
	return &found[0]
}

// payCharge serves POST /demo/pay, {"charge": "ch_…"}: WeChat's sheet, of a live charge.
func (p *Page) payCharge(w http.ResponseWriter, r *http.Request) {
	var in struct{ Charge string }
	if json.NewDecoder(http.MaxBytesReader(w, r.Body, 1024)).Decode(&in) != nil {
		http.Error(w, `send {"charge":"ch_…"}`, http.StatusBadRequest)
		return
	}
	if err := p.box.Pay(in.Charge); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(struct{}{})
}

// receive serves POST /demo/receive: the buyer of the newest kept payment confirms that the goods are there.
func (p *Page) receive(w http.ResponseWriter, r *http.Request) {
	if err := p.confirm(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(struct{}{})
}

func (p *Page) confirm(ctx context.Context) error {
	k := p.kept(ctx)
	if k == nil {
		return errors.New("WeChat keeps no money: pay first")
	}
	state := buyerConfirms
	return p.box.MoveWeChatOrder(k.transaction, sandbox.WeChatChange{State: &state})
}

// ship makes a payment whose money WeChat keeps, and shows how it is set free.
func (d *stage) ship(ctx context.Context, out *printer) error {
	var login struct{ Session string }
	var order legacyOrder
	var charge struct{ ID string }
	seen := func(step string) func() (string, error) {
		return func() (saw string, err error) {
			return saw, await(ctx, func() error {
				if k := d.page.kept(ctx); k != nil && k.OrderNo == order.OrderNo {
					saw = k.Steps[step]
				}
				if saw == "" {
					return errors.New("it does not come to that")
				}
				return nil
			})
		}
	}
	if err := out.step(moneyFrozen, func() (string, error) {
		if _, err := d.call(ctx, http.MethodGet, "/live/openid?code="+d.box.NewCode(""), "", nil, &login); err != nil {
			return "", err
		}
		if _, err := d.call(ctx, http.MethodPost, "/live-shop/orders", login.Session, map[string]string{"product": "tea"}, &order); err != nil {
			return "", err
		}
		if _, err := d.call(ctx, http.MethodPost, "/live/charges", login.Session, map[string]string{"order_no": order.OrderNo, "channel": "wx_lite"}, &charge); err != nil {
			return "", err
		}
		if err := d.box.Pay(charge.ID); err != nil {
			return "", err
		}
		saw, err := seen(moneyFrozen)()
		return "another order is paid live, and WeChat keeps its money: " + saw, err
	}); err != nil {
		return err
	}
	if err := out.step(shippingReported, func() (string, error) {
		saw, err := seen(shippingReported)()
		return "once the shop had acknowledged it, caddypay told WeChat how it is shipped: " + saw, err
	}); err != nil {
		return err
	}
	return out.step(moneyReleased, func() (string, error) {
		if err := d.page.confirm(ctx); err != nil {
			return "", err
		}
		saw, err := seen(moneyReleased)()
		return "the buyer confirmed receipt, and WeChat pays out: " + saw, err
	})
}

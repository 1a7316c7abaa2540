package payment

import (
	"encoding/json"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/intake"
)

const (
	// leastLeft is how long an attempt has to be payable still when it is handed out again: the payer needs that time.
	leastLeft = time.Minute
	// expiryDoubt is how much earlier a backend may let an order expire, as one does that counts from each question, before that counts.
	expiryDoubt = time.Minute
)

// purchase is what a charge would be made of now, all but its number and the payer's address.
func (a *attempt) purchase(q *quote) (*pingpp.ChargeParams, error) {
	extra, err := a.makeExtra(q)
	if err != nil {
		return nil, err
	}
	p := &pingpp.ChargeParams{
		Channel: a.req.Channel, Amount: q.Amount, Currency: q.Currency, Subject: q.Subject, Body: q.Body,
		Extra: extra, Metadata: map[string]any{intake.MetaOrderNo: a.req.OrderNo},
	}
	for k, v := range q.Metadata {
		p.Metadata[k] = v
	}
	if !q.TimeExpire.IsZero() {
		p.TimeExpire = q.TimeExpire.Unix()
	}
	return p, nil
}

// reusable reports whether an attempt can be handed out again: nobody has paid it, it is this payer's, it buys what would be bought now, and
// there is time to pay it. An expiry that moved earlier makes another purchase; one that moved later does not, as most backends count from now.
func (a *attempt) reusable(c *ledger.Charge, q *quote) bool {
	return c.State == ledger.Open && c.Raw != nil && !c.Superseded && !c.Paid && !c.Reversed && a.id.Owns(c) &&
		c.Fingerprint == a.purchased.Fingerprint() &&
		(q.TimeExpire.IsZero() || !q.TimeExpire.Before(a.channel.Lapses(c.Created, c.TimeExpire).Add(-expiryDoubt))) &&
		!a.channel.PayableUntil(c.Created, c.TimeExpire).Before(a.pay.Now().Add(leastLeft))
}

// answers reports whether a charge is the one that was asked for.
func answers(made *pingpp.Charge, p *pingpp.ChargeParams) bool {
	var extra struct {
		OpenID string `json:"open_id"`
	}
	openid, ok := p.Extra["open_id"].(string)
	if ok && (json.Unmarshal(made.Extra, &extra) != nil || extra.OpenID != openid) {
		return false
	}
	return made.Metadata[intake.MetaOrderNo] == p.Metadata[intake.MetaOrderNo] && !made.Reversed
}

package trade

import (
	"net/url"
	"slices"
	"time"

	"github.com/caddypay/caddypay/sandbox/rawjson"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/pingxx/apierr"
	"github.com/caddypay/caddypay/sandbox/pingxx/channel"
	"github.com/caddypay/caddypay/sandbox/pingxx/events"
	"github.com/caddypay/caddypay/sandbox/store"
)

// Charge is Ping++'s charge object; the fields stand in the order of its JSON.
type Charge struct {
	ID             string         `json:"id"`
	Object         string         `json:"object"`
	Created        int64          `json:"created"`
	Livemode       bool           `json:"livemode"`
	Paid           bool           `json:"paid"`
	Refunded       bool           `json:"refunded"`
	Reversed       bool           `json:"reversed"`
	App            string         `json:"app"`
	Channel        string         `json:"channel"`
	OrderNo        string         `json:"order_no"`
	ClientIP       string         `json:"client_ip"`
	Amount         int64          `json:"amount"`        // fen
	AmountSettle   int64          `json:"amount_settle"` // fen; the amount, no fee is taken here
	Currency       string         `json:"currency"`
	Subject        string         `json:"subject"`
	Body           string         `json:"body"`
	Extra          rawjson.Object `json:"extra"`
	TimePaid       *int64         `json:"time_paid"`
	TimeExpire     int64          `json:"time_expire"`
	TimeSettle     *int64         `json:"time_settle"`
	TransactionNo  *string        `json:"transaction_no"`
	Refunds        list[*Refund]  `json:"refunds"`
	AmountRefunded int64          `json:"amount_refunded"` // fen
	FailureCode    *string        `json:"failure_code"`
	FailureMsg     *string        `json:"failure_msg"`
	Metadata       rawjson.Object `json:"metadata"`
	Credential     rawjson.Object `json:"credential"`
	Description    *string        `json:"description"`

	request string            // id of the API request that made it
	order   *order            // that it belongs to, or nil
	made    store.Of[*Refund] // all its refunds; Refunds is what shown makes of them
}

// orderKey is what a channel knows an order by. Of several charges with one number it is the paid one, else the newest.
type orderKey struct {
	live    bool
	family  *channel.Family
	orderNo string
}

func (c *Charge) key() orderKey {
	return orderKey{c.Livemode, channel.Find(c.Channel).Family, c.OrderNo}
}

// Expired says that the charge can be paid no more.
func (c *Charge) Expired(now time.Time) bool { return now.Unix() >= c.TimeExpire }

// Dead says that the channel takes the charge's credential no more, whatever time_expire says. Ping++ does not know.
func (c *Charge) Dead(now time.Time) bool {
	life := channel.Find(c.Channel).Life
	return life > 0 && now.Sub(time.Unix(c.Created, 0)) >= life
}

// shown is the charge as it is answered now, a copy: what is paid, expired or reversed has no credential.
func (c *Charge) shown(now time.Time) *Charge {
	out := *c
	out.Extra = slices.Clone(c.Extra) // a payment changes it
	if c.Paid || c.Reversed || c.Expired(now) {
		out.Credential = rawjson.Object{}
	}
	out.Refunds = c.refundPage(paging{limit: shownRefunds})
	return &out
}

// Create answers POST /v1/charges; base is where the mock page is.
func (cs *Charges) Create(body []byte, live bool, base string) (any, *apierr.Error) {
	now := cs.now()
	p, refusal := cs.readParams(body, now)
	if refusal != nil {
		return nil, refusal
	}
	p.base = base
	cs.mu.Lock()
	defer cs.mu.Unlock()
	key := orderKey{live, p.channel.Family, p.orderNo}
	c, refusal := cs.repeated(key, p, now)
	if refusal != nil {
		return nil, refusal
	}
	if c == nil {
		c = cs.add(key, p, live, now)
	}
	return c.shown(now), nil
}

// sale is what the charge's credential is made of; base is where the mock page is.
func (c *Charge) sale(base string) *channel.Sale {
	return &channel.Sale{Charge: c.ID, Channel: c.Channel, OrderNo: c.OrderNo, Subject: c.Subject, Body: c.Body, Amount: c.Amount,
		Created: time.Unix(c.Created, 0), Livemode: c.Livemode, Extra: c.Extra, MockPage: c.MockPage(base)}
}

// MockPath is where the mock page is.
const MockPath = "/mock.php"

// MockPage is where a tester pays a test charge in place of the channel's own page.
func (c *Charge) MockPage(base string) string {
	return base + MockPath + "?ch_id=" + url.QueryEscape(c.ID) + "&channel=" + url.QueryEscape(c.Channel)
}

// add makes a charge and keeps it.
func (cs *Charges) add(key orderKey, p *params, live bool, now time.Time) *Charge {
	c := cs.build(p, live, now)
	cs.byNumber[key] = c
	for _, old := range cs.kept.Add(c.ID, c) {
		if key := old.key(); cs.byNumber[key] == old {
			delete(cs.byNumber, key)
		}
		for re := range old.made.Newest() {
			delete(cs.refunds, re.ID)
		}
	}
	cs.log.Info("charge created", zap.String("charge", c.ID), zap.String("order_no", c.OrderNo), zap.Int64("amount", c.Amount), zap.Bool("livemode", live))
	return c
}

func (cs *Charges) build(p *params, live bool, now time.Time) *Charge {
	c := &Charge{
		Object: "charge", Created: now.Unix(), Livemode: live,
		App: cs.app, Channel: p.channel.Name, OrderNo: p.orderNo, ClientIP: p.clientIP,
		Amount: p.amount, AmountSettle: p.amount, Currency: p.currency,
		Subject: p.subject, Body: p.body, Extra: p.extra, TimeExpire: p.timeExpire,
		Metadata: p.metadata, Description: p.description,
		request: cs.newRequest(),
	}
	for c.ID == "" || cs.kept.Has(c.ID) {
		c.ID = "ch_10" + events.ModeDigit(live) + dice.Dated(now, "060102") + cs.dice.Draw(dice.Digits, 15)
	}
	c.Credential.Set("object", "credential")
	if credential := p.channel.Credential(cs.merchant, c.sale(p.base)); credential != nil {
		c.Credential.Set(c.Channel, credential)
	}
	return c
}

// repeated says what a creation with a number that was used before leads to: the charge that is answered once more, a refusal, or
// neither, where a new one is made. The comment of package pingxx says the rule.
func (cs *Charges) repeated(key orderKey, p *params, now time.Time) (*Charge, *apierr.Error) {
	c, used := cs.byNumber[key]
	if !used {
		return nil, nil
	}
	same := c.Channel == p.channel.Name && c.Amount == p.amount && c.Subject == p.subject && c.Body == p.body
	lately := now.Sub(time.Unix(c.Created, 0)) < p.channel.Repeats
	switch {
	case c.Paid:
		return nil, apierr.OfChannel(p.channel.Name, key.family.PaidBad)
	case c.Reversed:
		return nil, apierr.OfChannel(p.channel.Name, key.family.ClosedBad)
	case same && lately && !c.Expired(now):
		return c, nil
	case same && key.family.Renews:
		return nil, nil
	}
	return nil, apierr.OfChannel(p.channel.Name, key.family.UsedBad)
}

// find finds a charge in the mode of the key that asks.
func (cs *Charges) find(id string, live bool) (*Charge, *apierr.Error) {
	c, ok := cs.kept.Get(id)
	if !ok || c.Livemode != live {
		return nil, apierr.NotFound("charge", id, "id")
	}
	return c, nil
}

// Get answers GET /v1/charges/{id}.
func (cs *Charges) Get(id string, live bool) (any, *apierr.Error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c, refusal := cs.find(id, live)
	if refusal != nil {
		return nil, refusal
	}
	return c.shown(cs.now()), nil
}

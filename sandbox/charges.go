package sandbox

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/caddypay/caddypay/sandbox/rawjson"

	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/store"
	"go.uber.org/zap"
)

// charge is Ping++'s charge object; the fields stand in the order of its JSON.
type charge struct {
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
	Refunds        list[*refund]  `json:"refunds"`
	AmountRefunded int64          `json:"amount_refunded"` // fen
	FailureCode    *string        `json:"failure_code"`
	FailureMsg     *string        `json:"failure_msg"`
	Metadata       rawjson.Object `json:"metadata"`
	Credential     rawjson.Object `json:"credential"`
	Description    *string        `json:"description"`

	request string            // id of the API request that made it
	order   *order            // that it belongs to, or nil
	made    store.Of[*refund] // all its refunds; Refunds is what shown makes of them
}

// orderKey is what a channel knows an order by. Of several charges with one number it is the paid one, else the newest.
type orderKey struct {
	live    bool
	family  *family
	orderNo string
}

func (c *charge) key() orderKey { return orderKey{c.Livemode, channels[c.Channel].family, c.OrderNo} }

func (c *charge) expired(now time.Time) bool { return now.Unix() >= c.TimeExpire }

// dead says that the channel takes the charge's credential no more, whatever time_expire says. Ping++ does not know.
func (c *charge) dead(now time.Time) bool {
	life := channels[c.Channel].life
	return life > 0 && now.Sub(time.Unix(c.Created, 0)) >= life
}

// shown is the charge as it is answered now, a copy: what is paid, expired or reversed has no credential.
func (c *charge) shown(now time.Time) *charge {
	out := *c
	out.Extra = slices.Clone(c.Extra) // a payment changes it
	if c.Paid || c.Reversed || c.expired(now) {
		out.Credential = rawjson.Object{}
	}
	out.Refunds = c.refundPage(paging{limit: shownRefunds})
	return &out
}

// createCharge answers POST /v1/charges; base is where the mock page is.
func (s *Sandbox) createCharge(body []byte, live bool, base string) (any, *apiError) {
	now := s.cfg.Now()
	p, refusal := s.readParams(body, now)
	if refusal != nil {
		return nil, refusal
	}
	p.base = base
	s.mu.Lock()
	defer s.mu.Unlock()
	key := orderKey{live, p.channel.family, p.orderNo}
	c, refusal := s.repeated(key, p, now)
	if refusal != nil {
		return nil, refusal
	}
	if c == nil {
		c = s.addCharge(key, p, live, now)
	}
	return c.shown(now), nil
}

// addCharge makes a charge and keeps it.
func (s *Sandbox) addCharge(key orderKey, p *params, live bool, now time.Time) *charge {
	c := s.newCharge(p, live, now)
	s.orders[key] = c
	for _, old := range s.charges.Add(c.ID, c) {
		if key := old.key(); s.orders[key] == old {
			delete(s.orders, key)
		}
		for re := range old.made.Newest() {
			delete(s.refunds, re.ID)
		}
	}
	s.log.Info("charge created", zap.String("charge", c.ID), zap.String("order_no", c.OrderNo), zap.Int64("amount", c.Amount), zap.Bool("livemode", live))
	return c
}

func (s *Sandbox) newCharge(p *params, live bool, now time.Time) *charge {
	c := &charge{
		Object: "charge", Created: now.Unix(), Livemode: live,
		App: s.cfg.App, Channel: p.channel.name, OrderNo: p.orderNo, ClientIP: p.clientIP,
		Amount: p.amount, AmountSettle: p.amount, Currency: p.currency,
		Subject: p.subject, Body: p.body, Extra: p.extra, TimeExpire: p.timeExpire,
		Metadata: p.metadata, Description: p.description,
		request: s.newRequest(),
	}
	for c.ID == "" || s.taken(c.ID) {
		c.ID = "ch_10" + modeDigit(live) + now.In(beijing).Format("060102") + s.dice.Draw(dice.Digits, 15)
	}
	c.Credential.Set("object", "credential")
	if credential := p.channel.credential(s, c, p.base); credential != nil {
		c.Credential.Set(c.Channel, credential)
	}
	return c
}

func (s *Sandbox) taken(chargeID string) bool {
	_, ok := s.charges.Get(chargeID)
	return ok
}

func modeDigit(live bool) string {
	if live {
		return "1"
	}
	return "0"
}

// repeated says what a creation with a number that was used before leads to: the charge that is answered once more, a refusal, or
// neither, where a new one is made. The package comment says the rule.
func (s *Sandbox) repeated(key orderKey, p *params, now time.Time) (*charge, *apiError) {
	c, used := s.orders[key]
	if !used {
		return nil, nil
	}
	same := c.Channel == p.channel.name && c.Amount == p.amount && c.Subject == p.subject && c.Body == p.body
	lately := now.Sub(time.Unix(c.Created, 0)) < p.channel.repeats
	switch {
	case c.Paid:
		return nil, channelRefusal(p.channel.name, key.family.paidBad)
	case c.Reversed:
		return nil, channelRefusal(p.channel.name, key.family.closedBad)
	case same && lately && !c.expired(now):
		return c, nil
	case same && key.family.renews:
		return nil, nil
	}
	return nil, channelRefusal(p.channel.name, key.family.usedBad)
}

// newRequest is the id of an API request.
func (s *Sandbox) newRequest() string { return "iar_" + s.dice.Draw(dice.Alnum, 24) }

// findCharge finds a charge in the mode of the key that asks.
func (s *Sandbox) findCharge(id string, live bool) (*charge, *apiError) {
	c, ok := s.charges.Get(id)
	if !ok || c.Livemode != live {
		return nil, notFound("charge", id, "id")
	}
	return c, nil
}

// getCharge answers GET /v1/charges/{id}.
func (s *Sandbox) getCharge(id string, live bool) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, refusal := s.findCharge(id, live)
	if refusal != nil {
		return nil, refusal
	}
	return c.shown(s.cfg.Now()), nil
}

// Errors of Pay, for errors.Is.
var (
	ErrUnknownCharge  = errors.New("no such charge")
	ErrChargePaid     = errors.New("the charge is already paid")
	ErrChargeExpired  = errors.New("the charge has expired")
	ErrChargeReversed = errors.New("the charge is reversed")
	ErrCredentialDead = errors.New("the charge's credential is dead: the channel gives it a shorter life than the charge has")
)

// Pay makes a charge paid, as if its user had paid it in WeChat: charge.succeeded goes out to the
// webhooks. It returns ErrUnknownCharge, ErrChargePaid (also for another charge of its number), ErrChargeReversed, ErrChargeExpired
// or ErrCredentialDead when it cannot.
func (s *Sandbox) Pay(chargeID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pay(chargeID)
}

func (s *Sandbox) pay(chargeID string) error {
	now := s.cfg.Now()
	c, ok := s.charges.Get(chargeID)
	switch {
	case !ok:
		return ErrUnknownCharge
	case c.Paid:
		return ErrChargePaid
	case c.Reversed:
		return ErrChargeReversed
	case c.expired(now):
		return ErrChargeExpired
	case c.dead(now):
		return ErrCredentialDead
	}
	if known := s.orders[c.key()]; known != nil && known.Paid {
		return ErrChargePaid // the channel takes the money for a number once
	}
	s.orders[c.key()] = c
	family := channels[c.Channel].family
	unix, number := now.Unix(), family.transactionNo(s, c.Livemode, now)
	c.Paid, c.TimePaid, c.TransactionNo = true, &unix, &number
	family.paidExtra(c)
	s.log.Info("charge paid", zap.String("charge", c.ID), zap.String("order_no", c.OrderNo))
	s.emit(newEvent{kind: "charge.succeeded", object: c.shown(now), live: c.Livemode, request: &c.request, charge: c.ID})
	s.orderPaid(c, now)
	return nil
}

// serveNotify is what pingpp.js asks in test mode in place of a payment. Only a body equal to
// "success" means that the charge is paid. Pages on another origin, and the developer tools, may ask first whether they may.
func (s *Sandbox) serveNotify(w http.ResponseWriter, r *http.Request, id string) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		h := w.Header()
		h.Set("Access-Control-Allow-Methods", "GET, HEAD")
		h.Set("Access-Control-Allow-Headers", "*")
		h.Set("Access-Control-Allow-Private-Network", "true") // the page may be a public one, and the sandbox on this machine
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
		http.Error(w, "fail", http.StatusMethodNotAllowed)
		return
	}
	s.serve(w, r, opNotify, func() response {
		s.mu.Lock()
		defer s.mu.Unlock()
		out := response{status: http.StatusOK, contentType: "text/plain;charset=utf-8", body: []byte("fail")}
		c, ok := s.charges.Get(id)
		if !ok || c.Livemode || r.URL.Query().Get("livemode") != "false" {
			return out
		}
		if err := s.pay(id); err == nil || errors.Is(err, ErrChargePaid) {
			out.body = []byte("success")
		}
		return out
	})
}

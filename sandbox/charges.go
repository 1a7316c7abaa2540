package sandbox

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
)

// repeatWindow is how long Ping++ answers a repeated creation with the charge it made first.
const repeatWindow = 2 * time.Hour

// charge is Ping++'s charge object; the fields stand in the order of its JSON.
type charge struct {
	ID             string     `json:"id"`
	Object         string     `json:"object"`
	Created        int64      `json:"created"`
	Livemode       bool       `json:"livemode"`
	Paid           bool       `json:"paid"`
	Refunded       bool       `json:"refunded"`
	Reversed       bool       `json:"reversed"`
	App            string     `json:"app"`
	Channel        string     `json:"channel"`
	OrderNo        string     `json:"order_no"`
	ClientIP       string     `json:"client_ip"`
	Amount         int64      `json:"amount"`        // fen
	AmountSettle   int64      `json:"amount_settle"` // fen; the amount, no fee is taken here
	Currency       string     `json:"currency"`
	Subject        string     `json:"subject"`
	Body           string     `json:"body"`
	Extra          object     `json:"extra"`
	TimePaid       *int64     `json:"time_paid"`
	TimeExpire     int64      `json:"time_expire"`
	TimeSettle     *int64     `json:"time_settle"`
	TransactionNo  *string    `json:"transaction_no"`
	Refunds        refundList `json:"refunds"`
	AmountRefunded int64      `json:"amount_refunded"` // fen
	FailureCode    *string    `json:"failure_code"`
	FailureMsg     *string    `json:"failure_msg"`
	Metadata       object     `json:"metadata"`
	Credential     object     `json:"credential"`
	Description    *string    `json:"description"`

	request string // id of the API request that made it
	seq     int    // grows with every charge
}

type refundList struct {
	Object  string `json:"object"`
	URL     string `json:"url"`
	HasMore bool   `json:"has_more"`
	Data    []int  `json:"data"` // always empty: the sandbox makes no refunds
}

type chargeList struct {
	Object  string    `json:"object"`
	URL     string    `json:"url"`
	HasMore bool      `json:"has_more"`
	Data    []*charge `json:"data"`
}

// orderKey is what a channel knows an order by.
type orderKey struct {
	live            bool
	family, orderNo string
}

func (c *charge) expired(now time.Time) bool { return now.Unix() >= c.TimeExpire }

// shown is the charge as it is answered now, a copy: what is paid or expired has no credential.
func (c *charge) shown(now time.Time) *charge {
	out := *c
	out.Extra = slices.Clone(c.Extra) // a payment changes it
	if c.Paid || c.expired(now) {
		out.Credential = object{}
	}
	return &out
}

// createCharge answers POST /v1/charges.
func (s *Sandbox) createCharge(body []byte, live bool) (any, *apiError) {
	now := s.cfg.Now()
	p, refusal := s.readParams(body, now)
	if refusal != nil {
		return nil, refusal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := orderKey{live, p.channel.family, p.orderNo}
	if first, ok := s.orders[key]; ok {
		return first.repeated(p, now)
	}
	c := s.newCharge(p, live, now)
	s.orders[key] = c
	for _, old := range s.charges.add(c.ID, c) {
		delete(s.orders, orderKey{old.Livemode, channels[old.Channel].family, old.OrderNo})
	}
	s.log.Info("charge created", zap.String("charge", c.ID), zap.String("order_no", c.OrderNo), zap.Int64("amount", c.Amount), zap.Bool("livemode", live))
	return c.shown(now), nil
}

func (s *Sandbox) newCharge(p *params, live bool, now time.Time) *charge {
	s.chargeSeq++
	c := &charge{
		Object: "charge", Created: now.Unix(), Livemode: live,
		App: s.cfg.App, Channel: p.channel.name, OrderNo: p.orderNo, ClientIP: p.clientIP,
		Amount: p.amount, AmountSettle: p.amount, Currency: p.currency,
		Subject: p.subject, Body: p.body, Extra: p.extra, TimeExpire: p.timeExpire,
		Metadata: p.metadata, Description: p.description,
		request: "iar_" + s.random(alnum, 24), seq: s.chargeSeq,
	}
	for c.ID == "" || s.taken(c.ID) {
		c.ID = "ch_10" + modeDigit(live) + now.In(beijing).Format("060102") + s.random(digits, 15)
	}
	c.Refunds = refundList{Object: "list", URL: "/v1/charges/" + c.ID + "/refunds", Data: []int{}}
	c.Credential.set("object", "credential")
	c.Credential.set(c.Channel, p.channel.credential(s, c))
	return c
}

func (s *Sandbox) taken(chargeID string) bool {
	_, ok := s.charges.get(chargeID)
	return ok
}

func modeDigit(live bool) string {
	if live {
		return "1"
	}
	return "0"
}

// repeated answers a creation with a number that was used before; the package comment says the rule.
func (c *charge) repeated(p *params, now time.Time) (any, *apiError) {
	if c.Paid {
		return nil, channelRefusal(c.Channel, "该订单已支付")
	}
	same := c.Channel == p.channel.name && c.Amount == p.amount && c.Currency == p.currency &&
		c.Subject == p.subject && c.Body == p.body && c.Extra.equal(p.extra)
	if !same || c.expired(now) || now.Sub(time.Unix(c.Created, 0)) >= repeatWindow {
		return nil, channelRefusal(c.Channel, "商户订单号重复")
	}
	return c.shown(now), nil
}

// getCharge answers GET /v1/charges/{id}.
func (s *Sandbox) getCharge(id string, live bool) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.charges.get(id)
	if !ok || c.Livemode != live {
		return nil, notFound("charge", id, "id")
	}
	return c.shown(s.cfg.Now()), nil
}

// Errors of Pay, for errors.Is.
var (
	ErrUnknownCharge = errors.New("no such charge")
	ErrChargePaid    = errors.New("the charge is already paid")
	ErrChargeExpired = errors.New("the charge has expired")
)

// Pay makes a charge paid, as if its user had paid it in WeChat: charge.succeeded goes out to the
// webhooks. It returns ErrUnknownCharge, ErrChargePaid or ErrChargeExpired when it cannot.
func (s *Sandbox) Pay(chargeID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pay(chargeID)
}

func (s *Sandbox) pay(chargeID string) error {
	now := s.cfg.Now()
	c, ok := s.charges.get(chargeID)
	switch {
	case !ok:
		return ErrUnknownCharge
	case c.Paid:
		return ErrChargePaid
	case c.expired(now):
		return ErrChargeExpired
	}
	unix, number := now.Unix(), s.wechatTransactionNo(c.Livemode, now)
	c.Paid, c.TimePaid, c.TransactionNo = true, &unix, &number
	channels[c.Channel].paidExtra(c)
	s.log.Info("charge paid", zap.String("charge", c.ID), zap.String("order_no", c.OrderNo))
	s.emit(newEvent{kind: "charge.succeeded", object: c.shown(now), live: c.Livemode, request: &c.request, charge: c.ID})
	return nil
}

// serveNotify is what pingpp.js asks in test mode in place of a payment. Only a body equal to
// "success" means that the charge is paid.
func (s *Sandbox) serveNotify(w http.ResponseWriter, r *http.Request, id string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "fail", http.StatusMethodNotAllowed)
		return
	}
	s.serve(w, r, opNotify, func() response {
		s.mu.Lock()
		defer s.mu.Unlock()
		out := response{status: http.StatusOK, contentType: "text/plain;charset=utf-8", body: []byte("fail")}
		c, ok := s.charges.get(id)
		if !ok || c.Livemode || r.URL.Query().Get("livemode") != "false" {
			return out
		}
		if err := s.pay(id); err == nil || errors.Is(err, ErrChargePaid) {
			out.body = []byte("success")
		}
		return out
	})
}

// listCharges answers GET /v1/charges, newest first.
func (s *Sandbox) listCharges(query url.Values, live bool) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, refusal := s.readFilter(query, live)
	if refusal != nil {
		return nil, refusal
	}
	now := s.cfg.Now()
	list := chargeList{Object: "list", URL: "/v1/charges", Data: []*charge{}}
	s.charges.newest(func(c *charge) bool {
		if !f.matches(c) {
			return true
		}
		if len(list.Data) == f.limit {
			list.HasMore = true
			if f.before == nil {
				return false
			}
			// The page ends where ending_before begins: what is nearest to it stays.
			list.Data = list.Data[1:]
		}
		list.Data = append(list.Data, c.shown(now))
		return true
	})
	return list, nil
}

// filter is what a list is asked for.
type filter struct {
	live          bool
	limit         int
	after, before *charge // starting_after, ending_before
	from, to      int64   // created, both inclusive
	channel       string
	flags         map[string]bool // paid, refunded, reversed, where asked
}

func (f *filter) matches(c *charge) bool {
	if c.Livemode != f.live || c.Created < f.from || c.Created > f.to ||
		f.channel != "" && c.Channel != f.channel ||
		f.after != nil && c.seq >= f.after.seq || f.before != nil && c.seq <= f.before.seq {
		return false
	}
	is := map[string]bool{"paid": c.Paid, "refunded": c.Refunded, "reversed": c.Reversed}
	for name, want := range f.flags {
		if is[name] != want {
			return false
		}
	}
	return true
}

func (s *Sandbox) readFilter(query url.Values, live bool) (*filter, *apiError) {
	now := s.cfg.Now()
	f := &filter{live: live, limit: 10, from: now.AddDate(0, -1, 0).Unix(), to: 1<<63 - 1, flags: map[string]bool{}}
	if query.Get("app[id]") == "" {
		return nil, missingParam("app[id]")
	}
	for name, values := range query {
		value := values[len(values)-1]
		var refusal *apiError
		switch name {
		case "app[id]":
			refusal = s.checkApp(value)
		case "limit":
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n > 100 {
				refusal = notA(name, " 1 到 100 的整数", "an integer from 1 to 100")
			}
			f.limit = n
		case "starting_after", "ending_before":
			c, ok := s.charges.get(value)
			if !ok || c.Livemode != live {
				refusal = notFound("charge", value, name)
			} else if name == "starting_after" {
				f.after = c
			} else {
				f.before = c
			}
		case "created", "created[gt]", "created[gte]", "created[lt]", "created[lte]":
			refusal = f.readCreated(name, value)
		case "channel":
			f.channel = value
		case "paid", "refunded", "reversed":
			if value != "true" && value != "false" {
				refusal = notA(name, " true 或 false", "true or false")
			}
			f.flags[name] = value == "true"
		default:
			refusal = unknownParam(name)
		}
		if refusal != nil {
			return nil, refusal
		}
	}
	if f.after != nil && f.before != nil {
		return nil, badParam("ending_before", "starting_after 与 ending_before 不能同时使用。", "Use either starting_after or ending_before.")
	}
	if !query.Has("created") && !query.Has("created[gt]") && !query.Has("created[gte]") && (query.Has("created[lt]") || query.Has("created[lte]")) {
		f.from = 0
	}
	return f, nil
}

func (f *filter) readCreated(name, value string) *apiError {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 || n > 1<<40 {
		return notA(name, " Unix 时间戳", "a Unix timestamp in seconds")
	}
	switch strings.TrimPrefix(name, "created") {
	case "":
		f.from, f.to = n, n
	case "[gt]":
		f.from = n + 1
	case "[gte]":
		f.from = n
	case "[lt]":
		f.to = n - 1
	case "[lte]":
		f.to = n
	}
	return nil
}

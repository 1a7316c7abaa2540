package payment

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddypay/caddypay/handlers/backend"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/pingpp/channel"
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/session"
)

// Orders says where a charge's price comes from: a request to the merchant's backend.
type Orders struct {
	Method  string
	Path    string // with {order_no}, in the path or the query
	Max     int64  // refuse above, in fen; 0: no limit of ours
	Timeout time.Duration

	// How the backend's JSON is read, where it is not ours.
	Paths    map[string]string // to what it says, in gjson's syntax, by the names of our own members: amount, order_no, …
	Yuan     bool              // amount is in yuan, as decimal text or a JSON number; otherwise in fen
	Status   map[string]string // the backend's words for an order's state, as payable, paid or closed; nil: these words
	NotFound *NotFound         // its words for an order that it does not have; nil: it answers 404 or 403
	Defaults QuoteDefaults
}

const (
	maxQuote    = 64 << 10 // bytes
	maxMetadata = 9        // pairs; Ping++ takes 10, and one is ours
	maxMetaText = 1000     // characters in all

	// maxAmount is the highest price that is believed, in fen: the one bound that Ping++ documents (for recharges).
	maxAmount = 1_000_000_000
	// clockDoubt is how far Ping++'s clock may be behind ours without refusing the latest time_expire.
	clockDoubt = time.Minute
)

// Keys of a charge's metadata that are ours.
const (
	metaOurs      = "pay_"          // what they begin with
	metaAmountBy  = "pay_amount_by" // client, where allow_client_amount let the client name the amount
	metaReference = "pay_reference" // what such a client wrote besides
)

// Prices are had from the backend.
type Prices struct {
	Orders  *Orders
	Backend *backend.Backend
	Now     func() time.Time

	unpriced unpriced
}

// quote is the backend's answer about an order, checked.
type quote struct {
	OrderNo    string
	Amount     int64 // fen
	Currency   string
	Subject    string
	Body       string
	TimeExpire time.Time // zero: the channel's default
	Metadata   map[string]string
	Extra      map[string]json.RawMessage
	Status     string // payable, paid or closed; empty is payable
	OpenID     string // who may pay; empty: anyone who is logged in
}

// quote asks the backend what an order costs and whether this user may pay it.
func (p *Prices) quote(ctx context.Context, r *http.Request, id session.Identity, orderNo string, c channel.Channel) (*quote, error) {
	q, err := p.ask(ctx, r, id, orderNo, c)
	p.unpriced.note(orderNo, p.Now(), err)
	return q, err
}

func (p *Prices) ask(ctx context.Context, r *http.Request, id session.Identity, orderNo string, c channel.Channel) (*quote, error) {
	ctx, cancel := context.WithTimeout(ctx, p.Orders.Timeout)
	defer cancel()
	target := strings.ReplaceAll(p.Orders.Path, "{order_no}", escapeOrderNo(orderNo))
	req, err := http.NewRequestWithContext(ctx, p.Orders.Method, target, nil)
	if err != nil {
		return nil, problem.New("backend_unavailable", err)
	}
	req.Host = r.Host
	req.RemoteAddr = r.RemoteAddr
	p.Backend.Introduce(req.Header, r, id)

	resp, err := p.Backend.RoundTrip(req)
	if err != nil {
		return nil, problem.New("backend_unavailable", fmt.Errorf("asking the backend for order %s: %w", orderNo, err))
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusForbidden, http.StatusUnauthorized:
		return nil, refusedQuote(resp, req.Method, target)
	case http.StatusConflict:
		return nil, problem.New("order_already_paid", errors.New("the backend answered 409"))
	case http.StatusGone:
		return nil, problem.New("order_closed", errors.New("the backend answered 410"))
	default:
		return nil, problem.New("backend_unavailable", fmt.Errorf("%w; it must answer 200 with the order as JSON", backend.TurnedAway(resp, req.Method, target)))
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxQuote+1))
	if err != nil {
		return nil, problem.New("backend_unavailable", fmt.Errorf("reading the backend's answer about order %s: %w", orderNo, err))
	}
	if len(raw) > maxQuote {
		return nil, problem.New("quote_invalid", fmt.Errorf("the backend's answer about order %s is over %d bytes", orderNo, maxQuote))
	}
	q, err := p.Orders.parse(raw, orderNo)
	if err == nil {
		p.Orders.Defaults.afterEmoji(q, c, orderNo)
		err = q.check(orderNo, id, c, p.Orders.Max, p.Now())
	}
	if known, ok := errors.AsType[*problem.Problem](err); ok {
		return nil, known
	}
	if err != nil {
		return nil, problem.New("quote_invalid", fmt.Errorf("the backend's answer about order %s: %w", orderNo, err))
	}
	return q, nil
}

// check compares a quote with what was asked and with the channel's rules, and fills in what the backend may leave out.
func (q *quote) check(orderNo string, id session.Identity, c channel.Channel, most int64, now time.Time) error {
	if q.OrderNo == "" {
		return errors.New("order_no is missing; it must be the number that was asked for")
	}
	if q.OrderNo != orderNo {
		return fmt.Errorf("it is about order_no %.40q, but %s was asked for", q.OrderNo, orderNo)
	}
	if q.OpenID != "" && q.OpenID != id.OpenID {
		return problem.New("order_not_found", fmt.Errorf("order %s belongs to another openid", orderNo))
	}
	switch q.Status {
	case "", "payable":
	case "paid":
		return problem.New("order_already_paid", errors.New("the backend says paid"))
	case "closed":
		return problem.New("order_closed", errors.New("the backend says closed"))
	default:
		return fmt.Errorf("status must be payable, paid or closed, not %.40q", q.Status)
	}
	q.Currency = cmp.Or(q.Currency, c.Currency)
	if err := c.CheckCurrency(q.Currency); err != nil {
		return problem.New("amount_invalid", err)
	}
	if q.Amount == 0 {
		return problem.New("nothing_to_pay", errors.New("the backend says that the order costs 0"))
	}
	if q.Amount > maxAmount {
		return problem.New("amount_invalid", fmt.Errorf("amount %d fen is above %d, which no charge takes", q.Amount, maxAmount))
	}
	if most > 0 && q.Amount > most {
		return problem.New("amount_invalid", fmt.Errorf("amount %d fen is above max %d of the orders block", q.Amount, most))
	}
	if err := q.checkText(c); err != nil {
		return err
	}
	if !q.TimeExpire.IsZero() {
		if q.TimeExpire.Before(now.Add(c.ExpireMin)) {
			return problem.New("order_closed", fmt.Errorf("order %s expires in under %s", orderNo, c.ExpireMin))
		}
		if latest := now.Add(c.ExpireMax - clockDoubt); q.TimeExpire.After(latest) {
			q.TimeExpire = latest
		}
	}
	return q.checkMetadata()
}

// checkText fits subject and body, which are for show only, into what the channel takes.
func (q *quote) checkText(c channel.Channel) error {
	q.Subject, q.Body = c.WithoutRefused(q.Subject), c.WithoutRefused(q.Body)
	if strings.TrimSpace(q.Subject) == "" {
		return errors.New("subject is missing; name what is being paid, up to 32 characters, not only in emoji")
	}
	if q.Body == "" {
		q.Body = q.Subject
	}
	for _, text := range []struct{ name, value string }{{"subject", q.Subject}, {"body", q.Body}} {
		for _, char := range text.value {
			if char == utf8.RuneError || char < ' ' && char != '\n' && char != '\t' {
				return fmt.Errorf("%s has a control character or is not UTF-8", text.name)
			}
		}
	}
	q.Subject, q.Body = c.Subject.Cut(q.Subject), c.Body.Cut(q.Body)
	return nil
}

func (q *quote) checkMetadata() error {
	if len(q.Metadata) > maxMetadata {
		return fmt.Errorf("metadata has %d pairs; at most %d fit", len(q.Metadata), maxMetadata)
	}
	for key := range q.Metadata {
		if strings.HasPrefix(key, metaOurs) {
			return fmt.Errorf("metadata may not have the key %.60q: those that begin with %s are ours", key, metaOurs)
		}
	}
	characters := len(intake.MetaOrderNo) + len(q.OrderNo)
	for k, v := range q.Metadata {
		characters += utf8.RuneCountInString(k) + utf8.RuneCountInString(v)
	}
	if characters > maxMetaText {
		return fmt.Errorf("metadata has %d characters with ours; at most %d fit", characters, maxMetaText)
	}
	return nil
}

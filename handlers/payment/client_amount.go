package payment

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/caddypay/caddypay/handlers/backend"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/pingpp/channel"
	"github.com/caddypay/caddypay/session"
)

// ClientAmount lets clients name what they pay, for donations and top-ups. The order number is then ours.
type ClientAmount struct {
	Min, Max int64  // fen
	Subject  string // {order_no} in it is the order's number
	Prefix   string // of our order numbers: letters and digits
}

const (
	// Our order numbers are as long as every channel takes them.
	clientOrderLength = 20
	// A prefix leaves room for 70 random bits.
	maxPrefix    = 6
	maxReference = 64 // characters
)

var prefixSyntax = regexp.MustCompile(`^[A-Za-z0-9]*$`)

// Check says what cannot work through the channels that are offered.
func (c *ClientAmount) Check(offered []string) error {
	switch {
	case c.Min < 1 || c.Max < c.Min:
		return fmt.Errorf("min %d and max %d must be fen above 0, and max not below min; write min 1 and max 20000 for 200 yuan", c.Min, c.Max)
	case c.Max > maxAmount:
		return fmt.Errorf("max %d is above %d fen, which no charge takes; write less", c.Max, maxAmount)
	case len(c.Prefix) > maxPrefix || !prefixSyntax.MatchString(c.Prefix):
		return fmt.Errorf("prefix %q must be at most %d letters and digits; write one like D", c.Prefix, maxPrefix)
	}
	for _, name := range offered {
		ch := channel.Of(name)
		if ch.NeedsQuote() {
			return fmt.Errorf("the channel %s wants what only a backend can give; leave it out of channels, or write orders instead", name)
		}
		if ch.AtOnce { // each request is an order of its own, so one that is repeated after a lost answer would be paid twice
			return fmt.Errorf("the channel %s takes the money without the payer's doing; leave it out of channels, or write orders instead", name)
		}
		q := &quote{Subject: c.Subject}
		if err := q.checkText(ch); err != nil {
			return fmt.Errorf("through the channel %s: %w", name, err)
		}
	}
	return nil
}

// read reads the amount that a client sends.
func (c *ClientAmount) read(raw json.RawMessage) (int64, error) {
	if !wholeNumber.Match(raw) {
		return 0, c.refused(fmt.Errorf("amount must be a whole number of fen like 1999, not %s", backend.Excerpt(raw, 40)))
	}
	return strconv.ParseInt(string(raw), 10, 64) // at most 18 digits
}

func (c *ClientAmount) check(req *chargeRequest) error {
	if req.Amount < c.Min || req.Amount > c.Max {
		return c.refused(fmt.Errorf("the client named %d fen, outside of %d to %d", req.Amount, c.Min, c.Max))
	}
	if utf8.RuneCountInString(req.Reference) > maxReference ||
		strings.ContainsFunc(req.Reference, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }) {
		return forbiddenSince("reference", fmt.Errorf("it must be text of at most %d characters", maxReference))
	}
	return nil
}

// refused is the client's own mistake, unlike an amount that a backend names.
func (c *ClientAmount) refused(cause error) *problem.Problem {
	return &problem.Problem{Code: "amount_invalid", HTTPStatus: http.StatusBadRequest, Cause: cause,
		Members: map[string]any{"field": "amount", "min": c.Min, "max": c.Max}}
}

// orderNo makes an order number that every channel takes.
func (c *ClientAmount) orderNo(random io.Reader) string {
	return c.Prefix + session.RandomText(random, clientOrderLength-len(c.Prefix))
}

// quote stands for the backend's. Its metadata comes back in the event, under Ping++'s signature, and tells the backend that
// the price is not its own.
func (c *ClientAmount) quote(req *chargeRequest, ch channel.Channel) (*quote, error) {
	q := &quote{
		OrderNo: req.OrderNo, Amount: req.Amount, Currency: ch.Currency,
		Subject:  strings.ReplaceAll(c.Subject, "{order_no}", req.OrderNo),
		Metadata: map[string]string{metaAmountBy: "client"},
	}
	if req.Reference != "" {
		q.Metadata[metaReference] = req.Reference
	}
	if err := q.checkText(ch); err != nil {
		return nil, problem.New("quote_invalid", err)
	}
	return q, nil
}

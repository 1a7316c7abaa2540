package handlers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// Question asks the backend what an order costs where nobody is about to pay it.
type Question struct {
	OrderNo string
	Host    string            // the public host that the call carries
	OpenID  string            // who would pay; empty: whoever the answer says
	Change  func(http.Header) // alters the header before it goes out; nil: nothing
}

// Asked is what came of it.
type Asked struct {
	Amount   int64 // fen
	Currency string
	Subject  string
	Said     string        // payable, paid or closed, as far as the backend said it; empty: nothing
	OpenID   string        // who may pay; empty: anybody
	Code     string        // the problem's that a payer would get, like order_not_found; empty: none, and there is a price
	Why      string        // what is behind it, in words for the operator
	Status   int           // the backend's HTTP status; 0: no answer
	Raw      []byte        // its answer, as far as it was read
	Late     bool          // there was none in time
	Took     time.Duration // until it was read
}

// AskPrice asks as [Site.ServeHTTP] does for a payer, and records nothing. The site needs Orders, Backend, Channels, Scope, Token and Now.
func (s *Site) AskPrice(ctx context.Context, q Question) Asked {
	ctx, cancel := context.WithTimeout(ctx, s.Orders.Timeout)
	defer cancel()
	call := &overheard{next: s.Backend, change: q.Change}
	alone := &Site{Orders: s.Orders, Backend: call, Scope: s.Scope, Token: s.Token, Now: s.Now}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+q.Host+"/", nil)
	if err != nil {
		return Asked{Code: "backend_unavailable", Why: err.Error()}
	}
	id := Identity{Kind: WxLite, OpenID: q.OpenID, Scope: s.Scope}
	if s.WxLite != nil {
		id.AppID = s.WxLite.AppID()
	}
	c := channels["wx_lite"]
	if len(s.Channels) > 0 {
		c = channels[s.Channels[0]]
	}
	start := time.Now()
	price, err := alone.askPrice(ctx, r, id, q.OrderNo, c)
	a := Asked{Status: call.status, Raw: call.body.Bytes(), Took: time.Since(start), Late: errors.Is(ctx.Err(), context.DeadlineExceeded)}
	if codeOf(err) == "order_not_found" && call.status == http.StatusOK && q.OpenID == "" { // perhaps since it is somebody's
		if read, bad := s.Orders.parse(a.Raw, q.OrderNo); bad == nil && read.OpenID != "" {
			s.Orders.Defaults.afterEmoji(read, c, q.OrderNo)
			id.OpenID = read.OpenID
			price, err = read, read.check(q.OrderNo, id, c, s.Orders.Max, s.Now())
		}
	}
	if err != nil { // of an order that is paid it says so nevertheless
		if read, bad := s.Orders.parse(a.Raw, q.OrderNo); bad == nil {
			a.Said = read.Status
		}
	}
	if err != nil {
		a.Code, a.Why = "quote_invalid", err.Error()
		if p, ok := errors.AsType[*Problem](err); ok {
			a.Code, a.Why = p.Code, p.Code
			if p.Cause != nil {
				a.Why = p.Cause.Error()
			}
		}
		return a
	}
	a.Amount, a.Currency, a.Subject, a.Said, a.OpenID = price.Amount, price.Currency, price.Subject, price.Status, price.OpenID
	return a
}

// overheard keeps what the backend answers.
type overheard struct {
	next   http.RoundTripper
	change func(http.Header)
	status int
	body   bytes.Buffer
}

func (o *overheard) RoundTrip(req *http.Request) (*http.Response, error) {
	if o.change != nil {
		o.change(req.Header)
	}
	resp, err := o.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	o.status = resp.StatusCode
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(resp.Body, &o.body), resp.Body}
	return resp, nil
}

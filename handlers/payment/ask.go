package payment

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/caddypay/caddypay/handlers/backend"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/pingpp/channel"
	"github.com/caddypay/caddypay/session"
)

// Question asks the backend what an order costs where nobody is about to pay it.
type Question struct {
	OrderNo string
	Channel string            // through which it would be paid; default: wx_lite
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

// Ask asks as for a payer, by the same rules, and records nothing.
func (p *Prices) Ask(ctx context.Context, q Question) Asked {
	ctx, cancel := context.WithTimeout(ctx, p.Orders.Timeout)
	defer cancel()
	call := &overheard{next: p.Backend.RoundTripper, change: q.Change}
	alone := &Prices{Orders: p.Orders, Now: p.Now, Backend: &backend.Backend{RoundTripper: call, Token: p.Backend.Token, Visitors: p.Backend.Visitors}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+q.Host+"/", nil)
	if err != nil {
		return Asked{Code: "backend_unavailable", Why: err.Error()}
	}
	c := channel.Of(cmp.Or(q.Channel, "wx_lite"))
	id := session.Identity{Kind: session.WxLite, OpenID: q.OpenID, Scope: p.Backend.Visitors.Scope, AppID: p.Backend.Visitors.AppIDs[session.WxLite]}
	start := time.Now()
	price, err := alone.ask(ctx, r, id, q.OrderNo, c)
	a := Asked{Status: call.status, Raw: call.body.Bytes(), Took: time.Since(start), Late: errors.Is(ctx.Err(), context.DeadlineExceeded)}
	if problem.CodeOf(err) == "order_not_found" && call.status == http.StatusOK && q.OpenID == "" { // perhaps since it is somebody's
		if read, bad := p.Orders.parse(a.Raw, q.OrderNo); bad == nil && read.OpenID != "" {
			p.Orders.Defaults.afterEmoji(read, c, q.OrderNo)
			id.OpenID = read.OpenID
			price, err = read, read.check(q.OrderNo, id, c, p.Orders.Max, p.Now())
		}
	}
	if err == nil {
		a.Amount, a.Currency, a.Subject, a.Said, a.OpenID = price.Amount, price.Currency, price.Subject, price.Status, price.OpenID
		return a
	}
	if read, bad := p.Orders.parse(a.Raw, q.OrderNo); bad == nil { // of an order that is paid it says so nevertheless
		a.Said = read.Status
	}
	a.Code, a.Why = "quote_invalid", err.Error()
	if known, ok := errors.AsType[*problem.Problem](err); ok {
		a.Code, a.Why = known.Code, known.Code
		if known.Cause != nil {
			a.Why = known.Cause.Error()
		}
	}
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

package handlers

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddypay/caddypay/handlers/body"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/handlers/reply"
	"github.com/caddypay/caddypay/session"
	"go.uber.org/zap"
)

// Challenge answers a request outside the prefix that needs a WeChat identity and has none; err says why, nil that its session is an
// anonymous visitor's. A page inside WeChat is sent to log in and comes back to uri, the path and query that the client asked for;
// anything else is told what is missing.
func (s *Site) Challenge(w http.ResponseWriter, r *http.Request, uri string, err error) {
	if err == nil {
		err = problem.New("session_missing", nil)
	}
	p := problem.As(err)
	if p.Status() == http.StatusUnauthorized && s.Login.WxPub != nil && opensPageInWeChat(r) {
		back, err := s.Login.ReturnPath(uri)
		if err != nil {
			back = "/"
		}
		w.Header().Add("Vary", "User-Agent, Accept")
		body.Unread(w, r)
		reply.Redirect(w, s.Prefix+"/oauth/start?return="+url.QueryEscape(back))
		return
	}
	s.Problems.Report(r, "site", p)
	turnAway(w, r, p)
}

// opensPageInWeChat reports whether somebody opens a page in WeChat's own browser, so that it can go to WeChat and come back. What a
// page's script fetches cannot.
func opensPageInWeChat(r *http.Request) bool {
	mode := r.Header.Get("Sec-Fetch-Mode")
	return r.Method == http.MethodGet && (mode == "" || mode == "navigate") &&
		strings.Contains(r.UserAgent(), "MicroMessenger") && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// Paid reports whether somebody has paid an order and the money is still there. In doubt, as when the payment is held or the ledger
// cannot say, it is not paid.
func (s *Site) Paid(ctx context.Context, id session.Identity, orderNo string) bool {
	if checkOrderNo(orderNo) != nil {
		return false
	}
	l, err := s.Ledger(ctx)
	if err != nil {
		s.Logger.Warn("whether an order is paid cannot be said", zap.Error(err))
		return false
	}
	attempts, err := l.Attempts(ctx, s.Scope, orderNo)
	if err != nil {
		s.Logger.Warn("whether an order is paid cannot be said", zap.String("order_no", orderNo), zap.Error(err))
		return false
	}
	for i := range attempts {
		c := &attempts[i]
		if c.Paid && id.Owns(c) && !c.Held && !c.Reversed && c.AmountRefunded < c.Amount {
			return true
		}
	}
	return false
}

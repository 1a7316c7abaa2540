package handlers

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/caddypay/caddypay/handlers/body"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/handlers/reply"
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
	s.problems.Report(r, "site", p)
	turnAway(w, r, p)
}

// opensPageInWeChat reports whether somebody opens a page in WeChat's own browser, so that it can go to WeChat and come back. What a
// page's script fetches cannot.
func opensPageInWeChat(r *http.Request) bool {
	mode := r.Header.Get("Sec-Fetch-Mode")
	return r.Method == http.MethodGet && (mode == "" || mode == "navigate") &&
		strings.Contains(r.UserAgent(), "MicroMessenger") && strings.Contains(r.Header.Get("Accept"), "text/html")
}

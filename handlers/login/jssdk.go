package login

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/handlers/reply"
	"github.com/caddypay/caddypay/session"
	"github.com/caddypay/caddypay/wechat"
)

const maxPage = 4096 // bytes of a page's address

// jssdkAnswer is what a page passes on to wx.config, under its names.
type jssdkAnswer struct {
	AppID     string `json:"appId"`
	Timestamp int64  `json:"timestamp"` // Unix seconds
	Nonce     string `json:"nonceStr"`
	Signature string `json:"signature"`
}

// JSSDK serves GET /pay/jssdk?url=…: the signature by which WeChat's JS-SDK lets a page of this site, or a guest's own, call it.
func (s *Logins) JSSDK(w http.ResponseWriter, r *http.Request) error {
	page, err := s.ownPage(r, r.URL.Query().Get("url"))
	if err != nil {
		return problem.New("origin_forbidden", err)
	}
	ticket, err := s.Ticket(r.Context())
	if err != nil {
		return wechatProblem(session.WxPub, err)
	}
	now := s.Visitors.Now().Unix()
	nonce := session.RandomText(s.Visitors.Rand, 16)
	reply.JSON(w, http.StatusOK, jssdkAnswer{
		AppID: s.WxPub.AppID(), Timestamp: now, Nonce: nonce,
		Signature: wechat.SignPage(ticket, nonce, strconv.FormatInt(now, 10), page),
	})
	return nil
}

// ownPage checks that an address is one of this very site, or of the guest's origin, and returns it without what follows #.
func (s *Logins) ownPage(r *http.Request, text string) (string, error) {
	page, _, _ := strings.Cut(text, "#")
	if page == "" || len(page) > maxPage {
		return "", fmt.Errorf("url must be the page's own address of 1 to %d bytes, location.href", maxPage)
	}
	if strings.ContainsFunc(page, func(c rune) bool { return c <= ' ' || c == 0x7f || c == '\\' }) {
		return "", errors.New("url holds a space, a backslash or a control character")
	}
	u, err := url.Parse(page)
	if guest := session.Guest(r); guest != "" {
		if err != nil || u.User != nil || !strings.EqualFold(u.Scheme+"://"+u.Host, guest) {
			return "", fmt.Errorf("url is not an address on %s", guest)
		}
		return page, nil
	}
	if err != nil || u.User != nil || !strings.EqualFold(u.Host, r.Host) {
		return "", fmt.Errorf("url is not an address on %s", r.Host)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !s.Visitors.AllowHTTP) {
		return "", fmt.Errorf("url has the scheme %.20q, not https", u.Scheme)
	}
	return page, nil
}

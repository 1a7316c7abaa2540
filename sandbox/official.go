package sandbox

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/rawjson"
)

const (
	tokenLife    = 2 * time.Hour
	tokenOverlap = 5 * time.Minute // the last of a token's life, in which a new one is given too
)

// WebUser is who looks at the official account's pages, for all that WeChat knows.
type WebUser struct {
	OpenID   string `json:"openid"` // default: one that is derived from the account
	UnionID  string `json:"unionid"`
	Snapshot bool   `json:"snapshot"` // only a snapshot of the page is looked at, and the openid is made up
}

// lent is an access token or a ticket.
type lent struct {
	value   string
	expires time.Time
}

func (l lent) left(now time.Time) time.Duration { return l.expires.Sub(now) }

// SetWebUser says who the users of the next OAuth rounds are.
func (s *Sandbox) SetWebUser(u WebUser) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.webUser = u
}

// NewOAuthCode returns a fresh code of an OAuth round, as if a page's visitor had come back from WeChat: good once, for 5 minutes.
// An empty openid is the current WebUser's.
func (s *Sandbox) NewOAuthCode(openid string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.oauthCode(openid)
}

func (s *Sandbox) oauthCode(openid string) string {
	u := s.webUser
	if openid != "" {
		u.OpenID = openid
	}
	if u.OpenID == "" {
		u.OpenID = openidOf(s.cfg.WxPub, "visitor")
	}
	code := "0" + s.dice.Draw(dice.Alnum, 31)
	s.codes.Add("wx_pub "+code, &loginCode{openid: u.OpenID, unionid: u.UnionID, snapshot: u.Snapshot, expires: s.cfg.Now().Add(codeLife)})
	return code
}

var stateShape = regexp.MustCompile(`^[A-Za-z0-9]{1,128}$`)

// serveAuthorize is the page on which a visitor agrees to log in; with the scope snsapi_base it asks nothing and sends the visitor on.
func (s *Sandbox) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	redirect, err := url.Parse(q.Get("redirect_uri"))
	// Some SDKs encode the fragment of the address into the state; it is none of it.
	state := strings.TrimSuffix(q.Get("state"), "#wechat_redirect")
	refused := func(errcode int, text string) {
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		fmt.Fprintf(w, "<!DOCTYPE html><html><head><meta charset=\"utf-8\"><title>微信</title></head><body><p>%s</p><p>errcode: %d</p></body></html>\n", html.EscapeString(text), errcode)
	}
	switch {
	case r.URL.Path != "/connect/oauth2/authorize" || r.Method != http.MethodGet:
		http.NotFound(w, r)
	case !strings.Contains(r.UserAgent(), "MicroMessenger"):
		refused(0, "请在微信客户端打开链接")
	case q.Get("scope") == "":
		refused(10010, "scope 参数缺失")
	case q.Get("scope") != "snsapi_base" && q.Get("scope") != "snsapi_userinfo":
		refused(10005, "Scope 参数错误或没有 Scope 权限")
	case q.Get("redirect_uri") == "":
		refused(10011, "redirect_uri 参数缺失")
	case err != nil || redirect.Host == "" || redirect.Scheme != "https" && redirect.Scheme != "http":
		refused(10003, "redirect_uri 域名与后台配置不一致")
	case q.Get("appid") == "":
		refused(10012, "appid 参数缺失")
	case q.Get("appid") != s.cfg.WxPub.AppID:
		refused(40013, "invalid appid")
	case !stateShape.MatchString(state):
		refused(10013, "state 参数缺失")
	case q.Get("response_type") != "code":
		refused(10005, "response_type 参数错误")
	default:
		back := redirect.Query()
		back.Set("code", s.NewOAuthCode(""))
		back.Set("state", state)
		redirect.RawQuery = back.Encode()
		http.Redirect(w, r, redirect.String(), http.StatusFound)
	}
}

// exchangeOAuth is GET /sns/oauth2/access_token.
func (s *Sandbox) exchangeOAuth(r *http.Request) response {
	q := r.URL.Query()
	if errcode := s.credentials(s.cfg.WxPub, q, "code"); errcode != 0 {
		return s.wechatError(errcode)
	}
	if q.Get("grant_type") != "authorization_code" {
		return s.wechatError(40002)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	login, errcode := s.redeem("wx_pub", q.Get("code"))
	if errcode != 0 {
		return s.wechatError(errcode)
	}
	answer := struct {
		AccessToken  string `json:"access_token"`
		ExpiresIn    int    `json:"expires_in"`
		RefreshToken string `json:"refresh_token"`
		OpenID       string `json:"openid"`
		Scope        string `json:"scope"`
		Snapshot     int    `json:"is_snapshotuser,omitempty"`
		UnionID      string `json:"unionid,omitempty"`
	}{"u_" + s.dice.Draw(dice.Alnum, 86), int(tokenLife / time.Second), "r_" + s.dice.Draw(dice.Alnum, 86), login.openid, "snsapi_base", 0, login.unionid}
	if login.snapshot {
		answer.Snapshot = 1
	}
	return response{status: http.StatusOK, contentType: wechatType, body: rawjson.Encode(answer)}
}

// credentials says what is wrong with an AppID and AppSecret; 0 is nothing. code, unless empty, names the parameter of a login code.
func (s *Sandbox) credentials(app WeChatApp, q url.Values, code string) (errcode int) {
	switch {
	case q.Get("appid") == "":
		return 41002
	case q.Get("secret") == "":
		return 41004
	case code != "" && q.Get(code) == "":
		return 41008
	case q.Get("appid") != app.AppID:
		return 40013
	case subtle.ConstantTimeCompare([]byte(q.Get("secret")), []byte(app.Secret)) != 1:
		return 40125
	}
	return 0
}

// stableToken is POST /cgi-bin/stable_token: the same token until the last minutes of its life, unless a new one is forced.
func (s *Sandbox) stableToken(r *http.Request) response {
	if r.Method != http.MethodPost {
		return s.wechatError(43002)
	}
	var in struct {
		GrantType string `json:"grant_type"`
		AppID     string `json:"appid"`
		Secret    string `json:"secret"`
		Force     bool   `json:"force_refresh"`
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil {
		return s.wechatError(47001)
	}
	if in.GrantType != "client_credential" {
		return s.wechatError(40002)
	}
	if errcode := s.credentials(s.cfg.WxPub, url.Values{"appid": {in.AppID}, "secret": {in.Secret}}, ""); errcode != 0 {
		return s.wechatError(errcode)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if left := s.stable.left(s.cfg.Now()); in.Force || left <= tokenOverlap {
		s.stable = s.lendToken()
	}
	return s.showToken(s.stable)
}

// classicToken is GET /cgi-bin/token: a new token each time, which leaves the one before it a few minutes.
func (s *Sandbox) classicToken(r *http.Request) response {
	q := r.URL.Query()
	if q.Get("grant_type") != "client_credential" {
		return s.wechatError(40002)
	}
	if errcode := s.credentials(s.cfg.WxPub, q, ""); errcode != 0 {
		return s.wechatError(errcode)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	if old := s.classic; old.left(now) > tokenOverlap {
		s.tokens.Add(old.value, lent{old.value, now.Add(tokenOverlap)})
	}
	s.classic = s.lendToken()
	return s.showToken(s.classic)
}

func (s *Sandbox) lendToken() lent {
	t := lent{"t_" + s.dice.Draw(dice.Alnum, 134), s.cfg.Now().Add(tokenLife)}
	s.tokens.Add(t.value, t)
	return t
}

func (s *Sandbox) showToken(t lent) response {
	return response{status: http.StatusOK, contentType: wechatType, body: rawjson.Encode(struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}{t.value, int(t.left(s.cfg.Now()) / time.Second)})}
}

// getTicket is GET /cgi-bin/ticket/getticket.
func (s *Sandbox) getTicket(r *http.Request) response {
	q := r.URL.Query()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	token, known := s.tokens.Get(q.Get("access_token"))
	switch {
	case q.Get("access_token") == "":
		return s.wechatError(41001)
	case !known:
		return s.wechatError(40001)
	case token.left(now) <= 0:
		return s.wechatError(42001)
	case q.Get("type") != "jsapi":
		return s.wechatError(40097)
	}
	if s.ticket.left(now) <= tokenOverlap {
		s.ticket = lent{s.dice.Draw(dice.Alnum, 86), now.Add(tokenLife)}
	}
	return response{status: http.StatusOK, contentType: wechatType, body: rawjson.Encode(struct {
		Code    int    `json:"errcode"`
		Message string `json:"errmsg"`
		Ticket  string `json:"ticket"`
		Expires int    `json:"expires_in"`
	}{0, "ok", s.ticket.value, int(s.ticket.left(now) / time.Second)})}
}

package weixin

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/caddypay/caddypay/sandbox/desk"
	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/rawjson"
)

// User is who looks at the official account's pages, for all that WeChat knows.
type User struct {
	OpenID   string `json:"openid"` // default: one that is derived from the account
	UnionID  string `json:"unionid"`
	Snapshot bool   `json:"snapshot"` // only a snapshot of the page is looked at, and the openid is made up
}

func (cs *codes) setUser(u User) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.user = u
}

// ofPage makes a code of the official account's pages; an empty openid is the current user's.
func (cs *codes) ofPage(openid string) string {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	u := cs.user
	if openid != "" {
		u.OpenID = openid
	}
	if u.OpenID == "" {
		u.OpenID = openidOf(cs.pub, "visitor")
	}
	code := "0" + cs.dice.Draw(dice.Alnum, 31)
	cs.kept.Add("wx_pub "+code, &loginCode{openid: u.OpenID, unionid: u.UnionID, snapshot: u.Snapshot, expires: cs.now().Add(codeLife)})
	return code
}

var stateShape = regexp.MustCompile(`^[A-Za-z0-9]{1,128}$`)

// serveAuthorize is the page on which a visitor agrees to log in; with the scope snsapi_base it asks nothing and sends the visitor on.
func (cs *codes) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	redirect, err := url.Parse(q.Get("redirect_uri"))
	// Some SDKs encode the fragment of the address into the state; it is none of it.
	state := strings.TrimSuffix(q.Get("state"), "#wechat_redirect")
	refused := func(errcode int, text string) {
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		fmt.Fprintf(w, "<!DOCTYPE html><html><head><meta charset=\"utf-8\"><title>微信</title></head><body><p>%s</p><p>errcode: %d</p></body></html>\n", html.EscapeString(text), errcode)
	}
	switch {
	case r.Method != http.MethodGet:
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
	case q.Get("appid") != cs.pub.AppID:
		refused(40013, "invalid appid")
	case !stateShape.MatchString(state):
		refused(10013, "state 参数缺失")
	case q.Get("response_type") != "code":
		refused(10005, "response_type 参数错误")
	default:
		back := redirect.Query()
		back.Set("code", cs.ofPage(""))
		back.Set("state", state)
		redirect.RawQuery = back.Encode()
		http.Redirect(w, r, redirect.String(), http.StatusFound)
	}
}

// exchangeOAuth is GET /sns/oauth2/access_token.
func (cs *codes) exchangeOAuth(r *http.Request) desk.Answer {
	q := r.URL.Query()
	if errcode := cs.pub.refuses(q, "code"); errcode != 0 {
		return cs.refuse(errcode)
	}
	if q.Get("grant_type") != "authorization_code" {
		return cs.refuse(40002)
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	login, errcode := cs.redeem("wx_pub", q.Get("code"))
	if errcode != 0 {
		return cs.refuse(errcode)
	}
	answer := struct {
		AccessToken  string `json:"access_token"`
		ExpiresIn    int    `json:"expires_in"`
		RefreshToken string `json:"refresh_token"`
		OpenID       string `json:"openid"`
		Scope        string `json:"scope"`
		Snapshot     int    `json:"is_snapshotuser,omitempty"`
		UnionID      string `json:"unionid,omitempty"`
	}{"u_" + cs.dice.Draw(dice.Alnum, 86), int(tokenLife / time.Second), "r_" + cs.dice.Draw(dice.Alnum, 86), login.openid, "snsapi_base", 0, login.unionid}
	if login.snapshot {
		answer.Snapshot = 1
	}
	return desk.Answer{Status: http.StatusOK, Type: contentType, Body: rawjson.Encode(answer)}
}

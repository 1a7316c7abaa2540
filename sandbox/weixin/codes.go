package weixin

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/caddypay/caddypay/sandbox/desk"
	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/rawjson"
	"github.com/caddypay/caddypay/sandbox/store"
)

const (
	codeLife    = 5 * time.Minute
	codePrefix  = "sandbox-"               // of codes that need not be made first
	maxCode     = 256                      // bytes
	toolsCode   = "the code is a mock one" // of WeChat's developer tools when they have no AppID; always the same
	contentType = "text/plain"             // what WeChat calls its JSON
)

// loginCode is what wx.login gave a mini program.
type loginCode struct {
	openid, unionid string
	snapshot        bool
	expires         time.Time
	used            bool
}

// codes are the login codes of the mini program and of the official account's pages, and who its users are.
type codes struct {
	trace
	lite, pub App

	mu   sync.Mutex // guards all below
	kept store.Of[*loginCode]
	user User // of the pages
}

// ofMiniProgram makes a code of the mini program; an empty openid is a new user's.
func (cs *codes) ofMiniProgram(openid, unionid string) string {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if openid == "" {
		openid = openidOf(cs.lite, cs.dice.Draw(dice.Alnum, 32))
	}
	code := "0" + cs.dice.Draw(dice.Alnum, 31)
	cs.kept.Add("wx_lite "+code, &loginCode{openid: openid, unionid: unionid, expires: cs.now().Add(codeLife)})
	return code
}

// openidOf is the openid of a user whom we call by any name; an account's openids are its own.
func openidOf(app App, name string) string {
	sum := sha256.Sum256([]byte(app.AppID + "\x00" + name))
	return "o" + base64.RawURLEncoding.EncodeToString(sum[:])[:27]
}

func (cs *codes) exchange(r *http.Request) desk.Answer {
	q := r.URL.Query()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return cs.refuse(41002)
	}
	if errcode := cs.lite.refuses(q, "js_code"); errcode != 0 {
		return cs.refuse(errcode)
	}
	if q.Get("grant_type") != "authorization_code" {
		return cs.refuse(40002)
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	login, errcode := cs.redeem("wx_lite", q.Get("js_code"))
	if errcode != 0 {
		return cs.refuse(errcode)
	}
	return desk.Answer{Status: http.StatusOK, Type: contentType, Body: rawjson.Encode(struct {
		SessionKey string `json:"session_key"`
		OpenID     string `json:"openid"`
		UnionID    string `json:"unionid,omitempty"`
	}{base64.StdEncoding.EncodeToString([]byte(cs.dice.Draw(dice.Alnum, 16))), login.openid, login.unionid})}
}

// redeem uses a code of one kind of account up, or says why it cannot be. The developer tools have but one code: it is one user's,
// and good as often as it comes.
func (cs *codes) redeem(kind, code string) (*loginCode, int) {
	if kind == "wx_lite" && code == toolsCode {
		return &loginCode{openid: openidOf(cs.lite, toolsCode)}, 0
	}
	now := cs.now()
	login, ok := cs.kept.Get(kind + " " + code)
	if !ok {
		name, made := strings.CutPrefix(code, codePrefix)
		if !made || name == "" || len(code) > maxCode {
			return nil, 40029
		}
		app := cs.lite
		if kind == "wx_pub" {
			app = cs.pub
		}
		login = &loginCode{openid: openidOf(app, name), expires: now.Add(codeLife)}
		cs.kept.Add(kind+" "+code, login)
	}
	if login.used {
		return nil, 40163
	}
	if !now.Before(login.expires) {
		return nil, 40029
	}
	login.used = true
	return login, 0
}

package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/rawjson"
)

const (
	codeLife   = 5 * time.Minute
	codePrefix = "sandbox-"               // of codes that need not be made first
	maxCode    = 256                      // bytes
	toolsCode  = "the code is a mock one" // of WeChat's developer tools when they have no AppID; always the same
	wechatType = "text/plain"             // what WeChat calls its JSON
)

// loginCode is what wx.login gave a mini program.
type loginCode struct {
	openid, unionid string
	snapshot        bool
	expires         time.Time
	used            bool
}

// NewCode returns a fresh login code, as if the user had called wx.login: good once, for 5 minutes.
// An empty openid is a new user.
func (s *Sandbox) NewCode(openid string) string { return s.newCode(openid, "") }

func (s *Sandbox) newCode(openid, unionid string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if openid == "" {
		openid = openidOf(s.cfg.WxLite, s.dice.Draw(dice.Alnum, 32))
	}
	code := "0" + s.dice.Draw(dice.Alnum, 31)
	s.codes.Add("wx_lite "+code, &loginCode{openid: openid, unionid: unionid, expires: s.cfg.Now().Add(codeLife)})
	return code
}

// openidOf is the openid of a user whom we call by any name; an account's openids are its own.
func openidOf(app WeChatApp, name string) string {
	sum := sha256.Sum256([]byte(app.AppID + "\x00" + name))
	return "o" + base64.RawURLEncoding.EncodeToString(sum[:])[:27]
}

// serveWeChat answers WeChat's APIs. Errors are in the body; the status is always 200.
func (s *Sandbox) serveWeChat(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/sns/jscode2session":
		s.serve(w, r, opSession, func() response { return s.exchange(r) })
	case "/sns/oauth2/access_token":
		s.serve(w, r, opOAuth, func() response { return s.exchangeOAuth(r) })
	case "/cgi-bin/stable_token":
		s.serve(w, r, opStableToken, func() response { return s.stableToken(r) })
	case "/cgi-bin/token":
		s.serve(w, r, opToken, func() response { return s.classicToken(r) })
	case "/cgi-bin/ticket/getticket":
		s.serve(w, r, opTicket, func() response { return s.getTicket(r) })
	default:
		s.write(w, s.wechatError(40066))
	}
}

func (s *Sandbox) exchange(r *http.Request) response {
	q := r.URL.Query()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return s.wechatError(41002)
	}
	if errcode := s.credentials(s.cfg.WxLite, q, "js_code"); errcode != 0 {
		return s.wechatError(errcode)
	}
	if q.Get("grant_type") != "authorization_code" {
		return s.wechatError(40002)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	login, errcode := s.redeem("wx_lite", q.Get("js_code"))
	if errcode != 0 {
		return s.wechatError(errcode)
	}
	return response{status: http.StatusOK, contentType: wechatType, body: rawjson.Encode(struct {
		SessionKey string `json:"session_key"`
		OpenID     string `json:"openid"`
		UnionID    string `json:"unionid,omitempty"`
	}{base64.StdEncoding.EncodeToString([]byte(s.dice.Draw(dice.Alnum, 16))), login.openid, login.unionid})}
}

// redeem uses a code of one kind of account up, or says why it cannot be. The developer tools have but one code: it is one user's,
// and good as often as it comes.
func (s *Sandbox) redeem(kind, code string) (*loginCode, int) {
	if kind == "wx_lite" && code == toolsCode {
		return &loginCode{openid: openidOf(s.cfg.WxLite, toolsCode)}, 0
	}
	now := s.cfg.Now()
	login, ok := s.codes.Get(kind + " " + code)
	if !ok {
		name, made := strings.CutPrefix(code, codePrefix)
		if !made || name == "" || len(code) > maxCode {
			return nil, 40029
		}
		app := s.cfg.WxLite
		if kind == "wx_pub" {
			app = s.cfg.WxPub
		}
		login = &loginCode{openid: openidOf(app, name), expires: now.Add(codeLife)}
		s.codes.Add(kind+" "+code, login)
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

// errmsgs begin WeChat's error messages; other codes, which only a fault can ask for, say "system error".
var errmsgs = map[int]string{
	-1:    "system error",
	40001: "invalid credential, access_token is invalid or not latest",
	40002: "invalid grant_type",
	40013: "invalid appid",
	40029: "invalid code",
	40066: "invalid url",
	40097: "invalid args",
	40125: "invalid appsecret",
	40163: "code been used",
	40226: "code blocked",
	40243: "appsecret is frozen",
	40164: "invalid ip, not in whitelist",
	41001: "access_token missing",
	41002: "appid missing",
	41004: "appsecret missing",
	41008: "missing code",
	42001: "access_token expired",
	42003: "code expired",
	43002: "require POST method",
	45009: "reach max api daily quota limit",
	45011: "api minute-quota reach limit",
	47001: "data format error",
}

// wechatError is an error with WeChat's trace: the time and two random words in hex.
func (s *Sandbox) wechatError(errcode int) response {
	message, ok := errmsgs[errcode]
	if !ok {
		message = "system error"
	}
	rid := fmt.Sprintf("%08x-%s-%s", uint32(s.cfg.Now().Unix()), s.dice.Draw(dice.HexDigits, 8), s.dice.Draw(dice.HexDigits, 8))
	return response{status: http.StatusOK, contentType: wechatType, body: rawjson.Encode(struct {
		Code    int    `json:"errcode"`
		Message string `json:"errmsg"`
	}{errcode, message + ", rid: " + rid})}
}

package sandbox

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	codeLife   = 5 * time.Minute
	codePrefix = "sandbox-"   // of codes that need not be made first
	maxCode    = 256          // bytes
	wechatType = "text/plain" // what WeChat calls its JSON
)

// loginCode is what wx.login gave a mini program.
type loginCode struct {
	openid, unionid string
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
		openid = s.openidOf(s.random(alnum, 32))
	}
	code := "0" + s.random(alnum, 31)
	s.codes.add(code, &loginCode{openid: openid, unionid: unionid, expires: s.cfg.Now().Add(codeLife)})
	return code
}

// openidOf is the openid of a user whom we call by any name; a mini program's openids are its own.
func (s *Sandbox) openidOf(name string) string {
	sum := sha256.Sum256([]byte(s.cfg.WxLite.AppID + "\x00" + name))
	return "o" + base64.RawURLEncoding.EncodeToString(sum[:])[:27]
}

// serveWeChat answers jscode2session. Errors are in the body; the status is always 200.
func (s *Sandbox) serveWeChat(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/sns/jscode2session" {
		s.write(w, s.wechatError(40066))
		return
	}
	s.serve(w, r, opSession, func() response { return s.exchange(r) })
}

func (s *Sandbox) exchange(r *http.Request) response {
	q := r.URL.Query()
	appid, secret, code := q.Get("appid"), q.Get("secret"), q.Get("js_code")
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead, appid == "":
		return s.wechatError(41002)
	case secret == "":
		return s.wechatError(41004)
	case code == "":
		return s.wechatError(41008)
	case appid != s.cfg.WxLite.AppID:
		return s.wechatError(40013)
	case subtle.ConstantTimeCompare([]byte(secret), []byte(s.cfg.WxLite.Secret)) != 1:
		return s.wechatError(40125)
	case q.Get("grant_type") != "authorization_code":
		return s.wechatError(40002)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	login, errcode := s.redeem(code)
	if errcode != 0 {
		return s.wechatError(errcode)
	}
	return response{status: http.StatusOK, contentType: wechatType, body: encode(struct {
		SessionKey string `json:"session_key"`
		OpenID     string `json:"openid"`
		UnionID    string `json:"unionid,omitempty"`
	}{base64.StdEncoding.EncodeToString([]byte(s.random(alnum, 16))), login.openid, login.unionid})}
}

// redeem uses a code up, or says why it cannot be.
func (s *Sandbox) redeem(code string) (*loginCode, int) {
	now := s.cfg.Now()
	login, ok := s.codes.get(code)
	if !ok {
		name, made := strings.CutPrefix(code, codePrefix)
		if !made || name == "" || len(code) > maxCode {
			return nil, 40029
		}
		login = &loginCode{openid: s.openidOf(name), expires: now.Add(codeLife)}
		s.codes.add(code, login)
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
	40002: "invalid grant_type",
	40013: "invalid appid",
	40029: "invalid code",
	40066: "invalid url",
	40125: "invalid appsecret",
	40163: "code been used",
	40226: "code blocked",
	40243: "appsecret is frozen",
	41002: "appid missing",
	41004: "appsecret missing",
	41008: "missing code",
	45011: "api minute-quota reach limit",
}

// wechatError is an error with WeChat's trace: the time and two random words in hex.
func (s *Sandbox) wechatError(errcode int) response {
	message, ok := errmsgs[errcode]
	if !ok {
		message = "system error"
	}
	rid := fmt.Sprintf("%08x-%s-%s", uint32(s.cfg.Now().Unix()), s.random(hexDigits, 8), s.random(hexDigits, 8))
	return response{status: http.StatusOK, contentType: wechatType, body: encode(struct {
		Code    int    `json:"errcode"`
		Message string `json:"errmsg"`
	}{errcode, message + ", rid: " + rid})}
}

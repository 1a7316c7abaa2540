package weixin

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/caddypay/caddypay/sandbox/desk"
	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/rawjson"
)

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

// trace makes errors that can be traced: all end in the time and two random words in hex.
type trace struct {
	now  func() time.Time
	dice *dice.Dice
}

// refuse is an error.
func (t trace) refuse(errcode int) desk.Answer {
	message, ok := errmsgs[errcode]
	if !ok {
		message = "system error"
	}
	rid := fmt.Sprintf("%08x-%s-%s", uint32(t.now().Unix()), t.dice.Draw(dice.HexDigits, 8), t.dice.Draw(dice.HexDigits, 8))
	return desk.Answer{Status: http.StatusOK, Type: contentType, Body: rawjson.Encode(struct {
		Code    int    `json:"errcode"`
		Message string `json:"errmsg"`
	}{errcode, message + ", rid: " + rid})}
}

// refuses says what is wrong with an AppID and AppSecret; 0 is nothing. code, unless empty, names the parameter of a login code.
func (app App) refuses(q url.Values, code string) (errcode int) {
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

// instead is the answer of a fault in whose way nothing is done.
func (t trace) instead(_ *http.Request, f desk.Fault) (desk.Answer, bool) {
	if code, err := strconv.Atoi(f.Name); err == nil && errcode.MatchString(f.Name) {
		return t.refuse(code), true
	}
	return desk.Broken(f, contentType)
}

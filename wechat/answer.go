package wechat

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/caddypay/caddypay/redact"
)

const (
	maxID    = 64      // bytes; openids have 28
	maxToken = 2048    // bytes; access tokens have up to 512
	maxLife  = 1 << 24 // seconds; tokens live for 7200
)

// answer is a JSON object as WeChat sent it. Its members are looked up by their exact names, since they decide over money.
type answer struct {
	api     string
	status  int // of HTTP, for messages
	members map[string]json.RawMessage
}

// secrets are the members of answers that no text may show.
var secrets = []string{"openid", "unionid", "session_key", "access_token", "refresh_token", "ticket"}

// parseAnswer reads the answer of an API, or the error that it tells.
func parseAnswer(api string, status int, body []byte, hide redactor) (*answer, error) {
	a := &answer{api: api, status: status}
	if json.Unmarshal(body, &a.members) != nil {
		return nil, a.unusable("is not a JSON object")
	}
	errcode, ok := number(a.members["errcode"])
	if !ok {
		return nil, a.unusable("has an errcode that is not a number")
	}
	if errcode == 0 {
		return a, nil
	}
	errmsg, _ := text(a.members["errmsg"])
	hide = slices.Clip(hide)
	for _, name := range secrets {
		v, _ := text(a.members[name])
		hide = append(hide, v)
	}
	return nil, &Error{Kind: kindOf(errcode), API: api, Code: errcode, Message: hide.clean(withoutTrace(errmsg)), Rid: ridOf(errmsg)}
}

// unusable says what is wrong with the answer.
func (a *answer) unusable(what string) *Error {
	return unavailable(a.api, "the answer %s (HTTP %d)", what, a.status)
}

// identity is the user whom the answer names.
func (a *answer) identity() (Identity, error) {
	openID, okOpenID := text(a.members["openid"])
	unionID, okUnionID := text(a.members["unionid"])
	switch {
	case !okOpenID || openID != "" && !validID(openID):
		return Identity{}, a.unusable("names an openid of a form that no openid has")
	case openID == "":
		return Identity{}, a.unusable("holds no openid")
	case !okUnionID || unionID != "" && !validID(unionID):
		return Identity{}, a.unusable("names a unionid of a form that no unionid has")
	}
	return Identity{OpenID: openID, UnionID: unionID}, nil
}

// token is what the answer lends, under a name.
func (a *answer) token(name string) (Token, error) {
	value, ok := text(a.members[name])
	if !ok || !printable(value) || len(value) > maxToken {
		return Token{}, a.unusable("holds no " + name)
	}
	seconds, ok := number(a.members["expires_in"])
	if !ok || seconds <= 0 || seconds > maxLife {
		return Token{}, a.unusable("does not say for how long the " + name + " is good")
	}
	return Token{Value: redact.New(value), Expires: time.Duration(seconds) * time.Second}, nil
}

// number reads an errcode, which one of WeChat's platforms sends as a string. Absent and null are 0.
func number(raw json.RawMessage) (n int, ok bool) {
	if len(raw) > 0 && raw[0] == '"' {
		s, _ := text(raw)
		raw = json.RawMessage(s)
	} else if raw == nil || string(raw) == "null" {
		return 0, true
	}
	n, err := strconv.Atoi(string(raw))
	return n, err == nil
}

// text reads a string. Absent and null are the empty one.
func text(raw json.RawMessage) (s string, ok bool) {
	if raw == nil {
		return "", true
	}
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

// validID reports whether s looks like an openid, a unionid or an AppID. They go into headers and keys later.
func validID(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return s != "" && len(s) <= maxID
}

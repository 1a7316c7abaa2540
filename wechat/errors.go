package wechat

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// Kind is what an error means for whoever asked.
type Kind string

// The kinds of errors.
const (
	CodeInvalid   Kind = "code invalid"  // the login code is wrong, used or expired: the client logs in again
	Busy          Kind = "busy"          // WeChat asks to come again later; the code may still be good
	Blocked       Kind = "blocked"       // WeChat holds the user for a risk and refuses the login
	Misconfigured Kind = "misconfigured" // AppID, AppSecret or endpoint are wrong: the merchant has to act
	Rejected      Kind = "rejected"      // WeChat refused for another reason
	Unavailable   Kind = "unavailable"   // there was no usable answer; WeChat may have taken the code all the same
)

// The errcodes that mean something of their own. 40163 and 42003 are missing in the endpoint's own table, but do occur.
const (
	errSystem      = -1
	errInvalidCode = 40029
	errCodeUsed    = 40163
	errCodeExpired = 42003
	errQuota       = 45011 // calls per minute
	errDailyQuota  = 45009 // calls per day
)

var kinds = map[int]Kind{
	errInvalidCode: CodeInvalid,
	errCodeUsed:    CodeInvalid,
	errCodeExpired: CodeInvalid,
	errSystem:      Busy,
	errQuota:       Busy,
	errDailyQuota:  Busy,
	40226:          Blocked,
	40013:          Misconfigured, // invalid appid
	40125:          Misconfigured, // invalid appsecret
	40243:          Misconfigured, // appsecret is frozen
	40164:          Misconfigured, // the server's address is not on the account's list
	41002:          Misconfigured, // appid is missing
	41004:          Misconfigured, // appsecret is missing
	40066:          Misconfigured, // invalid url
}

func kindOf(errcode int) Kind {
	if k, ok := kinds[errcode]; ok {
		return k
	}
	return Rejected
}

// Error is why WeChat gave no answer. None of its texts holds a secret, a code, a session_key, a token or an openid.
type Error struct {
	Kind    Kind
	API     string // what was asked: jscode2session, oauth2/access_token, …
	Code    int    // WeChat's errcode; 0 when WeChat did not say one
	Message string // WeChat's errmsg without its request id, or what went wrong on the way
	Rid     string // WeChat's id of the request, which its support asks for; empty when it said none

	cause  error // context.Canceled, context.DeadlineExceeded or nil
	unsent bool  // the request surely never left
}

func (e *Error) Error() string {
	s := "wechat: " + e.API + ": " + string(e.Kind)
	if e.Code != 0 {
		s += fmt.Sprintf(" (errcode %d)", e.Code)
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

// Unwrap returns the context's error when the context ended the exchange, else nil.
func (e *Error) Unwrap() error { return e.cause }

// Used reports whether WeChat says that this code has been exchanged before (errcode 40163): whoever did that knows the user.
func (e *Error) Used() bool { return e.Code == errCodeUsed }

// TokenInvalid reports whether WeChat does not take the access token any more: another one is needed.
func (e *Error) TokenInvalid() bool {
	return e.Code == 40001 || e.Code == 40014 || e.Code == 42001
}

// RetryAfter suggests how long to wait before trying again; 0 unless the Kind is Busy. The quota of 45011 is one per minute,
// and shared, so waiting out a good part of the minute is enough.
func (e *Error) RetryAfter() time.Duration {
	switch e.Code {
	case errSystem:
		return 2 * time.Second
	case errQuota:
		return 20 * time.Second
	case errDailyQuota:
		return 10 * time.Minute
	}
	return 0
}

func unavailable(api, format string, args ...any) *Error {
	return &Error{Kind: Unavailable, API: api, Message: fmt.Sprintf(format, args...)}
}

// redactor is the values that no text may show.
type redactor []string

const (
	minHidden  = 4   // bytes; anything shorter is no secret, and blanking it would only garble the text
	maxMessage = 240 // bytes
)

// clean makes a text from outside fit to be shown and logged: one line, no secrets, no endless tail.
func (r redactor) clean(s string) string {
	for _, v := range r {
		if len(v) < minHidden {
			continue
		}
		s = strings.ReplaceAll(s, v, "[redacted]")
		s = strings.ReplaceAll(s, url.QueryEscape(v), "[redacted]")
	}
	s = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, s)
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + "…"
	}
	return strings.TrimSpace(s)
}

// WeChat ends an errmsg with the id of the request: ", hints: [ req_id: … ]" of old, ", rid: …" now.
var trace = regexp.MustCompile(`(?is)[\s,;]*\b(?:hints?|rid|req_?id)\s*:.*$`)

func withoutTrace(errmsg string) string { return trace.ReplaceAllString(errmsg, "") }

var rid = regexp.MustCompile(`\brid:\s*([0-9a-f]{1,16}(?:-[0-9a-f]{1,16}){2})\s*$`)

// ridOf is the id in an errmsg's trace.
func ridOf(errmsg string) string {
	if found := rid.FindStringSubmatch(errmsg); found != nil {
		return found[1]
	}
	return ""
}

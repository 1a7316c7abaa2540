package pingpp

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// ErrorKind says what went wrong, in terms of what the caller can do about it.
type ErrorKind string

// The kinds of errors. After InvalidRequest, Authentication, Channel, RateLimit, NotFound and Unavailable nothing was
// created or changed; for the others ask [Error.Unknown].
//
// Malformed stands for a redirect, and for a success status with an error in the body, null, something that is no JSON,
// fields of the wrong type or missing, more than 1 MiB, or an object other than the one asked for.
const (
	InvalidRequest ErrorKind = "invalid_request" // 400 and other 4xx; with Status 0 this package refused it unsent
	Authentication ErrorKind = "authentication"  // 401: the key is wrong, or the request's signature
	Channel        ErrorKind = "channel"         // 402: the payment channel (WeChat, Alipay…) refused
	RateLimit      ErrorKind = "rate_limit"      // 403 or 429: too many requests at once
	NotFound       ErrorKind = "not_found"       // 404 in Ping++'s own words; a 404 page of anybody else is Malformed
	Server         ErrorKind = "server"          // 5xx: Ping++ or something in front of it failed
	Malformed      ErrorKind = "malformed"       // an answer that is not what was asked for: see above
	Unavailable    ErrorKind = "unavailable"     // no connection: the request surely never reached Ping++
	Timeout        ErrorKind = "timeout"         // sent, and no answer in time
	Lost           ErrorKind = "lost"            // the connection died after the request may have been sent
	Canceled       ErrorKind = "canceled"        // the caller's context was canceled
	Foreign        ErrorKind = "foreign"         // the charge or event exists but belongs to another app or the other mode
)

var kindWords = map[ErrorKind]string{
	InvalidRequest: "request refused",
	Authentication: "key or signature refused",
	Channel:        "the payment channel refused",
	RateLimit:      "too many requests",
	NotFound:       "not found",
	Server:         "Ping++ failed",
	Malformed:      "the answer makes no sense",
	Unavailable:    "cannot reach Ping++",
	Timeout:        "no answer in time",
	Lost:           "the connection died",
	Canceled:       "canceled",
	Foreign:        "it is another app's or the other mode's",
}

// Error is every error that a call returns. Its texts come from the other side and are cleaned: no control characters,
// cut to 300 characters, and without the API key or the payer's openid.
type Error struct {
	Kind    ErrorKind
	Op      string // what was tried, for example "create charge"
	Status  int    // HTTP status; 0 when there was no answer
	Type    string // Ping++'s type: invalid_request_error, api_error, channel_error; may be empty
	Code    string // Ping++'s code: channel_request_error, …; often empty
	Param   string // the parameter that Ping++ complains about; often empty
	Message string // Ping++'s message, or what is wrong with its answer

	// RetryAfter is how long the answer asked to wait, 0 when it did not say.
	RetryAfter time.Duration

	sent bool // some of the request may have reached Ping++
	err  error
}

// Error describes the failure in one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "pingpp: %s: %s", e.Op, kindWords[e.Kind])
	var facts []string
	if e.Status != 0 {
		facts = append(facts, fmt.Sprintf("HTTP %d", e.Status))
	}
	for _, s := range []string{e.Type, e.Code} {
		if s != "" {
			facts = append(facts, s)
		}
	}
	if e.Param != "" {
		facts = append(facts, "param "+e.Param)
	}
	if len(facts) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(facts, ", "))
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.err != nil {
		b.WriteString(": " + clean(e.err.Error(), maxMessage))
	}
	return b.String()
}

// Unwrap returns the cause, if any: context.DeadlineExceeded, context.Canceled, or the network's error.
func (e *Error) Unwrap() error { return e.err }

// Unknown says that nobody can tell what Ping++ did: a charge may have been created all the same, so its order number
// must count as used; one that was to be reversed may be so. It is so after a timeout, a lost connection, a 5xx and an answer that makes no sense.
func (e *Error) Unknown() bool {
	switch e.Kind {
	case Timeout, Lost, Server, Malformed:
		return true
	case Canceled:
		return e.sent
	}
	return false
}

const (
	maxMessage = 300
	maxWord    = 64
)

// clean makes a text of the other side fit for a log line: one line of at most max characters, nothing invisible.
func clean(s string, max int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.TrimSpace(s)
	n := 0
	for i := range s {
		if n == max {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

// secrets are texts that must not appear in an error, even when the other side sends them back to us.
type secrets []string

// hide cleans s, replaces every secret in it, and cuts it last, so that no half of a secret survives the cut.
func (x secrets) hide(s string, max int) string {
	s = clean(s, len(s)+1)
	for _, secret := range x {
		s = strings.ReplaceAll(s, secret, "***")
	}
	return clean(s, max)
}

// hideError keeps err as it is unless its text holds a secret.
func (x secrets) hideError(err error) error {
	text := clean(err.Error(), len(err.Error())+1)
	if hidden := x.hide(text, maxMessage); hidden != clean(text, maxMessage) {
		return hiddenError(hidden)
	}
	return err
}

// hiddenError stands for an error that echoed a secret: its chain is cut, since the causes repeat the text.
type hiddenError string

func (e hiddenError) Error() string { return string(e) }

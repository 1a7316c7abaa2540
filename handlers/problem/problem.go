// Package problem is what the routes answer when something is wrong: RFC 9457 problems with stable codes, and the one line that each leaves
// in the log.
package problem

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddypay/caddypay/session"
)

// explained is the page that explains each code, at the anchor that has its name: it begins the type of every problem. An address that was given away
// stays good.
const explained = "https://github.com/caddypay/caddypay/blob/main/docs/troubleshooting.md"

// Problem is an error that a client may see: an RFC 9457 problem with a stable code. Its cause is for the log only.
type Problem struct {
	Code       string         // one of the codes in codes.go
	RetryAfter time.Duration  // sent as Retry-After, in whole seconds; 0: not sent
	Members    map[string]any // further members of the JSON object
	Allow      string         // for method_not_allowed
	EN, ZH     string         // a sentence for this case, in place of the code's own
	HTTPStatus int            // in place of the code's own; 0: that
	Cause      error          // what really happened; never sent to the client

	Backend bool   // the backend said so: its operator is to see it
	Logged  bool   // a line was written, or left out on purpose
	Budget  string // of rate_limited: the one that is spent
}

func (p *Problem) Error() string {
	if p.Cause == nil {
		return p.Code
	}
	return p.Code + ": " + p.Cause.Error()
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Cause }

// Status is the HTTP status of the problem.
func (p *Problem) Status() int { return cmp.Or(p.HTTPStatus, codes[p.Code].status) }

// CodeOf returns a Problem's code, and "" of any other error.
func CodeOf(err error) string {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p.Code
	}
	return ""
}

// New returns a problem.
func New(code string, cause error) *Problem { return &Problem{Code: code, Cause: cause} }

// Retry returns a problem that is over after a while, as far as anybody can tell.
func Retry(code string, after time.Duration, cause error) *Problem {
	return &Problem{Code: code, RetryAfter: after, Cause: cause}
}

// Write answers with a problem. The response is complete: nothing that comes after may turn it into something else.
func (p *Problem) Write(w http.ResponseWriter, r *http.Request) {
	text, status := codes[p.Code], p.Status()
	language, detail := "zh", cmp.Or(p.ZH, text.zh)
	if PrefersEnglish(r.Header.Get("Accept-Language")) {
		language, detail = "en", cmp.Or(p.EN, text.en)
	}
	body := map[string]any{
		"type":   explained + "#" + p.Code,
		"title":  title(p.Code),
		"status": status,
		"code":   p.Code,
		"detail": detail,
	}
	maps.Copy(body, p.Members)
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Language", language)
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept-Language")
	if p.Allow != "" {
		h.Set("Allow", p.Allow)
	}
	p.SetRetryAfter(h)
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="pay"`)
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// title is the code in words: the same for every problem of its type, as RFC 9457 wants it.
func title(code string) string {
	words := strings.ReplaceAll(code, "_", " ")
	return strings.ToUpper(words[:1]) + words[1:]
}

// SetRetryAfter says when to try again, if anybody knows.
func (p *Problem) SetRetryAfter(h http.Header) {
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((p.RetryAfter+time.Second-1)/time.Second), 10))
	}
}

// PrefersEnglish compares where "en" and "zh" stand in Accept-Language; Chinese is the default. Clients list languages in
// order of preference, so quality values are not weighed.
func PrefersEnglish(accept string) bool {
	for part := range strings.SplitSeq(strings.ToLower(accept), ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		switch primary, _, _ := strings.Cut(tag, "-"); primary {
		case "en":
			return true
		case "zh":
			return false
		}
	}
	return false
}

// As turns any error into a problem: that of a session has a code for its reason, and one that nobody has given a code is a fault of ours with the ledger, the only
// other thing that handlers call without naming the problem themselves.
func As(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if e, ok := errors.AsType[*session.Error](err); ok {
		return New(string(e.Reason), e.Cause)
	}
	return Retry("ledger_unavailable", 2*time.Second, err)
}

// Limited is the problem of a budget that is spent for a while; nil when it is not.
func Limited(budget string, wait time.Duration) error {
	if wait <= 0 {
		return nil
	}
	p := Retry("rate_limited", wait, errors.New("limits: "+budget))
	p.Budget = budget
	return p
}

// Sentence is what a code says to the person in front of it.
func Sentence(code string, english bool) string {
	if english {
		return codes[code].en
	}
	return codes[code].zh
}

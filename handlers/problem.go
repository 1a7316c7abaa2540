package handlers

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
)

// Problem is an error that a client may see: an RFC 9457 problem with a stable code. Its cause is for the log only.
type Problem struct {
	Code       string         // one of the codes in problem_codes.go
	RetryAfter time.Duration  // sent as Retry-After, in whole seconds; 0: not sent
	Members    map[string]any // further members of the JSON object
	Allow      string         // for method_not_allowed
	EN, ZH     string         // a sentence for this case, in place of the code's own
	HTTPStatus int            // in place of the code's own; 0: that
	Cause      error          // what really happened; never sent to the client

	backend bool     // the backend said so: its operator is to see it
	logged  bool     // a line was written, or left out on purpose
	budget  string   // of rate_limited: the one that is spent
	refusal *refusal // of a webhook that was refused
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

// codeOf returns a Problem's code, and "" of any other error.
func codeOf(err error) string {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p.Code
	}
	return ""
}

func problem(code string, cause error) *Problem { return &Problem{Code: code, Cause: cause} }

func retryProblem(code string, after time.Duration, cause error) *Problem {
	return &Problem{Code: code, RetryAfter: after, Cause: cause}
}

// turnAway answers with an error, whether the request's body has been read or not.
func turnAway(w http.ResponseWriter, r *http.Request, p *Problem) {
	unread(w, r)
	writeProblem(w, r, p)
}

// writeProblem answers with an error. The response is complete: nothing that comes after may turn it into something else.
func writeProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	text, status := codes[p.Code], p.Status()
	language, detail := "zh", cmp.Or(p.ZH, text.zh)
	if prefersEnglish(r.Header.Get("Accept-Language")) {
		language, detail = "en", cmp.Or(p.EN, text.en)
	}
	body := map[string]any{
		"title":  http.StatusText(status),
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
	p.setRetryAfter(h)
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="pay"`)
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (p *Problem) setRetryAfter(h http.Header) {
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((p.RetryAfter+time.Second-1)/time.Second), 10))
	}
}

// writeJSON answers with a small object of ours.
func writeJSON(w http.ResponseWriter, status int, v any) {
	raw, err := json.Marshal(v)
	if err != nil { // only types of this package come here, and they all encode
		panic(err)
	}
	writeRaw(w, status, raw)
}

// writeRaw answers with JSON that is passed on byte for byte.
func writeRaw(w http.ResponseWriter, status int, raw []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(raw)))
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}

// prefersEnglish compares where "en" and "zh" stand in Accept-Language; Chinese is the default. Clients list languages in
// order of preference, so quality values are not weighed.
func prefersEnglish(accept string) bool {
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

// report writes the one log line of a failed call: faults of ours or of the other side as errors, the rest quietly.
func (s *Site) report(r *http.Request, route string, p *Problem) {
	if p.logged {
		return
	}
	fields := []zap.Field{
		zap.String("route", route),
		zap.String("method", r.Method),
		zap.String("client_ip", s.ClientIP(r)),
		zap.String("code", p.Code),
		zap.Int("status", p.Status()),
	}
	if p.Cause != nil {
		fields = append(fields, zap.Error(p.Cause))
	}
	if p.budget != "" { // a flood must not fill the disk
		suppressed, ok := s.refusals.allow(p.budget, s.Now())
		if !ok {
			return
		}
		fields = append(fields, zap.Int64("not_logged_before", suppressed))
	}
	gone := errors.Is(p.Cause, context.Canceled) && r.Context().Err() != nil // the client's doing, not a fault
	if (p.Status() >= http.StatusInternalServerError || s.loud(p, s.Now())) && !gone {
		s.Logger.Error("refused", fields...)
		return
	}
	s.Logger.Info("refused", fields...)
}

// asProblem turns any error into a problem. One that nobody has given a code is a fault of ours with the ledger, the only
// other thing that handlers call without naming the problem themselves.
func asProblem(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	return retryProblem("ledger_unavailable", 2*time.Second, err)
}

// cut shortens a text to at most n characters.
func cut(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i]
		}
		n--
	}
	return text
}

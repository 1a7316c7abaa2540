package session

import (
	"errors"
	"fmt"
	"net/http"
)

// Reason is why nobody can be told from a request. It is the code of the problem that the client is answered with.
type Reason string

// The reasons.
const (
	Missing Reason = "session_missing"
	Expired Reason = "session_expired"
	Invalid Reason = "session_invalid"
	Foreign Reason = "origin_forbidden" // the session's cookie came along with a page of another site
)

// Error is that a request comes from nobody whom we know.
type Error struct {
	Reason Reason
	Cause  error // for the log; may be nil
}

func (e *Error) Error() string {
	if e.Cause == nil {
		return string(e.Reason)
	}
	return string(e.Reason) + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// ForeignOrigin is that a request comes from a page of another site, for whatever only this site's own pages may do.
func ForeignOrigin(r *http.Request) *Error {
	return &Error{Foreign, fmt.Errorf("the request comes from the origin %.100q, not from a page of %s", r.Header.Get("Origin"), r.Host)}
}

// reasonOf returns an Error's reason, and "" of any other error.
func reasonOf(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ""
}

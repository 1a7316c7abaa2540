package handlers

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/caddypay/caddypay/handlers/problem"
)

// PlainTarget reports whether a request asks for a path, so that a backend reads the path that we have checked. `x:http://b/secret`, as
// HTTP/1.1 lets anybody write it, has no path for us and one for a backend; the forms of CONNECT and of OPTIONS * have none at all.
func PlainTarget(u *url.URL) bool {
	return u.Opaque == "" && strings.HasPrefix(u.Path, "/") && (u.Scheme == "" || u.Scheme == "http" || u.Scheme == "https")
}

// RefuseTarget answers a request whose target is not a plain one.
func (s *Site) RefuseTarget(w http.ResponseWriter, r *http.Request) {
	turnAway(w, r, problem.New("target_invalid", nil))
}

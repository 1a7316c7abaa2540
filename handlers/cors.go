package handlers

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/caddypay/caddypay/session"
)

const (
	// What a page of another origin may send, and what it may read of an answer, besides what any page may.
	corsHeaders = "Content-Type, " + session.Header + ", Authorization, Accept-Language"
	corsExposed = "Location, Retry-After, X-Pay-Order-No, " + session.Header
	// corsMaxAge is how long a browser need not ask again, in seconds: as long as Chromium remembers anything of the kind.
	corsMaxAge = "7200"
)

// payers reports whether a route is for those who pay, so that pages of other origins may be let in. The others are pages themselves, or
// not for browsers.
func (rt route) payers() bool {
	switch rt.name {
	case "openid", "charges", "charge", "qr", "order_state", "jssdk":
		return true
	}
	return false
}

// guest returns the origin of the page that sent a request, where it is another than the site's and may call the route; else nothing.
func (s *Site) guest(r *http.Request, rt route) string {
	origins := r.Header["Origin"]
	if len(s.origins) == 0 || len(origins) != 1 || !slices.Contains(s.origins, origins[0]) || s.Visitors.SameOrigin(r) || !rt.payers() {
		return ""
	}
	return origins[0]
}

// welcome lets a guest's page read the answer, whatever it will be, and takes the cookies out of its request, the shop's too.
func (s *Site) welcome(w http.ResponseWriter, r *http.Request, rt route) {
	if len(s.origins) == 0 || !rt.payers() {
		return
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	guest := session.Guest(r)
	if guest == "" {
		return
	}
	h.Set("Access-Control-Allow-Origin", guest)
	h.Set("Access-Control-Expose-Headers", corsExposed)
	r.Header.Del("Cookie")
}

// preflight answers the browser that asks what a guest's page may send, and reports whether it did.
func (s *Site) preflight(w http.ResponseWriter, r *http.Request, rt route) bool {
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" || session.Guest(r) == "" {
		return false
	}
	h := w.Header()
	h.Del("Access-Control-Expose-Headers") // there is nothing to read
	h.Set("Access-Control-Allow-Methods", strings.Join(rt.methods, ", "))
	h.Set("Access-Control-Allow-Headers", corsHeaders)
	h.Set("Access-Control-Max-Age", corsMaxAge)
	w.WriteHeader(http.StatusNoContent)
	return true
}

// ParseOrigin returns an origin as browsers write it in Origin: scheme, host, and a port that is not the scheme's own. Plain HTTP is for
// loopback, and for sites that serve it.
func ParseOrigin(text string, allowHTTP bool) (string, error) {
	switch {
	case strings.Contains(text, "*"):
		return "", errors.New("stands for many origins; name each one, like https://m.example.com")
	case strings.EqualFold(text, "null"):
		return "", errors.New("is the origin of pages that have none, and any page can be one; write one like https://m.example.com")
	case strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }): // before a letter is made a small one
		return "", errors.New("holds a space or a letter that is not ASCII; write the host as browsers send it, like https://xn--fiq228c.example")
	}
	scheme, host, ok := strings.Cut(strings.ToLower(text), "://")
	if !ok || scheme != "https" && scheme != "http" {
		return "", errors.New("is no origin; write scheme and host, like https://m.example.com")
	}
	if i := strings.IndexAny(host, `/?#\`); i >= 0 {
		return "", fmt.Errorf("has more than scheme, host and port, which is all that browsers say; write %s://%s", scheme, host[:i])
	}
	if strings.Contains(host, "@") {
		return "", fmt.Errorf("names a user, which browsers do not say; write %s://%s", scheme, host[strings.LastIndexByte(host, '@')+1:])
	}
	name := host
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		name = host[:i]
		port, err := strconv.ParseUint(host[i+1:], 10, 16)
		if err != nil || port == 0 || strconv.FormatUint(port, 10) != host[i+1:] {
			return "", fmt.Errorf("has no port from 1 to 65535 after the colon; write one, or %s://%s", scheme, name)
		}
		if scheme == "https" && port == 443 || scheme == "http" && port == 80 {
			return "", fmt.Errorf("names the port that goes without saying, which browsers leave out; write %s://%s", scheme, name)
		}
	}
	local, ok := originHost(name)
	if !ok {
		return "", errors.New("has no host that a browser would send; write a name like https://m.example.com, or an address in its shortest form")
	}
	if scheme == "http" && !local && !allowHTTP {
		return "", fmt.Errorf("is plain HTTP, where anybody on the way can change the page; write https://%s, or set allow_http for a test", host)
	}
	return scheme + "://" + host, nil
}

// originHost reports whether a host is written as browsers write it, and whether it is this machine.
func originHost(name string) (local, ok bool) {
	if inner, six := strings.CutPrefix(name, "["); six {
		inner, six = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		return addr.IsLoopback(), six && err == nil && addr.Is6() && !addr.Is4In6() && addr.Zone() == "" && addr.String() == inner
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false, false
		}
	}
	if last := labels[len(labels)-1]; last[0] >= '0' && last[0] <= '9' { // browsers take it for an address, and so 1.2 for 1.0.0.2
		addr, err := netip.ParseAddr(name)
		return addr.IsLoopback(), err == nil
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost"), len(name) <= 253
}

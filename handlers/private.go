package handlers

import (
	"path"
	"strings"
)

// IsPrivate reports whether a request path reaches one of the backend's own paths, however it is written: encoded several
// times, with dots, doubled slashes, backslashes, path parameters, extensions or other case. Backends read such paths in different
// ways, and one reading is enough. It is the second defence; the first is that the backend compares X-Pay-Token or checks the
// signature.
func (s *Site) IsPrivate(p string) bool {
	if len(s.Private) == 0 {
		return false
	}
	p = strings.ReplaceAll(decode(p), `\`, "/")
	whole := strings.Split(p, "/")
	cut := make([]string, len(whole))
	for i, segment := range whole {
		segment, _, _ = strings.Cut(segment, ";") // Tomcat's parameters
		segment, _, _ = strings.Cut(segment, "\x00")
		cut[i] = strings.TrimRight(segment, " \t") // Windows
	}
	for _, segments := range [][]string{whole, cut} {
		for _, reading := range [][]string{existing(segments), existing(strings.Split(path.Clean("/"+strings.Join(segments, "/")), "/"))} {
			if s.matchesPrivate(reading) {
				return true
			}
		}
	}
	return false
}

func (s *Site) matchesPrivate(segments []string) bool {
	for _, pattern := range s.Private {
		want := existing(strings.Split(pattern, "/"))
		if segmentsMatch(want, segments) {
			return true
		}
		// A front controller takes the rest of the path as the path: /index.php/internal/pay/events.
		if len(segments) > 0 && strings.HasSuffix(strings.ToLower(segments[0]), ".php") && segmentsMatch(want, segments[1:]) {
			return true
		}
	}
	return false
}

// existing leaves out segments that mean nothing.
func existing(segments []string) []string {
	kept := make([]string, 0, len(segments))
	for _, s := range segments {
		if s != "" && s != "." {
			kept = append(kept, s)
		}
	}
	return kept
}

// segmentsMatch compares segment by segment. What lies below the pattern is private too, since many backends pass the rest of a
// path on as an argument.
func segmentsMatch(pattern, segments []string) bool {
	if len(segments) < len(pattern) {
		return false
	}
	for i, want := range pattern {
		if !segmentMatches(want, segments[i]) {
			return false
		}
	}
	return true
}

// segmentMatches compares without case. A placeholder takes anything, and an extension makes no difference: Rails and Spring
// serve /events.json as /events.
func segmentMatches(want, segment string) bool {
	before, rest, placeholder := strings.Cut(want, "{")
	if !placeholder {
		return strings.EqualFold(want, segment) || hasPrefixFold(segment, want+".")
	}
	_, after, _ := strings.Cut(rest, "}")
	if !hasPrefixFold(segment, before) {
		return false
	}
	return strings.Contains(strings.ToLower(segment[len(before):]), strings.ToLower(after))
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// decode undoes percent-encoding as often as it was done, in one pass. An escape that is none stays as it is, and keeps none of
// the others from being read.
func decode(p string) string {
	if !strings.Contains(p, "%") {
		return p
	}
	out := make([]byte, 0, len(p))
	for i := range len(p) {
		out = append(out, p[i])
		for n := len(out); n >= 3 && out[n-3] == '%'; n = len(out) {
			high, low := hexDigit(out[n-2]), hexDigit(out[n-1])
			if high < 0 || low < 0 {
				break
			}
			out = append(out[:n-3], byte(high<<4|low))
		}
	}
	return string(out)
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

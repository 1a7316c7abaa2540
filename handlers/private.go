package handlers

import (
	"iter"
	"net/http"
	"path"
	"strings"

	"github.com/caddypay/caddypay/handlers/percent"
)

// IsPrivate reports whether a request's path and query reach one of the backend's own paths, however they are written: encoded several
// times, with dots, doubled slashes, backslashes, path parameters, extensions or other case. Backends read such paths in different
// ways, and one reading is enough. It is the second defence; the first is that the backend compares X-Pay-Token or checks the
// signature.
func (s *Site) IsPrivate(p, query string) bool {
	for reading := range Readings(p) {
		if s.reachesPrivate(reading, query) {
			return true
		}
	}
	return false
}

// Readings yields the paths for which backends take a path, dots and doubled slashes aside; most paths have but one, themselves.
func Readings(p string) iter.Seq[string] {
	return func(yield func(string) bool) {
		p = strings.ReplaceAll(percent.Decode(p), `\`, "/")
		if !yield(p) {
			return
		}
		cut := withoutParameters(p)
		if cut != p && !yield(cut) {
			return
		}
		// Who parses it as a URL, as with Node's new URL or PHP's parse_url, takes the first segment of //x/y for a host.
		if strings.HasPrefix(cut, "//") {
			_, rest, _ := strings.Cut(strings.TrimLeft(cut, "/"), "/")
			yield("/" + rest)
		}
	}
}

// withoutParameters leaves out of each segment what some do not read: Tomcat (;), C programs (NUL), Windows (: and trailing blanks), and
// whoever decodes before he cuts off the query.
func withoutParameters(p string) string {
	const marks = ";:?#\x00"
	if !strings.ContainsAny(p, marks+" \t") {
		return p
	}
	segments := strings.Split(p, "/")
	for i, segment := range segments {
		if end := strings.IndexAny(segment, marks); end >= 0 {
			segment = segment[:end]
		}
		segments[i] = strings.TrimRight(segment, " \t")
	}
	return strings.Join(segments, "/")
}

// StripRewrites deletes the headers by which IIS and some frameworks take another path than that of the request, where it is one that
// the client may not have.
func StripRewrites(h http.Header, closed func(path, query string) bool) {
	for name, values := range h {
		if !readAs(name, "X-ORIGINAL-URL") && !readAs(name, "X-REWRITE-URL") {
			continue
		}
		for _, value := range values {
			if _, rest, ok := strings.Cut(value, "://"); ok {
				_, rest, _ = strings.Cut(rest, "/")
				value = "/" + rest
			}
			p, query, _ := strings.Cut(value, "?")
			if closed("/"+strings.TrimPrefix(p, "/"), query) {
				delete(h, name)
				break
			}
		}
	}
}

// reachesPrivate takes a path with its dots as they are, and resolved.
func (s *Site) reachesPrivate(p, query string) bool {
	return s.matchesPrivate(p, query) || strings.Contains(p, "..") && s.matchesPrivate(path.Clean("/"+p), query)
}

func (s *Site) matchesPrivate(p, query string) bool {
	// A front controller takes the rest of the path as the path: /index.php/internal/pay/events.
	front, rest := nextSegment(p)
	for i := range s.private {
		closed := &s.private[i]
		if closed.matches(p, query) || hasSuffixFold(front, ".php") && closed.matches(rest, query) {
			return true
		}
	}
	return false
}

// reaches compares segment by segment. What lies below the pattern is private too, since many backends pass the rest of a path
// on as an argument.
func reaches(pattern, p string) bool {
	for {
		var want, segment string
		if want, pattern = nextSegment(pattern); want == "" {
			return true
		}
		if segment, p = nextSegment(p); segment == "" || !segmentMatches(want, segment) {
			return false
		}
	}
}

// nextSegment cuts off the first segment that means something; it is empty when there is none.
func nextSegment(p string) (segment, rest string) {
	for {
		segment, rest, _ = strings.Cut(strings.TrimLeft(p, "/"), "/")
		if segment != "." {
			return segment, rest
		}
		p = rest
	}
}

// segmentMatches compares without case. A placeholder takes anything, and an extension makes no difference: Rails and Spring
// serve /events.json as /events.
func segmentMatches(want, segment string) bool {
	before, rest, placeholder := strings.Cut(want, "{")
	if len(segment) < len(before) || !strings.EqualFold(segment[:len(before)], before) {
		return strings.EqualFold(segment, want) // of other length, by Unicode's rules
	}
	segment = segment[len(before):]
	if !placeholder {
		return segment == "" || segment[0] == '.'
	}
	_, after, _ := strings.Cut(rest, "}")
	return strings.Contains(strings.ToLower(segment), strings.ToLower(after))
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

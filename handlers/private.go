package handlers

import (
	"net/url"
	"path"
	"strings"
)

// IsPrivate reports whether a request path reaches one of the backend's own paths, however it is written: encoded once more,
// with dots, doubled slashes, backslashes, path parameters or other case. It is the second defence; the first is that the backend compares
// X-Pay-Token or checks the signature.
func (s *Site) IsPrivate(p string) bool {
	segments := cleanSegments(p)
	for _, pattern := range s.Private {
		if segmentsMatch(strings.Split(strings.Trim(pattern, "/"), "/"), segments) {
			return true
		}
	}
	return false
}

// cleanSegments reads a path as the most generous backend would.
func cleanSegments(p string) []string {
	for range 4 {
		decoded, err := url.PathUnescape(p)
		if err != nil || decoded == p {
			break
		}
		p = decoded
	}
	p = strings.ReplaceAll(p, `\`, "/")
	segments := strings.Split(p, "/")
	for i, s := range segments {
		s, _, _ = strings.Cut(s, ";")
		segments[i], _, _ = strings.Cut(s, "\x00")
	}
	cleaned := path.Clean("/" + strings.Join(segments, "/"))
	return strings.Split(strings.Trim(cleaned, "/"), "/")
}

// segmentsMatch compares segment by segment. A placeholder takes any one segment; what lies below the pattern is private too, since many
// backends pass the rest of a path on as an argument.
func segmentsMatch(pattern, segments []string) bool {
	if len(segments) < len(pattern) {
		return false
	}
	for i, want := range pattern {
		if !strings.Contains(want, "{") && !strings.EqualFold(want, segments[i]) {
			return false
		}
	}
	return true
}

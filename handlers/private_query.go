package handlers

import (
	"errors"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/caddypay/caddypay/handlers/percent"
)

// PrivatePath is one reading of a path of the backend's that is closed to the outside, with what lies below it. With fixed
// parameters it is closed only to requests that have them all: a shop's front controller is one path for everything.
type PrivatePath struct {
	path  string // {…} stands for a part of one segment
	fixed []parameter
	alone bool // what lies below it is open
}

// parameter is a query parameter that always has the same value when we call the backend.
type parameter struct {
	name  string // with {…} it is the route that some front controllers take for a query: /index.php?/pay/quote/{order_no}
	value string // {…} as in a path
	bare  bool   // has no value: it is enough that it is there
}

// PrivatePaths reads a path of the backend's, with its query, for what must be closed so that nobody else calls it. A path that stands
// for the whole site is an error.
func PrivatePaths(target string) ([]PrivatePath, error) {
	p, query, _ := strings.Cut(target, "?")
	p = path.Clean("/" + percent.Decode(p))
	fixed := fixedParameters(query)
	all := []PrivatePath{{path: p, fixed: fixed}}
	// Servers run a folder's index file for the folder, and most for whatever is not there.
	folder, last := withoutIndex(p)
	if folder != p {
		all = append(all, PrivatePath{path: folder, fixed: fixed, alone: last && len(fixed) == 0})
	}
	if last || p == "/" || hasSuffixFold(p, ".php") {
		for i, f := range fixed {
			// Frameworks take /index.php/pay/quote and /pay/quote for /index.php?s=/pay/quote.
			if route := f.route(); route != "" {
				all = append(all, PrivatePath{path: route, fixed: slices.Delete(slices.Clone(fixed), i, i+1)})
			}
		}
	}
	for _, private := range all {
		if !hasFixed(private.path) && len(private.fixed) == 0 {
			return nil, errWholeSite
		}
	}
	return all, nil
}

var errWholeSite = errors.New("it is closed to browsers, and nothing tells it apart from the rest of the site, which would be closed with it; " +
	"write a path of its own, like /pay_quote.php, or a query parameter with a fixed value, like /index.php?s=/pay/quote")

var indexFile = regexp.MustCompile(`^(?i:index|default)\.[A-Za-z0-9]+$`)

// withoutIndex leaves out index files, and reports whether the last segment was one.
func withoutIndex(p string) (folder string, last bool) {
	segments := strings.Split(p, "/")
	last = indexFile.MatchString(segments[len(segments)-1])
	return "/" + strings.TrimLeft(strings.Join(slices.DeleteFunc(segments, indexFile.MatchString), "/"), "/"), last
}

// hasFixed reports whether a segment of a pattern is more than a placeholder.
func hasFixed(pattern string) bool {
	for {
		var segment string
		if segment, pattern = nextSegment(pattern); segment == "" {
			return false
		}
		before, rest, placeholder := strings.Cut(segment, "{")
		_, after, _ := strings.Cut(rest, "}")
		if !placeholder || before+after != "" {
			return true
		}
	}
}

func fixedParameters(query string) (fixed []parameter) {
	for _, part := range strings.Split(query, "&") {
		name, value, named := readParameter(part)
		if named && hasFixed(value) || !named && hasFixed(name) {
			fixed = append(fixed, parameter{name, value, !named})
		}
	}
	return fixed
}

// route is the path that a front controller may take instead of the parameter; empty where its value is none.
func (f parameter) route() string {
	route := f.value
	if f.bare {
		route = f.name
	}
	if !strings.Contains(strings.Trim(route, "/"), "/") && !strings.HasPrefix(route, "/") {
		return ""
	}
	return route
}

// matches reports whether a request's path and query are what is closed; p is one reading of the path.
func (c *PrivatePath) matches(p, query string) bool {
	if !reaches(c.path, p) || c.alone && reaches(c.path+"/{below}", p) {
		return false
	}
	for _, f := range c.fixed {
		if !f.in(p, query) {
			return false
		}
	}
	return true
}

// in looks for the parameter wherever a backend may find it: as it stands in the query, whether it is repeated or not, between
// semicolons, and in what other names and values hold once they are decoded, since rewrites put a decoded path into a query.
func (f parameter) in(p, query string) bool {
	p = strings.TrimLeft(p, "/")
	if query == "" && !f.bare && !strings.Contains(p, "=") {
		return false // most requests
	}
	for part := range strings.SplitSeq(query, "&") {
		if f.is(readParameter(part)) {
			return true
		}
	}
	for _, part := range strings.FieldsFunc(p+"&"+percent.Decode(query), func(c rune) bool { return strings.ContainsRune("?&;#", c) }) {
		if f.is(readParameter(part)) {
			return true
		}
	}
	return false
}

func readParameter(part string) (name, value string, named bool) {
	name, value, named = strings.Cut(strings.ReplaceAll(part, "+", " "), "=")
	return percent.Decode(name), percent.Decode(value), named
}

func (f parameter) is(name, value string, named bool) bool {
	if f.bare {
		return sameName(f.name, name) || sameValue(f.name, name)
	}
	return named && sameName(f.name, name) && sameValue(f.value, value)
}

// sameName compares as the most lenient backend does: PHP writes _ for blanks and dots, and name[] is a list of that name.
func sameName(want, got string) bool { return strings.EqualFold(bareName(want), bareName(got)) }

var underscores = strings.NewReplacer(" ", "_", ".", "_")

func bareName(name string) string {
	name, _, _ = strings.Cut(name, "\x00")
	if i := strings.IndexByte(name, '['); i > 0 {
		name = name[:i]
	}
	return underscores.Replace(strings.TrimSpace(name))
}

// sameValue compares as a path, since most fixed values are one, and as a number where one is wanted.
func sameValue(want, got string) bool {
	got = strings.ReplaceAll(strings.TrimSpace(got), `\`, "/")
	for _, reading := range []string{got, withoutParameters(got)} {
		if reaches(want, reading) || strings.Contains(reading, "..") && reaches(want, path.Clean("/"+reading)) {
			return true
		}
	}
	n, err := strconv.ParseFloat(want, 64)
	if err != nil {
		return false
	}
	is, err := strconv.ParseFloat(leadingNumber.FindString(got), 64)
	return err == nil && is == n
}

// leadingNumber is what PHP reads of a text where it wants a number.
var leadingNumber = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?`)

package relay

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/caddypay/caddypay/redact"
)

const (
	judged     = 4 << 10  // bytes of the answer that are looked at
	drained    = 64 << 10 // bytes of the answer that are read at most
	snippetLen = 4 << 10  // bytes of the answer that are kept: whoever mends the backend reads them
	receiptLen = 512      // likewise of one that acknowledges: nearly every event has such a one
)

// verdict says whether an answer is a receipt.
type verdict struct {
	why    string // empty: it is one; else why not, in words for the operator
	detail string // what the backend's own text adds to why; goes to the ledger, never to a log
}

func (v verdict) ok() bool { return v.why == "" }

func refused(format string, args ...any) verdict { return verdict{why: fmt.Sprintf(format, args...)} }

// judge decides about an answer by its status, its header and the first bytes of its body. A receipt is a 2xx that is not
// an HTML page, since login and error pages come with 200 too, nor PHP's error message; what is expected besides is checked last.
func judge(status int, h http.Header, body []byte, expect Expect) verdict {
	switch {
	case status < 100 || status == 499:
		return refused("the request was broken off before your backend answered")
	case status >= 300 && status < 400:
		return judgeRedirect(status, h)
	case status < 200 || status > 299:
		return refused("your backend answered %d%s", status, hint(status))
	}
	if enc := strings.TrimSpace(h.Get("Content-Encoding")); enc != "" && !strings.EqualFold(enc, "identity") && len(body) > 0 {
		return refused("your backend answered %d but compressed its answer, which was asked for plain, in a way that cannot be unpacked; so it cannot be checked", status)
	}
	text := bytes.TrimLeftFunc(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), unicode.IsSpace)
	if isPage(text) {
		v := refused("your backend answered %d with an HTML page, such as a login or error page", status)
		if t := title(text); t != "" {
			v.detail = fmt.Sprintf("its title is %q", t)
		}
		return v
	}
	if isPHPError(text) {
		return refused("your backend answered %d with a PHP error message", status)
	}
	return expect.check(status, text)
}

func judgeRedirect(status int, h http.Header) verdict {
	to := ""
	if u, err := url.Parse(h.Get("Location")); err == nil { // without query, user or fragment: they may hold secrets
		to = printable([]byte(redact.Contacts((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String(), false)), 200)
	}
	if to == "" {
		return refused("your backend answered %d (a redirect is not a receipt)", status)
	}
	return refused("your backend answered %d to %s (a redirect is not a receipt)", status, to)
}

// hint says what usually lies behind a status.
func hint(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return ": does it compare X-Pay-Token with this site's backend_token?"
	case http.StatusNotFound:
		return ": does it serve the path that events names?"
	case http.StatusMethodNotAllowed:
		return ": does it take the method that events names?"
	case 419:
		return ": exempt the events path from its CSRF protection"
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return ": it is overloaded or down for maintenance"
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return ": the server behind it does not answer"
	}
	return ""
}

// pageTags are the elements that a page begins with. Small ones that decorate a line (b, a, p) are not among them: an old
// backend may well say <b>ok</b>.
var pageTags = []string{
	"html", "head", "body", "title", "meta", "link", "style", "script", "base", "noscript", "frameset", "iframe",
	"div", "h1", "center", "form", "table",
}

// isPage says whether a text starts like an HTML page, after any comments and XML declarations.
func isPage(text []byte) bool {
	for {
		rest, ok := skipProlog(text)
		if !ok {
			break
		}
		text = rest
	}
	if !bytes.HasPrefix(text, []byte("<")) {
		return false
	}
	name := bytes.ToLower(text[1:min(len(text), 32)])
	if bytes.HasPrefix(name, []byte("!doctype")) {
		return bytes.HasPrefix(bytes.TrimLeftFunc(name[len("!doctype"):], unicode.IsSpace), []byte("html"))
	}
	end := bytes.IndexFunc(name, func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') })
	if end < 0 {
		end = len(name)
	}
	for _, tag := range pageTags {
		if string(name[:end]) == tag {
			return true
		}
	}
	return false
}

func skipProlog(text []byte) ([]byte, bool) {
	for _, pair := range [][2]string{{"<!--", "-->"}, {"<?", "?>"}} {
		if !bytes.HasPrefix(text, []byte(pair[0])) {
			continue
		}
		if i := bytes.Index(text, []byte(pair[1])); i >= 0 {
			return bytes.TrimLeftFunc(text[i+len(pair[1]):], unicode.IsSpace), true
		}
	}
	return text, false
}

// phpErrors are the words with which PHP prints what ended a script.
var phpErrors = []string{"fatal error", "parse error", "recoverable fatal error", "catchable fatal error", "uncaught"}

// isPHPError recognises the form in which PHP prints, with status 200, what ended a script, where display_errors is on: at the start of a
// line, since warnings or the answer itself may stand before it; in HTML or not.
func isPHPError(text []byte) bool {
	for line := range bytes.SplitSeq(bytes.ReplaceAll(text, []byte("\r"), []byte("\n")), []byte("\n")) {
		line = afterMarkup(line)
		for _, words := range phpErrors {
			if len(line) < len(words) || !bytes.EqualFold(line[:len(words)], []byte(words)) {
				continue
			}
			if next, _ := utf8.DecodeRune(line[len(words):]); !unicode.IsLetter(next) || next == utf8.RuneError {
				return true
			}
		}
	}
	return false
}

// afterMarkup leaves out what stands before the words of a line: tags, PHP's name, and the mark that Xdebug draws.
func afterMarkup(line []byte) []byte {
	for {
		line = bytes.TrimLeftFunc(line, unicode.IsSpace)
		rest := line
		if bytes.HasPrefix(line, []byte("<")) {
			if end := bytes.IndexByte(line, '>'); end > 0 {
				rest = line[end+1:]
			}
		}
		rest = bytes.TrimPrefix(bytes.TrimPrefix(rest, []byte("( ! )")), []byte("PHP "))
		if len(rest) == len(line) {
			return line
		}
		line = rest
	}
}

// title returns the text of a page's title, "" if it has none in the bytes at hand.
func title(text []byte) string {
	lower := asciiLower(text)
	start := bytes.Index(lower, []byte("<title"))
	if start < 0 {
		return ""
	}
	open := bytes.IndexByte(lower[start:], '>')
	if open < 0 {
		return ""
	}
	start += open + 1
	end := bytes.Index(lower[start:], []byte("</title"))
	if end < 0 {
		return ""
	}
	return strings.TrimSpace(printable(text[start:start+end], 100))
}

// asciiLower is bytes.ToLower that never changes the length.
func asciiLower(text []byte) []byte {
	lower := bytes.Clone(text)
	for i, c := range lower {
		if c >= 'A' && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return lower
}

// printable returns the start of a text, at most limit bytes, fit to be shown: valid UTF-8, each run of white space and
// control characters as one space.
func printable(text []byte, limit int) string {
	var b strings.Builder
	space := false
	for len(text) > 0 && b.Len() < limit {
		c, size := utf8.DecodeRune(text)
		text = text[size:]
		if c == utf8.RuneError && size == 1 {
			c = '?'
		}
		if !unicode.IsPrint(c) {
			space = true
			continue
		}
		if c == ' ' {
			space = true
			continue
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		if b.Len()+utf8.RuneLen(c) > limit {
			break
		}
		b.WriteRune(c)
	}
	return strings.TrimRight(b.String(), " ")
}

package backend

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/caddypay/caddypay/redact"
)

// maxSaid is how much of a backend's refusal is read, and maxShown how much of that is shown; bytes.
const (
	maxSaid  = 2 << 10
	maxShown = 160
)

var markup = regexp.MustCompile(`(?s)<!--.*?-->|<[^>]*>`)

// TurnedAway says that the backend refused a call and with which words: its status alone tells a missing route from a missing order as little as
// a token that differs from a login page.
func TurnedAway(resp *http.Response, method, target string) error {
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxSaid)) // what there is of it
	said := strings.Join(strings.Fields(markup.ReplaceAllString(string(raw), " ")), " ")
	text := "with an empty body"
	if said != "" {
		text = "saying " + Excerpt([]byte(said), maxShown)
	}
	return fmt.Errorf("the backend answered %d%s to %s %s, %s", resp.StatusCode, location(resp), method, target, text)
}

// location is where a redirect points, without the query: it may hold a token.
func location(resp *http.Response) string {
	l, _, _ := strings.Cut(resp.Header.Get("Location"), "?")
	if l == "" {
		return ""
	}
	return " to " + Excerpt([]byte(l), 120)
}

var longWord = regexp.MustCompile(`[A-Za-z0-9_-]{16,}`)

// Excerpt shows the start of what the backend sent, without anybody's telephone number. Long words are cut short: they may be an openid or a token.
func Excerpt(raw []byte, most int) string {
	said := redact.Contacts(string(raw[:min(len(raw), most)]), len(raw) >= most)
	return strconv.Quote(longWord.ReplaceAllStringFunc(said, redact.ShortID))
}

package caddymodule

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/caddypay/caddypay/pingpp"
)

// nearest returns the one of words that somebody who wrote something else may have meant; "" when none is near.
func nearest(wrote string, words []string) string {
	best, least := "", 1+len(wrote)/3
	for _, word := range words {
		n := distance(strings.ToLower(wrote), word)
		if strings.HasPrefix(word, wrote) && len(wrote) > 2 { // cut short
			n = min(n, 1)
		}
		if n < least || n == least && best == "" {
			best, least = word, n
		}
	}
	return best
}

// meant says what may be behind an option that is not allowed; nothing where that cannot be guessed.
func meant(wrote string, allowed []string) string {
	if slices.Contains(directives, wrote) {
		return " (it is a directive of Caddy: is a } missing above?)"
	}
	if near := nearest(wrote, allowed); near != "" && distance(strings.ToLower(wrote), near) <= 1 {
		return " (did you mean " + near + "?)"
	}
	return ""
}

// directives are those that stand beside ours in a site. Caddy lists them to nobody.
var directives = []string{"abort", "basic_auth", "bind", "encode", "error", "file_server", "forward_auth", "handle", "handle_errors", "handle_path", "header", "invoke", "log",
	"log_append", "log_skip", "map", "method", "pay", "pay_console", "pay_sandbox", "php_fastcgi", "redir", "request_body", "request_header", "respond", "reverse_proxy", "rewrite",
	"root", "route", "templates", "tls", "try_files", "uri", "vars", "wechat_auth"}

// distance is how many letters must be put in, taken out or changed to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// checkEventType finds types that never come: events would be recorded and never delivered.
func checkEventType(t string) error {
	known := append(pingpp.EventTypes(), "refund.failed") // ours, made when a refund turns out to have failed
	if slices.Contains(known, t) {
		return nil
	}
	if near := nearest(t, known); near != "" {
		return fmt.Errorf("there is no event %.60q at Ping++; write %s", t, near)
	}
	return fmt.Errorf("there is no event %.60q at Ping++; leave types out for all, or write some of %s", t, strings.Join(known, ", "))
}

var (
	inBrackets = regexp.MustCompile(`\[['"]?([^'"\]]*)['"]?\]`)
	indexed    = regexp.MustCompile(`^[^#(@|{\\\[]+\[[^\]]*\]`) // data.goods[0]: no query, modifier or escape of ours stands before
)

// checkJSONPath finds paths in JSONPath's or JavaScript's syntax, which would find nothing in ours.
func checkJSONPath(path string) error {
	rest, dollar := strings.CutPrefix(path, "$")
	dollar = dollar && (rest == "" || rest[0] == '.' || rest[0] == '[')
	if !dollar && !indexed.MatchString(path) {
		return nil
	}
	if !dollar {
		rest = path
	}
	ours := strings.TrimLeft(inBrackets.ReplaceAllString(rest, ".$1"), ".")
	if ours == "" || strings.ContainsAny(ours, "*?") {
		ours = "data.amount"
	}
	return fmt.Errorf("%.60q is JSONPath, and paths here have no $ and no brackets; write %s", path, ours)
}

package relay

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestJudgePages(t *testing.T) {
	tests := []struct {
		body string
		page bool
	}{
		{"<!doctype html>", true},
		{"\xef\xbb\xbf\r\n <!DOCTYPE\n HTML PUBLIC", true},
		{"<html>", true},
		{"<HTML lang=zh>", true},
		{"<head/>", true},
		{"<body\n", true},
		{"<title>x", true},
		{"<!-- cached --> <!-- by proxy --><html>", true},
		{"<?xml version=\"1.0\"?>\n<!DOCTYPE html>", true},
		{"<h1>404 Not Found</h1>", true},
		{"<script>location='/login'</script>", true},
		{"<br />\n<b>Fatal error</b>:  Uncaught Error", true},
		{"<b>Parse error</b>: syntax error", true},
		{"<br />\n<b>Notice</b>: Undefined index\nsuccess", false},
		{"", false},
		{"<", false},
		{"<!--", false},
		{"<b>ok</b>", false},
		{"<xml><return_code>SUCCESS</return_code></xml>", false},
		{"<?xml version=\"1.0\"?><ok/>", false},
		{"<!DOCTYPE xml>", false},
		{"<htmlx>", false},
		{"<headline>", false},
		{"success <html>", false},
		{`{"html":"<html>"}`, false},
		{"Fatal error", false},
	}
	for _, tt := range tests {
		if v := judge(200, nil, []byte(tt.body), ""); v.ok() == tt.page {
			t.Errorf("%q: %+v", tt.body, v)
		}
	}
}

func TestJudgeStatuses(t *testing.T) {
	for status := range 1000 {
		want := status >= 200 && status <= 299
		if v := judge(status, nil, []byte("success"), "success"); v.ok() != want {
			t.Errorf("%d: %+v", status, v)
		}
	}
}

func TestJudgeRedirects(t *testing.T) {
	tests := map[string]string{
		"":                                    "answered 302 (a redirect",
		"/login":                              "answered 302 to /login (a redirect",
		"https://u:p@sso.example/x?token=t#f": "answered 302 to https://sso.example/x (a redirect",
		"/a\x00b":                             "answered 302 (a redirect",
		"%zz":                                 "answered 302 (a redirect",
		"/" + strings.Repeat("a", 999):        "answered 302 to /" + strings.Repeat("a", 199) + " (a",
	}
	for location, want := range tests {
		v := judge(302, http.Header{"Location": {location}}, nil, "")
		if v.ok() || !strings.Contains(v.why, want) {
			t.Errorf("%q: %q", location, v.why)
		}
	}
}

func TestPrintable(t *testing.T) {
	tests := map[string]string{
		"":                        "",
		" a\r\n\tb \x1b[31m":      "a b [31m",
		"订单\xff":                  "订单?",
		strings.Repeat("订", 9):    "订订订",
		"0123456789abc":           "0123456789",
		"a\u202eb\u2028c\u00a0d":  "a b c d",
		strings.Repeat(" ", 5000): "",
	}
	for in, want := range tests {
		if got := printable([]byte(in), 10); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// What counts as delivered is never tried again, so the judgement must not be talked into it.
func FuzzJudge(f *testing.F) {
	f.Add(200, "", "", "success", "success")
	f.Add(200, "", "", "\xef\xbb\xbf <!DOCTYPE html><title>Log in</title>", "")
	f.Add(302, "/login?x=1", "", "<html>", "")
	f.Add(200, "", "gzip", "\x1f\x8b", "")
	f.Add(0, "", "", "success", "success")
	f.Add(200, "", "", "<TITLE\u0130>\u0130</title><!-- <html>", "ok")
	f.Add(503, ":", "", "", "")
	f.Fuzz(func(t *testing.T, status int, location, encoding, body, expect string) {
		h := http.Header{"Location": {location}, "Content-Encoding": {encoding}}
		v := judge(status, h, []byte(body), expect)
		for _, s := range []string{v.why, v.detail} {
			if strings.ContainsAny(s, "\r\n\x00\x1b") {
				t.Errorf("unprintable diagnosis %q", s)
			}
		}
		if snippet := printable([]byte(body), snippetLen); len(snippet) > snippetLen || !utf8.ValidString(snippet) {
			t.Errorf("snippet %q", snippet)
		}
		if !v.ok() {
			return
		}
		text := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(body, "\xef\xbb\xbf")))
		if status < 200 || status > 299 || strings.HasPrefix(text, "<html>") || strings.HasPrefix(text, "<!doctype html") {
			t.Errorf("%d %q counts as delivered", status, body)
		}
		if want := strings.TrimSpace(expect); expect != "" && !strings.EqualFold(strings.TrimSpace(strings.TrimPrefix(body, "\xef\xbb\xbf")), want) {
			t.Errorf("%q counts as %q", body, expect)
		}
	})
}

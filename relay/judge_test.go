package relay

import (
	"encoding/json"
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
		{"Fatal error: Uncaught Error: Call to undefined function pay() in /www/pay.php:3", true},
		{"PHP Fatal error:  Uncaught Exception", true},
		{"\nParse error: syntax error, unexpected end of file in /www/pay.php on line 9\n", true},
		{"Recoverable fatal error: Object of class X", true},
		{"Catchable fatal error: Argument 1", true},
		{"<br />\n<b>Warning</b>:  x in <b>/www/pay.php</b> on line <b>3</b><br />\n<br />\n<b>Fatal error</b>:  Uncaught Error", true},
		{"\nWarning: x in /www/pay.php on line 3\n\nFatal error: Uncaught Error", true},
		{"success\n<br />\n<b>Fatal error</b>:  Maximum execution time of 30 seconds exceeded", true},
		{"{\"code\":0}\r\nFatal error: Allowed memory size of 134217728 bytes exhausted", true},
		{"Uncaught Error: Class 'Order' not found", true},
		{"<br />\n<font size='1'><table class='xdebug-error xe-uncaught-exception' dir='ltr'>\n<tr><th align='left' bgcolor='#f57900' colspan=\"5\"><span>( ! )</span> Fatal error: Uncaught", true},
		{"<pre>Fatal error", true},
		{"FATAL ERROR", true},
		{"<br />\n<b>Notice</b>: Undefined index\nsuccess", false},
		{"{\n  \"message\": \"Fatal error\",\n  \"Uncaught\": 0\n}", false},
		{"no Fatal error", false},
		{"success, Fatal error: none", false},
		{"Uncaughtable", false},
		{"Warning: Uncaught", false},
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
		{"Fatal error", true},
	}
	for _, tt := range tests {
		if v := judge(200, nil, []byte(tt.body), Expect{}); v.ok() == tt.page {
			t.Errorf("%q: %+v", tt.body, v)
		}
	}
}

func TestJudgeStatuses(t *testing.T) {
	for status := range 1000 {
		want := status >= 200 && status <= 299
		if v := judge(status, nil, []byte("success"), Expect{Body: "success"}); v.ok() != want {
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
		v := judge(302, http.Header{"Location": {location}}, nil, Expect{})
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
	f.Add(200, "", "", "success\nFatal error: x", "")
	f.Add(200, "", "", "<xml><return_code><![CDATA[SUCCESS]]></return_code><result_code>FAIL</result_code></xml>", "success")
	f.Add(200, "", "", `{"code":0,"a":{"b":"ok"}}`, "0")
	f.Add(200, "", "", "\xef\xbb\xbf <!DOCTYPE html><title>Log in</title>", "")
	f.Add(302, "/login?x=1", "", "<html>", "")
	f.Add(200, "", "gzip", "\x1f\x8b", "")
	f.Add(0, "", "", "success", "success")
	f.Add(200, "", "", "<TITLE\u0130>\u0130</title><!-- <html>", "ok")
	f.Add(503, ":", "", "", "")
	f.Fuzz(func(t *testing.T, status int, location, encoding, body, expect string) {
		h := http.Header{"Location": {location}, "Content-Encoding": {encoding}}
		v := judge(status, h, []byte(body), Expect{Body: expect})
		member := judge(status, h, []byte(body), Expect{Path: "code", Values: []string{expect}})
		var answer map[string]any
		if err := json.Unmarshal([]byte(strings.TrimPrefix(body, "\xef\xbb\xbf")), &answer); member.ok() && (err != nil || answer["code"] == nil && !strings.EqualFold(strings.TrimSpace(expect), "null")) {
			t.Errorf("%q has a code that is %q", body, expect)
		}
		for _, s := range []string{v.why, v.detail, member.detail} {
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
		if want := strings.ToLower(strings.TrimSpace(expect)); expect != "" && utf8.ValidString(want) && !strings.ContainsAny(body, "\\&") && !strings.Contains(text, want) {
			t.Errorf("%q counts as %q", body, expect)
		}
	})
}

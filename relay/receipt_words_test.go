package relay

import (
	"net/http"
	"strings"
	"testing"
)

// What lies behind a status is said in words, where people look for it.
func TestJudgeSaysWhatLiesBehind(t *testing.T) {
	for status, words := range map[int]string{
		401: "X-Pay-Token", 403: "X-Pay-Token", 404: "the path that events names", 405: "the method that events names", 419: "CSRF", 429: "overloaded", 503: "overloaded",
		502: "behind it", 504: "behind it", 499: "broken off before your backend answered", 0: "broken off before your backend answered", 301: "a redirect is not a receipt", 500: "answered 500",
	} {
		if v := judge(status, http.Header{}, nil, Expect{}); !strings.Contains(v.why, words) {
			t.Errorf("%d: %q does not say %q", status, v.why, words)
		}
	}
}

// Lines may end as on old Macs, and an element that stands twice says nothing, whichever comes first.
func TestReceiptsThatAreNone(t *testing.T) {
	for text, expect := range map[string]Expect{
		"success\rFatal error: Uncaught Error in /www/pay.php":                           {},
		"success\rPHP Parse error: syntax error":                                         {},
		"<xml><return_code>FAIL</return_code><return_code>SUCCESS</return_code></xml>":   {Body: "success"},
		"<xml><return_code>SUCCESS</return_code><return_code>FAIL</return_code></xml>":   {Body: "success"},
		"<xml><return_code></return_code><return_code>SUCCESS</return_code></xml>":       {Body: "success"},
		"<xml><result_code>FAIL</result_code><return_code>SUCCESS</return_code></xml>":   {Body: "success"},
		"<xml><result_code/><return_code>SUCCESS</return_code><x>SUCCESS</x></xml>":      {Body: "success"},
		"{\"code\":\"0 \",\"data\":\"success\"}\rCatchable fatal error: Argument 1 is 0": {Path: "code", Values: []string{"0"}},
	} {
		if v := judge(200, http.Header{}, []byte(text), expect); v.ok() {
			t.Errorf("%q is a receipt", text)
		}
	}
}

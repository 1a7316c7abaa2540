package relay

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// Of an answer that acknowledges nothing its first 4 KiB are kept, whatever its status: the cause of an error stands at the end of a long line more
// often than at its beginning.
func TestAnswersAreKept(t *testing.T) {
	trace := "PHP Fatal error: " + strings.Repeat("#0 /www/pay.php ", 200) + "SQLSTATE[HY000]" // more than 3 KiB
	for name, tt := range map[string]struct {
		status int
		expect Expect
		want   string
		most   int
	}{
		"an error":               {http.StatusInternalServerError, Expect{}, "SQLSTATE[HY000]", 4 << 10},
		"not what was expected":  {http.StatusOK, Expect{Body: "success"}, "SQLSTATE[HY000]", 4 << 10},
		"expected within 64 KiB": {http.StatusOK, Expect{Path: "code", Values: []string{"0"}}, "SQLSTATE[HY000]", 4 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			d, logged := outcome(t, newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, trace+strings.Repeat("x", 8<<10))
			}), func(c *Config) { c.Expect = tt.expect })
			if !strings.Contains(d.Snippet, tt.want) || len(d.Snippet) != tt.most {
				t.Errorf("%d bytes are kept: %.60q", len(d.Snippet), d.Snippet)
			}
			if strings.Contains(logged, "SQLSTATE") {
				t.Error("the answer is in the log")
			}
		})
	}
}

// A telephone number in the backend's answer is neither kept nor logged, in whatever form it stands there, and wherever the answer ends.
func TestAnswersHideContacts(t *testing.T) {
	const number = "13800001234"
	const express = `{"pay_shipping":{"type":"express","items":"Tea","parcels":[{"company":"SF","tracking_no":"SF1","contact":`
	for name, tt := range map[string]struct {
		status       int
		expect       Expect
		answer, want string // want is how the kept part ends
	}{
		"a string":        {answer: express + `"` + number + `"}]}}`, want: `"contact":"…"}]}}`},
		"a bare number":   {answer: express + number + `}]}}`, want: `"contact":"…"}]}}`},
		"at the limit":    {answer: `{"a":"` + strings.Repeat("x", 495) + `",` + number + `}`, want: `x","138****1`},
		"an error":        {status: 500, answer: "no user " + number, want: "no user 138****1234"},
		"who is not let":  {status: 403, answer: "not for " + number, want: "not for 138****1234"},
		"no end":          {status: 500, answer: strings.Repeat("x", 4080) + ` call ` + number + " or " + number, want: `x call …`},
		"not as expected": {expect: Expect{Path: "who", Values: []string{"0"}}, answer: `{"who":"` + number + `"}`, want: `{"who":"138****1234"}`},
		"a page":          {answer: `<title>No user ` + number + `</title>`, want: `<title>No user 138****1234</title>`},
		"a redirect":      {status: 302, answer: "see /users/" + number, want: "see /users/138****1234"},
	} {
		t.Run(name, func(t *testing.T) {
			d, logged := outcome(t, newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/users/"+number)
				w.WriteHeader(max(tt.status, http.StatusOK))
				_, _ = io.WriteString(w, tt.answer)
			}), func(c *Config) { c.Expect = tt.expect })
			if !strings.HasSuffix(d.Snippet, tt.want) {
				t.Errorf("kept is …%s, want …%s", d.Snippet[max(0, len(d.Snippet)-80):], tt.want)
			}
			if kept := d.Snippet + d.Error + logged; strings.Contains(kept, "1380000") {
				t.Errorf("the number can be read in %s", kept)
			}
		})
	}
}

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

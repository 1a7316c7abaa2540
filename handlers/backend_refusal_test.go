package handlers

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/zap/zapcore"
)

// A backend that turns a quote away says so in the log as an error, with what it was asked and its first words, but nobody's token; a flood of
// that does not bury other errors.
func TestRefusedQuoteSaysWhy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session := w.session(payer)
	errorLines := func() (lines []string) {
		for _, entry := range w.logs.TakeAll() {
			for _, field := range entry.Context {
				if err, ok := field.Interface.(error); ok && entry.Level == zapcore.ErrorLevel {
					lines = append(lines, err.Error())
				}
			}
		}
		return lines
	}
	refuse := func(status int) {
		w.setQuote(func(rw http.ResponseWriter, _ *http.Request) {
			rw.WriteHeader(status)
			io.WriteString(rw, "<html><title>No route</title><body class=x>not routed, token tok_0123456789abcdefghij</body></html>")
		})
		w.pay(session, "1001")
	}
	for status, advice := range map[int]string{401: "compare X-Pay-Token", 403: "compare X-Pay-Token", 404: "is the path of orders another?", 400: "200 with the order"} {
		errorLines()
		refuse(status)
		lines := errorLines()
		if len(lines) != 1 {
			t.Fatalf("%d: %d error lines: %q", status, len(lines), lines)
		}
		for _, want := range []string{fmt.Sprint("the backend answered ", status), " to GET ", "1001", `saying "No route not routed, token`, advice} {
			if !strings.Contains(lines[0], want) {
				t.Errorf("%d: %q does not say %q", status, lines[0], want)
			}
		}
		if strings.Contains(lines[0], "0123456789abcdefghij") {
			t.Errorf("it tells a token: %s", lines[0])
		}
	}
	for range 20 {
		refuse(404)
	}
	if n := len(errorLines()); n > 5 {
		t.Errorf("a flood wrote %d error lines", n)
	}
}

package relay

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// A backend that turns events away is an error in the log at the first attempt, with what it was asked and its first words, but nobody's token;
// the record says it too.
func TestTurnedAwaySaysWhy(t *testing.T) {
	for _, status := range []int{401, 403, 404} {
		b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, "no such controller, token tok_0123456789abcdefghij\x1b[2J")
		})
		const asked = "POST /internal/pay/events"
		d, logged := outcome(t, b, nil)
		for _, want := range []string{`"level":"error"`, `"asked":"` + asked + `"`, `"answer":"no such controller, token tok_01`} {
			if !strings.Contains(logged, want) {
				t.Errorf("%d: the log does not say %s: %s", status, want, logged)
			}
		}
		if strings.Contains(logged, "0123456789abcdefghij") || strings.Contains(logged, "x1b") || strings.Contains(logged, "u001b") {
			t.Errorf("%d: the log tells too much: %s", status, logged)
		}
		if !strings.Contains(d.Error, "it was asked "+asked) || !strings.HasPrefix(d.Snippet, "no such controller") {
			t.Errorf("%d: recorded %q, %q", status, d.Error, d.Snippet)
		}
	}
}

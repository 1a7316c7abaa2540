package backend

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// What the backend says as it refuses is shown and logged: without anybody's telephone number, also one that is cut off.
func TestTurnedAwayShowsNoContact(t *testing.T) {
	for name, said := range map[string]string{
		"words":   "<p>no user 13800001234</p>",
		"JSON":    `{"mobile":13800001234}`,
		"cut off": strings.Repeat("x ", 75) + "call 13800001234",
	} {
		t.Run(name, func(t *testing.T) {
			resp := &http.Response{StatusCode: 302, Header: http.Header{"Location": {"/users/13800001234"}}, Body: io.NopCloser(strings.NewReader(said))}
			if text := TurnedAway(resp, "GET", "/orders/1").Error(); strings.Contains(text, "13800") || !strings.Contains(text, "answered 302") {
				t.Error(text)
			}
		})
	}
}

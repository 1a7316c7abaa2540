package handlers

import (
	"encoding/json"
	"net/http"
	"testing"
)

// answer is what came back, read whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) field(name string) any {
	var members map[string]any
	_ = json.Unmarshal(a.body, &members)
	return members[name]
}

func (a answer) text(name string) string {
	s, _ := a.field(name).(string)
	return s
}

// wantProblem checks an error answer whole.
func wantProblem(t testing.TB, a answer, status int, code string) {
	t.Helper()
	if a.status != status || a.text("code") != code {
		t.Errorf("answered %d %s, want %d %s", a.status, a.body, status, code)
		return
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("%s: Content-Type %q", code, got)
	}
	if a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: Cache-Control %q", code, a.header.Get("Cache-Control"))
	}
	if a.field("status") != float64(status) || a.text("title") == "" || a.text("detail") == "" {
		t.Errorf("%s: not a whole problem: %s", code, a.body)
	}
}

package handlers

import "testing"

// The server's own line shows the headers of a request: one that carries a session gets a line of ours instead, whatever it asks for.
func TestSessionLogLine(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	before := w.skipped.Load()
	w.do("GET", "/pay/charges/ch_1", "", "X-Pay-Session", session)
	w.do("GET", "/pay/nowhere", "", "X-Pay-Session", session)
	w.do("GET", "/pay/nowhere", "")
	if n := w.skipped.Load() - before; n != 2 {
		t.Errorf("%d requests kept out of the server's log, want 2", n)
	}
	if lines := w.logs.FilterMessage("handled request").All(); len(lines) != 3 || lines[2].ContextMap()["path"] != "/pay/nowhere" {
		t.Errorf("our lines: %v", lines)
	}
}

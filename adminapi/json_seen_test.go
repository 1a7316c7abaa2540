package adminapi

import (
	"encoding/json"
	"testing"
	"time"
)

// Scripts and pages read these names: a change of one is a change of the product.
func TestSeenJSONIsStable(t *testing.T) {
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for want, v := range map[string]any{
		`{"since":"2026-11-26T12:00:00Z","refused":[],"backends":[]}`: Seen{Since: at, Refused: []RefusedView{}, Backends: []BackendView{}},
		`{"site":"s","app":"a","mode":"live","reason":"wrong_key","count":2,"last":"2026-11-26T12:00:00Z","text":"t","fix":"f"}`: RefusedView{
			Site: "s", App: "a", Mode: "live", Reason: "wrong_key", Count: 2, Last: at, Text: "t", Fix: "f"},
		`{"app":"a","mode":"live","events":"e","state":"unknown","today":0,"today_acknowledged":0}`: BackendView{App: "a", Mode: "live", Events: "e", State: BackendUnknown},
		`{"app":"a","mode":"live","events":"e","state":"unreachable","since":"2026-11-26T12:00:00Z","next_probe":"2026-11-26T12:00:00Z","last":"2026-11-26T12:00:00Z","status":502,"why":"w","today":3,"today_acknowledged":1}`: BackendView{
			App: "a", Mode: "live", Events: "e", State: BackendUnreachable, Since: at, NextProbe: at, Last: at, Status: 502, Why: "w", Today: 3, TodayAcknowledged: 1},
	} {
		if got := string(must(json.Marshal(v))); got != want {
			t.Errorf("%T is\n%s\nwant\n%s", v, got, want)
		}
	}
}

package handlers

import (
	"bytes"
	"net/http"
	"regexp"
	"testing"
	"time"
)

var timeExpire = regexp.MustCompile(`"time_expire":\d+`)

// A charge whose time_expire Ping++ leaves null is neither one of 1970 nor an expired one.
func TestNoTimeExpire(t *testing.T) {
	w := newWorld(t)
	w.between(func(_ *http.Request, answer []byte) []byte {
		return timeExpire.ReplaceAll(answer, []byte(`"time_expire":null`))
	})
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	if c := w.attempts("1001")[0]; !c.TimeExpire.IsZero() || !c.Lapses().Equal(w.clock.Now().Add(24*time.Hour)) {
		t.Errorf("expires %v, lapses %v", c.TimeExpire, c.Lapses())
	}
	a := w.charge(session, id, "")
	if !bytes.Contains(a.body, []byte(`"time_expire":null`)) || a.text("status") != "created" {
		t.Errorf("its payer sees %s", a.body)
	}
	if a := w.pay(session, "1001"); a.status != http.StatusOK || a.text("id") != id {
		t.Errorf("not handed out again: %d %s", a.status, a.body)
	}
	w.clock.Add(24 * time.Hour)
	session = w.session(payer)
	if a := w.charge(session, id, ""); a.text("status") != "expired" {
		t.Errorf("a day later: %s", a.body)
	}

	w.setQuote(w.answerQuote(map[string]any{"time_expire": w.clock.Now().Add(time.Hour).Unix()}))
	w.created(session, "1002")
	if c := w.attempts("1002")[0]; !c.TimeExpire.Equal(w.clock.Now().Add(time.Hour)) {
		t.Errorf("sent with an expiry: %v", c.TimeExpire)
	}
}

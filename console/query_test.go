package console

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A list of orders whose outcome is not known leads to a question about all of them: a preview, a form without a reason that is needed, and a page that follows it.
func TestQueryByFilter(t *testing.T) {
	s := newShop(t, Config{})
	s.charge("Q1", 1000, time.Minute)
	s.charge("Q2", 2000, 2*time.Minute)
	s.charge("Q3", 4000, 50*time.Hour)
	s.order("P1", 1000, 1000, time.Hour)
	s.get("orders?status=created").want(t, http.StatusOK, "act?action=query&amp;state=created", "Ask Ping++")
	s.get("orders?status=expired&since=2026-01-01").want(t, http.StatusOK, "act?action=query&amp;since=2026-01-01&amp;state=expired")
	for _, list := range []string{"orders?status=paid", "orders?status=created&channel=wx_lite", "orders"} {
		if page := s.get(list); strings.Contains(page.body, "act?action") {
			t.Errorf("%s can be acted on", list)
		}
	}
	s.get("orders").want(t, http.StatusOK, "To ask Ping++ about all that match")
	s.get("act?action=query&state=paid").want(t, http.StatusOK, `href="order?order_no=P1"`, "its outcome is known already")
	page := s.get("act?action=query&state=created")
	page.want(t, http.StatusOK, "¥30.00", "Orders a second", "Reason (may be empty)")
	form := url.Values{}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([a-z_]+)" value="([^"]*)">`).FindAllStringSubmatch(page.body, -1) {
		form.Add(m[1], html.UnescapeString(m[2]))
	}
	s.charge("Q9", 9000, 0) // not among those that were shown
	begun := s.post("begin", form)
	begun.want(t, http.StatusSeeOther)
	got := []string{<-s.inTurn, <-s.inTurn}
	if want := []string{scope.Key() + " Q1", scope.Key() + " Q2"}; !slices.Equal(got, want) {
		t.Errorf("asked about %q, want %q", got, want)
	}
	run := begun.header.Get("Location")
	for deadline := time.Now().Add(time.Minute); !strings.Contains(s.get(run).body, "2 / 2"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(s.get(run).body)
		}
	}
	s.get("runs").want(t, http.StatusOK, run, "Ask Ping++")
}

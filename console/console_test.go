package console

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/ledger"
)

func (a answer) want(t *testing.T, status int, texts ...string) {
	t.Helper()
	if a.status != status {
		t.Fatalf("answered %d, want %d: %s", a.status, status, a.body)
	}
	for _, text := range texts {
		if !strings.Contains(html.UnescapeString(a.body), html.UnescapeString(text)) {
			_, main, _ := strings.Cut(a.body, "<main")
			t.Errorf("%q is missing in\n%s", text, main)
		}
	}
}

// Money at risk comes first, with what to do.
func TestFrontPage(t *testing.T) {
	s := newShop(t, Config{})
	s.get("").want(t, http.StatusOK, "¥0.00", "acknowledged every payment")
	s.open()
	page := s.get("")
	// dead 128.00, pending 66.00, held 1.00
	page.want(t, http.StatusOK, "¥195.00", "3 payments", "act?action=replay&amp;app=app_1Gqj58ynP0mHeX1q&amp;mode=live&amp;state=dead", "Money at risk")
	if strings.Index(page.body, "Money at risk") > strings.Index(page.body, "Today") {
		t.Error("money at risk is not first")
	}
	s.get("", "Accept-Language", "zh-CN,zh;q=0.9,en;q=0.8").want(t, http.StatusOK, `lang="zh-CN"`, "风险资金")
}

// The one search leads to the order's page by every kind of name.
func TestSearchLeadsToTheOrder(t *testing.T) {
	s := newShop(t, Config{})
	event := s.order("20261126200001", 12800, 12800, time.Minute, ledger.Pending, ledger.Dead)
	for _, name := range []string{"20261126200001", "2026112620000100", "ch_2026112620000100", event, "4200020261126200001", " 20261126200001\u00a0"} {
		a := s.get("find?q=" + url.QueryEscape(name))
		if a.status != http.StatusSeeOther || a.header.Get("Location") != "order?app=app_1Gqj58ynP0mHeX1q&mode=live&order_no=20261126200001" {
			t.Errorf("%q: %d %s", name, a.status, a.header.Get("Location"))
		}
	}
	s.get("order?app=app_1Gqj58ynP0mHeX1q&mode=live&order_no=20261126200001").want(t, http.StatusOK,
		"your backend answered 302 to /login", "&lt;script&gt;alert(1)&lt;/script&gt;", "48.2 ms", "HTTP 302", "¥128.00", event, "+08:00")
	s.get("find?q=nobody").want(t, http.StatusNotFound, "Nothing here goes by that name")
	s.post("query", url.Values{"app": {scope.App}, "mode": {"live"}, "order_no": {"20261126200001"}}).want(t, http.StatusSeeOther)
	if !slices.Equal(*s.asked, []string{scope.Key() + " 20261126200001"}) {
		t.Errorf("Ping++ was asked about %q", *s.asked)
	}
}

// An attempt that found the backend unreachable does not count: the page of the event and that of its order say so, instead of two first attempts.
func TestUncountedAttempts(t *testing.T) {
	s := newShop(t, Config{})
	id := s.order("A1", 500, 500, time.Hour)
	for i := range 2 {
		now := time.Now().Add(time.Duration(i) * time.Hour)
		must(s.ledger.Claim(t.Context(), ledger.Claim{Scope: scope, Owner: "relay", Now: now, Until: now.Add(time.Minute), Limit: 1}))
		d := ledger.Delivery{Scope: scope, EventID: id, Attempt: 1, At: now, State: ledger.Pending, Uncounted: true, Due: now, Error: "connection refused"}
		if i == 1 {
			d.Status, d.Uncounted, d.State, d.Due, d.Error = 200, false, ledger.Delivered, time.Time{}, ""
		}
		if err := s.ledger.Settle(t.Context(), "relay", d); err != nil {
			t.Fatal(err)
		}
	}
	for _, page := range []string{"event?id=" + id, "order?order_no=A1"} {
		for lang, says := range map[string]string{"en": "not counted", "zh": "不计次数"} {
			a := s.get(page, "Accept-Language", lang)
			a.want(t, http.StatusOK, `<span class="tag">`+says+"</span>")
			if n := strings.Count(a.body, says); n != 1 {
				t.Errorf("%s in %s says it %d times of 2 attempts", page, lang, n)
			}
		}
	}
}

// Every list turns its pages to the end, also over pages on which nothing fits, and says what it leaves out.
func TestListsGoOn(t *testing.T) {
	s := newShop(t, Config{})
	s.open()
	next := regexp.MustCompile(`rel="next" href="([^"]+)"`)
	for name, want := range map[string]int{"orders": 64, "charges": 64, "events": 63, "events?state=delivered": 60, "orders?status=paid": 62} {
		rows, pages, at := 0, 0, name
		for ; at != "" && pages < 50; pages++ {
			page := s.get(at)
			page.want(t, http.StatusOK)
			rows += strings.Count(page.body, "<tr>") - min(1, strings.Count(page.body, "<thead>"))
			at = ""
			if m := next.FindStringSubmatch(page.body); m != nil {
				at = strings.ReplaceAll(m[1], "&amp;", "&")
			}
		}
		if rows != want || pages < 2 {
			t.Errorf("%s: %d rows on %d pages, want %d", name, rows, pages, want)
		}
	}
	s.get("events?state=dead&since=2026-01-02").want(t, http.StatusOK, "State: dead", "From day: 2026-01-02")
}

// empty is a desk whose first page has nothing, and yet there is more.
type empty struct{ Desk }

func (e empty) Events(ctx context.Context, q adminapi.EventQuery) (*adminapi.EventPage, error) {
	if q.Cursor == "" {
		return &adminapi.EventPage{Listing: adminapi.Listing{Next: "more"}}, nil
	}
	return nil, errors.New("the ledger is gone")
}

// A page on which nothing fits leads on, and a file whose later pages cannot be read breaks off instead of looking whole.
func TestNothingIsCutSilently(t *testing.T) {
	s := newShop(t, Config{Desk: empty{}})
	s.get("events?state=dead").want(t, http.StatusOK, "the search can go on", "cursor=more", "data-none")
	resp, err := s.plain.Get(s.url + "events.csv")
	if err == nil {
		defer resp.Body.Close()
		_, err = io.ReadAll(resp.Body)
	}
	if err == nil {
		t.Error("the file looks whole")
	}
}

// An event is decided about by forms alone: a reason is asked where one is needed, what was delivered asks again, and who it was is in the log.
func TestDecisions(t *testing.T) {
	s := newShop(t, Config{Said: "mark's laptop"})
	dead := s.order("A1", 500, 500, time.Hour, ledger.Dead)
	held := s.order("A2", 500, 400, time.Hour)
	done := s.order("A3", 500, 500, time.Hour, ledger.Delivered)
	form := func(id, action string, more ...string) url.Values {
		v := url.Values{"id": {id}, "app": {scope.App}, "mode": {"live"}, "action": {action}}
		for i := 0; i < len(more); i += 2 {
			v.Set(more[i], more[i+1])
		}
		return v
	}
	s.get("event?id="+held).want(t, http.StatusOK, "¥4.00", "¥5.00", `value="release"`)
	s.post("decide", form(dead, "replay")).want(t, http.StatusSeeOther)
	s.post("decide", form(held, "release")).want(t, http.StatusBadRequest, "a reason is missing")
	s.post("decide", form(held, "release", "reason", "paid the rest in cash")).want(t, http.StatusSeeOther)
	s.post("decide", form(done, "replay", "reason", "lost <it>")).want(t, http.StatusConflict, "acknowledged it already", `name="again" value="1"`, `value="lost &lt;it&gt;"`)
	if s.state(done) != ledger.Delivered {
		t.Error("it is delivered again unasked")
	}
	s.post("decide", form(done, "replay", "again", "1")).want(t, http.StatusSeeOther)
	for _, id := range []string{dead, held, done} {
		if s.state(id) != ledger.Pending {
			t.Errorf("%s is %s", id, s.state(id))
		}
	}
	s.get("audit").want(t, http.StatusOK, "mark", "mark&#39;s laptop", "paid the rest in cash", held)
}

// An action by filter is previewed, begun by a form, and followed on its page.
func TestActionByFilter(t *testing.T) {
	s := newShop(t, Config{})
	for i := range 3 {
		s.order(fmt.Sprint("B", i), 1000, 1000, time.Hour, ledger.Dead)
	}
	s.order("B8", 1000, 1000, time.Hour, ledger.Delivered)
	s.get("events?state=dead").want(t, http.StatusOK, "act?action=replay&amp;state=dead")
	if page := s.get("events?state=dead&until=2026-01-01"); strings.Contains(page.body, "act?action") {
		t.Error("a filter that an action cannot be told is left out of it")
	}
	page := s.get("act?action=replay&state=dead")
	page.want(t, http.StatusOK, "¥30.00")
	form := url.Values{}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([a-z_]+)" value="([^"]*)">`).FindAllStringSubmatch(page.body, -1) {
		form.Add(m[1], m[2])
	}
	s.order("B9", 1000, 1000, time.Minute, ledger.Dead) // not among those that were shown
	begun := s.post("begin", form)
	begun.want(t, http.StatusSeeOther)
	run := begun.header.Get("Location")
	for deadline := time.Now().Add(time.Minute); !strings.Contains(s.get(run).body, "3 / 3"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(s.get(run).body)
		}
	}
	if s.state("evt_B900") != ledger.Dead {
		t.Error("what came later was taken too")
	}
	s.get("act?action=replay&state=delivered").want(t, http.StatusOK, "Preview it with what was acknowledged already")
	s.get("act?action=replay&state=delivered&again=1").want(t, http.StatusOK, `type="checkbox" required`)
	s.post("begin", url.Values{"action": {"discard"}, "state": {"dead"}}).want(t, http.StatusBadRequest, "a reason is missing")
	s.get("runs").want(t, http.StatusOK, run)
}

// Delivery is paused and goes on, with a reason, and every page of a list says so.
func TestPauseInTheConsole(t *testing.T) {
	s := newShop(t, Config{})
	form := url.Values{"app": {scope.App}, "mode": {"live"}}
	s.post("pause", form).want(t, http.StatusBadRequest, "a reason is missing")
	form.Set("reason", "moving house")
	s.post("pause", form).want(t, http.StatusSeeOther)
	s.get("").want(t, http.StatusOK, "moving house", "Go on delivering")
	s.get("events").want(t, http.StatusOK, "Delivery is paused here")
	s.post("unpause", form).want(t, http.StatusSeeOther)
	if strings.Contains(s.get("").body, "moving house") {
		t.Error("it is paused still")
	}
}

// A form of another site does nothing, nor does any form of a read-only console.
func TestFormsOfOthers(t *testing.T) {
	s := newShop(t, Config{})
	id := s.order("C1", 500, 500, time.Hour, ledger.Dead)
	form := url.Values{"id": {id}, "action": {"replay"}, "reason": {"x"}}
	for _, h := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
		s.post("decide", form, h[0], h[1]).want(t, http.StatusForbidden, "another site")
	}
	if s.get("decide?"+form.Encode()).status != http.StatusNotFound || s.state(id) != ledger.Dead {
		t.Error("something was done")
	}
	s.post("decide", form, "Sec-Fetch-Site", "same-origin").want(t, http.StatusSeeOther)

	locked := newShop(t, Config{ReadOnly: true})
	id = locked.order("C1", 500, 500, time.Hour, ledger.Dead)
	for name := range actions {
		locked.post(name, form).want(t, http.StatusForbidden, "read-only")
	}
	for _, page := range []string{"", "events?state=dead", "event?id=" + id, "act?action=replay&state=dead", "order?order_no=C1"} {
		a := locked.get(page)
		a.want(t, http.StatusOK)
		if strings.Contains(a.body, `method="post"`) {
			t.Errorf("%q has a form", page)
		}
	}
	if locked.state(id) != ledger.Dead {
		t.Error("something was done")
	}
}

// A file has exact yuan, Beijing's time and the mark of UTF-8; nothing in it is a formula, and no long number loses its digits.
func TestCSV(t *testing.T) {
	s := newShop(t, Config{})
	s.open()
	s.order(`=HYPERLINK("x")`, 123456789, 123456789, time.Minute, ledger.Delivered)
	a := s.get("charges.csv?status=paid", "Accept-Language", "zh")
	a.want(t, http.StatusOK)
	if !strings.HasPrefix(a.body, "\ufeff创建时间 (UTC+8),") || a.header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Errorf("%q %.80q", a.header.Get("Content-Type"), a.body)
	}
	all := must(csv.NewReader(strings.NewReader(strings.TrimPrefix(a.body, "\ufeff"))).ReadAll())
	if len(all) != 1+63 { // more than a page has
		t.Errorf("%d rows", len(all))
	}
	for _, row := range all[1:] {
		if !regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$`).MatchString(row[0]) || row[1] != "已支付" {
			t.Errorf("%q", row)
		}
	}
	if row := all[1]; row[2] != `'=HYPERLINK("x")` || row[3] != "1234567.89" {
		t.Errorf("%q", row)
	}
	if !slices.ContainsFunc(all, func(row []string) bool { return row[2] == "20261126200001\t" && row[3] == "128.00" }) {
		t.Error("a long number is no text")
	}
	for text, want := range map[string]string{"-1": "'-1", "@a": "'@a", "+a": "'+a", "＝1": "'＝1", "007": "007\t", "7": "7", "a\u202eb": `a\u202eb`, "\ta": `\u0009a`} {
		if got := plainCell(text).inFile(); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	for fen, want := range map[int64]string{0: "0.00", 5: "0.05", -5: "-0.05", 123456789: "1234567.89", -1 << 63: "-92233720368547758.08"} {
		if got := exactly(fen); got != want {
			t.Errorf("%d is %s, want %s", fen, got, want)
		}
	}
}

// Every page has the strict policy, its files are small, and everything that it says has its Chinese.
func TestPagesAreStrictAndSmall(t *testing.T) {
	s := newShop(t, Config{})
	s.open()
	for _, page := range []string{"", "orders", "nothing", "find?q=nobody"} {
		h := s.get(page).header
		if csp := h.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none';") || strings.Contains(csp, "unsafe") || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%q: %v", page, h)
		}
	}
	size := 0
	texts := regexp.MustCompile(`\{\{t "([^"]+)"|\(t "([^"]+)"|v\.t\("([^"]+)"\)`)
	all := []string{"Not done", "Payments", "Event", "Preview", "Action", "Order", "Find"}
	err := fs.WalkDir(web, "web", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw := must(web.ReadFile(path))
		if size += len(raw); regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script>`).Match(raw) {
			t.Errorf("%s has an inline script or style", path)
		}
		for _, m := range texts.FindAllStringSubmatch(string(raw), -1) {
			all = append(all, m[1]+m[2]+m[3])
		}
		return nil
	})
	if err != nil || size > 60<<10 {
		t.Errorf("%d bytes, %v", size, err)
	}
	for _, l := range lists {
		all = append(all, l.title)
		for _, h := range l.heads {
			all = append(all, h.Name)
		}
		for _, f := range l.filters {
			all = append(append(all, f.label), f.options...)
		}
	}
	for _, p := range places {
		all = append(all, p.Label)
	}
	for text := range english {
		all = append(all, text)
	}
	for _, text := range notices {
		all = append(all, text)
	}
	for _, text := range all {
		if chinese[text] == "" && !slices.Contains([]string{"amount", "currency", "superseded", "paid_twice", "unreadable", "effect_seen", "replay", "release", "discard", "pause", "unpause"}, text) {
			t.Errorf("%q has no Chinese", text)
		}
	}
}

// No page and no file has a payer's whole openid.
func TestNobodyIsNamedWhole(t *testing.T) {
	s := newShop(t, Config{})
	id := s.order("A1", 500, 500, time.Hour, ledger.Delivered)
	s.get("event?id="+id).want(t, http.StatusOK, `"open_id":"oUpF8u…"`)
	for _, page := range []string{"event?id=" + id, "order?order_no=A1", "orders", "charges", "events", "orders.csv", "charges.csv", "events.csv", "refunds.csv", "audit.csv", "runs.csv"} {
		a := s.get(page)
		a.want(t, http.StatusOK)
		if strings.Contains(a.body, openID) {
			t.Errorf("%s names the payer", page)
		}
	}
}

// More payments that were asked for than told are said on the front page, with what to look at.
func TestSilentWebhooks(t *testing.T) {
	s := newShop(t, Config{})
	s.order("A1", 500, 500, 0, ledger.Delivered)
	if page := s.get(""); strings.Contains(page.body, "Webhooks are silent") {
		t.Error("they are not silent")
	}
	s.source = ledger.Query
	s.order("A2", 500, 500, 0, ledger.Delivered)
	s.order("A3", 500, 500, 0, ledger.Delivered)
	s.get("").want(t, http.StatusOK, "Webhooks are silent", "2 payments of the last two hours were learnt only by asking Ping++, 1 by webhook", "¥15.00", "100.0 %")
}

// The switch keeps the page and its filters, and the choice outlives what the browser prefers.
func TestLanguageSwitch(t *testing.T) {
	s := newShop(t, Config{})
	a := s.get("events?state=dead&lang=zh")
	if a.status != http.StatusSeeOther || a.header.Get("Location") != "events?state=dead" {
		t.Errorf("%d %s", a.status, a.header.Get("Location"))
	}
	cookie, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
	s.get("events", "Cookie", cookie, "Accept-Language", "en").want(t, http.StatusOK, "事件", `hreflang="en"`)
}

package console

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/check"
)

// planted is one finding of each kind.
func planted() []check.Finding {
	words := func(en, zh string) check.Words { return check.Words{EN: en, ZH: zh} }
	return []check.Finding{
		{ID: "ledger-write", Result: check.OK, Text: words("the ledger is written, and on disk, in 2ms", "账本可写，2ms 落盘")},
		{ID: "backend-redirect", Site: "shop.example.com", Result: check.Fail, Text: words("the backend redirects: <b>/login</b>", "后端重定向：<b>/login</b>"),
			Fix: words("let it answer without a login", "请让它无需登录即可响应")},
		{ID: "disk", Result: check.Warn, Text: words("the disk of the ledger has 400 MiB left", "账本所在磁盘仅剩 400 MiB"), Fix: words("make room", "请腾出空间"), Commands: []string{"df -h"}},
		{ID: "webhook-url", Site: "shop.example.com", Result: check.Unknown, Text: words("the domain cannot be reached from here", "无法从本机访问该域名")},
	}
}

// patient is a desk that keeps how old findings may be.
type patient struct {
	Desk
	ages *[]time.Duration
}

func (p patient) Checked(ctx context.Context, language string, age time.Duration) (*check.Report, error) {
	*p.ages = append(*p.ages, age)
	return p.Desk.Checked(ctx, language, age)
}

// The health page has all that the checks find, the worst first, with what to do. Loading it again asks nobody again, in whatever language;
// the button does, and only within the console itself.
func TestHealthPage(t *testing.T) {
	s := newShop(t, Config{})
	s.found = planted()
	var ages []time.Duration
	s.url = serve(t, New(Config{Desk: patient{s.desk, &ages}}))
	page := s.get("health")
	page.want(t, http.StatusOK, "✗", "the backend redirects: &lt;b&gt;/login&lt;/b&gt;", "→ let it answer without a login", "shop.example.com", "df -h", "Not found out", "To be looked at", "Well", "Look again",
		`href="https://github.com/caddypay/caddypay/blob/main/docs/check.md#backend-redirect"`, "What this looks at", "The backend redirects the question for a price")
	at := -1
	for _, id := range []string{">backend-redirect<", ">webhook-url<", ">disk<", ">ledger-write<"} {
		if next := strings.Index(page.body, id); next <= at {
			t.Errorf("%s is out of its order", id)
		} else {
			at = next
		}
	}
	if strings.Contains(page.body, "data-live") || strings.Contains(page.body, "<b>/login") {
		t.Error("the page asks again by itself, or holds what a backend wrote")
	}
	s.get("health", "Accept-Language", "zh").want(t, http.StatusOK, "后端重定向", "请腾出空间", "docs/check.zh-CN.md#disk", "有问题")
	if n := s.looked.Load(); n != 1 {
		t.Errorf("looked %d times", n)
	}
	s.post("check", nil, "Sec-Fetch-Site", "cross-site").want(t, http.StatusForbidden, "another site")
	a := s.post("check", nil)
	if a.status != http.StatusSeeOther || a.header.Get("Location") != "health?done=check" {
		t.Errorf("%d %v", a.status, a.header)
	}
	if want := []time.Duration{findingsOld, findingsOld, findingsNew}; !slices.Equal(ages, want) {
		t.Errorf("findings may be %v old, want %v", ages, want)
	}
	s.get("health?done=check").want(t, http.StatusOK, "Everything was looked at.")
	if s.found = nil; s.get("check").status != http.StatusNotFound {
		t.Error("a link carries it out")
	}
}

// What is wrong with the backend stands on the front page, with the words of its last answer and when it is tried again; what is well, below.
func TestBackendOnTheFrontPage(t *testing.T) {
	s := newShop(t, Config{})
	now := time.Now()
	b := adminapi.BackendView{App: scope.App, Mode: "live", Events: "POST /internal/pay/events at 10.0.0.7:8080", State: adminapi.BackendUnknown}
	show := func() answer {
		s.seen.Backends = []adminapi.BackendView{b}
		return s.get("")
	}
	show().want(t, http.StatusOK, "POST /internal/pay/events at 10.0.0.7:8080", "No event has gone out yet")
	b.State, b.Last, b.Status, b.Today, b.TodayAcknowledged = adminapi.BackendReachable, now, 200, 200, 199
	page := show()
	page.want(t, http.StatusOK, "99.5 %", "199 / 200", "HTTP 200", "s-reachable")
	if strings.Contains(page.body, "Your backend is unreachable") || strings.Contains(page.body, "acknowledges nothing") {
		t.Error("it is well")
	}
	b.State, b.Since, b.Status, b.Why = adminapi.BackendFailing, now.Add(-10*time.Minute), 302, "your backend answered 302 to /login (a redirect is not a receipt)"
	show().want(t, http.StatusOK, "Your backend acknowledges nothing", "10 min ago", "HTTP 302", "answered 302 to /login")
	b.State, b.NextProbe, b.Status, b.Why = adminapi.BackendUnreachable, now.Add(20*time.Second), 0, "your backend does not listen (connection refused)"
	page = show()
	page.want(t, http.StatusOK, "Your backend is unreachable", "The next one", "no answer", "connection refused")
	if strings.Index(page.body, "Your backend is unreachable") > strings.Index(page.body, "Today") {
		t.Error("what is wrong does not come first")
	}
	b.NextProbe = now.Add(-time.Second)
	show().want(t, http.StatusOK, "The next one goes out at once.")
	b.NextProbe = time.Time{}
	show().want(t, http.StatusOK, "One is out now.")
}

// Webhooks that were refused are told by reason, with what to do about it.
func TestRefusedOnTheFrontPage(t *testing.T) {
	s := newShop(t, Config{})
	s.seen.Since = time.Date(2026, 11, 26, 1, 2, 3, 0, time.UTC)
	s.get("").want(t, http.StatusOK, "Webhooks refused", "since this Caddy was started", "2026-11-26 09:02:03 +08:00", "None was.")
	s.seen.Refused = []adminapi.RefusedView{{Site: "shop.example.com", App: scope.App, Mode: "live", Reason: "wrong_key", Count: 7, Last: time.Now()}}
	s.get("").want(t, http.StatusOK, "<strong>7</strong>", "wrong_key", "shop.example.com", "the signature is not one of Ping++'s key", "compare webhook_key with Ping++'s public key")
	s.get("", "Accept-Language", "zh").want(t, http.StatusOK, "请核对 webhook_key", "被拒绝的 Webhook")
}

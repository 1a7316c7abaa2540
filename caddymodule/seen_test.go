package caddymodule

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/check"
)

func (a *adminAPI) seen(language string) (s adminapi.Seen) {
	a.t.Helper()
	if status, body := a.do(http.MethodGet, "/pay/seen?language="+language, "", &s); status != http.StatusOK {
		a.t.Fatal(status, body)
	}
	return s
}

// What a Caddy has refused is told by site and reason, with what to do, and goes on being told after a reload.
func TestRefusedWebhooksAreSeen(t *testing.T) {
	dir, addr := t.TempDir(), freeAddr(t)
	file := globals(dir, ledgerIn(dir)) + "http://" + addr + " {\n" + payBlock(t, dir, "", "allow_http") + "}\n"
	a := runAdmin(t, file)
	if s := a.seen("en"); len(s.Refused) != 0 || s.Since.IsZero() || s.Since.After(time.Now()) {
		t.Errorf("%+v", s)
	}
	send := func(signature string) {
		t.Helper()
		req := must(http.NewRequest(http.MethodPost, "http://"+addr+"/pay/webhooks", strings.NewReader(string(webhookEvent("refused1")))))
		if signature != "" {
			req.Header.Set("X-Pingplusplus-Signature", signature)
		}
		if status, body := answered(t, req); status < 400 {
			t.Fatal(status, body)
		}
	}
	send(signature(t, []byte("something else")))
	send(signature(t, []byte("something else")))
	send("")
	for _, reloaded := range []bool{false, true} {
		if reloaded {
			run(t, strings.Replace(file, "admin off", "admin "+a.addr, 1))
		}
		s := a.seen("zh")
		if len(s.Refused) != 2 {
			t.Fatalf("%+v", s)
		}
		for i, want := range []adminapi.RefusedView{{Reason: "missing", Count: 1, Text: "没有签名"}, {Reason: "wrong_key", Count: 2, Text: "签名与 Ping++ 的公钥不符"}} {
			got := s.Refused[i]
			if got.Reason != want.Reason || got.Count != want.Count || got.Text != want.Text || got.Fix == "" || got.Site != "127.0.0.1" || got.App != "app_test1" || got.Mode != "test" || time.Since(got.Last) > time.Minute {
				t.Errorf("%+v", got)
			}
		}
	}
}

// Every reason for which a webhook is counted as refused says what it means and what to do; what was taken is no refusal.
func TestEveryRefusalIsExplained(t *testing.T) {
	for _, result := range []string{"missing", "empty", "several", "not_base64", "wrong_key", "malformed", "mode", "app", "rate_limited", "unavailable"} {
		if text, fix := check.Refusal(result); text.EN == "" || text.ZH == "" || fix.EN == "" || fix.ZH == "" {
			t.Errorf("%s: %+v %+v", result, text, fix)
		}
	}
	for _, result := range []string{"recorded", "duplicate", "same_effect", "held", "no_app"} {
		if text, _ := check.Refusal(result); text != (check.Words{}) {
			t.Errorf("%s: %+v", result, text)
		}
	}
}

// How the backend fares is told from its answers: whether it is reachable, since when not, what it said last, and how often it acknowledged today.
func TestBackendsAreSeen(t *testing.T) {
	dir, addr, d := t.TempDir(), freeAddr(t), newDesk(t)
	backends.ended(testScope, true)
	file := d.site(t, dir, addr)
	a := runAdmin(t, file)
	is := func(want string, holds func(b adminapi.BackendView) bool) {
		t.Helper()
		eventually(t, want, func() bool {
			s := a.seen("en")
			return len(s.Backends) == 1 && s.Backends[0].App == "app_test1" && s.Backends[0].Mode == "test" && s.Backends[0].State == want && holds(s.Backends[0])
		})
	}
	is("unknown", func(b adminapi.BackendView) bool {
		return b.Events == "POST /internal/pay/events at "+d.addr && b.Last.IsZero() && b.Today == 0
	})
	hook := "http://" + addr + "/pay/webhooks"
	sendWebhook(t, hook, webhookEvent("good"))
	is("reachable", func(b adminapi.BackendView) bool {
		return b.Status == 200 && b.Why == "" && b.Today == 1 && b.TodayAcknowledged == 1 && b.Since.IsZero()
	})
	d.refuses(true)
	began := time.Now()
	sendWebhook(t, hook, webhookEvent("bad1"))
	sendWebhook(t, hook, webhookEvent("bad2"))
	is("failing", func(b adminapi.BackendView) bool {
		return b.Status == 500 && strings.Contains(b.Why, "your backend answered 500") && b.Today == 5 && b.TodayAcknowledged == 1 && !b.Since.Before(began.Add(-time.Second)) && !b.Since.After(b.Last)
	})

	gone := freeAddr(t)
	run(t, strings.Replace(strings.ReplaceAll(file, d.addr, gone), "admin off", "admin "+a.addr, 1))
	sendWebhook(t, hook, webhookEvent("lost"))
	is("unreachable", func(b adminapi.BackendView) bool {
		return strings.Contains(b.Why, "connection refused") && b.Status != 500 && !b.Since.Before(began) && b.Today >= 6
	})
	backends.ended(testScope, true)
}

package adminapi

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/check"
)

// What this process has seen is worded in the language that is asked for, and names nobody who has paid, though a backend's answer may; nor
// do findings that quote one.
func TestSeenNamesNoPayer(t *testing.T) {
	const payer = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
	why := "your backend answered 302 to /login/" + payer + " (a redirect is not a receipt)"
	found := []check.Finding{{ID: "backend-redirect", Result: check.Fail, Text: check.Words{EN: why, ZH: why}}}
	srv := httptest.NewServer(New(Config{
		Seen: func() Seen {
			return Seen{Refused: []RefusedView{{Reason: "mode"}}, Backends: []BackendView{{State: BackendFailing, Why: why}}}
		},
		Check:      func(context.Context) []check.Finding { return found },
		TryBackend: func(context.Context, string, check.Trial) ([]check.Finding, error) { return found, nil },
	}))
	t.Cleanup(srv.Close)
	c := NewClient(Endpoint{HTTP: srv.Client(), URL: srv.URL})
	seen := must(c.Seen(t.Context(), "zh"))
	if r := seen.Refused[0]; r.Text != "事件属于另一模式（正式或测试）" || !strings.Contains(r.Fix, "Webhook 地址") {
		t.Errorf("%+v", r)
	}
	for _, text := range []string{seen.Backends[0].Why, must(c.Check(t.Context(), "en")).Findings[0].Text, must(c.TryBackend(t.Context(), Trial{})).Findings[0].Text} {
		if strings.Contains(text, payer) || !strings.Contains(text, "302 to /login/oUpF8u…") {
			t.Error(text)
		}
	}
}

package adminapi

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// A server over a ledger that was opened for reading says what the other says, to a client without a network too, and refuses whatever acts, or needs
// the running sites, whoever asks.
func TestReaderServes(t *testing.T) {
	d := newDesk(t)
	d.charge(scope, "N1", 100, time.Now())
	s := NewReader(d.ledger, "/x/ledger.db", []ledger.Scope{scope})
	api := ClientOf(s)
	page := must(api.Charges(t.Context(), ChargeQuery{Part: Part{Limit: 10}}))
	if len(page.Charges) != 1 || page.Charges[0].ID != "ch_N1" {
		t.Errorf("%+v", page)
	}
	if life := must(api.Order(t.Context(), "", "", "N1")); life.OrderNo != "N1" || len(life.Timeline) == 0 {
		t.Errorf("%+v", life)
	}
	if p, err := api.Preview(t.Context(), Intent{Action: ledger.ActionReplay, States: []string{"dead"}}); err != nil || p.Matched != 0 {
		t.Errorf("%+v, %v", p, err)
	}
	var refused *Error
	if _, err := api.Order(t.Context(), "", "", "N2"); !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
		t.Error(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := api.Figures(ended); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	named := strings.NewReplacer("{no}", "N1", "{id}", "none", "{action}", "replay")
	refusals := 0
	for _, route := range New(Config{}).Routes() {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(route.Method, named.Replace(route.Path)+"?q=N1", strings.NewReader(`{"reason":"x"}`)))
		was := strings.Contains(w.Body.String(), "the ledger was opened for reading; start Caddy to act")
		if acts := route.Method != http.MethodGet && route.Name != "Preview" || route.About == aboutHealth; was != acts || was != (w.Code == http.StatusConflict) {
			t.Errorf("%s %s: %d %s", route.Method, route.Path, w.Code, w.Body)
		}
		if was {
			refusals++
		}
	}
	if refusals < 13 {
		t.Errorf("%d refusals", refusals)
	}
}

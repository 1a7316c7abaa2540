package relay

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// A number that ends where the answer was cut off may be the start of somebody's telephone number, and is hidden; one that the answer ends with is shown.
func TestNumbersAtTheEnd(t *testing.T) {
	const number = " 13812"
	long := func(n int) string { return strings.Repeat("x", n-len(number)) + number }
	torn := func(text string) transport {
		return func(*http.Request) (*http.Response, error) {
			body := io.MultiReader(strings.NewReader(text), readerFunc(func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }))
			return &http.Response{StatusCode: 500, Body: io.NopCloser(body)}, nil
		}
	}
	for name, c := range map[string]struct {
		rt    transport
		shown bool
	}{
		"short":                      {answering(500, "order"+number), true},
		"as long as it may be":       {answering(500, long(judged-1)), true},
		"as long as is looked at":    {answering(500, long(judged)), false},
		"longer":                     {answering(500, long(judged)+"345678"), false},
		"torn":                       {torn("order" + number), false},
		"torn, as long as it may be": {torn(long(judged - 1)), false},
	} {
		if a := attempted(t, c.rt, nil); strings.Contains(a.snippet, "13812") != c.shown || a.snippet == "" {
			t.Errorf("%s: %q", name, a.snippet[max(0, len(a.snippet)-20):])
		}
	}
}

// What a page calls itself is kept without somebody's telephone number.
func TestNumbersInTitles(t *testing.T) {
	a := attempted(t, answering(200, "<html><title>Call 13812345678</title></html>"), nil)
	if !strings.Contains(a.detail, "138****5678") || strings.Contains(a.detail+a.snippet, "13812345678") || a.ok() {
		t.Errorf("%+v", a)
	}
}

// Only what is no report is said.
func TestReceiptThatReports(t *testing.T) {
	var said logs
	cfg := config(t, newLedger(t), answering(200, "success"))
	cfg.Scope, cfg.Logger = ledger.Scope{App: scope.App, Mode: ledger.Live}, said.Logger()
	report, problem := &ledger.Shipping{Type: ledger.ShipVirtual, Items: "tea", Complete: true}, ledger.ShippingProblem{Code: ledger.ProblemInvalid, Text: "no type"}
	cfg.Ships = func(_ *ledger.Event, answer []byte) (*ledger.Shipping, ledger.ShippingProblem) {
		switch string(answer) {
		case "tea":
			return report, ledger.ShippingProblem{}
		case "boat":
			return nil, problem
		}
		return nil, ledger.ShippingProblem{}
	}
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ev := newEvent("evt_1", time.Now())
	ev.Mode = ledger.Live
	for answer, lines := range map[string]int{"tea": 0, "success": 0, "boat": 1} {
		said.Lines.Reset()
		var d ledger.Delivery
		r.ship(ev, &d, []byte(answer))
		if n := strings.Count(said.String(), "\n"); n != lines || (d.Shipping != nil) != (answer == "tea") || (d.ShippingProblem.Code != "") != (answer == "boat") {
			t.Errorf("%s: %+v, %s", answer, d, said.String())
		}
	}
	r.cfg.Ships = nil // no site reports shipping
	var d ledger.Delivery
	if r.ship(ev, &d, []byte("tea")); d.Shipping != nil {
		t.Errorf("%+v", d)
	}
}

// Whether the outcome was taken or not, whoever goes on knows under which name the event was leased then.
func TestSettledUnderWhichName(t *testing.T) {
	for _, result := range []error{nil, ledger.ErrNotFound} {
		l := &failingLedger{settle: func(context.Context, int) error { return result }}
		r, err := New(config(t, l, failing(errors.New("nobody"))))
		if err != nil {
			t.Fatal(err)
		}
		h := hold{"evt_1", 1}
		r.held[h] = lease{owner: "me"}
		if owner := r.settle(t.Context(), h, ledger.Delivery{EventID: "evt_1"}); owner != "me" {
			t.Errorf("%v: %q", result, owner)
		}
	}
}

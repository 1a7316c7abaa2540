package caddymodule

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// After hours without webhooks one command asks Ping++ about every order whose outcome is not known: a preview first, then Caddy does it by itself, and what was
// paid is delivered.
func TestQueryOrdersByFilter(t *testing.T) {
	var heard atomic.Int64
	shop := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/price/") {
			_, _ = io.WriteString(w, price(r))
			return
		}
		heard.Add(1)
	})
	box, addr, file := nightSite(t, shop, "1h")
	a := runAdmin(t, file)
	l := ledgerOf(t)
	pay := func(args string) (stdout, stderr string, err error) {
		var out, notices bytes.Buffer
		cmd := payCommand(t, &out, append(strings.Fields(args), "--address", a.addr)...)
		cmd.SetErr(&notices)
		err = cmd.ExecuteContext(t.Context())
		return out.String(), notices.String(), err
	}
	const paid = 3
	for i := range paid + 1 {
		id := nightCharge(t, addr, fmt.Sprint("N", i), fmt.Sprintf("oAAAAAAAAAAAAAAAAAAAAAAAAAA%d", i))
		if i < paid {
			if err := box.Pay(id); err != nil {
				t.Fatal(err)
			}
		}
	}
	out, _, err := pay("orders query --since 2h --preview")
	if err != nil || !strings.HasPrefix(out, "query of what is created or expired or unknown, since 20") || !strings.Contains(out, ", until 20") ||
		!strings.Contains(out, "4 match, 4 can be taken, for ¥79.96\n") {
		t.Errorf("%v\n%s", err, out)
	}
	if n := len(must(l.Events(t.Context(), ledger.Filter{Scope: testScope, Limit: 9}))); n != 0 {
		t.Fatalf("a preview has asked: %d events", n)
	}
	out, notices, err := pay("orders query --since 2h --yes --rate 100")
	if err != nil || !strings.Contains(out, " is done: query of 4 orders\n") {
		t.Errorf("%v\n%s%s", err, out, notices)
	}
	eventually(t, "what was paid is delivered", func() bool { return heard.Load() == paid })
	for _, e := range must(l.Events(t.Context(), ledger.Filter{Scope: testScope, Limit: 9})) {
		if e.Source != ledger.Query {
			t.Errorf("%+v", e)
		}
	}
	if out, _, err := pay("orders query --status paid --since 2h --preview"); err != nil || !strings.Contains(out, "3 match, 0 can be taken") || !strings.Contains(out, "3 not: paid; its outcome is known already (N2, N1, N0)") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, _, err := pay("runs list"); err != nil || !strings.Contains(out, "query") || !strings.Contains(out, "done") {
		t.Errorf("%v\n%s", err, out)
	}
	for args, want := range map[string]string{
		"orders query":                           "requires an order, or a filter",
		"orders query N1 --since 2h":             "name an order or give a filter",
		"orders query N1 --yes":                  "--yes goes with a filter, not with named orders",
		"orders query N1 N2":                     "name one order",
		"orders query --status paid --since 2h":  "nothing was done: none of the 3 orders that match can be taken",
		"orders query --since 2h --app app_test": "give app and mode",
	} {
		if _, _, err := pay(args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
}

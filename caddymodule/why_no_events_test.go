package caddymodule

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/session"
)

// refusedAttempt records that Ping++ refused to make a charge for an order.
func refusedAttempt(t testing.TB, l ledger.Ledger, orderNo string) {
	t.Helper()
	now := time.Now()
	if _, err := l.Reserve(t.Context(), ledger.Reservation{Scope: testScope, OrderNo: orderNo, Channel: "wx_lite", Now: now, Until: now.Add(time.Minute),
		Number: func(int, int) string { return orderNo }}); err != nil {
		t.Fatal(err)
	}
	if err := l.Release(t.Context(), ledger.Release{Scope: testScope, Number: orderNo, As: ledger.Refused}); err != nil {
		t.Fatal(err)
	}
}

// A command that does not exist is an error, so that a script notices, and the nearest one is named.
func TestMistypedCommands(t *testing.T) {
	for line, want := range map[string]string{
		"evnts list":      `unknown command "evnts"; write: caddy pay events`,
		"recon":           "write: caddy pay reconcile",
		"demo2":           "write: caddy pay demo",
		"events lst":      `unknown command "lst"; write: caddy pay events list`,
		"events repaly x": "write: caddy pay events replay",
		"ledger verfy":    "write: caddy pay ledger verify",
		"quux":            `unknown command "quux"; caddy pay has: audit, charges, check, console, demo, events, figures, find, health, keygen, ledger, orders, pause, reconcile, refunds, resume, runs, sandbox, shipping, trigger, verify, version`,
	} {
		var out bytes.Buffer
		root := &cobra.Command{Use: "caddy", SilenceErrors: true}
		root.AddCommand(payCommand(t, &out))
		root.SetOut(&out)
		root.SetErr(&out)
		root.SetArgs(append([]string{"pay"}, strings.Fields(line)...))
		if err := root.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("caddy pay %s: %v, not %q\n%s", line, err, want, &out)
		}
	}
}

// An order that the backend told no price of is not called one that nobody wanted to pay: where people look it says what the backend answered.
func TestNoPriceIsSaid(t *testing.T) {
	shop := backend(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "wrong X-Pay-Token", http.StatusForbidden) })
	dir, addr := t.TempDir(), freeAddr(t)
	a := runAdmin(t, globals(dir, ledgerIn(dir))+"http://"+addr+" {\n"+payBlock(t, dir, "", "allow_http", "upstream "+shop, "orders GET /price/{order_no}")+"}\n")
	req := must(http.NewRequest(http.MethodPost, "http://"+addr+"/pay/charges", strings.NewReader(`{"order_no":"A1","channel":"wx_lite"}`)))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Pay-Session", token(t, "/pay", session.Identity{OpenID: "o-payer"}))
	resp, err := client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for orderNo, want := range map[string]string{
		"A1": `The order "A1" got no price when somebody last wanted to pay it, at ` + time.Now().Format("2006-") +
			`|order_not_found: the backend answered 403 to GET /price/A1, saying "wrong X-Pay-Token"; does it compare`,
		"A2": `The order "A2" is unknown: no payment of it was begun`,
	} {
		var page adminapi.EventPage
		a.do(http.MethodGet, "/pay/events?order_no="+orderNo, "", &page)
		for part := range strings.SplitSeq(want, "|") {
			if !strings.Contains(page.Why, part) {
				t.Errorf("%s: %q lacks %q", orderNo, page.Why, part)
			}
		}
	}
}

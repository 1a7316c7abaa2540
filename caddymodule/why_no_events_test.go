package caddymodule

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/ledger"
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
		"quux":            `unknown command "quux"; caddy pay has: demo, events, ledger, reconcile, sandbox`,
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

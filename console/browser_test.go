package console

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/ledger"
)

// Headless Chromium walks every page: in both languages and schemes, on a telephone and a desk, with and without JavaScript.
func TestConsoleInChromium(t *testing.T) {
	s := newShop(t, Config{})
	s.open()
	s.order("20261126300001", 5000, 5000, time.Hour, ledger.Delivered)
	s.ships.Store(true)
	s.order("20261126400001", 8800, 8800, 50*time.Hour, ledger.Delivered)
	s.order("20261126400002", 12900, 12900, 41*time.Hour, ledger.Delivered)
	s.shipped("20261126400003", 25600, 3*time.Hour, ledger.ShippingFinal)
	s.shipped("20261126400004", 19900, 2*time.Hour, ledger.ShippingAccepted)
	now := time.Now()
	s.seen = adminapi.Seen{Since: now.Add(-26 * time.Hour),
		Refused: []adminapi.RefusedView{
			{Site: "shop.example.com", App: scope.App, Mode: "live", Reason: "wrong_key", Count: 12, Last: now.Add(-4 * time.Minute)},
			{Site: "shop.example.com", App: scope.App, Mode: "live", Reason: "missing", Count: 3, Last: now.Add(-9 * time.Hour)},
		},
		Backends: []adminapi.BackendView{
			{App: scope.App, Mode: "live", Events: "POST /internal/pay/events at 10.0.0.7:8080", State: adminapi.BackendUnreachable, Since: now.Add(-7 * time.Minute), NextProbe: now.Add(21 * time.Second),
				Last: now.Add(-9 * time.Second), Why: "your backend does not listen (connection refused); is it running, and is the upstream's port right?", Today: 212, TodayAcknowledged: 188},
			{App: scope.App, Mode: "test", Events: "POST /internal/pay/events at 10.0.0.7:8080", State: adminapi.BackendReachable, Last: now.Add(-time.Hour), Status: 200, Today: 4, TodayAcknowledged: 4},
		}}
	s.found = planted()
	locked := New(Config{Desk: s.desk, ReadOnly: true})
	srv := serve(t, locked)
	n := inChromium(t, "console.js", "SITE="+s.url, "LOCKED="+srv, "ORDER=20261126200001", "EVENT=evt_2026112620000100", "HELD=evt_2026112620000300", "SHIPPED=20261126400003")
	if n < 20 {
		t.Errorf("only %d checks", n)
	}
}

// inChromium runs a script of test/node, and returns how many checks it made.
func inChromium(t *testing.T, script string, env ...string) (n int) {
	t.Helper()
	scripts := "../test/node"
	if _, err := os.Stat(scripts + "/node_modules/axe-core/package.json"); errors.Is(err, os.ErrNotExist) {
		cmd := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund")
		cmd.Dir = scripts
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("npm ci in test/node, for the browser's driver: %v; make test installs what it needs on Debian\n%s", err, out)
		}
	}
	cmd := exec.CommandContext(t.Context(), "node", script)
	cmd.Dir = scripts
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v", script, err)
	}
	for line := range strings.Lines(string(out)) {
		var check struct {
			Check, Detail string
			OK            bool
		}
		if json.Unmarshal([]byte(line), &check) != nil || check.Check == "" {
			t.Log(line)
			continue
		}
		n++
		if !check.OK {
			t.Errorf("%s: %s", check.Check, check.Detail)
		}
	}
	return n
}

// sparse is a desk with events on the fourth page alone.
type sparse struct{ Desk }

func (s sparse) Events(ctx context.Context, q adminapi.EventQuery) (*adminapi.EventPage, error) {
	if len(q.Cursor) < 3 {
		return &adminapi.EventPage{Listing: adminapi.Listing{Next: q.Cursor + "x"}}, nil
	}
	q.Cursor = ""
	return s.Desk.Events(ctx, q)
}

// With JavaScript a list goes on by itself until something fits, and Back leaves it; without it there is a link.
func TestListGoesOnInChromium(t *testing.T) {
	s := newShop(t, Config{})
	s.open()
	if n := inChromium(t, "goes-on.js", "SITE="+serve(t, New(Config{Desk: sparse{s.desk}}))); n != 3 { // the third: the browser complains of nothing
		t.Errorf("%d checks", n)
	}
}

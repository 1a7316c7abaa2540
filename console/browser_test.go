package console

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// Headless Chromium walks every page: in both languages and schemes, on a telephone and a desk, with and without JavaScript.
func TestConsoleInChromium(t *testing.T) {
	scripts := "../test/node"
	if _, err := os.Stat(scripts + "/node_modules/axe-core/package.json"); errors.Is(err, os.ErrNotExist) {
		cmd := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund")
		cmd.Dir = scripts
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("npm ci in test/node, for the browser's driver: %v; make test installs what it needs on Debian\n%s", err, out)
		}
	}
	s := newShop(t, Config{})
	s.open()
	s.order("20261126300001", 5000, 5000, time.Hour, ledger.Delivered)
	locked := New(Config{Desk: s.desk, ReadOnly: true})
	srv := serve(t, locked)
	cmd := exec.CommandContext(t.Context(), "node", "console.js")
	cmd.Dir = scripts
	cmd.Env = append(os.Environ(), "SITE="+s.url, "LOCKED="+srv, "ORDER=20261126200001", "EVENT=evt_2026112620000100", "HELD=evt_2026112620000300")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("console.js: %v", err)
	}
	n := 0
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
	if n < 20 {
		t.Errorf("only %d checks", n)
	}
}

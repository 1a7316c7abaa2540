package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/sqlite"
)

func TestLedgerVerifyCommand(t *testing.T) {
	for _, sound := range []bool{true, false} {
		t.Run(fmt.Sprintf("sound %t", sound), func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "ledger.db")
			discardedEvents(t, file)
			if !sound {
				damagePage(t, file, "evt_100")
			}
			a := runAdmin(t, newDesk(t).site(t, dir, freeAddr(t)))
			verify := func(more ...string) (string, error) {
				var out bytes.Buffer
				err := payCommand(t, &out, append([]string{"ledger", "verify", "--address", a.addr}, more...)...).ExecuteContext(t.Context())
				return out.String(), err
			}
			out, err := verify()
			switch {
			case sound && (err != nil || !strings.HasPrefix(out, file+" is sound (checked in ")):
				t.Errorf("%v\n%s", err, out)
			case !sound && (err == nil || !strings.Contains(err.Error(), "sqlite3 "+file+" .recover") || out == ""):
				t.Errorf("%v\n%s", err, out)
			}
			out, err = verify("--json")
			var check adminapi.LedgerCheck
			if json.Unmarshal([]byte(out), &check) != nil || check.Sound != sound || (len(check.Faults) == 0) != sound || (err == nil) != sound {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// discardedEvents makes a ledger with enough of what nobody waits for.
func discardedEvents(t *testing.T, file string) {
	t.Helper()
	l, err := sqlite.Open(t.Context(), sqlite.Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	scope := ledger.Scope{App: "app_test1", Mode: ledger.Test}
	for i := range 200 {
		e := &ledger.Event{Scope: scope, ID: fmt.Sprintf("evt_%03d", i), Type: "summary.daily.available", State: ledger.Filtered, Reasons: []string{ledger.ReasonType},
			Source: ledger.Webhook, Created: time.Now(), Received: time.Now(), Body: []byte("{}")}
		if _, err := l.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
}

// damagePage overwrites the start of the page in which a text stands.
func damagePage(t *testing.T, file, text string) {
	t.Helper()
	b := must(os.ReadFile(file))
	i := bytes.Index(b, []byte(text))
	if i < 0 {
		t.Fatalf("%q is not in %s", text, file)
	}
	copy(b[i/4096*4096:], bytes.Repeat([]byte{0xff}, 200))
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

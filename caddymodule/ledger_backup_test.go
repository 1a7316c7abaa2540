package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/adminapi"
)

// What one Caddy has accepted is copied under load, put into a new folder, and delivered by another that starts on it.
func TestLedgerBackupAndRestoreCommands(t *testing.T) {
	dir, addr := t.TempDir(), freeAddr(t)
	a := runAdmin(t, globals(dir, ledgerIn(dir))+"http://"+addr+" {\n"+payBlock(t, dir, "", "allow_http")+"}\n") // nobody is told
	var out, notices bytes.Buffer
	pay := func(args ...string) (string, string, error) {
		out.Reset()
		notices.Reset()
		cmd := payCommand(t, &out, args...)
		cmd.SetErr(&notices)
		err := cmd.ExecuteContext(t.Context())
		return out.String(), notices.String(), err
	}
	var sent, stop atomic.Int64 // those below sent are acknowledged
	var load sync.WaitGroup
	load.Go(func() {
		for n := int64(0); stop.Load() == 0; n++ {
			if status := sendWebhook(t, "http://"+addr+"/pay/webhooks", webhookEvent(fmt.Sprint(n))); status != http.StatusOK {
				t.Errorf("webhook %d: %d", n, status)
				return
			}
			sent.Store(n + 1)
		}
	})
	defer load.Wait()
	defer stop.Store(1)
	eventually(t, "some events", func() bool { return sent.Load() >= 20 })

	t.Chdir(t.TempDir())
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	acknowledged := sent.Load()
	stdout, _, err := pay("ledger", "backup", "copy.db", "--address", a.addr)
	copied := filepath.Join(here, "copy.db")
	if err != nil || !strings.HasPrefix(stdout, "The ledger is in "+copied+" (") {
		t.Fatalf("%v\n%s", err, stdout)
	}
	if _, _, err := pay("ledger", "backup", "copy.db", "--address", a.addr); err == nil || !strings.Contains(err.Error(), "HTTP 409") || !strings.Contains(err.Error(), "exists") {
		t.Errorf("over a backup: %v", err)
	}
	stdout, _, err = pay("ledger", "backup", "second.db", "--json", "--address", a.addr)
	var b adminapi.LedgerBackup
	if err != nil || json.Unmarshal([]byte(stdout), &b) != nil || b.File != filepath.Join(here, "second.db") {
		t.Errorf("%v\n%s", err, stdout)
	} else if info, err := os.Stat(b.File); err != nil || info.Size() != b.Bytes {
		t.Errorf("%+v of %v (%v)", b, info, err)
	}
	if stdout, _, err := pay("ledger", "verify", "--ledger", "copy.db"); err != nil || !strings.HasPrefix(stdout, "copy.db is sound") {
		t.Errorf("the backup: %v\n%s", err, stdout)
	}
	if _, _, err := pay("ledger", "verify", "--ledger", "copy.db", "--address", a.addr); err == nil || !strings.Contains(err.Error(), "no running Caddy is asked") {
		t.Errorf("of a Caddy, and not: %v", err)
	}
	stop.Store(1)
	load.Wait()

	place := t.TempDir()
	to := filepath.Join(place, "ledger.db")
	stdout, stderr, err := pay("ledger", "restore", "copy.db", to)
	if err != nil || !strings.HasPrefix(stdout, to+" is sound, and in its place: ") || !strings.Contains(stderr, "caddy pay reconcile --date "+time.Now().UTC().Add(8*time.Hour).Format(time.DateOnly)) {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	if _, _, err := pay("ledger", "restore", "copy.db", to); err == nil || !strings.Contains(err.Error(), fs.ErrExist.Error()) {
		t.Errorf("over a ledger: %v", err)
	}
	s := newShop(t)
	run(t, s.site(t, place, freeAddr(t)))
	eventually(t, "the delivery of what was pending", func() bool {
		for n := range acknowledged {
			if s.heard(fmt.Sprint(n)) == 0 {
				return false
			}
		}
		return true
	})
	for n := range acknowledged {
		if times := s.heard(fmt.Sprint(n)); times != 1 {
			t.Errorf("event %d was delivered %d times", n, times)
		}
	}
}

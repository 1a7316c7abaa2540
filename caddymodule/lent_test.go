package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// What a site takes in is leased to its relay in the write that records it, after a reload too.
func TestSiteLends(t *testing.T) {
	dir, addr := t.TempDir(), freeAddr(t)
	let := make(chan struct{})
	s := &shop{got: make(map[string]int)}
	s.addr = backend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		s.mu.Lock()
		s.got[r.Header.Get("webhook-id")]++
		s.mu.Unlock()
		<-let
	})
	defer close(let)
	file := s.site(t, dir, addr)
	owner := func(event string) (owner string) {
		c, err := sqlite.OpenConn(filepath.Join(dir, "ledger.db"), sqlite.OpenReadOnly)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		err = sqlitex.Execute(c, "SELECT owner FROM events WHERE id = ?", &sqlitex.ExecOptions{Args: []any{"evt_" + event},
			ResultFunc: func(row *sqlite.Stmt) error { owner = row.ColumnText(0); return nil }})
		if err != nil {
			t.Fatal(err)
		}
		return owner
	}
	for i := range 2 {
		if i == 0 {
			run(t, file)
		} else {
			if err := caddy.Load(adapt(t, file), true); err != nil {
				t.Fatal(err)
			}
		}
		lent := false
		for n := 0; !lent && n < 10; n++ { // the first may come before the relay has looked for what waits, and be claimed
			id := fmt.Sprintf("lent%dx%d", i, n)
			if status := sendWebhook(t, "http://"+addr+"/pay/webhooks", webhookEvent(id)); status != http.StatusOK {
				t.Fatal("the webhook is answered", status)
			}
			eventually(t, "the backend hears of "+id, func() bool { return s.heard(id) > 0 })
			lent = strings.Contains(owner(id), "+")
		}
		if !lent {
			t.Errorf("configuration %d claims what it could have at once", i+1)
		}
	}
}

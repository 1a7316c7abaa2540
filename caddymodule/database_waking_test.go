package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/ledgertest/pgtest"
	"github.com/caddypay/caddypay/ledger/postgres"
)

// What another node has recorded is delivered by this one at once, and without listening within about a second. How soon is printed.
func TestDatabaseWaking(t *testing.T) {
	for _, c := range []struct {
		listen  string
		n       int
		typical time.Duration // the half of all; the machine may be busy
	}{
		{"listen on", 50, 200 * time.Millisecond},
		{"listen off", 6, 3 * time.Second},
	} {
		t.Run(c.listen, func(t *testing.T) {
			dsn := pgtest.Shared(t).DSN(t)
			var mu sync.Mutex
			heard := make(map[string]time.Time)
			legacy := backend(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				mu.Lock()
				defer mu.Unlock()
				heard[r.Header.Get("webhook-id")] = time.Now()
			})
			dir := t.TempDir()
			run(t, globals(dir, inPostgres(dsn, c.listen))+"http://"+freeAddr(t)+" {\n"+
				payBlock(t, dir, "", "allow_http", "upstream "+legacy, "events POST /internal/pay/events")+"}\n")
			other, err := postgres.Open(t.Context(), postgres.Options{DSN: dsn, Patience: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = other.Close() })
			n := 0
			times := func() (took []time.Duration) {
				for range c.n {
					n++
					id, now := fmt.Sprint("evt_", n), time.Now()
					e := &ledger.Event{Scope: ledger.Scope{App: "app_test1", Mode: ledger.Test}, ID: id, Type: "order.succeeded", ObjectID: id, State: ledger.Pending,
						Source: ledger.Webhook, Received: now, Due: now, Body: []byte(`{"id":"` + id + `"}`)}
					if _, err := other.Append(t.Context(), e); err != nil {
						t.Fatal(err)
					}
					at := time.Now()
					eventually(t, "it is delivered", func() bool {
						mu.Lock()
						defer mu.Unlock()
						when, ok := heard[id]
						if ok {
							took = append(took, max(0, when.Sub(at)))
						}
						return ok
					})
				}
				slices.Sort(took)
				return took
			}
			eventually(t, "it is delivered soon", func() bool { // a node that has just started does not listen yet
				took := times()
				t.Logf("%s: p50 %s, p95 %s, the slowest of %d %s", c.listen, took[len(took)/2], took[len(took)*95/100], len(took), took[len(took)-1])
				return took[len(took)/2] < c.typical
			})
		})
	}
}

package caddymodule

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/ledger/ledgertest/pgtest"
	"github.com/caddypay/caddypay/redact"
)

// inPostgres is the global option of a ledger in a database.
func inPostgres(dsn string, more ...string) string {
	block := ""
	if len(more) > 0 {
		block = " {\n\t\t\t" + strings.Join(more, "\n\t\t\t") + "\n\t\t}"
	}
	return "pay {\n\t\tledger postgres \"" + dsn + "\"" + block + "\n\t}"
}

// databaseSite is a Caddyfile of a site whose ledger is in a database.
func (s *shop) databaseSite(t testing.TB, dir, addr, dsn string, more ...string) string {
	return globals(dir, inPostgres(dsn, more...)) +
		"http://" + addr + " {\n" + payBlock(t, dir, "", "allow_http", "upstream "+s.addr, "events POST /internal/pay/events") + "}\n"
}

// logged is all that a Caddy has logged.
func logged(t testing.TB, dir string) string {
	t.Helper()
	return string(must(os.ReadFile(filepath.Join(dir, "log"))))
}

// A Caddy whose database does not answer starts all the same: what needs the ledger gets 503 soon, and once the database answers all goes on by itself. What
// the log says of it has no password in it.
func TestDatabaseDown(t *testing.T) {
	dsn := pgtest.Shared(t).DSN(t)
	proxy := pgtest.NewProxy(t, dsn)
	proxy.Cut()
	dir, s, addr := t.TempDir(), newShop(t), freeAddr(t)
	run(t, s.databaseSite(t, dir, addr, proxy.DSN()+"&password=Mark-hunter2"))
	hook := "http://" + addr + "/pay/webhooks"
	began := time.Now()
	if got := sendWebhook(t, hook, webhookEvent("1")); got != http.StatusServiceUnavailable {
		t.Errorf("without its ledger a webhook is answered %d", got)
	}
	if took := time.Since(began); took > 10*time.Second { // a second, and whatever this machine adds
		t.Errorf("after %s", took)
	}
	proxy.Heal()
	eventually(t, "the webhook is taken", func() bool { return sendWebhook(t, hook, webhookEvent("1")) == http.StatusOK })
	eventually(t, "the backend hears of it", func() bool { return s.heard("1") == 1 })
	text := logged(t, dir)
	if strings.Contains(text, "Mark-hunter2") {
		t.Error("the password is in the log")
	}
	if n := strings.Count(text, "the ledger's database cannot be used: webhooks and payments are answered 503"); n != 1 {
		t.Errorf("it is said %d times that the database does not answer", n)
	}
	for _, want := range []string{"started without the ledger, whose database does not answer", "the ledger's database answers: payments go on"} {
		if !strings.Contains(text, want) {
			t.Errorf("the log does not say %q", want)
		}
	}
}

// What a database refuses for good is the configuration's fault, and said as one, without a word of the DSN's password.
func TestDatabaseRefuses(t *testing.T) {
	dsn := pgtest.Shared(t).DSN(t)
	name, rest, _ := strings.Cut(strings.TrimPrefix(dsn, "postgres:///"), "?")
	if name == "" {
		t.Fatalf("no database in %s", dsn)
	}
	dir, s := t.TempDir(), newShop(t)
	err := caddy.Load(adapt(t, s.databaseSite(t, dir, freeAddr(t), "postgres:///no_such_database?"+rest+"&password=Mark-hunter2")), true)
	if err == nil {
		_ = caddy.Stop()
		t.Fatal("it started")
	}
	if text := err.Error(); !strings.Contains(text, "pay on all sites: ledger: ") || !strings.Contains(text, "no_such_database") || !strings.Contains(text, "Caddyfile:") ||
		strings.Contains(text, "hunter2") {
		t.Error(text)
	}
}

// Two blocks, and the old and the new configuration of a reload, have one pool; other options of it make another one.
func TestDatabaseKeptOverReload(t *testing.T) {
	dsn := pgtest.Shared(t).DSN(t)
	dir, s, addr := t.TempDir(), newShop(t), freeAddr(t)
	file := s.databaseSite(t, dir, addr, dsn)
	run(t, file)
	before := ledgerOf(t)
	run(t, strings.Replace(file, "allow_http", "allow_http\n\t\tcors https://m.example.com", 1))
	if ledgerOf(t) != before {
		t.Error("a reload that changes nothing of the ledger opened another one")
	}
	if got := sendWebhook(t, "http://"+addr+"/pay/webhooks", webhookEvent("1")); got != http.StatusOK {
		t.Errorf("after a reload a webhook is answered %d", got)
	}
	run(t, s.databaseSite(t, dir, addr, dsn, "max_conns 3", "listen off"))
	after := ledgerOf(t)
	if after == before {
		t.Error("max_conns is not taken over")
	}
	eventually(t, "the backend hears of it", func() bool { return s.heard("1") == 1 })
	app := must(activeApp())
	reg := prometheus.NewPedanticRegistry()
	if err := registerGauges(reg, app); err != nil {
		t.Fatal(err)
	}
	shown := make(map[string]bool)
	for _, family := range must(reg.Gather()) {
		shown[family.GetName()] = true
	}
	for _, name := range []string{"connections", "connection_waits_total", "clock_offset_seconds", "horizon_transactions", "dead_rows", "standbys", "bytes"} {
		if !shown["caddy_pay_ledger_"+name] {
			t.Errorf("caddy_pay_ledger_%s is not shown", name)
		}
	}
	if st := must(app.state(t.Context())); st.Pool.Max != 3 {
		t.Errorf("%+v", st.Pool)
	}
	for _, f := range check.Run(t.Context(), app.bookChecks()) {
		if f.Result == check.Unknown || strings.HasPrefix(f.ID, "ledger") && f.Result != check.OK {
			t.Errorf("%s: %s %s", f.ID, f.Result, f.Text.EN)
		}
	}
}

// Nodes that have a database together have its session key, made once, whatever their Caddys keep their storage in.
func TestDatabaseShares(t *testing.T) {
	dsn := pgtest.Shared(t).DSN(t)
	node := func(conns int) *store {
		h := home{key: fmt.Sprint(t.Name(), conns), label: "a database", dsn: redact.New(dsn), conns: conns, deaf: true}
		s := acquire(h, fileStorage(t))
		t.Cleanup(func() { _ = releaseStore(h.key) })
		return s
	}
	a, b := node(2), node(3)
	for _, s := range []*store{a, b} { // which takes longer than anybody who needs it waits
		if _, err := s.await(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var keys [2][]byte
	done := make(chan error, len(keys))
	for i, s := range []*store{a, b} {
		go func() {
			k := &storedKey{storage: s.shared(), random: rand.Reader}
			got, err := k.keys(context.Background())
			if err == nil {
				keys[i] = got[0]
			}
			done <- err
		}()
	}
	for range keys {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(keys[0], keys[1]) || len(keys[0]) != sessionKeyBytes {
		t.Error("two nodes have two session keys")
	}
	// What was told is where the other finds it.
	ctx := t.Context()
	for i, s := range []*store{a, b, a} {
		err := (&toldStore{storage: s.shared()}).Change(ctx, "wecom-1", func(old []byte) ([]byte, error) {
			if len(old) != i {
				t.Errorf("%q was told after %d", old, i)
			}
			return append(old, 'x'), nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

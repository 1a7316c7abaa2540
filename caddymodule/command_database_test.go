package caddymodule

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddypay/caddypay/ledger/ledgertest/pgtest"
)

// Commands that look after a ledger's file say what to do with one in a database, and show no DSN.
func TestCommandsOfADatabase(t *testing.T) {
	dsn := pgtest.Shared(t).DSN(t)
	dir, s, addr := t.TempDir(), newShop(t), freeAddr(t)
	a := runAdmin(t, s.databaseSite(t, dir, addr, dsn+"&password=Mark-hunter2"))
	pay := func(args ...string) (string, error) {
		var out bytes.Buffer
		cmd := payCommand(t, &out, args...)
		cmd.SetErr(&out)
		err := cmd.ExecuteContext(t.Context())
		return out.String(), err
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"ledger", "backup", dir + "/copy.db", "--address", a.addr}, "pg_dump --format=custom --schema=caddypay"},
		{[]string{"ledger", "restore", dir + "/copy.db", "postgres://pay:Mark-hunter2@db/pay"}, "pg_restore"},
		{[]string{"ledger", "verify", "--ledger", "postgres://pay:Mark-hunter2@db/pay"}, "this is the DSN of a database; ask a running Caddy"},
		{[]string{"events", "list", "--ledger", "host=db password=Mark-hunter2"}, "this is the DSN of a database; ask a running Caddy"},
	} {
		out, err := pay(c.args...)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(out+err.Error(), "hunter2") {
			t.Errorf("%v: %v\n%s", c.args, err, out)
		}
	}
	out, err := pay("ledger", "verify", "--address", a.addr)
	if err != nil || !strings.Contains(out, "PostgreSQL at ") || strings.Contains(out, "hunter2") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := pay("health", "--json", "--address", a.addr); err != nil || !strings.Contains(out, "PostgreSQL at ") || strings.Contains(out, "hunter2") {
		t.Errorf("%v\n%s", err, out)
	}
}

// A ledger moves from a file to a database with two commands, and a Caddy that starts there delivers what waited.
func TestMoveCommands(t *testing.T) {
	dir, s, addr := t.TempDir(), newShop(t), freeAddr(t)
	run(t, globals(dir, ledgerIn(dir))+"http://"+addr+" {\n"+payBlock(t, dir, "", "allow_http")+"}\n") // nobody is told
	hook := "http://" + addr + "/pay/webhooks"
	for n := range 3 {
		if got := sendWebhook(t, hook, webhookEvent(fmt.Sprint(n))); got != http.StatusOK {
			t.Fatal(got)
		}
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	dsn := pgtest.Shared(t).DSN(t)
	t.Setenv("TEST_LEDGER_DSN", dsn+"&password=Mark-hunter2")
	pay := func(args ...string) (string, error) {
		var out bytes.Buffer
		cmd := payCommand(t, &out, args...)
		cmd.SetErr(&out)
		err := cmd.ExecuteContext(t.Context())
		if strings.Contains(out.String(), "hunter2") || err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v shows the password: %v\n%s", args, err, out.String())
		}
		return out.String(), err
	}
	file := filepath.Join(dir, "ledger.jsonl")
	out, err := pay("ledger", "export", filepath.Join(dir, "ledger.db"), file)
	if err != nil || !strings.Contains(out, "3 events") {
		t.Fatalf("%v\n%s", err, out)
	}
	if info := must(os.Stat(file)); info.Mode().Perm() != 0o600 {
		t.Error(info.Mode())
	}
	if _, err := pay("ledger", "export", filepath.Join(dir, "ledger.db"), file); err == nil {
		t.Error("an export is written over")
	}
	for range 2 { // a second one finds it there, and refuses
		if out, err = pay("ledger", "import", file, "{env.TEST_LEDGER_DSN}"); err != nil {
			break
		}
		if !strings.Contains(out, "3 events") || !strings.Contains(out, "PostgreSQL at ") {
			t.Errorf("%s", out)
		}
	}
	if err == nil || !strings.Contains(err.Error(), "has something in it") {
		t.Errorf("a second import: %v", err)
	}
	if _, err := pay("ledger", "import", file, "{env.TEST_UNSET}"); err == nil || !strings.Contains(err.Error(), "{env.TEST_UNSET} resolves to nothing") {
		t.Errorf("%v", err)
	}
	run(t, s.databaseSite(t, dir, addr, dsn))
	for n := range 3 {
		if got := sendWebhook(t, hook, webhookEvent(fmt.Sprint(n))); got != http.StatusOK { // Ping++ comes again
			t.Errorf("%d", got)
		}
		eventually(t, "the backend hears of it", func() bool { return s.heard(fmt.Sprint(n)) == 1 })
	}
	if _, err := pay("ledger", "import", file, dsn); err == nil || !strings.Contains(err.Error(), "is in use by") {
		t.Errorf("into a ledger in use: %v", err)
	}
}

package caddymodule

import (
	"bytes"
	"strings"
	"testing"

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

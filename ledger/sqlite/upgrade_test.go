package sqlite

import (
	_ "embed"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

//go:embed testdata/schema1.sql
var schema1 string

// A ledger of an older version gets the schema that a new one has, and keeps what is in it.
func TestUpgrade(t *testing.T) {
	old := filepath.Join(t.TempDir(), "ledger.db")
	must(t, prepareFile(old, nil, zap.NewNop()))
	c, err := connectWrites(t.Context(), old)
	must(t, err)
	must(t, c.script(schema1+fmt.Sprintf("; PRAGMA application_id = %d; PRAGMA user_version = 1;", applicationID)+`
		INSERT INTO scopes (id, app, mode) VALUES (1, '`+scope.App+`', '`+string(scope.Mode)+`');
		INSERT INTO charges (scope, order_no, number, state, reserved_until, id, channel, payer, amount, currency, created)
			VALUES (1, 'o1', 'o1', 'created', 0, 'ch_1', 'wx_lite', 'openid', 100, 'cny', 1);
		INSERT INTO refunds (scope, refund_no, charge_id, order_no, amount, state, created) VALUES (1, 'R1', 'ch_1', 'o1', 100, 'asked', 1);
		INSERT INTO audit (event, at, action, state, by, reason) VALUES (1, 1, 'replay', 'dead', 'ops', '')`))
	must(t, c.close())
	l := openFile(t, old)
	if got, want := shape(t, l), shape(t, openFile(t, filepath.Join(t.TempDir(), "ledger.db"))); !slices.Equal(got, want) {
		t.Errorf("the upgraded schema differs:\n%q\nwant\n%q", got, want)
	}
	charge, err := l.Charge(t.Context(), scope, "ch_1")
	must(t, err)
	if charge.Amount != 100 || charge.State != ledger.Open {
		t.Errorf("the upgrade made %+v of a charge", charge)
	}
	re, err := l.Refund(t.Context(), scope, "R1")
	must(t, err)
	if re.Asks != 1 || re.Amount != 100 { // Ping++ may have heard of it
		t.Errorf("the upgrade made %+v of a refund", re)
	}
	said := ask(t, l, `SELECT by, said FROM audit`, func(r *row) [2]string { return [2]string{r.text(), r.text()} })
	if said != [2]string{"", "ops"} { // what older versions wrote was a claim
		t.Errorf("the upgrade made %q of who decided, and of who was said to", said)
	}
}

// shape is every column and index of a ledger, in an order that does not depend on its age.
func shape(t *testing.T, l *Ledger) (shape []string) {
	must(t, l.reads.with(t.Context(), func(c *conn) error {
		return c.run(`SELECT m.name || '.' || c.name || ' ' || c.type || ' ' || c."notnull" || ' ' || coalesce(c.dflt_value, '') || ' ' || c.pk
		FROM sqlite_schema AS m, pragma_table_info(m.name) AS c WHERE m.type = 'table'
		UNION ALL SELECT name || ' ' || coalesce(sql, '') FROM sqlite_schema WHERE type = 'index' ORDER BY 1`, func(r *row) { shape = append(shape, r.text()) })
	}))
	return shape
}

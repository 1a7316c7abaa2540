package sqlite

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddypay/caddypay/ledger"
)

// What was recorded before money and acknowledgements were counted is at risk, or is not, all the same; and nothing is taken for miscounted.
func TestUpgradeCounts(t *testing.T) {
	old := filepath.Join(t.TempDir(), "ledger.db")
	must(t, prepareFile(old, nil, zap.NewNop()))
	c, err := connectWrites(t.Context(), old)
	must(t, err)
	event := func(seq int, state string) string {
		return fmt.Sprintf(`
		INSERT INTO charges (seq, scope, order_no, number, state, reserved_until, id, amount, currency, created, paid, amount_paid, payment)
			VALUES (%[1]d, 1, 'o%[1]d', 'o%[1]d', 'created', 0, 'ch_%[1]d', 100, 'cny', 1000, 1, 100 + %[1]d, %[1]d);
		INSERT INTO events (seq, scope, id, type, object_id, effect, by_charge, charge_id, number, order_no, lane, rank, source, created, received, host, trace,
				state, reasons, late, due)
			VALUES (%[1]d, 1, 'evt_%[1]d', 'charge.succeeded', 'ch_%[1]d', 0, 1, 'ch_%[1]d', 'o%[1]d', 'o%[1]d', 'o%[1]d', 0, 'webhook', 1000, %[1]d000, '', '',
				'%[2]s', '', '', %[1]d000);
		INSERT INTO counts VALUES (1, '%[2]s', 1) ON CONFLICT DO UPDATE SET n = n + 1;`, seq, state)
	}
	must(t, c.script(schema1+fmt.Sprintf("; PRAGMA application_id = %d; PRAGMA user_version = 1;", applicationID)+`
		INSERT INTO scopes (id, app, mode) VALUES (1, '`+scope.App+`', '`+string(scope.Mode)+`');`+
		event(1, "delivered")+event(2, "pending")+event(3, "dead")+event(4, "pending")+event(5, "discarded")+`
		INSERT INTO deliveries VALUES (4, 1, 1, 0, 0, 200, '', '', 'delivered', 0, 0);
		INSERT INTO audit (event, at, action, state, by, reason) VALUES (4, 1000, 'replay', 'delivered', 'ops', '')`)) // of what the backend knows
	must(t, c.close())
	l := openFile(t, old)
	f, err := l.Figures(t.Context(), scope)
	must(t, err)
	if f.AtRisk != 102+103 || f.AtRiskEvents != 2 || !f.OldestAtRisk.Equal(time.UnixMilli(2000)) || f.Events[ledger.Pending] != 2 {
		t.Errorf("at risk after the upgrade: %+v", f)
	}
	faults, err := l.Verify(t.Context())
	must(t, err)
	if len(faults) > 0 {
		t.Errorf("Verify: %q", faults)
	}
	p, err := l.ListAudit(t.Context(), ledger.AuditFilter{Scope: scope})
	must(t, err)
	if len(p.Rows) != 1 || p.Rows[0].EventID != "evt_4" {
		t.Errorf("the audit log after the upgrade: %+v", p.Rows)
	}
	must(t, l.Decide(t.Context(), ledger.Decision{Scope: scope, EventID: "evt_3", Action: ledger.ActionDiscard, Now: time.Now()}))
	if f, err = l.Figures(t.Context(), scope); err != nil || f.AtRisk != 102 {
		t.Errorf("after one was discarded: %+v, %v", f, err)
	}
}

// Verify says what is counted wrong; the log does not call for a backup because of that.
func TestMiscounted(t *testing.T) {
	file := newFile(t)
	core, logs := observer.New(zap.InfoLevel)
	l, err := Open(t.Context(), Options{File: file, Logger: zap.New(core)})
	must(t, err)
	defer l.Close()
	appendEvents(t, l, "evt_1", "evt_2")
	must(t, l.write(t.Context(), func(t *tx) error {
		id, err := t.scope(scope)
		if err != nil {
			return err
		}
		t.add(id, ledger.Dead, 1)
		t.Tally(scope, time.UnixMilli(0), "webhook", 2)
		return nil
	}))
	faults, err := l.Verify(t.Context())
	must(t, err)
	if len(faults) != 2 || !strings.Contains(faults[0], "dead is counted as 1, and is 0") || !strings.Contains(faults[1], "webhook") {
		t.Errorf("Verify: %q", faults)
	}
	again := guard{ledger: l}
	again.start(time.Millisecond)
	defer again.stop()
	eventually(t, "the log says so", func() bool { return logs.FilterMessageSnippet("is counted wrong").Len() > 0 })
	if n := logs.FilterMessageSnippet("restore").Len(); n > 0 {
		t.Errorf("the log calls for a backup: %v", logs.All())
	}
}

package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/ledgertest/old"
)

// What was recorded before money and acknowledgements were counted is at risk, or is not, all the same; and nothing is taken for miscounted.
func TestUpgradeCounts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.db")
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
	must(t, old.Write1(file, `
		INSERT INTO scopes (id, app, mode) VALUES (1, '`+scope.App+`', '`+string(scope.Mode)+`');`+
		event(1, "delivered")+event(2, "pending")+event(3, "dead")+event(4, "pending")+event(5, "discarded")+`
		INSERT INTO deliveries VALUES (4, 1, 1, 0, 0, 200, '', '', 'delivered', 0, 0);
		INSERT INTO audit (event, at, action, state, by, reason) VALUES (4, 1000, 'replay', 'delivered', 'ops', '')`)) // of what the backend knows
	l := openFile(t, file)
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

// Verify says what is counted wrong.
func TestMiscounted(t *testing.T) {
	l := openFile(t, newFile(t))
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
}

// TestVerifyLongTime: what is tallied for years is compared once, not once for each hour.
func TestVerifyLongTime(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_1")
	must(t, l.write(t.Context(), func(t *tx) error {
		return t.set(`WITH RECURSIVE hours (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM hours WHERE n < 40000)
			INSERT INTO tallies SELECT 1, n * 3600000, column1, 0 FROM hours, (VALUES ('webhook'), ('paid'), ('charges'))`)
	}))
	ctx, end := context.WithTimeout(t.Context(), 20*time.Second) // of which a fraction of one is enough
	defer end()
	if faults, err := l.Verify(ctx); err != nil || len(faults) > 0 {
		t.Errorf("Verify: %q, %v", faults, err)
	}
}

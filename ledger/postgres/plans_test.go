package postgres

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	planRows = 12_000
	planDay  = 20_780 // of all rows that are in partitions
)

var fillers = strings.NewReplacer("{rows}", fmt.Sprint(planRows), "{day}", fmt.Sprint(planDay))

// fill makes a ledger of which a scope has most: payments that were delivered, some that wait, some that are held, dead or filtered.
var fill = []string{
	`INSERT INTO caddypay.scopes (app, mode) SELECT 'app_' || i, 'live' FROM generate_series(1, 3) AS i`,
	`INSERT INTO caddypay.events (created, received, money, settled, scope, rank, effect, by_charge, id, type, object_id, charge_id, number, order_no, lane, source, host,
			trace, state, reasons, late, body_day)
		SELECT i, i, 100, i, CASE WHEN i % 100 = 0 THEN 2 ELSE 1 END, 0, true, i % 10 <> 0, 'evt_' || i, CASE WHEN i % 10 = 0 THEN 'refund.succeeded' ELSE 'charge.succeeded' END,
			'ch_' || i, 'ch_' || i, 'O' || i, 'O' || i, 'O' || i, 'webhook', 'shop.example.com', '', CASE WHEN i % 50 = 1 THEN 'pending' WHEN i % 100 = 2 THEN 'held'
			WHEN i % 100 = 3 THEN 'dead' WHEN i % 100 = 4 THEN 'filtered' ELSE 'delivered' END, '', '', {day} FROM generate_series(1, {rows}) AS i`,
	`INSERT INTO caddypay.queue (event, due, created, received, scope, rank, blocked, risk, lane, owner)
		SELECT seq, received, created, received, scope, 0, seq % 3 = 0, true, lane, CASE WHEN seq % 5 = 0 THEN 'a' END FROM caddypay.events WHERE state = 'pending'
		UNION ALL SELECT 1000000 + i, i, i, i, 3, 0, false, true, 'O' || i, NULL FROM generate_series(1, {rows}) AS i`, // an outage of another scope
	`INSERT INTO caddypay.bodies SELECT seq, {day}, 'signature', 'body' FROM caddypay.events`,
	`INSERT INTO caddypay.deliveries (event, at, took, due, day, attempt, status, uncounted, error, snippet, state)
		SELECT i / 2, i, 1, 0, {day}, 1, 500, false, '', '', 'pending' FROM generate_series(1, {rows}) AS i`,
	`INSERT INTO caddypay.audit (event, at, scope, action, state, by, reason, said, run)
		SELECT i, i, 1, 'replay', 'dead', 'ops', '', '', CASE WHEN i % 3 = 0 THEN 'run_' || i % 100 ELSE '' END FROM generate_series(1, {rows}) AS i`,
	`INSERT INTO caddypay.counts (scope, hour, what, n) SELECT 1, i * 3600000::bigint, 'paid', 1 FROM generate_series(1, {rows}) AS i`,
	`INSERT INTO caddypay.quotes (amount, at, scope, closed, order_no, currency) SELECT 100, i, 1, false, 'O' || i, 'cny' FROM generate_series(1, {rows}) AS i`,
	`INSERT INTO caddypay.charges (reserved_until, amount, created, time_paid, amount_paid, payment, next_query, scope, paid, order_no, number, state, id, channel, payer, currency,
			transaction_no, answer_day)
		SELECT 0, 100, i, i, 100, i, CASE WHEN i % 100 = 0 THEN i ELSE 0 END, CASE WHEN i % 100 = 0 THEN 2 ELSE 1 END, i % 7 <> 0, 'O' || i, 'O' || i,
			CASE WHEN i % 100 = 5 THEN 'refused' ELSE 'created' END, 'ch_' || i, 'wx_lite', 'payer' || i % 1000, 'cny', '4200' || i, {day} FROM generate_series(1, {rows}) AS i`,
	`INSERT INTO caddypay.answers SELECT seq, {day}, 'raw' FROM caddypay.charges`,
	`INSERT INTO caddypay.refunds (amount, created, next_query, scope, refund_no, charge_id, order_no, state, id)
		SELECT 100, i, CASE WHEN i % 100 = 0 THEN i ELSE 0 END, 1, 'R' || i, 'ch_' || i, 'O' || i, 'succeeded', 're_' || i FROM generate_series(1, {rows}) AS i`,
	`INSERT INTO caddypay.logins (key, identity, expires) SELECT decode(md5(i::text), 'hex'), 'x', i FROM generate_series(1, {rows}) AS i`,
	`INSERT INTO caddypay.runs (created, ended, stopped, id, stopped_by, doc) SELECT i, CASE WHEN i % 1000 = 0 THEN 0 ELSE i END, 0, 'run_' || i, '', '' FROM generate_series(1, {rows}) AS i`,
	`INSERT INTO caddypay.shipments (charge, amount, paid, recorded, reported, due, until, scope, uploads, attempts, tries, missed, unclear, epoch, state, stage, code, problem, last)
		SELECT i, 100, i, 0, 0, CASE WHEN i % 100 = 0 THEN i ELSE 0 END, 0, 1, 0, 0, 0, 0, 0, 0, CASE WHEN i % 50 = 0 THEN 'waiting' ELSE 'settled' END, 'done', '', '', ''
		FROM generate_series(1, {rows}) AS i`,
	`INSERT INTO caddypay.shippings (charge, at, took, n, step, result, code, problem, state) SELECT i, i, 1, 1, 'post', '', '', '', '' FROM generate_series(1, {rows}) AS i`,
}

// planned are the statements that look something up, with parameters as they come.
func planned() map[string][]any {
	page := []any{1, "", 0, int64(planRows), 50, "", "", "", "", false, int64(0), int64(1) << 60}
	of := func(by string) []any { return append([]any{1, by}, page[2:]...) }
	return map[string][]any{
		sqlEvent: {1, "evt_7"}, fmt.Sprintf(sqlBody, planDay): {7}, fmt.Sprintf(sqlAnswers, planDay): {[]int64{7, 8}},
		fmt.Sprintf(sqlDeliveries, planDay, planDay+1): {7, 10}, sqlSentByID: {1, "evt_7"}, sqlSentBySeq: {7}, sqlNextDue: {1, 0},
		sqlEventsAhead: {1, planRows - 10, 0, 1000}, sqlOldBodies: {planRows - 100, 200}, sqlOldAnswers: {planRows - 100, 200},
		sqlCharge: {1, "ch_7"}, sqlAttempts: {1, "O7"}, sqlPayable: {1, "payer7", 1000}, sqlChargesCreated: {1, 1000, 1100, "", 100},
		sqlChargesAhead: {1, planRows - 10, 0, 1000, 1}, sqlRefundsOf: {1, "O7"}, sqlRefundsOfCharge: {1, "ch_7"}, sqlRefunds: {1, "re_7", "R7"},
		sqlRefundsAhead: {1, planRows - 10, 0, 1000}, sqlLogin: {[]byte{1}, 5}, sqlByAttempt: {1, "created", 0, planRows, planRows, 64},
		sqlOrderAttempts: {1, "O7", 2}, sqlLastAttempts: {1, "O7", 2}, sqlRefundsBy: {1, 0, planRows, planRows, 64}, sqlAudit: {1, 0, planRows, planRows, 64},
		sqlEventAudit: {1, "evt_7", planRows, planRows, 64}, sqlQuote: {1, "O7"}, sqlFind: {1, "O7"}, sqlHours: {1, 0, 3 * 3600000}, sqlCounts: {1}, sqlCounted: {1, "dead"},
		sqlOldestPending: {1, true}, sqlOldestShelf: {1, "dead"}, sqlRun: {"run_1"}, sqlRuns: {100, 10}, sqlOpenRuns: nil, sqlRunDecided: {"run_1"},
		sqlOldShipments: {planRows - 100, 200}, sqlShippings: {7, 10}, sqlUnshipped: {1, "waiting", 0, planRows, 1000}, sqlShipment: {1, 7}, sqlShipmentsOf: {1, "O7"},
		sqlShipmentsAhead: {1, planRows - 10, 0, 1000, false}, sqlShipmentsBy: {1, "waiting", 0, planRows, planRows, 64},
		sqlNewest: page, sqlDown: page[:5], sqlByType: of("refund.succeeded"), sqlDownType: of("refund.succeeded")[:5], sqlByShelf: of("1dead"), sqlDownShelf: of("1dead")[:5],
		sqlPendings: page, sqlByOrder: of("O7")[:5], sqlPayments: of("O7")[:5], sqlLast: nil, sqlReceived: {100},
	}
}

// ways are the indexes along which lists go when they are planned for what they look for, as AtOnce has them planned.
var ways = map[string]string{
	sqlNewest: "events_scope", sqlDown: "events_scope", sqlByType: "events_type", sqlDownType: "events_type", sqlByShelf: "events_shelf", sqlDownShelf: "events_shelf",
	sqlOldestShelf: "events_shelf", sqlOldestPending: "queue_old", sqlByAttempt: "charges_created", sqlRefundsBy: "refunds_created", sqlAudit: "audit_time",
	sqlEventAudit: "audit_event", sqlShipmentsBy: "shipments_state", sqlEventsAhead: "queue_due", sqlRefundsAhead: "refunds_query", sqlChargesAhead: "charges_query",
}

// written are the statements of transactions that look something up. They are planned once for all.
var written = []string{
	sqlBooks, sqlBookedCharges, sqlChargeRow, sqlNumbered, sqlForsaken, sqlSetCharge, sqlSetAttempt, sqlDropCharge, sqlAnswered, sqlSetQuote, sqlDueQueries, sqlDueFirst,
	sqlFirstCharge, sqlAddEvent, sqlSetEvent, sqlQueue, sqlUnqueue, sqlSetBlocked, sqlSent, sqlEffectSeen, sqlSetSent,
	sqlLeases, sqlSetLease, sqlLockLane, sqlRetry, sqlSettle, sqlClaim, fmt.Sprintf(sqlBodies, planDay), sqlWaiting, sqlRefundsToSet,
	sqlRefundsOfChargeToSet, sqlDueRefunds, sqlSetRefund, sqlDropRefund, sqlDropLogins, sqlRunToSet, sqlOpenRunsToSet, sqlSetRun, sqlDecided, sqlLockCharge,
	sqlLockShipment, sqlSetShipment, sqlDropShipment, sqlDropShippings, sqlSetShipping, sqlShipmentToSet, sqlDueShipments,
}

func init() {
	for _, of := range []locked{sqlEventRow, sqlEventAt, sqlPendingRefunds, sqlWithheld, sqlUnreadable} {
		written = append(written, of.places, of.events, of.read)
	}
	for _, b := range bulks {
		written = append(written, b.text)
	}
}

var parameter = regexp.MustCompile(`\$(\d+)`)

// nothing is NULL for each parameter of a statement.
func nothing(text string) []any {
	most := 0
	for _, found := range parameter.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(found[1])
		most = max(most, n)
	}
	return slices.Repeat([]any{"NULL"}, most)
}

// scans finds the tables that a plan reads from one end to the other. Those that stay small may be.
var (
	scans  = regexp.MustCompile(`Seq Scan on (?:caddypay\.)?(\w+)`)
	little = map[string]bool{"scopes": true, "pauses": true, "sweeps": true, "deltas": true}
)

// No statement reads a big table from one end to the other, whether its plan is made for its parameters or once for all.
func TestPlans(t *testing.T) {
	l := openLedger(t)
	ctx := t.Context()
	must(t, l.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		conn := c.Conn()
		for _, table := range partitioned {
			if err := makeDay(ctx, conn, table, planDay); err != nil {
				return err
			}
		}
		for _, text := range fill {
			if _, err := conn.Exec(ctx, fillers.Replace(text), pgx.QueryExecModeSimpleProtocol); err != nil {
				return fmt.Errorf("%s: %w", text, err)
			}
		}
		if _, err := conn.Exec(ctx, "ANALYZE"); err != nil {
			return err
		}
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			if _, err := conn.Exec(ctx, "SET plan_cache_mode = "+mode); err != nil {
				return err
			}
			look := func(text string, args []any) {
				plan, err := explain(ctx, conn, text, args)
				if err != nil {
					t.Errorf("%s: %v", text, err)
					return
				}
				for _, found := range scans.FindAllStringSubmatch(plan, -1) {
					if !little[found[1]] {
						t.Errorf("%s: %s is read whole:\n%s\n%s", mode, found[1], text, plan)
					}
				}
				if index := ways[text]; index != "" && mode == "force_custom_plan" && (!strings.Contains(plan, index) || strings.Contains(plan, "Sort")) {
					t.Errorf("%s: it does not go along %s:\n%s\n%s", mode, index, text, plan)
				}
			}
			for text, args := range planned() {
				if mode == "force_generic_plan" && strings.HasPrefix(ways[text], "events_") {
					continue // they come in AtOnce
				}
				look(text, literals(args))
			}
			if mode == "force_custom_plan" { // what is rare is not looked for among all the rest
				for _, text := range []string{sqlNewest, sqlDown} {
					args := slices.Clone(planned()[text])
					args[0] = 3
					plan, err := explain(ctx, conn, text, literals(args))
					if err != nil || !strings.Contains(plan, "events_scope") {
						t.Errorf("of a small scope: %v\n%s\n%s", err, text, plan)
					}
				}
			}
			if mode == "force_generic_plan" {
				for _, text := range written {
					look(text, nothing(text))
				}
			}
		}
		return nil
	}))
}

// explain prepares a statement, so that the server may plan it once for all, and returns how it would run it.
func explain(ctx context.Context, conn *pgx.Conn, text string, args []any) (string, error) {
	if _, err := conn.Exec(ctx, "PREPARE planned AS "+text, pgx.QueryExecModeSimpleProtocol); err != nil {
		return "", err
	}
	defer func() { _, _ = conn.Exec(ctx, "DEALLOCATE planned", pgx.QueryExecModeSimpleProtocol) }()
	execute := "EXPLAIN EXECUTE planned"
	if len(args) > 0 {
		execute += "(" + strings.TrimSuffix(strings.Repeat("%s, ", len(args)), ", ") + ")"
	}
	rows, err := conn.Query(ctx, fmt.Sprintf(execute, args...), pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return "", err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return strings.Join(lines, "\n"), err
}

func literals(args []any) (values []any) {
	for _, arg := range args {
		values = append(values, literal(arg))
	}
	return values
}

func literal(arg any) string {
	switch v := arg.(type) {
	case string:
		return "'" + v + "'"
	case []byte:
		return fmt.Sprintf(`'\x%x'`, v)
	case []int64:
		return "'{" + strings.Trim(strings.ReplaceAll(fmt.Sprint(v), " ", ","), "[]") + "}'"
	}
	return fmt.Sprint(arg)
}

// A queue that is empty nearly always is empty whenever the server looks at it, though what was delivered since it last cleaned up is still in its indexes.
// What events and their deliveries ask goes to the few rows that it is about all the same.
func TestPlansOfAnEmptyQueue(t *testing.T) {
	l := openLedger(t)
	ctx := t.Context()
	must(t, l.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		conn := c.Conn()
		do := func(texts ...string) error {
			for _, text := range texts {
				if _, err := conn.Exec(ctx, fillers.Replace(text), pgx.QueryExecModeSimpleProtocol); err != nil {
					return fmt.Errorf("%s: %w", text, err)
				}
			}
			return nil
		}
		if err := do(`SET plan_cache_mode = force_generic_plan`, fill[0], fill[1], `ANALYZE caddypay.events`, `INSERT INTO caddypay.queue (event, due, created, received, scope, rank,
				blocked, risk, lane, owner) SELECT i, i, i, i, 1, 0, false, true, lpad(i::text, 48, 'O'), 'a' FROM generate_series(1, 40000) AS i`,
			`DELETE FROM caddypay.queue`); err != nil {
			return err
		}
		for _, look := range []string{`SELECT 1`, `ANALYZE caddypay.queue`} { // before the server has looked at it, and after
			if err := do(look); err != nil {
				return err
			}
			for _, text := range []string{sqlBooks, sqlSettle, sqlRetry, bulks[sqlBooks].text, bulks[sqlSettle].text, sqlClaim, sqlSetBlocked, sqlUnqueue} {
				plan, err := explain(ctx, conn, text, nothing(text))
				if err != nil {
					return fmt.Errorf("%s: %w", text, err)
				}
				for _, index := range []string{"queue_old", "queue_leased", "queue_back", "Seq Scan on queue"} {
					if strings.Contains(plan, index) {
						t.Errorf("after %s, %s:\n%s\n%s", look, index, text, plan)
					}
				}
			}
		}
		return nil
	}))
}

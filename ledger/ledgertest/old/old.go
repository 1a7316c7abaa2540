// Package old makes ledgers as older versions of the product wrote them, to see that they are brought up to date, and what that takes.
package old

import (
	_ "embed"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// Schema1 is what version 1 made of an empty file.
//
//go:embed schema1.sql
var Schema1 string

const marks = "PRAGMA application_id = 1668309369; PRAGMA user_version = 1;" // "cpay"

// Write1 makes an empty file a ledger of version 1, with rows that further statements add.
func Write1(file, rows string) error {
	c, err := sqlite.OpenConn(file, sqlite.OpenReadWrite|sqlite.OpenCreate|sqlite.OpenWAL)
	if err != nil {
		return err
	}
	if err = sqlitex.ExecuteScript(c, Schema1+marks+rows, nil); err != nil {
		_ = c.Close()
		return fmt.Errorf("writing an old ledger: %w", err)
	}
	return c.Close()
}

// Paid1 are the rows of paid orders, from 1 to n, of a scope in a ledger of version 1, which are delivered; bodies and answers are left of the newest.
// Every hundredth order has a failed delivery besides, and an attempt that came before.
func Paid1(app, mode string, n, bodies int) string {
	return fmt.Sprintf(paid1, app, mode, n, bodies)
}

const paid1 = `
INSERT INTO scopes (id, app, mode) VALUES (1, '%[1]s', '%[2]s');
CREATE TEMP TABLE numbers AS WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < %[3]d)
	SELECT n, printf('ch_%%027d', n) AS charge, printf('A%%019d', n * 7919 %% 1000000007) AS order_no, 1760000000000 + n * 1000 AS at FROM n;
INSERT INTO charges (scope, order_no, number, state, reserved_until, id, channel, payer, amount, currency, host, created, superseded, next_query)
	SELECT 1, order_no, order_no || 'a', 'created', 0, charge || 'a', 'wx_pub_qr', printf('o%%027d', n), 100, 'cny', 'shop.example.com', at - 60000, 1, 0
	FROM numbers WHERE n %% 100 = 0;
INSERT INTO charges (scope, order_no, number, state, reserved_until, id, channel, payer, payer_app, amount, currency, host, created, time_expire, paid,
	time_paid, amount_paid, payment)
	SELECT 1, order_no, order_no, 'created', 0, charge, 'wx_lite', printf('o%%027d', n), 'wx0123456789abcdef', 100, 'cny', 'shop.example.com', at - 9000,
	at + 7200000, 1, at, 100, n FROM numbers;
INSERT INTO events (seq, scope, id, type, object_id, effect, by_charge, charge_id, number, order_no, lane, rank, source, created, received, host, trace,
	state, reasons, late, attempts, tries, due, settled)
	SELECT n, 1, printf('evt_%%027d', n), 'charge.succeeded', charge, 0, 1, charge, order_no, order_no, order_no, 1, 'webhook', at, at + 500,
	'shop.example.com', '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01', 'delivered', '', '', 1, 1, at + 500, at + 600 FROM numbers;
INSERT INTO deliveries SELECT n, 1, 1, at + 500, 90000, 500, 'backend answered 500', 'no', 'pending', at + 5500, 0 FROM numbers WHERE n %% 100 = 0;
INSERT INTO deliveries SELECT n, 2, 1 + (n %% 100 = 0), at + 600, 9000, 200, '', 'success', 'delivered', 0, 0 FROM numbers;
INSERT INTO bodies SELECT n, printf('%%344d', n), printf('%%1100d', n) FROM numbers WHERE n > %[3]d - %[4]d;
INSERT INTO answers SELECT seq, printf('%%1300d', seq) FROM charges WHERE paid ORDER BY seq DESC LIMIT %[4]d;
INSERT INTO quotes SELECT 1, order_no, 100, 'cny', 0, at - 9000 FROM numbers;
INSERT INTO counts VALUES (1, 'delivered', %[3]d);
DROP TABLE numbers;`

// Waiting1 are more rows of the scope 1: payments that were not delivered, each in a state of its own, and a charge that nobody paid.
const Waiting1 = `
INSERT INTO charges (scope, order_no, number, state, reserved_until, id, amount, currency, created) VALUES (1, 'unpaid', 'unpaid', 'created', 0, 'ch_unpaid', 100, 'cny', 1750000000000);
INSERT INTO events (scope, id, type, object_id, effect, by_charge, charge_id, number, order_no, lane, rank, source, created, received, host, trace,
	state, reasons, late, due, settled)
	SELECT 1, 'evt_' || column1, 'charge.succeeded', 'ch_' || column1, 0, 1, 'ch_' || column1, column1, column1, column1, 1, 'webhook', 1750000000000, 1750000000500, '', '',
	column1, column2, '', column3, column4 FROM (VALUES ('pending', '', 1750000000500, 0), ('dead', '', 0, 1750000009000), ('held', '["amount_mismatch"]', 0, 1750000000500),
	('discarded', '', 0, 1750000009000));
INSERT INTO charges (scope, order_no, number, state, reserved_until, id, amount, currency, created, paid, time_paid, amount_paid, payment)
	SELECT 1, order_no, order_no, 'created', 0, charge_id, 100, 'cny', created, 1, created, 100, seq FROM events WHERE order_no IN ('pending', 'dead', 'held', 'discarded');
INSERT INTO bodies SELECT seq, '', '{}' FROM events WHERE order_no IN ('pending', 'dead', 'held', 'discarded');
INSERT INTO counts VALUES (1, 'pending', 1), (1, 'dead', 1), (1, 'held', 1), (1, 'discarded', 1);`

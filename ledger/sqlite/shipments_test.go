package sqlite

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/ledgertest/old"
)

var liveScope = ledger.Scope{App: scope.App, Mode: ledger.Live}

// then is a time of 2025, and some milliseconds later.
func then(ms int64) time.Time { return time.UnixMilli(1_760_000_000_000 + ms) }

// A ledger of version 3 gets shipments, which none of its payments has until it is looked for those that WeChat keeps; nothing is taken for miscounted.
func TestUpgradeShipments(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	charge := `INSERT INTO charges (scope, order_no, number, state, reserved_until, id, channel, payer, amount, currency, created, paid, time_paid, amount_paid, payment)
		VALUES (1, `
	must(t, old.Write1(path, `INSERT INTO scopes (id, app, mode) VALUES (1, '`+scope.App+`', 'live');`+
		charge+`'o1', 'o1', 'created', 0, 'ch_1', 'wx_lite', 'openid', 100, 'cny', 1000, 1, 2000, 100, 1);`+
		charge+`'o2', 'o2', 'created', 0, 'ch_2', 'wx_lite', 'openid', 100, 'cny', 1000, 0, 0, 0, 0);`+
		charge+`'o3', 'o3', 'created', 0, 'ch_3', 'wx_pub', 'openid', 100, 'cny', 1000, 1, 2000, 100, 2);`))
	c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenWAL)
	must(t, err)
	must(t, sqlitex.ExecuteScript(c, upgrades[1]+upgrades[2]+"PRAGMA user_version = 3;", nil))
	must(t, c.Close())

	l := openFile(t, path)
	f, err := l.Figures(t.Context(), liveScope)
	must(t, err)
	if f.Frozen != 0 || f.FrozenShipments != 0 {
		t.Errorf("frozen after the upgrade: %+v", f)
	}
	found, next, err := l.FindUnshipped(t.Context(), ledger.ShippingSearch{Scope: liveScope, Now: time.UnixMilli(5000)})
	must(t, err)
	if found != 1 || next != "" {
		t.Errorf("found %d, then %q", found, next)
	}
	s, err := l.Shipment(t.Context(), liveScope, "ch_1")
	must(t, err)
	if s.Amount != 100 || !s.TimePaid.Equal(time.UnixMilli(2000)) || s.Payer != "openid" || s.State != ledger.ShipmentWaiting {
		t.Errorf("it is %+v", s)
	}
	faults, err := l.Verify(t.Context())
	must(t, err)
	if len(faults) > 0 {
		t.Errorf("Verify: %q", faults)
	}
}

// Verify says when frozen money is counted wrong.
func TestMiscountedShipments(t *testing.T) {
	l := openFile(t, newFile(t))
	keep(t, l, "1", true)
	must(t, l.write(t.Context(), func(t *tx) error { return t.set(`UPDATE shipments SET state = 'settled'`) }))
	faults, err := l.Verify(t.Context())
	must(t, err)
	if len(faults) != 2 || !strings.Contains(faults[0], "fen frozen is counted as 100, and is 0") || !strings.Contains(faults[1], "frozen is counted as 1, and is 0") {
		t.Errorf("Verify: %q", faults)
	}
}

// keep records a payment of 100 fen.
func keep(t *testing.T, l *Ledger, orderNo string, ships bool) {
	t.Helper()
	_, err := l.Reserve(t.Context(), ledger.Reservation{Scope: liveScope, OrderNo: orderNo, Now: then(1000), Until: then(2000),
		Number: func(int, int) string { return orderNo }})
	must(t, err)
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: liveScope, OrderNo: orderNo, Number: orderNo, ID: "ch_" + orderNo, Channel: ledger.ShippingChannel, Amount: 100,
		Currency: "cny", Created: then(1000), Raw: []byte("{}")}))
	e := newEvent("evt_" + orderNo)
	e.Received = then(2000)
	e.Scope, e.ObjectID, e.ChargeID, e.OrderNo, e.Lane, e.Ships = liveScope, "ch_"+orderNo, "ch_"+orderNo, orderNo, orderNo, ships
	e.Change = &ledger.ChargeChange{Paid: true, TimePaid: then(2000)}
	e.Payment = &ledger.Payment{Amount: 100, Currency: "cny", Time: then(2000)}
	_, err = l.Append(t.Context(), e)
	must(t, err)
}

// Payments and refunds of sites that report no shipping are recorded, and delivered, by statements that know nothing of it.
func TestNoShippingCostsNothing(t *testing.T) {
	l := openFile(t, newFile(t))
	must(t, l.write(t.Context(), func(t *tx) error { return t.set(`DROP TABLE shipments`) }))
	keep(t, l, "1", false)
	deliver := func(id string) {
		t.Helper()
		es, err := l.Claim(t.Context(), ledger.Claim{Scope: liveScope, Owner: "a", Now: then(9000), Until: then(9999), Limit: 9})
		must(t, err)
		if len(es) != 1 || es[0].ID != id {
			t.Fatalf("claimed %+v, want %s", es, id)
		}
		must(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: liveScope, EventID: id, Attempt: 1, At: then(9000), State: ledger.Delivered}))
	}
	deliver("evt_1")
	r := newEvent("evt_r")
	r.Received = then(8000)
	r.Scope, r.Type, r.ObjectID, r.ChargeID, r.OrderNo, r.Lane, r.Rank = liveScope, "refund.succeeded", "re_1", "ch_1", "1", "1", 1
	r.Change = &ledger.ChargeChange{Refund: 100}
	_, err := l.Append(t.Context(), r)
	must(t, err)
	deliver("evt_r")
	if f, err := l.Figures(t.Context(), liveScope); err != nil || f.Events[ledger.Delivered] != 2 {
		t.Errorf("%+v, %v", f, err)
	}
}

// Shipments are found by what leads to them: what is due by when it is, each kind apart.
func TestShipmentPlans(t *testing.T) {
	l := openFile(t, newFile(t))
	for text, want := range map[string]string{
		sqlDueShipments:   "SEARCH s USING INDEX shipments_due (scope=? AND <expr>=? AND due>? AND due<?)",
		sqlShipmentsAhead: "SEARCH s USING INDEX shipments_due (scope=? AND <expr>=? AND due>?)",
		sqlShipmentsBy:    "SEARCH s USING INDEX shipments_state (scope=? AND state=? AND paid>? AND paid<?)",
		sqlUnshipped:      "SEARCH shipments USING COVERING INDEX shipments_state (scope=? AND state=? AND paid>? AND paid<?)",
		sqlShipmentsOf:    "SEARCH c USING INDEX charges_order (scope=? AND order_no=?)",
		sqlShipment:       "SEARCH s USING INTEGER PRIMARY KEY (rowid=?)",
	} {
		if plan := strings.Join(steps(t, l, text), "\n"); !strings.Contains(plan, want) {
			t.Errorf("%s\n%s\nwant %s", text, plan, want)
		}
	}
}

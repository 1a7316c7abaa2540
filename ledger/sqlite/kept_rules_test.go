package sqlite

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/caddypay/caddypay/ledger"
)

// A ledger that nothing came to is restored as one: its last event is at no time.
func TestRestoreNothing(t *testing.T) {
	l := openFile(t, newFile(t))
	backup, to := filepath.Join(t.TempDir(), "backup.db"), filepath.Join(t.TempDir(), "ledger.db")
	must(t, l.Backup(t.Context(), backup, nil))
	if r, err := Restore(t.Context(), backup, to); err != nil || r.Events != 0 || !r.Last.IsZero() {
		t.Errorf("%+v, %v", r, err)
	}
}

// A ledger that is only read says which file it is, and how large that is.
func TestReadingSaysItsFile(t *testing.T) {
	file := newFile(t)
	l := openFile(t, file)
	must(t, l.write(t.Context(), func(x *tx) error { _, err := x.addScope(ledger.Scope{App: "app_1", Mode: ledger.Live}); return err }))
	must(t, l.Close())
	r, err := OpenReading(t.Context(), file)
	must(t, err)
	defer r.Close()
	f, err := r.Figures(t.Context(), ledger.Scope{App: "app_1", Mode: ledger.Live})
	if err != nil || f.Bytes == 0 || filepath.Base(r.Path()) != filepath.Base(file) || !filepath.IsAbs(r.Path()) {
		t.Errorf("%+v, %v, of %s", f, err, r.Path())
	}
}

// What was shipped, if it cannot be read, is an error, and not nothing.
func TestDamagedShipment(t *testing.T) {
	file := newFile(t)
	l := openFile(t, file)
	at := then(0)
	r, err := l.Reserve(t.Context(), ledger.Reservation{Scope: liveScope, OrderNo: "o1", Now: at, Until: at.Add(time.Minute), Number: func(int, int) string { return "o1" }})
	must(t, err)
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: liveScope, OrderNo: "o1", Number: r.Number, ID: "ch_1", Channel: ledger.ShippingChannel, Amount: 100, Currency: "cny", Created: at, TimeExpire: at.Add(time.Hour), Raw: []byte(`{}`)}))
	_, err = l.Append(t.Context(), &ledger.Event{Scope: liveScope, ID: "evt_1", Type: "charge.succeeded", ObjectID: "ch_1", ChargeID: "ch_1", OrderNo: "o1", Lane: "o1", State: ledger.Pending, Ships: true,
		Body: []byte(`{}`), Created: at, Received: at, Due: at, Change: &ledger.ChargeChange{Paid: true, TimePaid: at}, Payment: &ledger.Payment{Amount: 100, Currency: "cny", Time: at, TransactionNo: "42"}})
	must(t, err)
	_, _, err = l.ReportShipping(t.Context(), ledger.ShippingReport{Scope: liveScope, OrderNo: "o1", Shipping: ledger.Shipping{Type: ledger.ShipVirtual, Items: "tea", Complete: true}, Now: at})
	must(t, err)
	if s, err := l.Shipment(t.Context(), liveScope, "ch_1"); err != nil || s.Shipping == nil {
		t.Fatalf("%+v, %v", s, err)
	}
	must(t, l.Close())
	c, err := sqlite.OpenConn(file, sqlite.OpenReadWrite)
	must(t, err)
	must(t, sqlitex.ExecuteScript(c, `UPDATE shipments SET content = '{"shipping":'`, nil))
	must(t, c.Close())
	l = openFile(t, file)
	if s, err := l.Shipment(t.Context(), liveScope, "ch_1"); err == nil || !strings.Contains(err.Error(), "the report of a shipment") {
		t.Errorf("%+v, %v", s, err)
	}
}

package core_test

import (
	"bytes"
	"cmp"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
	"github.com/caddypay/caddypay/ledger/ledgertest/memory"
	"github.com/caddypay/caddypay/ledger/sqlite"
)

// words are what an engine may want to be one of a few.
var words = map[reflect.Type]string{
	reflect.TypeFor[ledger.State](): string(ledger.Dead), reflect.TypeFor[ledger.Source](): string(ledger.Query), reflect.TypeFor[ledger.RefundState](): string(ledger.RefundPending),
	reflect.TypeFor[ledger.ShippingType](): string(ledger.ShipExpress), reflect.TypeFor[ledger.Action](): string(ledger.ActionReplay),
	reflect.TypeFor[ledger.ShipmentState](): string(ledger.ShipmentReported), reflect.TypeFor[ledger.ReportStage](): string(ledger.ReportDone),
}

// filled is a value in which every field has something of its own.
func filled[T any](n int64) *T {
	v := new(T)
	fill(reflect.ValueOf(v).Elem(), &n)
	return v
}

func fill(v reflect.Value, n *int64) {
	*n++
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(noon.Add(time.Duration(*n) * time.Millisecond)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.String:
		v.SetString(cmp.Or(words[v.Type()], fmt.Sprint("s", *n)))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(uint64(*n % 256))
	case reflect.Int, reflect.Int64:
		if v.SetInt(*n); v.Type() == reflect.TypeFor[time.Duration]() {
			v.SetInt(*n * int64(time.Microsecond))
		}
	default:
		panic(v.Type())
	}
}

// everything is a line of each kind, in each of which every field that a ledger keeps says something.
func everything() []core.MoveLine {
	paid := filled[core.MovedEvent](1000)
	e := &paid.Event
	e.Scope, e.ID, e.State, e.Seq = live, "evt_1", ledger.Pending, 0
	e.Change, e.Payment, e.Refund, e.Returned, e.Ships, e.Deliver, e.Event.Lease = nil, nil, nil, false, false, false, ledger.Lease{} // not read back
	e.Owner, e.Until, e.Stored, e.Risked = "", time.Time{}, "", 0                                                                     // leases, and what is of this row
	for i := range paid.Deliveries {
		d := &paid.Deliveries[i]
		d.Scope, d.EventID, d.Back, d.Shipping, d.ShippingProblem = live, "evt_1", time.Time{}, nil, ledger.ShippingProblem{} // Back is the event's
	}
	attempt := filled[core.MovedCharge](2000)
	c := &attempt.Charge
	c.Scope, c.OrderNo, c.Number, c.ID, c.State, c.Hold, attempt.Payment = live, "o", "o", "ch_1", ledger.Open, core.Awaits, "evt_1"
	c.Seq, c.Payment, c.QueryUntil, c.Lease, c.Held, c.Undone, c.Quoted = 0, 0, time.Time{}, time.Time{}, false, false, time.Time{}
	c.PaidAmount, c.AmountRefunded = 100, 30
	s := attempt.Shipment
	s.Scope, s.State, s.Stage, s.StoredFen = live, ledger.ShipmentWaiting, ledger.ReportOpen, 70
	s.Charge, s.Stored, s.Owner, s.Until = core.Charge{}, "", "", time.Time{}
	s.ChargeID, s.OrderNo, s.TransactionNo, s.Payer, s.PayerAppID, s.Amount, s.Refunded = "", "", "", "", "", 0, 0 // the charge's
	foreign := filled[core.MovedCharge](3000)                                                                      // that has a number of ours
	f := &foreign.Charge
	f.Scope, f.OrderNo, f.Number, f.ID, f.State, foreign.Payment, foreign.Shipment, foreign.Shippings = live, "o", "o", "ch_2", ledger.Foreign, "", nil, nil
	f.Seq, f.Payment, f.QueryUntil, f.Lease, f.Held, f.Undone, f.Quoted, f.Raw, f.Hold = 0, 0, time.Time{}, time.Time{}, false, false, time.Time{}, nil, core.NotHeld
	quote, refund := filled[core.MovedQuote](4000), filled[core.Refund](5000)
	quote.Scope, quote.OrderNo = live, "o"
	refund.Scope, refund.Seq, refund.Owner, refund.Until = live, 0, "", time.Time{}
	audit, ofScope := filled[core.MovedAudit](6000), filled[core.MovedAudit](6500)
	audit.Decision.Scope, audit.Decision.EventID, audit.Decision.From = live, "evt_1", ""
	ofScope.Decision.Scope, ofScope.Decision.EventID, ofScope.Decision.From, ofScope.Decision.Run, ofScope.Was = live, "", "", "", ""
	run, scope, login := filled[ledger.Run](7000), filled[core.MovedScope](8000), filled[ledger.Login](9000)
	run.Seq, scope.Scope, login.Now = 0, live, 0
	scope.Tallied = noon
	for i := range scope.Hours {
		scope.Hours[i].At = noon.Add(time.Duration(i) * time.Hour)
	}
	left := &core.MovedScope{Scope: ledger.Scope{App: "app_2", Mode: ledger.Live}} // of which there is nothing any more
	return []core.MoveLine{{Event: paid}, {Charge: attempt}, {Charge: foreign}, {Quote: quote}, {Refund: refund}, {Audit: audit}, {Audit: ofScope}, {Run: run}, {Scope: scope},
		{Scope: left}, {Login: login}}
}

// TestMoveFields: every field of each kind of row is in an export, and an import brings it over.
func TestMoveFields(t *testing.T) {
	onDisk, err := sqlite.Open(t.Context(), sqlite.Options{File: filepath.Join(t.TempDir(), "ledger.db")})
	must(t, err)
	t.Cleanup(func() { must(t, onDisk.Close()) })
	export := core.Written("A", everything()...)
	for engine, l := range map[string]*core.Ledger{"memory": memory.Open(memory.NewRows(), noon).Ledger, "sqlite": onDisk.Ledger} {
		m, err := l.Import(t.Context(), bytes.NewReader(export), noon, func(core.Moved) {})
		want := map[string]int64{"events": 1, "charges": 2, "quotes": 1, "refunds": 1, "audit": 2, "runs": 1, "scopes": 2, "logins": 1}
		if err != nil || m.Lines != 11 || !reflect.DeepEqual(m.Counts, want) {
			t.Errorf("%s: %+v, %v", engine, m, err)
		}
		var again bytes.Buffer
		_, err = l.Export(t.Context(), &again, func(core.Moved) {})
		must(t, err)
		was, is := bytes.Split(export, []byte("\n")), bytes.Split(again.Bytes(), []byte("\n"))
		for i := 1; i < min(len(was), len(is))-2; i++ { // but for the head, which has another id, and the end
			if !bytes.Equal(was[i], is[i]) {
				t.Errorf("%s: line %d:\n%s\nbecame\n%s", engine, i+1, was[i], is[i])
			}
		}
		if len(was) != len(is) {
			t.Errorf("%s: %d lines became %d", engine, len(was), len(is))
		}
	}
}

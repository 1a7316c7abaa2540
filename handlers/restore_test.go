package handlers

import (
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

// backup returns the ledger's file as it is now. The site begins anew with it.
func (w *world) backup() []byte {
	w.t.Helper()
	must(w.t, w.ledger.Close())
	b, err := os.ReadFile(w.file)
	must(w.t, err)
	w.begin()
	return b
}

// restore puts a backup in the place of the ledger.
func (w *world) restore(b []byte) {
	w.t.Helper()
	must(w.t, w.ledger.Close())
	must(w.t, os.WriteFile(w.file, b, 0o600))
	w.begin()
}

func (w *world) begin() {
	w.t.Helper()
	w.server.Close()
	w.ledger = w.openLedger()
	w.config = w.newConfig(w.ledger, zap.NewNop())
	w.site = New(w.config)
	w.server = httptest.NewTLSServer(w.handler(w.site))
	w.client = w.server.Client()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pending names the events of an order that the backend is to hear of.
func (w *world) pending(orderNo string) (all []string) {
	w.t.Helper()
	es, err := w.ledger.Events(w.t.Context(), ledger.Filter{Scope: w.config.Scope, OrderNo: orderNo})
	must(w.t, err)
	for _, e := range es {
		if e.State == ledger.Pending {
			all = append(all, e.Type+" "+e.ObjectID)
		} else {
			w.t.Errorf("%s: %s is %s %v", orderNo, e.Type, e.State, e.Reasons)
		}
	}
	slices.Sort(all)
	return all
}

// A ledger is lost, and yesterday's backup takes its place. What was charged, paid and refunded since was acknowledged to Ping++, which tells of it
// no more. No money moves twice, and the backend hears of everything.
func TestRestoredFromBackup(t *testing.T) {
	w := newWorld(t)
	day := w.clock.Now()
	old := w.paidOrder("old")
	session := w.session(payer)
	open, _ := w.created(session, "open")
	lost := w.backup()

	w.clock.Add(time.Hour)
	since := len(w.sandbox.State(100).Events)
	must(t, w.sandbox.Pay(open))
	later, _ := w.created(w.session(payer), "later")
	gone, _ := w.created(w.session(payer), "gone")
	must(t, w.sandbox.Pay(later))
	must(t, w.sandbox.Pay(gone))
	w.events(since)
	since = len(w.sandbox.State(100).Events)
	refund := func(orderNo, no string, amount int64) (id string) {
		t.Helper()
		a := w.refunding(orderNo, no, amount)
		if a.status != 201 {
			t.Fatalf("%s: %d %s", no, a.status, a.body)
		}
		return a.text("refund")
	}
	w.fault("refund", "stuck", 4)
	first := refund("old", "R1", 500)
	w.settle(first, "succeed")
	w.events(since)
	second := refund("old", "R2", 300)
	third := refund("later", "R3", 0)
	w.settle(third, "succeed")
	whole := refund("gone", "R4", 0)
	w.settle(whole, "succeed")

	cheap := w.answerQuote(nil)
	w.created(w.session(payer), "twice")
	w.setQuote(w.answerQuote(map[string]any{"amount": 2500}))
	twice, number := w.created(w.session(payer), "twice")
	if number == "twice" {
		t.Fatal("the first number again")
	}
	must(t, w.sandbox.Pay(twice))

	w.clock.Add(time.Hour)
	w.restore(lost)
	made := w.calls("create_charge")
	w.fault("list_charges", "502", 3) // as long as nobody can say whether it was paid, nobody is charged
	wantProblem(t, w.pay(w.session(payer), "twice"), 503, "provider_unavailable")
	for range 2 {
		wantProblem(t, w.pay(w.session(payer), "twice"), 409, "order_already_paid")
	}
	if n := w.calls("create_charge") - made; n != 2 {
		t.Errorf("%d charges were asked for", n)
	}
	w.setQuote(cheap)
	made = w.calls("create_refund")
	for _, c := range []struct {
		no     string
		amount int64
		id     string
	}{{"R2", 300, second}, {"R1", 500, first}} { // the backend asks again, since it never got an answer
		for range 2 {
			a := w.refunding("old", c.no, c.amount)
			if a.status != 200 || a.text("refund") != c.id {
				t.Errorf("%s again: %d %s", c.no, a.status, a.body)
			}
		}
		a := w.refunding("old", c.no, c.amount+1)
		wantProblem(t, a, 409, "refund_invalid")
	}
	if n := w.calls("create_refund") - made; n != 0 {
		t.Errorf("%d refunds were made again", n)
	}
	w.settle(second, "succeed")
	s, err := w.config.Reconciler.Days.Day(t.Context(), day)
	must(t, err)
	if s.Recovered != 3 || len(s.OnlyThere) != 4 {
		t.Errorf("compared: %+v", s)
	}
	if again, err := w.config.Reconciler.Days.Day(t.Context(), day); err != nil || again.Recovered != 0 || again.Returned != 0 || len(again.Differ) != 0 {
		t.Errorf("compared again: %+v, %v", again, err)
	}
	for order, want := range map[string][]string{
		"old":   {"charge.succeeded " + old, "refund.succeeded " + first, "refund.succeeded " + second},
		"twice": {"charge.succeeded " + twice},
		"open":  {"charge.succeeded " + open},
		"later": {"charge.succeeded " + later, "refund.succeeded " + third},
		"gone":  {"charge.succeeded " + gone, "refund.succeeded " + whole},
	} {
		slices.Sort(want)
		if got := w.pending(order); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", order, got, want)
		}
		wantProblem(t, w.pay(w.session(payer), order), 409, "order_already_paid")
	}
	for _, no := range []string{"R3", "R4"} {
		order := map[string]string{"R3": "later", "R4": "gone"}[no]
		if a := w.refunding(order, no, 0); a.status != 200 || a.text("status") != "succeeded" {
			t.Errorf("%s again: %d %s", no, a.status, a.body)
		}
	}
	if n := w.calls("create_refund") - made; n != 0 {
		t.Errorf("%d refunds were made again", n)
	}
}

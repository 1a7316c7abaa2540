package nightly_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/relay/nightly"
	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/relaytest"
)

func items(all []nightly.Item) (s []string) {
	for _, i := range all {
		s = append(s, fmt.Sprintf("%s %d %t %s", i.OrderNo, i.Amount, i.Paid, i.What))
	}
	slices.Sort(s)
	return s
}

// A day is compared charge by charge, over several pages; what the ledger missed is recorded.
func TestSweep(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	day := time.Date(2026, 11, 22, 0, 0, 0, 0, nightly.China)

	p.Clock.Set(day.Add(-time.Second))
	p.Charge(l, "dayBefore", 100)
	p.Made(p.Client, "dayBeforeThere", "dayBeforeThere", 100)
	p.Clock.Set(day)
	p.Charge(l, "firstSecond", 100)
	p.Clock.Set(day.Add(9 * time.Hour))
	const many = 130
	for i := range many {
		id := p.Charge(l, fmt.Sprintf("order%d", i), 100).ID
		switch {
		case i%10 == 0:
			p.PaidEverywhere(r, l, id)
		case i == 1, i == 121:
			p.Pay(id) // its webhook is lost
		}
	}
	p.Made(p.Client, "dashboard1", "", 300)
	p.Pay(p.Made(p.Client, "dashboard2", "", 350).ID)
	lost := p.Made(p.Client, "lost1", "lostOrder", 400).ID // by this ledger, which is a backup from before
	p.Pay(lost)
	p.Made(p.NewClient(p.LiveKey()), "liveOrder", "liveOrder", 500)

	for i := range 2 { // Ping++ has never heard of these
		now := p.Clock.Now()
		orderNo := fmt.Sprintf("invented%d", i)
		if _, err := l.Reserve(context.Background(), ledger.Reservation{Scope: p.Scope, OrderNo: orderNo, Now: now, Until: now.Add(time.Minute),
			Number: func(int, int) string { return orderNo }}); err != nil {
			t.Fatal(err)
		}
		p.Keep(l, orderNo, 100, &pingpp.Charge{ID: "ch_" + orderNo, OrderNo: orderNo, Created: now.Unix(), TimeExpire: now.Add(time.Hour).Unix(), Raw: []byte("{}")})
	}
	now := p.Clock.Now() // and of this one the ledger has another amount
	if _, err := l.Reserve(context.Background(), ledger.Reservation{Scope: p.Scope, OrderNo: "odd", Now: now, Until: now.Add(time.Minute),
		Number: func(int, int) string { return "oddx1" }}); err != nil {
		t.Fatal(err)
	}
	p.Keep(l, "odd", 101, p.Made(p.Client, "oddx1", "odd", 100))
	refunded := p.Charge(l, "refunded", 100).ID
	p.PaidEverywhere(r, l, refunded)
	p.Refunded(refunded, 30) // nobody told us
	p.Clock.Set(day.Add(24*time.Hour - time.Second))
	p.Charge(l, "lastSecond", 100)
	p.Clock.Set(day.Add(24 * time.Hour))
	p.Charge(l, "dayAfter", 100)

	lists := p.State(0).Calls["list_charges"]
	got := p.Sweep(r, day.Add(12*time.Hour).UTC())
	if n := p.State(0).Calls["list_charges"] - lists; n != 2 {
		t.Errorf("%d pages", n)
	}
	if got.Date != "2026-11-22" || got.AtPingpp != many+7 || got.InLedger != many+6 || got.Recovered != 3 || got.Returned != 1 || got.Clean() {
		t.Errorf("%s: %d at Ping++, %d in the ledger, %d recovered", got.Date, got.AtPingpp, got.InLedger, got.Recovered)
	}
	for name, tt := range map[string]struct{ got, want []string }{
		"only there": {items(got.OnlyThere), []string{"dashboard1 300 false ", "dashboard2 350 true ", "lostOrder 400 true "}},
		"only here":  {items(got.OnlyHere), []string{"invented0 100 false ", "invented1 100 false "}},
		"differ":     {items(got.Differ), []string{"odd 100 false amount 101 here, 100 at Ping++"}},
	} {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("%s: %q, want %q", name, tt.got, tt.want)
		}
	}
	if e := p.Event(l, reconciletest.QueryID(lost)); e == nil || e.State != ledger.Pending || e.OrderNo != "lostOrder" {
		t.Errorf("the payment of a charge that the ledger lost: %+v", e)
	}
	for _, orderNo := range []string{"order1", "order121"} {
		cs, err := l.Attempts(context.Background(), p.Scope, orderNo)
		if err != nil || len(cs) != 1 || !cs[0].Paid {
			t.Fatal(cs, err)
		}
		if e := p.Event(l, reconciletest.QueryID(cs[0].ID)); e == nil || e.State != ledger.Pending || e.OrderNo != orderNo || e.Source != ledger.Query {
			t.Errorf("%s: %+v", orderNo, e)
		}
	}
	if again := p.Sweep(r, day); again.Recovered != 0 || again.Returned != 0 || len(again.OnlyThere) != 3 || len(again.Differ) != 1 {
		t.Errorf("the second time: %+v", again)
	}
	for orderNo, at := range map[string]time.Time{"dayBefore": day.Add(-time.Hour), "dayAfter": day.Add(25 * time.Hour)} {
		s := p.Sweep(r, at)
		if want := map[string]int{"dayBefore": 2, "dayAfter": 1}[orderNo]; s.InLedger != 1 || s.AtPingpp != want || len(s.OnlyHere) != 0 {
			t.Errorf("%s: %+v", orderNo, s)
		}
	}
}

// The ledger's payment that Ping++ does not know of is a difference, and so is nothing at all no difference.
func TestSweepOtherDifferences(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	if s := p.Sweep(r, p.Clock.Now()); !s.Clean() || s.AtPingpp+s.InLedger != 0 || s.OnlyThere == nil || s.OnlyHere == nil || s.Differ == nil {
		t.Errorf("%+v", s)
	}
	ch := p.Charge(l, "order1", 100)
	body := fmt.Sprintf(`{"id":"evt_forged","object":"event","created":%d,"livemode":false,"type":"charge.succeeded","data":{"object":%s}}`,
		ch.Created, strings.Replace(string(ch.Raw), `"paid":false`, `"paid":true`, 1))
	ev, err := pingpp.ParseEvent([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Learner.Intake.Accept(context.Background(), intake.Arrival{Event: ev, Charge: p.Known(l, ch.ID), Source: ledger.Webhook}); err != nil {
		t.Fatal(err)
	}
	if s := p.Sweep(r, p.Clock.Now()); !slices.Equal(items(s.Differ), []string{"order1 100 false paid here, not at Ping++"}) {
		t.Errorf("%+v", s)
	}
	p.Fault("list_charges", "500", 3)
	if s, err := r.Days.Day(context.Background(), p.Clock.Now()); err == nil || s != nil || !strings.Contains(err.Error(), "listing Ping++'s charges of 2026-") {
		t.Errorf("%+v, %v", s, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Days.Day(ctx, p.Clock.Now()); err == nil {
		t.Error("a sweep goes on after its end")
	}
}

// A comparison that is cut says so; what it has seen is right, and what it has not seen is no difference.
func TestSweepCut(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	day := time.Date(2026, 11, 22, 12, 0, 0, 0, nightly.China)
	for i := range 105 {
		p.Clock.Set(day.Add(time.Duration(i) * time.Second))
		p.Pay(p.Charge(l, fmt.Sprintf("order%d", i), 100).ID)
	}
	now := p.Clock.Now()
	if _, err := l.Reserve(t.Context(), ledger.Reservation{Scope: p.Scope, OrderNo: "invented", Now: now, Until: now.Add(time.Minute),
		Number: func(int, int) string { return "invented" }}); err != nil {
		t.Fatal(err)
	}
	p.Keep(l, "invented", 100, &pingpp.Charge{ID: "ch_0invented", OrderNo: "invented", Created: now.Unix(), TimeExpire: now.Add(time.Hour).Unix(), Raw: []byte("{}")})

	r.Days.AtMost(100)
	s := p.Sweep(r, day)
	if !s.Cut || s.Clean() || s.InLedger != 101 || s.AtPingpp != 100 || s.Recovered != 100 || len(s.OnlyThere)+len(s.Differ) != 0 ||
		!slices.Equal(items(s.OnlyHere), []string{"invented 100 false "}) {
		t.Errorf("%+v", s)
	}
	r.Days.AtMost(105) // the ledger has one more
	if s = p.Sweep(r, day); !s.Cut || s.InLedger != 106 || s.AtPingpp != 105 || s.Recovered != 5 || len(s.OnlyThere)+len(s.Differ) != 0 || len(s.OnlyHere) != 1 {
		t.Errorf("%+v", s)
	}
	r.Days.AtMost(106)
	if s = p.Sweep(r, day); s.Cut || s.AtPingpp != 105 || s.Recovered != 0 || len(s.OnlyThere)+len(s.Differ) != 0 || len(s.OnlyHere) != 1 {
		t.Errorf("%+v", s)
	}
}

package relay

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

// paidEverywhere pays a charge and accepts its webhook.
func (p *provider) paidEverywhere(r *Reconciler, l ledger.Ledger, id string) {
	p.t.Helper()
	p.pay(id)
	ev, err := pingpp.ParseEvent([]byte(p.State(1).Events[0].Body))
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := r.cfg.Intake.Accept(context.Background(), Arrival{Event: ev, Charge: p.known(l, id), Source: ledger.Webhook}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *provider) sweep(r *Reconciler, day time.Time) *Sweep {
	p.t.Helper()
	s, err := r.Sweep(context.Background(), day)
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

func items(all []Item) (s []string) {
	for _, i := range all {
		s = append(s, fmt.Sprintf("%s %d %t %s", i.OrderNo, i.Amount, i.Paid, i.What))
	}
	slices.Sort(s)
	return s
}

// A day is compared charge by charge, over several pages; what the ledger missed is recorded.
func TestSweep(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	day := time.Date(2026, 11, 22, 0, 0, 0, 0, China)

	p.clock.Set(day.Add(-time.Second))
	p.charge(l, "dayBefore", 100)
	p.made(p.client, "dayBeforeThere", "dayBeforeThere", 100)
	p.clock.Set(day)
	p.charge(l, "firstSecond", 100)
	p.clock.Set(day.Add(9 * time.Hour))
	const many = 130
	for i := range many {
		id := p.charge(l, fmt.Sprintf("order%d", i), 100).ID
		switch {
		case i%10 == 0:
			p.paidEverywhere(r, l, id)
		case i == 1, i == 121:
			p.pay(id) // its webhook is lost
		}
	}
	p.made(p.client, "dashboard1", "", 300)
	p.pay(p.made(p.client, "lost1", "lostOrder", 400).ID)
	p.made(p.newClient(p.LiveKey()), "liveOrder", "liveOrder", 500)

	for i := range 2 { // Ping++ has never heard of these
		now := p.clock.Now()
		orderNo := fmt.Sprintf("invented%d", i)
		if _, err := l.Reserve(context.Background(), ledger.Reservation{Scope: p.scope, OrderNo: orderNo, Now: now, Until: now.Add(time.Minute),
			Number: func(int, int) string { return orderNo }}); err != nil {
			t.Fatal(err)
		}
		p.keep(l, orderNo, 100, &pingpp.Charge{ID: "ch_" + orderNo, OrderNo: orderNo, Created: now.Unix(), TimeExpire: now.Add(time.Hour).Unix(), Raw: []byte("{}")})
	}
	now := p.clock.Now() // and of this one the ledger has another amount
	if _, err := l.Reserve(context.Background(), ledger.Reservation{Scope: p.scope, OrderNo: "odd", Now: now, Until: now.Add(time.Minute),
		Number: func(int, int) string { return "oddx1" }}); err != nil {
		t.Fatal(err)
	}
	p.keep(l, "odd", 101, p.made(p.client, "oddx1", "odd", 100))
	refunded := p.charge(l, "refunded", 100).ID
	p.paidEverywhere(r, l, refunded)
	p.refunded(refunded, 30) // nobody told us
	p.clock.Set(day.Add(24*time.Hour - time.Second))
	p.charge(l, "lastSecond", 100)
	p.clock.Set(day.Add(24 * time.Hour))
	p.charge(l, "dayAfter", 100)

	lists := p.State(0).Calls["list_charges"]
	got := p.sweep(r, day.Add(12*time.Hour).UTC())
	if n := p.State(0).Calls["list_charges"] - lists; n != 2 {
		t.Errorf("%d pages", n)
	}
	if got.Date != "2026-11-22" || got.AtPingpp != many+6 || got.InLedger != many+6 || got.Recovered != 2 || got.Returned != 1 || got.Clean() {
		t.Errorf("%s: %d at Ping++, %d in the ledger, %d recovered", got.Date, got.AtPingpp, got.InLedger, got.Recovered)
	}
	for name, tt := range map[string]struct{ got, want []string }{
		"only there": {items(got.OnlyThere), []string{"dashboard1 300 false ", "lostOrder 400 true "}},
		"only here":  {items(got.OnlyHere), []string{"invented0 100 false ", "invented1 100 false "}},
		"differ":     {items(got.Differ), []string{"odd 100 false amount 101 here, 100 at Ping++"}},
	} {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("%s: %q, want %q", name, tt.got, tt.want)
		}
	}
	for _, orderNo := range []string{"order1", "order121"} {
		cs, err := l.Attempts(context.Background(), p.scope, orderNo)
		if err != nil || len(cs) != 1 || !cs[0].Paid {
			t.Fatal(cs, err)
		}
		if e := p.event(l, queryID(cs[0].ID)); e == nil || e.State != ledger.Pending || e.OrderNo != orderNo || e.Source != ledger.Query {
			t.Errorf("%s: %+v", orderNo, e)
		}
	}
	if again := p.sweep(r, day); again.Recovered != 0 || again.Returned != 0 || len(again.OnlyThere) != 2 || len(again.Differ) != 1 {
		t.Errorf("the second time: %+v", again)
	}
	for orderNo, at := range map[string]time.Time{"dayBefore": day.Add(-time.Hour), "dayAfter": day.Add(25 * time.Hour)} {
		s := p.sweep(r, at)
		if want := map[string]int{"dayBefore": 2, "dayAfter": 1}[orderNo]; s.InLedger != 1 || s.AtPingpp != want || len(s.OnlyHere) != 0 {
			t.Errorf("%s: %+v", orderNo, s)
		}
	}
}

// The ledger's payment that Ping++ does not know of is a difference, and so is nothing at all no difference.
func TestSweepOtherDifferences(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	if s := p.sweep(r, p.clock.Now()); !s.Clean() || s.AtPingpp+s.InLedger != 0 || s.OnlyThere == nil || s.OnlyHere == nil || s.Differ == nil {
		t.Errorf("%+v", s)
	}
	ch := p.charge(l, "order1", 100)
	body := fmt.Sprintf(`{"id":"evt_forged","object":"event","created":%d,"livemode":false,"type":"charge.succeeded","data":{"object":%s}}`,
		ch.Created, strings.Replace(string(ch.Raw), `"paid":false`, `"paid":true`, 1))
	ev, err := pingpp.ParseEvent([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.cfg.Intake.Accept(context.Background(), Arrival{Event: ev, Charge: p.known(l, ch.ID), Source: ledger.Webhook}); err != nil {
		t.Fatal(err)
	}
	if s := p.sweep(r, p.clock.Now()); !slices.Equal(items(s.Differ), []string{"order1 100 false paid here, not at Ping++"}) {
		t.Errorf("%+v", s)
	}
	p.fault("list_charges", "500", 3)
	if s, err := r.Sweep(context.Background(), p.clock.Now()); err == nil || s != nil || !strings.Contains(err.Error(), "listing Ping++'s charges of 2026-") {
		t.Errorf("%+v, %v", s, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Sweep(ctx, p.clock.Now()); err == nil {
		t.Error("a sweep goes on after its end")
	}
}

func TestUntilSweep(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	at := func(now time.Time) time.Time {
		p.clock.Set(now)
		return now.Add(p.reconciler(l, zap.NewNop()).untilSweep()) // another process each time
	}
	midnight := time.Date(2026, 11, 23, 0, 0, 0, 0, China)
	today := at(midnight)
	if since := today.Sub(midnight); since < time.Hour || since >= 90*time.Minute {
		t.Fatalf("%s after midnight", since)
	}
	tomorrow := today.AddDate(0, 0, 1)
	for _, tt := range []struct{ now, want time.Time }{
		{midnight.Add(-time.Nanosecond), today},
		{midnight.Add(-22 * time.Hour), today},
		{today.Add(-time.Second), today}, // a reload shortly before does not put it off
		{today, tomorrow},
		{today.Add(time.Second).UTC(), tomorrow},
		{midnight.Add(23*time.Hour + 59*time.Minute), tomorrow},
		{midnight.AddDate(0, 1, 8), today.AddDate(0, 1, 8)}, // 31 December
	} {
		if got := at(tt.now); !got.Equal(tt.want) {
			t.Errorf("at %s: %s, want %s", tt.now, got, tt.want)
		}
	}
	p.scope.App = "app_another"
	if at(midnight).Equal(today) {
		t.Error("all merchants ask at the same time")
	}
}

// Yesterday is the day that has just ended in China. What differs is a warning, and a day that could not be compared is tried again.
func TestSweepYesterday(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	var out logs
	r := p.reconciler(l, out.logger())
	p.clock.Set(time.Date(2026, 11, 22, 23, 0, 0, 0, China))
	p.charge(l, "order1", 100)
	p.clock.Set(time.Date(2026, 11, 23, 1, 10, 0, 0, China))
	p.fault("list_charges", "500", 3)
	if r.sweepYesterday(context.Background()) || !strings.Contains(out.String(), `"level":"error"`) || !strings.Contains(out.String(), `"date":"2026-11-22"`) {
		t.Error(out.String())
	}
	out.lines.Reset()
	if !r.sweepYesterday(context.Background()) || !strings.Contains(out.String(), `"level":"info"`) || !strings.Contains(out.String(), `"at_pingpp":1,"in_ledger":1`) {
		t.Error(out.String())
	}
	p.clock.Set(time.Date(2026, 11, 22, 23, 0, 0, 0, China))
	p.made(p.client, "other", "other", 100)
	p.clock.Set(time.Date(2026, 11, 23, 1, 10, 0, 0, China))
	out.lines.Reset()
	if !r.sweepYesterday(context.Background()) || !strings.Contains(out.String(), `"level":"warn"`) || !strings.Contains(out.String(), `"only_there":1`) {
		t.Error(out.String())
	}
}

// The nightly comparison runs by itself, once, and Run ends while it is under way.
func TestSweepDaily(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	p.clock.Set(time.Date(2026, 11, 22, 12, 0, 0, 0, China))
	for i := range 101 {
		p.made(p.client, fmt.Sprintf("order%d", i), "", 100)
	}
	p.after(r.untilSweep() - 20*time.Millisecond)
	ctx, cancel := context.WithCancel(context.Background())
	onList := func(req *http.Request) {
		if strings.HasPrefix(req.URL.RawQuery, "app") {
			p.after(20 * time.Millisecond)
			cancel() // between the pages
		}
	}
	p.before.Store(&onList)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	waitFor(t, "the comparison", func() bool { return p.State(0).Calls["list_charges"] > 0 })
	begin := time.Now()
	<-done
	if took := time.Since(begin); took > sweepPause {
		t.Errorf("Run ended after %s", took)
	}
	if n := p.State(0).Calls["list_charges"]; n != 1 {
		t.Errorf("%d pages", n)
	}
}

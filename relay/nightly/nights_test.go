package nightly_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/relay/nightly"
	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// inNovember is a time of November 2026 in nightly.China.
func inNovember(day, hour, minute int) time.Time {
	return time.Date(2026, 11, day, hour, minute, 0, 0, nightly.China)
}

// compared catches up, and returns the days that were listed at Ping++.
func compared(p *reconciletest.Provider, n *nightly.Nights) (days []string) {
	p.T.Helper()
	onList := func(req *http.Request) {
		var from int64
		if _, err := fmt.Sscan(req.URL.Query().Get("created[gte]"), &from); err == nil {
			days = append(days, time.Unix(from, 0).In(nightly.China).Format("01-02"))
		}
	}
	p.Before.Store(&onList)
	defer p.Before.Store(nil)
	if _, err := nightly.CatchUp(n, p.T.Context()); err != nil {
		days = append(days, err.Error())
	}
	return days
}

func TestUntilSweep(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	at := func(now time.Time) time.Time {
		p.Clock.Set(now)
		return now.Add(nightly.UntilSweep(p.Reconciler(l, zap.NewNop()).Nights, now)) // another process each time
	}
	midnight := inNovember(23, 0, 0)
	today := at(midnight)
	if since := today.Sub(midnight); since < time.Hour || since >= 90*time.Minute {
		t.Fatalf("%s after midnight", since)
	}
	tomorrow := today.AddDate(0, 0, 1)
	for _, tt := range []struct{ now, want time.Time }{
		{midnight.Add(-time.Nanosecond), today},
		{midnight.Add(-22 * time.Hour), today},
		{today.Add(-time.Second), today},
		{today, tomorrow},
		{today.Add(time.Second).UTC(), tomorrow},
		{midnight.Add(23*time.Hour + 59*time.Minute), tomorrow},
		{midnight.AddDate(0, 1, 8), today.AddDate(0, 1, 8)}, // 31 December
	} {
		if got := at(tt.now); !got.Equal(tt.want) {
			t.Errorf("at %s: %s, want %s", tt.now, got, tt.want)
		}
	}
	p.Scope.App = "app_another"
	if at(midnight).Equal(today) {
		t.Error("all merchants ask at the same time")
	}
}

// Every day since the last that was compared is compared once, whenever a process starts; none before the ledger's first charge.
func TestNightlyCatchesUp(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	var out relaytest.Logs
	p.Clock.Set(inNovember(20, 9, 0))
	if got := compared(p, p.Reconciler(l, zap.NewNop()).Nights); len(got) != 0 {
		t.Errorf("an empty ledger: %q", got)
	}
	p.Clock.Set(inNovember(20, 10, 0))
	lost := p.Charge(l, "order1", 100).ID
	p.Pay(lost) // its webhook never comes, and nobody is there to ask
	for _, tt := range []struct {
		now  time.Time
		want string
	}{
		{inNovember(20, 11, 0), ""},                  // the day is not over
		{inNovember(21, 0, 59), ""},                  // not due yet
		{inNovember(21, 9, 0), "11-20"},              // started after the hour
		{inNovember(21, 9, 1), ""},                   // reloaded
		{inNovember(22, 1, 30), "11-21"},             // at night, as a rule
		{inNovember(25, 18, 0), "11-22 11-23 11-24"}, // was down for days
		{inNovember(25, 18, 0), ""},
	} {
		p.Clock.Set(tt.now)
		if got := strings.Join(compared(p, p.Reconciler(l, out.Logger()).Nights), " "); got != tt.want {
			t.Errorf("%s: compared %q, want %q", tt.now.Format("01-02 15:04"), got, tt.want)
		}
	}
	if !p.Known(l, lost).Paid || !strings.Contains(out.String(), `"date":"2026-11-20","at_pingpp":1,"in_ledger":1,"recovered":1`) {
		t.Error(out.String())
	}

	out.Lines.Reset()
	p.Clock.Set(inNovember(25, 18, 0).AddDate(0, 0, 40))
	p.Fault("list_charges", "500", 3)
	_, err := nightly.CatchUp(p.Reconciler(l, out.Logger()).Nights, t.Context())
	if err == nil || !strings.Contains(err.Error(), "2026-12-05: ") || !strings.Contains(out.String(), `"from":"2026-11-25","before":"2026-12-05"`) {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// A day that could not be compared is tried again, after midnight too; in the end it holds up those after it no longer.
func TestNightlyFails(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	var out relaytest.Logs
	n := p.Reconciler(l, out.Logger()).Nights
	p.Clock.Set(inNovember(22, 23, 0))
	p.Charge(l, "order1", 100)
	p.Clock.Set(inNovember(23, 23, 50))
	fails := func() {
		t.Helper()
		p.Fault("list_charges", "500", 3)
		if _, err := nightly.CatchUp(n, t.Context()); err == nil || !strings.Contains(err.Error(), "2026-11-22: ") {
			t.Fatal(err)
		}
	}
	fails()
	p.Clock.Set(inNovember(24, 1, 30))
	p.Made(p.Client, "other", "other", 100) // on a day that is not over
	if got := strings.Join(compared(p, n), " "); got != "11-22 11-23" || strings.Contains(out.String(), `"level":"error"`) {
		t.Errorf("%s\n%s", got, out.String())
	}
	p.Clock.Set(inNovember(25, 1, 30))
	out.Lines.Reset()
	compared(p, n)
	if !strings.Contains(out.String(), `"level":"warn"`) || !strings.Contains(out.String(), `"only_there":1`) {
		t.Error(out.String())
	}

	p.Clock.Set(inNovember(27, 1, 30))
	out.Lines.Reset()
	for range nightly.SweepTries - 1 {
		p.Fault("list_charges", "500", 3)
		if _, err := nightly.CatchUp(n, t.Context()); err == nil || !strings.Contains(err.Error(), "2026-11-25: ") {
			t.Fatal(err)
		}
	}
	p.Fault("list_charges", "500", 3)
	got := strings.Join(compared(p, n), " ")
	if !strings.HasSuffix(got, "11-25 11-26") || !strings.Contains(out.String(), `"date":"2026-11-25"`) || !strings.Contains(out.String(), "is left out") {
		t.Errorf("%s\n%s", got, out.String())
	}
}

// Of several processes one compares at a time. One that ends while it compares leaves the day to the next.
func TestNightlyTakesTurns(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	p.Clock.Set(inNovember(22, 12, 0))
	p.Charge(l, "order0", 100)
	for i := range 101 {
		p.Made(p.Client, fmt.Sprintf("order%d", i+1), "", 100)
	}
	p.Clock.Set(inNovember(23, 9, 0))
	first, second := p.Reconciler(l, zap.NewNop()).Nights, p.Reconciler(l, zap.NewNop()).Nights
	ctx, cancel := context.WithCancel(context.Background())
	var pages atomic.Int32
	onList := func(req *http.Request) {
		if !strings.HasPrefix(req.URL.RawQuery, "app") {
			return
		}
		pages.Add(1)
		if wait, err := nightly.CatchUp(second, t.Context()); err != nil || wait != nightly.SweepLease {
			t.Errorf("beside another: %s, %v", wait, err)
		}
		cancel() // between the pages
	}
	p.Before.Store(&onList)
	done := make(chan struct{})
	go func() {
		defer close(done)
		first.Run(ctx)
	}()
	<-ctx.Done()
	begin := time.Now()
	<-done
	if took := time.Since(begin); took > nightly.SweepRelease {
		t.Errorf("Run ended after %s", took)
	}
	if n := pages.Load(); n != 1 {
		t.Errorf("%d pages", n)
	}
	if got := strings.Join(compared(p, second), " "); got != "11-22 11-22" { // two pages
		t.Errorf("after it: %q", got)
	}
	if got := strings.Join(compared(p, p.Reconciler(l, zap.NewNop()).Nights), " "); got != "" {
		t.Errorf("a second time: %q", got)
	}
}

// The comparison runs by itself when it is due.
func TestNightlyRuns(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	p.Clock.Set(inNovember(22, 12, 0))
	p.Charge(l, "order1", 100)
	p.After(nightly.UntilSweep(r.Nights, p.Clock.Now()) - 20*time.Millisecond)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	relaytest.WaitFor(t, "the look-up", func() bool { return p.Asked() > 0 })
	p.After(20 * time.Millisecond)
	relaytest.WaitFor(t, "the comparison", func() bool { return p.State(0).Calls["list_charges"] > 0 })
	cancel()
	<-done
}

package caddymodule

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/ledgertest/memory"
)

// What waits and what is at risk is seen in the metrics, and goes on being seen after a reload.
func TestGauges(t *testing.T) {
	dir, addr, d := t.TempDir(), freeAddr(t), newDesk(t)
	file := d.site(t, dir, addr)
	a := runAdmin(t, file)
	hook := "http://" + addr + "/pay/webhooks"
	is := func(name string, holds func(v float64) bool) {
		t.Helper()
		if strings.HasPrefix(name, "caddy_pay_ledger") {
			name = strings.TrimSuffix(name, `{app="app_test1",mode="test"}`)
		}
		last := ""
		deadline := time.Now().Add(time.Minute) // figures are a few seconds old
		for tick := time.NewTicker(100 * time.Millisecond); ; <-tick.C {
			last = a.metric(name)
			if v, err := strconv.ParseFloat(last, 64); err == nil && holds(v) {
				tick.Stop()
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s is %q", name, last)
			}
		}
	}
	const of = `{app="app_test1",mode="test"}`
	zero := func(v float64) bool { return v == 0 }
	for _, name := range []string{"events_pending", "events_dead", "events_held", "money_at_risk_fen", "payments_at_risk", "oldest_pending_seconds", "oldest_at_risk_seconds", "delivery_paused", "backend_failing"} {
		backends.ended(testScope, true)
		is("caddy_pay_"+name+of, zero)
	}
	is("caddy_pay_ledger_bytes"+of, func(v float64) bool { return v > 0 })
	is("caddy_pay_ledger_wal_bytes"+of, func(v float64) bool { return v >= 0 })
	is("caddy_pay_ledger_readers"+of, zero)

	d.refuses(true)
	ours(t, ledgerOf(t), "held", 999)
	ours(t, ledgerOf(t), "poor", 100)
	ours(t, ledgerOf(t), "poor2", 100)
	for _, id := range []string{"held", "poor", "poor2"} {
		sendWebhook(t, hook, webhookEvent(id))
	}
	is("caddy_pay_events_dead"+of, func(v float64) bool { return v == 2 })
	is("caddy_pay_events_held"+of, func(v float64) bool { return v == 1 })
	is("caddy_pay_money_at_risk_fen"+of, func(v float64) bool { return v == 300 })
	is("caddy_pay_payments_at_risk"+of, func(v float64) bool { return v == 3 })
	is("caddy_pay_oldest_at_risk_seconds"+of, func(v float64) bool { return v > 0 && v < 600 })
	is("caddy_pay_oldest_pending_seconds"+of, zero)
	is("caddy_pay_backend_failing"+of, func(v float64) bool { return v == 1 }) // two attempts of each of two events

	if err := caddy.Load(adapt(t, strings.Replace(strings.Replace(file, "admin off", "admin "+a.addr, 1), "retry 20ms", "retry 21ms", 1)), true); err != nil {
		t.Fatal(err)
	}
	is("caddy_pay_money_at_risk_fen"+of, func(v float64) bool { return v == 300 })
	is("caddy_pay_backend_failing"+of, func(v float64) bool { return v == 1 })
	d.refuses(false)
	sendWebhook(t, hook, webhookEvent("fine"))
	is("caddy_pay_backend_failing"+of, zero)
	if err := ledgerOf(t).Decide(t.Context(), ledger.Decision{Scope: testScope, EventID: "evt_poor", Action: ledger.ActionReplay, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	is("caddy_pay_money_at_risk_fen"+of, func(v float64) bool { return v == 200 })
}

// askedLedger counts the questions that its ledger gets, and can fail them.
type askedLedger struct {
	ledger.Ledger
	times int
	err   error
}

func (a *askedLedger) Figures(ctx context.Context, s ledger.Scope) (*ledger.Figures, error) {
	a.times++
	if a.err != nil {
		return nil, a.err
	}
	return a.Ledger.Figures(ctx, s)
}

// The ledger is asked once in five seconds, never opened, and what it does not answer is not shown.
func TestGaugesAskLittle(t *testing.T) {
	l, open, now := &askedLedger{Ledger: memory.Open(memory.NewRows(), time.Now())}, false, time.Unix(1764000000, 0)
	t.Cleanup(func() { _ = l.Close() })
	other := ledger.Scope{App: "app_test2", Mode: ledger.Live}
	g := newGauges(func() (ledger.Ledger, bool) { return l, open }, func() []ledger.Scope { return []ledger.Scope{testScope, other} }, func() time.Time { return now })
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(g)
	scrape := func(after time.Duration) int {
		t.Helper()
		now = now.Add(after)
		return series(t, r)
	}
	if n := scrape(0); n != 0 || l.times != 0 {
		t.Errorf("of a ledger that is not open: %d series, %d questions", n, l.times)
	}
	open = true
	all := 2*(len(scopeGauges)+1) + 3
	for i, step := range []struct {
		after time.Duration
		asked int
	}{{0, 2}, {time.Second, 2}, {figuresAge - time.Second, 4}, {-time.Hour, 6}} {
		if n := scrape(step.after); n != all || l.times != step.asked {
			t.Errorf("scrape %d: %d series, want %d, and %d questions, want %d", i, n, all, l.times, step.asked)
		}
	}
	l.err = ledger.ErrDamaged
	if n := scrape(figuresAge); n != 0 {
		t.Errorf("%d series of a ledger that does not answer", n)
	}
	l.err = nil
	if n := scrape(0); n != all {
		t.Errorf("%d series of a ledger that answers again, want %d", n, all)
	}
	open = false
	if n := scrape(0); n != 0 {
		t.Errorf("%d series of a ledger that is closed", n)
	}
}

// series counts what a registry shows, as a scrape has it: a histogram has a line for each bucket, its sum and its count.
func series(t *testing.T, r *prometheus.Registry) (n int) {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if h := m.GetHistogram(); h != nil {
				n += len(h.GetBucket()) + 3 // +Inf, sum and count
				continue
			}
			n++
		}
	}
	return n
}

// A site that has met every refusal through each of its channels, which no site has, shows no more than 300 series.
func TestSeriesOfASite(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	if err := registerMetrics(r); err != nil {
		t.Fatal(err)
	}
	l := memory.Open(memory.NewRows(), time.Now())
	t.Cleanup(func() { _ = l.Close() })
	g := newGauges(func() (ledger.Ledger, bool) { return l, true }, func() []ledger.Scope { return []ledger.Scope{testScope} }, time.Now)
	g.ships = func(ledger.Scope) bool { return true }
	r.MustRegister(g)
	metrics.charges.Reset() // what other tests have counted
	metrics.refunds.Reset()
	before := series(t, r)
	for _, channel := range strings.Fields("wx_lite wx_pub wx_wap alipay_wap upacp_wap jdpay_wap wx_pub_qr alipay_qr") { // Caddyfile.example's
		for _, result := range strings.Fields(`created reused amount_invalid attempts_exceeded backend_unavailable channel_extra_missing charge_in_progress
			charge_rejected charge_superseded field_forbidden ledger_unavailable nothing_to_pay order_already_paid order_closed order_invalid order_not_found
			provider_rejected provider_timeout provider_unavailable quote_invalid rate_limited session_invalid session_missing`) {
			countCharge(channel, result)
		}
	}
	for _, result := range strings.Fields(`made failed unknown repeated charge_in_progress charge_not_found charge_not_paid content_type json_invalid ledger_unavailable
		order_not_found provider_rejected provider_timeout provider_unavailable rate_limited refund_exceeds refund_invalid refund_rejected too_large`) {
		metrics.refunds.WithLabelValues(result).Inc()
	}
	t.Cleanup(func() { metrics.charges.Reset(); metrics.refunds.Reset() })
	if n := series(t, r); n > 300 || n < before+8*9+14+19 {
		t.Errorf("%d series, %d at first", n, before)
	} else {
		t.Logf("%d series, %d at first", n, before)
	}
}

package caddymodule

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/postgres"
)

const (
	figuresAge  = 5 * time.Second // for so long the ledger is not asked again, however often the metrics are
	figuresWait = 2 * time.Second // for its answer
)

// The gauges of an app and mode, and of the ledger. With several nodes on one ledger each shows the same: take their max, never their sum.
var (
	scopeGauges = []gauge{
		{"events_pending", "Events that wait for their delivery.", func(f *ledger.Figures, _ time.Time) float64 { return float64(f.Events[ledger.Pending]) }},
		{"events_dead", "Events that no attempt is left for; replay them when the backend works again.", func(f *ledger.Figures, _ time.Time) float64 { return float64(f.Events[ledger.Dead]) }},
		{"events_held", "Events that wait for a person, since they failed a money check or cannot be read.", func(f *ledger.Figures, _ time.Time) float64 { return float64(f.Events[ledger.Held]) }},
		{"money_at_risk_fen", "Fen that were paid and that the backend has not acknowledged.", func(f *ledger.Figures, _ time.Time) float64 { return float64(f.AtRisk) }},
		{"payments_at_risk", "Payments that the backend has not acknowledged.", func(f *ledger.Figures, _ time.Time) float64 { return float64(f.AtRiskEvents) }},
		{"oldest_pending_seconds", "Age of the oldest event that waits for its delivery; 0 when none does.", func(f *ledger.Figures, now time.Time) float64 { return age(f.OldestPending, now) }},
		{"oldest_at_risk_seconds", "Age of the oldest payment that the backend has not acknowledged; 0 when there is none.", func(f *ledger.Figures, now time.Time) float64 { return age(f.OldestAtRisk, now) }},
		{"delivery_paused", "1 while a person has paused delivery.", func(f *ledger.Figures, _ time.Time) float64 { return oneIf(f.Paused != nil) }},
	}
	// Those of an app and mode whose shipping WeChat is told.
	frozenDesc         = gaugeDesc("frozen_fen", "Fen that WeChat keeps until shipping is reported and received, as far as is known.", scopeLabels)
	frozenPaymentsDesc = gaugeDesc("frozen_payments", "Payments whose money WeChat keeps, as far as is known.", scopeLabels)
	dueDesc            = gaugeDesc("shipping_due", "Payments that WeChat has no complete report of, and whose 48 hours for it run out within 12.", scopeLabels)
	lateDesc           = gaugeDesc("shipping_late", "Payments that WeChat has no complete report of, and whose 48 hours for it have run out.", scopeLabels)
	failedDesc         = gaugeDesc("shipping_failed", "Payments whose shipping report failed: a person has to correct it.", scopeLabels)

	sweptDesc   = gaugeDesc("last_sweep_timestamp_seconds", "What was created before this moment has been compared with Ping++; absent until a first day was.", scopeLabels)
	failingDesc = gaugeDesc("backend_failing", "1 when this process's last three attempts to deliver, or more, all failed.", scopeLabels)
	bytesDesc   = gaugeDesc("ledger_bytes", "Size of the ledger's file.", nil)
	walDesc     = gaugeDesc("ledger_wal_bytes", "Size of the ledger's -wal file. It grows while another program reads the ledger.", nil)
	readersDesc = gaugeDesc("ledger_readers", "Other programs that read the ledger at this moment; only Linux says.", nil)

	scopeLabels = []string{"app", "mode"}
)

// gauge is one that a scope's figures have.
type gauge struct {
	name, help string
	of         func(f *ledger.Figures, now time.Time) float64
}

func gaugeDesc(name, help string, labels []string) *prometheus.Desc {
	return prometheus.NewDesc("caddy_pay_"+name, help, labels, nil)
}

// gauges reads the ledger when the metrics of its configuration are asked for. It opens none, and waits for none.
type gauges struct {
	opened func() (ledger.Ledger, bool)
	scopes func() []ledger.Scope
	ships  func(ledger.Scope) bool // whether WeChat is told of its shipping; nil: of none
	now    func() time.Time

	mu    sync.Mutex
	read  time.Time // when cache was
	cache map[ledger.Scope]*reading
	descs []*prometheus.Desc // of scopeGauges
}

// reading is what the ledger says of a scope.
type reading struct {
	*ledger.Figures
	due *ledger.ShippingDue // nil where WeChat is not told of shipping
}

// registerGauges adds those of an app to its configuration's registry.
func registerGauges(r *prometheus.Registry, a *App) error {
	if r == nil {
		return nil
	}
	g := newGauges(func() (ledger.Ledger, bool) { return a.store.opened() }, a.scopes, time.Now)
	g.ships = a.ships
	if err := r.Register(g); err != nil || a.home.file != "" {
		return err
	}
	return r.Register(&databaseGauges{now: time.Now, opened: func() (*postgres.Ledger, bool) {
		l, ok := a.store.opened()
		if !ok {
			return nil, false
		}
		p, ok := l.(*postgres.Ledger)
		return p, ok
	}})
}

func newGauges(opened func() (ledger.Ledger, bool), scopes func() []ledger.Scope, now func() time.Time) *gauges {
	g := &gauges{opened: opened, scopes: scopes, now: now}
	for _, s := range scopeGauges {
		g.descs = append(g.descs, gaugeDesc(s.name, s.help, scopeLabels))
	}
	return g
}

// Describe is prometheus.Collector's.
func (g *gauges) Describe(to chan<- *prometheus.Desc) {
	for _, d := range append([]*prometheus.Desc{frozenDesc, frozenPaymentsDesc, dueDesc, lateDesc, failedDesc, sweptDesc, failingDesc, bytesDesc, walDesc, readersDesc}, g.descs...) {
		to <- d
	}
}

// Collect is prometheus.Collector's. What cannot be read now is left out: an old figure would be taken for a new one.
func (g *gauges) Collect(to chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	now := g.now()
	var file *ledger.Figures // all scopes have the same
	for scope, read := range g.figures(now) {
		f := read.Figures
		labels := []string{scope.App, string(scope.Mode)}
		for i, s := range scopeGauges {
			send(g.descs[i], s.of(f, now), labels...)
		}
		if !f.Swept.IsZero() {
			send(sweptDesc, float64(f.Swept.Unix()), labels...)
		}
		if read.due != nil {
			send(frozenDesc, float64(f.Frozen), labels...)
			send(frozenPaymentsDesc, float64(f.FrozenShipments), labels...)
			send(dueDesc, float64(read.due.Soon), labels...)
			send(lateDesc, float64(read.due.Late), labels...)
			send(failedDesc, float64(read.due.Failed), labels...)
		}
		send(failingDesc, oneIf(backends.failing(scope)), labels...)
		file = f
	}
	if file != nil {
		send(bytesDesc, float64(file.Bytes))
		send(walDesc, float64(file.WALBytes))
		send(readersDesc, float64(file.Readers))
	}
}

// figures returns those of every scope, as they were a few seconds ago at most. Nobody changes them.
func (g *gauges) figures(now time.Time) map[ledger.Scope]*reading {
	g.mu.Lock()
	defer g.mu.Unlock()
	l, ok := g.opened()
	if !ok {
		return nil
	}
	if age := now.Sub(g.read); age >= 0 && age < figuresAge {
		return g.cache
	}
	ctx, cancel := context.WithTimeout(context.Background(), figuresWait)
	defer cancel()
	all := make(map[ledger.Scope]*reading)
	whole := true
	for _, scope := range g.scopes() {
		read, err := g.readOf(ctx, l, scope, now)
		if err != nil {
			whole = false
			continue
		}
		all[scope] = read
	}
	if whole {
		g.cache, g.read = all, now
	}
	return all
}

func (g *gauges) readOf(ctx context.Context, l ledger.Ledger, scope ledger.Scope, now time.Time) (r *reading, err error) {
	r = new(reading)
	if r.Figures, err = l.Figures(ctx, scope); err != nil {
		return nil, err
	}
	if g.ships != nil && g.ships(scope) {
		r.due, err = l.ShippingDue(ctx, scope, now, now.Add(ledger.ShippingNotice))
	}
	return r, err
}

func age(of, now time.Time) float64 {
	if of.IsZero() {
		return 0
	}
	return max(0, now.Sub(of).Seconds())
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// Interface guard
var _ prometheus.Collector = (*gauges)(nil)

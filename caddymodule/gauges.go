package caddymodule

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddypay/caddypay/ledger"
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
	sweptDesc   = gaugeDesc("last_sweep_timestamp_seconds", "What was created before this moment has been compared with Ping++; absent until a first day was.", scopeLabels)
	failingDesc = gaugeDesc("backend_failing", "1 when this process's last three attempts to deliver, or more, all failed.", scopeLabels)
	bytesDesc   = gaugeDesc("ledger_bytes", "Size of the ledger's file.", nil)
	walDesc     = gaugeDesc("ledger_wal_bytes", "Size of the ledger's -wal file. It grows while another program reads the ledger.", nil)

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
	now    func() time.Time

	mu    sync.Mutex
	read  time.Time // when cache was
	cache map[ledger.Scope]*ledger.Figures
	descs []*prometheus.Desc // of scopeGauges
}

// registerGauges adds those of an app to its configuration's registry.
func registerGauges(r *prometheus.Registry, a *App) error {
	if r == nil {
		return nil
	}
	return r.Register(newGauges(func() (ledger.Ledger, bool) { return a.store.opened() }, a.scopes, time.Now))
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
	for _, d := range append([]*prometheus.Desc{sweptDesc, failingDesc, bytesDesc, walDesc}, g.descs...) {
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
	for scope, f := range g.figures(now) {
		labels := []string{scope.App, string(scope.Mode)}
		for i, s := range scopeGauges {
			send(g.descs[i], s.of(f, now), labels...)
		}
		if !f.Swept.IsZero() {
			send(sweptDesc, float64(f.Swept.Unix()), labels...)
		}
		send(failingDesc, oneIf(backends.failing(scope)), labels...)
		file = f
	}
	if file != nil {
		send(bytesDesc, float64(file.Bytes))
		send(walDesc, float64(file.WALBytes))
	}
}

// figures returns those of every scope, as they were a few seconds ago at most. Nobody changes them.
func (g *gauges) figures(now time.Time) map[ledger.Scope]*ledger.Figures {
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
	all := make(map[ledger.Scope]*ledger.Figures)
	whole := true
	for _, scope := range g.scopes() {
		f, err := l.Figures(ctx, scope)
		if err != nil {
			whole = false
			continue
		}
		all[scope] = f
	}
	if whole {
		g.cache, g.read = all, now
	}
	return all
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

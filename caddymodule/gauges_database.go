package caddymodule

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddypay/caddypay/ledger/postgres"
)

// The gauges of a ledger in PostgreSQL. Connections and clock are this node's; of the rest every node shows the same.
var databaseDescs = struct{ conns, waits, waited, clock, horizon, held, dead, standbys, synchronous *prometheus.Desc }{
	conns:       gaugeDesc("ledger_connections", "This node's connections to the ledger's database: max, open and used.", []string{"state"}),
	waits:       gaugeDesc("ledger_connection_waits_total", "How often somebody waited for a connection to the ledger's database.", nil),
	waited:      gaugeDesc("ledger_connection_wait_seconds_total", "How long they waited in all.", nil),
	clock:       gaugeDesc("ledger_clock_offset_seconds", "How far the clock of the ledger's database is ahead of this node's.", nil),
	horizon:     gaugeDesc("ledger_horizon_transactions", "How many transactions ago the oldest one began that keeps the ledger's database from cleaning up.", nil),
	held:        gaugeDesc("ledger_horizon_seconds", "How long it has done so; 0 when it is not known.", nil),
	dead:        gaugeDesc("ledger_dead_rows", "Rows of the ledger that wait to be cleaned up, as the database estimates.", nil),
	standbys:    gaugeDesc("ledger_standbys", "Replicas that follow the ledger's database.", nil),
	synchronous: gaugeDesc("ledger_standbys_synchronous", "Those of them without which nothing is acknowledged.", nil),
}

// databaseGauges asks the database when the metrics are asked for, at most each five seconds. It opens none, and waits for none.
type databaseGauges struct {
	opened func() (*postgres.Ledger, bool)
	now    func() time.Time

	mu    sync.Mutex
	asked time.Time
	said  postgres.State
	ok    bool
}

// Describe is prometheus.Collector's.
func (g *databaseGauges) Describe(to chan<- *prometheus.Desc) {
	d := databaseDescs
	for _, desc := range []*prometheus.Desc{d.conns, d.waits, d.waited, d.clock, d.horizon, d.held, d.dead, d.standbys, d.synchronous} {
		to <- desc
	}
}

// Collect is prometheus.Collector's. What the database does not say now is left out; how the connections are used is known without it.
func (g *databaseGauges) Collect(to chan<- prometheus.Metric) {
	l, ok := g.opened()
	if !ok {
		return
	}
	send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	d, pool := databaseDescs, l.PoolState()
	for state, n := range map[string]int{"max": pool.Max, "open": pool.Open, "used": pool.Used} {
		send(d.conns, prometheus.GaugeValue, float64(n), state)
	}
	send(d.waits, prometheus.CounterValue, float64(pool.Waited))
	send(d.waited, prometheus.CounterValue, pool.Wait.Seconds())
	s, ok := g.state(l)
	if !ok {
		return
	}
	send(d.clock, prometheus.GaugeValue, s.Clock.Seconds())
	send(d.horizon, prometheus.GaugeValue, float64(s.Age))
	send(d.held, prometheus.GaugeValue, s.Held.Seconds())
	send(d.dead, prometheus.GaugeValue, float64(s.Dead))
	send(d.standbys, prometheus.GaugeValue, float64(s.Standbys))
	send(d.synchronous, prometheus.GaugeValue, float64(s.Synchronous))
}

func (g *databaseGauges) state(l *postgres.Ledger) (postgres.State, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if age := now.Sub(g.asked); age >= 0 && age < figuresAge {
		return g.said, g.ok
	}
	ctx, cancel := context.WithTimeout(context.Background(), figuresWait)
	defer cancel()
	s, err := l.State(ctx)
	g.asked, g.said, g.ok = now, s, err == nil
	return s, g.ok
}

// Interface guard
var _ prometheus.Collector = (*databaseGauges)(nil)

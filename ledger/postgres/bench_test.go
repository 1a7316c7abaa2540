package postgres

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/ledgertest/pgtest"
)

// BenchmarkAppend has many callers record payments of a kilobyte, each of a charge that we never saw, on a server whose commits wait for the disk.
func BenchmarkAppend(b *testing.B) {
	server := pgtest.Start(b, pgtest.Options{Durable: true, Settings: map[string]string{"shared_buffers": "256MB", "max_wal_size": "4GB"}})
	l, err := Open(b.Context(), Options{DSN: server.DSN(b), Patience: time.Minute})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	body := bytes.Repeat([]byte("x"), 1024)
	var n atomic.Int64
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			id, now := fmt.Sprintf("%024d", n.Add(1)), time.Now()
			_, err := l.Append(b.Context(), &ledger.Event{Scope: live, ID: "evt_" + id, Type: "charge.succeeded", ObjectID: "ch_" + id, ChargeID: "ch_" + id,
				Number: id, OrderNo: id, Lane: id, State: ledger.Pending, Source: ledger.Webhook, Created: now, Received: now, Due: now, Body: body,
				Change: &ledger.ChargeChange{Paid: true, TimePaid: now}, Payment: &ledger.Payment{Amount: 100, Currency: "cny", Time: now}})
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

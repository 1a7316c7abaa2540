//go:build unix

package file_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

func processor() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// accept appends b.N events from 32 callers and reports how fast that went. What is done with each event in time is a part of it; may be nil.
func accept(b *testing.B, l *Ledger, before, after func(*ledger.Event)) {
	body := make([]byte, 1500)
	for i := range body {
		body[i] = 'a'
	}
	var wg sync.WaitGroup
	next := make(chan struct{}, 64)
	commits, cpu, start := l.inside.Commits.Load(), processor(), time.Now()
	b.ResetTimer()
	for range 32 {
		wg.Go(func() {
			for range next {
				e := payment(body)
				if before != nil {
					before(e)
				}
				if _, err := l.Append(context.Background(), e); err != nil {
					b.Error(err)
				}
				if after != nil {
					after(e)
				}
			}
		})
	}
	for range b.N {
		next <- struct{}{}
	}
	close(next)
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "events/s")
	b.ReportMetric(float64(b.N)/float64(l.inside.Commits.Load()-commits), "events/commit")
	b.ReportMetric(float64((processor()-cpu).Microseconds())/float64(b.N), "cpu-µs/event")
}

// deliver claims and settles as a relay does, until it is stopped; it returns how many events went.
func deliver(b *testing.B, l *Ledger) (stop func() int64) {
	ctx, cancel := context.WithCancel(context.Background())
	var delivered atomic.Int64
	var wg sync.WaitGroup
	slots := make(chan struct{}, 64)
	wg.Go(func() {
		changed, end := l.Watch(ledger.EventsTopic(scope))
		defer end()
		for n := 0; ctx.Err() == nil; n++ {
			owner, now := fmt.Sprint("relay#", n), time.Now()
			es, err := l.Claim(ctx, ledger.Claim{Scope: scope, Owner: owner, Now: now, Until: now.Add(2 * time.Second), Limit: cap(slots) - len(slots)})
			if err != nil && ctx.Err() == nil {
				b.Error(err)
			}
			for _, e := range es {
				slots <- struct{}{}
				wg.Go(func() {
					err := l.Settle(context.Background(), owner, ledger.Delivery{Scope: scope, EventID: e.ID, Attempt: 1, At: now,
						Took: time.Millisecond, Status: 200, Snippet: "success", State: ledger.Delivered})
					if err != nil {
						b.Error(err)
					}
					delivered.Add(1)
					<-slots
				})
			}
			if len(es) == 0 || len(slots) == cap(slots) {
				select {
				case <-changed:
				case <-ctx.Done():
				case <-time.After(10 * time.Millisecond):
				}
			}
		}
	})
	return func() int64 {
		cancel()
		wg.Wait()
		return delivered.Load()
	}
}

func benchLedger(b *testing.B, batch int) *Ledger {
	b.Helper()
	l, err := Open(b.Context(), Options{File: newFile(b)})
	must(b, err)
	must(b, l.writeLax(b.Context(), func(*tx) error { *l.inside.Batch = batch; return nil }))
	b.Cleanup(func() { must(b, l.Close()) })
	return l
}

func BenchmarkAppend(b *testing.B) {
	for name, batch := range map[string]int{"group": maxBatch, "single": 1} {
		b.Run(name, func(b *testing.B) { accept(b, benchLedger(b, batch), nil, nil) })
	}
}

// BenchmarkAppendDelivering is Append while everything that arrives is delivered.
func BenchmarkAppendDelivering(b *testing.B) {
	l := benchLedger(b, maxBatch)
	stop := deliver(b, l)
	accept(b, l, nil, nil)
	b.ReportMetric(float64(stop())/float64(b.N), "delivered/event")
}

// BenchmarkAppendLent is the same while there is room for all that arrives.
func BenchmarkAppendLent(b *testing.B) {
	l := benchLedger(b, maxBatch)
	accept(b, l, func(e *ledger.Event) {
		e.Lease = ledger.Lease{Owner: "relay+" + e.ID, Until: time.Now().Add(2 * time.Second)}
	}, func(e *ledger.Event) {
		must(b, l.Settle(context.Background(), e.Lease.Owner, ledger.Delivery{Scope: scope, EventID: e.ID, Attempt: 1, At: time.Now(), Took: time.Millisecond,
			Status: 200, Snippet: "success", State: ledger.Delivered}))
	})
}

// BenchmarkBacklog is what the queue costs while many events are pending, most of them in lanes that are stuck.
func BenchmarkBacklog(b *testing.B) {
	for _, pending := range []int{200, 200_000} {
		l := benchLedger(b, maxBatch)
		body := make([]byte, 400)
		must(b, fill(b, l, pending, body))
		b.Run(fmt.Sprintf("%d/append", pending), func(b *testing.B) {
			for range b.N {
				_, err := l.Append(b.Context(), payment(body))
				must(b, err)
			}
		})
		b.Run(fmt.Sprintf("%d/next due", pending), func(b *testing.B) {
			for range b.N {
				_, err := l.NextDue(b.Context(), scope)
				must(b, err)
			}
		})
		b.Run(fmt.Sprintf("%d/claim and settle", pending), func(b *testing.B) {
			for range b.N {
				now := time.Now()
				es, err := l.Claim(b.Context(), ledger.Claim{Scope: scope, Owner: "a", Now: now, Until: now.Add(time.Minute), Limit: 1})
				must(b, err)
				if len(es) != 1 {
					b.Fatalf("%d events claimed", len(es))
				}
				must(b, l.Settle(b.Context(), "a", ledger.Delivery{Scope: scope, EventID: es[0].ID, At: now, State: ledger.Pending, Due: now}))
			}
		})
	}
}

// fill appends pending events, ten in a lane, many in a transaction.
func fill(b *testing.B, l *Ledger, n int, body []byte) error {
	b.Helper()
	for done := 0; done < n; done += 200 {
		err := l.write(b.Context(), func(t *tx) error {
			for i := done; i < done+200; i++ {
				e := payment(body)
				e.OrderNo = fmt.Sprint("order", i/10)
				e.Lane, e.Type = e.OrderNo, "order.succeeded"
				if _, err := core.Append(t, e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

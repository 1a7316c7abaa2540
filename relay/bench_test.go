package relay

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/sqlite"
)

// BenchmarkBacklog delivers what has queued up, from a real ledger to a backend that answers at once: all that is measured is
// ours.
func BenchmarkBacklog(b *testing.B) {
	for _, lanes := range []string{"none", "of two"} {
		b.Run("lanes="+lanes, func(b *testing.B) {
			ctx := context.Background()
			l, err := sqlite.Open(ctx, sqlite.Options{File: b.TempDir() + "/ledger.db"})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			backlog(b, l, b.N, lanes != "none")

			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			var mu sync.Mutex
			left, done := b.N, make(chan struct{})
			secret, err := ParseSecret(secret)
			if err != nil {
				b.Fatal(err)
			}
			r, err := New(Config{
				Scope: scope, Ledger: l, Path: "/internal/pay/events", Secrets: []Secret{secret}, Owner: "bench", Logger: zap.NewNop(),
				Backend: transport(func(*http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("success"))}, nil
				}),
				Observe: func(string, time.Duration) {
					mu.Lock()
					defer mu.Unlock()
					if left--; left == 0 {
						close(done)
					}
				},
			})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				r.Run(ctx)
			}()
			<-done
			cancel()
			<-ended // with every outcome on disk
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}

// backlog records n events.
func backlog(tb testing.TB, l ledger.Ledger, n int, inLanes bool) {
	var all sync.WaitGroup
	gate := make(chan struct{}, 200)
	body := []byte(`{"id":"evt_x","object":"event","data":{"object":"` + strings.Repeat("x", 1200) + `"}}`)
	for i := range n {
		e := newEvent(fmt.Sprintf("evt_%d", i), time.Now())
		e.Body = body
		if e.Lane = ""; inLanes {
			e.Lane = fmt.Sprint("lane", i/2)
		}
		gate <- struct{}{}
		all.Go(func() {
			defer func() { <-gate }()
			if _, err := l.Append(context.Background(), e); err != nil {
				tb.Error(err)
			}
		})
	}
	all.Wait()
}

package file_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay"
)

// TestSlowDiskDelivers: with a disk that takes longer for each fsync than a lease lasts, and webhooks without a pause, everything that
// was acknowledged is delivered once, and not before it is on disk.
func TestSlowDiskDelivers(t *testing.T) {
	const callers, slow = 8, 2 * time.Second
	l := openFile(t, newFile(t))
	var mu sync.Mutex
	var forced []span
	must(t, l.writeLax(t.Context(), func(*tx) error {
		*l.inside.Sync = func(f *os.File) error {
			began := time.Now()
			time.Sleep(slow) // the disk's work
			err := datasync(f)
			mu.Lock()
			defer mu.Unlock()
			forced = append(forced, span{began, time.Now()})
			return err
		}
		return nil
	}))
	var made sync.Map // before an event was written
	var got sync.Map
	var received atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		received.Add(1)
		got.Store(r.Header.Get("Webhook-Id"), time.Now())
	}))
	defer srv.Close()
	r, err := relay.New(relay.Config{
		Scope: scope, Ledger: l, Path: "/events", Token: redact.New("token"), Owner: "a",
		Backend: transport(func(r *http.Request) (*http.Response, error) {
			r = r.Clone(r.Context())
			r.URL.Scheme, r.URL.Host = "http", srv.Listener.Addr().String()
			return srv.Client().Transport.RoundTrip(r)
		}),
	})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	all.Go(func() { r.Run(ctx) })
	var acknowledged atomic.Int64
	var enough atomic.Bool
	var callersDone sync.WaitGroup
	for i := range callers {
		callersDone.Go(func() {
			for n := 0; !enough.Load(); n++ {
				e := newEvent(fmt.Sprintf("evt_%d_%d", i, n))
				e.Received = time.Now()
				made.Store(e.ID, time.Now())
				if _, err := l.Append(t.Context(), e); err != nil {
					t.Error(err)
					return
				}
				acknowledged.Add(1)
			}
		})
	}
	for deadline := time.Now().Add(time.Minute); received.Load() < callers; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("nothing was delivered as long as webhooks came")
			break
		}
	}
	enough.Store(true)
	callersDone.Wait()
	eventually(t, "everything to be delivered", func() bool {
		due, err := l.NextDue(t.Context(), scope)
		return err == nil && due == ledger.Due{}
	})
	if received.Load() != acknowledged.Load() {
		t.Errorf("%d deliveries of %d events", received.Load(), acknowledged.Load())
	}
	mu.Lock()
	defer mu.Unlock()
	got.Range(func(id, at any) bool {
		when, ok := made.Load(id)
		if !ok || !slices.ContainsFunc(forced, func(s span) bool { return s.began.After(when.(time.Time)) && s.ended.Before(at.(time.Time)) }) {
			t.Errorf("%s was delivered before it was on disk", id)
		}
		return true
	})
}

// span is an fsync.
type span struct{ began, ended time.Time }

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

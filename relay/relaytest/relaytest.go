// Package relaytest is what the tests of the relay and of its parts have in common: ledgers on disk, a clock that is moved by hand, a merchant's
// backend, and logs that can be read.
package relaytest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/sqlite"
)

// Scope is whose events the tests are about.
var Scope = ledger.Scope{App: "app_test", Mode: ledger.Test}

// Serial makes names of processes.
var Serial atomic.Int64

func OpenLedger(t *testing.T, file string) *sqlite.Ledger {
	t.Helper()
	return OpenLedgerAt(t, file, time.Now)
}

func OpenLedgerAt(t testing.TB, file string, now func() time.Time) *sqlite.Ledger {
	t.Helper()
	l, err := sqlite.Open(context.Background(), sqlite.Options{File: file, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func NewLedger(t *testing.T) *sqlite.Ledger {
	return OpenLedger(t, filepath.Join(t.TempDir(), "ledger.db"))
}

// Clock is a clock that stands still until it is moved.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

func NewClock() *Clock { return &Clock{now: time.UnixMilli(1_790_000_000_000)} }

func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// Received is a request as the backend saw it.
type Received struct {
	*http.Request
	Body []byte
}

// Backend is a merchant's backend, a real server.
type Backend struct {
	URL       string
	Transport *http.Transport
	mu        sync.Mutex
	got       []Received
}

func NewBackend(t *testing.T, answer http.HandlerFunc) *Backend {
	t.Helper()
	b := &Backend{Transport: &http.Transport{}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		b.got = append(b.got, Received{r, body})
		b.mu.Unlock()
		answer(w, r)
	}))
	b.URL = strings.TrimPrefix(srv.URL, "http://")
	t.Cleanup(func() {
		b.Transport.CloseIdleConnections()
		srv.Close()
	})
	return b
}

// RoundTrip dials the server whatever the public host is, as a reverse proxy does.
func (b *Backend) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "http", b.URL
	return b.Transport.RoundTrip(r)
}

func (b *Backend) Requests() []Received {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Received(nil), b.got...)
}

// Run runs a relay or a reconciler; stop ends it and returns once it has ended.
func Run(t *testing.T, f func(context.Context)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

func Record(t *testing.T, l ledger.Ledger, e *ledger.Event) {
	t.Helper()
	if did, err := l.Append(context.Background(), e); err != nil || did != ledger.Recorded {
		t.Fatalf("append %s: %v, %v", e.ID, did, err)
	}
}

func Load(t *testing.T, l ledger.Ledger, id string) (*ledger.Event, []ledger.Delivery) {
	t.Helper()
	e, err := l.Event(context.Background(), Scope, id)
	if err != nil {
		t.Fatal(err)
	}
	ds, err := l.Deliveries(context.Background(), Scope, id)
	if err != nil {
		t.Fatal(err)
	}
	return e, ds
}

// WaitFor waits for a condition; a minute means that it will not come.
func WaitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func AnswerOK(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "success") }

// Logs is a logger whose lines can be read while it writes.
type Logs struct {
	mu    sync.Mutex
	Lines bytes.Buffer
}

func (l *Logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Lines.Write(p)
}

func (l *Logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Lines.String()
}

func (l *Logs) Logger() *zap.Logger {
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(l), zap.DebugLevel))
}

// NewEvent is a payment that has come by webhook.
func NewEvent(id string, now time.Time) *ledger.Event {
	return &ledger.Event{
		Scope: Scope, ID: id, Type: "charge.succeeded", ObjectID: "ch_" + id, ChargeID: "ch_" + id, OrderNo: "order" + id, Lane: "order" + id,
		Source: ledger.Webhook, Created: now, Received: now, Due: now, Host: "shop.example.com", Signature: "c2lnbmF0dXJl",
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		Body:        []byte(`{"id":"` + id + `",  "type":"charge.succeeded"}` + "\n"), State: ledger.Pending,
	}
}

// WaitAttempts waits for so many attempts to deliver an event, and returns it with the last one.
func WaitAttempts(t *testing.T, l ledger.Ledger, id string, n int) (*ledger.Event, ledger.Delivery) {
	t.Helper()
	WaitFor(t, fmt.Sprintf("attempt %d of %s", n, id), func() bool {
		_, ds := Load(t, l, id)
		return len(ds) >= n
	})
	e, ds := Load(t, l, id)
	if len(ds) != n {
		t.Fatalf("%s: %d attempts, want %d", id, len(ds), n)
	}
	return e, ds[n-1]
}

// WaitDelivered waits until an event is delivered.
func WaitDelivered(t *testing.T, l ledger.Ledger, id string) {
	t.Helper()
	WaitFor(t, id+" to be delivered", func() bool {
		e, err := l.Event(context.Background(), Scope, id)
		return err == nil && e.State == ledger.Delivered
	})
}

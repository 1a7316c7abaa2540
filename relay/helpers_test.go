package relay

import (
	"context"
	"encoding/base64"
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

	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	scope  = ledger.Scope{App: "app_test", Mode: ledger.Test}
	secret = "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
	serial atomic.Int64
)

func openLedger(t *testing.T, file string) *sqlite.Ledger {
	t.Helper()
	return openLedgerAt(t, file, time.Now)
}

func openLedgerAt(t testing.TB, file string, now func() time.Time) *sqlite.Ledger {
	t.Helper()
	l, err := sqlite.Open(context.Background(), sqlite.Options{File: file, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func newLedger(t *testing.T) *sqlite.Ledger {
	return openLedger(t, filepath.Join(t.TempDir(), "ledger.db"))
}

// clock is a clock that stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.UnixMilli(1_790_000_000_000)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// received is a request as the backend saw it.
type received struct {
	*http.Request
	body []byte
}

// backend is a merchant's backend, a real server.
type backend struct {
	url       string
	transport *http.Transport
	mu        sync.Mutex
	got       []received
}

func newBackend(t *testing.T, answer http.HandlerFunc) *backend {
	t.Helper()
	b := &backend{transport: &http.Transport{}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		b.got = append(b.got, received{r, body})
		b.mu.Unlock()
		answer(w, r)
	}))
	b.url = strings.TrimPrefix(srv.URL, "http://")
	t.Cleanup(func() {
		b.transport.CloseIdleConnections()
		srv.Close()
	})
	return b
}

// RoundTrip dials the server whatever the public host is, as a reverse proxy does.
func (b *backend) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "http", b.url
	return b.transport.RoundTrip(r)
}

func (b *backend) requests() []received {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]received(nil), b.got...)
}

func config(t *testing.T, l ledger.Ledger, rt http.RoundTripper) Config {
	t.Helper()
	s, err := ParseSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		Scope: scope, Ledger: l, Backend: rt, Path: "/internal/pay/events", Secrets: []Secret{s}, Token: strings.Repeat("t", 32),
		Owner: fmt.Sprintf("%s-%d", t.Name(), serial.Add(1)), Rand: func() float64 { return 0.5 }, Poll: 5 * time.Millisecond,
		Logger: zaptest.NewLogger(t),
	}
}

// start runs a relay; stop ends it and returns once Run has.
func start(t *testing.T, cfg Config) (stop func()) {
	t.Helper()
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, r.Run)
}

// run runs a relay or a reconciler; stop ends it and returns once it has ended.
func run(t *testing.T, f func(context.Context)) (stop func()) {
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

func newEvent(id string, now time.Time) *ledger.Event {
	return &ledger.Event{
		Scope: scope, ID: id, Type: "charge.succeeded", ObjectID: "ch_" + id, ChargeID: "ch_" + id, OrderNo: "order" + id, Lane: "order" + id,
		Source: ledger.Webhook, Created: now, Received: now, Due: now, Host: "shop.example.com", Signature: "c2lnbmF0dXJl",
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		Body:        []byte(`{"id":"` + id + `",  "type":"charge.succeeded"}` + "\n"), State: ledger.Pending,
	}
}

func record(t *testing.T, l ledger.Ledger, e *ledger.Event) {
	t.Helper()
	if did, err := l.Append(context.Background(), e); err != nil || did != ledger.Recorded {
		t.Fatalf("append %s: %v, %v", e.ID, did, err)
	}
}

func load(t *testing.T, l ledger.Ledger, id string) (*ledger.Event, []ledger.Delivery) {
	t.Helper()
	e, err := l.Event(context.Background(), scope, id)
	if err != nil {
		t.Fatal(err)
	}
	ds, err := l.Deliveries(context.Background(), scope, id)
	if err != nil {
		t.Fatal(err)
	}
	return e, ds
}

// waitFor waits for a condition; a minute means that it will not come.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func waitAttempts(t *testing.T, l ledger.Ledger, id string, n int) (*ledger.Event, ledger.Delivery) {
	t.Helper()
	waitFor(t, fmt.Sprintf("attempt %d of %s", n, id), func() bool {
		_, ds := load(t, l, id)
		return len(ds) >= n
	})
	e, ds := load(t, l, id)
	if len(ds) != n {
		t.Fatalf("%s: %d attempts, want %d", id, len(ds), n)
	}
	return e, ds[n-1]
}

func answerOK(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "success") }

package handlers

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddypay/caddypay/handlers/limits"
	"github.com/caddypay/caddypay/handlers/merchant"
	"github.com/caddypay/caddypay/handlers/payment"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/sqlite"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/pingpp/channel"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/relay/reconcile"
	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/session"
	"github.com/caddypay/caddypay/wechat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Keys are made once: 2048 bits take a while.
var (
	merchantKey = sync.OnceValue(newKey)
	pingppKey   = sync.OnceValue(newKey)
)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(nil, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

const (
	backendToken       = "backend-token-0123456789abcdefghijklmnop"
	merchantToken      = "merchant-token-0123456789abcdefghijklmno"
	otherMerchantToken = "merchant-token-to-come-0123456789abcdefg"
	payer              = "oAAAAAAAAAAAAAAAAAAAAAAAAAA1" // an openid
	stranger           = "oBBBBBBBBBBBBBBBBBBBBBBBBBB2"
)

// clock stands still until it is moved.
type clock struct{ unixMilli atomic.Int64 }

func (c *clock) Now() time.Time      { return time.UnixMilli(c.unixMilli.Load()) }
func (c *clock) Add(d time.Duration) { c.unixMilli.Add(d.Milliseconds()) }

// world is a merchant's site with everything around it, all of it over TCP.
type world struct {
	t       testing.TB
	clock   *clock
	sandbox *sandbox.Sandbox
	outside *recorder // Ping++ and WeChat
	backend *recorder
	file    string // the ledger's
	ledger  *sqlite.Ledger
	config  Config
	site    *Site // made of config
	server  *httptest.Server
	client  *http.Client
	logs    *observer.ObservedLogs
	closing chan struct{}
	skipped atomic.Int64

	outsideURL, backendURL string
	transport              *http.Transport // of all calls that the sites make
	sessionKeys            [][]byte

	mu     sync.Mutex
	logged bytes.Buffer
	secret []string // what no log line may hold
	quote  http.HandlerFunc
}

// Write takes log lines.
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logged.Write(p)
}

func (w *world) hide(secrets ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secret = append(w.secret, secrets...)
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{}, closing: make(chan struct{}), transport: &http.Transport{}, sessionKeys: [][]byte{newSessionKey()}}
	w.clock.unixMilli.Store(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC).UnixMilli())
	var err error
	w.sandbox, err = sandbox.New(sandbox.Config{Now: w.clock.Now, SigningKey: pingppKey(), MerchantKey: &merchantKey().PublicKey})
	if err != nil {
		t.Fatal(err)
	}
	w.outside = &recorder{handler: w.sandbox}
	outside := httptest.NewServer(w.outside)
	w.quote = w.answerQuote(nil)
	w.backend = &recorder{handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		quote := w.quote
		w.mu.Unlock()
		quote(rw, r)
	})}
	backend := httptest.NewServer(w.backend)
	w.outsideURL, w.backendURL = outside.URL, backend.URL
	w.file = filepath.Join(t.TempDir(), "ledger.db")
	w.ledger = w.openLedger()
	w.hide(w.sandbox.TestKey(), w.sandbox.LiveKey(), w.sandbox.WxLite().Secret, w.sandbox.WxPub().Secret, backendToken, merchantToken, otherMerchantToken, payer, stranger)

	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		w.server.Close()
		w.transport.CloseIdleConnections()
		w.sandbox.Close()
		outside.Close()
		backend.Close()
		w.checkSecrets()
	})
	observed, logs := observer.New(zap.DebugLevel)
	w.logs = logs
	lines := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(w), zap.DebugLevel)
	w.config = w.newConfig(w.ledger, zap.New(zapcore.NewTee(observed, lines)))
	w.site = New(w.config)
	w.server = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.handler(w.site).ServeHTTP(rw, r) }))
	w.client = w.server.Client()
	return w
}

func newSessionKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

func (w *world) openLedger() *sqlite.Ledger {
	w.t.Helper()
	l, err := sqlite.Open(context.Background(), sqlite.Options{File: w.file, Now: w.clock.Now})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { l.Close() })
	return l
}

type sessionCtx struct{}

// roomy are limits that no test meets whose matter they are not: the clock stands still, and nothing is free again.
var roomy = limits.Limits{Address: limits.Rate{N: 1_000_000, Per: time.Second}, OpenID: limits.Rate{N: 1_000_000, Per: time.Second}, App: limits.Rate{N: 1_000_000, Per: time.Second},
	Refused: limits.Rate{N: 1_000_000, Per: time.Second}, Waiters: limits.Default.Waiters, Attempts: 1000}

// set changes the configuration of the site.
func (w *world) set(change func(*Config)) {
	change(&w.config)
	w.site = New(w.config)
}

// newSite is one process's site; several on one file are several processes.
func (w *world) newSite(l ledger.Ledger, log *zap.Logger) *Site { return New(w.newConfig(l, log)) }

func (w *world) newConfig(l ledger.Ledger, log *zap.Logger) Config {
	w.t.Helper()
	open := func(context.Context) (ledger.Ledger, error) { return l, nil }
	client, err := pingpp.New(pingpp.Config{
		App: w.sandbox.App(), Key: redact.New(w.sandbox.TestKey()), SigningKey: merchantKey(), Endpoint: w.outsideURL,
		Transport: w.transport, Now: w.clock.Now, Rand: func() float64 { return 0 },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	mini, err := wechat.NewMiniProgram(wechat.Config{
		AppID: w.sandbox.WxLite().AppID, Secret: redact.New(w.sandbox.WxLite().Secret), Endpoint: w.outsideURL, Transport: w.transport,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	official, err := wechat.NewOfficialAccount(wechat.Config{
		AppID: w.sandbox.WxPub().AppID, Secret: redact.New(w.sandbox.WxPub().Secret), Endpoint: w.outsideURL, Transport: w.transport,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	verifier, err := pingpp.NewVerifier(&pingppKey().PublicKey)
	if err != nil {
		w.t.Fatal(err)
	}
	scope := ledger.Scope{App: w.sandbox.App(), Mode: ledger.Test}
	keys := w.sessionKeys
	intake := &intake.Intake{Scope: scope, Ledger: open, Now: w.clock.Now, Logger: log}
	reconciler := reconcile.New(reconcile.Config{Scope: scope, Ledger: open, Pingpp: client, Intake: intake, Owner: "test", Now: w.clock.Now, Logger: log})
	intake.Ask = reconciler.Charges.Recover
	return Config{
		Prefix: "/pay", Scope: scope, Pingpp: client, Verifier: verifier, Channels: channel.Names(), WxLite: mini, WxPub: official,
		Ticket: func(ctx context.Context) (string, error) {
			token, err := official.AccessToken(ctx)
			if err != nil {
				return "", err
			}
			ticket, err := official.Ticket(ctx, token.Value.Reveal())
			return ticket.Value.Reveal(), err
		},
		Sessions: &session.Tokens{Keys: func(context.Context) ([][]byte, error) { return keys, nil }, TTL: 2 * time.Hour, Now: w.clock.Now},
		Orders:   &payment.Orders{Method: "GET", Path: "/internal/pay/orders/{order_no}", Max: 2_000_000, Timeout: 10 * time.Second},
		Budgets:  limits.NewBudgets(roomy),
		Intake:   intake, Reconciler: reconciler, QueryAfter: reconcile.DefaultAfter,
		Private: private().private,
		Merchant: &merchant.Access{Tokens: redact.All(merchantToken, otherMerchantToken), Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")},
			Sources: func(r *http.Request) ([]string, error) {
				return strings.Split(cmp.Or(r.Header.Get("Test-Client-IP"), "192.0.2.7"), " "), nil
			}},
		Backend: w, Token: redact.New(backendToken), Ledger: open,
		Session: func(r *http.Request) string {
			token, _ := r.Context().Value(sessionCtx{}).(string)
			return token
		},
		Bearer:   func(r *http.Request) string { return session.Bearer(r.Header) },
		ClientIP: func(*http.Request) string { return "192.0.2.7" },
		Host:     func(r *http.Request) string { return r.Host },
		Secure:   func(r *http.Request) bool { return r.TLS != nil },
		SkipLog:  func(*http.Request) { w.skipped.Add(1) },
		Closing:  w.closing, Logger: log, Now: w.clock.Now, Rand: rand.Reader,
	}
}

// handler does what the server around a site does.
func (w *world) handler(s *Site) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		token := StripTrusted(r.Header)
		r = r.WithContext(context.WithValue(r.Context(), sessionCtx{}, token))
		switch {
		case s.Owns(r.URL.Path):
			s.ServeHTTP(rw, r)
		case s.IsPrivate(r.URL.Path, r.URL.RawQuery):
			s.NotFound(rw, r)
		default:
			io.WriteString(rw, "the site")
		}
	})
}

// RoundTrip reaches the backend whatever the public host is, as a reverse proxy does.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "http", strings.TrimPrefix(w.backendURL, "http://")
	return w.transport.RoundTrip(r)
}

// answerQuote answers as a sound backend does, with some members changed; nil removes one.
func (w *world) answerQuote(changes map[string]any) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		members := map[string]any{"order_no": r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:], "amount": 1999, "currency": "cny", "subject": "绿茶 & <tea>"}
		for name, v := range changes {
			if members[name] = v; v == nil {
				delete(members, name)
			}
		}
		rw.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(rw).Encode(members)
	}
}

func (w *world) setQuote(h http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.quote = h
}

// setInside answers as a sound backend does until an order is reserved; inside the reservation h answers.
func (w *world) setInside(h http.HandlerFunc) {
	var asked sync.Map
	before := w.answerQuote(nil)
	w.setQuote(func(rw http.ResponseWriter, r *http.Request) {
		if _, again := asked.LoadOrStore(r.URL.Path, true); again {
			h(rw, r)
			return
		}
		before(rw, r)
	})
}

// try sends a request; header is names and values by turns.
func (w *world) try(ctx context.Context, s *httptest.Server, method, path, body string, header ...string) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.URL+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "" {
			r.Header.Del(header[i])
			continue
		}
		r.Header.Add(header[i], header[i+1])
		if header[i] == "Content-Type" {
			r.Header.Set(header[i], header[i+1])
		}
		if header[i] == "Host" {
			r.Host = header[i+1]
			r.Header.Del("Host")
		}
	}
	resp, err := w.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, got}, err
}

func (w *world) do(method, path, body string, header ...string) answer {
	w.t.Helper()
	return w.doAt(w.server, method, path, body, header...)
}

func (w *world) doAt(s *httptest.Server, method, path, body string, header ...string) answer {
	w.t.Helper()
	a, err := w.try(context.Background(), s, method, path, body, header...)
	if err != nil {
		w.t.Errorf("%s %s: %v", method, path, err)
	}
	return a
}

// session logs a user in and returns the session token.
func (w *world) session(openid string) string {
	w.t.Helper()
	code := w.sandbox.NewCode(openid)
	w.hide(code)
	a := w.do("GET", "/pay/openid?code="+code, "")
	if a.status != 200 || a.text("openid") != openid {
		w.t.Fatalf("login answered %d %s", a.status, a.body)
	}
	w.hide(a.text("session"))
	return a.text("session")
}

func order(orderNo string) string { return fmt.Sprintf(`{"order_no":%q,"channel":"wx_lite"}`, orderNo) }

func (w *world) pay(session, orderNo string) answer {
	w.t.Helper()
	return w.do("POST", "/pay/charges", order(orderNo), "X-Pay-Session", session)
}

// created pays and wants a new charge.
func (w *world) created(session, orderNo string) (id, number string) {
	w.t.Helper()
	a := w.pay(session, orderNo)
	if a.status != http.StatusCreated {
		w.t.Fatalf("paying %s answered %d %s", orderNo, a.status, a.body)
	}
	return a.text("id"), a.text("order_no")
}

func (w *world) calls(op string) int { return w.sandbox.State(0).Calls[op] }

func (w *world) fault(on, name string, times int) {
	w.t.Helper()
	if err := w.sandbox.SetFault(on, name, times); err != nil {
		w.t.Fatal(err)
	}
}

// attempts returns what the ledger has of an order.
func (w *world) attempts(orderNo string) []ledger.Charge {
	w.t.Helper()
	all, err := w.ledger.Attempts(context.Background(), w.config.Scope, orderNo)
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// wantStates checks how far an order's attempts have come, oldest first.
func (w *world) wantStates(orderNo string, want ...ledger.AttemptState) {
	w.t.Helper()
	var got []ledger.AttemptState
	for _, a := range w.attempts(orderNo) {
		got = append(got, a.State)
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("attempts of %s are %v, want %v", orderNo, got, want)
	}
}

// checkSecrets looks through every log line of the test.
func (w *world) checkSecrets() {
	w.t.Helper()
	for _, e := range w.outside.exchanges("/sns/") {
		var members map[string]string
		if json.Unmarshal(e.got, &members) == nil {
			w.secret = append(w.secret, members["session_key"], members["unionid"])
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.secret {
		if i := bytes.Index(w.logged.Bytes(), []byte(s)); s != "" && i >= 0 {
			start := bytes.LastIndexByte(w.logged.Bytes()[:i], '\n') + 1
			line, _, _ := bytes.Cut(w.logged.Bytes()[start:], []byte("\n"))
			w.t.Errorf("a log line holds the secret %q: %s", s, line)
		}
	}
}

// until waits for a condition; ten seconds mean that it will not come.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

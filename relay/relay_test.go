package relay

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/redact"
)

func TestDelivered(t *testing.T) {
	l, b := newLedger(t), newBackend(t, answerOK)
	var logged bytes.Buffer
	cfg := config(t, l, b)
	cfg.Logger = zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&logged), zap.DebugLevel))
	other := "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 24))
	second, err := ParseSecret(other)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Secrets = append(cfg.Secrets, second)
	ev := newEvent("evt_1", time.Now())
	record(t, l, ev)
	stop := start(t, cfg)
	e, d := waitAttempts(t, l, "evt_1", 1)
	stop()
	if e.State != ledger.Delivered || d.State != ledger.Delivered || d.Status != 200 || d.Error != "" || d.Snippet != "success" || d.Attempt != 1 {
		t.Errorf("event %+v\ndelivery %+v", e, d)
	}
	got := b.Requests()
	if len(got) != 1 {
		t.Fatalf("%d requests, want 1", len(got))
	}
	r := got[0]
	if r.Method != "POST" || r.URL.String() != "/internal/pay/events" || r.Host != "shop.example.com" || !bytes.Equal(r.Body, ev.Body) {
		t.Errorf("%s %s to %s: %q", r.Method, r.URL, r.Host, r.Body)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json; charset=utf-8", "User-Agent": "caddypay", "Webhook-Id": "evt_1",
		"X-Pay-Event": "charge.succeeded", "X-Pay-Order-No": "orderevt_1", "X-Pay-Charge": "ch_evt_1", "X-Pay-Mode": "test",
		"X-Pay-Source": "webhook", "X-Pay-Attempt": "1", "X-Pay-Token": cfg.Token.Reveal(),
		"X-Pingplusplus-Signature": "c2lnbmF0dXJl", "Traceparent": ev.TraceParent,
	} {
		if v := r.Header.Get(name); v != want {
			t.Errorf("%s: %q, want %q", name, v, want)
		}
	}
	if n := len(strings.Split(r.Header.Get("webhook-signature"), " ")); n != 2 {
		t.Errorf("%d signatures, want 2", n)
	}
	for _, s := range []string{secret, other} { // the reference library, as a backend would use it
		wh, err := standardwebhooks.NewWebhook(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := wh.Verify(r.Body, r.Header); err != nil {
			t.Error(err)
		}
		if wh.Verify(append(r.Body, ' '), r.Header) == nil {
			t.Error("an altered body verifies")
		}
	}
	line := logged.String()
	for _, want := range []string{`"evt_1"`, `"orderevt_1"`, `"charge.succeeded"`, `"attempt":1`, `"status":200`, `"took"`, `"info"`} {
		if !strings.Contains(line, want) {
			t.Errorf("log %q lacks %s", line, want)
		}
	}
	if strings.Contains(line, cfg.Token.Reveal()) || strings.Contains(line, "success\"") {
		t.Errorf("log tells too much: %s", line)
	}
}

func TestAbsentHeaders(t *testing.T) {
	l, b := newLedger(t), newBackend(t, answerOK)
	cfg := config(t, l, b)
	cfg.Secrets = nil
	e := newEvent("evt_q_x_charge_succeeded", time.Now())
	e.Source, e.Signature, e.TraceParent, e.ChargeID, e.OrderNo, e.Lane = ledger.Query, "", "", "", "50%\r\n订单", ""
	record(t, l, e)
	start(t, cfg)
	waitAttempts(t, l, e.ID, 1)
	h := b.Requests()[0].Header
	for _, name := range []string{"Webhook-Signature", "X-Pingplusplus-Signature", "Traceparent", "X-Pay-Charge"} {
		if v, ok := h[name]; ok {
			t.Errorf("%s is sent: %q", name, v)
		}
	}
	if h.Get("X-Pay-Source") != "query" || h.Get("Webhook-Id") != e.ID || h.Get("X-Pay-Order-No") != "50%25%0D%0A%E8%AE%A2%E5%8D%95" {
		t.Errorf("%v", h)
	}
}

func TestSchedule(t *testing.T) {
	for _, random := range []float64{0, 0.5, 0.999} {
		t.Run(fmt.Sprint(random), func(t *testing.T) {
			l := newLedger(t)
			b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) })
			c := newClock()
			cfg := config(t, l, b)
			cfg.Now, cfg.Rand = c.Now, func() float64 { return random }
			record(t, l, newEvent("evt_1", c.Now()))
			start(t, cfg)
			for i, gap := range DefaultRetry {
				e, d := waitAttempts(t, l, "evt_1", i+1)
				if e.State != ledger.Pending || d.State != ledger.Pending || d.Attempt != i+1 || d.Status != 500 || e.Attempts != i+1 {
					t.Fatalf("attempt %d: %+v, %+v", i+1, e, d)
				}
				wait := e.Due.Sub(c.Now())
				want := time.Duration(float64(gap) * (0.8 + 0.4*random))
				if wait < want-2*time.Millisecond || wait > want+2*time.Millisecond || wait < gap*8/10-time.Millisecond || wait > gap*12/10 {
					t.Fatalf("gap %d: %s, want %s", i+1, wait, want)
				}
				c.Set(e.Due)
			}
			e, d := waitAttempts(t, l, "evt_1", len(DefaultRetry)+1)
			if e.State != ledger.Dead || d.State != ledger.Dead || !d.Due.IsZero() {
				t.Fatalf("after the last attempt: %+v, %+v", e, d)
			}
			got := b.Requests()
			if len(got) != 12 || got[11].Header.Get("X-Pay-Attempt") != "12" || got[11].Header.Get("Webhook-Id") != "evt_1" {
				t.Fatalf("%d requests", len(got))
			}
			for _, i := range []int{1, 11} { // signed afresh
				if got[i].Header.Get("Webhook-Signature") == got[0].Header.Get("Webhook-Signature") {
					t.Error("an old signature was sent again")
				}
			}
		})
	}
}

func TestNotBeforeDue(t *testing.T) {
	l, c := newLedger(t), newClock()
	b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	cfg := config(t, l, b)
	cfg.Now = c.Now
	record(t, l, newEvent("evt_1", c.Now()))
	start(t, cfg)
	e, _ := waitAttempts(t, l, "evt_1", 1)
	c.Set(e.Due.Add(-time.Millisecond))
	record(t, l, newEvent("evt_2", c.Now())) // by its delivery we know that the relay has looked
	waitAttempts(t, l, "evt_2", 1)
	if _, ds := load(t, l, "evt_1"); len(ds) != 1 {
		t.Fatal("attempted before it was due")
	}
	c.Set(e.Due)
	waitAttempts(t, l, "evt_1", 2)
}

func TestRetryAfter(t *testing.T) {
	now := newClock().Now()
	tests := []struct {
		name, value string
		status      int
		want        time.Duration
	}{
		{"seconds", "90", 429, 90 * time.Second},
		{"on any failure", "90", 500, 90 * time.Second},
		{"shorter than the gap", "1", 503, 5 * time.Second},
		{"date", now.Add(10 * time.Minute).UTC().Format(http.TimeFormat), 503, 10 * time.Minute},
		{"date too far", now.Add(48 * time.Hour).UTC().Format(http.TimeFormat), 503, time.Hour},
		{"date gone by", now.Add(-time.Hour).UTC().Format(http.TimeFormat), 503, 5 * time.Second},
		{"too long", "99999999", 503, time.Hour},
		{"more digits than a number holds", strings.Repeat("9", 40), 503, time.Hour},
		{"nonsense", "soon", 503, 5 * time.Second},
		{"negative", "-5", 503, 5 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, c := newLedger(t), newClock()
			b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", tt.value)
				w.WriteHeader(tt.status)
			})
			cfg := config(t, l, b)
			cfg.Now = c.Now
			record(t, l, newEvent("evt_1", c.Now()))
			start(t, cfg)
			e, _ := waitAttempts(t, l, "evt_1", 1)
			if got := e.Due.Sub(c.Now()); got != tt.want {
				t.Errorf("next attempt in %s, want %s", got, tt.want)
			}
		})
	}
}

// The poll never comes in this test: what wakes the relay is the ledger's signal and the event's own time.
func TestWakesWithoutPolling(t *testing.T) {
	l := newLedger(t)
	var failed atomic.Bool
	b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		if failed.CompareAndSwap(false, true) {
			w.WriteHeader(500)
		}
	})
	cfg := config(t, l, b)
	cfg.Poll = time.Hour
	cfg.Retry = []time.Duration{20 * time.Millisecond}
	start(t, cfg)
	record(t, l, newEvent("evt_1", time.Now()))
	waitAttempts(t, l, "evt_1", 2)
	for i := range 20 {
		id := fmt.Sprintf("evt_n%d", i)
		record(t, l, newEvent(id, time.Now()))
		waitAttempts(t, l, id, 1)
	}
}

// An event that another process records is found by looking.
func TestFindsOtherProcessesEvents(t *testing.T) {
	file := t.TempDir() + "/ledger.db"
	mine, theirs := openLedger(t, file), openLedger(t, file)
	b := newBackend(t, answerOK)
	start(t, config(t, mine, b))
	record(t, theirs, newEvent("evt_1", time.Now()))
	waitAttempts(t, theirs, "evt_1", 1)
}

func TestConcurrencyAndBacklog(t *testing.T) {
	l := newLedger(t)
	const events, concurrency = 60, 3
	arrived, proceed := make(chan struct{}, events), make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-proceed
	})
	for i := range events {
		record(t, l, newEvent(fmt.Sprintf("evt_%d", i), time.Now()))
	}
	cfg := config(t, l, b)
	cfg.Concurrency = concurrency
	start(t, cfg)
	for range concurrency {
		<-arrived
	}
	due, err := l.NextDue(context.Background(), scope)
	if err != nil || due.Pending != events {
		t.Fatalf("%+v, %v", due, err)
	}
	if other, err := l.Claim(context.Background(), ledger.Claim{Scope: scope, Owner: "other", Now: time.Now(), Until: time.Now().Add(time.Millisecond), Limit: events}); err != nil || len(other) != events-concurrency {
		t.Fatalf("another relay could claim %d events, want all but the %d under way; %v", len(other), concurrency, err)
	}
	if n := len(arrived); n != 0 {
		t.Fatalf("%d deliveries too many at one time", n)
	}
	close(proceed)
	for i := range events {
		waitAttempts(t, l, fmt.Sprintf("evt_%d", i), 1)
	}
}

func TestNewRefuses(t *testing.T) {
	good := config(t, newLedger(t), http.DefaultTransport)
	tests := map[string]func(*Config){
		"scope":            func(c *Config) { c.Scope = ledger.Scope{} },
		"owner":            func(c *Config) { c.Owner = "" },
		"ledger":           func(c *Config) { c.Ledger = nil },
		"backend_token":    func(c *Config) { c.Secrets, c.Token = nil, redact.Secret{} },
		"ParseSecret":      func(c *Config) { c.Secrets = []Secret{{}} },
		"path":             func(c *Config) { c.Path = "internal" },
		"invalid method":   func(c *Config) { c.Method = "PO ST" },
		"retry gap":        func(c *Config) { c.Retry = []time.Duration{time.Second, 0} },
		"must be positive": func(c *Config) { c.Timeout = -1 },
	}
	for want, spoil := range tests {
		cfg := good
		spoil(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one about %s", err, want)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}

package webhook

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddypay/caddypay/handlers/limits"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/ledgertest/memory"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/intake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// room is where webhooks come to, without a site around it; Ping++ cannot be asked.
type room struct {
	*Webhooks
	t       *testing.T
	key     *rsa.PrivateKey
	ledger  ledger.Ledger
	logs    *observer.ObservedLogs
	counted map[string]int
	took    []time.Duration
}

func newRoom(t *testing.T, few limits.Limits) *room {
	t.Helper()
	key, err := rsa.GenerateKey(nil, 2048)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := pingpp.NewVerifier(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_790_000_000, 0)
	l := memory.Open(memory.NewRows(), now)
	t.Cleanup(func() { l.Close() })
	open := func(context.Context) (ledger.Ledger, error) { return l, nil }
	core, logs := observer.New(zap.DebugLevel)
	rm := &room{t: t, key: key, ledger: l, logs: logs, counted: make(map[string]int)}
	scope := ledger.Scope{App: "app_1", Mode: ledger.Test}
	rm.Webhooks = &Webhooks{
		Scope: scope, Verifier: verifier, Ledger: open,
		Intake:   &intake.Intake{Scope: scope, Ledger: open, Now: func() time.Time { return now }, Logger: zap.NewNop()},
		Budgets:  limits.NewBudgets(few),
		Count:    func(result string) { rm.counted[result]++ },
		Took:     func(took time.Duration) { rm.took = append(rm.took, took) },
		ClientIP: func(*http.Request) string { return "192.0.2.7" },
		Host:     func(r *http.Request) string { return r.Host },
		Logger:   zap.New(core), Now: func() time.Time { return now },
	}
	return rm
}

// receive brings a webhook, and returns the code of the problem that comes of it.
func (rm *room) receive(body, signature string) (code string, status int) {
	r := httptest.NewRequest("POST", "https://shop.example.com/pay/webhooks", strings.NewReader(body))
	if signature != "" {
		r.Header.Set(pingpp.SignatureHeader, signature)
	}
	rec := httptest.NewRecorder()
	if err := rm.Receive(rec, r); err != nil {
		return problem.As(err).Code, problem.As(err).Status()
	}
	return "", rec.Code
}

func (rm *room) sign(body string) string {
	rm.t.Helper()
	signature, err := pingpp.Sign(rm.key, []byte(body))
	if err != nil {
		rm.t.Fatal(err)
	}
	return signature
}

func event(id, app string, live bool) string {
	return fmt.Sprintf(`{"id":%q,"object":"event","type":"moon.risen","created":1790000000,"livemode":%t,"app":%q,"data":{"object":{"id":"moon_1","object":"moon","app":%[3]q}}}`,
		id, live, app)
}

// Whatever is refused is counted under its reason, and nothing of it is recorded; what verifies is on record before it is answered.
func TestReceive(t *testing.T) {
	rm := newRoom(t, limits.Default)
	good := event("evt_1", "app_1", false)
	for _, c := range []struct {
		name, body, signature, code, counted string
		status                               int
	}{
		{"no signature", good, "", "signature_missing", "missing", 401},
		{"another body", good + " ", rm.sign(good), "signature_invalid", "wrong_key", 401},
		{"no base64", good, "?", "signature_invalid", "not_base64", 401},
		{"no event", "[]", rm.sign("[]"), "event_malformed", "malformed", 400},
		{"live", event("evt_2", "app_1", true), rm.sign(event("evt_2", "app_1", true)), "mode_mismatch", "mode", 403},
		{"another app", event("evt_3", "app_2", false), rm.sign(event("evt_3", "app_2", false)), "app_mismatch", "app", 403},
		{"good", good, rm.sign(good), "", "", 200},
		{"again", good, rm.sign(good), "", "", 200},
	} {
		clear(rm.counted)
		code, status := rm.receive(c.body, c.signature)
		if code != c.code || status != c.status {
			t.Errorf("%s: %d %q, want %d %q", c.name, status, code, c.status, c.code)
		}
		want := map[string]int{}
		if c.counted != "" {
			want[c.counted] = 1
		}
		if !maps.Equal(rm.counted, want) {
			t.Errorf("%s: counted %v, want %v", c.name, rm.counted, want)
		}
	}
	if len(rm.took) != 2 { // what is answered 200
		t.Errorf("measured %v", rm.took)
	}
	all, err := rm.ledger.Events(t.Context(), ledger.Filter{Scope: rm.Scope, Limit: 10})
	if err != nil || len(all) != 1 {
		t.Errorf("recorded: %+v, %v", all, err)
	}
	if e, err := rm.ledger.Event(t.Context(), rm.Scope, "evt_1"); err != nil || string(e.Body) != good || e.Host != "shop.example.com" {
		t.Errorf("recorded: %+v, %v", e, err)
	}
}

// A flood of what does not verify is told to stop, and fills no log; one that verifies from the same address is taken all the same.
func TestFloodIsToldToStop(t *testing.T) {
	few := limits.Default
	few.Refused = limits.Rate{N: 8, Per: time.Minute}
	rm := newRoom(t, few)
	good := event("evt_1", "app_1", false)
	foreign := rm.sign(good + " ")
	for range 20 {
		rm.receive(good, foreign)
	}
	if want := map[string]int{"wrong_key": 8, "rate_limited": 12}; !maps.Equal(rm.counted, want) {
		t.Errorf("counted %v, want %v", rm.counted, want)
	}
	if n := rm.logs.FilterMessage("webhook refused").Len(); n != 5 {
		t.Errorf("%d lines", n)
	}
	if code, status := rm.receive(good, rm.sign(good)); status != 200 {
		t.Errorf("%d %s", status, code)
	}
}

// Without the ledger there is no 200: Ping++ comes again.
func TestLedgerThatCannotBeHad(t *testing.T) {
	rm := newRoom(t, limits.Default)
	rm.Ledger = func(context.Context) (ledger.Ledger, error) { return nil, errors.New("the disk is full") }
	good := event("evt_1", "app_1", false)
	if code, status := rm.receive(good, rm.sign(good)); code != "ledger_unavailable" || status != 503 || rm.counted["unavailable"] != 1 {
		t.Errorf("%d %s, counted %v", status, code, rm.counted)
	}
}

package relay

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay/relaytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var secret = "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))

type (
	clock    = relaytest.Clock
	backend  = relaytest.Backend
	received = relaytest.Received
	logs     = relaytest.Logs
)

var (
	scope  = relaytest.Scope
	serial = &relaytest.Serial

	openLedger    = relaytest.OpenLedger
	newLedger     = relaytest.NewLedger
	newClock      = relaytest.NewClock
	newBackend    = relaytest.NewBackend
	newEvent      = relaytest.NewEvent
	answerOK      = relaytest.AnswerOK
	record        = relaytest.Record
	load          = relaytest.Load
	run           = relaytest.Run
	waitFor       = relaytest.WaitFor
	waitAttempts  = relaytest.WaitAttempts
	waitDelivered = relaytest.WaitDelivered
)

func config(t *testing.T, l ledger.Ledger, rt http.RoundTripper) Config {
	t.Helper()
	s, err := ParseSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		Scope: scope, Ledger: l, Backend: rt, Path: "/internal/pay/events", Secrets: []Secret{s}, Token: redact.New(strings.Repeat("t", 32)),
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

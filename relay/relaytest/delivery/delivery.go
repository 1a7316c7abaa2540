// Package delivery runs a relay beside the tests of other packages.
package delivery

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// Config is a relay's, from a ledger to a backend.
func Config(t *testing.T, l ledger.Ledger, rt http.RoundTripper) relay.Config {
	t.Helper()
	s, err := relay.ParseSecret("whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef")))
	if err != nil {
		t.Fatal(err)
	}
	return relay.Config{
		Scope: relaytest.Scope, Ledger: l, Backend: rt, Path: "/internal/pay/events", Secrets: []relay.Secret{s}, Token: redact.New(strings.Repeat("t", 32)),
		Owner: fmt.Sprintf("%s-%d", t.Name(), relaytest.Serial.Add(1)), Rand: func() float64 { return 0.5 }, Poll: 5 * time.Millisecond,
		Logger: zaptest.NewLogger(t),
	}
}

// Start runs a relay; stop ends it and returns once Run has.
func Start(t *testing.T, cfg relay.Config) (stop func()) {
	t.Helper()
	r, err := relay.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return relaytest.Run(t, r.Run)
}

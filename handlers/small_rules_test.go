package handlers

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

// What surely reached no channel leaves the number free, and a client is told how long to wait.
func TestRefusalsThatFreeTheNumber(t *testing.T) {
	for kind, want := range map[pingpp.ErrorKind]struct {
		code  string
		retry time.Duration
		as    ledger.AttemptState
	}{
		pingpp.RateLimit:      {"provider_unavailable", 5 * time.Second, ledger.Unsent},
		pingpp.Unavailable:    {"provider_unavailable", 2 * time.Second, ledger.Unsent},
		pingpp.Authentication: {"provider_rejected", 0, ledger.Unsent},
		pingpp.Channel:        {"charge_rejected", 0, ledger.Refused},
		pingpp.Timeout:        {"provider_timeout", 0, ledger.Unknown},
		pingpp.Lost:           {"provider_unavailable", 2 * time.Second, ledger.Unknown},
		pingpp.Malformed:      {"provider_unavailable", 2 * time.Second, ledger.Unknown},
	} {
		p, as := createProblem(&pingpp.Error{Kind: kind})
		if p.Code != want.code || as != want.as || p.RetryAfter != want.retry {
			t.Errorf("%s: %s after %s, the attempt is %s", kind, p.Code, p.RetryAfter, as)
		}
	}
}

// Yuan are the currency's own unit in China alone.
func TestYuanOfAnotherCurrency(t *testing.T) {
	o := &Orders{Yuan: true}
	for currency, code := range map[string]string{"cny": "", "hkd": "amount_invalid", "jpy": "amount_invalid"} {
		q, err := o.parse([]byte(`{"order_no":"1","amount":1.5,"currency":"`+currency+`","subject":"s"}`), "1")
		if problem.CodeOf(err) != code || err == nil && q.Amount != 150 {
			t.Errorf("%s: %+v, %v", currency, q, err)
		}
	}
}

package handlers

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

// While a person is to decide where the money of a payment is, that goes before whatever else is known of it.
func TestViewOfWhatIsHeld(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	for want, c := range map[string]ledger.Charge{
		"held":     {State: ledger.Open, Paid: true, Reversed: true, Held: true, Amount: 5, TimePaid: now},
		"reversed": {State: ledger.Open, Paid: true, Reversed: true, Undone: true, Amount: 5, TimePaid: now},
		"refunded": {State: ledger.Open, Paid: true, Held: true, Amount: 5, AmountRefunded: 5, TimePaid: now},
		"paid":     {State: ledger.Open, Paid: true, Amount: 5, AmountRefunded: 4, TimePaid: now},
	} {
		if got := view(&c, now).Status; got != want {
			t.Errorf("%+v: %s, want %s", c, got, want)
		}
	}
}

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

// Ping++ complains about another parameter, in words that speak of amounts: that is not the matter of what is left.
func TestRefusalOfAnotherParameter(t *testing.T) {
	for param, exceeds := range map[string]bool{"description": false, "funding_source": false, "amount": true, "charge_amount": true, "": true} {
		err := &pingpp.Error{Kind: pingpp.InvalidRequest, Status: 400, Type: "invalid_request_error", Param: param, Message: "退款金额超过可退金额"}
		if got := problem.CodeOf(refundProblem("R1", err)); (got == "refund_exceeds") != exceeds {
			t.Errorf("param %q: %s", param, got)
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

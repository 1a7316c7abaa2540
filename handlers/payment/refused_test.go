package payment

import (
	"errors"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/pingpp/channel"
	"github.com/caddypay/caddypay/relay/intake"
)

// Ping++ may answer with a charge that it made before. One that is paid is no charge to hand out, and one that is reversed cannot be paid:
// whoever got it would pay nothing, or believe to have paid.
func TestEarlierChargeOfOurs(t *testing.T) {
	p := &pingpp.ChargeParams{Channel: "wx_lite", Extra: map[string]any{"open_id": payer}, Metadata: map[string]any{intake.MetaOrderNo: "1001"}}
	made := func(change func(c *pingpp.Charge)) *pingpp.Charge {
		c := &pingpp.Charge{ID: "ch_1", Metadata: map[string]string{intake.MetaOrderNo: "1001"}, Extra: []byte(`{"open_id":"` + payer + `"}`)}
		if change != nil {
			change(c)
		}
		return c
	}
	paid := func(c *pingpp.Charge) { c.Paid = true }
	for name, c := range map[string]struct {
		channel string
		made    *pingpp.Charge
		fits    bool
		as      ledger.AttemptState
	}{
		"new":                   {"wx_lite", made(nil), true, ""},
		"paid":                  {"wx_lite", made(paid), false, ledger.Taken},
		"paid, as it should be": {"wx_pub_scan", made(paid), true, ""},
		"reversed":              {"wx_lite", made(func(c *pingpp.Charge) { c.Reversed = true }), false, ledger.Refused},
		"another order's":       {"wx_lite", made(func(c *pingpp.Charge) { c.Metadata[intake.MetaOrderNo] = "1002" }), false, ledger.Refused},
		"another payer's":       {"wx_lite", made(func(c *pingpp.Charge) { c.Extra = []byte(`{"open_id":"` + stranger + `"}`) }), false, ledger.Refused},
		"no payer's":            {"wx_lite", made(func(c *pingpp.Charge) { c.Extra = []byte(`[]`) }), false, ledger.Refused},
	} {
		a := &attempt{channel: channel.Of(c.channel)}
		err := a.earlierCharge(c.made, p)
		if (err == nil) != c.fits {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err == nil {
			continue
		}
		problem, as := createProblem(err)
		if again := errors.Is(problem, errNumberUsed); as != c.as || again == (c.as == ledger.Taken) {
			t.Errorf("%s: the number is %s, and another is tried: %t", name, as, again)
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

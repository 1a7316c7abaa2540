package handlers

import (
	"errors"
	"testing"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/pingpp/channel"
	"github.com/caddypay/caddypay/relay"
)

// Ping++ may answer with a charge that it made before. One that is paid is no charge to hand out, and one that is reversed cannot be paid:
// whoever got it would pay nothing, or believe to have paid.
func TestEarlierChargeOfOurs(t *testing.T) {
	p := &pingpp.ChargeParams{Channel: "wx_lite", Extra: map[string]any{"open_id": payer}, Metadata: map[string]any{relay.MetaOrderNo: "1001"}}
	made := func(change func(c *pingpp.Charge)) *pingpp.Charge {
		c := &pingpp.Charge{ID: "ch_1", Metadata: map[string]string{relay.MetaOrderNo: "1001"}, Extra: []byte(`{"open_id":"` + payer + `"}`)}
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
		"another order's":       {"wx_lite", made(func(c *pingpp.Charge) { c.Metadata[relay.MetaOrderNo] = "1002" }), false, ledger.Refused},
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

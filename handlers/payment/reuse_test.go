package payment

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/pingpp/channel"
	"github.com/caddypay/caddypay/session"
)

func TestReusable(t *testing.T) {
	clock := &clock{}
	now := time.Unix(1_790_000_000, 0)
	clock.unixMilli.Store(now.UnixMilli())
	for _, through := range []string{"wx_lite", "wx_wap", "alipay_wap"} {
		p := &pingpp.ChargeParams{Channel: through, Amount: 5, Currency: "cny"}
		a := &attempt{pay: &Payments{Now: clock.Now}, channel: channel.Of(through), id: session.Identity{OpenID: "o", AppID: "wx"}, purchased: p}
		q := &quote{Amount: 5, Currency: "cny"}
		good := ledger.Charge{State: ledger.Open, Raw: []byte("{}"), Created: now, TimeExpire: now.Add(leastLeft), Payer: "o", PayerAppID: "wx", Fingerprint: p.Fingerprint()}
		if !a.reusable(&good, q) {
			t.Errorf("%s: a good attempt is not reused", through)
		}
		long := good
		long.TimeExpire = now.Add(24 * time.Hour)
		if !a.reusable(&long, q) {
			t.Errorf("%s: one that lasts for a day is not reused", through)
		}
		life := map[string]time.Duration{"wx_lite": 2 * time.Hour, "wx_wap": 5 * time.Minute}[through]
		long.Created = now.Add(leastLeft - life)
		if !a.reusable(&long, q) {
			t.Errorf("%s: one whose credential lives for a minute is not reused", through)
		}
		long.Created = long.Created.Add(-time.Second)
		if a.reusable(&long, q) != (life == 0) {
			t.Errorf("%s: one whose credential lives for 59 seconds: reused %v", through, life > 0)
		}
		unsaid := good
		unsaid.TimeExpire = time.Time{}
		if !a.reusable(&unsaid, q) {
			t.Errorf("%s: one whose expiry Ping++ did not say is not reused", through)
		}
		for name, spoil := range map[string]func(c *ledger.Charge){
			"pruned":  func(c *ledger.Charge) { c.Raw = nil },
			"refused": func(c *ledger.Charge) { c.State = ledger.Refused }, "unknown": func(c *ledger.Charge) { c.State = ledger.Unknown },
			"superseded": func(c *ledger.Charge) { c.Superseded = true }, "paid": func(c *ledger.Charge) { c.Paid = true }, "reversed": func(c *ledger.Charge) { c.Reversed = true },
			"expires": func(c *ledger.Charge) { c.TimeExpire = now.Add(leastLeft - time.Second) }, "payer": func(c *ledger.Charge) { c.Payer = "p" },
			"appid": func(c *ledger.Charge) { c.PayerAppID = "wy" }, "purchase": func(c *ledger.Charge) { c.Fingerprint = "another" }, "an older ledger": func(c *ledger.Charge) { c.Fingerprint = "" },
		} {
			c := good
			spoil(&c)
			if a.reusable(&c, q) {
				t.Errorf("%s: %s: reused", through, name)
			}
		}
	}
}

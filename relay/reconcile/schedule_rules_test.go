package reconcile

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// When an unpaid charge is looked up next, at every age, by its channel and by what the last look-up brought.
func TestScheduleRules(t *testing.T) {
	const sec, h = time.Second, time.Hour
	begin := time.Unix(1_790_000_000, 0)
	s := schedule{after: 30 * sec, until: 24 * h, rand: func() float64 { return 0 }}
	type want struct{ in, afterError time.Duration } // from now; 0: never
	for name, c := range map[string]struct {
		age, lives time.Duration
		random     float64
		change     func(*ledger.Charge)
		until      time.Duration
		want       want
	}{
		"new":                                   {0, 2 * h, 0, nil, 0, want{118 * sec, 54 * sec}},
		"at the first look-up":                  {30 * sec, 2 * h, 0, nil, 0, want{88 * sec, 54 * sec}},
		"near the second":                       {100 * sec, 2 * h, 0, nil, 0, want{364 * sec, 54 * sec}},
		"after the last before it ends":         {2*h - 100*sec, 2 * h, 0, nil, 0, want{105 * sec, 105 * sec}},
		"one that lives for a moment":           {0, 34 * sec, 0, nil, 0, want{30 * sec, 30 * sec}},
		"the same, as late as may be":           {0, 34 * sec, 0.9999, nil, 0, want{39 * sec, 39 * sec}},
		"at its end":                            {2 * h, 2 * h, 0, nil, 0, want{24 * h, 108 * time.Minute}},
		"at the end of it all":                  {26 * h, 2 * h, 0, nil, 0, want{0, 324 * time.Minute}},
		"just before":                           {26*h - sec, 2 * h, 0, nil, 0, want{sec, sec}},
		"no answer for long":                    {26*h + errorsUntil, 2 * h, 0, nil, 0, want{0, 0}},
		"no answer for nearly as long":          {26*h + errorsUntil - 1, 2 * h, 0, nil, 0, want{0, 324 * time.Minute}},
		"farther than anybody looks":            {2 * h, 2 * h, 0, nil, 365 * 24 * h, want{farthestGap, 108 * time.Minute}},
		"exactly as far":                        {2 * h, 2 * h, 0, nil, farthestGap, want{farthestGap, 108 * time.Minute}},
		"superseded, and not ripe":              {10 * sec, 2 * h, 0, func(c *ledger.Charge) { c.Superseded = true; c.Channel = "wx_lite" }, 0, want{50 * sec, 50 * sec}},
		"superseded, and ripe":                  {60 * sec, 2 * h, 0, func(c *ledger.Charge) { c.Superseded = true; c.Channel = "wx_lite" }, 0, want{58 * sec, 54 * sec}},
		"superseded, and not reversible":        {10 * sec, 2 * h, 0, func(c *ledger.Charge) { c.Superseded = true; c.Channel = "alipay_wap" }, 0, want{108 * sec, 54 * sec}},
		"superseded, young, of one that cannot": {10 * sec, 2 * h, 0, func(c *ledger.Charge) { c.Superseded = true; c.Channel = "cb_wx" }, 0, want{108 * sec, 54 * sec}},
		"not superseded, of such channel":       {10 * sec, 2 * h, 0, func(c *ledger.Charge) { c.Channel = "wx_lite" }, 0, want{108 * sec, 54 * sec}},
	} {
		t.Run(name, func(t *testing.T) {
			s := s
			if c.until > 0 {
				s.until = c.until
			}
			s.now, s.rand = func() time.Time { return begin.Add(c.age) }, func() float64 { return c.random }
			charge := &ledger.Charge{ID: "ch_1", Channel: "alipay_wap", Created: begin, TimeExpire: begin.Add(c.lives)}
			if c.change != nil {
				c.change(charge)
			}
			for what, got := range map[string]time.Time{"next": s.next(charge), "after an error": s.afterError(charge)} {
				want := c.want.in
				if what != "next" {
					want = c.want.afterError
				}
				if got.IsZero() != (want == 0) || want > 0 && got.Sub(s.now()).Truncate(sec) != want {
					t.Errorf("%s: in %s, want %s", what, got.Sub(s.now()), want)
				}
			}
		})
	}
}

package channel

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestNames(t *testing.T) {
	names := Names()
	if len(names) != len(table) || !slices.IsSorted(names) {
		t.Errorf("%q", names)
	}
	for _, name := range names {
		if Of(name).EN != table[name].EN {
			t.Errorf("%s is %+v", name, Of(name))
		}
	}
	if c := Of("nowhere"); c.EN != "" || c.Simple() || c.Accepts("1001") || c.ClientMay("device", nil) == nil {
		t.Errorf("a channel that there is not: %+v", c)
	}
}

// What is offered without being named, and what the site has to be set up with.
func TestWhatChannelsWant(t *testing.T) {
	for name, want := range map[string]struct {
		simple, quote bool
		urls          string
	}{
		"wx_lite": {true, false, ""}, "wx_wap": {true, false, ""}, "alipay_wap": {true, false, "success_url"}, "jdpay_wap": {true, false, "success_url fail_url"},
		"qpay": {false, false, ""}, "wx_pub_scan": {false, false, ""}, "balance": {false, true, ""}, "cb_alipay": {false, true, ""}, "paypal": {false, true, ""},
		"isv_wap": {false, true, "result_url"}, "wx_lite_pab": {false, false, ""}, "chinaums_wx_wap": {false, false, ""},
	} {
		c := Of(name)
		if c.Simple() != want.simple || c.NeedsQuote() != want.quote || strings.Join(c.URLs(), " ") != want.urls {
			t.Errorf("%s: offered by itself %t, needs a quote %t, URLs %q", name, c.Simple(), c.NeedsQuote(), c.URLs())
		}
	}
}

func TestAccepts(t *testing.T) {
	for name, c := range table {
		for n := range 70 {
			if got, want := c.Accepts(strings.Repeat("z", n)), n >= c.NumberMin && n <= c.NumberMax; got != want {
				t.Errorf("%s: %d letters: %t", name, n, got)
			}
		}
	}
	c := Channel{NumberMin: 1, NumberMax: 9}
	for r := range rune(0x180) {
		letter := strings.ContainsRune("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", r)
		if c.Accepts("a"+string(r)) != letter {
			t.Errorf("%q is taken: %t", r, !letter)
		}
	}
}

func TestCheckCurrency(t *testing.T) {
	for _, tt := range []struct{ channel, currency, wrong string }{
		{"wx_lite", "cny", ""}, {"wx_lite", "usd", "must be cny for this channel"}, {"wx_lite", "", "must be cny"}, {"wx_lite", "CNY", "must be cny"},
		{"isv_lite", "cny", ""}, {"isv_lite", "hkd", ""}, {"isv_lite", "usd", "must be cny or hkd"},
		{"paypal", "usd", ""}, {"paypal", "", "is missing"}, {"paypal", "USD", "three small letters"}, {"paypal", "usdx", "three small letters"}, {"paypal", "us", "three small letters"},
	} {
		err := Of(tt.channel).CheckCurrency(tt.currency)
		if (err == nil) != (tt.wrong == "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
			t.Errorf("%s, %q: %v", tt.channel, tt.currency, err)
		}
	}
}

// A credential may die before its charge, and a charge of which Ping++ says no end ends when the channel says.
func TestPayableUntil(t *testing.T) {
	made := time.Unix(1_790_000_000, 0)
	after := func(d time.Duration) time.Time { return made.Add(d) }
	for _, tt := range []struct {
		channel                  string
		expires, lapses, payable time.Time
	}{
		{"alipay_wap", time.Time{}, after(24 * time.Hour), after(24 * time.Hour)},
		{"alipay_wap", after(time.Hour), after(time.Hour), after(time.Hour)},
		{"wx_lite", time.Time{}, after(2 * time.Hour), after(2 * time.Hour)},
		{"wx_lite", after(72 * time.Hour), after(72 * time.Hour), after(2 * time.Hour)},
		{"wx_lite", after(time.Hour), after(time.Hour), after(time.Hour)},
		{"wx_wap", after(time.Hour), after(time.Hour), after(5 * time.Minute)},
		{"wx_pub_scan", time.Time{}, after(2 * time.Hour), after(2 * time.Hour)}, // it has no credential
	} {
		c := Of(tt.channel)
		if lapses, payable := c.Lapses(made, tt.expires), c.PayableUntil(made, tt.expires); !lapses.Equal(tt.lapses) || !payable.Equal(tt.payable) {
			t.Errorf("%s until %s: lapses after %s, payable for %s", tt.channel, tt.expires, lapses.Sub(made), payable.Sub(made))
		}
	}
}

func TestWithoutRefused(t *testing.T) {
	for text, want := range map[string]string{
		"tea": "tea", " tea ": " tea ", "绿茶🍵 tea 🎁": "绿茶 tea", "👨‍👩‍👧 set": "set", "❤️ tea": "❤️ tea", "🍵": "", "1️⃣🍵": "1", "𠮷野家": "野家", "\uffff": "\uffff",
	} {
		if got := Of("wx_lite").WithoutRefused(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
		if got := Of("alipay_wap").WithoutRefused(text); got != text {
			t.Errorf("alipay: %q becomes %q", text, got)
		}
	}
}

package payment

import (
	"strings"
	"testing"

	"github.com/caddypay/caddypay/pingpp/channel"
)

// A channel that refuses emoji gets the texts without; where nothing is left, what stands for a missing text.
func TestEmojiAreDropped(t *testing.T) {
	for name, tt := range map[string]struct{ subject, body, standard, wantSubject, wantBody string }{
		"beside words":             {"绿茶🍵 tea 🎁", "two 🍵 bags", "", "绿茶 tea", "two  bags"},
		"several in one":           {"👨‍👩‍👧 set", "🏳️‍🌈", "", "set", "set"},
		"none that is refused":     {"❤️ tea", "☕️", "", "❤️ tea", "☕️"},
		"a character above":        {"𠮷野家", "b", "", "野家", "b"},
		"nothing left":             {"🍵🍵", "", "Order {order_no}", "Order 1001", "Order 1001"},
		"nothing left, no default": {"🍵", "🎁", "", "1001", "1001"},
		"a default of emoji":       {" ", "", "🍵 {order_no}", "1001", "1001"},
		"only emoji, everywhere":   {"🍵", "", "🎁", "1001", "1001"},
	} {
		t.Run(name, func(t *testing.T) {
			d := QuoteDefaults{Subject: tt.standard}
			for name, refuses := range map[string]bool{"wx_lite": true, "alipay_wap": false} {
				q := &quote{Subject: tt.subject, Body: tt.body}
				d.fill(q, "1001")
				d.afterEmoji(q, channel.Of(name), "1001")
				if err := q.checkText(channel.Of(name)); err != nil {
					t.Fatal(name, err)
				}
				switch {
				case refuses && (q.Subject != tt.wantSubject || q.Body != tt.wantBody):
					t.Errorf("%q, %q, want %q, %q", q.Subject, q.Body, tt.wantSubject, tt.wantBody)
				case !refuses && strings.TrimSpace(tt.subject) != "" && q.Subject != tt.subject:
					t.Errorf("%s: %q", name, q.Subject)
				}
			}
		})
	}
	q := &quote{}
	(QuoteDefaults{}).afterEmoji(q, channel.Of("wx_lite"), "1001")
	if err := q.checkText(channel.Of("wx_lite")); err == nil {
		t.Error("a subject that was never named is taken")
	}
}

package handlers

import (
	"strings"
	"testing"
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
			for channel, refuses := range map[string]bool{"wx_lite": true, "alipay_wap": false} {
				q := &quote{Subject: tt.subject, Body: tt.body}
				d.fill(q, "1001")
				d.afterEmoji(q, channels[channel], "1001")
				if err := q.checkText(channels[channel]); err != nil {
					t.Fatal(channel, err)
				}
				switch {
				case refuses && (q.Subject != tt.wantSubject || q.Body != tt.wantBody):
					t.Errorf("%q, %q, want %q, %q", q.Subject, q.Body, tt.wantSubject, tt.wantBody)
				case !refuses && strings.TrimSpace(tt.subject) != "" && q.Subject != tt.subject:
					t.Errorf("%s: %q", channel, q.Subject)
				}
			}
		})
	}
	q := &quote{}
	(QuoteDefaults{}).afterEmoji(q, channels["wx_lite"], "1001")
	if err := q.checkText(channels["wx_lite"]); err == nil {
		t.Error("a subject that was never named is taken")
	}
}

// A text that is cut to what a channel takes ends in "…", within the same limit; one that fits stays whole.
func TestCutTextsSaySo(t *testing.T) {
	for _, tt := range []struct {
		limit      limit
		text, want string
	}{
		{limit{most: 5}, "绿茶绿茶绿", "绿茶绿茶绿"},
		{limit{most: 5}, "绿茶绿茶绿茶", "绿茶绿茶…"},
		{limit{most: 5}, "tea cups", "tea…"},
		{limit{most: 6, bytes: true}, "绿茶", "绿茶"},
		{limit{most: 8, bytes: true}, "绿茶绿", "绿…"},
		{limit{most: 3}, "a👨\u200d👩\u200d👧", "a👨…"},
		{limit{most: 5}, "", ""},
	} {
		if got := tt.limit.cut(tt.text); got != tt.want {
			t.Errorf("%q in %+v becomes %q, want %q", tt.text, tt.limit, got, tt.want)
		}
	}
}

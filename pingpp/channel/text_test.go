package channel

import "testing"

// A text that is cut to what a channel takes ends in "…", within the same limit; one that fits stays whole.
func TestCutTextsSaySo(t *testing.T) {
	for _, tt := range []struct {
		limit      Limit
		text, want string
	}{
		{Limit{Most: 5}, "绿茶绿茶绿", "绿茶绿茶绿"},
		{Limit{Most: 5}, "绿茶绿茶绿茶", "绿茶绿茶…"},
		{Limit{Most: 5}, "tea cups", "tea…"},
		{Limit{Most: 6, Bytes: true}, "绿茶", "绿茶"},
		{Limit{Most: 8, Bytes: true}, "绿茶绿", "绿…"},
		{Limit{Most: 3}, "a👨\u200d👩\u200d👧", "a👨…"},
		{Limit{Most: 5}, "", ""},
	} {
		if got := tt.limit.Cut(tt.text); got != tt.want {
			t.Errorf("%q in %+v becomes %q, want %q", tt.text, tt.limit, got, tt.want)
		}
	}
}

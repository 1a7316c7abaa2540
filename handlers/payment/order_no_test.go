package payment

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/pingpp/channel"
)

// What shops call their orders.
var orderNumbers = []string{
	"7", "-", "A-1", "2026.11.23-0007", "550e8400-e29b-41d4-a716-446655440000", "{550E8400-E29B-41D4-A716-446655440000}", "order_no=1001&x=2", "#1001", "100%", "50%off",
	"a+b", "a;b", "1001?x=1", "1001:2", "user@shop,7", "'--", `"`, "{order_no}", "{env.HOME}", "~*!$()", "...", strings.Repeat("9", 64), strings.Repeat("-", 64),
}

func TestChannelNumber(t *testing.T) {
	c := channel.Of("wx_lite")
	for _, no := range []string{"A1", strings.Repeat("9", 25), strings.Repeat("9", 26), strings.Repeat("9", 27), strings.Repeat("9", 32)} {
		next := nextNumber(c, no, bytes.NewReader(bytes.Repeat([]byte{0, 31, 255, 32, 7, 100}, 100)))
		if got := next(0, 0); got != no {
			t.Errorf("the first number of %s is %s", no, got)
		}
		for _, try := range [][2]int{{1, 0}, {0, 1}, {7, 3}} {
			got := next(try[0], try[1])
			if !c.Accepts(got) || got == no || !strings.HasPrefix(got, no[:min(len(no), 26)]) {
				t.Errorf("number %v of %s is %s", try, no, got)
			}
		}
	}
}

// Every channel gets a number that it takes, and the shop's own where that is one.
func TestNumbersOfEveryChannel(t *testing.T) {
	for _, name := range channel.Names() {
		c := channel.Of(name)
		random := rand.Reader
		for _, no := range append(orderNumbers, "1001", strings.Repeat("9", 20)) {
			if err := checkOrderNo(no); err != nil {
				t.Fatalf("%s: %v", no, err)
			}
			next := nextNumber(c, no, random)
			seen := map[string]bool{}
			for attempt := range 3 {
				number := next(attempt, 0)
				if !c.Accepts(number) || seen[number] {
					t.Errorf("%s: attempt %d of %s has the number %q", name, attempt, no, number)
				}
				if (number == no) != (attempt == 0 && c.Accepts(no)) {
					t.Errorf("%s: attempt %d of %s has the number %q", name, attempt, no, number)
				}
				if plain := lettersAndDigits(no); !strings.HasPrefix(number, plain[:min(len(plain), c.NumberMax-suffixLength)]) {
					t.Errorf("%s: %q tells nothing of %q", name, number, no)
				}
				seen[number] = true
			}
		}
	}
}

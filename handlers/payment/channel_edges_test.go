package payment

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/pingpp/channel"
	"github.com/caddypay/caddypay/session"
)

// What every channel makes of order numbers and quotes at the edges of its rules.
func TestEveryChannelAtItsEdges(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	for _, name := range channel.Names() {
		c := channel.Of(name)
		t.Run(name, func(t *testing.T) {
			for n := range 70 {
				no := strings.Repeat("9", n)
				if got, want := c.Accepts(no), n >= c.NumberMin && n <= c.NumberMax; got != want {
					t.Errorf("an order number of %d digits: %v", n, got)
				}
				if !c.Accepts(no) {
					continue
				}
				next := nextNumber(c, no, bytes.NewReader(make([]byte, 100)))
				if first, second := next(0, 0), next(1, 0); first != no || second == no || !c.Accepts(second) {
					t.Errorf("the numbers of order %s are %s and %s", no, first, second)
				}
			}
			for _, bad := range []string{"../../admin", "1001/2/3", "1001?x=1", "1001%2f9", "10010001\n", "1001000\x00", "订单订单订单订单", "1001 0001", "1001-0001", "1001_0001", "1001000１"} {
				if c.Accepts(bad) {
					t.Errorf("order number %q is taken", bad)
				}
			}
			quoted := func(subject string, expire time.Time) (*quote, error) {
				q := &quote{OrderNo: "10010001", Amount: 1, Subject: subject, TimeExpire: expire, Currency: map[bool]string{true: "usd"}[c.Currency == ""]}
				return q, q.check("10010001", session.Identity{}, c, 0, now)
			}
			q, err := quoted(strings.Repeat("长", 300), time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			characters, size := utf8.RuneCountInString(q.Subject), len(q.Subject)
			if c.Subject.Bytes && (size > 32 || size < 30) || !c.Subject.Bytes && characters != 32 || !utf8.ValidString(q.Subject) || utf8.RuneCountInString(q.Body) != c.Body.Most {
				t.Errorf("subject has %d characters and %d bytes, body %d characters", characters, size, utf8.RuneCountInString(q.Body))
			}
			if q, err := quoted("tea 🍵", time.Time{}); err != nil || q.Subject != map[bool]string{true: "tea", false: "tea 🍵"}[c.NoEmoji] {
				t.Errorf("emoji: %+v, %v", q, err)
			}
			if _, err := quoted("tea", now.Add(c.ExpireMin-time.Second)); err == nil || err.(*problem.Problem).Code != "order_closed" {
				t.Errorf("expiring too soon: %v", err)
			}
			if q, err := quoted("tea", now.Add(c.ExpireMin)); err != nil || !q.TimeExpire.Equal(now.Add(c.ExpireMin)) {
				t.Errorf("expiring at the earliest: %v %v", q, err)
			}
			if q, err := quoted("tea", now.Add(24_000*time.Hour)); err != nil || !q.TimeExpire.Equal(now.Add(c.ExpireMax-clockDoubt)) {
				t.Errorf("expiring too late: %v %v", q, err)
			}
			for _, currency := range []string{"", "USD", "us", "usd1", "人民币"} {
				if c.CheckCurrency(currency) == nil {
					t.Errorf("currency %q is taken", currency)
				}
			}
			if usd := c.CheckCurrency("usd") == nil; usd != (c.Currency == "") {
				t.Errorf("usd: %v", usd)
			}
			if hkd := c.CheckCurrency("hkd") == nil; hkd != (c.Currency == "" || name == "isv_lite") {
				t.Errorf("hkd: %v", hkd)
			}
		})
	}
}

// Every order number that we make ourselves fits every channel.
func TestClientOrderNumbers(t *testing.T) {
	for _, prefix := range []string{"", "D", "DONATE"} {
		no := (&ClientAmount{Prefix: prefix}).orderNo(bytes.NewReader(make([]byte, 100)))
		for _, name := range channel.Names() {
			if !channel.Of(name).Accepts(no) || !strings.HasPrefix(no, prefix) {
				t.Errorf("%s does not take %s", name, no)
			}
		}
	}
}

func wantCode(t *testing.T, what string, err error, code string) {
	t.Helper()
	p, ok := errors.AsType[*problem.Problem](err)
	if !ok || p.Code != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

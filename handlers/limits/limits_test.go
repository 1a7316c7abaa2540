package limits

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestParseRate(t *testing.T) {
	for text, want := range map[string]Rate{
		"60/m": {60, time.Minute}, "1/s": {1, time.Second}, "1000000/h": {1_000_000, time.Hour},
	} {
		got, err := ParseRate(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "60", "0/m", "-1/m", "1.5/s", "60/d", "60/", "/m", "60 /m", "60/m/m", "1000001/m", "99999999999999999999/m", "off", "60/M"} {
		if got, err := ParseRate(text); err == nil || !strings.Contains(err.Error(), "like 60/m") {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestAddressKey(t *testing.T) {
	for _, same := range [][2]string{
		{"192.0.2.7", "::ffff:192.0.2.7"}, {"2001:db8::1", "2001:db8::ffff:1:2:3"}, {"fe80::1%eth0", "fe80::2%eth1"}, {"", "not an address"},
	} {
		if addressKey(same[0]) != addressKey(same[1]) {
			t.Errorf("%s and %s are counted apart", same[0], same[1])
		}
	}
	for _, other := range [][2]string{{"192.0.2.7", "192.0.2.8"}, {"2001:db8::1", "2001:db8:0:1::1"}, {"192.0.2.7", ""}, {"0.0.0.0", ""}, {"::", ""}} {
		if addressKey(other[0]) == addressKey(other[1]) {
			t.Errorf("%s and %s are counted as one", other[0], other[1])
		}
	}
}

func TestBudget(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	b := newBudget[string](Rate{3, time.Minute})
	for i := range 3 {
		if wait := b.take("a", now); wait != 0 {
			t.Fatalf("request %d waits %s", i, wait)
		}
	}
	for range 5 { // those who are turned away do not push the next one back
		if wait := b.take("a", now); wait != 20*time.Second {
			t.Fatalf("the fourth waits %s", wait)
		}
	}
	if wait := b.left("a", now); wait != 20*time.Second {
		t.Errorf("left: %s", wait)
	}
	if b.left("b", now) != 0 || b.take("b", now) != 0 {
		t.Error("another key waits")
	}
	if wait := b.take("a", now.Add(20*time.Second)); wait != 0 {
		t.Errorf("after the time that it was told: %s", wait)
	}
	if wait := b.take("a", now.Add(20*time.Second)); wait != 20*time.Second {
		t.Errorf("one was free, not two: %s", wait)
	}
	// A spent budget is not forgotten before it is whole again, whatever others do.
	for i := range 30 {
		at := now.Add(20*time.Second + time.Duration(i)*time.Second/2)
		b.take(fmt.Sprint("other", i), at)
		if b.take("a", at) == 0 {
			t.Fatalf("whole again after %d half seconds", i)
		}
	}
}

// However many keys come, the memory is bounded, and the latest are known.
func TestBudgetIsBounded(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	b := newBudget[netip.Prefix](Rate{1, time.Minute})
	for i := range 5 * maxKeys {
		b.take(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32), now)
	}
	if n := len(b.young) + len(b.aged); n > 2*maxKeys {
		t.Errorf("%d keys are kept", n)
	}
	i := 5*maxKeys - 1
	if b.take(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32), now) == 0 {
		t.Error("the latest key was forgotten")
	}
	now = now.Add(time.Minute)
	b.take(addressKey("192.0.2.1"), now)
	b.take(addressKey("192.0.2.2"), now.Add(time.Minute))
	if n := len(b.young) + len(b.aged); n != 2 {
		t.Errorf("%d keys are kept of a flood that is over", n)
	}
}

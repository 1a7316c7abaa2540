package handlers

import (
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
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

// from makes requests come from an address.
func (w *world) from(addr string) {
	w.set(func(c *Config) { c.ClientIP = func(*http.Request) string { return addr } })
}

func wantLimited(t *testing.T, a answer, seconds int) {
	t.Helper()
	wantProblem(t, a, 429, "rate_limited")
	if got := a.header.Get("Retry-After"); got != strconv.Itoa(seconds) {
		t.Errorf("Retry-After %q, want %d", got, seconds)
	}
}

// A flood of random codes from one address reaches WeChat no more than the limit allows, and locks nobody else out.
func TestFloodOfCodes(t *testing.T) {
	w := newWorld(t)
	w.set(func(c *Config) { c.Budgets = NewBudgets(DefaultLimits) })
	w.from("203.0.113.9")
	session := w.session(payer)
	calls := w.calls("jscode2session")
	for i := range 59 {
		wantProblem(t, w.do("GET", fmt.Sprint("/pay/openid?code=random", i), ""), 401, "code_invalid")
	}
	for i := range 500 {
		code := fmt.Sprint("more", i)
		if i%2 == 0 {
			wantLimited(t, w.do("GET", "/pay/openid?code="+code, ""), 1)
		} else {
			wantLimited(t, w.do("POST", "/pay/charges", fmt.Sprintf(`{"order_no":"1001","channel":"wx_lite","code":%q}`, code)), 1)
		}
	}
	if n := w.calls("jscode2session") - calls; n != 59 {
		t.Errorf("WeChat was asked %d times", n)
	}
	if n := w.logs.FilterMessage("refused").FilterFieldKey("not_logged_before").Len(); n != 5 {
		t.Errorf("%d log lines about the flood", n)
	}
	w.created(session, "1001") // whoever is logged in pays on, behind the same address too
	w.from("203.0.113.10")
	w.created(w.session(stranger), "1002")
	w.from("203.0.113.9")
	w.clock.Add(time.Second)
	w.session(stranger)
	wantLimited(t, w.do("GET", "/pay/openid?code=x", ""), 1)
}

// Many addresses of one IPv6 network are one client; many networks run into the app's budget, which those who are logged in do not need.
func TestFloodFromManyAddresses(t *testing.T) {
	w := newWorld(t)
	limits := DefaultLimits
	limits.App = Rate{100, time.Hour}
	w.set(func(c *Config) { c.Budgets = NewBudgets(limits) })
	session := w.session(payer)
	for i := range 80 {
		w.from(fmt.Sprintf("2001:db8::%x", i+1))
		a := w.do("GET", fmt.Sprint("/pay/openid?code=v6x", i), "")
		if (a.status == 429) != (i >= 60) {
			t.Fatalf("address %d of one network: %d %s", i, a.status, a.body)
		}
	}
	for i := range 100 {
		w.from(fmt.Sprintf("2001:db8:%x::1", i+1))
		if a := w.do("GET", fmt.Sprint("/pay/openid?code=v6y", i), ""); (a.status == 429) != (i >= 39) {
			t.Fatalf("network %d: %d %s", i, a.status, a.body)
		}
	}
	if n := w.calls("jscode2session"); n != 100 {
		t.Errorf("WeChat was asked %d times", n)
	}
	wantLimited(t, w.do("GET", "/pay/openid?code=z", ""), 36)
	w.created(session, "1001")
}

// A code that was exchanged before costs WeChat nothing, and the app's budget neither.
func TestRepeatedCodeIsFree(t *testing.T) {
	w := newWorld(t)
	limits := DefaultLimits
	limits.App = Rate{1, time.Hour}
	w.set(func(c *Config) { c.Budgets = NewBudgets(limits) })
	code := w.sandbox.NewCode(payer)
	w.hide(code)
	for range 20 {
		a := w.do("GET", "/pay/openid?code="+code, "")
		if a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		w.hide(a.text("session"))
	}
	wantLimited(t, w.do("GET", "/pay/openid?code=another", ""), 3600)
}

func TestLimitsOfAUser(t *testing.T) {
	w := newWorld(t)
	w.set(func(c *Config) { c.Budgets = NewBudgets(DefaultLimits) })
	var counted []string
	w.set(func(c *Config) {
		c.Count.Charge = func(channel, result string) { counted = append(counted, channel+" "+result) }
	})
	mine, theirs := w.session(payer), w.session(stranger)
	id, _ := w.created(mine, "1001")
	for i := range 29 {
		var a answer
		switch i % 3 {
		case 0:
			a = w.pay(mine, "1001")
		case 1:
			a = w.charge(mine, id, "?wait=1ms")
		case 2:
			a = w.charge(mine, id, "?client=cancel")
		}
		if a.status != 200 {
			t.Fatalf("request %d: %d %s", i, a.status, a.body)
		}
	}
	backend := len(w.backend.exchanges("/"))
	counted = nil
	wantLimited(t, w.pay(mine, "1001"), 2)
	if len(counted) != 1 || counted[0] != "wx_lite rate_limited" {
		t.Errorf("counted %q", counted)
	}
	wantLimited(t, w.charge(mine, id, "?wait=1s"), 2)
	wantLimited(t, w.charge(mine, id, "?client=success"), 2)
	if a := w.charge(mine, id, ""); a.status != 200 {
		t.Errorf("a look that costs nothing: %d %s", a.status, a.body)
	}
	if len(w.backend.exchanges("/")) != backend || w.attempts("1001")[0].Client.Result != "cancel" {
		t.Error("a request that was turned away did something")
	}
	w.created(theirs, "1002")
	w.clock.Add(2 * time.Second)
	if a := w.pay(mine, "1001"); a.status != 200 {
		t.Errorf("after Retry-After: %d %s", a.status, a.body)
	}
	wantLimited(t, w.pay(mine, "1001"), 2)
}

func TestLimitOfTheAppsCharges(t *testing.T) {
	w := newWorld(t)
	limits := DefaultLimits
	limits.App = Rate{2, time.Minute}
	w.set(func(c *Config) { c.Budgets = NewBudgets(limits) })
	mine, theirs := w.session(payer), w.session(stranger)
	w.created(mine, "1001") // logins have a budget of their own
	w.created(theirs, "1002")
	wantLimited(t, w.pay(mine, "1003"), 30)
	w.clock.Add(30 * time.Second)
	w.created(mine, "1003")
}

// What does not reach Ping++ costs no charge of the app's: orders that nobody has, or may not pay, and charges that are handed out again.
func TestOnlyCallsOfPingppSpendTheApp(t *testing.T) {
	w := newWorld(t)
	limits := roomy
	limits.App = Rate{2, time.Hour}
	w.set(func(c *Config) { c.Budgets = NewBudgets(limits) })
	mine, theirs := w.session(payer), w.session(stranger)
	w.setQuote(w.answerQuote(map[string]any{"openid": payer}))
	for i := range 5 {
		wantProblem(t, w.pay(theirs, fmt.Sprint("200", i)), 404, "order_not_found")
	}
	w.created(mine, "1001")
	for range 5 {
		if a := w.pay(mine, "1001"); a.status != 200 {
			t.Fatalf("the same charge again: %d %s", a.status, a.body)
		}
	}
	w.created(mine, "1002")
	wantLimited(t, w.pay(mine, "1003"), 1800)
	w.wantStates("1003") // the order is free again
	w.clock.Add(30 * time.Minute)
	w.created(mine, "1003")
}

// Visitors without a login, whom anybody can make up, leave half of the app's charges to users.
func TestVisitorsLeaveHalfOfTheApp(t *testing.T) {
	w := newWorld(t)
	limits := roomy
	limits.App = Rate{4, time.Hour}
	w.set(func(c *Config) { c.Budgets = NewBudgets(limits) })
	mine := w.session(payer)
	for i := range 10 {
		w.from(fmt.Sprintf("203.0.113.%d", i+1))
		a := w.do("POST", "/pay/charges", fmt.Sprintf(`{"order_no":"300%d","channel":"alipay_qr"}`, i), "Origin", w.server.URL)
		if i < 2 && a.status != 201 {
			t.Fatalf("visitor %d: %d %s", i, a.status, a.body)
		}
		if i >= 2 {
			wantLimited(t, a, 1800)
		}
	}
	w.created(mine, "1001")
	w.created(mine, "1002")
	wantLimited(t, w.pay(mine, "1003"), 900)
}

// Webhooks that do not verify are answered shortly and cheaply after a while. Ping++'s own, from the same address, are taken.
func TestFloodOfWebhooks(t *testing.T) {
	w := newWorld(t)
	w.set(func(c *Config) { c.Budgets = NewBudgets(DefaultLimits) })
	counted := map[string]int{}
	w.set(func(c *Config) { c.Count.Webhook = func(result string) { counted[result]++ } })
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	body, signature := w.payEvent(id)
	forged := strings.Replace(body, `"amount":1999`, `"amount":1`, 1)
	for i := range 300 {
		a := w.webhook(forged, signature)
		if i < 60 {
			wantProblem(t, a, 401, "signature_invalid")
		} else {
			wantLimited(t, a, 1)
		}
	}
	if counted["wrong_key"] != 60 || counted["rate_limited"] != 240 {
		t.Errorf("counted %v", counted)
	}
	if a := w.webhook(body, signature); a.status != 200 {
		t.Errorf("Ping++'s own: %d %s", a.status, a.body)
	}
	w.from("203.0.113.10")
	wantProblem(t, w.webhook(forged, signature), 401, "signature_invalid")
}

// Somebody who makes up unsigned test events cannot have Ping++ asked about each.
func TestFloodOfUnsignedEvents(t *testing.T) {
	w := newWorld(t)
	limits := DefaultLimits
	limits.Refused = Rate{3, time.Minute}
	w.set(func(c *Config) { c.Budgets = NewBudgets(limits) })
	id, _ := w.created(w.session(payer), "1001")
	body, _ := w.payEvent(id)
	event := w.sandbox.State(1).Events[0].ID
	for i := range 20 {
		made := strings.Replace(body, event, fmt.Sprintf("evt_%024d", i), 1)
		a := w.webhook(made, " ")
		if i < 3 {
			wantProblem(t, a, 401, "signature_missing")
		} else {
			wantLimited(t, a, 20)
		}
	}
	if n := w.calls("get_event"); n != 3 {
		t.Errorf("Ping++ was asked %d times", n)
	}
	w.from("203.0.113.10")
	if a := w.webhook(body, " "); a.status != 200 {
		t.Errorf("a true one: %d %s", a.status, a.body)
	}
}

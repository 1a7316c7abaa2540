package handlers

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/handlers/limits"
)

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
	w.set(func(c *Config) { c.Budgets = limits.NewBudgets(limits.Default) })
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
	few := limits.Default
	few.App = limits.Rate{N: 100, Per: time.Hour}
	w.set(func(c *Config) { c.Budgets = limits.NewBudgets(few) })
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
	few := limits.Default
	few.App = limits.Rate{N: 1, Per: time.Hour}
	w.set(func(c *Config) { c.Budgets = limits.NewBudgets(few) })
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
	w.set(func(c *Config) { c.Budgets = limits.NewBudgets(limits.Default) })
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
	few := limits.Default
	few.App = limits.Rate{N: 2, Per: time.Minute}
	w.set(func(c *Config) { c.Budgets = limits.NewBudgets(few) })
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
	few := roomy
	few.App = limits.Rate{N: 2, Per: time.Hour}
	w.set(func(c *Config) { c.Budgets = limits.NewBudgets(few) })
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
	few := roomy
	few.App = limits.Rate{N: 4, Per: time.Hour}
	w.set(func(c *Config) { c.Budgets = limits.NewBudgets(few) })
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
	w.set(func(c *Config) { c.Budgets = limits.NewBudgets(limits.Default) })
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
	few := limits.Default
	few.Refused = limits.Rate{N: 3, Per: time.Minute}
	w.set(func(c *Config) { c.Budgets = limits.NewBudgets(few) })
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

package handlers

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A credential is handed out again as long as the channel takes it, not as long as the charge lasts.
func TestDeadCredentialIsNotHandedOut(t *testing.T) {
	for channel, c := range map[string]struct {
		extra string
		life  time.Duration
	}{
		"wx_lite":         {`{}`, 2 * time.Hour},
		"wx_pub_qr":       {`{}`, 2 * time.Hour},
		"wx_wap":          {`{}`, 5 * time.Minute},
		"isv_lite":        {`{}`, 2 * time.Hour},
		"wx_lite_pab":     {`{}`, 2 * time.Hour},
		"yeepay_wx_lite":  {`{}`, 2 * time.Hour},
		"chinaums_wx_wap": {`{}`, 5 * time.Minute},
		"alipay_qr":       {`{}`, 0},
		"alipay_wap":      {`{}`, 0},
	} {
		t.Run(channel, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.set(func(c *Config) { c.ReturnURLs = map[string]string{"success_url": "https://shop.example.com/paid"} })
			expires := w.clock.Now().Add(20 * time.Hour)
			w.setQuote(w.answerQuote(map[string]any{"time_expire": expires.Unix()}))
			session := w.session(payer)
			ask := func() answer {
				return w.do("POST", "/pay/charges", fmt.Sprintf(`{"order_no":"1001","channel":%q,"extra":%s}`, channel, c.extra), "X-Pay-Session", session)
			}
			first := ask()
			if first.status != 201 {
				t.Fatalf("%d %s", first.status, first.body)
			}
			life := c.life
			if life == 0 {
				life = expires.Sub(w.clock.Now())
			}
			w.clock.Add(life - time.Minute)
			session = w.session(payer)
			if again := ask(); again.status != 200 || again.text("id") != first.text("id") {
				t.Errorf("a minute before its end: %d %s", again.status, again.body)
			}
			w.clock.Add(time.Second)
			again := ask()
			if c.life == 0 { // the charge itself lapses, and with it the order
				wantProblem(t, again, 409, "order_closed")
				return
			}
			if again.status != 201 || again.text("id") == first.text("id") {
				t.Fatalf("59 seconds before its end: %d %s", again.status, again.body)
			}
			if all := w.attempts("1001"); !all[0].Superseded || all[1].Superseded {
				t.Errorf("attempts %+v", all)
			}
			w.clock.Add(2 * time.Minute)
			if err := w.sandbox.Pay(again.text("id")); err != nil {
				t.Errorf("the new one: %v", err)
			}
		})
	}
}

// A backend that prolongs an order while its charge has seconds left gets a charge that lasts.
func TestProlongedOrder(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	expires := func(d time.Duration) {
		w.setQuote(w.answerQuote(map[string]any{"time_expire": w.clock.Now().Add(d).Unix()}))
	}
	expires(10 * time.Minute)
	id, _ := w.created(session, "1001")
	w.clock.Add(9*time.Minute + 10*time.Second)
	expires(10 * time.Minute)
	later, number := w.created(session, "1001")
	if later == id || number == "1001" {
		t.Errorf("a charge that lasts for 50 seconds was handed out")
	}
}

// An attempt is handed out again only if it buys what would be bought now.
func TestSamePurchase(t *testing.T) {
	base := map[string]any{"body": "two cups", "metadata": map[string]string{"shop": "7"}, "extra": map[string]any{"goods_tag": "tea"}, "time_expire": 0}
	in := func(w *world, d time.Duration) int64 { return w.clock.Now().Add(d).Unix() }
	w := newWorld(t)
	session := w.session(payer)
	w.set(func(c *Config) {
		c.ClientIP = func(r *http.Request) string { return cmp.Or(r.Header.Get("Test-Client-IP"), "192.0.2.7") }
	})
	orders := 0
	for name, c := range map[string]struct {
		change map[string]any
		moves  time.Duration // of time_expire
		same   bool
	}{
		"nothing":             {nil, 0, true},
		"amount":              {map[string]any{"amount": 1998}, 0, false},
		"subject":             {map[string]any{"subject": "cake"}, 0, false},
		"body":                {map[string]any{"body": "three cups"}, 0, false},
		"metadata":            {map[string]any{"metadata": map[string]string{"shop": "8"}}, 0, false},
		"metadata gone":       {map[string]any{"metadata": nil}, 0, false},
		"extra":               {map[string]any{"extra": map[string]any{"goods_tag": "cake"}}, 0, false},
		"extra gone":          {map[string]any{"extra": nil}, 0, false},
		"extra more":          {map[string]any{"extra": map[string]any{"goods_tag": "tea", "limit_pay": "no_credit"}}, 0, false},
		"later":               {nil, time.Hour, true},
		"a minute earlier":    {nil, -time.Minute, true},
		"two minutes earlier": {nil, -2 * time.Minute, false},
		"no expiry":           {map[string]any{"time_expire": nil}, 0, true},
	} {
		for _, lost := range []bool{false, true} { // the answer to the first request
			t.Run(fmt.Sprintf("%s/lost %v", name, lost), func(t *testing.T) {
				orders++
				orderNo := fmt.Sprint("P", orders)
				quote := func(change map[string]any, moves time.Duration) {
					members := maps.Clone(base)
					members["time_expire"] = in(w, time.Hour+moves)
					maps.Copy(members, change)
					w.setQuote(w.answerQuote(members))
				}
				quote(nil, 0)
				if lost {
					w.lost(session, orderNo)
				} else {
					w.created(session, orderNo)
				}
				quote(c.change, c.moves)
				ask := func() answer { // the address is no part of the purchase
					return w.do("POST", "/pay/charges", order(orderNo), "X-Pay-Session", session, "Test-Client-IP", "198.51.100.9")
				}
				a := ask()
				if same := a.status == 200; same != c.same || a.status/100 != 2 {
					t.Errorf("answered %d %s", a.status, a.body)
				}
				if (a.text("order_no") == orderNo) != c.same {
					t.Errorf("number %s", a.text("order_no"))
				}
				if again := ask(); again.status != 200 || again.text("id") != a.text("id") {
					t.Errorf("and again: %d %s", again.status, again.body)
				}
			})
		}
	}
}

// What the channel adds to extra of a charge that was found again is not ours: another attempt is made rather than a wrong one handed out.
func TestLostChargeWithMoreThanWasSent(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	w.lost(session, "1001")
	w.between(func(_ *http.Request, body []byte) []byte {
		return []byte(strings.ReplaceAll(string(body), `"extra":{"open_id"`, `"extra":{"limit_pay":"no_credit","open_id"`))
	})
	if a := w.pay(session, "1001"); a.status != 201 || a.text("order_no") == "1001" {
		t.Errorf("answered %d %s", a.status, a.body)
	}
}

// What Ping++ adds to its answer is no reason for another attempt.
func TestAnswerWithMoreThanWasSent(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	w.between(func(_ *http.Request, body []byte) []byte {
		return []byte(strings.ReplaceAll(string(body), `"extra":{"open_id"`, `"extra":{"sub_mch_id":"1","open_id"`))
	})
	a := w.pay(session, "1001")
	if !strings.Contains(string(a.body), "sub_mch_id") {
		t.Fatalf("%s", a.body)
	}
	if again := w.pay(session, "1001"); again.status != 200 || !json.Valid(again.body) {
		t.Errorf("answered %d %s", again.status, again.body)
	}
}

// A charge for another wallet is another charge.
func TestAnotherWallet(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	w.setQuote(w.answerQuote(map[string]any{"extra": map[string]any{"terminal_id": "1"}}))
	ask := func(wallet string) answer {
		return w.do("POST", "/pay/charges", fmt.Sprintf(`{"order_no":"10010001","channel":"isv_qr","extra":{"pay_channel":%q}}`, wallet), "X-Pay-Session", session)
	}
	first := ask("wx")
	if again := ask("wx"); first.status != 201 || again.status != 200 {
		t.Errorf("the same wallet: %d %s", again.status, again.body)
	}
	if other := ask("alipay"); other.status != 201 || other.text("id") == first.text("id") {
		t.Errorf("another wallet: %d %s", other.status, other.body)
	}
}

// Nobody is shown a code that the channel takes no more.
func TestDeadCodeIsNotShown(t *testing.T) {
	w, v := withCheckout(t, "wx_pub_qr", "alipay_qr", "wx_wap")
	w.setQuote(w.answerQuote(map[string]any{"time_expire": w.clock.Now().Add(20 * time.Hour).Unix()}))
	id, _ := v.pay("1001", "wx_pub_qr")
	picture := func() int {
		return v.do("GET", "/pay/charges/"+id+"/qr.svg", "").status
	}
	w.clock.Add(time.Hour)
	v.pay("1009", "alipay_qr") // the visitor stays known
	w.clock.Add(time.Hour - time.Second)
	if status := picture(); status != 200 {
		t.Errorf("a second before its end: %d", status)
	}
	w.clock.Add(time.Second)
	if status := picture(); status != 409 {
		t.Errorf("a dead code: %d", status)
	}
	// The page counts down to the code's end, not to the charge's.
	for agent, want := range map[string]string{desktopAgent: `data-channel="wx_pub_qr" data-way="scan" data-life="7200"`, phoneAgents: `data-channel="wx_wap" data-way="open" data-life="300"`} {
		if a := v.checkout("1002", agent); !strings.Contains(string(a.body), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if a := v.checkout("1002", desktopAgent); !strings.Contains(string(a.body), `data-channel="alipay_qr" data-way="scan">`) {
		t.Error("the page gives Alipay's code a life of its own")
	}
}

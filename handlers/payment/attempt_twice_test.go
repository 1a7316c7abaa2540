package payment

import (
	"encoding/json"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp/channel"
	"github.com/caddypay/caddypay/relay/reconcile"
	"github.com/caddypay/caddypay/relay/relaytest"
	"github.com/caddypay/caddypay/session"
)

// scansAlipay is a request by a code of Alipay's, whose charges are reversed right away.
func (s *till) scansAlipay(orderNo, code string) (*ledger.Charge, *problem.Problem) {
	s.T.Helper()
	s.says = `"amount":1999,"extra":{"terminal_id":"t1"}`
	c, _, p := s.buysBy("alipay_scan", orderNo, payerA, map[string]json.RawMessage{"scan_code": json.RawMessage(`"` + code + `"`)})
	return c, p
}

// A code took the money while nobody told us: through whatever channel the payer tries again, the order is paid, also after the charge has lapsed.
func TestScannedAndPaidInSilence(t *testing.T) {
	for name, lapsed := range map[string]bool{"at once": false, "when it has lapsed": true} {
		t.Run(name, func(t *testing.T) {
			s := newTill(t)
			c, _, p := s.scans("order1")
			if p != nil {
				t.Fatal(p)
			}
			s.Pay(c.ID)
			if s.After(time.Minute); lapsed {
				s.Clock.Set(c.Lapses())
			}
			if _, _, p := s.buys("order1", payerA); p == nil || p.Code != "order_already_paid" || s.State(0).Calls["create_charge"] != 1 || !s.Known(s.l, c.ID).Paid {
				t.Errorf("charged again: %v", p)
			}
		})
	}
}

// One that never came to Ping++ may still be on its way for a minute; after that the next one is made.
func TestScannedAndNeverArrived(t *testing.T) {
	s := newTill(t)
	s.Fault("create_charge", "500", 1)
	if _, _, p := s.scans("order1"); p == nil || s.Attempts(s.l, "order1")[0].State != ledger.Unknown {
		t.Fatal(p)
	}
	for range 2 {
		if _, _, p := s.scans("order1"); p == nil || p.Code != "charge_in_progress" || p.RetryAfter != time.Minute {
			t.Errorf("%v", p)
		}
	}
	s.After(time.Minute)
	if _, created, p := s.scans("order1"); p != nil || !created {
		t.Errorf("%v", p)
	}
}

// A code that was refused is followed by the next one at once, and what is over is not asked about again.
func TestNextCode(t *testing.T) {
	s := newTill(t)
	s.Fault("create_charge", "402", 1)
	if _, p := s.scansAlipay("order1", "287638438256643940"); p == nil || p.Code != "charge_rejected" {
		t.Fatal(p)
	}
	for i, code := range []string{"287638438256643941", "287638438256643942", "287638438256643943"} {
		if _, p := s.scansAlipay("order1", code); p != nil {
			t.Fatal(p)
		}
		if asked := s.Asked(); asked != i {
			t.Errorf("Ping++ was asked about %d charges before charge %d", asked, i)
		}
	}
	for i, c := range s.Attempts(s.l, "order1")[1:] {
		if c.Reversed != (i < 2) {
			t.Errorf("%+v", c)
		}
	}
	if n := s.State(0).Calls["list_charges"]; n != 0 {
		t.Errorf("what is known was looked for %d times", n)
	}
}

// Which earlier charges Ping++ is asked about before another one takes the money.
func TestWhatMayStillTakeTheMoney(t *testing.T) {
	s := newTill(t)
	now := s.Clock.Now()
	a := &attempt{pay: s.pay, req: &chargeRequest{OrderNo: "order1"}, id: sessionOf(payerA), log: s.pay.Logger}
	open := ledger.Charge{ID: "ch_none", Number: "order1", OrderNo: "order1", Channel: "wx_pub_scan", State: ledger.Open, Created: now.Add(-time.Hour), TimeExpire: now, NextQuery: now}
	for name, c := range map[string]struct {
		change func(*ledger.Charge)
		asked  bool
	}{
		"lapsed, and watched still": {func(*ledger.Charge) {}, true}, "watched no more, and not lapsed": {func(c *ledger.Charge) { c.NextQuery, c.TimeExpire = time.Time{}, now.Add(1) }, true},
		"lapsed, and watched no more": {func(c *ledger.Charge) { c.NextQuery = time.Time{} }, false}, "refused": {func(c *ledger.Charge) { c.State = ledger.Refused }, false},
		"paid": {func(c *ledger.Charge) { c.Paid = true }, false}, "reversed": {func(c *ledger.Charge) { c.Reversed = true }, false}, "a sheet that waits": {func(c *ledger.Charge) { c.Channel = "wx_lite" }, false},
	} {
		one := open
		c.change(&one)
		before := s.State(0).Calls["get_charge"]
		_, err := a.settle(t.Context(), s.l, &ledger.Reserved{}, []ledger.Charge{one})
		if asked := s.State(0).Calls["get_charge"] > before; asked != c.asked || (codeOf(err) == "charge_in_progress") != c.asked {
			t.Errorf("%s: asked %t, %v", name, asked, err)
		}
	}
}

// A balance cannot be reversed: what Ping++ calls unpaid a minute later has come to nothing.
func TestBalanceComesToNothing(t *testing.T) {
	s := newTill(t)
	s.says = `"amount":1999,"extra":{"user":"u1"}`
	if _, _, p := s.buysBy("balance", "10000001", payerA, nil); p != nil {
		t.Fatal(p)
	}
	s.says = `"amount":1999`
	s.After(time.Minute - time.Millisecond)
	if _, _, p := s.buys("10000001", payerA); p == nil || p.Code != "charge_in_progress" || p.RetryAfter != time.Second {
		t.Errorf("%v", p)
	}
	s.After(time.Millisecond)
	s.must("10000001", payerA)
}

// A charge whose answer was lost is found and handed out at the backend's last word, which a payment is compared with.
func TestFoundAtTheLastWord(t *testing.T) {
	s := newTill(t)
	s.Fault("create_charge", "drop", 1)
	if _, _, p := s.buys("order1", payerA); p == nil {
		t.Fatal("it was not lost")
	}
	open := s.says
	s.After(time.Second)
	s.says += `,"status":"closed"`
	if _, _, p := s.buys("order1", payerA); p == nil || p.Code != "order_closed" {
		t.Errorf("%v", p)
	}
	s.After(time.Second)
	s.says = open
	c, created, p := s.buys("order1", payerA)
	if p != nil || created {
		t.Fatalf("%+v %v", c, p)
	}
	s.After(time.Second)
	s.PaidEverywhere(s.pay.Reconciler, s.l, c.ID)
	s.WantRecorded(s.l, "in time", "order1", "charge.succeeded pending")
	es, err := s.l.Events(t.Context(), ledger.Filter{Scope: s.Scope, OrderNo: "order1"})
	if err != nil || len(es) != 1 || es[0].Late != "" {
		t.Errorf("%+v, %v", es, err)
	}
}

// A price counts from when it was named by our clock, wherever Ping++'s stands: what the backend says after it is its last word.
func TestWhenThePriceWasNamed(t *testing.T) {
	s := newTill(t)
	behind := func() time.Time { return s.Clock.Now().Add(-time.Minute) } // Ping++ is ahead
	s.pay.Now, s.pay.Prices.Now = behind, behind
	s.pay.Reconciler = s.Reconciler(s.l, s.pay.Logger, func(c *reconcile.Config) { c.Now, c.Intake.Now = behind, behind })
	c := s.must("order1", payerA)
	s.After(time.Second)
	s.says = `"amount":1999,"status":"closed"`
	if _, _, p := s.buys("order1", payerA); p == nil || p.Code != "order_closed" {
		t.Errorf("%v", p)
	}
	s.After(time.Second)
	s.PaidEverywhere(s.pay.Reconciler, s.l, c.ID)
	es, err := s.l.Events(t.Context(), ledger.Filter{Scope: s.Scope, OrderNo: "order1"})
	if err != nil || len(es) != 1 || es[0].Late != "closed" {
		t.Errorf("%+v, %v", es, err)
	}
}

// A payer's login is on record, for whoever looks into a complaint.
func TestLoginIsOnRecord(t *testing.T) {
	s := newTill(t)
	since := s.Clock.Now().Add(-time.Hour)
	for kind, want := range map[session.Kind]time.Time{session.WxLite: since, session.Anonymous: {}} {
		a := &attempt{pay: s.pay, channel: channel.Of("wx_lite"), req: &chargeRequest{OrderNo: "order1"}, id: session.Identity{Kind: kind, OpenID: payerA, AppID: "wx1", Since: since}}
		if r := a.reservation(); !r.LoggedIn.Equal(want) || r.OrderNo != "order1" || r.Payer != a.id.Owner() {
			t.Errorf("%s: %+v", kind, r)
		}
	}
}

// Who holds an order is waited for.
func TestOrderIsFreeAgain(t *testing.T) {
	s := newTill(t)
	number := s.Reserve(s.l, "order1")
	l := &watched{Ledger: s.l}
	s.l = l
	bought := make(chan bool)
	go func() {
		_, created, p := s.buys("order1", payerA)
		bought <- created && p == nil
	}()
	relaytest.WaitFor(t, "it waits", func() bool { return l.watching.Load() == 1 && s.asked == 1 })
	if err := s.l.Release(t.Context(), ledger.Release{Scope: s.Scope, Number: number, As: ledger.Unsent}); err != nil {
		t.Fatal(err)
	}
	if !<-bought || l.watching.Load() != 0 {
		t.Errorf("it is not, and %d watch", l.watching.Load())
	}
}

// Ping++ took longer for a charge than the order was held, and another request has made one since: the late one is handed to nobody, and where the other
// is paid nobody pays again.
func TestChargeThatCameTooLate(t *testing.T) {
	for name, c := range map[string]struct {
		paid bool
		want string
	}{"open": {false, "charge_in_progress"}, "paid": {true, "order_already_paid"}} {
		t.Run(name, func(t *testing.T) {
			s := newTill(t)
			var begun atomic.Bool
			before := func(r *http.Request) {
				if r.Method == http.MethodPost && r.URL.Path == "/v1/charges" && !begun.Swap(true) {
					s.After(reservationLease)
					if other := s.Charge(s.l, "order1", 1999); c.paid {
						s.PaidEverywhere(s.pay.Reconciler, s.l, other.ID)
					}
				}
			}
			s.Before.Store(&before)
			if got, _, p := s.buys("order1", payerA); codeIn(p) != c.want || p.Code == "charge_in_progress" && p.RetryAfter != time.Second {
				t.Errorf("%+v %v", got, p)
			}
		})
	}
}

// What the backend says of an order goes into its charge; an expiry that moved later, or hardly earlier, makes no other purchase of it.
func TestExpiryOfAPurchase(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	a := &attempt{pay: &Payments{Now: func() time.Time { return now }}, channel: channel.Of("alipay_qr"), req: &chargeRequest{OrderNo: "order1", Channel: "alipay_qr"}, id: sessionOf(payerA)}
	ends := now.Add(time.Hour)
	q := &quote{Amount: 5, Currency: "cny", Subject: "s", Body: "b", TimeExpire: ends, Metadata: map[string]string{"shop": "7"}}
	p, err := a.purchase(q)
	if err != nil || p.TimeExpire != ends.Unix() || p.Metadata["shop"] != "7" || p.Metadata["pay_order_no"] != "order1" {
		t.Fatalf("%+v, %v", p, err)
	}
	a.purchased = p
	made := ledger.Charge{State: ledger.Open, Raw: []byte("{}"), Payer: payerA, PayerAppID: "wx1", Created: now, TimeExpire: ends, Fingerprint: p.Fingerprint()}
	for moved, want := range map[time.Duration]bool{0: true, time.Hour: true, -expiryDoubt: true, -expiryDoubt - 1: false, -30 * time.Minute: false} {
		if q.TimeExpire = ends.Add(moved); a.reusable(&made, q) != want {
			t.Errorf("moved by %s: handed out again %t", moved, !want)
		}
	}
	if q.TimeExpire = (time.Time{}); !a.reusable(&made, q) {
		t.Error("without an expiry it is another purchase")
	}
	if p, err := a.purchase(q); err != nil || p.TimeExpire != 0 {
		t.Errorf("%+v, %v", p, err)
	}
}

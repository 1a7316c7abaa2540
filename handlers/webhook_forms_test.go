package handlers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

// about wraps an object in a test event of a type.
func about(id, typ, object string) string {
	return fmt.Sprintf(`{"id":%q,"object":"event","type":%q,"created":1790000000,"livemode":false,"data":{"object":%s}}`, id, typ, object)
}

func (w *world) event(id string) *ledger.Event {
	w.t.Helper()
	e, err := w.ledger.Event(context.Background(), w.config.Scope, id)
	if err != nil {
		w.t.Fatalf("event %s: %v", id, err)
	}
	return e
}

// Ping++ comes eight times with what is refused, and then it is lost. So what Ping++ signed is recorded, whatever its form: a person decides
// about a payment that cannot be read, and everything else goes to the backend as it is.
func TestVerifiedEventIsNeverRefusedForItsForm(t *testing.T) {
	w := newWorld(t)
	w.config.Intake.Logger = w.config.Logger
	var counted []string
	w.config.Intake.Observe = func(_ ledger.Source, result string) { counted = append(counted, result) }
	app := w.sandbox.App()
	charge := `{"id":"ch_X","object":"charge","livemode":false,"paid":true,"refunded":false,"app":"` + app + `","channel":"wx_lite","order_no":"9001",` +
		`"amount":100,"currency":"cny","time_paid":1790000000,"metadata":{}}`
	with := func(from, to string) string { return strings.Replace(charge, from, to, 1) }
	for i, c := range []struct {
		name, typ, object string
		state             ledger.State
		orderNo           string
		paid              int64 // what the charge's record says; 0: not asked
	}{
		{"amount a text", "charge.succeeded", with(`100`, `"100"`), ledger.Pending, "9001", 100},
		{"amount with a fraction of zero", "charge.succeeded", with(`100`, `100.00`), ledger.Pending, "9001", 100},
		{"order number a number", "charge.succeeded", with(`"9001"`, `9001`), ledger.Pending, "9001", 100},
		{"empty for null", "charge.succeeded", with(`"time_paid":1790000000`, `"time_paid":"","amount_refunded":""`), ledger.Pending, "9001", 100},
		{"a name of metadata twice", "charge.succeeded", with(`{}`, `{"a":1,"pay_order_no":"A","pay_order_no":"B"}`), ledger.Pending, "B", 100},
		{"amount a fraction", "charge.succeeded", with(`100`, `100.5`), ledger.Held, "9001", 0},
		{"no amount", "charge.succeeded", with(`"amount":100,`, ``), ledger.Held, "9001", 0},
		{"two amounts", "charge.succeeded", with(`"amount":100,`, `"amount":100,"amount":1,`), ledger.Held, "9001", 0},
		{"not paid", "charge.succeeded", with(`"paid":true`, `"paid":false`), ledger.Held, "9001", 0},
		{"of the other mode", "charge.succeeded", with(`"livemode":false`, `"livemode":true`), ledger.Held, "9001", 0},
		{"nothing but an app", "charge.succeeded", `{"app":"` + app + `"}`, ledger.Held, "", 0},
		{"nothing", "charge.succeeded", `null`, ledger.Held, "", 0},
		{"a word", "refund.succeeded", `"hello"`, ledger.Held, "", 0},
		{"an order without id", "order.succeeded", `{"object":"order","app":"` + app + `","merchant_order_no":"9001"}`, ledger.Held, "9001", 0},
		{"an order's refund", "order_refund.succeeded", `{"id":2111608270000005209,"object":"order_refund","app":"` + app + `","merchant_order_no":"9001","amount":10}`, ledger.Pending, "9001", 0},
		{"a recharge", "recharge.succeeded", `{"id":"221","object":"recharge","app":"` + app + `","charge":` + charge + `}`, ledger.Pending, "9001", 0},
		{"a transfer without form", "transfer.succeeded", `{"id":["tr_1"],"object":7,"app":"` + app + `","amount":"much"}`, ledger.Pending, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := fmt.Sprintf("evt_form%d", i)
			body := about(id, c.typ, strings.ReplaceAll(c.object, "ch_X", fmt.Sprint("ch_form", i)))
			body = strings.ReplaceAll(body, "9001", fmt.Sprint(9001+i))
			orderNo := strings.ReplaceAll(c.orderNo, "9001", fmt.Sprint(9001+i))
			counted = nil
			if a := w.send(body); a.status != 200 || a.text("result") != "recorded" {
				t.Fatalf("answered %d %s", a.status, a.body)
			}
			e := w.event(id)
			if e.State != c.state || e.OrderNo != orderNo || e.Lane != orderNo || string(e.Body) != body {
				t.Fatalf("recorded %s of order %q in lane %q, reasons %v", e.State, e.OrderNo, e.Lane, e.Reasons)
			}
			risk := w.logs.FilterMessage("money at risk").FilterField(zap.String("event", id)).All()
			if c.state == ledger.Held {
				if !slices.Equal(e.Reasons, []string{ledger.ReasonUnreadable}) || !slices.Equal(counted, []string{"held"}) {
					t.Errorf("held for %v, counted %v", e.Reasons, counted)
				}
				if len(risk) != 1 || risk[0].ContextMap()["why"] == "" || risk[0].ContextMap()["advice"] == "" {
					t.Errorf("the alert line: %v", risk)
				}
			} else if len(risk) != 0 {
				t.Errorf("an alert: %v", risk)
			}
			if c.paid != 0 {
				ch, err := w.ledger.Charge(context.Background(), w.config.Scope, fmt.Sprint("ch_form", i))
				if err != nil || !ch.Paid || ch.Amount != c.paid {
					t.Errorf("the charge: %+v, %v", ch, err)
				}
			}
			if a := w.send(body); a.status != 200 || a.text("result") != "duplicate" {
				t.Errorf("again: %d %s", a.status, a.body)
			}
		})
	}
}

// An event without an id gets one from its bytes, so that it is the same whenever it comes; it fits the rule of webhook-id.
func TestEventWithoutID(t *testing.T) {
	w := newWorld(t)
	body := `{"type":"agreement.succeeded","livemode":false,"data":{"object":{"object":"agreement","app":"` + w.sandbox.App() + `"}}}`
	if a := w.send(body); a.status != 200 || a.text("result") != "recorded" {
		t.Fatalf("answered %d %s", a.status, a.body)
	}
	if a := w.send(body); a.status != 200 || a.text("result") != "duplicate" {
		t.Errorf("again: %d %s", a.status, a.body)
	}
	if a := w.send(body + " "); a.status != 200 || a.text("result") != "recorded" {
		t.Errorf("other bytes: %d %s", a.status, a.body)
	}
	events, err := w.ledger.Events(context.Background(), ledger.Filter{Scope: w.config.Scope})
	if err != nil || len(events) != 2 || !strings.HasPrefix(events[0].ID, "evt_h_") || strings.Contains(events[0].ID, ".") || events[0].State != ledger.Pending {
		t.Errorf("recorded: %+v, %v", events, err)
	}
}

// A payment that could not be read is delivered all the same once Ping++ is asked, and then once; and while it waits nobody is charged again.
func TestUnreadablePaymentOfOurCharge(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	body, signature := w.payEvent(id)
	event := w.sandbox.State(1).Events[0].ID
	odd := strings.Replace(strings.Replace(body, event, "evt_odd", 1), `"amount":1999`, `"amount":19.99`, 1)
	if a := w.send(odd); a.status != 200 {
		t.Fatalf("answered %d %s", a.status, a.body)
	}
	if e := w.event("evt_odd"); e.State != ledger.Held || e.OrderNo != "1001" || e.ChargeID != id {
		t.Fatalf("recorded %+v", e)
	}
	wantProblem(t, w.pay(session, "1001"), 409, "order_already_paid")
	if a := w.webhook(body, signature); a.status != 200 || a.text("result") != "recorded" {
		t.Fatalf("the one that can be read: %d %s", a.status, a.body)
	}
	if e := w.event(event); e.State != ledger.Pending {
		t.Errorf("the one that can be read is %s", e.State)
	}
	if e := w.event("evt_odd"); e.State != ledger.Filtered || !slices.Equal(e.Reasons, []string{ledger.ReasonEffectSeen}) {
		t.Errorf("the one that cannot be read is %s, %v", e.State, e.Reasons)
	}
}

// charge.succeeded with paid: false takes no effect, and does not keep the payment from having its own.
func TestSucceededButNotPaid(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	body, signature := w.payEvent(id)
	event := w.sandbox.State(1).Events[0].ID
	w.send(strings.Replace(strings.Replace(body, event, "evt_unpaid", 1), `"paid":true`, `"paid":false`, 1))
	if c := w.attempts("1001")[0]; c.Paid || w.event("evt_unpaid").State != ledger.Held {
		t.Errorf("paid %t, and the event is %s", c.Paid, w.event("evt_unpaid").State)
	}
	if a := w.webhook(body, signature); a.text("result") != "recorded" || w.event(event).State != ledger.Pending || !w.attempts("1001")[0].Paid {
		t.Errorf("the payment: %s, %s", a.body, w.event(event).State)
	}
}

// Ping++ cannot know that nobody wants what names no app: it is recorded, so that it does not come eight times, and not delivered.
func TestEventWithoutApp(t *testing.T) {
	w := newWorld(t)
	var counted []string
	w.config.Intake.Observe = func(_ ledger.Source, result string) { counted = append(counted, result) }
	bodies := []string{
		about("evt_1", "royalty.succeeded", `{"id":"170","object":"royalty"}`),
		about("evt_2", "settle_account.updated", `{"id":"320","object":"settle_account"}`),
		about("evt_3", "sub_app.updated", `{"id":"app_sub","object":"app"}`),
		`{"id":"evt_4","object":"event","type":"account.summary.available","livemode":false,"scope":"acct_1","data":{"object":{"object":"account_daily_summary"}}}`,
		`{"id":"evt_5","object":"event","type":"royalty.succeeded","data":{"object":{"id":"171","object":"royalty"}}}`,
	}
	for i, body := range bodies {
		if a := w.send(body); a.status != 200 || a.text("result") != "recorded" {
			t.Errorf("answered %d %s", a.status, a.body)
		}
		if e := w.event(fmt.Sprint("evt_", i+1)); e.State != ledger.Filtered || !slices.Equal(e.Reasons, []string{ledger.ReasonNoApp}) {
			t.Errorf("recorded %s, %v", e.State, e.Reasons)
		}
	}
	if want := slices.Repeat([]string{"no_app"}, len(bodies)); !slices.Equal(counted, want) {
		t.Errorf("counted %v", counted)
	}
	for i := range 20 {
		w.send(about(fmt.Sprint("evt_n", i), "royalty.succeeded", `{"id":"170","object":"royalty"}`))
	}
	lines := w.logs.FilterMessageSnippet("names no app").All()
	if len(lines) != 5 || lines[0].ContextMap()["advice"] == "" {
		t.Errorf("%d lines: %v", len(lines), lines)
	}

	// The event's scope says whose it is where the object does not.
	scoped := `{"id":"evt_s","object":"event","type":"royalty.succeeded","livemode":false,"scope":"` + w.sandbox.App() + `","data":{"object":{"id":"172","object":"royalty"}}}`
	if a := w.send(scoped); a.status != 200 || w.event("evt_s").State != ledger.Pending {
		t.Errorf("bound by its scope: %d %s, %s", a.status, a.body, w.event("evt_s").State)
	}
	foreign := w.send(strings.ReplaceAll(scoped, w.sandbox.App(), "app_another"))
	if wantProblem(t, foreign, 403, "app_mismatch"); !strings.Contains(foreign.text("detail"), "另一个 Ping++ 应用") {
		t.Errorf("the detail: %s", foreign.body)
	}
	charge := w.send(refund("9", "ch_unknown"))
	if wantProblem(t, charge, 403, "app_mismatch"); !strings.Contains(charge.text("detail"), "charge") {
		t.Errorf("the detail: %s", charge.body)
	}
}

// A person who releases a payment that cannot be read sends it to the backend, once.
func TestUnreadableIsReleased(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	body, signature := w.payEvent(id)
	event := w.sandbox.State(1).Events[0].ID
	w.send(strings.Replace(strings.Replace(body, event, "evt_odd", 1), `"currency":"cny"`, `"currency":""`, 1))
	err := w.ledger.Decide(context.Background(), ledger.Decision{Scope: w.config.Scope, EventID: "evt_odd", Action: ledger.ActionRelease, Now: time.Unix(1790000000, 0), By: "me"})
	if err != nil || w.event("evt_odd").State != ledger.Pending {
		t.Fatalf("released: %v", err)
	}
	if a := w.charge(session, id, ""); a.text("status") != "paid" {
		t.Errorf("the payer sees %s", a.body)
	}
	if a := w.webhook(body, signature); a.text("result") != "same_effect" {
		t.Errorf("the one that can be read: %s", a.body)
	}
}

// Proxies send a header twice, or join the two with a comma. The backend gets the signature that verifies.
func TestSignatureTwice(t *testing.T) {
	w := newWorld(t)
	const sig = "X-Pingplusplus-Signature"
	for i, header := range []func(s string) []string{
		func(s string) []string { return []string{sig, s, sig, s} },
		func(s string) []string { return []string{sig, s + ", " + s} },
		func(s string) []string { return []string{sig, "", sig, s} },
	} {
		id := fmt.Sprint("evt_twice", i)
		body := about(id, "moon.risen", `{"app":"`+w.sandbox.App()+`"}`)
		signature := sign(t, body)
		if a := w.do("POST", "/pay/webhooks", body, header(signature)...); a.status != 200 {
			t.Errorf("%d: %d %s", i, a.status, a.body)
			continue
		}
		if e := w.event(id); e.Signature != signature {
			t.Errorf("%d: kept the signature %q", i, e.Signature)
		}
	}
}

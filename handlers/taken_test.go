package handlers

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/intake"
)

// elsewhereCharge makes a charge as the shop's older code does, through the same app and without this ledger.
func (w *world) elsewhereCharge(change func(p *pingpp.ChargeParams)) *pingpp.Charge {
	w.t.Helper()
	p := &pingpp.ChargeParams{OrderNo: "1001", Channel: "wx_lite", Amount: 1999, Currency: "cny", ClientIP: "192.0.2.7", Subject: "绿茶 & <tea>", Body: "绿茶 & <tea>",
		Extra: map[string]any{"open_id": payer}}
	if change != nil {
		change(p)
	}
	c, err := w.config.Pingpp.CreateCharge(w.t.Context(), p)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// A number that the shop's older code has charged and that is paid is never charged again: its payment is found and recorded.
func TestNumberThatIsPaidElsewhere(t *testing.T) {
	for name, change := range map[string]func(p *pingpp.ChargeParams){
		"the same":        nil,
		"another price":   func(p *pingpp.ChargeParams) { p.Amount = 1500 },
		"another channel": func(p *pingpp.ChargeParams) { p.Channel = "wx_pub" },
		"another payer":   func(p *pingpp.ChargeParams) { p.Extra["open_id"] = stranger },
		"a lost ledger":   func(p *pingpp.ChargeParams) { p.Metadata = map[string]any{intake.MetaOrderNo: "1001"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			session := w.session(payer)
			old := w.elsewhereCharge(change)
			if err := w.sandbox.Pay(old.ID); err != nil {
				t.Fatal(err)
			}
			w.clock.Add(time.Hour)
			for range 2 {
				a := w.pay(session, "1001")
				wantProblem(t, a, 409, "order_already_paid")
				if mine := old.Channel == "wx_lite" && name != "another payer"; a.field("charge_id") != nil && !mine {
					t.Errorf("the charge of somebody else: %s", a.body)
				}
			}
			c := w.attempts("1001")
			if len(c) != 1 || !c[0].Paid || c[0].ID != old.ID || c[0].Amount != old.Amount || c[0].State != ledger.Open || c[0].Held {
				t.Errorf("attempts %+v", c)
			}
			e, err := w.ledger.Event(t.Context(), w.config.Scope, "evt_q_"+old.ID+"_charge_succeeded")
			if err != nil || e.State != ledger.Pending || e.OrderNo != "1001" {
				t.Errorf("its payment: %+v, %v", e, err)
			}
			if n := w.calls("create_charge"); n != 2 {
				t.Errorf("%d charges", n)
			}
		})
	}
}

// While Ping++ cannot tell by whom, the channel's word counts: nobody is charged again, whatever comes between.
func TestNumberThatIsPaidByNobodyKnown(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	old := w.elsewhereCharge(nil)
	if err := w.sandbox.Pay(old.ID); err != nil {
		t.Fatal(err)
	}
	w.fault("list_charges", "502", 3)
	wantProblem(t, w.pay(session, "1001"), 409, "order_already_paid")
	w.wantStates("1001", ledger.Taken)
	if n := w.logs.FilterMessageSnippet("by what is not known now").Len(); n != 1 {
		t.Errorf("%d lines say so", n)
	}
	w.setQuote(w.answerQuote(map[string]any{"amount": 2500})) // another purchase: still no second chance to pay
	wantProblem(t, w.pay(session, "1001"), 409, "order_already_paid")
	wantProblem(t, w.pay(w.session(stranger), "1001"), 409, "order_already_paid")
	if n := w.calls("create_charge"); n != 2 {
		t.Errorf("%d charges", n)
	}
	w.clock.Add(time.Minute)
	w.reconcile()
	until(t, "the payment is recorded", func() bool { c := w.attempts("1001")[0]; return c.Paid && c.ID == old.ID })
}

// A code that was read takes the money at once: there least of all.
func TestScannedNumberThatIsPaidElsewhere(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	old := w.elsewhereCharge(func(p *pingpp.ChargeParams) { p.Channel = "wx_pub" })
	if err := w.sandbox.Pay(old.ID); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, w.scan(session, "134567890123456781"), 409, "order_already_paid")
	wantProblem(t, w.scan(session, "134567890123456782"), 409, "order_already_paid")
	if all := w.attempts("1001"); len(all) != 1 || !all[0].Paid {
		t.Errorf("attempts %+v", all)
	}
}

// A number that was used elsewhere and is not paid costs the payer nothing: the next one is taken in the same request.
func TestNumberThatIsUsedElsewhere(t *testing.T) {
	for name, prepare := range map[string]func(w *world){
		"another price":     func(w *world) { w.elsewhereCharge(func(p *pingpp.ChargeParams) { p.Amount = 1500 }) },
		"a repeat too late": func(w *world) { w.elsewhereCharge(nil); w.clock.Add(2 * time.Hour) },
		"not ours":          func(w *world) { w.elsewhereCharge(nil) }, // Ping++ answers with it
		"another payer's":   func(w *world) { w.elsewhereCharge(func(p *pingpp.ChargeParams) { p.Extra["open_id"] = stranger }) },
		"our other payer's": func(w *world) {
			w.elsewhereCharge(func(p *pingpp.ChargeParams) {
				p.Extra["open_id"], p.Metadata = stranger, map[string]any{intake.MetaOrderNo: "1001"}
			})
		},
		"another order's": func(w *world) {
			w.elsewhereCharge(func(p *pingpp.ChargeParams) { p.Metadata = map[string]any{intake.MetaOrderNo: "1"} })
		},
		"reversed":          func(w *world) { w.reversedElsewhere() },
		"Ping++ refuses it": func(w *world) { w.refuseNumbers(1, "order_no") },
		"three of them":     func(w *world) { w.refuseNumbers(3, "order_no") },
		"paid by another one": func(w *world) {
			c := w.elsewhereCharge(func(p *pingpp.ChargeParams) { p.Metadata = map[string]any{intake.MetaOrderNo: "1"} })
			if err := w.sandbox.Pay(c.ID); err != nil {
				w.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			prepare(w)
			a := w.pay(w.session(payer), "1001")
			number := a.text("order_no")
			if a.status != 201 || number == "1001" || !strings.HasPrefix(number, "1001") || a.header.Get("X-Pay-Order-No") != "1001" {
				t.Fatalf("answered %d %s", a.status, a.body)
			}
			all := w.attempts("1001")
			if c := all[0]; c.State != ledger.Refused || c.ID != "" || c.Number != "1001" {
				t.Errorf("the first number: %+v", c)
			}
			if c := all[len(all)-1]; c.State != ledger.Open || c.Payer != payer || c.Superseded {
				t.Errorf("the attempt: %+v", c)
			}
			w.paid(a.text("id"))
			if all := w.attempts("1001"); !all[len(all)-1].Paid {
				t.Errorf("%+v", all)
			}
		})
	}
}

// Where every number is refused there is an end to it.
func TestNumbersThatAreAllUsed(t *testing.T) {
	w := newWorld(t)
	w.refuseNumbers(1000, "order_no")
	wantProblem(t, w.pay(w.session(payer), "1001"), 502, "provider_rejected")
	if n := len(w.attempts("1001")); n != numberTries {
		t.Errorf("%d numbers were tried", n)
	}
	other := newWorld(t)
	other.refuseNumbers(1000, "subject") // another number does not help
	wantProblem(t, other.pay(other.session(payer), "1001"), 502, "provider_rejected")
	other.wantStates("1001")
}

// reversedElsewhere leaves a number closed at the channel.
func (w *world) reversedElsewhere() {
	c := w.elsewhereCharge(nil)
	w.clock.Add(time.Minute)
	if _, err := w.config.Pingpp.ReverseCharge(w.t.Context(), c.ID); err != nil {
		w.t.Fatal(err)
	}
}

// refuseNumbers lets Ping++ refuse a parameter of the next creations.
func (w *world) refuseNumbers(times int, param string) {
	box := w.sandbox
	w.outside.put(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/v1/charges" && times > 0 {
			times--
			rw.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(rw, `{"error":{"type":"invalid_request_error","message":"bad","param":%q}}`, param)
			return
		}
		box.ServeHTTP(rw, r)
	}))
}

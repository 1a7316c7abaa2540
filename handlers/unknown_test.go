package handlers

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/intake"
)

// lost asks for a charge that Ping++ makes and whose answer never comes.
func (w *world) lost(session, orderNo string) {
	w.t.Helper()
	w.fault("create_charge", "drop", 1)
	wantProblem(w.t, w.pay(session, orderNo), 503, "provider_unavailable")
	w.wantStates(orderNo, ledger.Unknown)
}

// between lets f see, and change, what Ping++ answers.
func (w *world) between(f func(r *http.Request, answer []byte) []byte) {
	box := w.sandbox
	w.outside.put(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		box.ServeHTTP(rec, r)
		answer := f(r, rec.Body.Bytes())
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(rec.Code)
		_, _ = rw.Write(answer)
	}))
}

var credentials = regexp.MustCompile(`"credential":\{.*?\}\}`)

// withoutCredentials empties the credentials in answers to requests whose path matches.
func (w *world) withoutCredentials(path *regexp.Regexp) {
	w.between(func(r *http.Request, answer []byte) []byte {
		if r.Method == http.MethodGet && path.MatchString(r.URL.Path) {
			return credentials.ReplaceAll(answer, []byte(`"credential":{}`))
		}
		return answer
	})
}

// reconcile runs the site's reconciler until the test ends.
func (w *world) reconcile() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.config.Reconciler.Run(ctx)
	}()
	w.t.Cleanup(func() { cancel(); <-done })
}

func TestLostChargeIsHandedOut(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	w.lost(session, "1001")
	a := w.pay(session, "1001")
	if a.status != 200 || a.text("order_no") != "1001" || a.header.Get("X-Pay-Order-No") != "1001" || !bytes.Contains(a.body, []byte(`"package":"prepay_id=`)) {
		t.Errorf("answered %d %s", a.status, a.body)
	}
	if again := w.pay(session, "1001"); !bytes.Equal(again.body, a.body) {
		t.Errorf("and again: %s", again.body)
	}
	if n, lists := w.calls("create_charge"), w.calls("list_charges"); n != 1 || lists != 1 {
		t.Errorf("%d charges, %d lists", n, lists)
	}
	c := w.attempts("1001")[0]
	if c.Payer != payer || c.PayerAppID != w.sandbox.WxLite().AppID || c.Channel != "wx_lite" || c.Amount != 1999 || c.Host == "" || c.Superseded || c.NextQuery.IsZero() {
		t.Errorf("recorded: %+v", c)
	}
	w.paid(a.text("id"))
	wantProblem(t, w.pay(session, "1001"), 409, "order_already_paid")
}

// The crash lies between Ping++'s answer and our record: only the reservation that ran out tells of the attempt.
func TestChargeOfAProcessThatDied(t *testing.T) {
	w := newWorld(t)
	login := w.session(payer)
	now := w.clock.Now()
	res := ledger.Reservation{
		Scope: w.config.Scope, OrderNo: "1001", Now: now, Until: now.Add(reservationLease), Channel: "wx_lite", Payer: payer, PayerAppID: w.sandbox.WxLite().AppID,
		Host: "shop.example.com", Number: itsNumber("1001"),
	}
	if _, err := w.openLedger().Reserve(t.Context(), res); err != nil {
		t.Fatal(err)
	}
	if _, err := w.config.Pingpp.CreateCharge(t.Context(), &pingpp.ChargeParams{OrderNo: "1001", Channel: "wx_lite", Amount: 1999, Currency: "cny",
		ClientIP: "192.0.2.7", Subject: "绿茶 & <tea>", Body: "绿茶 & <tea>", Extra: map[string]any{"open_id": payer}, Metadata: map[string]any{intake.MetaOrderNo: "1001"}}); err != nil {
		t.Fatal(err)
	}
	w.clock.Add(res.Until.Sub(now))
	if a := w.pay(login, "1001"); a.status != 200 || a.text("order_no") != "1001" {
		t.Errorf("answered %d %s", a.status, a.body)
	}
	w.wantStates("1001", ledger.Open)
}

// A charge that was found but does not fit the order any more is superseded, and the reconciler reverses it.
func TestLostChargeThatDoesNotFit(t *testing.T) {
	for name, change := range map[string]func(w *world) (session string){
		"price": func(w *world) string {
			w.setQuote(w.answerQuote(map[string]any{"amount": 5}))
			return w.session(payer)
		},
		"payer": func(w *world) string { return w.session(stranger) },
		"no credential": func(w *world) string {
			w.withoutCredentials(regexp.MustCompile(`^/v1/charges`))
			return w.session(payer)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.lost(w.session(payer), "1001")
			_, number := w.created(change(w), "1001")
			if number == "1001" {
				t.Error("a number that Ping++ knows was used again")
			}
			w.wantStates("1001", ledger.Open, ledger.Open)
			if all := w.attempts("1001"); !all[0].Superseded || all[1].Superseded || all[0].ID == all[1].ID {
				t.Fatalf("attempts %+v", all)
			}
			w.clock.Add(61 * time.Second)
			w.reconcile()
			until(t, "the lost charge is reversed", func() bool { return w.attempts("1001")[0].Reversed })
			if w.attempts("1001")[1].Reversed || w.calls("reverse_charge") != 1 {
				t.Error("the order's own charge was reversed")
			}
		})
	}
}

func TestLostChargeExpires(t *testing.T) {
	w := newWorld(t)
	w.lost(w.session(payer), "1001")
	w.clock.Add(2 * time.Hour)
	if _, number := w.created(w.session(payer), "1001"); number == "1001" {
		t.Error("an expired charge was handed out")
	}
	w.wantStates("1001", ledger.Open, ledger.Open)
}

func TestListWithoutCredentials(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	w.lost(session, "1001")
	w.withoutCredentials(regexp.MustCompile(`^/v1/charges$`))
	a := w.pay(session, "1001")
	if a.status != 200 || !bytes.Contains(a.body, []byte(`"package":"prepay_id=`)) {
		t.Errorf("answered %d %s", a.status, a.body)
	}
}

// Ping++ cannot say what became of the first attempt: the payer does not wait for it, and the reconciler finds out.
func TestLostChargeThatCannotBeLookedFor(t *testing.T) {
	for _, fault := range []string{"502", "slow"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			session := w.session(payer)
			w.lost(session, "1001")
			w.fault("list_charges", fault, 3)
			start := time.Now()
			if _, number := w.created(session, "1001"); number == "1001" {
				t.Error("a number that Ping++ may have was used again")
			}
			if took := time.Since(start); took > findTime+5*time.Second {
				t.Errorf("took %s", took)
			}
			w.wantStates("1001", ledger.Unknown, ledger.Open)
			if n := w.logs.FilterMessageSnippet("what became of an earlier attempt").Len(); n != 1 {
				t.Errorf("%d lines say so", n)
			}
			w.sandbox.ClearFaults()
			if a := w.pay(session, "1001"); a.status != 200 { // needs no look at Ping++
				t.Errorf("again: %d %s", a.status, a.body)
			}
			w.clock.Add(61 * time.Second)
			w.reconcile()
			until(t, "the lost charge is reversed", func() bool { return w.attempts("1001")[0].Reversed })
		})
	}
}

func TestWhatPingppDoesNotHave(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	w.fault("create_charge", "500", 1)
	w.pay(session, "1001")
	w.setQuote(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusInternalServerError) })
	wantProblem(t, w.pay(session, "1001"), 502, "backend_unavailable")
	if n := w.calls("list_charges"); n != 0 {
		t.Errorf("Ping++ was asked %d times for an order that the backend does not price", n)
	}
	w.clock.Add(11 * time.Minute)
	w.reconcile()
	until(t, "it is given up", func() bool { return w.attempts("1001")[0].NextQuery.IsZero() })
	lists := w.calls("list_charges")
	w.setQuote(w.answerQuote(nil))
	w.created(session, "1001")
	if n := w.calls("list_charges"); n != lists {
		t.Error("what was given up is looked for again")
	}
	w.wantStates("1001", ledger.Unknown, ledger.Open)
}

// Another system may charge through the same app, and use the same number.
func TestChargeOfAnotherSystem(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	w.holder("1001")
	foreign, err := w.config.Pingpp.CreateCharge(t.Context(), &pingpp.ChargeParams{OrderNo: "1001", Channel: "wx_lite", Amount: 1999, Currency: "cny",
		ClientIP: "192.0.2.7", Subject: "s", Body: "b", Extra: map[string]any{"open_id": payer}})
	if err != nil {
		t.Fatal(err)
	}
	w.clock.Add(reservationLease)
	id, number := w.created(session, "1001")
	if number == "1001" || id == foreign.ID {
		t.Error("somebody else's charge was handed out")
	}
	w.wantStates("1001", ledger.Unknown, ledger.Open)
}

// A process that stood still while Ping++ answered finds that the order has another charge: nobody gets its own.
func TestAnswerAfterALaterCharge(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	second := httptest.NewTLSServer(w.handler(w.newSite(w.openLedger(), zap.NewNop())))
	defer second.Close()
	var stoodStill atomic.Bool
	var later answer
	box := w.sandbox
	w.outside.put(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/v1/charges" {
			if stoodStill.CompareAndSwap(false, true) {
				w.clock.Add(reservationLease)
				later = w.doAt(second, "POST", "/pay/charges", order("1001"), "X-Pay-Session", session)
			}
		}
		box.ServeHTTP(rw, r)
	}))
	a := w.pay(session, "1001")
	wantProblem(t, a, 409, "charge_in_progress")
	if later.status != 201 || later.text("order_no") == "1001" {
		t.Fatalf("the later request: %d %s", later.status, later.body)
	}
	w.wantStates("1001", ledger.Open, ledger.Open)
	if all := w.attempts("1001"); !all[0].Superseded || all[1].Superseded {
		t.Errorf("attempts %+v", all)
	}
	if a := w.pay(session, "1001"); a.status != 200 || a.text("id") != later.text("id") {
		t.Errorf("the next try: %d %s", a.status, a.body)
	}
}

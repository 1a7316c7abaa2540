package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/sqlite"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/sandbox"
)

const shippingPayer = "oAAAAAAAAAAAAAAAAAAAAAAAAAA1"

// From the payment to WeChat's books: nothing is told before the backend has acknowledged it, nor of a site that does not say so.
func TestShippingTold(t *testing.T) {
	const express = `{"code":0,"pay_shipping":{"type":"express","items":"绿茶 250g","parcels":[{"company":"圆通","tracking_no":"YT1234567890"}]}}`
	for _, tc := range []struct {
		name, shipping, answer string
		delay                  int64 // of WeChat, in milliseconds
		paid                   int64 // of 100 that were asked for
		want                   ledger.ShipmentState
		content                *ledger.Shipping
		problem                string
	}{
		{"auto", "shipping {\n\t\t\tauto virtual \"Course {subject}, {order_no}\"\n\t\t}", "success", 1500, 100, ledger.ShipmentReported,
			&ledger.Shipping{Type: ledger.ShipVirtual, Items: "Course 绿茶, ship2026auto", Complete: true}, ""},
		{"released", "shipping {\n\t\t\tauto pickup \"{subject}\"\n\t\t}", "success", 0, 99, ledger.ShipmentReported,
			&ledger.Shipping{Type: ledger.ShipPickup, Items: "绿茶", Complete: true}, ""},
		{"said", "shipping", express, 0, 100, ledger.ShipmentReported,
			&ledger.Shipping{Type: ledger.ShipExpress, Items: "绿茶 250g", Parcels: []ledger.Parcel{{Company: "YTO", TrackingNo: "YT1234567890"}}, Complete: true}, ""},
		{"badly", "shipping", `{"pay_shipping":{"type":"boat","items":"x"}}`, 0, 100, ledger.ShipmentFailed, nil, ledger.ProblemInvalid},
		{"alone", "shipping", "success", 0, 100, ledger.ShipmentWaiting, nil, ""},
		{"without", "", express, 0, 100, "", nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := must(sandbox.New(sandbox.Config{Managed: true}))
			srv := httptest.NewServer(s)
			t.Cleanup(func() {
				s.Close()
				srv.Close()
			})
			must(s.SetProgram(sandbox.WeChatSetting{Delay: &tc.delay}))
			open := make(chan struct{}) // the backend acknowledges
			addr := backend(t, func(w http.ResponseWriter, _ *http.Request) {
				<-open
				_, _ = io.WriteString(w, tc.answer)
			})
			dir := t.TempDir()
			file := globals(dir, ledgerIn(dir)) + "http://" + freeAddr(t) + " {\n" + payBlock(t, dir, "", "allow_http", "upstream "+addr, "events POST /internal/pay/events", tc.shipping) + "}\n"
			run(t, strings.NewReplacer("app app_test1", "app "+s.App()+"\n\t\t\tendpoint "+srv.URL, "sk_test_Mark0123456789", s.LiveKey(),
				"app_id wx0123456789abcdef", "app_id "+s.WxLite().AppID+"\n\t\t\tendpoint "+srv.URL, "Mark0123456789abcdef0123456789ab", s.WxLite().Secret).Replace(file))
			l, scope := ledgerOf(t), ledger.Scope{App: s.App(), Mode: ledger.Live}
			_, found := running(t)
			id := payLite(t, s, found[0], l, scope, "ship2026"+tc.name, tc.paid)
			event := "evt_q_" + id + "_charge_succeeded"
			if tc.paid != 100 {
				if sh, err := l.Shipment(t.Context(), scope, id); err != nil || sh.Stage != ledger.ReportNone {
					t.Fatalf("held: %+v, %v", sh, err)
				}
				if err := l.Decide(t.Context(), ledger.Decision{Scope: scope, EventID: event, Action: ledger.ActionRelease, Now: time.Now()}); err != nil {
					t.Fatal(err)
				}
			}
			if n := s.State(0).Calls["upload_shipping_info"]; n != 0 {
				t.Errorf("WeChat is told before the backend has acknowledged: %d", n)
			}
			close(open)
			eventually(t, "the payment is delivered", func() bool { return must(l.Event(t.Context(), scope, event)).State == ledger.Delivered })
			if tc.want == "" {
				if _, err := l.Shipment(t.Context(), scope, id); err == nil {
					t.Error("there is a shipment")
				}
				if calls := s.State(0).Calls; calls["stable_token"]+calls["upload_shipping_info"]+calls["is_trade_managed"]+calls["wxa_get_order"] != 0 {
					t.Errorf("WeChat is asked: %v", calls)
				}
				return
			}
			eventually(t, "the shipment is "+string(tc.want), func() bool { return must(l.Shipment(t.Context(), scope, id)).State == tc.want })
			sh := must(l.Shipment(t.Context(), scope, id))
			if !sh.Shipping.Same(tc.content) || sh.Problem.Code != tc.problem {
				t.Errorf("%+v %+v", sh.Shipping, sh.Problem)
			}
			uploads := map[bool]string{true: "Uploads:1", false: "Uploads:0"}[tc.want == ledger.ShipmentReported]
			if at := fmt.Sprintf("%+v", s.State(1).WeChat); !strings.Contains(at, uploads) {
				t.Errorf("WeChat has %s, not %s", at, uploads)
			}
			attempts := must(l.ShippingAttempts(t.Context(), scope, id))
			if tc.delay > 0 && (len(attempts) < 2 || attempts[0].Result != ledger.ShippingNotFound) {
				t.Errorf("it did not have to wait: %+v", attempts)
			}
			log := string(must(os.ReadFile(filepath.Join(dir, "log"))))
			if strings.Contains(log, shippingPayer) || strings.Contains(log, "access_token=") {
				t.Error("the log shows the payer or a token")
			}
		})
	}
}

// payLite makes a charge of 100 fen in the mini program, pays some of it, and has the payment found.
func payLite(t *testing.T, s *sandbox.Sandbox, h *Handler, l ledger.Ledger, scope ledger.Scope, orderNo string, paid int64) (charge string) {
	t.Helper()
	c, err := h.resolved.Pingpp.CreateCharge(t.Context(), &pingpp.ChargeParams{OrderNo: orderNo, Channel: "wx_lite", Amount: paid, Currency: "cny",
		ClientIP: "192.0.2.1", Subject: "绿茶", Body: "b", Extra: map[string]any{"open_id": shippingPayer}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if _, err := l.Reserve(t.Context(), ledger.Reservation{Scope: scope, OrderNo: orderNo, Now: now, Until: now.Add(time.Minute), Number: func(int, int) string { return orderNo }}); err != nil {
		t.Fatal(err)
	}
	if err := l.Created(t.Context(), &ledger.Charge{Scope: scope, OrderNo: orderNo, Number: orderNo, State: ledger.Open, ID: c.ID, Channel: "wx_lite", Payer: shippingPayer,
		PayerAppID: s.WxLite().AppID, Amount: 100, Currency: "cny", Host: "shop.example.com", Created: now, TimeExpire: now.Add(time.Hour), Raw: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	if err := s.Pay(c.ID); err != nil {
		t.Fatal(err)
	}
	if err := h.resolved.Reconciler.Charges.Recover(t.Context(), c.ID, nil); err != nil {
		t.Fatal(err)
	}
	return c.ID
}

// What runs out of its time is announced once before, and once when it has, also what did so while no Caddy ran.
func TestShippingDueAnnounced(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	scope := ledger.Scope{App: "app_test1", Mode: ledger.Live}
	l := must(sqlite.Open(t.Context(), sqlite.Options{File: filepath.Join(dir, "ledger.db")}))
	for orderNo, ago := range map[string]time.Duration{"soon": 40 * time.Hour, "over": 50 * time.Hour, "later": 30 * time.Hour, "before": 70 * time.Hour, "failed": time.Hour} {
		oursIn(t, l, scope, orderNo, "ch_"+orderNo, 100)
		at := now.Add(-ago)
		e := &ledger.Event{Scope: scope, ID: "evt_" + orderNo, Type: "charge.succeeded", ObjectID: "ch_" + orderNo, ChargeID: "ch_" + orderNo, OrderNo: orderNo, Lane: orderNo,
			Source: ledger.Webhook, Created: at, Received: at, Due: at, Body: []byte("{}"), State: ledger.Pending, Ships: true,
			Change: &ledger.ChargeChange{Paid: true, TimePaid: at}, Payment: &ledger.Payment{Amount: 100, Currency: "cny", Time: at}}
		if did, err := l.Append(t.Context(), e); err != nil || did != ledger.Recorded {
			t.Fatal(did, err)
		}
	}
	claimed := must(l.Claim(t.Context(), ledger.Claim{Scope: scope, Owner: "me", Now: now, Until: now.Add(time.Second), Limit: 9}))
	for i := range claimed {
		d := ledger.Delivery{Scope: scope, EventID: claimed[i].ID, Attempt: 1, At: now, Status: 200, State: ledger.Delivered}
		if claimed[i].OrderNo == "failed" {
			d.ShippingProblem = ledger.ShippingProblem{Code: ledger.ProblemInvalid, Text: "pay_shipping of the backend's answer: no"}
		}
		if err := l.Settle(t.Context(), "me", d); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	heard.Lock()
	heard.lines, heard.wait, heard.panic = nil, nil, false
	heard.Unlock()
	file := strings.Replace(globals(dir, ledgerIn(dir)), "admin off", "admin off\n\tevents {\n\t\ton * pay_listener\n\t}", 1) +
		"http://" + freeAddr(t) + " {\n" + strings.NewReplacer("sk_test_", "sk_live_", "app_id wx0123456789abcdef", "app_id wx0123456789abcdef\n\t\t\tendpoint http://127.0.0.1:1").
		Replace(payBlock(t, dir, "", "allow_http", "shipping")) + "}\n"
	kept := filepath.Join(dir, "storage", "pay", "shipping")
	if err := os.MkdirAll(kept, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, kept, "app_test1_live.json", fmt.Sprintf(`{"since":%q,"told":%q}`, now.Add(-100*time.Hour).Format(time.RFC3339), now.Add(-10*time.Hour).Format(time.RFC3339)))
	run(t, file)
	const at = " app=app_test1 mode=live order_no="
	hears(t, "pay.shipping_due"+at+"soon charge=ch_soon amount=100 state=waiting", "pay.shipping_due"+at+"over charge=ch_over amount=100 state=waiting",
		"pay.shipping_due"+at+"failed charge=ch_failed amount=100 state=failed why")
	heard.Lock()
	defer heard.Unlock()
	for _, line := range heard.lines {
		if strings.Contains(line, "later") || strings.Contains(line, "before") {
			t.Errorf("it is announced that %s", line)
		}
	}
}

// Payments that were acknowledged before auto stood there are reported once it does.
func TestShippingCatchesUp(t *testing.T) {
	s := must(sandbox.New(sandbox.Config{Managed: true}))
	srv := httptest.NewServer(s)
	t.Cleanup(func() {
		s.Close()
		srv.Close()
	})
	var delay int64
	must(s.SetProgram(sandbox.WeChatSetting{Delay: &delay}))
	addr := backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "success") })
	dir := t.TempDir()
	site := func(shipping string) string {
		return globals(dir, ledgerIn(dir)) + "http://" + freeAddr(t) + " {\n" + strings.NewReplacer("app app_test1", "app "+s.App()+"\n\t\t\tendpoint "+srv.URL, "sk_test_Mark0123456789", s.LiveKey(),
			"app_id wx0123456789abcdef", "app_id "+s.WxLite().AppID+"\n\t\t\tendpoint "+srv.URL, "Mark0123456789abcdef0123456789ab", s.WxLite().Secret).
			Replace(payBlock(t, dir, "", "allow_http", "upstream "+addr, "events POST /internal/pay/events", shipping)) + "}\n"
	}
	run(t, site("shipping"))
	scope := ledger.Scope{App: s.App(), Mode: ledger.Live}
	_, found := running(t)
	id := payLite(t, s, found[0], ledgerOf(t), scope, "ship2026before", 100)
	eventually(t, "the payment is acknowledged", func() bool {
		return must(ledgerOf(t).Event(t.Context(), scope, "evt_q_"+id+"_charge_succeeded")).State == ledger.Delivered
	})
	if sh := must(ledgerOf(t).Shipment(t.Context(), scope, id)); sh.Stage != ledger.ReportNone {
		t.Fatalf("it is reported: %+v", sh)
	}
	run(t, site("shipping {\n\t\t\tauto virtual \"{subject}\"\n\t\t}"))
	eventually(t, "the shipment is reported", func() bool {
		return must(ledgerOf(t).Shipment(t.Context(), scope, id)).State == ledger.ShipmentReported
	})
	if sh := must(ledgerOf(t).Shipment(t.Context(), scope, id)); sh.Shipping.Items != "绿茶" || sh.Uploads != 1 {
		t.Errorf("%+v", sh)
	}
}

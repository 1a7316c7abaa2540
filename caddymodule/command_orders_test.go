package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/session"
)

// nightSite is a Caddyfile whose site charges at an emulated Ping++ that sends no webhooks.
func nightSite(t *testing.T, shop, retry string) (box *sandbox.Sandbox, addr, file string) {
	t.Helper()
	box = must(sandbox.New(sandbox.Config{App: "app_test1"}))
	pingxx := httptest.NewServer(box)
	t.Cleanup(func() { box.Close(); pingxx.Close() })
	dir := t.TempDir()
	addr = freeAddr(t)
	file = globals(dir, ledgerIn(dir)) + "http://" + addr + " {\n" + payBlock(t, dir, "", "allow_http", "upstream "+shop, "orders GET /price/{order_no}",
		"events POST /internal/pay/events {\n\t\t\tretry "+retry+"\n\t\t}", "reconcile {\n\t\t\tafter 1h\n\t\t}") + "}\n"
	return box, addr, strings.NewReplacer("app app_test1", "app app_test1\n\t\t\tendpoint "+pingxx.URL, "sk_test_Mark0123456789", box.TestKey()).Replace(file)
}

// price is what the shop says of the order that it is asked for.
func price(r *http.Request) string {
	return `{"order_no":"` + path.Base(r.URL.Path) + `","amount":1999,"subject":"Tea"}`
}

// nightCharge makes a charge through the site, as a mini program does.
func nightCharge(t *testing.T, addr, orderNo, payer string) (id string) {
	t.Helper()
	req := must(http.NewRequest(http.MethodPost, "http://"+addr+"/pay/charges", strings.NewReader(`{"order_no":"`+orderNo+`","channel":"wx_lite"}`)))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Pay-Session", token(t, "/pay", session.Identity{OpenID: payer}))
	var charge struct{ ID string }
	if status, answer := answered(t, req); status != http.StatusCreated || json.Unmarshal([]byte(answer), &charge) != nil {
		t.Fatalf("charge: %d %s", status, answer)
	}
	return charge.ID
}

// At 2 a.m.: an order was paid, no webhook came, and the backend sends its login page. Every command says so in words, nobody's openid or escape
// sequence gets out, a pause holds everything back and shows everywhere, and the end of it delivers.
func TestOrderAtNight(t *testing.T) {
	const payer = "oSecretSecretSecretSecret123"
	var mended atomic.Bool
	var heard atomic.Int64
	shop := backend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch {
		case strings.HasPrefix(r.URL.Path, "/price/"):
			_, _ = io.WriteString(w, price(r))
		case mended.Load():
			heard.Add(1)
		default:
			w.Header().Set("Location", "/login")
			w.WriteHeader(http.StatusFound)
			_, _ = io.WriteString(w, "\x1b[31mplease\tlog in")
		}
	})
	box, addr, file := nightSite(t, shop, "1h")
	a := runAdmin(t, file)
	pay := func(args ...string) (stdout, stderr string, err error) {
		var out, notices bytes.Buffer
		cmd := payCommand(t, &out, append(args, "--address", a.addr)...)
		cmd.SetErr(&notices)
		err = cmd.ExecuteContext(t.Context())
		for what, text := range map[string]string{"openid": payer, "escape sequence": "\x1b"} {
			if strings.Contains(out.String()+notices.String(), text) {
				t.Errorf("an %s in the output of %q:\n%s%s", what, args, &out, &notices)
			}
		}
		return out.String(), notices.String(), err
	}
	wants := func(args string, want ...string) string {
		t.Helper()
		out, notices, err := pay(strings.Fields(args)...)
		if err != nil {
			t.Errorf("pay %s: %v", args, err)
		}
		for _, w := range want {
			if !strings.Contains(out+notices, w) {
				t.Errorf("pay %s lacks %q:\n%s%s", args, w, out, notices)
			}
		}
		return out
	}

	scope := ledger.Scope{App: box.App(), Mode: ledger.Test}
	chargeID := nightCharge(t, addr, "N1", payer)
	wants("orders list --status created", "N1", "¥19.99", "wx_lite", chargeID, "oSecre…")
	wants("orders show N1", "created", "your backend said that it costs ¥19.99", chargeID+" was made through wx_lite for ¥19.99, for oSecre…", "can no longer be paid", "Ping++ is asked for "+chargeID)
	if err := box.Pay(chargeID); err != nil {
		t.Fatal(err)
	}
	wants("orders query N1", "N1, "+box.App()+" in test mode: paid", "Ping++ says that "+chargeID+" was paid", "charge.succeeded came by query", "its money is as it should be; ¥19.99 was paid, ¥19.99 expected")
	event := "evt_q_" + chargeID + "_charge_succeeded"
	l := ledgerOf(t)
	eventually(t, "the first attempt has failed", func() bool { return must(l.Event(t.Context(), scope, event)).Attempts == 1 })

	receipt := must(l.Charge(t.Context(), scope, chargeID)).TransactionNo
	if receipt == "" {
		t.Fatal("no number of the channel")
	}
	for name, kind := range map[string]string{"N1": "order", chargeID: "charge", event: "event", receipt: "the channel's number"} {
		wants("find "+name, kind, "attempt 1 to deliver "+event+": HTTP 302 in", "/login", `it answered: [31mplease log in`, event+" is delivered again", ", in ", time.Now().Format(" -07:00"))
	}
	wants("charges show "+chargeID, "HTTP 302")
	wants("figures", "money at risk  ¥19.99 of 1 payments, since", "pending        1", "next attempt   in ")
	wants("events list --at_risk", event)
	if _, _, err := pay("find", "nobody's"); err == nil || !strings.Contains(err.Error(), `nothing goes by "nobody's"`) {
		t.Error(err)
	}
	if _, _, err := pay("orders", "show", "N2"); err == nil || !strings.Contains(err.Error(), `The order "N2" is unknown: no payment of it was begun`) {
		t.Error(err)
	}

	if _, _, err := pay("pause"); err == nil || !strings.Contains(err.Error(), "say why you pause it") {
		t.Errorf("without a reason: %v", err)
	}
	if _, _, err := pay("resume"); err == nil || !strings.Contains(err.Error(), "delivery is not paused") {
		t.Errorf("nothing is paused: %v", err)
	}
	wants("pause --reason moving", "in test mode is paused since", "by address 127.0.0.1 (", "moving")
	if _, _, err := pay("pause", "--reason", "twice"); err == nil || !strings.Contains(err.Error(), "paused already") {
		t.Errorf("twice: %v", err)
	}
	for _, list := range []string{"orders list", "charges list", "refunds list", "events list", "audit", "figures", "health"} {
		wants(list, "paused since", ": moving")
	}
	wants("orders show N1", "delivery of "+box.App()+" in test mode is paused by", "again, once delivery is resumed")
	mended.Store(true)
	wants("events replay "+event, event+" is pending")
	run(t, withAdmin(t, strings.Replace(file, "retry 1h", "retry 2h", 1), a.addr))
	wants("health", "paused since") // the next process, or configuration, knows it too
	if n := heard.Load(); n != 0 {
		t.Errorf("%d deliveries while it was paused", n)
	}
	wants("resume --reason moved", "Delivery goes on.")
	eventually(t, "the delivery", func() bool { return must(l.Event(t.Context(), scope, event)).State == ledger.Delivered })
	wants("orders show N1", "replay of "+event+", which was pending, by address 127.0.0.1 (", "attempt 2 to deliver "+event+": HTTP 200 in")
	wants("figures", "¥0.00 of 0 payments", "delivered      1")
	audit := wants("audit", "pause", "unpause", "moving", "moved", "replay", event)
	if n := strings.Count(audit, "\n"); n != 4 {
		t.Errorf("%d lines:\n%s", n, audit)
	}
	wants("audit --event "+event, "replay")
	wants("audit --action pause", "moving")

	var life adminapi.OrderLife
	if err := json.Unmarshal([]byte(wants("orders show N1 --json")), &life); err != nil || len(life.Timeline) < 7 || life.Events[0].Deliveries[0].Status != 302 {
		t.Errorf("%v %+v", err, life)
	}
	var kinds []string
	for _, e := range life.Timeline {
		kinds = append(kinds, e.Kind)
	}
	if got := fmt.Sprint(kinds); !strings.HasPrefix(got, "[login quote attempt paid event check delivery ") || !strings.HasSuffix(got, "delivery decision delivery]") {
		t.Error(got)
	}
}

var shellLine = regexp.MustCompile(`"[^"]*"|\S+`)

// The thirteen questions of the page for operators are answered by the commands that stand beside them, one after the other, on a site on which all
// of that has happened.
func TestThirteenQuestions(t *testing.T) {
	var mended atomic.Bool
	shop := backend(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/price/"):
			_, _ = io.WriteString(w, price(r))
		case !mended.Load():
			http.Error(w, "not now", http.StatusInternalServerError)
		}
	})
	box, addr, file := nightSite(t, shop, "20ms")
	beside, live := besideNight(t, box, file)
	a := runAdmin(t, file+beside)
	l := ledgerOf(t)
	chargeID := nightCharge(t, addr, "1234", "oAAAAAAAAAAAAAAAAAAAAAAAAAA1")
	if err := box.Pay(chargeID); err != nil {
		t.Fatal(err)
	}
	if status, body := a.do(http.MethodPost, "/pay/orders/1234/query", "{}", nil); status != http.StatusOK {
		t.Fatal(status, body)
	}
	for _, id := range []string{"right", "wrong"} {
		ours(t, l, id, 999)
		if status := sendWebhook(t, "http://"+addr+"/pay/webhooks", webhookEvent(id)); status != http.StatusOK {
			t.Fatal(status)
		}
	}
	parcel := shipped(t, l, live, "parcel", 1999, 40*time.Hour)
	if _, _, err := l.ReportShipping(t.Context(), ledger.ShippingReport{Scope: live, OrderNo: "parcel", Now: time.Now(),
		Shipping: ledger.Shipping{Type: ledger.ShipVirtual, Items: "tea", Complete: true}}); err != nil {
		t.Fatal(err)
	}
	event := "evt_q_" + chargeID + "_charge_succeeded"
	state := func(id string) ledger.State { return must(l.Event(t.Context(), testScope, id)).State }
	eventually(t, "the payment is dead", func() bool { return state(event) == ledger.Dead })

	page := string(must(os.ReadFile("../docs/operations.md")))
	_, page, _ = strings.Cut(page, "## Thirteen questions")
	page, _, _ = strings.Cut(page, "\n## ")
	names := strings.NewReplacer("4200001234202611260000000001", must(l.Charge(t.Context(), testScope, chargeID)).TransactionNo, "ch_1", parcel, "20260101002", "parcel", "evt_1", "evt_right", "evt_2", "evt_wrong")
	ran := 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(page, -1) {
		for line := range strings.Lines(block[1]) {
			var args []string
			for _, word := range shellLine.FindAllString(names.Replace(line), -1) {
				args = append(args, strings.Trim(word, `"`))
			}
			mended.Store(mended.Load() || strings.Contains(line, "--yes"))
			var out, notices bytes.Buffer
			cmd := payCommand(t, &out, append(args[2:], "--address", a.addr)...)
			cmd.SetErr(&notices)
			if err := cmd.ExecuteContext(t.Context()); err != nil || out.Len() == 0 {
				t.Errorf("%s: %v\n%s%s", line, err, &out, &notices)
			}
			ran++
		}
	}
	if ran < 20 {
		t.Fatalf("%d commands", ran)
	}
	eventually(t, "what was missed, and what was released, is delivered", func() bool {
		return state(event) == ledger.Delivered && state("evt_right") == ledger.Delivered
	})
	if got := state("evt_wrong"); got != ledger.Discarded {
		t.Error(got)
	}
}

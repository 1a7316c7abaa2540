package handlers

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// What is said about a refund fits to the last character, and whoever asks for one is told whose order it is.
func TestRefundEdges(t *testing.T) {
	w := newWorld(t)
	charge := w.paidOrder("1001")
	w.fault("refund", "stuck", 1)
	long := strings.Replace(refundBody("1001", "R1", 5), "退货", strings.Repeat("退", 255), 1)
	if a := w.merchant("POST", "/pay/refunds", long); a.status != http.StatusCreated {
		t.Fatalf("a description of 255 characters: %d %s", a.status, a.body)
	}
	if a := w.merchant("GET", "/pay/refunds/R1", ""); a.status != http.StatusOK || a.header.Get("X-Pay-Order-No") != "1001" {
		t.Errorf("%d %s", a.status, a.header)
	}
	// One that is on its way is answered from the ledger.
	listed, made := w.calls("list_refunds"), w.calls("create_refund")
	if a := w.merchant("POST", "/pay/refunds", long); a.status != http.StatusOK || a.text("status") != "pending" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if w.calls("list_refunds") != listed || w.calls("create_refund") != made {
		t.Error("Ping++ was asked about a refund that it has")
	}
	// While Ping++ cannot say what the charge is, nobody says that there is none.
	for fault, want := range map[string]struct {
		status int
		code   string
	}{"500": {503, "provider_unavailable"}, "401": {502, "provider_rejected"}} {
		w.fault("get_charge", fault, 9)
		a := w.merchant("POST", "/pay/refunds", `{"charge":"`+charge+`","refund_no":"R2","description":"d"}`)
		wantProblem(t, a, want.status, want.code)
		w.sandbox.ClearFaults()
	}
}

// A refund that was made before this ledger, which is a backup, knew of it: another amount under its number is refused, and the number stays what it was.
func TestRefundOfAnotherAmountThatABackupForgot(t *testing.T) {
	w := newWorld(t)
	charge := w.paidOrder("1001")
	before := w.backup()
	w.fault("refund", "stuck", 1)
	first := w.refunding("1001", "R1", 300)
	if first.status != http.StatusCreated {
		t.Fatalf("%d %s", first.status, first.body)
	}
	w.restore(before)
	for range 2 {
		a := w.refunding("1001", "R1", 301)
		if wantProblem(t, a, 409, "refund_invalid"); a.text("field") != "refund_no" {
			t.Errorf("%s", a.body)
		}
	}
	wantProblem(t, w.merchant("GET", "/pay/refunds/R1", ""), 404, "not_found")
	if a := w.refunding("1001", "R1", 300); a.status != http.StatusOK || a.text("refund") != first.text("refund") || len(w.refundsAt(charge)) != 1 {
		t.Errorf("%d %s; Ping++ has %d", a.status, a.body, len(w.refundsAt(charge)))
	}
}

// An attempt that is handed out again costs no question to Ping++.
func TestReuseAsksNobody(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	id, _ := w.created(session, "1001")
	asked := w.calls("get_charge") + w.calls("list_charges")
	for range 2 {
		if a := w.pay(session, "1001"); a.status != http.StatusOK || a.text("id") != id {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	if n := w.calls("get_charge") + w.calls("list_charges") - asked; n != 0 {
		t.Errorf("Ping++ was asked %d times", n)
	}
}

// What a backend says fits to the last character, and what a channel does not take is left out of it.
func TestQuoteEdges(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	// 12 characters are our key's, 4 the number's, 1 this key's.
	for n, status := range map[int]int{983: http.StatusCreated, 984: http.StatusBadGateway} {
		w.setQuote(w.answerQuote(map[string]any{"metadata": map[string]string{"k": strings.Repeat("茶", n)}}))
		if a := w.pay(session, map[int]string{983: "1001", 984: "1002"}[n]); a.status != status {
			t.Errorf("metadata of %d characters: %d %s", 17+n, a.status, a.body)
		}
	}
	w.setQuote(w.answerQuote(map[string]any{"subject": "1\ufe0f\u20e3 tea\ufe0e 🍵", "body": "two\tbags\nof tea"}))
	a := w.pay(session, "1003")
	if a.status != http.StatusCreated || a.text("subject") != "1 tea" || a.text("body") != "two\tbags\nof tea" {
		t.Errorf("%d %s", a.status, a.body)
	}
	// The log says where a backend sends whoever asks it for a price, and no token on the way.
	w.setQuote(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Location", "/login?token="+backendToken)
		rw.WriteHeader(http.StatusFound)
		_, _ = io.WriteString(rw, "moved")
	})
	wantProblem(t, w.pay(session, "1004"), 502, "backend_unavailable")
	if !strings.Contains(w.loggedText(), `/login`) {
		t.Error("the log does not say where the backend sends us")
	}
}

package handlers

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/handlers/payment"
	"github.com/caddypay/caddypay/ledger"
)

func newDonations(t testing.TB) *world {
	w := newWorld(t)
	w.set(func(c *Config) { c.Orders = nil })
	w.set(func(c *Config) {
		c.ClientAmount = &payment.ClientAmount{Min: 100, Max: 20_000, Subject: "Donation {order_no}", Prefix: "D"}
	})
	return w
}

func TestClientNamesTheAmount(t *testing.T) {
	w := newDonations(t)
	session := w.session(payer)
	seen := map[string]bool{}
	for _, c := range []struct {
		body   string
		amount int64
		meta   map[string]string
	}{
		{`{"channel":"wx_lite","amount":100}`, 100, nil},
		{`{"channel":"wx_lite","amount":20000,"reference":"for the cats 🐈"}`, 20000, map[string]string{"pay_reference": "for the cats 🐈"}},
		{`{"channel":"wx_lite","amount":100,"reference":"","extra":{}}`, 100, nil}, // each request is a new order
		{`{"channel":"wx_lite","amount":100,"reference":"\",\"pay_amount_by\":\"shop"}`, 100, map[string]string{"pay_reference": `","pay_amount_by":"shop`}},
	} {
		a := w.do("POST", "/pay/charges", c.body, "X-Pay-Session", session)
		no := a.header.Get("X-Pay-Order-No")
		if a.status != 201 || !regexp.MustCompile(`^D[a-z0-9]{19}$`).MatchString(no) || seen[no] {
			t.Fatalf("%s: %d %s, order %s", c.body, a.status, a.body, no)
		}
		seen[no] = true
		sent := w.sentCharge()
		meta := map[string]string{"pay_order_no": no, "pay_amount_by": "client"}
		for k, v := range c.meta {
			meta[k] = v
		}
		if sent.OrderNo != no || sent.Amount != c.amount || sent.Currency != "cny" || sent.Subject != "Donation "+no || fmt.Sprint(sent.Metadata) != fmt.Sprint(meta) || sent.Extra["open_id"] != payer {
			t.Errorf("%s: Ping++ got %+v", c.body, sent)
		}
		w.wantStates(no, ledger.Open)
		if got := w.attempts(no)[0]; got.Amount != c.amount || got.Payer != payer {
			t.Errorf("recorded: %+v", got)
		}
	}
	if len(w.backend.exchanges("/")) != 0 {
		t.Error("the backend was asked for a price")
	}
}

func TestClientAmountRefused(t *testing.T) {
	w := newDonations(t)
	session := w.session(payer)
	for _, c := range []struct {
		name, body  string
		code, field string
	}{
		{"none", `{"channel":"wx_lite"}`, "amount_invalid", "amount"},
		{"null", `{"channel":"wx_lite","amount":null}`, "amount_invalid", "amount"},
		{"below", `{"channel":"wx_lite","amount":99}`, "amount_invalid", "amount"},
		{"above", `{"channel":"wx_lite","amount":20001}`, "amount_invalid", "amount"},
		{"0", `{"channel":"wx_lite","amount":0}`, "amount_invalid", "amount"},
		{"negative", `{"channel":"wx_lite","amount":-100}`, "amount_invalid", "amount"},
		{"fraction", `{"channel":"wx_lite","amount":100.5}`, "amount_invalid", "amount"},
		{"whole fraction", `{"channel":"wx_lite","amount":100.0}`, "amount_invalid", "amount"},
		{"exponent", `{"channel":"wx_lite","amount":1e3}`, "amount_invalid", "amount"},
		{"text", `{"channel":"wx_lite","amount":"100"}`, "amount_invalid", "amount"},
		{"huge", `{"channel":"wx_lite","amount":18446744073709551716}`, "amount_invalid", "amount"},
		{"huger", `{"channel":"wx_lite","amount":1` + strings.Repeat("0", 1000) + `}`, "amount_invalid", "amount"},
		{"twice", `{"channel":"wx_lite","amount":100,"amount":200}`, "json_invalid", ""},
		{"order_no", `{"channel":"wx_lite","amount":100,"order_no":"1001"}`, "field_forbidden", "order_no"},
		{"subject", `{"channel":"wx_lite","amount":100,"subject":"x"}`, "field_forbidden", "subject"},
		{"currency", `{"channel":"wx_lite","amount":100,"currency":"cny"}`, "field_forbidden", "currency"},
		{"metadata", `{"channel":"wx_lite","amount":100,"metadata":{}}`, "field_forbidden", "metadata"},
		{"long reference", `{"channel":"wx_lite","amount":100,"reference":"` + strings.Repeat("长", 65) + `"}`, "field_forbidden", "reference"},
		{"control character", `{"channel":"wx_lite","amount":100,"reference":"a\nb"}`, "field_forbidden", "reference"},
		{"number for a reference", `{"channel":"wx_lite","amount":100,"reference":1}`, "json_invalid", ""},
		{"open_id", `{"channel":"wx_lite","amount":100,"extra":{"open_id":"x"}}`, "field_forbidden", "extra.open_id"},
		{"channel", `{"channel":"x","amount":100}`, "channel_unsupported", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.do("POST", "/pay/charges", c.body, "X-Pay-Session", session)
			wantProblem(t, a, 400, c.code)
			if a.text("field") != c.field {
				t.Errorf("field %q, want %q", a.text("field"), c.field)
			}
			if c.code == "amount_invalid" && (a.field("min") != float64(100) || a.field("max") != float64(20000)) {
				t.Errorf("it does not say what is allowed: %s", a.body)
			}
		})
	}
	wantProblem(t, w.do("POST", "/pay/charges", `{"channel":"wx_lite","amount":100}`), 401, "session_missing")
	if w.calls("create_charge") != 0 {
		t.Error("a charge was made")
	}
	// With orders, a client names neither.
	other := newWorld(t)
	session = other.session(payer)
	for _, field := range []string{"amount", "reference"} {
		a := other.do("POST", "/pay/charges", `{"order_no":"1001","channel":"wx_lite","`+field+`":1}`, "X-Pay-Session", session)
		wantProblem(t, a, 400, "field_forbidden")
	}
}

// A backend cannot say by accident that the client named the price.
func TestOurMetadataIsOurs(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	for _, key := range []string{"pay_order_no", "pay_amount_by", "pay_reference"} {
		w.setQuote(w.answerQuote(map[string]any{"metadata": map[string]string{key: "client"}}))
		wantProblem(t, w.pay(session, "1001"), 502, "quote_invalid")
	}
}

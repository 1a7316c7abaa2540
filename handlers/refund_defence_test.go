package handlers

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// A refund of what is not paid is refused here: Ping++ is not asked for it.
func TestRefundOfWhatIsNotPaidStaysHere(t *testing.T) {
	w := newWorld(t)
	id, _ := w.created(w.session(payer), "1001")
	wantProblem(t, w.merchant("POST", "/pay/refunds", `{"charge":"`+id+`","refund_no":"R1","description":"d"}`), 409, "charge_not_paid")
	if n := w.calls("create_refund"); n != 0 {
		t.Errorf("Ping++ was asked %d times", n)
	}
}

// Of an order that was paid twice nobody can tell which payment is meant: both are named, and nothing moves.
func TestRefundOfAnOrderPaidTwice(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	first, _ := w.created(session, "1001")
	w.setQuote(w.answerQuote(map[string]any{"subject": "黑茶"}))
	second, _ := w.created(session, "1001")
	for _, id := range []string{second, first} {
		if a := w.webhook(w.payEvent(id)); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	a := w.refunding("1001", "R1", 0)
	wantProblem(t, a, 400, "refund_invalid")
	if body := string(a.body); !strings.Contains(body, first) || !strings.Contains(body, second) || a.text("field") != "order_no" {
		t.Errorf("%s", body)
	}
	if n := w.calls("create_refund"); n != 0 {
		t.Errorf("Ping++ was asked %d times", n)
	}
	if a := w.merchant("POST", "/pay/refunds", `{"charge":"`+first+`","refund_no":"R1","description":"d"}`); a.status != http.StatusCreated || a.text("charge") != first {
		t.Errorf("of one of them: %d %s", a.status, a.body)
	}
}

// gone is a ledger in which the first look at a refund finds a record that is dropped right after.
type gone struct {
	ledger.Ledger
	looked atomic.Bool
	record ledger.Refund
}

func (g *gone) Refund(ctx context.Context, s ledger.Scope, refundNo string) (*ledger.Refund, error) {
	if g.looked.CompareAndSwap(false, true) {
		re := g.record
		return &re, nil
	}
	return g.Ledger.Refund(ctx, s, refundNo)
}

// Whoever asked for the same refund first was refused, and the record of that went while this one waited for it: it is made as a new one.
func TestRefundWhoseRecordWent(t *testing.T) {
	w := newWorld(t)
	charge := w.paidOrder("1001")
	g := &gone{Ledger: w.ledger, record: ledger.Refund{Scope: w.config.Scope, RefundNo: "R1", ChargeID: charge, OrderNo: "1001", Amount: 5, Description: "退货", State: ledger.RefundAsked}}
	w.set(func(c *Config) { c.Ledger = func(context.Context) (ledger.Ledger, error) { return g, nil } })
	a := w.refunding("1001", "R1", 5)
	if a.status != http.StatusCreated || a.text("refund_no") != "R1" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if !g.looked.Load() || len(w.refundsAt(charge)) != 1 {
		t.Errorf("%d refunds", len(w.refundsAt(charge)))
	}
}

package adminapi

import (
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// An order that was paid twice has brought both amounts: a list that told of one would lack money in the books.
func TestOrdersTellAllThatWasPaid(t *testing.T) {
	attempt := func(paid bool, amount, back int64, currency string) ledger.Charge {
		return ledger.Charge{Paid: paid, Amount: amount, AmountRefunded: back, Currency: currency}
	}
	attempts := []ledger.Charge{attempt(true, 1250, 0, "cny"), attempt(false, 800, 0, "cny"), attempt(true, 990, 990, "cny"), attempt(true, 70, 0, "usd")}
	if paid, refunded := sums(attempts, &attempts[2]); paid != 2240 || refunded != 990 {
		t.Errorf("paid %d, refunded %d", paid, refunded)
	}
	if paid, refunded := sums(attempts[1:2], &attempts[1]); paid != 0 || refunded != 0 {
		t.Errorf("unpaid: %d, %d", paid, refunded)
	}
}

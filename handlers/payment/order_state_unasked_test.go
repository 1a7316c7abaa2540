package payment

import (
	"context"
	"testing"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/session"
)

// unasked is a ledger that has no word of the backend on record.
type unasked struct{ ledger.Ledger }

func (l unasked) Order(ctx context.Context, s ledger.Scope, orderNo string) (*ledger.Life, error) {
	life, err := l.Ledger.Order(ctx, s, orderNo)
	if life != nil {
		life.Quote = nil
	}
	return life, err
}

// An order of which no word of the backend is on record is not closed: it is unpaid while nobody has paid it.
func TestOrderStateNobodyAsked(t *testing.T) {
	s := newCounter(t)
	id := s.must("order1", payerA).ID
	s.l = unasked{s.l}
	s.wantState("begun", s.token(session.WxLite, payerA), "order1", orderUnpaid, id)
}

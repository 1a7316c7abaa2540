package relay

import (
	"errors"
	"testing"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

// Only refunds of the same amount whose outcome is not known can be what lies at Ping++ without a number: what came to nothing explains nothing.
func TestRefundMatchCountsLostOnes(t *testing.T) {
	re := &ledger.Refund{RefundNo: "R1", ChargeID: "ch_1", Amount: 300, State: ledger.RefundAsked}
	for name, c := range map[string]struct {
		other ledger.Refund
		lost  int
	}{
		"one that was lost too":      {ledger.Refund{RefundNo: "R2", ChargeID: "ch_1", Amount: 300, State: ledger.RefundAsked}, 2},
		"one that was refused":       {ledger.Refund{RefundNo: "R2", ChargeID: "ch_1", Amount: 300, State: ledger.RefundFailed}, 1},
		"one of another amount":      {ledger.Refund{RefundNo: "R2", ChargeID: "ch_1", Amount: 301, State: ledger.RefundAsked}, 1},
		"one that has been answered": {ledger.Refund{RefundNo: "R2", ChargeID: "ch_1", Amount: 300, State: ledger.RefundPending, ID: "re_2"}, 1},
	} {
		if m := newRefundMatch(re, []ledger.Refund{c.other, *re}); m.lost != c.lost {
			t.Errorf("%s: %d may be lost, want %d", name, m.lost, c.lost)
		}
	}
}

// A fresh refund that Ping++ has under its number already is recorded, and not made; one of another amount, and one that cannot be looked for, leave no
// record.
func TestFindRefund(t *testing.T) {
	for name, c := range map[string]struct {
		there int64 // at Ping++, of 300 fen that are asked for; 0: nothing
		fault bool
		made  bool
		want  error
		kept  bool
	}{
		"there":             {there: 300, made: true, kept: true},
		"of another amount": {there: 301, want: ledger.ErrRefundDiffers},
		"not there":         {kept: true},
		"nobody can tell":   {fault: true, want: errAny},
	} {
		t.Run(name, func(t *testing.T) {
			p, l := newProvider(t), newLedger(t)
			r := p.reconciler(l, zap.NewNop())
			id := p.paidCharge(l, r, "1001")
			p.fault("refund", "stuck", 1)
			var made *pingpp.Refund
			if c.there > 0 {
				var err error
				if made, err = p.client.CreateRefund(t.Context(), id, &pingpp.RefundParams{Amount: c.there, Description: "d", Metadata: map[string]any{metaRefundNo: "R1"}}); err != nil {
					t.Fatal(err)
				}
			}
			if c.fault {
				p.fault("list_refunds", "502", 9)
			}
			now := p.clock.Now()
			re, _, err := l.ReserveRefund(t.Context(), ledger.RefundReservation{Scope: p.scope, RefundNo: "R1", ChargeID: id, OrderNo: "1001", Amount: 300, Description: "d",
				Paid: 1000, Owner: "a", Now: now, Until: now.Add(RefundLease)})
			if err != nil {
				t.Fatal(err)
			}
			found, err := r.FindRefund(t.Context(), l, re, ledger.RefundLease{Scope: p.scope, RefundNo: "R1", Owner: "a"})
			if found != c.made || (err == nil) != (c.want == nil) || c.want != nil && !errors.Is(c.want, errAny) && !errors.Is(err, c.want) {
				t.Fatalf("found %t, %v", found, err)
			}
			got, err := l.Refund(t.Context(), p.scope, "R1")
			if c.kept != (err == nil) {
				t.Fatalf("recorded: %+v, %v", got, err)
			}
			if c.made && got.ID != made.ID {
				t.Errorf("recorded as %s, and it is %s", got.ID, made.ID)
			}
		})
	}
}

var errAny = errors.New("any")

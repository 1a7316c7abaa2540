package refunds_test

import (
	"errors"
	"testing"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/refunds"
	"github.com/caddypay/caddypay/relay/relaytest"
)

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
			p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
			r := p.Reconciler(l, zap.NewNop())
			id := p.PaidCharge(l, r, "1001")
			p.Fault("refund", "stuck", 1)
			var made *pingpp.Refund
			if c.there > 0 {
				var err error
				if made, err = p.Client.CreateRefund(t.Context(), id, &pingpp.RefundParams{Amount: c.there, Description: "d", Metadata: map[string]any{intake.MetaRefundNo: "R1"}}); err != nil {
					t.Fatal(err)
				}
			}
			if c.fault {
				p.Fault("list_refunds", "502", 9)
			}
			now := p.Clock.Now()
			re, _, err := l.ReserveRefund(t.Context(), ledger.RefundReservation{Scope: p.Scope, RefundNo: "R1", ChargeID: id, OrderNo: "1001", Amount: 300, Description: "d",
				Paid: 1000, Owner: "a", Now: now, Until: now.Add(refunds.Lease)})
			if err != nil {
				t.Fatal(err)
			}
			found, err := r.Refunds.Find(t.Context(), l, re, ledger.RefundLease{Scope: p.Scope, RefundNo: "R1", Owner: "a"})
			if found != c.made || (err == nil) != (c.want == nil) || c.want != nil && !errors.Is(c.want, errAny) && !errors.Is(err, c.want) {
				t.Fatalf("found %t, %v", found, err)
			}
			got, err := l.Refund(t.Context(), p.Scope, "R1")
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

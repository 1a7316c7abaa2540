package nightly_test

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// What was refunded in the dashboard while no webhook came is learned whenever that was, and whenever its charge was made: the night after.
func TestRefundOfAnEarlierDay(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	pay := func(at time.Time, orderNo string) (id string) {
		p.Clock.Set(at)
		id = p.Charge(l, orderNo, 100).ID
		p.PaidEverywhere(r, l, id)
		return id
	}
	old := pay(inNovember(18, 9, 0), "old")
	other := pay(inNovember(19, 9, 0), "other")
	foreign := p.Made(p.Client, "elsewhere", "", 100).ID // and a charge that is none of ours
	p.Pay(foreign)
	pay(inNovember(19, 10, 0), "kept")
	p.Clock.Set(inNovember(21, 9, 0))
	compared(p, p.Reconciler(l, zap.NewNop()).Nights)
	for _, id := range []string{old, other, foreign} {
		p.Refunded(id, 30)
	}
	p.Refunded(other, 70)
	var out relaytest.Logs
	p.Clock.Set(inNovember(22, 9, 0))
	p.Fault("list_refunds", "500", 3)
	compared(p, p.Reconciler(l, out.Logger()).Nights) // the day is compared all the same, and the next night sees to the rest
	if text := out.String(); !strings.Contains(text, "could not all be compared") || !strings.Contains(text, `"date":"2026-11-21"`) || p.Known(l, other).AmountRefunded != 0 {
		t.Error(text)
	}
	p.Clock.Set(inNovember(23, 9, 0))
	compared(p, p.Reconciler(l, out.Logger()).Nights)
	if a, b := p.Known(l, old).AmountRefunded, p.Known(l, other).AmountRefunded; a != 30 || b != 100 {
		t.Errorf("refunded %d and %d\n%s", a, b, out.String())
	}
	p.WantRecorded(l, "a part", "old", "charge.succeeded pending", "refund.succeeded pending")
	p.WantRecorded(l, "all", "other", "charge.succeeded pending", "refund.succeeded pending", "refund.succeeded pending")
	p.WantRecorded(l, "not refunded", "kept", "charge.succeeded pending")
	p.Clock.Set(inNovember(24, 9, 0))
	lists := p.State(0).Calls["list_refunds"]
	compared(p, p.Reconciler(l, zap.NewNop()).Nights)
	if n := p.State(0).Calls["list_refunds"] - lists; n != 0 {
		t.Errorf("what is known is asked for again, %d times", n)
	}
}

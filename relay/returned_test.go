package relay

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

// What was refunded in the dashboard while no webhook came is learned whenever that was, and whenever its charge was made: the night after.
func TestRefundOfAnEarlierDay(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	pay := func(at time.Time, orderNo string) (id string) {
		p.clock.Set(at)
		id = p.charge(l, orderNo, 100).ID
		p.paidEverywhere(r, l, id)
		return id
	}
	old := pay(inNovember(18, 9, 0), "old")
	other := pay(inNovember(19, 9, 0), "other")
	foreign := p.made(p.client, "elsewhere", "", 100).ID // and a charge that is none of ours
	p.pay(foreign)
	pay(inNovember(19, 10, 0), "kept")
	p.clock.Set(inNovember(21, 9, 0))
	p.compared(p.nightlyOf(l, zap.NewNop()))
	for _, id := range []string{old, other, foreign} {
		p.refunded(id, 30)
	}
	p.refunded(other, 70)
	var out logs
	p.clock.Set(inNovember(22, 9, 0))
	p.fault("list_refunds", "500", 3)
	p.compared(p.nightlyOf(l, out.logger())) // the day is compared all the same, and the next night sees to the rest
	if text := out.String(); !strings.Contains(text, "could not all be compared") || !strings.Contains(text, `"date":"2026-11-21"`) || p.known(l, other).AmountRefunded != 0 {
		t.Error(text)
	}
	p.clock.Set(inNovember(23, 9, 0))
	p.compared(p.nightlyOf(l, out.logger()))
	if a, b := p.known(l, old).AmountRefunded, p.known(l, other).AmountRefunded; a != 30 || b != 100 {
		t.Errorf("refunded %d and %d\n%s", a, b, out.String())
	}
	p.wantRecorded(l, "a part", "old", "charge.succeeded pending", "refund.succeeded pending")
	p.wantRecorded(l, "all", "other", "charge.succeeded pending", "refund.succeeded pending", "refund.succeeded pending")
	p.wantRecorded(l, "not refunded", "kept", "charge.succeeded pending")
	p.clock.Set(inNovember(24, 9, 0))
	lists := p.State(0).Calls["list_refunds"]
	p.compared(p.nightlyOf(l, zap.NewNop()))
	if n := p.State(0).Calls["list_refunds"] - lists; n != 0 {
		t.Errorf("what is known is asked for again, %d times", n)
	}
}

package intake

import (
	"context"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// How a refund ended is said once, when it is new, and why where it failed.
func TestRefundsAreSaid(t *testing.T) {
	var logs relaytest.Logs
	in := &Intake{Logger: logs.Logger()}
	back := &ledger.RefundChange{RefundNo: "R-1", ID: "re_1", Amount: 30, State: ledger.RefundSucceeded}
	failed := &ledger.RefundChange{RefundNo: "R-1", ID: "re_1", Amount: 30, State: ledger.RefundFailed, FailureCode: "NOTENOUGH", FailureMsg: "the balance is too low"}
	for name, c := range map[string]struct {
		did    ledger.Appended
		refund *ledger.RefundChange
		want   []string // parts of the line; nil: there is none
	}{
		"succeeded":    {ledger.Recorded, back, []string{`"level":"info"`, `"msg":"refund succeeded"`, `"order_no":"o1"`, `"charge":"ch_1"`, `"refund_no":"R-1"`, `"refund":"re_1"`, `"amount":30`}},
		"failed":       {ledger.Recorded, failed, []string{`"level":"warn"`, `"msg":"refund failed"`, `"why":"NOTENOUGH the balance is too low"`}},
		"once more":    {ledger.Duplicate, back, nil},
		"no refund":    {ledger.Recorded, nil, nil},
		"of no effect": {ledger.SameEffect, failed, nil},
	} {
		logs.Lines.Reset()
		in.refunded(c.did, &ledger.Event{ID: "evt_1", OrderNo: "o1", ChargeID: "ch_1", Refund: c.refund})
		line := logs.String()
		for _, part := range c.want {
			if !strings.Contains(line, part) {
				t.Errorf("%s: %s lacks %s", name, line, part)
			}
		}
		if (line != "") != (c.want != nil) || strings.Contains(line, `"why"`) != (name == "failed") {
			t.Errorf("%s: %s", name, line)
		}
	}
	(&Intake{}).refunded(ledger.Recorded, &ledger.Event{Refund: back}) // nobody reads what is said
}

// Whoever accepts a refund's event has it said.
func TestAcceptedRefundIsSaid(t *testing.T) {
	l, c := relaytest.NewLedger(t), relaytest.NewClock()
	var logs relaytest.Logs
	in := &Intake{Scope: relaytest.Scope, Now: c.Now, Logger: logs.Logger(), Ledger: func(context.Context) (ledger.Ledger, error) { return l, nil }}
	ev := &pingpp.Event{ID: "evt_1", Type: "refund.succeeded", ObjectID: "re_1", ChargeID: "ch_1", Raw: []byte(`{}`),
		Refund: &pingpp.Refund{ID: "re_1", OrderNo: "R-1", Amount: 30, Succeed: true, Status: "succeeded"}}
	for range 2 { // the second time it is known
		if _, err := in.Accept(t.Context(), Arrival{Event: ev, OrderNo: "o1", Source: ledger.Webhook}); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(logs.String(), "refund succeeded"); n != 1 {
		t.Errorf("said %d times: %s", n, logs.String())
	}
}

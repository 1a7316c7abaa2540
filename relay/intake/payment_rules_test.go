package intake

import (
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

// What the money checks look at, and what a refund's event says of it: of events about a payment or a refund, when each was made.
func TestWhatIsCompared(t *testing.T) {
	charge := func(paid bool, at int64) *pingpp.Charge {
		return &pingpp.Charge{Paid: paid, Amount: 5, Currency: "cny", TimePaid: at, TransactionNo: "t1", Reversed: true}
	}
	for name, c := range map[string]struct {
		ev   pingpp.Event
		want *ledger.Payment
	}{
		"a payment":                {pingpp.Event{Type: "charge.succeeded", Created: 9, Charge: charge(true, 7)}, &ledger.Payment{Amount: 5, Currency: "cny", Time: time.Unix(7, 0), TransactionNo: "t1"}},
		"when it was paid unknown": {pingpp.Event{Type: "charge.succeeded", Created: 9, Charge: charge(true, 0)}, &ledger.Payment{Amount: 5, Currency: "cny", Time: time.Unix(9, 0), TransactionNo: "t1"}},
		"says it is not paid":      {pingpp.Event{Type: "charge.succeeded", Charge: charge(false, 7)}, &ledger.Payment{Amount: 5, Currency: "cny", Time: time.Unix(7, 0), TransactionNo: "t1"}},
		"no charge":                {pingpp.Event{Type: "charge.succeeded"}, nil},
		"another type":             {pingpp.Event{Type: "charge.expired", Charge: charge(true, 7)}, nil},
	} {
		if got := payment(&c.ev); (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := change(&pingpp.Event{Type: "charge.succeeded", Created: 9, Charge: charge(true, 0)}); !got.Paid || !got.Reversed || !got.TimePaid.Equal(time.Unix(9, 0)) {
		t.Errorf("%+v", got)
	}

	refund := func(succeed bool, status string, at int64) *pingpp.Refund {
		return &pingpp.Refund{ID: "re_1", Amount: 3, Succeed: succeed, Status: status, TimeSucceeded: at, FailureCode: "c", FailureMsg: "m", Metadata: map[string]string{MetaRefundNo: "R1"}}
	}
	succeeded := func(at int64) *ledger.RefundChange {
		return &ledger.RefundChange{ID: "re_1", RefundNo: "R1", Amount: 3, State: ledger.RefundSucceeded, TimeSucceeded: time.Unix(at, 0), FailureCode: "c", FailureMsg: "m"}
	}
	for name, c := range map[string]struct {
		ev   pingpp.Event
		want *ledger.RefundChange
	}{
		"succeeded":            {pingpp.Event{Type: "refund.succeeded", Created: 9, Refund: refund(true, "succeeded", 8)}, succeeded(8)},
		"by its status alone":  {pingpp.Event{Type: "refund.succeeded", Created: 9, Refund: refund(false, "succeeded", 0)}, succeeded(9)},
		"by its flag alone":    {pingpp.Event{Type: "refund.succeeded", Created: 9, Refund: refund(true, "pending", 8)}, succeeded(8)},
		"by its type alone":    {pingpp.Event{Type: "refund.succeeded", Created: 9, Refund: refund(false, "pending", 8)}, nil},
		"failed":               {pingpp.Event{Type: "refund.failed", Created: 9, Refund: refund(false, "failed", 0)}, &ledger.RefundChange{ID: "re_1", RefundNo: "R1", Amount: 3, State: ledger.RefundFailed, FailureCode: "c", FailureMsg: "m"}},
		"of another type":      {pingpp.Event{Type: "refund.created", Created: 9, Refund: refund(true, "succeeded", 8)}, nil},
		"about something else": {pingpp.Event{Type: "refund.succeeded", Created: 9}, nil},
	} {
		if got := refundChange(&c.ev); (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// The events that we make of what Ping++ answers can be read as its own are, and say the same.
func TestMadeEvents(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	charge := func(at int64) *pingpp.Charge {
		return &pingpp.Charge{ID: "ch_1", OrderNo: "n1", App: "app_1", Livemode: true, TimePaid: at, Raw: []byte(`{"id":"ch_1","object":"charge"}`)}
	}
	refund := func(succeed bool, at int64) *pingpp.Refund {
		return &pingpp.Refund{ID: "re_1", ChargeID: "ch_1", OrderNo: "n1", Succeed: succeed, TimeSucceeded: at, Raw: []byte(`{"id":"re_1","object":"refund"}`)}
	}
	asked := &ledger.Refund{RefundNo: "R1", ChargeID: "ch_1", Amount: 3, Description: "d", Created: now.Add(-time.Hour), FundingSource: "unsettled_funds"}
	for name, c := range map[string]struct {
		ev       *pingpp.Event
		id, typ  string
		objectID string
		created  int64
		raw      string // of the object; empty: not compared
	}{
		"a payment":             {paidEvent(charge(7), now), "evt_q_ch_1_charge_succeeded", "charge.succeeded", "ch_1", 7, `{"id":"ch_1","object":"charge"}`},
		"a payment at no time":  {paidEvent(charge(0), now), "evt_q_ch_1_charge_succeeded", "charge.succeeded", "ch_1", now.Unix(), `{"id":"ch_1","object":"charge"}`},
		"a refund":              {refundEvent(refund(true, 8), true, now), "evt_q_re_1_refund_succeeded", "refund.succeeded", "re_1", 8, `{"id":"re_1","object":"refund"}`},
		"a refund at no time":   {refundEvent(refund(true, 0), true, now), "evt_q_re_1_refund_succeeded", "refund.succeeded", "re_1", now.Unix(), `{"id":"re_1","object":"refund"}`},
		"a refund that failed":  {refundEvent(refund(false, 8), true, now), "evt_q_re_1_refund_failed", "refund.failed", "re_1", now.Unix(), `{"id":"re_1","object":"refund"}`},
		"one that was not made": {refusedEvent(asked, "code", "why", true, now), "evt_q_ch_1_R1_refund_failed", "refund.failed", "R1", now.Unix(), ""},
	} {
		ev := c.ev
		if ev.ID != c.id || ev.Type != c.typ || ev.ObjectID != c.objectID || ev.Created != c.created || !ev.Livemode || ev.ChargeID != "ch_1" {
			t.Errorf("%s: %+v", name, ev)
		}
		read, err := pingpp.ParseEvent(ev.Raw)
		if err != nil || read.ID != c.id || read.Type != c.typ || read.Created != c.created || !read.Livemode || string(read.Object) != string(ev.Object) || c.raw != "" && string(ev.Object) != c.raw {
			t.Errorf("%s: %s, %v", name, ev.Raw, err)
		}
	}
	ev := refusedEvent(asked, "code", "why", false, now)
	read, err := pingpp.ParseEvent(ev.Raw)
	if err != nil || ev.Livemode || read.Livemode || read.ObjectType != "refund" || ev.ObjectType != "refund" {
		t.Fatalf("%+v, %v", read, err)
	}
	re := ev.Refund
	if re.ChargeID != "ch_1" || re.Status != "failed" || re.Succeed || re.Amount != 3 || re.Created != asked.Created.Unix() || re.FailureCode != "code" || re.FailureMsg != "why" || re.Metadata[MetaRefundNo] != "R1" {
		t.Errorf("%+v", re)
	}
	for _, member := range []string{`"id":null`, `"object":"refund"`, `"amount":3`, `"created":1789996400`, `"succeed":false`, `"status":"failed"`, `"time_succeed":null`, `"description":"d"`,
		`"failure_code":"code"`, `"failure_msg":"why"`, `"metadata":{"pay_refund_no":"R1"}`, `"charge":"ch_1"`, `"funding_source":"unsettled_funds"`} {
		if !strings.Contains(string(ev.Object), member) {
			t.Errorf("%s lacks %s", ev.Object, member)
		}
	}
	asked.FundingSource = ""
	if ev := refusedEvent(asked, "code", "why", false, now); strings.Contains(string(ev.Object), "funding_source") {
		t.Errorf("%s", ev.Object)
	}
	if ev := paidEvent(charge(7), now); ev.ObjectType != "charge" || ev.App != "app_1" || ev.OrderNo != "n1" || ev.Charge == nil {
		t.Errorf("%+v", ev)
	}
	if ev := refundEvent(refund(true, 8), true, now); ev.ObjectType != "refund" || ev.OrderNo != "n1" || ev.Refund == nil {
		t.Errorf("%+v", ev)
	}
}

package command

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/relay/nightly"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.Local)

// zoneless puts a name in place of the zone that this test runs in.
func zoneless(text string) string { return strings.ReplaceAll(text, noon.Format(" -07:00"), " +ZO:NE") }

func TestPrintEvents(t *testing.T) {
	page := adminapi.EventPage{Events: []adminapi.EventView{
		{Seq: 44, ID: "evt_4", Type: "charge.succeeded", OrderNo: "20260101001", Mode: "live", State: "held", Reasons: []string{"amount", "paid_twice"}, Received: noon},
		{Seq: 43, ID: "evt_30", Type: "refund.succeeded", OrderNo: "20260101002", Mode: "test", State: "pending", Attempts: 12, Received: noon.Add(-time.Hour), Due: noon.Add(90 * time.Second)},
		{Seq: 42, ID: "evt_2", Type: "charge.succeeded", OrderNo: "1", Mode: "test", State: "pending", Received: noon, Due: noon},
		{Seq: 41, ID: "evt_1", Type: "summary.daily.available", Mode: "live", State: "filtered", Reasons: []string{"type"}, Received: noon},
	}}
	var out bytes.Buffer
	printEvents(&out, page, noon)
	const want = `RECEIVED                    EVENT   TYPE                     ORDER        MODE  STATE                      TRIES  NEXT
2026-11-22 12:00:00 +ZO:NE  evt_4   charge.succeeded         20260101001  live  held (amount, paid_twice)  0      -
2026-11-22 11:00:00 +ZO:NE  evt_30  refund.succeeded         20260101002  test  pending                    12     in 1m30s
2026-11-22 12:00:00 +ZO:NE  evt_2   charge.succeeded         1            test  pending                    0      now
2026-11-22 12:00:00 +ZO:NE  evt_1   summary.daily.available  -            live  filtered (type)            0      -
`
	if got := zoneless(out.String()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	out.Reset()
	printEvents(&out, adminapi.EventPage{}, noon)
	if out.String() != "No events.\n" {
		t.Error(out.String())
	}
}

func TestPrintEvent(t *testing.T) {
	var out bytes.Buffer
	printEvent(&out, adminapi.EventWhole{
		EventView: adminapi.EventView{ID: "evt_1", App: "app_1", Mode: "live", Type: "charge.succeeded", OrderNo: "1001", Charge: "ch_1", Source: "query", State: "delivered",
			Reasons: []string{"amount"}, Late: "expired", Attempts: 2, Received: noon, Settled: noon.Add(6 * time.Second)},
		Host: "shop.example.com", Body: `{"id":"evt_1"}`,
		Payment: &adminapi.PaymentView{Paid: 1999, PaidCurrency: "cny", Expected: 2099, ExpectedCurrency: "cny", AlsoPaidBy: []string{"ch_0"}},
		Deliveries: []adminapi.DeliveryView{
			{Attempt: 1, At: noon, MS: 1.25, Status: 302, State: "pending", Error: "your backend answered 302 to /login", Snippet: "Moved", Due: noon.Add(5 * time.Second)},
			{Attempt: 2, At: noon.Add(5 * time.Second), MS: 1000, Status: 200, State: "delivered", Snippet: strings.Repeat("好", 41)},
		},
	})
	const want = `event         evt_1
type          charge.succeeded
order         1001
charge        ch_1
app           app_1, live
source        query
host          shop.example.com
state         delivered
reasons       amount
late          expired
paid          ¥19.99 cny
expected      ¥20.99 cny
also paid by  ch_0
received      2026-11-22 12:00:00 +ZO:NE
settled       2026-11-22 12:00:06 +ZO:NE

ATTEMPT  AT                          TOOK       STATUS  BECAME     WHY                                  ANSWER
1        2026-11-22 12:00:00 +ZO:NE  1.2 ms     302     pending    your backend answered 302 to /login  Moved
2        2026-11-22 12:00:05 +ZO:NE  1000.0 ms  200     delivered  -                                    好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好…

The last answer begins: 好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好

{"id":"evt_1"}
`
	if got := zoneless(out.String()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What SQLite found stands line by line, and nothing of it is an escape sequence.
func TestPrintCheck(t *testing.T) {
	var out bytes.Buffer
	printCheck(&out, &adminapi.LedgerCheck{File: "ledger.db", Faults: []string{"*** in database main ***\nTree 2 page 2: broken\x1b[2J", "events: 1 of 2 is missing"}})
	const want = "*** in database main ***\nTree 2 page 2: broken\\u001b[2J\nevents: 1 of 2 is missing\n"
	if out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

func TestPrintSweeps(t *testing.T) {
	views := []adminapi.SweepView{
		{App: "app_1", Mode: "live", Sweep: &nightly.Sweep{Date: "2026-11-22", AtPingpp: 3, InLedger: 3, Recovered: 1,
			OnlyThere: []nightly.Item{{Charge: "ch_1", OrderNo: "1001", Amount: 1999, Paid: true}},
			OnlyHere:  []nightly.Item{{Charge: "ch_20", OrderNo: "2", Amount: 5}},
			Differ:    []nightly.Item{{Charge: "ch_3", OrderNo: "3", Amount: 100, Paid: true, What: "refunded 0 here, 30 at Ping++"}}}},
		{App: "app_1", Mode: "test", Sweep: &nightly.Sweep{Date: "2026-11-22"}},
	}
	var out bytes.Buffer
	printSweeps(&out, views)
	const want = `app_1, live mode, 2026-11-22: 3 charges at Ping++, 3 in the ledger, 1 payments recovered
  only at Ping++      ch_1   1001  ¥19.99  paid    
  only in the ledger  ch_20  2     ¥0.05   unpaid  
  differ              ch_3   3     ¥1.00   paid    refunded 0 here, 30 at Ping++
app_1, test mode, 2026-11-22: 0 charges at Ping++, 0 in the ledger, 0 payments recovered
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
	if err := differences(views); err == nil || err.Error() != "the two sides differ in 3 charges" {
		t.Error(err)
	}
	if err := differences(views[1:]); err != nil {
		t.Error(err)
	}
	out.Reset()
	printSweeps(&out, []adminapi.SweepView{{App: "app_2", Mode: "live", Sweep: &nightly.Sweep{Date: "2026-11-22", Cut: true}}})
	if !strings.Contains(out.String(), "not compared whole") {
		t.Errorf("a comparison that was cut:\n%s", out.String())
	}
	if err := differences([]adminapi.SweepView{{Sweep: &nightly.Sweep{Cut: true}}}); err == nil || !strings.Contains(err.Error(), "the day was not compared whole") {
		t.Error(err)
	}
}

package adminapi

import (
	"encoding/json"
	"testing"
	"time"
)

// The names of what pages, commands and scripts read of orders, figures and decisions.
func TestDeskJSONIsStable(t *testing.T) {
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	const when = `"2026-11-26T12:00:00Z"`
	charge := ChargeView{App: "a", Mode: "live", OrderNo: "o", Number: "n", ID: "ch_1", Status: "paid", Channel: "wx_lite", Payer: "oAbcde…", LoggedIn: at, Amount: 5, Currency: "cny", Refunded: 1,
		Created: at, Expires: at, Paid: at, TransactionNo: "4200", Said: "success", SaidAt: at, Queries: 2, NextQuery: at}
	const chargeJSON = `{"app":"a","mode":"live","order_no":"o","number":"n","id":"ch_1","status":"paid","foreign":false,"channel":"wx_lite","payer":"oAbcde…","logged_in":` + when + `,"amount":5,"currency":"cny","refunded":1,"created":` +
		when + `,"expires":` + when + `,"paid":` + when + `,"transaction_no":"4200","superseded":false,"said":"success","said_at":` + when + `,"queries":2,"next_query":` + when + `}`
	pause := PauseView{App: "a", Mode: "live", Since: at, By: "b", Said: "s", Reason: "r"}
	const pauseJSON = `{"app":"a","mode":"live","since":` + when + `,"by":"b","said":"s","reason":"r"}`
	refund := RefundView{App: "a", Mode: "live", RefundNo: "R1", ID: "re_1", OrderNo: "o", Charge: "ch_1", State: "pending", Amount: 5, Description: "d", FailureCode: "c", FailureMsg: "m",
		Unclear: "ambiguous", Created: at, Succeeded: at, NextQuery: at}
	const refundJSON = `{"app":"a","mode":"live","refund_no":"R1","id":"re_1","order_no":"o","charge":"ch_1","state":"pending","amount":5,"description":"d","failure_code":"c","failure_msg":"m","unclear":"ambiguous","created":` +
		when + `,"succeeded":` + when + `,"next_query":` + when + `}`
	decided := AuditView{Seq: 1, At: at, App: "a", Mode: "live", Action: "replay", Event: "e", OrderNo: "o", Was: "dead", By: "b", Said: "s", Reason: "r", Run: "run_1"}
	const decidedJSON = `{"seq":1,"at":` + when + `,"app":"a","mode":"live","action":"replay","event":"e","order_no":"o","was":"dead","by":"b","said":"s","reason":"r","run":"run_1"}`
	entry := Entry{At: at, Kind: "next", Ahead: true, Text: "t", Charge: "ch_1", Event: "e", Refund: "R1", Amount: 5}
	const entryJSON = `{"at":` + when + `,"kind":"next","ahead":true,"text":"t","charge":"ch_1","event":"e","refund":"R1","amount":5}`
	for want, v := range map[string]any{
		`{"charges":[` + chargeJSON + `],"next":"n","paused":[` + pauseJSON + `]}`: ChargePage{[]ChargeView{charge}, Listing{"n", []PauseView{pause}}},
		`{"orders":[{"app":"a","mode":"live","order_no":"o","status":"paid","created":` + when + `,"attempts":2,"paid":7,"refunded":3,"charge":` + chargeJSON + `}]}`: OrderPage{
			Orders: []OrderView{{App: "a", Mode: "live", OrderNo: "o", Status: "paid", Created: at, Attempts: 2, Paid: 7, Refunded: 3, Charge: charge}}},
		`{"refunds":[` + refundJSON + `]}`:                                                                        RefundPage{Refunds: []RefundView{refund}},
		`{"decisions":[` + decidedJSON + `]}`:                                                                     AuditPage{Decisions: []AuditView{decided}},
		`{"app":"a","mode":"live","kind":"charge","id":"ch_1","order_no":"o"}`:                                    Found{"a", "live", "charge", "ch_1", "o"},
		`{"ready":true,"ledger":"f","scopes":[{"app":"a","mode":"live","pending":3,"paused":` + pauseJSON + `}]}`: Health{Ready: true, Ledger: "f", Scopes: []ScopeHealth{{"a", "live", 3, &pause}}},
		`{"app":"a","mode":"live","events":{"dead":1},"at_risk":5,"at_risk_events":1,"oldest_at_risk":` + when + `,"oldest_pending":` + when + `,"next_attempt":` + when + `,"swept":` + when +
			`,"paused":` + pauseJSON + `,"bytes":7,"wal_bytes":8}`: ScopeFigures{App: "a", Mode: "live", Events: map[string]int64{"dead": 1}, AtRisk: 5, AtRiskEvents: 1, OldestAtRisk: at,
			OldestPending: at, NextAttempt: at, Swept: at, Paused: &pause, Bytes: 7, WALBytes: 8},
		`{"app":"a","mode":"live","at":` + when + `,"charges":1,"webhook":2,"query":3,"paid":4,"refunded":5}`: HourView{"a", "live", at, 1, 2, 3, 4, 5},
		`{"app":"a","mode":"live","order_no":"o","status":"paid","quote":{"at":` + when + `,"amount":5,"currency":"cny","closed":false},"charges":[],"refunds":[],"events":[],"timeline":[` +
			entryJSON + `],"now":` + when + `}`: OrderLife{App: "a", Mode: "live", OrderNo: "o", Status: "paid", Quote: &QuoteView{At: at, Amount: 5, Currency: "cny"}, Charges: []ChargeView{},
			Refunds: []RefundView{}, Events: []ToldView{}, Timeline: []Entry{entry}, Now: at},
	} {
		if got := string(must(json.Marshal(v))); got != want {
			t.Errorf("%T is\n%s\nwant\n%s", v, got, want)
		}
	}
}

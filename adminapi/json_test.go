package adminapi

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/caddypay/caddypay/relay/nightly"
)

// Scripts and pages read these names: a change of one is a change of the product.
func TestJSONIsStable(t *testing.T) {
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	event := EventView{Seq: 1, ID: "e", App: "a", Mode: "live", Type: "t", OrderNo: "o", Charge: "c", Source: "webhook", State: "held", Reasons: []string{"amount"}, Late: "closed",
		Attempts: 2, Created: at, Received: at, Due: at, Settled: at}
	preview := Preview{Intent: Intent{Action: "replay", States: []string{"dead"}, OrderNo: "o", Type: "t", Since: "s", Through: 3, App: "a", Mode: "live", Again: true, Rate: 50, Said: "m", Reason: "r"},
		Matched: 4, Eligible: 3, Amount: 2, Refunded: 1, Repeated: 1, Not: []Ineligible{{Code: "held", State: "held", Why: "w", Count: 1, Events: []string{"e"}}}}
	for want, v := range map[string]any{
		`{"seq":1,"id":"e","app":"a","mode":"live","type":"t","order_no":"o","charge":"c","source":"webhook","state":"held","reasons":["amount"],"late":"closed","attempts":2,"created":"2026-11-26T12:00:00Z","received":"2026-11-26T12:00:00Z","due":"2026-11-26T12:00:00Z","settled":"2026-11-26T12:00:00Z"}`: event,
		`{"events":[],"why":"w","next":"7"}`: EventPage{Events: []EventView{}, Why: "w", Listing: Listing{Next: "7"}},
		`{"seq":0,"id":"","app":"","mode":"","type":"","order_no":"","charge":"","source":"","state":"","attempts":0,"created":"0001-01-01T00:00:00Z","received":"0001-01-01T00:00:00Z","host":"h","signature":"s","body":"b","deliveries":[{"attempt":1,"at":"2026-11-26T12:00:00Z","ms":1.5,"status":500,"state":"dead","error":"x","snippet":"y","due":"2026-11-26T12:00:00Z"}],"payment":{"paid":1,"paid_currency":"cny","expected":2,"expected_currency":"cny","also_paid_by":[]}}`: EventWhole{
			Payment: &PaymentView{Paid: 1, PaidCurrency: "cny", Expected: 2, ExpectedCurrency: "cny", AlsoPaidBy: []string{}}, Host: "h", Signature: "s", Body: "b", Deliveries: []DeliveryView{{Attempt: 1, At: at, MS: 1.5, Status: 500, State: "dead", Error: "x", Snippet: "y", Due: at}}},
		`{"said":"m","reason":"r","again":true}`: Decision{Said: "m", Reason: "r", Again: true},
		`{"action":"replay","state":["dead"],"order_no":"o","type":"t","since":"s","through":3,"app":"a","mode":"live","again":true,"rate":50,"said":"m","reason":"r","matched":4,"eligible":3,"amount":2,"refunded":1,"repeated":1,"not":[{"code":"held","state":"held","why":"w","count":1,"events":["e"]}]}`: preview,
		`{"id":"run_1","action":"","state":null,"matched":0,"eligible":0,"amount":0,"refunded":0,"repeated":0,"not":null,"by":"b","status":"stopped","decided":2,"left":[],"created":"2026-11-26T12:00:00Z","ended":"2026-11-26T12:00:00Z","stopped_by":"s"}`: RunView{
			ID: "run_1", By: "b", State: "stopped", Decided: 2, Left: []Ineligible{}, Created: at, Ended: at, StoppedBy: "s"},
		`{"runs":[],"next":7}`: RunPage{Runs: []RunView{}, Next: 7},
		`{"app":"a","mode":"live","date":"2026-11-26","at_pingpp":1,"in_ledger":2,"recovered":3,"returned":4,"only_there":null,"only_here":null,"differ":null,"cut":true}`: SweepView{App: "a", Mode: "live",
			Sweep: &nightly.Sweep{Date: "2026-11-26", AtPingpp: 1, InLedger: 2, Recovered: 3, Returned: 4, Cut: true}},
		`{"file":"f","sound":false,"faults":["x"],"ms":5}`: LedgerCheck{File: "f", Faults: []string{"x"}, MS: 5},
		`{"file":"/f"}`:                  BackupOrder{File: "/f"},
		`{"done":1,"pages":2}`:           BackupProgress{Done: 1, Pages: 2},
		`{"file":"/f","bytes":1,"ms":2}`: LedgerBackup{File: "/f", Bytes: 1, MS: 2},
		`{"ready":true,"ledger":"f","scopes":[{"app":"a","mode":"live","pending":3}]}`: Health{Ready: true, Ledger: "f", Scopes: []ScopeHealth{{"a", "live", 3, nil}}},
		`{"code":"held","error":"m"}`: &Error{Status: 409, Code: "held", Message: "m"},
	} {
		if got := string(must(json.Marshal(v))); got != want {
			t.Errorf("%T is\n%s\nwant\n%s", v, got, want)
		}
	}
}

package adminapi

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// Scripts and pages read these names: a change of one is a change of the product.
func TestShippingJSONIsStable(t *testing.T) {
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	const when = `"2026-11-26T12:00:00Z"`
	shipping := &ledger.Shipping{Type: ledger.ShipExpress, Items: "tea", Parcels: []ledger.Parcel{{Company: "SF", TrackingNo: "1", Items: "i", Contact: "***1234"}}, Complete: true}
	const shippingJSON = `{"type":"express","items":"tea","parcels":[{"company":"SF","tracking_no":"1","items":"i","contact":"***1234"}],"complete":true}`
	shipment := ShipmentView{App: "a", Mode: "live", Charge: "ch_1", OrderNo: "o", TransactionNo: "4200", Payer: "oAbcde…", Amount: 5, Paid: at, State: "failed", Frozen: true, Stage: "failed", Deadline: at,
		Shipping: shipping, Recorded: at, Reported: at, Uploads: 1, Code: "c", Error: "e", Attempts: 2, Next: at, May: []string{"again"}}
	const shipmentJSON = `{"app":"a","mode":"live","charge":"ch_1","order_no":"o","transaction_no":"4200","payer":"oAbcde…","amount":5,"paid":` + when + `,"state":"failed","frozen":true,"stage":"failed","deadline":` + when +
		`,"shipping":` + shippingJSON + `,"recorded":` + when + `,"reported":` + when + `,"uploads":1,"code":"c","error":"e","attempts":2,"next":` + when + `,"may":["again"]`
	for want, v := range map[string]any{
		`{"shipments":[` + shipmentJSON + `}],"next":"n"}`: ShipmentPage{[]ShipmentView{shipment}, Listing{Next: "n"}},
		shipmentJSON + `,"asked":[{"attempt":1,"at":` + when + `,"ms":1.5,"step":"post","result":"final","state":"failed","code":"c","error":"e","shipping":` + shippingJSON + `}]}`: ShipmentWhole{shipment,
			[]AskedView{{Attempt: 1, At: at, MS: 1.5, Step: "post", Result: "final", State: "failed", Code: "c", Error: "e", Shipping: shipping}}},
		`{"amount":1,"payments":2,"due":3,"due_amount":4,"late":5,"late_amount":6,"next_deadline":` + when + `}`: FrozenView{Amount: 1, Payments: 2, Due: 3, DueAmount: 4, Late: 5, LateAmount: 6, NextDeadline: at},
		`{"amount":0,"payments":0,"due":0,"due_amount":0,"late":0,"late_amount":0,"failed":1,"failed_amount":2,"failed_order":"o","failed_code":"c","failed_why":"w","failed_why_zh":"z",` +
			`"paused":[{"appid":"wx","since":` + when + `,"until":` + when + `,"code":"45009","why":"w","why_zh":"z"}]}`: FrozenView{Failed: 1, FailedAmount: 2, FailedOrder: "o", FailedCode: "c",
			FailedWhy: "w", FailedWhyZH: "z", Paused: []ShippingPause{{AppID: "wx", Since: at, Until: at, Code: "45009", Why: "w", WhyZH: "z"}}},
		`{"said":"m","reason":"r","shipping":` + shippingJSON + `}`: ShippingDecision{"m", "r", json.RawMessage(shippingJSON)},
	} {
		if got := string(must(json.Marshal(v))); got != want {
			t.Errorf("%T is\n%s\nwant\n%s", v, got, want)
		}
	}
}

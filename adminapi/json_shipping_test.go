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
		`{"amount":1,"payments":2,"due":3,"due_amount":4,"late":5,"late_amount":6,"next_deadline":` + when + `}`: FrozenView{1, 2, 3, 4, 5, 6, at},
		`{"said":"m","reason":"r","shipping":` + shippingJSON + `}`:                                              ShippingDecision{"m", "r", json.RawMessage(shippingJSON)},
	} {
		if got := string(must(json.Marshal(v))); got != want {
			t.Errorf("%T is\n%s\nwant\n%s", v, got, want)
		}
	}
}

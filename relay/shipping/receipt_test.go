package shipping

import (
	"strings"
	"testing"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/wechat"
)

// What is reported with a receipt is what the backend's answer says, or else what is said for all.
func TestReceipts(t *testing.T) {
	ev := &ledger.Event{OrderNo: "T-1", Body: []byte(`{"type":"charge.succeeded","data":{"object":{"subject":"Tea & <cake> 绿茶"}}}`)}
	auto := &Receipts{Type: ledger.ShipPickup, Items: "{subject} ({order_no})"}
	all := ledger.Shipping{Type: ledger.ShipPickup, Items: "Tea & <cake> 绿茶 (T-1)", Complete: true}
	express := ledger.Shipping{Type: ledger.ShipExpress, Items: "绿茶", Complete: true, Parcels: []ledger.Parcel{{Company: "YTO", TrackingNo: "YT1"}}}
	const said = `{"code":0,"pay_shipping":{"type":"express","items":"绿茶","parcels":[{"company":"圆通","tracking_no":"YT1"}]}}`
	for _, tc := range []struct {
		name    string
		r       *Receipts
		answer  string
		want    *ledger.Shipping
		problem string // in its text
	}{
		{"nothing", &Receipts{}, "success", nil, ""},
		{"no such member", &Receipts{}, `{"code":0}`, nil, ""},
		{"for all", auto, "success", &all, ""},
		{"for all, JSON", auto, `{"code":0}`, &all, ""},
		{"null", auto, `{"pay_shipping":null}`, &all, ""},
		{"the word alone", auto, `{"msg":"\"pay_shipping\" is not ours","hint":"pay_shipping"}`, &all, ""},
		{"said", &Receipts{}, said, &express, ""},
		{"said, not for all", auto, "\xef\xbb\xbf\r\n" + said + "\n", &express, ""},
		{"no object", auto, `{"pay_shipping":"express"}`, nil, "pay_shipping of the backend's answer: "},
		{"unknown type", auto, `{"pay_shipping":{"type":"boat","items":"x"}}`, nil, `cannot be "boat"`},
		{"no items", auto, `{"pay_shipping":{"type":"virtual"}}`, nil, "items is missing"},
		{"cut off", auto, said[:len(said)-4], nil, "is no JSON, or too long to be read whole"},
		{"behind words", auto, "ok " + said, nil, "is no JSON"},
		{"without a subject", &Receipts{Type: ledger.ShipVirtual, Items: "{subject}"}, "ok", nil, "has no subject"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			of := ev
			if tc.name == "without a subject" {
				of = &ledger.Event{OrderNo: "T-1", Body: []byte(`{}`)}
			}
			got, p := tc.r.Of(of, []byte(tc.answer))
			if !got.Same(tc.want) || (p.Code == ledger.ProblemInvalid) != (tc.problem != "") || !strings.Contains(p.Text, tc.problem) {
				t.Errorf("%+v, %+v", got, p)
			}
			if got != nil && got.Check() != nil {
				t.Errorf("the ledger takes it not: %v", got.Check())
			}
		})
	}
	long := &ledger.Event{Body: []byte(`{"data":{"object":{"subject":"` + strings.Repeat("茶", 200) + `"}}}`)}
	if got, _ := (&Receipts{Type: ledger.ShipVirtual, Items: "{subject}"}).Of(long, nil); len([]rune(got.Items)) > wechat.MaxItems || !strings.HasSuffix(got.Items, "…") {
		t.Errorf("%q is not cut", got.Items)
	}
}

// FuzzReceipts: whatever a backend answers, nothing is reported that the ledger does not take.
func FuzzReceipts(f *testing.F) {
	f.Add([]byte(`{"pay_shipping":{"type":"virtual","items":"x"}}`))
	f.Add([]byte(`{"pay_shipping":{"type":"express","items":"x","parcels":[{"company":"SF","tracking_no":"1","contact":"13800001234"}]}}`))
	f.Add([]byte("\xef\xbb\xbf{\"pay_shipping\":"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		got, p := (&Receipts{}).Of(&ledger.Event{}, answer)
		if got != nil && (p.Code != "" || got.Check() != nil) || p.Code != "" && p.Text == "" {
			t.Errorf("%+v %+v", got, p)
		}
	})
}

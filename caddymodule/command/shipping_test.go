package command

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/ledger"
)

func shipmentAt(orderNo, state, stage string, paid time.Duration) adminapi.ShipmentView {
	return adminapi.ShipmentView{App: "app_1", Mode: "live", Charge: "ch_" + orderNo, OrderNo: orderNo, Amount: 1999, Paid: noon.Add(-paid), State: state, Stage: stage, Deadline: noon.Add(48*time.Hour - paid)}
}

func TestPrintShipments(t *testing.T) {
	failed := shipmentAt("2", "failed", "failed", 49*time.Hour)
	failed.Code = "10060003"
	open := shipmentAt("1", "waiting", "open", 47*time.Hour)
	open.Next = noon.Add(90 * time.Second)
	var out bytes.Buffer
	printShipments(&out, &adminapi.ShipmentPage{Shipments: []adminapi.ShipmentView{open, failed, shipmentAt("3", "settled", "done", 72*time.Hour)}}, noon)
	const want = `PAID                 ORDER  CHARGE  MODE  AMOUNT  STATE    REPORT  RUNS OUT   ASKED NEXT  WHY
2026-11-20 13:00:00  1      ch_1    live  ¥19.99  waiting  open    in 1h0m0s  in 1m30s    -
2026-11-20 11:00:00  2      ch_2    live  ¥19.99  failed   failed  1h0m0s ago  -           10060003
2026-11-19 12:00:00  3      ch_3    live  ¥19.99  settled  done    -          -           -
`
	if got := out.String(); strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	out.Reset()
	open.Paused = &adminapi.ShippingPause{AppID: "wx0", Since: noon, Until: noon.Add(time.Minute), Code: "45009", Why: "used up\x1b"}
	open.Error = "used up"
	printShipments(&out, &adminapi.ShipmentPage{Shipments: []adminapi.ShipmentView{open, open}}, noon)
	if n := strings.Count(out.String(), "WeChat is asked nothing about wx0 since "+noon.Local().Format(zoned)+", until "+noon.Add(time.Minute).Local().Format(zoned)+" (in 1m0s): used up\\u001b"); n != 1 {
		t.Errorf("%d in %s", n, &out)
	}
	printShipment(&out, &adminapi.ShipmentWhole{ShipmentView: open}, noon)
	if !strings.Contains(out.String(), "paused      since ") {
		t.Error(out.String())
	}
	out.Reset()
	printShipments(&out, &adminapi.ShipmentPage{}, noon)
	if out.String() != "No shipments.\n" {
		t.Error(out.String())
	}
}

func TestPrintShipment(t *testing.T) {
	s := adminapi.ShipmentWhole{ShipmentView: shipmentAt("1", "failed", "failed", 47*time.Hour), Asked: []adminapi.AskedView{
		{Attempt: 1, At: noon, MS: 12.5, Step: "post", Result: "final", State: "failed", Error: "the tracking number is none"}}}
	s.TransactionNo, s.Payer, s.Error, s.Recorded = "4200", "oAbcde…", "the tracking number is none", noon
	s.Shipping = &ledger.Shipping{Type: ledger.ShipExpress, Items: "tea", Parcels: []ledger.Parcel{{Company: "YTO", TrackingNo: "1"}}}
	var out bytes.Buffer
	printShipment(&out, &s, noon)
	for _, want := range []string{"WeChat's number  4200", "payer            oAbcde…", "runs out", ", in 1h0m0s", "parcel           YTO 1, -", "no, more is to follow",
		"error            the tracking number is none", "1        2026-11-22 12:00:00  12.5 ms  post  final   failed  the tracking number is none"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &out)
		}
	}
}

// What somebody outside may have chosen is escaped.
func TestShipmentsAreEscaped(t *testing.T) {
	const evil = "a\x1b]0;x\x07\u202e\tb"
	v := adminapi.ShipmentView{App: evil, Mode: evil, Charge: evil, OrderNo: evil, TransactionNo: evil, Payer: evil, State: evil, Stage: evil, Code: evil, Error: evil,
		Shipping: &ledger.Shipping{Type: evil, Items: evil, Parcels: []ledger.Parcel{{Company: evil, TrackingNo: evil, Items: evil}}}}
	var out bytes.Buffer
	printShipments(&out, &adminapi.ShipmentPage{Shipments: []adminapi.ShipmentView{v}}, noon)
	printShipment(&out, &adminapi.ShipmentWhole{ShipmentView: v, Asked: []adminapi.AskedView{{Step: evil, Result: evil, State: evil, Error: evil}}}, noon)
	if text := out.String(); strings.ContainsAny(text, "\x1b\x07\u202e\t") || strings.Count(text, `\u001b`) < 20 {
		t.Errorf("%q", text)
	}
}

// What is wrong with a report is said before anybody is asked.
func TestReadReport(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shipping.json")
	const good = `{"type":"virtual","items":"tea"}`
	if err := os.WriteFile(file, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{file, "-"} {
		if raw, err := readReport(strings.NewReader(good), from); err != nil || string(raw) != good {
			t.Errorf("%s: %q, %v", from, raw, err)
		}
	}
	for text, want := range map[string]string{`{"type":"teleport"}`: "what stdin says: type", "": "what stdin says: The report", strings.Repeat(" ", 40<<10): "write at most"} {
		if _, err := readReport(strings.NewReader(text), "-"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v does not say %q", text, err, want)
		}
	}
	if _, err := readReport(nil, file+"x"); err == nil {
		t.Error("a file that is not there was read")
	}
}

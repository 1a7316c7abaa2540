package shipping

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/wechat"
)

// TestParse: what a shop writes, and what is kept of it.
func TestParse(t *testing.T) {
	yto := ledger.Parcel{Company: "YTO", TrackingNo: "YT1"}
	with := func(p ledger.Parcel, change func(*ledger.Parcel)) ledger.Parcel { change(&p); return p }
	for text, want := range map[string]ledger.Shipping{
		`{"type":"virtual","items":"茶艺课"}`:                                                {Type: ledger.ShipVirtual, Items: "茶艺课", Complete: true},
		`{"type":"pickup","items":" 绿茶\n250g ","parcels":[],"complete":true}`:             {Type: ledger.ShipPickup, Items: "绿茶 250g", Complete: true},
		`{"type":"local","items":"x","parcels":null}`:                                     {Type: ledger.ShipLocal, Items: "x", Complete: true},
		`{"type":"express","items":"茶","parcels":[{"company":"圆通","tracking_no":"YT1"}]}`: {Type: ledger.ShipExpress, Items: "茶", Parcels: []ledger.Parcel{yto}, Complete: true},
		`{"type":"express","items":"茶","parcels":[{"company":"yto","tracking_no":" YT1 ","items":"茶","contact":null}],"complete":false}`: {
			Type: ledger.ShipExpress, Items: "茶", Parcels: []ledger.Parcel{yto}},
		`{"type":"express","parcels":[{"company":"YTO","tracking_no":"YT1","items":"茶"}]}`: {Type: ledger.ShipExpress, Items: "茶", Parcels: []ledger.Parcel{yto}, Complete: true},
		`{"type":"express","parcels":[{"company":"YTO","tracking_no":"YT1","items":"茶"},{"company":"KYSY","tracking_no":"2","items":"壶"},{"company":"YTO","tracking_no":"3","items":"茶"}]}`: {
			Type: ledger.ShipExpress, Items: "茶；壶", Complete: true, Parcels: []ledger.Parcel{
				with(yto, func(p *ledger.Parcel) { p.Items = "茶" }), {Company: "KYSY", TrackingNo: "2", Items: "壶"}, {Company: "YTO", TrackingNo: "3", Items: "茶"}}},
		`{"type":"express","items":"茶","parcels":[{"company":"顺丰速运","tracking_no":"SF1","contact":"138 0000 1234"}]}`: {
			Type: ledger.ShipExpress, Items: "茶", Complete: true, Parcels: []ledger.Parcel{{Company: "SF", TrackingNo: "SF1", Contact: "138****1234"}}},
		`{"type":"express","items":"茶","parcels":[{"company":"YTO","tracking_no":"YT1","contact":"138 0000 1234"}]}`: {
			Type: ledger.ShipExpress, Items: "茶", Complete: true, Parcels: []ledger.Parcel{yto}},
		`{"type":"virtual","items":"` + strings.Repeat("茶", 200) + `"}`: {Type: ledger.ShipVirtual, Items: strings.Repeat("茶", 119) + "…", Complete: true},
	} {
		got, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if !got.Same(&want) || !slices.Equal(got.Parcels, want.Parcels) {
			t.Errorf("%s:\n%+v, want\n%+v", text, *got, want)
		}
	}
}

// TestRefuses: each error names the member, and says in both languages what to write instead.
func TestRefuses(t *testing.T) {
	parcel := func(members string) string { return `{"type":"express","items":"茶","parcels":[{` + members + `}]}` }
	sixteen := make([]string, 16)
	for i := range sixteen {
		sixteen[i] = fmt.Sprintf(`{"company":"YTO","tracking_no":"%d"}`, i)
	}
	for text, want := range map[string][3]string{ // field, words of the error in English, and in Chinese
		`[]`:                                 {"", "no JSON object", "JSON 对象"},
		`{"type":"virtual"`:                  {"", "no JSON object", "JSON 对象"},
		`{"type":"virtual","type":"pickup"}`: {"", "stands twice", "只出现一次"},
		"{\"type\":\"virtual\",\"items\":\"\xb2\xe8\"}": {"", "UTF-8", "GBK"},
		strings.Repeat(" ", MaxBytes) + "{}":            {"", "write at most 32768", "32768"},
		`{"type":"virtual","items":"x","Items":"y"}`:    {"Items", "Allowed are type, items, parcels, complete", "允许的字段有"},
		`{"items":"x"}`:                                                                 {"type", "is missing: write express, local", "缺失"},
		`{"type":3,"items":"x"}`:                                                        {"type", "a string", "字符串"},
		`{"type":"Express","items":"x"}`:                                                {"type", `"Express": write express`, "请写 express"},
		`{"type":"virtual"}`:                                                            {"items", "is missing", "缺少 items"},
		`{"type":"virtual","items":" \u0000 "}`:                                         {"items", "is missing", "缺少 items"},
		`{"type":"virtual","items":["x"]}`:                                              {"items", "a string", "字符串"},
		`{"type":"virtual","items":"x","complete":"true"}`:                              {"complete", "without quotes", "不带引号"},
		`{"type":"virtual","items":"x","complete":null}`:                                {"complete", "true or false", "true 或 false"},
		`{"type":"pickup","items":"x","complete":false}`:                                {"complete", "pickup comes in no parts", "不能分批"},
		`{"type":"virtual","items":"x","parcels":[{}]}`:                                 {"parcels", "belongs to express", "仅用于 express"},
		`{"type":"express","items":"x"}`:                                                {"parcels", "has 0 parcels: express needs 1 to 15", "需要 1 到 15"},
		`{"type":"express","items":"x","parcels":[` + strings.Join(sixteen, ",") + `]}`: {"parcels", "has 16 parcels", "16"},
		`{"type":"express","items":"x","parcels":{"company":"YTO"}}`:                    {"parcels", "an array", "数组"},
		`{"type":"express","items":"x","parcels":["YT1"]}`:                              {"parcels[0]", "no JSON object", "JSON 对象"},
		`{"type":"express","items":"x","parcels":[null]}`:                               {"parcels[0]", "no JSON object", "JSON 对象"},
		`{"type":"express","parcels":[{"company":"YTO","tracking_no":"1","items":"x"},{"company":"YTO","tracking_no":"2"}]}`: {"items", "is missing", "缺少 items"},
		`{"type":"express","items":"x","parcels":[` + sixteen[0] + `,` + sixteen[0] + `]}`:                                   {"parcels[1].tracking_no", "twice", "重复"},
		parcel(`"company":"YTO","tracking_no":"1","company":"ZTO"`):                                                          {"parcels[0]", "stands twice", "只出现一次"},
		parcel(`"company":"YTO","trackingNo":"1"`):                                                                           {"parcels[0].trackingNo", "company, tracking_no, items, contact", "company、tracking_no"},
		parcel(`"tracking_no":"1"`):                                                {"parcels[0].company", "is missing", "缺失"},
		parcel(`"company":"员通","tracking_no":"1"`):                                 {"parcels[0].company", "Did you mean 圆通 (YTO)?", "是否指 圆通（YTO）"},
		parcel(`"company":"no such company","tracking_no":"1"`):                    {"parcels[0].company", "Write 顺丰, 圆通", "请写 顺丰、圆通"},
		parcel(`"company":"YTO"`):                                                  {"parcels[0].tracking_no", "1 to 128", "1 到 128"},
		parcel(`"company":"YTO","tracking_no":12345`):                              {"parcels[0].tracking_no", "a string, in quotes", "带引号"},
		parcel(`"company":"YTO","tracking_no":"1 2"`):                              {"parcels[0].tracking_no", "without spaces", "不含空格"},
		parcel(`"company":"YTO","tracking_no":"单号"`):                               {"parcels[0].tracking_no", "letters and digits", "字母和数字"},
		parcel(`"company":"YTO","tracking_no":"` + strings.Repeat("1", 129) + `"`): {"parcels[0].tracking_no", "1 to 128", "1 到 128"},
		parcel(`"company":"SF","tracking_no":"1"`):                                 {"parcels[0].contact", "is missing: 顺丰", "收件人电话"},
		parcel(`"company":"顺丰","tracking_no":"1","contact":"张三"`):                  {"parcels[0].contact", "no telephone number", "不是电话号码"},
		parcel(`"company":"YTO","tracking_no":"1","contact":13800001234`):          {"parcels[0].contact", "a string", "字符串"},
	} {
		s, err := Parse([]byte(text))
		wrong, ok := errors.AsType[*Error](err)
		if !ok || s != nil {
			t.Errorf("%.200s was taken: %+v, %v", text, s, err)
			continue
		}
		if wrong.Field != want[0] || !strings.Contains(wrong.EN, want[1]) || !strings.Contains(wrong.ZH, want[2]) {
			t.Errorf("%.200s:\nfield %q, %s / %s\nwant %q", text, wrong.Field, wrong.EN, wrong.ZH, want)
		}
	}
}

// FuzzParse: nothing panics, whatever is taken is one that WeChat's client takes and keeps as it is, and no contact gets through unmasked.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"type":"virtual","items":"茶艺课"}`, `{"type":"express","items":"茶","parcels":[{"company":"顺丰","tracking_no":"SF1","contact":"13800001234"}],"complete":false}`,
		`{"type":"express","parcels":[{"company":"YTO","tracking_no":"1","items":"a"},{"company":"J&T","tracking_no":"2","items":"b"}]}`, `{"type":"local","items":"\ud800x"}`,
		`{"type":"pickup","items":"x","parcels":null}`, `{}`, `null`, `{"type":"express","items":"x","parcels":[{"company":"员通"}]}`,
		strings.Repeat(`{"a":`, MaxBytes/5), `{"type":` + strings.Repeat("[", MaxBytes-20), `{"type":"express","items":"x","parcels":[` + strings.Repeat(`{},`, 10000) + `{}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := Parse(raw)
		if err != nil {
			if wrong, ok := errors.AsType[*Error](err); !ok || s != nil || wrong.EN == "" || wrong.ZH == "" {
				t.Fatalf("%q: %+v, %#v", raw, s, err)
			}
			return
		}
		if err := s.Check(); err != nil {
			t.Fatalf("%q: the ledger does not take it: %v", raw, err)
		}
		way, _ := wechat.ParseLogistics(string(s.Type))
		w := wechat.Shipping{TransactionID: "4200", OpenID: "o1", Type: way, Split: way == wechat.Express, Complete: s.Complete, Parcels: []wechat.Parcel{{Items: s.Items}}}
		if way == wechat.Express {
			w.Parcels = nil
		}
		for _, p := range s.Parcels {
			if masked := wechat.MaskContact(p.Contact); masked != p.Contact {
				t.Errorf("%q: the contact %q would be masked again, to %q", raw, p.Contact, masked)
			}
			if p.Items == "" {
				p.Items = s.Items
			}
			w.Parcels = append(w.Parcels, wechat.Parcel(p))
		}
		if err := w.Check(); err != nil {
			t.Errorf("%q: WeChat's client does not take it: %v", raw, err)
		}
		kept, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(kept)
		if err != nil || !again.Same(s) {
			t.Errorf("%q was kept as %s, which reads as %+v, %v", raw, kept, again, err)
		}
	})
}

// Of a company whose code nobody here knows it is said where WeChat's codes are; another company is never named in its place.
func TestUncodedCompany(t *testing.T) {
	for _, company := range []string{"跨越速运", "中通快运", "百世快递", "kuayue"} {
		_, err := Parse([]byte(`{"type":"express","items":"Tea","parcels":[{"company":"` + company + `","tracking_no":"1"}]}`))
		wrong, ok := errors.AsType[*Error](err)
		if !ok || wrong.Field != "parcels[0].company" || !strings.Contains(wrong.EN, "get_delivery_list") || !strings.Contains(wrong.ZH, "get_delivery_list") || strings.Contains(wrong.EN, "Did you mean") || strings.Contains(wrong.EN, "(SF)") {
			t.Errorf("%s: %+v", company, wrong)
		}
	}
	if s, err := Parse([]byte(`{"type":"express","items":"Tea","parcels":[{"company":"zhongtong","tracking_no":"1"}]}`)); err != nil || s.Parcels[0].Company != "ZTO" {
		t.Errorf("%+v, %v", s, err)
	}
}

// A telephone number that stands in the wrong place is in no error: errors are kept, shown and logged.
func TestErrorsQuoteNoContact(t *testing.T) {
	for name, report := range map[string]string{
		"a type":     `{"type":"13800001234","items":"Tea"}`,
		"a member":   `{"type":"virtual","items":"Tea","13800001234":1}`,
		"a company":  `{"type":"express","items":"Tea","parcels":[{"company":"Li 13800001234","tracking_no":"1"}]}`,
		"cut off":    `{"type":"\u0031\u0033\u0038\u0030\u0030\u0030\u0030\u0031\u0032\u0033\u0034","items":"Tea"}`,
		"in parcels": `{"type":"express","items":"Tea","parcels":[{"company":"YTO","tracking_no":"1","13800001234":1}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(report))
			wrong, ok := errors.AsType[*Error](err)
			if !ok || strings.Contains(wrong.Field+wrong.EN+wrong.ZH, "1380000") {
				t.Errorf("%+v", err)
			}
		})
	}
}

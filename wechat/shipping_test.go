package wechat

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// The body is WeChat's own example, member by member.
func TestReport(t *testing.T) {
	now := time.Date(2022, 12, 15, 5, 29, 35, 120_900_000, time.UTC)
	for want, s := range map[string]Shipping{
		`{"order_key":{"order_number_type":2,"transaction_id":"4200"},"logistics_type":1,"delivery_mode":1,"shipping_list":[{"tracking_no":"YT1","express_company":"YTO",` +
			`"item_desc":"茶叶*1"}],"upload_time":"2022-12-15T13:29:35.120+08:00","payer":{"openid":"oA"}}`: {TransactionID: "4200", OpenID: "oA", Type: Express,
			Parcels: []Parcel{{Company: "圆通速递", TrackingNo: "YT1", Items: "茶叶*1"}}},
		`{"order_key":{"order_number_type":2,"transaction_id":"4200"},"logistics_type":3,"delivery_mode":1,"shipping_list":[{"item_desc":"月卡"}],` +
			`"upload_time":"2022-12-15T13:29:35.120+08:00","payer":{"openid":"oA"}}`: {TransactionID: "4200", OpenID: "oA", Type: Virtual, Complete: true, Parcels: []Parcel{{Items: "月卡"}}},
		`{"order_key":{"order_number_type":2,"transaction_id":"4200"},"logistics_type":1,"delivery_mode":2,"is_all_delivered":false,"shipping_list":[{"tracking_no":"SF1",` +
			`"express_company":"SF","item_desc":"茶","contact":{"receiver_contact":"189****1234"}}],"upload_time":"2022-12-15T13:29:35.120+08:00","payer":{"openid":"oA"}}`: {
			TransactionID: "4200", OpenID: "oA", Type: Express, Split: true, Parcels: []Parcel{{Company: "sf", TrackingNo: "SF1", Items: "茶", Contact: "189 1234 1234"}}},
	} {
		r, err := s.report(now)
		if err != nil {
			t.Errorf("%+v: %v", s, err)
			continue
		}
		if got, _ := json.Marshal(r); string(got) != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if got := uploadTime(time.Date(2026, 12, 31, 23, 0, 0, 0, time.UTC)); got != "2027-01-01T07:00:00.000+08:00" {
		t.Error(got)
	}
}

// What WeChat would refuse is not sent, and says what to write instead.
func TestShippingCheck(t *testing.T) {
	good := func() Shipping {
		return Shipping{TransactionID: "4200", OpenID: "oA", Type: Express, Parcels: []Parcel{{Company: "YTO", TrackingNo: "YT1", Items: "茶"}}}
	}
	if err := good().Check(); err != nil {
		t.Fatal(err)
	}
	for says, change := range map[string]func(*Shipping){
		"transaction number":      func(s *Shipping) { s.TransactionID = "" },
		"an openid":               func(s *Shipping) { s.OpenID = "a b" },
		"write express, local":    func(s *Shipping) { s.Type = 0 },
		"write express, local, ":  func(s *Shipping) { s.Type = 5 },
		"virtual cannot":          func(s *Shipping) { s.Type, s.Split = Virtual, true },
		"there are 2 parcels":     func(s *Shipping) { s.Parcels = make([]Parcel, 2) },
		"there are 0 parcels":     func(s *Shipping) { s.Split, s.Parcels = true, nil },
		"write 1 to 15":           func(s *Shipping) { s.Split, s.Parcels = true, make([]Parcel, 16) },
		"parcel 1: items":         func(s *Shipping) { s.Parcels[0].Items = " \n" },
		"company is missing":      func(s *Shipping) { s.Parcels[0].Company = "" },
		"write 顺丰 (SF)":           func(s *Shipping) { s.Parcels[0].Company = "顺风快递" },
		"write 顺丰, 圆通":            func(s *Shipping) { s.Parcels[0].Company = "马车" },
		"tracking_no is missing":  func(s *Shipping) { s.Parcels[0].TrackingNo = "" },
		"no tracking number":      func(s *Shipping) { s.Parcels[0].TrackingNo = "单号1" },
		"1 to 128 letters":        func(s *Shipping) { s.Parcels[0].TrackingNo = strings.Repeat("1", 129) },
		"contact is missing":      func(s *Shipping) { s.Parcels[0].Company = "SF" },
		"contact is no telephone": func(s *Shipping) { s.Parcels[0].Contact = "张三" },
		"pickup has neither":      func(s *Shipping) { s.Type = Pickup },
	} {
		s := good()
		change(&s)
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", says, err)
		}
	}
	for _, l := range []Logistics{Express, Local, Virtual, Pickup} {
		if got, ok := ParseLogistics(l.String()); !ok || got != l {
			t.Errorf("%d is called %s", l, l)
		}
	}
	if _, ok := ParseLogistics(""); ok || Logistics(0).String() != "" || Logistics(5).String() != "" {
		t.Error("a way without a name")
	}
}

var maskedContacts = map[string]string{
	"18912341234":     "189****1234",
	"189 1234 1234":   "189****1234",
	"189-1234-1234":   "189-****-1234",
	"189****1234":     "189****1234",
	"021-61231234":    "021-****1234",
	"(021) 6123 1234": "021****1234",
	"61231234":        "****1234",
	"6121234":         "***1234",
	"1234":            "****1234",
	"+86-17712341234": "+86-177****1234",
	"+8617712341234":  "+86-177****1234",
	"＋86 １７７１２３４１２３４": "+86-177****1234",
	"+1-6505551234":         "+1-******1234",
	"+16505551234":          "165****1234",
	"0592-6121234转10":       "059*-*****34-10",
	"13812345678-8008":      "138********-8008",
	"张三 13812345678":        "138****5678",
	"":                      "",
	"张三":                    "",
	"123":                   "",
	"189****123*":           "",
	"+":                     "",
	"+86":                   "",
	strings.Repeat("1", 65): "",
}

func TestMaskContact(t *testing.T) {
	for in, want := range maskedContacts {
		if got := MaskContact(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

var shownContact = regexp.MustCompile(`^(\+[0-9]{1,3}-)?[0-9*-]*[0-9]-?[0-9]-?[0-9]-?[0-9]$`)

// Whatever comes, no more than a country code, three digits and the last four are shown.
func FuzzMaskContact(f *testing.F) {
	for in := range maskedContacts {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got := MaskContact(in)
		if got == "" {
			return
		}
		if !shownContact.MatchString(got) || !strings.Contains(got, "*") || MaskContact(got) != got {
			t.Fatalf("%q: %q, then %q", in, got, MaskContact(got))
		}
		_, local := cutCountry(got)
		if digits := strings.Map(func(r rune) rune {
			if unicode.IsDigit(r) {
				return r
			}
			return -1
		}, local); len(digits) > 7 {
			t.Fatalf("%q shows %q", in, got)
		}
	})
}

func TestCutItems(t *testing.T) {
	for in, want := range map[string]string{
		"绿茶 250g ×2":                     "绿茶 250g ×2",
		"  绿茶\t\n250g\u00a0×2 \x00":      "绿茶 250g ×2",
		"\xff茶\u202e":                    "茶",
		strings.Repeat("茶", 120):         strings.Repeat("茶", 120),
		strings.Repeat("茶", 121):         strings.Repeat("茶", 119) + "…",
		strings.Repeat("🍵", 60):          strings.Repeat("🍵", 60),
		strings.Repeat("🍵", 61):          strings.Repeat("🍵", 59) + "…",
		strings.Repeat("茶", 118) + " 红茶": strings.Repeat("茶", 118) + "…",
		"":                               "",
	} {
		if got := CutItems(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzCutItems(f *testing.F) {
	f.Add("绿茶 250g ×2")
	f.Add(strings.Repeat("🍵茶", 61))
	f.Fuzz(func(t *testing.T, in string) {
		got := CutItems(in)
		if !utf8.ValidString(got) || len(utf16.Encode([]rune(got))) > MaxItems || strings.TrimSpace(got) != got || CutItems(got) != got {
			t.Fatalf("%q: %q", in, got)
		}
	})
}

func TestCompanies(t *testing.T) {
	for name, code := range map[string]string{
		"顺丰": "SF", "顺丰速运": "SF", "sf": "SF", "圆通": "YTO", "中通快递": "ZTO", "韵达": "YD", "yunda": "YD", "申通": "STO", "极兔": "JTSD", "j&t": "JTSD", "德邦物流": "DBL",
		"EMS": "EMS", "京东": "JD", "邮政": "YZPY", " 中国 邮政 ": "YZPY", "DHL": "DHL", "HTKY": "HTKY", "KYSY2": "KYSY2",
		"shunfeng": "SF", "SHUNFENG": "SF", "SF Express": "SF", "zto": "ZTO", "zhongtong": "ZTO", "yuantong": "YTO", "shentong": "STO", "jitu": "JTSD", "J&T Express": "JTSD", "debang": "DBL", "Deppon": "DBL", "jingdong": "JD",
		"JD Logistics": "JD", "China Post": "YZPY", "极兔速递": "JTSD", "德邦快递": "DBL",
		"跨越速运": "", "中通快运": "", "百世": "", "天天快递": "", "优速": "", "安能物流": "", "丹鸟": "", "德邦快运": "", "顺丰快运": "", "京东快运": "", "baishi": "", "zhongtongkuaiyun": "",
		"": "", "顺风": "", "htky": "", "A": "", "圆通YTO": "", strings.Repeat("A", 33): "",
	} {
		if got, ok := CompanyCode(name); got != code || ok != (code != "") {
			t.Errorf("%q: %q, %t", name, got, ok)
		}
	}
	for wrote, code := range map[string]string{"顺风": "SF", "园通快递": "YTO", "中通": "ZTO", "emss": "EMS", "极免速递": "JTSD", "京东快第": "JD", "马车": "", "": "", strings.Repeat("顺丰", 99): ""} {
		if near, ok := NearestCompany(wrote); near.Code != code || ok != (code != "") {
			t.Errorf("%q: %+v, %t", wrote, near, ok)
		}
	}
	// Another company is never suggested, however near its name is.
	for _, wrote := range []string{"跨越速运", "跨越", "中通快运", "韵达快运", "百世快递", "百世快运", "天天快递", "天天", "优速快递", "安能快运", "丹鸟", "德邦快运", "顺丰快运", "顺丰同城", "京东快运", "极兔国际",
		"联邦快递", "国通快递", "汇通快递", "京广快递", "Baishi", "zhongtong kuaiyun", " 跨越 速运 "} {
		name, ok := Uncoded(wrote)
		near, suggested := NearestCompany(wrote)
		if err := unknownCompany(wrote); !ok || suggested || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "get_delivery_list") {
			t.Errorf("%q is %q, %+v: %v", wrote, name, near, err)
		}
	}
	for _, wrote := range []string{"顺丰", "YTO", "马车", "", "快运", "国际"} {
		if name, ok := Uncoded(wrote); ok {
			t.Errorf("%q is %q", wrote, name)
		}
	}
	for _, wrote := range []string{"龙邦快递", "速通快递", "全峰快递", "增益速递"} { // nor is a company that nobody has listed
		if near, ok := NearestCompany(wrote); ok {
			t.Errorf("%q: %+v", wrote, near)
		}
	}
	for i, c := range companies {
		if !codeShape.MatchString(c.Code) {
			t.Errorf("%q is no code", c.Code)
		}
		for _, other := range companies[:i] {
			if other.Code == c.Code || other.Name == c.Name {
				t.Errorf("%s stands there twice", c.Code)
			}
		}
	}
	if len(Companies()) != len(companies) {
		t.Error(Companies())
	}
}

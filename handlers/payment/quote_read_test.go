package payment

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/handlers/problem"
)

// legacy is how orders reads the JSON of an old backend.
func legacy() *Orders {
	return &Orders{
		Yuan: true,
		Paths: map[string]string{
			"amount": "data.total_fee", "order_no": "data.sn", "currency": "data.cur", "subject": "data.goods.0.name", "body": "data.remark",
			"time_expire": "data.deadline", "openid": "data.buyer.openid", "metadata": "data.attach", "extra": "data.pay", "status": "data.state",
		},
		Status:   map[string]string{"0": "payable", "1": "payable", "2": "paid", "3": "closed", "true": "closed"},
		Defaults: QuoteDefaults{Subject: "Order {order_no}", Body: "Body of {order_no}", Currency: "cny"},
	}
}

// legacyJSON is an answer of such a backend with some members of data changed: names and JSON texts by turns; empty removes one.
func legacyJSON(changes ...string) string {
	data := [][2]string{
		{"total_fee", `"12.30"`}, {"sn", `"1001"`}, {"cur", `"CNY"`}, {"goods", `[{"name":"绿茶"},{"name":"x"}]`}, {"remark", `"two bags"`},
		{"deadline", `"1790003600"`}, {"buyer", `{"openid":"o1"}`}, {"attach", `{"shop":7,"vip":true,"note":"n"}`}, {"pay", `{"limit_pay":"no_credit"}`}, {"state", `0`},
	}
	var members []string
	for i := 0; i < len(changes); i += 2 {
		found := false
		for j := range data {
			if data[j][0] == changes[i] {
				data[j][1], found = changes[i+1], true
			}
		}
		if !found {
			data = append(data, [2]string{changes[i], changes[i+1]})
		}
	}
	for _, m := range data {
		if m[1] != "" {
			members = append(members, fmt.Sprintf("%q:%s", m[0], m[1]))
		}
	}
	return `{"code":0,"data":{` + strings.Join(members, ",") + `}}`
}

func TestQuoteFromABackendsOwnJSON(t *testing.T) {
	whole := quote{
		OrderNo: "1001", Amount: 1230, Currency: "cny", Subject: "绿茶", Body: "two bags", TimeExpire: time.Unix(1790003600, 0), Status: "payable", OpenID: "o1",
		Metadata: map[string]string{"shop": "7", "vip": "true", "note": "n"}, Extra: map[string]json.RawMessage{"limit_pay": json.RawMessage(`"no_credit"`)},
	}
	with := func(change func(*quote)) quote { q := whole; change(&q); return q }
	for _, c := range []struct {
		name, raw string
		want      quote
		err       string // a part of it; empty: want
	}{
		{"whole", legacyJSON(), whole, ""},
		{"BOM", "\xef\xbb\xbf" + legacyJSON(), whole, ""},
		{"number for the order number", legacyJSON("sn", "1001"), whole, ""},
		{"deadline as a number", legacyJSON("deadline", "1790003600"), whole, ""},
		{"no deadline", legacyJSON("deadline", ""), with(func(q *quote) { q.TimeExpire = time.Time{} }), ""},
		{"blank deadline", legacyJSON("deadline", `""`), with(func(q *quote) { q.TimeExpire = time.Time{} }), ""},
		{"deadline 0", legacyJSON("deadline", `"0"`), with(func(q *quote) { q.TimeExpire = time.Time{} }), ""},
		{"deadline as a date", legacyJSON("deadline", `"2026-11-24 12:00:00"`), quote{}, "time_expire (at data.deadline) must be Unix seconds"},
		{"deadline with a fraction", legacyJSON("deadline", `1790003600.5`), quote{}, "must be Unix seconds"},
		{"blank openid", legacyJSON("buyer", `{"openid":""}`), quote{}, "openid (at data.buyer.openid) is missing or empty"},
		{"no subject and body", legacyJSON("goods", "[]", "remark", "null"), with(func(q *quote) { q.Subject, q.Body = "Order 1001", "Body of 1001" }), ""},
		{"blank subject", legacyJSON("goods", `[{"name":" "}]`), with(func(q *quote) { q.Subject = "Order 1001" }), ""},
		{"no currency", legacyJSON("cur", ""), whole, ""},
		{"subject is a number", legacyJSON("goods", `[{"name":12}]`), with(func(q *quote) { q.Subject = "12" }), ""},
		{"subject is an object", legacyJSON("goods", `[{"name":{}}]`), quote{}, "subject (at data.goods.0.name) must be a string, not"},
		{"nobody's order", legacyJSON("buyer", `{"openid":null}`), with(func(q *quote) { q.OpenID = "" }), ""},
		{"openid nowhere", legacyJSON("buyer", `{}`), quote{}, "openid (at data.buyer.openid) is missing or empty; an order that is nobody's own has null there"},
		{"no metadata and extra", legacyJSON("attach", "[]", "pay", ""), with(func(q *quote) { q.Metadata, q.Extra = nil, nil }), ""},
		{"metadata nested", legacyJSON("attach", `{"a":{}}`), quote{}, "metadata (at data.attach) must be an object of strings"},
		{"metadata is text", legacyJSON("attach", `"x"`), quote{}, "metadata (at data.attach) must be an object of strings"},
		{"extra is text", legacyJSON("pay", `"x"`), quote{}, "extra (at data.pay) must be an object"},

		{"payable", legacyJSON("state", `"1"`), whole, ""},
		{"paid", legacyJSON("state", "2"), quote{OrderNo: "1001", Currency: "CNY", Subject: "绿茶", Body: "two bags", Status: "paid", OpenID: "o1"}, ""},
		{"paid, without a price", legacyJSON("state", "2", "total_fee", ""), quote{OrderNo: "1001", Currency: "CNY", Subject: "绿茶", Body: "two bags", Status: "paid", OpenID: "o1"}, ""},
		{"closed", legacyJSON("state", `true`), quote{OrderNo: "1001", Currency: "CNY", Subject: "绿茶", Body: "two bags", Status: "closed", OpenID: "o1"}, ""},
		{"unknown state", legacyJSON("state", "5"), quote{}, `status (at data.state) is "5", which the status block of orders does not name`},
		{"our own word for a state", legacyJSON("state", `"payable"`), quote{}, `is "payable", which the status block`},
		{"other text of a state", legacyJSON("state", "0.0"), quote{}, `is "0.0", which the status block`},
		{"state null", legacyJSON("state", "null"), quote{}, "status (at data.state) is missing"},
		{"state nowhere", legacyJSON("state", ""), quote{}, "status (at data.state) is missing"},

		{"no price", legacyJSON("total_fee", ""), quote{}, "amount (at data.total_fee) is missing"},
		{"price null", legacyJSON("total_fee", "null"), quote{}, "amount (at data.total_fee) is missing"},
		{"dollars", legacyJSON("cur", `"USD"`), quote{}, `unit yuan is for prices in cny, not "usd"`},
		{"our own member does not count", `{"amount":1,"order_no":"1001","data":{"sn":"1001","state":0,"buyer":{"openid":null}}}`, quote{}, "amount (at data.total_fee) is missing"},
		{"a member twice, deep down", legacyJSON("attach", `{"x":[{"p":1,"p":2}]}`), quote{}, `the member "p" stands twice`},
		{"price twice", `{"data":{"total_fee":"0.01","total_fee":"12.30","sn":"1001","state":0}}`, quote{}, `the member "total_fee" stands twice`},
		{"price twice, escaped", `{"data":{"total_fee":"0.01","total\u005ffee":"12.30","sn":"1001","state":0}}`, quote{}, `the member "total_fee" stands twice`},
		{"price twice, in two objects", `{"data":{"total_fee":"0.01"},"data":{"total_fee":"12.30"}}`, quote{}, `the member "data" stands twice`},
		{"HTML", "<html>", quote{}, `not JSON; it starts with "<html>"`},
		{"a second object", legacyJSON() + "{}", quote{}, "not JSON"},
		{"too deep", strings.Repeat("[", 20000) + strings.Repeat("]", 20000), quote{}, "not JSON"},
		{"text", `"x"`, quote{}, "not a JSON object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q, err := legacy().parse([]byte(c.raw), "1001")
			switch {
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
				t.Errorf("%v\ndoes not say %q", err, c.err)
			case c.err == "" && err != nil:
				t.Error(err)
			case c.err == "" && !reflect.DeepEqual(*q, c.want):
				t.Errorf("got\n%+v, want\n%+v", *q, c.want)
			}
		})
	}
}

func TestQuoteFromAnArray(t *testing.T) {
	o := &Orders{Paths: map[string]string{"amount": "0.fee", "order_no": "0.no", "subject": "0.title"}}
	q, err := o.parse([]byte(` [{"fee":"1999","no":"1001","title":"Tea"}]`), "1001")
	if err != nil || q.Amount != 1999 || q.OrderNo != "1001" || q.Subject != "Tea" {
		t.Errorf("%+v, %v", q, err)
	}
	if _, err := o.parse([]byte(`[{"fee":1,"fee":2}]`), "1001"); err == nil {
		t.Error("a price twice")
	}
	if _, err := (&Orders{}).parse([]byte(`[{"amount":1}]`), "1001"); err == nil || !strings.Contains(err.Error(), "not a JSON object") {
		t.Errorf("without paths: %v", err)
	}
}

// Amounts are read digit by digit and never rounded.
func TestUnits(t *testing.T) {
	const refused = -1
	for _, c := range []struct {
		raw       string
		yuan, fen int64 // what it is by each unit
	}{
		{`"12.30"`, 1230, refused}, {`12.30`, 1230, refused}, {`12.3`, 1230, refused}, {`12`, 1200, 12}, {`"12"`, 1200, 12}, {`"0.01"`, 1, refused}, {`0.01`, 1, refused}, {`"0.1"`, 10, refused},
		{`0.29`, 29, refused}, {`19.99`, 1999, refused}, {`1.15`, 115, refused}, {`"4.35"`, 435, refused}, {`8.2`, 820, refused}, {`1001.1`, 100110, refused}, // each a trap of floats
		{`"12.3000"`, 1230, refused}, {`12.00`, 1200, refused}, {`"1999"`, 199900, 1999}, {`1999`, 199900, 1999},
		{`9007199254740993`, refused, 9007199254740993}, {`"123456789012345.67"`, 12345678901234567, refused}, {`999999999999999`, 99999999999999900, 999999999999999},
		{`0`, 0, 0}, {`"0.00"`, 0, refused},

		{`12.345`, refused, refused}, {`"12.345"`, refused, refused}, {`"0.001"`, refused, refused}, {`12.299999999999999`, refused, refused},
		{`1e3`, 100000, refused}, {`"1e3"`, 100000, refused}, {`1E2`, 10000, refused}, {`1.5e1`, 1500, refused}, // Java's BigDecimal, among others
		{`1E+2`, 10000, refused}, {`"1E+2"`, 10000, refused}, {`1.0E+3`, 100000, refused}, {`"1.0E+3"`, 100000, refused}, {`0E-10`, 0, refused}, {`1.999E1`, 1999, refused},
		{`1E-2`, 1, refused}, {`1E-3`, refused, refused}, {`"1E-3"`, refused, refused}, {`10E-3`, 1, refused}, {`12345E-3`, refused, refused}, {`1.2345E+2`, 12345, refused},
		{`1E+14`, 10000000000000000, refused}, {`1E+15`, refused, refused}, {`1E+999`, refused, refused}, {`1E+9999999999`, refused, refused}, {`1E-999`, refused, refused},
		{`"E5"`, refused, refused}, {`"1E"`, refused, refused}, {`"1E+"`, refused, refused}, {`"1E1.5"`, refused, refused}, {`-1E+2`, refused, refused},
		{`"¥12.30"`, refused, refused}, {`"12.30元"`, refused, refused}, {`" 12.30 "`, refused, refused}, {`"12.30\n"`, refused, refused}, {`"1,234.00"`, refused, refused}, {`"1 234"`, refused, refused},
		{`-1`, refused, refused}, {`"-1"`, refused, refused}, {`-0`, refused, refused}, {`"+1"`, refused, refused}, {`-0.01`, refused, refused},
		{`"NaN"`, refused, refused}, {`"Infinity"`, refused, refused}, {`""`, refused, refused}, {`"."`, refused, refused}, {`".5"`, refused, refused}, {`"5."`, refused, refused}, {`"012"`, refused, refused},
		{`"0x10"`, refused, refused}, {`"１２"`, refused, refused}, {`"12\u0000"`, refused, refused}, {`"12.30.1"`, refused, refused}, {`true`, refused, refused}, {`[12]`, refused, refused}, {`{"a":1}`, refused, refused},
		{`18446744073709551617`, refused, refused}, {`99999999999999999999999999`, refused, refused}, {`"` + strings.Repeat("9", 400) + `"`, refused, refused}, {`1` + strings.Repeat("0", 400), refused, refused},
		{`0.` + strings.Repeat("0", 400) + `1`, refused, refused},
	} {
		for unit, want := range map[string]int64{"yuan": c.yuan, "fen": c.fen} {
			o := &Orders{Yuan: unit == "yuan", Paths: map[string]string{"amount": "p"}}
			q, err := o.parse([]byte(`{"p":`+c.raw+`,"order_no":"1001","subject":"x"}`), "1001")
			switch {
			case want == refused:
				wantCode(t, unit+" "+c.raw, err, "amount_invalid")
			case err != nil || q.Amount != want:
				t.Errorf("%s %s: %+v, %v, want %d", unit, c.raw, q, err, want)
			}
		}
	}
	// In our own format yuan are read alike, and fen are numbers.
	if q, err := (&Orders{Yuan: true}).parse([]byte(`{"amount":"12.30","order_no":"1001","subject":"x"}`), "1001"); err != nil || q.Amount != 1230 {
		t.Errorf("%+v, %v", q, err)
	}
}

// Yuan are the currency's own unit in China alone.
func TestYuanOfAnotherCurrency(t *testing.T) {
	o := &Orders{Yuan: true}
	for currency, code := range map[string]string{"cny": "", "hkd": "amount_invalid", "jpy": "amount_invalid"} {
		q, err := o.parse([]byte(`{"order_no":"1","amount":1.5,"currency":"`+currency+`","subject":"s"}`), "1")
		if problem.CodeOf(err) != code || err == nil && q.Amount != 150 {
			t.Errorf("%s: %+v, %v", currency, q, err)
		}
	}
}

package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// memberNames lists the members of a JSON object in their order.
func memberNames(t *testing.T, raw []byte) string {
	t.Helper()
	o, err := parseObject(raw)
	if err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	var names []string
	for _, m := range o {
		names = append(names, m.key)
	}
	return strings.Join(names, " ")
}

const chargeFields = "id object created livemode paid refunded reversed app channel order_no client_ip amount amount_settle currency subject body extra " +
	"time_paid time_expire time_settle transaction_no refunds amount_refunded failure_code failure_msg metadata credential description"

func TestChargeObject(t *testing.T) {
	for _, live := range []bool{false, true} {
		b := start(t, Config{})
		r := b.request("POST", "/v1/charges", b.order("A1001", "metadata", map[string]any{"k": "<v>"}, "description", "d"))
		r.SetBasicAuth(map[bool]string{false: b.TestKey(), true: b.LiveKey()}[live], "")
		a := b.do(r)
		if a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if got := memberNames(t, a.body); got != chargeFields {
			t.Errorf("fields:\n%s\nwant\n%s", got, chargeFields)
		}
		want := regexp.MustCompile(`^ch_10` + modeDigit(live) + `260816\d{15}$`)
		if !want.MatchString(a.id()) {
			t.Errorf("id %s", a.id())
		}
		now := b.clock.Now().Unix()
		for field, want := range map[string]any{
			"object": "charge", "created": float64(now), "livemode": live, "paid": false, "refunded": false, "reversed": false,
			"app": b.App(), "channel": "wx_lite", "order_no": "A1001", "client_ip": "192.0.2.10", "amount": 100.0, "amount_settle": 100.0,
			"currency": "cny", "subject": "Tea & <cake>", "body": "绿茶", "extra.open_id": "oABCDEFGHIJKLMNOPQRSTUVWXYZ1",
			"time_paid": nil, "time_expire": float64(now + 7200), "time_settle": nil, "transaction_no": nil,
			"refunds.object": "list", "refunds.url": "/v1/charges/" + a.id() + "/refunds", "refunds.has_more": false,
			"amount_refunded": 0.0, "failure_code": nil, "failure_msg": nil, "metadata.k": "<v>", "description": "d",
			"credential.object": "credential",
		} {
			if got := a.field(field); got != want {
				t.Errorf("%s is %v, want %v", field, got, want)
			}
		}
		if !bytes.Contains(a.body, []byte(`"subject":"Tea & <cake>","body":"绿茶"`)) || !bytes.Contains(a.body, []byte(`"data":[]`)) {
			t.Errorf("written in another way than Ping++ writes: %s", a.body)
		}
		for name, want := range map[string]string{"Content-Type": "application/json;charset=utf-8", "Cache-Control": "no-cache, no-store", "Access-Control-Max-Age": "300"} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %q", name, got)
			}
		}
		if err := b.verify(a.body, a.header.Get("X-Pingplusplus-Signature")); err != nil {
			t.Errorf("the answer's signature: %v", err)
		}
		checkCredential(t, b, a, live)
	}
}

func checkCredential(t *testing.T, b *bench, a answer, live bool) {
	t.Helper()
	var in struct {
		Credential struct {
			WxLite json.RawMessage `json:"wx_lite"`
		} `json:"credential"`
	}
	if err := json.Unmarshal(a.body, &in); err != nil {
		t.Fatal(err)
	}
	if got := memberNames(t, in.Credential.WxLite); got != "appId timeStamp nonceStr package signType paySign" {
		t.Errorf("credential: %s", got)
	}
	var c wxCredential
	if err := json.Unmarshal(in.Credential.WxLite, &c); err != nil {
		t.Fatal(err)
	}
	prepay := `^prepay_id=1101000000260816[0-9a-z]{16}$`
	if live {
		prepay = `^prepay_id=wx20260816160755[0-9a-f]{20}$`
	}
	if !regexp.MustCompile(prepay).MatchString(c.Package) || len(c.NonceStr) != 32 || len(c.AppID) != 18 || (c.AppID == b.WxLite().AppID) != live {
		t.Errorf("credential: %+v", c)
	}
	if c.TimeStamp != strconv.FormatInt(b.clock.Now().Unix(), 10) || c.SignType != "MD5" || c.PaySign != paySign(c, b.mchKey) {
		t.Errorf("credential: %+v", c)
	}
}

func TestPaySignOfWeChatsExample(t *testing.T) {
	got := paySign(wxCredential{AppID: "wxd678efh567hg6787", NonceStr: "5K8264ILTKCH16CQ2502SI8ZNMTM67VS",
		Package: "prepay_id=wx2017033010242291fcfe0db70013231072", TimeStamp: "1490840662", SignType: "MD5"}, "qazwsxedcrfvtgbyhnujmikolp111111")
	if got != "22D9B4E54AB1950F51E0649E8810ACD6" {
		t.Error(got)
	}
}

func TestModesNeverMeet(t *testing.T) {
	b := start(t, Config{})
	test := b.create("A1001")
	live := b.api("POST", "/v1/charges", b.order("A1001", "amount", 999), "Authorization", "Bearer "+b.LiveKey())
	if live.status != 200 || live.field("livemode") != true || live.id() == test.id() {
		t.Fatalf("the same number in live mode: %d %s", live.status, live.body)
	}
	if a := b.api("GET", "/v1/charges/"+live.id(), ""); a.status != 404 || a.field("error.message") != "未找到 charge : "+live.id()+"。" {
		t.Errorf("the test key reads a live charge: %d %s", a.status, a.body)
	}
	if a := b.api("GET", "/v1/charges?app[id]="+b.App(), ""); strings.Contains(string(a.body), live.id()) || !strings.Contains(string(a.body), test.id()) {
		t.Errorf("the test key lists %s", a.body)
	}
	if a := b.api("GET", "/v1/charges/"+test.id(), ""); !bytes.Equal(a.body, test.body) {
		t.Errorf("created %s\nread %s", test.body, a.body)
	}
}

func TestRepeatedOrderNumbers(t *testing.T) {
	b := start(t, Config{})
	first := b.create("A1001")
	if again := b.create("A1001"); !bytes.Equal(again.body, first.body) {
		t.Errorf("the same parameters made another charge: %s", again.body)
	}
	refused := func(what, text string, changes ...any) {
		t.Helper()
		a := b.api("POST", "/v1/charges", b.order("A1001", changes...))
		if message, _ := a.field("error.message").(string); a.status != 402 || !strings.HasSuffix(message, text) || a.field("error.code") != "channel_request_error" {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	refused("another amount", "商户订单号重复", "amount", 101)
	refused("another openid", "商户订单号重复", "extra", map[string]any{"open_id": "oOther"})
	refused("another subject", "商户订单号重复", "subject", "Coffee")
	// What is no part of the order may differ, as a retry a second later does.
	if a := b.create("A1001", "time_expire", b.clock.Now().Unix()+600, "client_ip", "192.0.2.99"); a.id() != first.id() {
		t.Errorf("another time_expire: %s", a.body)
	}
	b.clock.Add(2 * time.Hour)
	refused("after two hours", "商户订单号重复")

	b.create("A1002")
	if err := b.Pay(b.create("A1002").id()); err != nil {
		t.Fatal(err)
	}
	a := b.api("POST", "/v1/charges", b.order("A1002"))
	if a.status != 402 || !strings.Contains(string(a.body), "该订单已支付") {
		t.Errorf("a paid number: %d %s", a.status, a.body)
	}
}

func TestParallelCreationsOfOneNumber(t *testing.T) {
	b := start(t, Config{})
	ids := make([]string, 20)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			if a, err := b.try(b.request("POST", "/v1/charges", b.order("A1001"), "Authorization", "Bearer "+b.TestKey())); err == nil {
				ids[i] = a.id()
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Fatalf("not one charge: %v", ids)
		}
	}
}

func TestPaid(t *testing.T) {
	b := start(t, Config{})
	c := b.create("A1001")
	b.clock.Add(time.Minute)
	if err := b.Pay(c.id()); err != nil {
		t.Fatal(err)
	}
	a := b.api("GET", "/v1/charges/"+c.id(), "")
	no, _ := a.field("transaction_no").(string)
	if a.field("paid") != true || a.field("time_paid") != float64(b.clock.Now().Unix()) || !regexp.MustCompile(`^129036265620260816\d{10}$`).MatchString(no) ||
		!strings.Contains(string(a.body), `"credential":{}`) || !strings.Contains(string(a.body), `"extra":{"open_id":"oABCDEFGHIJKLMNOPQRSTUVWXYZ1","bank_type":"your bank type"}`) {
		t.Errorf("%s", a.body)
	}
	if err := b.Pay(c.id()); !errors.Is(err, ErrChargePaid) {
		t.Errorf("paid twice: %v", err)
	}
	if err := b.Pay("ch_x"); !errors.Is(err, ErrUnknownCharge) {
		t.Errorf("unknown: %v", err)
	}
	late := b.create("A1002", "time_expire", b.clock.Now().Unix()+60)
	b.clock.Add(time.Minute)
	if err := b.Pay(late.id()); !errors.Is(err, ErrChargeExpired) {
		t.Errorf("expired: %v", err)
	}
	if a := b.api("GET", "/v1/charges/"+late.id(), ""); !strings.Contains(string(a.body), `"credential":{}`) {
		t.Errorf("an expired charge has a credential: %s", a.body)
	}
	live := b.api("POST", "/v1/charges", b.order("A1003"), "Authorization", "Bearer "+b.LiveKey())
	paid := b.lever("POST", "/sandbox/charges/"+live.id()+"/pay", "")
	if no, _ := paid.field("transaction_no").(string); len(no) != 28 || paid.field("extra.cash_fee") != 100.0 {
		t.Errorf("%s", paid.body)
	}
}

func TestNotify(t *testing.T) {
	b := start(t, Config{})
	c := b.create("A1001").id()
	expired := b.create("A1002", "time_expire", b.clock.Now().Unix()+60).id()
	b.clock.Add(61 * time.Second)
	live := b.api("POST", "/v1/charges", b.order("A1003"), "Authorization", "Bearer "+b.LiveKey()).id()
	for _, step := range []struct{ id, query, want string }{
		{c, "", "fail"}, {c, "?livemode=true", "fail"}, {c, "?livemode=false", "success"}, {c, "?livemode=false", "success"},
		{expired, "?livemode=false", "fail"}, {live, "?livemode=false", "fail"}, {"ch_x", "?livemode=false", "fail"}, {"", "?livemode=false", "fail"},
	} {
		if a := b.do(b.request("GET", "/notify/charges/"+step.id+step.query, "")); a.status != 200 || string(a.body) != step.want {
			t.Errorf("%s%s: %d %s", step.id, step.query, a.status, a.body)
		}
	}
	if n := len(b.State(100).Events); n != 1 {
		t.Errorf("%d events", n)
	}
}

func TestList(t *testing.T) {
	b := start(t, Config{})
	var ids []string // oldest first
	for i := range 12 {
		ids = append(ids, b.create(fmt.Sprintf("L%03d", i)).id())
		b.clock.Add(time.Second)
	}
	if err := b.Pay(ids[3]); err != nil {
		t.Fatal(err)
	}
	newest := func(from, to int) []string { // ids[from] down to ids[to]
		var out []string
		for i := from; i >= to; i-- {
			out = append(out, ids[i])
		}
		return out
	}
	first := strconv.FormatInt(b.clock.Now().Unix()-12, 10)
	for _, c := range []struct {
		query string
		want  []string
		more  bool
	}{
		{"", newest(11, 2), true},
		{"&limit=100", newest(11, 0), false},
		{"&limit=12", newest(11, 0), false},
		{"&limit=3", newest(11, 9), true},
		{"&limit=3&starting_after=" + ids[9], newest(8, 6), true},
		{"&limit=3&starting_after=" + ids[2], newest(1, 0), false},
		{"&limit=3&ending_before=" + ids[2], newest(5, 3), true},
		{"&limit=3&ending_before=" + ids[9], newest(11, 10), false},
		{"&paid=true", newest(3, 3), false},
		{"&paid=false&limit=100&created[lte]=" + first, newest(0, 0), false},
		{"&created[gt]=" + first + "&limit=100", newest(11, 1), false},
		{"&created[gte]=" + first + "&created[lt]=" + first, nil, false},
		{"&created=" + first, newest(0, 0), false},
		{"&refunded=true", nil, false},
		{"&reversed=true", nil, false},
		{"&channel=wx_pub", nil, false},
		{"&channel=wx_lite&limit=1", newest(11, 11), true},
	} {
		a := b.api("GET", "/v1/charges?app[id]="+b.App()+c.query, "")
		var list struct {
			Object  string
			URL     string
			HasMore bool `json:"has_more"`
			Data    []struct{ ID string }
		}
		if err := json.Unmarshal(a.body, &list); err != nil || a.status != 200 || list.Object != "list" || list.URL != "/v1/charges" {
			t.Fatalf("%s: %d %s", c.query, a.status, a.body)
		}
		var got []string
		for _, d := range list.Data {
			got = append(got, d.ID)
		}
		if strings.Join(got, " ") != strings.Join(c.want, " ") || list.HasMore != c.more {
			t.Errorf("%s: %v, more %v", c.query, got, list.HasMore)
		}
	}
	b.clock.Add(60 * 24 * time.Hour)
	if a := b.api("GET", "/v1/charges?app[id]="+b.App(), ""); !strings.Contains(string(a.body), `"data":[]`) {
		t.Errorf("without created, older than a month: %s", a.body)
	}
	for query, param := range map[string]string{
		"": "app[id]", "app[id]=app_x": "app[id]", "app[id]=" + b.App() + "&limit=0": "limit", "app[id]=" + b.App() + "&limit=101": "limit",
		"app[id]=" + b.App() + "&starting_after=ch_x": "starting_after", "app[id]=" + b.App() + "&paid=1": "paid", "app[id]=" + b.App() + "&created[gt]=x": "created[gt]",
		"app[id]=" + b.App() + "&page=2": "page", "app[id]=" + b.App() + "&starting_after=" + ids[0] + "&ending_before=" + ids[1]: "ending_before",
	} {
		if a := b.api("GET", "/v1/charges?"+query, ""); a.status/100 != 4 || a.field("error.param") != param {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
}

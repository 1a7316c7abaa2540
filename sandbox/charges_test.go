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

	"github.com/caddypay/caddypay/sandbox/rawjson"
)

// memberNames lists the members of a JSON object in their order.
func memberNames(t *testing.T, raw []byte) string {
	t.Helper()
	o, err := rawjson.Parse(raw)
	if err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	var names []string
	for _, m := range o {
		names = append(names, m.Key)
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
	refused("another subject", "商户订单号重复", "subject", "Coffee")
	if a := b.create("A1001", "extra", map[string]any{"open_id": "oOther"}); !bytes.Equal(a.body, first.body) {
		t.Errorf("another openid, which Ping++ does not compare: %s", a.body)
	}
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

// How long a repeated creation is answered with the first charge, and what comes after, is each channel's own.
func TestRepeatsOfChannels(t *testing.T) {
	scan := map[string]any{"scan_code": "134567890123456789", "terminal_id": "T1"}
	for _, c := range []struct {
		channel string
		extra   map[string]any
		window  time.Duration
		renews  bool
	}{
		{"wx_wap", map[string]any{}, 5 * time.Minute, false},
		{"wx_pub_qr", map[string]any{"product_id": "p"}, 2 * time.Hour, false},
		{"wx_pub_scan", scan, time.Minute, false},
		{"alipay_qr", map[string]any{}, time.Minute, true},
		{"alipay_scan", scan, time.Minute, true},
	} {
		b := start(t, Config{})
		create := func(changes ...any) answer {
			return b.api("POST", "/v1/charges", b.order("A1001001", append([]any{"channel", c.channel, "extra", c.extra, "time_expire", b.clock.Now().Add(20 * time.Hour).Unix()}, changes...)...))
		}
		first := create()
		b.clock.Add(c.window - time.Second)
		if again := create(); first.status != 200 || again.id() != first.id() {
			t.Errorf("%s: within %s: %d %s", c.channel, c.window, again.status, again.body)
		}
		b.clock.Add(time.Second)
		later := create()
		if c.renews != (later.status == 200 && later.id() != first.id()) || !c.renews && !strings.Contains(string(later.body), "商户订单号重复") {
			t.Errorf("%s: after %s: %d %s", c.channel, c.window, later.status, later.body)
		}
		if a := create("amount", 101); a.status != 402 {
			t.Errorf("%s: another amount: %d %s", c.channel, a.status, a.body)
		}
		if !c.renews {
			continue
		}
		if err := b.Pay(first.id()); err != nil {
			t.Error(err)
		}
		if err := b.Pay(later.id()); !errors.Is(err, ErrChargePaid) {
			t.Errorf("%s: a number was paid twice: %v", c.channel, err)
		}
		if a := create(); a.status != 402 || !strings.Contains(string(a.body), "ACQ.TRADE_HAS_SUCCESS") {
			t.Errorf("%s: of a paid number: %d %s", c.channel, a.status, a.body)
		}
	}
}

// WeChat's credentials die before their charge does, and Ping++ does not say so.
func TestCredentialsDie(t *testing.T) {
	for channel, c := range map[string]struct {
		extra map[string]any
		life  time.Duration
	}{
		"wx_wap":    {map[string]any{}, 5 * time.Minute},
		"wx_pub_qr": {map[string]any{"product_id": "p"}, 2 * time.Hour},
		"wx_lite":   {map[string]any{"open_id": "oABC"}, 2 * time.Hour},
		"alipay_qr": {map[string]any{}, 0},
	} {
		b := start(t, Config{})
		create := func(no string) string {
			return b.create(no, "channel", channel, "extra", c.extra, "time_expire", b.clock.Now().Add(20*time.Hour).Unix()).id()
		}
		life := c.life
		if life == 0 {
			life = 19 * time.Hour
		}
		alive, dying := create("A1001001"), create("A1001002")
		b.clock.Add(life - time.Second)
		if err := b.Pay(alive); err != nil {
			t.Errorf("%s: after %s: %v", channel, life, err)
		}
		b.clock.Add(time.Second)
		err := b.Pay(dying)
		if dead := errors.Is(err, ErrCredentialDead); dead != (c.life > 0) || !dead && err != nil {
			t.Errorf("%s: after %s: %v", channel, life, err)
		}
		if c.life == 0 {
			continue
		}
		if a := b.do(b.request("POST", "/sandbox/charges/"+dying+"/pay", "")); a.status != 409 || !strings.Contains(string(a.body), "credential is dead") {
			t.Errorf("%s: the lever: %d %s", channel, a.status, a.body)
		}
		if a := b.page("/mock.php?ch_id="+dying, "en"); !strings.Contains(string(a.body), "has expired") {
			t.Errorf("%s: the mock page: %s", channel, a.body)
		}
		if a := b.api("GET", "/v1/charges/"+dying, ""); strings.Contains(string(a.body), `"credential":{}`) || a.field("paid") != false {
			t.Errorf("%s: Ping++ knows: %s", channel, a.body)
		}
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

func TestReverse(t *testing.T) {
	b := start(t, Config{})
	for i, body := range []string{"", "{}", "[]"} { // Go's, Node's and PHP's
		orderNo := fmt.Sprint("A100", i)
		id := b.create(orderNo).id()
		b.clock.Add(time.Minute)
		a := b.api("POST", "/v1/charges/"+id+"/reverse", body)
		if a.status != 200 || a.id() != id || a.field("reversed") != true || a.field("paid") != false || !strings.Contains(string(a.body), `"credential":{}`) || memberNames(t, a.body) != chargeFields {
			t.Errorf("%q: %d %s", body, a.status, a.body)
		}
		if got := b.api("GET", "/v1/charges/"+id, ""); !bytes.Equal(got.body, a.body) {
			t.Errorf("reversed %s\nread %s", a.body, got.body)
		}
		if err := b.Pay(id); !errors.Is(err, ErrChargeReversed) {
			t.Errorf("paid: %v", err)
		}
		if a := b.do(b.request("GET", "/notify/charges/"+id+"?livemode=false", "")); string(a.body) != "fail" {
			t.Errorf("notify: %s", a.body)
		}
		if a := b.do(b.request("POST", "/sandbox/charges/"+id+"/pay", "")); a.status != 409 {
			t.Errorf("lever: %d", a.status)
		}
		if a := b.api("POST", "/v1/charges", b.order(orderNo)); a.status != 402 || !strings.Contains(string(a.body), "该订单已关闭") {
			t.Errorf("its number again: %d %s", a.status, a.body)
		}
	}
	paid, live := b.create("P1").id(), b.api("POST", "/v1/charges", b.order("L1"), "Authorization", "Bearer "+b.LiveKey()).id()
	if err := b.Pay(paid); err != nil {
		t.Fatal(err)
	}
	again := b.create("P2").id()
	b.clock.Add(time.Minute)
	b.api("POST", "/v1/charges/"+again+"/reverse", "{}")
	for _, c := range []struct {
		id, code, param string
		status          int
	}{{paid, "charge_unexpected_status", "", 400}, {again, "charge_closed", "", 400}, {"ch_x", "", "id", 404}, {live, "", "id", 404}} {
		a := b.api("POST", "/v1/charges/"+c.id+"/reverse", "{}")
		code, _ := a.field("error.code").(string)
		param, _ := a.field("error.param").(string)
		if a.status != c.status || code != c.code || param != c.param || a.field("error.type") != "invalid_request_error" {
			t.Errorf("%s: %d %s", c.id, a.status, a.body)
		}
	}
	for query, want := range map[string]int{"&reversed=true": 4, "&reversed=false": 1, "&reversed=true&paid=true": 0} {
		if a := b.api("GET", "/v1/charges?app[id]="+b.App()+query, ""); len(a.field("data").([]any)) != want {
			t.Errorf("%s: %s", query, a.body)
		}
	}
	if n := len(b.State(100).Events); n != 1 {
		t.Errorf("%d events: a reversal has none", n)
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

// A page on another origin, and the developer tools, ask before they ask.
func TestNotifyMayBeAskedFromAnywhere(t *testing.T) {
	b := start(t, Config{})
	id := b.create("P1000001").id()
	a := b.do(b.request("OPTIONS", "/notify/charges/"+id+"?livemode=false", "", "Origin", "https://servicewechat.com",
		"Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "content-type", "Access-Control-Request-Private-Network", "true"))
	if a.status != 204 || a.header.Get("Access-Control-Allow-Origin") != "*" || a.header.Get("Access-Control-Allow-Headers") != "*" ||
		!strings.Contains(a.header.Get("Access-Control-Allow-Methods"), "GET") || a.header.Get("Access-Control-Allow-Private-Network") != "true" {
		t.Errorf("%d %v", a.status, a.header)
	}
	if paid := b.api("GET", "/v1/charges/"+id, "").field("paid"); paid != false {
		t.Error("the question alone has paid the charge")
	}
	if a := b.do(b.request("GET", "/notify/charges/"+id+"?livemode=false", "", "Origin", "https://servicewechat.com", "Content-Type", "application/json")); string(a.body) != "success" ||
		a.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%v %s", a.header, a.body)
	}
}

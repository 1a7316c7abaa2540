package trade_test

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

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/pingxx/events"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
)

func TestChargeObject(t *testing.T) {
	for _, live := range []bool{false, true} {
		b := sandboxtest.Start(t, sandbox.Config{})
		r := b.Request("POST", "/v1/charges", b.Order("A1001", "metadata", map[string]any{"k": "<v>"}, "description", "d"))
		r.SetBasicAuth(map[bool]string{false: b.TestKey(), true: b.LiveKey()}[live], "")
		a := b.Do(r)
		if a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		if got := sandboxtest.MemberNames(t, a.Body); got != sandboxtest.ChargeFields {
			t.Errorf("fields:\n%s\nwant\n%s", got, sandboxtest.ChargeFields)
		}
		want := regexp.MustCompile(`^ch_10` + events.ModeDigit(live) + `260816\d{15}$`)
		if !want.MatchString(a.ID()) {
			t.Errorf("id %s", a.ID())
		}
		now := b.Clock.Now().Unix()
		for field, want := range map[string]any{
			"object": "charge", "created": float64(now), "livemode": live, "paid": false, "refunded": false, "reversed": false,
			"app": b.App(), "channel": "wx_lite", "order_no": "A1001", "client_ip": "192.0.2.10", "amount": 100.0, "amount_settle": 100.0,
			"currency": "cny", "subject": "Tea & <cake>", "body": "绿茶", "extra.open_id": "oABCDEFGHIJKLMNOPQRSTUVWXYZ1",
			"time_paid": nil, "time_expire": float64(now + 7200), "time_settle": nil, "transaction_no": nil,
			"refunds.object": "list", "refunds.url": "/v1/charges/" + a.ID() + "/refunds", "refunds.has_more": false,
			"amount_refunded": 0.0, "failure_code": nil, "failure_msg": nil, "metadata.k": "<v>", "description": "d",
			"credential.object": "credential",
		} {
			if got := a.Field(field); got != want {
				t.Errorf("%s is %v, want %v", field, got, want)
			}
		}
		if !bytes.Contains(a.Body, []byte(`"subject":"Tea & <cake>","body":"绿茶"`)) || !bytes.Contains(a.Body, []byte(`"data":[]`)) {
			t.Errorf("written in another way than Ping++ writes: %s", a.Body)
		}
		for name, want := range map[string]string{"Content-Type": "application/json;charset=utf-8", "Cache-Control": "no-cache, no-store", "Access-Control-Max-Age": "300"} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %q", name, got)
			}
		}
		if err := b.Verify(a.Body, a.Header.Get("X-Pingplusplus-Signature")); err != nil {
			t.Errorf("the answer's signature: %v", err)
		}
		checkCredential(t, b, a, live)
	}
}

func checkCredential(t *testing.T, b *sandboxtest.Bench, a sandboxtest.Answer, live bool) {
	t.Helper()
	var in struct {
		Credential struct {
			WxLite json.RawMessage `json:"wx_lite"`
		} `json:"credential"`
	}
	if err := json.Unmarshal(a.Body, &in); err != nil {
		t.Fatal(err)
	}
	if got := sandboxtest.MemberNames(t, in.Credential.WxLite); got != "appId timeStamp nonceStr package signType paySign" {
		t.Errorf("credential: %s", got)
	}
	var c struct{ AppID, TimeStamp, NonceStr, Package, SignType, PaySign string }
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
	if c.TimeStamp != strconv.FormatInt(b.Clock.Now().Unix(), 10) || c.SignType != "MD5" || len(c.PaySign) != 32 {
		t.Errorf("credential: %+v", c)
	}
}

func TestModesNeverMeet(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	test := b.Create("A1001")
	live := b.API("POST", "/v1/charges", b.Order("A1001", "amount", 999), "Authorization", "Bearer "+b.LiveKey())
	if live.Status != 200 || live.Field("livemode") != true || live.ID() == test.ID() {
		t.Fatalf("the same number in live mode: %d %s", live.Status, live.Body)
	}
	if a := b.API("GET", "/v1/charges/"+live.ID(), ""); a.Status != 404 || a.Field("error.message") != "未找到 charge : "+live.ID()+"。" {
		t.Errorf("the test key reads a live charge: %d %s", a.Status, a.Body)
	}
	if a := b.API("GET", "/v1/charges?app[id]="+b.App(), ""); strings.Contains(string(a.Body), live.ID()) || !strings.Contains(string(a.Body), test.ID()) {
		t.Errorf("the test key lists %s", a.Body)
	}
	if a := b.API("GET", "/v1/charges/"+test.ID(), ""); !bytes.Equal(a.Body, test.Body) {
		t.Errorf("created %s\nread %s", test.Body, a.Body)
	}
}

func TestRepeatedOrderNumbers(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	first := b.Create("A1001")
	if again := b.Create("A1001"); !bytes.Equal(again.Body, first.Body) {
		t.Errorf("the same parameters made another charge: %s", again.Body)
	}
	refused := func(what, text string, changes ...any) {
		t.Helper()
		a := b.API("POST", "/v1/charges", b.Order("A1001", changes...))
		if message, _ := a.Field("error.message").(string); a.Status != 402 || !strings.HasSuffix(message, text) || a.Field("error.code") != "channel_request_error" {
			t.Errorf("%s: %d %s", what, a.Status, a.Body)
		}
	}
	refused("another amount", "商户订单号重复", "amount", 101)
	refused("another subject", "商户订单号重复", "subject", "Coffee")
	if a := b.Create("A1001", "extra", map[string]any{"open_id": "oOther"}); !bytes.Equal(a.Body, first.Body) {
		t.Errorf("another openid, which Ping++ does not compare: %s", a.Body)
	}
	// What is no part of the order may differ, as a retry a second later does.
	if a := b.Create("A1001", "time_expire", b.Clock.Now().Unix()+600, "client_ip", "192.0.2.99"); a.ID() != first.ID() {
		t.Errorf("another time_expire: %s", a.Body)
	}
	b.Clock.Add(2 * time.Hour)
	refused("after two hours", "商户订单号重复")

	b.Create("A1002")
	if err := b.Pay(b.Create("A1002").ID()); err != nil {
		t.Fatal(err)
	}
	a := b.API("POST", "/v1/charges", b.Order("A1002"))
	if a.Status != 402 || !strings.Contains(string(a.Body), "该订单已支付") {
		t.Errorf("a paid number: %d %s", a.Status, a.Body)
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
		b := sandboxtest.Start(t, sandbox.Config{})
		create := func(changes ...any) sandboxtest.Answer {
			return b.API("POST", "/v1/charges", b.Order("A1001001", append([]any{"channel", c.channel, "extra", c.extra, "time_expire", b.Clock.Now().Add(20 * time.Hour).Unix()}, changes...)...))
		}
		first := create()
		b.Clock.Add(c.window - time.Second)
		if again := create(); first.Status != 200 || again.ID() != first.ID() {
			t.Errorf("%s: within %s: %d %s", c.channel, c.window, again.Status, again.Body)
		}
		b.Clock.Add(time.Second)
		later := create()
		if c.renews != (later.Status == 200 && later.ID() != first.ID()) || !c.renews && !strings.Contains(string(later.Body), "商户订单号重复") {
			t.Errorf("%s: after %s: %d %s", c.channel, c.window, later.Status, later.Body)
		}
		if a := create("amount", 101); a.Status != 402 {
			t.Errorf("%s: another amount: %d %s", c.channel, a.Status, a.Body)
		}
		if !c.renews {
			continue
		}
		if err := b.Pay(first.ID()); err != nil {
			t.Error(err)
		}
		if err := b.Pay(later.ID()); !errors.Is(err, sandbox.ErrChargePaid) {
			t.Errorf("%s: a number was paid twice: %v", c.channel, err)
		}
		if a := create(); a.Status != 402 || !strings.Contains(string(a.Body), "ACQ.TRADE_HAS_SUCCESS") {
			t.Errorf("%s: of a paid number: %d %s", c.channel, a.Status, a.Body)
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
		b := sandboxtest.Start(t, sandbox.Config{})
		create := func(no string) string {
			return b.Create(no, "channel", channel, "extra", c.extra, "time_expire", b.Clock.Now().Add(20*time.Hour).Unix()).ID()
		}
		life := c.life
		if life == 0 {
			life = 19 * time.Hour
		}
		alive, dying := create("A1001001"), create("A1001002")
		b.Clock.Add(life - time.Second)
		if err := b.Pay(alive); err != nil {
			t.Errorf("%s: after %s: %v", channel, life, err)
		}
		b.Clock.Add(time.Second)
		err := b.Pay(dying)
		if dead := errors.Is(err, sandbox.ErrCredentialDead); dead != (c.life > 0) || !dead && err != nil {
			t.Errorf("%s: after %s: %v", channel, life, err)
		}
		if c.life == 0 {
			continue
		}
		if a := b.Do(b.Request("POST", "/sandbox/charges/"+dying+"/pay", "")); a.Status != 409 || !strings.Contains(string(a.Body), "credential is dead") {
			t.Errorf("%s: the lever: %d %s", channel, a.Status, a.Body)
		}
		if a := b.Page("/mock.php?ch_id="+dying, "en"); !strings.Contains(string(a.Body), "has expired") {
			t.Errorf("%s: the mock page: %s", channel, a.Body)
		}
		if a := b.API("GET", "/v1/charges/"+dying, ""); strings.Contains(string(a.Body), `"credential":{}`) || a.Field("paid") != false {
			t.Errorf("%s: Ping++ knows: %s", channel, a.Body)
		}
	}
}

func TestParallelCreationsOfOneNumber(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	ids := make([]string, 20)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			if a, err := b.Try(b.Request("POST", "/v1/charges", b.Order("A1001"), "Authorization", "Bearer "+b.TestKey())); err == nil {
				ids[i] = a.ID()
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
	b := sandboxtest.Start(t, sandbox.Config{})
	c := b.Create("A1001")
	b.Clock.Add(time.Minute)
	if err := b.Pay(c.ID()); err != nil {
		t.Fatal(err)
	}
	a := b.API("GET", "/v1/charges/"+c.ID(), "")
	no, _ := a.Field("transaction_no").(string)
	if a.Field("paid") != true || a.Field("time_paid") != float64(b.Clock.Now().Unix()) || !regexp.MustCompile(`^129036265620260816\d{10}$`).MatchString(no) ||
		!strings.Contains(string(a.Body), `"credential":{}`) || !strings.Contains(string(a.Body), `"extra":{"open_id":"oABCDEFGHIJKLMNOPQRSTUVWXYZ1","bank_type":"your bank type"}`) {
		t.Errorf("%s", a.Body)
	}
	if err := b.Pay(c.ID()); !errors.Is(err, sandbox.ErrChargePaid) {
		t.Errorf("paid twice: %v", err)
	}
	if err := b.Pay("ch_x"); !errors.Is(err, sandbox.ErrUnknownCharge) {
		t.Errorf("unknown: %v", err)
	}
	late := b.Create("A1002", "time_expire", b.Clock.Now().Unix()+60)
	b.Clock.Add(time.Minute)
	if err := b.Pay(late.ID()); !errors.Is(err, sandbox.ErrChargeExpired) {
		t.Errorf("expired: %v", err)
	}
	if a := b.API("GET", "/v1/charges/"+late.ID(), ""); !strings.Contains(string(a.Body), `"credential":{}`) {
		t.Errorf("an expired charge has a credential: %s", a.Body)
	}
	live := b.API("POST", "/v1/charges", b.Order("A1003"), "Authorization", "Bearer "+b.LiveKey())
	paid := b.Lever("POST", "/sandbox/charges/"+live.ID()+"/pay", "")
	if no, _ := paid.Field("transaction_no").(string); len(no) != 28 || paid.Field("extra.cash_fee") != 100.0 {
		t.Errorf("%s", paid.Body)
	}
}

func TestReverse(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	for i, body := range []string{"", "{}", "[]"} { // Go's, Node's and PHP's
		orderNo := fmt.Sprint("A100", i)
		id := b.Create(orderNo).ID()
		b.Clock.Add(time.Minute)
		a := b.API("POST", "/v1/charges/"+id+"/reverse", body)
		if a.Status != 200 || a.ID() != id || a.Field("reversed") != true || a.Field("paid") != false || !strings.Contains(string(a.Body), `"credential":{}`) || sandboxtest.MemberNames(t, a.Body) != sandboxtest.ChargeFields {
			t.Errorf("%q: %d %s", body, a.Status, a.Body)
		}
		if got := b.API("GET", "/v1/charges/"+id, ""); !bytes.Equal(got.Body, a.Body) {
			t.Errorf("reversed %s\nread %s", a.Body, got.Body)
		}
		if err := b.Pay(id); !errors.Is(err, sandbox.ErrChargeReversed) {
			t.Errorf("paid: %v", err)
		}
		if a := b.Do(b.Request("GET", "/notify/charges/"+id+"?livemode=false", "")); string(a.Body) != "fail" {
			t.Errorf("notify: %s", a.Body)
		}
		if a := b.Do(b.Request("POST", "/sandbox/charges/"+id+"/pay", "")); a.Status != 409 {
			t.Errorf("lever: %d", a.Status)
		}
		if a := b.API("POST", "/v1/charges", b.Order(orderNo)); a.Status != 402 || !strings.Contains(string(a.Body), "该订单已关闭") {
			t.Errorf("its number again: %d %s", a.Status, a.Body)
		}
	}
	paid, live := b.Create("P1").ID(), b.API("POST", "/v1/charges", b.Order("L1"), "Authorization", "Bearer "+b.LiveKey()).ID()
	if err := b.Pay(paid); err != nil {
		t.Fatal(err)
	}
	again := b.Create("P2").ID()
	b.Clock.Add(time.Minute)
	b.API("POST", "/v1/charges/"+again+"/reverse", "{}")
	for _, c := range []struct {
		id, code, param string
		status          int
	}{{paid, "charge_unexpected_status", "", 400}, {again, "charge_closed", "", 400}, {"ch_x", "", "id", 404}, {live, "", "id", 404}} {
		a := b.API("POST", "/v1/charges/"+c.id+"/reverse", "{}")
		code, _ := a.Field("error.code").(string)
		param, _ := a.Field("error.param").(string)
		if a.Status != c.status || code != c.code || param != c.param || a.Field("error.type") != "invalid_request_error" {
			t.Errorf("%s: %d %s", c.id, a.Status, a.Body)
		}
	}
	for query, want := range map[string]int{"&reversed=true": 4, "&reversed=false": 1, "&reversed=true&paid=true": 0} {
		if a := b.API("GET", "/v1/charges?app[id]="+b.App()+query, ""); len(a.Field("data").([]any)) != want {
			t.Errorf("%s: %s", query, a.Body)
		}
	}
	if n := len(b.State(100).Events); n != 1 {
		t.Errorf("%d events: a reversal has none", n)
	}
}

func TestNotify(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	c := b.Create("A1001").ID()
	expired := b.Create("A1002", "time_expire", b.Clock.Now().Unix()+60).ID()
	b.Clock.Add(61 * time.Second)
	live := b.API("POST", "/v1/charges", b.Order("A1003"), "Authorization", "Bearer "+b.LiveKey()).ID()
	for _, step := range []struct{ id, query, want string }{
		{c, "", "fail"}, {c, "?livemode=true", "fail"}, {c, "?livemode=false", "success"}, {c, "?livemode=false", "success"},
		{expired, "?livemode=false", "fail"}, {live, "?livemode=false", "fail"}, {"ch_x", "?livemode=false", "fail"}, {"", "?livemode=false", "fail"},
	} {
		if a := b.Do(b.Request("GET", "/notify/charges/"+step.id+step.query, "")); a.Status != 200 || string(a.Body) != step.want {
			t.Errorf("%s%s: %d %s", step.id, step.query, a.Status, a.Body)
		}
	}
	if n := len(b.State(100).Events); n != 1 {
		t.Errorf("%d events", n)
	}
}

// A page on another origin, and the developer tools, ask before they ask.
func TestNotifyMayBeAskedFromAnywhere(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	id := b.Create("P1000001").ID()
	a := b.Do(b.Request("OPTIONS", "/notify/charges/"+id+"?livemode=false", "", "Origin", "https://servicewechat.com",
		"Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "content-type", "Access-Control-Request-Private-Network", "true"))
	if a.Status != 204 || a.Header.Get("Access-Control-Allow-Origin") != "*" || a.Header.Get("Access-Control-Allow-Headers") != "*" ||
		!strings.Contains(a.Header.Get("Access-Control-Allow-Methods"), "GET") || a.Header.Get("Access-Control-Allow-Private-Network") != "true" {
		t.Errorf("%d %v", a.Status, a.Header)
	}
	if paid := b.API("GET", "/v1/charges/"+id, "").Field("paid"); paid != false {
		t.Error("the question alone has paid the charge")
	}
	if a := b.Do(b.Request("GET", "/notify/charges/"+id+"?livemode=false", "", "Origin", "https://servicewechat.com", "Content-Type", "application/json")); string(a.Body) != "success" ||
		a.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%v %s", a.Header, a.Body)
	}
}

package pingpp

import (
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/redact"
)

// Each call goes where Ping++ has it.
func TestWhereCallsGo(t *testing.T) {
	var got string
	cl := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = strings.TrimSpace(r.Method + " " + r.URL.Path + " " + string(body))
		w.WriteHeader(http.StatusBadRequest)
	})
	calls := otherCalls(cl)
	for op, want := range map[string]string{
		"get charge": "GET /v1/charges/ch_1", "reverse charge": "POST /v1/charges/ch_1/reverse {}", "get event": "GET /v1/events/evt_1",
		"get refund": "GET /v1/charges/ch_1/refunds/re_1", "list refunds": "GET /v1/charges/ch_1/refunds",
		"create refund": `POST /v1/charges/ch_1/refunds {"description":"d"}`, "get order": "GET /v1/orders/" + orderID,
		"pay order":    `POST /v1/orders/` + orderID + `/pay {"channel":"wx_lite","charge_amount":1}`,
		"cancel order": `PUT /v1/orders/` + orderID + ` {"status":"canceled"}`, "list orders": "GET /v1/orders", "list order charges": "GET /v1/orders/" + orderID + "/charges",
		"refund order":     `POST /v1/orders/` + orderID + `/order_refunds {"charge":"ch_1","description":"d"}`,
		"get order refund": "GET /v1/orders/" + orderID + "/order_refunds/re_1", "list order refunds": "GET /v1/orders/" + orderID + "/order_refunds",
	} {
		if _, err := calls[op](t.Context()); err == nil || got != want {
			t.Errorf("%s went to %s, want %s: %v", op, got, want, err)
		}
	}
	// The pages for test charges: Ping++'s own, or the emulator's.
	theirs, err := New(Config{App: testApp, Key: redact.New(testKey)})
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	if theirs.NotifyURL() != "https://notify.pingxx.com/notify/charges/" || theirs.MockURL() != "https://sissi.pingxx.com/mock.php" {
		t.Errorf("%s, %s", theirs.NotifyURL(), theirs.MockURL())
	}
	if ours := client(t, "http://127.0.0.1:1"); ours.NotifyURL() != "http://127.0.0.1:1/notify/charges/" || ours.MockURL() != "http://127.0.0.1:1/mock.php" {
		t.Errorf("%s, %s", ours.NotifyURL(), ours.MockURL())
	}
}

// An order is read whole; it is ours when our app receives its money, and never another than the one that was asked for.
func TestWhatOrdersSay(t *testing.T) {
	raw := order(map[string]any{"actual_amount": 1200, "amount_paid": 1199, "amount_refunded": 7, "time_paid": 1795420791, "metadata": map[string]any{"k": "v"}})
	or, err := parseOrder([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	if or.Amount != 1250 || or.ActualAmount != 1200 || or.AmountPaid != 1199 || or.AmountRefunded != 7 || or.Created != 1795420790 || or.TimePaid != 1795420791 ||
		!reflect.DeepEqual(or.Metadata, map[string]string{"k": "v"}) || string(or.Raw) != raw {
		t.Errorf("%+v", or)
	}
	for name, c := range map[string]struct {
		change map[string]any
		kind   ErrorKind
	}{
		"ours by its money": {map[string]any{"app": "app_2"}, ""}, "ours by its app": {map[string]any{"receipt_app": "app_2"}, ""},
		"nobody's": {map[string]any{"app": "app_2", "receipt_app": "app_2"}, Foreign}, "live": {map[string]any{"livemode": true}, Foreign},
		"another": {map[string]any{"id": "2001"}, Malformed},
	} {
		or, err := serve(t, answer(200, order(c.change))).GetOrder(t.Context(), orderID)
		if c.kind == "" && (err != nil || or == nil) {
			t.Errorf("%s: %v", name, err)
		}
		if c.kind != "" {
			wantKind(t, err, c.kind, c.kind == Malformed)
		}
	}
}

// What a refund of an order asks for is compared with what comes of it.
func TestOrderRefundsThatDiffer(t *testing.T) {
	one := `{"id":"re_1","object":"refund","charge":"ch_1","amount":5,"succeed":false,"status":"pending","created":1,"metadata":{"pay_refund_no":"R2","n":"7"}}`
	for _, c := range []struct {
		p    OrderRefundParams
		want string // empty: taken
	}{
		{OrderRefundParams{ChargeID: "ch_1", Description: "d", RefundMode: "to_balance"}, ""}, {OrderRefundParams{ChargeID: "ch_1", Description: "d", RefundMode: "to_source"}, ""},
		{OrderRefundParams{ChargeID: "ch_1", Description: "d", FundingSource: UnsettledFunds}, ""}, {OrderRefundParams{ChargeID: "ch_1", Description: "d", FundingSource: RechargeFunds}, ""},
		{OrderRefundParams{ChargeID: "ch_1", Description: "d", Metadata: map[string]any{"pay_refund_no": "R2", "n": 7}}, ""},
		{OrderRefundParams{ChargeID: "ch_1", Description: "d", RefundMode: "x"}, "the refund mode"},
		{OrderRefundParams{ChargeID: "ch_1", Description: "d", FundingSource: "x"}, "the funding source"},
		{OrderRefundParams{ChargeID: "ch_1", Description: "d", Metadata: map[string]any{"pay_refund_no": "R1"}}, "its metadata.pay_refund_no is R2"},
		{OrderRefundParams{ChargeID: "ch_1", Description: "d", ChargeAmount: 6}, "its amount is 5"},
	} {
		_, err := serve(t, answer(200, refundPage(false, one))).RefundOrder(t.Context(), orderID, &c.p)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v, want %q", c.p, err, c.want)
		}
	}
	_, err := serve(t, answer(200, refundPage(true, one))).RefundOrder(t.Context(), orderID, &OrderRefundParams{ChargeID: "ch_1", Description: "d"})
	if err == nil || !strings.Contains(err.Error(), "several refunds of one charge") {
		t.Error(err)
	}
}

// Types and ids go into paths, log lines and database keys.
func TestFormsOfTypesAndIDs(t *testing.T) {
	for text, ok := range map[string]bool{
		"charge.succeeded": true, "azAZ09_.x": true, strings.Repeat("x", 64): true, strings.Repeat("x", 65): false, "a b": false, "a/b": false, "a:b": false, "a@b": false,
		"a[b": false, "a`b": false, "a{b": false, "a-b": false, "ä": false,
	} {
		e, err := ParseEvent([]byte(fmt.Sprintf(`{"id":"evt_1","object":"event","type":%q,"livemode":false,"data":{"object":{}}}`, text)))
		if err != nil || (e.Type == text) != ok || !ok && e.Type != UnknownType {
			t.Errorf("the type %q is read as %+v, %v", text, e, err)
		}
		id := strings.ReplaceAll(text, ".", "_")
		e, err = ParseEvent([]byte(fmt.Sprintf(`{"id":%q,"object":"event","type":"x.y","livemode":false,"data":{"object":{}}}`, id)))
		if err != nil || (e.ID == id) != ok {
			t.Errorf("the id %q is read as %+v, %v", id, e, err)
		}
	}
}

// An event with more members than any of Ping++'s is read like every other.
func TestManyMembers(t *testing.T) {
	var members []string
	for i := range 200 {
		members = append(members, fmt.Sprintf(`"k%d":%d`, i, i))
	}
	body := func(more ...string) []byte {
		all := append(append([]string{`"id":"evt_1"`, `"object":"event"`}, members...), `"type":"charge.succeeded"`, `"livemode":false`, `"data":{"object":`+string(charge(map[string]any{"paid": true}))+`}`)
		return []byte("{" + strings.Join(append(all, more...), ",") + "}")
	}
	if e, err := ParseEvent(body()); err != nil || e.Unreadable != nil || e.ChargeID != "ch_1" || e.Livemode {
		t.Errorf("%+v, %v", e, err)
	}
	for _, twice := range []string{`"livemode":true`, `"k3":4`, `"k199":0`, `"type":"x"`} {
		if e, err := ParseEvent(body(twice)); err != nil || e.Unreadable == nil && e.Type == "charge.succeeded" {
			t.Errorf("%s a second time: %+v, %v", twice, e, err)
		}
	}
	if e, err := ParseEvent(body(`"livemode":false`, `"k3":3`)); err != nil || e.Unreadable != nil {
		t.Errorf("the same twice: %v, %v", e.Unreadable, err)
	}
	if _, err := ParseCharge([]byte("{" + strings.Join(append(members, `"k150":0`), ",") + "}")); err == nil || !strings.Contains(err.Error(), `"k150" appears twice`) {
		t.Error(err)
	}
}

// What money hangs on is doubted where it is not of its form.
func TestDoubts(t *testing.T) {
	good := string(charge(map[string]any{"paid": true}))
	with := func(key, text string) string {
		return strings.Replace(good, `"object":"charge"`, `"object":"charge",`+key+`:`+text, 1)
	}
	for name, c := range map[string]struct{ kind, object, says string }{
		"a refund's event of a charge": {"refund.succeeded", good, "data.object is not a refund"},
		"an order's event of a charge": {"order.succeeded", good, "data.object is not a order"},
		"an order without an id":       {"order.succeeded", `{"object":"order","app":"app_1","merchant_order_no":"T1"}`, "order has no id"},
		"an id of no form":             {"charge.succeeded", strings.Replace(good, `"ch_1"`, `"ch/1"`, 1), "charge.id"},
		"a flag of no form":            {"charge.succeeded", strings.Replace(good, `"paid":true`, `"paid":"maybe"`, 1), "charge.paid"},
		"a flag that is 2":             {"charge.succeeded", strings.Replace(good, `"paid":true`, `"paid":2`, 1), "charge.paid"},
		"an app that says two things":  {"charge.succeeded", strings.Replace(good, `"app":"`+testApp+`"`, `"app":{"id":"app_1","id":"app_2"}`, 1), "charge.app"},
		"a currency of no form":        {"charge.succeeded", strings.Replace(good, `"currency":"cny"`, `"currency":["cny"]`, 1), "charge.currency"},
		"half a fen":                   {"charge.succeeded", strings.Replace(good, `"amount":1250`, `"amount":1250.50`, 1), "charge.amount"},
		"a signed number":              {"charge.succeeded", strings.Replace(good, `"amount":1250`, `"amount":"+1250"`, 1), "charge.amount"},
	} {
		e, err := ParseEvent([]byte(event(c.kind, c.object)))
		if err != nil || e.Unreadable == nil || !strings.Contains(e.Unreadable.Error(), c.says) {
			t.Errorf("%s: %v, %v", name, e.Unreadable, err)
		}
	}
	e, err := ParseEvent([]byte(`{"id":"evt_1","object":"event","type":"charge.succeeded","created":1,"data":{"object":` + strings.Replace(good, `"livemode":false,`, "", 1) + `}}`))
	if err != nil || !e.ModeUnknown || e.Unreadable == nil || !strings.Contains(e.Unreadable.Error(), "livemode") {
		t.Errorf("without a mode: %v, %v", e.Unreadable, err)
	}
	if e, err := ParseEvent([]byte(event("charge.succeeded", with(`"\u0070aid"`, `true`)))); err != nil || e.Unreadable != nil {
		t.Errorf("a key that is written in another way, saying the same: %v, %v", e.Unreadable, err)
	}
	if e, err := ParseEvent([]byte(event("charge.succeeded", with(`"\u0070aid"`, `false`)))); err != nil || e.Unreadable == nil {
		t.Errorf("a key that is written in another way, saying something else: %v", err)
	}
}

// What a webhook's header alone shows, before its body is read.
func TestScreen(t *testing.T) {
	key := newKey()
	v := verifier(t, &key.PublicKey)
	sign := func(key *rsa.PrivateKey) string {
		sig, err := Sign(key, []byte("body"))
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	good := sign(key)
	for name, c := range map[string]struct {
		values []string
		want   SignatureReason
	}{
		"good": {[]string{good}, ""}, "of another key": {[]string{sign(mustKey(2048))}, ""}, "none": {nil, SignatureMissing}, "empty": {[]string{" "}, SignatureEmpty},
		"of another length": {[]string{base64.StdEncoding.EncodeToString([]byte("x"))}, SignatureNotBase64}, "no base64": {[]string{"!"}, SignatureNotBase64},
		"several": {[]string{good, good[1:] + "A"}, SignatureSeveral}, "twice, and a comma": {[]string{good + ", " + good + ","}, ""}, "in lines": {[]string{good[:9] + "\n" + good[9:]}, SignatureNotBase64},
	} {
		err := v.Screen(c.values)
		var serr *SignatureError
		if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &serr) || serr.Reason != c.want || !strings.HasPrefix(err.Error(), "pingpp: webhook: ") || len(err.Error()) < 25) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err != nil && v.Verify([]byte("body"), c.values) == nil {
			t.Errorf("%s: refused by its header, and taken with its body", name)
		}
	}
	if Signature([]string{good, good}) != good || Signature([]string{good, "x"}) != "" || Signature(nil) != "" {
		t.Error("the one signature of a header is not found")
	}
}

// The list of types is the caller's own.
func TestEventTypes(t *testing.T) {
	all := EventTypes()
	if !slices.Contains(all, "charge.succeeded") || !slices.IsSorted(all) {
		t.Error(all)
	}
	all[0] = "x"
	if EventTypes()[0] == "x" {
		t.Error("whoever changes the list changes it for all")
	}
}

// An endpoint is a scheme and a host.
func TestEndpoints(t *testing.T) {
	for endpoint, ok := range map[string]bool{
		"": true, "https://api.pingxx.com": true, "https://api.pingxx.com/": true, "https://api.pingxx.com/v1": false, "https:api.pingxx.com": false, "https://": false,
		"https://:443": false, "api.pingxx.com": false, "https://u:p@api.pingxx.com": false, "https://api.pingxx.com?x=1": false, "ftp://api.pingxx.com": false,
		"http://192.0.2.1": false, "http://127.0.0.1:8080": true, "http://[::1]:8080": true, "http://LOCALHOST:8080": true,
	} {
		c, err := New(Config{App: testApp, Key: redact.New(liveKey), Endpoint: endpoint})
		if (err == nil) != ok {
			t.Errorf("%q: %v", endpoint, err)
		}
		if err == nil {
			c.Close()
		}
	}
}

// Nothing of what the other side writes is invisible in a log line.
func TestCleanWords(t *testing.T) {
	_, err := serve(t, answer(400, `{"error":{"message":" a\u200bb\u2028c\u202ed "}}`)).GetCharge(t.Context(), "ch_1")
	if err == nil || !strings.HasSuffix(err.Error(), ": a b c d") {
		t.Errorf("%q", err)
	}
	_, err = serve(t, answer(400, `{"error":{"message":"`+testKey[:10]+`\u200b`+testKey[10:]+`"}}`)).GetCharge(t.Context(), "ch_1")
	withoutLeaks(t, err)
}

// What is not there is refused, or left out, before anything is sent.
func TestNothingGiven(t *testing.T) {
	cl := serve(t, unreachable(t))
	_, err := cl.CreateOrder(t.Context(), nil)
	wantKind(t, err, InvalidRequest, false)
	_, err = cl.CreateCharge(t.Context(), nil)
	wantKind(t, err, InvalidRequest, false)
	if _, err := New(Config{App: testApp, Key: redact.New(testKey), SigningKey: &rsa.PrivateKey{}}); err == nil {
		t.Error("a signing key that is none is taken")
	}
	var there bool
	if _, err := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, there = r.Header["Accept-Language"]
		_, _ = w.Write(charge(nil))
	}).GetCharge(t.Context(), "ch_1"); err != nil || there {
		t.Errorf("a language is asked for that nobody has named, %v", err)
	}
	// An event that does not say its mode is not the other mode's.
	e, err := serve(t, answer(200, `{"id":"evt_1","object":"event","type":"x.y","created":1,"data":{"object":{}}}`), func(c *Config) { c.Key = redact.New(liveKey) }).GetEvent(t.Context(), "evt_1")
	if err != nil || !e.ModeUnknown {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := serve(t, answer(200, `{"id":"evt_1","object":"event","type":"x.y","livemode":true,"created":1,"data":{"object":{}}}`)).GetEvent(t.Context(), "evt_1"); err == nil {
		t.Error("an event of the other mode is taken")
	}
	if (&Error{Kind: Channel, Status: http.StatusBadRequest, Param: "order_no"}).NumberUsed() {
		t.Error("a channel's refusal of a number, in words that say nothing, means that it was used")
	}
	if (&Event{}).Concerns("") {
		t.Error("an event that names no app concerns one that has no name")
	}
	// What breaks off has a status.
	_, err = serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "{")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}).CreateCharge(t.Context(), params())
	if e := wantKind(t, err, Lost, true); e.Status != http.StatusOK {
		t.Errorf("the status is %d", e.Status)
	}
}

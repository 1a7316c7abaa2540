package pingpp

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// event wraps an object in an event's envelope.
func event(typ, object string) string {
	return fmt.Sprintf(`{"id":"evt_1","created":1795420800,"livemode":false,"type":%q,"data":{"object":%s},"object":"event","pending_webhooks":0,"request":null}`, typ, object)
}

const refund = `{"id":"re_1","object":"refund","order_no":"1","amount":300,"created":1795420900,"succeed":true,"status":"succeeded",` +
	`"time_succeed":1795420950,"description":"d","failure_code":null,"failure_msg":null,"metadata":{"pay_refund_no":"R1"},` +
	`"charge":"ch_1","charge_order_no":"T20261123001","transaction_no":null,"extra":[]}`

func TestParseEvent(t *testing.T) {
	body := event("charge.succeeded", string(charge(map[string]any{"paid": true, "credential": []int{}})))
	e, err := ParseEvent([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if e.ID != "evt_1" || e.Type != "charge.succeeded" || e.Created != 1795420800 || e.Livemode || e.ObjectType != "charge" ||
		e.ObjectID != "ch_1" || e.ChargeID != "ch_1" || e.App != testApp || e.OrderNo != "T20261123001" || e.Refund != nil ||
		e.Charge == nil || !e.Charge.Paid || e.Charge.Amount != 1250 || string(e.Raw) != body || string(e.Charge.Raw) != string(e.Object) {
		t.Errorf("got %+v", e)
	}

	e, err = ParseEvent([]byte(event("refund.succeeded", refund)))
	if err != nil {
		t.Fatal(err)
	}
	want := &Refund{
		ID: "re_1", ChargeID: "ch_1", OrderNo: "T20261123001", Status: "succeeded", Amount: 300, Succeed: true,
		Created: 1795420900, TimeSucceeded: 1795420950, Description: "d", Metadata: map[string]string{"pay_refund_no": "R1"},
		Raw: []byte(refund),
	}
	if !reflect.DeepEqual(e.Refund, want) || e.App != "" || e.ObjectID != "re_1" || e.ChargeID != "ch_1" || e.OrderNo != "T20261123001" {
		t.Errorf("got %+v with %+v", e, e.Refund)
	}

	for name, c := range map[string]struct{ body, objectType, objectID, app, charge, orderNo string }{
		"order": {
			event("order.succeeded", `{"id":"2001801010000000000","object":"order","app":"app_1","merchant_order_no":"T1","charge":"ch_1"}`),
			"order", "2001801010000000000", "app_1", "ch_1", "T1",
		},
		"order with objects": {
			event("order.succeeded", `{"id":"2001","object":"order","app":{"id":"app_1"},"merchant_order_no":"T1","charge":{"id":"ch_1"}}`),
			"order", "2001", "app_1", "ch_1", "T1",
		},
		"summary":      {event("summary.daily.available", `{"object":"app_daily_summary","app_id":"app_1"}`), "app_daily_summary", "", "app_1", "", ""},
		"unknown type": {event("moon.risen", `{"id":"x","object":"moon"}`), "moon", "x", "", "", ""},
		"no name":      {event("moon.risen", `{}`), "", "", "", "", ""},
		"bare":         {`{"id":"evt_q_ch_1_charge_succeeded","type":"x","livemode":true,"data":{"object":{}}}`, "", "", "", "", ""},
	} {
		e, err := ParseEvent([]byte(c.body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := [5]string{e.ObjectType, e.ObjectID, e.App, e.ChargeID, e.OrderNo}; got != [5]string{c.objectType, c.objectID, c.app, c.charge, c.orderNo} {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// What is no event at all is refused: there is nothing to record. Ping++ signs its answers too, with the same key.
func TestNoEvent(t *testing.T) {
	good := event("charge.succeeded", string(charge(nil)))
	for _, c := range []struct{ name, body, want string }{
		{"empty", "", "empty body"},
		{"blank", " \r\n", "empty body"},
		{"null", "null", "not a JSON object"},
		{"array", "[" + good + "]", "not a JSON object"},
		{"string", `"evt_1"`, "not a JSON object"},
		{"form", "id=evt_1", "not JSON"},
		{"trailing data", good + "x", "not JSON"},
		{"two events", good + good, "not JSON"},
		{"cut", good[:len(good)-1], "not JSON"},
		{"deep", strings.Repeat("[", 100000), "not JSON"},
		{"an empty object", `{}`, "not an event"},
		{"an API's answer: a charge", string(charge(nil)), "not an event"},
		{"an API's answer: a refund", refund, "not an event"},
		{"an API's answer: an order of the first kind", `{"object":"order","id":"2001","type":"purchase"}`, "not an event"},
		{"an API's answer: a list", `{"object":"list","url":"/v1/charges","has_more":false,"data":[]}`, "not an event"},
		{"an API's answer: an error", `{"error":{"type":"invalid_request_error","message":"m"}}`, "not an event"},
	} {
		e, err := ParseEvent([]byte(c.body))
		if e != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, %v, want …%s…", c.name, e, err, c.want)
		}
	}
}

// An event is never refused for its form: what can be read is read, and where money hangs on what cannot be, it says so.
func TestOddEvents(t *testing.T) {
	good := event("charge.succeeded", string(charge(map[string]any{"paid": true})))
	paid := func(change map[string]any) string {
		change["paid"] = true
		return event("charge.succeeded", string(charge(change)))
	}
	hashed := regexp.MustCompile(`^evt_h_[0-9a-f]{32}$`)
	for _, c := range []struct {
		name, body string
		want       string              // part of Unreadable; empty: it can be read
		check      func(e *Event) bool // nil: the event is evt_1 about ch_1
	}{
		{"byte order mark", "\uFEFF" + good, "", nil},
		{"no id", strings.Replace(good, `"id":"evt_1",`, "", 1), "", func(e *Event) bool { return hashed.MatchString(e.ID) && e.Charge != nil }},
		{"id null", strings.Replace(good, `"evt_1"`, "null", 1), "", func(e *Event) bool { return hashed.MatchString(e.ID) }},
		{"id a number", strings.Replace(good, `"evt_1"`, "4002408161", 1), "", func(e *Event) bool { return e.ID == "4002408161" }},
		{"id with a dot", strings.Replace(good, `evt_1`, "evt.1", 1), "", func(e *Event) bool { return hashed.MatchString(e.ID) }},
		{"id with a line break", strings.Replace(good, `evt_1`, `evt_1\n`, 1), "", func(e *Event) bool { return hashed.MatchString(e.ID) }},
		{"id too long", strings.Replace(good, `evt_1`, strings.Repeat("e", 65), 1), "", func(e *Event) bool { return hashed.MatchString(e.ID) }},
		{"two ids", strings.Replace(good, `{`, `{"id":"evt_0",`, 1), `"id" twice`, func(e *Event) bool { return hashed.MatchString(e.ID) && e.ChargeID == "ch_1" }},
		{"data twice", strings.Replace(good, `{`, `{"data":{},`, 1), `"data" twice`, func(e *Event) bool { return e.ID == "evt_1" && e.Object == nil && e.ChargeID == "" }},
		{"object twice", strings.Replace(good, `"data":{`, `"data":{"object":{},`, 1), `"object" twice`, func(e *Event) bool { return e.Charge == nil }},
		{"two charge ids", strings.Replace(good, `"id":"ch_1"`, `"id":"ch_1","id":"ch_2"`, 1), `"id" twice`, func(e *Event) bool { return e.ChargeID == "" && e.App == testApp }},
		{"no type", strings.Replace(good, `"type"`, `"typ"`, 1), "", func(e *Event) bool { return e.Type == UnknownType && e.Charge != nil }},
		{"no type, and a charge that cannot be read", strings.Replace(strings.Replace(good, `"type"`, `"typ"`, 1), `1250`, `null`, 1), "charge has no amount", nil},
		{"type with a space", strings.Replace(good, `charge.succeeded`, `charge succeeded`, 1), "", func(e *Event) bool { return e.Type == UnknownType }},
		{"mode told by the charge", strings.Replace(good, `"livemode":false,"type"`, `"type"`, 1), "", func(e *Event) bool { return !e.ModeUnknown && !e.Livemode }},
		{"no mode", strings.ReplaceAll(good, `"livemode"`, `"live"`), "livemode", func(e *Event) bool { return e.ModeUnknown }},
		{"mode a number", strings.Replace(good, `"livemode":false`, `"livemode":0`, 1), "", nil},
		{"modes that differ", paid(map[string]any{"livemode": true}), "livemode", func(e *Event) bool { return !e.Livemode && !e.ModeUnknown }},
		{"no mode, and no money", `{"id":"evt_1","type":"t","data":{"object":{"id":"ch_1","charge":"ch_1"}}}`, "", func(e *Event) bool { return e.ModeUnknown }},
		{"created a word", strings.Replace(good, `1795420800`, `"now"`, 1), "", func(e *Event) bool { return e.Created == 0 }},
		{"object not event", strings.Replace(good, `"object":"event"`, `"object":"v2.event"`, 1), "", nil},
		{"no data", `{"id":"evt_1","type":"charge.succeeded","livemode":true}`, "not a charge", func(e *Event) bool { return e.Object == nil && e.Livemode }},
		{"data a string", `{"id":"evt_1","type":"t","livemode":true,"data":"{}"}`, "", func(e *Event) bool { return e.Object == nil }},
		{"object an array", `{"id":"evt_1","type":"t","livemode":true,"data":{"object":[]}}`, "", func(e *Event) bool { return e.Object == nil }},
		{"object's name a list", event("t", `{"object":[1]}`), "", func(e *Event) bool { return e.ObjectType == "" }},
		{"app a list", event("t", `{"app":[1]}`), "", func(e *Event) bool { return e.App == "" }},
		{"object id a path", event("t", `{"id":"../x"}`), "", func(e *Event) bool { return e.ObjectID == "" }},
		{"charge without amount", event("charge.succeeded", `{"object":"charge","id":"ch_1"}`), "charge has no", nil},
		{"charge that is no charge", event("charge.succeeded", `{"object":"order","id":"2001","merchant_order_no":"T1"}`), "not a charge", func(e *Event) bool { return e.OrderNo == "T1" }},
		{"charge that is not paid", event("charge.succeeded", string(charge(nil))), "charge.paid is false", nil},
		{"order number a number", paid(map[string]any{"order_no": 20261123001}), "", func(e *Event) bool { return e.OrderNo == "20261123001" && e.Charge.OrderNo == e.OrderNo }},
		{"a scope", `{"id":"evt_1","type":"t","livemode":false,"scope":"app_7","data":{"object":{}}}`, "", func(e *Event) bool { return e.App == "app_7" }},
		{"a scope beside an app", `{"id":"evt_1","type":"t","livemode":false,"scope":"app_7","data":{"object":{"app":"app_8"}}}`, "", func(e *Event) bool { return e.App == "app_8" }},
		{"an account's scope", `{"id":"evt_1","type":"t","livemode":false,"scope":"acct_7","data":{"object":{}}}`, "", func(e *Event) bool { return e.App == "" }},
		{"refund without charge", event("refund.succeeded", strings.Replace(refund, `"charge":"ch_1"`, `"charge":null`, 1)), "refund has no charge", func(e *Event) bool { return e.OrderNo == "T20261123001" && e.Refund == nil }},
		{"refund's amount", event("refund.succeeded", strings.Replace(refund, `300`, `-300`, 1)), "negative", nil},
		{"order without number", event("order.succeeded", `{"object":"order","id":"2001"}`), "merchant_order_no", func(e *Event) bool { return e.ObjectID == "2001" }},
		{
			"an order's refund", event("order_refund.succeeded", `{"id":2111608270000005209,"object":"order_refund","order":"2001608270000004421","app":"app_1","merchant_order_no":"888","charge_rfd_id":null}`),
			"", func(e *Event) bool {
				return e.ObjectID == "2111608270000005209" && e.OrderNo == "888" && e.App == "app_1"
			},
		},
		{
			"a recharge", event("recharge.succeeded", `{"id":"221","object":"recharge","app":"app_1","charge":{"id":"ch_1","object":"charge","order_no":"R1"}}`),
			"", func(e *Event) bool { return e.ChargeID == "ch_1" && e.OrderNo == "R1" && e.ObjectID == "221" },
		},
	} {
		e, err := ParseEvent([]byte(c.body))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if (e.Unreadable == nil) != (c.want == "") || e.Unreadable != nil && !strings.Contains(e.Unreadable.Error(), c.want) {
			t.Errorf("%s: unreadable: %v, want …%s…", c.name, e.Unreadable, c.want)
		}
		if c.check == nil {
			c.check = func(e *Event) bool { return e.ID == "evt_1" && e.ChargeID == "ch_1" }
		}
		if !c.check(e) || string(e.Raw) != c.body {
			e.Raw, e.Object = nil, nil
			t.Errorf("%s: got %+v", c.name, e)
		}
	}
	one, _ := ParseEvent([]byte(`{"type":"t","data":1}`))
	other, _ := ParseEvent([]byte(`{"type":"t","data":2}`))
	again, _ := ParseEvent([]byte(`{"type":"t","data":1}`))
	if one.ID == other.ID || one.ID != again.ID {
		t.Errorf("the ids made of bytes: %s, %s, %s", one.ID, other.ID, again.ID)
	}
}

func TestGetEvent(t *testing.T) {
	body := " " + event("charge.succeeded", string(charge(map[string]any{"paid": true}))) + "\n"
	e, err := serve(t, answer(200, body)).GetEvent(t.Context(), "evt_1")
	if err != nil || string(e.Raw) != body || e.Type != "charge.succeeded" || e.ChargeID != "ch_1" {
		t.Fatalf("got %+v, %v", e, err)
	}
	if e, err := serve(t, answer(200, event("refund.succeeded", refund))).GetEvent(t.Context(), "evt_1"); err != nil || e.App != "" || e.Refund == nil {
		t.Errorf("a refund names no app: %+v, %v", e, err)
	}
	for _, c := range []struct {
		name, body string
		kind       ErrorKind
	}{
		{"another id", strings.Replace(body, "evt_1", "evt_2", 1), Malformed},
		{"no event", `{"object":"list","data":[]}`, Malformed},
		{"the other mode", `{"id":"evt_1","object":"event","type":"t","livemode":true,"data":{"object":{}}}`, Foreign},
		{"another app", event("charge.succeeded", string(charge(map[string]any{"app": "app_2"}))), Foreign},
		{"another app's summary", event("summary.daily.available", `{"object":"app_daily_summary","app_id":"app_2"}`), Foreign},
	} {
		e, err := serve(t, answer(200, c.body)).GetEvent(t.Context(), "evt_1")
		if wantKind(t, err, c.kind, c.kind == Malformed); e != nil {
			t.Errorf("%s: got %+v", c.name, e)
		}
	}
}

// Our way to split objects agrees with encoding/json on all that has no key twice.
func TestSplit(t *testing.T) {
	for _, s := range []string{
		`{}`, ` { } `, `{"a":1}`, "{\n\t\"a\" : [ 1 , {\"b\":\"}]\"} ] , \"c\" : \"\\\"\\\\\" , \"d\":null}", `{"":""}`,
		`{"\u0061":true,"中":-1.5e3}`, `{"a":{"a":{"a":[]}}}`,
	} {
		sameSplit(t, []byte(s))
	}
}

func sameSplit(t *testing.T, raw []byte) {
	t.Helper()
	o, err := parseObject(raw)
	var want map[string]json.RawMessage
	if wantErr := json.Unmarshal(raw, &want); err == nil && (wantErr != nil || want == nil) {
		t.Fatalf("%q is split, and json says %v", raw, wantErr)
	} else if err != nil {
		if wantErr == nil && want != nil && !strings.Contains(err.Error(), "twice") {
			t.Fatalf("%q is refused: %v", raw, err)
		}
		return
	}
	if len(o.members) != len(want) {
		t.Fatalf("%q has %d members, want %d", raw, len(o.members), len(want))
	}
	for k, v := range want {
		if string(o.get(k).raw) != string(v) {
			t.Fatalf("%q: %q is %q, want %q", raw, k, o.get(k).raw, v)
		}
	}
}

func BenchmarkParseEvent(b *testing.B) {
	body := read(b, "testdata", "event.json")
	for b.Loop() {
		if _, err := ParseEvent(body); err != nil {
			b.Fatal(err)
		}
	}
}

// TestTimesBeyondTheCalendar: a time that no calendar knows says no more than the last that one does.
func TestTimesBeyondTheCalendar(t *testing.T) {
	for given, want := range map[string]int64{
		"9e15": latest, "9000000000000000": latest, "253402300800": latest, "253402214400": latest, `"99999999999999"`: latest, "1427555101": 1427555101, "-9000000000000000": 0, "1e99": latest,
	} {
		e, err := ParseEvent([]byte(`{"id":"evt_1","object":"event","type":"charge.succeeded","livemode":false,"created":` + given + `,"data":{"object":{"id":"ch_1","object":"charge","livemode":false,
			"app":"app_1","channel":"wx_lite","order_no":"1","amount":1,"currency":"cny","paid":true,"created":` + given + `,"time_paid":` + given + `,"time_expire":` + given + `}}}`))
		if err != nil || e.Charge == nil {
			t.Fatal(err, e.Unreadable)
		}
		if e.Created != want || e.Charge.Created != want || e.Charge.TimePaid != want || e.Charge.TimeExpire != want {
			t.Errorf("%s: %d, %d, %d, %d", given, e.Created, e.Charge.Created, e.Charge.TimePaid, e.Charge.TimeExpire)
		}
	}
}

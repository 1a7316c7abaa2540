package pingpp

import (
	"encoding/json"
	"fmt"
	"reflect"
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

func TestMalformedEvents(t *testing.T) {
	good := event("charge.succeeded", string(charge(nil)))
	for _, c := range []struct{ name, body, want string }{
		{"empty", "", "empty body"},
		{"blank", " \r\n", "empty body"},
		{"null", "null", "not a JSON object"},
		{"array", "[" + good + "]", "not a JSON object"},
		{"string", `"evt_1"`, "not a JSON object"},
		{"form", "id=evt_1", "not JSON"},
		{"byte order mark", "\uFEFF" + good, "not JSON"},
		{"trailing data", good + "x", "not JSON"},
		{"two events", good + good, "not JSON"},
		{"cut", good[:len(good)-1], "not JSON"},
		{"deep", strings.Repeat("[", 100000), "not JSON"},
		{"no id", strings.Replace(good, `"id":"evt_1",`, "", 1), "event has no id"},
		{"id null", strings.Replace(good, `"evt_1"`, "null", 1), "event has no id"},
		{"id a number", strings.Replace(good, `"evt_1"`, "1", 1), "event.id"},
		{"id with a dot", strings.Replace(good, `evt_1`, "evt.1", 1), "event.id"},
		{"id with a line break", strings.Replace(good, `evt_1`, `evt_1\n`, 1), "event.id"},
		{"id too long", strings.Replace(good, `evt_1`, strings.Repeat("e", 65), 1), "event.id"},
		{"id twice", strings.Replace(good, `{`, `{"id":"evt_0",`, 1), `"id" appears twice`},
		{"data twice", strings.Replace(good, `{`, `{"data":{},`, 1), `"data" appears twice`},
		{"object twice", strings.Replace(good, `"data":{`, `"data":{"object":{},`, 1), `"object" appears twice`},
		{"charge id twice", strings.Replace(good, `"id":"ch_1"`, `"id":"ch_1","id":"ch_2"`, 1), `"id" appears twice`},
		{"no type", strings.Replace(good, `"type"`, `"typ"`, 1), "event has no type"},
		{"type with a space", strings.Replace(good, `charge.succeeded`, `charge succeeded`, 1), "event.type"},
		{"type a number", strings.Replace(good, `"charge.succeeded"`, `1`, 1), "event.type"},
		{"no livemode", strings.Replace(good, `"livemode"`, `"live"`, 1), "event has no livemode"},
		{"livemode a number", strings.Replace(good, `"livemode":false`, `"livemode":0`, 1), "event.livemode"},
		{"created a string", strings.Replace(good, `1795420800`, `"now"`, 1), "event.created"},
		{"no event", strings.Replace(good, `"object":"event"`, `"object":"charge"`, 1), "event.object"},
		{"no data", strings.Replace(good, `"data"`, `"date"`, 1), "data: not a JSON object"},
		{"data null", `{"id":"e","type":"t","livemode":true,"data":null}`, "data: not a JSON object"},
		{"data a string", `{"id":"e","type":"t","livemode":true,"data":"{}"}`, "data: not a JSON object"},
		{"no object", `{"id":"e","type":"t","livemode":true,"data":{}}`, "data.object: not a JSON object"},
		{"object an array", `{"id":"e","type":"t","livemode":true,"data":{"object":[]}}`, "data.object: not a JSON object"},
		{"object's name a number", event("t", `{"object":1}`), "data.object.object"},
		{"app a number", event("t", `{"app":1}`), "data.object.app"},
		{"object id a path", event("t", `{"id":"../x"}`), "data.object.id"},
		{"charge without amount", event("charge.succeeded", `{"object":"charge","id":"ch_1"}`), "charge has no"},
		{"charge of the other mode", event("charge.succeeded", string(charge(map[string]any{"livemode": true}))), "livemode"},
		{"refund without charge", event("refund.succeeded", strings.Replace(refund, `"charge":"ch_1"`, `"charge":null`, 1)), "refund has no charge"},
		{"refund's amount", event("refund.succeeded", strings.Replace(refund, `300`, `-300`, 1)), "negative"},
		{"refund's status", event("refund.succeeded", strings.Replace(refund, `"status":"succeeded"`, `"status":null`, 1)), "refund has no status"},
		{"order without number", event("order.succeeded", `{"object":"order","id":"2001"}`), "merchant_order_no"},
	} {
		e, err := ParseEvent([]byte(c.body))
		if e != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %+v, %v, want …%s…", c.name, e, err, c.want)
		}
	}
}

func TestGetEvent(t *testing.T) {
	body := " " + event("charge.succeeded", string(charge(nil))) + "\n"
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
		{"no object", `{"id":"evt_1","object":"event","type":"t","livemode":false,"data":{}}`, Malformed},
		{"charge of the other mode", event("charge.succeeded", string(charge(map[string]any{"livemode": true}))), Malformed},
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
	if len(o) != len(want) {
		t.Fatalf("%q has %d members, want %d", raw, len(o), len(want))
	}
	for k, v := range want {
		if string(o[k]) != string(v) {
			t.Fatalf("%q: %q is %q, want %q", raw, k, o[k], v)
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

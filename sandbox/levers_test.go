package sandbox

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestState(t *testing.T) {
	h := newHook(t)
	b := hooked(t, h, 1)
	id := b.paid("A1001")
	b.settled("delivered")
	b.login("sandbox-alice")
	b.lever("POST", "/sandbox/faults", `{"on":"notify","fault":"502","times":3}`)
	var st struct {
		App     string
		Charges []struct {
			ID   string
			Paid bool
		}
		Events []EventState
		Calls  map[string]int
		Faults []FaultState
	}
	if err := json.Unmarshal(b.lever("GET", "/sandbox/state", "").body, &st); err != nil {
		t.Fatal(err)
	}
	if st.App != b.App() || len(st.Charges) != 1 || st.Charges[0].ID != id || !st.Charges[0].Paid {
		t.Errorf("%+v", st)
	}
	if len(st.Events) != 1 || st.Events[0].Charge != id || st.Events[0].Type != "charge.succeeded" || st.Events[0].Body != string(h.seen()[0].body) || st.Events[0].Deliveries[0].Attempts[0].Status != 200 {
		t.Errorf("%+v", st.Events)
	}
	if st.Calls["create_charge"] != 1 || st.Calls["webhook"] != 1 || st.Calls["jscode2session"] != 1 || st.Calls["get_charge"] != 0 {
		t.Errorf("%v", st.Calls)
	}
	if len(st.Faults) != 1 || st.Faults[0] != (FaultState{On: "notify", Fault: "502", Times: 3}) {
		t.Errorf("%v", st.Faults)
	}
	if a := b.lever("GET", "/sandbox/state?limit=0", ""); !bytes.Contains(a.body, []byte(`"charges":[],"orders":[],"events":[]`)) {
		t.Errorf("%s", a.body)
	}
	if a := b.do(b.request("GET", "/sandbox/state?limit=x", "")); a.status != 400 {
		t.Errorf("%d", a.status)
	}
	if a := b.lever("GET", "/sandbox/events/"+st.Events[0].ID, ""); a.id() != st.Events[0].ID {
		t.Errorf("%s", a.body)
	}
	if a := b.do(b.request("GET", "/sandbox/events/evt_x", "")); a.status != 404 {
		t.Errorf("%d", a.status)
	}
	if a := b.lever("GET", "/sandbox/pingpp.pub.pem", ""); !bytes.Equal(a.body, b.PublicKeyPEM()) {
		t.Errorf("%s", a.body)
	}
}

func TestPayLever(t *testing.T) {
	b := start(t, Config{})
	id := b.create("A1001").id()
	if a := b.lever("POST", "/sandbox/charges/"+id+"/pay", ""); a.field("paid") != true || a.id() != id {
		t.Errorf("%s", a.body)
	}
	for path, status := range map[string]int{"/sandbox/charges/" + id + "/pay": 409, "/sandbox/charges/ch_x/pay": 404, "/sandbox/charges/" + id: 404} {
		if a := b.do(b.request("POST", path, "")); a.status != status || a.field("error") == nil {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

func TestChosenEvents(t *testing.T) {
	h := newHook(t)
	b := hooked(t, h, 1)
	charge := b.create("A1001").id()
	b.lever("POST", "/sandbox/events", `{"type":"charge.succeeded","charge":"`+charge+`"}`)
	b.lever("POST", "/sandbox/events", `{"type":"refund.succeeded","object":{"id":"re_1","object":"refund"},"livemode":true}`)
	raw := "{\"id\":\"evt_1\",\n \"type\":\"x\", \"data\":{\"object\":{}}}"
	b.lever("POST", "/sandbox/webhooks", raw)
	b.lever("POST", "/sandbox/webhooks", raw) // the same id again is sent, too
	b.lever("POST", "/sandbox/webhooks", "no JSON")
	until(t, "five webhooks", func() bool { return len(h.seen()) == 5 })
	bodies := map[string]int{}
	for _, w := range h.seen() {
		if err := b.verify(w.body, w.header.Get("X-Pingplusplus-Signature")); err != nil {
			t.Errorf("%v: %s", err, w.body)
		}
		switch a := (answer{body: w.body}); a.field("type") {
		case "charge.succeeded":
			if a.field("data.object.id") != charge || a.field("livemode") != false || !bytes.Contains(w.body, []byte(`"credential":{}`)) {
				t.Errorf("%s", w.body)
			}
		case "refund.succeeded":
			if a.field("data.object.id") != "re_1" || a.field("livemode") != true || a.field("request") != nil {
				t.Errorf("%s", w.body)
			}
		default:
			bodies[string(w.body)]++
		}
	}
	if bodies[raw] != 2 || bodies["no JSON"] != 1 {
		t.Errorf("%v", bodies)
	}
	if a := b.api("GET", "/v1/events/evt_1", ""); a.status != 200 || string(a.body) != raw {
		t.Errorf("%d %s", a.status, a.body)
	}
	for body, status := range map[string]int{
		`{}`: 400, `{"type":"x"}`: 400, `{"type":"x","charge":"ch_1","object":{}}`: 400, `{"type":"x","charge":"ch_1"}`: 404, `[]`: 400,
	} {
		if a := b.do(b.request("POST", "/sandbox/events", body)); a.status != status {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
}

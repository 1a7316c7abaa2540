package sandbox_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
)

func TestState(t *testing.T) {
	h := sandboxtest.NewHook(t)
	b := sandboxtest.Hooked(t, h, 1)
	id := b.Paid("A1001")
	b.Settled("delivered")
	b.Login("sandbox-alice")
	b.Lever("POST", "/sandbox/faults", `{"on":"notify","fault":"502","times":3}`)
	var st struct {
		App     string
		Charges []struct {
			ID   string
			Paid bool
		}
		Events []sandbox.EventState
		Calls  map[string]int
		Faults []sandbox.FaultState
	}
	if err := json.Unmarshal(b.Lever("GET", "/sandbox/state", "").Body, &st); err != nil {
		t.Fatal(err)
	}
	if st.App != b.App() || len(st.Charges) != 1 || st.Charges[0].ID != id || !st.Charges[0].Paid {
		t.Errorf("%+v", st)
	}
	if len(st.Events) != 1 || st.Events[0].Charge != id || st.Events[0].Type != "charge.succeeded" || st.Events[0].Body != string(h.Seen()[0].Body) || st.Events[0].Deliveries[0].Attempts[0].Status != 200 {
		t.Errorf("%+v", st.Events)
	}
	if st.Calls["create_charge"] != 1 || st.Calls["webhook"] != 1 || st.Calls["jscode2session"] != 1 || st.Calls["get_charge"] != 0 {
		t.Errorf("%v", st.Calls)
	}
	if len(st.Faults) != 1 || st.Faults[0] != (sandbox.FaultState{On: "notify", Fault: "502", Times: 3}) {
		t.Errorf("%v", st.Faults)
	}
	if a := b.Lever("GET", "/sandbox/state?limit=0", ""); !bytes.Contains(a.Body, []byte(`"charges":[],"orders":[],"events":[]`)) {
		t.Errorf("%s", a.Body)
	}
	if a := b.Do(b.Request("GET", "/sandbox/state?limit=x", "")); a.Status != 400 {
		t.Errorf("%d", a.Status)
	}
	if a := b.Lever("GET", "/sandbox/events/"+st.Events[0].ID, ""); a.ID() != st.Events[0].ID {
		t.Errorf("%s", a.Body)
	}
	if a := b.Do(b.Request("GET", "/sandbox/events/evt_x", "")); a.Status != 404 {
		t.Errorf("%d", a.Status)
	}
	if a := b.Lever("GET", "/sandbox/pingpp.pub.pem", ""); !bytes.Equal(a.Body, b.PublicKeyPEM()) {
		t.Errorf("%s", a.Body)
	}
}

func TestPayLever(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	id := b.Create("A1001").ID()
	if a := b.Lever("POST", "/sandbox/charges/"+id+"/pay", ""); a.Field("paid") != true || a.ID() != id {
		t.Errorf("%s", a.Body)
	}
	for path, status := range map[string]int{"/sandbox/charges/" + id + "/pay": 409, "/sandbox/charges/ch_x/pay": 404, "/sandbox/charges/" + id: 404} {
		if a := b.Do(b.Request("POST", path, "")); a.Status != status || a.Field("error") == nil {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
}

func TestChosenEvents(t *testing.T) {
	h := sandboxtest.NewHook(t)
	b := sandboxtest.Hooked(t, h, 1)
	charge := b.Create("A1001").ID()
	b.Lever("POST", "/sandbox/events", `{"type":"charge.succeeded","charge":"`+charge+`"}`)
	b.Lever("POST", "/sandbox/events", `{"type":"refund.succeeded","object":{"id":"re_1","object":"refund"},"livemode":true}`)
	raw := "{\"id\":\"evt_1\",\n \"type\":\"x\", \"data\":{\"object\":{}}}"
	b.Lever("POST", "/sandbox/webhooks", raw)
	b.Lever("POST", "/sandbox/webhooks", raw) // the same id again is sent, too
	b.Lever("POST", "/sandbox/webhooks", "no JSON")
	sandboxtest.Until(t, "five webhooks", func() bool { return len(h.Seen()) == 5 })
	bodies := map[string]int{}
	for _, w := range h.Seen() {
		if err := b.Verify(w.Body, w.Header.Get("X-Pingplusplus-Signature")); err != nil {
			t.Errorf("%v: %s", err, w.Body)
		}
		switch a := (sandboxtest.Answer{Body: w.Body}); a.Field("type") {
		case "charge.succeeded":
			if a.Field("data.object.id") != charge || a.Field("livemode") != false || !bytes.Contains(w.Body, []byte(`"credential":{}`)) {
				t.Errorf("%s", w.Body)
			}
		case "refund.succeeded":
			if a.Field("data.object.id") != "re_1" || a.Field("livemode") != true || a.Field("request") != nil {
				t.Errorf("%s", w.Body)
			}
		default:
			bodies[string(w.Body)]++
		}
	}
	if bodies[raw] != 2 || bodies["no JSON"] != 1 {
		t.Errorf("%v", bodies)
	}
	if a := b.API("GET", "/v1/events/evt_1", ""); a.Status != 200 || string(a.Body) != raw {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	for body, status := range map[string]int{
		`{}`: 400, `{"type":"x"}`: 400, `{"type":"x","charge":"ch_1","object":{}}`: 400, `{"type":"x","charge":"ch_1"}`: 404, `[]`: 400,
	} {
		if a := b.Do(b.Request("POST", "/sandbox/events", body)); a.Status != status {
			t.Errorf("%s: %d %s", body, a.Status, a.Body)
		}
	}
}

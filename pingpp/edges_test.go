package pingpp

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// All that an order may have is sent, under Ping++'s names.
func TestWholeOrder(t *testing.T) {
	p := orderParams()
	p.UID, p.ReceiptApp, p.ServiceApp, p.TimeExpire, p.Description = "u1", "app_r", "app_s", 1795507190, "green"
	p.Metadata = map[string]any{"k": "v"}
	var sent string
	_, err := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = string(body)
		_, _ = w.Write([]byte(order(map[string]any{"uid": "u1", "receipt_app": "app_r", "service_app": "app_s", "metadata": p.Metadata, "description": "green"})))
	}).CreateOrder(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	for _, member := range []string{`"uid":"u1"`, `"receipt_app":"app_r"`, `"service_app":"app_s"`, `"time_expire":1795507190`, `"metadata":{"k":"v"}`, `"description":"green"`} {
		if !strings.Contains(sent, member) {
			t.Errorf("%s is not sent: %s", member, sent)
		}
	}
	or, err := ParseOrder([]byte(order(nil)))
	if err != nil || or == nil || or.ID != orderID {
		t.Errorf("%+v, %v", or, err)
	}
}

// An error says what was tried, and nothing of what it does not know.
func TestErrorText(t *testing.T) {
	if text := (&Error{Kind: Lost, Op: "get charge"}).Error(); strings.Contains(text, "(") || strings.HasSuffix(text, ": ") || !strings.HasPrefix(text, "pingpp: get charge: ") {
		t.Errorf("%q", text)
	}
	_, err := serve(t, answer(200, string(charge(map[string]any{"app": "app_2"})))).GetCharge(t.Context(), "ch_1")
	if wantKind(t, err, Foreign, false); !strings.Contains(err.Error(), "get charge") {
		t.Errorf("%v", err)
	}
}

// What a text that is signed, or sent, may hold is refused before it is.
func TestConfigEdges(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"language": func(c *Config) { c.Language = "中文" },
		"fragment": func(c *Config) { c.Endpoint = "https://api.pingxx.com#x" },
	} {
		c := Config{App: testApp, Key: testKey}
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("a %s that cannot be sent is taken", name)
		}
	}
	c, err := New(Config{App: testApp, Key: testKey, Language: "zh~"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if own := client(t, "http://127.0.0.1:1"); c.MockURL() == own.MockURL() || !strings.HasPrefix(own.MockURL(), "http://127.0.0.1:1/") {
		t.Errorf("the page that pays test charges is %s, and an emulator's is %s", c.MockURL(), own.MockURL())
	}
}

// Where an event does not say its mode its object does; and only of what says that it succeeded it matters that it is paid.
func TestEventEdges(t *testing.T) {
	live := string(charge(map[string]any{"livemode": true, "paid": true}))
	for name, body := range map[string]string{
		"the object alone": `{"id":"evt_1","object":"event","type":"charge.succeeded","created":1,"data":{"object":` + live + `}}`,
		"lines of Windows": "{\r\n\"id\":\r\n\"evt_1\",\r\n\"object\":\"event\",\"type\":\"charge.succeeded\",\"livemode\":true,\"created\":1,\r\n\"data\":{\"object\":" + live + "}\r\n}\r\n",
	} {
		e, err := ParseEvent([]byte(body))
		if err != nil || !e.Livemode || e.ModeUnknown || e.Unreadable != nil || e.ID != "evt_1" || e.ChargeID != "ch_1" {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	e, err := ParseEvent([]byte(event("charge.reversed", string(charge(nil)))))
	if err != nil || e.Unreadable != nil {
		t.Errorf("a reversed charge that was not paid: %v, %v", e.Unreadable, err)
	}
}

// Nothing is nothing, however many zeros it is written with.
func TestNothing(t *testing.T) {
	for _, zero := range []string{"0", "0.00", "0e5", "-0", "0.0e1", "00.0"} {
		raw := strings.Replace(string(charge(nil)), `"amount_refunded":0`, `"amount_refunded":"`+zero+`"`, 1)
		if ch, err := ParseCharge([]byte(raw)); err != nil || ch.AmountRefunded != 0 {
			t.Errorf("%s: %v", zero, err)
		}
	}
	for text, want := range map[string]int64{"1250.00": 1250, "12.5e2": 1250, "1250e0": 1250} {
		raw := strings.Replace(string(charge(nil)), `"amount":1250`, `"amount":`+text, 1)
		if ch, err := ParseCharge([]byte(raw)); err != nil || ch.Amount != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

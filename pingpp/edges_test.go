package pingpp

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/redact"
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
	or, err := parseOrder([]byte(order(nil)))
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
		c := Config{App: testApp, Key: redact.New(testKey)}
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("a %s that cannot be sent is taken", name)
		}
	}
	c, err := New(Config{App: testApp, Key: redact.New(testKey), Language: "zh~"})
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
	for text, want := range map[string]int64{"1250.00": 1250, "1251.00": 1251, "12.5e2": 1250, "1250e0": 1250} {
		raw := strings.Replace(string(charge(nil)), `"amount":1250`, `"amount":`+text, 1)
		if ch, err := ParseCharge([]byte(raw)); err != nil || ch.Amount != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// All that a charge may have is posted, under Ping++'s names.
func TestWholeCharge(t *testing.T) {
	p := params()
	p.TimeExpire, p.Description, p.Metadata = 1795427990, "green", map[string]any{"pay_order_no": "1"}
	var method, sent string
	ch, err := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		method, sent = r.Method+" "+r.URL.Path, string(body)
		_, _ = w.Write(charge(nil))
	}).CreateCharge(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if method != "POST /v1/charges" {
		t.Errorf("sent %s", method)
	}
	for _, member := range []string{`"time_expire":1795427990`, `"description":"green"`, `"metadata":{"pay_order_no":"1"}`, `"extra":{"open_id":"` + openID + `"}`} {
		if !strings.Contains(sent, member) {
			t.Errorf("%s is not sent: %s", member, sent)
		}
	}
	if ch.Expires().Unix() != 1795427990 || !(&Charge{}).Expires().IsZero() {
		t.Errorf("expires at %s", ch.Expires())
	}
}

// Every error says which call failed, whether Ping++ refused it, could not be reached, or was never asked.
func TestErrorsNameTheirCall(t *testing.T) {
	refusing := serve(t, answer(400, `{"error":{"message":"no"}}`))
	lost := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	_, err := refusing.CreateCharge(t.Context(), params())
	if e := wantKind(t, err, InvalidRequest, false); e.Op != "create charge" {
		t.Errorf("create charge: %q", e.Op)
	}
	for name, cl := range map[string]*Client{"refused": refusing, "lost": lost} {
		for op, call := range otherCalls(cl) {
			if _, err := call(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "pingpp: "+op+": ") {
				t.Errorf("%s, %s: %v", op, name, err)
			}
		}
	}
	_, err = refusing.GetCharge(t.Context(), "ch 1")
	if e := wantKind(t, err, InvalidRequest, false); e.Op != "get charge" || !strings.Contains(e.Message, "id is not one of Ping++") {
		t.Errorf("an id of no form: %v", err)
	}
}

// What Ping++ says in a form that nobody documents is hidden like the rest; a payer's word that is short is no secret.
func TestHiddenWords(t *testing.T) {
	_, err := serve(t, answer(400, `{"error":"bad key `+testKey+`"}`)).GetCharge(t.Context(), "ch_1")
	withoutLeaks(t, err)
	for id, hidden := range map[string]bool{"abcdef": true, "abcde": false} {
		p := params()
		p.Extra = map[string]any{"open_id": id}
		_, err := serve(t, answer(400, `{"error":{"message":"no open_id `+id+` here"}}`)).CreateCharge(t.Context(), p)
		if err == nil || strings.Contains(err.Error(), id) == hidden {
			t.Errorf("%s: %v", id, err)
		}
	}
	p := params() // a number where a text belongs is no secret, and no reason to fail
	p.Extra = map[string]any{"open_id": 7}
	if _, err := serve(t, answer(400, `{"error":{"message":"no"}}`)).CreateCharge(t.Context(), p); err == nil || !strings.Contains(err.Error(), ": no") {
		t.Error(err)
	}
}

// A client of defaults alone waits and tries again; a key in the place of the app is called one.
func TestDefaults(t *testing.T) {
	tries := 0
	cl := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if tries++; tries == 1 {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		_, _ = w.Write(charge(nil))
	}, func(c *Config) { c.Rand, c.Timeout, c.Now = nil, 0, nil })
	if _, err := cl.GetCharge(t.Context(), "ch_1"); err != nil || tries != 2 {
		t.Errorf("%d tries: %v", tries, err)
	}
	for _, key := range []string{testKey, "pk_test_x"} {
		if _, err := New(Config{App: key, Key: redact.New(testKey)}); err == nil || !strings.Contains(err.Error(), "app is a key") || strings.Contains(err.Error(), key) {
			t.Error(err)
		}
	}
	if _, err := New(Config{App: testApp, Key: redact.New(testKey), Language: "zh CN, en"}); err != nil {
		t.Error(err)
	}
}

// A number is what it was written as: to a channel 1 and 1.0 may be two things.
func TestFingerprintOfNumbers(t *testing.T) {
	print := func(extra string) string {
		ch, err := ParseCharge([]byte(strings.Replace(string(charge(nil)), `"extra":{}`, `"extra":`+extra, 1)))
		if err != nil {
			t.Fatal(err)
		}
		return ch.Fingerprint()
	}
	if print(`{"n":1}`) != print(`{ "n": 1 }`) || print(`{"n":1}`) == print(`{"n":1.0}`) {
		t.Error("the fingerprint does not go by how numbers are written")
	}
}

package events_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
)

// What a merchant's server answers is kept to be looked at, but nobody's telephone number.
func TestSnippetHidesContacts(t *testing.T) {
	h := sandboxtest.NewHook(t)
	h.Says = `{"pay_shipping":{"parcels":[{"contact":13800001234}]}}`
	b := sandboxtest.Hooked(t, h, 1)
	b.Paid("A1001")
	if e := b.Settled("delivered"); e.Deliveries[0].Attempts[0].Snippet != `{"pay_shipping":{"parcels":[{"contact":"…"}]}}` {
		t.Errorf("%+v", e.Deliveries[0].Attempts)
	}
}

func TestWebhook(t *testing.T) {
	h := sandboxtest.NewHook(t)
	b := sandboxtest.Hooked(t, h, 1)
	id := b.Paid("A1001")
	e := b.Settled("delivered")
	got := h.Seen()
	if len(got) != 1 || len(e.Deliveries[0].Attempts) != 1 || e.Deliveries[0].Attempts[0].Status != 200 || e.Deliveries[0].Attempts[0].Snippet != "seen" {
		t.Fatalf("%d webhooks, %+v", len(got), e)
	}
	w := got[0]
	if err := b.Verify(w.Body, w.Header.Get("X-Pingplusplus-Signature")); err != nil {
		t.Error(err)
	}
	if w.Header.Get("Content-Type") != "application/json;charset=utf-8" {
		t.Error(w.Header)
	}
	if names := sandboxtest.MemberNames(t, w.Body); names != "id created livemode type data object request pending_webhooks" {
		t.Errorf("event: %s", names)
	}
	a := sandboxtest.Answer{Body: w.Body}
	var raw struct {
		Data struct {
			Object json.RawMessage `json:"object"`
		} `json:"data"`
	}
	if err := json.Unmarshal(w.Body, &raw); err != nil {
		t.Fatal(err)
	}
	if sandboxtest.MemberNames(t, raw.Data.Object) != sandboxtest.ChargeFields {
		t.Errorf("%s", raw.Data.Object)
	}
	request, _ := a.Field("request").(string)
	if !regexp.MustCompile(`^evt_400260816160755\d{9}$`).MatchString(a.ID()) || !regexp.MustCompile(`^iar_\w{24}$`).MatchString(request) ||
		a.Field("type") != "charge.succeeded" || a.Field("object") != "event" || a.Field("livemode") != false || a.Field("pending_webhooks") != 0.0 ||
		a.Field("data.object.id") != id || a.Field("data.object.paid") != true || a.Field("created") != a.Field("data.object.time_paid") ||
		!bytes.Contains(w.Body, []byte(`"credential":{}`)) {
		t.Errorf("%s", w.Body)
	}
	fetched := b.API("GET", "/v1/events/"+a.ID(), "")
	if fetched.Status != 200 || !bytes.Equal(fetched.Body, w.Body) {
		t.Errorf("fetched: %s", fetched.Body)
	}
	for key, id := range map[string]string{b.TestKey(): "evt_x", b.LiveKey(): a.ID()} {
		if a := b.API("GET", "/v1/events/"+id, "", "Authorization", "Bearer "+key); a.Status != 404 || a.Field("error.param") != "id" ||
			a.Field("error.message") != "未找到 event : "+id+"。" {
			t.Errorf("%s: %d %s", id, a.Status, a.Body)
		}
	}
}

func TestWebhookSchedule(t *testing.T) {
	h := sandboxtest.NewHook(t, 500, 404, 302, 400, 503, 401, 500, 500, 500, 500)
	const scale = 200_000 // 15 h in 270 ms
	b := sandboxtest.Hooked(t, h, scale)
	b.Paid("A1001")
	e := b.Settled("failed")
	got := h.Seen()
	if len(got) != 8 || len(e.Deliveries[0].Attempts) != 8 {
		t.Fatalf("%d tries: %+v", len(got), e.Deliveries)
	}
	for i, gap := range []time.Duration{2 * time.Minute, 10 * time.Minute, 10 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 15 * time.Hour} {
		if waited := got[i+1].At.Sub(got[i].At); waited < gap/scale {
			t.Errorf("gap %d was %v, want at least %v", i+1, waited, gap/scale)
		}
	}
	for _, w := range got {
		if !bytes.Equal(w.Body, got[0].Body) || w.Header.Get("X-Pingplusplus-Signature") != got[0].Header.Get("X-Pingplusplus-Signature") {
			t.Error("a repeat differs from the first try")
		}
	}
}

func TestAny2xxStops(t *testing.T) {
	h := sandboxtest.NewHook(t, 500, 204)
	b := sandboxtest.Hooked(t, h, 1e6)
	b.Paid("A1001")
	b.Settled("delivered")
	b.Paid("A1002")
	b.Settled("delivered")
	if n := len(h.Seen()); n != 3 {
		t.Errorf("%d webhooks", n)
	}
}

func TestWebhooksToSeveralURLs(t *testing.T) {
	h, down := sandboxtest.NewHook(t), sandboxtest.NewHook(t)
	b := sandboxtest.Hooked(t, h, 1e6)
	down.Close()
	b.SetWebhooks(h.URL+"/a", down.URL+"/b?secret=hush", "::no url", h.URL+"/c")
	b.Paid("A1001")
	sandboxtest.Until(t, "all deliveries", func() bool {
		d := b.State(1).Events[0].Deliveries
		return d[0].Status == "delivered" && d[1].Status == "failed" && d[2].Status == "failed" && d[3].Status == "delivered"
	})
	if a := b.State(1).Events[0].Deliveries[1].Attempts; len(a) != 8 || a[0].Error == "" || a[0].Status != 0 || strings.Contains(a[0].Error, "hush") {
		t.Errorf("%+v", a)
	}
}

func TestWebhookFaultsOfATry(t *testing.T) {
	for name, check := range map[string]func(b *sandboxtest.Bench, bad, good sandboxtest.Received) bool{
		"bad_signature": func(b *sandboxtest.Bench, bad, good sandboxtest.Received) bool {
			return bytes.Equal(bad.Body, good.Body)
		},
		"empty_signature": func(b *sandboxtest.Bench, bad, good sandboxtest.Received) bool {
			return len(bad.Header["X-Pingplusplus-Signature"]) == 1
		},
		"no_signature": func(b *sandboxtest.Bench, bad, good sandboxtest.Received) bool {
			return len(bad.Header["X-Pingplusplus-Signature"]) == 0
		},
		"altered_body": func(b *sandboxtest.Bench, bad, good sandboxtest.Received) bool {
			return json.Valid(bad.Body) && bytes.Contains(bad.Body, []byte(`"amount":9100`)) &&
				bad.Header.Get("X-Pingplusplus-Signature") == good.Header.Get("X-Pingplusplus-Signature")
		},
	} {
		h := sandboxtest.NewHook(t, 401)
		b := sandboxtest.Hooked(t, h, 1e6)
		if err := b.SetFault("webhook", name, 1); err != nil {
			t.Fatal(err)
		}
		b.Paid("A1001")
		e := b.Settled("delivered")
		got := h.Seen()
		if len(got) != 2 || b.Verify(got[0].Body, got[0].Header.Get("X-Pingplusplus-Signature")) == nil ||
			b.Verify(got[1].Body, got[1].Header.Get("X-Pingplusplus-Signature")) != nil || !check(b, got[0], got[1]) {
			t.Errorf("%s: %d webhooks, the first %v %s", name, len(got), got[0].Header, got[0].Body)
		}
		if a := e.Deliveries[0].Attempts; a[0].Fault != name || a[1].Fault != "" {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestWebhookFaultsOfAnEvent(t *testing.T) {
	h := sandboxtest.NewHook(t)
	b := sandboxtest.Hooked(t, h, 1)
	for _, f := range []string{"duplicate", "missing", "disorder"} {
		if err := b.SetFault("webhook", f, 1); err != nil {
			t.Fatal(err)
		}
	}
	b.Lever("POST", "/sandbox/faults", `{"on":"webhook","fault":"late","delay_ms":1}`)
	twice := b.Paid("A1001")
	sandboxtest.Until(t, "the duplicate", func() bool { return len(h.Seen()) == 2 })
	missing := b.Paid("A1002")
	b.Settled("missing")
	held := b.Paid("A1003")
	late := b.Paid("A1004") // a millisecond late, then releases the one held back
	sandboxtest.Until(t, "all", func() bool { return len(h.Seen()) == 4 })
	var order []string
	for _, w := range h.Seen() {
		order = append(order, sandboxtest.Answer{Body: w.Body}.Field("data.object.id").(string))
	}
	if fmt.Sprint(order) != fmt.Sprint([]string{twice, twice, late, held}) {
		t.Errorf("got %v; twice %s, missing %s, held %s, late %s", order, twice, missing, held, late)
	}
}

func TestCloseDropsWhatWaits(t *testing.T) {
	stuck := make(chan struct{})
	arrived := make(chan struct{}, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		select {
		case <-stuck:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(stuck)
	b := sandboxtest.Start(t, sandbox.Config{Webhooks: []string{server.URL}})
	if err := b.SetFault("webhook", "late", 1); err != nil {
		t.Fatal(err)
	}
	b.Paid("A1001") // in two minutes
	b.Paid("A1002") // under way
	<-arrived
	began := time.Now()
	b.Close()
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("Close took %v", took)
	}
	b.Close()
	b.Paid("A1003") // still answers, sends nothing
}

func TestManyWebhooksAtOnce(t *testing.T) {
	h := sandboxtest.NewHook(t)
	b := sandboxtest.Hooked(t, h, 1)
	for i := range 100 {
		b.Paid(fmt.Sprintf("M%03d", i))
	}
	sandboxtest.Until(t, "100 webhooks", func() bool { return len(h.Seen()) == 100 })
}

// Whoever listens hears of each try: what was sent where, what came back, and when it is tried again.
func TestSent(t *testing.T) {
	heard := make(chan sandbox.Sent, 10)
	answers := make(chan int, 2)
	answers <- 500
	answers <- 204
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(<-answers)
	}))
	defer receiver.Close()
	b := sandboxtest.Start(t, sandbox.Config{Webhooks: []string{receiver.URL + "/pay/webhooks"}, TimeScale: 1e6, Sent: func(s sandbox.Sent) { heard <- s }})
	id := b.Create("S1000001").ID()
	if err := b.Pay(id); err != nil {
		t.Fatal(err)
	}
	for try, want := range []struct {
		status   int
		delivery string
		again    bool
	}{{500, "pending", true}, {204, "delivered", false}} {
		select {
		case got := <-heard:
			if got.Type != "charge.succeeded" || got.Charge != id || got.Event == "" || got.Livemode || got.URL != receiver.URL+"/pay/webhooks" ||
				got.Try != try+1 || got.Status != want.status || got.Delivery != want.delivery || (got.Next != nil) != want.again {
				t.Errorf("%+v", got)
			}
		case <-time.After(time.Minute):
			t.Fatal("nothing is heard")
		}
	}
}

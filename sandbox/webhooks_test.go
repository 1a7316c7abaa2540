package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// hook is a merchant's webhook endpoint that remembers what came and answers from a script; after its
// end it answers 200.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	script []int
	got    []received
}

type received struct {
	at     time.Time
	header http.Header
	body   []byte
}

func newHook(t *testing.T, script ...int) *hook {
	h := &hook{script: script}
	h.Server = httptest.NewTLSServer(h)
	t.Cleanup(func() {
		h.Client().CloseIdleConnections()
		h.Close()
	})
	return h
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.got = append(h.got, received{time.Now(), r.Header.Clone(), body})
	status := 200
	if len(h.script) > 0 {
		status, h.script = h.script[0], h.script[1:]
	}
	if status/100 == 3 {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(status)
	fmt.Fprint(w, "seen")
}

func (h *hook) seen() []received {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]received(nil), h.got...)
}

// hooked starts a sandbox that tells a hook; the schedule's 24 hours take well under a second.
func hooked(t *testing.T, h *hook, scale float64) *bench {
	return start(t, Config{Webhooks: []string{h.URL + "/pay/webhooks?k=v"}, WebhookClient: h.Client(), TimeScale: scale})
}

func (b *bench) paid(orderNo string) string {
	b.t.Helper()
	id := b.create(orderNo).id()
	if err := b.Pay(id); err != nil {
		b.t.Fatal(err)
	}
	return id
}

// settled waits until no delivery of the newest event is pending and returns it.
func (b *bench) settled(status string) EventState {
	b.t.Helper()
	var e EventState
	until(b.t, "a delivery that is "+status, func() bool {
		e = b.State(1).Events[0]
		for _, d := range e.Deliveries {
			if d.Status != status {
				return false
			}
		}
		return len(e.Deliveries) > 0
	})
	return e
}

func TestWebhook(t *testing.T) {
	h := newHook(t)
	b := hooked(t, h, 1)
	id := b.paid("A1001")
	e := b.settled("delivered")
	got := h.seen()
	if len(got) != 1 || len(e.Deliveries[0].Attempts) != 1 || e.Deliveries[0].Attempts[0].Status != 200 || e.Deliveries[0].Attempts[0].Snippet != "seen" {
		t.Fatalf("%d webhooks, %+v", len(got), e)
	}
	w := got[0]
	if err := b.verify(w.body, w.header.Get("X-Pingplusplus-Signature")); err != nil {
		t.Error(err)
	}
	if w.header.Get("Content-Type") != "application/json;charset=utf-8" {
		t.Error(w.header)
	}
	if names := memberNames(t, w.body); names != "id created livemode type data object request pending_webhooks" {
		t.Errorf("event: %s", names)
	}
	a := answer{body: w.body}
	var raw struct {
		Data struct {
			Object json.RawMessage `json:"object"`
		} `json:"data"`
	}
	if err := json.Unmarshal(w.body, &raw); err != nil {
		t.Fatal(err)
	}
	if memberNames(t, raw.Data.Object) != chargeFields {
		t.Errorf("%s", raw.Data.Object)
	}
	request, _ := a.field("request").(string)
	if !regexp.MustCompile(`^evt_400260816160755\d{9}$`).MatchString(a.id()) || !regexp.MustCompile(`^iar_\w{24}$`).MatchString(request) ||
		a.field("type") != "charge.succeeded" || a.field("object") != "event" || a.field("livemode") != false || a.field("pending_webhooks") != 0.0 ||
		a.field("data.object.id") != id || a.field("data.object.paid") != true || a.field("created") != a.field("data.object.time_paid") ||
		!bytes.Contains(w.body, []byte(`"credential":{}`)) {
		t.Errorf("%s", w.body)
	}
	fetched := b.api("GET", "/v1/events/"+a.id(), "")
	if fetched.status != 200 || !bytes.Equal(fetched.body, w.body) {
		t.Errorf("fetched: %s", fetched.body)
	}
	for key, id := range map[string]string{b.TestKey(): "evt_x", b.LiveKey(): a.id()} {
		if a := b.api("GET", "/v1/events/"+id, "", "Authorization", "Bearer "+key); a.status != 404 || a.field("error.param") != "id" ||
			a.field("error.message") != "未找到 event : "+id+"。" {
			t.Errorf("%s: %d %s", id, a.status, a.body)
		}
	}
}

func TestWebhookSchedule(t *testing.T) {
	h := newHook(t, 500, 404, 302, 400, 503, 401, 500, 500, 500, 500)
	const scale = 200_000 // 15 h in 270 ms
	b := hooked(t, h, scale)
	b.paid("A1001")
	e := b.settled("failed")
	got := h.seen()
	if len(got) != 8 || len(e.Deliveries[0].Attempts) != 8 {
		t.Fatalf("%d tries: %+v", len(got), e.Deliveries)
	}
	for i, gap := range []time.Duration{2 * time.Minute, 10 * time.Minute, 10 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 15 * time.Hour} {
		if waited := got[i+1].at.Sub(got[i].at); waited < gap/scale {
			t.Errorf("gap %d was %v, want at least %v", i+1, waited, gap/scale)
		}
	}
	for _, w := range got {
		if !bytes.Equal(w.body, got[0].body) || w.header.Get("X-Pingplusplus-Signature") != got[0].header.Get("X-Pingplusplus-Signature") {
			t.Error("a repeat differs from the first try")
		}
	}
}

func TestAny2xxStops(t *testing.T) {
	h := newHook(t, 500, 204)
	b := hooked(t, h, 1e6)
	b.paid("A1001")
	b.settled("delivered")
	b.paid("A1002")
	b.settled("delivered")
	if n := len(h.seen()); n != 3 {
		t.Errorf("%d webhooks", n)
	}
}

func TestWebhooksToSeveralURLs(t *testing.T) {
	h, down := newHook(t), newHook(t)
	b := hooked(t, h, 1e6)
	down.Close()
	b.SetWebhooks(h.URL+"/a", down.URL+"/b?secret=hush", "::no url", h.URL+"/c")
	b.paid("A1001")
	until(t, "all deliveries", func() bool {
		d := b.State(1).Events[0].Deliveries
		return d[0].Status == "delivered" && d[1].Status == "failed" && d[2].Status == "failed" && d[3].Status == "delivered"
	})
	if a := b.State(1).Events[0].Deliveries[1].Attempts; len(a) != 8 || a[0].Error == "" || a[0].Status != 0 || strings.Contains(a[0].Error, "hush") {
		t.Errorf("%+v", a)
	}
}

func TestWebhookFaultsOfATry(t *testing.T) {
	for name, check := range map[string]func(b *bench, bad, good received) bool{
		"bad_signature":   func(b *bench, bad, good received) bool { return bytes.Equal(bad.body, good.body) },
		"empty_signature": func(b *bench, bad, good received) bool { return len(bad.header["X-Pingplusplus-Signature"]) == 1 },
		"no_signature":    func(b *bench, bad, good received) bool { return len(bad.header["X-Pingplusplus-Signature"]) == 0 },
		"altered_body": func(b *bench, bad, good received) bool {
			return json.Valid(bad.body) && bytes.Contains(bad.body, []byte(`"amount":9100`)) &&
				bad.header.Get("X-Pingplusplus-Signature") == good.header.Get("X-Pingplusplus-Signature")
		},
	} {
		h := newHook(t, 401)
		b := hooked(t, h, 1e6)
		if err := b.SetFault("webhook", name, 1); err != nil {
			t.Fatal(err)
		}
		b.paid("A1001")
		e := b.settled("delivered")
		got := h.seen()
		if len(got) != 2 || b.verify(got[0].body, got[0].header.Get("X-Pingplusplus-Signature")) == nil ||
			b.verify(got[1].body, got[1].header.Get("X-Pingplusplus-Signature")) != nil || !check(b, got[0], got[1]) {
			t.Errorf("%s: %d webhooks, the first %v %s", name, len(got), got[0].header, got[0].body)
		}
		if a := e.Deliveries[0].Attempts; a[0].Fault != name || a[1].Fault != "" {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestWebhookFaultsOfAnEvent(t *testing.T) {
	h := newHook(t)
	b := hooked(t, h, 1)
	for _, f := range []string{"duplicate", "missing", "disorder"} {
		if err := b.SetFault("webhook", f, 1); err != nil {
			t.Fatal(err)
		}
	}
	b.lever("POST", "/sandbox/faults", `{"on":"webhook","fault":"late","delay_ms":1}`)
	twice := b.paid("A1001")
	until(t, "the duplicate", func() bool { return len(h.seen()) == 2 })
	missing := b.paid("A1002")
	b.settled("missing")
	held := b.paid("A1003")
	late := b.paid("A1004") // a millisecond late, then releases the one held back
	until(t, "all", func() bool { return len(h.seen()) == 4 })
	var order []string
	for _, w := range h.seen() {
		order = append(order, answer{body: w.body}.field("data.object.id").(string))
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
	b := start(t, Config{Webhooks: []string{server.URL}})
	if err := b.SetFault("webhook", "late", 1); err != nil {
		t.Fatal(err)
	}
	b.paid("A1001") // in two minutes
	b.paid("A1002") // under way
	<-arrived
	began := time.Now()
	b.Close()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Close took %v", took)
	}
	b.Close()
	b.paid("A1003") // still answers, sends nothing
}

func TestManyWebhooksAtOnce(t *testing.T) {
	h := newHook(t)
	b := hooked(t, h, 1)
	for i := range 100 {
		b.paid(fmt.Sprintf("M%03d", i))
	}
	until(t, "100 webhooks", func() bool { return len(h.seen()) == 100 })
}

// Whoever listens hears of each try: what was sent where, what came back, and when it is tried again.
func TestSent(t *testing.T) {
	heard := make(chan Sent, 10)
	answers := make(chan int, 2)
	answers <- 500
	answers <- 204
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(<-answers)
	}))
	defer receiver.Close()
	b := start(t, Config{Webhooks: []string{receiver.URL + "/pay/webhooks"}, TimeScale: 1e6, Sent: func(s Sent) { heard <- s }})
	id := b.create("S1000001").id()
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

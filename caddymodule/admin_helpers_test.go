package caddymodule

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/sandbox"
)

// adminAPI is the admin endpoint of a Caddy in this process, on a port of its own.
type adminAPI struct {
	t    testing.TB
	addr string
}

// withAdmin gives a Caddyfile an admin endpoint, which is gone after the test.
func withAdmin(t testing.TB, file, addr string) string {
	t.Cleanup(func() { _ = caddy.Load([]byte(`{"admin":{"disabled":true}}`), true) }) // Stop leaves it running
	return strings.Replace(file, "admin off", "admin "+addr, 1)
}

// runAdmin runs a Caddyfile with an admin endpoint.
func runAdmin(t testing.TB, file string) *adminAPI {
	t.Helper()
	a := &adminAPI{t, freeAddr(t)}
	run(t, withAdmin(t, file, a.addr))
	return a
}

// do returns the status and the body, which is read into v if it is JSON and v is not nil.
func (a *adminAPI) do(method, path, body string, v any) (int, string) {
	a.t.Helper()
	req, err := http.NewRequest(method, "http://"+a.addr+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	resp, err := client(a.t).Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw := must(io.ReadAll(resp.Body))
	if v != nil && resp.StatusCode == http.StatusOK {
		if err := json.Unmarshal(raw, v); err != nil {
			a.t.Fatalf("%s: %v\n%s", path, err, raw)
		}
	}
	return resp.StatusCode, string(raw)
}

func (a *adminAPI) list(query string) (ids []string, next string) {
	a.t.Helper()
	var page adminapi.EventPage
	if status, body := a.do(http.MethodGet, "/pay/events?"+query, "", &page); status != http.StatusOK {
		a.t.Fatalf("%s: %d %s", query, status, body)
	}
	for _, e := range page.Events {
		ids = append(ids, strings.TrimPrefix(e.ID, "evt_"))
	}
	return ids, page.Next
}

func (a *adminAPI) show(id string) (e adminapi.EventWhole) {
	a.t.Helper()
	if status, body := a.do(http.MethodGet, "/pay/events/evt_"+id, "", &e); status != http.StatusOK {
		a.t.Fatalf("%s: %d %s", id, status, body)
	}
	return e
}

func (a *adminAPI) decide(id, action string) (int, string) {
	a.t.Helper()
	return a.do(http.MethodPost, "/pay/events/evt_"+id+"/"+action, `{"said":"mark","reason":"because"}`, nil)
}

// ledgerOf is the ledger of the running configuration.
func ledgerOf(t testing.TB) ledger.Ledger {
	t.Helper()
	app, err := activeApp()
	if err != nil {
		t.Fatal(err)
	}
	return must(app.store.open(t.Context()))
}

var testScope = ledger.Scope{App: "app_test1", Mode: ledger.Test}

// ours records our charge ch_<id> of order<id>, which webhookEvent pays with 100 fen.
func ours(t testing.TB, l ledger.Ledger, id string, amount int64) {
	t.Helper()
	oursIn(t, l, testScope, "order"+id, "ch_"+id, amount)
}

// oursIn records a charge of ours.
func oursIn(t testing.TB, l ledger.Ledger, scope ledger.Scope, orderNo, charge string, amount int64) {
	t.Helper()
	now := time.Now()
	if _, err := l.Reserve(t.Context(), ledger.Reservation{Scope: scope, OrderNo: orderNo, Now: now, Until: now.Add(time.Minute),
		Number: func(int, int) string { return orderNo }}); err != nil {
		t.Fatal(err)
	}
	if err := l.Created(t.Context(), &ledger.Charge{Scope: scope, OrderNo: orderNo, Number: orderNo, State: ledger.Open, ID: charge,
		Channel: "wx_lite", Amount: amount, Currency: "cny", Host: "shop.example.com", Created: now, TimeExpire: now.Add(time.Hour), Raw: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
}

// desk is a backend that keeps the headers of what it hears, and can refuse.
type desk struct {
	addr   string
	mu     sync.Mutex
	refuse bool
	got    []http.Header
}

func newDesk(t testing.TB) *desk {
	d := &desk{}
	d.addr = backend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.got = append(d.got, r.Header.Clone())
		if d.refuse {
			http.Error(w, "not now", http.StatusInternalServerError)
		}
	})
	return d
}

func (d *desk) refuses(yes bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refuse = yes
}

// heard returns the headers of all attempts to deliver an event.
func (d *desk) heard(id string) (all []http.Header) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range d.got {
		if h.Get("Webhook-Id") == "evt_"+id {
			all = append(all, h)
		}
	}
	return all
}

// site is a Caddyfile whose events go to the desk, and are dead after their second failure.
func (d *desk) site(t testing.TB, dir, addr string, more ...string) string {
	return globals(dir, ledgerIn(dir)) + "http://" + addr + " {\n" +
		payBlock(t, dir, "", append([]string{"allow_http", "upstream " + d.addr, "events POST /internal/pay/events {\n\t\t\tretry 20ms\n\t\t}"}, more...)...) + "}\n"
}

// pingppAt runs the sandbox and returns a Caddyfile whose site is charged through it.
func pingppAt(t testing.TB, dir, addr string, d *desk) (*sandbox.Sandbox, string) {
	t.Helper()
	s := must(sandbox.New(sandbox.Config{}))
	srv := httptest.NewServer(s)
	t.Cleanup(func() {
		s.Close()
		srv.Close()
	})
	file := strings.NewReplacer("app app_test1", "app "+s.App()+"\n\t\t\tendpoint "+srv.URL, "sk_test_Mark0123456789", s.TestKey()).Replace(d.site(t, dir, addr))
	return s, file
}

// metric reads one of our counters from the admin API.
func (a *adminAPI) metric(series string) string {
	a.t.Helper()
	status, body := a.do(http.MethodGet, "/metrics", "", nil)
	if status != http.StatusOK {
		a.t.Fatal(status, body)
	}
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

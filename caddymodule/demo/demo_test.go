package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/caddypay/caddypay/examples/legacyshop"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/sqlite"
	"github.com/caddypay/caddypay/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newPage(t *testing.T) (*Page, *httptest.Server) {
	t.Helper()
	box, err := sandbox.New(sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := sqlite.Open(context.Background(), sqlite.Options{File: filepath.Join(t.TempDir(), "ledger.db")})
	if err != nil {
		t.Fatal(err)
	}
	p := New(box, legacyshop.New("a token", "test"), ledger.Scope{App: box.App(), Mode: ledger.Test}, func(context.Context) (ledger.Ledger, error) { return l, nil })
	srv := httptest.NewServer(p)
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		srv.Close()
		box.Close()
		l.Close()
	})
	return p, srv
}

// Both languages have every text, and every step is described in both.
func TestTexts(t *testing.T) {
	for key := range texts["zh"] {
		if texts["en"][key] == "" {
			t.Errorf("no English text %s", key)
		}
	}
	if len(texts["en"]) != len(texts["zh"]) {
		t.Errorf("%d texts and %d", len(texts["en"]), len(texts["zh"]))
	}
	for lang := range texts {
		for _, s := range describe(lang) {
			if s.Text == "" || s.Note == "" || texts[lang]["who_"+s.Who] == "" {
				t.Errorf("%s: %+v", lang, s)
			}
		}
	}
}

// The page is whole in the visitor's language, and nothing but its own files may run.
func TestIndex(t *testing.T) {
	_, srv := newPage(t)
	for accept, want := range map[string]string{"": "茶铺", "zh-CN,en;q=0.8": "茶铺", "en-GB,zh;q=0.5": "Tea shop"} {
		r, err := http.NewRequest("GET", srv.URL+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Language", accept)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var body strings.Builder
		_, err = bufio.NewReader(resp.Body).WriteTo(&body)
		resp.Body.Close()
		if err != nil || !strings.Contains(body.String(), want) || !strings.Contains(body.String(), "19.99") || !strings.HasSuffix(body.String(), "</html>\n") {
			t.Errorf("%q: %v %s", accept, err, body.String())
		}
		if !strings.HasPrefix(resp.Header.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self';") {
			t.Errorf("%v", resp.Header)
		}
	}
}

// What the shop is asked is told at once to whoever looks.
func TestStepsAreToldAsTheyHappen(t *testing.T) {
	p, srv := newPage(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", srv.URL+"/demo/steps", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%v", resp.Header)
	}
	lines := bufio.NewScanner(resp.Body)
	next := func() (s seen) {
		t.Helper()
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				if err := json.Unmarshal([]byte(data), &s); err != nil {
					t.Fatal(err)
				}
				return s
			}
		}
		t.Fatal(lines.Err())
		return s
	}
	if s := next(); len(s.Orders) != 0 || len(s.Log) != 0 || s.Broken != "" {
		t.Errorf("%+v", s)
	}
	n1 := buyTea(t, p)
	for s := next(); len(s.Orders) != 1 || s.Orders[0].OrderNo != n1; s = next() {
		t.Errorf("%+v", s)
	}
	p.Note("order_quote", n1+" · ¥19.99")
	if s := next(); s.Orders[0].Steps["order_quote"] != n1+" · ¥19.99" || len(s.Log) != 1 || s.Log[0].Call != "GET /internal/pay/orders/{order_no}" {
		t.Errorf("%+v", s)
	}
	for range 2 * maxLines {
		p.Note("event_delivered", "charge.succeeded for another")
	}
	if s := p.look(t.Context()); len(s.Log) != maxLines || len(s.Orders[0].Steps) != 0 {
		t.Errorf("%+v", s)
	}
}

// buyTea makes an order at the shop.
func buyTea(t *testing.T, p *Page) (orderNo string) {
	t.Helper()
	w := httptest.NewRecorder()
	p.shop.ServeHTTP(w, httptest.NewRequest("POST", "/orders", strings.NewReader(`{"product":"tea"}`)))
	var o legacyshop.Order
	if err := json.Unmarshal(w.Body.Bytes(), &o); err != nil || o.OrderNo == "" {
		t.Fatal(w.Body)
	}
	return o.OrderNo
}

// The button breaks what the shop is told, and nothing else, until the time is over or somebody mends it.
func TestBreakTheBackend(t *testing.T) {
	p, srv := newPage(t)
	now := time.Now()
	p.outage.now = func() time.Time { return now }
	backend := httptest.NewServer(p.Backend(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "success") })))
	t.Cleanup(backend.Close)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: &http.Transport{DisableKeepAlives: true}}
	tell := func(path string) string {
		resp, err := client.Post(backend.URL+path, "application/json", strings.NewReader("{}"))
		if err != nil {
			return "nothing"
		}
		defer resp.Body.Close()
		return fmt.Sprint(resp.StatusCode, resp.Header.Get("Location"))
	}
	press := func(kind string, want int) {
		t.Helper()
		resp, err := client.Post(srv.URL+"/demo/break", "application/json", strings.NewReader(`{"kind":"`+kind+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%q: %d", kind, resp.StatusCode)
		}
	}
	for kind, want := range map[string]string{"302": "302/login", "500": "500", "nothing": "nothing"} {
		press(kind, 200)
		if got := tell(eventsPath); got != want {
			t.Errorf("%s: the shop answers %s", kind, got)
		}
		if got := tell("/internal/pay/orders/1"); got != "200" {
			t.Errorf("%s: the shop answers %s to a question for a price", kind, got)
		}
		if s := p.look(t.Context()); s.Broken != kind || s.BrokenFor != int(outageFor.Seconds()) {
			t.Errorf("%+v", s)
		}
	}
	press("", 200)
	if got := tell(eventsPath); got != "200" {
		t.Errorf("mended, it answers %s", got)
	}
	press("500", 200)
	press("404", 400)
	now = now.Add(outageFor)
	if got, s := tell(eventsPath), p.look(t.Context()); got != "200" || s.Broken != "" {
		t.Errorf("after its time the shop answers %s, %+v", got, s)
	}
}

// The block that the page shows is a Caddyfile to copy, so it wants the receipt that the demo itself wants.
func TestShownBlock(t *testing.T) {
	_, srv := newPage(t)
	resp, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(page), "events POST "+eventsPath+" {\n\t\texpect body success\n\t}") {
		t.Errorf("%v\n%s", err, page)
	}
}

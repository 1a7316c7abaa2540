package check

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/examples/legacyshop"
	shop "github.com/caddypay/caddypay/handlers/backend"
	"github.com/caddypay/caddypay/handlers/payment"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay"
	"github.com/caddypay/caddypay/session"
)

const shopToken = "token-Mark-0123456789abcdefghijkl"

var testScope = ledger.Scope{App: "app_test1", Mode: ledger.Test}

// to sends every request to one server.
type to struct {
	base *url.URL
	*http.Transport
}

func (t to) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = t.base.Scheme, t.base.Host
	return t.Transport.RoundTrip(r)
}

// stand is a legacy shop behind what is planted, and an order of it.
type stand struct {
	prices  *payment.Prices
	relay   relay.Config
	orderNo string
	shop    Shop
}

func newStand(t *testing.T, plant func(http.Handler) http.Handler) *stand {
	t.Helper()
	h := http.Handler(legacyshop.New(shopToken, "test"))
	rec := httptest.NewRecorder()
	order := httptest.NewRequest(http.MethodPost, "/orders", strings.NewReader(`{"product":"tea"}`))
	order.Header.Set("X-WX-OPENID", "o-payer")
	h.ServeHTTP(rec, order)
	var made struct {
		OrderNo string `json:"order_no"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &made); err != nil || made.OrderNo == "" {
		t.Fatalf("no order: %v %s", err, rec.Body)
	}
	if plant != nil {
		h = plant(h)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	base, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	backend := to{base, &http.Transport{}}
	t.Cleanup(backend.CloseIdleConnections)
	s := &stand{orderNo: made.OrderNo}
	s.prices = &payment.Prices{Orders: &payment.Orders{Method: http.MethodGet, Path: "/internal/pay/orders/{order_no}", Timeout: time.Minute}, Now: time.Now,
		Backend: &shop.Backend{RoundTripper: backend, Token: redact.New(shopToken), Visitors: &session.Visitors{Scope: testScope, Cookies: &session.Cookies{}}}}
	s.relay = relay.Config{Scope: testScope, Backend: backend, Path: "/internal/pay/events", Token: redact.New(shopToken), Timeout: time.Minute, Expect: relay.Expect{Body: "success"}}
	s.shop = Shop{Site: "shop.test", Host: "shop.test", Scope: testScope, Now: time.Now, Ask: s.prices.Ask, Orders: "GET /internal/pay/orders/…",
		Events: "POST /internal/pay/events", Token: true, Expects: true,
		Tell: func(ctx context.Context, ev *ledger.Event, change func(http.Header)) relay.Receipt {
			rc, err := relay.Probe(ctx, s.relay, ev, change)
			if err != nil {
				t.Error(err)
			}
			return rc
		}}
	return s
}

func (s *stand) try(t *testing.T) []Finding {
	t.Helper()
	return TryBackend(t.Context(), s.shop, Trial{OrderNo: s.orderNo, Random: rand.Text, Slow: time.Minute})
}

// before lets a function see, change or answer requests of a path before the shop does.
func before(path string, f func(w http.ResponseWriter, r *http.Request) (done bool)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.URL.Path, path) || !f(w, r) {
				next.ServeHTTP(w, r)
			}
		})
	}
}

const quotes, events = "/internal/pay/orders/", "/internal/pay/events"

// silent leaves out of quotes how often an order was fulfilled.
func silent(next http.Handler) http.Handler {
	return answered(quotes, func(_ *http.Request, body []byte) []byte {
		return regexp.MustCompile(`,"fulfilled":\d+`).ReplaceAll(body, nil)
	})(next)
}

// answered changes what the shop answers with 200.
func answered(path string, change func(r *http.Request, body []byte) []byte) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			body := rec.Body.Bytes()
			if strings.HasPrefix(r.URL.Path, path) && rec.Code == http.StatusOK {
				body = change(r, body)
			}
			w.WriteHeader(rec.Code)
			_, _ = w.Write(body)
		})
	}
}

// What the backend does is not blamed for what it refuses for another reason, and the fix is the one for that reason.
func TestTheReasonIsTheReason(t *testing.T) {
	s := newStand(t, failsAgain())
	s.shop.Types = []string{"charge.succeeded"}
	found := s.try(t)
	if i := slices.IndexFunc(found, func(f Finding) bool { return f.ID == "backend-members" }); i < 0 || found[i].Result != Unknown || strings.Contains(found[i].Fix.EN, "Jackson") {
		t.Error("a repeat is refused:", show(found))
	}
	for status, fix := range map[int]string{401: "compare backend_token", 403: "compare backend_token", 400: "answer 2xx"} {
		found := newStand(t, answering(events, always, status, "no")).try(t)
		if i := slices.IndexFunc(found, func(f Finding) bool { return f.ID == "backend-event" }); i < 0 || found[i].Result != Fail || !strings.Contains(found[i].Fix.EN, fix) {
			t.Errorf("%d: %s", status, show(found))
		}
	}
}

// fulfilsAt makes a shop say that it fulfils an order once more at each event of a type.
func fulfilsAt(kind string) func(http.Handler) http.Handler {
	more := int64(0)
	return and(answered(quotes, func(_ *http.Request, body []byte) []byte {
		return regexp.MustCompile(`"fulfilled":1\b`).ReplaceAll(body, fmt.Appendf(nil, `"fulfilled":%d`, 1+more))
	}), answered(events, func(r *http.Request, body []byte) []byte {
		if r.Header.Get("X-Pay-Event") == kind {
			more++
		}
		return body
	}))
}

// counting tells in quotes how often an order was fulfilled: for each payment once, or each time that one is told.
func counting(eachTime bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		var mu sync.Mutex
		count, seen := map[string]int{}, map[string]bool{}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			mu.Lock()
			defer mu.Unlock()
			body := rec.Body.Bytes()
			no := r.Header.Get("X-Pay-Order-No")
			if strings.HasPrefix(r.URL.Path, events) && rec.Code == http.StatusOK && (eachTime || !seen[no]) {
				count[no]++
				seen[no] = true
			}
			if no, ok := strings.CutPrefix(r.URL.Path, quotes); ok && rec.Code == http.StatusOK {
				body = regexp.MustCompile(`"fulfilled":\d+`).ReplaceAll(body, fmt.Appendf(nil, `"fulfilled":%d`, count[no]))
			}
			w.WriteHeader(rec.Code)
			_, _ = w.Write(body)
		})
	}
}

// bodied changes the body of events.
func bodied(change func(body []byte, h http.Header) []byte) func(http.Handler) http.Handler {
	return before(events, func(_ http.ResponseWriter, r *http.Request) bool {
		raw, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(change(raw, r.Header)))
		return false
	})
}

func header(path, name, value string) func(http.Handler) http.Handler {
	return before(path, func(_ http.ResponseWriter, r *http.Request) bool { r.Header.Set(name, value); return false })
}

func answering(path string, when func(*http.Request) bool, status int, body string) func(http.Handler) http.Handler {
	return before(path, func(w http.ResponseWriter, r *http.Request) bool {
		if !when(r) {
			return false
		}
		if status/100 == 3 {
			w.Header().Set("Location", "/login")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	})
}

func always(*http.Request) bool { return true }

func and(plants ...func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		for _, p := range plants {
			next = p(next)
		}
		return next
	}
}

func outcome(found []Finding, r Result) (ids []string) {
	for _, f := range found {
		if f.Result == r {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

func show(found []Finding) string {
	var b strings.Builder
	for _, f := range found {
		fmt.Fprintf(&b, "\n  %s %s: %s | %s", f.Result.Mark(), f.ID, f.Text.EN, f.Text.ZH)
	}
	return b.String()
}

// The legacy shop of the demo is as it should be.
func TestBackendOfTheDemo(t *testing.T) {
	for name, plant := range map[string]func(http.Handler) http.Handler{"as it is": silent, "telling how often it fulfilled": nil} {
		s := newStand(t, plant)
		found := s.try(t)
		if n := len(outcome(found, OK)); n != len(found) || n != 17 {
			t.Errorf("%s: %d of %d are well:%s", name, n, len(found), show(found))
		}
	}
}

// Every fault of a backend is named by exactly one finding, in both languages.
func TestBackendFaults(t *testing.T) {
	hang := func(path string) func(http.Handler) http.Handler {
		return before(path, func(_ http.ResponseWriter, r *http.Request) bool {
			_, _ = io.Copy(io.Discard, r.Body) // only then the server sees that the client hangs up
			<-r.Context().Done()
			return true
		})
	}
	for _, tt := range []struct {
		name, id string
		result   Result
		says     string
		plant    func(http.Handler) http.Handler
		change   func(*stand)
	}{
		{"token not compared", "backend-token", Fail, "anyone who reaches it can announce a payment", header(events, "X-Pay-Token", shopToken), nil},
		{"token compared only where there is one", "backend-token", Fail, "anyone who reaches it can announce a payment",
			before(events, func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Header.Get("X-Pay-Token") == "" {
					r.Header.Set("X-Pay-Token", shopToken)
				}
				return false
			}), nil},
		{"prices without the token", "backend-quote-token", Warn, "anyone who reaches it learns", header(quotes, "X-Pay-Token", shopToken), nil},
		{"mode not compared", "backend-mode", Fail, "does not compare X-Pay-Mode", header(events, "X-Pay-Mode", "test"), nil},
		{"amount not compared", "backend-amount", Warn, "takes 1 fen for an order that costs 1999", bodied(func(body []byte, _ http.Header) []byte {
			return bytes.ReplaceAll(body, []byte(`"amount":1,`), []byte(`"amount":1999,`))
		}), nil},
		{"amount not compared, and all is delivered", "backend-amount", Fail, "takes 1 fen for an order that costs 1999", bodied(func(body []byte, _ http.Header) []byte {
			return bytes.ReplaceAll(body, []byte(`"amount":1,`), []byte(`"amount":1999,`))
		}), func(s *stand) { s.shop.Deliver = true }},
		{"fulfilled each time", "backend-repeat", Fail, "2 times", counting(true), func(s *stand) { s.shop.Types = []string{"charge.succeeded"} }},
		{"the same again is an error", "backend-repeat", Fail, "answered 500", failsAgain(), func(s *stand) { s.shop.Types = []string{"charge.succeeded"} }},
		{"the same payment of another id is an error", "backend-repeat", Warn, "in an event of another id",
			answering(events, func(r *http.Request) bool { return strings.HasPrefix(r.Header.Get("webhook-id"), "evt_q_") }, 409, "paid before"), nil},
		{"a second payment acknowledged", "backend-second-payment", Warn, "nobody would give that money back", acknowledgingSecond(), nil},
		{"a second payment acknowledged, and all is delivered", "backend-second-payment", Fail, "nobody would give that money back", acknowledgingSecond(),
			func(s *stand) { s.shop.Deliver = true }},
		{"fulfilled at order.succeeded too", "backend-order-succeeded", Fail, "again at order.succeeded", fulfilsAt("order.succeeded"), nil},
		{"order.succeeded refused", "backend-order-succeeded", Fail, "answered 400", answering(events, isA("order.succeeded"), 400, ""), nil},
		{"fulfilled at the refund", "backend-refund", Fail, "when its money goes back", fulfilsAt("refund.succeeded"), nil},
		{"refund refused", "backend-refund", Fail, "answered 500", answering(events, isA("refund.succeeded"), 500, ""), nil},
		{"to be paid again after the refund", "backend-refund", Warn, "can be paid again",
			answered(quotes, func(_ *http.Request, body []byte) []byte {
				return bytes.Replace(body, []byte(`"closed"`), []byte(`"payable"`), 1)
			}), nil},
		{"an SQL error at odd numbers", "backend-odd-number", Warn, "whoever asks can read and change the database", answering(quotes, odd, 500, "error in your SQL syntax"), nil},
		{"an SQL error at odd numbers, with 200", "backend-odd-number", Warn, "not JSON", answering(quotes, odd, 200, "<b>error in your SQL syntax</b>"), nil},
		{"strangers' orders acknowledged", "backend-other-order", Fail, "nobody would look for such money",
			answering(events, func(r *http.Request) bool { return strings.HasPrefix(r.Header.Get("X-Pay-Order-No"), "no") }, 200, "success"), nil},
		{"unknown members", "backend-members", Fail, "answered 400", answeringBody(`"caddypay_check"`, 400), nil},
		{"other types", "backend-types", Fail, "answered 422", answering(events, func(r *http.Request) bool { return r.Header.Get("X-Pay-Order-No") == "" }, 422, "no order"), nil},
		{"login page", "backend-event", Fail, "answered 302 to /login", answering(events, always, 302, ""), nil},
		{"HTML page", "backend-event", Fail, "an HTML page", answering(events, always, 200, "<html><title>Login</title>"), nil},
		{"PHP error", "backend-event", Fail, "a PHP error message", answering(events, always, 200, "<b>Fatal error</b>: Uncaught Error"), nil},
		{"not the word", "backend-event", Fail, `not "success"`, answering(events, always, 200, "ok"), nil},
		{"CSRF", "backend-event", Fail, "CSRF", answering(events, always, 419, ""), nil},
		{"acknowledged and not done", "backend-paid", Fail, "still says that order", answering(events, func(r *http.Request) bool {
			return r.Header.Get("X-Pay-Token") == shopToken && r.Header.Get("X-Pay-Mode") == "test" && !strings.HasPrefix(r.Header.Get("X-Pay-Order-No"), "no")
		}, 200, "success"), nil},
		{"quote redirects", "backend-quote", Fail, "answered 302 to \"/login\"", answering(quotes, always, 302, ""), nil},
		{"quote with another token", "backend-quote", Fail, "does it compare X-Pay-Token", nil, func(s *stand) { s.prices.Backend.Token = redact.New(strings.Repeat("y", 32)) }},
		{"quote is a page", "backend-quote", Fail, "not JSON", answering(quotes, always, 200, "<html>"), nil},
		{"no path", "backend-quote", Fail, "is the path of orders another?", nil, func(s *stand) { s.prices.Orders.Path = "/pay/{order_no}" }},
		{"unknown orders have a price", "backend-unknown-order", Fail, "cannot exist", everyOrder(), nil},
		{"unknown orders are no JSON", "backend-unknown-order", Fail, "amount is missing",
			answering(quotes, func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, quotes+"no") }, 200, `{"code":404}`), nil},
		{"quote hangs", "backend-slow", Fail, "too slow", hang(quotes),
			func(s *stand) { s.prices.Orders.Timeout = 50 * time.Millisecond }},
		{"event hangs", "backend-slow", Fail, "did not answer within 50ms", hang(events),
			func(s *stand) { s.relay.Timeout = 50 * time.Millisecond }},
		{"nothing listens", "backend-reach", Fail, "cannot be reached", nil, func(s *stand) { s.prices.Backend.RoundTripper = nowhere(t) }},
		{"502", "backend-reach", Fail, "cannot be reached", answering(quotes, always, 502, ""), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStand(t, tt.plant)
			if tt.change != nil {
				tt.change(s)
			}
			found := s.try(t)
			bad := append(outcome(found, Fail), outcome(found, Warn)...)
			i := slices.IndexFunc(found, func(f Finding) bool { return f.ID == tt.id })
			if !slices.Equal(bad, []string{tt.id}) || found[i].Result != tt.result {
				t.Fatalf("found %q, not %s:%s", bad, tt.id, show(found))
			}
			if f := found[i]; !strings.Contains(f.Text.EN, tt.says) || f.Text.ZH == "" || f.Fix.EN == "" || f.Fix.ZH == "" {
				t.Errorf("it says %q (%q); fix %q (%q)", f.Text.EN, f.Text.ZH, f.Fix.EN, f.Fix.ZH)
			}
			for _, f := range found {
				if bad := f.Text.EN + f.Text.ZH + f.Fix.EN + f.Fix.ZH; strings.Contains(bad, "%!") || strings.Contains(bad, shopToken) {
					t.Errorf("%s says %s", f.ID, bad)
				}
			}
		})
	}
}

func isA(kind string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Header.Get("X-Pay-Event") == kind }
}

func odd(r *http.Request) bool { return strings.Contains(r.URL.Path, "'") }

// acknowledgingSecond is a backend that says yes to the payment of an order that was paid already, and has one price.
func acknowledgingSecond() func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		paid := map[string]bool{}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			no := r.Header.Get("X-Pay-Order-No")
			next.ServeHTTP(rec, r)
			if paid[no] && isA("charge.succeeded")(r) && rec.Code == http.StatusConflict {
				rec = httptest.NewRecorder()
				rec.Body.WriteString("success")
			}
			paid[no] = paid[no] || no != "" && rec.Code == http.StatusOK
			w.WriteHeader(rec.Code)
			_, _ = w.Write(rec.Body.Bytes())
		})
	}
}

// failsAgain is a backend whose database refuses what it has.
func failsAgain() func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		seen := false
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			raw, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(raw))
			if r.URL.Path != events || r.Header.Get("X-Pay-Token") != shopToken {
				next.ServeHTTP(w, r)
				return
			}
			if seen && !bytes.Contains(raw, []byte("caddypay_check")) {
				http.Error(w, "duplicate key", http.StatusInternalServerError)
				return
			}
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			seen = seen || rec.Code == http.StatusOK
			w.WriteHeader(rec.Code)
			_, _ = w.Write(rec.Body.Bytes())
		})
	}
}

func answeringBody(has string, status int) func(http.Handler) http.Handler {
	return before(events, func(w http.ResponseWriter, r *http.Request) bool {
		raw, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(raw))
		if !bytes.Contains(raw, []byte(has)) {
			return false
		}
		w.WriteHeader(status)
		return true
	})
}

// everyOrder prices whatever it is asked for.
func everyOrder() func(http.Handler) http.Handler {
	return before(quotes, func(w http.ResponseWriter, r *http.Request) bool {
		no := strings.TrimPrefix(r.URL.Path, quotes)
		if !strings.HasPrefix(no, "no") {
			return false
		}
		fmt.Fprintf(w, `{"order_no":%q,"amount":1,"subject":"s"}`, no)
		return true
	})
}

func nowhere(t *testing.T) http.RoundTripper {
	srv := httptest.NewServer(nil)
	base, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	srv.Close()
	return to{base, &http.Transport{DisableKeepAlives: true}}
}

// Where events are signed and no token is sent, the signature alone protects the backend.
func TestBackendSignature(t *testing.T) {
	key := bytes.Repeat([]byte("k"), 32)
	secret, err := relay.ParseSecret("whsec_" + base64.StdEncoding.EncodeToString(key))
	if err != nil {
		t.Fatal(err)
	}
	verifying := before(events, func(w http.ResponseWriter, r *http.Request) bool {
		raw, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(raw))
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(r.Header.Get("webhook-id") + "." + r.Header.Get("webhook-timestamp") + "." + string(raw)))
		if r.Header.Get("webhook-signature") == "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
			return false
		}
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	for _, tt := range []struct {
		name          string
		plant         func(http.Handler) http.Handler
		token         bool
		result, other Result
	}{
		{"verified", and(header(events, "X-Pay-Token", shopToken), verifying), false, OK, ""},
		{"not verified", header(events, "X-Pay-Token", shopToken), false, Fail, ""},
		{"not verified, with a token", nil, true, Warn, OK},
		{"verified, the token not compared", and(header(events, "X-Pay-Token", shopToken), verifying), true, OK, OK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStand(t, tt.plant)
			s.relay.Secrets, s.shop.Secrets, s.shop.Token = []relay.Secret{secret}, 1, tt.token
			if !tt.token {
				s.relay.Token = redact.New("")
			}
			found := s.try(t)
			got := map[string]Result{}
			for _, f := range found {
				got[f.ID] = f.Result
			}
			if got["backend-signature"] != tt.result || got["backend-token"] != tt.other || got["backend-event"] != OK {
				t.Error(show(found))
			}
		})
	}
}

// No event of a payment that nobody made goes to a shop that is live.
func TestBackendLive(t *testing.T) {
	s := newStand(t, before("/", func(http.ResponseWriter, *http.Request) bool { t.Error("the shop was called"); return false }))
	s.shop.Scope.Mode = ledger.Live
	if found := s.try(t); len(found) != 1 || found[0].ID != "backend-test-mode" || found[0].Result != Unknown {
		t.Error(show(found))
	}
}

// An order that is paid already says nothing of the backend.
func TestBackendPaidOrder(t *testing.T) {
	s := newStand(t, nil)
	s.try(t)
	found := s.try(t)
	if len(found) != 1 || found[0].ID != "backend-quote" || found[0].Result != Unknown || !strings.Contains(found[0].Fix.EN, "--order") {
		t.Error(show(found))
	}
}

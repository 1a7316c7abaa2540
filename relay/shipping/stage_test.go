package shipping

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay/relaytest"
	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
	"github.com/caddypay/caddypay/wechat"
)

func TestMain(m *testing.M) {
	if moment := os.Getenv(envMoment); moment != "" {
		fmt.Println(die(moment))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

const (
	upload  = "upload_shipping_info"
	order   = "wxa_get_order" // as the sandbox counts it
	managed = "is_trade_managed"
	payer   = "oABCDEFGHIJKLMNOPQRSTUVWXYZ1" // of the sandbox's charges
)

var (
	scope = ledger.Scope{App: "app_test", Mode: ledger.Live}
	tea   = ledger.Shipping{Type: ledger.ShipVirtual, Items: "绿茶 250g ×2", Complete: true}
)

// memory is a storage without a disk, of all processes of a test.
type memory struct {
	mu    sync.Mutex
	kept  map[string][]byte
	locks map[string]chan struct{}
}

func (m *memory) Load(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.kept[key]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return v, nil
}

func (m *memory) Store(_ context.Context, key string, v []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept[key] = v
	return nil
}

func (m *memory) Lock(ctx context.Context, name string) error {
	m.mu.Lock()
	if m.locks[name] == nil {
		m.locks[name] = make(chan struct{}, 1)
	}
	lock := m.locks[name]
	m.mu.Unlock()
	select {
	case lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *memory) Unlock(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	<-m.locks[name]
	return nil
}

// line is the way to WeChat, on which something can happen to a call.
type line struct {
	to http.RoundTripper

	mu    sync.Mutex
	on    map[string]happening // by the name of the API, once
	stays map[string]happening // always
}

// happening is what happens to a call.
type happening func(r *http.Request, to http.RoundTripper) (*http.Response, error)

func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	api := path.Base(r.URL.Path)
	l.mu.Lock()
	happens := l.on[api]
	delete(l.on, api)
	if happens == nil {
		happens = l.stays[api]
	}
	l.mu.Unlock()
	if happens != nil {
		return happens(r, l.to)
	}
	return l.to.RoundTrip(r)
}

func (l *line) once(api string, happens happening) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.on[api] = happens
}

func (l *line) always(api string, happens happening) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stays[api] = happens
}

// answers has WeChat answer a call with an errcode.
func answers(errcode int) happening {
	return func(r *http.Request, _ http.RoundTripper) (*http.Response, error) {
		body := fmt.Sprintf(`{"errcode":%d,"errmsg":"no rid: 1a2b3c4d-1a2b3c4d-1a2b3c4d"}`, errcode)
		return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewBufferString(body)), Request: r}, nil
	}
}

// lost is a call that reaches WeChat and whose answer does not come back.
func lost(r *http.Request, to http.RoundTripper) (*http.Response, error) {
	resp, err := to.RoundTrip(r)
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	return nil, errors.New("the connection broke")
}

// broken is a call that does not reach WeChat, which nobody here can tell.
func broken(*http.Request, http.RoundTripper) (*http.Response, error) {
	return nil, errors.New("the connection broke")
}

// stage is a live app whose mini program WeChat manages, as the sandbox has it, and a ledger on the disk.
type stage struct {
	*sandboxtest.Bench
	t       *testing.T
	file    string
	l       ledger.Ledger
	line    *line
	storage *memory
	logs    relaytest.Logs

	mu      sync.Mutex
	results []ledger.ShippingResult
	due     []string
}

func newStage(t *testing.T) *stage {
	s := &stage{Bench: sandboxtest.Start(t, sandbox.Config{Managed: true}), t: t, storage: &memory{kept: map[string][]byte{}, locks: map[string]chan struct{}{}},
		file: filepath.Join(t.TempDir(), "ledger.db")}
	s.Lever("POST", "/sandbox/wechat/program", `{"delay_ms":0}`)
	s.line = &line{to: s.Client.Transport, on: map[string]happening{}, stays: map[string]happening{}}
	s.l = relaytest.OpenLedgerAt(t, s.file, s.Clock.Now)
	return s
}

// program is the order management of the mini program, as one process has it.
func (s *stage) program() *wechat.Orders {
	s.t.Helper()
	m, err := wechat.NewMiniProgram(wechat.Config{AppID: s.WxLite().AppID, Secret: redact.New(s.WxLite().Secret), Endpoint: s.Server.URL, Transport: s.line})
	if err != nil {
		s.t.Fatal(err)
	}
	return wechat.NewOrders(m, wechat.ShareToken(m, s.storage, s.Clock.Now, func(what string, err error) { s.t.Error(what, err) }), s.Clock.Now)
}

func (s *stage) config(l ledger.Ledger) Config {
	return Config{
		Scope: scope, Ledger: l, Programs: map[string]*wechat.Orders{s.WxLite().AppID: s.program()}, Storage: s.storage,
		Owner: fmt.Sprintf("%s-%d", s.t.Name(), relaytest.Serial.Add(1)), Poll: 5 * time.Millisecond, Now: s.Clock.Now, Logger: s.logs.Logger(),
		Observe: func(result ledger.ShippingResult) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.results = append(s.results, result)
		},
		Due: func(sh *ledger.Shipment, over bool) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.due = append(s.due, fmt.Sprint(sh.OrderNo, " ", over))
		},
	}
}

func (s *stage) reporter(l ledger.Ledger) *Reporter {
	s.t.Helper()
	r, err := New(s.config(l))
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// turn does all that is due now, in one process, and returns the results.
func (s *stage) turn(r *Reporter) []ledger.ShippingResult {
	s.t.Helper()
	s.mu.Lock()
	s.results = nil
	s.mu.Unlock()
	for _, daily := range []bool{false, true} {
		for claimed := r.claim(s.t.Context(), daily, 10); len(claimed) > 0; claimed = r.claim(s.t.Context(), daily, 10) {
			for i := range claimed {
				r.step(s.t.Context(), &claimed[i])
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.results
}

// paid makes a payment in the mini program, at the sandbox and in the ledger, a second ago.
func (s *stage) paid(orderNo string, ships bool) (chargeID string) {
	s.t.Helper()
	id, no := s.PaidLite("20260816" + orderNo)
	s.record(orderNo, id, no, ships)
	s.Clock.Add(time.Second)
	return id
}

func (s *stage) record(orderNo, id, transactionNo string, ships bool) {
	s.t.Helper()
	s.recordPaid(orderNo, id, transactionNo, ships, 100)
}

// recordPaid records a payment of an order of 100 fen.
func (s *stage) recordPaid(orderNo, id, transactionNo string, ships bool, amount int64) {
	s.t.Helper()
	now := s.Clock.Now()
	r, err := s.l.Reserve(s.t.Context(), ledger.Reservation{Scope: scope, OrderNo: orderNo, Now: now, Until: now.Add(30 * time.Second), Payer: payer, PayerAppID: s.WxLite().AppID,
		Number: func(int, int) string { return orderNo }})
	if err != nil {
		s.t.Fatal(err)
	}
	c := &ledger.Charge{Scope: scope, OrderNo: orderNo, Number: r.Number, ID: id, Channel: "wx_lite", Payer: payer, PayerAppID: s.WxLite().AppID, Host: "shop.example.com", Amount: 100, Currency: "cny",
		Created: now, TimeExpire: now.Add(2 * time.Hour), Raw: []byte(`{}`)}
	if err := s.l.Created(s.t.Context(), c); err != nil {
		s.t.Fatal(err)
	}
	relaytest.Record(s.t, s.l, &ledger.Event{
		Scope: scope, ID: "evt_" + orderNo, Type: "charge.succeeded", ObjectID: id, ChargeID: id, Number: r.Number, OrderNo: orderNo, Lane: orderNo, Source: ledger.Webhook,
		Created: now, Received: now, Due: now, Body: []byte(`{}`), State: ledger.Pending, Ships: ships,
		Change: &ledger.ChargeChange{Paid: true, TimePaid: now}, Payment: &ledger.Payment{Amount: amount, Currency: "cny", Time: now, TransactionNo: transactionNo},
	})
}

// report is the merchant's.
func (s *stage) report(orderNo string, n ledger.Shipping) {
	s.t.Helper()
	if _, _, err := s.l.ReportShipping(s.t.Context(), ledger.ShippingReport{Scope: scope, OrderNo: orderNo, Shipping: n, Now: s.Clock.Now()}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) shipment(chargeID string) *ledger.Shipment {
	s.t.Helper()
	sh, err := s.l.Shipment(context.Background(), scope, chargeID)
	if err != nil {
		s.t.Fatal(err)
	}
	return sh
}

// uploads is how many reports of all have changed something at WeChat.
func (s *stage) uploads() (n int) {
	for _, o := range s.State(100).WeChat {
		var one int
		if _, after, ok := bytes.Cut(fmt.Appendf(nil, "%+v", o), []byte("Uploads:")); ok {
			_, _ = fmt.Sscan(string(after), &one)
		}
		n += one
	}
	return n
}

func (s *stage) calls(op string) int { return s.State(0).Calls[op] }

func (s *stage) want(what string, got, want any) {
	s.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		s.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

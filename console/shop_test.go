package console

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var scope = ledger.Scope{App: "app_1Gqj58ynP0mHeX1q", Mode: ledger.Live}

const openID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// shop is a ledger in which things have happened, and a console over it below a prefix that something else takes off.
type shop struct {
	t      *testing.T
	ledger ledger.Ledger
	asked  *[]string     // at Ping++, about which orders
	inTurn <-chan string // by runs
	desk   *adminapi.Server
	url    string // of the console, with its prefix
	plain  *http.Client
	source ledger.Source // of the next events; empty: webhook
	seen   adminapi.Seen
	found  []check.Finding
	looked atomic.Int64
	ships  atomic.Bool // WeChat is told of its shipping, from the next events on
}

func newShop(t *testing.T, cfg Config) *shop {
	t.Helper()
	l := must(sqlite.Open(t.Context(), sqlite.Options{File: filepath.Join(t.TempDir(), "ledger.db")}))
	var asked []string
	inTurn := make(chan string, 10)
	s := &shop{t: t, ledger: l, asked: &asked, inTurn: inTurn, seen: adminapi.Seen{Since: time.Now()}}
	s.desk = adminapi.New(adminapi.Config{
		Ledger: func(context.Context) (ledger.Ledger, error) { return l, nil },
		Scopes: func() []ledger.Scope { return []ledger.Scope{scope, {App: scope.App, Mode: ledger.Test}} },
		Query: func(_ context.Context, s ledger.Scope, orderNo string) error {
			asked = append(asked, s.Key()+" "+orderNo)
			return nil
		},
		Ships: func(at ledger.Scope) bool { return at == scope && s.ships.Load() },
		QueryInTurn: func(_ context.Context, s ledger.Scope, orderNo string) error {
			inTurn <- s.Key() + " " + orderNo
			return nil
		},
		Seen: func() adminapi.Seen { return s.seen },
		Check: func(context.Context) []check.Finding {
			s.looked.Add(1)
			return s.found
		},
	})
	if cfg.Desk == nil {
		cfg.Desk = s.desk
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.desk.Carry(ctx, "here", zap.NewNop()) }()
	t.Cleanup(func() {
		cancel()
		<-done
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	s.url = serve(t, New(cfg))
	s.plain = &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s
}

// serve serves a console to a user below a prefix that the console does not see, and returns its address.
func serve(t *testing.T, pages *Console) string {
	srv := httptest.NewServer(http.StripPrefix("/ops/pay", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pages.ServeHTTP(w, r.WithContext(adminapi.WithBy(r.Context(), "mark")))
	})))
	t.Cleanup(srv.Close)
	return srv.URL + "/ops/pay/"
}

// charge makes an attempt to pay an order.
func (s *shop) charge(orderNo string, fen int64, ago time.Duration) (id string) {
	s.t.Helper()
	at := time.Now().Add(-ago)
	r := must(s.ledger.Reserve(s.t.Context(), ledger.Reservation{
		Scope: scope, OrderNo: orderNo, Now: at, Until: at.Add(time.Minute), Channel: "wx_lite", Payer: openID, Host: "shop.example.com",
		Number: func(attempts, _ int) string { return fmt.Sprintf("%s%02d", orderNo, attempts) },
	}))
	id = "ch_" + r.Number
	if err := s.ledger.Created(s.t.Context(), &ledger.Charge{
		Scope: scope, OrderNo: orderNo, Number: r.Number, State: ledger.Open, ID: id, Channel: "wx_lite", Amount: fen, Currency: "cny", Created: at, Quoted: at, TimeExpire: at.Add(2 * time.Hour),
	}); err != nil {
		s.t.Fatal(err)
	}
	return id
}

// paid says that a charge was paid, and how its delivery ended: delivered, dead, or not at all.
func (s *shop) paid(charge, orderNo string, fen int64, ago time.Duration, states ...ledger.State) (id string) {
	s.t.Helper()
	at := time.Now().Add(-ago)
	id = "evt_" + strings.TrimPrefix(charge, "ch_")
	e := &ledger.Event{
		Scope: scope, ID: id, Type: "charge.succeeded", ObjectID: charge, ChargeID: charge, OrderNo: orderNo, Lane: orderNo, Ships: s.ships.Load(), Source: cmp.Or(s.source, ledger.Webhook), State: ledger.Pending, Host: "shop.example.com",
		Created: at, Received: at, Due: at, Change: &ledger.ChargeChange{Paid: true, TimePaid: at},
		Payment: &ledger.Payment{Amount: fen, Currency: "cny", Time: at, TransactionNo: "42000" + orderNo},
		Body: fmt.Appendf(nil, `{"id":"%s","object":"event","type":"charge.succeeded","livemode":true,"data":{"object":{"id":"%s","object":"charge","livemode":true,"app":"%s","paid":true,"refunded":false,"reversed":false,"amount":%d,"currency":"cny","order_no":"%s","channel":"wx_lite","created":1,"time_paid":2,"extra":{"open_id":"%s"}}}}`,
			id, charge, scope.App, fen, orderNo, openID),
	}
	must(s.ledger.Append(s.t.Context(), e))
	for i, state := range states {
		now := time.Now()
		must(s.ledger.Claim(s.t.Context(), ledger.Claim{Scope: scope, Owner: "relay", Now: now.Add(time.Hour), Until: now.Add(time.Minute), Limit: 1000}))
		d := ledger.Delivery{Scope: scope, EventID: id, Attempt: i + 1, At: at.Add(time.Duration(i+1) * time.Second), Took: 48200 * time.Microsecond, Status: 200, State: state, Snippet: "success"}
		if state != ledger.Delivered {
			d.Status, d.Error, d.Snippet = 302, "your backend answered 302 to /login", "<html><body>Please log in <script>alert(1)</script></body></html>"
		}
		if state == ledger.Pending {
			d.Due = now.Add(5 * time.Minute)
		}
		if err := s.ledger.Settle(s.t.Context(), "relay", d); err != nil {
			s.t.Fatal(err)
		}
	}
	return id
}

// order is a charge with its payment.
func (s *shop) order(orderNo string, fen, paid int64, ago time.Duration, states ...ledger.State) string {
	s.t.Helper()
	return s.paid(s.charge(orderNo, fen, ago+time.Minute), orderNo, paid, ago, states...)
}

// open is a day's business: something of everything.
func (s *shop) open() {
	s.t.Helper()
	for i := range 60 {
		s.order(fmt.Sprintf("202611261%05d", i), int64(1999+i), int64(1999+i), time.Duration(90-i)*time.Minute, ledger.Delivered)
	}
	s.order("20261126200001", 12800, 12800, 40*time.Minute, ledger.Pending, ledger.Dead)
	s.order("20261126200002", 6600, 6600, 20*time.Minute, ledger.Pending)
	s.order("20261126200003", 99900, 100, 10*time.Minute) // held: another amount
	s.charge("20261126200004", 4200, time.Minute)
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (s *shop) do(method, path string, form url.Values, headers ...string) answer {
	s.t.Helper()
	req := must(http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(form.Encode())))
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp := must(s.plain.Do(req))
	defer resp.Body.Close()
	return answer{resp.StatusCode, resp.Header, string(must(io.ReadAll(resp.Body)))}
}

func (s *shop) get(path string, headers ...string) answer {
	s.t.Helper()
	return s.do(http.MethodGet, path, nil, headers...)
}

func (s *shop) post(path string, form url.Values, headers ...string) answer {
	s.t.Helper()
	return s.do(http.MethodPost, path, form, headers...)
}

func (s *shop) state(id string) ledger.State {
	s.t.Helper()
	return must(s.ledger.Event(s.t.Context(), scope, id)).State
}

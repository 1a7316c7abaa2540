package payment

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/boombuler/barcode/qr"

	"github.com/caddypay/caddypay/handlers/limits"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/relaytest"
	"github.com/caddypay/caddypay/session"
)

// newCounter is a till whose routes are called: those who come have sessions.
func newCounter(t *testing.T) *till {
	t.Helper()
	s := newTill(t)
	key := make([]byte, 32)
	rand.Read(key)
	v := s.pay.Visitors
	v.Tokens = &session.Tokens{Keys: func(context.Context) ([][]byte, error) { return [][]byte{key}, nil }, TTL: 2 * time.Hour, Now: s.Clock.Now}
	v.Cookies.Secure = func(*http.Request) bool { return true }
	v.AppIDs, v.Rand = map[session.Kind]string{session.WxLite: "wx1", session.WxPub: "wx2"}, rand.Reader
	v.Sent, v.Bearer = func(r *http.Request) string { return r.Header.Get(session.Header) }, func(r *http.Request) string { return session.Bearer(r.Header) }
	return s
}

// token is the session of somebody whom WeChat knows, or of a visitor.
func (s *till) token(kind session.Kind, who string) string {
	s.T.Helper()
	id := session.Identity{Kind: kind, OpenID: who, AppID: s.pay.Visitors.AppIDs[kind], Scope: s.Scope, Expires: s.pay.Visitors.Expiry()}
	if kind == session.Anonymous {
		id.OpenID, id.Visitor = "", who
	}
	token, err := s.pay.Visitors.Seal(s.T.Context(), session.ForSession, id)
	if err != nil {
		s.T.Fatal(err)
	}
	return token
}

// route is what a route answers.
func (s *till) route(serve func(http.ResponseWriter, *http.Request) error, method, target, body, token string) (*httptest.ResponseRecorder, *problem.Problem) {
	s.T.Helper()
	r := httptest.NewRequest(method, "https://shop.example.com"+target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", "https://shop.example.com")
	if token != "" {
		r.Header.Set(session.Header, token)
	}
	w := httptest.NewRecorder()
	if err := serve(w, r); err != nil {
		return w, problem.As(err)
	}
	return w, nil
}

// looks asks for a charge.
func (s *till) looks(token, id, query string) (v map[string]any, w *httptest.ResponseRecorder, p *problem.Problem) {
	s.T.Helper()
	w, p = s.route(func(w http.ResponseWriter, r *http.Request) error { return s.pay.Charge(w, r, id) }, http.MethodGet, "/pay/charges/"+id+query, "", token)
	_ = json.Unmarshal(w.Body.Bytes(), &v)
	return v, w, p
}

func codeIn(p *problem.Problem) string {
	if p == nil {
		return ""
	}
	return p.Code
}

// watched counts who watches a ledger, and what its clients note.
type watched struct {
	ledger.Ledger
	watching, notes, reads atomic.Int64
	change                 func(*ledger.Charge) // what it says of charges; may be nil
}

func (l *watched) Watch(topic ledger.Topic) (<-chan struct{}, func()) {
	l.watching.Add(1)
	changed, stop := l.Ledger.Watch(topic)
	return changed, func() { l.watching.Add(-1); stop() }
}

func (l *watched) Charge(ctx context.Context, s ledger.Scope, id string) (*ledger.Charge, error) {
	l.reads.Add(1)
	c, err := l.Ledger.Charge(ctx, s, id)
	if c != nil && l.change != nil {
		l.change(c)
	}
	return c, err
}

func (l *watched) NoteClient(ctx context.Context, s ledger.Scope, id string, n ledger.ClientNote) error {
	l.notes.Add(1)
	return l.Ledger.NoteClient(ctx, s, id, n)
}

// A payer sees their own charge, and Ping++ is asked about one that is neither young nor over; of anybody else's there is nothing to see.
func TestOwnCharge(t *testing.T) {
	s := newCounter(t)
	c := s.must("order1", payerA)
	mine, theirs := s.token(session.WxLite, payerA), s.token(session.WxLite, payerB)
	see := func(what, status string, orderPaid bool, asked int) {
		t.Helper()
		v, w, p := s.looks(mine, c.ID, "")
		if p != nil || v["id"] != c.ID || v["status"] != status || v["order_paid"] != orderPaid || w.Header().Get("X-Pay-Order-No") != "order1" || s.Asked() != asked {
			t.Errorf("%s: %v %v, asked %d times", what, v, p, s.Asked())
		}
	}
	see("young", "created", false, 0)
	if _, w, p := s.looks(theirs, c.ID, "?wait=1s&client=success"); codeIn(p) != "charge_not_found" || w.Body.Len() > 0 || s.Known(s.l, c.ID).Client.Result != "" {
		t.Errorf("a stranger: %v %s", p, w.Body)
	}
	for what, got := range map[string]*problem.Problem{"nobody": s.code(s.looks("", c.ID, "")), "no charge": s.code(s.looks(mine, "ch_none", ""))} {
		if want := map[string]string{"nobody": "session_missing", "no charge": "charge_not_found"}[what]; codeIn(got) != want {
			t.Errorf("%s: %v", what, got)
		}
	}
	for query, field := range map[string]string{"?wait=x": "wait", "?client=paid": "client"} {
		if _, _, p := s.looks(mine, c.ID, query); codeIn(p) != "field_forbidden" || p.Members["field"] != field {
			t.Errorf("%s: %v", query, p)
		}
	}
	s.After(askAfter)
	see("no longer", "created", false, 1)
	s.costs("2000")
	second := s.must("order1", payerA)
	s.PaidEverywhere(s.pay.Reconciler, s.l, second.ID)
	see("another is paid", "created", true, 1) // five seconds have not passed since
	s.After(askAfter)
	first := c
	c = second
	see("paid", "paid", true, 1)
	c = first
	s.After(time.Minute)
	if found, err := s.Client.ReverseCharge(t.Context(), c.ID); err != nil || s.pay.Reconciler.Reversals.Record(t.Context(), s.l, found) != nil {
		t.Fatal(err)
	}
	see("reversed", "reversed", true, 1)
}

func (s *till) code(_ map[string]any, _ *httptest.ResponseRecorder, p *problem.Problem) *problem.Problem {
	return p
}

// What the client saw is kept once, with its time, and neither a silent question nor the same word again changes that.
func TestWhatTheClientSaw(t *testing.T) {
	s := newCounter(t)
	l := &watched{Ledger: s.l}
	s.l = l
	c := s.must("order1", payerA)
	mine := s.token(session.WxLite, payerA)
	s.looks(mine, c.ID, "?client=cancel")
	at := s.Known(s.l, c.ID).Client.At
	s.After(time.Second)
	s.looks(mine, c.ID, "?client=cancel")
	s.looks(mine, c.ID, "")
	if n := s.Known(s.l, c.ID).Client; n.Result != "cancel" || !n.At.Equal(at) || l.notes.Load() != 1 {
		t.Errorf("%+v, noted %d times", n, l.notes.Load())
	}
	s.looks(mine, c.ID, "?client=success")
	if n := s.Known(s.l, c.ID).Client; n.Result != "success" || !n.At.Equal(s.Clock.Now()) {
		t.Errorf("%+v", n)
	}
}

// Waiting and telling take from the payer's budget, and looking does not; who cannot wait any longer gets an answer all the same.
func TestWhatLookingCosts(t *testing.T) {
	s := newCounter(t)
	l := limits.Default
	l.OpenID, l.Waiters = limits.Rate{N: 1, Per: time.Hour}, 0
	s.pay.Budgets = limits.NewBudgets(l)
	c := s.must("order1", payerA)
	mine := s.token(session.WxLite, payerA)
	for range 3 {
		if _, _, p := s.looks(mine, c.ID, ""); p != nil {
			t.Errorf("looking: %v", p)
		}
	}
	for _, query := range []string{"?client=success", "?client=cancel", "?wait=1s"} {
		if _, _, p := s.looks(mine, c.ID, query); (query == "?client=success") != (p == nil) || p != nil && (p.Code != "rate_limited" || p.Budget != "openid") {
			t.Errorf("%s: %v", query, p)
		}
	}
	l.OpenID = limits.Default.OpenID
	s.pay.Budgets = limits.NewBudgets(l)
	if _, _, p := s.looks(mine, c.ID, "?wait=1s"); codeIn(p) != "rate_limited" || p.Budget != "waiters" {
		t.Errorf("%v", p)
	}
	if _, _, p := s.looks(mine, c.ID, "?wait=0"); p != nil {
		t.Errorf("no wait: %v", p)
	}
	s.After(time.Second)
	s.PaidEverywhere(s.pay.Reconciler, s.l, c.ID)
	if v, _, p := s.looks(mine, c.ID, "?wait=1s"); p != nil || v["status"] != "paid" { // there is nothing to wait for
		t.Errorf("%v %v", v, p)
	}
}

// Who waits is answered when the charge is paid, when its order is, when the configuration ends and when the time is up; nothing watches after that.
func TestWaitingEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end       func(s *till, closing chan struct{}, id string)
		wait      string
		status    string
		orderPaid bool
	}{
		"paid": {func(s *till, _ chan struct{}, id string) { s.PaidEverywhere(s.pay.Reconciler, s.l, id) }, "60s", "paid", true},
		"another attempt is paid": {func(s *till, _ chan struct{}, _ string) {
			s.costs("2000")
			s.PaidEverywhere(s.pay.Reconciler, s.l, s.must("order1", payerA).ID)
		}, "60s", "created", true},
		"a new configuration": {func(_ *till, closing chan struct{}, _ string) { close(closing) }, "60s", "created", false},
		"its time":            {func(*till, chan struct{}, string) {}, "50ms", "created", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newCounter(t)
			l := &watched{Ledger: s.l}
			s.l = l
			closing := make(chan struct{})
			s.pay.Closing = closing
			id := s.must("order1", payerA).ID
			s.After(time.Second)
			answered := make(chan map[string]any)
			token := s.token(session.WxLite, payerA)
			go func() {
				v, _, _ := s.looks(token, id, "?wait="+c.wait)
				answered <- v
			}()
			if c.wait == "60s" {
				relaytest.WaitFor(t, "it waits", func() bool { return l.watching.Load() == 2 })
			}
			c.end(s, closing, id)
			if v := <-answered; v["status"] != c.status || v["order_paid"] != c.orderPaid {
				t.Errorf("%v", v)
			}
			if n := l.watching.Load(); n != 0 || s.pay.Budgets.Waiting.Load() != 0 {
				t.Errorf("%d watch", n)
			}
		})
	}
}

// A visitor whose page shows an unpaid charge stays known; nobody else's session is touched.
func TestVisitorStaysKnown(t *testing.T) {
	s := newCounter(t)
	s.pay.Channels = []string{"wx_pub_qr"}
	var counted []string
	s.pay.Count = func(channel, result string) { counted = append(counted, channel+" "+result) }
	w, p := s.route(s.pay.CreateCharge, http.MethodPost, "/pay/charges", `{"order_no":"order1","channel":"wx_pub_qr"}`, "")
	if p != nil || w.Code != http.StatusCreated || !strings.Contains(w.Header().Get("Set-Cookie"), "__Host-_session=") {
		t.Fatalf("%v %v", p, w.Header())
	}
	cookie := w.Result().Cookies()[0]
	id := strings.TrimPrefix(w.Header().Get("Location"), "/pay/charges/")
	look := func() (prolonged bool) {
		t.Helper()
		w, p := s.route(func(w http.ResponseWriter, r *http.Request) error {
			r.AddCookie(cookie)
			return s.pay.Charge(w, r, id)
		}, http.MethodGet, "/pay/charges/"+id, "", "")
		if p != nil {
			t.Fatal(p)
		}
		return w.Header().Get("Set-Cookie") != ""
	}
	if look() {
		t.Error("a young session is prolonged")
	}
	s.After(time.Hour)
	if !look() {
		t.Error("half of it has gone")
	}
	w, p = s.route(func(w http.ResponseWriter, r *http.Request) error {
		r.AddCookie(cookie)
		return s.pay.CreateCharge(w, r)
	}, http.MethodPost, "/pay/charges", `{"order_no":"order2","channel":"wx_pub_qr"}`, "")
	if p != nil || !strings.Contains(w.Header().Get("Set-Cookie"), "Max-Age=7200") { // whoever pays again is known for as long as at first
		t.Errorf("%v %v", p, w.Header())
	}
	s.PaidEverywhere(s.pay.Reconciler, s.l, id)
	if look() {
		t.Error("it is paid")
	}
	if len(counted) != 2 || counted[0] != "wx_pub_qr created" {
		t.Errorf("counted %q", counted)
	}
}

// What a client may send, and what it is answered: Ping++'s charge byte for byte, made or handed out again, with our headers.
func TestCreateChargeRoute(t *testing.T) {
	s := newCounter(t)
	counted := map[string]int{}
	s.pay.Count = func(channel, result string) { counted[channel+" "+result]++ }
	mine := s.token(session.WxLite, payerA)
	const order = `{"order_no":"order1","channel":"wx_lite"}`
	for _, want := range []int{http.StatusCreated, http.StatusOK} {
		w, p := s.route(s.pay.CreateCharge, http.MethodPost, "/pay/charges", order, mine)
		if p != nil {
			t.Fatal(p)
		}
		c := s.Attempts(s.l, "order1")[0]
		location := map[int]string{http.StatusCreated: "/pay/charges/" + c.ID}[want]
		if w.Code != want || w.Body.String() != string(c.Raw) || w.Header().Get("X-Pay-Order-No") != "order1" || w.Header().Get("Location") != location || c.Host != "shop.example.com" {
			t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
		}
	}
	for body, want := range map[string]string{
		`{"order_no":"order1","channel":"alipay_qr"}`: "channel_unsupported", `{"order_no":"a b","channel":"wx_lite"}`: "order_invalid", `{"order_no":1,"channel":"wx_lite"}`: "json_invalid",
		`{"order_no":"order1","channel":"wx_lite","extra":[]}`: "json_invalid", `{"order_no":"order2","channel":"wx_lite","extra":null}`: "", `{"order_no":"order1","channel":"wx_lite","extra":{"open_id":"x"}}`: "field_forbidden extra.open_id",
		`{"order_no":"order1","channel":"wx_lite","amount":1}`: "field_forbidden amount", `{"order_no":"order1","channel":"wx_lite","` + strings.Repeat("长", 61) + `":1}`: "field_forbidden " + strings.Repeat("长", 60),
		`{"order_no":"order1","channel":"wx_lite","code":7}`: "json_invalid", `[]`: "json_invalid",
	} {
		_, p := s.route(s.pay.CreateCharge, http.MethodPost, "/pay/charges", body, mine)
		got := codeIn(p)
		if p != nil && p.Members["field"] != nil {
			got += " " + p.Members["field"].(string)
		}
		if got != want {
			t.Errorf("%s: %v, want %s", body, got, want)
		}
	}
	l := limits.Default
	l.OpenID = limits.Rate{N: 1, Per: time.Hour}
	s.pay.Budgets = limits.NewBudgets(l)
	s.says = ""
	for _, want := range []string{"order_not_found", "rate_limited"} {
		if _, p := s.route(s.pay.CreateCharge, http.MethodPost, "/pay/charges", order, mine); codeIn(p) != want {
			t.Errorf("%v, want %s", p, want)
		}
	}
	if want := map[string]int{"wx_lite created": 2, "wx_lite reused": 1, "wx_lite order_not_found": 1, "wx_lite rate_limited": 1}; !maps.Equal(counted, want) {
		t.Errorf("counted %v, want %v", counted, want)
	}
}

// What has begun is brought to its end, although the client goes away.
func TestClientThatGoesAway(t *testing.T) {
	s := newCounter(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.answers = func() { cancel() }
	mine := s.token(session.WxLite, payerA)
	w, p := s.route(func(w http.ResponseWriter, r *http.Request) error { return s.pay.CreateCharge(w, r.WithContext(ctx)) }, http.MethodPost, "/pay/charges", `{"order_no":"order1","channel":"wx_lite"}`, mine)
	if p != nil || w.Code != http.StatusCreated || len(s.Attempts(s.l, "order1")) != 1 {
		t.Errorf("%v %d", p, w.Code)
	}
}

// Where clients name what they pay, that is what is charged, within the limits, under a number of ours.
func TestClientNamesWhatIsCharged(t *testing.T) {
	s := newCounter(t)
	s.pay.ClientAmount = &ClientAmount{Min: 100, Max: 500, Subject: "Donation {order_no}", Prefix: "D"}
	mine := s.token(session.WxLite, payerA)
	w, p := s.route(s.pay.CreateCharge, http.MethodPost, "/pay/charges", `{"channel":"wx_lite","amount":500,"reference":"r 1"}`, mine)
	if p != nil || s.asked != 0 {
		t.Fatalf("%v, the backend was asked %d times", p, s.asked)
	}
	var made struct {
		OrderNo  string `json:"order_no"`
		Amount   int64
		Metadata map[string]string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || made.Amount != 500 || made.Metadata["pay_amount_by"] != "client" || made.Metadata["pay_reference"] != "r 1" || made.Metadata["pay_order_no"] != made.OrderNo ||
		!strings.HasPrefix(made.OrderNo, "D") || w.Header().Get("X-Pay-Order-No") != made.OrderNo {
		t.Errorf("%v %s", err, w.Body)
	}
	for body, want := range map[string]string{`{"channel":"wx_lite","amount":99}`: "amount_invalid", `{"channel":"wx_lite","amount":501}`: "amount_invalid", `{"channel":"wx_lite"}`: "amount_invalid", `{"channel":"wx_lite","amount":"5"}`: "amount_invalid",
		`{"channel":"wx_lite","amount":100,"order_no":"1"}`: "field_forbidden", `{"channel":"wx_lite","amount":100,"reference":"a\u0000"}`: "field_forbidden"} {
		if _, p := s.route(s.pay.CreateCharge, http.MethodPost, "/pay/charges", body, mine); codeIn(p) != want {
			t.Errorf("%s: %v, want %s", body, p, want)
		}
	}
}

// Who pays through which channel: the session has to be of its kind, a login code stands in where there is none, and a channel without an openid takes anybody.
func TestWhoPays(t *testing.T) {
	s := newCounter(t)
	s.pay.Channels = []string{"wx_lite", "wx_pub", "wx_pub_qr"}
	s.pay.Login = func(_ *http.Request, code string) (session.Identity, error) {
		return session.Identity{Kind: session.WxLite, OpenID: payerB, AppID: "wx1", Scope: s.Scope}, nil
	}
	none := ""
	lite, pub, visitor := s.token(session.WxLite, payerA), s.token(session.WxPub, payerA), s.token(session.Anonymous, "anon:1")
	for i, c := range []struct {
		channel, token, code string
		want                 string // the payer, or a problem
	}{
		{"wx_lite", lite, "", payerA}, {"wx_lite", none, "", "session_missing"}, {"wx_lite", none, "c", payerB}, {"wx_lite", lite, "c", payerA}, {"wx_lite", pub, "", "session_invalid"}, {"wx_lite", pub, "c", "session_invalid"},
		{"wx_lite", visitor, "", "session_missing"}, {"wx_lite", visitor, "c", payerB}, {"wx_lite", "x", "", "session_invalid"},
		{"wx_pub", pub, "", payerA}, {"wx_pub", lite, "", "session_invalid"}, {"wx_pub", none, "c", "session_missing"}, {"wx_pub", none, "", "session_missing"},
		{"wx_pub_qr", lite, "", payerA}, {"wx_pub_qr", pub, "", payerA}, {"wx_pub_qr", visitor, "", "anon:1"}, {"wx_pub_qr", visitor, "c", "anon:1"}, {"wx_pub_qr", none, "c", payerB}, {"wx_pub_qr", none, "", "anon:"}, {"wx_pub_qr", "x", "", "session_invalid"},
	} {
		orderNo := "order" + string(rune('a'+i))
		body, _ := json.Marshal(map[string]string{"order_no": orderNo, "channel": c.channel, "code": c.code})
		w, p := s.route(s.pay.CreateCharge, http.MethodPost, "/pay/charges", string(body), c.token)
		got := codeIn(p)
		if p == nil {
			made := s.Attempts(s.l, orderNo)[0]
			got = made.Payer
			if kept := w.Header().Get("Set-Cookie") != ""; kept != strings.HasPrefix(got, "anon:") {
				t.Errorf("%+v: a cookie %t", c, kept)
			}
			openid, _ := json.Marshal(map[string]string{"open_id": got})
			if says := strings.Contains(string(made.Raw), string(openid[1:len(openid)-1])); says != (c.channel != "wx_pub_qr") {
				t.Errorf("%+v: the openid %t in %s", c, says, made.Raw)
			}
		}
		if c.want == "anon:" && len(got) > 20 {
			got = got[:5]
		}
		if got != c.want {
			t.Errorf("%+v: %s (%v)", c, got, p)
		}
	}
}

// A site without a mini program knows nobody by a code.
func TestCodeWithoutAProgram(t *testing.T) {
	s := newCounter(t)
	if _, p := s.route(s.pay.CreateCharge, http.MethodPost, "/pay/charges", `{"order_no":"order1","channel":"wx_lite","code":"c"}`, ""); codeIn(p) != "session_missing" {
		t.Errorf("%v", p)
	}
}

// A channel that sends payers back is told where, for this order; without such an address the merchant learns what is missing.
func TestWherePayersGoBackTo(t *testing.T) {
	s := newCounter(t)
	s.pay.Channels = []string{"alipay_wap"}
	pays := func(orderNo string) (*httptest.ResponseRecorder, *problem.Problem) {
		return s.route(s.pay.CreateCharge, http.MethodPost, "/pay/charges", `{"order_no":"`+orderNo+`","channel":"alipay_wap"}`, s.token(session.WxLite, payerA))
	}
	if _, p := pays("order1"); codeIn(p) != "channel_extra_missing" || len(s.Attempts(s.l, "order1")) != 0 {
		t.Errorf("%v", p)
	}
	s.pay.ReturnURLs = map[string]string{"success_url": "https://shop.example.com/done/{order_no}"}
	w, p := pays("order1")
	if p != nil || !strings.Contains(w.Body.String(), `"success_url":"https://shop.example.com/done/order1"`) || strings.Contains(w.Body.String(), payerA) {
		t.Errorf("%v %s", p, w.Body)
	}
}

// Ping++ is asked while somebody waits, as soon as the charge is no longer young, and who has gone meanwhile does no harm.
func TestAskedWhileSomebodyWaits(t *testing.T) {
	for name, c := range map[string]struct {
		age   time.Duration
		asked bool
	}{"young": {askAfter - time.Millisecond, false}, "no longer": {askAfter, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newCounter(t)
			l := &watched{Ledger: s.l}
			s.l = l
			id := s.must("order1", payerA).ID
			token := s.token(session.WxLite, payerA)
			ctx, leave := context.WithCancel(t.Context())
			answered := make(chan *problem.Problem)
			go func() {
				_, p := s.route(func(w http.ResponseWriter, r *http.Request) error { return s.pay.Charge(w, r.WithContext(ctx), id) }, http.MethodGet, "/pay/charges/"+id+"?wait=60s", "", token)
				answered <- p
			}()
			relaytest.WaitFor(t, "it waits", func() bool { return l.watching.Load() == 2 })
			s.After(c.age)
			seen := l.reads.Load()
			relaytest.WaitFor(t, "it looks by itself", func() bool { return l.reads.Load() > seen+1 })
			if c.asked {
				relaytest.WaitFor(t, "Ping++ is asked", func() bool { return s.Asked() == 1 })
			} else if n := s.Asked(); n != 0 {
				t.Errorf("asked %d times", n)
			}
			leave()
			if p := <-answered; p != nil && !errors.Is(p, context.Canceled) { // while the ledger was read
				t.Errorf("%v", p)
			}
		})
	}
}

// The picture of what is scanned is there as long as it can be paid, and for nobody else.
func TestPictureRoute(t *testing.T) {
	s := newCounter(t)
	s.pay.Channels = []string{"wx_pub_qr", "wx_lite"}
	mine := s.token(session.WxLite, payerA)
	creates := func(channel string) string {
		t.Helper()
		w, p := s.route(s.pay.CreateCharge, http.MethodPost, "/pay/charges", `{"order_no":"order1","channel":"`+channel+`"}`, mine)
		if p != nil {
			t.Fatal(p)
		}
		return strings.TrimPrefix(w.Header().Get("Location"), "/pay/charges/")
	}
	picture := func(id, name, token string) (*httptest.ResponseRecorder, *problem.Problem) {
		return s.route(func(w http.ResponseWriter, r *http.Request) error { return s.pay.QR(w, r, id, name) }, http.MethodGet, "/pay/charges/"+id+"/"+name, "", token)
	}
	want := func(what, id, token, code string) *problem.Problem {
		t.Helper()
		w, p := picture(id, "qr.svg", token)
		if codeIn(p) != code || (p != nil) != (w.Body.Len() == 0) {
			t.Errorf("%s: %v", what, p)
		}
		return p
	}
	id := creates("wx_pub_qr")
	for name, kind := range map[string]string{"qr.svg": "image/svg+xml", "qr.png": "image/png"} {
		w, p := picture(id, name, mine)
		h := w.Header()
		if p != nil || h.Get("Content-Type") != kind || h.Get("Content-Length") != strconv.Itoa(w.Body.Len()) || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Pay-Order-No") != "order1" {
			t.Errorf("%s: %v %v", name, p, h)
		}
		if start := map[string]string{"qr.svg": "<svg", "qr.png": "\x89PNG"}[name]; !strings.HasPrefix(w.Body.String(), start) {
			t.Errorf("%s is %.10q", name, w.Body)
		}
	}
	want("a stranger's", id, s.token(session.WxLite, payerB), "charge_not_found")
	want("nobody's", id, "", "session_missing")
	lite := creates("wx_lite")
	want("a sheet's", lite, mine, "not_found")
	want("replaced", id, mine, "charge_superseded")
	s.PaidEverywhere(s.pay.Reconciler, s.l, lite)
	if p := want("paid by another", id, mine, "order_already_paid"); p.Members["charge_id"] != lite {
		t.Errorf("%v", p.Members)
	}
	if p := want("paid", lite, mine, "order_already_paid"); p.Members["charge_id"] != lite {
		t.Errorf("%v", p.Members)
	}

	s = newCounter(t)
	s.pay.Channels = []string{"wx_pub_qr"}
	mine = s.token(session.WxLite, payerA)
	id = creates("wx_pub_qr")
	ends := s.Known(s.l, id).TimeExpire
	if two := s.Clock.Now().Add(2 * time.Hour); ends.After(two) {
		ends = two // the life of the credential
	}
	s.Clock.Set(ends.Add(-time.Millisecond))
	mine = s.token(session.WxLite, payerA)
	want("at the last moment", id, mine, "")
	s.Clock.Set(ends)
	want("too late", id, mine, "charge_expired")

	s = newCounter(t)
	s.pay.Channels = []string{"wx_pub_qr"}
	mine = s.token(session.WxLite, payerA)
	id = creates("wx_pub_qr")
	s.After(time.Minute)
	if found, err := s.Client.ReverseCharge(t.Context(), id); err != nil || s.pay.Reconciler.Reversals.Record(t.Context(), s.l, found) != nil {
		t.Fatal(err)
	}
	want("reversed", id, mine, "charge_expired")

	s = newCounter(t)
	s.pay.Channels = []string{"wx_pub_qr"}
	mine = s.token(session.WxLite, payerA)
	id = creates("wx_pub_qr")
	whole := s.l
	for what, change := range map[string]func(*ledger.Charge){"pruned": func(c *ledger.Charge) { c.Raw = nil }, "paid, and the money is back": func(c *ledger.Charge) { c.Paid, c.Undone = true, true }} {
		s.l = &watched{Ledger: whole, change: change}
		want(what, id, mine, "charge_expired")
	}
}

// In the corners of every code are the same marks, dark around light around dark.
func TestCornerOfACode(t *testing.T) {
	code, err := qr.Encode("weixin://wxpay/bizpayurl?pr=abc", qr.M, qr.Auto)
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range []string{"#######", "#.....#", "#.###.#", "#.###.#", "#.###.#", "#.....#", "#######"} {
		for j, module := range row {
			if dark(code, j, i) != (module == '#') {
				t.Errorf("at %d, %d", j, i)
			}
		}
	}
}

package merchant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/body"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/relay/reconcile"
	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// shop is a merchant's backend before its API, with Ping++ behind that.
type shop struct {
	*reconciletest.Provider
	api     *API
	l       ledger.Ledger
	r       *reconcile.Reconciler
	counted []string
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{Provider: reconciletest.NewProvider(t), l: relaytest.NewLedger(t)}
	s.r = s.Reconciler(s.l, zap.NewNop())
	s.api = &API{
		Prefix: "/pay", Scope: s.Scope, Pingpp: s.Client, Reconciler: s.r, Ledger: func(context.Context) (ledger.Ledger, error) { return s.l, nil }, Bodies: &body.Memory{},
		Count: func(result string) { s.counted = append(s.counted, result) }, Logger: zap.NewNop(), Now: s.Clock.Now,
	}
	return s
}

// refund asks for one, and returns the answer, or the problem's code and the field that it names.
func (s *shop) refund(fields string, args ...any) (rec *httptest.ResponseRecorder, code string, p *problem.Problem) {
	s.T.Helper()
	rec = httptest.NewRecorder()
	req := httptest.NewRequest(http.MethodPost, "/pay/refunds", strings.NewReader("{"+fmt.Sprintf(fields, args...)+"}"))
	req.Header.Set("Content-Type", "application/json")
	if err := s.api.CreateRefund(rec, req); err != nil {
		p = problem.As(err)
		code = p.Code
		if field, ok := p.Members["field"]; ok {
			code += " " + fmt.Sprint(field)
		}
	}
	return rec, code, p
}

func (s *shop) wantCounted(results ...string) {
	s.T.Helper()
	if !slices.Equal(s.counted, results) {
		s.T.Errorf("counted %q, want %q", s.counted, results)
	}
	s.counted = nil
}

// A refund is made once under its number: asked for again it is told again, and what differs is refused.
func TestRefundOnce(t *testing.T) {
	s := newShop(t)
	id := s.PaidCharge(s.l, s.r, "order1")
	const ask = `"order_no":"order1","refund_no":"R1","amount":300,"description":"d"`
	s.Fault("refund", "stuck", 1)
	rec, code, _ := s.refund(ask)
	var v refundView
	if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil || code != "" || rec.Code != http.StatusCreated || rec.Header().Get("Location") != "/pay/refunds/R1" || rec.Header().Get("X-Pay-Order-No") != "order1" {
		t.Fatalf("%s %d %v %s", code, rec.Code, rec.Header(), rec.Body)
	}
	made := s.AtPingpp(id)[0]
	if *v.RefundNo != "R1" || *v.Refund != made.ID || v.Charge != id || v.OrderNo != "order1" || v.Amount != 300 || v.Status != "pending" || v.FailureCode != nil || v.FailureMsg != nil ||
		v.Created != s.Clock.Now().Unix() || v.TimeSucceeded != nil {
		t.Errorf("%s", rec.Body)
	}
	s.wantCounted("made")
	rec, code, _ = s.refund(ask)
	if code != "" || rec.Code != http.StatusOK || rec.Header().Get("Location") != "" || rec.Header().Get("X-Pay-Order-No") != "order1" || len(s.AtPingpp(id)) != 1 {
		t.Errorf("again: %s %d %v", code, rec.Code, rec.Header())
	}
	s.wantCounted("repeated")
	for _, other := range []string{
		`"order_no":"order1","refund_no":"R1","amount":301,"description":"d"`, `"order_no":"order1","refund_no":"R1","amount":300,"description":"e"`,
		`"order_no":"order2","refund_no":"R1","amount":300,"description":"d"`, `"charge":"ch_2","refund_no":"R1","amount":300,"description":"d"`,
		`"order_no":"order1","refund_no":"R1","amount":300,"description":"d","funding_source":"unsettled_funds"`,
	} {
		if _, code, p := s.refund("%s", other); code != "refund_invalid refund_no" || p.HTTPStatus != http.StatusConflict {
			t.Errorf("%s: %s", other, code)
		}
		s.wantCounted("refund_invalid")
	}
	if _, code, _ := s.refund(`"charge":%q,"refund_no":"R1","amount":300,"description":"d"`, id); code != "" {
		t.Errorf("by its charge: %s", code)
	}
	s.wantCounted("repeated")
	if _, code, _ := s.refund(`"order_no":"order1","refund_no":"R2","amount":701,"description":"d"`); code != "refund_exceeds" {
		t.Errorf("more than is left: %s", code)
	}
	s.wantCounted("refund_exceeds")
	if rec, code, _ := s.refund(`"order_no":"order1","refund_no":"R2","description":"d","funding_source":"recharge_funds"`); code != "" || rec.Code != http.StatusCreated || !strings.Contains(rec.Body.String(), `"amount":700`) {
		t.Errorf("what is left: %s %s", code, rec.Body)
	}
	s.wantCounted("made")

	// It can be asked for.
	s.Settle(made.ID, "succeed")
	s.After(time.Minute)
	reconciletest.RefundRounds(t, s.r)
	rec = httptest.NewRecorder()
	if err := s.api.Refund(rec, httptest.NewRequest(http.MethodGet, "/pay/refunds/R1", nil), "R1"); err != nil || rec.Code != http.StatusOK || rec.Header().Get("X-Pay-Order-No") != "order1" {
		t.Fatal(rec.Code, err)
	}
	if json.Unmarshal(rec.Body.Bytes(), &v) != nil || v.Status != "succeeded" || v.TimeSucceeded == nil {
		t.Errorf("%s", rec.Body)
	}
	if err := s.api.Refund(rec, httptest.NewRequest(http.MethodGet, "/pay/refunds/R9", nil), "R9"); problem.CodeOf(err) != "not_found" {
		t.Error(err)
	}
}

// What the channel refuses is told so, however often it is asked for; what nobody knows yet is accepted.
func TestRefundRefusedOrUnknown(t *testing.T) {
	s := newShop(t)
	s.PaidCharge(s.l, s.r, "order1")
	s.Fault("create_refund", "502", 9)
	if rec, code, _ := s.refund(`"order_no":"order1","refund_no":"R1","amount":300,"description":"d"`); code != "" || rec.Code != http.StatusAccepted || !strings.Contains(rec.Body.String(), `"status":"pending"`) ||
		!strings.Contains(rec.Body.String(), `"refund":null`) || rec.Header().Get("Location") != "" {
		t.Errorf("%s %d %s", code, rec.Code, rec.Body)
	}
	s.wantCounted("unknown")
	for _, want := range []string{"failed", "repeated"} {
		l := s.l
		re := &ledger.Refund{Scope: s.Scope, RefundNo: "R2", ChargeID: s.LastCharge(), OrderNo: "order1", Amount: 100, Description: "d", State: ledger.RefundFailed, FailureCode: "code", FailureMsg: "msg"}
		s.l = refusedLedger{l, re, want == "failed"}
		_, code, p := s.refund(`"order_no":"order1","refund_no":"R2","amount":100,"description":"d"`)
		if code != "refund_rejected" || p.Members["refund_no"] != "R2" || p.Members["failure_code"] != "code" || p.Members["failure_msg"] != "msg" {
			t.Errorf("%s %v", code, p)
		}
		s.wantCounted(want)
		s.l = l
	}
}

// refusedLedger has a refund that came to nothing, in this moment or before.
type refusedLedger struct {
	ledger.Ledger
	re    *ledger.Refund
	fresh bool
}

func (l refusedLedger) Refund(context.Context, ledger.Scope, string) (*ledger.Refund, error) {
	return l.re, nil
}

func (l refusedLedger) ReserveRefund(context.Context, ledger.RefundReservation) (*ledger.Refund, bool, error) {
	return l.re, l.fresh, nil
}

// Which charge a refund is of, and which none can be made of.
func TestRefundOfWhat(t *testing.T) {
	const refund = `"refund_no":"R1","amount":100,"description":"d"`
	for name, c := range map[string]struct {
		setup func(*shop) (fields string)
		code  string
		order string // of the refund
	}{
		"no such order":          {func(*shop) string { return `"order_no":"order1"` }, "order_not_found", ""},
		"no such charge":         {func(*shop) string { return `"charge":"ch_none"` }, "charge_not_found", ""},
		"no charge's id":         {func(*shop) string { return `"charge":"../x"` }, "charge_not_found", ""},
		"an unpaid order":        {func(s *shop) string { s.Charge(s.l, "order1", 100); return `"order_no":"order1"` }, "charge_not_paid", ""},
		"an unpaid charge":       {func(s *shop) string { return fmt.Sprintf(`"charge":%q`, s.Charge(s.l, "order1", 100).ID) }, "charge_not_paid", ""},
		"an order":               {func(s *shop) string { s.PaidCharge(s.l, s.r, "order1"); return `"order_no":"order1"` }, "", "order1"},
		"a charge":               {func(s *shop) string { return fmt.Sprintf(`"charge":%q`, s.PaidCharge(s.l, s.r, "order1")) }, "", "order1"},
		"a payment not heard of": {func(s *shop) string { s.Pay(s.Charge(s.l, "order1", 100).ID); return `"order_no":"order1"` }, "", "order1"},
		"a reversed attempt": {func(s *shop) string {
			id := s.Till(s.l, "order1").ID
			s.After(time.Minute)
			s.ReverseElsewhere(id)
			c := s.Known(s.l, id)
			if err := s.r.Reversals.Record(s.T.Context(), s.l, &pingpp.Charge{ID: c.ID, Reversed: true}); err != nil {
				s.T.Fatal(err)
			}
			return `"order_no":"order1"`
		}, "charge_not_paid", ""},
		"a charge that was made elsewhere": {func(s *shop) string {
			ch := s.Elsewhere("elsewhere1", 100)
			s.Pay(ch.ID)
			return fmt.Sprintf(`"charge":%q`, ch.ID)
		}, "", "elsewhere1"},
		"a charge of ours that the ledger has lost": {func(s *shop) string {
			ch := s.Made(s.Client, "lost1", "order7", 100)
			s.Pay(ch.ID)
			return fmt.Sprintf(`"charge":%q`, ch.ID)
		}, "", "order7"},
		"an order that was paid twice": {func(s *shop) string {
			a, b := s.Superseded(s.l)
			s.PaidEverywhere(s.r, s.l, a)
			s.PaidEverywhere(s.r, s.l, b)
			return `"order_no":"order1"`
		}, "refund_invalid order_no", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			fields := c.setup(s)
			rec, code, p := s.refund("%s,%s", fields, refund)
			if code != c.code || (code == "") != (rec.Code == http.StatusCreated && rec.Body.Len() > 0) {
				t.Fatalf("%s %d %s", code, rec.Code, rec.Body)
			}
			if c.order != "" && (rec.Header().Get("X-Pay-Order-No") != c.order || s.Refund(s.l, "R1").OrderNo != c.order) {
				t.Errorf("of order %q", rec.Header().Get("X-Pay-Order-No"))
			}
			if name == "an order that was paid twice" && len(p.Members["charges"].([]string)) != 2 {
				t.Errorf("%v", p.Members)
			}
		})
	}
}

// A ledger that is a backup does not know of earlier refunds: one under this number is recorded, and not made again.
func TestRefundThatTheLedgerForgot(t *testing.T) {
	for name, c := range map[string]struct {
		amount int64
		no     string
		code   string
		made   int // at Ping++, in the end
	}{"the same": {300, "R1", "", 1}, "of another amount": {301, "R1", "refund_invalid refund_no", 1}, "another": {300, "R0", "", 2}} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			id := s.PaidCharge(s.l, s.r, "order1")
			if _, err := s.Client.CreateRefund(t.Context(), id, &pingpp.RefundParams{Amount: c.amount, Description: "d", Metadata: map[string]any{intake.MetaRefundNo: c.no}}); err != nil {
				t.Fatal(err)
			}
			rec, code, _ := s.refund(`"charge":%q,"refund_no":"R1","amount":300,"description":"d"`, id)
			if code != c.code || len(s.AtPingpp(id)) != c.made || code == "" && rec.Code != map[int]int{1: http.StatusOK, 2: http.StatusCreated}[c.made] {
				t.Errorf("%s %d %s, %d at Ping++", code, rec.Code, rec.Body, len(s.AtPingpp(id)))
			}
		})
	}
}

// What a request for a refund may say.
func TestRefundRequests(t *testing.T) {
	long := strings.Repeat("长", 255)
	for fields, want := range map[string]string{
		`"order_no":"o","refund_no":"R_-9","description":"d"`: "", `"charge":"ch_1","refund_no":"R1","description":"` + long + `","amount":1`: "",
		`"order_no":"o","charge":"ch_1","refund_no":"R1","description":"d"`: "order_no", `"refund_no":"R1","description":"d"`: "order_no",
		`"order_no":"o","description":"d"`: "refund_no", `"order_no":"o","refund_no":"a.b","description":"d"`: "refund_no", `"order_no":"o","refund_no":"` + strings.Repeat("a", 65) + `","description":"d"`: "refund_no",
		`"order_no":"o","refund_no":"` + strings.Repeat("a", 64) + `","description":"d"`: "",
		`"order_no":"o","refund_no":"R1"`:                                                "description", `"order_no":"o","refund_no":"R1","description":"` + long + `x"`: "description",
		`"order_no":"o","refund_no":"R1","description":"d","amount":0`: "amount", `"order_no":"o","refund_no":"R1","description":"d","amount":-1`: "amount", `"order_no":"o","refund_no":"R1","description":"d","amount":"1"`: "amount",
		`"order_no":"o","refund_no":"R1","description":"d","amount":1.5`: "amount", `"order_no":"o","refund_no":"R1","description":"d","amount":null`: "amount",
		`"order_no":"o","refund_no":"R1","description":"d","ammount":1`: "ammount", `"order_no":null,"charge":"ch_1","refund_no":"R1","description":"d"`: "order_no", `"order_no":1,"refund_no":"R1","description":"d"`: "order_no", `"order_no":"o","refund_no":null,"description":"d"`: "refund_no",
		`"order_no":"o","refund_no":"R1","description":"d","funding_source":"x"`: "funding_source", `"order_no":"o","refund_no":"R1","description":"d","funding_source":"recharge_funds"`: "",
		`"order_no":"o","refund_no":"R1","description":"d","funding_source":"unsettled_funds"`: "",
	} {
		req := httptest.NewRequest(http.MethodPost, "/pay/refunds", strings.NewReader("{"+fields+"}"))
		req.Header.Set("Content-Type", "application/json")
		got, err := (&API{Bodies: &body.Memory{}}).readRefundRequest(req)
		if want == "" && (err != nil || got == nil || !strings.Contains(fields, got.RefundNo) || got.Description == "") {
			t.Errorf("%s: %+v, %v", fields, got, err)
		}
		if want != "" && (problem.CodeOf(err) != "refund_invalid" || problem.As(err).Members["field"] != want || problem.As(err).EN == "" || problem.As(err).Cause == nil) {
			t.Errorf("%s: %v, want one about %s", fields, err, want)
		}
	}
	req := httptest.NewRequest(http.MethodPost, "/pay/refunds", strings.NewReader(`{"ammount":1}`))
	req.Header.Set("Content-Type", "application/json")
	if _, err := (&API{Bodies: &body.Memory{}}).readRefundRequest(req); !strings.HasPrefix(problem.As(err).EN, "There is no such field.") {
		t.Error(err)
	}
	if got := invalidRefund(strings.Repeat("x", 99), "en", "zh"); len(got.Members["field"].(string)) != 60 || got.ZH != "zh" {
		t.Errorf("%+v", got)
	}
}

// Whoever calls comes from an address that is allowed, and has a token.
func TestAuthorize(t *testing.T) {
	old, next := strings.Repeat("a", 32), strings.Repeat("b", 32)
	for name, c := range map[string]struct {
		sources []string
		err     error
		header  []string
		want    string
	}{
		"allowed":               {[]string{"10.0.0.1"}, nil, []string{"Bearer " + old}, ""},
		"by the next token":     {[]string{"10.0.0.1"}, nil, []string{"bearer  " + next + " "}, ""},
		"as IPv6":               {[]string{"::ffff:10.0.0.1"}, nil, []string{"Bearer " + old}, ""},
		"in a zone":             {[]string{"fe80::1%eth0"}, nil, []string{"Bearer " + old}, ""},
		"by a proxy":            {[]string{"10.0.0.1", "10.0.0.2"}, nil, []string{"Bearer " + old}, ""},
		"by a stranger":         {[]string{"10.0.0.1", "192.0.2.1"}, nil, []string{"Bearer " + old}, "source_forbidden"},
		"from a stranger":       {[]string{"192.0.2.1"}, nil, []string{"Bearer " + old}, "source_forbidden"},
		"from nowhere":          {nil, nil, []string{"Bearer " + old}, "source_forbidden"},
		"nobody can tell":       {[]string{"10.0.0.1"}, errors.New("no"), []string{"Bearer " + old}, "source_forbidden"},
		"no address":            {[]string{"unix"}, nil, []string{"Bearer " + old}, "source_forbidden"},
		"a stranger, tokenless": {[]string{"192.0.2.1"}, nil, nil, "source_forbidden"},
		"no token":              {[]string{"10.0.0.1"}, nil, nil, "token_invalid"},
		"two tokens":            {[]string{"10.0.0.1"}, nil, []string{"Bearer " + old, "Bearer " + old}, "token_invalid"},
		"another token":         {[]string{"10.0.0.1"}, nil, []string{"Bearer " + strings.Repeat("c", 32)}, "token_invalid"},
		"a part of one":         {[]string{"10.0.0.1"}, nil, []string{"Bearer " + old[:31]}, "token_invalid"},
		"an empty one":          {[]string{"10.0.0.1"}, nil, []string{"Bearer "}, "token_invalid"},
		"basic":                 {[]string{"10.0.0.1"}, nil, []string{"Basic " + old}, "token_invalid"},
	} {
		a := &Access{Tokens: redact.All(old, next), Allow: []netip.Prefix{netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fe80::/10")},
			Sources: func(*http.Request) ([]string, error) { return c.sources, c.err }}
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		req.Header["Authorization"] = c.header
		if err := a.Authorize(req); problem.CodeOf(err) != c.want || (err == nil) != (c.want == "") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An order as the merchant sees it: its attempts, its refunds, and whether the backend knows.
func TestOrderView(t *testing.T) {
	s := newShop(t)
	view := func(orderNo string) (v OrderView, rec *httptest.ResponseRecorder, err error) {
		rec = httptest.NewRecorder()
		if err = s.api.Order(rec, httptest.NewRequest(http.MethodGet, "/pay/orders/"+orderNo, nil), orderNo); err == nil {
			if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil {
				t.Fatal(err)
			}
		}
		return v, rec, err
	}
	if _, _, err := view("order1"); problem.CodeOf(err) != "order_not_found" || problem.As(err).EN == "" || problem.As(err).ZH == "" {
		t.Error(err)
	}
	s.Charge(s.l, "order2", 500)
	if v, _, err := view("order2"); err != nil || v.Status != "created" || v.Amount != 500 || len(v.Charges) != 1 || v.Charges[0].TimePaid != nil || v.Delivery.State != "none" || len(v.Delivery.Events) != 0 {
		t.Errorf("%+v, %v", v, err)
	}
	id := s.PaidCharge(s.l, s.r, "order1")
	s.Asks(s.l, s.r, id, "order1", "R1", 300)
	v, rec, err := view("order1")
	if err != nil || rec.Header().Get("X-Pay-Order-No") != "order1" || v.OrderNo != "order1" || v.Mode != "test" || v.Status != "paid" || v.Amount != 1000 || v.Currency != "cny" {
		t.Fatalf("%+v, %v", v, err)
	}
	c := s.Known(s.l, id)
	if len(v.Charges) != 1 || *v.Charges[0].Charge != id || v.Charges[0].Number != c.Number || v.Charges[0].Channel != "wx_lite" || v.Charges[0].Amount != 1000 || v.Charges[0].Currency != "cny" ||
		!v.Charges[0].Paid || v.Charges[0].Superseded || v.Charges[0].Created != c.Created.Unix() || *v.Charges[0].TimePaid != c.TimePaid.Unix() || *v.Charges[0].TimeExpire != c.TimeExpire.Unix() {
		t.Errorf("%+v", v.Charges)
	}
	if len(v.Refunds) != 1 || *v.Refunds[0].RefundNo != "R1" || v.Refunds[0].Amount != 300 {
		t.Errorf("%+v", v.Refunds)
	}
	if d := v.Delivery; d.State != "pending" || len(d.Events) != 1 || d.Events[0].ID != reconciletest.QueryID(id) || d.Events[0].Type != "charge.succeeded" || *d.Events[0].Charge != id ||
		d.Events[0].State != "pending" || d.Events[0].Reasons == nil || d.Events[0].Attempts != 0 || d.Events[0].LastError != nil || d.Events[0].NextTry == nil || d.Events[0].Settled != nil ||
		d.Events[0].Received != s.Clock.Now().Unix() {
		t.Errorf("%+v", d)
	}
	// An attempt to deliver that failed, and then one that was the last, which is worse than the refund's event that waits behind.
	now := s.Clock.Now()
	for attempt, state := range []ledger.State{ledger.Pending, ledger.Dead} {
		es, err := s.l.Claim(t.Context(), ledger.Claim{Scope: s.Scope, Owner: "relay", Now: now, Until: now.Add(time.Second), Limit: 9})
		if err != nil || len(es) == 0 {
			t.Fatal(es, err)
		}
		d := ledger.Delivery{Scope: s.Scope, EventID: es[0].ID, Attempt: attempt + 1, At: now, Status: 500, Error: fmt.Sprint("why ", attempt), State: state}
		if state == ledger.Pending {
			d.Due = now
		}
		if err := s.l.Settle(t.Context(), "relay", d); err != nil {
			t.Fatal(err)
		}
		v, _, err := view("order1")
		if err != nil || v.Delivery.State != string(state) || *v.Delivery.Events[0].LastError != fmt.Sprint("why ", attempt) || v.Delivery.Events[0].Attempts != attempt+1 ||
			(v.Delivery.Events[0].NextTry != nil) != (state == ledger.Pending) || (v.Delivery.Events[0].Settled != nil) != (state == ledger.Dead) {
			t.Errorf("%+v, %v", v.Delivery, err)
		}
	}
	if v, _, err := view("order1"); err != nil || v.Delivery.State != "dead" {
		t.Errorf("%+v, %v", v.Delivery, err)
	}
	// One that is delivered after all has no error any more.
	if err := s.l.Decide(t.Context(), ledger.Decision{Scope: s.Scope, EventID: reconciletest.QueryID(id), Action: ledger.ActionReplay, Now: now, By: "test"}); err != nil {
		t.Fatal(err)
	}
	es, err := s.l.Claim(t.Context(), ledger.Claim{Scope: s.Scope, Owner: "relay", Now: now, Until: now.Add(time.Second), Limit: 9})
	if err != nil || len(es) != 1 {
		t.Fatal(es, err)
	}
	if err := s.l.Settle(t.Context(), "relay", ledger.Delivery{Scope: s.Scope, EventID: es[0].ID, Attempt: es[0].Attempts + 1, At: now, Status: 200, State: ledger.Delivered}); err != nil {
		t.Fatal(err)
	}
	s.PaidCharge(s.l, s.r, "order3")
	if v, _, err := view("order1"); err != nil || v.Delivery.State != "delivered" || len(v.Delivery.Events) != 1 || v.Delivery.Events[0].LastError != nil {
		t.Errorf("%+v, %v", v.Delivery, err)
	}
}

// What reversing a charge for the merchant brings, of one that is ours or not.
func TestReverseForTheMerchant(t *testing.T) {
	for name, c := range map[string]struct {
		setup  func(*shop) string
		code   string
		status string
	}{
		"an unpaid one": {func(s *shop) string { id := s.Till(s.l, "order1").ID; s.After(time.Minute); return id }, "", "reversed"},
		"too young":     {func(s *shop) string { return s.Till(s.l, "order1").ID }, "charge_in_progress", ""},
		"a paid one":    {func(s *shop) string { return s.PaidCharge(s.l, s.r, "order1") }, "order_already_paid", ""},
		"again": {func(s *shop) string {
			id := s.Till(s.l, "order1").ID
			s.After(time.Minute)
			s.ReverseElsewhere(id)
			return id
		}, "", "reversed"},
		"none":     {func(s *shop) string { return "ch_none" }, "charge_not_found", ""},
		"not ours": {func(s *shop) string { id := s.Elsewhere("elsewhere1", 100).ID; s.After(time.Minute); return id }, "", "reversed"},
		"paid meanwhile": {func(s *shop) string {
			id := s.Charge(s.l, "order1", 100).ID
			s.After(time.Minute)
			pays := func(req *http.Request) {
				if strings.HasSuffix(req.URL.Path, "/reverse") {
					_ = s.Sandbox.Pay(id)
				}
			}
			s.Before.Store(&pays)
			return id
		}, "order_already_paid", ""},
		"refused": {func(s *shop) string {
			id := s.Till(s.l, "order1").ID
			s.After(time.Minute)
			s.Fault("reverse_charge", "402", 9)
			return id
		}, "charge_rejected", ""},
		"no answer": {func(s *shop) string {
			id := s.Till(s.l, "order1").ID
			s.After(time.Minute)
			s.Fault("reverse_charge", "502", 9)
			return id
		}, "provider_unavailable", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			id := c.setup(s)
			rec := httptest.NewRecorder()
			err := s.api.Reverse(rec, httptest.NewRequest(http.MethodPost, "/pay/charges/x/reverse", nil), id)
			if problem.CodeOf(err) != c.code || (err == nil) != (c.code == "") {
				t.Fatal(err)
			}
			if err != nil {
				p := problem.As(err)
				if msg, ok := p.Members["failure_msg"]; ok != (name == "refused" || name == "no answer" && ok) || ok && (msg == "" || p.Members["failure_code"] == nil) || name == "paid meanwhile" && p.Members["charge_id"] != id {
					t.Errorf("%+v", p)
				}
				return
			}
			order := map[bool]string{true: "elsewhere1", false: "order1"}[name == "not ours"]
			if rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), fmt.Sprintf(`"status":%q`, c.status)) || rec.Header().Get("X-Pay-Order-No") != order || !strings.Contains(rec.Body.String(), `"order_paid":false`) {
				t.Errorf("%d %v %s", rec.Code, rec.Header(), rec.Body)
			}
			if name != "not ours" && !s.Known(s.l, id).Reversed {
				t.Error("it is not recorded")
			}
		})
	}
}

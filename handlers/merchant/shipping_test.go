package merchant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/relaytest"
)

const parcels = `{"type":"express","items":"绿茶","parcels":[{"company":"顺丰","tracking_no":"SF123","contact":"13800001234"}]}`

// newLiveShop is a shop whose mini program's payments are reported to WeChat.
func newLiveShop(t *testing.T) (*shop, *relaytest.Logs) {
	t.Helper()
	s, logs := newShop(t), &relaytest.Logs{}
	s.Scope.Mode = ledger.Live
	s.api.Scope, s.api.Logger = s.Scope, logs.Logger()
	return s, logs
}

// begun is an attempt of an order, as the site records it; so much later it is paid, if at all.
func (s *shop) begun(orderNo, id string, amount int64, paid bool) {
	s.T.Helper()
	now := s.Clock.Now()
	r, err := s.l.Reserve(s.T.Context(), ledger.Reservation{Scope: s.Scope, OrderNo: orderNo, Now: now, Until: now.Add(30 * time.Second), Number: func(attempts, _ int) string { return fmt.Sprint(orderNo, "x", attempts) }})
	if err == nil {
		err = s.l.Created(s.T.Context(), &ledger.Charge{Scope: s.Scope, OrderNo: orderNo, Number: r.Number, ID: id, Channel: "wx_lite", Payer: "oA", PayerAppID: "wx1", Amount: amount, Currency: "cny", Created: now,
			TimeExpire: now.Add(2 * time.Hour), Raw: []byte(`{}`)})
	}
	if err != nil {
		s.T.Fatal(err)
	}
	if paid {
		s.pays(orderNo, id, r.Number, amount)
	}
}

func (s *shop) pays(orderNo, id, number string, amount int64) {
	s.T.Helper()
	s.After(time.Second)
	now := s.Clock.Now()
	if _, err := s.l.Append(s.T.Context(), &ledger.Event{Scope: s.Scope, ID: "evt_" + id, Type: "charge.succeeded", ObjectID: id, ChargeID: id, Number: number, OrderNo: orderNo, Lane: orderNo, Source: ledger.Webhook,
		Created: now, Received: now, Due: now, Body: []byte(`{}`), State: ledger.Pending, Ships: true, Change: &ledger.ChargeChange{Paid: true, TimePaid: now},
		Payment: &ledger.Payment{Amount: amount, Currency: "cny", Time: now, TransactionNo: "42000"}}); err != nil {
		s.T.Fatal(err)
	}
}

// ships reports an order's shipping, and reads asks for it; both return the answer, or the problem.
func (s *shop) ships(orderNo, body string) (*httptest.ResponseRecorder, *problem.Problem) {
	return s.calls(func(w http.ResponseWriter, r *http.Request) error { return s.api.ReportShipping(w, r, orderNo) }, http.MethodPost, body)
}

func (s *shop) reads(orderNo string) (*httptest.ResponseRecorder, *problem.Problem) {
	return s.calls(func(w http.ResponseWriter, r *http.Request) error { return s.api.Shipping(w, r, orderNo) }, http.MethodGet, "")
}

func (s *shop) calls(serve func(http.ResponseWriter, *http.Request) error, method, body string) (*httptest.ResponseRecorder, *problem.Problem) {
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	if err := serve(w, r); err != nil {
		return w, problem.As(err)
	}
	return w, nil
}

// told wants a problem with a text of its own in both languages.
func told(t *testing.T, what string, p *problem.Problem, code, en, zh string) {
	t.Helper()
	if p == nil || p.Code != code || !strings.Contains(p.EN, en) || !strings.Contains(p.ZH, zh) || p.EN == "" || p.ZH == "" {
		t.Errorf("%s: %+v", what, p)
	}
}

// What is shipped is recorded once, shown with what WeChat has of it, and asked for by the order's number.
func TestShippingOfAnOrder(t *testing.T) {
	s, logs := newLiveShop(t)
	for what, p := range map[string]*problem.Problem{"reported": second(s.ships("order1", parcels)), "read": second(s.reads("order1"))} {
		told(t, what, p, "order_not_found", "No payment of this order was ever begun.", "从未发起过支付")
	}
	s.begun("order1", "ch_1", 1999, false)
	_, p := s.ships("order1", parcels)
	if told(t, "not paid", p, "shipping_refused", "", ""); p.Members["reason"] != "not_paid" {
		t.Errorf("%v", p.Members)
	}
	told(t, "not paid", second(s.reads("order1")), "not_found", "WeChat keeps no money of this order", "目前没有该订单的发货记录")
	s.pays("order1", "ch_1", "order1x0", 1999)
	deadline := s.Clock.Now().Add(48 * time.Hour).Unix()
	want := func(what string, w *httptest.ResponseRecorder, p *problem.Problem, status int, rest string) {
		t.Helper()
		var got, wanted any
		err := json.Unmarshal([]byte(fmt.Sprintf(`{"order_no":"order1","charge":"ch_1","deadline":%d,`, deadline)+rest+`}`), &wanted)
		if p != nil || err != nil || json.Unmarshal(w.Body.Bytes(), &got) != nil || w.Code != status || fmt.Sprint(got) != fmt.Sprint(wanted) || w.Header().Get("X-Pay-Order-No") != "order1" {
			t.Errorf("%s: %v %v %d %s", what, p, err, w.Code, w.Body)
		}
	}
	read := func(what, rest string) {
		t.Helper()
		w, p := s.reads("order1")
		want(what, w, p, http.StatusOK, rest)
	}
	read("paid", `"status":"waiting","type":null,"items":null,"parcels":[],"complete":null,"reported_at":null,"error":null`)
	const content = `"type":"express","items":"绿茶","parcels":[{"company":"SF","tracking_no":"SF123","contact":"138****1234"}],"complete":true,`
	for range 2 {
		w, p := s.ships("order1", parcels)
		want("reported", w, p, http.StatusAccepted, `"status":"waiting",`+content+`"reported_at":null,"error":null`)
	}
	if n := strings.Count(logs.String(), "shipping recorded for WeChat"); n != 1 {
		t.Errorf("%d lines", n)
	}
	s.wechat("ch_1", ledger.ShippingNotFound, ledger.ShippingProblem{Code: "10060001", Text: "not yet"})
	read("not there", `"status":"waiting",`+content+`"reported_at":null,"error":{"code":"10060001","detail":"not yet"}`)
	s.After(time.Hour)
	s.wechat("ch_1", ledger.ShippingAccepted, ledger.ShippingProblem{})
	reported := `"status":"reported",` + content + fmt.Sprintf(`"reported_at":%d,"error":null`, s.Clock.Now().Unix())
	read("told", reported)
	w, p := s.ships("order1", parcels)
	want("again", w, p, http.StatusOK, reported)
}

func second(_ *httptest.ResponseRecorder, p *problem.Problem) *problem.Problem { return p }

// wechat tells WeChat of the shipment that is due, as far as the ledger sees it.
func (s *shop) wechat(id string, result ledger.ShippingResult, why ledger.ShippingProblem) {
	s.T.Helper()
	ctx, now := s.T.Context(), s.Clock.Now()
	claimed, err := s.l.ClaimShipments(ctx, ledger.ShipmentClaim{Scope: s.Scope, Owner: "w", Now: now, Until: now.Add(time.Minute), Limit: 10})
	if err != nil || len(claimed) != 1 || claimed[0].ChargeID != id {
		s.T.Fatalf("%+v %v", claimed, err)
	}
	lease := ledger.ShipmentLease{Scope: s.Scope, ChargeID: id, Owner: "w", Epoch: claimed[0].Epoch}
	if _, err = s.l.PostShipping(ctx, lease, now, now.Add(time.Minute)); err == nil {
		_, err = s.l.ShippingAnswered(ctx, lease, ledger.ShippingAnswer{Step: ledger.ShippingPost, Result: result, Problem: why, At: now})
	}
	if err != nil {
		s.T.Fatal(err)
	}
}

// Where an order was paid twice, the payment is shown that stands; where none does, the first.
func TestShippingOfOneOfTwoPayments(t *testing.T) {
	s, _ := newLiveShop(t)
	s.begun("order1", "ch_1", 1999, false)
	s.After(time.Second)
	s.begun("order1", "ch_2", 2500, true)
	s.pays("order1", "ch_1", "order1x0", 1999) // is held
	w, p := s.reads("order1")
	if p != nil || !strings.Contains(w.Body.String(), `"charge":"ch_2"`) {
		t.Errorf("%v %s", p, w.Body)
	}
	l := s.l
	for _, s.l = range []ledger.Ledger{noneStands{l, false}, noneStands{l, true}} {
		if w, p := s.reads("order1"); p != nil || !strings.Contains(w.Body.String(), `"charge":"ch_`) {
			t.Errorf("%v %s", p, w.Body)
		}
	}
}

// noneStands is a ledger in which nothing is paid any more, or which has only the shipments left.
type noneStands struct {
	ledger.Ledger
	pruned bool
}

func (l noneStands) Attempts(ctx context.Context, s ledger.Scope, orderNo string) ([]ledger.Charge, error) {
	all, err := l.Ledger.Attempts(ctx, s, orderNo)
	if l.pruned {
		return nil, err
	}
	for i := range all {
		all[i].Held = true
	}
	return all, err
}

// What is no report is refused with the field, and nothing is recorded; what cannot be recorded is to be sent again.
func TestShippingThatIsRefused(t *testing.T) {
	s, _ := newLiveShop(t)
	s.begun("order1", "ch_1", 1999, true)
	_, p := s.ships("order1", `{"type":"virtual"}`)
	if told(t, "no items", p, "shipping_invalid", "", ""); p.Members["field"] != "items" || p.EN == p.ZH {
		t.Errorf("%+v", p)
	}
	_, p = s.ships("order1", `[]`)
	if told(t, "no object", p, "json_invalid", "", ""); p.Members["field"] != nil || p.EN == p.ZH {
		t.Errorf("%+v", p)
	}
	if sh, err := s.l.Shipment(t.Context(), s.Scope, "ch_1"); err != nil || sh.Shipping != nil {
		t.Errorf("%+v %v", sh, err)
	}
	for name, open := range map[string]func(context.Context) (ledger.Ledger, error){
		"full": func(context.Context) (ledger.Ledger, error) { return fullDisk{s.l}, nil }, "gone": func(context.Context) (ledger.Ledger, error) { return nil, errors.New("no such disk") },
	} {
		s.api.Ledger = open
		if _, p := s.ships("order1", parcels); p == nil || p.Code != "shipping_unavailable" || p.RetryAfter != 2*time.Second {
			t.Errorf("%s: %v", name, p)
		}
		if w, p := s.reads("order1"); p == nil || w.Body.Len() > 0 {
			t.Errorf("%s: %s", name, w.Body)
		}
	}
}

// fullDisk is a ledger that neither records nor finds shipments.
type fullDisk struct{ ledger.Ledger }

func (fullDisk) ReportShipping(context.Context, ledger.ShippingReport) (*ledger.Shipment, bool, error) {
	return nil, false, errors.New("the disk is full")
}

func (fullDisk) Shipments(context.Context, ledger.Scope, string) ([]ledger.Shipment, error) {
	return nil, errors.New("the disk is full")
}

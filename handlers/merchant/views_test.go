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

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/body"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/refunds"
)

// noRefunds is a ledger without refunds.
type noRefunds struct{ ledger.Ledger }

func (noRefunds) Refund(context.Context, ledger.Scope, string) (*ledger.Refund, error) {
	return nil, ledger.ErrNotFound
}

// What the merchant sees of a refund, in every state.
func TestRefundViews(t *testing.T) {
	created, succeeded := time.Unix(5, 0), time.Unix(7, 0)
	for state, want := range map[ledger.RefundState]string{
		ledger.RefundAsked:     `{"refund_no":"R1","refund":"re_1","charge":"ch_1","order_no":"o1","amount":3,"status":"pending","failure_code":"c","failure_msg":"m","created":5,"time_succeeded":null}`,
		ledger.RefundPending:   `{"refund_no":"R1","refund":"re_1","charge":"ch_1","order_no":"o1","amount":3,"status":"pending","failure_code":"c","failure_msg":"m","created":5,"time_succeeded":null}`,
		ledger.RefundSucceeded: `{"refund_no":"R1","refund":"re_1","charge":"ch_1","order_no":"o1","amount":3,"status":"succeeded","failure_code":"c","failure_msg":"m","created":5,"time_succeeded":7}`,
		ledger.RefundFailed:    `{"refund_no":"R1","refund":"re_1","charge":"ch_1","order_no":"o1","amount":3,"status":"failed","failure_code":"c","failure_msg":"m","created":5,"time_succeeded":null}`,
	} {
		re := &ledger.Refund{RefundNo: "R1", ID: "re_1", ChargeID: "ch_1", OrderNo: "o1", Amount: 3, State: state, FailureCode: "c", FailureMsg: "m", Created: created, TimeSucceeded: succeeded}
		if got, err := json.Marshal(viewRefund(re)); err != nil || string(got) != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	bare := `{"refund_no":null,"refund":null,"charge":"ch_1","order_no":"","amount":0,"status":"pending","failure_code":null,"failure_msg":null,"created":5,"time_succeeded":null}`
	if got, err := json.Marshal(viewRefund(&ledger.Refund{ChargeID: "ch_1", State: ledger.RefundPending, Created: created})); err != nil || string(got) != bare {
		t.Errorf("%s", got)
	}
}

// Problems say it in both languages, and are counted.
func TestRefundProblems(t *testing.T) {
	refused := func(code, param, message string) *pingpp.Error {
		return &pingpp.Error{Kind: pingpp.InvalidRequest, Type: "invalid_request_error", Code: code, Param: param, Message: message}
	}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"of an order that is not there": {refunds.ErrOrderUnknown, "provider_rejected"}, "unpaid": {refused("charge_unexpected_status", "", "the charge is not paid"), "charge_not_paid"},
		"unpaid, by another code": {refused("other", "", "the charge is not paid"), "refund_rejected"}, "more than is left": {refused("", "amount", "greater than what is left"), "refund_exceeds"},
		"more, of what nobody says": {refused("", "", "greater than what is left"), "refund_rejected"}, "more, by the charge's amount": {refused("", "charge_amount", "greater than what is left"), "refund_exceeds"},
		"not Ping++'s words": {&pingpp.Error{Kind: pingpp.InvalidRequest}, "provider_rejected"}, "too often": {&pingpp.Error{Kind: pingpp.RateLimit, Type: "x"}, "provider_unavailable"},
	} {
		p := problem.As(refundProblem("R1", c.err))
		if p.Code != c.want || (c.want == "refund_rejected") != (p.Members["refund_no"] == "R1") || c.err == refunds.ErrOrderUnknown && (p.EN == "" || p.ZH == "") {
			t.Errorf("%s: %+v", name, p)
		}
	}
	counted := ""
	a := &API{Bodies: &body.Memory{}, Count: func(result string) { counted += result }, Ledger: func(context.Context) (ledger.Ledger, error) { return noRefunds{}, nil }}
	req := httptest.NewRequest(http.MethodPost, "/pay/refunds", strings.NewReader(`{"amount":0}`))
	req.Header.Set("Content-Type", "application/json")
	if err := a.CreateRefund(httptest.NewRecorder(), req); problem.CodeOf(err) != "refund_invalid" || counted != "refund_invalid" {
		t.Errorf("%v, counted %q", err, counted)
	}
	if p := problem.As(a.Refund(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil), "R1")); p.Code != "not_found" || p.EN == "" || p.ZH == "" {
		t.Errorf("%+v", p)
	}
	for _, p := range []*problem.Problem{
		refundNoUsed(), paidMeanwhile(&pingpp.Charge{ID: "ch_1"}), lookUpProblem(&pingpp.Error{Kind: pingpp.NotFound}), lookUpProblem(&pingpp.Error{Kind: pingpp.Foreign}), lookUpProblem(&pingpp.Error{Kind: pingpp.InvalidRequest}),
	} {
		if p.EN == "" || p.ZH == "" {
			t.Errorf("%+v", p)
		}
	}
	for kind, status := range map[pingpp.ErrorKind]int{pingpp.InvalidRequest: 400, pingpp.Server: 500, pingpp.Timeout: 0} {
		if p := lookUpProblem(&pingpp.Error{Kind: kind, Status: status}); p.Code == "charge_not_found" {
			t.Errorf("%s: %+v", kind, p)
		}
	}
	if p := paidMeanwhile(&pingpp.Charge{ID: "ch_1"}); p.Members["charge_id"] != "ch_1" {
		t.Errorf("%+v", p)
	}
	now := time.Unix(1000, 0)
	a.Now = func() time.Time { return now }
	for age, want := range map[time.Duration]string{59 * time.Second: "charge_in_progress", 60 * time.Second: ""} {
		err := a.mayReverse(&pingpp.Charge{Channel: "wx_lite", Created: now.Add(-age).Unix()})
		if problem.CodeOf(err) != want || err != nil && (problem.As(err).RetryAfter != time.Second || problem.As(err).EN == "" || problem.As(err).ZH == "") {
			t.Errorf("%s: %v", age, err)
		}
	}
	if p := problem.As(a.mayReverse(&pingpp.Charge{Channel: "yeepay_wap"})); !strings.Contains(p.EN, "yeepay_wap") || !strings.Contains(p.ZH, "yeepay_wap") {
		t.Errorf("%+v", p)
	}
	re := &ledger.Refund{RefundNo: "R1", FailureCode: "c", FailureMsg: "m"}
	if p := rejectedRefund(re); fmt.Sprint(p.Members) != "map[failure_code:c failure_msg:m refund_no:R1]" || p.Cause == nil || p.Cause.Error() != "c: m" {
		t.Errorf("%+v", p)
	}
}

// desk is a ledger with the refunds and attempts that a test gives it.
type desk struct {
	ledger.Ledger
	attempts []ledger.Charge
	reserves []error // what reservations come to, one after the other; nil: granted
	reserved []ledger.RefundReservation
	there    *ledger.Refund
	err      error // of Attempts and Refund
}

func (d *desk) Attempts(context.Context, ledger.Scope, string) ([]ledger.Charge, error) {
	return d.attempts, d.err
}

func (d *desk) Refund(context.Context, ledger.Scope, string) (*ledger.Refund, error) {
	if d.there == nil {
		return nil, ledger.ErrNotFound
	}
	return d.there, d.err
}

func (d *desk) ReserveRefund(_ context.Context, res ledger.RefundReservation) (*ledger.Refund, bool, error) {
	err := d.reserves[min(len(d.reserved), len(d.reserves)-1)]
	d.reserved = append(d.reserved, res)
	return &ledger.Refund{RefundNo: res.RefundNo, State: ledger.RefundAsked}, true, err
}

func (d *desk) Watch(ledger.Topic) (<-chan struct{}, func()) {
	changed := make(chan struct{}, 1)
	changed <- struct{}{}
	return changed, func() {}
}

// What comes of a reservation: it is ours, or waits for others of the same charge, or cannot be had.
func TestReservedRefunds(t *testing.T) {
	broken := errors.New("the disk is full")
	for name, c := range map[string]struct {
		reserves []error
		tries    int
		ours     bool
		want     string // a problem's code, or an error's text
	}{
		"granted":       {[]error{nil}, 1, true, ""},
		"after another": {[]error{ledger.ErrReserved, ledger.ErrReserved, nil}, 3, true, ""},
		"differs":       {[]error{ledger.ErrRefundDiffers}, 1, false, "refund_invalid"},
		"exceeds":       {[]error{ledger.ErrRefundExceeds}, 1, false, "refund_exceeds"},
		"broken":        {[]error{broken}, 1, false, "the disk is full"},
	} {
		d, now := &desk{reserves: c.reserves}, time.Unix(1000, 0)
		a := &API{Now: func() time.Time { now = now.Add(time.Second); return now }}
		re, fresh, ours, err := a.reserveRefund(t.Context(), d, ledger.RefundReservation{RefundNo: "R1", ChargeID: "ch_1"})
		got := problem.CodeOf(err)
		if err != nil && got == "" {
			got = err.Error()
		}
		if got != c.want || ours != c.ours || fresh != (err == nil) || (re != nil) != (err == nil) || len(d.reserved) != c.tries {
			t.Errorf("%s: %+v %t %t %v after %d tries", name, re, fresh, ours, err, len(d.reserved))
		}
		for i, res := range d.reserved {
			if want := time.Unix(1001+int64(i), 0); !res.Now.Equal(want) || !res.Until.Equal(want.Add(refunds.Lease)) {
				t.Errorf("%s: from %s until %s", name, res.Now, res.Until)
			}
		}
	}
}

// The charge that paid an order, or why there is none.
func TestPaidCharges(t *testing.T) {
	a := &API{}
	for name, c := range map[string]struct {
		attempts []ledger.Charge
		err      error
		want     string
		id       string
	}{
		"none":       {nil, nil, "order_not_found", ""},
		"paid":       {[]ledger.Charge{{ID: "ch_1"}, {ID: "ch_2", Paid: true}}, nil, "", "ch_2"},
		"paid twice": {[]ledger.Charge{{ID: "ch_1", Paid: true}, {ID: "ch_2", Paid: true}}, nil, "refund_invalid", ""},
		"not paid":   {[]ledger.Charge{{ID: "ch_1", State: ledger.Unknown}, {ID: "ch_2", State: ledger.Open, Reversed: true}}, nil, "charge_not_paid", ""}, // nobody is asked about those: a.Reconciler is nil
		"not read":   {nil, errors.New("the disk is full"), "error", ""},
	} {
		id, err := a.paidCharge(t.Context(), &desk{attempts: c.attempts, err: c.err}, "o1")
		code := problem.CodeOf(err)
		if err != nil && code == "" {
			code = "error"
		}
		if id != c.id || code != c.want || code == "order_not_found" && (problem.As(err).EN == "" || problem.As(err).ZH == "") {
			t.Errorf("%s: %q, %v", name, id, err)
		}
	}
}

// Of a charge that is not ours Ping++'s word is shown, whole.
func TestReversalOfAnothersCharge(t *testing.T) {
	s := newShop(t)
	found := &pingpp.Charge{ID: "ch_1", OrderNo: "n1", Channel: "wx_lite", Amount: 5, Currency: "cny", Paid: true, TimePaid: 7, AmountRefunded: 2, Reversed: true, TimeExpire: 9}
	c, err := s.api.recordReversal(t.Context(), s.l, found)
	if err != nil || c.Scope != s.Scope || c.ID != "ch_1" || c.OrderNo != "n1" || c.Channel != "wx_lite" || c.Amount != 5 || c.Currency != "cny" || !c.Paid || c.TimePaid.Unix() != 7 || c.AmountRefunded != 2 || !c.Reversed || c.TimeExpire.Unix() != 9 {
		t.Errorf("%+v, %v", c, err)
	}
	s.api.Reconciler.Reversals = s.Reconciler(failedLedger{}, zap.NewNop()).Reversals
	if _, err := s.api.recordReversal(t.Context(), failedLedger{}, found); err == nil || err.Error() != "charge ch_1 was reversed but could not be recorded: the disk is full" {
		t.Error(err)
	}
}

// failedLedger cannot be read.
type failedLedger struct{ ledger.Ledger }

func (failedLedger) Charge(context.Context, ledger.Scope, string) (*ledger.Charge, error) {
	return nil, errors.New("the disk is full")
}

// forgetful is a ledger whose record of a refund goes while somebody waits for it.
type forgetful struct {
	ledger.Ledger
	there bool
	fails bool // no charge can be read
}

func (f *forgetful) Refund(ctx context.Context, s ledger.Scope, no string) (*ledger.Refund, error) {
	if f.there {
		return &ledger.Refund{RefundNo: no, ChargeID: "ch_1", OrderNo: "order1", State: ledger.RefundAsked}, nil
	}
	return f.Ledger.Refund(ctx, s, no)
}

func (f *forgetful) ReserveRefund(ctx context.Context, res ledger.RefundReservation) (*ledger.Refund, bool, error) {
	if f.there {
		f.there = false
		return nil, false, ledger.ErrRefundExceeds
	}
	return f.Ledger.ReserveRefund(ctx, res)
}

func (f *forgetful) Charge(ctx context.Context, s ledger.Scope, id string) (*ledger.Charge, error) {
	if f.fails {
		return nil, errors.New("the disk is full")
	}
	return f.Ledger.Charge(ctx, s, id)
}

// The record of whoever asked first went while we waited for it: the refund is begun anew. One whose charge cannot be read is not begun.
func TestRefundBegunAnew(t *testing.T) {
	s := newShop(t)
	s.PaidCharge(s.l, s.r, "order1")
	f := &forgetful{Ledger: s.l, there: true}
	s.l = f
	if rec, code, _ := s.refund(`"order_no":"order1","refund_no":"R1","amount":300,"description":"d"`); code != "" || rec.Code != http.StatusCreated {
		t.Errorf("%s %d %s", code, rec.Code, rec.Body)
	}
	f.fails = true
	if _, code, p := s.refund(`"order_no":"order1","refund_no":"R2","amount":300,"description":"d"`); code != "ledger_unavailable" || p.Cause == nil {
		t.Errorf("%s %v", code, p)
	}
	if p := lookUpProblem(errors.New("no answer")); p.Code != "provider_unavailable" {
		t.Errorf("%+v", p)
	}
}

// filtered is a ledger that keeps which events it is asked for.
type filtered struct {
	ledger.Ledger
	asked ledger.Filter
}

func (f *filtered) Events(_ context.Context, asked ledger.Filter) ([]ledger.Event, error) {
	f.asked = asked
	return nil, nil
}

// All events of the order are looked at, as many as there can be.
func TestDeliveryOfAnOrder(t *testing.T) {
	f, a := &filtered{}, &API{Scope: ledger.Scope{App: "app_1", Mode: ledger.Test}}
	if d, err := a.delivery(t.Context(), f, "o1"); err != nil || d.State != "none" || d.Events == nil || f.asked.OrderNo != "o1" || f.asked.Scope != a.Scope || f.asked.Limit != 1000 {
		t.Errorf("%+v %+v, %v", d, f.asked, err)
	}
}

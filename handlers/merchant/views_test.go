package merchant

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

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

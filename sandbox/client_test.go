package sandbox_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/sandbox"
)

// The module's own client, written from the same documentation and sharing no code, agrees with the sandbox.
func TestOwnClient(t *testing.T) {
	s, err := sandbox.New(sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	srv := httptest.NewServer(s)
	defer srv.Close()
	cl, err := pingpp.New(pingpp.Config{App: s.App(), Key: redact.New(s.TestKey()), Endpoint: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx := t.Context()
	create := func(orderNo string) *pingpp.Charge {
		t.Helper()
		ch, err := cl.CreateCharge(ctx, &pingpp.ChargeParams{OrderNo: orderNo, Channel: "alipay_qr", Amount: 100, Currency: "cny", ClientIP: "192.0.2.1",
			Subject: "s", Body: "b"})
		if err != nil {
			t.Fatal(err)
		}
		return ch
	}
	code := func(err error) string {
		if e, ok := errors.AsType[*pingpp.Error](err); ok && !e.Unknown() {
			return string(e.Kind) + " " + e.Code
		}
		return "?"
	}

	unpaid := create("A1001")
	if ch, err := cl.ReverseCharge(ctx, unpaid.ID); err != nil || !ch.Reversed {
		t.Errorf("%+v, %v", ch, err)
	}
	paid := create("A1002")
	if err := s.Pay(paid.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := cl.ReverseCharge(ctx, paid.ID); code(err) != "invalid_request charge_unexpected_status" {
		t.Error(err)
	}
	// A reversal whose answer is lost has happened all the same, and is not asked for twice.
	lost := create("A1003")
	if err := s.SetFault("reverse_charge", "drop", 1); err != nil {
		t.Fatal(err)
	}
	var e *pingpp.Error
	if _, err := cl.ReverseCharge(ctx, lost.ID); !errors.As(err, &e) || !e.Unknown() {
		t.Error(err)
	}
	if ch, err := cl.GetCharge(ctx, lost.ID); err != nil || !ch.Reversed {
		t.Errorf("%+v, %v", ch, err)
	}

	for _, status := range []string{"succeeded", "failed"} {
		res, err := http.Post(srv.URL+"/sandbox/refunds", "application/json", strings.NewReader(`{"charge":"`+paid.ID+`","amount":30,"status":"`+status+`"}`))
		if err != nil || res.StatusCode != 200 {
			t.Fatal(res, err)
		}
		res.Body.Close()
	}
	refunds, err := cl.ListRefunds(ctx, paid.ID, pingpp.ListRefundsParams{Limit: 1})
	if err != nil || len(refunds.Data) != 1 || refunds.Data[0].FailureCode != "refund_refused_msg" || !refunds.HasMore {
		t.Fatalf("%+v, %v", refunds, err)
	}
	refunds, err = cl.ListRefunds(ctx, paid.ID, pingpp.ListRefundsParams{StartingAfter: refunds.Data[0].ID})
	if err != nil || len(refunds.Data) != 1 || refunds.Data[0].Status != "succeeded" || refunds.HasMore {
		t.Fatalf("%+v, %v", refunds, err)
	}
	re, err := cl.GetRefund(ctx, paid.ID, refunds.Data[0].ID)
	if err != nil || !re.Succeed || re.Amount != 30 || re.OrderNo != "A1002" {
		t.Errorf("%+v, %v", re, err)
	}
	if ch, err := cl.GetCharge(ctx, paid.ID); err != nil || ch.AmountRefunded != 30 || !ch.Refunded {
		t.Errorf("%+v, %v", ch, err)
	}
	about, err := cl.GetEvent(ctx, s.State(1).Events[0].ID)
	if err != nil || about.Type != "refund.succeeded" || about.Refund == nil || string(about.Refund.Raw) != string(re.Raw) {
		t.Errorf("%+v, %v", about, err)
	}
	event, err := cl.GetEvent(ctx, s.State(2).Events[1].ID)
	if err != nil || event.Charge == nil || event.ChargeID != paid.ID || string(event.Raw) != s.State(2).Events[1].Body {
		t.Errorf("%+v, %v", event, err)
	}
	if _, err := cl.GetEvent(ctx, "evt_x"); code(err) != "not_found " {
		t.Error(err)
	}
	if _, err := cl.GetRefund(ctx, paid.ID, "re_x"); code(err) != "not_found " {
		t.Error(err)
	}

	or, err := cl.CreateOrder(ctx, &pingpp.OrderParams{MerchantOrderNo: "A2026112301", Amount: 100, Currency: "cny", ClientIP: "192.0.2.1", Subject: "s", Body: "b"})
	if err != nil {
		t.Fatal(err)
	}
	or, err = cl.PayOrder(ctx, or.ID, &pingpp.PayOrderParams{Channel: "wx_lite", ChargeAmount: 100, Extra: map[string]any{"open_id": "oUser"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Pay(or.ChargeID); err != nil {
		t.Fatal(err)
	}
	if or, err = cl.GetOrder(ctx, or.ID); err != nil || !or.Paid || or.Status != "paid" {
		t.Errorf("%+v, %v", or, err)
	}
	if orders, err := cl.ListOrders(ctx, pingpp.ListOrdersParams{PerPage: 1}); err != nil || len(orders.Data) != 1 || orders.Data[0].ID != or.ID {
		t.Errorf("%+v, %v", orders, err)
	}
	if charges, err := cl.ListOrderCharges(ctx, or.ID, pingpp.OrderPage{}); err != nil || len(charges.Data) != 1 || charges.Data[0].ID != or.ChargeID {
		t.Errorf("%+v, %v", charges, err)
	}
	if _, err := cl.CreateRefund(ctx, or.ChargeID, &pingpp.RefundParams{Description: "d"}); code(err) != "invalid_request charge_request_invalid" {
		t.Error(err)
	}
	back, err := cl.RefundOrder(ctx, or.ID, &pingpp.OrderRefundParams{Description: "d", ChargeID: or.ChargeID, ChargeAmount: 40, Metadata: map[string]any{"pay_refund_no": "R1"}})
	if err != nil || back[0].Amount != 40 || back[0].Metadata["pay_refund_no"] != "R1" {
		t.Fatalf("%+v, %v", back, err)
	}
	if re, err := cl.GetOrderRefund(ctx, or.ID, back[0].ID); err != nil || re.ChargeID != or.ChargeID {
		t.Errorf("%+v, %v", re, err)
	}
	if list, err := cl.ListOrderRefunds(ctx, or.ID, pingpp.OrderPage{}); err != nil || len(list.Data) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	re, err = cl.CreateRefund(ctx, paid.ID, &pingpp.RefundParams{Description: "d", Amount: 7, FundingSource: pingpp.UnsettledFunds})
	if err != nil || re.Amount != 7 || re.Status != "pending" {
		t.Errorf("%+v, %v", re, err)
	}
	canceled, err := cl.CreateOrder(ctx, &pingpp.OrderParams{MerchantOrderNo: "A2026112302", Amount: 100, Currency: "cny", ClientIP: "192.0.2.1", Subject: "s", Body: "b"})
	if err == nil {
		canceled, err = cl.CancelOrder(ctx, canceled.ID)
	}
	if err != nil || canceled.Status != "canceled" {
		t.Errorf("%+v, %v", canceled, err)
	}
}

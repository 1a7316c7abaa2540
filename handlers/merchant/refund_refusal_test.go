package merchant

import (
	"errors"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/pingpp"
)

// A refusal of Ping++'s is told to the merchant in Ping++'s words, and is "more than what is left" only when Ping++ says that.
func TestRefundRefusals(t *testing.T) {
	for _, c := range []struct {
		name, error, code, failure string
	}{
		{"all is back, zh", `"message":"该 charge 已全额退款。"`, "refund_exceeds", ""},
		{"all is back, en", `"message":"The charge has already been fully refunded."`, "refund_exceeds", ""},
		{"more than is left, zh", `"message":"退款金额超过可退金额。","param":"amount"`, "refund_exceeds", ""},
		{"more than is left, en", `"message":"The amount is more than what is left to refund.","param":"amount"`, "refund_exceeds", ""},
		{"more than is left, of an order", `"message":"charge_amount 大于可退金额。","param":"charge_amount"`, "refund_exceeds", ""},
		{"more than is left, no param", `"message":"退款金额大于 charge 剩余可退金额"`, "refund_exceeds", ""},

		{"nothing said", `"message":""`, "refund_rejected", "refund_refused"},
		{"no reason", `"message":"请求无法处理。"`, "refund_rejected", "refund_refused"},
		{"not exceeded but wrong", `"message":"amount 必须是整数。","param":"amount"`, "refund_rejected", "refund_refused"},
		{"a bound of the channel", `"message":"退款金额超过单笔限额","param":"amount"`, "refund_rejected", "refund_refused"},
		{"a bound of the channel, en", `"message":"The amount exceeds the channel's limit.","param":"amount"`, "refund_rejected", "refund_refused"},
		{"too late", `"message":"超出渠道 wx_lite 的退款期限。","param":"Refund_time"`, "refund_rejected", "refund_time"},
		{"too often", `"message":"订单退款次数超过限制"`, "refund_rejected", "refund_refused"},
		{"funds", `"message":"funding_source 不支持该渠道。","param":"funding_source"`, "refund_rejected", "refund_refused"},
		{"the shop has no money", `"message":"账户可用余额不足","code":"refund_refused"`, "refund_rejected", "refund_refused"},
		{"a description of another length", `"message":"description 长度不能超过 30 字节。","param":"description"`, "refund_rejected", "refund_refused"},
		{"not paid", `"message":"charge 未支付，不能退款。","code":"charge_unexpected_status"`, "charge_not_paid", ""},
		{"disputed", `"message":"charge 状态异常。","code":"charge_unexpected_status"`, "refund_rejected", "charge_unexpected_status"},
	} {
		err := refundProblem("R1", &pingpp.Error{Kind: pingpp.InvalidRequest, Status: 400, Type: "invalid_request_error",
			Message: member(c.error, "message"), Code: member(c.error, "code"), Param: member(c.error, "param")})
		p, ok := errors.AsType[*problem.Problem](err)
		if !ok || p.Code != c.code {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if c.code == "refund_rejected" && (p.Members["failure_code"] != c.failure || p.Members["failure_msg"] != member(c.error, "message") || p.Members["refund_no"] != "R1") {
			t.Errorf("%s: %v", c.name, p.Members)
		}
	}
}

// member is a member of a flat JSON text.
func member(object, name string) string {
	_, rest, found := strings.Cut(object, `"`+name+`":"`)
	if !found {
		return ""
	}
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// Ping++ complains about another parameter, in words that speak of amounts: that is not the matter of what is left.
func TestRefusalOfAnotherParameter(t *testing.T) {
	for param, exceeds := range map[string]bool{"description": false, "funding_source": false, "amount": true, "charge_amount": true, "": true} {
		err := &pingpp.Error{Kind: pingpp.InvalidRequest, Status: 400, Type: "invalid_request_error", Param: param, Message: "退款金额超过可退金额"}
		if got := problem.CodeOf(refundProblem("R1", err)); (got == "refund_exceeds") != exceeds {
			t.Errorf("param %q: %s", param, got)
		}
	}
}

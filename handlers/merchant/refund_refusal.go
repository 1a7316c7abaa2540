package merchant

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/refunds"
)

// rejectedRefund is the answer for a refund that Ping++ refused, however often it is asked for.
func rejectedRefund(re *ledger.Refund) *problem.Problem {
	return &problem.Problem{Code: "refund_rejected", Cause: fmt.Errorf("%s: %s", re.FailureCode, re.FailureMsg),
		Members: map[string]any{"refund_no": re.RefundNo, "failure_code": re.FailureCode, "failure_msg": re.FailureMsg}}
}

// What Ping++ says, in Chinese or English, when more is asked for than is left. It gives no code for that; a bound of the channel's own (限额) is
// another matter.
var (
	saysAllIsBack  = regexp.MustCompile(`(?i)全额退款|已全部退款|(fully|completely) refunded`)
	saysAmount     = regexp.MustCompile(`(?i)金额|amount`)
	saysMore       = regexp.MustCompile(`(?i)超过|超出|大于|高于|exceed|(more|greater|larger|higher) than`)
	saysOtherBound = regexp.MustCompile(`(?i)限额|上限|limit`)
	saysUnpaid     = regexp.MustCompile(`(?i)未支付|未付款|not (been )?paid|unpaid`)
)

// saysExceeds says whether Ping++ refused a refund since it is more than what is left of the charge.
func saysExceeds(refused *pingpp.Error) bool {
	ofAmount := refused.Param == "amount" || refused.Param == "charge_amount"
	switch {
	case refused.Param != "" && !ofAmount:
		return false
	case saysAllIsBack.MatchString(refused.Message):
		return true
	}
	return (ofAmount || saysAmount.MatchString(refused.Message)) && saysMore.MatchString(refused.Message) && !saysOtherBound.MatchString(refused.Message)
}

// refundProblem gives Ping++'s refusal its code: nothing came of the refund, and its number is free again.
func refundProblem(refundNo string, err error) error {
	if errors.Is(err, refunds.ErrOrderUnknown) {
		return &problem.Problem{Code: "provider_rejected", Cause: err, EN: "The charge belongs to a Ping++ order that cannot be found: refund it in Ping++'s dashboard.", ZH: "该支付单属于一个无法找到的 Ping++ 商品订单，请在 Ping++ 管理平台退款。"}
	}
	perr, ok := errors.AsType[*pingpp.Error](err)
	switch {
	case !ok:
		return err
	case perr.Kind != pingpp.InvalidRequest || perr.Type == "": // without a type it is not Ping++ that speaks, but something before it, or we
		return problem.OfPingpp(err)
	case saysExceeds(perr):
		return problem.New("refund_exceeds", err)
	case perr.Code == "charge_unexpected_status" && saysUnpaid.MatchString(perr.Message):
		return problem.New("charge_not_paid", err)
	}
	return &problem.Problem{Code: "refund_rejected", Cause: err,
		Members: map[string]any{"refund_no": refundNo, "failure_code": refunds.RefusalCode(perr), "failure_msg": perr.Message}}
}

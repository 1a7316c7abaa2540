package core

import (
	"strings"

	"github.com/caddypay/caddypay/ledger"
)

// What the rules themselves find wrong with a report.
var (
	problemUnclear = ledger.ShippingProblem{Code: ledger.ProblemUnclear, Text: "WeChat has not accepted the report, and never said why",
		ZH: "微信没有接受发货信息，也没有说明原因"}
	problemDiffers = ledger.ShippingProblem{Code: ledger.ProblemDiffers, Text: "WeChat has another report of this payment, which did not come from here",
		ZH: "微信已有这笔支付的另一份发货信息，不是由此上报的"}
	problemCorrected = ledger.ShippingProblem{Code: ledger.ProblemCorrected, Text: ledger.RefuseCorrected.Text(), ZH: "微信已有完整的发货信息及其一次更正，不再接受修改"}
	problemOver      = ledger.ShippingProblem{Code: ledger.ProblemOver, Text: ledger.RefuseOver.Text(), ZH: "买家已确认收货或资金已结算，微信不再接受发货信息"}
	problemHeld      = ledger.ShippingProblem{Code: string(ledger.RefuseHeld), Text: ledger.RefuseHeld.Text(), ZH: "该支付已被暂扣，等待人工处理；请先放行"}
)

// between stands between what a problem says in English and in Chinese.
const between = "\x1e"

// Sentences is what an engine keeps of a problem beside its code; ProblemOf reads both.
func Sentences(p ledger.ShippingProblem) string {
	text := strings.ReplaceAll(p.Text, between, " ")
	if p.ZH != "" {
		text += between + p.ZH
	}
	return text
}

// ProblemOf is the problem of a code and its [Sentences].
func ProblemOf(code, sentences string) ledger.ShippingProblem {
	text, zh, _ := strings.Cut(sentences, between)
	return ledger.ShippingProblem{Code: code, Text: text, ZH: zh}
}

package shipping

import (
	"fmt"

	"github.com/caddypay/caddypay/ledger"
)

// Refused says why the shipping of a payment cannot be reported, and what would help, as a sentence.
func Refused(why ledger.ShippingReason) (en, zh string) {
	t := refused[why]
	return t.en, t.zh
}

var refused = map[ledger.ShippingReason]struct{ en, zh string }{
	ledger.RefuseTestMode:  {"WeChat knows nothing of payments in test mode: there is nothing to report.", "微信不知道测试模式的支付，无需上报发货。"},
	ledger.RefuseChannel:   {"The order was not paid by wx_lite through this ledger: WeChat does not keep its money for that.", "该订单不是通过本账本的 wx_lite 支付，微信不会因发货而冻结其资金。"},
	ledger.RefuseNotPaid:   {"The order is not paid, as far as is known: report it once it is.", "该订单尚未支付（或支付通知尚未收到），请在支付成功后再上报。"},
	ledger.RefuseHeld:      {"The order's payment is held for a person: ship nothing before it is released.", "该订单的支付已被暂扣，等待人工处理；放行之前请勿发货。"},
	ledger.RefuseReversed:  {"The order's charge is reversed: the payer has the money back.", "该订单的支付单已撤销，款项已退还付款人。"},
	ledger.RefuseRefunded:  {"The order is refunded whole: there is nothing to ship.", "该订单已全额退款，无需发货。"},
	ledger.RefuseCorrected: {"WeChat has a complete report and its one correction, and takes no more.", "微信已有完整的发货信息及其一次更正，不再接受修改。"},
	ledger.RefuseComplete: {"There is a complete report, to which no part can be added: report all parcels at once, without complete: false; once WeChat has accepted the first, that is its one correction.",
		"已有完整的发货信息，不能再追加部分包裹：请去掉 complete: false，一次上报全部包裹；若微信已接受前一次，这就是那一次更正。"},
	ledger.RefuseParcels: {fmt.Sprintf("The parts of this order have more than %d parcels.", ledger.MostParcels), fmt.Sprintf("该订单各部分的包裹合计超过 %d 个。", ledger.MostParcels)},
	ledger.RefuseOver:    {"Receipt is confirmed or the money is settled: WeChat takes no report any more.", "买家已确认收货或资金已结算，微信不再接受发货信息。"},
}

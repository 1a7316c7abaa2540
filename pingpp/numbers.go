package pingpp

import (
	"net/http"
	"slices"
	"strings"
)

// What channels say of an order number that they have seen before, in their codes and their words. Ping++ passes them on inside its message.
var (
	paidWords = []string{
		"ORDERPAID", "TRADE_HAS_SUCCESS", "TRADE_HAS_FINISHED", // WeChat, Alipay
		"已支付", "已被支付", "已付款", "already paid", "already been paid", "has been paid",
	}
	usedWords = []string{
		"OUT_TRADE_NO_USED", "ORDERCLOSED", "ORDERREVERSED", // WeChat
		"CONTEXT_INCONSISTENT", "TRADE_HAS_CLOSE", // Alipay: seen with other parameters, and closed
		"订单号重复", "订单重复", "重复订单", "交易信息被篡改", "重复交易", "订单已关闭", "交易已关闭", "交易已经关闭", "订单已撤销", "duplicate order", "duplicated order",
	}
)

// OrderPaid says that a charge was refused since the channel has the money for its order number already.
func (e *Error) OrderPaid() bool { return e.Kind == Channel && e.says(paidWords) }

// NumberUsed says that a charge was refused for its order number alone, and nobody has paid: another number will do.
func (e *Error) NumberUsed() bool {
	return e.Kind == Channel && !e.OrderPaid() && e.says(usedWords) ||
		e.Kind == InvalidRequest && e.Status == http.StatusBadRequest && e.Param == "order_no"
}

func (e *Error) says(words []string) bool {
	text := strings.ToLower(e.Code + " " + e.Message)
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, strings.ToLower(word)) })
}

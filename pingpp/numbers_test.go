package pingpp

import "testing"

// What channels say of a number, as Ping++ passes it on.
func TestNumbersInErrors(t *testing.T) {
	const zh, en = "对支付渠道的请求未能成功。来自 wx_lite 渠道的错误信息：", "The request for channel was unsuccessful. Error message from channel alipay: "
	for message, want := range map[string]string{
		zh + "该订单已支付": "paid", zh + "ORDERPAID": "paid", en + "ACQ.TRADE_HAS_SUCCESS": "paid", en + "交易已被支付": "paid", en + "The order has been paid": "paid",
		zh + "商户订单号重复": "used", zh + "OUT_TRADE_NO_USED": "used", zh + "201 商户订单号重复": "used", en + "ACQ.CONTEXT_INCONSISTENT": "used",
		zh + "该订单已关闭": "used", en + "ACQ.TRADE_HAS_CLOSE": "used",
		zh + "系统繁忙，请稍后再试": "", zh + "invalid out_trade_no": "", zh + "USERPAYING 需要用户输入支付密码": "", zh + "用户未支付成功": "", "": "",
	} {
		e := &Error{Kind: Channel, Status: 402, Message: message}
		got := map[bool]string{e.OrderPaid(): "paid", e.NumberUsed(): "used"}[true]
		if got != want {
			t.Errorf("%q is %q, want %q", message, got, want)
		}
		e.Kind = Server
		if e.OrderPaid() || e.NumberUsed() {
			t.Errorf("%q of a server that fails counts", message)
		}
	}
	for e, want := range map[*Error]bool{
		{Kind: InvalidRequest, Status: 400, Param: "order_no"}: true, {Kind: InvalidRequest, Status: 400, Param: "subject"}: false,
		{Kind: InvalidRequest, Param: "order_no"}: false, {Kind: NotFound, Status: 404, Param: "order_no"}: false,
	} {
		if e.NumberUsed() != want {
			t.Errorf("%v: %v", e, e.NumberUsed())
		}
	}
}
